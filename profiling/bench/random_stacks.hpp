// Blocks on many different stacks, chosen at random: what a large program's heap looks like to a profiler.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace plateau::bench {

inline constexpr std::size_t functions = 512;

class Walk {
 public:
  // Blocks of base_bytes to base_bytes + 511 * step_bytes.
  Walk(std::uint64_t seed, std::size_t depth, std::size_t base_bytes = 16, std::size_t step_bytes = 1)
      : random_(seed), left_(depth), base_bytes_(base_bytes), step_bytes_(step_bytes) {}

  // Which of `n` ways to go on; 0 when the walk ends here.
  std::size_t next(std::size_t n) {
    if (left_ == 0) return 0;
    --left_;
    return 1 + random_() % n;
  }

  std::size_t block_bytes(std::size_t function) const { return base_bytes_ + function * step_bytes_; }

  std::vector<std::unique_ptr<char[]>> kept;

 private:
  std::mt19937_64 random_;
  std::size_t left_;
  std::size_t base_bytes_;
  std::size_t step_bytes_;
};

using Step = void (*)(Walk&);
extern const std::array<Step, functions> steps;

// Inlined, as much of C++ is.
inline void keep_block(Walk& walk, std::size_t bytes) {
  walk.kept.push_back(std::make_unique<char[]>(bytes));
}

template <std::size_t Number>
[[gnu::noinline]] void step(Walk& walk) {
  switch (walk.next(4)) {
    case 0:
      keep_block(walk, walk.block_bytes(Number));
      break;
    case 1:
      steps[(Number * 7 + 1) % functions](walk);
      break;
    case 2:
      steps[(Number * 11 + 3) % functions](walk);
      break;
    case 3:
      steps[(Number * 13 + 5) % functions](walk);
      break;
    default:
      steps[(Number * 17 + 7) % functions](walk);
  }
  asm volatile("");  // no tail call: the caller stays on the stack
}

template <std::size_t... Numbers>
constexpr std::array<Step, functions> make_steps(std::index_sequence<Numbers...> /*numbers*/) {
  return {step<Numbers>...};
}
inline constexpr std::array<Step, functions> steps = make_steps(std::make_index_sequence<functions>{});

// A call of it is a stack of its own for each seed.
inline void allocate_on_a_stack(Walk& walk, std::uint64_t seed) {
  steps[seed % functions](walk);
}

}  // namespace plateau::bench
