#include "labs/order_service/lane.hpp"

#include <xxhash.h>

#include <stdexcept>
#include <utility>

#include "labs/harness/load/random.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/downstream.hpp"
#include "labs/order_service/fixes/query.hpp"

namespace plateau::order_service {
using harness::SplitMix64;
namespace {

constexpr std::size_t outbox_capacity = 512;
constexpr double outbox_lifetime_s = 60;
constexpr std::uint64_t acknowledgements_every = 8;  // orders of a lane

std::unique_ptr<Outbox> make_outbox(bool fixed) {
  if (fixed) return std::make_unique<BoundedOutbox>(outbox_capacity, outbox_lifetime_s);
  return std::make_unique<UnboundedOutbox>();
}

std::unique_ptr<History> make_history(bool fixed, std::pmr::memory_resource* blocks) {
  if (fixed) return std::make_unique<HistoryInArenas>(blocks, history_block_bytes);
  return std::make_unique<HistoryAmongTemporaries>();
}

}  // namespace

Lane::Lane(const Store& store, const OrderSource& source, const Fixes& fixes, BufferRecycler& buffers,
           std::pmr::memory_resource* batch_blocks, std::pmr::memory_resource* history_blocks, int socket,
           OrderId first_id)
    : store_(store),
      source_(source),
      fixes_(fixes),
      socket_(socket),
      history_blocks_(history_blocks),
      batch_(fixes.lifetimes, batch_blocks),
      encoder_(buffers),
      outbox_(make_outbox(fixes.outbox)),
      history_(make_history(fixes.lifetimes, history_blocks)),
      acknowledged_(256),
      next_id_(first_id) {
  order_.lines.reserve(max_lines);
  related_.reserve(related_per_customer);
}

void Lane::switch_fixes(const Fixes& fixes) {
  if (fixes.outbox != fixes_.outbox) {
    const auto old = std::exchange(outbox_, make_outbox(fixes.outbox));
    old->hand_over(*outbox_, static_cast<double>(next_id_) / orders_per_second);
  }
  if (fixes.lifetimes != fixes_.lifetimes) {
    const auto old = std::exchange(history_, make_history(fixes.lifetimes, history_blocks_));
    old->hand_over(*history_);
    batch_.use(fixes.lifetimes);
  }
  fixes_ = fixes;
  update_figures();
}

void Lane::handle(std::uint64_t index) {
  source_.read(index, order_);
  process(order_);
}

void Lane::handle(OutsideOrder& outside) {
  if (outside.order != nullptr) {
    outside.total_cents = process(*outside.order);
    outside.id = outside.order->id;
    outside.found = true;
  } else {
    if (outside.id == OutsideOrder::newest) {
      if (next_id_ < lanes) return;  // it has had none
      outside.id = next_id_ - lanes;
    }
    const HistoryEntry* const entry = history_->find(outside.id);
    outside.found = entry != nullptr;
    if (entry != nullptr) outside.total_cents = entry->total_cents;
  }
}

// Simulated time is a count of orders, wherever they come from.
std::uint64_t Lane::process(Order& order) {
  order.id = std::exchange(next_id_, next_id_ + lanes);
  order.placed_s = static_cast<double>(order.id) / orders_per_second;
  const Customer* const customer = store_.find_customer(order.customer);
  if (customer == nullptr) throw std::invalid_argument("order of an unknown customer");

  const auto numbers = store_.related(order.customer);
  store_.select_orders(fixes_.query ? build_query_after(numbers, query_) : build_query_before(numbers, query_),
                       related_);

  Items items = fixes_.items ? build_order_items_after(order, store_, batch_.memory())
                             : build_order_items_before(order, store_, batch_.memory());
  std::uint64_t total_cents = 0;
  for (const Item& item : items) total_cents += item.total_cents;

  const Confirmation confirmation{
      order, *customer, items, related_, store_.terms(order.customer), total_cents, history_->recent_total_cents()};
  Payload payload = fixes_.buffers ? encoder_.encode_after(confirmation) : encoder_.encode_before(confirmation);
  digest_ = SplitMix64::mix(digest_ ^ XXH3_64bits(payload->data(), payload->size()));
  send_confirmation(socket_, order.id, *payload);
  outbox_->keep(order.id, order.placed_s, std::move(payload));

  const bool audited = order.customer % audited_one_in == 0;
  history_->record({order.id, total_cents, static_cast<std::uint32_t>(order.placed_s), order.customer},
                   audited ? order.lines.front().note : std::string_view());
  batch_.keep(order.id, std::move(items), total_cents);

  if (order.id / lanes % acknowledgements_every == 0) {
    take_acknowledgements();
    outbox_->expire(order.placed_s);
  }
  if (order.id / lanes % housekeeping_every == 0) {
    history_->expire(order.placed_s);
    update_figures();
  }
  return total_cents;
}

std::uint64_t Lane::settle() {
  std::uint64_t revenue = 0;
  std::uint64_t tax = 0;
  std::uint64_t note_bytes = 0;
  const std::string_view note = history_->newest_note();
  for (const WorkingOrder* order = batch_.newest(); order != nullptr; order = order->previous) {
    revenue += order->total_cents;
    for (const Item& item : order->items) {
      tax += item.total_cents * item.product->tax_per_mille / 1000;
      note_bytes += item.note.size();
    }
  }
  const std::uint64_t digest = SplitMix64::mix(digest_ ^ SplitMix64::mix(revenue) ^ SplitMix64::mix(tax + 1) ^
                                               SplitMix64::mix(note_bytes + 2) ^ XXH3_64bits(note.data(), note.size()));
  batch_.forget();
  digest_ = 0;
  update_figures();
  return digest;
}

void Lane::take_acknowledgements() {
  std::size_t count = 0;
  do {
    count = receive_acknowledgements(socket_, acknowledged_);
    for (std::size_t i = 0; i < count; ++i) outbox_->acknowledge(acknowledged_[i]);
  } while (count == acknowledged_.size());
}

void Lane::update_figures() {
  const OutboxStatistics outbox = outbox_->statistics();
  figures_.outbox_entries.store(outbox.entries, std::memory_order_relaxed);
  figures_.outbox_bytes.store(outbox.bytes, std::memory_order_relaxed);
  figures_.expired.store(outbox.expired, std::memory_order_relaxed);
  figures_.history_records.store(history_->records(), std::memory_order_relaxed);
}

std::size_t Lane::slack_bytes() const {
  return batch_.slack_bytes() + history_->slack_bytes() + encoder_.slack_bytes();
}

}  // namespace plateau::order_service
