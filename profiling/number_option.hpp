// Options of command lines that are numbers: read to the last character and within their range, or refused in one line
// that says what is wanted. CLI11 by itself takes -1 and 2^64 for unsigned numbers, and makes others of them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace CLI {  // <CLI/CLI.hpp> takes seconds to compile
class App;
class Option;
}  // namespace CLI

namespace plateau {

// Each adds an option to `app` that sets `value` when it is given, to what lies from `least` to `most`. What is refused
// is a CLI::ValidationError of app.parse(), "NAME TEXT: give …". `value` must outlive the parsing, and is what
// Option::capture_default_str shows.
CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::uint64_t& value,
                              const std::string& description, std::uint64_t least = 0,
                              std::uint64_t most = std::numeric_limits<std::uint64_t>::max());
CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::uint32_t& value,
                              const std::string& description, std::uint32_t least, std::uint32_t most);
CLI::Option* add_real_number(CLI::App& app, const std::string& names, double& value, const std::string& description,
                             double least, double most);
CLI::Option* add_real_number(CLI::App& app, const std::string& names, std::optional<double>& value,
                             const std::string& description, double least, double most);
// Bytes, such as 512MiB or 4k; see bytes_in.
CLI::Option* add_size(CLI::App& app, const std::string& names, std::uint64_t& bytes, const std::string& description,
                      std::uint64_t least, std::uint64_t most);
// Such as 3s or 500ms; see seconds_in.
CLI::Option* add_duration(CLI::App& app, const std::string& names, double& seconds, const std::string& description,
                          double least, double most);

}  // namespace plateau
