// Protects the trace file: it follows the rules of the trace-event format, says what was recorded, and never costs an
// older file.
#include "profiling/timeline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>

#include "allocators/jemalloc_arena.hpp"
#include "allocators/purge_trace.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Clock = Timeline::Clock;

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string text(const json::value& value) {
  return std::string(value.as_string());
}

double number(const json::value& value) {
  return value.to_number<double>();
}

// What every viewer relies on, for every event of the file.
json::object written_and_checked(Timeline& timeline) {
  const ScratchFolder folder;
  const std::string file = folder / "trace.json";
  timeline.write(file);
  json::object trace = json::parse(text_of(file)).as_object();
  EXPECT_EQ(text(trace.at("displayTimeUnit")), "ms");
  for (const json::value& value : trace.at("traceEvents").as_array()) {
    const json::object& event = value.as_object();
    const std::string_view phase = event.at("ph").as_string();
    EXPECT_EQ(event.at("pid").to_number<pid_t>(), ::getpid());
    EXPECT_GT(event.at("tid").to_number<pid_t>(), 0);
    EXPECT_FALSE(event.at("name").as_string().empty());
    if (phase == "M") {
      EXPECT_TRUE(text(event.at("name")) == "process_name" || text(event.at("name")) == "thread_name");
      EXPECT_FALSE(event.at("args").at("name").as_string().empty());
      continue;
    }
    EXPECT_GE(number(event.at("ts")), 0);
    EXPECT_EQ(event.contains("dur"), phase == "X");
    EXPECT_EQ(event.contains("s"), phase == "i");
    if (phase == "X") {
      EXPECT_GE(number(event.at("dur")), 0);
    } else if (phase == "C") {
      EXPECT_FALSE(event.at("args").as_object().empty());
      for (const auto& argument : event.at("args").as_object()) EXPECT_TRUE(argument.value().is_number());
    } else {
      EXPECT_EQ(phase, "i");
    }
  }
  return trace;
}

std::vector<json::object> named(const json::object& trace, std::string_view name) {
  std::vector<json::object> found;
  for (const json::value& event : trace.at("traceEvents").as_array()) {
    if (event.at("name").as_string() == name) found.push_back(event.as_object());
  }
  return found;
}

TEST(Timeline, OfNothingIsATraceToo) {
  Timeline timeline;
  const json::object trace = written_and_checked(timeline);
  ASSERT_EQ(trace.at("traceEvents").as_array().size(), 1U);
  EXPECT_EQ(text(named(trace, "process_name").at(0).at("args").at("name")), "timeline_test");
  EXPECT_EQ(number(trace.at("otherData").at("dropped_events")), 0);
}

TEST(Timeline, SaysWhatHappenedWhenInMicroseconds) {
  Timeline timeline;
  const auto start = Clock::now();
  timeline.complete("request", "requests", start, 1500us, {{"user", 7}, {"bytes", 0.5}});
  timeline.instant("generation swap", "generations", {{"generation", 3}});
  timeline.counter("memory", {{"resident", 4096}, {"dirty", 0}});
  timeline.complete("second", "requests", start + 2ms, 0ns);
  const json::object trace = written_and_checked(timeline);
  const json::object request = named(trace, "request").at(0);
  EXPECT_EQ(text(request.at("ph")), "X");
  EXPECT_EQ(text(request.at("cat")), "requests");
  EXPECT_EQ(request.at("tid").to_number<pid_t>(), ::gettid());
  EXPECT_DOUBLE_EQ(number(request.at("dur")), 1500);
  EXPECT_EQ(number(request.at("args").at("user")), 7);
  EXPECT_EQ(number(request.at("args").at("bytes")), 0.5);
  EXPECT_NEAR(number(named(trace, "second").at(0).at("ts")) - number(request.at("ts")), 2000, 0.01);
  EXPECT_EQ(text(named(trace, "generation swap").at(0).at("s")), "p");
  EXPECT_EQ(number(named(trace, "memory").at(0).at("args").at("resident")), 4096);
}

TEST(Timeline, WhatBeganBeforeItIsCut) {
  const auto before = Clock::now();
  Timeline timeline;
  timeline.complete("early", "requests", before - 1s, 2s);  // not hours: a machine may have started just now
  timeline.complete("gone", "requests", before - 2s, 1s);
  const json::object trace = written_and_checked(timeline);
  EXPECT_EQ(number(named(trace, "early").at(0).at("ts")), 0);
  EXPECT_LE(number(named(trace, "early").at(0).at("dur")), 1e6);
  EXPECT_GT(number(named(trace, "early").at(0).at("dur")), 0);
  EXPECT_EQ(number(named(trace, "gone").at(0).at("dur")), 0);
}

TEST(Timeline, NamesThreadsAndKeepsTheirEventsApart) {
  Timeline timeline;
  std::thread worker([&] {
    ::pthread_setname_np(::pthread_self(), "worker \"1\"");
    timeline.complete("work", "requests", Clock::now(), 1us);
  });
  worker.join();
  timeline.complete("work", "requests", Clock::now(), 1us);
  const json::object trace = written_and_checked(timeline);
  const auto work = named(trace, "work");
  ASSERT_EQ(work.size(), 2U);
  EXPECT_NE(number(work[0].at("tid")), number(work[1].at("tid")));
  EXPECT_EQ(named(trace, "thread_name").size(), 1U) << "of the thread that still runs";
}

TEST(Timeline, KeepsTheLastEventsAndCountsTheRest) {
  Timeline timeline(64);
  for (int i = 0; i < 1000; ++i) timeline.counter("count", {{"i", static_cast<double>(i)}});
  const json::object trace = written_and_checked(timeline);
  const auto counts = named(trace, "count");
  ASSERT_EQ(counts.size(), 64U);
  EXPECT_EQ(number(counts.back().at("args").at("i")), 999);
  EXPECT_EQ(number(trace.at("otherData").at("dropped_events")), 1000 - 64);
}

TEST(Timeline, ThreadsLoseNothing) {
  Timeline timeline(1 << 15);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&timeline] {
      for (int i = 0; i < 5000; ++i) timeline.instant("tick", "test", {{"i", static_cast<double>(i)}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(named(written_and_checked(timeline), "tick").size(), 20'000U);
}

TEST(Timeline, ShowsPurgesInTheThreadThatPurged) {
  ASSERT_TRUE(PurgeTrace::start().done);
  JemallocArena arena({.dirty_decay = 0ms});
  Timeline timeline;
  pid_t purger = 0;
  std::thread([&] {
    purger = ::gettid();
    for (int i = 0; i < 100; ++i) arena.deallocate(arena.allocate(100'000), 100'000);
  }).join();
  timeline.add_purges();
  const json::object trace = written_and_checked(timeline);
  PurgeTrace::stop();
  double calls = 0;
  for (const json::object& purge : named(trace, "purge")) {
    if (purge.at("tid").to_number<pid_t>() != purger) continue;
    EXPECT_EQ(text(purge.at("cat")), "purge");
    EXPECT_GT(number(purge.at("args").at("bytes")), 0);
    calls += number(purge.at("args").at("calls"));
  }
  EXPECT_GE(calls, 100);
  EXPECT_TRUE(named(trace, "background purge").empty());
}

TEST(Timeline, AFileThatCannotBeWrittenIsOneLine) {
  Timeline timeline;
  try {
    timeline.write("/nonexistent/trace.json");
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "cannot write /nonexistent/trace.json: No such file or directory");
  }
}

}  // namespace
}  // namespace plateau::testing
