#include "labs/harness/lanes/lanes.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "allocators/purge_trace.hpp"
#include "allocators/thread_cache_flush.hpp"
#include "labs/harness/arm/arm_block.hpp"
#include "labs/harness/lanes/turns.hpp"

namespace plateau::harness {
namespace {

using Clock = ArmContext::Clock;

constexpr std::size_t worker_stack_bytes = 512 * 1024;
// What is due may change meanwhile, and so may the fixes.
constexpr std::chrono::milliseconds longest_wait{50};

class Engine {
 public:
  Engine(ArmContext& context, LaneWork& service)
      : context_(context),
        service_(service),
        shape_(service.shape()),
        first_measured_(count_preparing(service)),
        operations_(first_measured_ + context.spec().operations()),
        turns_(shape_.lanes),
        prepared_(static_cast<std::ptrdiff_t>(shape_.lanes * shape_.preparing_turns)),
        done_(static_cast<std::ptrdiff_t>(shape_.lanes * shape_.workers_per_lane)) {
    if (shape_.lanes > ArmBlock::max_lanes || shape_.lanes * shape_.workers_per_lane > ArmBlock::max_workers) {
      throw std::logic_error("the block that is shared with the parent has no room for so many lanes or workers");
    }
  }

  // Here and not further up is where what is thrown ends: nobody could join the workers.
  [[noreturn]] void run() noexcept {
    PurgeTrace::this_thread_is_background();  // it serves no request: retention begins and ends on it
    try {
      start_workers();
      prepared_.wait();
      service_.begin_retention();  // now that the heap is warm: building it frees faster than serving does
      service_.prepared();
      if (context_.spec().service_rate) context_.offer(service_);
      context_.ready();
      service_.begun();
      started_.store(true);
      started_.notify_all();
      done_.wait();
      service_.ended();
      if (SwitchedRetention* const policy = service_.retention())
        policy->follow({});  // its thread must not outlive main
      context_.finish();
    } catch (...) {
      context_.fail_with_current_exception();
    }
  }

 private:
  static std::uint64_t count_preparing(const LaneWork& service) {
    std::uint64_t sum = 0;
    for (std::size_t lane = 0; lane < service.shape().lanes; ++lane) {
      if (service.shape().preparing_turns > 0) sum += service.turn_end(lane, service.shape().preparing_turns - 1);
    }
    return sum;
  }

  void start_workers() {
    for (std::size_t lane = 0; lane < shape_.lanes; ++lane) {
      for (std::size_t place = 0; place < shape_.workers_per_lane; ++place) {
        threads_.emplace_back([this, lane, place] { run_worker(lane, place); });
      }
    }
  }

  // Allocates nothing: which arena a worker gets is decided by its first operation.
  void run_worker(std::size_t lane, std::size_t place) {
    try {
      ::pthread_setname_np(::pthread_self(), fmt::format("lane{}-{}", lane, place).c_str());
      LaneWorker worker(lane, lane * shape_.workers_per_lane + place);
      service_.run_worker([this, &worker] {
        serve(worker);
        done_.count_down();
        process_ended_.wait(false);
      });
    } catch (...) {
      context_.fail_with_current_exception();
    }
  }

  // Every turn of the lane that is this worker's.
  void serve(LaneWorker& worker) {
    const std::size_t lane = worker.lane();
    const std::size_t place = worker.number() % shape_.workers_per_lane;
    const std::uint64_t lane_operations = (operations_ + shape_.lanes - 1 - lane) / shape_.lanes;
    for (std::uint64_t turn = place;; turn += shape_.workers_per_lane) {
      const std::uint64_t begin = turn == 0 ? 0 : service_.turn_end(lane, turn - 1);
      if (begin >= lane_operations) return;
      const std::uint64_t whole_end = service_.turn_end(lane, turn);
      const std::uint64_t end = std::min(whole_end, lane_operations);
      const bool measured = turn >= shape_.preparing_turns;
      turns_.wait(lane, turn);
      if (measured) {
        begin_measuring(worker);
        for (std::uint64_t position = begin; position < end; ++position) operate(worker, {position, begin});
      } else {
        for (std::uint64_t position = begin; position < end; ++position)
          service_.handle(lane, index_of(lane, position));
      }
      service_.end_turn(lane, {.number = turn, .measured = measured, .whole = end == whole_end});
      if (!measured) prepared_.count_down();
      turns_.pass_on(lane);
    }
  }

  void begin_measuring(LaneWorker& worker) {
    started_.wait(false);
    if (context_.meters_stalls() && !worker.has_meter()) worker.use(context_.stall_meter(worker.lane(), shape_.waits));
  }

  void operate(LaneWorker& worker, const LaneOperation& operation) {
    const std::uint64_t index = index_of(worker.lane(), operation.position);
    const Clock::time_point due = wait_until_due(worker, index - first_measured_);
    worker.measure([&] { service_.handle(worker.lane(), index); });
    flush_if_asked();
    context_.finish_operation(worker.lane(), worker.number(), due);
    service_.handled(worker, operation);
  }

  // Gives the moment when the operation was due, from which its latency counts.
  Clock::time_point wait_until_due(LaneWorker& worker, std::uint64_t operation) {
    for (;;) {
      const Clock::time_point now = Clock::now();
      const Clock::time_point due = context_.due(operation);
      service_.wait_until(worker, std::min(due, now + longest_wait));
      service_.take_switched_fixes(worker.lane());
      if (due <= now) return due;
    }
  }

  std::uint64_t index_of(std::size_t lane, std::uint64_t position) const { return position * shape_.lanes + lane; }

  ArmContext& context_;
  LaneWork& service_;
  const LaneShape& shape_;
  const std::uint64_t first_measured_;  // operation
  const std::uint64_t operations_;      // preparing ones too
  Turns turns_;
  std::latch prepared_;  // counts preparing turns of all lanes
  std::latch done_;      // counts workers
  std::atomic<bool> started_{false};
  std::atomic<bool> process_ended_{false};  // never true: nobody is there to see it
  std::vector<std::thread> threads_;
};

}  // namespace

LaneWork::LaneWork(const LaneShape& shape) : shape_(shape) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, worker_stack_bytes);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

void LaneWork::wait_until(LaneWorker& /*worker*/, Clock::time_point until) {
  std::this_thread::sleep_until(until);
}

void run_lanes(ArmContext& context, LaneWork& service) {
  Engine(context, service).run();
}

}  // namespace plateau::harness
