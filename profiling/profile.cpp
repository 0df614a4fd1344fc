#include "profiling/profile.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace plateau {
namespace {

// No code has such an address: it is not canonical on any 64-bit machine with less than 63 bits of address.
constexpr std::uint64_t first_named_frame = std::uint64_t{1} << 63;

constexpr std::size_t first_block_addresses = 1024;
constexpr std::size_t block_addresses = 64 * 1024;

// Label sets by content. Lengths lie between the parts, so that no two sets have one key.
std::string key_of(std::span<const ProfileLabel> labels) {
  std::string key;
  for (const ProfileLabel& label : labels) {
    for (const std::string* part : {&label.key, &label.text, &label.unit}) {
      key += std::to_string(part->size());
      key += ':';
      key += *part;
    }
    key += std::to_string(label.number);
    key += ';';
  }
  return key;
}

std::string key_of(const NamedFrame& frame) {
  std::string key;
  for (const std::string* part : {&frame.name, &frame.system_name, &frame.file}) {
    key += std::to_string(part->size());
    key += ':';
    key += *part;
  }
  return key + std::to_string(frame.start_line) + ':' + std::to_string(frame.line);
}

}  // namespace

Profile::Profile(std::vector<ValueType> types) : types_(std::move(types)) {}

void Profile::add(std::span<const std::uint64_t> stack, std::span<const std::int64_t> values,
                  std::span<const ProfileLabel> labels) {
  if (values.size() != types_.size()) throw std::invalid_argument("a sample needs one value for each type");
  Sample sample{.stack_size = static_cast<std::uint32_t>(stack.size())};
  if (!labels.empty()) sample.label_set = label_set(labels);
  if (!stack.empty()) {
    if (stack_blocks_.empty() || stack_blocks_.back().capacity() - stack_blocks_.back().size() < stack.size()) {
      const std::size_t doubled = stack_blocks_.empty() ? first_block_addresses : 2 * stack_blocks_.back().capacity();
      stack_blocks_.emplace_back().reserve(std::max(std::min(doubled, block_addresses), stack.size()));
    }
    std::vector<std::uint64_t>& block = stack_blocks_.back();
    sample.stack_block = static_cast<std::uint32_t>(stack_blocks_.size() - 1);
    sample.stack_begin = static_cast<std::uint32_t>(block.size());
    block.insert(block.end(), stack.begin(), stack.end());
  }
  values_.insert(values_.end(), values.begin(), values.end());
  samples_.push_back(sample);
}

std::uint32_t Profile::label_set(std::span<const ProfileLabel> labels) {
  for (const ProfileLabel& label : labels) {
    if (label.key.empty()) throw std::invalid_argument("a label needs a key");
  }
  const auto next = static_cast<std::uint32_t>(label_sets_.size() + 1);
  const auto [entry, is_new] = label_set_by_content_.try_emplace(key_of(labels), next);
  if (is_new) label_sets_.emplace_back(labels.begin(), labels.end());
  return entry->second;
}

std::span<const ProfileLabel> Profile::labels(const Sample& sample) const {
  if (sample.label_set == 0) return {};
  return label_sets_[sample.label_set - 1];
}

Profile Profile::without_samples() const {
  Profile empty(types_);
  empty.mappings = mappings;
  empty.period_type = period_type;
  empty.period_unit = period_unit;
  empty.period = period;
  empty.default_type = default_type;
  empty.drop_frames = drop_frames;
  empty.comments = comments;
  empty.time_nanos = time_nanos;
  empty.duration_nanos = duration_nanos;
  empty.leaf_is_return_address = leaf_is_return_address;
  empty.frames_ = frames_;
  empty.frame_by_content_ = frame_by_content_;
  return empty;
}

std::uint64_t Profile::named_frame(std::string_view name) {
  return named_frame(NamedFrame{.name = std::string(name), .system_name = {}, .file = {}});
}

std::uint64_t Profile::named_frame(NamedFrame frame) {
  const auto [entry, is_new] = frame_by_content_.try_emplace(key_of(frame), frames_.size());
  if (is_new) frames_.push_back(std::move(frame));
  return first_named_frame + entry->second;
}

const NamedFrame* Profile::frame(std::uint64_t address) const {
  if (address < first_named_frame || address - first_named_frame >= frames_.size()) return nullptr;
  return &frames_[address - first_named_frame];
}

std::optional<std::string_view> Profile::frame_name(std::uint64_t address) const {
  const NamedFrame* const named = frame(address);
  return named == nullptr ? std::nullopt : std::optional<std::string_view>(named->name);
}

}  // namespace plateau
