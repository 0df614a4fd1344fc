// The function symbols of one ELF file, in order of address.
#pragma once

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <vector>

namespace plateau {

class ElfSymbols {
 public:
  // Reads the symbol table of the file, of its separate debug file, and what is compressed in .gnu_debugdata; the
  // dynamic symbols when there is nothing else.
  explicit ElfSymbols(Dwfl_Module* module);

  // The mangled name of the function that covers `address` (of the module, not of a process); null when there is none.
  // It lives as long as the module. Takes time with the logarithm of their number.
  const char* at(std::uint64_t address) const;

  bool empty() const { return symbols_.empty(); }

 private:
  struct Symbol {
    std::uint64_t begin;
    std::uint64_t end;
    const char* name;
  };
  std::vector<Symbol> symbols_;
};

}  // namespace plateau
