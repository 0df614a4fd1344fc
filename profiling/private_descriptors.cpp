#include "profiling/private_descriptors.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "allocators/runtime_symbol.hpp"

namespace plateau {

void enter_private_descriptor_table() {
  if (::close_range(0, ~0U, CLOSE_RANGE_UNSHARE) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot have descriptors of its own (close_range)");
  }
  // So that what a library writes to standard error never ends up in a socket that got its number.
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (::open("/dev/null", O_RDWR | O_CLOEXEC) != fd) {
      throw std::system_error(errno, std::generic_category(), "cannot open /dev/null");
    }
  }
}

bool may_have_private_descriptors() {
#ifdef __SANITIZE_THREAD__
  return false;
#else
  return runtime_symbol<void>("unw_backtrace") == nullptr;
#endif
}

}  // namespace plateau
