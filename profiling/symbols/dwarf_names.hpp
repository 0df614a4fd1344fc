// Names of functions in debug information.
#pragma once

#include <elfutils/libdw.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace plateau {

// Not thread-safe. For declarations (dwarf_tree.hpp) of one Dwarf.
class DwarfNames {
 public:
  // The name that the linker knows, or null when there is none (C, and what is local to a file).
  static const char* linkage_name(Dwarf_Die& function);

  // Namespaces, classes and the function's own name, joined by "::"; without parameters. Empty when it has no name.
  // The first of a scope takes time with the number of its entries.
  std::string qualified_name(Dwarf_Die& function);

 private:
  const std::vector<Dwarf_Die>& children_of(Dwarf_Die& scope);

  std::unordered_map<const void*, std::vector<Dwarf_Die>> children_;  // in their order
};

}  // namespace plateau
