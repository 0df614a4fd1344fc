#include "labs/lab_main/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "labs/harness/arm/allocator_choice.hpp"
#include "labs/harness/arm/arm_child.hpp"
#include "labs/harness/arm/arm_parent.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/lab_main/session.hpp"
#include "profiling/number_option.hpp"

namespace plateau::harness {
namespace {

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
  CLI::Option* const hours =
      add_real_number(app, "--hours", settings.hours, "simulated hours to run (default: the lab's)", 0.001, 10'000);
  CLI::Option* const speedup = add_real_number(
      app, "--speedup", settings.speedup,
      "simulated seconds per real second; 1 is uncompressed (default: as many as leave the CPUs room, up to the "
      "lab's own)",
      1, 100'000);
  add_whole_number(app, "--seed", settings.seed, "of the generated input")->capture_default_str();
  CLI::Option* const json = app.add_option("--json", settings.json, "write the result to this file");
  CLI::Option* const profile = app.add_option(
      "--profile", settings.profile,
      "write heap profiles (start, peak, end of each arm, and the last before its limit; .pb.gz) into this folder, and "
      "how blocks ended (lifetimes, crossfree, temporaries) where the sampler is in front of malloc");
  app.add_flag("--profile-raw", settings.profile_raw, "keep the allocator's own dumps beside them (.heap)")
      ->needs(profile);
  app.add_option("--address", settings.address,
                 "ADDRESS:PORT to listen on; port 0 takes a free one. An arm serves /debug/pprof, /debug/footprint and "
                 "/metrics there while it runs (default: nowhere); serve has its dashboard there (default: " +
                     std::string(default_dashboard_address) + ")");
  CLI::Option* const trace =
      app.add_option("--trace", settings.trace,
                     "write what each arm did when to this file (FILE-ARM for several), for ui.perfetto.dev or "
                     "chrome://tracing");
  lab.add_options(app);
  CLI::App* const run = app.add_subcommand("run", "one arm");
  run->add_option("--fix", settings.fix, "none, all, LIST, or all,-NAME")->capture_default_str();
  CLI::App* const ablate = app.add_subcommand("ablate", "each fix alone, all but each, and the wrong fixes");
  bool is_matrix = false;
  ablate->add_flag("--matrix", is_matrix,
                   "in their place threads by allocators: memory, CPU and foreign frees with each number of each");
  CLI::App* const serve = app.add_subcommand(
      "serve", "runs on as a service, with a live dashboard, until Ctrl-C; times are not compressed");
  serve->add_option("--fix", settings.fix, "none, all, LIST, or all,-NAME")->capture_default_str();
  add_real_number(*serve, "--rate", settings.rate, "operations a second to begin with (default: the lab's)", 0,
                  1'000'000);
  serve->add_flag("--allow-remote", settings.allow_remote, "the address may be one that other machines reach");
  for (CLI::Option* const of_an_experiment : {hours, speedup, json, profile, trace}) {
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
    if (ablate->parsed()) return is_matrix ? session.matrix() : session.ablate();
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
  } catch (const boost::system::system_error& error) {  // what() would name a line of Boost's own sources
    fmt::print(stderr, "{}: {}\n", description.name, one_line(error.code().message()));
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", description.name, one_line(error.what()));
    return 2;
  }
}

}  // namespace plateau::harness
