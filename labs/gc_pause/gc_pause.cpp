// The event service whose requests pause when a generation of sessions expires, and the fixes.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <string>

#include <CLI/CLI.hpp>

#include "allocators/purge_lines.hpp"
#include "allocators/purge_trace.hpp"
#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/fixes.hpp"
#include "labs/gc_pause/gauges.hpp"
#include "labs/gc_pause/lane.hpp"
#include "labs/gc_pause/prediction.hpp"
#include "labs/gc_pause/service.hpp"
#include "labs/gc_pause/targets.hpp"
#include "labs/harness/arm/arm_child.hpp"
#include "labs/harness/arm/arm_parent.hpp"
#include "labs/harness/arm/free_memory.hpp"
#include "labs/harness/lanes/forecast.hpp"
#include "labs/harness/lanes/lanes.hpp"
#include "labs/harness/measure/pauses.hpp"
#include "labs/harness/measure/statistics.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/lab_main/command_line.hpp"
#include "profiling/number_option.hpp"
#include "profiling/purge_pauses.hpp"

namespace plateau::gc_pause {
namespace {

using harness::ArmResult;
using harness::ArmSpec;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

harness::LabDescription describe() {
  return {
      .name = "gc_pause",
      .symptom = "an event service whose requests stand still for 100 to 200 ms every ten seconds",
      .operation = "request",
      .mechanisms =
          {
              {"teardown", "the request that finds a generation expired frees its million objects, one at a time"},
              {"purge", "with dirty_decay_ms:0 every slab that becomes empty is one madvise, in the thread that frees"},
              {"refault", "pages given back at once are faulted in and cleared again by the next requests"},
              {"retention", "memory that a generation frees is in the arena of a thread that is idle by then"},
          },
      .fixes = fix_table.fixes(),
      .wrong_fixes = fix_table.wrong_fixes(),
      .gauges = {service_gauges.begin(), service_gauges.end()},
      .lanes = lanes,
      .measures_pauses = true,
  };
}

class GcPauseLab final : public harness::Lab {
 public:
  const harness::LabDescription& description() const override { return description_; }

  void add_options(CLI::App& app) override {
    add_size(app, "--heap", heap_, "bytes of live sessions, such as 512MiB", 16 * mib, std::uint64_t{1} << 40)
        ->capture_default_str();
    add_duration(app, "--period", period_, "how often the oldest generation of sessions expires, such as 3s", 0.1, 3600)
        ->capture_default_str();
    add_whole_number(app, "--periods", periods_, "how many periods to run", 2, 100'000)->capture_default_str();
    add_size(app, "--page", page_,
             "bytes of a session's page, such as 224KiB (default: so many that an expiry takes as long as in the case)",
             least_page_bytes, most_page_bytes);
    app.add_option("--collector", collector_, "boehm: keep the sessions of `run` on a garbage collector, for reference")
        ->capture_default_str()
        ->check(CLI::IsMember({"none", "boehm"}));
    app.parse_complete_callback([this] { apply_options(); });
  }

  harness::LabOptions options() const override {
    if (const std::uint64_t free = harness::free_memory_bytes(); heap_ + limit_of_the_rest_bytes > free) {
      throw harness::UsageError(fmt::format(
          "--heap of {} MiB: there are {} MiB of memory to be had here; give a smaller one", heap_ / mib, free / mib));
    }
    return {{"heap", heap_},
            {"period", period_},
            {"requests_per_generation", requests_per_generation_},
            {"page_bytes", page_bytes()},
            {"collector", collector_}};
  }

  std::optional<std::string> fit_to_machine(const ArmSpec& base) override {
    if (page_ != 0 || base.allocator != "jemalloc" || collector_ != "none" || heap_ < least_fitted_heap_bytes)
      return {};
    ArmSpec trial = base;
    trial.name = "trial";
    trial.fixes.clear();
    trial.profile_dir.clear();
    trial.pprof_address.clear();
    trial.trace_file.clear();
    trial.service_rate.reset();
    trial.options.set("page_bytes", page_is_to_be_chosen);
    const ArmResult result = harness::run_arm(*this, trial, {});
    const double chosen = result.gauges.at(std::string(service_gauges[gauge_page_bytes]));
    if (result.outcome != harness::Outcome::completed || !(chosen > 0)) return {};  // the forecast has said why
    page_ = static_cast<std::uint64_t>(chosen);
    apply_options();
    return fmt::format(
        "sessions have a page of {} KiB, so that the end of a generation takes {:.0f} ms on this machine", page_ / 1024,
        wanted_pause());
  }

  void prepare(ArmSpec& spec) const override {
    if (spec.memory_limit && *spec.memory_limit < heap_) {
      throw harness::UsageError(fmt::format("--memory-limit of {} MiB is less than the --heap of {} MiB",
                                            *spec.memory_limit / mib, heap_ / mib));
    }
    if (!is_collected(spec)) return;
    if (spec.name != "run") throw harness::UsageError("--collector boehm: a reference by itself; use it with run");
    for (const std::string& fix : spec.fixes) {
      const Fixes one = fix_table.chosen(std::span(&fix, 1));
      if (!one.values && !one.events) {
        throw harness::UsageError(fmt::format("--fix {}: on a collector, only values and events apply", fix));
      }
    }
  }

  harness::AllocatorSettings allocator_settings(const ArmSpec& spec) const override {
    // Once the heap is warm, `decay` hands decay to the policy, and `decay-never` changes it.
    harness::AllocatorSettings settings;
    settings.malloc_conf = fmt::format("abort_conf:true,dirty_decay_ms:0,muzzy_decay_ms:0,narenas:{}",
                                       fixes_of(spec).narenas_1 ? 1 : arenas);
    if (spec.profiled()) settings.malloc_conf += ",prof:true,prof_active:true,lg_prof_sample:19,prof_accum:true";
    if (!spec.pprof_address.empty()) settings.environment.emplace_back("TCMALLOC_SAMPLE_PARAMETER=524288");
    return settings;
  }

  void run_peer(const ArmSpec& /*spec*/, std::span<const int> /*sockets*/) const override {}

  void run_arm(harness::ArmContext& context) const override {
    const ArmSpec& spec = context.spec();
    const auto page_bytes = spec.options.number<std::uint64_t>("page_bytes");
    if (page_bytes == page_is_to_be_chosen) choose_page(context);
    const RequestStream stream(spec.seed, spec.options.number<std::uint64_t>("requests_per_generation"), page_bytes);
    const Fixes fixes = fixes_of(spec);
    record_purge_pauses();  // where the allocator is another, its figures stay unknown
    start_purge_trace_from_environment();
    if (!PurgeTrace::running()) {
      for (std::size_t i = 0; i < service_gauges.size(); ++i) context.set_gauge(i, NAN);
    }
    context.set_gauge(gauge_predicted_teardown, NAN);
    context.set_gauge(gauge_predicted_purge, NAN);
    context.set_gauge(gauge_page_bytes, static_cast<double>(page_bytes));
    const bool is_forecast = !fixes.generations && !fixes.more_threads && !is_collected(spec) && !spec.service_rate;
    if (is_forecast) {
      harness::forecast_in_child([&] {
        const ExpiryForecast forecast = forecast_expiry(stream);
        context.set_gauge(gauge_predicted_teardown, forecast.teardown_ms);
        if (PurgeTrace::running()) context.set_gauge(gauge_predicted_purge, forecast.purge_ms);
      });
    }
    EventService service(context, stream, fixes);
    harness::run_lanes(context, service);
  }

  std::vector<harness::Prediction> predictions(const ArmResult& result) const override {
    const auto gauge = [&](GaugeIndex index) { return result.gauges.at(std::string(service_gauges[index])); };
    if (std::isnan(gauge(gauge_predicted_teardown))) return {};
    harness::Prediction teardown{result.spec.name, "teardown at expiry", "ms", gauge(gauge_predicted_teardown), {}};
    harness::Prediction purge{result.spec.name, "purge at expiry", "ms", gauge(gauge_predicted_purge), {}};
    if (!result.stalls.empty()) {
      teardown.measured = median_part(result, harness::StallCause::teardown);
      purge.measured = median_part(result, harness::StallCause::purge);
    }
    if (std::isnan(purge.predicted)) return {teardown};
    return {teardown, purge};
  }

  harness::Verdict judge(const ArmResult& before, const ArmResult& after) const override {
    return judge_gc_pause(before, after);
  }

 private:
  static constexpr std::uint64_t page_is_to_be_chosen = 0;

  std::uint64_t page_bytes() const { return page_ != 0 ? page_ : default_page_bytes; }

  double wanted_pause() const {
    return wanted_pause_ms * static_cast<double>(heap_) / static_cast<double>(default_heap_bytes);
  }

  // A trial of an arm ends with it.
  [[noreturn]] void choose_page(harness::ArmContext& context) const {
    record_purge_pauses();
    context.set_gauge(gauge_page_bytes, NAN);
    harness::forecast_in_child([&] {
      const std::size_t page = page_for_pause(context.spec().seed, static_cast<double>(heap_), wanted_pause());
      context.set_gauge(gauge_page_bytes, static_cast<double>(page));
    });
    context.ready();
    context.finish();
  }

  static Fixes fixes_of(const ArmSpec& spec) { return fix_table.chosen(spec.fixes); }

  void apply_options() {
    requests_per_generation_ = requests_per_generation(static_cast<double>(heap_), kept_bytes_a_request(page_bytes()));
    description_.operations_per_second = static_cast<double>(requests_per_generation_) / period_;
    description_.service_rate = description_.operations_per_second;
    description_.hours = period_ * static_cast<double>(periods_) / 3600;
    description_.ablation_hours = description_.hours;
    description_.pause_period_s = period_;
    for (harness::WrongFix& wrong : description_.wrong_fixes) wrong.hours = description_.hours;
    description_.memory_limit =
        static_cast<std::uint64_t>((collector_ == "none" ? limit_over_heap : limit_over_collected_heap) *
                                   static_cast<double>(heap_)) +
        limit_of_the_rest_bytes;
  }

  // Of the stalls in which something was taken apart or purged for long: the expiries.
  static std::optional<double> median_part(const ArmResult& result, harness::StallCause cause) {
    std::vector<double> parts;
    for (const harness::Stall& stall : result.stalls) {
      if (stall[harness::StallCause::teardown] > 0) parts.push_back(stall[cause] / 1e3);
    }
    return harness::median(std::move(parts));
  }

  std::uint64_t heap_ = default_heap_bytes;
  double period_ = default_period_s;
  std::uint64_t periods_ = default_periods;
  std::uint64_t page_ = 0;  // 0: not chosen
  std::string collector_ = "none";
  std::uint64_t requests_per_generation_ = 0;
  harness::LabDescription description_ = describe();
};

}  // namespace
}  // namespace plateau::gc_pause

int main(int argc, char** argv) {
  plateau::gc_pause::GcPauseLab lab;
  return plateau::harness::lab_main(lab, argc, argv);
}
