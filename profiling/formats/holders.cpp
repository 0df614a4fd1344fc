#include "profiling/holders.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <list>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <boost/regex.hpp>

#include "profiling/formats/helper_functions.hpp"
#include "profiling/heap_profile.hpp"
#include "profiling/profile_difference.hpp"

namespace plateau {
namespace {

constexpr double enough_samples = 10;

std::size_t index(HeapColumn column) {
  return static_cast<std::size_t>(column);
}

struct NamedCall {
  std::string_view function;
  std::string_view file;
  std::int64_t line = 0;
  bool is_folded = false;
};

bool is_of_a_library(std::string_view name, std::string_view file) {
  for (const std::string_view scope :
       {"std::",      "__gnu_cxx::", "__cxxabiv1::", "boost::",  "fmt::",   "absl::", "plateau::sampler::",
        "alloc::",    "core::",      "hashbrown::",  "<alloc::", "<core::", "<std::", "[libc.so",
        "[libstdc++", "[libc++",     "[ld-linux",    "_nl_",     "__GI_",   "_IO_",   "operator new",
        "g_malloc",   "g_realloc",   "g_slice_",     "__strdup", "__libc_"}) {
    if (name.starts_with(scope)) return true;
  }
  for (const std::string_view folder : {"/usr/include/", "/usr/lib/gcc/", "/rustc/", "/build/glibc"}) {
    if (file.starts_with(folder)) return true;
  }
  for (const std::string_view of_c : {"strdup", "strndup", "asprintf", "vasprintf", "getline", "getdelim", "fopen",
                                      "xmalloc", "xcalloc", "xrealloc", "xstrdup", "zmalloc", "zcalloc", "zrealloc"}) {
    if (name == of_c) return true;
  }
  return false;
}

// A container that takes an element; strings and vectors of bytes are contents, not holders of others.
bool is_insertion(std::string_view name) {
  if (name.find("basic_string") != std::string_view::npos || name.find("char_traits") != std::string_view::npos)
    return false;
  static const boost::regex insertion(
      "(std|boost|absl|folly|__gnu_cxx|tbb)::.*(::(try_)?(emplace|insert|push)(_back|_front|_hint|_after|_or_assign)?"
      "|::operator\\[\\]|::append|::enqueue|::_M_(realloc_)?(insert|emplace|push|append|create_node|get_node)\\w*)");
  return boost::regex_match(name.begin(), name.end(), insertion);
}

class Namer {
 public:
  Namer(const Profile& profile, Symbolizer& symbolizer)
      : profile_(profile), symbolizer_(symbolizer), allocation_(profile.drop_frames) {}

  // Innermost first. Valid as long as the namer.
  const std::vector<NamedCall>& at(std::uint64_t address, bool is_return) {
    if (is_return && address > 0 && profile_.frame(address) == nullptr) --address;
    const auto [entry, is_new] = calls_.try_emplace(address);
    if (is_new) entry->second = look_up(address);
    return entry->second;
  }

 private:
  std::vector<NamedCall> look_up(std::uint64_t address) {
    std::vector<NamedCall> calls;
    if (const NamedFrame* const named = profile_.frame(address)) {
      calls.push_back(call(named->name, named->file, named->line));
      return calls;
    }
    const auto mapping = std::find_if(profile_.mappings.begin(), profile_.mappings.end(),
                                      [&](const Mapping& one) { return address >= one.start && address < one.limit; });
    if (mapping == profile_.mappings.end()) return {call("[unmapped]", {}, 0)};
    for (const Frame& frame : symbolizer_.frames(*mapping, address))
      calls.push_back(call(frame.function->name, frame.function->file, frame.line));
    if (calls.empty()) {
      const std::string& name = names_.emplace_back('[' + mapping->file.substr(mapping->file.rfind('/') + 1) + ']');
      calls.push_back(call(name, {}, 0));
    }
    return calls;
  }

  NamedCall call(std::string_view name, std::string_view file, std::int64_t line) const {
    const bool folded = is_of_a_library(name, file) ||
                        (!allocation_.empty() && boost::regex_match(name.begin(), name.end(), allocation_));
    return {name, file, line, folded};
  }

  const Profile& profile_;
  Symbolizer& symbolizer_;
  const boost::regex allocation_;
  std::unordered_map<std::uint64_t, std::vector<NamedCall>> calls_;
  std::list<std::string> names_;
};

std::string place_of(const NamedCall& call) {
  if (call.file.empty() || call.line == 0) return {};
  return std::string(call.file.substr(call.file.rfind('/') + 1)) + ":" + std::to_string(call.line);
}

Site site_of(const Profile& profile, const Profile::Sample& sample, Namer& namer) {
  Site site;
  std::string_view outermost_library;
  const auto stack = profile.stack(sample);
  constexpr std::size_t most_calls = 1 + most_steps + shown_callers;
  for (std::size_t i = 0; i < stack.size() && site.calls.size() < most_calls; ++i) {
    for (const NamedCall& call : namer.at(stack[i], i > 0 || profile.leaf_is_return_address)) {
      if (call.is_folded) {
        if (site.calls.empty() && is_insertion(call.function)) site.insertion = call.function;
        if (site.calls.empty()) outermost_library = call.function;
      } else if (site.calls.empty() || call.function != site.calls.back().function) {
        site.calls.push_back({std::string(call.function), place_of(call)});
      }
    }
  }
  if (site.calls.empty())
    site.calls.push_back({std::string(outermost_library.empty() ? "[no stack]" : outermost_library), {}});
  return site;
}

// Blocks of one stack have about one size: how many of them were really recorded.
double recorded(double objects, double bytes, std::int64_t period) {
  objects = std::abs(objects);
  bytes = std::abs(bytes);
  if (objects <= 0 || bytes <= 0) return 0;
  return period <= 1 ? objects : objects * -std::expm1(-(bytes / objects) / static_cast<double>(period));
}

class Table {
 public:
  Table(Holders& holders, Symbolizer& symbolizer) : holders_(holders), symbolizer_(symbolizer) {}

  void add_alive(const Profile& profile) {
    Namer namer(profile, symbolizer_);
    for (const Profile::Sample& sample : profile.samples()) {
      const auto values = profile.values(sample);
      const auto bytes = static_cast<double>(values[index(HeapColumn::inuse_space)]);
      const auto objects = static_cast<double>(values[index(HeapColumn::inuse_objects)]);
      helpers_.add(site_of(profile, sample, namer), bytes, recorded(objects, bytes, holders_.period));
    }
    add(profile, namer, [this](HolderRow& row, std::span<const std::int64_t> values) {
      const auto made = static_cast<double>(values[index(HeapColumn::alloc_objects)]);
      const auto alive = static_cast<double>(values[index(HeapColumn::inuse_objects)]);
      const auto alive_bytes = static_cast<double>(values[index(HeapColumn::inuse_space)]);
      row.made_objects += made;
      row.made_bytes += static_cast<double>(values[index(HeapColumn::alloc_space)]);
      row.alive_objects += alive;
      row.alive_bytes += alive_bytes;
      row.samples += recorded(alive, alive_bytes, holders_.period);
      holders_.alive_bytes += alive_bytes;
      if (made > alive) holders_.tells_made = true;
    });
  }

  // Requires add_alive() before, which finds out whose the stacks are.
  void add_growth(const Profile& difference) {
    Namer namer(difference, symbolizer_);
    add(difference, namer, [this](HolderRow& row, std::span<const std::int64_t> values) {
      const auto objects = static_cast<double>(values[index(HeapColumn::inuse_objects)]);
      const auto bytes = static_cast<double>(values[index(HeapColumn::inuse_space)]);
      row.grown_objects += objects;
      row.grown_bytes += bytes;
      row.growth_samples += recorded(objects, bytes, holders_.period);
      holders_.grown_bytes += bytes;
    });
  }

  std::vector<HolderRow> rows() && {
    std::vector<HolderRow> rows;
    for (auto& [key, row] : rows_) rows.push_back(std::move(row));
    std::stable_sort(rows.begin(), rows.end(), [](const HolderRow& one, const HolderRow& other) {
      return std::pair(one.grown_bytes, one.alive_bytes) > std::pair(other.grown_bytes, other.alive_bytes);
    });
    return rows;
  }

 private:
  struct Key {
    OwnCall call;
    std::string insertion;
    std::string through;

    auto operator<=>(const Key&) const = default;
  };

  template <class Add>
  void add(const Profile& profile, Namer& namer, Add add) {
    for (const Profile::Sample& sample : profile.samples()) {
      const Site site = site_of(profile, sample, namer);
      const std::size_t step = helpers_.step_of(site);
      Key key{site.calls[step], site.insertion, {}};
      for (std::size_t i = step; i-- > 0;) key.through += (key.through.empty() ? "" : " > ") + site.calls[i].function;
      const auto [entry, is_new] = rows_.try_emplace(key);
      HolderRow& row = entry->second;
      if (is_new) {
        row.function = key.call.function;
        row.place = key.call.place;
        row.insertion = key.insertion;
        row.through = key.through;
        for (std::size_t i = step + 1; i < std::min(step + 1 + shown_callers, site.calls.size()); ++i)
          row.callers += (row.callers.empty() ? "" : " < ") + site.calls[i].function;
      }
      add(row, profile.values(sample));
    }
  }

  Holders& holders_;
  Symbolizer& symbolizer_;
  Helpers helpers_;
  std::map<Key, HolderRow> rows_;
};

// An insertion whose elements are made and never freed tells of a holder; a payload does not, which may be the larger.
std::optional<std::size_t> probable_holder(const Holders& holders) {
  constexpr double hardly_any_freed = 0.9;
  std::optional<std::size_t> best;
  const auto rank = [&](const HolderRow& row) { return std::pair(!row.insertion.empty(), row.grown_objects); };
  const bool something_grows = std::any_of(holders.rows.begin(), holders.rows.end(),
                                           [&](const HolderRow& row) { return holders.bounded(row) == Bounded::no; });
  for (std::size_t i = 0; i < holders.rows.size(); ++i) {
    const HolderRow& row = holders.rows[i];
    // Where something grows, small elements that all stay are few samples, and tell more than many of a payload.
    const bool takes_elements = something_grows && !row.insertion.empty() && row.grown_bytes > 0 &&
                                row.growth_samples >= (holders.tells_made ? 1 : 3) && row.samples >= enough_samples / 2;
    if (holders.bounded(row) != Bounded::no && !takes_elements) continue;
    if (holders.tells_made && row.survival() < hardly_any_freed) continue;
    // A leak beside the one that matters is none to name first.
    if (row.grown_bytes < 0.01 * holders.grown_bytes) continue;
    if (!best || rank(row) > rank(holders.rows[*best])) best = i;
  }
  return best;
}

}  // namespace

Bounded Holders::bounded(const HolderRow& row) const {
  if (seconds <= 0) return Bounded::unknown;
  if (row.grown_bytes > 0) {
    // What comes and goes differs by the root of what was recorded; of what all stays each sample counts.
    const double error = 3 * std::sqrt(row.samples + row.growth_samples) / std::max(row.samples, 1.0) * row.alive_bytes;
    const bool all_stay = tells_made && row.survival() > 0.9 && row.growth_samples >= enough_samples / 2;
    if (all_stay || (row.growth_samples >= enough_samples && row.grown_bytes > error)) return Bounded::no;
  }
  // What hardly ever goes may grow too slowly to be seen yet.
  if (row.grown_bytes > 0 && tells_made && row.survival() > 0.9) return Bounded::unknown;
  return row.samples >= enough_samples ? Bounded::yes : Bounded::unknown;
}

Holders find_holders(const Profile& later, const Profile* earlier, double seconds, Symbolizer& symbolizer) {
  Holders holders;
  holders.period = later.period;
  holders.tells_made = std::any_of(later.comments.begin(), later.comments.end(), [](const std::string& comment) {
    return std::string_view(comment).starts_with(counts_frees_comment);
  });
  Table table(holders, symbolizer);
  table.add_alive(later);
  if (earlier != nullptr) {
    holders.seconds = seconds;
    table.add_growth(difference(later, *earlier));
  }
  holders.rows = std::move(table).rows();
  holders.probable = probable_holder(holders);
  return holders;
}

}  // namespace plateau
