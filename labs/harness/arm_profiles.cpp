#include "labs/harness/arm_profiles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "profiling/legacy_heap.hpp"
#include "profiling/mappings.hpp"
#include "profiling/pprof.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau::harness {
namespace fs = std::filesystem;
namespace {

bool is_moment(std::string_view text) {
  if (text == "start" || text == "peak" || text == "end" || text == "pauses") return true;
  const std::string numbered = std::string(near_limit_moment) + "-";
  if (!text.starts_with(numbered) || text.size() == numbered.size()) return false;
  return text.find_first_not_of("0123456789", numbered.size()) == std::string_view::npos;
}

// The moments of which there is a file with this extension.
std::vector<std::string> moments(const ArmSpec& spec, const std::string& extension) {
  std::vector<std::string> found;
  const std::string prefix = spec.name + "-";
  for (const auto& entry : fs::directory_iterator(spec.profile_dir)) {
    const std::string file = entry.path().filename();
    if (file.size() < prefix.size() + extension.size() || !file.starts_with(prefix) || !file.ends_with(extension))
      continue;
    const std::string moment = file.substr(prefix.size(), file.size() - prefix.size() - extension.size());
    if (is_moment(moment)) found.push_back(moment);
  }
  return found;
}

void remove(const ArmSpec& spec, const std::string& extension) {
  for (const std::string& moment : moments(spec, "." + extension)) fs::remove(profile_file(spec, moment, extension));
}

}  // namespace

std::string profile_file(const ArmSpec& spec, std::string_view moment, std::string_view extension) {
  return fmt::format("{}/{}-{}.{}", spec.profile_dir, spec.name, moment, extension);
}

std::map<std::string, std::string> collect_profiles(const ArmSpec& spec) {
  std::map<std::string, std::string> files;
  Symbolizer symbolizer;
  for (const std::string& moment : moments(spec, ".heap")) {
    const std::string raw = profile_file(spec, moment, "heap");
    std::ifstream dump(raw);
    LegacyHeap heap = read_legacy_heap(dump);
    read_build_ids(heap.profile.mappings);
    const std::string file = profile_file(spec, moment, "pb.gz");
    std::ofstream(file, std::ios::binary | std::ios::trunc) << encode_pprof(heap.profile, &symbolizer);
    if (!spec.profile_raw) fs::remove(raw);
    files[moment] = file;
  }
  if (const std::string pauses = profile_file(spec, "pauses", "pb.gz"); fs::exists(pauses)) files["pauses"] = pauses;
  remove(spec, "heap.part");  // of an arm that was killed while it dumped
  return files;
}

void remove_profiles(const ArmSpec& spec) {
  for (const char* const extension : {"pb.gz", "heap", "heap.part"}) remove(spec, extension);
}

}  // namespace plateau::harness
