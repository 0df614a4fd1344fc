// Fix "lifetimes": what lives for a batch, and what lives for hours, each in memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/arena.hpp"
#include "labs/order_service/fixes/items.hpp"
#include "labs/order_service/order.hpp"

namespace plateau::order_service {

// A little under 32 KiB, so that sixteen blocks and the header of the pool's slab fill 512 KiB.
inline constexpr std::size_t arena_block_bytes = 32 * 1024 - 128;

// Blocks of the history are small, since each of its 48 arenas ends in the middle of one: a little under 8 KiB, sixteen
// to a slab of 128 KiB.
inline constexpr std::size_t history_block_bytes = 8 * 1024 - 128;

struct WorkingOrder {
  WorkingOrder(OrderId order, std::uint64_t total, Items priced, WorkingOrder* before)
      : id(order), total_cents(total), items(std::move(priced)), previous(before) {}
  OrderId id;
  std::uint64_t total_cents;
  Items items;
  WorkingOrder* previous;
};

// The short half: the orders of a batch, kept until it is settled. Of one lane; not thread-safe.
class OpenBatch {
 public:
  // After (`fixed`): all that the batch allocates is in an arena, whose blocks come from `blocks`, which must outlive
  // it. Before: on the general heap.
  OpenBatch(bool fixed, std::pmr::memory_resource* blocks);
  ~OpenBatch() { forget(); }
  OpenBatch(const OpenBatch&) = delete;
  OpenBatch& operator=(const OpenBatch&) = delete;

  // Required: the batch is empty.
  void use(bool fixed) { fixed_ = fixed; }
  std::pmr::memory_resource* memory();
  // `items` are in memory().
  void keep(OrderId id, Items items, std::uint64_t total_cents);
  const WorkingOrder* newest() const { return newest_; }
  void forget() { fixed_ ? forget_after() : forget_before(); }
  std::size_t slack_bytes() const { return arena_.statistics().slack_bytes(); }

 private:
  void forget_before();
  void forget_after();

  bool fixed_;
  Arena arena_;
  WorkingOrder* newest_ = nullptr;
};

struct HistoryEntry {
  OrderId id = 0;
  std::uint64_t total_cents = 0;
  std::uint32_t placed_s = 0;  // whole simulated seconds
  CustomerId customer = 0;
};

// The long half: what is remembered of each order for six hours. Of one lane; not thread-safe.
class History {
 public:
  virtual ~History() = default;
  // `note` may be empty.
  virtual void record(const HistoryEntry& entry, std::string_view note) = 0;
  // Sum of the totals of the newest orders, as many as there are up to `recent_orders`.
  virtual std::uint64_t recent_total_cents() const = 0;
  // Note of the newest order; empty when it has none, or there is no order.
  virtual std::string_view newest_note() const = 0;
  // Null when it is not there (any more). O(log n) or O(orders of a quarter of an hour).
  virtual const HistoryEntry* find(OrderId id) const = 0;
  // Records all that it holds in `other`, the oldest first.
  virtual void hand_over(History& other) const = 0;
  // Forgets what is older than `history_s`.
  virtual void expire(double now_s) = 0;
  virtual std::uint64_t records() const = 0;
  virtual std::size_t slack_bytes() const = 0;  // held and not used
};

// Before: each record is allocated when it is made, among the temporaries of that moment, and pins the slab it lands
// in.
class HistoryAmongTemporaries final : public History {
 public:
  void record(const HistoryEntry& entry, std::string_view note) override;
  std::uint64_t recent_total_cents() const override;
  std::string_view newest_note() const override;
  const HistoryEntry* find(OrderId id) const override;
  void hand_over(History& other) const override;
  void expire(double now_s) override;
  std::uint64_t records() const override { return records_.size(); }
  std::size_t slack_bytes() const override { return 0; }

 private:
  struct Record {
    HistoryEntry entry;
    std::string note;
  };
  std::deque<Record> records_;
};

// After: an arena for each quarter of an hour, dropped whole when all of it is too old. Nothing else shares its blocks.
class HistoryInArenas final : public History {
 public:
  // Blocks of the arenas, of `block_bytes`, come from `blocks`, which must outlive the history.
  HistoryInArenas(std::pmr::memory_resource* blocks, std::size_t block_bytes);
  void record(const HistoryEntry& entry, std::string_view note) override;
  std::uint64_t recent_total_cents() const override;
  std::string_view newest_note() const override;
  const HistoryEntry* find(OrderId id) const override;
  void hand_over(History& other) const override;
  void expire(double now_s) override;
  std::uint64_t records() const override { return records_; }
  std::size_t slack_bytes() const override;

 private:
  struct Record {
    HistoryEntry entry;
    Record* previous;
    std::uint32_t note_bytes;  // of the text right behind the record
    std::string_view note() const { return {reinterpret_cast<const char*>(this + 1), note_bytes}; }
  };
  struct Bucket {
    explicit Bucket(ArenaOptions options, std::pmr::memory_resource* blocks) : arena(options, blocks) {}
    Arena arena;
    double begin_s = 0;
    Record* newest = nullptr;
    std::uint64_t records = 0;
  };
  Bucket& newest() const { return *ring_[(tail_ - 1) % ring_.size()]; }

  std::vector<std::unique_ptr<Bucket>> ring_;  // live ones from head_ up to tail_
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace plateau::order_service
