#include <array>
#include <cstdint>
#include <memory>
#include <thread>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

struct FormatBuffer {
  std::array<char, 16'384> text{};
};

class RawBuffers {
 public:
  // The fault: the thread ends, its pointer with it, and the buffer stays.
  [[gnu::noinline]] static FormatBuffer& of_this_thread() {
    thread_local FormatBuffer* buffer = nullptr;
    if (buffer == nullptr) buffer = new FormatBuffer;
    return *buffer;
  }
};

class OwnedBuffers {
 public:
  // The repair: a thread_local object with a destructor, which runs when the thread ends.
  [[gnu::noinline]] static FormatBuffer& of_this_thread() {
    thread_local const auto buffer = std::make_unique<FormatBuffer>();
    return *buffer;
  }
};

template <class Buffers>
class ThreadPerRequest final : public Service {
 public:
  void operate(std::uint64_t i) override {
    std::thread([i] { Buffers::of_this_thread().text[0] = static_cast<char>(i); }).join();
  }
};

}  // namespace

constinit const Leak thread_local_cache{
    .name = "thread_local_cache",
    .sentence = "each thread caches a buffer by a raw thread_local pointer, and threads come and go",
    .kind = LeakKind::unreachable,
    .place = {"Buffers::of_this_thread"},
    .operations = 1'000,
    .bytes_per_operation = sizeof(FormatBuffer),
    .make = fault_or_repair<ThreadPerRequest<RawBuffers>, ThreadPerRequest<OwnedBuffers>>,
};

}  // namespace plateau::leakdemo
