// One ELF file with its symbols and its debug information, which may lie in a separate file.
#pragma once

#include <elfutils/libdwfl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "profiling/host/file_image.hpp"
#include "profiling/symbolizer.hpp"
#include "profiling/symbols/dwarf_unit.hpp"
#include "profiling/symbols/elf_symbols.hpp"

namespace plateau {

class ObjectFile {
 public:
  struct Opened {
    std::unique_ptr<ObjectFile> file;
    std::string why_not;  // what is said of the file when there is none: "cannot be read: ..."
  };

  // Opens the file that is mapped as `mapping`; none when it cannot be read, is no ELF file, or is not the one that was
  // mapped.
  static Opened open(const Mapping& mapping, const Symbolizer::Options& options);

  // The address within the file's own numbering of what lies `offset` bytes into it; nothing outside its segments.
  std::optional<std::uint64_t> address_of(std::uint64_t offset) const;

  // Appends the frames at such an address, the innermost first; nothing when no debug information covers it.
  void append_frames(std::uint64_t address, std::vector<DwarfFrame>& frames);

  // The mangled name of the symbol there, or null. Reads the symbol table at the first call.
  const char* symbol_at(std::uint64_t address);

  bool has_symbols();
  bool has_lines() const { return !units_.empty(); }

 private:
  struct Close {
    void operator()(Dwfl* dwfl) const { dwfl_end(dwfl); }
  };
  struct Segment {
    std::uint64_t offset;
    std::uint64_t size;
    std::uint64_t address;
  };
  struct UnitRange {
    Dwarf_Addr low;
    Dwarf_Addr high;
    std::size_t unit;
  };

  explicit ObjectFile(const Symbolizer::Options& options);
  Dwfl_Module* report(const std::string& path, int fd);
  bool load(const std::string& path, int fd, const std::string& build_id);
  void index_segments();
  void index_units(Dwarf* dwarf);

  bool with_lines_;
  std::string debug_path_;
  char* debug_path_pointer_;
  Dwfl_Callbacks callbacks_{};
  std::optional<FileImage> image_;  // outlives what reads it
  std::unique_ptr<Dwfl, Close> dwfl_;
  Dwfl_Module* module_ = nullptr;
  Dwarf_Addr dwarf_bias_ = 0;
  std::vector<Segment> segments_;
  std::optional<ElfSymbols> symbols_;
  std::vector<DwarfUnit> units_;
  std::vector<UnitRange> unit_ranges_;
};

}  // namespace plateau
