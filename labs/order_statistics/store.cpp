#include "labs/order_statistics/store.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/calibration.hpp"
#include "labs/order_statistics/fixes/incremental.hpp"
#include "labs/order_statistics/fixes/stream.hpp"
#include "labs/order_statistics/statements.hpp"

namespace plateau::order_statistics {
namespace {

sqlite::Database connect(const StoreUse& use) {
  sqlite::Database database(use.file);
  database.run(fmt::format("PRAGMA cache_size=-{}", page_cache_kib));
  database.run("PRAGMA synchronous=FULL");
  return database;
}

// A statement is begun anew by its next user, also when whoever read from it threw.
class Execution {
 public:
  explicit Execution(sqlite::Statement& statement) : statement_(statement) {}
  ~Execution() { statement_.reset(); }
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

 private:
  sqlite::Statement& statement_;
};

// The texts that places 1 and 2 are bound to.
struct Bounds {
  explicit Bounds(const Question& question)
      : first(date_of(days_of_month(question.month).first)), end(date_of(days_of_month(question.month).end)) {}
  void bind(sqlite::Statement& statement) const {
    statement.bind(1, std::string_view(first));
    statement.bind(2, std::string_view(end));
  }
  std::string first, end;
};

int day_in(const sqlite::Statement& statement) {
  const auto day = day_of(statement.text(0));
  if (!day) throw std::runtime_error("the store has an order without a date");
  return *day;
}

}  // namespace

std::optional<std::uint64_t> make_ready(const StoreUse& use) {
  sqlite::Database database = connect(use);
  database.run(journal(use.fixes));
  database.run("BEGIN IMMEDIATE");
  database.run(fmt::format("DELETE FROM orders WHERE id > {}", use.rows));
  database.run(fmt::format("DELETE FROM daily WHERE day >= '{}'", date_of(today)));
  for (const std::string& name : unwanted_indexes(use.fixes)) database.run("DROP INDEX IF EXISTS " + name);
  for (const std::string& create : wanted_indexes(use.fixes)) database.run(create);
  database.run("COMMIT");
  if (use.fixes.wal) database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  try {
    return static_cast<std::uint64_t>(
        database.number("SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE aggregate = TRUE AND name IN "
                        "('orders_by_time', 'orders_active', 'orders_covering')"));
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

Reader::Reader(const StoreUse& use, const std::atomic<bool>& stopping)
    : fixes_(use.fixes), database_(connect(use)), locks_(database_, stopping) {
  select_.all.emplace(database_, select_days(fixes_, false));
  select_.active.emplace(database_, select_days(fixes_, true));
  database_.number("SELECT COUNT(*) FROM about");  // with what SQLite reads for the first query of a connection
}

Answer Reader::ask(const Question& question) {
  locks_.begin_operation();
  return fixes_.limit_offset ? ask_by_pages(question) : select(select_, fixes_, question);
}

Answer Reader::ask_the_orders(const Question& question) {
  locks_.begin_operation();
  Fixes fixes = fixes_;
  fixes.incremental = false;
  return select(select_from_orders_, fixes, question);
}

Answer Reader::select(Pair& statements, const Fixes& fixes, const Question& question) {
  std::optional<sqlite::Statement>& statement = statements.of(question);
  if (!statement) statement.emplace(database_, select_days(fixes, question.active_only));
  const Execution execution(*statement);
  const Bounds bounds(question);
  if (fixes.range) bounds.bind(*statement);
  return fixes.stream ? read_after(*statement, question) : read_before(*statement, question);
}

Answer Reader::ask_by_pages(const Question& question) {
  std::optional<sqlite::Statement>& page = page_.of(question);
  if (!page) page.emplace(database_, select_page(question.active_only));
  const Bounds bounds(question);
  std::array<DayStatistics, 32> days{};  // by day of the month
  const Days month = days_of_month(question.month);
  for (std::int64_t read = 0, of_page = page_orders; of_page == page_orders; read += of_page) {
    const Execution execution(*page);
    bounds.bind(*page);
    page->bind(3, read);
    for (of_page = 0; page->step(); ++of_page) {
      DayStatistics& day = days.at(static_cast<std::size_t>(day_in(*page) - month.first));
      ++day.orders;
      day.cents += page->number(1);
    }
  }
  Answer answer;
  for (int day = month.end - 1; day >= month.first; --day) {
    const DayStatistics& found = days[static_cast<std::size_t>(day - month.first)];
    if (found.orders > 0) answer.push_back({day, found.orders, found.cents});
  }
  return answer;
}

void Reader::read_orders(const Question& question, const std::function<void(int, WholeOrder)>& each) {
  locks_.begin_operation();
  std::optional<sqlite::Statement>& statement = whole_.of(question);
  if (!statement) statement.emplace(database_, select_orders(question.active_only));
  const Execution execution(*statement);
  const Bounds bounds(question);
  bounds.bind(*statement);
  while (statement->step()) {
    each(day_in(*statement), {.created_at = std::string(statement->text(2)),
                              .status = std::string(statement->text(3)),
                              .customer = statement->number(4),
                              .cents = statement->number(1),
                              .note = std::string(statement->text(5))});
  }
}

std::string Reader::plan(const Question& question) {
  return database_.plan(select_days(fixes_, question.active_only));
}

Writer::Writer(const StoreUse& use, std::uint64_t note_bytes, const std::atomic<bool>& stopping)
    : database_(connect(use)),
      locks_(database_, stopping),
      begin_(database_, "BEGIN IMMEDIATE"),
      insert_(database_, "INSERT INTO orders VALUES(?,?,?,?,?,?)"),
      commit_(database_, "COMMIT"),
      note_(note_bytes, 'n') {
  const std::string_view roll_up = use.fixes.incremental ? roll_up_after() : roll_up_before();
  if (!roll_up.empty()) roll_up_.emplace(database_, std::string(roll_up));
}

void Writer::write(std::span<const Order> orders) {
  locks_.begin_operation();
  try {
    begin_.finish();
    for (const Order& order : orders) insert(order);
    commit_.finish();
  } catch (...) {
    database_.rollback();
    throw;
  }
}

void Writer::insert(const Order& order) {
  const std::string moment = moment_of(order.day, order.second);
  insert_.bind(1, order.id);
  insert_.bind(2, std::string_view(moment));
  insert_.bind(3, statuses[order.status]);
  insert_.bind(4, order.customer);
  insert_.bind(5, order.cents);
  insert_.bind(6, std::string_view(note_));
  insert_.finish();
  if (!roll_up_) return;
  const std::string day = date_of(order.day);
  roll_up_->bind(1, std::string_view(day));
  roll_up_->bind(2, order.cents);
  roll_up_->bind(3, std::int64_t{order.active() ? 1 : 0});
  roll_up_->finish();
}

}  // namespace plateau::order_statistics
