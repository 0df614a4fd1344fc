// Which halves of the pairs a service works with.
#pragma once

#include <chrono>
#include <cstdint>

#include "labs/harness/arm.hpp"
#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {

struct ServiceOptions {
  bool buffers = false;
  bool items = false;
  bool query = false;
  bool outbox = false;
  bool lifetimes = false;
  bool retention = false;
  bool trim_often = false;  // a wrong fix: purge the heap every simulated minute
  std::uint32_t settlement_orders = calibration_settlement_orders;
};

ServiceOptions service_options(const harness::ArmSpec& spec);

// How long the allocator keeps unused pages.
std::chrono::milliseconds dirty_decay(const harness::ArmSpec& spec);

}  // namespace plateau::order_service
