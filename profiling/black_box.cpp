#include "profiling/black_box.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/memory_headroom.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/host/limit_approach.hpp"
#include "profiling/host/memory_events.hpp"
#include "profiling/host/memory_reserve.hpp"
#include "profiling/host/private_descriptors.hpp"
#include "profiling/host/service_thread.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/symbolizer.hpp"
#include "profiling/waterfall/group_memory.hpp"

namespace plateau {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds far_period{50};
constexpr std::chrono::milliseconds near_period{10};
constexpr double near = 0.6;  // of the limit

void throw_unless_done(const ProfileReply& reply) {
  if (!reply.done) throw std::runtime_error("black box: " + reply.reason);
}

// The program may change its working directory.
BlackBoxOptions with_absolute_path(BlackBoxOptions options) {
  options.directory = fs::absolute(options.directory);
  return options;
}

// For the kernel's events, which the program must not close. Without, there are no events.
bool has_private_descriptors(const PrivateDescriptors& descriptors) {
  try {
    return descriptors.enter();
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

class BlackBox::Writer {
 public:
  explicit Writer(BlackBoxOptions options)
      : options_(with_absolute_path(std::move(options))),
        headroom_(options_.limit_bytes),
        reserve_(options_.symbolize ? options_.reserve_bytes : 0) {
    fs::create_directories(options_.directory);
    std::future<void> watching = started_.get_future();
    thread_.emplace("black box", [this] { run(); });
    try {
      watching.get();
    } catch (...) {
      thread_.reset();
      throw;
    }
  }

  ~Writer() {
    stopping_ = true;
    thread_.reset();
  }

  bool in_the_process_that_made_it() const { return process_ == ::getpid(); }

 private:
  fs::path file(std::uint64_t number, const char* extension) const {
    return options_.directory / (options_.name + "-" + std::to_string(number) + extension);
  }

  void remove_old() const {
    const std::string prefix = options_.name + "-";
    for (const auto& entry : fs::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename();
      const auto digits = name.find_first_not_of("0123456789", prefix.size());
      if (!name.starts_with(prefix) || digits == std::string::npos || digits == prefix.size()) continue;
      const std::string extension = name.substr(digits);
      if (extension.starts_with(".heap") || extension.starts_with(".pb.gz")) fs::remove(entry.path());
    }
  }

  // A first profile, thrown away: an error shows now and not at the end, and what the symboliser reads is read.
  void rehearse() {
    write(0);
    remove(0);
  }

  void run() {
    bool watches = false;
    try {
      std::optional<MemoryEvents> events;
      if (has_private_descriptors(private_descriptors_)) events.emplace(headroom_.source());
      throw_unless_done(HeapProfiler::start(options_.directory / options_.name));
      remove_old();
      rehearse();
      watches = true;
      started_.set_value();
      watch(events ? &*events : nullptr);
    } catch (...) {
      if (!watches) started_.set_exception(std::current_exception());
    }
  }

  void watch(MemoryEvents* events) {
    const std::uint64_t limit = headroom_.limit_bytes();
    LimitApproach approach(limit, options_.begin, options_.shrink);
    if (events != nullptr) events->expect_usage(approach.next_bytes());
    while (!stopping_) {
      const std::uint64_t used = headroom_.used_bytes();
      if (approach.due(used)) {
        keep_one();
        if (events != nullptr) events->expect_usage(approach.next_bytes());
      }
      const bool is_near = static_cast<double>(used) >= near * static_cast<double>(limit);
      const auto period = is_near ? near_period : far_period;
      if (events != nullptr) {
        events->wait(period);
      } else {
        std::this_thread::sleep_for(period);
      }
    }
  }

  // Nobody can be told of a failure here; the profiles before this one are kept then.
  void keep_one() noexcept {
    try {
      ++number_;
      write(number_);
      if (number_ > options_.keep) remove(number_ - options_.keep);
    } catch (const std::exception&) {
    }
  }

  void write(std::uint64_t number) {
    const fs::path raw = file(number, ".heap");
    throw_unless_done(HeapProfiler::dump_raw(raw));
    add_group(raw);
    if (!options_.symbolize) return;
    reserve_.release();
    throw_unless_done(HeapProfiler::dump(file(number, ".pb.gz"), &symbolizer_, comments_of_group()));
    fs::remove(raw);
    const std::uint64_t used = headroom_.used_bytes();
    if (used + 2 * options_.reserve_bytes < headroom_.limit_bytes()) reserve_.refill();
  }

  static std::vector<std::string> comments_of_group() {
    const std::optional<GroupMemory> group = group_memory();
    if (!group) return {};
    return {"its group has " + to_text(*group)};
  }

  // Other readers of dumps skip such a line; ours keeps it as a comment.
  static void add_group(const fs::path& raw) {
    for (const std::string& comment : comments_of_group())
      std::ofstream(raw, std::ios::app) << legacy_heap_comment << comment << '\n';
  }

  void remove(std::uint64_t number) const {
    std::error_code ignored;
    for (const char* const extension : {".heap", ".pb.gz"}) fs::remove(file(number, extension), ignored);
  }

  const pid_t process_ = ::getpid();
  const BlackBoxOptions options_;
  const PrivateDescriptors private_descriptors_;
  const MemoryHeadroom headroom_;
  MemoryReserve reserve_;
  Symbolizer symbolizer_;
  std::uint64_t number_ = 0;
  std::atomic<bool> stopping_{false};
  std::promise<void> started_;
  std::optional<ServiceThread> thread_;
};

BlackBox::BlackBox(BlackBoxOptions options) : writer_(std::make_unique<Writer>(std::move(options))) {}

BlackBox::~BlackBox() {
  // A forked child has the memory of the writer and not its thread: there is nobody to wait for.
  if (!writer_->in_the_process_that_made_it()) static_cast<void>(writer_.release());
}

}  // namespace plateau
