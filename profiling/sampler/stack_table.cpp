#include "profiling/sampler/stack_table.hpp"

#include <algorithm>

namespace plateau::sampler {
namespace {

constexpr std::size_t longest_probe = 64;

std::uint64_t hash_of(std::span<const std::uintptr_t> stack) {
  std::uint64_t hash = stack.size();
  for (const std::uintptr_t address : stack) {
    hash = (hash ^ address) * 0x9e3779b97f4a7c15;  // 2^64 / golden ratio
    hash ^= hash >> 32;
  }
  return hash | 1;  // 0 is a free place
}

}  // namespace

bool StackTable::same(const Entry& entry, std::span<const std::uintptr_t> stack) const {
  return entry.written.load(std::memory_order_acquire) && entry.depth == stack.size() &&
         std::equal(stack.begin(), stack.end(), frames_.begin() + static_cast<std::ptrdiff_t>(entry.first_frame));
}

bool StackTable::write(Entry& entry, std::span<const std::uintptr_t> stack) {
  const std::size_t first = frames_used_.fetch_add(stack.size(), std::memory_order_relaxed);
  if (first + stack.size() > frame_capacity) {
    frames_used_.fetch_sub(stack.size(), std::memory_order_relaxed);
    return false;  // the place stays taken and unwritten: there is no room for its frames anyway
  }
  std::copy(stack.begin(), stack.end(), frames_.begin() + static_cast<std::ptrdiff_t>(first));
  entry.first_frame = first;
  entry.depth = static_cast<std::uint32_t>(stack.size());
  entry.written.store(true, std::memory_order_release);
  return true;
}

std::uint32_t StackTable::find_or_add(std::span<const std::uintptr_t> stack) {
  const std::uint64_t hash = hash_of(stack);
  for (std::size_t i = 0; i < longest_probe; ++i) {
    const auto place = static_cast<std::uint32_t>((hash / 2 + i) % capacity);
    if (place == overflow) continue;
    Entry& entry = entries_[place];
    std::uint64_t found = entry.hash.load(std::memory_order_acquire);
    if (found == 0 && entry.hash.compare_exchange_strong(found, hash, std::memory_order_acq_rel)) {
      return write(entry, stack) ? place : overflow;
    }
    if (found == hash && same(entry, stack)) return place;
  }
  return overflow;
}

}  // namespace plateau::sampler
