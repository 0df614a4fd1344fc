// Ranges of addresses, each with a number: of fixed size, and never allocates.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace plateau::sampler {

struct Range {
  std::uintptr_t start = 0;
  std::uintptr_t limit = 0;  // first address after it
  std::uint32_t stack = 0;   // of whoever made it
  bool is_thread_stack = false;
  bool is_shared = false;  // shared anonymous memory, or a file of tmpfs
  bool is_file = false;    // any other file
};

// Not thread-safe. Ranges are kept in order and never overlap. O(log n) to find, O(n) to add and remove: some
// microseconds for ten thousand.
template <std::size_t capacity>
class RangeTable {
 public:
  std::span<const Range> ranges() const { return {ranges_.data(), count_}; }

  // What was known of these addresses before is forgotten. False when there is no place.
  bool add(const Range& range) {
    if (range.start >= range.limit || !remove(range.start, range.limit) || count_ == capacity) return false;
    insert(first_that_ends_after(range.start), range);
    return true;
  }

  // Cuts the addresses out of every range. False when a range would be in two parts and there is no place for both: it
  // is whole still.
  bool remove(std::uintptr_t start, std::uintptr_t limit) {
    std::size_t at = first_that_ends_after(start);
    if (at < count_ && ranges_[at].start < start) {
      Range rest = ranges_[at];
      if (rest.limit > limit) {
        if (count_ == capacity) return false;
        rest.start = limit;
        ranges_[at].limit = start;
        insert(at + 1, rest);
        return true;
      }
      ranges_[at++].limit = start;
    }
    std::size_t end = at;
    while (end < count_ && ranges_[end].limit <= limit) ++end;
    if (end < count_ && ranges_[end].start < limit) ranges_[end].start = limit;
    std::copy(ranges_.begin() + static_cast<std::ptrdiff_t>(end), ranges_.begin() + static_cast<std::ptrdiff_t>(count_),
              ranges_.begin() + static_cast<std::ptrdiff_t>(at));
    count_ -= end - at;
    return true;
  }

  std::optional<Range> find(std::uintptr_t address) const {
    const std::size_t at = first_that_ends_after(address);
    if (at == count_ || ranges_[at].start > address) return std::nullopt;
    return ranges_[at];
  }

 private:
  std::size_t first_that_ends_after(std::uintptr_t address) const {
    const auto end = ranges_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto found =
        std::partition_point(ranges_.begin(), end, [address](const Range& range) { return range.limit <= address; });
    return static_cast<std::size_t>(found - ranges_.begin());
  }

  void insert(std::size_t at, const Range& range) {
    const auto place = ranges_.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = ranges_.begin() + static_cast<std::ptrdiff_t>(count_);
    std::copy_backward(place, end, end + 1);
    *place = range;
    ++count_;
  }

  std::array<Range, capacity> ranges_{};
  std::size_t count_ = 0;
};

}  // namespace plateau::sampler
