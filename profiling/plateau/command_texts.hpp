// What a shell and `man` want to know of a command line, made from its tree of options.
#pragma once

#include <string>

namespace CLI {  // <CLI/CLI.hpp> takes seconds to compile
class App;
}  // namespace CLI

namespace plateau {

// For bash: subcommands, options, and the values that an option takes; behind `run`, any command and its own
// completion.
std::string bash_completion(const CLI::App& app);

// A manual page in man(7)'s form: each subcommand with its options and footer.
std::string manual_page(const CLI::App& app);

}  // namespace plateau
