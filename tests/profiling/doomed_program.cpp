// Leaks under a memory limit until it is killed: doomed_program DIRECTORY symbolize|raw, with a black box; or
// doomed_program alone, without.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>

#include "profiling/black_box.hpp"

namespace {

struct Leaked {
  Leaked* next;
};

}  // namespace

[[gnu::noinline]] Leaked* leak_until_killed() {
  constexpr std::size_t bytes = 10'000;
  Leaked* leaked = nullptr;
  for (;;) {
    void* const block = std::malloc(bytes);
    if (block == nullptr) return leaked;
    for (int use = 0; use < 100; ++use) {  // it does something with its blocks, too
      std::memset(block, use, bytes);
      asm volatile("" ::: "memory");
    }
    leaked = new (block) Leaked{leaked};
  }
}

int main(int argc, char** argv) {
  if (argc == 1) return leak_until_killed() != nullptr ? 3 : 4;
  if (argc != 3) return 2;
  try {
    const plateau::BlackBox black_box({.directory = argv[1],
                                       .keep = 2,
                                       .reserve_bytes = std::size_t{16} << 20,
                                       .symbolize = std::string_view(argv[2]) == "symbolize"});
    return leak_until_killed() != nullptr ? 3 : 4;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
