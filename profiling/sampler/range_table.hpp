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
  bool is_shared = false;  // shared anonymous memory
  bool is_file = false;
};

// Not thread-safe. Ranges are kept in order and never overlap; neighbours of one stack and kind are one range, but for
// stacks of threads, and for files, which may be two. O(log n) to find. Adding and removing moves the ranges on the
// nearer side, so that it is O(1) at both ends, where the kernel puts new mappings, and some microseconds in the midst
// of ten thousand. Usable as zero bytes.
template <std::size_t capacity>
class RangeTable {
 public:
  std::span<const Range> ranges() const { return {ranges_.data() + begin(), count_}; }

  // What was known of these addresses before is forgotten. False when there is no place.
  bool add(const Range& range) {
    if (range.start >= range.limit || !remove(range.start, range.limit)) return false;
    const std::size_t at = first_that_ends_after(range.start);
    if (!range.is_thread_stack) {
      const bool joins_before = at > 0 && is_joined(this->at(at - 1), range);
      if (joins_before && at < count_ && is_joined(range, this->at(at))) {
        this->at(at - 1).limit = this->at(at).limit;
        erase(at, at + 1);
        return true;
      }
      if (joins_before) {
        this->at(at - 1).limit = range.limit;
        return true;
      }
      if (at < count_ && is_joined(range, this->at(at))) {
        this->at(at).start = range.start;
        return true;
      }
    }
    if (count_ == capacity) return false;
    insert(at, range);
    return true;
  }

  // Cuts the addresses out of every range. False when a range would be in two parts and there is no place for both: it
  // is whole still.
  bool remove(std::uintptr_t start, std::uintptr_t limit) {
    if (start >= limit) return true;
    std::size_t first = first_that_ends_after(start);
    if (first < count_ && at(first).start < start) {
      Range rest = at(first);
      if (rest.limit > limit) {
        if (count_ == capacity) return false;
        rest.start = limit;
        at(first).limit = start;
        insert(first + 1, rest);
        return true;
      }
      at(first++).limit = start;
    }
    std::size_t end = first;
    while (end < count_ && at(end).limit <= limit) ++end;
    if (end < count_ && at(end).start < limit) at(end).start = limit;
    erase(first, end);
    return true;
  }

  std::optional<Range> find(std::uintptr_t address) const {
    const std::size_t found = first_that_ends_after(address);
    if (found == count_ || ranges()[found].start > address) return std::nullopt;
    return ranges()[found];
  }

  void clear() { count_ = 0; }

 private:
  static bool is_joined(const Range& before, const Range& after) {
    return before.limit == after.start && before.stack == after.stack && !before.is_thread_stack &&
           !after.is_thread_stack && before.is_shared == after.is_shared && !before.is_file && !after.is_file;
  }

  std::size_t begin() const { return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(capacity / 2) + moved_); }
  Range& at(std::size_t index) { return ranges_[begin() + index]; }

  std::size_t first_that_ends_after(std::uintptr_t address) const {
    const auto all = ranges();
    const auto found =
        std::partition_point(all.begin(), all.end(), [address](const Range& range) { return range.limit <= address; });
    return static_cast<std::size_t>(found - all.begin());
  }

  // Requires a free place.
  void insert(std::size_t index, const Range& range) {
    const bool in_front = index < count_ - index;
    if (in_front ? begin() == 0 : begin() + count_ == capacity) centre(in_front);
    Range* const first = &ranges_[begin()];
    if (in_front) {
      std::copy(first, first + index, first - 1);
      --moved_;
    } else {
      std::copy_backward(first + index, first + count_, first + count_ + 1);
    }
    ++count_;
    at(index) = range;
  }

  void erase(std::size_t from, std::size_t to) {
    const std::size_t erased = to - from;
    if (erased == 0) return;
    Range* const first = ranges_.data() + begin();
    if (from < count_ - to) {
      std::copy_backward(first, first + from, first + to);
      moved_ += static_cast<std::ptrdiff_t>(erased);
    } else {
      std::copy(first + to, first + count_, first + from);
    }
    count_ -= erased;
    if (count_ == 0) moved_ = 0;
  }

  // Half of the free places before the ranges, and half behind; one at least on the side that needs it.
  void centre(bool in_front) {
    const std::size_t before = (capacity - count_ + (in_front ? 1 : 0)) / 2;
    Range* const first = ranges_.data() + begin();
    Range* const target = ranges_.data() + before;
    if (target < first) {
      std::copy(first, first + count_, target);
    } else {
      std::copy_backward(first, first + count_, target + count_);
    }
    moved_ = static_cast<std::ptrdiff_t>(before) - static_cast<std::ptrdiff_t>(capacity / 2);
  }

  std::array<Range, capacity> ranges_{};
  std::ptrdiff_t moved_ = 0;  // from the middle of the array, where the first range begins
  std::size_t count_ = 0;
};

}  // namespace plateau::sampler
