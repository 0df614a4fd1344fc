#include "profiling/plateau/process_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

#include <boost/json.hpp>

#include "profiling/formats/gzip.hpp"
#include "profiling/formats/pprof_import.hpp"
#include "profiling/formats/pprof_reader.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/mappings.hpp"

namespace plateau {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// What a process left, by the end of its files' names.
struct LeftBehind {
  std::string name;  // NAME-PID
  bool has_heap = false;
  std::string reason;
  std::string footprint;
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::map<pid_t, LeftBehind> left_behind(const std::string& folder) {
  std::map<pid_t, LeftBehind> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), none; !error && at != none; at.increment(error)) {
    const std::string file = at->path().filename();
    for (const std::string_view end : {".heap", ".reason", ".footprint.json"}) {
      if (!file.ends_with(end)) continue;
      const std::string name = file.substr(0, file.size() - end.size());
      const auto dash = name.rfind('-');
      pid_t process = 0;
      if (dash == std::string::npos) continue;
      const auto [stop, failed] = std::from_chars(name.data() + dash + 1, name.data() + name.size(), process);
      if (failed != std::errc() || stop != name.data() + name.size()) continue;
      LeftBehind& left = found[process];
      left.name = name;
      left.has_heap = left.has_heap || end == ".heap";
      if (end == ".reason") left.reason = text_of(at->path());
      if (end == ".footprint.json") left.footprint = text_of(at->path());
    }
  }
  return found;
}

std::optional<RecordedFootprint> footprint_in(const std::string& text, double seconds) {
  try {
    const json::value value = json::parse(text);
    RecordedFootprint read;
    read.seconds = seconds;
    read.headline = json::value_to<std::string>(value.at("headline"));
    read.rss_bytes = value.at("rss_bytes").to_number<std::uint64_t>();
    read.peak_rss_bytes = value.at("peak_rss_bytes").to_number<std::uint64_t>();
    for (const json::value& part : value.at("parts").as_array()) {
      read.parts.push_back({json::value_to<std::string>(part.at("id")), json::value_to<std::string>(part.at("name")),
                            part.at("bytes").to_number<std::int64_t>()});
    }
    return read;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<RecordedProfile> profile_in(const KeptAnswer& kept) {
  try {
    constexpr std::size_t most_bytes = std::size_t{512} << 20;
    return RecordedProfile{
        profile_of(decode_pprof(gunzipped(kept.body), most_bytes)),
        fmt::format("at {:.1f} s, with an RSS of {:.1f} MB", kept.seconds, static_cast<double>(kept.rss_bytes) / 1e6),
        kept.seconds};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::optional<RecordedProfile> profile_in(const std::string& dump) {
  try {
    std::ifstream in(dump, std::ios::binary);
    LegacyHeap heap = read_legacy_heap(in);
    read_build_ids(heap.profile.mappings);
    return RecordedProfile{std::move(heap.profile), "at its end", -1};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

// A process's files are named as its executable; one that left none is called by the name that it announced.
std::string file_name(const WatchedProcess& seen) {
  std::string name = seen.program.substr(0, seen.program.find(' '));
  std::replace(name.begin(), name.end(), '/', '_');
  return fmt::format("{}-{}", name, seen.process);
}

void add_profiles(const std::string& folder, const LeftBehind* left, ProcessRecord& record) {
  const WatchedProcess& seen = record.seen;
  if (left != nullptr && left->has_heap) record.end = profile_in(folder + "/" + record.name + ".heap");
  const KeptAnswer* last = seen.profiles.empty() ? nullptr : &seen.profiles.back();
  if (seen.peak && (last == nullptr || seen.peak->seconds > last->seconds)) last = &*seen.peak;
  if (!record.end && last != nullptr) record.end = profile_in(*last);
  if (seen.peak) record.peak = profile_in(*seen.peak);
  const KeptAnswer* first = seen.profiles.empty() ? nullptr : &seen.profiles.front();
  const bool is_earlier =
      first != nullptr && record.end && (record.end->seconds < 0 || first->seconds < record.end->seconds);
  if (is_earlier) record.first = profile_in(*first);
  if (record.end) return;
  record.no_profile = left != nullptr && !left->reason.empty() ? left->reason : seen.no_profile;
  if (record.no_profile.empty()) {
    record.no_profile =
        seen.address.empty() ? "it was not served" : "it did not end by exit(), and was gone before it could be asked";
  }
}

ProcessRecord record_of(const std::string& folder, const WatchedProcess& seen, const LeftBehind* left) {
  ProcessRecord record;
  record.seen = seen;
  record.name = left != nullptr ? left->name : file_name(seen);
  for (const KeptAnswer& kept : seen.footprints) {
    if (auto read = footprint_in(kept.body, kept.seconds)) record.footprints.push_back(std::move(*read));
  }
  if (left != nullptr) {
    if (auto read = footprint_in(left->footprint, -1)) record.footprints.push_back(std::move(*read));
  }
  for (const RecordedFootprint& one : record.footprints)
    record.seen.peak_rss_bytes = std::max(record.seen.peak_rss_bytes, one.peak_rss_bytes);
  add_profiles(folder, left, record);
  return record;
}

}  // namespace

std::vector<ProcessRecord> read_records(const std::string& folder, const std::vector<WatchedProcess>& processes) {
  std::map<pid_t, LeftBehind> left = left_behind(folder);
  std::vector<ProcessRecord> records;
  // A process that became another program left only what the last one did.
  for (auto seen = processes.rbegin(); seen != processes.rend(); ++seen) {
    const auto found = left.find(seen->process);
    records.push_back(record_of(folder, *seen, found == left.end() ? nullptr : &found->second));
    if (found != left.end()) left.erase(found);
  }
  for (const auto& [process, files] : left) {
    WatchedProcess unseen;
    unseen.process = process;
    unseen.program = files.name.substr(0, files.name.rfind('-'));
    records.push_back(record_of(folder, unseen, &files));
  }
  std::stable_sort(records.begin(), records.end(), [](const ProcessRecord& one, const ProcessRecord& other) {
    return one.seen.peak_rss_bytes > other.seen.peak_rss_bytes;
  });
  return records;
}

}  // namespace plateau
