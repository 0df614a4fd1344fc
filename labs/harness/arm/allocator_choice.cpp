#include "labs/harness/arm/allocator_choice.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

struct Known {
  std::string_view name;
  std::string_view library;
  std::string_view package;
};

constexpr std::array<Known, 4> known_allocators{{
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2"},
    {"tcmalloc", "libtcmalloc.so.4", "libgoogle-perftools4"},
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0"},
    {"glibc", "", ""},
}};

// An empty part would be one too many: jemalloc calls it malformed.
void append(std::string& list, char separator, std::string_view part) {
  if (!list.empty() && !part.empty()) list += separator;
  list += part;
}

// Tried by a re-execution of this program with the library preloaded, as an arm would be: dlopen is no test, since
// allocators need static thread-local storage that only the start of a process has to give.
bool can_preload(const std::string& library) {
  std::vector<std::string> environment = environment_for({library, library}, {});
  std::vector<char*> variables;
  for (std::string& variable : environment) variables.push_back(variable.data());
  variables.push_back(nullptr);
  std::string program = "probe";
  std::string command = probe_command;
  std::string name = library;
  const std::array<char*, 4> arguments{program.data(), command.data(), name.data(), nullptr};
  const pid_t child = ::fork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDERR_FILENO);  // the dynamic linker complains there, and runs on without the library
    ::execve("/proc/self/exe", arguments.data(), variables.data());
    ::_exit(1);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

AllocatorChoice choose_allocator(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    std::error_code error;
    const auto library = std::filesystem::canonical(name, error);
    if (error) throw UsageError(fmt::format("--allocator {}: {}", name, error.message()));
    if (!can_preload(library))
      throw UsageError(fmt::format("--allocator {}: not a shared object that can be preloaded", name));
    return {name, library};
  }
  const auto* const known = std::find_if(known_allocators.begin(), known_allocators.end(),
                                         [&name](const Known& k) { return k.name == name; });
  if (known == known_allocators.end()) {
    throw UsageError(fmt::format(
        "--allocator {}: choose jemalloc, tcmalloc, mimalloc, glibc, or a path such as /opt/lib/my.so", name));
  }
  const std::string library(known->library);
  if (!library.empty() && !can_preload(library)) {
    throw UsageError(
        fmt::format("--allocator {}: {} is not installed; apt-get install {}", name, library, known->package));
  }
  return {name, library};
}

AllocatorChoice with_sampler(AllocatorChoice choice) {
  const auto sampler = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libplateau_sampler.so";
  if (!std::filesystem::exists(sampler)) {
    throw UsageError(fmt::format("heap profiles on {} need {}: build it (make build)", choice.name, sampler.string()));
  }
  choice.library = sampler.string() + (choice.library.empty() ? "" : ":" + choice.library);
  return choice;
}

AllocatorChoice with_heap_profiler(AllocatorChoice choice) {
  return choice.name == "glibc" || choice.name == "mimalloc" ? with_sampler(std::move(choice)) : choice;
}

bool is_preloaded(const std::string& library) {
  return dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD) != nullptr;
}

std::vector<std::string> environment_for(const AllocatorChoice& choice, const AllocatorSettings& settings) {
  std::string preload = choice.library;
  std::string conf = settings.malloc_conf;
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (variable.starts_with("LD_PRELOAD=")) {
      append(preload, ':', variable.substr(11));
    } else if (variable.starts_with("MALLOC_CONF=")) {
      append(conf, ',', variable.substr(12));  // later settings win in jemalloc
    } else {
      result.emplace_back(variable);
    }
  }
  if (!preload.empty()) result.push_back("LD_PRELOAD=" + preload);
  if (!conf.empty()) result.push_back("MALLOC_CONF=" + conf);
  for (const std::string& setting : settings.environment) {
    const std::string name = setting.substr(0, setting.find('=') + 1);
    const auto same = [&name](const std::string& variable) { return variable.starts_with(name); };
    if (std::none_of(result.begin(), result.end(), same)) result.push_back(setting);
  }
  return result;
}

std::vector<std::string> allocator_variables(const std::vector<std::string>& environment) {
  std::vector<std::string> result;
  for (const std::string& variable : environment) {
    for (const char* const prefix :
         {"LD_PRELOAD=", "MALLOC_", "TCMALLOC_", "MIMALLOC_", "GLIBC_TUNABLES=", "HEAPPROFILE=", "HEAP_PROFILE_"}) {
      if (variable.starts_with(prefix)) result.push_back(variable);
    }
  }
  return result;
}

}  // namespace plateau::harness
