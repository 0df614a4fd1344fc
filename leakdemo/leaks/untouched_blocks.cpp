#include <cstdint>
#include <cstdlib>
#include <list>
#include <memory>
#include <new>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t table_bytes = std::size_t{4} << 20;
constexpr std::size_t used_bytes = 64;

using Table = std::unique_ptr<char, void (*)(void*)>;

Table table_of(std::size_t bytes) {
  Table table(static_cast<char*>(std::malloc(bytes)), std::free);
  if (table == nullptr) throw std::bad_alloc();
  table.get()[0] = 1;
  return table;
}

class GenerousTables final : public Service {
 public:
  // No fault of RSS: a table is reserved for the most there may ever be, and its pages are never touched.
  [[gnu::noinline]] void open_table() { tables_.push_back(table_of(table_bytes)); }
  void operate(std::uint64_t /*i*/) override { open_table(); }

 private:
  std::list<Table> tables_;
};

class ModestTables final : public Service {
 public:
  // The repair of what is only address space: a table that begins small.
  [[gnu::noinline]] void open_table() { tables_.push_back(table_of(used_bytes)); }
  void operate(std::uint64_t /*i*/) override { open_table(); }

 private:
  std::list<Table> tables_;
};

}  // namespace

constinit const Leak untouched_blocks{
    .name = "untouched_blocks",
    .sentence = "tables are reserved for the most there may ever be, and hardly touched: RSS stays as it is",
    .kind = LeakKind::no_leak,
    .place = {"no part of RSS"},
    .operations = 16,
    .bytes_per_operation = table_bytes,
    .make = fault_or_repair<GenerousTables, ModestTables>,
};

}  // namespace plateau::leakdemo
