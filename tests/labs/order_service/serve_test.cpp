// Protects `serve`: what the page is told, that its knobs act on the running process, and who may turn them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <boost/json.hpp>

#include "labs/report/result_file.hpp"
#include "tests/labs/lab_process.hpp"
#include "tests/labs/page_data.hpp"
#include "tests/labs/served_lab.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

double value(const json::value& sample, std::size_t column) {
  const json::value& found = sample.at("values").at(column);
  return found.is_null() ? -1 : found.to_number<double>();
}

// One service for all tests that leave it as they found it.
class Serve : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { lab_ = std::make_unique<ServedLab>(ORDER_SERVICE, std::vector<std::string>{}); }
  static void TearDownTestSuite() {
    EXPECT_EQ(lab_->interrupt(), 0);
    // "the dashboard cost N % of a CPU in the service, and …": 0.2 when it is quiet.
    const std::string output = lab_->program().rest_of_output();
    const std::size_t cost = output.find("the dashboard cost ");
    ASSERT_NE(cost, std::string::npos) << output;
    EXPECT_LT(std::stod(output.substr(cost + std::string_view("the dashboard cost ").size())), 2);
    lab_.reset();
  }

  static unsigned status_of(std::string_view bytes) {
    HttpClient client(lab_->port());
    client.send(bytes);
    return client.receive().result_int();
  }

  static std::unique_ptr<ServedLab> lab_;
};
std::unique_ptr<ServedLab> Serve::lab_;

TEST_F(Serve, TheStreamBeginsWithWhatThereIsAndGoesOnWithSamples) {
  EventStream stream(lab_->port());
  const json::value hello = stream.next("hello");
  EXPECT_EQ(hello.at("lab").as_string(), "order_service");
  EXPECT_TRUE(hello.at("end").is_null());
  const json::value& history = hello.at("history");
  const std::size_t kept = history.at("t").as_array().size();
  EXPECT_GT(kept, 0U);
  for (const json::value& column : hello.at("columns").as_array()) {
    EXPECT_EQ(history.at(column.at("id").as_string()).as_array().size(), kept) << column;
  }
  EXPECT_EQ(history.at("latency").as_array().size(), kept);

  json::value sample = stream.next("sample");
  const double first = sample.at("t").to_number<double>();
  sample = stream.next("sample");
  EXPECT_GT(sample.at("t").to_number<double>(), first);
  EXPECT_EQ(sample.at("values").as_array().size(), hello.at("columns").as_array().size());
  EXPECT_EQ(sample.at("latency").as_array().size(), hello.at("latency_edges_us").as_array().size());
}

TEST_F(Serve, ThePartsOfRssAddUpToIt) {
  const json::value sample = EventStream(lab_->port()).next("sample");
  double parts = 0;
  std::size_t column = 0;
  for (const json::value& one : lab_->hello().at("columns").as_array()) {
    const json::value& part = sample.at("values").at(column++);
    if (one.at("group").as_string() == "rss" && !part.is_null()) parts += part.to_number<double>();
  }
  EXPECT_NEAR(parts, value(sample, lab_->column("rss")), 1);
  EXPECT_GT(value(sample, lab_->column("requested")), 50e6) << "the store alone is larger";
}

TEST_F(Serve, TheLoadIsThatOfTheKnob) {
  EventStream stream(lab_->port());
  const std::size_t done = lab_->column("done");
  stream.next("sample", [&](const json::value& sample) { return value(sample, done) > 100; });
  EXPECT_EQ(lab_->turn("load", R"({"value": 0})").body(), "{\"value\":0}\n");
  stream.next("sample", [&](const json::value& sample) { return value(sample, done) == 0; });
  EXPECT_EQ(lab_->turn("load", R"({"value": 500})").result_int(), 200U);
  stream.next("sample", [&](const json::value& sample) { return value(sample, done) > 100; });
}

// Two pages look on, and the heap that they look at does not change by that.
TEST_F(Serve, TheDashboardAllocatesNothingInTheService) {
  const EventStream other(lab_->port());
  EventStream stream(lab_->port());
  EXPECT_EQ(lab_->turn("load", R"({"value": 0})").result_int(), 200U);
  const std::size_t calls = lab_->column("allocated_calls");
  int quiet = 0;  // samples in a row
  stream.next("sample", [&](const json::value& sample) {
    quiet = value(sample, calls) == 0 ? quiet + 1 : 0;
    return quiet == 15;
  });
  EXPECT_EQ(lab_->turn("load", R"({"value": 500})").result_int(), 200U);
}

TEST_F(Serve, AKnobIsReadBackAndMarkedForEveryClient) {
  EventStream one(lab_->port());
  EventStream other(lab_->port());
  const HttpReply reply = lab_->turn("dirty_decay", R"({"value": 123})");
  EXPECT_EQ(json::parse(reply.body()).at("value"), 123);
  for (EventStream* const stream : {&one, &other}) {
    const json::value mark = stream->next("mark");
    EXPECT_EQ(mark.at("knob").as_string(), "dirty_decay");
    EXPECT_EQ(mark.at("old"), 10000) << "times are not compressed";
    EXPECT_EQ(mark.at("new"), 123);
    EXPECT_EQ(mark.at("read_back"), 123);
    stream->next("knobs");
  }
  EXPECT_EQ(lab_->knob("dirty_decay").at("value"), 123);
  EXPECT_EQ(lab_->turn("dirty_decay", R"({"value": 10000})").result_int(), 200U);
}

// With unused pages kept for ever there are some, until they are purged.
TEST_F(Serve, PurgeActsOnTheProcess) {
  EventStream stream(lab_->port());
  const std::size_t dirty = lab_->column("dirty");
  EXPECT_EQ(lab_->turn("dirty_decay", R"({"value": -1})").result_int(), 200U);
  stream.next("sample", [&](const json::value& sample) { return value(sample, dirty) > 100'000; });
  EXPECT_EQ(lab_->turn("load", R"({"value": 0})").result_int(), 200U);
  const std::size_t done = lab_->column("done");
  stream.next("sample", [&](const json::value& sample) { return value(sample, done) == 0; });
  EXPECT_EQ(lab_->turn("purge", R"({"value": null})").result_int(), 200U);
  stream.next("sample", [&](const json::value& sample) { return value(sample, dirty) == 0; });
  EXPECT_EQ(lab_->turn("dirty_decay", R"({"value": 10000})").result_int(), 200U);
  EXPECT_EQ(lab_->turn("load", R"({"value": 500})").result_int(), 200U);
}

TEST_F(Serve, EveryFixIsSwitchedInTheRunningService) {
  for (const std::string fix : {"buffers", "items", "query", "outbox", "lifetimes", "retention"}) {
    EXPECT_EQ(lab_->turn("fix-" + fix, R"({"value": true})").body(), "{\"value\":true}\n") << fix;
  }
  EXPECT_EQ(lab_->knob("background_thread").at("value"), true);
  EXPECT_EQ(lab_->knob("dirty_decay").at("value"), 1000);
  EXPECT_EQ(lab_->knob("fix-retention").at("value"), true);
  for (const std::string fix : {"buffers", "items", "query", "outbox", "lifetimes", "retention"}) {
    EXPECT_EQ(lab_->turn("fix-" + fix, R"({"value": false})").body(), "{\"value\":false}\n") << fix;
  }
}

TEST_F(Serve, ProfilingStopsAndStarts) {
  EXPECT_EQ(lab_->turn("profiling", R"({"value": false})").body(), "{\"value\":false}\n");
  EXPECT_EQ(lab_->turn("profiling", R"({"value": true})").body(), "{\"value\":true}\n");
}

TEST_F(Serve, ARetentionPolicyComesAndGoesWithItsKnobs) {
  EXPECT_EQ(lab_->knob("retain_percent").at("value"), -1);
  EXPECT_EQ(lab_->turn("retain_percent", R"({"value": 50})").body(), "{\"value\":50}\n");
  EXPECT_EQ(lab_->knob("dirty_decay").at("value"), -1) << "the policy is the only one that purges";
  EXPECT_EQ(lab_->turn("dirty_decay", R"({"value": 0})").result_int(), 409U);
  EXPECT_EQ(lab_->turn("retain_percent", R"({"value": 20})").body(), "{\"value\":20}\n");
  EXPECT_EQ(lab_->turn("soft_limit", R"({"value": 1000000000})").body(), "{\"value\":1000000000}\n");
  EXPECT_EQ(lab_->turn("retain_percent", R"({"value": -1})").body(), "{\"value\":-1}\n");
  EXPECT_EQ(lab_->knob("soft_limit").at("value"), 1000000000) << "it goes on";
  EXPECT_EQ(lab_->knob("dirty_decay").at("value"), 10000) << "as it was before";
  EXPECT_EQ(lab_->turn("soft_limit", R"({"value": 0})").body(), "{\"value\":0}\n");
  EXPECT_EQ(lab_->knob("fix-retention").at("value"), false) << "a policy alone is not the fix";
}

TEST_F(Serve, PausesAndPurgesAreMeasured) {
  EventStream stream(lab_->port());
  // An order of "before" takes about as long as what counts as a pause, so that some are.
  stream.next("sample", [&](const json::value& sample) { return value(sample, lab_->column("longest_pause")) > 0; });
  stream.next("sample", [&](const json::value& sample) { return value(sample, lab_->column("purge_ms")) >= 0; });
  EXPECT_THAT(get(lab_->port(), "/metrics").body(), HasSubstr("\nplateau_pauses_total "));
}

TEST_F(Serve, ValuesThatAreNoneAreRefused) {
  const std::vector<std::pair<const char*, const char*>> bad{
      {"load", R"({"value": -1})"},
      {"load", R"({"value": 1e300})"},
      {"load", R"({"value": "500"})"},
      {"load", R"({"value": null})"},
      {"load", "{}"},
      {"load", "500"},
      {"load", "no JSON"},
      {"load", ""},
      {"dirty_decay", R"({"value": -2})"},
      {"background_thread", R"({"value": 1})"},
  };
  for (const auto& [knob, body] : bad) {
    const HttpReply reply = lab_->turn(knob, body);
    EXPECT_EQ(reply.result_int(), 400U) << knob << ' ' << body;
    const std::string reason(json::parse(reply.body()).at("error").as_string());
    EXPECT_FALSE(reason.empty());
    EXPECT_EQ(reason.find('\n'), std::string::npos) << reason;
  }
  EXPECT_EQ(lab_->turn("nonsense", R"({"value": 1})").result_int(), 404U);
  EXPECT_EQ(lab_->knob("load").at("value"), 500);
}

TEST_F(Serve, OnlyThePageMayTurnAKnob) {
  const std::string token = "X-Plateau-Token: " + std::string(lab_->hello().at("token").as_string()) + "\r\n";
  const std::string body = R"({"value": 1})";
  EXPECT_EQ(status_of(request("POST", "/live/knobs/load", {}, body)), 403U);
  EXPECT_EQ(status_of(request("POST", "/live/knobs/load", "X-Plateau-Token: 0\r\n", body)), 403U);
  EXPECT_EQ(status_of(request("POST", "/live/knobs/load", token + "Origin: http://evil.example\r\n", body)), 403U);
  EXPECT_EQ(status_of("POST /live/knobs/load HTTP/1.1\r\nHost: evil.example\r\n" + token +
                      "Content-Length: 12\r\n\r\n" + body),
            403U);
  EXPECT_EQ(status_of(request("GET", "/live/knobs/load", token)), 405U);
  EXPECT_EQ(status_of("GET /live/stream HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403U) << "it has the token";
  EXPECT_EQ(status_of(request("GET", "/live/stream", "Origin: http://evil.example\r\n")), 403U);
  EXPECT_EQ(lab_->knob("load").at("value"), 500);
}

TEST_F(Serve, TheServicesOwnPagesAreBehindIt) {
  const std::string metrics = get(lab_->port(), "/metrics").body();
  for (const char* const name :
       {"process_resident_memory_bytes ", "plateau_operations_total ", "plateau_latency_seconds{quantile=\"0.99\"} ",
        "plateau_latency_seconds_count ", "plateau_lab{figure=\"outbox entries\"} "}) {
    EXPECT_THAT(metrics, HasSubstr(std::string("\n") + name));
  }
  const HttpReply heap = get(lab_->port(), "/debug/pprof/heap");
  EXPECT_EQ(heap.result_int(), 200U);
  EXPECT_EQ(heap[boost::beast::http::field::content_disposition], "attachment; filename=\"heap\"");
  EXPECT_THAT(get(lab_->port(), "/debug/pprof/heap?debug=1").body(), HasSubstr("order_service::"));
  EXPECT_EQ(get(lab_->port(), "/debug/pprof/heap?seconds=nonsense").result_int(), 400U);
  EXPECT_EQ(get(lab_->port(), "/debug/nonsense").result_int(), 404U);
}

TEST_F(Serve, VerbsThatAreNone) {
  for (const char* const target : {"/", "/live/stream", "/api/orders", "/metrics", "/live/knobs/load"}) {
    HttpClient client(lab_->port());
    client.send("FROB " + std::string(target) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    const HttpReply reply = client.receive();
    EXPECT_EQ(reply.result_int(), 405U) << target;
    EXPECT_FALSE(reply["Allow"].empty()) << target;
  }
}

TEST_F(Serve, HeadHasTheLengthOfWhatGetGives) {
  HttpClient client(lab_->port());
  client.send(request("HEAD", "/debug/pprof/cmdline"));
  const HttpReply head = client.receive(true);
  EXPECT_EQ(head.result_int(), 200U);
  EXPECT_EQ(std::stoul(std::string(head["Content-Length"])), get(lab_->port(), "/debug/pprof/cmdline").body().size());
}

// A tab that is closed while it records must not keep the next one from recording.
TEST_F(Serve, ARecordingWhoseClientHasLeftMakesWay) {
  {
    HttpClient client(lab_->port());
    client.send(request("GET", "/debug/pprof/profile?seconds=600"));
    std::this_thread::sleep_for(std::chrono::seconds(1));  // until it has begun
  }
  HttpReply reply;
  for (int attempt = 0; attempt < 100 && reply.result_int() != 200U; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the dashboard looks once a second
    reply = get(lab_->port(), "/debug/pprof/profile?seconds=1");
  }
  EXPECT_EQ(reply.result_int(), 200U) << reply.body();
}

TEST_F(Serve, TheReportIsOfWhatWasSeen) {
  const HttpReply reply = get(lab_->port(), "/live/report");
  ASSERT_EQ(reply.result_int(), 200U) << reply.body();
  EXPECT_THAT(reply.body(), HasSubstr("<!doctype html>"));
  const json::object result = data_of(reply.body()).at("results").at(0).at("result").as_object();
  report::check_result(result);  // throws, and names the field
  EXPECT_EQ(result.at("arms").at(0).at("outcome"), "running");
  EXPECT_EQ(result.at("live").at("columns"), lab_->hello().at("columns"));
}

// The page has no words of its own for a knob.
TEST_F(Serve, AKnobIsToldWithItsNameMeaningUnitAndPresets) {
  const json::value decay = lab_->knob("dirty_decay");
  EXPECT_EQ(decay.at("name"), "Dirty decay");
  EXPECT_FALSE(decay.at("meaning").as_string().empty());
  EXPECT_EQ(decay.at("unit"), "ms");
  EXPECT_EQ(decay.at("group"), "knobs");
  std::set<std::string> names;
  for (const json::value& knob : lab_->hello().at("knobs").as_array()) {
    EXPECT_TRUE(names.emplace(knob.at("name").as_string()).second) << "twice: " << knob.at("name");
    if (knob.at("kind") != "number") continue;
    for (const json::value& preset : knob.at("presets").as_array()) {
      EXPECT_GE(preset.to_number<double>(), knob.at("min").to_number<double>()) << knob.at("id");
      EXPECT_LE(preset.to_number<double>(), knob.at("max").to_number<double>()) << knob.at("id");
    }
  }
  EXPECT_EQ(lab_->knob("fix-query").at("group"), "fixes");
}

}  // namespace
}  // namespace plateau::testing
