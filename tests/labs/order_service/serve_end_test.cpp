// Protects what `serve` says at its beginning and at its end: of options, of an allocator, of the kernel's kill.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <boost/json.hpp>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/served_lab.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

TEST(ServeEnd, TheKernelsKillIsToldAndThePageStays) {
  ServedLab lab(ORDER_SERVICE, {"--memory-limit", "192MiB", "--rate", "4000"});
  EventStream stream(lab.port());
  const json::value end = stream.next("end");
  EXPECT_THAT(std::string(end.at("outcome").as_string()), ::testing::AnyOf("oom_killed", "allocation_failed"));
  const json::value hello = EventStream(lab.port()).next("hello");
  EXPECT_EQ(hello.at("end").at("outcome"), end.at("outcome"));
  EXPECT_GT(hello.at("history").at("t").as_array().size(), 0U);
  EXPECT_EQ(lab.turn("load", R"({"value": 1})").result_int(), 409U);
  EXPECT_EQ(get(lab.port(), "/metrics").result_int(), 503U);
  EXPECT_EQ(lab.turn("start_again", R"({"value": null})").result_int(), 200U);
  stream.next("sample");
  EXPECT_EQ(lab.interrupt(), 0);
  EXPECT_EQ(stream.next("end").at("outcome").as_string(), "stopped");
  EXPECT_THAT(cgroups_of(lab.program().pid()), ::testing::IsEmpty());
}

TEST(ServeEnd, WhatTheAllocatorCannotDoSaysWhy) {
  ServedLab lab(ORDER_SERVICE, {"--allocator", "glibc"});
  EXPECT_EQ(lab.knob("dirty_decay").at("why_not").as_string(), "glibc has no such setting");
  for (const char* const id : {"dirty_decay", "retain_percent"}) {
    const json::value knob = lab.knob(id);
    EXPECT_EQ(knob.at("available"), false) << id;
    EXPECT_FALSE(knob.at("why_not").as_string().empty()) << id;
    const HttpReply refused = lab.turn(id, R"({"value": 50})");
    EXPECT_EQ(refused.result_int(), 409U) << refused.body();
    EXPECT_FALSE(json::parse(refused.body()).at("error").as_string().empty()) << id;
  }
  EXPECT_EQ(lab.turn("soft_limit", R"({"value": 1000000000})").body(), "{\"value\":1000000000}\n");
  EXPECT_EQ(lab.interrupt(), 0);
}

TEST(ServeEnd, OptionsOfAnExperimentAreRefused) {
  for (const std::vector<std::string>& option :
       {std::vector<std::string>{"--json", "x.json"}, {"--hours", "1"}, {"--profile", "x"}, {"--trace", "x"}}) {
    std::vector<std::string> arguments{"serve"};
    arguments.insert(arguments.end(), option.begin(), option.end());
    const Finished finished = run(ORDER_SERVICE, arguments);
    EXPECT_EQ(finished.status, 2);
    EXPECT_EQ(finished.error,
              "order_service: serve excludes " + option.front() + " (order_service --help lists the options)\n");
  }
}

TEST(ServeEnd, AnAddressThatCannotBeHadIsOneLine) {
  EXPECT_EQ(run(ORDER_SERVICE, {"serve", "--address", "nonsense"}).error,
            "order_service: --address nonsense: give ADDRESS:PORT such as 127.0.0.1:6060\n");
  const Finished remote = run(ORDER_SERVICE, {"serve", "--address", "0.0.0.0:0"});
  EXPECT_EQ(remote.status, 2);
  EXPECT_THAT(remote.error, HasSubstr("other machines"));
}

}  // namespace
}  // namespace plateau::testing
