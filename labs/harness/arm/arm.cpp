#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::completed:
      return "completed";
    case Outcome::oom_killed:
      return "oom_killed";
    case Outcome::allocation_failed:
      return "allocation_failed";
    case Outcome::failed:
      break;
  }
  return "failed";
}

std::optional<double> ArmResult::cpu_share() const {
  if (!spec.capacity || wall_seconds <= 0) return std::nullopt;
  return cpu_seconds / wall_seconds / spec.capacity->cpus;
}

std::string ArmResult::malloc_conf() const {
  constexpr std::string_view name = "MALLOC_CONF=";
  for (const std::string& variable : allocator_environment) {
    if (variable.starts_with(name)) return variable.substr(name.size());
  }
  return {};
}

const Sample* ArmResult::at(double t) const {
  const auto after =
      std::upper_bound(series.begin(), series.end(), t, [](double wanted, const Sample& s) { return wanted < s.t; });
  if (after == series.begin() || series.empty() || series.back().t < t) return nullptr;
  return &*std::prev(after);
}

namespace {

// The two ends of a window, clamped to the series; null when the window is outside or empty.
std::pair<const Sample*, const Sample*> window(const ArmResult& arm, double from_s, double to_s) {
  if (arm.series.empty()) return {nullptr, nullptr};
  const Sample* const from = from_s <= arm.series.front().t ? &arm.series.front() : arm.at(from_s);
  const Sample* const to = to_s >= arm.series.back().t ? &arm.series.back() : arm.at(to_s);
  if (from == nullptr || to == nullptr || to->operations <= from->operations) return {nullptr, nullptr};
  return {from, to};
}

}  // namespace

std::optional<double> ArmResult::bytes_per_simulated_second(double from_s, double to_s) const {
  const auto [from, to] = window(*this, from_s, to_s);
  if (from == nullptr) return std::nullopt;
  return static_cast<double>(to->allocation_bytes - from->allocation_bytes) / (to->t - from->t);
}

std::optional<double> ArmResult::calls_per_operation(double from_s, double to_s) const {
  const auto [from, to] = window(*this, from_s, to_s);
  if (from == nullptr) return std::nullopt;
  return static_cast<double>(to->allocation_calls - from->allocation_calls) /
         static_cast<double>(to->operations - from->operations);
}

}  // namespace plateau::harness
