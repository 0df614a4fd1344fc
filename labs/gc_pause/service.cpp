#include "labs/gc_pause/service.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory_resource>
#include <stdexcept>

#include "allocators/heap.hpp"
#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/collected_heap.hpp"
#include "labs/gc_pause/fixes/decay.hpp"
#include "labs/gc_pause/fixes/limit.hpp"

namespace plateau::gc_pause {

bool is_collected(const harness::ArmSpec& spec) {
  return spec.options.text("collector") == "boehm";
}

EventService::EventService(harness::ArmContext& context, const RequestStream& stream, const Fixes& fixes)
    : LaneService({.lanes = lanes, .workers_per_lane = workers_per_lane, .preparing_turns = 2 * generations}, fix_table,
                  fixes),
      context_(context),
      stream_(stream),
      fixes_(fixes),
      collector_(is_collected(context.spec()) ? &CollectedHeap::start(context.timeline()) : nullptr),
      events_({.max_idle = 64}),
      retention_([this] { return events_.statistics().idle_bytes; },
                 [this](const ShedRequest& /*request*/) { return events_.trim(); }) {
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    all_.push_back(
        collector_ != nullptr
            ? std::make_unique<Lane>(stream, fixes, events_, *collector_, context.timeline())
            : std::make_unique<Lane>(stream, fixes, events_, std::pmr::new_delete_resource(), context.timeline()));
  }
}

std::uint64_t EventService::turn_end(std::size_t lane, std::uint64_t turn) const {
  const std::uint64_t requests = (turn + 1) * stream_.requests_per_generation();  // of all lanes
  return (requests + lanes - 1 - lane) / lanes;
}

void EventService::handled(harness::LaneWorker& worker, const harness::LaneOperation& operation) {
  if ((operation.position - operation.first_of_turn + 1) % batch_requests == 0) tell_batch(worker.lane());
}

void EventService::end_turn(std::size_t lane, const harness::LaneTurn& turn) {
  if (turn.measured) return tell_batch(lane);
  context_.set_slack(lane, all_[lane]->slack_bytes());
}

void EventService::tell_batch(std::size_t lane) {
  context_.finish_batch(lane, all_[lane]->take_digest());
  context_.set_slack(lane, all_[lane]->slack_bytes());
}

// With the soft limit alone, unused pages are given back as the allocator's own decay has it.
std::optional<RetentionOptions> EventService::retention_options(const Fixes& fixes) const {
  const double heap = context_.spec().options.number<double>("heap");
  const RetentionOptions options{.retain_percent = fixes.decay ? retained_percent_after() : retained_percent_before(),
                                 .soft_limit = fixes.limit ? soft_limit_after(heap) : soft_limit_before(heap)};
  const bool has_task = options.retain_percent || options.soft_limit != no_soft_limit;
  return has_task ? std::optional(options) : std::nullopt;
}

void EventService::run_worker(const std::function<void()>& work) {
  std::optional<CollectedHeap::Registration> registration;
  if (collector_ != nullptr) registration.emplace();
  work();
}

void EventService::prepared() {
  if (!fixes_.decay_never || fixes_.decay) return;
  const HeapReply reply = Heap::process().set_dirty_decay(std::chrono::milliseconds(-1));
  if (!reply.done) throw std::runtime_error(fmt::format("decay-never: {}", reply.reason));
}

void EventService::begun() {
  housekeeper_.emplace(context_, fixes_.trim_often);
}

void EventService::ended() {
  housekeeper_.reset();
}

}  // namespace plateau::gc_pause
