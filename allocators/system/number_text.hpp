// Numbers as people type them, in options and in the environment: read to the last character, or not at all.
//
// Nothing here allocates, so that a library that is preloaded may use it before main().
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

namespace plateau {

// Digits only: no sign, no space. Empty for anything else, and for what does not fit.
inline std::optional<std::uint64_t> whole_number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Decimal, with a fraction and an exponent or without. Empty for anything else. May be infinite, or no number.
inline std::optional<double> real_number_in(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The number and what follows it, without the spaces between them and at the end.
struct NumberAndUnit {
  std::string_view number;
  std::string_view unit;
};

inline NumberAndUnit split_unit(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  std::size_t letters = text.size();
  while (letters > 0 && ((text[letters - 1] | 0x20) >= 'a' && (text[letters - 1] | 0x20) <= 'z')) --letters;
  NumberAndUnit split{text.substr(0, letters), text.substr(letters)};
  while (split.number.ends_with(' ')) split.number.remove_suffix(1);
  return split;
}

// "524288", "4k", "512KiB", "2 GiB": a whole number of bytes, or of powers of 1024 (k, m, g, t, p, e, in either case,
// with `b` or `ib` behind or without). Empty for anything else, and for what does not fit.
inline std::optional<std::uint64_t> bytes_in(std::string_view text) {
  const auto [digits, unit] = split_unit(text);
  const auto number = whole_number_in(digits);
  if (!number) return std::nullopt;
  const auto is = [](std::string_view word, std::string_view lower) {
    if (word.size() != lower.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
      if ((word[i] | 0x20) != lower[i]) return false;
    }
    return true;
  };
  if (unit.empty() || is(unit, "b")) return number;
  constexpr std::string_view prefixes = "kmgtpe";
  const std::size_t power = prefixes.find(static_cast<char>(unit.front() | 0x20));
  const std::string_view rest = unit.substr(1);
  if (power == std::string_view::npos || !(rest.empty() || is(rest, "b") || is(rest, "ib") || is(rest, "i"))) {
    return std::nullopt;
  }
  const std::size_t shift = 10 * (power + 1);
  if (*number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

// "3s", "500ms", "2min", "3": seconds. Empty for anything else.
inline std::optional<double> seconds_in(std::string_view text) {
  const auto [digits, unit] = split_unit(text);
  const auto number = real_number_in(digits);
  if (!number) return std::nullopt;
  if (unit.empty() || unit == "s") return number;
  if (unit == "ms") return *number * 1e-3;
  if (unit == "min") return *number * 60;
  return std::nullopt;
}

}  // namespace plateau
