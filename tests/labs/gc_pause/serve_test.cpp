// Protects `gc_pause serve`: pauses and purges are in the stream, and the retention policy's knobs come and go with it.
#include <gtest/gtest.h>

#include <string>

#include <boost/json.hpp>

#include "tests/labs/served_lab.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;

TEST(GcPauseServe, PausesAndPurgesAreSeen) {
  ServedLab lab(GC_PAUSE, {"--heap", "32MiB", "--period", "300ms"});
  EventStream stream(lab.port());
  const auto positive = [&](std::string_view column) {
    return [at = lab.column(column)](const json::value& sample) {
      const json::value& value = sample.at("values").at(at);
      return value.is_number() && value.to_number<double>() > 0;
    };
  };
  for (const char* const column : {"pauses", "longest_pause", "purges", "purged_bytes", "purge_ms", "p999", "done"}) {
    stream.next("sample", positive(column));  // each waits until there is some
  }

  EXPECT_EQ(lab.knob("retain_percent").at("value"), -1);
  EXPECT_EQ(lab.turn("fix-decay", R"({"value": true})").body(), "{\"value\":true}\n");
  EXPECT_EQ(lab.knob("retain_percent").at("value"), 25);
  EXPECT_EQ(lab.turn("retain_percent", R"({"value": 50})").body(), "{\"value\":50}\n");
  EXPECT_EQ(lab.turn("soft_limit", R"({"value": 100000000})").body(), "{\"value\":100000000}\n");
  EXPECT_EQ(lab.knob("dirty_decay").at("value"), -1) << "the policy is the only one that purges";
  EXPECT_EQ(lab.turn("dirty_decay", R"({"value": 0})").result_int(), 409U);
  EXPECT_EQ(lab.turn("fix-decay", R"({"value": false})").body(), "{\"value\":false}\n");
  EXPECT_EQ(lab.knob("retain_percent").at("value"), -1);
  EXPECT_EQ(lab.knob("dirty_decay").at("value"), 0);

  for (const std::string fix : {"limit", "values", "events", "generations"}) {
    EXPECT_EQ(lab.turn("fix-" + fix, R"({"value": true})").body(), "{\"value\":true}\n") << fix;
  }
  // What a knob has set stays when a fix of another kind is switched, and is no fix.
  EXPECT_EQ(lab.turn("retain_percent", R"({"value": 50})").body(), "{\"value\":50}\n");
  EXPECT_EQ(lab.turn("fix-values", R"({"value": false})").body(), "{\"value\":false}\n");
  EXPECT_EQ(lab.turn("fix-values", R"({"value": true})").body(), "{\"value\":true}\n");
  EXPECT_EQ(lab.knob("retain_percent").at("value"), 50);
  EXPECT_EQ(lab.knob("fix-decay").at("value"), false);

  // Without load, too.
  EXPECT_EQ(lab.turn("load", R"({"value": 0})").result_int(), 200U);
  EXPECT_EQ(lab.turn("fix-values", R"({"value": false})").body(), "{\"value\":false}\n");
  EXPECT_EQ(lab.turn("fix-values", R"({"value": true})").body(), "{\"value\":true}\n");
  EXPECT_EQ(lab.turn("load", R"({"value": 400})").result_int(), 200U);
  // Long enough for every generation to have been begun with the fixes.
  const double now = stream.next("sample").at("t").to_number<double>();
  stream.next("sample", [now](const json::value& sample) { return sample.at("t").to_number<double>() > now + 4; });
  EXPECT_EQ(lab.interrupt(), 0);
}

}  // namespace
}  // namespace plateau::testing
