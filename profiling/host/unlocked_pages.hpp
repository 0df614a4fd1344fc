// Pages of the kernel's that are not locked into memory, also in a program that has asked for that.
#pragma once

#include <cstddef>
#include <cstdint>

namespace plateau {

// Zero-filled, private, readable and writable, in whole pages; resident only where they were touched, even after
// mlockall(MCL_FUTURE), under which every other new mapping is made resident at once and counts against
// RLIMIT_MEMLOCK. Null when the kernel gives none. Three system calls; allocates nothing; async-signal-safe; keeps
// errno. Goes to the kernel itself, since whoever stands in front of mmap may allocate.
void* map_unlocked_pages(std::size_t bytes) noexcept;

void unmap_pages(void* pages, std::size_t bytes) noexcept;

struct UnlockedPages {
  std::uintptr_t start = 0;
  std::size_t bytes = 0;
};

// Copies up to `capacity` of those that are mapped now, by this library's copy of these functions, and gives how many
// there are: a page of the debug server tells them apart from the program's memory. Of the first 1024.
std::size_t unlocked_pages(UnlockedPages* pages, std::size_t capacity) noexcept;

// The first bytes of a file that is open for reading, on the same terms: resident only where they are looked at. They
// cannot be written, and so count against no limit of data. Null when the kernel maps none.
void* map_unlocked_file(int file, std::size_t bytes) noexcept;
void unmap_file(void* pages, std::size_t bytes) noexcept;

// The same of files.
std::size_t unlocked_files(UnlockedPages* files, std::size_t capacity) noexcept;

// Makes the page inaccessible: what runs over into it is a fault. False when the kernel does not.
bool guard_page(void* page) noexcept;

}  // namespace plateau
