#include "profiling/plateau/conversion_command.hpp"

#include <CLI/CLI.hpp>

namespace plateau {

CLI::App* ConversionCommand::add_to(CLI::App& app) {
  const bool converts = kind_ == DumpConversion::Kind::conversion;
  CLI::App* const command =
      converts ? app.add_subcommand("convert", "heap dumps of jemalloc, gperftools and Go to profile.proto, symbolised")
               : app.add_subcommand("diff", "what changed between two dumps or profiles of one program");
  conversion_ = std::make_unique<DumpConversion>(*command, converts ? "plateau convert" : "plateau diff", kind_);
  return command;
}

}  // namespace plateau
