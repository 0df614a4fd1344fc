// The fixes of this lab. Each right one is a pair in fixes/, in a file of its name.
#pragma once

#include <array>

#include "labs/harness/fix_table.hpp"

namespace plateau::order_service {

// The halves of the pairs that a service works with, and the wrong fixes that are tried on it.
struct Fixes {
  bool buffers = false;
  bool items = false;
  bool query = false;
  bool outbox = false;
  bool lifetimes = false;
  bool retention = false;

  bool bigger_limit = false;
  bool trim_often = false;
  bool decay_only = false;
};

inline constexpr auto right_fixes = std::to_array<harness::FixRow<Fixes>>({
    {"buffers", "confirmations are encoded in an arena and into recycled buffers, not into fresh ones",
     &Fixes::buffers},
    {"items", "the vector of items is reserved, not grown one push at a time", &Fixes::items},
    {"query", "the IN (…) query is built in one reserved builder, not by repeated concatenation", &Fixes::query},
    {"outbox", "the outbox is bounded and its entries expire, instead of waiting for ever", &Fixes::outbox},
    {"lifetimes", "history lives in arenas of its own and each batch in an arena, not side by side on the heap",
     &Fixes::lifetimes},
    {"retention",
     "unused pages are purged in the background after 1 s, not after 10 s of activity, and a policy sheds what is idle "
     "before the limit",
     &Fixes::retention, harness::FixScope::process},
});

inline constexpr auto wrong_fixes = std::to_array<harness::WrongFixRow<Fixes>>({
    {"bigger-limit", "twice the memory limit", "the growth is the same, so the kernel only kills later",
     &Fixes::bigger_limit, 16},
    {"trim-often", "purge the whole heap every simulated minute",
     "purging gives back unused pages; live entries and slabs with one live block in them are used",
     &Fixes::trim_often},
    {"decay-only", "dirty_decay_ms:0, every unused page goes back at once",
     "decay acts on resident - active; what grows is live data and active - allocated", &Fixes::decay_only},
});

inline constexpr harness::FixTable<Fixes> fix_table(right_fixes, wrong_fixes);

}  // namespace plateau::order_service
