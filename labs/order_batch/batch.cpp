#include "labs/order_batch/batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <thread>
#include <utility>

#include "allocators/system/cpu_clock.hpp"
#include "labs/harness/load/random.hpp"
#include "labs/order_batch/processing.hpp"

namespace plateau::order_batch {
namespace {

// Before the partner is asked again: twice as long each time, and each order at another moment.
std::chrono::nanoseconds back_off(OrderNumber number, unsigned attempt) {
  constexpr double first_ms = 5;
  harness::SplitMix64 random(number * most_attempts + attempt);
  const double ms = first_ms * static_cast<double>(1U << attempt) * (0.5 + random.uniform());
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6));
}

}  // namespace

std::string format_numbers(const std::vector<OrderNumber>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += last == i ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[last]);
    i = last + 1;
  }
  return text;
}

Batch::Batch(const BatchOptions& options, OrderSource& source, Store& store, BatchObserver observer)
    : options_(options),
      fixes_(with_what_goes_along(options.fixes)),
      source_(source),
      observer_(std::move(observer)),
      limiter_(options.limiter.orders_per_second, options.limiter.burst),
      in_flight_(options.in_flight_bytes),
      clients_(fixes_.workers ? options.workers : 1, options.partner_port, options.patience),
      recorder_(store, [this](Job* job, const std::string& error) { recorded(job, error); }) {
  if (fixes_.group_commit) {
    group_.emplace(recorder_, GroupBounds{.orders = group_orders,
                                          .time = std::chrono::nanoseconds(static_cast<std::int64_t>(group_ms * 1e6))});
  }
  if (fixes_.workers) pool_.emplace(options.workers, no_end_of_the_queue);
}

Batch::~Batch() = default;

BatchReport Batch::run(const std::stop_token& stop) {
  const std::stop_callback dropping(stop, [this] {
    if (options_.on_stop == WorkerPool::Ending::drop && pool_) pool_->drop_what_waits();
  });
  for (OrderNumber number = 0; number < source_.total(); ++number) {
    observer_.await(number);
    if (stop.stop_requested()) {
      report_.first_unread = number;
      break;
    }
    Job* const job = make_job();
    try {
      source_.read(job->order);
    } catch (const std::exception& error) {
      end_job(job);
      fail(number, error.what());
      continue;
    }
    if (observer_.is_recorded(number)) {
      end_job(job);
      ++report_.passed_over;
      continue;
    }
    submit(job);
    join_done_futures(false);
  }
  if (pool_) pool_->end(stop.stop_requested() ? options_.on_stop : WorkerPool::Ending::drain);
  join_done_futures(true);
  group_.reset();

  const std::scoped_lock lock(report_mutex_);
  std::sort(report_.failures.begin(), report_.failures.end(),
            [](const Failure& a, const Failure& b) { return a.number < b.number; });
  report_.attempts = attempts_.load();
  report_.refusals = refusals_.load();
  report_.silences = silences_.load();
  report_.commits = recorder_.commits();
  report_.most_bytes_in_flight = in_flight_.most_ever();
  if (submitted_orders_ > 0)
    report_.mean_bytes = static_cast<double>(submitted_bytes_) / static_cast<double>(submitted_orders_);
  report_.compute = std::chrono::nanoseconds(compute_ns_.load());
  report_.partner = std::chrono::nanoseconds(partner_ns_.load());
  report_.commit = recorder_.time_in_commits();
  return report_;
}

Job* Batch::make_job() {
  return fixes_.ownership ? make_job_after(arenas_) : make_job_before(arenas_);
}

void Batch::end_job(Job* job) {
  const std::size_t bytes = job->bytes;
  fixes_.ownership ? end_job_after(arenas_, job) : end_job_before(arenas_, job);
  if (bytes > 0) in_flight_.give_back(bytes);  // last: the reader may go on, and finds the memory
}

void Batch::submit(Job* job) {
  job->message.reserve(most_encoded_bytes(job->order));
  const std::size_t bytes = fixes_.ownership ? bytes_of_after(*job) : bytes_of_before(*job);
  fixes_.backpressure ? admit_after(in_flight_, bytes) : admit_before(in_flight_, bytes);
  job->bytes = bytes;
  submitted_bytes_ += bytes;
  ++submitted_orders_;
  job->submitted = Clock::now();
  const OrderNumber number = job->order.number;
  auto task = [this, job] {  // no larger than std::function keeps without asking the heap
    try {
      process(job);
    } catch (...) {
      end_job(job);
      throw;
    }
    record(job);
  };
  std::pmr::memory_resource* const memory = job->message.get_allocator().resource();
  submitted_.push_back(
      {number, job, fixes_.workers ? submit_after(&*pool_, task, memory) : submit_before(nullptr, task, memory)});
}

void Batch::process(Job* job) {
  const auto begin_cpu = thread_cpu_time();
  validate(job->order);
  job->record.number = job->order.number;
  job->record.cents = price(job->order);
  encode(job->order, job->record.cents, job->message);
  job->record.receipt = ask_partner(*job);
  compute_ns_.fetch_add(std::chrono::nanoseconds(thread_cpu_time() - begin_cpu).count(), std::memory_order_relaxed);
}

std::uint64_t Batch::ask_partner(const Job& job) {
  return clients_.with_client([&](PartnerClient& client) {
    bool was_silent = false;
    for (unsigned attempt = 0; attempt < options_.attempts; ++attempt) {
      if (attempt > 0) std::this_thread::sleep_for(back_off(job.order.number, attempt - 1));
      fixes_.limiter ? await_turn_after(limiter_) : await_turn_before(limiter_);
      attempts_.fetch_add(1, std::memory_order_relaxed);
      const Clock::time_point begin = Clock::now();
      const std::optional<Answer> answer = client.ask(job.order.number, job.message);
      partner_ns_.fetch_add((Clock::now() - begin).count(), std::memory_order_relaxed);
      if (answer && answer->verdict == Verdict::accepted) return answer->receipt;
      was_silent = !answer;
      (answer ? refusals_ : silences_).fetch_add(1, std::memory_order_relaxed);
    }
    throw std::runtime_error(was_silent ? "the partner does not answer" : "the partner refuses it");
  });
}

void Batch::record(Job* job) {
  if (fixes_.acknowledge_first) {
    const std::scoped_lock lock(report_mutex_);
    acknowledge(*job);
  }
  fixes_.group_commit ? record_after(recorder_, &*group_, job) : record_before(recorder_, nullptr, job);
}

void Batch::recorded(Job* job, const std::string& error) {
  if (!error.empty()) {
    fail(job->order.number, error);
  } else {
    const std::scoped_lock lock(report_mutex_);
    ++durable_;
    if (!fixes_.acknowledge_first) acknowledge(*job);
  }
  end_job(job);
}

void Batch::acknowledge(const Job& job) {
  ++report_.acknowledged;
  if (report_.acknowledged > durable_)
    report_.most_not_durable = std::max(report_.most_not_durable, report_.acknowledged - durable_);
  observer_.acknowledged(job.record, job.submitted);
}

void Batch::fail(OrderNumber number, std::string reason) {
  const std::scoped_lock lock(report_mutex_);
  report_.failures.push_back({number, std::move(reason)});
  observer_.failed(number);
}

// Of those that are done, from the front: a future that waits keeps those behind it, which are few.
void Batch::join_done_futures(bool all) {
  std::size_t joined = 0;
  for (; joined < submitted_.size(); ++joined) {
    Submitted& one = submitted_[joined];
    if (!all && one.future.wait_for(std::chrono::seconds(0)) != std::future_status::ready) break;
    try {
      one.future.get();
    } catch (const Cancelled& dropped) {
      end_job(one.job);
      fail(one.number, dropped.what());
    } catch (const std::exception& error) {
      fail(one.number, error.what());
    }
  }
  submitted_.erase(submitted_.begin(), submitted_.begin() + static_cast<std::ptrdiff_t>(joined));
}

}  // namespace plateau::order_batch
