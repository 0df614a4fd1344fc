// The functions by which a program changes its user and groups: the C library's, and the agent's threads follow.
#include "profiling/agent_set_ids.hpp"

#include <grp.h>
#include <link.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "profiling/agent_children.hpp"
#include "profiling/agent_next_function.hpp"
#include "profiling/host/follow_ids.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {
namespace {

// glibc ends a process in which the call is allowed to one thread and not to another. Service threads that it does not
// pass over have lost the capabilities that the program's thread keeps: they end before the call, and begin again.
bool must_end_threads() noexcept {
  const AgentServices* const services = agent_services();
  return services != nullptr && services->is_of_this_process() && service_threads_begun() > 0 &&
         !are_service_threads_hidden_from_set_id() && ::prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 1;
}

// Service threads follow when the function behind has done it.
template <class... Arguments>
class Next {
 public:
  explicit constexpr Next(const char* name) : function_(name) {}

  int operator()(Arguments... arguments) noexcept {
    auto* const function = look_up();
    if (function == nullptr) {
      errno = ENOSYS;
      return -1;
    }
    if (must_end_threads()) {
      return agent_services()->call_alone([&] { return function(arguments...); }, [] { return true; });
    }
    const int result = function(arguments...);
    if (result == 0) let_service_threads_follow();
    return result;
  }
  auto* look_up() noexcept { return function_.look_up(); }

 private:
  NextFunction<int(Arguments...)> function_;
};

constinit Next<uid_t> next_setuid("setuid");
constinit Next<gid_t> next_setgid("setgid");
constinit Next<uid_t> next_seteuid("seteuid");
constinit Next<gid_t> next_setegid("setegid");
constinit Next<uid_t, uid_t> next_setreuid("setreuid");
constinit Next<gid_t, gid_t> next_setregid("setregid");
constinit Next<uid_t, uid_t, uid_t> next_setresuid("setresuid");
constinit Next<gid_t, gid_t, gid_t> next_setresgid("setresgid");
constinit Next<std::size_t, const gid_t*> next_setgroups("setgroups");

void look_all_up() {
  next_setuid.look_up();
  next_setgid.look_up();
  next_seteuid.look_up();
  next_setegid.look_up();
  next_setreuid.look_up();
  next_setregid.look_up();
  next_setresuid.look_up();
  next_setresgid.look_up();
  next_setgroups.look_up();
}

bool holds(const dl_phdr_info& object, std::uintptr_t address) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& segment = object.dlpi_phdr[i];
    const std::uintptr_t start = object.dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= start && address < start + segment.p_memsz) return true;
  }
  return false;
}

// Programs find the functions of what was loaded first. A library that is loaded late comes behind the C library.
bool is_before_c_library() {
  auto* const theirs = next_setresuid.look_up();
  if (theirs == nullptr) return false;
  std::uintptr_t addresses[] = {reinterpret_cast<std::uintptr_t>(&next_setresuid),
                                reinterpret_cast<std::uintptr_t>(theirs)};
  const auto stop_at_either = [](dl_phdr_info* object, std::size_t /*size*/, void* both) {
    const auto* const address = static_cast<const std::uintptr_t*>(both);
    if (holds(*object, address[0])) return 1;
    return holds(*object, address[1]) ? 2 : 0;
  };
  return ::dl_iterate_phdr(stop_at_either, addresses) == 1;
}

}  // namespace

void follow_the_programs_ids() {
  if (!is_before_c_library()) return;
  look_all_up();
  hide_service_threads_from_set_id();
}

}  // namespace plateau

extern "C" {
#pragma GCC visibility push(default)

int setuid(uid_t user) noexcept {
  return plateau::next_setuid(user);
}

int setgid(gid_t group) noexcept {
  return plateau::next_setgid(group);
}

int seteuid(uid_t user) noexcept {
  return plateau::next_seteuid(user);
}

int setegid(gid_t group) noexcept {
  return plateau::next_setegid(group);
}

int setreuid(uid_t real, uid_t effective) noexcept {
  return plateau::next_setreuid(real, effective);
}

int setregid(gid_t real, gid_t effective) noexcept {
  return plateau::next_setregid(real, effective);
}

int setresuid(uid_t real, uid_t effective, uid_t saved) noexcept {
  return plateau::next_setresuid(real, effective, saved);
}

int setresgid(gid_t real, gid_t effective, gid_t saved) noexcept {
  return plateau::next_setresgid(real, effective, saved);
}

int setgroups(std::size_t count, const gid_t* groups) noexcept {
  return plateau::next_setgroups(count, groups);
}

#pragma GCC visibility pop
}
