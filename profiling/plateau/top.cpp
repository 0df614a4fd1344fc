#include "profiling/plateau/top.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "profiling/host/announced_processes.hpp"
#include "profiling/number_option.hpp"
#include "profiling/plateau/debug_client.hpp"
#include "profiling/plateau/outside_waterfall.hpp"
#include "profiling/plateau/top_screen.hpp"
#include "profiling/plateau/why.hpp"
#include "profiling/waterfall/verdict.hpp"

namespace plateau {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds patience{30};

struct Target {
  std::string address;  // empty: it is looked at from outside
  pid_t process = 0;
};

Target target_in(std::string text) {
  pid_t process = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), process);
  if (error == std::errc() && end == text.data() + text.size() && process > 0) {
    for (const AnnouncedProcess& one : announced_processes()) {
      if (one.process == process) return {one.address, process};
    }
    return {{}, process};
  }
  if (text.starts_with("http://")) text.erase(0, 7);
  if (!text.starts_with("unix:")) text.resize(std::min(text.find('/'), text.size()));
  if (text.find(':') == std::string::npos)
    throw std::runtime_error(
        fmt::format("top: {}: give a process's number, or its address such as 127.0.0.1:6060", text));
  return {text, 0};
}

// Growth and the rate of allocations need the moment before.
class Watcher {
 public:
  Watcher(Target target, std::uint64_t seconds) : target_(std::move(target)), seconds_(seconds) {}

  // Takes the interval.
  TopMoment next() { return target_.address.empty() ? from_outside() : from_server(); }

 private:
  TopMoment from_outside() {
    if (!first_) std::this_thread::sleep_for(std::chrono::seconds(seconds_));
    const OutsideFootprint outside = outside_footprint(target_.process);
    TopMoment moment;
    moment.program = outside.footprint.program;
    moment.process = target_.process;
    moment.verdict = verdict_of(outside, {});
    for (const MeasuredPart& part : outside.footprint.parts)
      moment.parts.emplace_back(shown_name(*part.part, outside), static_cast<double>(part.bytes));
    moment.no_functions = "functions: start it by plateau run, and they are here";
    finish(moment, static_cast<double>(outside.footprint.rss_bytes));
    return moment;
  }

  TopMoment from_server() {
    TopMoment moment;
    const DebugReply holders =
        ask_debug_server(target_.address, fmt::format("/debug/holders?seconds={}", first_ ? 1 : seconds_), patience);
    const DebugReply footprint = ask_debug_server(target_.address, "/debug/footprint", patience);
    if (!footprint.ok()) throw std::runtime_error(fmt::format("top: {}: {}", target_.address, footprint.body));
    const json::value whole = json::parse(footprint.body);
    moment.program = json::value_to<std::string>(whole.at("program"));
    moment.process = whole.at("pid").to_number<std::int64_t>();
    moment.verdict = json::value_to<std::string>(whole.at("headline"));
    for (const json::value& part : whole.at("parts").as_array())
      moment.parts.emplace_back(json::value_to<std::string>(part.at("name")), part.at("bytes").to_number<double>());
    if (holders.ok()) {
      add_functions(json::parse(holders.body), moment);
    } else {
      moment.no_functions = "functions: " + holders.body;
      std::replace(moment.no_functions.begin(), moment.no_functions.end(), '\n', ' ');
      std::this_thread::sleep_for(std::chrono::seconds(seconds_));
    }
    finish(moment, whole.at("rss_bytes").to_number<double>());
    return moment;
  }

  void add_functions(const json::value& holders, TopMoment& moment) {
    constexpr std::size_t most = 40;
    double made = 0;
    bool tells_made = false;
    for (const json::value& row : holders.at("functions").as_array()) {
      if (const json::value& bytes = row.at("made_bytes"); !bytes.is_null()) {
        made += bytes.to_number<double>();
        tells_made = true;
      }
      if (moment.functions.size() >= most) continue;
      moment.functions.push_back(
          {json::value_to<std::string>(row.at("function")), row.at("alive_bytes").to_number<double>(),
           row.at("growth_bytes_per_second").is_null() ? 0 : row.at("growth_bytes_per_second").to_number<double>()});
    }
    if (tells_made && made_before_) {
      moment.made_bytes_a_second = std::max(0.0, (made - *made_before_) / seconds_since(made_at_));
    }
    if (tells_made) made_before_ = made;
    made_at_ = Clock::now();
  }

  static double seconds_since(Clock::time_point before) {
    return std::max(1e-3, std::chrono::duration<double>(Clock::now() - before).count());
  }

  void finish(TopMoment& moment, double rss_bytes) {
    moment.rss_bytes = rss_bytes;
    if (!first_) moment.rss_bytes_a_second = (rss_bytes - rss_before_) / seconds_since(rss_at_);
    rss_before_ = rss_bytes;
    rss_at_ = Clock::now();
    first_ = false;
  }

  const Target target_;
  const std::uint64_t seconds_;
  bool first_ = true;
  double rss_before_ = 0;
  Clock::time_point rss_at_{};
  std::optional<double> made_before_;
  Clock::time_point made_at_{};
};

void show(const TopMoment& moment, bool is_terminal) {
  winsize size{};
  const bool has_size = is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::vector<std::string> lines =
      top_screen(moment, has_size ? size.ws_col : 80, has_size && size.ws_row > 1 ? size.ws_row - 1U : 0);
  // From the top left, each line to its end, and what is below: nothing flickers.
  if (is_terminal) fmt::print("\x1b[H");
  for (const std::string& line : lines) fmt::print("{}{}\n", line, is_terminal ? "\x1b[K" : "");
  fmt::print("{}", is_terminal ? "\x1b[J" : "\n");
  if (std::fflush(stdout) != 0) throw std::runtime_error("top: cannot write to standard output");
}

}  // namespace

CLI::App* TopCommand::add_to(CLI::App& app) {
  CLI::App* const command = app.add_subcommand("top", "a process live: what RSS is made of, and which functions grow");
  command->add_option("PROCESS", target_, "its number, or its address: 127.0.0.1:6060, unix:/run/app.sock")->required();
  add_whole_number(*command, "--seconds", seconds_, "between two looks", 1, 60)->capture_default_str();
  add_whole_number(*command, "--count", count_, "of looks; 0: until Ctrl-C, or the process's end", 0, 1'000'000);
  command->footer("A process that is not served is looked at from outside, as by why, and has no functions.");
  return command;
}

int TopCommand::run() {
  Watcher watcher(target_in(target_), seconds_);
  const bool is_terminal = ::isatty(STDOUT_FILENO) != 0;
  for (std::uint64_t shown = 0; count_ == 0 || shown < count_; ++shown) {
    TopMoment moment;
    try {
      moment = watcher.next();
    } catch (const std::runtime_error&) {
      if (shown == 0) throw;
      fmt::print(stderr, "plateau: top: the process has ended, or is not served any more\n");
      return 0;
    }
    if (is_terminal && shown == 0) fmt::print("\x1b[2J");
    show(moment, is_terminal);
  }
  return 0;
}

}  // namespace plateau
