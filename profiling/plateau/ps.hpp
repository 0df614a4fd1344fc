// plateau ps: the processes of this user that are served.
#pragma once

#include "profiling/plateau/subcommand.hpp"

namespace plateau {

class PsCommand final : public Subcommand {
 public:
  CLI::App* add_to(CLI::App& app) override;
  int run() override;
};

}  // namespace plateau
