// The orders themselves, from the seed: those of the two years, and those that come in today. And what any question
// about them has to be answered with, which no store is asked for.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "labs/order_statistics/question.hpp"

namespace plateau::order_statistics {

inline constexpr std::array<std::string_view, 6> statuses{"paid",      "packed",   "shipped",
                                                          "delivered", "returned", "cancelled"};
inline constexpr std::size_t active_statuses = 3;  // the first ones

struct Order {
  std::int64_t id = 0;
  int day = 0;
  int second = 0;  // of the day
  std::size_t status = 0;
  std::int64_t customer = 0;
  std::int64_t cents = 0;
  bool active() const { return status < active_statuses; }
};

// Order i of `rows`, in the order of days: ids are i + 1.
Order past_order(std::uint64_t seed, std::uint64_t rows, std::uint64_t i);
// The i-th order of today, a second after the one before. All are active. Its id follows those of the past.
Order new_order(std::uint64_t seed, std::uint64_t rows, std::uint64_t i);

// Answers that must come out. Read-only after construction, so thread-safe.
class Truth {
 public:
  Truth(std::uint64_t seed, std::uint64_t rows);
  // Today's orders are those up to the `new_orders`-th.
  Answer answer(const Question& question, std::uint64_t new_orders) const;
  // Whether all rows but today's are right, and today's is that of some number of new orders: how many, or -1 when a
  // row is wrong. Allocates nothing.
  std::int64_t new_orders_in(const Question& question, const Answer& answer) const;

 private:
  struct Day {
    DayStatistics all;
    DayStatistics active;
  };
  DayStatistics today_after(std::uint64_t new_orders) const;
  const DayStatistics& past(const Question& question, int day) const;

  std::vector<Day> days_;
  std::vector<std::int64_t> cents_up_to_;  // of so many new orders
};

}  // namespace plateau::order_statistics
