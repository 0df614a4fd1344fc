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
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/ip/udp.hpp>

#include "allocators/heap.hpp"
#include "allocators/purge_lines.hpp"
#include "allocators/runtime_symbol.hpp"
#include "allocators/system/kernel_file.hpp"
#include "profiling/agent_last_thread.hpp"
#include "profiling/agent_set_ids.hpp"
#include "profiling/black_box.hpp"
#include "profiling/debug_server.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/http/listen_address.hpp"
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

bool is_short_of_memory() {
  // An exception that finds no memory ends the process, so that none may be thrown from here on.
  constexpr std::size_t for_exceptions = std::size_t{64} << 10;
  void* const probe = std::malloc(for_exceptions);
  std::free(probe);
  if (probe == nullptr) return true;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  const std::uint64_t used =
      kernel_file::number("/proc/thread-self/statm").value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return used + least_address_space > limit.rlim_cur;
}

// Sandboxes such as chromium's make a process of one thread, in a network of its own in which nothing is up yet, and
// end it when it has another one. A thread that waits for clients there waits in vain.
void require_network(const char* address) {
  const ListenAddress wanted = parse_listen_address(address, is_set("PLATEAU_PPROF_ALLOW_REMOTE"));
  const boost::asio::ip::udp::endpoint any_port(boost::asio::ip::make_address(wanted.host), 9);
  const int fd = ::socket(any_port.protocol().family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const bool unreachable =
      ::connect(fd, any_port.data(), static_cast<socklen_t>(any_port.size())) != 0 && errno == ENETUNREACH;
  ::close(fd);
  if (unreachable)
    throw std::runtime_error(std::string("not served: nothing of this network is up, and nobody can reach ") + address);
}

std::unique_ptr<DebugServer> serve(const char* address) {
  require_network(address);
  auto made = std::make_unique<DebugServer>(DebugServerOptions{
      .address = address, .allow_remote = is_set("PLATEAU_PPROF_ALLOW_REMOTE"), .private_recorder = true});
  if (is_verbose()) say(address_variable, ("listening on port " + std::to_string(made->port())).c_str());
  return made;
}

std::unique_ptr<BlackBox> keep_profiles(const char* directory) {
  auto made = std::make_unique<BlackBox>(
      BlackBoxOptions{.directory = directory,
                      .name = std::string(program_invocation_short_name) + "-" + std::to_string(::getpid()),
                      .symbolize = false});
  if (is_verbose()) say(directory_variable, "watching the memory limit");
  return made;
}

// An object file's first address, or null.
const void* where_is(const char* symbol) {
  auto* const address = runtime_symbol<void()>(symbol);
  Dl_info object{};
  return address != nullptr && ::dladdr(reinterpret_cast<const void*>(address), &object) != 0 ? object.dli_fbase
                                                                                              : nullptr;
}

// A program that exports the exceptions of another C++ library, as crash handlers linked with libc++abi do, would have
// ours end in std::terminate().
bool has_our_exceptions() {
  return where_is("__cxa_throw") == where_is("_ZNSt8ios_base4InitC1Ev");
}

// Chromium, and whatever is made of it (Electron, Qt WebEngine), forks its processes from a zygote, which ends itself
// when it finds another thread in it. Those processes are not served either: they go on without a new program.
bool must_have_one_thread(std::span<char* const> arguments) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const char* argument) { return std::string_view(argument) == "--type=zygote"; });
}

// Why neither a server nor a black box may begin here; null: they may.
const char* why_not_here(std::span<char* const> arguments) {
  if (is_short_of_memory()) {
    return "not served: memory or the address space is limited (ulimit -v, -d), and less than 512 MiB of it are free";
  }
  if (!has_our_exceptions()) return "not served: the program has a C++ library of its own, not libstdc++";
  if (must_have_one_thread(arguments)) return "not served: a zygote of Chromium's must have one thread";
  return nullptr;
}

[[gnu::constructor]] void start(int count, char** arguments) {
  if (start_purge_trace_from_environment()) record_purge_pauses();
  const char* const address = value_of(address_variable);
  const char* const directory = value_of(directory_variable);
  if (address == nullptr && directory == nullptr) return;
  if (const char* const reason = why_not_here({arguments, static_cast<std::size_t>(count)})) {
    if (is_verbose()) say(address != nullptr ? address_variable : directory_variable, reason);
    return;
  }
  if (std::atexit(stop) != 0) return;
  prepare_for_the_last_thread();
  follow_the_programs_ids();
  sample_if_nobody_else_can();
  if (directory != nullptr) {
    black_box = make_or_say_why(directory_variable, [&] { return keep_profiles(directory); }).release();
  }
  if (address != nullptr) server = make_or_say_why(address_variable, [&] { return serve(address); }).release();
}

}  // namespace
}  // namespace plateau
