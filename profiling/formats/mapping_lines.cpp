#include "profiling/formats/mapping_lines.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "profiling/formats/heap_row.hpp"
#include "profiling/mappings.hpp"

namespace plateau {
namespace {

constexpr std::size_t longest_expansion = 16 * 1024;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

bool hex(RowScanner& scanner, std::uint64_t& value) {
  scanner.skip("0x");
  return scanner.number(value, 16);
}

// Takes " (@1000) 1f2e3d" off the end of a name: google/pprof's offset and build id.
void take_offset_and_build_id(std::string_view& name, Mapping& mapping) {
  const std::size_t at = name.rfind(" (@");
  if (at == std::string_view::npos) return;
  RowScanner scanner(name.substr(at + 3));
  if (!scanner.number(mapping.offset, 16) || !scanner.skip(")")) return;
  mapping.build_id = trimmed(scanner.rest());
  name = trimmed(name.substr(0, at));
}

std::optional<Mapping> brief_mapping(std::string_view line) {
  RowScanner scanner(line);
  Mapping mapping;
  if (!hex(scanner, mapping.start) || !scanner.skip("-") || !hex(scanner, mapping.limit)) return std::nullopt;
  if (mapping.start >= mapping.limit) return std::nullopt;
  scanner.skip(":");
  if (!scanner.rest().starts_with(' ') && !scanner.rest().starts_with('\t')) return std::nullopt;
  std::string_view name = trimmed(scanner.rest());
  const std::string_view word = name.substr(0, name.find(' '));
  if (word.size() == 4 && word.find_first_not_of("rwxps-") == std::string_view::npos) {
    if (word.find('x') == std::string_view::npos) return std::nullopt;
    name = trimmed(name.substr(4));
  }
  take_offset_and_build_id(name, mapping);
  if (name.empty() || (name.starts_with('[') && name != "[vdso]")) return std::nullopt;
  mapping.file = name;
  return mapping;
}

// Whether it is a line of /proc/PID/maps, of which the offset is the third word.
bool is_of_proc(std::string_view line) {
  RowScanner scanner(line);
  std::uint64_t number = 0;
  if (!scanner.number(number, 16) || !scanner.skip("-") || !scanner.number(number, 16) || !scanner.skip(" ")) {
    return false;
  }
  const std::string_view rest = scanner.rest();
  if (rest.size() < 6 || rest.substr(0, 4).find_first_not_of("rwxps-") != std::string_view::npos) return false;
  RowScanner after(rest.substr(4));
  return after.skip(" ") && after.number(number, 16) && after.skip(" ") && after.number(number, 16) && after.skip(":");
}

}  // namespace

std::optional<Mapping> MappingLines::read(std::string_view line) {
  line = trimmed(line);
  if (is_of_proc(line)) return executable_mapping(line);
  if (line.find('$') == std::string_view::npos || variables_.empty()) {
    auto mapping = brief_mapping(line);
    if (!mapping) define(line);
    return mapping;
  }
  return brief_mapping(expanded(line));
}

void MappingLines::define(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos || equals == 0 || variables_.size() == most_variables) return;
  variables_.emplace_back('$' + std::string(trimmed(line.substr(0, equals))), trimmed(line.substr(equals + 1)));
}

std::string MappingLines::expanded(std::string_view line) const {
  std::string text(line);
  for (const auto& [name, value] : variables_) {
    const std::size_t at = text.find(name);
    if (at != std::string::npos && text.size() + value.size() < longest_expansion) text.replace(at, name.size(), value);
  }
  return text;
}

}  // namespace plateau
