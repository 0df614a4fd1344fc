// The program that the agent is loaded into, by the names that its user has for it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plateau {

struct ProgramNames {
  std::string executable;  // its file, without folders
  std::string called;      // as what it was started
  std::string script;      // of an interpreter: its file, its module (-m) or archive (-jar)

  // "service", or "python3 app.py".
  std::string shown() const;
  bool include(std::string_view name) const;
  // Whether a list of names, of which those behind a `!` are not meant, is of this program: none of the latter, and one
  // of the former, if there are any.
  bool are_chosen(std::span<const std::string> list) const;
};

// `arguments` are those of the process, from argv[0] on.
ProgramNames program_names(std::span<char* const> arguments);

// What stands between commas, without blanks around it; empty words are left out.
std::vector<std::string> comma_separated(std::string_view text);

}  // namespace plateau
