#include "profiling/profile_difference.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
    if (const auto name = earlier_.frame_name(address)) return later_.named_frame(*name);
    for (const Mapping& mapping : earlier_.mappings) {
      // A return address can be the first one after the code.
      if (address <= mapping.start || address > mapping.limit) continue;
      return address - mapping.start + place_of(mapping).start;
    }
    return address;  // of no file
  }

 private:
  const Mapping& place_of(const Mapping& mapping) const {
    for (const Mapping& other : later_.mappings) {
      const bool same_build = mapping.build_id.empty() || other.build_id.empty() || mapping.build_id == other.build_id;
      if (other.file == mapping.file && other.offset == mapping.offset && same_build) return other;
    }
    throw std::invalid_argument("the earlier profile is not of the same program: the later one has no " + mapping.file +
                                " like it");
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
  std::vector<bool> is_unchanged;
  for (const ValueType& type : types) {
    is_unchanged.push_back(std::find(unchanged.begin(), unchanged.end(), type.type) != unchanged.end());
  }

  Profile result = later.without_samples();
  if (later.time_nanos > earlier.time_nanos && earlier.time_nanos > 0) {
    result.duration_nanos = later.time_nanos - earlier.time_nanos;
  }
  std::unordered_map<Key, std::vector<std::int64_t>, KeyHash> before;
  std::vector<const Profile::Sample*> order;  // of the first sample of each key, for an output that does not vary
  Relocation relocated(earlier, result);
  const auto key_of = [](const Profile& profile, const Profile::Sample& sample) {
    const auto stack = profile.stack(sample);
    return Key{{stack.begin(), stack.end()}, texts_of(profile.labels(sample))};
  };
  const auto earlier_key_of = [&](const Profile::Sample& sample) {
    Key key = key_of(earlier, sample);
    for (std::uint64_t& address : key.stack) address = relocated(address);
    return key;
  };
  for (const Profile::Sample& sample : earlier.samples()) {
    const auto [entry, is_new] = before.try_emplace(earlier_key_of(sample), types.size());
    if (is_new) order.push_back(&sample);
    for (std::size_t i = 0; i < types.size(); ++i) entry->second[i] += earlier.values(sample)[i];
  }

  std::vector<std::int64_t> values(types.size());
  const auto add = [&](std::span<const std::uint64_t> stack, std::span<const ProfileLabel> labels) {
    if (std::any_of(values.begin(), values.end(), [](std::int64_t value) { return value != 0; })) {
      result.add(stack, values, labels);
    }
  };
  for (const Profile::Sample& sample : later.samples()) {
    const auto now = later.values(sample);
    values.assign(now.begin(), now.end());
    if (const auto entry = before.find(key_of(later, sample)); entry != before.end()) {
      for (std::size_t i = 0; i < types.size(); ++i) {
        if (!is_unchanged[i]) values[i] -= entry->second[i];
      }
      before.erase(entry);
    }
    add(later.stack(sample), later.labels(sample));
  }
  for (const Profile::Sample* const sample : order) {  // stacks that are gone
    const Key key = earlier_key_of(*sample);
    const auto entry = before.find(key);
    if (entry == before.end()) continue;
    for (std::size_t i = 0; i < types.size(); ++i) values[i] = is_unchanged[i] ? 0 : -entry->second[i];
    add(key.stack, earlier.labels(*sample));
  }
  return result;
}

}  // namespace plateau
