#include "labs/harness/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "labs/harness/ablation.hpp"
#include "labs/harness/arm_child.hpp"
#include "labs/harness/arm_parent.hpp"
#include "labs/harness/arm_profiles.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/harness/live/serve.hpp"
#include "labs/harness/pauses.hpp"
#include "labs/harness/progress.hpp"
#include "labs/harness/result.hpp"
#include "labs/harness/usage_error.hpp"
#include "profiling/listen_address.hpp"

namespace plateau::harness {
namespace {

struct Settings {
  std::vector<std::string> command;  // as given
  std::string allocator = "jemalloc";
  std::string memory_limit;
  std::optional<double> hours;
  std::optional<double> speedup;
  std::uint64_t seed = 1;
  std::string json;
  std::string profile;
  bool profile_raw = false;
  std::string pprof;
  std::string trace;
  std::string fix = "none";
  std::optional<double> rate;
  ServeOptions serve;
};

std::optional<std::uint64_t> parse_limit(const std::string& text) {
  if (text == "none") return std::nullopt;
  std::string number = text;
  try {
    const std::string parsed = CLI::AsSizeValue(false)(number);
    if (!parsed.empty()) throw UsageError("");
    const std::uint64_t bytes = std::stoull(number);
    if (bytes > 0 && text.find('-') == std::string::npos) return bytes;
  } catch (const std::exception&) {
    // Falls through to the one line that says what is wanted.
  }
  throw UsageError(fmt::format("--memory-limit {}: give a size such as 512MiB or 2GiB, or none", text));
}

void check_range(const char* option, std::optional<double> value, double least, double most) {
  if (value && !(std::isfinite(*value) && *value >= least && *value <= most)) {
    throw UsageError(fmt::format("{} {}: give a number from {} to {}", option, *value, least, most));
  }
}

class Session {
 public:
  Session(Lab& lab, const Settings& settings) : lab_(lab), settings_(settings) {
    const LabDescription& description = lab.description();
    check_range("--hours", settings.hours, 0.001, 10000);
    check_range("--speedup", settings.speedup, 1, 100000);
    check_range("--rate", settings.rate, 0, 1000000);
    choose_allocator(settings.allocator);
    base_.allocator = settings.allocator;
    base_.memory_limit =
        settings.memory_limit.empty() ? std::optional(description.memory_limit) : parse_limit(settings.memory_limit);
    base_.hours = settings.hours.value_or(description.hours);
    base_.seed = settings.seed;
    base_.time.operations_per_second = description.operations_per_second;
    base_.options = lab.options();
    if (!settings.json.empty()) check_writable(settings.json);
    if (!settings.profile.empty()) {
      std::error_code error;
      std::filesystem::create_directories(settings.profile, error);
      if (error) throw UsageError(fmt::format("--profile {}: {}", settings.profile, error.message()));
      check_writable(settings.profile + "/writable");
      base_.profile_dir = settings.profile;
      base_.profile_raw = settings.profile_raw;
    }
    if (!settings.pprof.empty()) {
      try {
        parse_listen_address(settings.pprof, false);
      } catch (const std::invalid_argument& error) {
        throw UsageError(fmt::format("--pprof {}", error.what()));
      }
      base_.pprof_address = settings.pprof;
    }
    if (!settings.trace.empty()) check_writable(settings.trace);
    base_.trace_file = settings.trace;
    result_.lab = description.name;
    result_.options = base_.options;
    result_.command = settings.command;
    result_.description = to_json(description);
  }

  int experiment() {
    const LabDescription& description = lab_.description();
    fmt::print("{}: {}\n", description.name, description.symptom);
    const ArmResult& before = run(arm("before", {}));
    const ArmResult& after = run(arm("after", parse_fixes(description, "all")));
    result_.verdict = lab_.judge(before, after);
    print_pictures();
    fmt::print("{}", format_table(*result_.verdict));
    print_predictions();
    const bool holds = result_.verdict->holds();
    const auto unjudged = std::count_if(result_.verdict->rows.begin(), result_.verdict->rows.end(),
                                        [](const VerdictRow& row) { return row.target && !row.holds; });
    fmt::print("\nverdict: {}{}\n", holds ? "holds" : "DOES NOT HOLD",
               unjudged > 0 ? fmt::format(" ({} target{} could not be judged in this run, see the notes)", unjudged,
                                          unjudged > 1 ? "s" : "")
                            : "");
    write();
    return holds ? 0 : 1;
  }

  int single() {
    const std::vector<std::string> fixes = parse_fixes(lab_.description(), settings_.fix);
    ArmSpec spec = arm("run", fixes);
    spec.trace_file = settings_.trace;
    const ArmResult& result = run(spec);
    print_pictures();
    print_figures(result);
    print_predictions();
    for (const WrongFix& wrong : lab_.description().wrong_fixes) {
      if (result.spec.has(wrong.name)) fmt::print("\n{} is a wrong fix: {}\n", wrong.name, wrong.reason);
    }
    write();
    return 0;
  }

  int serve() {
    const LabDescription& description = lab_.description();
    ArmSpec spec = base_;
    spec.name = "service";
    spec.fixes = parse_fixes(description, settings_.fix);
    spec.service_rate = settings_.rate.value_or(description.service_rate);
    spec.pprof_address = "127.0.0.1:0";  // behind the dashboard's
    lab_.prepare(spec);
    ServeOptions options = settings_.serve;
    options.command = settings_.command;
    return harness::serve(lab_, spec, options);
  }

  int ablate() {
    const LabDescription& description = lab_.description();
    std::vector<ArmSpec> arms = ablation_arms(description, base_);
    // One speed-up for all: it is part of what is compared. And all are checked before the first is run.
    for (ArmSpec& spec : arms) {
      spec.time.speedup = settings_.speedup.value_or(description.before_speedup);
      lab_.prepare(spec);
    }
    for (std::size_t i = 0; i < arms.size(); ++i) {
      fmt::print("[{}/{}] ", i + 1, arms.size());
      run(arms[i]);
    }
    result_.ablation = summarise_ablation(description, std::min(base_.hours, description.ablation_hours), result_.arms);
    fmt::print("{}", format_table(*result_.ablation));
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
    write();
    return same ? 0 : 1;
  }

 private:
  ArmSpec arm(std::string name, std::vector<std::string> fixes) const {
    ArmSpec spec = base_;
    spec.name = std::move(name);
    spec.fixes = std::move(fixes);
    const LabDescription& description = lab_.description();
    const bool all_fixes =
        std::all_of(description.fixes.begin(), description.fixes.end(), [&](const Fix& f) { return spec.has(f.name); });
    spec.time.speedup = settings_.speedup.value_or(all_fixes ? description.after_speedup : description.before_speedup);
    if (!spec.trace_file.empty()) {
      const std::filesystem::path file(spec.trace_file);
      spec.trace_file =
          file.parent_path() / fmt::format("{}-{}{}", file.stem().string(), spec.name, file.extension().string());
    }
    lab_.prepare(spec);
    return spec;
  }

  // Runs the arm, shows its progress, and keeps the result. The reference stays valid.
  const ArmResult& run(const ArmSpec& spec) {
    fmt::print("{}: fixes {}; {}; limit {}; {} at {:.4g} x real time\n", spec.name,
               spec.fixes.empty() ? "none" : fmt::format("{}", fmt::join(spec.fixes, ",")), spec.allocator,
               spec.memory_limit ? fmt::format("{:.0f} MB", static_cast<double>(*spec.memory_limit) / 1e6) : "none",
               format_span(spec.hours * 3600), spec.time.speedup);
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
    return result;
  }

  void print_profiles(const ArmResult& result) const {
    if (result.profiles.empty()) return;
    std::vector<std::string> moments;
    for (const auto& [moment, file] : result.profiles) moments.push_back(moment);
    fmt::print("{}: heap profiles: {}\n", result.spec.name,
               profile_file(result.spec, fmt::format("{{{}}}", fmt::join(moments, ",")), "pb.gz"));
  }

  void print_pictures() const {
    fmt::print("{}", format_latency(result_.arms, progress_.colour()));
    fmt::print("{}", format_growth(result_.arms, progress_.colour()));
    fmt::print("{}", format_waterfall(result_.arms));
    fmt::print("{}", format_pauses(result_.arms));
  }

  void print_figures(const ArmResult& result) const {
    const double operations = static_cast<double>(std::max<std::uint64_t>(result.operations, 1));
    const std::string_view operation = lab_.description().operation;
    fmt::print(
        "\nallocation {:.3f} MB a simulated second; {:.2f} calls and {:.0f} bytes per {}; {:.1f} us CPU per {}\n",
        static_cast<double>(result.allocation_bytes) / 1e6 / std::max(result.simulated_seconds(), 1e-9),
        static_cast<double>(result.allocation_calls) / operations,
        static_cast<double>(result.allocation_bytes) / operations, operation, result.cpu_seconds * 1e6 / operations,
        operation);
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

  void print_predictions() const {
    if (!result_.predictions.empty()) fmt::print("\n{}", format_predictions(result_.predictions));
  }

  void write() const {
    if (settings_.json.empty()) return;
    write_json(result_, settings_.json);
    fmt::print("result: {}\n", settings_.json);
  }

  Lab& lab_;
  const Settings& settings_;
  ArmSpec base_;
  Progress progress_;
  ExperimentResult result_;
};

void print_list(const LabDescription& lab) {
  const auto print = [](const char* title, const auto& entries) {
    fmt::print("{}\n", title);
    for (const auto& entry : entries) fmt::print("  {:<14} {}\n", entry.name, entry.sentence);
  };
  fmt::print("{}: {}\n\n", lab.name, lab.symptom);
  print("mechanisms", lab.mechanisms);
  print("fixes (--fix LIST, all, none, all,-NAME)", lab.fixes);
  print("wrong fixes (they sound right and fail; --fix NAME)", lab.wrong_fixes);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

std::vector<std::string> parse_fixes(const LabDescription& lab, const std::string& text) {
  std::vector<std::string> known;
  for (const Fix& fix : lab.fixes) known.emplace_back(fix.name);
  const std::size_t right = known.size();
  for (const WrongFix& wrong : lab.wrong_fixes) known.emplace_back(wrong.name);

  std::vector<bool> chosen(known.size(), false);
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    if (part == "none") {
      std::fill(chosen.begin(), chosen.end(), false);
      continue;
    }
    if (part == "all") {
      std::fill_n(chosen.begin(), right, true);
      continue;
    }
    const bool without = part.starts_with('-');
    const auto found = std::find(known.begin(), known.end(), without ? part.substr(1) : part);
    if (found == known.end()) {
      throw UsageError(
          fmt::format("--fix: there is no fix '{}'; choose none, all, or of {}", part, fmt::join(known, ", ")));
    }
    chosen[static_cast<std::size_t>(found - known.begin())] = !without;
  }
  std::vector<std::string> fixes;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (chosen[i]) fixes.push_back(known[i]);
  }
  return fixes;
}

int lab_main(Lab& lab, int argc, char** argv) {
  const LabDescription& description = lab.description();
  if (argc == 3 && std::string_view(argv[1]) == probe_command) return is_preloaded(argv[2]) ? 0 : 1;

  Settings settings;
  settings.command.assign(argv, argv + argc);
  CLI::App app{std::string(description.symptom), std::string(description.name)};
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.footer("Without a subcommand: before and after side by side, and the verdict.");
  app.add_option("--allocator", settings.allocator, "jemalloc, tcmalloc, mimalloc, glibc, or /path/to/lib.so")
      ->capture_default_str();
  app.add_option("--memory-limit", settings.memory_limit, "such as 2GiB, or none (default: the lab's)");
  CLI::Option* const hours = app.add_option("--hours", settings.hours, "simulated hours to run (default: the lab's)");
  CLI::Option* const speedup = app.add_option(
      "--speedup", settings.speedup, "simulated seconds per real second; 1 is uncompressed (default: the lab's)");
  app.add_option("--seed", settings.seed, "of the generated input")->capture_default_str();
  CLI::Option* const json = app.add_option("--json", settings.json, "write the result to this file");
  CLI::Option* const profile = app.add_option(
      "--profile", settings.profile,
      "write heap profiles (start, peak, end of each arm, and the last before its limit; .pb.gz) into this folder");
  app.add_flag("--profile-raw", settings.profile_raw, "keep the allocator's own dumps beside them (.heap)")
      ->needs(profile);
  CLI::Option* const pprof =
      app.add_option("--pprof", settings.pprof,
                     "serve /debug/pprof, /debug/footprint and /metrics of the running arm at this ADDRESS:PORT");
  CLI::Option* const trace =
      app.add_option("--trace", settings.trace,
                     "write what each arm did when to this file (FILE-ARM for several), for ui.perfetto.dev or "
                     "chrome://tracing");
  lab.add_options(app);
  CLI::App* const run = app.add_subcommand("run", "one arm");
  run->add_option("--fix", settings.fix, "none, all, LIST, or all,-NAME")->capture_default_str();
  CLI::App* const ablate = app.add_subcommand("ablate", "each fix alone, all but each, and the wrong fixes");
  CLI::App* const serve = app.add_subcommand(
      "serve", "runs on as a service, with a live dashboard, until Ctrl-C; times are not compressed");
  serve->add_option("--fix", settings.fix, "none, all, LIST, or all,-NAME")->capture_default_str();
  serve->add_option("--rate", settings.rate, "operations a second to begin with (default: the lab's)");
  serve->add_option("--address", settings.serve.address, "ADDRESS:PORT of the dashboard; port 0 takes a free one")
      ->capture_default_str();
  serve->add_flag("--allow-remote", settings.serve.allow_remote, "the address may be one that other machines reach");
  for (CLI::Option* const of_an_experiment : {hours, speedup, json, profile, pprof, trace}) {
    serve->excludes(of_an_experiment);
  }
  CLI::App* const list = app.add_subcommand("list", "fixes, wrong fixes and mechanisms");

  try {
    if (argc == 3 && std::string_view(argv[1]) == "arm") run_arm_process(lab, argv[2]);
    app.parse(argc, argv);
    if (list->parsed()) {
      print_list(description);
      return 0;
    }
    catch_interrupts();
    Session session(lab, settings);
    if (run->parsed()) return session.single();
    if (ablate->parsed()) return session.ablate();
    if (serve->parsed()) return session.serve();
    return session.experiment();
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {} ({} --help lists the options)\n", description.name, one_line(error.what()),
               description.name);
    return 2;
  } catch (const Interrupted&) {
    fmt::print("\n");
    std::fflush(stdout);
    fmt::print(stderr, "{}: interrupted; the arm was ended and its cgroup removed\n", description.name);
    return 128 + interrupting_signal();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", description.name, one_line(error.what()));
    return 2;
  }
}

}  // namespace plateau::harness
