#include "profiling/plateau/run_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <stdexcept>

namespace plateau {
namespace {

// Finer than the agent's own: a short program has few blocks.
constexpr std::uint64_t period_of_sampler = std::uint64_t{64} << 10;
constexpr std::uint64_t period_of_tcmalloc = std::uint64_t{512} << 10;

const char* why_not(OutOfReach reach) {
  switch (reach) {
    case OutOfReach::no_elf:
      return "it is no program that this kernel loads by itself";
    case OutOfReach::other_machine:
      return "it is of another machine or of 32 bits";
    case OutOfReach::is_static:
      return "it is linked statically, and such a program loads no library";
    case OutOfReach::other_libc:
      return "it is not on glibc";
    case OutOfReach::privileged:
      return "it is setuid, setgid or has capabilities, and such a program takes no library from its user";
    case OutOfReach::no:
      break;
  }
  return "";
}

// Settings of the user's come later, where they win.
std::string before(const std::string& setting, const std::string& users, char separator) {
  return users.empty() ? setting : setting + separator + users;
}

std::string jemalloc_setting(std::optional<std::uint64_t> period) {
  std::string setting = "prof:true,prof_accum:true";
  if (period) setting += fmt::format(",lg_prof_sample:{}", std::bit_width(std::max<std::uint64_t>(*period, 1)) - 1);
  return setting;
}

void require_nameable(const std::string& library) {
  if (library.find_first_of(" :") != std::string::npos)
    throw std::runtime_error(
        fmt::format("{}: LD_PRELOAD takes no path with a blank or a colon; install it elsewhere", library));
}

class Plan {
 public:
  Plan(const ProgramFile& program, const RunWishes& wishes,
       const std::function<std::string(const std::string&)>& variable)
      : program_(program), wishes_(wishes), variable_(variable) {}

  RunPlan make() {
    serve();
    if (is_shell(program_.name())) {
      for_jemalloc("MALLOC_CONF");
      for_tcmalloc();
      plan_.how = "what it starts is profiled by its allocator's own profiler, or by sampling malloc";
      return std::move(plan_);
    }
    switch (program_.allocator) {
      case AllocatorKind::jemalloc:
        for_jemalloc_of_program();
        break;
      case AllocatorKind::tcmalloc:
        for_tcmalloc();
        plan_.how = "tcmalloc's own profiler (TCMALLOC_SAMPLE_PARAMETER)";
        break;
      case AllocatorKind::mimalloc:
        plan_.how = "the sampler in front of mimalloc";
        break;
      default:
        plan_.how = "sampling glibc's malloc";
        break;
    }
    return std::move(plan_);
  }

 private:
  void set(const std::string& name, const std::string& value) { plan_.environment.emplace_back(name, value); }

  void serve() {
    std::string preload = wishes_.agent;
    if (program_.allocator == AllocatorKind::mimalloc) preload += ":" + wishes_.sampler;
    require_nameable(wishes_.agent);
    require_nameable(wishes_.sampler);
    set("LD_PRELOAD", before(preload, variable_("LD_PRELOAD"), ':'));
    set("PLATEAU_PPROF", wishes_.address);
    set("PLATEAU_PPROF_CHILDREN", "1");
    set("PLATEAU_EXIT_PROFILE", wishes_.folder);
    if (!wishes_.shells && variable_("PLATEAU_PPROF_PROGRAM").empty())
      set("PLATEAU_PPROF_PROGRAM", "!sh,!bash,!dash,!ash,!ksh,!mksh,!zsh,!busybox,!env,!timeout,!nice");
    if (wishes_.period_bytes || variable_("PLATEAU_SAMPLE_PERIOD").empty())
      set("PLATEAU_SAMPLE_PERIOD", std::to_string(wishes_.period_bytes.value_or(period_of_sampler)));
  }

  void for_jemalloc(const std::string& name) {
    set(name, before(jemalloc_setting(wishes_.period_bytes), variable_(name), ','));
  }

  // A jemalloc of the program's own may have no profiler, and would say so on the program's standard error.
  void for_jemalloc_of_program() {
    if (!program_.prefix) {
      for_jemalloc("MALLOC_CONF");
      plan_.how = "jemalloc's own profiler (MALLOC_CONF=prof:true)";
      return;
    }
    std::string name = *program_.prefix + "MALLOC_CONF";
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    const bool asks = variable_(name).find("prof:true") != std::string::npos;
    plan_.how = asks ? fmt::format("the profiler of its own jemalloc ({})", name)
                     : fmt::format(
                           "not the heap: it has a jemalloc of its own; if that was built with --enable-prof, "
                           "set {}=prof:true,prof_accum:true",
                           name);
  }

  void for_tcmalloc() {
    if (wishes_.period_bytes || variable_("TCMALLOC_SAMPLE_PARAMETER").empty())
      set("TCMALLOC_SAMPLE_PARAMETER", std::to_string(wishes_.period_bytes.value_or(period_of_tcmalloc)));
  }

  const ProgramFile& program_;
  const RunWishes& wishes_;
  const std::function<std::string(const std::string&)>& variable_;
  RunPlan plan_;
};

}  // namespace

RunPlan plan_run(const ProgramFile& program, const RunWishes& wishes,
                 const std::function<std::string(const std::string&)>& variable) {
  if (program.out_of_reach != OutOfReach::no) {
    return {.environment = {},
            .how = fmt::format("{}: {}", program.program, why_not(program.out_of_reach)),
            .is_served = false};
  }
  return Plan(program, wishes, variable).make();
}

}  // namespace plateau
