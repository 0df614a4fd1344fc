// The service core: takes orders, validates and prices them, asks the store for related ones, encodes and sends the
// confirmation, keeps it until it is acknowledged, and records history. Every fix is chosen here and implemented
// elsewhere.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "labs/order_service/fixes.hpp"
#include "labs/order_service/fixes/buffers.hpp"
#include "labs/order_service/fixes/items.hpp"
#include "labs/order_service/fixes/lifetimes.hpp"
#include "labs/order_service/fixes/outbox.hpp"
#include "labs/order_service/order.hpp"
#include "labs/order_service/outside_orders.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

// After so many orders of a lane what is too old is dropped and figures are told.
inline constexpr std::uint64_t housekeeping_every = 32;

// Own figures of a lane, read by others while it works.
struct LaneFigures {
  std::atomic<std::uint64_t> outbox_entries{0};
  std::atomic<std::uint64_t> outbox_bytes{0};
  std::atomic<std::uint64_t> expired{0};
  std::atomic<std::uint64_t> history_records{0};
};

// One partition of the order stream. Used by one worker at a time.
class Lane {
 public:
  // Both are shared with other lanes: `batch_blocks` gives blocks of `arena_block_bytes`, which live for a batch,
  // `history_blocks` those of `history_block_bytes`, which live for hours.
  // Its orders are numbered from `first_id` on, in steps of `lanes`, as they come.
  Lane(const Store& store, const OrderSource& source, const Fixes& fixes, BufferRecycler& buffers,
       std::pmr::memory_resource* batch_blocks, std::pmr::memory_resource* history_blocks, int socket,
       OrderId first_id);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Order `index` of the source.
  void handle(std::uint64_t index);
  // One from outside: handled as any other, or looked for in the lane's history. Then it is done.
  void handle(OutsideOrder& order);
  // Between two batches. The old outbox and history hand over what they hold.
  void switch_fixes(const Fixes& fixes);
  // Ends the batch: totals are computed, working orders forgotten. Gives the digest of the batch's whole output.
  std::uint64_t settle();
  // Unused bytes in arenas and worker buffers.
  std::size_t slack_bytes() const;
  const LaneFigures& figures() const { return figures_; }

 private:
  std::uint64_t process(Order& order);  // gives its total
  void take_acknowledgements();
  void update_figures();

  const Store& store_;
  const OrderSource& source_;
  Fixes fixes_;
  const int socket_;
  std::pmr::memory_resource* const history_blocks_;
  OpenBatch batch_;
  Encoder encoder_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<History> history_;
  Order order_;
  std::string query_;
  std::vector<const PastOrder*> related_;
  std::vector<OrderId> acknowledged_;
  OrderId next_id_;
  std::uint64_t digest_ = 0;
  LaneFigures figures_;
};

}  // namespace plateau::order_service
