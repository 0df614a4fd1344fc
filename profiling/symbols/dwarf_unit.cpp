#include "profiling/symbols/dwarf_unit.hpp"

#include <dwarf.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "profiling/symbols/dwarf_tree.hpp"

namespace plateau {
namespace {

bool is_scope(int tag) {
  switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::vector<DwarfUnit::Range> DwarfUnit::ranges_of(Dwarf_Die& die) {
  std::vector<Range> ranges;
  Dwarf_Addr base = 0;
  Range range{};
  for (std::ptrdiff_t next = 0; (next = dwarf_ranges(&die, next, &base, &range.low, &range.high)) > 0;) {
    // The linker leaves functions that it dropped at address 0.
    if (range.low != 0 && range.low < range.high) ranges.push_back(range);
  }
  return ranges;
}

// Nearly all functions lie in namespaces. Those in classes and other functions (methods of local classes) are read
// only when an address is in none of the others: walking all types costs ten times as much.
void DwarfUnit::read_functions(Dwarf_Die parent, bool inside_functions) {
  for_each_child(parent, [&](Dwarf_Die& die) {
    const int tag = dwarf_tag(&die);
    if (tag == DW_TAG_subprogram) {
      const std::vector<Range> ranges = ranges_of(die);
      for (const Range& range : ranges) function_ranges_.push_back({range, functions_.size()});
      if (!ranges.empty()) functions_.push_back({.die = die, .calls_read = false, .calls = {}});
    }
    if (tag == DW_TAG_namespace || tag == DW_TAG_module || (inside_functions && is_scope(tag))) {
      read_functions(die, inside_functions);
    }
  });
}

DwarfUnit::Function* DwarfUnit::function_at(Dwarf_Addr address) {
  const auto find = [&]() -> Function* {
    const auto after =
        std::upper_bound(function_ranges_.begin(), function_ranges_.end(), address,
                         [](Dwarf_Addr value, const FunctionRange& entry) { return value < entry.range.low; });
    if (after == function_ranges_.begin() || address >= std::prev(after)->range.high) return nullptr;
    return &functions_[std::prev(after)->function];
  };
  const auto read = [&](bool inside_functions) {
    functions_.clear();
    function_ranges_.clear();
    read_functions(code_, inside_functions);
    std::stable_sort(function_ranges_.begin(), function_ranges_.end(),
                     [](const FunctionRange& a, const FunctionRange& b) { return a.range.low < b.range.low; });
  };
  if (!std::exchange(functions_read_, true)) read(false);
  Function* function = find();
  if (function == nullptr && !std::exchange(nested_functions_read_, true)) {
    read(true);
    function = find();
  }
  return function;
}

void DwarfUnit::read_calls(Dwarf_Die parent, std::vector<Inlined>& calls) {
  for_each_child(parent, [&](Dwarf_Die& die) {
    const int tag = dwarf_tag(&die);
    if (tag == DW_TAG_inlined_subroutine) {
      const std::size_t index = calls.size();
      calls.push_back({die, ranges_of(die), 0});
      read_calls(die, calls);
      calls[index].end = calls.size();
    } else if (tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block) {
      read_calls(die, calls);
    }
  });
}

DwarfFrame DwarfUnit::line_at(Dwarf_Addr address) {
  if (!std::exchange(lines_read_, true)) {
    if (dwarf_getsrclines(&unit_, &lines_, &line_count_) != 0) line_count_ = 0;
    std::size_t file_count = 0;
    if (dwarf_getsrcfiles(&unit_, &files_, &file_count) != 0) files_ = nullptr;
  }
  std::size_t low = 0;  // of the last line at or before the address
  std::size_t high = line_count_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    Dwarf_Addr begin = 0;
    dwarf_lineaddr(dwarf_onesrcline(lines_, middle), &begin);
    if (begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  DwarfFrame frame;
  if (low == 0) return frame;
  Dwarf_Line* const line = dwarf_onesrcline(lines_, low - 1);
  bool is_end = false;
  if (dwarf_lineendsequence(line, &is_end) == 0 && is_end) return frame;
  dwarf_lineno(line, &frame.line);
  frame.file = dwarf_linesrc(line, nullptr, nullptr);
  return frame;
}

const char* DwarfUnit::call_file(Dwarf_Die& call) {
  Dwarf_Attribute attribute;
  Dwarf_Word index = 0;
  if (files_ == nullptr || dwarf_formudata(dwarf_attr(&call, DW_AT_call_file, &attribute), &index) != 0) return nullptr;
  return dwarf_filesrc(files_, index, nullptr, nullptr);
}

void DwarfUnit::append_frames(Dwarf_Addr address, std::vector<DwarfFrame>& frames) {
  DwarfFrame here = line_at(address);
  Function* const function = function_at(address);
  if (function == nullptr) {
    if (here.file != nullptr) frames.push_back(here);
    return;
  }
  if (!std::exchange(function->calls_read, true)) read_calls(function->die, function->calls);

  // From the outside in: `here` becomes the place of each call, and its own place goes one call further in.
  const std::size_t first = frames.size();
  Dwarf_Die current = function->die;
  std::vector<Inlined>& calls = function->calls;
  for (std::size_t i = 0; i < calls.size();) {
    const auto covers = [&](const Range& range) { return address >= range.low && address < range.high; };
    if (std::none_of(calls[i].ranges.begin(), calls[i].ranges.end(), covers)) {
      i = calls[i].end;
      continue;
    }
    Dwarf_Attribute attribute;
    Dwarf_Word line = 0;
    dwarf_formudata(dwarf_attr(&calls[i].die, DW_AT_call_line, &attribute), &line);
    frames.push_back({declaration_of(current), call_file(calls[i].die), static_cast<int>(line)});
    current = calls[i].die;
    ++i;
  }
  frames.push_back({declaration_of(current), here.file, here.line});
  std::reverse(frames.begin() + static_cast<std::ptrdiff_t>(first), frames.end());
}

}  // namespace plateau
