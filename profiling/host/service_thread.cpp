#include "profiling/host/service_thread.hpp"

#include <execinfo.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "allocators/runtime_symbol.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/host/program_memory.hpp"
#include "profiling/host/unlocked_pages.hpp"

namespace plateau {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t stack_bytes = std::size_t{4} << 20;  // instrumented frames are several times as large
#else
constexpr std::size_t stack_bytes = std::size_t{512} << 10;
#endif
constexpr std::size_t guard_bytes = 4096;

// Signal handlers and forked children can read this: no lock, no list. A place for a thread, or 0.
constinit std::array<std::atomic<pid_t>, most_service_threads> running{};
constinit std::atomic<pid_t> process_of_running{0};
constinit std::atomic<bool> hidden_from_set_id{false};
constinit std::atomic<std::size_t> begun{0};

// The calling thread has a place while it lives. One too many has none, and is one of the program's threads to others.
class Place {
 public:
  Place() {
    const pid_t process = ::getpid();
    if (pid_t before = process_of_running.load();
        before != process && process_of_running.compare_exchange_strong(before, process)) {
      for (auto& place : running) place = 0;  // of the process that this one was forked from
    }
    for (auto& place : running) {
      pid_t nobody = 0;
      if (!place.compare_exchange_strong(nobody, ::gettid())) continue;
      place_ = &place;
      return;
    }
  }
  ~Place() {
    if (place_ != nullptr) place_->store(0);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::atomic<pid_t>* place_ = nullptr;
};

}  // namespace

std::size_t service_threads(std::array<pid_t, most_service_threads>& threads) noexcept {
  if (process_of_running.load() != ::getpid()) return 0;
  std::size_t count = 0;
  for (const auto& place : running) {
    if (const pid_t thread = place.load(); thread != 0) threads[count++] = thread;
  }
  return count;
}

bool is_service_thread(pid_t thread) noexcept {
  std::array<pid_t, most_service_threads> threads;
  const auto end = threads.begin() + static_cast<std::ptrdiff_t>(service_threads(threads));
  return std::find(threads.begin(), end, thread) != end;
}

std::size_t service_threads_begun() noexcept {
  return begun.load();
}

void hide_service_threads_from_set_id() {
  // libunwind, which tcmalloc brings, takes the place of half of the unwinder that pthread_exit() uses.
  if (runtime_symbol<void()>("unw_backtrace") != nullptr) return;
  // glibc loads the unwinder that pthread_exit() needs when it is first asked for: here, since whoever loads the agent
  // may have the dynamic linker's lock and wait for a service thread. Without an unwinder, pthread_exit() ends the
  // process.
  void* frame = nullptr;
  hidden_from_set_id = ::backtrace(&frame, 1) > 0;
}

bool are_service_threads_hidden_from_set_id() noexcept {
  return hidden_from_set_id.load();
}

void become_service_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
  HeapProfiler::exclude_this_thread();
}

ServiceThread::ServiceThread(const char* name, std::function<void()> run)
    : name_(name), run_(std::move(run)), stack_(map_unlocked_pages(guard_bytes + stack_bytes)) {
  HeapProfiler::active();  // looks the allocator up in this thread: it may be the one that has the dynamic linker's
                           // lock
  if (stack_ == nullptr) {
    throw std::system_error(ENOMEM, std::generic_category(), "no memory for the stack of a thread");
  }
  guard_page(stack_);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstack(&attributes, static_cast<std::byte*>(stack_) + guard_bytes, stack_bytes);
  const SignalsForOthers signals;
  begun.fetch_add(1);
  const int error = ::pthread_create(&thread_, &attributes, enter, this);
  ::pthread_attr_destroy(&attributes);
  if (error == 0) return;
  begun.fetch_sub(1);
  unmap_pages(stack_, guard_bytes + stack_bytes);
  throw std::system_error(error, std::generic_category(), "cannot start a thread");
}

ServiceThread::~ServiceThread() {
  ::pthread_join(thread_, nullptr);
  begun.fetch_sub(1);
  unmap_pages(stack_, guard_bytes + stack_bytes);
}

void ServiceThread::run() const {
  const Place place;
  become_service_thread(name_);
  note_heap_of_this_thread();
  run_();
}

// glibc changes the ids of all threads but of those that are ending (nptl/nptl_setxid.c, EXITING_BITMASK). A thread
// that has called pthread_exit() is ending for as long as its destructors take.
void* ServiceThread::enter(void* thread) {
  struct Ending {
    const ServiceThread& self;
    ~Ending() { self.run(); }
  };
  const auto& self = *static_cast<const ServiceThread*>(thread);
  if (!hidden_from_set_id) {
    self.run();
    return nullptr;
  }
  const Ending ending{self};
  ::pthread_exit(nullptr);
}

}  // namespace plateau
