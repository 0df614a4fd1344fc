#include "profiling/number_option.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include <CLI/CLI.hpp>

#include "allocators/system/number_text.hpp"

namespace plateau {
namespace {

// `take` returns what is wanted, for a text that it does not take.
CLI::Option* add(CLI::App& app, const std::string& names, const std::string& description, const char* type,
                 std::function<std::optional<std::string>(std::string_view)> take, std::function<std::string()> shown) {
  const std::string name = names.substr(names.rfind(',') + 1);
  CLI::Option* const option = app.add_option_function<std::string>(
      names,
      [name, take = std::move(take)](const std::string& text) {
        if (const auto wanted = take(text)) throw CLI::ValidationError(fmt::format("{} {}", name, *wanted));
      },
      description);
  option->type_name(type);
  option->default_function(std::move(shown));
  return option;
}

// The text as it can stand in a line.
std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string line(text.substr(0, longest));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return text.size() > longest ? line + "…" : line;
}

bool lies_within(double number, double least, double most) {
  return number >= least && number <= most;  // and so is neither infinite nor not a number
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::string_view units = "KMGTPE";
  std::string text = fmt::format("{}", bytes);
  for (const char unit : units) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    text = fmt::format("{}{}iB", bytes, unit);
  }
  return text;
}

template <class Number>
CLI::Option* add_whole(CLI::App& app, const std::string& names, Number& value, const std::string& description,
                       Number least, Number most) {
  return add(
      app, names, description, "NUMBER",
      [&value, least, most](std::string_view text) -> std::optional<std::string> {
        const auto number = whole_number_in(text);
        if (!number || *number < least || *number > most) {
          return fmt::format("{}: give a whole number from {} to {}", quoted(text), least, most);
        }
        value = static_cast<Number>(*number);
        return std::nullopt;
      },
      [&value] { return fmt::format("{}", value); });
}

template <class Number>
CLI::Option* add_real(CLI::App& app, const std::string& names, Number& value, const std::string& description,
                      double least, double most, std::function<std::string()> shown) {
  return add(
      app, names, description, "NUMBER",
      [&value, least, most](std::string_view text) -> std::optional<std::string> {
        const auto number = real_number_in(text);
        if (!number || !lies_within(*number, least, most)) {
          const std::string given = number ? fmt::format("{}", *number) : quoted(text);
          return fmt::format("{}: give a number from {} to {}", given, least, most);
        }
        value = *number;
        return std::nullopt;
      },
      std::move(shown));
}

}  // namespace

CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::uint64_t& value,
                              const std::string& description, std::uint64_t least, std::uint64_t most) {
  return add_whole(app, names, value, description, least, most);
}

CLI::Option* add_whole_number(CLI::App& app, const std::string& names, std::uint32_t& value,
                              const std::string& description, std::uint32_t least, std::uint32_t most) {
  return add_whole(app, names, value, description, least, most);
}

CLI::Option* add_real_number(CLI::App& app, const std::string& names, double& value, const std::string& description,
                             double least, double most) {
  return add_real(app, names, value, description, least, most, [&value] { return fmt::format("{}", value); });
}

CLI::Option* add_real_number(CLI::App& app, const std::string& names, std::optional<double>& value,
                             const std::string& description, double least, double most) {
  return add_real(app, names, value, description, least, most,
                  [&value] { return value ? fmt::format("{}", *value) : std::string(); });
}

CLI::Option* add_size(CLI::App& app, const std::string& names, std::uint64_t& bytes, const std::string& description,
                      std::uint64_t least, std::uint64_t most) {
  return add(
      app, names, description, "SIZE",
      [&bytes, least, most](std::string_view text) -> std::optional<std::string> {
        const auto number = bytes_in(text);
        if (!number || *number < least || *number > most) {
          return fmt::format("{}: give a size such as 512MiB, from {} to {}", quoted(text), size_text(least),
                             size_text(most));
        }
        bytes = *number;
        return std::nullopt;
      },
      [&bytes] { return size_text(bytes); });
}

CLI::Option* add_duration(CLI::App& app, const std::string& names, double& seconds, const std::string& description,
                          double least, double most) {
  return add(
      app, names, description, "TIME",
      [&seconds, least, most](std::string_view text) -> std::optional<std::string> {
        const auto number = seconds_in(text);
        if (!number || !lies_within(*number, least, most)) {
          return fmt::format("{}: give a time such as 3s or 500ms, from {}s to {}s", quoted(text), least, most);
        }
        seconds = *number;
        return std::nullopt;
      },
      [&seconds] { return fmt::format("{}s", seconds); });
}

}  // namespace plateau
