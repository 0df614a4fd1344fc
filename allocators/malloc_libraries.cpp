#include "allocators/malloc_libraries.hpp"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>

#include "allocators/runtime_symbol.hpp"

namespace plateau {
namespace {

// A program at a fixed address that takes the address of a function has a stub of it, which the dynamic linker gives to
// everybody who asks for that function (Debian's python3 does so with malloc).
bool is_stub(const void* address) {
  Dl_info info{};
  void* symbol = nullptr;
  return dladdr1(address, &info, &symbol, RTLD_DL_SYMENT) != 0 && symbol != nullptr &&
         static_cast<const ElfW(Sym)*>(symbol)->st_shndx == SHN_UNDEF;
}

// What provides malloc provides this as well, and hardly a program takes its address.
const char* function_of_malloc() {
  return is_stub(dlsym(RTLD_DEFAULT, "malloc")) ? "aligned_alloc" : "malloc";
}

// The malloc behind that of `library`; null when it stands in front of none.
const void* malloc_behind(const std::string& library) {
  void* const handle = library.empty() ? nullptr : dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return nullptr;
  void* const symbol = dlsym(handle, "plateau_next_malloc");
  // A library also finds what those that it needs have.
  const bool own = symbol != nullptr && object_file_of(symbol) == library;
  const void* const behind = own ? reinterpret_cast<const void* (*)()>(symbol)() : nullptr;
  dlclose(handle);
  return behind;
}

}  // namespace

std::string object_file_of(const void* address) {
  Dl_info info{};
  if (address == nullptr || dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : file.string();
}

std::string provider_of(const char* symbol) {
  return object_file_of(reinterpret_cast<const void*>(runtime_symbol<void()>(symbol)));
}

std::vector<std::string> malloc_libraries() {
  std::vector<std::string> libraries{provider_of(function_of_malloc())};
  while (const void* const behind = malloc_behind(libraries.back())) libraries.push_back(object_file_of(behind));
  return libraries;
}

}  // namespace plateau
