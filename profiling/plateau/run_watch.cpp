#include "profiling/plateau/run_watch.hpp"

#include <algorithm>
#include <utility>

#include "allocators/process_memory.hpp"
#include "profiling/host/announced_processes.hpp"
#include "profiling/plateau/debug_client.hpp"

namespace plateau {
namespace {

constexpr std::chrono::milliseconds tick_at_first{20};  // short programs end before a longer one
constexpr std::chrono::milliseconds tick{100};
constexpr double first_seconds = 2;
constexpr double stays_seconds = 0.3;
constexpr double first_age = 0.2;  // at which a process is asked: a shorter one leaves its profile itself
constexpr std::chrono::seconds patience{10};
constexpr int share_of_time = 20;  // answers take one part of so many
// What may be asked before that counts: the first answer reads symbols, which stay.
constexpr std::chrono::seconds time_at_first{1};
constexpr std::size_t most_profiles = 8;
constexpr std::size_t most_points = 2000;
constexpr std::size_t most_processes = 500;
constexpr std::uint64_t least_growth_bytes = std::uint64_t{1} << 20;

// Every second one goes: what is left is spread over the whole time.
template <class Kept>
void thin_out(std::vector<Kept>& kept) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < kept.size(); i += 2) kept[count++] = std::move(kept[i]);
  kept.resize(count);
}

}  // namespace

RunWatch::RunWatch(pid_t root, std::string mark, const std::string& unserved,
                   std::function<void(const WatchedProcess&)> on_first)
    : tree_(root, std::move(mark)), on_first_(std::move(on_first)) {
  if (!unserved.empty()) {
    WatchedProcess& process = processes_.emplace_back();
    process.process = root;
    process.program = unserved;
    schedules_.emplace_back();
  }
  thread_ = std::thread([this] { run(); });
}

void RunWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

double RunWatch::seconds() const {
  return std::chrono::duration<double>(Clock::now() - begin_).count();
}

bool RunWatch::stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void RunWatch::run() {
  for (;;) {
    find_new();
    for (std::size_t i = 0; i < processes_.size() && !stopping(); ++i) {
      if (!schedules_[i].ended) look_at(i);
    }
    std::unique_lock lock(mutex_);
    if (stopped_.wait_for(lock, seconds() < first_seconds ? tick_at_first : tick, [this] { return stopping_; })) return;
  }
}

void RunWatch::find_new() {
  constexpr std::chrono::seconds between_looks{1};
  std::vector<AnnouncedProcess> announced = announced_processes();
  const auto is_unknown = [this](const AnnouncedProcess& one) {
    return !tree_.has(one.process) && !strangers_.contains(one.process);
  };
  if (Clock::now() - looked_at_tree_ >= between_looks || std::any_of(announced.begin(), announced.end(), is_unknown)) {
    tree_.look();  // after the others were read, so that those that are not in it now never will be
    looked_at_tree_ = Clock::now();
  }
  for (AnnouncedProcess& one : announced) {
    if (!tree_.has(one.process)) {
      strangers_.insert(one.process);
      continue;
    }
    const auto is_it = [&](const WatchedProcess& known) {
      return known.process == one.process && known.program == one.program && known.address == one.address;
    };
    if (std::any_of(processes_.begin(), processes_.end(), is_it) || processes_.size() >= most_processes) continue;
    // A process that has become another program is another one to its user.
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      if (processes_[i].process == one.process) schedules_[i].ended = true;
    }
    WatchedProcess& process = processes_.emplace_back();
    process.process = one.process;
    process.program = std::move(one.program);
    process.address = std::move(one.address);
    schedules_.emplace_back();
  }
}

void RunWatch::look_at(std::size_t index) {
  WatchedProcess& process = processes_[index];
  Schedule& schedule = schedules_[index];
  const auto memory = process_memory(process.process);
  if (!memory) {
    schedule.ended = true;
    return;
  }
  if (process.rss.size() >= most_points) thin_out(process.rss);
  process.rss.push_back({seconds(), memory->rss_bytes});
  // Not the many that a script only passes through.
  const double age = seconds() - process.rss.front().seconds;
  if (on_first_ && age >= stays_seconds && !process.address.empty()) std::exchange(on_first_, nullptr)(process);
  process.peak_rss_bytes = std::max({process.peak_rss_bytes, memory->rss_bytes, memory->peak_rss_bytes});
  if (process.address.empty() || age < first_age || Clock::now() < schedule.not_before) return;
  const bool at_peak =
      memory->rss_bytes > schedule.asked_at_rss + std::max(schedule.asked_at_rss / 10, least_growth_bytes);
  if (!at_peak && age < schedule.next_profile) return;
  ask(index, memory->rss_bytes, at_peak);
}

void RunWatch::ask(std::size_t index, std::uint64_t rss_bytes, bool at_peak) {
  WatchedProcess& process = processes_[index];
  Schedule& schedule = schedules_[index];
  const Clock::time_point begin = Clock::now();
  const double now = seconds();
  // The profile first: making it takes memory, which the footprint then has.
  DebugReply profile = process.no_profile.empty() ? ask_debug_server(process.address, "/debug/pprof/heap", patience)
                                                  : DebugReply{501, process.no_profile};
  DebugReply footprint = ask_debug_server(process.address, "/debug/footprint", patience);
  schedule.not_before = std::max(schedule.not_before, begin - share_of_time * Clock::duration(time_at_first)) +
                        share_of_time * (Clock::now() - begin);
  if (profile.status == 501) process.no_profile = profile.body.substr(0, profile.body.find_last_not_of('\n') + 1);
  if (at_peak) schedule.asked_at_rss = rss_bytes;
  const bool is_due = now - process.rss.front().seconds >= schedule.next_profile;
  if (footprint.ok()) {
    if (process.footprints.size() >= 4 * most_profiles) thin_out(process.footprints);
    process.footprints.push_back({now, rss_bytes, std::move(footprint.body)});
  }
  if (is_due) {
    if (process.profiles.size() >= most_profiles) {
      thin_out(process.profiles);
      schedule.step *= 2;
    }
    schedule.next_profile = now - process.rss.front().seconds + schedule.step;
    if (profile.ok()) process.profiles.push_back({now, rss_bytes, profile.body});
  }
  if (at_peak && profile.ok()) process.peak = KeptAnswer{now, rss_bytes, std::move(profile.body)};
}

}  // namespace plateau
