#include "profiling/plateau/why.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <thread>

#include <CLI/CLI.hpp>

#include "profiling/host/announced_processes.hpp"
#include "profiling/number_option.hpp"
#include "profiling/waterfall/verdict.hpp"

namespace plateau {
namespace {

constexpr std::int64_t least_shown_bytes = 50'000;  // the first that is not 0.0 MB
constexpr std::size_t bar_width = 30;
constexpr std::size_t most_columns = 80;

std::string megabytes(double bytes) {
  return fmt::format("{:.1f} MB", bytes / 1e6);
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

// The verdict speaks to clients of the process's own server. Without one, what it says of that is what to start.
std::string for_outsiders(std::string text, const std::string& address) {
  const bool is_served = !address.empty() && !address.starts_with("unix:");
  replace(text, "/debug/holders?seconds=30 names who",
          is_served ? fmt::format("http://{}/debug/holders?debug=1&seconds=30 names who", address)
                    : "started by plateau run, its report names who");
  replace(text, ", here by ?gc=1", is_served ? fmt::format(", once by http://{}/debug/footprint?gc=1", address) : "");
  return text;
}

std::string growth_text(const Footprint& footprint) {
  if (!footprint.earlier) return {};
  const double growth = static_cast<double>(footprint.rss_bytes) - static_cast<double>(footprint.earlier->rss_bytes);
  return fmt::format(", {:+.1f} MB/s", growth / footprint.earlier->seconds / 1e6);
}

// Of an allocator whose records are its own, only the process can ask.
std::string of_own_allocator(const OutsideFootprint& outside, const std::string& address) {
  const Footprint& footprint = outside.footprint;
  const auto bytes = static_cast<double>(bytes_of(footprint.parts, "anonymous").value_or(0) +
                                         bytes_of(footprint.parts, "interpreter").value_or(0));
  const double share = 100 * bytes / static_cast<double>(std::max<std::uint64_t>(footprint.rss_bytes, 1));
  std::string text = fmt::format(
      "{:.0f} % ({}{}) is {}'s, or mapped by the program itself; how much of that is live, "
      "only the process can tell: ",
      share, megabytes(bytes), growth_text(footprint), footprint.allocator);
  text += address.empty() ? "start it by plateau run" : "ask " + address + ", /debug/footprint";
  return text;
}

std::string unread_text(const OutsideFootprint& outside) {
  if (!outside.reads_memory)
    return " Its memory may not be read (ptrace_scope): as root, live blocks are told from free ones.";
  if (!outside.own_allocator.empty()) return {};
  if (!outside.knows_arenas) return " Its allocator was not recognised: live blocks are not told from free ones.";
  return outside.is_complete ? "" : " Lists of free blocks were read in part: there is more free, and less live.";
}

std::string wrapped(std::string_view text) {
  std::string lines;
  while (text.size() > most_columns) {
    std::size_t end = text.rfind(' ', most_columns);
    if (end == std::string_view::npos) end = std::min(text.find(' '), text.size());
    lines += std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + std::string(text) + "\n";
}

}  // namespace

std::string shown_name(const WaterfallPart& part, const OutsideFootprint& outside) {
  const bool is_allocators = !outside.own_allocator.empty() && (part.id == "anonymous" || part.id == "interpreter");
  return is_allocators ? outside.own_allocator + "'s, or mapped" : std::string(part.name);
}

std::string verdict_of(const OutsideFootprint& outside, const std::string& address) {
  const bool has_verdict = outside.knows_arenas || outside.own_allocator.empty();
  return has_verdict ? for_outsiders(verdict(outside.footprint), address) : of_own_allocator(outside, address);
}

std::string why_text(const OutsideFootprint& outside, pid_t process, const std::string& address) {
  const Footprint& footprint = outside.footprint;
  std::string paragraph =
      fmt::format("{} (process {}): RSS {}, peak {}. {}.", footprint.program, process,
                  megabytes(static_cast<double>(footprint.rss_bytes)),
                  megabytes(static_cast<double>(footprint.peak_rss_bytes)), verdict_of(outside, address));
  const std::vector<Knob> knobs = knobs_of(footprint);
  for (std::size_t i = 0; i < knobs.size(); ++i)
    paragraph += fmt::format("{} {} about {}{}", i == 0 ? " Gives back here:" : ";", knobs[i].name,
                             megabytes(static_cast<double>(knobs[i].bytes)), i + 1 == knobs.size() ? "." : "");
  if (footprint.group) paragraph += " Its group has " + to_text(*footprint.group) + ".";
  if (footprint.resident->swapped_bytes > 0)
    paragraph +=
        fmt::format(" Not in RSS: {} swapped.", megabytes(static_cast<double>(footprint.resident->swapped_bytes)));
  std::string text = wrapped(paragraph + unread_text(outside)) + "\n";
  const auto total = static_cast<double>(std::max<std::uint64_t>(footprint.rss_bytes, 1));
  text += fmt::format("{:<24}{:>12}{:>8}\n", "", "MB", "%");
  for (const auto& [part, bytes] : footprint.parts) {
    if (std::abs(bytes) < least_shown_bytes && !part->is_residual()) continue;
    const double share = static_cast<double>(bytes) / total;
    const auto bar = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * bar_width + 0.5);
    text += fmt::format("{:<24}{:>12.1f}{:>8.1f}  {}\n", shown_name(*part, outside), static_cast<double>(bytes) / 1e6,
                        share * 100, std::string(bar, '#'));
  }
  return text + fmt::format("{:<24}{:>12.1f}{:>8.1f}\n", "= RSS", total / 1e6, 100.0);
}

CLI::App* WhyCommand::add_to(CLI::App& app) {
  CLI::App* const command = app.add_subcommand(
      "why", "where a process's memory is, in one paragraph: nothing is preloaded, stopped or written");
  add_whole_number(*command, "PID", process_, "the process", 1, std::numeric_limits<pid_t>::max())->required();
  add_duration(*command, "--seconds", seconds_, "look twice, so long apart, and tell growth", 0.5, 3600);
  return command;
}

int WhyCommand::run() {
  const auto process = static_cast<pid_t>(process_);
  OutsideFootprint outside = outside_footprint(process);
  if (seconds_ > 0) {
    const Footprint first = std::move(outside.footprint);
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_));
    outside = outside_footprint(process);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    outside.footprint.earlier = EarlierFootprint{seconds, first.rss_bytes, first.parts};
  }
  std::string address;
  for (const AnnouncedProcess& one : announced_processes()) {
    if (one.process == process) address = one.address;
  }
  fmt::print("{}", why_text(outside, process, address));
  return 0;
}

}  // namespace plateau
