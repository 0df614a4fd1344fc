#include "profiling/agent_program.hpp"

#include <sys/auxv.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace plateau {
namespace {

std::string_view without_folders(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string executable_name() {
  constexpr std::string_view deleted = " (deleted)";  // what the kernel appends when the file is gone
  std::error_code error;
  const std::string path = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string_view name = without_folders(path);
  if (name.ends_with(deleted)) name.remove_suffix(deleted.size());
  return std::string(name);
}

// The path that was given to execve(): a script's, where the kernel took the interpreter from its first line.
std::string executed_name() {
  const auto* const path = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  return std::string(path == nullptr ? std::string_view() : without_folders(path));
}

// Arguments of other programs are no names of theirs: `rm service` must not be taken for the service.
bool is_interpreter(std::string_view name) {
  constexpr std::array exact{"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh", "java", "Rscript"};
  constexpr std::array beginnings{"python", "pypy", "perl", "ruby", "node", "php", "lua", "tclsh"};
  return std::find(exact.begin(), exact.end(), name) != exact.end() ||
         std::any_of(beginnings.begin(), beginnings.end(), [name](const char* one) { return name.starts_with(one); });
}

// The first argument that is neither an option nor the value of one.
std::string_view script_in(std::span<char* const> arguments) {
  constexpr std::array names_it{"-m", "-jar"};
  constexpr std::array take_a_value{"-W", "-X", "-r", "--require", "-I", "-cp", "-classpath", "--class-path", "-o"};
  constexpr std::array give_the_program{"-c", "-e"};
  const auto is_one_of = [](std::string_view option, const auto& options) {
    return std::find(options.begin(), options.end(), option) != options.end();
  };
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const bool has_next = i + 1 < arguments.size();
    if (is_one_of(argument, give_the_program)) return {};
    if (is_one_of(argument, names_it)) return has_next ? without_folders(arguments[i + 1]) : std::string_view();
    if (is_one_of(argument, take_a_value)) {
      ++i;
    } else if (!argument.starts_with('-')) {
      return without_folders(argument);
    }
  }
  return {};
}

}  // namespace

std::string ProgramNames::shown() const {
  const std::string& name = called.empty() ? executable : called;
  return script.empty() ? name : name + " " + script;
}

bool ProgramNames::include(std::string_view name) const {
  return !name.empty() && (name == executable || name == called || name == script);
}

bool ProgramNames::are_chosen(std::span<const std::string> list) const {
  bool is_named = false;
  bool names_any = false;
  for (const std::string& name : list) {
    const bool excludes = name.starts_with('!');
    const bool matches = include(std::string_view(name).substr(excludes ? 1 : 0));
    if (excludes && matches) return false;
    names_any = names_any || !excludes;
    is_named = is_named || (!excludes && matches);
  }
  return is_named || !names_any;
}

ProgramNames program_names(std::span<char* const> arguments) {
  ProgramNames names{.executable = executable_name(), .called = {}, .script = {}};
  if (!arguments.empty()) names.called = without_folders(arguments.front());
  if (names.called.starts_with('-')) names.called.erase(0, 1);  // a login shell
  if (is_interpreter(names.executable) || is_interpreter(names.called)) {
    names.script = script_in(arguments);
  }
  const std::string executed = executed_name();
  if (names.executable.empty()) names.executable = executed;
  // Behind #!/usr/bin/env comes the interpreter, which is another program.
  if (names.script.empty() && !names.include(executed) && names.executable != "env") names.script = executed;
  return names;
}

std::vector<std::string> comma_separated(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  std::vector<std::string> words;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    word.remove_prefix(std::min(word.find_first_not_of(blanks), word.size()));
    word = word.substr(0, word.find_last_not_of(blanks) + 1);
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

}  // namespace plateau
