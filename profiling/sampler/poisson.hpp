// Poisson sampling of allocated bytes: which blocks to record, and what each recorded one stands for.
//
// Points lie on the stream of allocated bytes with exponentially distributed gaps of mean R (the sampling period), and
// a block is recorded when a point falls into it. A block of n bytes takes n + 1 bytes of the stream, so that empty
// blocks are seen as well. It is recorded with probability p = 1 - exp(-(n + 1) / R), and counts 1/p times (Horvitz and
// Thompson, "A Generalization of Sampling Without Replacement", 1952): sums of any sizes on one stack are unbiased.
// Only what follows the block matters for the next gap (the exponential distribution has no memory), so a change of R
// between two blocks leaves no bias.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace plateau::sampler {

inline constexpr std::uint64_t default_period_bytes = 512 * 1024;

// What a recorded block stands for. Objects are in units of 1 / object_scale: their weight is a fraction.
struct Weight {
  static constexpr std::uint64_t object_scale = 4096;

  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

// A period of at most 1 records every block. Rounds to the unit: relative error below 1 / 8192.
inline Weight weight_of(std::size_t block_bytes, std::uint64_t period_bytes) {
  if (period_bytes <= 1) return {Weight::object_scale, block_bytes};
  const auto bytes = static_cast<double>(block_bytes);
  const double probability = -std::expm1(-(bytes + 1) / static_cast<double>(period_bytes));
  return {static_cast<std::uint64_t>(static_cast<double>(Weight::object_scale) / probability + 0.5),
          static_cast<std::uint64_t>(bytes / probability + 0.5)};
}

// Standard error of a sum of sampled bytes, at most. Each recorded block adds w (w - n) to the variance, where w = n /
// p is its weight, and w - n = n exp(-x) / (1 - exp(-x)) < R with x = n / R.
inline double standard_error_bytes(double estimated_bytes, std::uint64_t period_bytes) {
  return period_bytes <= 1 ? 0 : std::sqrt(static_cast<double>(period_bytes) * estimated_bytes);
}

// Draws the gaps. splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). Trivial, so
// that a thread's own needs no construction; not thread-safe.
class Gaps {
 public:
  constexpr void seed(std::uint64_t seed) { state_ = seed; }

  // Bytes until the next point, rounded down.
  std::uint64_t next(std::uint64_t period_bytes) {
    if (period_bytes <= 1) return 0;
    const double uniform = (static_cast<double>(next_bits() >> 11) + 1) * 0x1p-53;  // in (0, 1]
    return static_cast<std::uint64_t>(-std::log(uniform) * static_cast<double>(period_bytes));
  }

 private:
  std::uint64_t next_bits() {
    std::uint64_t bits = (state_ += 0x9e3779b97f4a7c15);
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }

  std::uint64_t state_ = 0;
};

}  // namespace plateau::sampler
