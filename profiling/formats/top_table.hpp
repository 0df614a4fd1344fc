// The functions that most of a profile belongs to, as `pprof -top` prints them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/formats/call_tree.hpp"

namespace plateau {

struct TopRow {
  std::string_view function;
  std::int64_t flat = 0;        // in the function itself
  std::int64_t cumulative = 0;  // in it and in what it called; a recursive call counts once
};

// By flat value, the largest first, whatever its sign; ties by cumulative value and name.
std::vector<TopRow> top_rows(const CallTree& tree);

// The first `rows` of them as a table with flat, flat%, sum%, cum, cum% and name. `unit` is as human() has it.
std::string top_table(const CallTree& tree, std::string_view unit, std::size_t rows);

// 1536 bytes: "1.50kB"; 12,000,000 nanoseconds: "12.00ms"; of other units the plain number.
std::string human(std::int64_t value, std::string_view unit);

}  // namespace plateau
