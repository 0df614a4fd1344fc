// Tells AddressSanitizer which bytes of an allocator's own blocks are free; nothing at all in other builds.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define PLATEAU_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLATEAU_ADDRESS_SANITIZER 1
#endif
#endif

#if defined(PLATEAU_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#endif

namespace plateau {

#if defined(PLATEAU_ADDRESS_SANITIZER)
inline constexpr bool address_sanitizer = true;
#else
inline constexpr bool address_sanitizer = false;
#endif

// Any access to these bytes is reported until they are unpoisoned. Cost under the sanitizer: bytes / 8 stores.
inline void poison([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(PLATEAU_ADDRESS_SANITIZER)
  __asan_poison_memory_region(begin, bytes);
#endif
}

inline void unpoison([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(PLATEAU_ADDRESS_SANITIZER)
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

}  // namespace plateau
