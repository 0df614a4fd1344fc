#include "profiling/agent_one_thread.hpp"

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <system_error>

#include "profiling/agent_children.hpp"
#include "profiling/agent_next_function.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {
namespace {

constinit NextFunction<decltype(::unshare)> next_unshare("unshare");
constinit NextFunction<decltype(::setns)> next_setns("setns");

// 0 where nobody can see them.
std::size_t threads_of_process() {
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/thread-self/../", error);
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

bool is_alone() {
  return threads_of_process() == 1;
}

// Where nobody can see them, the program has one thread.
bool has_other_threads() {
  return threads_of_process() > 1 + service_threads_begun();
}

bool is_refused_for_threads_of_ours() {
  if (errno != EINVAL && errno != EUSERS) return false;
  AgentServices* const services = agent_services();
  return services != nullptr && !is_service_thread(::gettid()) && services->is_of_this_process() &&
         service_threads_begun() > 0 && !has_other_threads();
}

}  // namespace

int call_of_one_thread(const std::function<int()>& call) noexcept {
  const int result = call();
  if (result == 0) return result;
  const int refusal = errno;
  try {
    if (is_refused_for_threads_of_ours()) return agent_services()->call_alone(call, is_alone);
  } catch (const std::exception&) {
    // No memory: what the kernel said stands.
  }
  errno = refusal;
  return result;
}

void prepare_for_calls_of_one_thread() noexcept {
  next_unshare.look_up();
  next_setns.look_up();
}

}  // namespace plateau

extern "C" {
#pragma GCC visibility push(default)

int unshare(int flags) noexcept {
  auto* const next = plateau::next_unshare.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  const auto call = [next, flags] { return next(flags); };
  return plateau::call_of_one_thread([&call] { return call(); });
}

int setns(int descriptor, int kind) noexcept {
  auto* const next = plateau::next_setns.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  const auto call = [=] { return next(descriptor, kind); };
  return plateau::call_of_one_thread([&call] { return call(); });
}

#pragma GCC visibility pop
}
