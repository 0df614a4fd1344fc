// The event service whose requests pause when a generation of sessions expires, and the fixes.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <span>
#include <string>

#include <CLI/CLI.hpp>

#include "allocators/purge_lines.hpp"
#include "allocators/purge_trace.hpp"
#include "labs/gc_pause/calibration.hpp"
#include "labs/gc_pause/fixes.hpp"
#include "labs/gc_pause/fixes/generations.hpp"
#include "labs/gc_pause/gauges.hpp"
#include "labs/gc_pause/lane.hpp"
#include "labs/gc_pause/prediction.hpp"
#include "labs/gc_pause/service.hpp"
#include "labs/gc_pause/targets.hpp"
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

// Bytes that the sessions of a request take in an arena: of a few thousand requests.
double kept_bytes_a_request() {
  constexpr std::uint64_t sample = 6000;
  const RequestStream stream(1, sample * lanes);
  GenerationSlot slot;
  begin_generation_after(slot, sample / requests_per_session);
  fill_generation(*slot.generation, stream, sample);
  const ArenaStatistics statistics = slot.arena.statistics();
  return static_cast<double>(statistics.used_bytes + statistics.wasted_bytes) / sample;
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
            {"collector", collector_}};
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
    const RequestStream stream(spec.seed, spec.options.number<std::uint64_t>("requests_per_generation"));
    const Fixes fixes = fixes_of(spec);
    record_purge_pauses();  // where the allocator is another, its figures stay unknown
    start_purge_trace_from_environment();
    if (!PurgeTrace::running()) {
      for (std::size_t i = 0; i < service_gauges.size(); ++i) context.set_gauge(i, NAN);
    }
    context.set_gauge(gauge_predicted_teardown, NAN);
    context.set_gauge(gauge_predicted_purge, NAN);
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
  static Fixes fixes_of(const ArmSpec& spec) { return fix_table.chosen(spec.fixes); }

  void apply_options() {
    requests_per_generation_ =
        static_cast<std::uint64_t>((static_cast<double>(heap_) / generations / lanes - arena_block_bytes / 2) /
                                   kept_bytes_a_request()) *
        lanes;  // in an arena, whose last block is half empty on average
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
