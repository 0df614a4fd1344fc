// Orders from a seed: Zipf customers and products, log-normal line counts, notes whose length drifts through the shift.
#pragma once

#include <cstdint>
#include <string>

#include <boost/random/discrete_distribution.hpp>

#include "labs/order_service/order.hpp"
#include "labs/order_service/store.hpp"

namespace plateau::order_service {

// The drift at a simulated second: what the generator uses, and the predictions too.
double note_length_at(double simulated_s);
double median_lines_at(double simulated_s);

class GeneratedOrders final : public OrderSource {
 public:
  // `store` must outlive the orders.
  GeneratedOrders(const Store& store, std::uint64_t seed);
  void read(std::uint64_t index, Order& order) const override;

 private:
  using Zipf = boost::random::discrete_distribution<std::uint32_t>;  // Walker's alias method: O(1) a draw
  const Store& store_;
  std::uint64_t seed_;
  std::string phrases_;  // notes are cut from it
  Zipf products_;
  Zipf customers_;
};

}  // namespace plateau::order_service
