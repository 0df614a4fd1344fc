#include "labs/lab_main/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "allocators/system/number_text.hpp"
#include "labs/harness/arm/allocator_choice.hpp"
#include "labs/harness/arm/arm_parent.hpp"
#include "labs/harness/arm/arm_profiles.hpp"
#include "labs/harness/fix_list.hpp"
#include "labs/harness/judge/ablation.hpp"
#include "labs/harness/judge/block_findings.hpp"
#include "labs/harness/measure/pauses.hpp"
#include "labs/harness/usage_error.hpp"
#include "profiling/http/listen_address.hpp"

namespace plateau::harness {
namespace {

constexpr double shortest_measured_s = 5;  // wall clock: to measure the machine takes one or two

std::optional<std::uint64_t> parse_limit(const std::string& text) {
  if (text == "none") return std::nullopt;
  const auto bytes = bytes_in(text);
  if (!bytes || *bytes == 0) {
    throw UsageError(fmt::format("--memory-limit {}: give a size such as 512MiB or 2GiB, or none", text));
  }
  return bytes;
}

}  // namespace

Session::Session(Lab& lab, const Settings& settings) : lab_(lab), settings_(settings) {
  choose_allocator(settings.allocator);
  base_.allocator = settings.allocator;
  base_.seed = settings.seed;
  follow_description();
  if (!settings.json.empty()) check_writable(settings.json);
  if (!settings.profile.empty()) {
    std::error_code error;
    std::filesystem::create_directories(settings.profile, error);
    if (error) throw UsageError(fmt::format("--profile {}: {}", settings.profile, error.message()));
    check_writable(settings.profile + "/writable");
    base_.profile_dir = settings.profile;
    base_.profile_raw = settings.profile_raw;
  }
  if (!settings.trace.empty()) check_writable(settings.trace);
  base_.trace_file = settings.trace;
  result_.lab = lab.description().name;
  result_.command = settings.command;
}

void Session::follow_description() {
  const LabDescription& description = lab_.description();
  base_.memory_limit =
      settings_.memory_limit.empty() ? std::optional(description.memory_limit) : parse_limit(settings_.memory_limit);
  base_.hours = settings_.hours.value_or(description.hours);
  base_.time.operations_per_second = description.operations_per_second;
  if (description.batch > 0) {
    if (settings_.hours || settings_.speedup) {
      throw UsageError("--hours and --speedup are for simulated time: a batch ends when its operations are done");
    }
    base_.batch = description.batch;
  }
  base_.options = lab_.options();
  result_.options = base_.options;
  result_.description = to_json(description);
}

void Session::fit_to_machine() {
  const auto chosen = lab_.fit_to_machine(base_);
  if (!chosen) return;
  follow_description();
  fmt::print("{}: {}\n", lab_.description().name, *chosen);
  std::fflush(stdout);
}

// Throws UsageError for an address that cannot be had. A dashboard may be for others; an arm's memory is not.
void Session::serve_arms() {
  if (settings_.address.empty()) return;
  try {
    parse_listen_address(settings_.address, false);
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("--address {}", error.what()));
  }
  base_.pprof_address = settings_.address;
}

int Session::experiment() {
  serve_arms();
  const LabDescription& description = lab_.description();
  fmt::print("{}: {}\n", description.name, description.symptom);
  fit_to_machine();
  const ArmResult& before = run(arm("before", {}));
  const ArmResult& after = run(arm("after", parse_fixes(description, "all")));
  result_.verdict = lab_.judge(before, after);
  print_pictures();
  fmt::print("{}", format_table(*result_.verdict));
  print_predictions();
  print_block_findings();
  const bool holds = result_.verdict->holds();
  const auto unjudged = std::count_if(result_.verdict->rows.begin(), result_.verdict->rows.end(),
                                      [](const VerdictRow& row) { return row.target && !row.holds; });
  fmt::print("\nverdict: {}{}\n", holds ? "holds" : "DOES NOT HOLD",
             unjudged > 0 ? fmt::format(" ({} target{} could not be judged in this run, see the notes)", unjudged,
                                        unjudged > 1 ? "s" : "")
                          : "");
  write();
  return status(holds ? 0 : 1);
}

int Session::single() {
  serve_arms();
  const std::vector<std::string> fixes = parse_fixes(lab_.description(), settings_.fix);
  fit_to_machine();
  ArmSpec spec = arm("run", fixes);
  spec.trace_file = settings_.trace;
  const ArmResult& result = run(spec);
  print_pictures();
  print_figures(result);
  print_predictions();
  print_block_findings();
  for (const WrongFix& wrong : lab_.description().wrong_fixes) {
    if (result.spec.has(wrong.name)) fmt::print("\n{} is a wrong fix: {}\n", wrong.name, wrong.reason);
  }
  write();
  return status(0);
}

int Session::serve() {
  const LabDescription& description = lab_.description();
  ArmSpec spec = base_;
  spec.name = "service";
  spec.fixes = parse_fixes(description, settings_.fix);
  spec.service_rate = settings_.rate.value_or(description.service_rate);
  spec.batch.reset();
  spec.pprof_address = "127.0.0.1:0";  // behind the dashboard's
  lab_.prepare(spec);
  ServeOptions options{.allow_remote = settings_.allow_remote, .command = settings_.command};
  if (!settings_.address.empty()) options.address = settings_.address;
  return harness::serve(lab_, spec, options);
}

int Session::ablate() {
  serve_arms();
  fit_to_machine();
  const LabDescription& description = lab_.description();
  run_all(ablation_arms(description, base_));
  result_.ablation = summarise_ablation(description, std::min(base_.hours, description.ablation_hours), result_.arms);
  const auto all = std::find_if(result_.arms.begin(), result_.arms.end(),
                                [](const ArmResult& arm) { return arm.spec.name == "all"; });
  for (std::size_t i = 0; i < result_.arms.size(); ++i) {
    AblationRow& row = result_.ablation->rows[i];
    if (!row.reason.empty()) row.seen = lab_.what_came_of(result_.arms[i], *all);
  }
  fmt::print("{}", format_table(*result_.ablation));
  print_block_findings();
  const bool same = print_same_output();
  write();
  return status(same ? 0 : 1);
}

int Session::matrix() {
  serve_arms();
  std::vector<ArmSpec> arms = lab_.matrix_arms(base_);
  if (arms.empty()) throw UsageError("--matrix: this lab has no number of threads to vary");
  run_all(std::move(arms));
  fmt::print("{}", lab_.format_matrix(result_.arms));
  print_block_findings();
  const bool same = print_same_output();
  write();
  return status(same ? 0 : 1);
}

void Session::run_all(std::vector<ArmSpec> arms) {
  ArmSpec costliest = base_;
  costliest.name = "before";
  choose_speedup(costliest, lab_.description().before_speedup);
  for (ArmSpec& spec : arms) {
    spec.time.speedup = costliest.time.speedup;
    spec.capacity = costliest.capacity;
    choose_allocator(spec.allocator);
    lab_.prepare(spec);
  }
  for (std::size_t i = 0; i < arms.size(); ++i) {
    fmt::print("[{}/{}] ", i + 1, arms.size());
    run(arms[i]);
  }
}

bool Session::print_same_output() const {
  bool same = true;
  std::uint64_t batches = 0;
  for (const ArmResult& one : result_.arms) {
    const OutputComparison output = compare_output(result_.arms.front(), one);
    batches += output.batches;
    same = same && (output.same || output.batches == 0);
  }
  fmt::print("\nsame output in all arms, over {} batches: {}\n", batches,
             batches == 0 ? "not compared"
             : same       ? "yes"
                          : "NO");
  return same;
}

int Session::status(int of_the_verdict) const {
  return incomplete_ ? 2 : of_the_verdict;
}

ArmSpec Session::arm(std::string name, std::vector<std::string> fixes) const {
  ArmSpec spec = base_;
  spec.name = std::move(name);
  spec.fixes = std::move(fixes);
  const LabDescription& description = lab_.description();
  const bool all_fixes =
      std::all_of(description.fixes.begin(), description.fixes.end(), [&](const Fix& f) { return spec.has(f.name); });
  if (!spec.trace_file.empty()) {
    const std::filesystem::path file(spec.trace_file);
    spec.trace_file =
        file.parent_path() / fmt::format("{}-{}{}", file.stem().string(), spec.name, file.extension().string());
  }
  lab_.prepare(spec);
  choose_speedup(spec, all_fixes ? description.after_speedup : description.before_speedup);
  return spec;
}

void Session::choose_speedup(ArmSpec& spec, double most) const {
  spec.time.speedup = settings_.speedup.value_or(most);
  if (settings_.speedup || most <= 1 || spec.hours * 3600 / most < shortest_measured_s) return;
  const Capacity capacity = measure_capacity(lab_, spec, lab_.description().lanes);
  const double possible = capacity.most_operations_per_second() / spec.time.operations_per_second;
  spec.time.speedup = std::clamp(std::floor(possible), 1.0, most);
  spec.capacity = capacity;
  fmt::print("{}: {:.0f} us of CPU an operation, {:.2f} CPUs to be had: {:.0f} % of them at {:.4g} x real time\n",
             spec.name, capacity.cpu_us_an_operation, capacity.cpus,
             100 * capacity.share(spec.operations_per_wall_second()), spec.time.speedup);
}

const ArmResult& Session::run(const ArmSpec& spec) {
  const std::string length =
      spec.batch ? fmt::format("{} {}s", *spec.batch, lab_.description().operation)
                 : fmt::format("{} at {:.4g} x real time", format_span(spec.hours * 3600), spec.time.speedup);
  fmt::print("{}: fixes {}; {}; limit {}; {}\n", spec.name,
             spec.fixes.empty() ? "none" : fmt::format("{}", fmt::join(spec.fixes, ",")), spec.allocator,
             spec.memory_limit ? fmt::format("{:.0f} MB", static_cast<double>(*spec.memory_limit) / 1e6) : "none",
             length);
  if (spec.profiled()) fmt::print("{}: heap profiles are taken; CPU and latency include the profiler\n", spec.name);
  std::fflush(stdout);
  ArmObserver observer;
  observer.ready = [this](const ArmResult& so_far) {
    fmt::print("{}", format_predictions(lab_.predictions(so_far)));
    std::fflush(stdout);
  };
  observer.sampled = [this](const ArmResult& so_far, const Sample& now, std::optional<double> rate) {
    progress_.show(so_far, now, rate, lab_.description().operation);
  };
  result_.arms.push_back(run_arm(lab_, spec, observer));
  progress_.end();
  const ArmResult& result = result_.arms.back();
  if (result.outcome == Outcome::failed)
    throw UsageError(fmt::format("the {} arm failed: {}", spec.name, result.message));
  const auto predictions = lab_.predictions(result);
  result_.predictions.insert(result_.predictions.end(), predictions.begin(), predictions.end());
  fmt::print("{}: {} after {} ({:.1f} s), peak RSS {:.0f} MB, on {} {}, limit by {}{}\n", spec.name,
             to_string(result.outcome), format_span(result.simulated_seconds()), result.wall_seconds,
             static_cast<double>(result.peak_rss) / 1e6, result.allocator_name, result.allocator_version,
             to_string(result.limit_kind), result.evidence.empty() ? "" : "; " + result.evidence);
  print_profiles(result);
  std::fflush(stdout);
  for (const std::string& problem : result.profile_problems) {
    fmt::print(stderr, "{}: {}\n", lab_.description().name, problem);
    incomplete_ = true;
  }
  return result;
}

void Session::print_profiles(const ArmResult& result) const {
  if (result.profiles.empty()) return;
  std::vector<std::string> moments;
  for (const auto& [moment, file] : result.profiles) moments.push_back(moment);
  fmt::print("{}: heap profiles: {}\n", result.spec.name,
             profile_file(result.spec, fmt::format("{{{}}}", fmt::join(moments, ",")), "pb.gz"));
}

void Session::print_pictures() const {
  fmt::print("{}", format_latency(result_.arms, progress_.colour()));
  fmt::print("{}", format_growth(result_.arms, progress_.colour()));
  fmt::print("{}", format_waterfall(result_.arms));
  fmt::print("{}", format_pauses(result_.arms));
}

void Session::print_figures(const ArmResult& result) const {
  const double operations = static_cast<double>(std::max<std::uint64_t>(result.operations, 1));
  const std::string_view operation = lab_.description().operation;
  fmt::print("\nallocation {:.3f} MB a simulated second; {:.2f} calls and {:.0f} bytes per {}; {:.1f} us CPU per {}\n",
             static_cast<double>(result.allocation_bytes) / 1e6 / std::max(result.simulated_seconds(), 1e-9),
             static_cast<double>(result.allocation_calls) / operations,
             static_cast<double>(result.allocation_bytes) / operations, operation,
             result.cpu_seconds * 1e6 / operations, operation);
  fmt::print(
      "latency from intended start: p50 {:.0f} us, p99 {:.0f} us, max {:.0f} us (a thread that only wakes up, beside "
      "it: p99 "
      "{:.0f} us, max {:.0f} us)\n",
      result.latency.quantile_us(0.5), result.latency.quantile_us(0.99), result.latency.max_us(),
      result.hiccups.quantile_us(0.99), result.hiccups.max_us());
  for (const auto& [name, value] : result.gauges) {
    if (!std::isnan(value)) fmt::print("  {:<32} {:.6g}\n", name, value);
  }
}

void Session::print_predictions() const {
  if (!result_.predictions.empty()) fmt::print("\n{}", format_predictions(result_.predictions));
}

void Session::print_block_findings() {
  std::string text;
  for (const ArmResult& arm : result_.arms) {
    try {
      text += format_block_findings(lab_.description(), arm);
    } catch (const std::runtime_error& error) {
      fmt::print(stderr, "{}: {}\n", lab_.description().name, error.what());
      incomplete_ = true;
    }
  }
  if (!text.empty()) fmt::print("\nWhat the profiles of how blocks ended ask for\n{}", text);
}

void Session::write() const {
  if (settings_.json.empty()) return;
  write_json(result_, settings_.json);
  fmt::print("result: {}\n", settings_.json);
}

}  // namespace plateau::harness
