#include "tests/labs/lab_process.hpp"

#include <stdexcept>

namespace plateau::testing {
namespace fs = std::filesystem;
boost::json::object read_json(const std::string& file) {
  return boost::json::parse(read_text(file)).as_object();
}

std::vector<fs::path> cgroups_of(pid_t lab) {
  const std::string prefix = "plateau-" + std::to_string(lab) + "-";
  std::vector<fs::path> found;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator it("/sys/fs/cgroup", options, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().starts_with(prefix)) found.push_back(it->path());
  }
  return found;
}

const boost::json::object& row(const boost::json::object& result, std::string_view metric) {
  for (const auto& one : result.at("verdict").at("rows").as_array()) {
    if (one.at("metric").as_string() == metric) return one.as_object();
  }
  throw std::runtime_error("no row " + std::string(metric));
}

}  // namespace plateau::testing
