#include "labs/order_statistics/orders.hpp"

#include <algorithm>

#include "labs/harness/load/random.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/calibration.hpp"

namespace plateau::order_statistics {
using harness::SplitMix64;
namespace {

constexpr int seconds_a_day = 86'400;
// More than a run can have: they are known beforehand, so that checking an answer allocates nothing.
constexpr std::uint64_t most_new_orders = 200'000;

std::int64_t some_cents(SplitMix64& random) {
  return static_cast<std::int64_t>(99 + random.below(50'000));
}

}  // namespace

Order past_order(std::uint64_t seed, std::uint64_t rows, std::uint64_t i) {
  SplitMix64 random(SplitMix64::mix(seed) ^ i);
  Order order;
  order.id = static_cast<std::int64_t>(i + 1);
  order.day = static_cast<int>(i * static_cast<std::uint64_t>(history_days) / rows);
  order.second = static_cast<int>(random.below(seconds_a_day));
  const bool recent = order.day >= history_days - recent_days;
  const bool active = random.uniform() < (recent ? active_share_recent : active_share_old);
  order.status =
      active ? random.below(active_statuses) : active_statuses + random.below(statuses.size() - active_statuses);
  order.customer = static_cast<std::int64_t>(random.below(200'000));
  order.cents = some_cents(random);
  return order;
}

Order new_order(std::uint64_t seed, std::uint64_t rows, std::uint64_t i) {
  SplitMix64 random(SplitMix64::mix(seed ^ 0x7eda7) ^ i);
  return {.id = static_cast<std::int64_t>(rows + i + 1),
          .day = today,
          .second = static_cast<int>(i % seconds_a_day),
          .status = 0,
          .customer = static_cast<std::int64_t>(random.below(200'000)),
          .cents = some_cents(random)};
}

Truth::Truth(std::uint64_t seed, std::uint64_t rows) : days_(history_days) {
  for (std::uint64_t i = 0; i < rows; ++i) {
    const Order order = past_order(seed, rows, i);
    Day& day = days_[static_cast<std::size_t>(order.day)];
    const auto count = [&order](DayStatistics& in) {
      in.day = order.day;
      ++in.orders;
      in.cents += order.cents;
    };
    count(day.all);
    if (order.active()) count(day.active);
  }
  cents_up_to_.reserve(most_new_orders + 1);
  cents_up_to_.push_back(0);
  for (std::uint64_t i = 0; i < most_new_orders; ++i)
    cents_up_to_.push_back(cents_up_to_.back() + new_order(seed, rows, i).cents);
}

DayStatistics Truth::today_after(std::uint64_t new_orders) const {
  return {today, static_cast<std::int64_t>(new_orders), cents_up_to_.at(new_orders)};
}

const DayStatistics& Truth::past(const Question& question, int day) const {
  const Day& of = days_[static_cast<std::size_t>(day)];
  return question.active_only ? of.active : of.all;
}

Answer Truth::answer(const Question& question, std::uint64_t new_orders) const {
  const Days days = days_of_month(question.month);
  Answer result;
  if (days.has(today) && new_orders > 0) result.push_back(today_after(new_orders));
  for (int day = std::min(days.end, history_days) - 1; day >= days.first; --day) {
    if (past(question, day).orders > 0) result.push_back(past(question, day));
  }
  return result;
}

std::int64_t Truth::new_orders_in(const Question& question, const Answer& answer) const {
  const Days days = days_of_month(question.month);
  auto row = answer.begin();
  std::int64_t told = 0;
  if (row != answer.end() && row->day == today) {
    told = row->orders;
    if (!days.has(today) || told < 1 || static_cast<std::uint64_t>(told) >= cents_up_to_.size()) return -1;
    if (*row++ != today_after(static_cast<std::uint64_t>(told))) return -1;
  }
  for (int day = std::min(days.end, history_days) - 1; day >= days.first; --day) {
    if (past(question, day).orders == 0) continue;
    if (row == answer.end() || *row++ != past(question, day)) return -1;
  }
  return row == answer.end() ? told : -1;
}

}  // namespace plateau::order_statistics
