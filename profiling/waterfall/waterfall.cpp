#include "profiling/waterfall/waterfall.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace plateau {

const WaterfallPart& waterfall_part(std::string_view id) {
  const auto parts = waterfall_parts();
  const auto found =
      std::find_if(parts.begin(), parts.end(), [id](const WaterfallPart& part) { return part.id == id; });
  if (found == parts.end()) throw std::out_of_range("the waterfall has no part " + std::string(id));
  return *found;
}

std::vector<MeasuredPart> measure_waterfall(const WaterfallInput& input) {
  std::vector<MeasuredPart> measured;
  auto left = static_cast<std::int64_t>(input.rss_bytes);
  for (const WaterfallPart& part : waterfall_parts()) {
    if (part.is_residual()) {
      measured.push_back({&part, left});
    } else if (const auto bytes = part.measure(input)) {
      measured.push_back({&part, static_cast<std::int64_t>(*bytes)});
      left -= measured.back().bytes;
    }
  }
  return measured;
}

std::optional<std::int64_t> bytes_of(std::span<const MeasuredPart> parts, std::string_view id) {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [id](const MeasuredPart& one) { return one.part->id == id; });
  return found == parts.end() ? std::nullopt : std::optional(found->bytes);
}

const MeasuredPart& largest_gap(std::span<const MeasuredPart> parts) {
  return *std::max_element(parts.begin(), parts.end(), [](const MeasuredPart& one, const MeasuredPart& other) {
    return (one.part->is_gap ? one.bytes : -1) < (other.part->is_gap ? other.bytes : -1);
  });
}

}  // namespace plateau
