#include "labs/order_statistics/fixes/stream.hpp"

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "labs/order_statistics/calendar.hpp"
#include "labs/sqlite/sqlite.hpp"

namespace plateau::order_statistics {
namespace {

int day_or_throw(std::string_view date) {
  const auto day = day_of(date);
  if (!day) throw std::runtime_error("the store gave '" + std::string(date) + "' where a date was expected");
  return *day;
}

}  // namespace

Answer read_before(sqlite::Statement& statement, const Question& question) {
  std::vector<std::array<std::string, 3>> result_set;
  while (statement.step()) {
    result_set.push_back(
        {std::string(statement.text(0)), std::string(statement.text(1)), std::string(statement.text(2))});
  }
  const Days wanted = days_of_month(question.month);
  Answer answer;
  for (const auto& [date, orders, cents] : result_set) {
    const int day = day_or_throw(date);
    if (wanted.has(day)) answer.push_back({day, std::stoll(orders), std::stoll(cents)});
  }
  return answer;
}

Answer read_after(sqlite::Statement& statement, const Question& question) {
  const Days wanted = days_of_month(question.month);
  Answer answer;
  while (statement.step()) {
    const int day = day_or_throw(statement.text(0));
    if (!wanted.has(day)) continue;
    if (answer.empty()) answer.reserve(static_cast<std::size_t>(wanted.end - wanted.first));
    answer.push_back({day, statement.number(1), statement.number(2)});
  }
  return answer;
}

}  // namespace plateau::order_statistics
