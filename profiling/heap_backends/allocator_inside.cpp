#include "profiling/heap_backends/allocator_inside.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <string.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "allocators/heap.hpp"
#include "allocators/jemalloc/control.hpp"
#include "allocators/system/descriptor.hpp"
#include "allocators/unexported_symbols.hpp"

namespace plateau {
namespace {

using Addresses = std::map<std::string, void*, std::less<>>;

constexpr std::string_view jemalloc_mark = "mallctlbymib";  // after a prefix
constexpr std::array<std::string_view, 5> jemalloc_functions{"mallctl", "mallctlnametomib", jemalloc_mark, "mallocx",
                                                             "sdallocx"};
constexpr std::array<std::string_view, 15> other_functions{"tc_version",
                                                           "MallocExtension_GetNumericProperty",
                                                           "MallocExtension_SetNumericProperty",
                                                           "MallocExtension_ReleaseToSystem",
                                                           "MallocExtension_MarkThreadTemporarilyIdle",
                                                           "MallocExtension_ReleaseFreeMemory",
                                                           "_ZN15MallocExtension8instanceEv",
                                                           "HeapProfilerStart",
                                                           "HeapProfilerStop",
                                                           "IsHeapProfilerRunning",
                                                           "GetHeapProfile",
                                                           "mi_version",
                                                           "mi_collect",
                                                           "mi_process_info",
                                                           "unw_backtrace"};

bool contains(std::string_view bytes, std::string_view wanted) {
  return ::memmem(bytes.data(), bytes.size(), wanted.data(), wanted.size()) != nullptr;
}

// With the zero that ends it.
bool has_name_ending_in(std::string_view names, std::string_view end) {
  return contains(names, std::string_view(end.data(), end.size() + 1));
}

bool may_name_an_allocator(std::string_view names) {
  return has_name_ending_in(names, jemalloc_mark) || has_name_ending_in(names, "MallocExtension_GetNumericProperty") ||
         has_name_ending_in(names, "mi_version");
}

std::string_view bytes_of(Elf_Scn* section) {
  const Elf_Data* const data = section == nullptr ? nullptr : elf_getdata(section, nullptr);
  if (data == nullptr || data->d_buf == nullptr) return {};
  return {static_cast<const char*>(data->d_buf), data->d_size};
}

// Calls visit(name, address) for the functions of one symbol table.
template <class Visit>
void for_each_function(Elf* elf, Elf_Scn* section, std::uintptr_t load_address, Visit visit) {
  GElf_Shdr header;
  if (gelf_getshdr(section, &header) == nullptr || header.sh_entsize == 0) return;
  if (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) return;
  const std::string_view names = bytes_of(elf_getscn(elf, header.sh_link));
  if (names.empty() || names.back() != '\0' || !may_name_an_allocator(names)) return;
  Elf_Data* const symbols = elf_getdata(section, nullptr);
  for (std::size_t i = 0; symbols != nullptr && i < header.sh_size / header.sh_entsize; ++i) {
    GElf_Sym symbol;
    if (gelf_getsym(symbols, static_cast<int>(i), &symbol) == nullptr) return;
    if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF) continue;
    if (symbol.st_name >= names.size()) continue;
    visit(std::string_view(names.data() + symbol.st_name), load_address + symbol.st_value);
  }
}

bool is_wanted(std::string_view name) {
  for (const std::string_view function : jemalloc_functions) {
    if (name.ends_with(function)) return true;
  }
  for (const std::string_view function : other_functions) {
    if (name == function) return true;
  }
  return false;
}

std::uintptr_t load_address_of_executable() {
  std::uintptr_t address = 0;
  const auto first = [](dl_phdr_info* object, std::size_t /*size*/, void* result) {
    *static_cast<std::uintptr_t*>(result) = object->dlpi_addr;
    return 1;
  };
  ::dl_iterate_phdr(first, &address);
  return address;
}

Addresses functions_of_executable() {
  Addresses found;
  const Descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!file || elf_version(EV_CURRENT) == EV_NONE) return found;
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(elf_begin(file.get(), ELF_C_READ_MMAP, nullptr), elf_end);
  const std::uintptr_t load_address = load_address_of_executable();
  for (Elf_Scn* section = nullptr; elf != nullptr && (section = elf_nextscn(elf.get(), section)) != nullptr;) {
    for_each_function(elf.get(), section, load_address, [&](std::string_view name, std::uintptr_t address) {
      if (is_wanted(name)) found.emplace(name, reinterpret_cast<void*>(address));
    });
  }
  return found;
}

// The shortest prefix with which all of jemalloc's control functions are there.
std::optional<std::string> prefix_of_jemalloc(const Addresses& functions) {
  std::optional<std::string> best;
  for (const auto& [name, address] : functions) {
    if (!name.ends_with(jemalloc_mark)) continue;
    const std::string prefix = name.substr(0, name.size() - jemalloc_mark.size());
    const bool complete = functions.contains(prefix + "mallctl") && functions.contains(prefix + "mallctlnametomib");
    if (complete && (!best || prefix.size() < best->size())) best = prefix;
  }
  return best;
}

// Whether a constant of the executable has that text, in what is mapped of it.
bool executable_says(std::string_view text) {
  struct Search {
    std::string_view text;
    bool found = false;
  } search{text};
  const auto in_executable = [](dl_phdr_info* object, std::size_t /*size*/, void* context) {
    auto& wanted = *static_cast<Search*>(context);
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      const auto& segment = object->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_R) == 0 || (segment.p_flags & PF_W) != 0) continue;
      const auto* const begin = reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr);
      if (contains({begin, segment.p_filesz}, wanted.text)) wanted.found = true;
    }
    return 1;
  };
  ::dl_iterate_phdr(in_executable, &search);
  return search.found;
}

}  // namespace

void find_allocator_inside() {
  Addresses functions = functions_of_executable();
  if (functions.empty()) return;
  UnexportedSymbols symbols;
  if (const auto prefix = prefix_of_jemalloc(functions)) {
    for (const std::string_view function : jemalloc_functions) {
      const auto found = functions.find(*prefix + std::string(function));
      if (found != functions.end()) symbols.addresses.emplace(function, found->second);
    }
    if (::dlsym(RTLD_DEFAULT, jemalloc::control_function) == nullptr) symbols.jemalloc_prefix = *prefix;
  }
  for (const std::string_view function : other_functions) {
    const auto found = functions.find(function);
    if (found != functions.end()) symbols.addresses.emplace(*found);
  }
  add_unexported_symbols(std::move(symbols));
}

const std::string& jemalloc_out_of_reach() {
  static const std::string line = [] {
    // What jemalloc's messages begin with. Written from behind: a program that this library is linked into would
    // otherwise have the text itself.
    constexpr std::string_view mark_from_behind = ">collamej<";
    const std::string mark(mark_from_behind.rbegin(), mark_from_behind.rend());
    if (Heap::process().kind() == AllocatorKind::jemalloc || !executable_says(mark)) return std::string();
    return std::string(
        "the program has a jemalloc of its own, which is not to be found in its symbols: do not strip it, or export "
        "mallctl, mallctlbymib and mallctlnametomib (with its prefix, if any) by -Wl,--export-dynamic-symbol=mallctl");
  }();
  return line;
}

}  // namespace plateau
