#include "allocators/bench/malloc_library.hpp"

#include <dlfcn.h>

#include <array>
#include <stdexcept>
#include <string>

namespace plateau::bench {
namespace {

MallocLibrary find(const char* name, const char* file) {
  void* const library = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) throw std::runtime_error(std::string(file) + " is not loaded: build with it installed");
  // dlsym of a handle looks into the library itself before its dependencies.
  return {name, reinterpret_cast<void* (*)(std::size_t)>(dlsym(library, "malloc")),
          reinterpret_cast<void (*)(void*)>(dlsym(library, "free"))};
}

}  // namespace

const MallocLibrary& malloc_library(Malloc which) {
  static const std::array libraries{find("glibc", "libc.so.6"), find("jemalloc", "libjemalloc.so.2"),
                                    find("tcmalloc", "libtcmalloc.so.4"), find("mimalloc", "libmimalloc.so.2")};
  return libraries[static_cast<std::size_t>(which)];
}

}  // namespace plateau::bench
