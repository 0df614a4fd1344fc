// libplateau_agent.so: preloaded, it gives any program the endpoints of profiling/debug_server.hpp, unchanged.
//
//   LD_PRELOAD=libplateau_agent.so PLATEAU_PPROF=127.0.0.1:6060 redis-server
//
//   PLATEAU_PPROF               ADDRESS:PORT to listen on
//   PLATEAU_PPROF_ALLOW_REMOTE  1: the address may be one that other machines reach
//   PLATEAU_BLACK_BOX           a directory: near the memory limit the last heap profiles are kept there (see
//                               profiling/black_box.hpp), as PROGRAM-PID-N.heap, the allocator's own text, which takes
//                               no memory to write and which heap2pprof converts
//   PLATEAU_PPROF_VERBOSE       1: says on standard error where it listens, or why it does not
//   PLATEAU_TRACE               purge=1: a line on standard error for every purge, see allocators/purge_lines.hpp, and
//                               purges in the profile of pauses; also without PLATEAU_PPROF
//
// Without PLATEAU_PPROF, PLATEAU_BLACK_BOX and PLATEAU_TRACE it does nothing. Heap profiles are those of the program's
// allocator; of programs on glibc's they come from a sampler in the agent itself, which stands in front of malloc (at
// PLATEAU_SAMPLE_PERIOD, see profiling/heap_sampler.hpp). Elsewhere it hands on what it is asked for, and is in the way
// of malloc, calloc, realloc and free by a subtraction and a jump; operator new and delete are not touched.
//
// Programs that the program starts inherit the variables: the first to take the port serves, and the others run on
// without. A setuid program is left alone. Standard output, exit status, signal handlers and descriptors are the
// program's own; what it says in vain to the wrong address is the one line that is printed without being asked for.
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "allocators/heap.hpp"
#include "allocators/purge_lines.hpp"
#include "allocators/system/kernel_file.hpp"
#include "profiling/black_box.hpp"
#include "profiling/debug_server.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/purge_pauses.hpp"
#include "profiling/sampler/recorder.hpp"

// What the sampler's library shows; here only the agent asks.
extern "C" const plateau::sampler::SamplerInterface* plateau_sampler();

const bool plateau::sampler::records_from_the_start = false;

namespace plateau {
namespace {

constexpr const char* address_variable = "PLATEAU_PPROF";
constexpr const char* directory_variable = "PLATEAU_BLACK_BOX";

// Null when it is not set, or empty.
const char* value_of(const char* variable) {
  const char* const value = ::secure_getenv(variable);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

bool is_set(const char* variable) {
  const char* const value = value_of(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

bool is_verbose() {
  return is_set("PLATEAU_PPROF_VERBOSE");
}

void say(const char* variable, const char* what) {
  std::fprintf(stderr, "plateau: %s: %s (process %d)\n", variable, what, static_cast<int>(::getpid()));
}

// Not owned by static objects: they must stop before the statics of the libraries they use are gone, and those that
// were made before them are destroyed after the handlers that were registered later.
DebugServer* server = nullptr;
BlackBox* black_box = nullptr;

void stop() {
  delete std::exchange(server, nullptr);
  delete std::exchange(black_box, nullptr);
}

// The sampler in the agent sees malloc, and so all of a program whose operator new calls it.
void sample_if_nobody_else_can() {
  if (Heap::process().kind() != AllocatorKind::glibc || !HeapSampler::use(*plateau_sampler())) return;
  HeapSampler::start(HeapSampler::counts().period_bytes);
}

// Nullptr when it cannot be had.
template <class Make>
auto make_or_say_why(const char* variable, Make make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::invalid_argument& error) {
    say(variable, error.what());
  } catch (const std::exception& error) {
    if (is_verbose()) say(variable, error.what());
  }
  return nullptr;
}

// Address space that the server takes where it is limited (RLIMIT_AS): most of it for glibc, whose heaps are of 64 MiB,
// one for each thread that allocates. The program must not run short of it because it is served.
constexpr std::uint64_t least_address_space = std::uint64_t{512} << 20;

void require_address_space() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const std::uint64_t used =
      kernel_file::number("/proc/thread-self/statm").value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (used + least_address_space <= limit.rlim_cur) return;
  throw std::runtime_error("not served: the address space is limited (ulimit -v " +
                           std::to_string(limit.rlim_cur / 1024) + ") and less than 512 MiB of it are free");
}

std::unique_ptr<DebugServer> serve(const char* address) {
  require_address_space();
  auto made = std::make_unique<DebugServer>(DebugServerOptions{
      .address = address, .allow_remote = is_set("PLATEAU_PPROF_ALLOW_REMOTE"), .private_recorder = true});
  if (is_verbose()) say(address_variable, ("listening on port " + std::to_string(made->port())).c_str());
  return made;
}

std::unique_ptr<BlackBox> keep_profiles(const char* directory) {
  require_address_space();
  auto made = std::make_unique<BlackBox>(
      BlackBoxOptions{.directory = directory,
                      .name = std::string(program_invocation_short_name) + "-" + std::to_string(::getpid()),
                      .symbolize = false});
  if (is_verbose()) say(directory_variable, "watching the memory limit");
  return made;
}

[[gnu::constructor]] void start() {
  if (start_purge_trace_from_environment()) record_purge_pauses();
  const char* const address = value_of(address_variable);
  const char* const directory = value_of(directory_variable);
  if (address == nullptr && directory == nullptr) return;
  if (std::atexit(stop) != 0) return;
  sample_if_nobody_else_can();
  if (directory != nullptr) {
    black_box = make_or_say_why(directory_variable, [&] { return keep_profiles(directory); }).release();
  }
  if (address != nullptr) server = make_or_say_why(address_variable, [&] { return serve(address); }).release();
}

}  // namespace
}  // namespace plateau
