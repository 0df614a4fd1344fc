#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <boost/json.hpp>

#include "profiling/footprint.hpp"
#include "profiling/waterfall/verdict.hpp"
#include "profiling/waterfall/waterfall_json.hpp"

namespace plateau {
namespace json = boost::json;
namespace {

constexpr std::size_t bar_width = 40;
constexpr std::int64_t least_shown_bytes = 50'000;  // the first that is not 0.0 MB

json::value or_null(std::optional<std::uint64_t> bytes) {
  return bytes ? json::value(*bytes) : json::value(nullptr);
}

json::object to_object(const Footprint& footprint, const MeasuredPart& measured) {
  json::object result = to_json(*measured.part);
  result["name"] = shown_name(footprint, *measured.part);
  result["bytes"] = measured.bytes;
  return result;
}

double megabytes(std::int64_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

std::string megabytes_or_unknown(std::optional<std::uint64_t> bytes) {
  return bytes ? fmt::format("{:.1f} MB", static_cast<double>(*bytes) / 1e6) : "unknown";
}

json::value group_object(const std::optional<GroupMemory>& group) {
  if (!group) return nullptr;
  return json::object{{"limit_bytes", group->limit_bytes},
                      {"limit_file", group->limit_file},
                      {"usage_bytes", group->usage_bytes},
                      {"held_bytes", group->held_bytes},
                      {"anon_bytes", or_null(group->contents.anonymous)},
                      {"active_file_bytes", or_null(group->contents.active_file)},
                      {"inactive_file_bytes", or_null(group->contents.inactive_file)},
                      {"shmem_bytes", or_null(group->contents.shared)},
                      {"kernel_bytes", or_null(group->contents.kernel)},
                      {"slab_bytes", or_null(group->contents.slab)},
                      {"sock_bytes", or_null(group->contents.sockets)}};
}

json::value resident_object(const std::optional<ResidentMemory>& resident) {
  if (!resident) return nullptr;
  json::array arenas;
  for (const ResidentMemory::Arena& arena : resident->arenas) {
    arenas.push_back(json::object{{"main", arena.is_main},
                                  {"in_use_bytes", arena.in_use_bytes},
                                  {"free_bytes", arena.free_bytes},
                                  {"trimmed_bytes", arena.trimmed_bytes},
                                  {"trimmable_bytes", arena.trimmable_bytes}});
  }
  return json::object{{"threads", resident->threads},
                      {"glibc_arenas", arenas},
                      {"swapped_bytes", resident->swapped_bytes},
                      {"locked_bytes", resident->locked_bytes},
                      {"page_table_bytes", or_null(resident->page_table_bytes)},
                      {"interpreter", resident->interpreter}};
}

// In lines of at most 120 characters, further ones moved to the right.
std::string wrapped(std::string_view text) {
  constexpr std::size_t most = 118;
  std::string lines;
  while (text.size() > most) {
    std::size_t end = text.rfind(' ', most);
    if (end == std::string_view::npos) end = most;
    lines += std::string(text.substr(0, end)) + "\n  ";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + std::string(text) + "\n";
}

std::uint64_t untouched_bytes(const Footprint& footprint) {
  std::uint64_t sum = 0;
  for (const UntouchedBlocks& blocks : footprint.untouched) sum += blocks.bytes;
  return sum;
}

std::string details(const Footprint& footprint) {
  std::string text = fmt::format("peak RSS {:.1f} MB; of RSS in huge pages: {}",
                                 megabytes(static_cast<std::int64_t>(footprint.peak_rss_bytes)),
                                 megabytes_or_unknown(footprint.huge_page_bytes));
  if (footprint.resident) {
    text += fmt::format(", mlocked: {}; not in RSS: swapped {}, page tables {}",
                        megabytes_or_unknown(footprint.resident->locked_bytes),
                        megabytes_or_unknown(footprint.resident->swapped_bytes),
                        megabytes_or_unknown(footprint.resident->page_table_bytes));
  } else {
    text += "; not in RSS";
  }
  if (footprint.heap.retained) text += ", retained address space " + megabytes_or_unknown(footprint.heap.retained);
  if (const std::uint64_t untouched = untouched_bytes(footprint); untouched > 0)
    text += ", blocks never touched " + megabytes_or_unknown(untouched);
  return text;
}

std::string arenas_text(const ResidentMemory& resident) {
  std::uint64_t in_use = 0;
  std::uint64_t free = 0;
  std::uint64_t trimmed = 0;
  std::uint64_t trimmable = 0;
  for (const ResidentMemory::Arena& arena : resident.arenas) {
    in_use += arena.in_use_bytes;
    free += arena.free_bytes;
    trimmed += arena.trimmed_bytes;
    trimmable += arena.trimmable_bytes;
  }
  return fmt::format(
      "glibc: arenas: {}, threads: {}; {} in use, {} free and resident ({} of them in whole pages: ?gc=1), {} free and "
      "given back",
      resident.arenas.size(), resident.threads, megabytes_or_unknown(in_use), megabytes_or_unknown(free),
      megabytes_or_unknown(trimmable), megabytes_or_unknown(trimmed));
}

}  // namespace

std::string to_json(const Footprint& footprint) {
  json::array parts;
  for (const MeasuredPart& part : footprint.parts) parts.push_back(to_object(footprint, part));
  json::array knobs;
  for (const Knob& knob : knobs_of(footprint))
    knobs.push_back(json::object{{"name", knob.name}, {"bytes", knob.bytes}});
  const json::object result{
      {"program", footprint.program},
      {"pid", ::getpid()},
      {"headline", verdict(footprint)},
      {"allocator", footprint.allocator},
      {"rss_bytes", footprint.rss_bytes},
      {"peak_rss_bytes", footprint.peak_rss_bytes},
      {"huge_page_bytes", or_null(footprint.huge_page_bytes)},
      {"untouched_bytes", untouched_bytes(footprint)},
      {"purged", footprint.purged.empty() ? json::value(nullptr) : json::value(footprint.purged)},
      {"steps", to_json(footprint.heap)},
      {"resident", resident_object(footprint.resident)},
      {"parts", parts},
      {"residual_bytes", footprint.residual().bytes},
      {"knobs", knobs},
      {"group", group_object(footprint.group)},
      {"largest_gap",
       footprint.has_gap() ? json::value(to_object(footprint, footprint.largest_gap())) : json::value(nullptr)}};
  return json::serialize(result) + "\n";
}

std::string to_text(const Footprint& footprint) {
  const auto total = static_cast<double>(std::max<std::uint64_t>(footprint.rss_bytes, 1));
  std::string text = fmt::format("RSS of {} (process {}), on {}; MB of 10^6 bytes\n", footprint.program, ::getpid(),
                                 footprint.allocator);
  text += wrapped(verdict(footprint));
  if (!footprint.purged.empty()) text += wrapped(footprint.purged);
  text += fmt::format("{:<24}{:>12}{:>8}\n", "", "MB", "%");
  for (const auto& [part, bytes] : footprint.parts) {
    if (std::abs(bytes) < least_shown_bytes && !part->is_residual()) continue;
    const double share = static_cast<double>(bytes) / total;
    const auto bar = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * bar_width + 0.5);
    text += fmt::format("{:<24}{:>12.1f}{:>8.1f}  {}\n", shown_name(footprint, *part), megabytes(bytes), share * 100,
                        std::string(bar, '#'));
  }
  text += fmt::format("{:<24}{:>12.1f}{:>8.1f}\n", "= RSS", total / 1e6, 100.0);
  text += wrapped(details(footprint));
  if (footprint.resident && !footprint.resident->arenas.empty()) {
    text += wrapped(arenas_text(*footprint.resident));
    if (!footprint.heap.cached)
      text += wrapped("what caches of threads (tcache) keep is not told here, and counts as live blocks");
  }
  std::string knobs;
  for (const Knob& knob : knobs_of(footprint))
    knobs += fmt::format("{}{}: about {:.1f} MB", knobs.empty() ? "" : "; ", knob.name,
                         megabytes(static_cast<std::int64_t>(knob.bytes)));
  if (!knobs.empty()) text += wrapped("gives back here: " + knobs);
  if (footprint.group) text += wrapped("its group has " + to_text(*footprint.group));
  if (footprint.has_gap()) {
    const auto& [gap, bytes] = footprint.largest_gap();
    text +=
        fmt::format("largest gap: {}, {:.1f} MB: {}\n  closes it: {}\n  does not:  {}\n", shown_name(footprint, *gap),
                    megabytes(bytes), gap->meaning, gap->closed_by, gap->not_closed_by);
  }
  return text;
}

}  // namespace plateau
