// Heap profiles that allocators write, as heap2pprof reads them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "leakdemo/observation.hpp"

namespace plateau::leakdemo {

// What is in use in `dump` by stack, or what more in it than in `base`: as `heap2pprof --base` has it. Throws
// std::runtime_error when they cannot be read.
std::vector<Report> dump_reports(const std::filesystem::path& dump, const std::optional<std::filesystem::path>& base);

// The dumps in a folder with that ending, the oldest first.
std::vector<std::filesystem::path> dumps_in(const std::filesystem::path& folder, const std::string& ending);

}  // namespace plateau::leakdemo
