// The interpreter that the program is, or has: its own heap is of mappings, behind no malloc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plateau {

struct Interpreter {
  std::string name;                                           // "python3"
  std::string file;                                           // "python3.11", "libpython3.12.so.1.0"
  std::vector<std::pair<std::uint64_t, std::uint64_t>> code;  // addresses of its files

  bool has(std::uint64_t address) const;
};

// Of what is loaded just now. Thread-safe. Throws std::bad_alloc.
std::optional<Interpreter> own_interpreter();

// "CPython's arenas", "node's own heap".
std::string heap_name_of(std::string_view interpreter);

// Who can tell more of it: "PYTHONMALLOC=malloc (restart) gives …".
std::string advice_for(std::string_view interpreter, std::string_view file);

}  // namespace plateau
