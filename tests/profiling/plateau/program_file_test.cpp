// Protects that a program is known before it starts: what is set for the wrong allocator profiles nothing.
#include "profiling/plateau/program_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "profiling/plateau/run_plan.hpp"
#include "profiling/plateau/subcommand.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Pair;
using ::testing::StartsWith;

std::string nothing_set(const std::string& /*name*/) {
  return {};
}

RunWishes wishes() {
  return {.address = "127.0.0.1:6060+",
          .folder = "/out",
          .agent = "/lib/libplateau_agent.so",
          .sampler = "/lib/libplateau_sampler.so",
          .period_bytes = {}};
}

std::string script(const ScratchFolder& folder, const std::string& name, const std::string& text) {
  folder.write(name, text);
  std::filesystem::permissions(folder / name, std::filesystem::perms::all);
  return folder / name;
}

int status_of(const std::string& name) {
  try {
    find_program(name);
  } catch (const CommandError& error) {
    return error.status();
  }
  return 0;
}

TEST(ProgramFile, KnowsTheAllocatorByTheLibrariesThatWillBeLoaded) {
  EXPECT_EQ(find_program("/usr/bin/python3").allocator, AllocatorKind::glibc);
  EXPECT_EQ(find_program("sqlite3").allocator, AllocatorKind::glibc);
  const ProgramFile redis = find_program("redis-server");
  EXPECT_EQ(redis.allocator, AllocatorKind::jemalloc);
  EXPECT_THAT(redis.library, HasSubstr("libjemalloc.so"));
  EXPECT_FALSE(redis.prefix) << "not of its own";
}

TEST(ProgramFile, KnowsAnAllocatorInside) {
  const ProgramFile program = find_program(FIXTURES "/jemalloc_inside_prefixed");
  EXPECT_EQ(program.allocator, AllocatorKind::jemalloc);
  EXPECT_EQ(program.prefix, "plain_");
}

TEST(ProgramFile, FollowsScriptsToWhatRunsThem) {
  const ScratchFolder folder;
  const ProgramFile direct = find_program(script(folder, "a.py", "#!/usr/bin/python3\nprint(1)\n"));
  EXPECT_TRUE(direct.is_script());
  EXPECT_THAT(direct.name(), StartsWith("python3"));
  const ProgramFile by_env = find_program(script(folder, "b.sql", "#!/usr/bin/env -S sqlite3 -batch\n"));
  EXPECT_EQ(by_env.name(), "sqlite3");
  const ProgramFile nested = find_program(script(folder, "c", "#!" + folder / "a.py" + "\n"));
  EXPECT_THAT(nested.name(), StartsWith("python3"));
  EXPECT_TRUE(is_shell(find_program(script(folder, "d.sh", "#!/bin/bash\ntrue\n")).name()));
}

TEST(ProgramFile, SaysWhatLibrariesDoNotReach) {
  EXPECT_EQ(find_program("/sbin/ldconfig").out_of_reach, OutOfReach::is_static);
  const ScratchFolder folder;
  EXPECT_EQ(find_program(script(folder, "text", "echo\n")).out_of_reach, OutOfReach::no_elf);
  const RunPlan plan = plan_run(find_program("/sbin/ldconfig"), wishes(), nothing_set);
  EXPECT_FALSE(plan.is_served);
  EXPECT_THAT(plan.how, HasSubstr("statically"));
  EXPECT_TRUE(plan.environment.empty());
}

TEST(ProgramFile, FailsAsEnvDoes) {
  const ScratchFolder folder;
  folder.write("no_program", "text");
  EXPECT_EQ(status_of("plateau-no-such-program"), 127);
  EXPECT_EQ(status_of(folder / "missing"), 127);
  EXPECT_EQ(status_of(folder / "no_program"), 126);
  EXPECT_EQ(status_of(folder.path()), 126);
}

TEST(RunPlan, SetsWhatTheAllocatorNeeds) {
  const RunPlan redis = plan_run(find_program("redis-server"), wishes(), nothing_set);
  EXPECT_THAT(redis.environment, Contains(Pair("MALLOC_CONF", "prof:true,prof_accum:true")));
  EXPECT_THAT(redis.environment, Contains(Pair("LD_PRELOAD", "/lib/libplateau_agent.so")));
  const RunPlan python = plan_run(find_program("/usr/bin/python3"), wishes(), nothing_set);
  EXPECT_THAT(python.environment, ::testing::Not(Contains(Key("MALLOC_CONF"))));
  EXPECT_THAT(python.environment, Contains(Pair("PLATEAU_SAMPLE_PERIOD", "65536")));
  const RunPlan shell = plan_run(find_program("bash"), wishes(), nothing_set);
  EXPECT_THAT(shell.environment, Contains(Pair("MALLOC_CONF", StartsWith("prof:true"))))
      << "what it will start is not known";
}

TEST(RunPlan, LeavesTheLastWordToTheUser) {
  const auto users = [](const std::string& name) -> std::string {
    if (name == "MALLOC_CONF") return "prof:false";
    if (name == "LD_PRELOAD") return "libmine.so";
    if (name == "PLATEAU_SAMPLE_PERIOD") return "1k";
    return name == "PLATEAU_PPROF_PROGRAM" ? "mine" : "";
  };
  const RunPlan plan = plan_run(find_program("redis-server"), wishes(), users);
  EXPECT_THAT(plan.environment, Contains(Pair("MALLOC_CONF", "prof:true,prof_accum:true,prof:false")))
      << "jemalloc takes the later one";
  EXPECT_THAT(plan.environment, Contains(Pair("LD_PRELOAD", "/lib/libplateau_agent.so:libmine.so")));
  EXPECT_THAT(plan.environment, ::testing::Not(Contains(Key("PLATEAU_SAMPLE_PERIOD"))));
  EXPECT_THAT(plan.environment, ::testing::Not(Contains(Key("PLATEAU_PPROF_PROGRAM"))));
}

TEST(RunPlan, DoesNotAskAJemallocThatMayHaveNoProfiler) {
  const RunPlan plan = plan_run(find_program(FIXTURES "/jemalloc_inside_prefixed"), wishes(), nothing_set);
  for (const auto& [name, value] : plan.environment) EXPECT_THAT(name, ::testing::Not(HasSubstr("MALLOC_CONF")));
  EXPECT_THAT(plan.how, HasSubstr("PLAIN_MALLOC_CONF")) << "says what to set";
}

TEST(RunPlan, RefusesALibraryThatThePreloadCannotName) {
  RunWishes odd = wishes();
  odd.agent = "/a folder/libplateau_agent.so";
  EXPECT_THROW(plan_run(find_program("/usr/bin/python3"), odd, nothing_set), std::runtime_error);
}

}  // namespace
}  // namespace plateau::testing
