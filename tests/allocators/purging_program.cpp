// Frees 2000 blocks at once, twice, under whatever PLATEAU_TRACE asks for: purging_program [fork]
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "allocators/purge_lines.hpp"

namespace {

void free_at_once() {
  constexpr std::size_t bytes = 8 << 10;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 2000; ++i) {
    blocks.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    std::memset(blocks.back().get(), 1, bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  plateau::start_purge_trace_from_environment();
  free_at_once();
  if (argc > 1 && std::strcmp(argv[1], "fork") == 0) {
    const pid_t child = ::fork();
    if (child == 0) std::exit(EXIT_SUCCESS);
    ::waitpid(child, nullptr, 0);
  }
  free_at_once();
}
