#include "labs/harness/lanes/forecast.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <system_error>

namespace plateau::harness {

void forecast_in_child(const std::function<void()>& forecast) {
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "cannot fork for the forecast");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // an arm that is killed leaves nobody in its cgroup
    try {
      forecast();
    } catch (const std::exception& error) {
      fmt::print(stderr, "no forecast: {}\n", error.what());
    }
    ::_exit(EXIT_SUCCESS);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "cannot wait for the forecast");
  }
  if (WIFSIGNALED(status)) fmt::print(stderr, "no forecast: its process was ended by signal {}\n", WTERMSIG(status));
}

}  // namespace plateau::harness
