#include "labs/order_service/fixes/lifetimes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
namespace {

constexpr double bucket_s = 900;
// Six hours in quarters, the one being filled, and the one that is only partly too old.
constexpr std::size_t buckets = static_cast<std::size_t>(history_s / bucket_s) + 2;

}  // namespace

OpenBatch::OpenBatch(bool fixed, std::pmr::memory_resource* blocks)
    : fixed_(fixed),
      arena_({.block_bytes = arena_block_bytes, .max_block_bytes = arena_block_bytes, .retain_bytes = 0}, blocks) {}

std::pmr::memory_resource* OpenBatch::memory() {
  return fixed_ ? static_cast<std::pmr::memory_resource*>(&arena_) : std::pmr::new_delete_resource();
}

void OpenBatch::keep(OrderId id, Items items, std::uint64_t total_cents) {
  std::pmr::polymorphic_allocator<> allocator(memory());
  newest_ = allocator.new_object<WorkingOrder>(id, total_cents, std::move(items), newest_);
}

// Every order of the batch is taken apart: a free for each note, each vector, each order.
void OpenBatch::forget_before() {
  std::pmr::polymorphic_allocator<> allocator(memory());
  while (newest_ != nullptr) {
    WorkingOrder* const previous = newest_->previous;
    allocator.delete_object(newest_);
    newest_ = previous;
  }
}

// All that the batch allocated lives in its arena, so nothing needs to be taken apart.
void OpenBatch::forget_after() {
  newest_ = nullptr;
  arena_.reset();
}

// Not inlined, so that a heap profile names it.
[[gnu::noinline]] void HistoryAmongTemporaries::record(const HistoryEntry& entry, std::string_view note) {
  records_.push_back({entry, std::string(note)});
}

std::uint64_t HistoryAmongTemporaries::recent_total_cents() const {
  std::uint64_t sum = 0;
  const std::size_t count = std::min(recent_orders, records_.size());
  for (auto it = records_.rbegin(); it != records_.rbegin() + static_cast<std::ptrdiff_t>(count); ++it)
    sum += it->entry.total_cents;
  return sum;
}

std::string_view HistoryAmongTemporaries::newest_note() const {
  return records_.empty() ? std::string_view() : std::string_view(records_.back().note);
}

const HistoryEntry* HistoryAmongTemporaries::find(OrderId id) const {
  const auto found = std::lower_bound(records_.begin(), records_.end(), id,
                                      [](const Record& record, OrderId wanted) { return record.entry.id < wanted; });
  return found != records_.end() && found->entry.id == id ? &found->entry : nullptr;
}

void HistoryAmongTemporaries::hand_over(History& other) const {
  for (const Record& record : records_) other.record(record.entry, record.note);
}

void HistoryAmongTemporaries::expire(double now_s) {
  while (!records_.empty() && records_.front().entry.placed_s + history_s < now_s) records_.pop_front();
}

HistoryInArenas::HistoryInArenas(std::pmr::memory_resource* blocks, std::size_t block_bytes) {
  for (std::size_t i = 0; i < buckets; ++i) {
    ring_.push_back(std::make_unique<Bucket>(
        ArenaOptions{.block_bytes = block_bytes, .max_block_bytes = block_bytes, .retain_bytes = 0}, blocks));
  }
}

[[gnu::noinline]] void HistoryInArenas::record(const HistoryEntry& entry, std::string_view note) {
  if (head_ == tail_ || entry.placed_s >= newest().begin_s + bucket_s) {
    if (tail_ - head_ == ring_.size()) expire(ring_[head_ % ring_.size()]->begin_s + bucket_s + history_s);
    ++tail_;
    newest().begin_s = std::floor(entry.placed_s / bucket_s) * bucket_s;
  }
  Bucket& bucket = newest();
  void* const memory = bucket.arena.allocate(sizeof(Record) + note.size(), alignof(Record));
  bucket.newest = ::new (memory) Record{entry, bucket.newest, static_cast<std::uint32_t>(note.size())};
  if (!note.empty()) std::memcpy(bucket.newest + 1, note.data(), note.size());
  ++bucket.records;
  ++records_;
}

std::uint64_t HistoryInArenas::recent_total_cents() const {
  std::uint64_t sum = 0;
  std::size_t left = recent_orders;
  for (std::uint64_t at = tail_; at > head_ && left > 0; --at) {
    for (const Record* r = ring_[(at - 1) % ring_.size()]->newest; r != nullptr && left > 0; r = r->previous, --left) {
      sum += r->entry.total_cents;
    }
  }
  return sum;
}

std::string_view HistoryInArenas::newest_note() const {
  if (head_ == tail_ || newest().newest == nullptr) return {};
  return newest().newest->note();
}

const HistoryEntry* HistoryInArenas::find(OrderId id) const {
  for (std::uint64_t at = tail_; at > head_; --at) {
    const Record* record = ring_[(at - 1) % ring_.size()]->newest;
    while (record != nullptr && record->entry.id > id) record = record->previous;
    if (record != nullptr) return record->entry.id == id ? &record->entry : nullptr;
  }
  return nullptr;
}

void HistoryInArenas::hand_over(History& other) const {
  std::vector<const Record*> newest_first;
  for (std::uint64_t at = head_; at < tail_; ++at) {
    newest_first.clear();
    for (const Record* r = ring_[at % ring_.size()]->newest; r != nullptr; r = r->previous) newest_first.push_back(r);
    for (auto r = newest_first.rbegin(); r != newest_first.rend(); ++r) other.record((*r)->entry, (*r)->note());
  }
}

void HistoryInArenas::expire(double now_s) {
  for (; head_ < tail_; ++head_) {
    Bucket& oldest = *ring_[head_ % ring_.size()];
    if (oldest.begin_s + bucket_s + history_s > now_s) return;
    oldest.arena.release();
    records_ -= oldest.records;
    oldest.records = 0;
    oldest.newest = nullptr;
  }
}

std::size_t HistoryInArenas::slack_bytes() const {
  std::size_t sum = 0;
  for (std::uint64_t at = head_; at < tail_; ++at) sum += ring_[at % ring_.size()]->arena.statistics().slack_bytes();
  return sum;
}

}  // namespace plateau::order_service
