#include "profiling/plateau/text_command.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "profiling/plateau/command_texts.hpp"

namespace plateau {

CLI::App* TextCommand::add_to(CLI::App& app) {
  app_ = &app;
  return kind_ == Kind::completion
             ? app.add_subcommand("completion", "print bash's completion: source <(plateau completion)")
             : app.add_subcommand("man", "print the manual page: plateau man | man -l -");
}

int TextCommand::run() {
  fmt::print("{}", kind_ == Kind::completion ? bash_completion(*app_) : manual_page(*app_));
  return 0;
}

}  // namespace plateau
