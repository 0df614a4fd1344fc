#include "profiling/agent_children.hpp"

#include <pty.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>

#include "profiling/agent_next_function.hpp"
#include "profiling/host/service_work.hpp"

namespace plateau {
namespace {

constinit AgentServices* services = nullptr;

constinit NextFunction<decltype(::fork)> next_fork("fork");
constinit NextFunction<decltype(::daemon)> next_daemon("daemon");
constinit NextFunction<decltype(::forkpty)> next_forkpty("forkpty");

// A child that is forked while an answer is being made cannot be served. Short ones are waited for.
void wait_before_fork() noexcept {
  constexpr std::chrono::milliseconds patience{100};
  if (services != nullptr && services->wishes().children && services->is_of_this_process()) {
    AgentServices::wait_until_idle(patience);
  }
}

void begin_in_child() noexcept {
  if (services == nullptr || !services->wishes().children) return;
  const int saved_errno = errno;
  try {
    const AgentWishes& wishes = services->wishes();
    if (ServiceWork::is_under_way()) {
      if (wishes.verbose) {
        say(AgentWishes::address_variable, "not served: this child was forked while its parent answered a request");
      }
    } else {
      services = new AgentServices(wishes);  // the parent's stay: there is nobody to end them
      services->begin_later();
    }
  } catch (const std::exception&) {
    // No memory: the child goes on without.
  }
  errno = saved_errno;
}

}  // namespace

void prepare_for_children() noexcept {
  next_fork.look_up();
  next_daemon.look_up();
  next_forkpty.look_up();
}

AgentServices* agent_services() noexcept {
  return services;
}

AgentServices& make_agent_services(AgentWishes wishes) {
  services = new AgentServices(std::move(wishes));
  return *services;
}

}  // namespace plateau

extern "C" {
#pragma GCC visibility push(default)

pid_t fork() noexcept {
  auto* const next = plateau::next_fork.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  plateau::wait_before_fork();
  const pid_t child = next();
  if (child == 0) plateau::begin_in_child();
  return child;
}

int daemon(int keep_folder, int keep_streams) noexcept {
  auto* const next = plateau::next_daemon.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  plateau::wait_before_fork();
  const int result = next(keep_folder, keep_streams);
  if (result == 0) plateau::begin_in_child();
  return result;
}

int forkpty(int* terminal, char* name, const termios* settings, const winsize* size) noexcept {
  auto* const next = plateau::next_forkpty.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  plateau::wait_before_fork();
  const int child = next(terminal, name, settings, size);
  if (child == 0) plateau::begin_in_child();
  return child;
}

#pragma GCC visibility pop
}
