// Random programs of operations against a model (see operation_program.hpp). A failure names the seed that repeats it.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/allocators/operation_program.hpp"

namespace plateau {
namespace {

void run_random_programs(void (*run)(std::span<const std::uint8_t>), unsigned count, std::size_t most_bytes) {
  for (unsigned seed = 0; seed < count; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> program(random() % most_bytes);
    for (std::uint8_t& byte : program) byte = static_cast<std::uint8_t>(random());
    ASSERT_NO_THROW(run(program)) << "seed " << seed;
  }
}

TEST(Properties, HoldForRandomArenaPrograms) {
  run_random_programs(run_arena_program, 400, 600);
}
TEST(Properties, HoldForRandomPoolPrograms) {
  run_random_programs(run_pool_program, 200, 400);
}
TEST(Properties, HoldForRandomConcurrentPoolPrograms) {
  run_random_programs(run_concurrent_pool_program, 60, 200);
}
TEST(Properties, HoldForRandomRecyclerPrograms) {
  run_random_programs(run_recycler_program, 200, 400);
}

}  // namespace
}  // namespace plateau
