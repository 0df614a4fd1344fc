// The odd host's work: integers, floating point, and blocks of every size, on a stack that grows and shrinks.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "host.hpp"

namespace plateau::conformance {
namespace {

[[gnu::noinline]] std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

[[gnu::noinline]] double summed(std::uint64_t seed) {
  double sum = 0;
  for (int i = 1; i <= 500; ++i) sum += std::sqrt(static_cast<double>((seed >> (i % 32)) & 0xffff)) / i;
  return sum;
}

// A block that keeps its bytes while deeper frames allocate theirs.
[[gnu::noinline]] std::uint64_t nested(std::uint64_t seed, int depth) {
  const std::size_t bytes = 16 + mixed(seed) % (depth == 3 ? 200000 : 3000);
  auto* const block = static_cast<unsigned char*>(std::malloc(bytes));
  if (block == nullptr) return 1;
  std::memset(block, static_cast<int>(seed & 0xff), bytes);
  std::uint64_t result = depth == 0 ? mixed(seed) : nested(mixed(seed + 1), depth - 1);
  result += static_cast<std::uint64_t>(summed(seed) * 1e6);
  result = mixed(result + block[0] + block[bytes / 2] + block[bytes - 1]);
  std::free(block);
  return result;
}

[[gnu::noinline]] std::uint64_t piece(std::uint64_t seed) {
  std::uint64_t result = seed;
  for (int i = 0; i < 20; ++i) result = mixed(result + nested(result, 8));
  return result;
}

}  // namespace

std::uint64_t work(std::chrono::milliseconds pace, std::uint64_t seed) {
  const auto end = std::chrono::steady_clock::now() + pace;
  const std::uint64_t expected = piece(seed);
  bool told = false;
  while (std::chrono::steady_clock::now() < end) {
    if (piece(seed) != expected && !told) {
      say("work: came out differently");
      told = true;
    }
  }
  return expected;
}

}  // namespace plateau::conformance
