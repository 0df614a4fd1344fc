#include "labs/order_service/fixes/outbox.hpp"

#include <algorithm>
#include <utility>

namespace plateau::order_service {

// Spare capacity is trimmed first, as careful people do with what is kept for long; it helps little against for ever.
// Not inlined, so that a heap profile names it.
[[gnu::noinline]] void UnboundedOutbox::keep(OrderId id, double /*now_s*/, Payload payload) {
  payload->shrink_to_fit();
  bytes_ += payload->capacity();
  entries_.emplace(id, std::move(payload));
}

void UnboundedOutbox::acknowledge(OrderId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  bytes_ -= found->second->capacity();
  entries_.erase(found);
}

void UnboundedOutbox::expire(double /*now_s*/) {}

void UnboundedOutbox::hand_over(Outbox& other, double now_s) {
  std::vector<OrderId> ids;
  ids.reserve(entries_.size());
  for (const auto& [id, payload] : entries_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const OrderId id : ids) other.keep(id, now_s, std::move(entries_.at(id)));
  entries_.clear();
  bytes_ = 0;
}

OutboxStatistics UnboundedOutbox::statistics() const {
  return {entries_.size(), bytes_, 0};
}

[[gnu::noinline]] void BoundedOutbox::keep(OrderId id, double now_s, Payload payload) {
  if (tail_ - head_ == ring_.size()) {
    Entry& oldest = ring_[head_++ % ring_.size()];
    if (oldest.payload) {
      ++statistics_.expired;
      drop(oldest);
    }
  }
  ++statistics_.entries;
  statistics_.bytes += payload->capacity();
  ring_[tail_++ % ring_.size()] = {id, now_s, std::move(payload)};
}

void BoundedOutbox::acknowledge(OrderId id) {
  std::uint64_t low = head_;
  std::uint64_t high = tail_;
  while (low < high) {  // ids rise along the ring
    const std::uint64_t middle = low + (high - low) / 2;
    if (ring_[middle % ring_.size()].id < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  Entry& entry = ring_[low % ring_.size()];
  if (low < tail_ && entry.id == id && entry.payload) drop(entry);
}

void BoundedOutbox::expire(double now_s) {
  for (; head_ < tail_; ++head_) {
    Entry& oldest = ring_[head_ % ring_.size()];
    if (!oldest.payload) continue;
    if (oldest.kept_s + lifetime_s_ > now_s) return;
    ++statistics_.expired;
    drop(oldest);
  }
}

void BoundedOutbox::hand_over(Outbox& other, double now_s) {
  for (; head_ < tail_; ++head_) {
    Entry& entry = ring_[head_ % ring_.size()];
    if (!entry.payload) continue;
    --statistics_.entries;
    statistics_.bytes -= entry.payload->capacity();
    other.keep(entry.id, now_s, std::exchange(entry.payload, {}));
  }
}

void BoundedOutbox::drop(Entry& entry) {
  --statistics_.entries;
  statistics_.bytes -= entry.payload->capacity();
  entry.payload.reset();
}

OutboxStatistics BoundedOutbox::statistics() const {
  return statistics_;
}

}  // namespace plateau::order_service
