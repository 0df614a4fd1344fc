// The event service: its lanes with what they share, and the fixes as they are switched; run by the harness's engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "labs/gc_pause/fixes.hpp"
#include "labs/gc_pause/fixes/events.hpp"
#include "labs/gc_pause/housekeeper.hpp"
#include "labs/gc_pause/lane.hpp"
#include "labs/gc_pause/request.hpp"
#include "labs/harness/lanes/lanes.hpp"

namespace plateau::gc_pause {

// A generation of a lane is a turn. The stream's first generations fill the heap, and then replace each other once; the
// arm's own requests come after.
class EventService final : public harness::LaneService<Fixes> {
 public:
  // All must outlive it.
  EventService(harness::ArmContext& context, const RequestStream& stream, const Fixes& fixes);

  std::uint64_t turn_end(std::size_t lane, std::uint64_t turn) const override;
  void handle(std::size_t lane, std::uint64_t index) override { all_[lane]->handle(index); }
  void handled(harness::LaneWorker& worker, const harness::LaneOperation& operation) override;
  void end_turn(std::size_t lane, const harness::LaneTurn& turn) override;
  void switch_lane(std::size_t lane, const Fixes& fixes) override { all_[lane]->switch_fixes(fixes); }
  std::optional<RetentionOptions> retention_options(const Fixes& fixes) const override;
  harness::SwitchedRetention* retention() override { return &retention_; }
  void run_worker(const std::function<void()>& work) override;
  void prepared() override;
  void begun() override;
  void ended() override;

 private:
  void tell_batch(std::size_t lane);

  harness::ArmContext& context_;
  const RequestStream& stream_;
  const Fixes fixes_;               // at the start
  CollectedHeap* const collector_;  // null: sessions are on the general heap
  EventRecycler events_;
  std::vector<std::unique_ptr<Lane>> all_;
  harness::SwitchedRetention retention_;
  std::optional<Housekeeper> housekeeper_;
};

// The reference: sessions on a garbage collector's heap.
bool is_collected(const harness::ArmSpec& spec);

}  // namespace plateau::gc_pause
