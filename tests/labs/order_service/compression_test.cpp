// The proof of compressed time: one uncompressed control run against the compressed run over the same orders.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/labs/lab_process.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

// 800 orders: 80 s uncompressed, with eight settlements a lane.
boost::json::object run_at(const std::string& speedup, const ScratchFolder& folder) {
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", "none", "--hours", "0.022222223", "--speedup", speedup,
                                                "--settlement-orders", "50", "--json", folder / "out.json"});
  EXPECT_EQ(finished.status, 0) << finished.error;
  return read_result(folder / "out.json").at("arms").at(0).as_object();
}

// From the first to the last sample, and so without the start-up heap.
double growth(const boost::json::object& arm, const char* step) {
  const auto& series = arm.at("memory").at("series").as_array();
  return series.back().at(step).to_number<double>() - series.front().at(step).to_number<double>();
}

TEST(Compression, ChangesNeitherTheWorkNorTheGrowth) {
  const ScratchFolder folder;
  const auto control = run_at("1", folder);
  const auto compressed = run_at("100", folder);
  EXPECT_GT(control.at("wall_seconds").to_number<double>(), 79);
  EXPECT_EQ(control.at("input").at("operations"), compressed.at("input").at("operations"));
  EXPECT_EQ(control.at("checksum"), compressed.at("checksum"));

  const auto bytes = [](const auto& arm) { return arm.at("allocation").at("bytes").template to_number<double>(); };
  EXPECT_NEAR(bytes(compressed) / bytes(control), 1, 0.001);
  EXPECT_GT(growth(control, "requested"), 4e6);
  EXPECT_NEAR(growth(compressed, "requested") / growth(control, "requested"), 1, 0.05);
  EXPECT_NEAR(growth(compressed, "allocated") / growth(control, "allocated"), 1, 0.1);
  EXPECT_NEAR(growth(compressed, "active") / growth(control, "active"), 1, 0.15);
  // How many dirty pages are there at the first and at the last look is a matter of moments: a megabyte or two, of
  // four.
  EXPECT_NEAR(growth(compressed, "rss"), growth(control, "rss"), 3e6);
}

}  // namespace
}  // namespace plateau::testing
