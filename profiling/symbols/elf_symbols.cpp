#include "profiling/symbols/elf_symbols.hpp"

#include <gelf.h>

#include <algorithm>

namespace plateau {
namespace {

bool is_function(const GElf_Sym& symbol) {
  const int type = GELF_ST_TYPE(symbol.st_info);
  const bool is_code_of_assembler = type == STT_NOTYPE && GELF_ST_BIND(symbol.st_info) == STB_GLOBAL;
  return symbol.st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC || is_code_of_assembler);
}

// Of several names of one function the strongest is shown.
int strength(const GElf_Sym& symbol) {
  switch (GELF_ST_BIND(symbol.st_info)) {
    case STB_GLOBAL:
      return 2;
    case STB_WEAK:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

ElfSymbols::ElfSymbols(Dwfl_Module* module) {
  struct Candidate {
    Symbol symbol;
    int strength;
  };
  std::vector<Candidate> candidates;
  const int count = dwfl_module_getsymtab(module);
  for (int i = 1; i < count; ++i) {
    GElf_Sym symbol;
    GElf_Addr address = 0;
    const char* const name = dwfl_module_getsym_info(module, i, &symbol, &address, nullptr, nullptr, nullptr);
    if (name == nullptr || *name == '\0' || address == 0 || !is_function(symbol)) continue;
    candidates.push_back({{address, address + symbol.st_size, name}, strength(symbol)});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.symbol.begin != b.symbol.begin ? a.symbol.begin < b.symbol.begin : a.strength > b.strength;
  });
  symbols_.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    if (symbols_.empty() || symbols_.back().begin != candidate.symbol.begin) symbols_.push_back(candidate.symbol);
  }
  // Code written in assembler often has no size: it reaches to the next symbol.
  for (std::size_t i = 0; i + 1 < symbols_.size(); ++i) {
    if (symbols_[i].begin == symbols_[i].end) symbols_[i].end = symbols_[i + 1].begin;
  }
}

const char* ElfSymbols::at(std::uint64_t address) const {
  const auto after = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                                      [](std::uint64_t value, const Symbol& symbol) { return value < symbol.begin; });
  if (after == symbols_.begin()) return nullptr;
  const Symbol& symbol = *std::prev(after);
  return address < symbol.end ? symbol.name : nullptr;
}

}  // namespace plateau
