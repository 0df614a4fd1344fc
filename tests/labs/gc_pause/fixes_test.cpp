// Each fix gives the same output as what it replaces, and gives its memory back.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "allocators/allocation_counter.hpp"
#include "allocators/counting_resource.hpp"
#include "labs/gc_pause/fixes/events.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/fixes/values.hpp"
#include "labs/gc_pause/lane.hpp"

namespace plateau::gc_pause {
namespace {

constexpr std::uint64_t per_generation = 60;

const RequestStream& stream() {
  static const RequestStream instance(1, per_generation);
  return instance;
}

template <class Event>
std::vector<std::pair<std::string, std::string>> attributes_of(const Event& event) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [key, value] : event.attributes) result.emplace_back(key, value);
  return result;
}

TEST(Values, AfterIsTheSameUserWithoutTheHeap) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    Request request;
    stream().read(i, request);
    const auto on_heap = create_user_before(request.user);
    const auto before = thread_allocation_counts().calls;
    const User on_stack = create_user_after(request.user);
    EXPECT_EQ(thread_allocation_counts().calls, before);
    EXPECT_EQ(view(*on_heap).id, view(on_stack).id);
    EXPECT_EQ(view(*on_heap).email, view(on_stack).email);
    EXPECT_EQ(view(*on_heap).locale, view(on_stack).locale);
    EXPECT_EQ(view(*on_heap).role_count, view(on_stack).role_count);
  }
}

TEST(Events, ARecycledEventHasNothingOfTheOneBeforeAndSoonAllocatesNothing) {
  EventRecycler recycler;
  Request request;
  std::uint64_t calls = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    stream().read(i, request);
    const User user = create_user_after(request.user);
    for (const EventInput& input : request.events) {
      const auto fresh = make_event_before(input, view(user));
      const auto before = thread_allocation_counts().calls;
      const auto recycled = make_event_after(input, view(user), recycler);
      if (i >= 300) calls += thread_allocation_counts().calls - before;
      EXPECT_EQ(attributes_of(*fresh), attributes_of(*recycled));
      EXPECT_EQ(fresh->name, recycled->name);
      EXPECT_EQ(fresh->time_us, recycled->time_us);
    }
  }
  EXPECT_LE(calls, 5U) << "strings grow to the longest value that they have had, and then stay";
}

TEST(Generations, KeepWhatTheyWereGivenAndFreeAllOfIt) {
  CountingResource memory;
  GenerationSlot slot;
  begin_generation_before(slot, &memory, per_generation);
  fill_generation(*slot.generation, stream(), per_generation / lanes);
  Request request;
  stream().read(0, request);
  const Session* const session = slot.generation->find(request.user.id);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->page.size(), default_page_bytes);
  EXPECT_EQ(session->email, request.user.email);
  EXPECT_EQ(slot.generation->find(request.user.id + 1'000'000), nullptr);
  EXPECT_GT(memory.statistics().live_blocks, 500U);
  expire_before(slot, &memory);
  EXPECT_EQ(memory.statistics().live_blocks, 0U);
  EXPECT_EQ(memory.statistics().live_bytes, 0U);
}

TEST(Generations, TakenApartBySeveralThreadsFreeAllOfIt) {
  CountingResource memory;
  GenerationSlot slot;
  begin_generation_before(slot, &memory, per_generation);
  fill_generation(*slot.generation, stream(), per_generation / lanes);
  slot.generation->take_apart_with(3);
  expire_before(slot, &memory);
  EXPECT_EQ(memory.statistics().live_blocks, 0U);
}

TEST(Generations, InAnArenaTheNextOneTakesTheMemoryOfTheLast) {
  GenerationSlot slot;
  begin_generation_after(slot, per_generation);
  fill_generation(*slot.generation, stream(), per_generation / lanes);
  const auto reserved = slot.arena.statistics().reserved_bytes;
  expire_after(slot);
  EXPECT_EQ(slot.arena.statistics().used_bytes, 0U);
  EXPECT_EQ(slot.arena.statistics().reserved_bytes, reserved);
  begin_generation_after(slot, per_generation);
  fill_generation(*slot.generation, stream(), per_generation / lanes);
  EXPECT_EQ(slot.arena.statistics().reserved_bytes, reserved);
  expire_after(slot);
}

// All 16 sets of fixes, through three rounds of generations.
TEST(Lane, OutputIsTheSameWhateverFixesAreOn) {
  const std::uint64_t requests = 3 * generations * per_generation;
  std::vector<std::uint64_t> digests;
  for (int set = 0; set < 16; ++set) {
    EventRecycler events;
    const Fixes fixes{.values = (set & 1) != 0,
                      .events = (set & 2) != 0,
                      .generations = (set & 4) != 0,
                      .more_threads = (set & 8) != 0};
    CountingResource memory;
    {
      Lane lane(stream(), fixes, events, &memory, nullptr);
      for (std::uint64_t i = 0; i < requests; i += lanes) lane.handle(i);
      digests.push_back(lane.take_digest());
    }
    EXPECT_EQ(memory.statistics().live_bytes, 0U);
  }
  for (const std::uint64_t digest : digests) EXPECT_EQ(digest, digests.front());
}

}  // namespace
}  // namespace plateau::gc_pause
