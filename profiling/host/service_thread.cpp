#include "profiling/host/service_thread.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include "profiling/heap_profiler.hpp"
#include "profiling/host/unlocked_pages.hpp"

namespace plateau {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t stack_bytes = std::size_t{4} << 20;  // instrumented frames are several times as large
#else
constexpr std::size_t stack_bytes = std::size_t{512} << 10;
#endif
constexpr std::size_t guard_bytes = 4096;

}  // namespace

void become_service_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
  HeapProfiler::exclude_this_thread();
}

ServiceThread::ServiceThread(const char* name, std::function<void()> run)
    : name_(name), run_(std::move(run)), stack_(map_unlocked_pages(guard_bytes + stack_bytes)) {
  if (stack_ == nullptr) {
    throw std::system_error(ENOMEM, std::generic_category(), "no memory for the stack of a thread");
  }
  guard_page(stack_);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstack(&attributes, static_cast<std::byte*>(stack_) + guard_bytes, stack_bytes);
  const SignalsForOthers signals;
  const int error = ::pthread_create(&thread_, &attributes, enter, this);
  ::pthread_attr_destroy(&attributes);
  if (error == 0) return;
  unmap_pages(stack_, guard_bytes + stack_bytes);
  throw std::system_error(error, std::generic_category(), "cannot start a thread");
}

ServiceThread::~ServiceThread() {
  ::pthread_join(thread_, nullptr);
  unmap_pages(stack_, guard_bytes + stack_bytes);
}

void* ServiceThread::enter(void* thread) {
  const auto& self = *static_cast<const ServiceThread*>(thread);
  become_service_thread(self.name_);
  self.run_();
  return nullptr;
}

}  // namespace plateau
