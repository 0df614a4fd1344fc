#include "labs/order_service/service.hpp"

#include <atomic>
#include <mutex>

#include "allocators/heap.hpp"
#include "allocators/thread_cache_flush.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/gauges.hpp"

namespace plateau::order_service {
namespace {

// A batch ends while that of the other lane is half full: so much would be asked for again at once.
constexpr std::size_t batch_retain_bytes = 8 * 1024 * 1024;
constexpr std::size_t history_retain_bytes = 128 * 1024;
constexpr auto purge_every = static_cast<std::uint64_t>(60 * orders_per_second);  // of the wrong fix `trim-often`

}  // namespace

PageRetention page_retention(const Fixes& fixes) {
  return fixes.retention ? retention_after() : retention_before();
}

std::chrono::milliseconds dirty_decay(const Fixes& fixes, const harness::TimeScale& time) {
  if (fixes.decay_only) return std::chrono::milliseconds(0);
  return time.compressed(page_retention(fixes).dirty_decay);
}

std::uint32_t settlement_orders(const harness::ArmSpec& spec) {
  return spec.options.number<std::uint32_t>("settlement_orders");
}

OrderService::OrderService(harness::ArmContext& context, const Store& store, const OrderSource& source,
                           const Fixes& fixes)
    : LaneService(
          {.lanes = lanes, .workers_per_lane = workers_per_lane, .waits = harness::StallMeter::Waits::for_others_too},
          fix_table, fixes),
      context_(context),
      store_(store),
      settlement_orders_(settlement_orders(context.spec())),
      trim_often_(fixes.trim_often),
      buffers_({.max_idle = 128, .max_object_bytes = 40 * 1024, .batch = 2}),  // the rare giant is dropped
      batch_pool_({.block_bytes = arena_block_bytes, .retain_bytes = batch_retain_bytes}),
      history_pool_({.block_bytes = history_block_bytes, .retain_bytes = history_retain_bytes}),
      batch_blocks_(batch_pool_),
      history_blocks_(history_pool_),
      retention_([this] { return buffers_.statistics().idle_bytes; },
                 [this](const ShedRequest& /*request*/) { return buffers_.trim(); }) {
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    all_.push_back(std::make_unique<Lane>(store, source, fixes, buffers_, &batch_blocks_, &history_blocks_,
                                          context.sockets()[lane], lane));
  }
}

// Lanes are staggered: the first batch of the second is half a batch, so that not all are full at once.
std::uint64_t OrderService::turn_end(std::size_t lane, std::uint64_t turn) const {
  return (turn + 1) * settlement_orders_ - settlement_orders_ * lane / lanes;
}

void OrderService::handle(std::size_t lane, std::uint64_t index) {
  all_[lane]->handle(index);
  if (trim_often_ && index % purge_every == 0) Heap::process().purge();
}

void OrderService::handled(harness::LaneWorker& worker, const harness::LaneOperation& operation) {
  if (operation.position % housekeeping_every == 0) tell_slack(worker.lane());
}

// Only whole batches can be compared.
void OrderService::end_turn(std::size_t lane, const harness::LaneTurn& turn) {
  const std::uint64_t digest = all_[lane]->settle();
  tell_slack(lane);  // what was the batch's is the pool's now
  if (turn.whole) context_.finish_batch(lane, digest);
  tell_figures();
}

void OrderService::wait_until(harness::LaneWorker& worker, harness::LaneWorker::Clock::time_point until) {
  if (!api_) return LaneService::wait_until(worker, until);
  OutsideOrder* const order = outside_[worker.lane()].pop_until(until);
  if (order != nullptr) handle_outside(worker, *order);
}

void OrderService::handle_outside(harness::LaneWorker& worker, OutsideOrder& order) {
  Lane& lane = *all_[worker.lane()];
  const auto arrived = order.arrived;
  const bool is_order = order.order != nullptr;
  worker.measure([&] { lane.handle(order); });
  order.done();  // it is gone
  if (!is_order) return;
  context_.finish_operation(worker.lane(), worker.number(), arrived);
  std::uint64_t& unsettled = outside_unsettled_[worker.lane()];
  if (++unsettled % housekeeping_every == 0) {
    tell_slack(worker.lane());
    flush_if_asked();
  }
  if (unsettled < settlement_orders_) return;
  unsettled = 0;
  lane.settle();
  tell_figures();
}

void OrderService::switch_lane(std::size_t lane, const Fixes& fixes) {
  all_[lane]->settle();
  all_[lane]->switch_fixes(fixes);
  tell_figures();
}

std::optional<RetentionOptions> OrderService::retention_options(const Fixes& fixes) const {
  return page_retention(fixes).policy;
}

void OrderService::switch_process(const Fixes& before, const Fixes& now) {
  if (now.retention == before.retention) return;  // a knob may have changed them since
  Heap& heap = Heap::process();
  heap.set_dirty_decay(dirty_decay(now, context_.spec().time));  // where there is decay, and background threads
  heap.set_background_thread(page_retention(now).background_thread);
}

void OrderService::prepared() {
  if (!context_.spec().service_rate) return;
  api_.emplace(store_, outside_, [this] { return in_lanes(&Fixes::buffers).value_or(false); });
  context_.set_api_port(api_->port());
}

// Idle blocks and buffers that the lanes share are counted with the first lane.
void OrderService::tell_slack(std::size_t lane) {
  std::size_t bytes = all_[lane]->slack_bytes();
  if (lane == 0) {
    const std::scoped_lock lock(batch_blocks_.mutex(), history_blocks_.mutex());
    bytes += batch_pool_.statistics().free_bytes() + history_pool_.statistics().free_bytes() +
             buffers_.statistics().idle_bytes;
  }
  context_.set_slack(lane, bytes);
}

void OrderService::tell_figures() {
  const auto set = [this](GaugeIndex index, std::atomic<std::uint64_t> LaneFigures::*figure) {
    std::uint64_t sum = 0;
    for (const auto& lane : all_) sum += (lane->figures().*figure).load(std::memory_order_relaxed);
    context_.set_gauge(index, static_cast<double>(sum));
  };
  set(gauge_outbox_entries, &LaneFigures::outbox_entries);
  set(gauge_outbox_bytes, &LaneFigures::outbox_bytes);
  set(gauge_expired, &LaneFigures::expired);
  set(gauge_history, &LaneFigures::history_records);
}

}  // namespace plateau::order_service
