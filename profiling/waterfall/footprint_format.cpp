#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include <boost/json.hpp>

#include "profiling/footprint.hpp"
#include "profiling/waterfall/waterfall_json.hpp"

namespace plateau {
namespace json = boost::json;
namespace {

constexpr std::size_t bar_width = 40;

json::value or_null(std::optional<std::uint64_t> bytes) {
  return bytes ? json::value(*bytes) : json::value(nullptr);
}

json::object to_object(const MeasuredPart& measured) {
  json::object result = to_json(*measured.part);
  result["bytes"] = measured.bytes;
  return result;
}

double megabytes(std::int64_t bytes) {
  return static_cast<double>(bytes) / 1e6;
}

std::string megabytes_or_unknown(std::optional<std::uint64_t> bytes) {
  return bytes ? fmt::format("{:.1f} MB", static_cast<double>(*bytes) / 1e6) : "unknown";
}

}  // namespace

std::string to_json(const Footprint& footprint) {
  json::array parts;
  for (const MeasuredPart& part : footprint.parts) parts.push_back(to_object(part));
  const json::object result{{"pid", ::getpid()},
                            {"allocator", footprint.allocator},
                            {"rss_bytes", footprint.rss_bytes},
                            {"peak_rss_bytes", footprint.peak_rss_bytes},
                            {"huge_page_bytes", or_null(footprint.huge_page_bytes)},
                            {"steps", to_json(footprint.heap)},
                            {"parts", parts},
                            {"residual_bytes", footprint.residual().bytes},
                            {"largest_gap", to_object(footprint.largest_gap())}};
  return json::serialize(result) + "\n";
}

std::string to_text(const Footprint& footprint) {
  const auto total = static_cast<double>(std::max<std::uint64_t>(footprint.rss_bytes, 1));
  std::string text = fmt::format("RSS of process {}, on {}\n\n", ::getpid(), footprint.allocator);
  text += fmt::format("{:<24}{:>12}{:>8}\n", "", "MB", "%");
  for (const auto& [part, bytes] : footprint.parts) {
    const double share = static_cast<double>(bytes) / total;
    const auto bar = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * bar_width + 0.5);
    text +=
        fmt::format("{:<24}{:>12.1f}{:>8.1f}  {}\n", part->name, megabytes(bytes), share * 100, std::string(bar, '#'));
  }
  text += fmt::format("{:<24}{:>12.1f}{:>8.1f}\n\n", "= RSS", total / 1e6, 100.0);
  text += fmt::format("peak RSS {:.1f} MB; of RSS in huge pages: {}; retained address space (not in RSS): {}\n\n",
                      static_cast<double>(footprint.peak_rss_bytes) / 1e6,
                      megabytes_or_unknown(footprint.huge_page_bytes), megabytes_or_unknown(footprint.heap.retained));
  const auto& [gap, bytes] = footprint.largest_gap();
  text += fmt::format("largest gap: {}, {:.1f} MB\n  {}\n  closes it: {}\n  does not:  {}\n", gap->name,
                      megabytes(bytes), gap->meaning, gap->closed_by, gap->not_closed_by);
  return text;
}

}  // namespace plateau
