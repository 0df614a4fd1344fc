// plateau completion, plateau man: texts that are made from the command line itself.
#pragma once

#include "profiling/plateau/subcommand.hpp"

namespace plateau {

class TextCommand final : public Subcommand {
 public:
  enum class Kind { completion, manual };

  explicit TextCommand(Kind kind) : kind_(kind) {}
  CLI::App* add_to(CLI::App& app) override;
  int run() override;

 private:
  Kind kind_;
  const CLI::App* app_ = nullptr;
};

}  // namespace plateau
