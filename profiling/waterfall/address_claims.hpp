// Which ranges of addresses belong to whom: the first to claim an address has it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace plateau {

enum class Owner { plateau, program, stack, data, arena, large_block, heap, nobody, interpreter };

struct AddressClaim {
  std::uint64_t limit = 0;
  Owner owner = Owner::program;
  std::size_t arena = 0;  // of Owner::arena
};

// Not thread-safe. O(log n) for a claim that meets no other.
class AddressClaims {
 public:
  // Claims what of the range nobody has yet.
  void claim(std::uint64_t start, std::uint64_t limit, Owner owner, std::size_t arena = 0) {
    auto next = claims_.upper_bound(start);
    if (next != claims_.begin()) {
      const auto before = std::prev(next);
      if (before->second.limit > start) start = before->second.limit;
    }
    while (start < limit) {
      const std::uint64_t end = next == claims_.end() ? limit : std::min(limit, next->first);
      if (start < end) claims_.emplace_hint(next, start, AddressClaim{end, owner, arena});
      if (next == claims_.end()) return;
      start = std::max(start, next->second.limit);
      ++next;
    }
  }

  // Calls visit(start, limit, claim) for each claim in the range, and with null for what nobody has.
  template <class Visit>
  void divide(std::uint64_t start, std::uint64_t limit, Visit visit) const {
    auto next = claims_.upper_bound(start);
    if (next != claims_.begin() && std::prev(next)->second.limit > start) --next;
    while (start < limit) {
      if (next == claims_.end() || next->first >= limit) return visit(start, limit, nullptr);
      if (next->first > start) visit(start, next->first, nullptr);
      const std::uint64_t begin = std::max(start, next->first);
      const std::uint64_t end = std::min(limit, next->second.limit);
      visit(begin, end, &next->second);
      start = end;
      ++next;
    }
  }

 private:
  std::map<std::uint64_t, AddressClaim> claims_;  // by start; they do not overlap
};

}  // namespace plateau
