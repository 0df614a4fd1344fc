#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "profiling/heap2pprof.hpp"

int main(int argc, char** argv) {
  CLI::App app{
      "heap dumps of jemalloc, gperftools and Go (by gzip, by zstd or plain) to profile.proto, symbolised; "
      "profile.proto "
      "itself is read too",
      "heap2pprof"};
  plateau::DumpConversion conversion(app, "heap2pprof");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "heap2pprof: {}\n", error.what());
    return 2;
  }
  return conversion.run();
}
