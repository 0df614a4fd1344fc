// Fix `wal`: a write-ahead log, in which who reads sees the store as it was and who writes appends. Before: a rollback
// journal, with which a commit waits until nobody reads, and whoever comes meanwhile waits for the commit
// (sqlite.org/lockingv3.html).
#pragma once

#include <string_view>

namespace plateau::order_statistics {

constexpr std::string_view wal_before() {
  return "PRAGMA journal_mode=DELETE";
}

constexpr std::string_view wal_after() {
  return "PRAGMA journal_mode=WAL";
}

}  // namespace plateau::order_statistics
