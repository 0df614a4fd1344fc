#include "labs/harness/arm_parent.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>

#include "allocators/process_memory.hpp"
#include "labs/harness/arm_block.hpp"
#include "labs/harness/arm_profiles.hpp"
#include "labs/harness/hiccup_meter.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/harness/memory_limit.hpp"
#include "labs/harness/pauses.hpp"
#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds sample_period{25};

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// A file descriptor with an owner.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// The ArmBlock in memory that the arm will share.
class SharedBlock {
 public:
  SharedBlock() : fd_(::memfd_create("plateau-arm", MFD_CLOEXEC)) {
    if (fd_.get() < 0 || ::ftruncate(fd_.get(), sizeof(ArmBlock)) != 0)
      throw_errno("cannot make shared memory for an arm");
    void* const memory = ::mmap(nullptr, sizeof(ArmBlock), PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (memory == MAP_FAILED) throw_errno("cannot map shared memory for an arm");
    block_ = ::new (memory) ArmBlock();
  }
  ~SharedBlock() { ::munmap(block_, sizeof(ArmBlock)); }
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;
  int fd() const { return fd_.get(); }
  const ArmBlock* operator->() const { return block_; }
  const ArmBlock& operator*() const { return *block_; }

 private:
  Descriptor fd_;
  ArmBlock* block_ = nullptr;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

constexpr int not_started = 126;

// The arm's process. Killed and waited for by the destructor if it still runs.
class ArmProcess {
 public:
  ArmProcess(const MemoryLimit& limit, std::vector<std::string> arguments, std::vector<std::string> environment,
             const std::vector<int>& inherited) {
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);
    pid_ = ::fork();
    if (pid_ < 0) throw_errno("cannot start an arm");
    if (pid_ == 0) {
      // Between fork and exec: only what is async-signal-safe.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::signal(SIGINT, SIG_IGN);  // Ctrl-C reaches the whole terminal group; the parent decides
      for (const int fd : inherited) ::fcntl(fd, F_SETFD, 0);
      if (limit.enter()) ::execve("/proc/self/exe", argv.data(), envp.data());
      ::_exit(not_started);
    }
  }
  ~ArmProcess() {
    if (ended_) return;
    kill();
    ::waitpid(pid_, nullptr, 0);
  }
  ArmProcess(const ArmProcess&) = delete;
  ArmProcess& operator=(const ArmProcess&) = delete;

  pid_t pid() const { return pid_; }
  void kill() const { ::kill(pid_, SIGKILL); }
  bool ended() {
    if (!ended_) ended_ = ::wait4(pid_, &status_, WNOHANG, &usage_) == pid_;
    return ended_;
  }
  int status() const { return status_; }
  const rusage& usage() const { return usage_; }

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  rusage usage_{};
};

double cpu_seconds_of(const rusage& usage) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Sample take_sample(const ArmSpec& spec, const ArmBlock& block, const ProcessMemory& process) {
  Sample sample;
  sample.operations = block.total_operations();
  sample.t = spec.time.seconds_of(sample.operations);
  sample.rss = process.rss_bytes;
  sample.anonymous = process.anonymous_bytes;
  sample.requested = block.heap.requested.get();
  sample.allocated = block.heap.allocated.get();
  sample.active = block.heap.active.get();
  sample.resident = block.heap.resident.get();
  sample.retained = block.heap.retained.get();
  sample.metadata = block.heap.metadata.get();
  sample.dirty = block.heap.dirty.get();
  sample.slab_bytes = block.heap.slab_bytes.get();
  sample.slab_region_bytes = block.heap.slab_region_bytes.get();
  sample.allocation_calls = block.allocation_calls.load(std::memory_order_relaxed);
  sample.allocation_bytes = block.allocation_bytes.load(std::memory_order_relaxed);
  return sample;
}

void read_block(const LabDescription& lab, const ArmBlock& block, ArmResult& result) {
  result.allocator_name = load_text(block.allocator_name);
  result.allocator_version = load_text(block.allocator_version);
  result.allocator_configuration = load_text(block.allocator_configuration);
  result.allocator_library = load_text(block.allocator_library);
  result.message = load_text(block.message);
  for (std::size_t i = 0; i < lab.gauges.size(); ++i)
    result.gauges[std::string(lab.gauges[i])] = block.gauges[i].load();
}

void read_pauses(const ArmBlock& block, const std::vector<Hiccup>& hiccups, ArmResult& result) {
  const std::chrono::duration<double> window = result.spec.latency_window();
  for (std::size_t i = 0; i < LatencyWindows::count; ++i) {
    LatencyWindow all;
    for (const LatencyWindows& lane : block.latency_windows) all.merge(lane[i]);
    result.latency_windows.push_back(all);
    if (all.count() == 0) continue;
    result.latency_series.push_back(
        {static_cast<double>(i) * window.count(), all.quantile_us(0.5), all.quantile_us(0.99), all.max_us()});
  }
  for (const StallSeries& lane : block.stalls) {
    const auto count = lane.count.load(std::memory_order_acquire);
    result.stalls.insert(result.stalls.end(), lane.stalls.begin(), lane.stalls.begin() + count);
    result.stalls_dropped += lane.dropped.load();
    result.longest_of_the_program_us = std::max(result.longest_of_the_program_us, lane.longest_short_us.load());
  }
  give_to_the_machine(result.stalls, hiccups, block.ready_ns.load());
  for (const Stall& stall : result.stalls) {
    result.longest_of_the_program_us = std::max(result.longest_of_the_program_us, stall.of_the_program_us());
  }
  std::sort(result.stalls.begin(), result.stalls.end(), [](const Stall& a, const Stall& b) { return a.t_s < b.t_s; });
}

void judge_end(const ArmProcess& process, const ArmBlock& block, const MemoryLimit& limit, ArmResult& result) {
  const int status = process.status();
  const Phase phase = block.phase.load(std::memory_order_acquire);
  // The kernel's word, and only that: the child died by SIGKILL, and the kernel counted a kill in a group at its limit.
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && limit.killed()) {
    result.outcome = Outcome::oom_killed;
  } else if (phase == Phase::allocation_failed) {
    result.outcome = Outcome::allocation_failed;
  } else if (phase == Phase::finished && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    result.outcome = Outcome::completed;
  } else {
    result.outcome = Outcome::failed;
    if (result.message.empty()) {
      result.message = WIFSIGNALED(status)
                           ? fmt::format("ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)))
                           : fmt::format("ended with status {}", WEXITSTATUS(status));
    }
  }
}

[[noreturn]] void refuse_start(const ArmResult& result) {
  if (result.out_of_memory()) {
    throw UsageError(
        fmt::format("the memory limit of {} MiB is smaller than the start-up heap: the {} arm ran out before it was "
                    "ready; give a larger --memory-limit",
                    result.spec.memory_limit.value_or(0) >> 20, result.spec.name));
  }
  throw UsageError(fmt::format("the {} arm could not start: {}", result.spec.name, result.message));
}

// Ends the peer's sockets and waits for its thread, in whatever way the arm ended.
class Peer {
 public:
  Peer(const Lab& lab, const ArmSpec& spec, std::vector<int> sockets)
      : sockets_(std::move(sockets)), thread_([this, &lab, &spec] { lab.run_peer(spec, sockets_); }) {}
  ~Peer() {
    for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    thread_.join();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

 private:
  std::vector<int> sockets_;
  std::thread thread_;
};

}  // namespace

ArmResult run_arm(const Lab& lab, const ArmSpec& spec, const ArmObserver& observer) {
  ArmResult result;
  result.spec = spec;
  if (!spec.profile_dir.empty()) remove_profiles(spec);

  const SharedBlock block;
  std::vector<Descriptor> ours;
  std::vector<Descriptor> theirs;
  std::vector<int> peer_sockets;
  std::vector<int> inherited{block.fd()};
  boost::json::array socket_numbers;
  for (std::size_t i = 0; i < lab.description().lanes; ++i) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) throw_errno("cannot make a socket pair");
    ours.emplace_back(pair[0]);
    theirs.emplace_back(pair[1]);
    peer_sockets.push_back(pair[0]);
    inherited.push_back(pair[1]);
    socket_numbers.emplace_back(pair[1]);
  }

  const MemoryLimit limit(spec.memory_limit, spec.name);
  result.limit_kind = limit.kind();
  AllocatorSettings settings = lab.allocator_settings(spec);
  if (limit.kind() == LimitKind::rlimit_data && !settings.malloc_conf.empty()) {
    // RLIMIT_DATA counts address space: without this, jemalloc's retained extents would count as memory in use.
    settings.malloc_conf += ",retain:false";
  }
  AllocatorChoice allocator = choose_allocator(spec.allocator);
  if (spec.profiled()) allocator = with_heap_profiler(std::move(allocator));
  const std::vector<std::string> environment = environment_for(allocator, settings);
  result.allocator_environment = allocator_variables(environment);

  const boost::json::object argument{{"block", block.fd()}, {"sockets", socket_numbers}, {"spec", to_json(spec)}};
  ArmProcess process(limit, {std::string(lab.description().name), "arm", boost::json::serialize(argument)}, environment,
                     inherited);
  for (Descriptor& socket : theirs) socket.close();
  const Peer peer(lab, result.spec, peer_sockets);
  std::optional<HiccupMeter> hiccups;  // from when the arm is ready

  bool ready = false;
  Clock::time_point started;
  Clock::time_point last_rate_time;
  std::uint64_t last_rate_operations = 0;
  std::optional<double> rate;  // orders a second of wall clock, over the last half second or more
  while (!process.ended()) {
    if (interrupted()) throw Interrupted();  // the destructors end the child, the peer and the cgroup
    const auto sampled = process_memory(process.pid());
    const Phase phase = block->phase.load(std::memory_order_acquire);
    if (!ready && phase != Phase::starting) {
      ready = true;
      started = last_rate_time = Clock::now();
      hiccups.emplace();
      read_block(lab.description(), *block, result);
      observer.ready(result);
    }
    // A sample counts only if the arm was still at work after it was taken: RSS falls while a process ends.
    if (phase == Phase::running && sampled) {
      const Sample sample = take_sample(spec, *block, *sampled);
      result.peak_rss = std::max({result.peak_rss, sampled->rss_bytes, sampled->peak_rss_bytes});
      result.series.push_back(sample);
      const auto now = Clock::now();
      if (const double passed = std::chrono::duration<double>(now - last_rate_time).count(); passed > 0.5) {
        rate = static_cast<double>(sample.operations - last_rate_operations) / passed;
        last_rate_time = now;
        last_rate_operations = sample.operations;
      }
      observer.sampled(result, sample, rate);
    }
    std::this_thread::sleep_for(sample_period);
  }

  if (hiccups) {
    hiccups->stop();
    result.hiccups = hiccups->lateness();
  }
  read_block(lab.description(), *block, result);
  judge_end(process, *block, limit, result);
  result.evidence = limit.evidence();
  if (!ready || block->phase.load() == Phase::starting) refuse_start(result);
  if (result.series.empty()) throw UsageError(fmt::format("the {} arm ended before it could be sampled", spec.name));

  result.operations = block->total_operations();
  result.wall_seconds = std::chrono::duration<double>(Clock::now() - started).count();
  const double total_cpu = cpu_seconds_of(process.usage());
  result.cpu_seconds = total_cpu - static_cast<double>(block->start_cpu_us.load()) * 1e-6;
  // The last word of the arm itself, for what it did after the last look from outside; its RSS is that of the last
  // look.
  const Sample last = result.series.back();
  result.series.push_back(take_sample(spec, *block, {last.rss, result.peak_rss, last.anonymous}));
  result.allocation_calls = result.series.back().allocation_calls - result.series.front().allocation_calls;
  result.allocation_bytes = result.series.back().allocation_bytes - result.series.front().allocation_bytes;
  result.purges = block->heap.purges.get();
  result.madvise_calls = block->heap.madvise_calls.get();
  result.minor_faults = static_cast<std::uint64_t>(process.usage().ru_minflt) - block->start_minor_faults.load();
  result.major_faults = static_cast<std::uint64_t>(process.usage().ru_majflt);
  for (const LatencyHistogram& worker : block->latency) result.latency.merge(worker);
  if (lab.description().measures_pauses) read_pauses(*block, hiccups->hiccups(), result);
  for (std::size_t lane = 0; lane < lab.description().lanes; ++lane) {
    const DigestSeries& series = block->digests[lane];
    const auto count = series.count.load(std::memory_order_acquire);
    result.digests.emplace_back(series.digest.begin(), series.digest.begin() + count);
  }
  if (!spec.profile_dir.empty()) result.profiles = collect_profiles(spec);
  return result;
}

}  // namespace plateau::harness
