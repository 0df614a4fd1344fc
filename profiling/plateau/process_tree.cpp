#include "profiling/plateau/process_tree.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

#include "allocators/system/kernel_file.hpp"

namespace plateau {
namespace {

namespace fs = std::filesystem;

std::vector<pid_t> all_processes() {
  std::vector<pid_t> found;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), none; !error && at != none; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t process = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), process);
    if (failed == std::errc() && end == name.data() + name.size()) found.push_back(process);
  }
  return found;
}

}  // namespace

pid_t parent_of(pid_t process) {
  std::array<char, 1024> buffer;
  const std::string file = "/proc/" + std::to_string(process) + "/stat";
  const std::string_view text = kernel_file::head(file.c_str(), buffer);
  const auto name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string_view::npos) return 0;
  return static_cast<pid_t>(kernel_file::number_in_column(text.substr(name_end + 1), 1).value_or(0));
}

std::string executable_of(pid_t process) {
  std::error_code error;
  return fs::read_symlink("/proc/" + std::to_string(process) + "/exe", error).filename();
}

void ProcessTree::look() {
  std::map<pid_t, pid_t> parents;
  for (const pid_t process : all_processes()) parents.emplace(process, parent_of(process));
  // A number may be another process's by now.
  const auto is_gone = [&](pid_t process) { return !parents.contains(process); };
  std::erase_if(others_, is_gone);
  std::erase_if(members_, is_gone);
  bool grows = true;
  while (grows) {
    grows = false;
    for (const auto& [process, parent] : parents) {
      if (!members_.contains(process) && members_.contains(parent)) grows = members_.insert(process).second;
    }
  }
  for (const auto& [process, parent] : parents) {
    if (mark_.empty() || members_.contains(process) || !others_.insert(process).second) continue;
    if (has_mark(process)) members_.insert(process);
  }
}

bool ProcessTree::has_mark(pid_t process) const {
  std::ifstream file("/proc/" + std::to_string(process) + "/environ", std::ios::binary);
  for (std::string variable; std::getline(file, variable, '\0');) {
    if (variable == mark_) return true;
  }
  return false;
}

}  // namespace plateau
