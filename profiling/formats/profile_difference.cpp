#include "profiling/profile_difference.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include <boost/container_hash/hash.hpp>

namespace plateau {
namespace {

// What makes two samples the same: addresses, and labels with a text. A stack's mean block size changes with time.
struct Key {
  std::vector<std::uint64_t> stack;
  std::string texts;

  bool operator==(const Key&) const = default;
};

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t seed = boost::hash_range(key.stack.begin(), key.stack.end());
    boost::hash_combine(seed, key.texts);
    return seed;
  }
};

std::string texts_of(std::span<const ProfileLabel> labels) {
  std::string texts;
  for (const ProfileLabel& label : labels) {
    if (!label.text.empty()) texts += label.key + '\0' + label.text + '\0';
  }
  return texts;
}

// Where the code of `earlier` lies in `later`.
class Relocation {
 public:
  Relocation(const Profile& earlier, Profile& later) : earlier_(earlier), later_(later) {}

  std::uint64_t operator()(std::uint64_t address) {
    if (const NamedFrame* const named = earlier_.frame(address)) return later_.named_frame(*named);
    for (const Mapping& mapping : earlier_.mappings) {
      // A return address can be the first one after the code.
      if (address <= mapping.start || address > mapping.limit) continue;
      const Mapping* const place = place_of(mapping);
      return place != nullptr ? address - mapping.start + place->start : unloaded(mapping);
    }
    return address;  // of no file
  }

 private:
  // A file can be mapped twice: where it did not move it is the same one. Null when it is not mapped any more.
  const Mapping* place_of(const Mapping& mapping) const {
    const Mapping* found = nullptr;
    for (const Mapping& other : later_.mappings) {
      const bool same_build = mapping.build_id.empty() || other.build_id.empty() || mapping.build_id == other.build_id;
      if (other.file != mapping.file || other.offset != mapping.offset || !same_build) continue;
      if (found == nullptr || other.start == mapping.start) found = &other;
    }
    return found;
  }

  std::uint64_t unloaded(const Mapping& mapping) {
    if (&mapping == &earlier_.mappings.front()) {
      throw std::invalid_argument("the earlier profile is not of the same program: the later one has no " +
                                  mapping.file + " like it");
    }
    return later_.named_frame('[' + mapping.file.substr(mapping.file.rfind('/') + 1) + ", unloaded]");
  }

  const Profile& earlier_;
  Profile& later_;
};

}  // namespace

Profile difference(const Profile& later, const Profile& earlier, const std::vector<std::string_view>& unchanged) {
  const std::vector<ValueType>& types = later.types();
  const auto same = [](const ValueType& a, const ValueType& b) { return a.type == b.type && a.unit == b.unit; };
  if (!std::equal(types.begin(), types.end(), earlier.types().begin(), earlier.types().end(), same)) {
    throw std::invalid_argument("the two profiles have different sample types");
  }
  Profile result = later.without_samples();
  if (later.time_nanos > earlier.time_nanos && earlier.time_nanos > 0) {
    result.duration_nanos = later.time_nanos - earlier.time_nanos;
  }

  // In the order in which they are met, for an output that does not vary.
  struct Change {
    Key key;
    std::span<const ProfileLabel> labels;
    std::vector<std::int64_t> values;
  };
  std::vector<Change> changes;
  std::unordered_map<Key, std::size_t, KeyHash> index_by_key;
  const auto change_of = [&](const Profile& profile, const Profile::Sample& sample,
                             auto relocated) -> std::vector<std::int64_t>& {
    const auto stack = profile.stack(sample);
    Key key{{stack.begin(), stack.end()}, texts_of(profile.labels(sample))};
    for (std::uint64_t& address : key.stack) address = relocated(address);
    const auto [entry, is_new] = index_by_key.try_emplace(key, changes.size());
    if (is_new) {
      changes.push_back({std::move(key), profile.labels(sample), std::vector<std::int64_t>(types.size())});
    }
    return changes[entry->second].values;
  };
  for (const Profile::Sample& sample : later.samples()) {
    std::vector<std::int64_t>& sum = change_of(later, sample, [](std::uint64_t address) { return address; });
    for (std::size_t i = 0; i < types.size(); ++i) sum[i] += later.values(sample)[i];
  }
  Relocation relocation(earlier, result);
  for (const Profile::Sample& sample : earlier.samples()) {
    std::vector<std::int64_t>& sum = change_of(earlier, sample, std::ref(relocation));
    for (std::size_t i = 0; i < types.size(); ++i) {
      const bool is_unchanged = std::find(unchanged.begin(), unchanged.end(), types[i].type) != unchanged.end();
      if (!is_unchanged) sum[i] -= earlier.values(sample)[i];
    }
  }
  for (const Change& change : changes) {
    const auto is_zero = [](std::int64_t value) { return value == 0; };
    if (!std::all_of(change.values.begin(), change.values.end(), is_zero)) {
      result.add(change.key.stack, change.values, change.labels);
    }
  }
  return result;
}

}  // namespace plateau
