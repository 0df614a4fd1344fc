#include "profiling/cpu_profiler.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "profiling/symbols/mapping_history.hpp"

namespace plateau {
namespace {

constexpr const char* frequency_variable = "CPUPROFILE_FREQUENCY";
constexpr std::int64_t default_frequency = 100;
constexpr std::int64_t highest_frequency = 4000;

std::chrono::nanoseconds period_from_environment() {
  std::int64_t frequency = default_frequency;
  if (const char* const text = std::getenv(frequency_variable)) {
    const std::string_view digits(text);
    std::int64_t wanted = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), wanted);
    const bool whole = error == std::errc() && end == digits.data() + digits.size();
    if (whole && wanted >= 1 && wanted <= highest_frequency) frequency = wanted;
  }
  return std::chrono::nanoseconds(std::chrono::seconds(1)) / frequency;
}

std::int64_t nanoseconds(std::chrono::system_clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

void add_comments(Profile& profile, const CpuTicks::Report& report) {
  if (report.ticks_not_kept > 0) {
    profile.comments.push_back(std::to_string(report.ticks_not_kept) + " ticks are of stacks that found no place");
  }
  if (report.threads_not_timed > 0) {
    profile.comments.push_back(std::to_string(report.threads_not_timed) +
                               " threads had no timer and are not in the profile: raise ulimit -i");
  }
  if (!report.cut_short.empty()) profile.comments.push_back("cut short: " + report.cut_short);
}

}  // namespace

ProfileReply CpuRecording::available() {
  const auto reason = CpuTicks::why_not();
  return {!reason, reason.value_or("")};
}

CpuRecording::CpuRecording()
    : period_(period_from_environment()), started_(std::chrono::system_clock::now()), ticks_(period_) {}

Profile CpuRecording::finish() {
  const CpuTicks::Report report = ticks_.stop();
  const auto ended = std::chrono::system_clock::now();
  Profile profile({{"samples", "count"}, {"cpu", "nanoseconds"}});
  profile.period_type = "cpu";
  profile.period_unit = "nanoseconds";
  profile.period = period_.count();
  profile.default_type = "cpu";
  profile.leaf_is_return_address = false;
  const std::array not_kept{profile.named_frame("stack not kept")};
  ticks_.for_each_stack([&](std::span<const std::uintptr_t> stack, std::uint64_t ticks) {
    const auto count = static_cast<std::int64_t>(ticks);
    profile.add(stack.empty() ? std::span<const std::uint64_t>(not_kept) : stack,
                std::array{count, count * period_.count()});
  });
  set_process_mappings(profile);
  profile.time_nanos = nanoseconds(started_.time_since_epoch());
  profile.duration_nanos = nanoseconds(ended - started_);
  add_comments(profile, report);
  return profile;
}

}  // namespace plateau
