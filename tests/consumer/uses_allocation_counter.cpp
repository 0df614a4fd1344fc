// A program that is measured: its operator new is the counter's.
#include <cstdio>
#include <memory>

#include <allocators/allocation_counter.hpp>

int main() {
  const auto before = plateau::allocation_counts();
  const auto block = std::make_unique<char[]>(1000);
  const auto after = plateau::allocation_counts();
  std::printf("%d call of %d bytes at %s\n", static_cast<int>(after.calls - before.calls),
              static_cast<int>(after.bytes - before.bytes), block != nullptr ? "an address" : "none");
}
