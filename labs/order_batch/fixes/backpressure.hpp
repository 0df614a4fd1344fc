// Fix `backpressure`: orders in flight are bounded by their bytes, and the reader waits. Before: the whole batch is in
// flight at once, as in the case study.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace plateau::order_batch {

// Thread-safe; allocates nothing.
class BytesInFlight {
 public:
  explicit BytesInFlight(std::size_t most) : limit_(most) {}

  // Blocks until there is room. What is larger than all of it goes alone.
  void wait_and_take(std::size_t bytes);
  void take(std::size_t bytes);
  void give_back(std::size_t bytes);
  std::size_t most_ever() const;

 private:
  void add(std::size_t bytes);

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::size_t taken_ = 0;
  std::size_t most_ = 0;
};

inline void admit_before(BytesInFlight& in_flight, std::size_t bytes) {
  in_flight.take(bytes);
}

inline void admit_after(BytesInFlight& in_flight, std::size_t bytes) {
  in_flight.wait_and_take(bytes);
}

}  // namespace plateau::order_batch
