// Writes a heap dump of many different stacks: jemalloc's own, by a program whose calls are chosen at random.
//
//   MALLOC_CONF=prof:true,lg_prof_sample:0 LD_PRELOAD=libjemalloc.so.2 many_stacks --stacks 60000 many.heap
#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "profiling/heap_profiler.hpp"

namespace {

constexpr std::size_t functions = 512;

class Walk {
 public:
  Walk(std::uint64_t seed, std::size_t depth) : random_(seed), left_(depth) {}

  // Which of `n` ways to go on; 0 when the walk ends here.
  std::size_t next(std::size_t n) {
    if (left_ == 0) return 0;
    --left_;
    return 1 + random_() % n;
  }

  std::vector<std::unique_ptr<char[]>> kept;

 private:
  std::mt19937_64 random_;
  std::size_t left_;
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
      keep_block(walk, 16 + Number);
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
constexpr std::array<Step, functions> steps = make_steps(std::make_index_sequence<functions>{});

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t stacks = 60'000;
  std::size_t depth = 18;
  std::string file;
  CLI::App app{"a heap dump of many different stacks", "many_stacks"};
  app.add_option("--stacks", stacks, "how many")->capture_default_str();
  app.add_option("--depth", depth, "calls in each")->capture_default_str();
  app.add_option("FILE", file, "where to write the dump")->required();
  try {
    app.parse(argc, argv);
    std::vector<std::unique_ptr<char[]>> kept;
    for (std::uint64_t i = 0; i < stacks; ++i) {
      Walk walk(i, depth);
      steps[i % functions](walk);
      for (auto& block : walk.kept) kept.push_back(std::move(block));
    }
    const plateau::ProfileReply dumped = plateau::HeapProfiler::dump_raw(file);
    if (!dumped.done) throw std::runtime_error(dumped.reason);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "many_stacks: {}\n", error.what());
    return 2;
  }
}
