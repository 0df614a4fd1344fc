#include "allocators/counting_resource.hpp"

#include <algorithm>

namespace plateau {
namespace {

template <class Number>
void add(std::atomic<Number>& counter, Number amount, bool shared) noexcept {
  if (shared) {
    counter.fetch_add(amount, std::memory_order_relaxed);
  } else {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
}

}  // namespace

void CountingResource::settle(std::int64_t difference) noexcept {
  const std::int64_t now = live_.fetch_add(difference, std::memory_order_relaxed) + difference;
  std::int64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < now && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

void* CountingResource::do_allocate(std::size_t bytes, std::size_t alignment) {
  void* const block = upstream_->allocate(bytes, alignment);
  Counts* const own = threads_.local();
  Counts& counts = own != nullptr ? *own : shared_;
  add(counts.calls, std::uint64_t{1}, own == nullptr);
  add(counts.bytes, std::uint64_t{bytes}, own == nullptr);
  const auto gained = static_cast<std::int64_t>(bytes);
  if (own == nullptr) {
    settle(gained);
  } else if (const std::int64_t unsettled = counts.unsettled.load(std::memory_order_relaxed) + gained;
             unsettled > settle_bytes_) {
    counts.unsettled.store(0, std::memory_order_relaxed);
    settle(unsettled);
  } else {
    counts.unsettled.store(unsettled, std::memory_order_relaxed);
  }
  return block;
}

void CountingResource::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  upstream_->deallocate(block, bytes, alignment);
  Counts* const own = threads_.local();
  Counts& counts = own != nullptr ? *own : shared_;
  add(counts.frees, std::uint64_t{1}, own == nullptr);
  add(counts.freed_bytes, std::uint64_t{bytes}, own == nullptr);
  const auto lost = static_cast<std::int64_t>(bytes);
  if (own == nullptr) {
    settle(-lost);
  } else if (const std::int64_t unsettled = counts.unsettled.load(std::memory_order_relaxed) - lost;
             unsettled < -settle_bytes_) {
    counts.unsettled.store(0, std::memory_order_relaxed);
    settle(unsettled);
  } else {
    counts.unsettled.store(unsettled, std::memory_order_relaxed);
  }
}

CountingStatistics CountingResource::statistics() const {
  CountingStatistics result;
  std::uint64_t frees = 0;
  std::uint64_t freed_bytes = 0;
  const auto sum = [&](const Counts& counts, bool /*in_use*/) {
    result.calls += counts.calls.load(std::memory_order_relaxed);
    result.bytes += counts.bytes.load(std::memory_order_relaxed);
    frees += counts.frees.load(std::memory_order_relaxed);
    freed_bytes += counts.freed_bytes.load(std::memory_order_relaxed);
  };
  sum(shared_, true);
  threads_.for_each(sum);
  // A thread that frees what another is just counting may be seen first.
  result.live_blocks = result.calls > frees ? result.calls - frees : 0;
  result.live_bytes = result.bytes > freed_bytes ? result.bytes - freed_bytes : 0;
  const std::int64_t settled_peak = peak_.load(std::memory_order_relaxed);
  result.peak_bytes = std::max(static_cast<std::uint64_t>(std::max<std::int64_t>(settled_peak, 0)), result.live_bytes);
  return result;
}

}  // namespace plateau
