#include "leakdemo/detectors/heap_dumps.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <utility>

#include "profiling/heap_profile.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/mappings.hpp"
#include "profiling/profile_difference.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau::leakdemo {
namespace {

Profile read(const std::filesystem::path& file) {
  std::ifstream dump(file);
  Profile profile = read_legacy_heap(dump).profile;
  read_build_ids(profile.mappings);
  return profile;
}

std::vector<std::string> functions(const Profile& profile, const Profile::Sample& sample, Symbolizer& symbolizer) {
  std::vector<std::string> names;
  for (const std::uint64_t address : profile.stack(sample)) {
    if (const auto name = profile.frame_name(address)) {
      names.emplace_back(*name);
      continue;
    }
    const auto mapping = std::find_if(profile.mappings.begin(), profile.mappings.end(), [&](const Mapping& one) {
      return address > one.start && address <= one.limit;  // a return address
    });
    if (mapping == profile.mappings.end()) continue;
    for (const Frame& frame : symbolizer.frames(*mapping, address - 1)) names.push_back(frame.function->name);
  }
  return names;
}

}  // namespace

std::vector<Report> dump_reports(const std::filesystem::path& dump, const std::optional<std::filesystem::path>& base) {
  Profile profile = read(dump);
  if (base) profile = difference(profile, read(*base));
  Symbolizer symbolizer;
  std::vector<Report> reports;
  for (const Profile::Sample& sample : profile.samples()) {
    const std::int64_t bytes = profile.values(sample)[static_cast<std::size_t>(HeapColumn::inuse_space)];
    if (bytes == 0) continue;
    reports.push_back(
        {.kind = base ? "growth" : "in use", .bytes = bytes, .functions = functions(profile, sample, symbolizer)});
  }
  return reports;
}

std::vector<std::filesystem::path> dumps_in(const std::filesystem::path& folder, const std::string& ending) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename().string().ends_with(ending)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const auto& one, const auto& other) {
    return std::pair(std::filesystem::last_write_time(one), one) <
           std::pair(std::filesystem::last_write_time(other), other);
  });
  return found;
}

}  // namespace plateau::leakdemo
