// Frees 2000 blocks at once, twice, under whatever PLATEAU_TRACE asks for: purging_program [fork | policy]. With a
// retention policy, until that has purged.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "allocators/purge_lines.hpp"
#include "allocators/retention.hpp"

namespace {

void free_at_once() {
  constexpr std::size_t bytes = 8 << 10;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 2000; ++i) {
    blocks.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    std::memset(blocks.back().get(), 1, bytes);
  }
}

int free_until_the_policy_purged() {
  // Never destroyed: its goal is in force until the last line is written.
  const auto& policy = *new plateau::RetentionPolicy(
      {.retain_percent = 0, .retain_for = std::chrono::milliseconds(1), .soft_limit = plateau::no_soft_limit});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (policy.statistics().counts.purged_bytes == 0) {
    if (std::chrono::steady_clock::now() > end) return EXIT_FAILURE;
    free_at_once();
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  plateau::start_purge_trace_from_environment();
  if (argc > 1 && std::strcmp(argv[1], "policy") == 0) return free_until_the_policy_purged();
  free_at_once();
  if (argc > 1 && std::strcmp(argv[1], "fork") == 0) {
    const pid_t child = ::fork();
    if (child == 0) std::exit(EXIT_SUCCESS);
    ::waitpid(child, nullptr, 0);
  }
  free_at_once();
}
