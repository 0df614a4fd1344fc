#include "profiling/symbols/mapping_history.hpp"

#include <link.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <iterator>
#include <mutex>
#include <utility>

#include "profiling/mappings.hpp"

namespace plateau {
namespace {

constexpr std::size_t most_comments = 16;

// Names may differ, as a link's and its file's.
bool is_same_code(const Mapping& one, const Mapping& other) {
  return one.start == other.start && one.limit == other.limit && one.offset == other.offset &&
         one.build_id == other.build_id;
}

bool contains(const std::vector<Mapping>& mappings, const Mapping& wanted) {
  return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& one) { return is_same_code(one, wanted); });
}

Mapping unloaded(Mapping mapping) {
  mapping.code_name = '[' + mapping.file.substr(mapping.file.rfind('/') + 1) + ", unloaded]";
  mapping.file_is_it = false;
  return mapping;
}

}  // namespace

void MappingHistory::remember(const std::vector<Mapping>& mapped) {
  for (const Mapping& one : mapped) {
    if (!contains(known_, one)) known_.push_back(one);
  }
}

std::vector<Mapping> MappingHistory::update(std::vector<Mapping> mapped) {
  for (Mapping& one : known_) {
    if (contains(mapped, one)) continue;
    cut_out(one);  // it may be another of those that are gone
    gone_.push_back(unloaded(std::move(one)));
  }
  for (const Mapping& one : mapped) cut_out(one);
  if (gone_.size() > most_gone) gone_.erase(gone_.begin(), gone_.end() - most_gone);
  known_ = mapped;
  mapped.insert(mapped.end(), gone_.begin(), gone_.end());
  return mapped;
}

void MappingHistory::cut_out(const Mapping& newer) {
  std::vector<Mapping> left;
  for (Mapping& old : gone_) {
    if (old.limit <= newer.start || newer.limit <= old.start) {
      left.push_back(std::move(old));
      continue;
    }
    if (!is_same_code(old, newer) && reused_.size() < most_comments) {
      reused_.insert(old.file + " was unloaded, and " + newer.file +
                     " is where it was: stacks from there can be of either, and have the names of the newer");
    }
    if (old.start < newer.start) {
      Mapping before = old;
      before.limit = newer.start;
      left.push_back(std::move(before));
    }
    if (newer.limit < old.limit) {
      Mapping after = old;
      after.offset += newer.limit - old.start;
      after.start = newer.limit;
      left.push_back(std::move(after));
    }
  }
  gone_ = std::move(left);
}

namespace {

constinit std::mutex mutex;

// Lives as long as the process: code is unloaded until the end.
MappingHistory& history() {
  static auto* const one = new MappingHistory;
  return *one;
}

// How many objects were ever loaded.
unsigned long long loads() {
  unsigned long long count = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t /*size*/, void* result) {
        *static_cast<unsigned long long*>(result) = object->dlpi_adds;
        return 1;
      },
      &count);
  return count;
}

}  // namespace

void set_process_mappings(Profile& profile) {
  std::vector<Mapping> mapped = process_mappings();
  const std::lock_guard lock(mutex);
  profile.mappings = history().update(std::move(mapped));
  const std::vector<std::string> comments = history().comments();
  profile.comments.insert(profile.comments.end(), comments.begin(), comments.end());
}

void remember_linked_code() noexcept {
  static unsigned long long known_loads = 0;
  const std::unique_lock lock(mutex, std::try_to_lock);
  if (!lock) return;
  try {
    const unsigned long long now = loads();
    if (now == known_loads) return;
    history().remember(linked_code());
    known_loads = now;
  } catch (const std::exception&) {
    // No memory: frames of what is unloaded now stay without a name.
  }
}

}  // namespace plateau
