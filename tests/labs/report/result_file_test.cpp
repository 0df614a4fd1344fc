// Protects that a report is made of whole results of the schema that it knows, and that what is wrong is named in a
// line.
#include "labs/report/result_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "labs/harness/judge/result.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// As the harness writes it, so that schema and harness cannot part.
json::object written_result() {
  harness::ExperimentResult result;
  result.lab = "some_lab";
  result.description = {{"symptom", "something grows"}, {"operation", "thing"}};
  harness::ArmResult& arm = result.arms.emplace_back();
  arm.spec.name = "before";
  arm.outcome = harness::Outcome::completed;
  arm.operations = 10;
  arm.series.resize(2);
  arm.series[0].rss = 1000;
  arm.series[1].t = 1;
  arm.series[1].operations = 10;
  arm.series[1].rss = 2000;
  arm.series[1].heap.requested = 500;
  arm.latency.record(12.5);
  arm.gauges["nothing"] = NAN;
  result.predictions.push_back({.arm = "before", .metric = "it ends at", .unit = "h", .predicted = 2, .measured = {}});
  result.verdict.emplace().rows.push_back({.metric = "memory", .unit = "MB", .before = 1});
  harness::Ablation& ablation = result.ablation.emplace();
  ablation.rows.emplace_back().arm = "none";
  harness::AblationRow& row = ablation.rows.emplace_back();
  row.arm = "only-a";
  row.parts = waterfall_of(arm.series[1]);
  row.closes = {.part = &waterfall_part("dirty"), .bytes = 7};
  row.takes_from = {.cause = harness::StallCause::purge, .ms_a_second = 1.5};
  return harness::to_json(result);
}

class ResultFile : public ::testing::Test {
 protected:
  std::string file_with(const std::string& text) const {
    const std::string file = folder_ / "result.json";
    std::ofstream(file) << text;
    return file;
  }

  std::string refusal(const std::string& file) const {
    try {
      report::read_result(file);
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(file), Not(HasSubstr("\n"))));
      return error.what();
    }
    return "none";
  }

  std::string refusal_after(const std::function<void(json::object&)>& change) const {
    json::object result = written_result();
    change(result);
    return refusal(file_with(json::serialize(result)));
  }

  ScratchFolder folder_;
};

TEST_F(ResultFile, TakesWhatTheHarnessWrites) {
  const json::object result = written_result();
  const std::string text = json::serialize(result);
  const report::ResultFile read = report::read_result(file_with(text));
  EXPECT_EQ(read.result, json::parse(text).as_object());
  EXPECT_EQ(read.text, text);
}

TEST_F(ResultFile, TakesEveryOutcomeThatTheHarnessHasAndNoOther) {
  std::vector<std::string> written{std::string(harness::running_outcome)};
  for (const harness::Outcome outcome : harness::all_outcomes) written.emplace_back(to_string(outcome));
  const auto refusal_of = [&](const std::string& outcome) {
    return refusal_after([&](json::object& result) {
      result.at("arms").at(0).as_object()["outcome"] = outcome;
      result.at("ablation").at("rows").at(0).as_object()["outcome"] = outcome;
    });
  };
  for (const std::string& outcome : written) EXPECT_EQ(refusal_of(outcome), "none") << outcome;
  EXPECT_THAT(refusal_of("exploded"), HasSubstr("outcome"));

  std::vector<std::string> offered;
  const json::value schema = json::parse(read_text(RESULT_SCHEMA));
  for (const json::value& outcome : schema.at("definitions").at("outcome").at("enum").as_array()) {
    offered.emplace_back(outcome.as_string());
  }
  EXPECT_THAT(offered, ::testing::UnorderedElementsAreArray(written));
}

TEST_F(ResultFile, TakesResultsFromBeforeTheLabsWordsWereInThem) {
  EXPECT_EQ(refusal_after([](json::object& result) {
              result.erase("description");
              result.erase("command");
            }),
            "none");
}

TEST_F(ResultFile, NamesAFileThatIsNotThere) {
  EXPECT_THAT(refusal(folder_ / "no.json"), HasSubstr("No such file"));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("it is a folder"));
}

TEST_F(ResultFile, SaysThatItIsCutShort) {
  const std::string text = json::serialize(written_result());
  for (const std::size_t size : {text.size() - 1, text.size() / 2, std::size_t{1}, std::size_t{0}}) {
    EXPECT_THAT(refusal(file_with(text.substr(0, size))), HasSubstr("cut short")) << size;
  }
}

TEST_F(ResultFile, SaysThatItIsNoJson) {
  EXPECT_THAT(refusal(file_with("arms: 2")), HasSubstr("no JSON"));
}

TEST_F(ResultFile, SaysThatItIsForeign) {
  EXPECT_THAT(refusal(file_with("[1]")), HasSubstr("not the result of a lab"));
  EXPECT_THAT(refusal(file_with(R"({"cases": []})")), HasSubstr("not the result of a lab"));
}

TEST_F(ResultFile, NamesTheSchemaThatItDoesNotKnow) {
  EXPECT_THAT(refusal_after([](json::object& result) { result["schema"] = 0; }),
              HasSubstr("schema: it is 0, and this program reads 2; make the result again"));
  EXPECT_THAT(refusal_after([](json::object& result) { result["schema"] = 3; }), HasSubstr("build a newer report"));
}

TEST_F(ResultFile, NamesFileAndFieldOfAResultOfTheFirstSchema) {
  const std::string file = folder_ / "result.json";
  EXPECT_EQ(refusal_after([](json::object& result) {
              result["schema"] = 1;
              json::object& input = result["arms"].as_array()[0].as_object()["input"].as_object();
              input["orders"] = input["operations"];
              input.erase("operations");
            }),
            file + ": schema: it is 1, and this program reads 2; make the result again");
}

// The contract, and not what a reader happens to need: a field that it does not have is one that nobody may rely on.
TEST_F(ResultFile, NamesTheFieldThatIsNotInTheContract) {
  EXPECT_THAT(refusal_after([](json::object& result) {
                result["arms"].as_array()[0].as_object()["input"].as_object()["orders"] = 10;
              }),
              AllOf(HasSubstr("arms[0].input"), HasSubstr("orders")));
}

TEST_F(ResultFile, TakesEveryOutcome) {
  for (const harness::Outcome outcome : {harness::Outcome::completed, harness::Outcome::oom_killed,
                                         harness::Outcome::allocation_failed, harness::Outcome::failed}) {
    EXPECT_EQ(refusal_after([outcome](json::object& result) {
                result["arms"].as_array()[0].as_object()["outcome"] = to_string(outcome);
              }),
              "none");
  }
  EXPECT_EQ(
      refusal_after([](json::object& result) { result["arms"].as_array()[0].as_object()["outcome"] = "running"; }),
      "none")
      << "of a service that is seen live";
  EXPECT_THAT(refusal_after([](json::object& result) {
                result["ablation"].as_object()["rows"].as_array()[0].as_object()["outcome"] = "lost";
              }),
              HasSubstr("ablation.rows[0].outcome"));
}

TEST_F(ResultFile, HoldsThePartsOfRssByIdAndWhatTheyAre) {
  const json::object result = written_result();
  const json::value& arm = result.at("arms").at(0);
  const json::object& parts = arm.at("memory").at("series").at(1).at("parts").as_object();
  std::int64_t sum = 0;
  for (const auto& [id, bytes] : parts) {
    sum += bytes.to_number<std::int64_t>();
    const auto& known = result.at("waterfall").as_array();
    EXPECT_TRUE(std::any_of(known.begin(), known.end(), [&](const json::value& one) { return one.at("id") == id; }))
        << id;
  }
  EXPECT_EQ(sum, 2000);
  EXPECT_EQ(result.at("ablation").at("rows").at(1).at("closes"), (json::value{{"part", "dirty"}, {"bytes", 7.0}}));
}

TEST_F(ResultFile, NamesTheFieldThatIsMissing) {
  EXPECT_THAT(refusal_after([](json::object& result) { result.erase("machine"); }), HasSubstr("machine"));
  EXPECT_THAT(refusal_after([](json::object& result) {
                result["arms"].as_array()[0].as_object()["memory"].as_object().erase("peak_rss");
              }),
              AllOf(HasSubstr("arms[0].memory"), HasSubstr("peak_rss")));
}

TEST_F(ResultFile, NamesTheFieldThatIsOfAnotherKind) {
  EXPECT_THAT(
      refusal_after([](json::object& result) {
        result["arms"].as_array()[0].as_object()["memory"].as_object()["series"].as_array()[1].as_object()["rss"] =
            "much";
      }),
      HasSubstr("arms[0].memory.series[1].rss"));
  EXPECT_THAT(refusal_after([](json::object& result) { result["arms"] = json::array{}; }), HasSubstr("arms"));
}

}  // namespace
}  // namespace plateau::testing
