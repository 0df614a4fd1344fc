// heap2pprof's work: heap dumps of jemalloc, gperftools and Go as pprof reads them, symbolised; or a quick look without
// pprof, which profiles that are written already get too. For its own program, and for `plateau convert` and `diff`.
#pragma once

#include <memory>
#include <string>

namespace CLI {  // <CLI/CLI.hpp> takes seconds to compile
class App;
}  // namespace CLI

namespace plateau {

class DumpConversion {
 public:
  enum class Kind { conversion, difference };

  // Adds its options to `app`, which it must outlive. What it says on standard error begins with `program`.
  DumpConversion(CLI::App& app, std::string program, Kind kind = Kind::conversion);
  ~DumpConversion();
  DumpConversion(const DumpConversion&) = delete;
  DumpConversion& operator=(const DumpConversion&) = delete;

  // Does what was asked for, once `app` has parsed it. Returns the exit status: 0, or 2 after one line.
  int run();

  struct Options;

 private:
  std::unique_ptr<Options> options_;
};

}  // namespace plateau
