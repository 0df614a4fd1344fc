#include "profiling/symbols/dwarf_names.hpp"

#include <algorithm>
#include <iterator>

#include "profiling/symbols/dwarf_tree.hpp"

namespace plateau {
namespace {

std::string name_of_scope(Dwarf_Die& scope) {
  if (const char* const name = dwarf_diename(&scope); name != nullptr) return name;
  return dwarf_tag(&scope) == DW_TAG_namespace ? "(anonymous namespace)" : "{lambda}";
}

bool is_named_scope(int tag) {
  return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
         tag == DW_TAG_union_type;
}

}  // namespace

const char* DwarfNames::linkage_name(Dwarf_Die& function) {
  Dwarf_Attribute attribute;
  if (dwarf_attr(&function, DW_AT_linkage_name, &attribute) == nullptr &&
      dwarf_attr(&function, DW_AT_MIPS_linkage_name, &attribute) == nullptr) {
    return nullptr;
  }
  return dwarf_formstring(&attribute);
}

const std::vector<Dwarf_Die>& DwarfNames::children_of(Dwarf_Die& scope) {
  std::vector<Dwarf_Die>& children = children_[scope.addr];
  if (children.empty()) for_each_child(scope, [&](Dwarf_Die& child) { children.push_back(child); });
  return children;
}

// An entry does not know its parent. Entries lie in the order of the tree, so at each level the parent is the last one
// that begins at or before the function.
std::string DwarfNames::qualified_name(Dwarf_Die& function) {
  const char* const own_name = dwarf_diename(&function);
  Dwarf_Die scope;
  if (own_name == nullptr || dwarf_diecu(&function, &scope, nullptr, nullptr) == nullptr) return {};
  std::string name;
  while (true) {
    const std::vector<Dwarf_Die>& children = children_of(scope);
    const auto after = std::upper_bound(children.begin(), children.end(), function.addr,
                                        [](const void* addr, const Dwarf_Die& child) { return addr < child.addr; });
    if (after == children.begin()) return own_name;
    scope = *std::prev(after);
    if (scope.addr == function.addr) return name + own_name;
    if (dwarf_tag(&scope) == DW_TAG_subprogram) {
      Dwarf_Die outer = declaration_of(scope);  // for a method this lies elsewhere, in its class
      if (outer.addr == function.addr) return own_name;
      name = qualified_name(outer) + "::";
    } else if (is_named_scope(dwarf_tag(&scope))) {
      name += name_of_scope(scope) + "::";
    }
  }
}

}  // namespace plateau
