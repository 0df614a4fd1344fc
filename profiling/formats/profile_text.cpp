#include "profiling/formats/profile_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "profiling/formats/utf8_text.hpp"

namespace plateau {
namespace {

const Mapping* mapping_of(const Profile& profile, std::uint64_t address) {
  const auto found = std::find_if(profile.mappings.begin(), profile.mappings.end(), [address](const Mapping& one) {
    return address >= one.start && address < one.limit;
  });
  return found == profile.mappings.end() ? nullptr : &*found;
}

void append_frames(const Profile& profile, Symbolizer& symbolizer, std::uint64_t address, bool is_return,
                   std::string& text, std::set<std::string>& unused_files) {
  if (const NamedFrame* const named = profile.frame(address)) {
    text += named->file.empty() ? fmt::format("#\t{}\n", named->name)
                                : fmt::format("#\t{}\t{}:{}\n", named->name, named->file, named->line);
    return;
  }
  const std::uint64_t call = is_return && address > 0 ? address - 1 : address;
  const Mapping* const mapping = mapping_of(profile, call);
  const auto frames = mapping != nullptr ? symbolizer.frames(*mapping, call) : std::span<const Frame>();
  if (frames.empty()) {
    const std::string_view code = mapping == nullptr           ? std::string_view()
                                  : mapping->code_name.empty() ? std::string_view(mapping->file)
                                                               : std::string_view(mapping->code_name);
    text += fmt::format("#\t{:#x}\t{}\n", address, code);
    if (mapping != nullptr) {
      const Symbolizer::Detail detail = symbolizer.detail(*mapping);
      if (!detail.why_not.empty()) unused_files.insert(unused_file(*mapping, detail));
    }
  }
  for (const Frame& frame : frames) {
    text += fmt::format("#\t{:#x}\t{}\t{}:{}\n", address, frame.function->name, frame.function->file, frame.line);
  }
}

// Texts only: numbers, such as the mean size of a stack's blocks, follow from the columns.
void append_labels(const Profile& profile, const Profile::Sample& sample, std::string& text) {
  std::string labels;
  for (const ProfileLabel& label : profile.labels(sample)) {
    if (!label.text.empty()) labels += fmt::format("\t{}: {}", label.key, label.text);
  }
  if (!labels.empty()) text += fmt::format("#{}\n", labels);
}

std::size_t default_column(const Profile& profile) {
  const auto& types = profile.types();
  const auto found = std::find_if(types.begin(), types.end(),
                                  [&](const ValueType& type) { return type.type == profile.default_type; });
  return found == types.end() ? types.size() - 1 : static_cast<std::size_t>(found - types.begin());
}

}  // namespace

std::string to_text(const Profile& profile, Symbolizer& symbolizer) {
  std::string text = fmt::format("# {} stacks; columns:", profile.samples().size());
  for (const ValueType& type : profile.types()) text += fmt::format(" {}/{}", type.type, type.unit);
  text += "\n";
  for (const std::string& comment : profile.comments) text += fmt::format("# {}\n", comment);

  std::set<std::string> unused_files;
  std::vector<const Profile::Sample*> order;
  for (const Profile::Sample& sample : profile.samples()) order.push_back(&sample);
  if (!profile.types().empty()) {
    const std::size_t column = default_column(profile);
    std::stable_sort(order.begin(), order.end(), [&](const Profile::Sample* one, const Profile::Sample* other) {
      return profile.values(*one)[column] > profile.values(*other)[column];
    });
  }
  for (const Profile::Sample* const sample : order) {
    text += fmt::format("\n{} @", fmt::join(profile.values(*sample), " "));
    for (const std::uint64_t address : profile.stack(*sample)) text += fmt::format(" {:#x}", address);
    text += "\n";
    append_labels(profile, *sample, text);
    bool is_return = profile.leaf_is_return_address;
    for (const std::uint64_t address : profile.stack(*sample)) {
      append_frames(profile, symbolizer, address, is_return, text, unused_files);
      is_return = true;
    }
  }
  for (const std::string& comment : unused_files) text += fmt::format("# {}\n", comment);
  return is_utf8(text) ? text : as_utf8(text);
}

}  // namespace plateau
