// The order service: its lanes with what they share, and the fixes as they are switched; run by the harness's engine.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "allocators/pool.hpp"
#include "allocators/synchronized_resource.hpp"
#include "labs/harness/lanes/lanes.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/fixes.hpp"
#include "labs/order_service/fixes/buffers.hpp"
#include "labs/order_service/fixes/retention.hpp"
#include "labs/order_service/lane.hpp"
#include "labs/order_service/order.hpp"
#include "labs/order_service/order_api.hpp"
#include "labs/order_service/outside_orders.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

// A batch of a lane is a turn. Of a service, orders from outside are handled while a lane has nothing else to do, and
// once between any two orders of its own.
class OrderService final : public harness::LaneService<Fixes> {
 public:
  // All must outlive it.
  OrderService(harness::ArmContext& context, const Store& store, const OrderSource& source, const Fixes& fixes);

  std::uint64_t turn_end(std::size_t lane, std::uint64_t turn) const override;
  void handle(std::size_t lane, std::uint64_t index) override;
  void handled(harness::LaneWorker& worker, const harness::LaneOperation& operation) override;
  void end_turn(std::size_t lane, const harness::LaneTurn& turn) override;
  void wait_until(harness::LaneWorker& worker, harness::LaneWorker::Clock::time_point until) override;
  void switch_lane(std::size_t lane, const Fixes& fixes) override;
  std::optional<RetentionOptions> retention_options(const Fixes& fixes) const override;
  void switch_process(const Fixes& before, const Fixes& now) override;
  harness::SwitchedRetention* retention() override { return &retention_; }
  void prepared() override;

 private:
  void handle_outside(harness::LaneWorker& worker, OutsideOrder& order);
  void tell_slack(std::size_t lane);
  void tell_figures();

  harness::ArmContext& context_;
  const Store& store_;
  const std::uint64_t settlement_orders_;
  const bool trim_often_;
  BufferRecycler buffers_;
  // Apart from each other: in one pool, blocks of the history would pin slabs of the batches.
  Pool batch_pool_;
  Pool history_pool_;
  SynchronizedResource batch_blocks_;
  SynchronizedResource history_blocks_;
  std::vector<std::unique_ptr<Lane>> all_;
  harness::SwitchedRetention retention_;
  std::array<OutsideOrders, lanes> outside_;
  std::array<std::uint64_t, lanes> outside_unsettled_{};
  std::optional<OrderApi> api_;  // of a service
};

PageRetention page_retention(const Fixes& fixes);

// How long the allocator keeps unused pages, in an arm of that time.
std::chrono::milliseconds dirty_decay(const Fixes& fixes, const harness::TimeScale& time);

// Orders of a lane that are settled together.
std::uint32_t settlement_orders(const harness::ArmSpec& spec);

}  // namespace plateau::order_service
