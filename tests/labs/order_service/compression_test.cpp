// The proof of compressed time: one uncompressed control run against the compressed run over the same orders.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

boost::json::object run_at(const std::string& speedup, const std::string& fixes, const ScratchFolder& folder) {
  // 300 orders: 30 s uncompressed, with three settlements a lane.
  const Finished finished = run(ORDER_SERVICE, {"run", "--fix", fixes, "--hours", "0.008333334", "--speedup", speedup,
                                                "--settlement-orders", "50", "--json", folder / "out.json"});
  EXPECT_EQ(finished.status, 0) << finished.error;
  return read_json(folder / "out.json").at("arms").at(0).as_object();
}

TEST(Compression, ChangesNeitherTheWorkNorTheMemory) {
  const ScratchFolder folder;
  const auto control = run_at("1", "none", folder);
  const auto compressed = run_at("800", "none", folder);
  EXPECT_GT(control.at("wall_seconds").to_number<double>(), 29);
  EXPECT_EQ(control.at("input").at("orders"), compressed.at("input").at("orders"));
  EXPECT_EQ(control.at("checksum"), compressed.at("checksum"));

  const auto bytes = [](const auto& arm) { return arm.at("allocation").at("bytes").template to_number<double>(); };
  EXPECT_NEAR(bytes(compressed) / bytes(control), 1, 0.001);
  const auto last = [](const auto& arm, const char* what) {
    return arm.at("memory").at("series").as_array().back().at(what).template to_number<double>();
  };
  for (const char* const step : {"requested", "allocated", "active", "rss"}) {
    EXPECT_NEAR(last(compressed, step) / last(control, step), 1, 0.05) << step;
  }
}

}  // namespace
}  // namespace plateau::testing
