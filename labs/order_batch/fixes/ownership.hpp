// Fix `ownership`: the memory of an order comes from an arena that travels with it, and goes back whole to the thread
// that owns it. Before: blocks of the general heap, allocated by the reader and freed by whoever is last, one at a
// time.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "allocators/arena.hpp"
#include "labs/order_batch/job.hpp"

namespace plateau::order_batch {

// The arenas of one thread, which makes jobs in them; any thread gives back. What is out must be back before the end.
class TravellingArenas {
 public:
  TravellingArenas() = default;
  TravellingArenas(const TravellingArenas&) = delete;
  TravellingArenas& operator=(const TravellingArenas&) = delete;

  // By the owner. Throws std::bad_alloc.
  Job* make();
  // By any thread, lock-free: one exchange, whatever the job holds.
  void give_back(Job* job) noexcept;
  std::size_t arenas() const { return all_.size(); }

 private:
  std::vector<std::unique_ptr<Arena>> all_;
  std::vector<Arena*> idle_;
  std::atomic<Job*> returned_{nullptr};
};

Job* make_job_before(TravellingArenas& arenas);
Job* make_job_after(TravellingArenas& arenas);

// The order has been read and its message has room: bytes that it takes until it is done.
std::size_t bytes_of_before(const Job& job);
std::size_t bytes_of_after(const Job& job);

void end_job_before(TravellingArenas& arenas, Job* job);
void end_job_after(TravellingArenas& arenas, Job* job);

}  // namespace plateau::order_batch
