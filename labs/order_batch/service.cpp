#include "labs/order_batch/service.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "allocators/process_memory.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "allocators/system/descriptor.hpp"
#include "labs/harness/arm/started_once.hpp"
#include "labs/order_batch/batch.hpp"
#include "labs/order_batch/gauges.hpp"
#include "labs/order_batch/prediction.hpp"
#include "labs/order_batch/processing.hpp"
#include "profiling/heap_sampler.hpp"

namespace plateau::order_batch {
namespace {

using harness::ArmContext;
using harness::ArmSpec;

std::atomic<bool> asked_to_stop{false};
extern "C" void note_stop(int /*signal*/) {
  asked_to_stop.store(true, std::memory_order_relaxed);
}

void catch_sigterm() {
  struct sigaction action {};
  action.sa_handler = note_stop;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
}

void allow_many_connections() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

std::uint16_t port_of_the_partner(const ArmContext& context) {
  std::uint16_t port = 0;
  if (::recv(context.sockets()[0], &port, sizeof port, MSG_WAITALL) != sizeof port)
    throw std::runtime_error("the partner did not start");
  return port;
}

// Digests of the output in the order of the batch, however the orders overlap. By one thread at a time.
class Digests {
 public:
  Digests(ArmContext& context, std::uint64_t orders) : context_(context), of_order_(orders), done_(orders, false) {}

  void add(OrderNumber number, std::uint64_t digest) {
    if (number >= done_.size()) return;
    of_order_[number] = digest;
    done_[number] = true;
    while (next_ < done_.size() && done_[next_]) {
      folded_ = (folded_ ^ of_order_[next_]) * 0x9e3779b97f4a7c15ULL;
      folded_ ^= folded_ >> 29;
      if (++next_ % orders_a_digest == 0 || next_ == done_.size()) context_.finish_batch(0, folded_);
    }
  }

 private:
  ArmContext& context_;
  std::vector<std::uint64_t> of_order_;
  std::vector<bool> done_;
  OrderNumber next_ = 0;
  std::uint64_t folded_ = 0;
};

// The numbers of acknowledged orders, a line each, in a file that outlives whoever is killed.
class AcknowledgedFile {
 public:
  explicit AcknowledgedFile(const std::string& file) {
    if (file.empty()) return;
    file_.reset(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file_) throw std::system_error(errno, std::generic_category(), "--acknowledged " + file);
  }
  void add(OrderNumber number) const {
    if (!file_) return;
    char line[32];
    const auto end = fmt::format_to_n(line, sizeof line, "{}\n", number).out;
    if (::write(file_.get(), line, static_cast<std::size_t>(end - line)) != end - line)
      throw std::system_error(errno, std::generic_category(), "--acknowledged");
  }

 private:
  Descriptor file_;
};

std::unique_ptr<OrderSource> source_of(const ArmSpec& spec) {
  const std::string& file = spec.options.text("orders_file");
  return file.empty() ? generated_orders(spec.seed, spec.operations()) : orders_of_file(file, spec.operations());
}

BatchOptions options_of(const ArmSpec& spec, std::uint16_t port) {
  BatchOptions options;
  options.fixes = fix_table.chosen(spec.fixes);
  options.partner_port = port;
  options.in_flight_bytes = spec.options.number<std::uint64_t>("in_flight");
  options.limiter = limiter_for(spec.options.number<double>("partner_rate"));
  if (options.fixes.burst_infinite) options.limiter.burst = static_cast<std::int64_t>(spec.operations());
  if (spec.options.text("on_stop") == "drop") options.on_stop = WorkerPool::Ending::drop;
  return options;
}

double ms_an_order(std::chrono::nanoseconds sum, std::uint64_t orders) {
  return orders > 0 ? static_cast<double>(sum.count()) / 1e6 / static_cast<double>(orders) : NAN;
}

void wait_until_due(const ArmContext& context, OrderNumber number) {
  constexpr std::chrono::milliseconds longest_wait{50};
  while (!asked_to_stop.load(std::memory_order_relaxed)) {
    const auto now = ArmContext::Clock::now();
    const auto due = context.due(number);
    if (due <= now) return;
    std::this_thread::sleep_until(std::min(due, now + longest_wait));
  }
}

void say_what_failed(const BatchReport& report) {
  constexpr std::size_t most_lines = 5;
  for (std::size_t i = 0; i < std::min(most_lines, report.failures.size()); ++i)
    fmt::print(stderr, "order {} failed: {}\n", report.failures[i].number, report.failures[i].reason);
  if (report.failures.size() > most_lines) {
    std::vector<OrderNumber> numbers;
    for (const Failure& failure : report.failures) numbers.push_back(failure.number);
    fmt::print(stderr, "{} orders failed: {}\n", numbers.size(), format_numbers(numbers).substr(0, 400));
  }
}

// What the sampler has seen of how blocks ended, where it is in front of malloc.
void set_block_gauges(ArmContext& context) {
  if (!HeapSampler::available().done) return;
  struct Sums {
    double freed = 0, foreign = 0, foreign_bytes = 0, temporary = 0;
  } sums;
  HeapSampler::for_each_life([](void* to, const SampledLife& life) { static_cast<Sums*>(to)->freed += life.bytes; },
                             &sums);
  HeapSampler::for_each_crossing(
      [](void* to, const SampledCrossing& crossing) {
        static_cast<Sums*>(to)->foreign += crossing.objects;
        static_cast<Sums*>(to)->foreign_bytes += crossing.bytes;
      },
      &sums);
  HeapSampler::for_each_temporary(
      [](void* to, const SampledTemporary& temporary) { static_cast<Sums*>(to)->temporary += temporary.bytes; }, &sums);
  context.set_gauge(gauge_freed_bytes, sums.freed);
  context.set_gauge(gauge_foreign_frees, sums.foreign);
  context.set_gauge(gauge_foreign_bytes, sums.foreign_bytes);
  context.set_gauge(gauge_temporary_bytes, sums.temporary);
}

// Throws when the batch was stopped: what is not recorded is told by number.
void refuse_to_have_been_stopped(const BatchReport& report, std::uint64_t orders,
                                 const std::vector<OrderNumber>& recorded) {
  if (!report.first_unread && !asked_to_stop.load()) return;
  std::vector<OrderNumber> missing;
  auto next = recorded.begin();
  for (OrderNumber number = 0; number < orders; ++number) {
    if (next != recorded.end() && *next == number) {
      ++next;
    } else {
      missing.push_back(number);
    }
  }
  if (missing.empty()) return;
  throw std::runtime_error(fmt::format("stopped: {} of {} orders are recorded; not recorded: {}", recorded.size(),
                                       orders, format_numbers(missing).substr(0, 300)));
}

}  // namespace

PartnerOptions partner_of(const ArmSpec& spec) {
  return {.mean_ms = spec.options.number<double>("partner_ms"),
          .sigma = partner_sigma,
          .orders_per_second = spec.options.number<double>("partner_rate"),
          .burst = partner_burst,
          .seed = spec.seed,
          .fault_share = spec.options.number<double>("faults_percent") / 100};
}

void run_batch_arm(ArmContext& context) {
  const ArmSpec& spec = context.spec();
  ::pthread_setname_np(::pthread_self(), "reader");
  catch_sigterm();
  allow_many_connections();
  BatchOptions options = options_of(spec, port_of_the_partner(context));
  const auto source = source_of(spec);
  const std::uint64_t orders = spec.service_rate ? 0 : source->total();
  const std::string& kept_store = spec.options.text("store");
  const std::string file = kept_store.empty() ? spec.options.text("folder") + "/" + spec.name + ".db" : kept_store;
  if (kept_store.empty()) sqlite::remove_database(file);

  const Shares shares = measure_shares(options, spec.seed, file);
  const std::size_t cores = std::max(std::thread::hardware_concurrency(), 1U);
  options.workers = lawful_workers(shares, with_what_goes_along(options.fixes), cores);
  if (const auto asked = spec.options.number<std::size_t>("workers"); asked > 0) options.workers = asked;
  if (options.fixes.workers_x10) options.workers = std::min(options.workers * 10, most_workers);

  Store store(file);
  const std::vector<OrderNumber> before = store.numbers();
  if (!before.empty() && !spec.service_rate) {
    fmt::print("{} of {} orders are recorded already\n", before.size(), orders);
    std::fflush(stdout);
  }
  Digests digests(context, orders);
  const AcknowledgedFile acknowledged(spec.options.text("acknowledged"));
  std::stop_source stop;
  ArmContext::Clock::time_point last;
  BatchObserver observer;
  observer.acknowledged = [&](const Record& record, ArmContext::Clock::time_point submitted) {
    acknowledged.add(record.number);
    digests.add(record.number, digest_of(record));
    context.finish_operation(0, 0, submitted);
    last = ArmContext::Clock::now();
  };
  observer.failed = [&](OrderNumber number) { digests.add(number, 0); };
  observer.await = [&](OrderNumber number) {
    if (spec.service_rate) wait_until_due(context, number);
    if (asked_to_stop.load(std::memory_order_relaxed)) stop.request_stop();
  };
  if (!before.empty()) {
    observer.is_recorded = [&](OrderNumber number) { return std::binary_search(before.begin(), before.end(), number); };
  }
  Batch batch(options, *source, store, observer);

  const auto start_rss = static_cast<double>(own_rss_bytes());
  const double growth = predicted_growth(shares, options, orders);
  const auto unknown_in_a_service = [&](double value) { return spec.service_rate ? NAN : value; };
  for (std::size_t i = 0; i < batch_gauges.size(); ++i) context.set_gauge(i, NAN);
  context.set_gauge(gauge_workers,
                    static_cast<double>(with_what_goes_along(options.fixes).workers ? options.workers : 1));
  context.set_gauge(gauge_compute_ms, shares.compute_ms);
  context.set_gauge(gauge_partner_ms, shares.partner_ms);
  context.set_gauge(gauge_commit_ms, shares.commit_ms);
  context.set_gauge(gauge_start_rss, start_rss);
  context.set_gauge(gauge_predicted_rate, unknown_in_a_service(predicted_orders_per_second(shares, options, cores)));
  context.set_gauge(gauge_predicted_peak, unknown_in_a_service(start_rss + growth));
  harness::StartedOnce controls(spec);  // pool, the store's thread and arenas are made by now
  if (spec.service_rate) context.offer(controls);
  context.ready();
  const auto begin = ArmContext::Clock::now();
  last = begin;
  const BatchReport report = batch.run(stop.get_token());

  const auto seconds = std::chrono::duration<double>(last - begin).count();
  const std::vector<OrderNumber> recorded = store.numbers();
  context.set_gauge(gauge_seconds, seconds);
  context.set_gauge(gauge_compute_ms, ms_an_order(report.compute, report.acknowledged));
  context.set_gauge(gauge_partner_ms, ms_an_order(report.partner, report.acknowledged));
  context.set_gauge(gauge_commit_ms, ms_an_order(report.commit, report.acknowledged));
  context.set_gauge(gauge_most_in_flight, static_cast<double>(report.most_bytes_in_flight));
  context.set_gauge(gauge_requests, static_cast<double>(report.attempts));
  context.set_gauge(gauge_refusals, static_cast<double>(report.refusals));
  context.set_gauge(gauge_commits, static_cast<double>(report.commits));
  context.set_gauge(gauge_acknowledged, static_cast<double>(report.acknowledged + report.passed_over));
  context.set_gauge(gauge_in_store, static_cast<double>(recorded.size()));
  context.set_gauge(gauge_failed, static_cast<double>(report.failures.size()));
  context.set_gauge(gauge_not_durable, static_cast<double>(report.most_not_durable));
  set_block_gauges(context);
  say_what_failed(report);
  refuse_to_have_been_stopped(report, orders, recorded);
  context.finish();
}

}  // namespace plateau::order_batch
