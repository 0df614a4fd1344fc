#include "profiling/formats/symbol_section.hpp"

#include <algorithm>
#include <charconv>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "profiling/formats/heap_row.hpp"
#include "profiling/symbols/demangled_name.hpp"

namespace plateau {
namespace {

constexpr std::size_t deepest_inlining = 64;

// Takes what is before the next "--" off `names`. "operator--" is a name.
std::string_view take_name(std::string_view& names) {
  std::size_t end = names.find("--");
  while (end != std::string_view::npos && names.substr(0, end).ends_with("operator")) end = names.find("--", end + 2);
  const std::string_view name = names.substr(0, end);
  names.remove_prefix(end == std::string_view::npos ? names.size() : end + 2);
  return name;
}

bool is_no_name(std::string_view name) {
  return name.empty() || name == "??" || name.starts_with("0x");
}

std::string_view take_field(std::string_view& line) {
  const std::string_view field = line.substr(0, line.find('\t'));
  line.remove_prefix(std::min(line.size(), field.size()));
  line.remove_prefix(std::min(line.size(), line.find_first_not_of('\t')));
  return field;
}

}  // namespace

bool SymbolSection::read_raw(std::string_view line) {
  RowScanner scanner(line);
  std::uint64_t address = 0;
  if (!scanner.skip("0x") || !scanner.number(address, 16)) return false;
  if (!scanner.rest().starts_with(' ') && !scanner.rest().starts_with('\t')) return false;
  scanner.skip_spaces();
  count(line.size());
  std::vector<NamedFrame> frames;
  for (std::string_view names = scanner.rest(); !names.empty() && frames.size() < deepest_inlining;) {
    const std::string name(take_name(names));
    if (is_no_name(name)) continue;
    frames.push_back({.name = shown_name(name, style_), .system_name = name, .file = {}});
  }
  std::reverse(frames.begin(), frames.end());
  if (!frames.empty()) functions_.insert_or_assign(address, Frames{std::move(frames), 0});
  return true;
}

bool SymbolSection::read_go(std::string_view line) {
  if (!line.starts_with("#\t0x")) return false;
  line.remove_prefix(2);
  std::uint64_t address = 0;
  RowScanner scanner(take_field(line));
  if (!scanner.skip("0x") || !scanner.number(address, 16) || !scanner.rest().empty()) return false;
  std::string_view name = take_field(line);
  name = name.substr(0, name.rfind('+'));
  if (is_no_name(name)) return false;
  const std::string_view place = take_field(line);
  const std::size_t colon = place.rfind(':');
  NamedFrame frame{.name = std::string(name), .system_name = {}, .file = std::string(place.substr(0, colon))};
  if (colon != std::string_view::npos) {
    std::from_chars(place.data() + colon + 1, place.data() + place.size(), frame.line);
  }
  count(sizeof frame + name.size() + place.size());
  const auto [entry, is_new] = functions_.try_emplace(address, Frames{{}, stack_number_});
  Frames& known = entry->second;
  if (known.stack_number == stack_number_ && known.frames.size() < deepest_inlining) {
    known.frames.push_back(std::move(frame));
  }
  return true;
}

// Whoever wrote the names may have looked up the call or the address after it, which is what is in the stack.
const SymbolSection::Frames* SymbolSection::at_return_address(std::uint64_t address) const {
  auto found = functions_.find(address - 1);
  if (found == functions_.end()) found = functions_.find(address);
  return found == functions_.end() ? nullptr : &found->second;
}

Profile SymbolSection::applied(const Profile& profile) const {
  Profile result = profile.without_samples();
  std::unordered_map<const Frames*, std::vector<std::uint64_t>> named;
  std::vector<std::uint64_t> stack;
  std::size_t bytes = 0;
  for (const Profile::Sample& sample : profile.samples()) {
    stack.clear();
    for (const std::uint64_t address : profile.stack(sample)) {
      const Frames* const frames = at_return_address(address);
      if (frames == nullptr) {
        stack.push_back(address);
        continue;
      }
      std::vector<std::uint64_t>& addresses = named[frames];
      if (addresses.empty()) {
        for (const NamedFrame& frame : frames->frames) addresses.push_back(result.named_frame(frame));
      }
      stack.insert(stack.end(), addresses.begin(), addresses.end());
    }
    bytes += std::span(stack).size_bytes();
    if (bytes > most_bytes_) throw std::runtime_error("stacks of inlined functions that take too much memory");
    result.add(stack, profile.values(sample), profile.labels(sample));
  }
  return result;
}

void SymbolSection::count(std::size_t bytes) {
  used_bytes_ += bytes + sizeof(Frames);
  if (used_bytes_ > most_bytes_) throw std::runtime_error("symbols that take too much memory");
}

}  // namespace plateau
