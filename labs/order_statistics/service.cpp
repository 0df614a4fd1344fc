#include "labs/order_statistics/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "labs/harness/arm/started_once.hpp"
#include "labs/harness/measure/statistics.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/calibration.hpp"
#include "labs/order_statistics/desk.hpp"
#include "labs/order_statistics/gauges.hpp"
#include "labs/order_statistics/load.hpp"
#include "labs/order_statistics/new_orders.hpp"
#include "labs/order_statistics/orders.hpp"
#include "labs/order_statistics/store.hpp"

namespace plateau::order_statistics {
namespace {

using harness::ArmContext;
using harness::ArmSpec;
using Clock = std::chrono::steady_clock;

constexpr Question last_month{months - 1, false};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::chrono::nanoseconds of_seconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

StoreUse store_of(const ArmSpec& spec) {
  return {.file = spec.options.text("store"),
          .seed = spec.seed,
          .rows = spec.options.number<std::uint64_t>("rows"),
          .fixes = with_what_goes_along(fix_table.chosen(spec.fixes))};
}

LoadSettings load_of(const ArmSpec& spec, const Fixes& fixes) {
  return {.seed = spec.seed,
          .clients = spec.options.number<std::uint64_t>("clients"),
          .think_s = spec.options.number<double>("think_s"),
          .steady_s = spec.options.number<double>("steady_s"),
          .rush_rate = spec.options.number<double>("rush_rate"),
          .rush_s = spec.options.number<double>("rush_s"),
          .allowed_age = of_seconds(allowed_age_s(spec, fixes))};
}

CacheSettings cache_of(const ArmSpec& spec, const Fixes& fixes) {
  return {.most_bytes = spec.options.number<std::uint64_t>("cache_bytes"),
          .max_age = of_seconds(spec.options.number<double>("max_age_s")),
          .jitter = !fixes.no_jitter,
          .single_flight = !fixes.no_jitter};
}

// The median of a few where they are quick, since one is soon disturbed.
double query_alone_ms(Reader& reader) {
  constexpr double quick_ms = 500;
  constexpr int times = 5;
  std::vector<double> took;
  do {
    const auto begin = Clock::now();
    reader.ask(last_month);
    took.push_back(ms_since(begin));
  } while (took.size() < times && took.back() < quick_ms);
  return *harness::median(took);
}

void say_plan(const ArmSpec& spec, Reader& reader) {
  fmt::print("{}: plan of a query: {}; of one for active orders: {}\n", spec.name, reader.plan(last_month),
             reader.plan({months - 1, true}));
  std::fflush(stdout);
}

struct Reconciled {
  std::optional<double> p50_ms;
  std::uint64_t wrong = 0;
};

// What the roll-up says is said by the orders themselves, too, which is how long it would take without a roll-up.
Reconciled reconcile(Reader& reader, const Truth& truth, std::uint64_t new_orders) {
  constexpr std::chrono::seconds long_enough{4};
  const auto end = Clock::now() + long_enough;
  Reconciled result;
  std::vector<double> took;
  for (int month = months - 1; month >= 0 && Clock::now() < end; --month) {
    for (const bool active_only : {false, true}) {
      const Question question{month, active_only};
      const auto begin = Clock::now();
      const Answer of_orders = reader.ask_the_orders(question);
      took.push_back(ms_since(begin));
      const Answer wanted = truth.answer(question, new_orders);
      if (of_orders != wanted || reader.ask(question) != wanted) ++result.wrong;
    }
  }
  result.p50_ms = harness::median(took);
  return result;
}

double percent(double part, double whole) {
  return whole > 0 ? part / whole * 100 : NAN;
}

// Figures that are there while it runs.
void set_running_gauges(ArmContext& context, const Desk& desk, const Load& load, const NewOrders& new_orders) {
  const harness::LatencyHistogram queries = desk.query_time();
  const CacheCounts cache = desk.cache();
  const auto quantile = [&](double q) { return queries.count() > 0 ? queries.quantile_us(q) / 1e3 : NAN; };
  context.set_gauge(gauge_query_p50, quantile(0.5));
  context.set_gauge(gauge_query_p99, quantile(0.99));
  context.set_gauge(gauge_hits, percent(static_cast<double>(cache.hits),
                                        static_cast<double>(cache.hits + cache.joined + cache.loads)));
  context.set_gauge(gauge_cache_bytes, static_cast<double>(cache.most_bytes));
  context.set_gauge(gauge_in_flight, desk.in_flight().most());
  context.set_gauge(gauge_same_in_flight, desk.in_flight().most_of_one());
  context.set_gauge(gauge_late, static_cast<double>(new_orders.late()));
  context.set_gauge(gauge_wrong, static_cast<double>(load.wrong()));
}

[[noreturn]] void serve(ArmContext& context, const Desk& desk, Load& load, const NewOrders& new_orders) {
  std::thread gauges([&] {
    for (;;) {
      set_running_gauges(context, desk, load, new_orders);
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  });
  gauges.detach();
  load.serve([&context](std::uint64_t i) { return context.due(i); });
  throw std::logic_error("a service ends with its process");
}

}  // namespace

double allowed_age_s(const ArmSpec& spec, const Fixes& fixes) {
  return fixes.local_cache ? spec.options.number<double>("max_age_s") : 0;
}

void run_statistics_arm(ArmContext& context) {
  const ArmSpec& spec = context.spec();
  const StoreUse use = store_of(spec);
  const LoadSettings settings = load_of(spec, use.fixes);
  for (std::size_t i = 0; i < statistics_gauges.size(); ++i) context.set_gauge(i, NAN);
  if (const auto bytes = make_ready(use)) context.set_gauge(gauge_index_bytes, static_cast<double>(*bytes));
  const Truth truth(spec.seed, use.rows);
  std::atomic<bool> stopping{false};
  {
    Reader reader(use, stopping);
    say_plan(spec, reader);
    context.set_gauge(gauge_alone, query_alone_ms(reader));
  }
  harness::StartedOnce controls(spec);  // indexes and journal are made by now
  if (spec.service_rate) context.offer(controls);
  context.ready();

  Desk desk(use.fixes, cache_of(spec, use.fixes));
  NewOrders new_orders(use, spec.options.number<std::uint64_t>("note_bytes"),
                       {.orders_a_second = spec.options.number<double>("order_rate"),
                        .group_s = spec.options.number<double>("order_group_s")},
                       stopping);
  LoadObserver observer;
  observer.answered = [&context](Clock::time_point due) { context.finish_operation(0, 0, due); };
  observer.digest = [&context](std::uint64_t digest) { context.finish_batch(0, digest); };
  Load load(settings, use, desk, truth, new_orders, stopping, observer);
  if (spec.service_rate) serve(context, desk, load, new_orders);

  load.steady();
  const double cores = spec.options.number<double>("cores");
  const std::chrono::duration<double> cpu = desk.cpu() + new_orders.cpu();
  context.set_gauge(gauge_cpu, percent(cpu.count(), load.steady_seconds() * cores));
  context.set_gauge(gauge_steady_rate, static_cast<double>(load.steady_requests()) / load.steady_seconds());
  load.rush();
  set_running_gauges(context, desk, load, new_orders);  // before nothing more is written
  new_orders.join();
  if (!new_orders.error().empty()) throw std::runtime_error("a new order was not taken: " + new_orders.error());
  context.set_gauge(gauge_lock_waits,
                    static_cast<double>(load.lock_waits() + new_orders.locks().operations_that_waited()));
  const std::chrono::duration<double, std::milli> longest =
      std::max(load.longest_lock_wait(), new_orders.locks().longest());
  context.set_gauge(gauge_longest_wait, longest.count());
  context.set_gauge(gauge_unanswered, static_cast<double>(load.unanswered()));
  if (use.fixes.incremental) {
    stopping.store(false);
    Reader reader(use, stopping);
    const Reconciled found = reconcile(reader, truth, new_orders.written_by(Clock::now()));
    context.set_gauge(gauge_orders_p50, found.p50_ms.value_or(NAN));
    context.set_gauge(gauge_wrong, static_cast<double>(load.wrong() + found.wrong));
  } else {
    const harness::LatencyHistogram queries = desk.query_time();
    context.set_gauge(gauge_orders_p50, queries.count() > 0 ? queries.quantile_us(0.5) / 1e3 : NAN);
  }
  context.finish();
}

}  // namespace plateau::order_statistics
