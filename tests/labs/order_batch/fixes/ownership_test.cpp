// Protects arenas that travel: a job is whole wherever it is, and its memory comes back to be used again.
#include "labs/order_batch/fixes/ownership.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "labs/order_batch/fixes/backpressure.hpp"
#include "labs/order_batch/order_source.hpp"

namespace plateau::order_batch {
namespace {

Job* fill(Job* job, OrderSource& source) {
  source.read(job->order);
  job->message.assign(2000, 'x');
  return job;
}

TEST(Ownership, BothHalvesHoldTheSameOrder) {
  TravellingArenas arenas;
  const auto one = generated_orders(7, 10);
  const auto other = generated_orders(7, 10);
  Job* const before = fill(make_job_before(arenas), *one);
  Job* const after = fill(make_job_after(arenas), *other);
  EXPECT_EQ(before->order.customer, after->order.customer);
  ASSERT_EQ(before->order.items.size(), after->order.items.size());
  EXPECT_EQ(before->order.items.back().name, after->order.items.back().name);
  EXPECT_EQ(after->order.items.back().name.get_allocator().resource(), after->arena) << "down to the last string";
  EXPECT_GT(bytes_of_before(*before), before->message.size());
  EXPECT_GE(bytes_of_after(*after), bytes_of_before(*before) / 2);
  end_job_before(arenas, before);
  end_job_after(arenas, after);
}

TEST(Ownership, WhatOtherThreadsGiveBackIsUsedAgain) {
  constexpr int rounds = 50;
  constexpr std::size_t in_flight = 20;
  TravellingArenas arenas;
  const auto source = generated_orders(7, rounds * in_flight);
  for (int round = 0; round < rounds; ++round) {
    std::vector<Job*> jobs;
    for (std::size_t i = 0; i < in_flight; ++i) jobs.push_back(fill(make_job_after(arenas), *source));
    std::vector<std::thread> workers;
    for (std::size_t half : {std::size_t{0}, std::size_t{1}}) {
      workers.emplace_back([&, half] {
        for (std::size_t i = half; i < in_flight; i += 2) {
          EXPECT_EQ(jobs[i]->message.size(), 2000U);
          end_job_after(arenas, jobs[i]);
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
  EXPECT_EQ(arenas.arenas(), in_flight);
}

TEST(Backpressure, AdmissionWaitsForRoomAndLargeOnesGoAlone) {
  BytesInFlight in_flight(100);
  admit_after(in_flight, 60);
  std::thread waits([&] { admit_after(in_flight, 50); });
  in_flight.give_back(60);
  waits.join();
  EXPECT_LE(in_flight.most_ever(), 100U);
  in_flight.give_back(50);
  admit_after(in_flight, 1000);
  EXPECT_EQ(in_flight.most_ever(), 1000U);
}

TEST(Backpressure, BeforeTakesAll) {
  BytesInFlight in_flight(100);
  for (int i = 0; i < 10; ++i) admit_before(in_flight, 60);
  EXPECT_EQ(in_flight.most_ever(), 600U);
}

}  // namespace
}  // namespace plateau::order_batch
