// Functions of an allocator that is linked into the program and not exported, so that the dynamic linker does not know
// them. Who can read symbol tables tells of them.
#pragma once

#include <map>
#include <string>

namespace plateau {

struct UnexportedSymbols {
  std::map<std::string, void*, std::less<>> addresses;  // by the name that the allocator's manual has
  // Stands before the names of its jemalloc's functions: "je_", "_rjem_". malloc is then another allocator's, and this
  // one the program's choice.
  std::string jemalloc_prefix;
};

// Later calls of runtime_symbol() find them where nothing loaded exports the name. Called once at most, before anybody
// asks for an allocator.
void add_unexported_symbols(UnexportedSymbols symbols);

// Null when there is none.
void* unexported_symbol(const char* name) noexcept;

// Empty when there is no such jemalloc, or it has no prefix.
const std::string& prefix_of_own_jemalloc() noexcept;

}  // namespace plateau
