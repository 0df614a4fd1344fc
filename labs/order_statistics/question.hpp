// What a client asks, and what it gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace plateau::order_statistics {

// The statistics of each day of a month, over all orders or over the active ones.
struct Question {
  int month = 0;
  bool active_only = false;

  int key() const { return month * 2 + (active_only ? 1 : 0); }
  friend bool operator==(const Question&, const Question&) = default;
};

struct DayStatistics {
  int day = 0;
  std::int64_t orders = 0;
  std::int64_t cents = 0;
  friend bool operator==(const DayStatistics&, const DayStatistics&) = default;
};

// Days that have orders, the last one first.
using Answer = std::vector<DayStatistics>;

// The i-th question of a run, the same whoever asks it.
Question question_of(std::uint64_t seed, std::uint64_t i);

// Of the rows that do not change any more: all but today's.
std::uint64_t digest_of(const Question& question, const Answer& answer);

}  // namespace plateau::order_statistics
