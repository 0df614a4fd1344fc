// A row of counts in the text of a heap profile, and taking such text apart.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "profiling/heap_profile.hpp"

namespace plateau {

// <objects>: <bytes> [<objects>: <bytes>], as written: not unsampled.
struct HeapRow {
  HeapCount in_use;
  HeapCount cumulative;

  bool empty() const {
    return in_use.objects == 0 && in_use.bytes == 0 && cumulative.objects == 0 && cumulative.bytes == 0;
  }

  // Throws std::overflow_error.
  HeapRow& operator+=(const HeapRow& other) {
    for (auto [sum, term] : {std::pair(&in_use, &other.in_use), std::pair(&cumulative, &other.cumulative)}) {
      if (__builtin_add_overflow(sum->objects, term->objects, &sum->objects) ||
          __builtin_add_overflow(sum->bytes, term->bytes, &sum->bytes)) {
        throw std::overflow_error("counts too large to add");
      }
    }
    return *this;
  }

  // For rows of which `other` is a part.
  HeapRow operator-(const HeapRow& other) const {
    return {{in_use.objects - other.in_use.objects, in_use.bytes - other.in_use.bytes},
            {cumulative.objects - other.cumulative.objects, cumulative.bytes - other.cumulative.bytes}};
  }
};

// Takes a line apart from the left. Each function says whether it found what it was asked for.
class RowScanner {
 public:
  explicit RowScanner(std::string_view text) : text_(text) {}

  bool skip(std::string_view expected) {
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }
  void skip_spaces() {
    while (text_.starts_with(' ') || text_.starts_with('\t')) text_.remove_prefix(1);
  }
  template <class Integer>
  bool number(Integer& value, int base = 10) {
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value, base);
    if (error != std::errc()) return false;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return true;
  }
  // Spaces may come before each number: gperftools aligns them.
  bool row(HeapRow& row) {
    if (!count(row.in_use)) return false;
    skip_spaces();
    if (!skip("[") || !count(row.cumulative)) return false;
    skip_spaces();
    return skip("]");
  }
  std::string_view rest() const { return text_; }

 private:
  bool count(HeapCount& count) {
    skip_spaces();
    if (!signed_number(count.objects) || !skip(":")) return false;
    skip_spaces();
    return signed_number(count.bytes);
  }

  // jemalloc prints signed counts as unsigned: more than fits is below 0. The least number has no opposite.
  bool signed_number(std::int64_t& value) {
    std::uint64_t wrapped = 0;
    if (!number(value)) {
      if (!number(wrapped)) return false;
      value = static_cast<std::int64_t>(wrapped);
    }
    return value != std::numeric_limits<std::int64_t>::min();
  }

  std::string_view text_;
};

}  // namespace plateau
