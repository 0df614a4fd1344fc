#include "profiling/plateau/top_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace plateau {
namespace {

constexpr double least_shown_bytes = 50'000;  // the first that is not 0.0 MB
constexpr std::size_t columns_before_bar = 46;

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // UTF-8
}

std::string cut(std::string_view line, std::size_t columns) {
  const auto characters = static_cast<std::size_t>(std::count_if(line.begin(), line.end(), begins_character));
  if (characters <= columns) return std::string(line);
  std::size_t kept = 0;
  std::size_t bytes = 0;
  for (; bytes < line.size(); ++bytes) {
    if (begins_character(line[bytes]) && ++kept == columns) break;
  }
  return std::string(line.substr(0, bytes)) + "…";
}

void add_wrapped(std::string_view text, std::size_t columns, std::vector<std::string>& lines) {
  while (text.size() > columns) {
    std::size_t end = text.rfind(' ', columns);
    if (end == std::string_view::npos || end == 0) end = std::min(columns, text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + (end < text.size() && text[end] == ' ' ? 1 : 0), text.size()));
  }
  if (!text.empty()) lines.emplace_back(text);
}

std::string rate(const std::optional<double>& bytes_a_second) {
  return bytes_a_second ? fmt::format("{:+.1f} MB/s", *bytes_a_second / 1e6) : "";
}

std::string head(const TopMoment& moment) {
  std::string line = fmt::format("{} (process {})  RSS {:.1f} MB {}", moment.program, moment.process,
                                 moment.rss_bytes / 1e6, rate(moment.rss_bytes_a_second));
  if (moment.made_bytes_a_second) line += fmt::format("  allocates {:.1f} MB/s", *moment.made_bytes_a_second / 1e6);
  return line;
}

}  // namespace

std::vector<std::string> top_screen(const TopMoment& moment, std::size_t columns, std::size_t rows) {
  std::vector<std::string> lines{head(moment)};
  add_wrapped(moment.verdict, columns, lines);
  lines.emplace_back();
  for (const auto& [name, bytes] : moment.parts) {
    if (std::abs(bytes) < least_shown_bytes) continue;
    const double share = bytes / std::max(moment.rss_bytes, 1.0);
    const double room = columns > columns_before_bar ? static_cast<double>(columns - columns_before_bar) : 0;
    lines.push_back(fmt::format("{:<24}{:>11.1f}{:>8.1f} %  {}", name, bytes / 1e6, share * 100,
                                std::string(static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * room), '#')));
  }
  lines.emplace_back();
  if (!moment.no_functions.empty()) {
    add_wrapped(moment.no_functions, columns, lines);
  } else {
    lines.push_back(fmt::format("{:>9} {:>10}  {}", "alive MB", "MB/s", "function that grows"));
    for (const TopFunction& one : moment.functions)
      lines.push_back(
          fmt::format("{:>9.1f} {:>+10.2f}  {}", one.alive_bytes / 1e6, one.bytes_a_second / 1e6, one.name));
  }
  for (std::string& line : lines) line = cut(line, columns);
  if (rows > 0 && lines.size() > rows) lines.resize(rows);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

}  // namespace plateau
