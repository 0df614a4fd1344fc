// The fields of HeapStatistics as a list: whoever copies, shares or writes them goes through it, and none is forgotten.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allocators/heap.hpp"

namespace plateau {

struct HeapField {
  std::string_view name;
  std::optional<std::uint64_t> HeapStatistics::*value;
};

// In the order of the struct.
inline constexpr std::array heap_fields{
    HeapField{"requested", &HeapStatistics::requested},
    HeapField{"allocated", &HeapStatistics::allocated},
    HeapField{"active", &HeapStatistics::active},
    HeapField{"resident", &HeapStatistics::resident},
    HeapField{"mapped", &HeapStatistics::mapped},
    HeapField{"retained", &HeapStatistics::retained},
    HeapField{"metadata", &HeapStatistics::metadata},
    HeapField{"dirty", &HeapStatistics::dirty},
    HeapField{"muzzy", &HeapStatistics::muzzy},
    HeapField{"purges", &HeapStatistics::purges},
    HeapField{"madvise_calls", &HeapStatistics::madvise_calls},
    HeapField{"cached", &HeapStatistics::cached},
    HeapField{"slab_bytes", &HeapStatistics::slab_bytes},
    HeapField{"slab_region_bytes", &HeapStatistics::slab_region_bytes},
};
static_assert(sizeof(HeapStatistics) == heap_fields.size() * sizeof(std::optional<std::uint64_t>),
              "a field of HeapStatistics is missing here");

}  // namespace plateau
