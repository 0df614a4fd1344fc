// State of the process that is the program's own: environment, C library, attributes, loaded libraries.
#include <dlfcn.h>
#include <fenv.h>
#include <link.h>
#include <locale.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "host.hpp"

namespace plateau::conformance {
namespace {

void work_at_pace(Host& host, const std::string& argument) {
  host.checksum += work(host.pace * number(argument, 1), host.checksum + 1);
}

void clear_environment(Host& /*host*/, const std::string& /*argument*/) {
  say("clearenv: %s", outcome(::clearenv() == 0));
}

// As programs do that put a text of their own where the environment was.
void overwrite_environment(Host& /*host*/, const std::string& /*argument*/) {
  for (char** at = environ; *at != nullptr; ++at) std::memset(*at, 'x', std::strlen(*at));
  environ = nullptr;
  say("overwrite_environment: done");
}

void list_environment(Host& /*host*/, const std::string& /*argument*/) {
  int variables = 0;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    if (std::strncmp(*at, "PLATEAU_", 8) != 0 && std::strncmp(*at, "LD_PRELOAD=", 11) != 0) ++variables;
  }
  say("environment: %d variables", variables);
}

void library_state(Host& /*host*/, const std::string& /*argument*/) {
  say("random: %d %ld %.9f", std::rand(), ::random(), ::drand48());
  say("locale: %s", ::setlocale(LC_ALL, nullptr));
  say("rounding: %d, exceptions %d", std::fegetround(), ::fetestexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW));
  say("options: %d %d %d", optind, opterr, optopt);
  say("dlerror: %s", ::dlerror() == nullptr ? "none" : "an error");
  say("program: %s", program_invocation_short_name);
}

void attributes(Host& /*host*/, const std::string& /*argument*/) {
  char name[32] = {};
  ::prctl(PR_GET_NAME, name, 0, 0, 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  cpu_set_t processors;
  CPU_ZERO(&processors);
  ::sched_getaffinity(0, sizeof processors, &processors);
  int parent_death = 0;
  ::prctl(PR_GET_PDEATHSIG, &parent_death, 0, 0, 0);
  say("attributes: name %s, umask %o, nice %d, policy %d, %d processors, dumpable %d, personality %x, slack %d, death "
      "%d",
      name, mask, ::getpriority(PRIO_PROCESS, 0), ::sched_getscheduler(0), CPU_COUNT(&processors),
      ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), static_cast<unsigned>(::personality(0xffffffff)),
      ::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), parent_death);
  say("attributes: no new privileges %d, keeps capabilities %d, subreaper %d", ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
      ::prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), [] {
        int reaper = 0;
        ::prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0);
        return reaper;
      }());
}

void limits(Host& /*host*/, const std::string& /*argument*/) {
  for (int resource = 0; resource < RLIMIT_NLIMITS; ++resource) {
    rlimit limit{};
    ::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
    if (resource == RLIMIT_AS || resource == RLIMIT_DATA) continue;  // the host may have set them by its size
    say("limit %d: %lld %lld", resource, static_cast<long long>(limit.rlim_cur),
        static_cast<long long>(limit.rlim_max));
  }
}

// Loads a library that nobody else wants, uses it, and lets it go.
void load_and_unload(Host& host, const std::string& /*argument*/) {
  for (int i = 0; i < 5; ++i) {
    void* const library = ::dlopen("libcrypt.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      say("dlopen: not loaded");
      return;
    }
    if (::dlsym(library, "crypt") == nullptr) say("dlopen: no crypt in it");
    work(host.pace / 5, 31);
    ::dlclose(library);
  }
  say("dlopen: %s", ::dlopen("libcrypt.so.1", RTLD_NOW | RTLD_NOLOAD) == nullptr ? "unloaded" : "still loaded");
}

// The agent as a plug-in that is loaded late. In the run that others are compared with there is none. One that cannot
// be loaded, after a chroot for instance, harms nobody.
void load_the_library(Host& host, const std::string& /*argument*/) {
  if (!host.library.empty() && ::dlopen(host.library.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) ::dlerror();
  say("load: done");
}

constexpr Operation operations[] = {
    {"work", work_at_pace},
    {"clearenv", clear_environment},
    {"overwrite_environment", overwrite_environment},
    {"environment", list_environment},
    {"library_state", library_state},
    {"attributes", attributes},
    {"limits", limits},
    {"dlopen", load_and_unload},
    {"load", load_the_library},
};

}  // namespace

std::span<const Operation> state_operations() {
  return operations;
}

}  // namespace plateau::conformance
