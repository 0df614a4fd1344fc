#include "labs/lab_main/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace plateau::harness {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of a day in hours and minutes, of a short run in seconds.
std::string clock_text(double seconds, double of_seconds) {
  if (counts_in_seconds(of_seconds)) return fmt::format("{:>3.0f} s", seconds);
  const int minutes = static_cast<int>(seconds) / 60;
  return fmt::format("{:02d}:{:02d} h", minutes / 60, minutes % 60);
}

}  // namespace

Progress::Progress() : terminal_(::isatty(STDOUT_FILENO) == 1) {
  const char* const term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): read before threads start
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  const char* const no_color = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
  terminal_ = terminal_ && !dumb;
  colour_ = terminal_ && (no_color == nullptr || *no_color == '\0');
}

void Progress::show(const ArmResult& arm, const Sample& now, std::optional<double> rate, std::string_view operation) {
  if (arm.spec.name != arm_) {
    arm_ = arm.spec.name;
    last_step_ = -1;
    last_drawn_ = -1;
  }
  const std::string speed = rate ? fmt::format("  {:>6.0f} {}s/s", *rate, operation) : "";
  const double limit = static_cast<double>(arm.spec.memory_limit.value_or(0));
  const double rss = static_cast<double>(now.rss);
  const double seconds = arm.spec.hours * 3600;
  if (!terminal_) {
    const int step = static_cast<int>(now.t / (counts_in_seconds(seconds) ? 10 : 3600));
    if (step == last_step_) return;
    last_step_ = step;
    fmt::print("{:<12} {}  RSS {:>5.0f} MB{}\n", arm_, clock_text(now.t, seconds), rss / 1e6, speed);
    std::fflush(stdout);
    return;
  }
  const double time = now_seconds();
  if (time - last_drawn_ < 0.1) return;
  last_drawn_ = time;
  constexpr int width = 30;
  std::string bar;
  if (limit > 0) {
    const int filled = std::clamp(static_cast<int>(rss / limit * width + 0.5), 0, width);
    std::string full;
    for (int i = 0; i < filled; ++i) full += "█";
    const char* const paint = rss / limit > 0.8 ? "\033[31m" : rss / limit > 0.4 ? "\033[33m" : "\033[32m";
    bar = colour_ ? fmt::format("▕{}{}\033[0m{:{}}▏", paint, full, "", width - filled)
                  : fmt::format("▕{}{:{}}▏", full, "", width - filled);
    bar += fmt::format(" {:>4.0f} of {:.0f} MB", rss / 1e6, limit / 1e6);
  } else {
    bar = fmt::format("RSS {:.0f} MB, no limit", rss / 1e6);
  }
  fmt::print("\r\033[K{:<12} {} of {}  {}{}", arm_, clock_text(now.t, seconds), clock_text(seconds, seconds), bar,
             speed);
  std::fflush(stdout);
}

void Progress::end() {
  if (terminal_ && !arm_.empty()) fmt::print("\r\033[K");
  std::fflush(stdout);
}

}  // namespace plateau::harness
