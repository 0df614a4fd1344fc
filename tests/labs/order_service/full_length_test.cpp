// The default command at its full length: every target of the case, from the JSON, and the exit status.
#include <gtest/gtest.h>

#include <string>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

TEST(FullLength, TheVerdictHolds) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_SERVICE, {"--json", folder / "out.json"});
  const boost::json::object result = read_json(folder / "out.json");
  for (const auto& one : result.at("verdict").at("rows").as_array()) {
    if (one.at("target").is_null()) continue;
    EXPECT_EQ(one.at("holds"), true) << boost::json::serialize(one);
  }
  EXPECT_EQ(finished.status, 0) << finished.out << finished.error;
  for (const auto& prediction : result.at("predictions").as_array()) {
    const double predicted = prediction.at("predicted").to_number<double>();
    const double measured = prediction.at("measured").to_number<double>();
    EXPECT_NEAR(predicted / measured, 1, 0.25) << boost::json::serialize(prediction);
  }
}

}  // namespace
}  // namespace plateau::testing
