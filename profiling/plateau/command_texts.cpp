#include "profiling/plateau/command_texts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

namespace plateau {
namespace {

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* /*one*/) { return true; });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app, bool positional) {
  return app.get_options([positional](const CLI::Option* one) { return one->nonpositional() != positional; });
}

// "-o", "--output"
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> names_of_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options_of(app, false)) {
    for (const std::string& name : names_of(*option)) names.push_back(name);
  }
  return names;
}

// man(7) takes a line's first dot or quote for a request, and a backslash for an escape.
std::string roff(std::string_view text) {
  std::string result;
  bool at_line_start = true;
  for (const char c : text) {
    if (at_line_start && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    at_line_start = c == '\n';
  }
  return result;
}

std::string roff_of_options(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : options_of(app, false)) {
    const std::string value = option->get_type_name();
    text += fmt::format(".TP\n\\fB{}\\fR{}\n{}{}\n", roff(fmt::format("{}", fmt::join(names_of(*option), ", "))),
                        value.empty() ? "" : " \\fI" + roff(value) + "\\fR", roff(option->get_description()),
                        option->get_default_str().empty() ? "" : " [" + roff(option->get_default_str()) + "]");
  }
  return text;
}

std::string synopsis(const CLI::App& command) {
  std::string text = "\\fBplateau " + command.get_name() + "\\fR [\\fIOPTIONS\\fR]";
  for (const CLI::Option* option : options_of(command, true)) {
    const std::string& name = option->get_name(true);
    text += option->get_required() ? fmt::format(" \\fI{}\\fR", roff(name)) : fmt::format(" [\\fI{}\\fR]", roff(name));
    if (option->get_expected_max() > 1) text += "...";
  }
  if (command.get_name() == "run") text += " \\fIPROGRAM ARGS\\fR...";
  if (command.get_name() == "try") text += " -- \\fIPROGRAM ARGS\\fR...";
  return text;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> commands;
  std::string cases;
  for (const CLI::App* command : subcommands_of(app)) {
    commands.push_back(command->get_name());
    cases += fmt::format("    {}) options='{}' ;;\n", command->get_name(), fmt::join(names_of_options(*command), " "));
  }
  return fmt::format(R"bash(# Completion of plateau for bash; made by `plateau completion`.
_plateau() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} options='' i
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{} --help' -- "$word"))
    return
  fi
  # Behind `run` and its options, and behind -- of `try`, another command begins.
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [[ ${{COMP_WORDS[1]}} == run && ${{COMP_WORDS[i]}} != -* && ! ${{COMP_WORDS[i - 1]}} =~ ^--(out|address|period)$ ]] ||
       [[ ${{COMP_WORDS[1]}} == try && ${{COMP_WORDS[i - 1]}} == -- ]]; then
      declare -F _command_offset > /dev/null && _command_offset "$i"
      return
    fi
  done
  case ${{COMP_WORDS[1]}} in
{}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ ${{COMP_WORDS[1]}} == why ]]; then
    COMPREPLY=($(compgen -W "$(ps -eo pid=)" -- "$word"))
  elif [[ ${{COMP_WORDS[1]}} == run || ${{COMP_WORDS[COMP_CWORD - 1]}} == -- ]]; then
    COMPREPLY=($(compgen -c -- "$word") $(compgen -f -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _plateau plateau
)bash",
                     fmt::join(commands, " "), cases);
}

std::string manual_page(const CLI::App& app) {
  std::string text = ".TH PLATEAU 1\n.SH NAME\nplateau \\- " + roff(app.get_description()) + "\n.SH SYNOPSIS\n";
  for (const CLI::App* command : subcommands_of(app)) text += synopsis(*command) + "\n.br\n";
  text += ".SH COMMANDS\n";
  for (const CLI::App* command : subcommands_of(app)) {
    text += fmt::format(".SS {}\n{}\n.PP\n{}.\n", command->get_name(), synopsis(*command),
                        roff(command->get_description()));
    for (const CLI::Option* option : options_of(*command, true))
      text += fmt::format(".TP\n\\fI{}\\fR\n{}\n", roff(option->get_name(true)), roff(option->get_description()));
    text += roff_of_options(*command);
    if (const std::string footer = command->get_footer(); !footer.empty()) text += ".PP\n" + roff(footer) + "\n";
  }
  return text +
         ".SH EXIT STATUS\n0, or 2 for arguments or an environment that are no good; of run that of the program.\n";
}

}  // namespace plateau
