#include "labs/order_statistics/store_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

#include "allocators/system/cpu_clock.hpp"
#include "labs/harness/load/random.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/calibration.hpp"
#include "labs/order_statistics/orders.hpp"
#include "labs/order_statistics/statements.hpp"
#include "labs/sqlite/sqlite.hpp"

namespace plateau::order_statistics {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t schema_version = 1;  // another one: every store is built again
constexpr std::uint64_t rows_between_looks = 20'000;

// Notes are pieces of one text, which no filesystem can make smaller.
class Notes {
 public:
  explicit Notes(std::uint64_t bytes) : bytes_(bytes) {
    harness::SplitMix64 random(1);
    text_.resize(bytes + variety);
    for (char& one : text_) one = static_cast<char>('a' + random.below(26));
  }
  std::string_view of(std::uint64_t i) const { return std::string_view(text_).substr(i * 31 % variety, bytes_); }

 private:
  static constexpr std::uint64_t variety = 4096;
  std::uint64_t bytes_;
  std::string text_;
};

void insert_orders(sqlite::Database& database, std::uint64_t seed, std::uint64_t rows, std::uint64_t note_bytes,
                   const BuildProgress& progress) {
  sqlite::Statement insert(database, "INSERT INTO orders VALUES(?,?,?,?,?,?)");
  const Notes notes(note_bytes);
  for (std::uint64_t i = 0; i < rows; ++i) {
    const Order order = past_order(seed, rows, i);
    const std::string moment = moment_of(order.day, order.second);
    insert.bind(1, order.id);
    insert.bind(2, std::string_view(moment));
    insert.bind(3, statuses[order.status]);
    insert.bind(4, order.customer);
    insert.bind(5, order.cents);
    insert.bind(6, notes.of(i));
    insert.finish();
    if (i % rows_between_looks == 0) progress(static_cast<double>(i) / static_cast<double>(rows));
  }
}

void insert_days(sqlite::Database& database, std::uint64_t seed, std::uint64_t rows) {
  const Truth truth(seed, rows);
  sqlite::Statement insert(database, "INSERT INTO daily VALUES(?,?,?,?,?)");
  for (int month = 0; month < months; ++month) {
    const Answer all = truth.answer({month, false}, 0);
    const Answer active = truth.answer({month, true}, 0);
    for (const DayStatistics& day : all) {
      const auto of_active =
          std::find_if(active.begin(), active.end(), [&](const DayStatistics& one) { return one.day == day.day; });
      const DayStatistics no_active{day.day, 0, 0};
      const DayStatistics& part = of_active == active.end() ? no_active : *of_active;
      const std::string date = date_of(day.day);
      insert.bind(1, std::string_view(date));
      insert.bind(2, day.orders);
      insert.bind(3, day.cents);
      insert.bind(4, part.orders);
      insert.bind(5, part.cents);
      insert.finish();
    }
  }
}

void tell(sqlite::Database& database, std::string_view name, const std::string& value) {
  sqlite::Statement insert(database, "INSERT OR REPLACE INTO about VALUES(?,?)");
  insert.bind(1, name);
  insert.bind(2, std::string_view(value));
  insert.finish();
}

std::string told(sqlite::Database& database, std::string_view name) {
  sqlite::Statement select(database, "SELECT value FROM about WHERE name = ?");
  select.bind(1, name);
  return select.step() ? std::string(select.text(0)) : "";
}

struct Unfinished {
  explicit Unfinished(std::string path) : file(std::move(path)) { sqlite::remove_database(file); }
  ~Unfinished() { sqlite::remove_database(file); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  const std::string file;
};

// Of so many orders with notes of this width, in a store of its own.
double seconds_an_order(const std::string& folder, std::uint64_t seed, std::uint64_t note_bytes) {
  const Unfinished store(fmt::format("{}/measured-{}.db", folder, ::getpid()));
  build_store(store.file, seed, measured_rows, note_bytes, [](double) {});
  constexpr int times = 3;
  double least = seconds_of_a_scan(store.file);
  for (int i = 1; i < times; ++i) least = std::min(least, seconds_of_a_scan(store.file));
  return least / static_cast<double>(measured_rows);
}

}  // namespace

void build_store(const std::string& file, std::uint64_t seed, std::uint64_t rows, std::uint64_t note_bytes,
                 const BuildProgress& progress) {
  const Unfinished unfinished(file + fmt::format(".{}.unfinished", ::getpid()));
  try {
    sqlite::Database database(unfinished.file);
    database.run("PRAGMA journal_mode=OFF");  // it is taken away when it is not finished
    database.run("PRAGMA synchronous=OFF");
    for (const std::string& create : schema()) database.run(create);
    database.run("BEGIN");
    insert_orders(database, seed, rows, note_bytes, progress);
    insert_days(database, seed, rows);
    tell(database, "schema", fmt::to_string(schema_version));
    tell(database, "seed", fmt::to_string(seed));
    tell(database, "rows", fmt::to_string(rows));
    tell(database, "note_bytes", fmt::to_string(note_bytes));
    database.run("COMMIT");
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("the store {} cannot be built: {}", file, error.what()));
  }
  sqlite::remove_database(file);
  fs::rename(unfinished.file, file);
}

std::optional<std::string> why_not_usable(const std::string& file, const StoreShape& shape) {
  if (!fs::exists(file)) return "it is not there";
  try {
    sqlite::Database database(file);
    if (told(database, "schema") != fmt::to_string(schema_version)) return "it is of another version";
    if (told(database, "seed") != fmt::to_string(shape.seed) || told(database, "rows") != fmt::to_string(shape.rows) ||
        (shape.note_bytes && told(database, "note_bytes") != fmt::to_string(*shape.note_bytes)))
      return "it was built from something else";
    sqlite::Statement select(database, "SELECT created_at, status, customer, total_amount FROM orders WHERE id = ?");
    constexpr std::uint64_t looks = 100;
    for (std::uint64_t look = 0; look <= looks; ++look) {
      const Order order = past_order(shape.seed, shape.rows, (shape.rows - 1) * look / looks);
      select.bind(1, order.id);
      const bool is_there = select.step() && select.text(0) == moment_of(order.day, order.second) &&
                            select.text(1) == statuses[order.status] && select.number(2) == order.customer &&
                            select.number(3) == order.cents;
      if (!is_there) return fmt::format("its order {} is not as it was built", order.id);
      select.reset();
    }
    return std::nullopt;
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

double seconds_of_a_scan(const std::string& file) {
  sqlite::Database database(file);
  database.run(fmt::format("PRAGMA cache_size=-{}", page_cache_kib));
  sqlite::Statement select(database, select_days({}, false));
  const auto begin = thread_cpu_time();
  select.finish();
  return std::chrono::duration<double>(thread_cpu_time() - begin).count();
}

std::uint64_t ScanRate::note_bytes_for(std::uint64_t rows) const {
  const double wanted = wanted_query_s / static_cast<double>(rows) - seconds_an_order;
  const double bytes = seconds_a_byte > 0 ? wanted / seconds_a_byte : static_cast<double>(least_note_bytes);
  return static_cast<std::uint64_t>(
      std::clamp(bytes, static_cast<double>(least_note_bytes), static_cast<double>(most_note_bytes)));
}

ScanRate measure_scan_rate(const std::string& folder, std::uint64_t seed) {
  constexpr std::uint64_t narrow = 100;
  constexpr std::uint64_t wide = 900;
  const double at_narrow = seconds_an_order(folder, seed, narrow);
  const double at_wide = seconds_an_order(folder, seed, wide);
  ScanRate rate;
  rate.seconds_a_byte = (at_wide - at_narrow) / static_cast<double>(wide - narrow);
  rate.seconds_an_order = at_narrow - rate.seconds_a_byte * static_cast<double>(narrow);
  return rate;
}

CachedStore::CachedStore(const std::string& folder, const StoreShape& shape, const BuildProgress& progress) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw harness::UsageError(fmt::format("the folder {}: {}", folder, error.message()));
  const std::string name = fmt::format("order_statistics-{}-{}{}", shape.seed, shape.rows,
                                       shape.note_bytes ? fmt::format("-{}", *shape.note_bytes) : "");
  constexpr int most_beside = 16;
  for (int place = 1; place <= most_beside && !lock_; ++place) {
    file_ = fmt::format("{}/{}{}.db", folder, name, place == 1 ? "" : fmt::format("-beside-{}", place));
    Descriptor lock(::open((file_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!lock)
      throw harness::UsageError(fmt::format("{}.lock: {}; give another folder with --cache-folder", file_,
                                            std::generic_category().message(errno)));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) lock_ = std::move(lock);
  }
  if (!lock_) throw harness::UsageError(fmt::format("all stores in {} are in use by other labs", folder));
  if (const auto reason = why_not_usable(file_, shape)) {
    why_built_ = *reason;
    build(folder, shape, progress);
  }
  sqlite::Database database(file_);
  note_bytes_ = std::stoull(told(database, "note_bytes"));
  scan_seconds_ = std::stod(told(database, "scan_seconds"));
}

void CachedStore::build(const std::string& folder, const StoreShape& shape, const BuildProgress& progress) {
  const auto build_with = [&](std::uint64_t note_bytes) {
    build_store(file_, shape.seed, shape.rows, note_bytes, progress);
    progress(1);
    scan_seconds_ = std::min(seconds_of_a_scan(file_), seconds_of_a_scan(file_));
  };
  if (shape.note_bytes) {
    build_with(*shape.note_bytes);
  } else {
    ScanRate rate = measure_scan_rate(folder, shape.seed);
    const std::uint64_t bytes = rate.note_bytes_for(shape.rows);
    build_with(bytes);
    // A large store is sorted in more steps than the small ones that were measured: once more, from what it took.
    if (scan_seconds_ < least_query_s || scan_seconds_ > most_query_s) {
      rate.seconds_an_order =
          scan_seconds_ / static_cast<double>(shape.rows) - rate.seconds_a_byte * static_cast<double>(bytes);
      if (const std::uint64_t better = rate.note_bytes_for(shape.rows); better != bytes) build_with(better);
    }
  }
  sqlite::Database database(file_);
  tell(database, "scan_seconds", fmt::to_string(scan_seconds_));
}

std::string default_cache_folder() {
  if (const char* const cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')  // NOLINT
    return std::string(cache) + "/plateau";
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/')  // NOLINT
    return std::string(home) + "/.cache/plateau";
  throw harness::UsageError("neither XDG_CACHE_HOME nor HOME is set; say with --cache-folder where the store may be");
}

void bring_into_page_cache(const std::string& file) {
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> piece(std::size_t{1} << 20);
  while (in && ::read(in.get(), piece.data(), piece.size()) > 0) {
  }
}

}  // namespace plateau::order_statistics
