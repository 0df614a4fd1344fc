// Protects the order of a lane's workers, and that each sees what the one before it did.
#include "labs/harness/lanes/turns.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace plateau::harness {
namespace {

TEST(Turns, FollowOneAnotherInEachLaneWhateverTheOthersDo) {
  constexpr std::size_t lanes = 2;
  constexpr std::size_t workers = 3;
  constexpr std::uint64_t turns_of_a_lane = 300;
  Turns turns(lanes);
  std::vector<std::vector<std::uint64_t>> seen(lanes);  // unguarded: turns keep the workers of a lane apart
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    for (std::size_t place = 0; place < workers; ++place) {
      threads.emplace_back([&, lane, place] {
        for (std::uint64_t turn = place; turn < turns_of_a_lane; turn += workers) {
          turns.wait(lane, turn);
          seen[lane].push_back(turn);
          turns.pass_on(lane);
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_lane : seen) {
    ASSERT_EQ(of_lane.size(), turns_of_a_lane);
    for (std::uint64_t turn = 0; turn < turns_of_a_lane; ++turn) EXPECT_EQ(of_lane[turn], turn);
  }
}

}  // namespace
}  // namespace plateau::harness
