// Writes a heap dump of many different stacks: jemalloc's own, by a program whose calls are chosen at random.
//
//   MALLOC_CONF=prof:true,lg_prof_sample:0 LD_PRELOAD=libjemalloc.so.2 many_stacks --stacks 60000 many.heap
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "profiling/bench/random_stacks.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/number_option.hpp"

int main(int argc, char** argv) {
  std::uint64_t stacks = 60'000;
  std::uint64_t depth = 18;
  std::string file;
  CLI::App app{"a heap dump of many different stacks", "many_stacks"};
  plateau::add_whole_number(app, "--stacks", stacks, "how many", 1, 1'000'000'000)->capture_default_str();
  plateau::add_whole_number(app, "--depth", depth, "calls in each", 1, 10'000)->capture_default_str();
  app.add_option("FILE", file, "where to write the dump")->required();
  try {
    app.parse(argc, argv);
    std::vector<std::unique_ptr<char[]>> kept;
    for (std::uint64_t i = 0; i < stacks; ++i) {
      plateau::bench::Walk walk(i, depth);
      plateau::bench::allocate_on_a_stack(walk, i);
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
