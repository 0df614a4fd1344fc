// plateau top: one process, live in the terminal.
#pragma once

#include <cstdint>
#include <string>

#include "profiling/plateau/subcommand.hpp"

namespace plateau {

class TopCommand final : public Subcommand {
 public:
  CLI::App* add_to(CLI::App& app) override;
  int run() override;

 private:
  std::string target_;
  std::uint64_t seconds_ = 2;
  std::uint64_t count_ = 0;
};

}  // namespace plateau
