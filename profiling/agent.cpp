// libplateau_agent.so: preloaded, it gives any program the endpoints of profiling/debug_server.hpp, unchanged.
//
//   LD_PRELOAD=libplateau_agent.so PLATEAU_PPROF=127.0.0.1:6060 redis-server
//
//   PLATEAU_PPROF               where to listen: ADDRESS:PORT; ADDRESS:PORT+ for the next port that is free, of 64; or
//                               unix:/run/app-%p.sock, a unix socket, in which %p is the number of the process
//   PLATEAU_PPROF_PROGRAM       name[,...]: only these programs are served; a name is that of the executable, of
//                               argv[0], or of an interpreter's script, without folders; !name[,...]: not these
//   PLATEAU_PPROF_CHILDREN      1: forked children that go on are served as well, each at a port or socket of its own,
//                               or at the parent's when the parent is gone, as after daemon()
//   PLATEAU_PPROF_HOSTS         name[,...]: by which clients may call (the field Host), beside localhost and numbers;
//                               *.example.net for every name that ends so
//   PLATEAU_PPROF_ALLOW_REMOTE  1: the address may be one that other machines reach
//   PLATEAU_BLACK_BOX           a directory: near the memory limit the last heap profiles are kept there (see
//                               profiling/black_box.hpp), as PROGRAM-PID-N.heap, the allocator's own text, which takes
//                               no memory to write and which heap2pprof converts
//   PLATEAU_EXIT_PROFILE        a directory: a program that ends by exit() leaves its last heap profile and its
//                               footprint there, see profiling/agent_exit_profile.hpp
//   PLATEAU_PPROF_VERBOSE       1: says on standard error where it listens, or why it does not and who has the address
//   PLATEAU_TRACE               purge=1: a line on standard error for every purge, see allocators/purge_lines.hpp, and
//                               purges in the profile of pauses; also without PLATEAU_PPROF
//
// Without PLATEAU_PPROF, PLATEAU_BLACK_BOX and PLATEAU_TRACE it does nothing. Heap profiles are those of the program's
// allocator; of programs on glibc's they come from a sampler in the agent itself, which stands in front of malloc (at
// PLATEAU_SAMPLE_PERIOD, see profiling/heap_sampler.hpp). Elsewhere it hands on what it is asked for, and is in the way
// of malloc, calloc, realloc and free by a subtraction and a jump; operator new and delete are not touched. It stands
// in front of mmap, munmap, mremap, brk and sbrk as well, so that mappings have stacks
// (profiling/program_mappings.hpp), from the first call on, before any constructor.
//
// Programs that the program starts inherit the variables: the first to take the port serves, and the others run on
// without. Those that serve announce themselves to their user (profiling/host/announced_processes.hpp), and /debug/ of
// each lists them all. A setuid program is left alone. Standard output, exit status, signal handlers and descriptors
// are the program's own; what it says in vain to the wrong address is the one line that is printed without being asked
// for. Its threads end themselves before a call that the kernel allows to a process of one thread only, and begin again
// (profiling/agent_one_thread.hpp); they keep the root that the program had at its start, so that it may chroot.
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocators/heap.hpp"
#include "allocators/purge_lines.hpp"
#include "allocators/runtime_symbol.hpp"
#include "allocators/system/kernel_file.hpp"
#include "profiling/agent_children.hpp"
#include "profiling/agent_exit_profile.hpp"
#include "profiling/agent_last_thread.hpp"
#include "profiling/agent_mappings.hpp"
#include "profiling/agent_one_thread.hpp"
#include "profiling/agent_program.hpp"
#include "profiling/agent_services.hpp"
#include "profiling/agent_set_ids.hpp"
#include "profiling/agent_system_calls.hpp"
#include "profiling/heap_backends/allocator_inside.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/purge_pauses.hpp"
#include "profiling/sampler/mapped_ranges.hpp"
#include "profiling/sampler/recorder.hpp"

// What the sampler's library shows; here only the agent asks.
extern "C" const plateau::sampler::SamplerInterface* plateau_sampler_3();

const bool plateau::sampler::records_from_the_start = false;

namespace plateau {
namespace {

// Null when it is not set, or empty.
const char* value_of(const char* variable) {
  const char* const value = ::secure_getenv(variable);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

bool is_set(const char* variable) {
  const char* const value = value_of(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

std::string text_of(const char* variable) {
  const char* const value = value_of(variable);
  return value != nullptr ? value : "";
}

// Not a static object: the services must stop before the statics of the libraries they use are gone, and those that
// were made before them are destroyed after the handlers that were registered later.
void stop() {
  AgentServices* const services = agent_services();
  if (services == nullptr) return;
  if (has_own_filter()) {
    services->wait_until_idle(std::chrono::seconds(1));
  } else {
    services->end();
    keep_exit_profile();
  }
}

// The sampler in the agent sees malloc, and so all of a program whose operator new calls it.
void sample_if_nobody_else_can() {
  if (Heap::process().kind() != AllocatorKind::glibc || !HeapSampler::use(*plateau_sampler_3())) return;
  HeapSampler::start(HeapSampler::counts().period_bytes);
}

// Address space that the server takes where it is limited (RLIMIT_AS): most of it for glibc, whose heaps are of 64 MiB,
// one for each thread that allocates; and data (RLIMIT_DATA), most of it for the symbols of a profile. The program must
// not run short of either because it is served.
constexpr std::uint64_t least_address_space = std::uint64_t{512} << 20;
constexpr std::uint64_t least_data = std::uint64_t{96} << 20;

// Column of /proc/PID/statm that counts what the limit is for.
bool is_short_of(__rlimit_resource_t resource, std::size_t column, std::uint64_t least) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
  const std::uint64_t pages = kernel_file::number("/proc/thread-self/statm", column).value_or(0);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + least > limit.rlim_cur;
}

bool is_short_of_memory() {
  // An exception that finds no memory ends the process, so that none may be thrown from here on.
  constexpr std::size_t for_exceptions = std::size_t{64} << 10;
  void* const probe = std::malloc(for_exceptions);
  std::free(probe);
  if (probe == nullptr) return true;
  return is_short_of(RLIMIT_AS, 0, least_address_space) || is_short_of(RLIMIT_DATA, 5, least_data);
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

// Whether the executable has that function itself. One that takes the address of somebody else's function has a stub
// for it, which is the function's address everywhere, and no definition.
bool is_in_executable(const char* name) {
  auto* const address = reinterpret_cast<const void*>(runtime_symbol<void()>(name));
  Dl_info object{};
  Dl_info executable{};
  void* entry = nullptr;
  if (address == nullptr || ::dladdr1(address, &object, &entry, RTLD_DL_SYMENT) == 0 || entry == nullptr) return false;
  if (::dladdr(reinterpret_cast<const void*>(::getauxval(AT_ENTRY)), &executable) == 0) return false;
  return object.dli_fbase == executable.dli_fbase && static_cast<const ElfW(Sym)*>(entry)->st_shndx != SHN_UNDEF;
}

// A program that has its own malloc, and an allocator that is preloaded and brings operator new as well: what new
// gives, delete may hand to the program's free(), as jemalloc's does. The program may never do that; our libraries
// would.
bool has_one_allocator() {
  if (!is_in_executable("free") || is_in_executable("_Znwm")) return true;
  return where_is("_Znwm") == where_is("_ZNSt8ios_base4InitC1Ev");
}

// Chromium, and whatever is made of it (Electron, Qt WebEngine), forks its processes from a zygote, which ends itself
// when it finds another thread in it. Those processes are not served either: they go on without a new program.
bool must_have_one_thread(std::span<char* const> arguments) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const char* argument) { return std::string_view(argument) == "--type=zygote"; });
}

// Why neither a server nor a black box may begin here; empty: they may.
std::string why_not_here(std::span<char* const> arguments, const ProgramNames& names) {
  if (!has_one_allocator()) {
    return "not served: the program has its own malloc, and another allocator is preloaded, whose operator new does "
           "not go with it";
  }
  if (!names.are_chosen(comma_separated(text_of("PLATEAU_PPROF_PROGRAM")))) {
    return "not served: PLATEAU_PPROF_PROGRAM names other programs, not " + names.shown();
  }
  if (is_short_of_memory()) {
    return "not served: memory or the address space is limited (ulimit -v, -d), and too little of it is free: 512 MiB "
           "of addresses, 96 MiB of data";
  }
  if (!has_our_exceptions()) return "not served: the program has a C++ library of its own, not libstdc++";
  if (must_have_one_thread(arguments)) return "not served: a zygote of Chromium's must have one thread";
  return {};
}

[[gnu::constructor]] void start(int count, char** argument) {
  prepare_for_children();
  const bool serves =
      value_of(AgentWishes::address_variable) != nullptr || value_of(AgentWishes::directory_variable) != nullptr;
  if (!serves && value_of("PLATEAU_TRACE") == nullptr) return;
  const std::span<char* const> arguments(argument, static_cast<std::size_t>(count));
  const ProgramNames names = program_names(arguments);
  const std::string reason = why_not_here(arguments, names);
  if (reason.empty()) find_allocator_inside();
  if (!serves || !reason.empty()) sampler::stop_recording_mappings();
  if (start_purge_trace_from_environment()) record_purge_pauses();
  if (!serves) return;
  AgentWishes wishes{.address = text_of(AgentWishes::address_variable),
                     .directory = text_of(AgentWishes::directory_variable),
                     .program = names.shown(),
                     .hosts = comma_separated(text_of(AgentWishes::hosts_variable)),
                     .allow_remote = is_set("PLATEAU_PPROF_ALLOW_REMOTE"),
                     .children = is_set("PLATEAU_PPROF_CHILDREN"),
                     .verbose = is_set("PLATEAU_PPROF_VERBOSE")};
  if (!reason.empty()) {
    if (wishes.verbose) {
      say(wishes.address.empty() ? AgentWishes::directory_variable : AgentWishes::address_variable, reason);
    }
    return;
  }
  if (std::atexit(stop) != 0) return;
  prepare_exit_profile(text_of("PLATEAU_EXIT_PROFILE"));
  prepare_for_the_last_thread();
  prepare_for_calls_of_one_thread();
  watch_system_calls();
  follow_the_programs_ids();
  // Who asks for the allocator may begin another agent, which ends threads by what is prepared above.
  if (allocator_is_in_the_program()) sampler::stop_recording_mappings();
  sample_if_nobody_else_can();
  make_agent_services(std::move(wishes)).begin();
}

}  // namespace
}  // namespace plateau
