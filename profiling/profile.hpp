// The model of a profile between whoever recorded it and whoever writes it: stacks of raw addresses with a few numbers
// each, and what was mapped where. Nothing here knows a file format or an allocator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace plateau {

struct ValueType {
  std::string type;  // as pprof names it: inuse_space, cpu, pauses, ...
  std::string unit;  // count, bytes, nanoseconds
};

// One mapped, executable segment, as in /proc/PID/maps.
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t limit = 0;  // first address after it
  std::uint64_t offset = 0;
  std::string file;
  std::string build_id;   // lower-case hex of NT_GNU_BUILD_ID; empty when the file has none
  std::string code_name;  // stands for functions in it that have no symbol; empty: they are shown as addresses
  // False: what is at `file` now may be another file, of which nothing is read unless the build ids agree.
  bool file_is_it = true;
};

struct ProfileLabel {
  std::string key;          // never empty
  std::string text;         // a text label, or empty
  std::int64_t number = 0;  // a numeric label, when `text` is empty
  std::string unit;         // of `number`
};

// A frame whose name was recorded with the profile, and so needs no symbolizer.
struct NamedFrame {
  std::string name;
  std::string system_name;  // empty: as `name`
  std::string file;         // empty: not known
  std::int64_t start_line = 0;
  std::int64_t line = 0;  // 0: not known
};

// Not thread-safe. Stacks lie in blocks that are never moved, values in one array: 100,000 samples cost few
// allocations.
class Profile {
 public:
  struct Sample {
    std::uint32_t stack_block = 0;
    std::uint32_t stack_begin = 0;  // in its block
    std::uint32_t stack_size = 0;
    std::uint32_t label_set = 0;  // index + 1 into label_sets(); 0: none
  };

  explicit Profile(std::vector<ValueType> types);

  // `stack` is leaf first. Every address but the leaf's is a return address, and so is the leaf's in heap profiles
  // (`leaf_is_return_address`). `values` has one number for each type. Throws std::invalid_argument when it has not, or
  // when a label has no key.
  void add(std::span<const std::uint64_t> stack, std::span<const std::int64_t> values,
           std::span<const ProfileLabel> labels = {});

  // Types, mappings, names and all that is said of the whole, and no samples.
  Profile without_samples() const;

  // An address that stands for a frame with a name and no code (a synthetic stack: "slab slack", "untracked").
  // The same name gives the same address.
  std::uint64_t named_frame(std::string_view name);
  // The same for a frame of code that was symbolised by whoever wrote the profile. An inlined function is a frame of
  // its own, before that of the function which it is in.
  std::uint64_t named_frame(NamedFrame frame);
  // The name behind such an address; nothing for an address of code.
  std::optional<std::string_view> frame_name(std::uint64_t address) const;
  // All of it; null for an address of code. Valid until the next named_frame().
  const NamedFrame* frame(std::uint64_t address) const;
  bool has_named_frames() const { return !frames_.empty(); }

  const std::vector<ValueType>& types() const { return types_; }
  const std::vector<Sample>& samples() const { return samples_; }
  std::span<const std::uint64_t> stack(const Sample& sample) const {
    if (sample.stack_size == 0) return {};
    return std::span(stack_blocks_[sample.stack_block]).subspan(sample.stack_begin, sample.stack_size);
  }
  std::span<const std::int64_t> values(const Sample& sample) const {
    const auto index = static_cast<std::size_t>(&sample - samples_.data());
    return std::span(values_).subspan(index * types_.size(), types_.size());
  }
  std::span<const ProfileLabel> labels(const Sample& sample) const;

  std::vector<Mapping> mappings;  // the main program first
  std::string period_type = "space";
  std::string period_unit = "bytes";
  std::int64_t period = 0;   // 0 or 1: exact
  std::string default_type;  // sample type that pprof shows first
  std::string drop_frames;   // regular expression of functions that pprof hides
  std::vector<std::string> comments;
  std::int64_t time_nanos = 0;      // since the epoch; 0: not known
  std::int64_t duration_nanos = 0;  // of deltas and CPU profiles
  bool leaf_is_return_address = true;

 private:
  std::uint32_t label_set(std::span<const ProfileLabel> labels);

  std::vector<ValueType> types_;
  std::vector<Sample> samples_;
  std::vector<std::vector<std::uint64_t>> stack_blocks_;
  std::vector<std::int64_t> values_;
  std::vector<std::vector<ProfileLabel>> label_sets_;
  std::unordered_map<std::string, std::uint32_t> label_set_by_content_;  // index + 1
  std::vector<NamedFrame> frames_;
  std::unordered_map<std::string, std::uint64_t> frame_by_content_;  // index
};

}  // namespace plateau
