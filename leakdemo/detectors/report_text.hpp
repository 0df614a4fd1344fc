// Reports in the text that detectors print: a line with the bytes, and below it a line for each frame.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "leakdemo/observation.hpp"

namespace plateau::leakdemo {

struct ReportGrammar {
  // The report that begins with this line; empty when none does.
  std::function<std::optional<Report>(const std::string& line)> head;
  // The function of this line of a report; empty when it is no frame, which ends the report.
  std::function<std::optional<std::string>(const std::string& line)> frame;
};

std::vector<Report> read_reports(std::string_view text, const ReportGrammar& grammar);

// "1,024" and "1024" are 1024. Throws std::invalid_argument.
std::int64_t bytes_of(const std::string& digits);

}  // namespace plateau::leakdemo
