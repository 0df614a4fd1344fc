#include "labs/order_batch/thread_matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "labs/order_batch/calibration.hpp"
#include "labs/order_batch/fixes.hpp"
#include "labs/order_batch/gauges.hpp"

namespace plateau::order_batch {
namespace {

using harness::ArmResult;
using harness::ArmSpec;

constexpr std::array<std::uint64_t, 5> numbers_of_workers{1, 2, 4, 8, 16};
constexpr std::array<std::string_view, 4> allocators{"glibc", "jemalloc", "tcmalloc", "mimalloc"};  // the measure first
constexpr std::string_view owning_fix = "ownership";

ArmSpec arm(const ArmSpec& base, std::string_view allocator, std::uint64_t workers, bool owned) {
  ArmSpec spec = base;
  spec.name = fmt::format("{}-{}{}", allocator, workers, owned ? "-owned" : "");
  spec.allocator = allocator;
  spec.fixes.clear();
  for (const auto& fix : right_fixes) {
    if (owned || fix.name != owning_fix) spec.fixes.emplace_back(fix.name);
  }
  spec.options.set("workers", workers);
  spec.options.set("counts_frees", true);
  return spec;
}

double gauge(const ArmResult& arm, GaugeIndex index) {
  return arm.gauges.at(std::string(batch_gauges[index]));
}

double orders_of(const ArmResult& arm) {
  return static_cast<double>(std::max<std::uint64_t>(arm.operations, 1));
}

double cpu_us(const ArmResult& arm) {
  return arm.cpu_seconds * 1e6 / orders_of(arm);
}

// The arm on the first allocator that is otherwise the same.
const ArmResult* measure_of(const ArmResult& arm, const std::deque<ArmResult>& arms) {
  const auto found = std::find_if(arms.begin(), arms.end(), [&arm](const ArmResult& other) {
    return other.spec.allocator == allocators.front() && other.spec.fixes == arm.spec.fixes &&
           other.spec.options.number<std::uint64_t>("workers") == arm.spec.options.number<std::uint64_t>("workers");
  });
  return found == arms.end() ? nullptr : &*found;
}

std::string format_row(const ArmResult& arm, const std::deque<ArmResult>& arms) {
  const ArmResult* const measure = measure_of(arm, arms);
  const auto ratio = [&](auto figure) {
    return measure == nullptr ? std::string("-") : fmt::format("{:.2f}", figure(arm) / figure(*measure));
  };
  const auto peak = [](const ArmResult& one) { return static_cast<double>(one.peak_rss); };
  const double freed = gauge(arm, gauge_freed_bytes);
  return fmt::format("{:>7} {:<10} {:<9} {:>9.0f} | {:>8.1f} {:>6} | {:>9.1f} {:>6} | {:>10.1f} {:>9.1f} {:>9.1f}\n",
                     arm.spec.options.number<std::uint64_t>("workers"), arm.spec.allocator,
                     arm.spec.has(owning_fix) ? "on" : "off",
                     gauge(arm, gauge_acknowledged) / gauge(arm, gauge_seconds), peak(arm) / 1e6, ratio(peak),
                     cpu_us(arm), ratio(cpu_us), gauge(arm, gauge_foreign_frees) / orders_of(arm),
                     freed > 0 ? 100 * gauge(arm, gauge_foreign_bytes) / freed : 0,
                     static_cast<double>(arm.allocation_calls) / orders_of(arm));
}

}  // namespace

std::vector<ArmSpec> thread_matrix_arms(const ArmSpec& base) {
  std::vector<ArmSpec> arms;
  for (const std::uint64_t workers : numbers_of_workers) {
    for (const std::string_view allocator : allocators) arms.push_back(arm(base, allocator, workers, false));
  }
  for (const std::string_view allocator : allocators)
    arms.push_back(arm(base, allocator, numbers_of_workers.back(), true));
  return arms;
}

std::string format_thread_matrix(const std::deque<ArmResult>& arms) {
  std::string text = fmt::format(
      "\nThreads by allocators: group_commit, limiter and backpressure on, as many workers as the row says\n"
      "CPU is with the sampler in front of malloc, once in {} KiB, by which frees are estimated; x: of {}'s with as "
      "many "
      "workers\n"
      "{:>7} {:<10} {:<9} {:>9} | {:>8} {:>6} | {:>9} {:>6} | {:>10} {:>9} {:>9}\n",
      sample_period >> 10, allocators.front(), "workers", "allocator", "ownership", "orders/s", "RSS, MB", "x",
      "us/order", "x", "foreign", "% of", "calls/");
  text += fmt::format("{:>7} {:<10} {:<9} {:>9} | {:>8} {:>6} | {:>9} {:>6} | {:>10} {:>9} {:>9}\n", "", "", "", "",
                      "peak", "", "of CPU", "", "frees/order", "freed", "order");
  for (const ArmResult& arm : arms) text += format_row(arm, arms);
  return text;
}

}  // namespace plateau::order_batch
