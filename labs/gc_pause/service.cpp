#include "labs/gc_pause/service.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <xxhash.h>

#include <chrono>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "allocators/heap.hpp"
#include "allocators/purge_bursts.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/retention.hpp"
#include "labs/gc_pause/collected_heap.hpp"
#include "labs/harness/random.hpp"
#include "labs/harness/stall_meter.hpp"
#include "labs/harness/switched_options.hpp"
#include "labs/harness/switched_retention.hpp"

namespace plateau::gc_pause {
using harness::SplitMix64;

namespace {

constexpr std::size_t worker_stack_bytes = 512 * 1024;
constexpr std::size_t teardown_threads = 4;
constexpr std::chrono::milliseconds trim_period{100};

std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace

ServiceOptions service_options(const harness::ArmSpec& spec) {
  return {.values = spec.has("values"),
          .events = spec.has("events"),
          .generations = spec.has("generations"),
          .decay = spec.has("decay"),
          .soft_limit = spec.has("limit") ? std::optional(static_cast<std::uint64_t>(
                                                soft_limit_over_heap * spec.options.at("heap").to_number<double>()))
                                          : std::nullopt,
          .more_threads = spec.has("more-threads"),
          .trim_often = spec.has("trim-often"),
          .decay_never = spec.has("decay-never"),
          .collected = spec.options.at("collector") == "boehm"};
}

void fill_generation(Generation& generation, const RequestStream& stream, std::uint64_t requests) {
  Request request;
  for (std::uint64_t i = 0; i < requests; ++i) {
    stream.read(i * lanes, request);
    const User user = create_user_after(request.user);
    Session& session = generation.session_of(view(user), request.user.page);
    for (const EventInput& input : request.events) generation.keep(session, *make_event_before(input, view(user)));
  }
}

Lane::Lane(const RequestStream& stream, const ServiceOptions& options, EventRecycler& events,
           std::pmr::memory_resource* heap, Timeline* timeline)
    : stream_(stream), options_(options), events_(events), heap_(heap), timeline_(timeline) {
  if (options.collected) static_cast<CollectedHeap*>(heap)->add_roots(slots_.data(), sizeof slots_);
}

Lane::~Lane() {
  for (GenerationSlot& slot : slots_) {
    if (slot.generation != nullptr) expire(slot);
  }
}

void Lane::handle(std::uint64_t index) {
  const std::uint64_t number = stream_.generation_of(index);
  if (number != current_) begin_generation(number);
  stream_.read(index, request_);

  std::unique_ptr<HeapUser> on_heap;
  User on_stack;
  if (options_.values) {
    on_stack = create_user_after(request_.user);
  } else {
    on_heap = create_user_before(request_.user);
  }
  const UserView user = options_.values ? view(on_stack) : view(*on_heap);

  Session& session = slot_of(number).generation->session_of(user, request_.user.page);
  for (const EventInput& input : request_.events) {
    if (options_.events) {
      log(session, *make_event_after(input, user, events_));
    } else {
      log(session, *make_event_before(input, user));
    }
  }
  digest_ = SplitMix64::mix(digest_ ^ user.id ^ user.role_count << 56);
  read_session(request_, number);
}

template <class Event>
void Lane::log(Session& session, const Event& event) {
  std::uint64_t line = hash(event.name, event.time_us);
  for (const auto& [key, value] : event.attributes) line = hash(value, hash(key, line));
  digest_ = SplitMix64::mix(digest_ ^ line);
  slot_of(current_).generation->keep(session, event);
}

void Lane::read_session(const Request& request, std::uint64_t current) {
  if (request.read_age == 0) return;
  const Session* const session = slot_of(current - request.read_age).generation->find(request.read_user);
  if (session == nullptr) throw std::logic_error("a session of a live generation is missing");
  std::uint64_t seen = hash(session->email, session->id);
  seen = hash(std::string_view(session->page).substr(0, 1024), seen);
  for (const KeptEvent* event = session->newest; event != nullptr; event = event->older) {
    seen = hash(event->name, seen ^ event->time_us);
    for (const auto& [key, value] : event->attributes) seen = hash(value, hash(key, seen));
  }
  digest_ = SplitMix64::mix(digest_ ^ seen);
}

void Lane::begin_generation(std::uint64_t number) {
  GenerationSlot& slot = slot_of(number);
  if (slot.generation != nullptr) {
    const harness::TeardownTimer timer(timeline_);
    expire(slot);
    if (timeline_ != nullptr) timeline_->instant("generation", "generations", {{"begun", static_cast<double>(number)}});
  }
  const std::uint64_t sessions = stream_.requests_per_generation() / lanes / requests_per_session + 1;
  options_.generations ? begin_generation_after(slot, sessions) : begin_generation_before(slot, heap_, sessions);
  current_ = number;
}

void Lane::expire(GenerationSlot& slot) {
  if (slot.in_arena) {
    expire_after(slot);
  } else if (options_.collected) {
    slot.generation = nullptr;  // the collector finds out that nobody points to it any more
  } else {
    if (options_.more_threads) slot.generation->take_apart_with(teardown_threads);
    expire_before(slot, heap_);
  }
}

std::uint64_t Lane::take_digest() {
  return std::exchange(digest_, 0);
}

std::size_t Lane::slack_bytes() const {
  std::size_t bytes = 0;
  for (const GenerationSlot& slot : slots_) bytes += slot.arena.statistics().slack_bytes();
  return bytes;
}

namespace {

// Purges since the heap was filled, kept as gauges.
class PurgeFigures {
 public:
  explicit PurgeFigures(harness::ArmContext& context) : context_(context), start_(PurgeTrace::totals()) {}

  // One thread at a time.
  void publish() {
    const PurgeTraceTotals now = PurgeTrace::totals();
    const auto set = [this](GaugeIndex index, std::uint64_t value, std::uint64_t before, double unit) {
      context_.set_gauge(index, static_cast<double>(value - before) / unit);
    };
    set(gauge_purge_calls, now.request_threads.calls, start_.request_threads.calls, 1);
    set(gauge_purge_ms, now.request_threads.wall_ns, start_.request_threads.wall_ns, 1e6);
    set(gauge_purge_cpu_ms, now.request_threads.cpu_ns, start_.request_threads.cpu_ns, 1e6);
    set(gauge_background_calls, now.background.calls, start_.background.calls, 1);
    set(gauge_background_cpu_ms, now.background.cpu_ns, start_.background.cpu_ns, 1e6);
  }

 private:
  harness::ArmContext& context_;
  const PurgeTraceTotals start_;
};

// Counts bursts of purges on threads that serve requests, from outside of them.
class BurstCounter {
 public:
  void poll(std::uint64_t now_ns) {
    reader_.read([this](const PurgeEvent& event) { count(bursts_.add(event)); });
    while (const auto burst = bursts_.take_ended(now_ns)) count(burst);
  }
  std::uint64_t of_request_threads() const { return of_request_threads_; }

 private:
  void count(const std::optional<PurgeBurst>& burst) {
    if (burst && !burst->background) ++of_request_threads_;
  }

  PurgeTrace::Reader reader_;
  PurgeBursts bursts_;
  std::uint64_t of_request_threads_ = 0;
};

// GOGC and GOMEMLIMIT. With the soft limit alone, unused pages are given back as the allocator's own decay has it.
std::optional<RetentionOptions> retention_options(const ServiceOptions& options) {
  if (!options.decay && !options.soft_limit) return std::nullopt;
  return RetentionOptions{.retain_percent = options.decay ? std::optional(retain_percent) : std::nullopt,
                          .soft_limit = options.soft_limit.value_or(no_soft_limit)};
}

using Fixes = harness::SwitchedOptions<ServiceOptions, lanes>;

// Whose turn it is in a lane: generation g belongs to worker g % workers_per_lane.
using Turn = std::atomic<std::uint64_t>;

void wait_for(const Turn& turn, std::uint64_t wanted) {
  for (std::uint64_t now = turn.load(); now != wanted; now = turn.load()) turn.wait(now);
}

void pass_on(Turn& turn) {
  turn.fetch_add(1);
  turn.notify_all();
}

// Whose fixes are in the order of the lab's description.
harness::ServiceControls controls_of(const harness::ArmContext& context, Fixes& fixes,
                                     harness::SwitchedRetention& retention) {
  harness::ServiceControls controls;
  controls.switch_fixes = [&](const std::vector<std::string>& names) {
    harness::ArmSpec spec = context.spec();
    spec.fixes = names;
    const ServiceOptions options = service_options(spec);
    retention.follow(retention_options(options));
    fixes.set(options);
  };
  controls.works_with = [&](std::size_t fix) -> std::optional<bool> {
    static constexpr std::array flags{&ServiceOptions::values, &ServiceOptions::events, &ServiceOptions::generations};
    if (fix >= 2) return fixes.in_lanes(flags[fix - 2]);
    const auto& wanted = retention.of_fixes();
    if (!wanted) return false;
    return fix == 0 ? wanted->retain_percent.has_value() : wanted->soft_limit != no_soft_limit;
  };
  controls.retention = &retention;
  return controls;
}

}  // namespace

void run_service(harness::ArmContext& context, const RequestStream& stream, const ServiceOptions& options) {
  // Thread stacks are reserved address space, which RLIMIT_DATA counts; the workers need little.
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, worker_stack_bytes);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);

  std::pmr::memory_resource* heap = std::pmr::new_delete_resource();
  if (options.collected) heap = &CollectedHeap::start(context.timeline());
  EventRecycler events({.max_idle = 64});
  std::vector<std::unique_ptr<Lane>> all;
  for (std::size_t i = 0; i < lanes; ++i) {
    all.push_back(std::make_unique<Lane>(stream, options, events, heap, context.timeline()));
  }
  Fixes fixes(options);
  // The stream's first generations fill the heap, and then replace each other once; the arm's own requests come after.
  constexpr std::uint64_t filling_generations = 2 * generations;
  const std::uint64_t filling = filling_generations * stream.requests_per_generation();
  const std::uint64_t all_requests = filling + context.spec().operations();
  std::array<Turn, lanes> turns{};
  std::latch filled(lanes);
  std::latch done(workers);
  std::atomic<bool> ended{false};
  Turn started{0};

  const auto work = [&](std::size_t lane_number, std::size_t place) {
    Lane& lane = *all[lane_number];
    Turn& turn = turns[lane_number];
    std::optional<harness::StallMeter> meter;
    const std::uint64_t last = stream.generation_of(all_requests - 1);
    for (std::uint64_t generation = place; generation <= last; generation += workers_per_lane) {
      wait_for(turn, generation);
      if (generation >= filling_generations) {
        if (generation == filling_generations) filled.count_down();
        wait_for(started, 1);
        if (!meter) meter.emplace(context.stall_meter(lane_number));
      }
      const std::uint64_t begin = generation * stream.requests_per_generation();
      const std::uint64_t end = std::min(all_requests, begin + stream.requests_per_generation());
      std::uint64_t served = 0;
      for (std::uint64_t index = begin + (lane_number + lanes - begin % lanes) % lanes; index < end; index += lanes) {
        if (index < filling) {
          lane.handle(index);
          continue;
        }
        context.wait_until_due(index - filling, [&] {
          if (const auto switched = fixes.take(lane_number)) lane.switch_fixes(*switched);
        });
        meter->begin();
        lane.handle(index);
        meter->end();
        flush_if_asked();
        context.finish_operation(lane_number, lane_number * workers_per_lane + place, index - filling);
        if (++served % batch_requests == 0) {
          context.finish_batch(lane_number, lane.take_digest());
          context.set_slack(lane_number, lane.slack_bytes());
        }
      }
      if (generation >= filling_generations) context.finish_batch(lane_number, lane.take_digest());
      context.set_slack(lane_number, lane.slack_bytes());
      pass_on(turn);
    }
  };

  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    for (std::size_t place = 0; place < workers_per_lane; ++place) {
      threads.emplace_back([&, lane, place] {
        try {
          ::pthread_setname_np(::pthread_self(), fmt::format("lane{}-{}", lane, place).c_str());
          std::optional<CollectedHeap::Registration> registration;
          if (options.collected) registration.emplace();
          work(lane, place);
          done.count_down();
          // On until the process ends: when the last thread of an arena does, jemalloc purges it.
          ended.wait(false);
        } catch (...) {
          context.fail_with_current_exception();
        }
      });
    }
  }
  filled.wait();
  // Now that the heap is warm: the filling frees faster than a service does.
  harness::SwitchedRetention retention([&events] { return events.statistics().idle_bytes; },
                                       [&events](const ShedRequest& /*request*/) { return events.trim(); });
  retention.follow(retention_options(options));
  if (options.decay_never && !options.decay) {
    const HeapReply reply = Heap::process().set_dirty_decay(std::chrono::milliseconds(-1));
    if (!reply.done) throw std::runtime_error(fmt::format("decay-never: {}", reply.reason));
  }
  context.offer(controls_of(context, fixes, retention));
  context.ready();

  std::thread housekeeper([&] {
    PurgeTrace::this_thread_is_background();
    PurgeFigures figures(context);
    BurstCounter bursts;
    while (!ended.load(std::memory_order_relaxed)) {
      std::this_thread::sleep_for(trim_period);
      if (options.trim_often) Heap::process().purge();
      if (!PurgeTrace::running()) continue;  // and then they are unknown
      figures.publish();
      bursts.poll(static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()));
      context.set_gauge(gauge_purge_bursts, static_cast<double>(bursts.of_request_threads()));
    }
  });
  started.store(1);
  started.notify_all();
  done.wait();
  ended.store(true);
  housekeeper.join();
  retention.follow({});  // its thread must not outlive main
  context.finish();
}

}  // namespace plateau::gc_pause
