#include "labs/order_statistics/desk.hpp"

#include <algorithm>

#include "allocators/system/cpu_clock.hpp"

namespace plateau::order_statistics {
using Clock = std::chrono::steady_clock;

void InFlight::change(int key, int by) {
  const std::scoped_lock lock(mutex_);
  int& of_key = now_[key];
  of_key += by;
  all_now_ += by;
  most_ = std::max(most_, all_now_);
  most_of_one_ = std::max(most_of_one_, of_key);
}

Answer KeptOrders::answer(Reader& reader, const Question& question) {
  const std::scoped_lock lock(mutex_);
  std::vector<Day>& days = by_question_[question.key()];
  if (days.empty()) {
    reader.read_orders(question, [&days](int day, WholeOrder order) {
      if (days.empty() || days.back().day != day) days.push_back({.day = day, .orders = {}});
      days.back().orders.push_back(std::move(order));
    });
  }
  Answer answer;
  for (const Day& day : days) {
    DayStatistics& row = answer.emplace_back(DayStatistics{day.day, 0, 0});
    for (const WholeOrder& order : day.orders) {
      ++row.orders;
      row.cents += order.cents;
    }
  }
  return answer;
}

Desk::Desk(const Fixes& fixes, const CacheSettings& cache) : fixes_(fixes), cache_(cache) {}

LocalCache::Kept Desk::answer(Reader& reader, const Question& question) {
  const auto load = [&] { return query(reader, question); };
  return fixes_.local_cache ? answer_after(cache_, question, load) : answer_before(cache_, question, load);
}

harness::LatencyHistogram Desk::query_time() const {
  const std::scoped_lock lock(mutex_);
  return query_time_;
}

Answer Desk::query(Reader& reader, const Question& question) {
  const InFlight::Query counted(in_flight_, question.key());
  const auto begin = Clock::now();
  const auto begin_cpu = thread_cpu_time();
  Answer answer = fixes_.cache_everything ? kept_orders_.answer(reader, question) : reader.ask(question);
  cpu_ns_.fetch_add(std::chrono::nanoseconds(thread_cpu_time() - begin_cpu).count(), std::memory_order_relaxed);
  const std::chrono::duration<double, std::micro> took = Clock::now() - begin - reader.locks().of_operation();
  const std::scoped_lock lock(mutex_);
  query_time_.record(took.count());
  return answer;
}

}  // namespace plateau::order_statistics
