// Memory of the odd host: what it reserves, pins and limits, and where it wants it.
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "host.hpp"

namespace plateau::conformance {
namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20;

// A line of /proc/self/status in kB; -1 where there is no such file.
long long status_kb(const char* field) {
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return -1;
  char line[256];
  long long kb = -1;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, field, std::strlen(field)) == 0) kb = std::atoll(line + std::strlen(field) + 1);
  }
  std::fclose(file);
  return kb;
}

void allocate(Host& host, const std::string& argument) {
  const std::size_t bytes = static_cast<std::size_t>(number(argument, 4)) * megabyte;
  std::vector<void*> blocks;
  std::size_t made = 0;
  for (std::size_t block = 100000; made < bytes; made += block) {
    void* const one = std::malloc(block);
    if (one == nullptr) break;
    std::memset(one, 0x5a, block);
    blocks.push_back(one);
  }
  for (void* const one : blocks) {
    host.checksum += static_cast<unsigned char*>(one)[99999];
    std::free(one);
  }
  say("malloc: %s", made >= bytes ? "all" : "not all");
}

void every_way_of_allocating(Host& host, const std::string& /*argument*/) {
  void* aligned = nullptr;
  const int error = ::posix_memalign(&aligned, 4096, 10000);
  void* const blocks[] = {aligned,
                          std::aligned_alloc(64, 6400),
                          std::calloc(100, 77),
                          ::memalign(256, 999),
                          ::valloc(5000),
                          ::pvalloc(5000),
                          std::malloc(0),
                          std::realloc(nullptr, 123),
                          ::strdup("a copy"),
                          std::malloc(3'000'000)};
  int usable = 0;
  for (void* const block : blocks) usable += block != nullptr && ::malloc_usable_size(block) < megabyte * 16 ? 1 : 0;
  for (void* const block : blocks) std::free(block);
  const auto small = std::make_unique<std::vector<std::string>>(100, std::string(50, 'x'));
  host.checksum += small->size();
  void* const grown = std::realloc(std::realloc(std::malloc(10), 100000), 20);
  std::free(grown);
  errno = 0;
  void* volatile impossible = std::malloc(static_cast<std::size_t>(PTRDIFF_MAX) - 1000);
  say("allocators: %d %d, impossible %s %s", error, usable, impossible == nullptr ? "refused" : "given",
      outcome(false));
}

// Address space only, as language runtimes take it.
void reserve(Host& /*host*/, const std::string& argument) {
  const std::size_t bytes = static_cast<std::size_t>(number(argument, 16)) * 1024 * megabyte;
  void* const memory = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  say("reserve: %s", outcome(memory != MAP_FAILED));
}

// Places that programs with tagged or compressed pointers want to themselves.
void map_at_fixed_places(Host& /*host*/, const std::string& /*argument*/) {
  for (const std::uintptr_t place :
       {std::uintptr_t{0x10000000}, std::uintptr_t{0x7fff8000}, std::uintptr_t{0x100000000},
        std::uintptr_t{0x10000000000}, std::uintptr_t{0x600000000000}}) {
    void* const memory = ::mmap(reinterpret_cast<void*>(place), 16 * megabyte, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    say("fixed %#zx: %s", static_cast<std::size_t>(place), outcome(memory != MAP_FAILED));
    if (memory != MAP_FAILED) ::munmap(memory, 16 * megabyte);
  }
}

// "measure" is compared by its number, with a bound.
void lock_memory(Host& host, int flags, const char* name) {
  const bool locked = ::mlockall(flags) == 0;
  say("%s: %s", name, outcome(locked));
  if (!locked) return;
  host.final_checks.emplace_back([] { say("measure resident %lld", status_kb("VmRSS")); });
}

void lock_all(Host& host, const std::string& /*argument*/) {
  lock_memory(host, MCL_CURRENT | MCL_FUTURE, "mlockall");
}

void lock_future(Host& host, const std::string& /*argument*/) {
  lock_memory(host, MCL_FUTURE, "mlock_future");
}

// Limits that a program sets itself at run time: what it has now, and so much more.
void limit_itself(__rlimit_resource_t resource, const char* name, const char* used, int megabytes) {
  const long long now = status_kb(used);
  if (now < 0) {
    say("%s: unknown use", name);
    return;
  }
  rlimit limit{};
  ::getrlimit(resource, &limit);
  limit.rlim_cur = static_cast<rlim_t>(now) * 1024 + static_cast<rlim_t>(megabytes) * megabyte;
  say("%s: %s", name, outcome(::setrlimit(resource, &limit) == 0));
}

void limit_address_space(Host& /*host*/, const std::string& argument) {
  limit_itself(RLIMIT_AS, "limit_as", "VmSize:", number(argument, 128));
}

void limit_data(Host& /*host*/, const std::string& argument) {
  limit_itself(RLIMIT_DATA, "limit_data", "VmData:", number(argument, 64));
}

void grow_break(Host& /*host*/, const std::string& /*argument*/) {
  auto* const before = static_cast<char*>(::sbrk(65536));
  if (before == reinterpret_cast<char*>(-1)) {
    say("sbrk: %s", outcome(false));
    return;
  }
  std::memset(before, 1, 65536);
  say("sbrk: ok");
}

constexpr Operation operations[] = {
    {"malloc", allocate},
    {"allocators", every_way_of_allocating},
    {"reserve", reserve},
    {"fixed", map_at_fixed_places},
    {"mlockall", lock_all},
    {"mlock_future", lock_future},
    {"limit_as", limit_address_space},
    {"limit_data", limit_data},
    {"sbrk", grow_break},
};

}  // namespace

std::span<const Operation> memory_operations() {
  return operations;
}

}  // namespace plateau::conformance
