#include "labs/harness/judge/block_findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "profiling/formats/pprof_reader.hpp"

namespace plateau::harness {
namespace {

constexpr double least_share = 0.2;
constexpr std::string_view bytes_type = "space";

ReadProfile read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file + ": it cannot be read");
  return read_pprof({std::istreambuf_iterator<char>(in), {}});
}

std::size_t place_of_bytes(const ReadProfile& profile) {
  const auto found = std::find_if(profile.sample_types.begin(), profile.sample_types.end(),
                                  [](const ReadProfile::ValueType& type) { return type.type == bytes_type; });
  if (found == profile.sample_types.end()) throw std::runtime_error("the profile has no sample type space");
  return static_cast<std::size_t>(found - profile.sample_types.begin());
}

double freed_bytes(const ReadProfile& lifetimes) {
  const std::size_t place = place_of_bytes(lifetimes);
  double sum = 0;
  for (const ReadProfile::Sample& sample : lifetimes.samples) {
    const bool is_freed = std::any_of(sample.labels.begin(), sample.labels.end(), [](const ReadProfile::Label& label) {
      return label.key == "state" && label.text == "freed";
    });
    if (is_freed) sum += static_cast<double>(sample.values[place]);
  }
  return sum;
}

// Containers and the like, which allocate for whoever uses them.
bool is_library(std::string_view function) {
  constexpr std::array<std::string_view, 5> prefixes{"std::", "operator new", "boost::", "__gnu_cxx::", "__libc"};
  return function.empty() || std::any_of(prefixes.begin(), prefixes.end(),
                                         [&](std::string_view prefix) { return function.starts_with(prefix); });
}

// Whether its code is not of a shared object: the program is the first that is mapped. A frame may have no code at all.
bool is_of_the_program(const ReadProfile::Location& location) {
  return location.mapping <= 1;
}

// The innermost function of the stack that is the program's own and calls operator new, or stands for it.
std::string_view own_function(const ReadProfile& profile, const ReadProfile::Sample& sample) {
  std::string_view own;
  for (const std::uint64_t number : sample.locations) {
    const ReadProfile::Location& location = profile.locations[number - 1];
    for (const ReadProfile::Line& line : location.lines) {
      const std::string_view name = profile.functions[line.function - 1].name;
      if (name.starts_with("operator new")) own = {};  // a program may have one of its own, and what that calls
      if (own.empty() && is_of_the_program(location) && !is_library(name)) own = name;
    }
  }
  return own;
}

BlockFinding finding_of(std::string_view name, const ReadProfile& profile, double freed) {
  const std::size_t place = place_of_bytes(profile);
  std::map<std::string_view, double> by_function;
  BlockFinding finding{.profile = name, .function = {}};
  for (const ReadProfile::Sample& sample : profile.samples) {
    const auto bytes = static_cast<double>(sample.values[place]);
    finding.bytes += bytes;
    if (const auto function = own_function(profile, sample); !function.empty()) by_function[function] += bytes;
  }
  finding.share = freed > 0 ? finding.bytes / freed : 0;
  const auto most = std::max_element(by_function.begin(), by_function.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != by_function.end()) finding.function = most->first;
  return finding;
}

}  // namespace

std::vector<BlockFinding> block_findings(const std::map<std::string, std::string>& profiles) {
  const auto lifetimes = profiles.find("lifetimes");
  if (lifetimes == profiles.end()) return {};
  const double freed = freed_bytes(read(lifetimes->second));
  std::vector<BlockFinding> findings;
  for (const std::string_view name : {"crossfree", "temporaries"}) {
    const auto found = profiles.find(std::string(name));
    if (found == profiles.end()) continue;
    BlockFinding finding = finding_of(name, read(found->second), freed);
    if (finding.share > least_share) findings.push_back(std::move(finding));
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const BlockFinding& a, const BlockFinding& b) { return a.share > b.share; });
  return findings;
}

std::string format_block_findings(const LabDescription& lab, const ArmResult& arm) {
  if (arm.profiles.find("lifetimes") == arm.profiles.end()) return {};
  const std::vector<BlockFinding> findings = block_findings(arm.profiles);
  if (findings.empty()) return fmt::format("  {:<22} nothing\n", arm.spec.name);
  std::string text;
  for (const BlockFinding& finding : findings) {
    const bool crosses = finding.profile == "crossfree";
    const std::string_view fix = crosses ? lab.fix_of_crossfrees : lab.fix_of_temporaries;
    text += fmt::format("  {:<22} {:.0f} % of the freed bytes ({:.0f} MB) {}, most under {}: {}{}\n", arm.spec.name,
                        100 * finding.share, finding.bytes / 1e6,
                        crosses ? "were freed by another thread than allocated them"
                                : "lived for less than 1000 allocations of their thread",
                        finding.function.empty() ? "code without a name" : finding.function,
                        crosses ? "memory that goes back whole to the thread that owns it" : "an arena",
                        fix.empty()         ? ""
                        : arm.spec.has(fix) ? fmt::format(" (fix {} is on: this is what it leaves)", fix)
                                            : fmt::format(" (fix {})", fix));
  }
  return text;
}

}  // namespace plateau::harness
