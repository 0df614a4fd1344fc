#include "labs/order_batch/fixes/ownership.hpp"

#include <memory_resource>
#include <string>

#include "labs/order_batch/calibration.hpp"

namespace plateau::order_batch {

Job* TravellingArenas::make() {
  if (idle_.empty()) {
    for (Job* job = returned_.exchange(nullptr, std::memory_order_acquire); job != nullptr;) {
      Arena* const arena = job->arena;
      job = job->next;
      arena->reset();  // the job itself lies in it
      idle_.push_back(arena);
    }
  }
  if (idle_.empty()) {
    // Idle arenas keep a block each: those that were grown for large orders would be memory that no budget knows.
    all_.push_back(std::make_unique<Arena>(ArenaOptions{
        .block_bytes = arena_block_bytes, .max_block_bytes = arena_block_bytes, .retain_bytes = arena_block_bytes}));
    idle_.reserve(all_.capacity());
    idle_.push_back(all_.back().get());
  }
  Arena* const arena = idle_.back();
  idle_.pop_back();
  // Its destructor never runs: all that it owns is the arena's.
  Job* const job = ::new (arena->allocate(sizeof(Job), alignof(Job))) Job(arena);
  job->arena = arena;
  return job;
}

void TravellingArenas::give_back(Job* job) noexcept {
  job->next = returned_.load(std::memory_order_relaxed);
  while (!returned_.compare_exchange_weak(job->next, job, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

Job* make_job_before(TravellingArenas& /*arenas*/) {
  return new Job(std::pmr::new_delete_resource());
}

Job* make_job_after(TravellingArenas& arenas) {
  return arenas.make();
}

std::size_t bytes_of_before(const Job& job) {
  std::size_t bytes =
      sizeof(Job) + job.order.customer.capacity() + job.message.capacity() + job.order.items.capacity() * sizeof(Item);
  for (const Item& item : job.order.items) bytes += item.sku.capacity() + item.name.capacity() + 2;
  return bytes;
}

std::size_t bytes_of_after(const Job& job) {
  const ArenaStatistics arena = job.arena->statistics();
  return arena.reserved_bytes + (arena.free_bytes() < queued_task_bytes ? arena_block_bytes : 0);
}

void end_job_before(TravellingArenas& /*arenas*/, Job* job) {
  delete job;
}

void end_job_after(TravellingArenas& arenas, Job* job) {
  arenas.give_back(job);
}

}  // namespace plateau::order_batch
