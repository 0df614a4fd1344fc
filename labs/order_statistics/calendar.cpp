#include "labs/order_statistics/calendar.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace plateau::order_statistics {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr sys_days first_day = std::chrono::year(2024) / 1 / 1;

template <class Number>
bool read(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string date_of(int day) {
  const year_month_day date(first_day + days(day));
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::optional<int> day_of(std::string_view date) {
  constexpr std::size_t length = 10;
  if (date.size() < length || date[4] != '-' || date[7] != '-') return std::nullopt;
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (!read(date.substr(0, 4), year) || !read(date.substr(5, 2), month) || !read(date.substr(8, 2), day))
    return std::nullopt;
  const year_month_day found{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                             std::chrono::day(day)};
  if (!found.ok()) return std::nullopt;
  return static_cast<int>((sys_days(found) - first_day).count());
}

std::string moment_of(int day, int second) {
  return fmt::format("{} {:02}:{:02}:{:02}", date_of(day), second / 3600, second / 60 % 60, second % 60);
}

Days days_of_month(int month) {
  const auto begin = [](int of) {
    const sys_days first =
        std::chrono::year(2024 + of / 12) / std::chrono::month(static_cast<unsigned>(of % 12 + 1)) / 1;
    return static_cast<int>((first - first_day).count());
  };
  return {begin(month), begin(month + 1)};
}

}  // namespace plateau::order_statistics
