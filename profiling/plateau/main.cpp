// plateau: one command for all that this folder has.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "profiling/plateau/conversion_command.hpp"
#include "profiling/plateau/ps.hpp"
#include "profiling/plateau/run.hpp"
#include "profiling/plateau/text_command.hpp"
#include "profiling/plateau/top.hpp"
#include "profiling/plateau/try.hpp"
#include "profiling/plateau/why.hpp"

namespace plateau {
namespace {

std::vector<std::unique_ptr<Subcommand>> all_subcommands() {
  std::vector<std::unique_ptr<Subcommand>> all;
  all.push_back(std::make_unique<RunCommand>());
  all.push_back(std::make_unique<PsCommand>());
  all.push_back(std::make_unique<WhyCommand>());
  all.push_back(std::make_unique<TopCommand>());
  all.push_back(std::make_unique<TryCommand>());
  all.push_back(std::make_unique<ConversionCommand>(DumpConversion::Kind::difference));
  all.push_back(std::make_unique<ConversionCommand>(DumpConversion::Kind::conversion));
  all.push_back(std::make_unique<TextCommand>(TextCommand::Kind::completion));
  all.push_back(std::make_unique<TextCommand>(TextCommand::Kind::manual));
  return all;
}

int fail(int status, std::string line) {
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < ' '; }, ' ');
  fmt::print(stderr, "plateau: {}\n", line);
  return status;
}

// Takes what is behind the first `--` off the arguments, where the subcommand wants that.
int without_program(int argc, char** argv, const CLI::App& parsed, Subcommand& command) {
  if (!command.takes_program() || argc < 2 || parsed.get_name() != argv[1]) return argc;
  char** const separator =
      std::find_if(argv + 2, argv + argc, [](const char* one) { return std::string_view(one) == "--"; });
  if (separator == argv + argc) return argc;
  command.take_program({separator + 1, argv + argc});
  return static_cast<int>(separator - argv);
}

int run(int argc, char** argv) {
  CLI::App app{"where the memory of programs goes", "plateau"};
  app.require_subcommand(1);
  app.footer("plateau COMMAND --help tells more of each.");
  const auto all = all_subcommands();
  std::vector<std::pair<CLI::App*, Subcommand*>> commands;
  for (const auto& one : all) commands.emplace_back(one->add_to(app), one.get());
  for (const auto& [parsed, command] : commands) argc = without_program(argc, argv, *parsed, *command);
  try {
    app.parse(argc, argv);
    for (const auto& [parsed, command] : commands) {
      if (parsed->parsed()) return command->run();
    }
    return exit_unusable;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CommandError& error) {
    return fail(error.status(), error.what());
  } catch (const CLI::RequiredError& error) {
    return fail(exit_unusable, fmt::format("{}; plateau --help lists what there is", error.what()));
  } catch (const std::exception& error) {
    return fail(exit_unusable, error.what());
  }
}

}  // namespace
}  // namespace plateau

int main(int argc, char** argv) {
  return plateau::run(argc, argv);
}
