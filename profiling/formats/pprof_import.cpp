#include "profiling/formats/pprof_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "profiling/formats/other_profiles.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {
namespace {

constexpr std::size_t longest_drop_frames = 10'000;

std::vector<ValueType> types_of(const ReadProfile& read) {
  std::vector<ValueType> types;
  for (const auto& type : read.sample_types) types.push_back({type.type, type.unit});
  return types;
}

// The frames of one location as addresses, what was inlined first.
std::vector<std::uint64_t> frames_of(const ReadProfile& read, const ReadProfile::Location& location, Profile& profile) {
  std::vector<std::uint64_t> frames;
  for (const auto& line : location.lines) {
    const ReadProfile::Function& function = read.functions[line.function - 1];
    const std::string& name = function.name.empty() ? function.system_name : function.name;
    if (name.empty()) continue;
    frames.push_back(profile.named_frame(NamedFrame{.name = name,
                                                    .system_name = function.system_name,
                                                    .file = function.file,
                                                    .start_line = function.start_line,
                                                    .line = line.line}));
  }
  if (!frames.empty()) return frames;
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  if (location.address > 0 && location.address < most) return {location.address + 1};  // as a return address
  const std::string file = location.mapping == 0 ? "unmapped" : read.mappings[location.mapping - 1].file;
  return {profile.named_frame('[' + file.substr(file.rfind('/') + 1) + ']')};
}

std::vector<ProfileLabel> labels_of(const ReadProfile::Sample& sample) {
  std::vector<ProfileLabel> labels;
  for (const auto& label : sample.labels) labels.push_back({label.key, label.text, label.number, label.unit});
  return labels;
}

bool is_message_or_text(std::uint32_t tag) {
  return (tag >= 1 && tag <= 6) || tag == 11;
}

bool is_repeated_number(std::uint32_t tag) {
  return tag == 13;
}

}  // namespace

bool is_pprof(std::string_view beginning) {
  if (!is_binary(beginning)) return false;
  std::size_t fields = 0;
  try {
    for (protozero::pbf_reader field(beginning.data(), beginning.size()); field.next(); ++fields) {
      const bool is_bytes = field.wire_type() == protozero::pbf_wire_type::length_delimited;
      if (field.tag() > 16 || (!is_bytes && field.wire_type() != protozero::pbf_wire_type::varint)) return false;
      if (is_message_or_text(field.tag()) != is_bytes && !is_repeated_number(field.tag())) return false;
      if (field.tag() != 1 && field.tag() != 11) {
        field.skip();
        continue;
      }
      for (protozero::pbf_reader type = field.get_message(); type.next(); type.skip()) {
        if (type.tag() > 2 || type.wire_type() != protozero::pbf_wire_type::varint) return false;
      }
    }
  } catch (const protozero::exception&) {
    return fields > 0;  // the field that goes on behind the beginning
  }
  return fields > 0;
}

Profile profile_of(const ReadProfile& read) {
  if (read.sample_types.empty()) throw std::runtime_error("profile.proto: it has no sample types");
  Profile profile(types_of(read));
  for (const auto& mapping : read.mappings) {
    profile.mappings.push_back({.start = mapping.start,
                                .limit = mapping.limit,
                                .offset = mapping.offset,
                                .file = mapping.file,
                                .build_id = mapping.build_id,
                                .code_name = {}});
  }
  profile.period_type = read.period_type.type;
  profile.period_unit = read.period_type.unit;
  profile.period = read.period;
  profile.time_nanos = read.time_nanos;
  profile.duration_nanos = read.duration_nanos;
  profile.comments = read.comments;
  if (read.drop_frames.size() <= longest_drop_frames) profile.drop_frames = read.drop_frames;
  profile.default_type = read.default_sample_type;
  const auto is_default = [&](const auto& type) { return type.type == profile.default_type; };
  if (std::none_of(read.sample_types.begin(), read.sample_types.end(), is_default)) {
    profile.default_type = read.sample_types.back().type;  // pprof's choice
  }
  std::vector<std::vector<std::uint64_t>> frames;
  for (const auto& location : read.locations) frames.push_back(frames_of(read, location, profile));
  std::vector<std::uint64_t> stack;
  for (const auto& sample : read.samples) {
    stack.clear();
    for (const std::uint64_t id : sample.locations)
      stack.insert(stack.end(), frames[id - 1].begin(), frames[id - 1].end());
    profile.add(stack, sample.values, labels_of(sample));
  }
  return profile;
}

Profile with_names(const Profile& profile, Symbolizer& symbolizer) {
  Profile result = profile.without_samples();
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> known;  // by the address of the call
  const auto frames_at = [&](std::uint64_t address, std::uint64_t call) {
    const auto [entry, is_new] = known.try_emplace(call);
    if (!is_new) return entry->second;
    const auto mapping = std::find_if(profile.mappings.begin(), profile.mappings.end(),
                                      [call](const Mapping& one) { return call >= one.start && call < one.limit; });
    if (mapping != profile.mappings.end()) {
      for (const Frame& frame : symbolizer.frames(*mapping, call)) {
        entry->second.push_back(result.named_frame(NamedFrame{.name = frame.function->name,
                                                              .system_name = frame.function->system_name,
                                                              .file = frame.function->file,
                                                              .start_line = frame.function->start_line,
                                                              .line = frame.line}));
      }
      if (const std::string& code = mapping->code_name; entry->second.empty() && !code.empty()) {
        entry->second.push_back(result.named_frame(NamedFrame{.name = code, .system_name = code, .file = {}}));
      }
    }
    if (entry->second.empty()) entry->second.push_back(address);
    return entry->second;
  };
  std::vector<std::uint64_t> stack;
  for (const Profile::Sample& sample : profile.samples()) {
    stack.clear();
    bool is_return_address = profile.leaf_is_return_address;
    for (const std::uint64_t address : profile.stack(sample)) {
      if (profile.frame(address) != nullptr) {
        stack.push_back(address);
      } else {
        const auto frames = frames_at(address, is_return_address && address > 0 ? address - 1 : address);
        stack.insert(stack.end(), frames.begin(), frames.end());
      }
      is_return_address = true;
    }
    result.add(stack, profile.values(sample), profile.labels(sample));
  }
  return result;
}

}  // namespace plateau
