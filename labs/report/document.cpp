#include "labs/report/document.hpp"

#include <fmt/chrono.h>

#include <chrono>

#include "labs/report/heap_trees.hpp"
#include "labs/report/page.hpp"

namespace plateau::report {
namespace json = boost::json;

std::string document(const std::vector<ResultFile>& results, std::vector<std::string>& missing) {
  std::string all;
  for (const ResultFile& one : results) {
    const json::array profiles = heap_trees(one.result, one.path, missing);
    if (!all.empty()) all += ',';
    all += fmt::format(R"({{"file": {}, "profiles": {}, "result": {}}})", json::serialize(json::string(one.path)),
                       json::serialize(profiles), one.text);
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return with_data(load_page("report"),
                   fmt::format(R"({{"written": "{:%Y-%m-%d %H:%M} UTC", "missing_profiles": {}, "results": [{}]}})",
                               now, json::serialize(json::value_from(missing)), all));
}

}  // namespace plateau::report
