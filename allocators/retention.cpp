#include "allocators/retention.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "allocators/memory_headroom.hpp"
#include "allocators/process_memory.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/signals_for_others.hpp"
#include "allocators/system/cpu_clock.hpp"

namespace plateau {
namespace {

using std::chrono::nanoseconds;

constexpr std::chrono::milliseconds for_ever{-1};

std::uint64_t soft_of(std::uint64_t kernel_limit) {
  return kernel_limit - kernel_limit / 10;
}
// Where an allocator that can gives everything back by itself, and then fails: just short of where the kernel would
// kill.
std::uint64_t heap_limit_of(std::uint64_t kernel_limit) {
  return kernel_limit - kernel_limit / 64;
}

RetentionOptions checked(RetentionOptions options) {
  const auto is_share = [](double share) { return share > 0 && share <= 1; };
  if (!is_share(options.purge_cpu_share) || !is_share(options.limit_cpu_share)) {
    throw std::invalid_argument("RetentionPolicy: purge_cpu_share and limit_cpu_share are shares of a CPU, up to 1");
  }
  if (options.retain_for.count() < 0 || options.give_up_after.count() <= 0 || options.shed_deadline.count() <= 0) {
    throw std::invalid_argument("RetentionPolicy: times must be positive (retain_for may be 0)");
  }
  return options;
}

// The limit that the kernel holds in pages that a purge can give back. RLIMIT_DATA counts address space, which it
// cannot.
std::optional<MemoryHeadroom> kernel_limit() {
  try {
    MemoryHeadroom headroom;
    if (headroom.source() != "RLIMIT_DATA") return headroom;
  } catch (const std::runtime_error&) {  // there is none
  }
  return std::nullopt;
}

}  // namespace

class RetentionPolicy::Driver {
 public:
  explicit Driver(RetentionOptions options)
      : options_(checked(std::move(options))),
        heap_(Heap::process()),
        kernel_(kernel_limit()),
        percent_(options_.retain_percent),
        soft_limit_(options_.soft_limit),
        decision_(knobs()) {
    enter();
    try {
      find_support();
      start();
    } catch (...) {
      put_back();
      leave();
      throw;
    }
  }

  ~Driver() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      wake_->notify_one();
    }
    if (thread_.joinable()) thread_.join();
    put_back();
    leave();
  }

  ShedOrder& order() { return order_; }
  RetentionState state() const noexcept { return state_.load(std::memory_order_relaxed); }
  const RetentionSupport& support() const noexcept { return support_; }

  RetentionStatistics statistics() const noexcept {
    const std::scoped_lock lock(mutex_);
    RetentionStatistics now = published_;
    now.soft_limit = effective_limit();
    now.retain_percent = percent_;
    return now;
  }

  std::string limit_source() const {
    const std::scoped_lock lock(mutex_);
    if (!effective_limit()) return "none";
    return soft_limit_ ? "given" : kernel_->source();
  }

  bool set_retain_percent(std::uint32_t percent) noexcept {
    const std::scoped_lock lock(mutex_);
    if (!percent_) return false;
    percent_ = percent;
    look_now();
    return true;
  }
  void set_soft_limit(std::optional<std::uint64_t> bytes) noexcept {
    const std::scoped_lock lock(mutex_);
    soft_limit_ = bytes;
    look_now();
  }

  // What the thread was at when the parent forked is half done in the child, so that the decision starts anew.
  void restart() {
    const std::scoped_lock lock(mutex_);
    if (thread_.joinable()) return;
    decision_ = RetentionDecision(knobs());
    start();
  }

 private:
  // The one of this process, for fork().
  static constinit std::mutex current_mutex_;
  static constinit Driver* current_;

  void enter() {
    static const bool watched = ::pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0;
    if (!watched) throw std::bad_alloc();
    const std::scoped_lock lock(current_mutex_);
    if (current_ != nullptr) throw std::logic_error("RetentionPolicy: this process has one already");
    current_ = this;
  }
  void leave() noexcept {
    const std::scoped_lock lock(current_mutex_);
    if (current_ == this) current_ = nullptr;
  }

  static void before_fork() {
    current_mutex_.lock();
    if (current_ == nullptr) return;
    current_->mutex_.lock();
    current_->order_.lock_for_fork();
  }
  static void after_fork() { unlock(false); }
  static void after_fork_in_child() {
    if (current_ != nullptr) current_->forget_thread();
    unlock(true);
  }
  static void unlock(bool in_child) {
    if (current_ != nullptr) {
      current_->order_.unlock_after_fork(in_child);
      current_->mutex_.unlock();
    }
    current_mutex_.unlock();
  }
  // Neither the thread nor the condition that it waits on may be destroyed: one is not here, the other has a waiter.
  void forget_thread() {
    std::construct_at(&thread_);
    std::construct_at(&wake_, std::in_place);
    state_.store(RetentionState::off, std::memory_order_relaxed);
    if (support_.sole_purger.done) PurgeTrace::set_goal(std::nullopt);
  }

  void find_support() {
    const PurgeSupport heap = heap_.purge_support();
    support_.retain_percent = heap.unused;
    support_.slices = heap.slices;
    support_.flush = heap.flush;
    support_.sole_purger =
        options_.retain_percent ? heap.quiet : HeapReply{false, "decay is left to the allocator: no retain_percent"};
    if (support_.sole_purger.done) {
      decay_before_ = heap_.dirty_decay();
      const HeapReply reply = heap_.set_dirty_decay(for_ever);
      if (!reply.done) throw std::runtime_error("RetentionPolicy: " + std::string(reply.reason));
    }
    if (kernel_ && !soft_limit_) {
      support_.heap_limit = heap_.set_heap_limit(heap_limit_of(kernel_->limit_bytes()));
    } else {
      support_.heap_limit = {false, "the allocator's own limit follows the kernel's only, and that is not in use"};
    }
  }

  void put_back() noexcept {
    if (decay_before_) heap_.set_dirty_decay(*decay_before_);
    if (support_.sole_purger.done) PurgeTrace::set_goal(std::nullopt);
    if (support_.heap_limit.done) heap_.set_heap_limit(std::nullopt);
  }

  // The methods from here to run() are called with mutex_ held, or before there is a thread.
  void start() {
    state_.store(decision_.state(), std::memory_order_relaxed);
    const SignalsForOthers signals;
    thread_ = std::thread([this] { run(); });
  }

  void look_now() noexcept {
    poked_ = true;
    wake_->notify_one();
  }

  std::optional<std::uint64_t> effective_limit() const {
    if (!soft_limit_) return kernel_ ? std::optional(soft_of(kernel_->limit_bytes())) : std::nullopt;
    return *soft_limit_ == no_soft_limit ? std::nullopt : soft_limit_;
  }

  RetentionKnobs knobs() const {
    return {.retain_percent = percent_,
            .soft_limit = effective_limit(),
            .retain_for = options_.retain_for,
            .give_up_after = options_.give_up_after,
            .purge_cpu_share = options_.purge_cpu_share,
            .limit_cpu_share = options_.limit_cpu_share};
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "retention");
    PurgeTrace::this_thread_is_background();
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      poked_ = false;
      decision_.set_knobs(knobs());
      const bool of_kernel = !soft_limit_ && kernel_;
      lock.unlock();
      const RetentionObservation seen = observe(of_kernel);
      const RetentionStep step = decision_.next(seen);
      announce(decision_.state());
      if (support_.sole_purger.done) PurgeTrace::set_goal(decision_.goal(seen));
      act(step);
      const ShedCounts shed = order_.counts();
      lock.lock();
      publish(seen, shed, step.action == RetentionStep::Action::flush);
      if (step.wait.count() > 0) wake_->wait_for(lock, step.wait, [this] { return stopping_ || poked_; });
    }
  }

  RetentionObservation observe(bool of_kernel) const {
    RetentionObservation seen;
    if (support_.retain_percent.done) {
      const HeapStatistics heap = heap_.statistics();
      seen.live = heap.allocated;
      if (heap.dirty) seen.unused = *heap.dirty + heap.muzzy.value_or(0);
    }
    seen.used = of_kernel ? kernel_->used_bytes() : own_rss_bytes();
    seen.delivered = order_.counts().delivered_bytes;
    seen.caches_left = order_.left();
    seen.now = std::chrono::steady_clock::now().time_since_epoch();
    seen.cpu = thread_cpu_time();
    return seen;
  }

  void announce(RetentionState now) {
    if (state_.exchange(now, std::memory_order_relaxed) != now && options_.on_change) options_.on_change(now);
  }

  void act(const RetentionStep& step) {
    using Action = RetentionStep::Action;
    switch (step.action) {
      case Action::wait:
        break;
      case Action::shed:
        if (step.begins_round) order_.begin_round();
        order_.ask_next(step.bytes, options_.shed_deadline);
        break;
      case Action::flush:
        ask_threads_to_flush();
        flush_if_asked();
        break;
      case Action::purge:
        heap_.purge_slice(step.bytes);  // what it returned is seen at the next look
        break;
    }
  }

  void publish(const RetentionObservation& seen, const ShedCounts& shed, bool flushed) noexcept {
    published_.live = seen.live;
    published_.unused = seen.unused;
    published_.used = seen.used;
    published_.counts = decision_.counts();
    published_.shed = shed;
    ++published_.looks;
    published_.flushes += flushed ? 1 : 0;
    published_.cpu = thread_cpu_time();
  }

  const RetentionOptions options_;
  Heap& heap_;
  const std::optional<MemoryHeadroom> kernel_;
  RetentionSupport support_;
  std::optional<std::chrono::milliseconds> decay_before_;
  ShedOrder order_;
  std::atomic<RetentionState> state_{RetentionState::steady};

  mutable std::mutex mutex_;
  std::optional<std::condition_variable> wake_{std::in_place};
  bool stopping_ = false;
  bool poked_ = false;
  std::optional<std::uint32_t> percent_;
  std::optional<std::uint64_t> soft_limit_;
  RetentionStatistics published_;
  std::thread thread_;

  RetentionDecision decision_;  // the thread's, once there is one
};

constinit std::mutex RetentionPolicy::Driver::current_mutex_;
constinit RetentionPolicy::Driver* RetentionPolicy::Driver::current_ = nullptr;

RetentionPolicy::RetentionPolicy(RetentionOptions options) : driver_(std::make_unique<Driver>(std::move(options))) {}
RetentionPolicy::~RetentionPolicy() = default;

ShedOrder::Registration RetentionPolicy::on_shed(int priority, ShedPromise promise, Shed shed) {
  return driver_->order().add(priority, std::move(promise), std::move(shed));
}

RetentionState RetentionPolicy::state() const noexcept {
  return driver_->state();
}
RetentionStatistics RetentionPolicy::statistics() const noexcept {
  return driver_->statistics();
}
const RetentionSupport& RetentionPolicy::support() const noexcept {
  return driver_->support();
}
std::string RetentionPolicy::limit_source() const {
  return driver_->limit_source();
}
bool RetentionPolicy::set_retain_percent(std::uint32_t percent) noexcept {
  return driver_->set_retain_percent(percent);
}
void RetentionPolicy::set_soft_limit(std::optional<std::uint64_t> bytes) noexcept {
  driver_->set_soft_limit(bytes);
}
void RetentionPolicy::restart() {
  driver_->restart();
}

}  // namespace plateau
