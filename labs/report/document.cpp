#include "labs/report/document.hpp"

#include <fmt/chrono.h>

#include <chrono>
#include <utility>

#include "labs/report/heap_trees.hpp"
#include "labs/report/page.hpp"

namespace plateau::report {
namespace json = boost::json;

std::string document(std::vector<NamedResult> results, std::vector<std::string>& missing) {
  json::array all;
  for (NamedResult& one : results) {
    json::array profiles = heap_trees(one.result, one.file, missing);
    all.push_back(
        json::object{{"file", one.file}, {"profiles", std::move(profiles)}, {"result", std::move(one.result)}});
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return with_data(load_page("report"), json::object{{"written", fmt::format("{:%Y-%m-%d %H:%M} UTC", now)},
                                                     {"missing_profiles", json::value_from(missing)},
                                                     {"results", std::move(all)}});
}

}  // namespace plateau::report
