// The same rows with every fix, as the seed says they are; locks that are waited for and locks that are not; and the
// file that is kept for the next run.
#include "labs/order_statistics/store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "labs/harness/usage_error.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/desk.hpp"
#include "labs/order_statistics/store_file.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::order_statistics {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr std::uint64_t rows = 4000;
constexpr std::uint64_t note_bytes = 40;
constexpr std::uint64_t seed = 3;

const std::atomic<bool> not_stopping{false};

void write(Writer& writer, std::uint64_t i) {
  const Order order = new_order(seed, rows, i);
  writer.write({&order, 1});
}

// A store that is built once for all tests of this file, of which each has a copy.
class Store : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    pristine_ = new testing::ScratchFolder();
    build_store(*pristine_ / "store", seed, rows, note_bytes, [](double) {});
  }
  static void TearDownTestSuite() { delete pristine_; }

  StoreUse use_with(const Fixes& fixes) const {
    StoreUse use{.file = file_, .seed = seed, .rows = rows, .fixes = with_what_goes_along(fixes)};
    make_ready(use);
    return use;
  }

 private:
  static inline testing::ScratchFolder* pristine_ = nullptr;
  testing::ScratchFolder folder_;

 protected:
  const std::string file_ = [this] {
    std::filesystem::copy_file(*pristine_ / "store", folder_ / "store");
    return folder_ / "store";
  }();
  const Truth truth_{seed, rows};
};

struct NamedFixes {
  const char* name;
  Fixes fixes;
};
class EachSetOfFixes : public Store, public ::testing::WithParamInterface<NamedFixes> {};

TEST_P(EachSetOfFixes, AnswersWhatTheOrdersSay) {
  const StoreUse use = use_with(GetParam().fixes);
  Desk desk(use.fixes, {.most_bytes = 1 << 20, .max_age = std::chrono::hours(1)});
  Reader reader(use, not_stopping);
  {
    Writer writer(use, note_bytes, not_stopping);
    for (std::uint64_t i = 0; i < 3; ++i) write(writer, i);
  }
  for (int month = 0; month <= future_month; ++month) {
    for (const bool active_only : {false, true}) {
      const Question question{month, active_only};
      EXPECT_EQ(*desk.answer(reader, question), truth_.answer(question, 3)) << month << active_only;
      EXPECT_EQ(reader.ask_the_orders(question), truth_.answer(question, 3)) << month << active_only;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EachSetOfFixes,
                         ::testing::Values(NamedFixes{"none", {}}, NamedFixes{"index", {.index = true}},
                                           NamedFixes{"partial_index", {.partial_index = true}},
                                           NamedFixes{"covering_index", {.covering_index = true}},
                                           NamedFixes{"range", {.range = true}}, NamedFixes{"wal", {.wal = true}},
                                           NamedFixes{"local_cache", {.local_cache = true}},
                                           NamedFixes{"incremental", {.incremental = true}},
                                           NamedFixes{"stream", {.stream = true}},
                                           NamedFixes{"all",
                                                      {.index = true,
                                                       .partial_index = true,
                                                       .covering_index = true,
                                                       .range = true,
                                                       .wal = true,
                                                       .local_cache = true,
                                                       .incremental = true,
                                                       .stream = true}},
                                           NamedFixes{"limit_offset", {.limit_offset = true}},
                                           NamedFixes{"cache_everything", {.cache_everything = true}},
                                           NamedFixes{"no_jitter", {.no_jitter = true}}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(Store, ARunFindsNothingOfTheOneBefore) {
  {
    const StoreUse use = use_with({.index = true, .wal = true, .incremental = true});
    Writer writer(use, note_bytes, not_stopping);
    write(writer, 0);
  }
  const StoreUse use = use_with({});
  sqlite::Database database(use.file);
  EXPECT_EQ(database.number("SELECT COUNT(*) FROM orders"), static_cast<std::int64_t>(rows));
  EXPECT_EQ(database.number("SELECT COUNT(*) FROM daily"), history_days);
  EXPECT_EQ(database.number("SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"), 0);
  EXPECT_EQ(database.text("PRAGMA journal_mode"), "delete");
}

TEST_F(Store, AnOrderThatCannotBeWrittenLeavesNothingBehind) {
  const StoreUse use = use_with({.wal = true, .incremental = true});
  Writer writer(use, note_bytes, not_stopping);
  write(writer, 0);
  const std::vector<Order> group{new_order(seed, rows, 1), new_order(seed, rows, 0)};
  EXPECT_THROW(writer.write(group), std::runtime_error) << "one of them is there already";
  write(writer, 1);
  Reader reader(use, not_stopping);
  EXPECT_EQ(reader.ask({months - 1, false}), truth_.answer({months - 1, false}, 2));
}

// Reads one row, so that the lock of who reads is held, and asks what happens to an order that comes meanwhile.
TEST_F(Store, WithARollbackJournalAnOrderWaitsForWhoReads) {
  const StoreUse use = use_with({});
  sqlite::Database reading(use.file);
  sqlite::Statement select(reading, "SELECT id FROM orders");
  ASSERT_TRUE(select.step());
  std::atomic<bool> stopping{false};
  Writer writer(use, note_bytes, stopping);
  std::thread order([&] { EXPECT_THROW(write(writer, 0), std::runtime_error); });
  // The one who waits cannot go on by itself: nobody has to hurry here.
  while (writer.locks().operations_that_waited() == 0) std::this_thread::yield();
  stopping = true;
  order.join();
  select.reset();
  stopping = false;
  write(writer, 0);
  EXPECT_EQ(writer.locks().operations_that_waited(), 1U);
}

TEST_F(Store, WithAWriteAheadLogNobodyWaitsAndWhoReadsSeesTheStoreAsItWas) {
  const StoreUse use = use_with({.wal = true});
  sqlite::Database reading(use.file);
  sqlite::Statement select(reading, "SELECT COUNT(*) OVER () FROM orders");
  ASSERT_TRUE(select.step());
  Writer writer(use, note_bytes, not_stopping);
  write(writer, 0);
  EXPECT_EQ(writer.locks().operations_that_waited(), 0U);
  EXPECT_EQ(select.number(0), static_cast<std::int64_t>(rows));
  select.reset();
  EXPECT_EQ(reading.number("SELECT COUNT(*) FROM orders"), static_cast<std::int64_t>(rows) + 1);
}

// Whatever a client sends as a month or a status can only be a number and a choice: there is no text of a client's that
// could end up in a statement, not even in that of before, which has its date in it.
TEST_F(Store, AQuestionThatIsNoneOfTheStoresMonthsHasNoRows) {
  const StoreUse use = use_with({});
  Reader reader(use, not_stopping);
  for (const int month : {25, 1000}) EXPECT_TRUE(reader.ask({month, true}).empty()) << month;
}

TEST(Truth, KnowsARightAnswerFromAWrongOne) {
  const Truth truth(seed, rows);
  const Question question{months - 1, false};
  Answer answer = truth.answer(question, 5);
  EXPECT_EQ(truth.new_orders_in(question, answer), 5);
  EXPECT_EQ(truth.new_orders_in(question, truth.answer(question, 0)), 0);
  EXPECT_EQ(truth.new_orders_in({months - 2, false}, answer), -1) << "of another month";
  Answer wrong = answer;
  ++wrong.front().cents;
  EXPECT_EQ(truth.new_orders_in(question, wrong), -1);
  wrong = answer;
  --wrong.back().orders;
  EXPECT_EQ(truth.new_orders_in(question, wrong), -1);
  answer.pop_back();
  EXPECT_EQ(truth.new_orders_in(question, answer), -1) << "a day is missing";
}

TEST(CachedStore, IsBuiltOnceAndBuiltAgainWhenItIsNotWhatIsWanted) {
  const testing::ScratchFolder folder;
  const StoreShape shape{.seed = 1, .rows = 2000, .note_bytes = 20};
  const auto why_built = [&] { return CachedStore(folder.path(), shape, [](double) {}).why_built(); };
  const std::string file = CachedStore(folder.path(), shape, [](double) {}).file();
  EXPECT_EQ(why_built(), "");
  const auto damage = [&](const char* sql) { sqlite::Database(file).run(sql); };
  damage("UPDATE about SET value = '0' WHERE name = 'schema'");
  EXPECT_THAT(why_built(), HasSubstr("another version"));
  damage("UPDATE about SET value = '2' WHERE name = 'seed'");
  EXPECT_THAT(why_built(), HasSubstr("something else"));
  damage("UPDATE orders SET total_amount = 1 WHERE id = 1");
  EXPECT_THAT(why_built(), HasSubstr("its order 1"));
  std::filesystem::resize_file(file, 5000);
  EXPECT_THAT(why_built(), AnyOf(HasSubstr("malformed"), HasSubstr("disk I/O error")));
  EXPECT_EQ(why_built(), "");
}

TEST(CachedStore, TwoLabsSideBySideHaveAStoreEachAndAStaleLockHoldsNobodyUp) {
  const testing::ScratchFolder folder;
  const StoreShape shape{.seed = 1, .rows = 2000, .note_bytes = 20};
  std::string first_file;
  {
    const CachedStore first(folder.path(), shape, [](double) {});
    const CachedStore second(folder.path(), shape, [](double) {});
    EXPECT_NE(first.file(), second.file());
    first_file = first.file();
  }
  ASSERT_TRUE(std::filesystem::exists(first_file + ".lock")) << "left behind";
  const CachedStore third(folder.path(), shape, [](double) {});
  EXPECT_EQ(third.file(), first_file);
  EXPECT_EQ(third.why_built(), "");
}

TEST(CachedStore, ABuildThatIsBrokenOffLeavesNothing) {
  const testing::ScratchFolder folder;
  const std::string file = folder / "store";
  EXPECT_THROW(build_store(file, 1, 2000, 20, [](double) { throw std::runtime_error("enough"); }), std::runtime_error);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(CachedStore, SaysWhichFolderCannotBe) {
  const testing::ScratchFolder folder;
  folder.write("file", "");
  EXPECT_THROW(CachedStore(folder / "file" + "/below", {.seed = 1, .rows = 2000, .note_bytes = 20}, [](double) {}),
               harness::UsageError);
}

}  // namespace
}  // namespace plateau::order_statistics
