#include "labs/order_service/service_options.hpp"

namespace plateau::order_service {

ServiceOptions service_options(const harness::ArmSpec& spec) {
  return {.buffers = spec.has("buffers"),
          .items = spec.has("items"),
          .query = spec.has("query"),
          .outbox = spec.has("outbox"),
          .lifetimes = spec.has("lifetimes"),
          .retention = spec.has("retention"),
          .trim_often = spec.has("trim-often"),
          .settlement_orders = spec.options.at("settlement_orders").to_number<std::uint32_t>()};
}

std::chrono::milliseconds dirty_decay(const harness::ArmSpec& spec) {
  using std::chrono::milliseconds;
  if (spec.has("decay-only")) return milliseconds(0);
  return spec.time.compressed(milliseconds(spec.has("retention") ? 1000 : 10000));
}

}  // namespace plateau::order_service
