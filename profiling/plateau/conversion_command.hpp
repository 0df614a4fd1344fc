// plateau convert and plateau diff: heap2pprof's work.
#pragma once

#include <memory>

#include "profiling/heap2pprof.hpp"
#include "profiling/plateau/subcommand.hpp"

namespace plateau {

class ConversionCommand final : public Subcommand {
 public:
  explicit ConversionCommand(DumpConversion::Kind kind) : kind_(kind) {}
  CLI::App* add_to(CLI::App& app) override;
  int run() override { return conversion_->run(); }

 private:
  DumpConversion::Kind kind_;
  std::unique_ptr<DumpConversion> conversion_;
};

}  // namespace plateau
