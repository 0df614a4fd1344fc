#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "allocators/system/descriptor.hpp"
#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t window_bytes = 65'536;

// A queue between processes: a file in memory, written through windows that are mapped as they are needed.
class Journal {
 public:
  Journal() : file_(::memfd_create("journal", MFD_CLOEXEC)) {
    if (!file_) throw std::bad_alloc();
  }

  void* map_window(std::uint64_t i) const {
    const auto begin = static_cast<off_t>(i * window_bytes);
    if (::ftruncate(file_.get(), begin + static_cast<off_t>(window_bytes)) != 0) throw std::bad_alloc();
    void* const window = ::mmap(nullptr, window_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), begin);
    if (window == MAP_FAILED) throw std::bad_alloc();
    return window;
  }
  void forget(std::uint64_t i) const {
    ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(i * window_bytes),
                window_bytes);
  }

 private:
  Descriptor file_;
};

class EndlessJournal final : public Service {
 public:
  // The fault: what the reader has had stays in the file, and stays mapped.
  [[gnu::noinline]] void append(std::uint64_t i) { std::memset(journal_.map_window(i), 1, window_bytes); }
  void operate(std::uint64_t i) override { append(i); }

 private:
  Journal journal_;
};

class BoundedJournal final : public Service {
 public:
  // The repair: a window that was read is unmapped, and given back to the kernel.
  [[gnu::noinline]] void append(std::uint64_t i) {
    void* const window = journal_.map_window(i);
    std::memset(window, 1, window_bytes);
    ::munmap(window, window_bytes);
    journal_.forget(i);
  }
  void operate(std::uint64_t i) override { append(i); }

 private:
  Journal journal_;
};

}  // namespace

constinit const Leak growing_memfd{
    .name = "growing_memfd",
    .sentence = "a journal in a file in memory (memfd) is appended to, and never cut",
    .kind = LeakKind::outside_heap,
    .place = {"::append"},
    .operations = 256,
    .bytes_per_operation = window_bytes,
    .make = fault_or_repair<EndlessJournal, BoundedJournal>,
};

}  // namespace plateau::leakdemo
