// The order service: memory that grows until the kernel kills the process, and the fixes.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include "allocators/process_memory.hpp"
#include "labs/harness/lanes/forecast.hpp"
#include "labs/harness/lanes/lanes.hpp"
#include "labs/harness/measure/statistics.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/lab_main/command_line.hpp"
#include "labs/order_service/calibration.hpp"
#include "labs/order_service/downstream.hpp"
#include "labs/order_service/fixes.hpp"
#include "labs/order_service/gauges.hpp"
#include "labs/order_service/generated_orders.hpp"
#include "labs/order_service/prediction.hpp"
#include "labs/order_service/recorded_orders.hpp"
#include "labs/order_service/service.hpp"
#include "labs/order_service/store.hpp"
#include "labs/order_service/targets.hpp"
#include "profiling/number_option.hpp"
#include "profiling/purge_pauses.hpp"

namespace plateau::order_service {
namespace {

using harness::ArmResult;
using harness::ArmSpec;

const harness::LabDescription& describe() {
  static const harness::LabDescription description{
      .name = "order_service",
      .symptom = "an order service whose memory grows until the kernel kills it",
      .operation = "order",
      .mechanisms =
          {
              {"churn",
               "temporaries and growing strings: 5 MB of allocation a second. Costs CPU; does not by itself grow RSS"},
              {"survivors", "outbox entries that are never acknowledged and never removed: the live heap itself grows"},
              {"pinning",
               "history records that live for hours share slabs with temporaries; payload sizes drift, so the holes "
               "are not filled again"},
              {"retention", "arenas of idle workers keep their dirty pages: decay ticks only when an arena is used"},
          },
      .fixes = fix_table.fixes(),
      .wrong_fixes = fix_table.wrong_fixes(),
      .gauges = {service_gauges.begin(), service_gauges.end()},
      .lanes = lanes,
      .operations_per_second = orders_per_second,
      .memory_limit = limit_bytes,
      .hours = 24,
      .ablation_hours = 6,
      .before_speedup = 700,
      .after_speedup = 1500,
      .service_rate = 500,
      .fix_of_temporaries = "lifetimes",
  };
  return description;
}

class OrderServiceLab final : public harness::Lab {
 public:
  const harness::LabDescription& description() const override { return describe(); }

  void add_options(CLI::App& app) override {
    app.add_option("--orders", orders_file_,
                   "replay the orders of this file (a JSON object a line), from the first again at its end");
    add_whole_number(app, "--settlement-orders", settlement_orders_, "orders of a lane that are settled together", 10,
                     1'000'000)
        ->capture_default_str();
  }

  harness::LabOptions options() const override {
    harness::LabOptions options{{"settlement_orders", std::uint64_t{settlement_orders_}}, {"orders", {}}};
    if (!orders_file_.empty()) {
      const Store store(1);  // the catalogue's skus are the same for every seed
      const RecordedOrders checked(store, orders_file_);
      options.set("orders", std::filesystem::absolute(orders_file_).string());
    }
    return options;
  }

  void prepare(ArmSpec& spec) const override {
    if (fixes_of(spec).bigger_limit && spec.memory_limit) spec.memory_limit = *spec.memory_limit * 2;
    if (spec.service_rate) return;  // its batches are not compared
    constexpr std::uint64_t most_batches = harness::DigestSeries::capacity - 2;
    if (const std::uint64_t a_lane = spec.operations() / lanes; a_lane / settlement_orders_ > most_batches) {
      throw harness::UsageError(fmt::format("--settlement-orders {}: for {:.4g} hours give at least {}",
                                            settlement_orders_, spec.hours, a_lane / most_batches + 1));
    }
  }

  harness::AllocatorSettings allocator_settings(const ArmSpec& spec) const override {
    using std::chrono::milliseconds;
    const Fixes fixes = fixes_of(spec);
    harness::AllocatorSettings settings;
    settings.malloc_conf = fmt::format("abort_conf:true,dirty_decay_ms:{},muzzy_decay_ms:0,background_thread:{}",
                                       dirty_decay(fixes, spec.time).count(), page_retention(fixes).background_thread);
    if (spec.profiled()) settings.malloc_conf += ",prof:true,prof_active:true,lg_prof_sample:19,prof_accum:true";
    // What --profile records is exact there; a server can only ask for samples.
    if (!spec.pprof_address.empty()) settings.environment.emplace_back("TCMALLOC_SAMPLE_PARAMETER=524288");
    // The defaults of mimalloc 2.0, compressed; 0 would mean at once.
    settings.environment.push_back(
        fmt::format("MIMALLOC_RESET_DELAY={}", spec.time.compressed(milliseconds(25)).count()));
    settings.environment.push_back(
        fmt::format("MIMALLOC_SEGMENT_DECOMMIT_DELAY={}", spec.time.compressed(milliseconds(500)).count()));
    return settings;
  }

  void run_peer(const ArmSpec& /*spec*/, std::span<const int> sockets) const override { serve_downstream(sockets); }

  void run_arm(harness::ArmContext& context) const override {
    const ArmSpec& spec = context.spec();
    const Store store(1);
    std::unique_ptr<OrderSource> source;
    if (!spec.options.is_given("orders")) {
      source = std::make_unique<GeneratedOrders>(store, spec.seed);
    } else {
      source = std::make_unique<RecordedOrders>(store, spec.options.text("orders"));
    }
    const Fixes fixes = fixes_of(spec);
    if (spec.service_rate) record_purge_pauses();  // where the allocator is another, purges are not timed
    context.set_gauge(gauge_kill_hour, NAN);
    context.set_gauge(gauge_pinned, NAN);
    const bool is_generated = !spec.options.is_given("orders");  // the forecast knows the generator's law
    if (is_generated && spec.memory_limit && !spec.service_rate) {
      harness::forecast_in_child([&] {
        const auto expected = forecast(store, *source,
                                       {.fixes = fixes,
                                        .settlement_orders = settlement_orders(spec),
                                        .limit_bytes = static_cast<double>(*spec.memory_limit),
                                        .start_rss_bytes = static_cast<double>(own_rss_bytes()),
                                        .hours = spec.hours});
        if (!expected) return;
        context.set_gauge(gauge_kill_hour, expected->kill_hour);
        context.set_gauge(gauge_pinned, expected->pinned_bytes);
      });
    }
    OrderService service(context, store, *source, fixes);
    harness::run_lanes(context, service);
  }

  std::vector<harness::Prediction> predictions(const ArmResult& result) const override {
    const double hour = result.gauges.at(std::string(service_gauges[gauge_kill_hour]));
    const double pinned = result.gauges.at(std::string(service_gauges[gauge_pinned]));
    if (std::isnan(hour)) return {};
    harness::Prediction kill{result.spec.name, "memory runs out at", "h (simulated)", hour, std::nullopt};
    harness::Prediction slack{result.spec.name, "slack of pinned slabs then", "MB", pinned / 1e6, std::nullopt};
    if (result.out_of_memory() && !result.series.empty()) {
      kill.measured = result.simulated_seconds() / 3600;
      const auto slack_of = [](const harness::Sample& s) {
        return static_cast<double>(s.heap.slab_bytes.value_or(0)) -
               static_cast<double>(s.heap.slab_region_bytes.value_or(0));
      };
      slack.measured = (slack_of(result.series.back()) - slack_of(result.series.front())) / 1e6;
    }
    return {kill, slack};
  }

  harness::Verdict judge(const ArmResult& before, const ArmResult& after) const override {
    return judge_order_service(before, after);
  }

 private:
  static Fixes fixes_of(const ArmSpec& spec) { return fix_table.chosen(spec.fixes); }

  std::string orders_file_;
  std::uint32_t settlement_orders_ = calibration_settlement_orders;
};

}  // namespace
}  // namespace plateau::order_service

int main(int argc, char** argv) {
  plateau::order_service::OrderServiceLab lab;
  return plateau::harness::lab_main(lab, argc, argv);
}
