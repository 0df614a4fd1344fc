#include "labs/order_service/generated_orders.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "labs/harness/load/random.hpp"
#include "labs/order_service/calibration.hpp"

namespace plateau::order_service {
using harness::SplitMix64;
namespace {

constexpr std::size_t corpus_bytes = 64 * 1024;
constexpr std::array<std::string_view, 12> words{"please", "leave", "with",  "the",     "neighbour", "gift",
                                                 "wrap",   "ring",  "twice", "deliver", "before",    "noon"};

std::string make_phrases(std::uint64_t seed) {
  SplitMix64 random(SplitMix64::mix(seed) ^ 0xfa5e5);
  std::string text;
  text.reserve(corpus_bytes + 16);
  while (text.size() < corpus_bytes) {
    text += words[random.below(words.size())];
    text += ' ';
  }
  return text;
}

std::vector<double> zipf_weights(std::size_t count) {
  std::vector<double> weights(count);
  for (std::size_t rank = 0; rank < count; ++rank)
    weights[rank] = std::pow(static_cast<double>(rank + 1), -zipf_exponent);
  return weights;
}

// Box and Muller, 1958.
double standard_normal(SplitMix64& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

}  // namespace

double note_length_at(double simulated_s) {
  const double of_shift = std::fmod(simulated_s, shift_s) / shift_s;
  return shortest_note * std::pow(note_growth, of_shift);
}

double median_lines_at(double simulated_s) {
  return item_bytes_an_order / (note_length_at(simulated_s) + item_overhead);
}

GeneratedOrders::GeneratedOrders(const Store& store, std::uint64_t seed)
    : store_(store),
      seed_(SplitMix64::mix(seed)),
      phrases_(make_phrases(seed)),
      products_(zipf_weights(product_count)),
      customers_(zipf_weights(customer_count)) {}

void GeneratedOrders::read(std::uint64_t index, Order& order) const {
  SplitMix64 random(seed_ ^ SplitMix64::mix(index + 1));
  order.id = index;
  order.placed_s = static_cast<double>(index) / orders_per_second;
  order.customer = customers_(random);
  order.lines.clear();
  const double count = median_lines_at(order.placed_s) * std::exp(line_count_sigma * standard_normal(random));
  const auto lines = std::clamp<std::size_t>(static_cast<std::size_t>(count + 0.5), 1, max_lines);
  const double note = note_length_at(order.placed_s);
  for (std::size_t i = 0; i < lines; ++i) {
    const Product& product = store_.products()[products_(random)];
    const auto length = static_cast<std::size_t>(note * (0.97 + 0.06 * random.uniform()));
    order.lines.push_back({product.sku, static_cast<std::uint32_t>(random.below(9) + 1), product.price_cents,
                           std::string_view(phrases_).substr(random.below(phrases_.size() - length), length)});
  }
}

}  // namespace plateau::order_service
