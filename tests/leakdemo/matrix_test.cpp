// Protects the command as a user runs it: real detectors on real leaks, the result as JSON and as a page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace json = boost::json;

class Matrix {
 public:
  Matrix(const std::string& leaks, const std::string& detectors, std::vector<std::string> environment = {}) {
    const ScratchFolder folder;
    finished_ = run(LEAKDEMO,
                    {"matrix", "--leaks", leaks, "--detectors", detectors, "--json", folder / "matrix.json", "--html",
                     folder / "matrix.html"},
                    {.environment = std::move(environment)});
    if (finished_.status != 0) return;
    result_ = read_json(folder / "matrix.json");
    page_ = read_text(folder / "matrix.html");
  }
  const Finished& finished() const { return finished_; }
  const std::string& page() const { return page_; }
  const json::object& result() const { return result_; }

  const json::object& cell(std::string_view leak, std::string_view detector) const {
    for (const json::value& row : result_.at("leaks").as_array()) {
      if (row.at("name").as_string() == leak) return row.at("findings").at(detector).as_object();
    }
    throw std::runtime_error("no such row: " + std::string(leak));
  }
  std::string finding(std::string_view leak, std::string_view detector) const {
    return std::string(cell(leak, detector).at("finding").as_string());
  }
  std::string kind(std::string_view leak, std::string_view detector) const {
    return std::string(cell(leak, detector).at("kind").as_string());
  }

 private:
  Finished finished_;
  json::object result_;
  std::string page_;
};

TEST(Leakdemo, RefusesInOneLineWhatCannotBeHad) {
  const auto refusal = [](const std::vector<std::string>& arguments) {
    const Finished finished = run(LEAKDEMO, arguments);
    EXPECT_EQ(finished.status, 2) << finished.out;
    EXPECT_EQ(finished.error.find('\n'), finished.error.size() - 1) << finished.error;
    return finished.error;
  };
  EXPECT_THAT(refusal({"run", "lost_pointer", "--seconds", "-1"}),
              HasSubstr("--seconds -1: give a whole number from 1"));
  EXPECT_THAT(refusal({"run", "lost_pointer", "--seconds", "18446744073709551616"}), HasSubstr("--seconds 1844674407"));
  EXPECT_THAT(refusal({"run", "lost_pointer", "--rate", "nan"}), HasSubstr("--rate nan: give a number from 0.001"));
  EXPECT_THAT(refusal({"matrix", "--jobs", "4294967297"}), HasSubstr("--jobs 4294967297: give a whole number"));
  EXPECT_THAT(refusal({"matrix", "--json", "/no/such/folder/matrix.json"}),
              HasSubstr("cannot write /no/such/folder/matrix.json: No such file"));
  EXPECT_THAT(refusal({"matrix", "--leaks", "lost_pointer", "--detectors", "lsan", "--html", "/dev/full"}),
              HasSubstr("cannot write /dev/full: No space left on device"));
}

TEST(Matrix, LeakSanitizerSeesWhatIsUnreachableAndNothingElse) {
  const Matrix matrix("lost_pointer,unbounded_cache", "lsan");
  ASSERT_EQ(matrix.finished().status, 0) << matrix.finished().error;
  EXPECT_EQ(matrix.finding("lost_pointer", "lsan"), "found") << json::serialize(matrix.result());
  EXPECT_EQ(matrix.kind("lost_pointer", "lsan"), "direct");
  EXPECT_EQ(matrix.finding("unbounded_cache", "lsan"), "missed") << json::serialize(matrix.result());
}

TEST(Matrix, MemcheckKeepsItsKindsApart) {
  const Matrix matrix("lost_pointer,recycled_capacity", "memcheck");
  ASSERT_EQ(matrix.finished().status, 0) << matrix.finished().error;
  EXPECT_EQ(matrix.kind("lost_pointer", "memcheck"), "definitely lost") << json::serialize(matrix.result());
  EXPECT_EQ(matrix.kind("recycled_capacity", "memcheck"), "still reachable") << json::serialize(matrix.result());
}

TEST(Matrix, TheAgentSeesAllKindsAndNamesThem) {
  const Matrix matrix(
      "missing_virtual_destructor,unbounded_cache,detached_threads,mmap_without_munmap,fragmentation,idle_pages",
      "plateau");
  ASSERT_EQ(matrix.finished().status, 0) << matrix.finished().error;
  for (const json::value& row : matrix.result().at("leaks").as_array()) {
    EXPECT_EQ(matrix.finding(row.at("name").as_string(), "plateau"), "found") << json::serialize(row);
    EXPECT_LE(row.at("findings").at("plateau").at("row").to_number<int>(), 3) << json::serialize(row);
  }
  EXPECT_EQ(matrix.kind("fragmentation", "plateau"), "fragmentation");
  EXPECT_EQ(matrix.kind("idle_pages", "plateau"), "idle pages");
}

TEST(Matrix, ADetectorThatIsNotInstalledIsNamedWithItsPackage) {
  const Matrix matrix("lost_pointer", "memcheck,heaptrack", {"PATH=/nonexistent"});
  ASSERT_EQ(matrix.finished().status, 0) << matrix.finished().error;
  EXPECT_EQ(matrix.finding("lost_pointer", "memcheck"), "not run");
  EXPECT_THAT(matrix.finished().out,
              AllOf(HasSubstr("apt-get install valgrind"), HasSubstr("apt-get install heaptrack")));
}

TEST(Matrix, ThePageStandsByItself) {
  const Matrix matrix("lost_pointer", "lsan");
  ASSERT_EQ(matrix.finished().status, 0) << matrix.finished().error;
  EXPECT_THAT(matrix.page(), AllOf(HasSubstr("<td class=\"found\""), HasSubstr("prefers-color-scheme: dark")));
  EXPECT_THAT(matrix.page(), AllOf(Not(HasSubstr("<script")), Not(HasSubstr("src=")), Not(HasSubstr("href="))));
}

TEST(Matrix, WhatItDoesNotKnowIsOneLine) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"matrix", "--leaks", "nonsense"},
                                                                     {"matrix", "--detectors", "nonsense"},
                                                                     {"run", "nonsense"},
                                                                     {"nonsense"}}) {
    const Finished finished = run(LEAKDEMO, arguments);
    EXPECT_EQ(finished.status, 2);
    EXPECT_EQ(finished.error.find('\n'), finished.error.size() - 1) << finished.error;
  }
}

TEST(Matrix, ListNamesEveryLeakAndDetector) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"list"}, {}}) {
    const Finished finished = run(LEAKDEMO, arguments);
    EXPECT_EQ(finished.status, 0) << finished.error;
    EXPECT_THAT(finished.out,
                AllOf(HasSubstr("shared_ptr_cycle"), HasSubstr("idle_pages"), HasSubstr("LeakSanitizer")));
  }
}

}  // namespace
}  // namespace plateau::testing
