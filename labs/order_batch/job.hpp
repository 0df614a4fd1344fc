// An order in flight: with its message, what is known of it, and the memory that all of it is from.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory_resource>
#include <string>

#include "labs/order_batch/order.hpp"

namespace plateau {
class Arena;
}

namespace plateau::order_batch {

struct Job {
  explicit Job(std::pmr::memory_resource* memory) : order(memory), message(memory) {}

  Order order;
  std::pmr::string message;
  Record record;
  std::chrono::steady_clock::time_point submitted;
  std::size_t bytes = 0;   // that it may take of the budget of bytes in flight
  Arena* arena = nullptr;  // that it lives in; null: on the heap
  Job* next = nullptr;     // on its way back
};

}  // namespace plateau::order_batch
