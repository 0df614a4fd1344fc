// How the frame of each call site is left, as was seen when the unwinder left it: for walking the same way again
// without the unwinder. Of fixed size, lock-free, never allocates; takes no memory before it is used, when it lies in
// zero-initialised memory.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace plateau {

// The frame of a function that has called another: where it goes on, and what it finds in its registers then.
struct StackFrame {
  std::uintptr_t pc = 0;  // the return address
  std::uintptr_t sp = 0;
  std::uintptr_t fp = 0;  // the frame pointer's register, whatever the function has in it
};

// From a frame to its caller's. Offsets are in words of the machine.
struct FrameRule {
  enum class From : std::uint8_t {
    unknown,
    sp,         // a frame of fixed size
    fp,         // a frame with a frame pointer
    outermost,  // has no caller
  };

  From from = From::unknown;
  std::uint32_t to_caller = 0;  // the caller's sp above the register that `from` names
  std::uint16_t saved_fp = 0;   // the caller's fp is saved so far below the caller's sp; 0: it is still in its register

  friend bool operator==(const FrameRule&, const FrameRule&) = default;
};

// A hash table of numbers, with keys other than 0. Entries are never removed. Thread-safe.
template <std::size_t capacity>
class NumberTable {
 public:
  // 0 where there is none.
  std::uint64_t find(std::uint64_t key) const {
    for (std::size_t i = 0; i < longest_probe; ++i) {
      const Entry& entry = entries_[place(key, i)];
      const std::uint64_t found = entry.key.load(std::memory_order_relaxed);
      if (found == key) return entry.value.load(std::memory_order_relaxed);
      if (found == 0) return 0;
    }
    return 0;
  }

  // Says no when there is no room.
  bool set(std::uint64_t key, std::uint64_t value) {
    for (std::size_t i = 0; i < longest_probe; ++i) {
      Entry& entry = entries_[place(key, i)];
      std::uint64_t found = entry.key.load(std::memory_order_relaxed);
      if (found == 0 && entry.key.compare_exchange_strong(found, key, std::memory_order_relaxed)) found = key;
      if (found != key) continue;
      entry.value.store(value, std::memory_order_relaxed);
      return true;
    }
    return false;
  }

 private:
  static constexpr std::size_t longest_probe = 16;

  // One word each, so that relaxed order is enough: a value is whole, or not there yet.
  struct Entry {
    std::atomic<std::uint64_t> key{0};
    std::atomic<std::uint64_t> value{0};
  };

  static std::size_t place(std::uint64_t key, std::size_t probe) {
    return ((key * 0x9e3779b97f4a7c15 >> 32) + probe) % capacity;  // 2^64 / golden ratio
  }

  std::array<Entry, capacity> entries_;
};

class FrameRules {
 public:
  // Of unknown ways, `From::unknown`.
  FrameRule find(std::uintptr_t pc) const { return unpacked(rules_.find(pc)); }
  void set(std::uintptr_t pc, const FrameRule& rule) { rules_.set(pc, packed(rule)); }

 private:
  static std::uint64_t packed(const FrameRule& rule) {
    return static_cast<std::uint64_t>(rule.from) << 48 | static_cast<std::uint64_t>(rule.to_caller) << 16 |
           rule.saved_fp;
  }
  static FrameRule unpacked(std::uint64_t bits) {
    return {static_cast<FrameRule::From>(bits >> 48), static_cast<std::uint32_t>(bits >> 16),
            static_cast<std::uint16_t>(bits)};
  }

  NumberTable<16 * 1024> rules_;
};

}  // namespace plateau
