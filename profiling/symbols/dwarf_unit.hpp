// The code of one compilation unit, indexed by address: functions, the calls inlined into them, lines.
#pragma once

#include <elfutils/libdw.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace plateau {

// Strings live as long as the Dwarf they come from.
struct DwarfFrame {
  std::optional<Dwarf_Die> function;  // its first declaration; nothing for code of an assembler
  const char* file = nullptr;
  int line = 0;
};

class DwarfUnit {
 public:
  // `unit` has the line table; `code` the functions: it is the same one, but for split DWARF. Cheap; the functions
  // are read at the first address, the calls inlined into a function at the first address in it.
  DwarfUnit(Dwarf_Die unit, Dwarf_Die code) : unit_(unit), code_(code) {}

  // Appends the frames at `address`, the innermost inlined callee first.
  void append_frames(Dwarf_Addr address, std::vector<DwarfFrame>& frames);

 private:
  struct Range {
    Dwarf_Addr low;
    Dwarf_Addr high;
  };
  struct Inlined {  // in order of the tree, a call before those inside it
    Dwarf_Die die;
    std::vector<Range> ranges;
    std::size_t end = 0;  // index after the last call inside it
  };
  struct Function {
    Dwarf_Die die;
    bool calls_read = false;
    std::vector<Inlined> calls;
  };
  struct FunctionRange {
    Range range;
    std::size_t function;
  };

  static std::vector<Range> ranges_of(Dwarf_Die& die);
  void read_functions(Dwarf_Die parent, bool inside_functions);
  void read_calls(Dwarf_Die parent, std::vector<Inlined>& calls);
  Function* function_at(Dwarf_Addr address);
  DwarfFrame line_at(Dwarf_Addr address);
  const char* call_file(Dwarf_Die& call);

  Dwarf_Die unit_;
  Dwarf_Die code_;
  bool functions_read_ = false;
  bool nested_functions_read_ = false;
  std::vector<Function> functions_;
  std::vector<FunctionRange> function_ranges_;
  bool lines_read_ = false;
  Dwarf_Lines* lines_ = nullptr;
  std::size_t line_count_ = 0;
  Dwarf_Files* files_ = nullptr;
};

}  // namespace plateau
