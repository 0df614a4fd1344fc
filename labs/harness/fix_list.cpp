#include "labs/harness/fix_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "labs/harness/usage_error.hpp"

namespace plateau::harness {

std::vector<std::string> parse_fixes(const LabDescription& lab, const std::string& text) {
  std::vector<std::string> known;
  for (const Fix& fix : lab.fixes) known.emplace_back(fix.name);
  const std::size_t right = known.size();
  for (const WrongFix& wrong : lab.wrong_fixes) known.emplace_back(wrong.name);

  std::vector<bool> chosen(known.size(), false);
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    if (part == "none") {
      std::fill(chosen.begin(), chosen.end(), false);
      continue;
    }
    if (part == "all") {
      std::fill_n(chosen.begin(), right, true);
      continue;
    }
    const bool without = part.starts_with('-');
    const auto found = std::find(known.begin(), known.end(), without ? part.substr(1) : part);
    if (found == known.end()) {
      throw UsageError(
          fmt::format("--fix: there is no fix '{}'; choose none, all, or of {}", part, fmt::join(known, ", ")));
    }
    chosen[static_cast<std::size_t>(found - known.begin())] = !without;
  }
  std::vector<std::string> fixes;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (chosen[i]) fixes.push_back(known[i]);
  }
  return fixes;
}

}  // namespace plateau::harness
