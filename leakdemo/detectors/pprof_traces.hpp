// Heap profiles of other allocators, as google/pprof reads them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "leakdemo/detector.hpp"

namespace plateau::leakdemo {

// Why there is no pprof; empty when there is one.
std::optional<std::string> pprof_unavailable(const Programs& programs);

// What `pprof -traces` says is in use in `profile`, or more in it than in `base`. Throws std::runtime_error with what
// pprof said when it could not.
std::vector<Report> pprof_traces(const Programs& programs, const std::filesystem::path& program,
                                 const std::filesystem::path& profile,
                                 const std::optional<std::filesystem::path>& base);

// The profiles in a folder with that ending, by name: the order in which they were written.
std::vector<std::filesystem::path> profiles_in(const std::filesystem::path& folder, const std::string& ending);

}  // namespace plateau::leakdemo
