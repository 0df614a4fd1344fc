// A program that uses the library as a consumer does: it links plateau::profiling and starts the server. It leaks
// blocks of known number and size from functions of known names, burns CPU when told to, and says on which port it
// serves.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include "profiling/debug_server.hpp"

namespace {

constexpr std::size_t leaked_blocks = 2000;
constexpr std::size_t leaked_block_bytes = 57'344;  // a size class of jemalloc, which counts usable bytes

[[gnu::noinline]] void* leak_one_block(std::size_t bytes) {
  void* const block = std::malloc(bytes);
  std::memset(block, 1, bytes);
  return block;
}

// Inlined into its caller, and still to be found in the profile.
[[gnu::always_inline]] inline void* leak_through_inlined_function() {
  return leak_one_block(leaked_block_bytes);
}

[[gnu::noinline]] void leak_blocks(std::size_t count) {
  static void* volatile kept = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    void* const block = leak_through_inlined_function();
    std::memcpy(block, const_cast<void**>(&kept), sizeof(void*));
    kept = block;
  }
}

std::atomic<bool> burning{true};

[[gnu::noinline]] void burn_cpu() {
  volatile std::uint64_t sum = 0;
  while (burning.load(std::memory_order_relaxed)) sum = sum + 1;
}

}  // namespace

// Commands on standard input, a line each: leak, burn. Ends with it.
int main() {
  try {
    const plateau::DebugServer server({.address = "127.0.0.1:0"});
    leak_blocks(leaked_blocks);
    std::cout << server.port() << std::endl;
    std::thread burner;
    for (std::string command; std::getline(std::cin, command);) {
      if (command == "leak") leak_blocks(leaked_blocks);
      if (command == "burn" && !burner.joinable()) burner = std::thread(burn_cpu);
      std::cout << "done" << std::endl;
    }
    burning = false;
    if (burner.joinable()) burner.join();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
