#include "leakdemo/detectors/report_text.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

namespace plateau::leakdemo {

std::vector<Report> read_reports(std::string_view text, const ReportGrammar& grammar) {
  std::vector<Report> reports;
  bool inside = false;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (auto head = grammar.head(line)) {
      reports.push_back(*std::move(head));
      inside = true;
    } else if (auto frame = inside ? grammar.frame(line) : std::nullopt) {
      reports.back().functions.push_back(*std::move(frame));
    } else {
      inside = false;
    }
  }
  return reports;
}

std::int64_t bytes_of(const std::string& digits) {
  std::string plain = digits;
  std::erase(plain, ',');
  return std::stoll(plain);
}

}  // namespace plateau::leakdemo
