#include "labs/order_service/service.hpp"

#include <pthread.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "allocators/heap.hpp"
#include "allocators/pool.hpp"
#include "allocators/retention.hpp"
#include "allocators/synchronized_resource.hpp"
#include "labs/harness/switched_options.hpp"
#include "labs/harness/switched_retention.hpp"
#include "labs/order_service/lane.hpp"
#include "labs/order_service/order_api.hpp"

namespace plateau::order_service {
namespace {

constexpr std::size_t pool_retain_bytes = 8 * 1024 * 1024;
constexpr std::size_t worker_stack_bytes = 512 * 1024;

void publish_figures(harness::ArmContext& context, const std::vector<std::unique_ptr<Lane>>& all) {
  const auto set = [&](GaugeIndex index, std::atomic<std::uint64_t> LaneFigures::*figure) {
    std::uint64_t sum = 0;
    for (const auto& lane : all) sum += (lane->figures().*figure).load(std::memory_order_relaxed);
    context.set_gauge(index, static_cast<double>(sum));
  };
  set(gauge_outbox_entries, &LaneFigures::outbox_entries);
  set(gauge_outbox_bytes, &LaneFigures::outbox_bytes);
  set(gauge_expired, &LaneFigures::expired);
  set(gauge_history, &LaneFigures::history_records);
}

using Fixes = harness::SwitchedOptions<ServiceOptions, lanes>;

// Decay is the allocator's; the policy holds a soft limit below the kernel's.
std::optional<RetentionOptions> retention_options(const ServiceOptions& options) {
  if (!options.retention) return std::nullopt;
  return RetentionOptions{.retain_percent = std::nullopt};
}

// Whose fixes are in the order of the lab's description.
harness::ServiceControls controls_of(const harness::ArmContext& context, Fixes& fixes,
                                     harness::SwitchedRetention& retention) {
  static constexpr std::array flags{&ServiceOptions::buffers, &ServiceOptions::items, &ServiceOptions::query,
                                    &ServiceOptions::outbox, &ServiceOptions::lifetimes};
  harness::ServiceControls controls;
  controls.switch_fixes = [&](const std::vector<std::string>& names) {
    harness::ArmSpec spec = context.spec();
    spec.fixes = names;
    const ServiceOptions options = service_options(spec);
    if (options.retention != retention.of_fixes().has_value()) {
      retention.follow(retention_options(options));
      Heap& heap = Heap::process();
      heap.set_dirty_decay(dirty_decay(spec));  // where there is decay, and background threads
      heap.set_background_thread(options.retention);
    }
    fixes.set(options);
  };
  controls.works_with = [&](std::size_t fix) {
    return fix < flags.size() ? fixes.in_lanes(flags[fix]) : std::optional(retention.of_fixes().has_value());
  };
  controls.retention = &retention;
  return controls;
}

// Whose turn it is in a lane: batch b belongs to worker b % workers_per_lane.
struct Turn {
  std::atomic<std::uint64_t> batch{0};
};

}  // namespace

void run_service(harness::ArmContext& context, const Store& store, const OrderSource& source,
                 const ServiceOptions& options) {
  // Thread stacks are reserved address space, which RLIMIT_DATA counts; the workers need little.
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, worker_stack_bytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);

  BufferRecycler buffers({.max_idle = 128, .max_object_bytes = 40 * 1024, .batch = 2});  // the rare giant is dropped
  Pool pool({.block_bytes = arena_block_bytes, .retain_bytes = pool_retain_bytes});
  SynchronizedResource blocks(pool);
  std::vector<std::unique_ptr<Lane>> all;
  for (std::size_t i = 0; i < lanes; ++i) {
    all.push_back(std::make_unique<Lane>(store, source, options, buffers, &blocks, context.sockets()[i], i));
  }
  harness::SwitchedRetention retention([&buffers] { return buffers.statistics().idle_bytes; },
                                       [&buffers](const ShedRequest& /*request*/) { return buffers.trim(); });
  retention.follow(retention_options(options));
  const std::uint64_t orders = context.spec().operations();
  const std::uint64_t purge_every = static_cast<std::uint64_t>(60 * orders_per_second);
  std::array<Turn, lanes> turns;
  Fixes fixes(options);

  // Idle blocks and buffers that the lanes share; counted with the first lane.
  const auto shared_slack = [&] {
    const std::scoped_lock lock(blocks.mutex());
    return pool.statistics().free_bytes() + buffers.statistics().idle_bytes;
  };

  // Of a service: what comes from outside is handled while the lane has nothing else to do, and once between any two
  // orders of its own; its fixes are switched then, too.
  std::array<OutsideOrders, lanes> outside;
  std::array<std::uint32_t, lanes> outside_unsettled{};
  const auto slack_of = [&](std::size_t lane_number) {
    return all[lane_number]->slack_bytes() + (lane_number == 0 ? shared_slack() : 0);
  };
  const auto keep_house = [&](std::size_t lane_number) {
    context.set_slack(lane_number, slack_of(lane_number));
    flush_if_asked();
  };
  const auto handle_outside = [&](Lane& lane, std::size_t lane_number, std::size_t worker, OutsideOrder& order,
                                  harness::StallMeter& meter) {
    const auto arrived = order.arrived;
    const bool is_order = order.order != nullptr;
    meter.begin();
    lane.handle(order);
    meter.end();
    order.done();  // it is gone
    if (!is_order) return;
    context.finish_operation(lane_number, worker, arrived);
    std::uint32_t& unsettled = outside_unsettled[lane_number];
    if (++unsettled % housekeeping_every == 0) keep_house(lane_number);
    if (unsettled < options.settlement_orders) return;
    unsettled = 0;
    lane.settle();
    publish_figures(context, all);
  };
  const auto wait_until_due = [&](Lane& lane, std::size_t lane_number, std::size_t place, std::uint64_t index,
                                  std::optional<harness::StallMeter>& meter) {
    if (!meter) return context.wait_until_due(index);
    const std::size_t worker = lane_number * workers_per_lane + place;
    for (;;) {
      const auto now = harness::ArmContext::Clock::now();
      const auto until = std::min(context.due(index), now + harness::ArmContext::longest_sleep);
      OutsideOrder* const order = outside[lane_number].pop_until(until);
      if (order != nullptr) handle_outside(lane, lane_number, worker, *order, *meter);
      if (const auto switched = fixes.take(lane_number)) {
        lane.settle();
        lane.switch_fixes(*switched);
        publish_figures(context, all);
      }
      if (context.due(index) <= now) return;
    }
  };

  const auto work = [&](std::size_t lane_number, std::size_t place) {
    Lane& lane = *all[lane_number];
    Turn& turn = turns[lane_number];
    std::optional<harness::StallMeter> meter;  // of a service
    if (context.spec().service_rate)
      meter.emplace(context.stall_meter(lane_number, harness::StallMeter::Waits::for_others_too));
    const std::uint64_t lane_orders = orders / lanes + (lane_number < orders % lanes ? 1 : 0);
    // Lanes are staggered: the first batch of the second is half a batch, so that not all are full at once.
    const std::uint64_t offset = options.settlement_orders * lane_number / lanes;
    const std::uint64_t batches = (lane_orders + offset + options.settlement_orders - 1) / options.settlement_orders;
    for (std::uint64_t batch = place; batch < batches; batch += workers_per_lane) {
      for (std::uint64_t now = turn.batch.load(); now != batch; now = turn.batch.load()) turn.batch.wait(now);
      const std::uint64_t whole_end = (batch + 1) * options.settlement_orders - offset;
      const std::uint64_t begin = batch == 0 ? 0 : whole_end - options.settlement_orders;
      const std::uint64_t end = std::min(lane_orders, whole_end);
      for (std::uint64_t i = begin; i < end; ++i) {
        const std::uint64_t index = i * lanes + lane_number;
        wait_until_due(lane, lane_number, place, index, meter);
        if (meter) meter->begin();
        lane.handle(index);
        if (meter) meter->end();
        if (options.trim_often && index % purge_every == 0) Heap::process().purge();
        context.finish_operation(lane_number, lane_number * workers_per_lane + place, index);
        if (i % housekeeping_every == 0) keep_house(lane_number);
      }
      // The last batch may be cut short by the end of the run; only whole ones can be compared.
      const std::uint64_t digest = lane.settle();
      context.set_slack(lane_number, slack_of(lane_number));  // what was the batch's is the pool's now
      if (end == whole_end) context.finish_batch(lane_number, digest);
      publish_figures(context, all);
      turn.batch.store(batch + 1);
      turn.batch.notify_all();
    }
  };

  std::optional<OrderApi> api;
  if (context.spec().service_rate) {
    api.emplace(store, outside, [&fixes] { return fixes.in_lanes(&ServiceOptions::buffers).value_or(false); });
    context.set_api_port(api->port());
    context.offer(controls_of(context, fixes, retention));
  }
  context.ready();
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    for (std::size_t place = 0; place < workers_per_lane; ++place) {
      threads.emplace_back([&, lane, place] {
        try {
          work(lane, place);
        } catch (...) {
          context.fail_with_current_exception();
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  retention.follow({});  // its thread uses what the end of the process destroys
  context.finish();
}

}  // namespace plateau::order_service
