// Protects the promise that bad input gets one clear line on standard error and exit status 2, at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;

struct BadInput {
  std::string name;
  std::vector<std::string> arguments;
  std::string says;
};

void PrintTo(const BadInput& input, std::ostream* out) {
  *out << input.name;
}

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, IsOneLineAndStatusTwo) {
  const Finished finished = run(ORDER_SERVICE, GetParam().arguments);
  EXPECT_EQ(finished.status, 2) << finished.out;
  EXPECT_EQ(std::count(finished.error.begin(), finished.error.end(), '\n'), 1) << finished.error;
  EXPECT_THAT(finished.error, HasSubstr("order_service: "));
  EXPECT_THAT(finished.error, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadInputTest,
    ::testing::Values(
        BadInput{"negative_hours", {"--hours", "-1"}, "--hours -1: give a number from 0.001 to 10000"},
        BadInput{"zero_hours", {"--hours", "0"}, "--hours 0"},
        BadInput{"hours_not_a_number", {"--hours", "soon"}, "--hours"},
        BadInput{"infinite_hours", {"--hours", "inf"}, "--hours inf"},
        BadInput{"hours_of_less_than_an_order", {"--hours", "0.00001"}, "--hours 1e-05"},
        BadInput{"argument_of_an_arm", {"arm", "nonsense"}, "syntax error"},
        BadInput{"seed_too_large",
                 {"run", "--seed", "18446744073709551616"},
                 "--seed 18446744073709551616: give a whole number from 0 to 18446744073709551615"},
        BadInput{"negative_seed", {"run", "--seed", "-1"}, "--seed -1: give a whole number"},
        BadInput{"seed_with_more_behind", {"run", "--seed", "7x"}, "--seed 7x: give a whole number"},
        BadInput{"seed_of_nothing", {"run", "--seed", ""}, "--seed : give a whole number"},
        BadInput{"seed_of_two_lines", {"run", "--seed", "1\n2"}, "--seed 1 2: give a whole number"},
        BadInput{"hours_with_more_behind", {"--hours", "1h"}, "--hours 1h: give a number from 0.001 to 10000"},
        BadInput{"hours_that_overflow", {"--hours", "1e999"}, "--hours 1e999"},
        BadInput{"hours_that_are_none", {"--hours", "nan"}, "--hours nan"},
        BadInput{"hours_in_hexadecimal", {"--hours", "0x10"}, "--hours 0x10"},
        BadInput{"rate_too_high", {"serve", "--rate", "1e7"}, "--rate 10000000: give a number from 0 to 1000000"},
        BadInput{"limit_that_overflows", {"--memory-limit", "16EiB"}, "--memory-limit 16EiB: give a size"},
        BadInput{"limit_with_more_behind", {"--memory-limit", "2GiB!"}, "--memory-limit 2GiB!"},
        BadInput{"limit_of_nothing", {"--memory-limit", "0"}, "--memory-limit 0"},
        BadInput{"settlement_too_large", {"--settlement-orders", "4294967306"}, "--settlement-orders 4294967306"},
        BadInput{"negative_settlement", {"--settlement-orders", "-1"}, "--settlement-orders -1"},
        BadInput{"zero_speedup", {"--speedup", "0"}, "--speedup 0"},
        BadInput{
            "unknown_fix", {"run", "--fix", "query,magic"}, "there is no fix 'magic'; choose none, all, or of buffers"},
        BadInput{"unknown_flag", {"--frobnicate"}, "--frobnicate"}, BadInput{"unknown_command", {"fly"}, "fly"},
        BadInput{"unknown_allocator", {"--allocator", "dlmalloc"}, "choose jemalloc, tcmalloc, mimalloc, glibc"},
        BadInput{"missing_library", {"--allocator", "/no/such/malloc.so"}, "No such file"},
        BadInput{"not_a_library", {"--allocator", "/etc/passwd"}, "not a shared object"},
        BadInput{"limit_without_sense", {"--memory-limit", "lots"}, "give a size such as 512MiB"},
        BadInput{"negative_limit", {"--memory-limit", "-5MiB"}, "--memory-limit -5MiB"},
        BadInput{"limit_below_the_start_up_heap", {"run", "--memory-limit", "30MiB"}, "smaller than the start-up heap"},
        BadInput{"unwritable_json",
                 {"--json", "/no/such/folder/out.json"},
                 "cannot write /no/such/folder/out.json: No such file"},
        BadInput{"json_is_a_folder", {"--json", "/tmp"}, "cannot write /tmp"},
        BadInput{"unwritable_profile", {"--profile", "/proc/none"}, "--profile /proc/none"},
        BadInput{
            "missing_orders", {"--orders", "/no/such/orders.jsonl"}, "--orders /no/such/orders.jsonl: No such file"},
        BadInput{"settlement_too_small", {"--settlement-orders", "1"}, "--settlement-orders"},
        BadInput{"too_many_settlements",
                 {"run", "--settlement-orders", "10", "--hours", "24"},
                 "for 24 hours give at least 27"}),
    [](const auto& test) { return test.param.name; });

TEST(BadOrders, TheLineIsNamed) {
  const ScratchFolder folder;
  const std::string file = folder / "orders.jsonl";
  std::ofstream(file) << R"({"customer": 1, "lines": [{"sku": "SKU-000001", "quantity": 1}]})"
                      << "\n{\"customer\": 1\n";
  const Finished finished = run(ORDER_SERVICE, {"run", "--orders", file});
  EXPECT_EQ(finished.status, 2);
  EXPECT_EQ(finished.error, "order_service: --orders " + file + ", line 2: no JSON: incomplete JSON\n");
}

TEST(FullDisk, TheResultIsRefusedInOneLine) {
  const Finished finished = run(ORDER_SERVICE, {"run", "--hours", "0.01", "--json", "/dev/full"});
  EXPECT_EQ(finished.status, 2);
  EXPECT_EQ(finished.error, "order_service: cannot write /dev/full: No space left on device\n");
}

TEST(Help, IsOnStandardOutputWithStatusZero) {
  const Finished finished = run(ORDER_SERVICE, {"--help"});
  EXPECT_EQ(finished.status, 0);
  EXPECT_THAT(finished.out, HasSubstr("--memory-limit"));
  EXPECT_TRUE(finished.error.empty()) << finished.error;
}

TEST(List, NamesEveryFixAndWrongFix) {
  const Finished finished = run(ORDER_SERVICE, {"list"});
  EXPECT_EQ(finished.status, 0);
  for (const char* const name :
       {"buffers", "items", "query", "outbox", "lifetimes", "retention", "bigger-limit", "trim-often", "decay-only"}) {
    EXPECT_THAT(finished.out, HasSubstr(name));
  }
}

}  // namespace
}  // namespace plateau::testing
