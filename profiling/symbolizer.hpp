// Addresses of code to functions, files, lines and inlined frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "profiling/name_style.hpp"
#include "profiling/profile.hpp"

namespace plateau {

struct Function {
  std::string name;         // demangled; in the style of the options
  std::string system_name;  // mangled; the plain name where the debug information has no mangled one
  std::string file;         // empty: not known
  std::int64_t start_line = 0;
};

struct Frame {
  const Function* function = nullptr;
  std::int64_t line = 0;  // 0: not known
};

// Reads ELF symbols and DWARF through elfutils' libdw, from the mapped files and from their separate debug files (by
// build id or debug link). A file is opened when an address in it is first asked for, a compilation unit indexed when
// an address in it is; every answer is kept. Memory grows with what was asked, not with the size of the debug
// information, and is never given back before the end.
// Thread-safe: one lock, held for the time of a look-up. The first of a compilation unit takes milliseconds, a repeated
// one less than a microsecond.
class Symbolizer {
 public:
  struct Options {
    bool lines = true;  // false: ELF symbols alone; neither files, lines nor inlined frames, and little memory
    NameStyle names = NameStyle::brief;
    // Where separate debug files are looked for, as in elfutils' --debuginfo-path.
    std::string debug_path = ":.debug:/usr/lib/debug";
    // Debug files may be fetched from the servers of DEBUGINFOD_URLS. This can take minutes.
    bool debuginfod = false;
  };

  enum class Effort {
    full,     // as the options say
    symbols,  // ELF symbols alone, where an address is not known better; never reads debug information
  };

  // How much is known of the code of a file.
  struct Detail {
    bool functions = false;
    bool lines = false;   // files, lines and inlined frames
    std::string why_not;  // what is said of the file when it is not used: "is of another build than the code that ran"
  };

  struct Cost {
    std::size_t files = 0;      // opened
    std::size_t addresses = 0;  // looked up and kept
    std::int64_t nanoseconds = 0;
  };

  Symbolizer();
  explicit Symbolizer(Options options);
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  // The frames at `address` in `mapping`, the innermost inlined callee first; none when nothing is known. For a
  // return address pass the address before it, which is in the call. When `mapping` has a build id, a file with another
  // one is not used; when it has none, a file that is not the mapped one (`file_is_it`) is not. The result lives as
  // long as the symbolizer. Throws std::bad_alloc.
  std::span<const Frame> frames(const Mapping& mapping, std::uint64_t address, Effort effort = Effort::full);

  // What frames() can tell of `mapping`. Reads the file when it was not read before.
  Detail detail(const Mapping& mapping, Effort effort = Effort::full);

  // A sentence for each file that was asked for and not used, as unused_file() makes them.
  std::vector<std::string> unused_files() const;

  Cost cost() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// "/usr/lib/libx.so is of another build than the code that ran: functions in it have no names".
std::string unused_file(const Mapping& mapping, const Symbolizer::Detail& detail);

}  // namespace plateau
