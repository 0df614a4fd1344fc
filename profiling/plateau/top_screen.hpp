// What `plateau top` shows of one moment, as lines that fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plateau {

struct TopFunction {
  std::string name;
  double alive_bytes = 0;
  double bytes_a_second = 0;  // of growth
};

struct TopMoment {
  std::string program;
  std::int64_t process = 0;
  double rss_bytes = 0;
  std::optional<double> rss_bytes_a_second;
  std::optional<double> made_bytes_a_second;  // allocated, freed or not
  std::string verdict;
  std::vector<std::pair<std::string, double>> parts;  // of RSS, in bytes
  std::vector<TopFunction> functions;                 // that grow most
  std::string no_functions;                           // why there are none
};

// `rows` lines at most, of `columns` characters (not bytes) at most; 0 rows: as many as there are. No line is empty at
// the end.
std::vector<std::string> top_screen(const TopMoment& moment, std::size_t columns, std::size_t rows);

}  // namespace plateau
