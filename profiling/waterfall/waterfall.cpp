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

namespace {

// What allocators count beyond RSS was never touched: the end of the waterfall first, and live blocks last.
void take_off_untouched(std::vector<MeasuredPart>& parts) {
  std::int64_t& residual = parts.back().bytes;
  for (auto part = parts.rbegin(); part != parts.rend() && residual < 0; ++part) {
    if (part->part->told_by == ToldBy::kernel || part->part->is_residual()) continue;
    const std::int64_t less = std::min(part->bytes, -residual);
    part->bytes -= less;
    residual += less;
  }
}

}  // namespace

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
  if (input.resident != nullptr) take_off_untouched(measured);
  return measured;
}

std::optional<std::int64_t> bytes_of(std::span<const MeasuredPart> parts, std::string_view id) {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [id](const MeasuredPart& one) { return one.part->id == id; });
  return found == parts.end() ? std::nullopt : std::optional(found->bytes);
}

const MeasuredPart& largest_gap(std::span<const MeasuredPart> parts) {
  return *std::max_element(parts.begin(), parts.end(), [](const MeasuredPart& one, const MeasuredPart& other) {
    const auto size = [](const MeasuredPart& of) { return of.part->is_gap && !of.part->is_ours ? of.bytes : -1; };
    return size(one) < size(other);
  });
}

}  // namespace plateau
