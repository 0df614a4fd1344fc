// mlockall() is for the program's memory: files and tables of the agent's stay out of it, in memory and in the limit.
#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

#include "profiling/agent_children.hpp"
#include "profiling/agent_next_function.hpp"
#include "profiling/agent_system_calls.hpp"
#include "profiling/host/private_descriptors.hpp"
#include "profiling/host/program_memory.hpp"
#include "profiling/host/service_thread.hpp"

namespace plateau {
namespace {

constinit NextFunction<int(int)> next_lock("mlockall");
constinit std::atomic<bool> locks_what_comes{false};

// The maps are read where the program does not see a descriptor. Empty: they cannot be.
std::vector<AddressRange> program_memory_unseen() {
  std::vector<AddressRange> memory;
  const PrivateDescriptors descriptors;
  const auto read = [&] {
    try {
      if (descriptors.enter()) memory = program_memory();
    } catch (const std::exception&) {
      memory.clear();
    }
  };
  { const ServiceThread reader("plateau-maps", read); }
  return memory;
}

bool may_lock_anything() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  return (sets[0].effective & 1U << CAP_IPC_LOCK) != 0;
}

// In bytes.
std::uint64_t limit_of_locks() {
  rlimit limit{};
  const bool has_limit = ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && !may_lock_anything();
  return has_limit ? limit.rlim_cur : RLIM_INFINITY;
}

// As the kernel decides it (mm/mlock.c): by all that is mapped, resident or not.
bool fits(const std::vector<AddressRange>& memory, std::uint64_t limit) {
  std::uint64_t bytes = 0;
  for (const AddressRange& range : memory) bytes += range.limit - range.start;
  return bytes <= limit;
}

// False where a sandbox allows mlockall() and not this. What cannot be made resident, as guard pages, is passed over,
// as mlockall() does it.
bool lock_each(const std::vector<AddressRange>& memory, bool when_touched) {
  for (const AddressRange& range : memory) {
    const std::uint64_t bytes = range.limit - range.start;
    const long result = when_touched ? ::syscall(SYS_mlock2, range.start, bytes, MLOCK_ONFAULT)
                                     : ::syscall(SYS_mlock, range.start, bytes);
    if (result != 0 && (errno == EPERM || errno == ENOSYS)) return false;
  }
  return true;
}

int lock(const std::vector<AddressRange>& memory, int flags, std::uint64_t limit) {
  if (!fits(memory, limit)) {
    errno = ENOMEM;
    return -1;
  }
  auto* const next = next_lock.look_up();
  const int saved_errno = errno;
  if ((flags & MCL_FUTURE) != 0) {
    if (next(flags & ~MCL_CURRENT) != 0) return -1;
  } else if (locks_what_comes.exchange(false)) {
    ::munlockall();  // nothing else ends that
  }
  if (!lock_each(memory, (flags & MCL_ONFAULT) != 0)) return next(flags);
  errno = saved_errno;
  return 0;
}

// A filter of the program's may end it for a call that it did not make.
bool has_our_memory() {
  const AgentServices* const services = agent_services();
  return services != nullptr && services->is_of_this_process() && service_threads_begun() > 0 && !has_own_filter();
}

int lock_all(int flags) noexcept {
  auto* const next = next_lock.look_up();
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  constexpr int known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
  if ((flags & MCL_FUTURE) != 0) locks_what_comes.store(true);
  if ((flags & MCL_CURRENT) == 0 || (flags & ~known) != 0 || !has_our_memory()) return next(flags);
  const std::uint64_t limit = limit_of_locks();
  if (limit == 0) return next(flags);  // which says so
  try {
    const std::vector<AddressRange> memory = program_memory_unseen();
    if (!memory.empty()) return lock(memory, flags, limit);
  } catch (const std::exception&) {
    // No thread is to be had: all is locked, ours with it.
  }
  return next(flags);
}

}  // namespace
}  // namespace plateau

extern "C" {
#pragma GCC visibility push(default)

int mlockall(int flags) noexcept {
  return plateau::lock_all(flags);
}

#pragma GCC visibility pop
}
