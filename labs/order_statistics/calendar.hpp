// Days and months of the store. Day 0 is 2024-01-01; the last day is today, on which orders come in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace plateau::order_statistics {

inline constexpr int history_days = 730;  // all of them over: 2024, and 2025 without its last day
inline constexpr int today = history_days;
inline constexpr int months = 24;        // that have orders; month 0 is January 2024
inline constexpr int future_month = 24;  // has none yet

// "2024-01-01"
std::string date_of(int day);
// Of a text that begins with a date, as SQL writes it; empty for what is none.
std::optional<int> day_of(std::string_view date);
// "2025-12-31 17:05:09"
std::string moment_of(int day, int second);

struct Days {
  int first = 0;
  int end = 0;  // the first one after
  bool has(int day) const { return day >= first && day < end; }
};
Days days_of_month(int month);

}  // namespace plateau::order_statistics
