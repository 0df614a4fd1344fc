#include "profiling/plateau/exec_vectors.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace plateau {

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view one = *entry;
    const auto is_changed = [one](const auto& change) {
      return one.starts_with(change.first) && one.substr(change.first.size()).starts_with('=');
    };
    if (std::none_of(changes.begin(), changes.end(), is_changed)) result.emplace_back(one);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace plateau
