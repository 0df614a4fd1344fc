#include "labs/order_statistics/question.hpp"

#include <array>
#include <cmath>

#include "labs/harness/load/random.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/calibration.hpp"

namespace plateau::order_statistics {
using harness::SplitMix64;
namespace {

// Shares of the months up to each, the most recent first.
std::array<double, months> cumulated_zipf() {
  std::array<double, months> result{};
  double sum = 0;
  for (int rank = 0; rank < months; ++rank)
    result[static_cast<std::size_t>(rank)] = sum += std::pow(rank + 1, -zipf_exponent);
  for (double& one : result) one /= sum;
  return result;
}

}  // namespace

Question question_of(std::uint64_t seed, std::uint64_t i) {
  static const std::array<double, months> up_to = cumulated_zipf();
  SplitMix64 random(SplitMix64::mix(seed ^ 0x9e57) ^ i);
  Question question;
  question.active_only = random.uniform() < share_active_only;
  if (random.uniform() < share_of_the_future) {
    question.month = future_month;
    return question;
  }
  const double share = random.uniform();
  int rank = 0;
  while (rank < months - 1 && share >= up_to[static_cast<std::size_t>(rank)]) ++rank;
  question.month = months - 1 - rank;
  return question;
}

std::uint64_t digest_of(const Question& question, const Answer& answer) {
  std::uint64_t digest = SplitMix64::mix(static_cast<std::uint64_t>(question.key()) + 1);
  for (const DayStatistics& row : answer) {
    if (row.day >= today) continue;
    for (const std::int64_t value : {static_cast<std::int64_t>(row.day), row.orders, row.cents})
      digest = SplitMix64::mix(digest ^ static_cast<std::uint64_t>(value));
  }
  return digest;
}

}  // namespace plateau::order_statistics
