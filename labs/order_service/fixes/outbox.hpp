// Fix "outbox": confirmations that were sent and may have to be sent again, until downstream acknowledges them.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "labs/order_service/fixes/buffers.hpp"

namespace plateau::order_service {

struct OutboxStatistics {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;    // capacity of the kept buffers
  std::uint64_t expired = 0;  // given up without an acknowledgement
};

// Of one lane; not thread-safe. Orders are kept in the order of their ids.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void keep(OrderId id, double now_s, Payload payload) = 0;
  // Of an order that is not kept (any more): no effect.
  virtual void acknowledge(OrderId id) = 0;
  virtual void expire(double now_s) = 0;
  // Gives all that it keeps to `other`, in the order of their ids, which keeps it from now on. Then it is empty.
  virtual void hand_over(Outbox& other, double now_s) = 0;
  virtual OutboxStatistics statistics() const = 0;
};

// Before: what is never acknowledged stays for ever.
class UnboundedOutbox final : public Outbox {
 public:
  void keep(OrderId id, double now_s, Payload payload) override;
  void acknowledge(OrderId id) override;
  void expire(double now_s) override;
  void hand_over(Outbox& other, double now_s) override;
  OutboxStatistics statistics() const override;

 private:
  std::unordered_map<OrderId, Payload> entries_;
  std::uint64_t bytes_ = 0;
};

// After: at most `capacity` entries, none older than `lifetime_s`: a partner that has not acknowledged by then never
// will, and nobody would send it again.
class BoundedOutbox final : public Outbox {
 public:
  BoundedOutbox(std::size_t capacity, double lifetime_s) : lifetime_s_(lifetime_s), ring_(capacity) {}
  void keep(OrderId id, double now_s, Payload payload) override;
  void acknowledge(OrderId id) override;
  void expire(double now_s) override;
  void hand_over(Outbox& other, double now_s) override;
  OutboxStatistics statistics() const override;

 private:
  struct Entry {
    OrderId id = 0;
    double kept_s = 0;
    Payload payload;
  };
  void drop(Entry& entry);

  double lifetime_s_;
  std::vector<Entry> ring_;  // oldest at head_, newest before tail_; entries without a payload are acknowledged
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  OutboxStatistics statistics_;
};

}  // namespace plateau::order_service
