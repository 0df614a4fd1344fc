#include "labs/harness/arm/arm_child.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>

#include "allocators/allocation_counter.hpp"
#include "allocators/heap.hpp"
#include "allocators/process_memory.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "allocators/system/whole_file.hpp"
#include "labs/harness/arm/arm_json.hpp"
#include "labs/harness/arm/arm_metrics.hpp"
#include "labs/harness/arm/arm_profiles.hpp"
#include "profiling/black_box.hpp"
#include "profiling/block_profiles.hpp"
#include "profiling/debug_server.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/pause_profile.hpp"
#include "profiling/pprof.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau::harness {
namespace {

constexpr std::chrono::milliseconds sample_period{50};
// Of a service, which may be asked for something in between.
constexpr std::chrono::milliseconds service_sample_period{200};
constexpr std::chrono::milliseconds knob_period{20};
constexpr std::chrono::milliseconds first_sample_period{1};  // between looks whether the parent has taken it
// A look at the allocator's statistics takes its locks and a millisecond of CPU, which requests would have to wait for.
constexpr std::chrono::milliseconds sample_period_with_pauses{250};
constexpr double peak_profile_step = 0.05;  // of the limit: a new peak profile each time RSS has grown by so much
constexpr std::uint64_t peak_profile_step_unlimited = 64 << 20;

std::uint64_t cpu_us(const rusage& usage) {
  return static_cast<std::uint64_t>(cpu_time_of(usage).count());
}

}  // namespace

ArmContext::ArmContext(ArmSpec spec, ArmBlock& block, std::vector<int> sockets, const LabDescription& lab)
    : spec_(std::move(spec)),
      block_(block),
      sockets_(std::move(sockets)),
      lab_(lab),
      knobs_(spec_, block_, schedule_, lab_),
      timeline_(spec_.trace_file.empty() ? nullptr : std::make_unique<Timeline>()),
      window_(spec_.latency_window()),
      start_(Clock::now()) {}

ArmContext::~ArmContext() {
  stopping_.store(true, std::memory_order_relaxed);
  if (sampler_.joinable()) sampler_.join();
}

void ArmContext::ready() {
  if (!spec_.profile_dir.empty()) {
    dump_profile("start");
    if (HeapSampler::available().done) remember_thread_names();  // workers may have ended when profiles are taken
    profiled_rss_ = own_rss_bytes();
    if (spec_.memory_limit) {
      // In the allocator's own text, for which the arm needs no memory; the parent symbolises.
      black_box_ = std::make_unique<BlackBox>(BlackBoxOptions{
          .directory = spec_.profile_dir, .name = spec_.name + "-" + near_limit_moment, .symbolize = false});
    }
  }
  publish();
  if (meters_stalls()) fault_ns_ = measure_minor_fault_ns();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  block_.start_cpu_us.store(cpu_us(usage), std::memory_order_relaxed);
  block_.start_minor_faults.store(static_cast<std::uint64_t>(usage.ru_minflt), std::memory_order_relaxed);
  if (!spec_.service_rate) {
    block_.phase.store(Phase::ready, std::memory_order_release);
    while (block_.phase.load(std::memory_order_acquire) == Phase::ready)
      std::this_thread::sleep_for(first_sample_period);
  }
  start_ = Clock::now();
  schedule_.start(spec_.operations_per_wall_second(), start_,
                  spec_.service_rate ? LoadSpread::random : LoadSpread::even);
  knobs_.publish();
  block_.ready_ns.store(std::chrono::nanoseconds(start_.time_since_epoch()).count(), std::memory_order_relaxed);
  block_.phase.store(Phase::running, std::memory_order_release);
  sampler_ = std::thread([this] { sample_loop(); });
}

void ArmContext::finish_operation(std::size_t lane, std::size_t worker, Clock::time_point due) {
  const double us = std::chrono::duration<double, std::micro>(Clock::now() - due).count();
  block_.latency[worker].record(us);
  if (lab_.measures_pauses) block_.latency_windows[lane].record(due - start_, window_, us);
  auto& done = block_.operations[lane];
  done.store(done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // one writer a lane at a time
}

StallMeter ArmContext::stall_meter(std::size_t lane, StallMeter::Waits waits) const {
  return StallMeter(block_.stalls[lane], start_, fault_ns_, timeline_.get(), waits);
}

void ArmContext::set_slack(std::size_t lane, std::size_t bytes) {
  block_.slack_bytes[lane].store(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
}

void ArmContext::sample_loop() {
  try {
    ::pthread_setname_np(::pthread_self(), "sampler");
    PurgeTrace::this_thread_is_background();
    while (!stopping_.load(std::memory_order_relaxed)) {
      publish();
      if (spec_.service_rate) {
        serve_knobs(Clock::now() + service_sample_period);
        block_.sampler_cpu_ns.store(static_cast<std::uint64_t>(thread_cpu_time().count()), std::memory_order_relaxed);
        continue;
      }
      dump_peak_profile_if_grown();
      std::this_thread::sleep_for(lab_.measures_pauses ? sample_period_with_pauses : sample_period);
    }
  } catch (...) {
    fail_with_current_exception();
  }
}

void ArmContext::serve_knobs(Clock::time_point until) {
  while (Clock::now() < until && !stopping_.load(std::memory_order_relaxed)) {
    knobs_.turn();
    std::this_thread::sleep_for(knob_period);
  }
  knobs_.publish();
}

std::uint64_t ArmContext::requested_bytes() const {
  std::uint64_t slack = 0;
  for (const auto& lane : block_.slack_bytes) slack += static_cast<std::uint64_t>(lane.load(std::memory_order_relaxed));
  const std::uint64_t live = allocation_counts().live_bytes();
  return live > slack ? live - slack : 0;
}

// Allocates nothing: the measured heap must not change because it is measured.
void ArmContext::publish() {
  const AllocationCounts counts = allocation_counts();
  block_.allocation_calls.store(counts.calls, std::memory_order_relaxed);
  block_.allocation_bytes.store(counts.bytes, std::memory_order_relaxed);

  HeapStatistics heap = Heap::process().statistics_with_slabs();
  heap.requested = requested_bytes();
  block_.heap.set(heap);
  if (timeline_) {
    timeline_->add_purges();
    timeline_->counter("memory (bytes)", {{"resident", static_cast<double>(heap.resident.value_or(0))},
                                          {"dirty", static_cast<double>(heap.dirty.value_or(0))}});
  }
  if (PurgeTrace::running()) {
    const auto [request_threads, background] = PurgeTrace::totals();
    block_.purge_calls.set(request_threads.calls + background.calls);
    block_.purge_bytes.set(request_threads.bytes + background.bytes);
    block_.purge_ns.set(request_threads.wall_ns + background.wall_ns);
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  block_.cpu_us.store(cpu_us(usage), std::memory_order_relaxed);
  block_.minor_faults.store(static_cast<std::uint64_t>(usage.ru_minflt), std::memory_order_relaxed);
  block_.sampled_ns.store(std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(), std::memory_order_release);
}

void ArmContext::dump_peak_profile_if_grown() {
  if (spec_.profile_dir.empty()) return;
  const std::uint64_t rss = own_rss_bytes();
  const std::uint64_t step =
      spec_.memory_limit ? static_cast<std::uint64_t>(peak_profile_step * static_cast<double>(*spec_.memory_limit))
                         : peak_profile_step_unlimited;
  if (rss < profiled_rss_ + step) return;
  dump_profile("peak");
  profiled_rss_ = rss;
}

void ArmContext::dump_profile(std::string_view moment) {
  const ProfileReply reply = HeapProfiler::dump_raw(profile_file(spec_, moment, "heap"));
  if (!reply.done) throw std::runtime_error(reply.reason);
}

// Addresses only: names would take more memory than a small limit has, and the parent finds them.
void ArmContext::write_block_profiles() {
  const UnsampledScope unsampled;  // what one of them takes is in none of the others
  const auto write = [this](std::string_view moment, const Profile& profile) {
    write_whole_file(profile_file(spec_, moment, addresses_extension), encode_pprof(profile, nullptr));
  };
  write("lifetimes", lifetimes_profile());
  write("crossfree", crossfree_profile());
  write("temporaries", temporaries_profile());
}

void ArmContext::finish() {
  stopping_.store(true, std::memory_order_relaxed);
  if (sampler_.joinable()) sampler_.join();
  black_box_.reset();
  publish();
  if (!spec_.profile_dir.empty()) {
    if (own_rss_bytes() > profiled_rss_) dump_profile("peak");
    dump_profile("end");
  }
  // What is still to be written takes memory that is not the lab's: from here on no sample counts.
  block_.phase.store(Phase::finished, std::memory_order_release);
  if (lab_.measures_pauses && !spec_.profile_dir.empty()) {
    Symbolizer symbolizer;
    Profile pauses = PauseProfile::process().snapshot();
    write_whole_file(profile_file(spec_, "pauses", "pb.gz"), encode_pprof(pauses, &symbolizer));
  }
  if (!spec_.profile_dir.empty() && HeapSampler::available().done) write_block_profiles();
  if (timeline_) timeline_->write(spec_.trace_file);
  std::exit(EXIT_SUCCESS);  // and not _Exit: allocators and profilers write their last words at exit
}

void ArmContext::fail_with_current_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    publish();
    store_text(block_.message, "the allocator returned no more memory (std::bad_alloc)");
    block_.phase.store(Phase::allocation_failed, std::memory_order_release);
  } catch (const std::exception& error) {
    store_text(block_.message, error.what());
    block_.phase.store(Phase::failed, std::memory_order_release);
  } catch (...) {
    store_text(block_.message, "an unknown exception");
    block_.phase.store(Phase::failed, std::memory_order_release);
  }
  std::_Exit(EXIT_FAILURE);
}

namespace {

// Serves what --address asks for, from before the start-up heap is built until the arm ends.
std::unique_ptr<DebugServer> serve_profiles(const ArmContext& context, const LabDescription& lab,
                                            const ArmBlock& block) {
  if (context.spec().pprof_address.empty()) return nullptr;
  try {
    return std::make_unique<DebugServer>(DebugServerOptions{
        .address = context.spec().pprof_address,
        .requested_bytes = [&context] { return std::optional(context.requested_bytes()); },
        .more_metrics = [&](MetricFamilies& families) { add_arm_metrics(lab, context.spec(), block, families); }});
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("--address: {}", error.what()));
  }
}

}  // namespace

void run_arm_process(const Lab& lab, const std::string& argument) {
  const boost::json::object json = boost::json::parse(argument).as_object();
  const int block_fd = static_cast<int>(json.at("block").as_int64());
  void* const memory = ::mmap(nullptr, sizeof(ArmBlock), PROT_READ | PROT_WRITE, MAP_SHARED, block_fd, 0);
  if (memory == MAP_FAILED) std::_Exit(EXIT_FAILURE);
  auto& block = *static_cast<ArmBlock*>(memory);  // constructed by the parent

  std::vector<int> sockets;
  for (const auto& socket : json.at("sockets").as_array()) sockets.push_back(static_cast<int>(socket.as_int64()));
  ArmContext context(arm_spec_from_json(json.at("spec").as_object()), block, std::move(sockets), lab.description());
  try {
    Heap& heap = Heap::process();
    store_text(block.allocator_name, to_string(heap.kind()));
    store_text(block.allocator_version, heap.version());
    store_text(block.allocator_configuration, heap.configuration());
    store_text(block.allocator_library, heap.library());
    const ArmSpec& spec = context.spec();
    const bool named = spec.allocator.find('/') == std::string::npos;
    const std::string runs_on = named ? std::string(to_string(heap.kind())) : heap.library();
    const std::string asked = named ? spec.allocator : std::filesystem::canonical(spec.allocator).string();
    if (runs_on != asked) {
      throw std::runtime_error(fmt::format("asked to run on {}, but malloc comes from {}", asked, heap.library()));
    }
    if (!spec.profile_dir.empty()) {
      const ProfileReply reply = HeapProfiler::start(fmt::format("{}/{}-gperftools", spec.profile_dir, spec.name));
      if (!reply.done) throw std::runtime_error("--profile: " + reply.reason);
    }
    const auto server = serve_profiles(context, lab.description(), block);
    if (server) block.debug_port.store(server->port(), std::memory_order_relaxed);
    lab.run_arm(context);
    throw std::logic_error("the lab returned without finish()");
  } catch (...) {
    context.fail_with_current_exception();
  }
}

}  // namespace plateau::harness
