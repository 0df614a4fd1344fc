#include "labs/harness/arm/arm_profiles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "allocators/system/whole_file.hpp"
#include "profiling/formats/pprof_import.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/mappings.hpp"
#include "profiling/pprof.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau::harness {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 4> of_the_whole_run{"pauses", "lifetimes", "crossfree", "temporaries"};

bool is_moment(std::string_view text) {
  if (text == "start" || text == "peak" || text == "end") return true;
  if (std::find(of_the_whole_run.begin(), of_the_whole_run.end(), text) != of_the_whole_run.end()) return true;
  const std::string numbered = std::string(near_limit_moment) + "-";
  if (!text.starts_with(numbered) || text.size() == numbered.size()) return false;
  return text.find_first_not_of("0123456789", numbered.size()) == std::string_view::npos;
}

struct ProfileFile {
  fs::path path;
  std::string moment;
};

// The arm's files in its folder: NAME-MOMENT.…, in no order.
std::vector<ProfileFile> files_of(const ArmSpec& spec) {
  std::vector<ProfileFile> found;
  const std::string prefix = spec.name + "-";
  for (const auto& entry : fs::directory_iterator(spec.profile_dir)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(prefix) || entry.is_directory()) continue;  // whoever writes there says what is in the way
    const std::string moment = name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size());
    if (is_moment(moment)) found.push_back({entry.path(), moment});
  }
  return found;
}

std::string file_name(const ArmSpec& spec, std::string_view moment, std::string_view extension) {
  return fmt::format("{}-{}.{}", spec.name, moment, extension);
}

bool is(const ArmSpec& spec, const ProfileFile& file, std::string_view extension) {
  return file.path.filename() == file_name(spec, file.moment, extension);
}

// Whether a process was killed while it wrote this file.
bool is_unfinished(const ArmSpec& spec, const ProfileFile& file) {
  const std::string name = file.path.filename();
  return WholeFile::is_unfinished(name, file_name(spec, file.moment, "heap")) ||
         WholeFile::is_unfinished(name, file_name(spec, file.moment, "pb.gz")) ||
         WholeFile::is_unfinished(name, file_name(spec, file.moment, addresses_extension));
}

void convert(const std::string& raw, const std::string& file, Symbolizer& symbolizer) {
  std::ifstream dump(raw);
  LegacyHeap heap = read_legacy_heap(dump);
  read_build_ids(heap.profile.mappings);
  write_whole_file(file, encode_pprof(heap.profile, &symbolizer));
}

void add_names(const std::string& addresses, const std::string& file, Symbolizer& symbolizer) {
  std::ifstream in(addresses, std::ios::binary);
  const Profile profile = profile_of(read_pprof({std::istreambuf_iterator<char>(in), {}}));
  write_whole_file(file, encode_pprof(profile, &symbolizer));
}

}  // namespace

std::string profile_file(const ArmSpec& spec, std::string_view moment, std::string_view extension) {
  return fmt::format("{}/{}", spec.profile_dir, file_name(spec, moment, extension));
}

CollectedProfiles collect_profiles(const ArmSpec& spec) {
  CollectedProfiles collected;
  Symbolizer symbolizer;
  for (const ProfileFile& found : files_of(spec)) {
    if (is_unfinished(spec, found)) fs::remove(found.path);
    const bool is_dump = is(spec, found, "heap");
    if (!is_dump && !is(spec, found, addresses_extension)) continue;
    const std::string raw = found.path;
    const std::string file = profile_file(spec, found.moment, "pb.gz");
    try {
      is_dump ? convert(raw, file, symbolizer) : add_names(raw, file, symbolizer);
      if (!is_dump || !spec.profile_raw) fs::remove(raw);
      collected.files[found.moment] = file;
    } catch (const std::exception& error) {
      collected.problems.push_back(
          fmt::format("{}; the allocator's dump {} is kept: heap2pprof converts it", error.what(), raw));
    }
  }
  if (const std::string pauses = profile_file(spec, "pauses", "pb.gz"); fs::exists(pauses)) {
    collected.files["pauses"] = pauses;
  }
  return collected;
}

void remove_profiles(const ArmSpec& spec) {
  for (const ProfileFile& file : files_of(spec)) {
    if (is(spec, file, "heap") || is(spec, file, "pb.gz") || is(spec, file, addresses_extension) ||
        is_unfinished(spec, file))
      fs::remove(file.path);
  }
}

}  // namespace plateau::harness
