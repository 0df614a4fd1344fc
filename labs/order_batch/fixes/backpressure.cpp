#include "labs/order_batch/fixes/backpressure.hpp"

#include <algorithm>

namespace plateau::order_batch {

void BytesInFlight::wait_and_take(std::size_t bytes) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return taken_ == 0 || taken_ + bytes <= limit_; });
  add(bytes);
}

void BytesInFlight::take(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  add(bytes);
}

void BytesInFlight::add(std::size_t bytes) {
  taken_ += bytes;
  most_ = std::max(most_, taken_);
}

void BytesInFlight::give_back(std::size_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    taken_ -= bytes;
  }
  room_.notify_one();  // there is one reader
}

std::size_t BytesInFlight::most_ever() const {
  const std::scoped_lock lock(mutex_);
  return most_;
}

}  // namespace plateau::order_batch
