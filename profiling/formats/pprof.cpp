#include "profiling/pprof.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <new>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <protozero/pbf_builder.hpp>

#include "profiling/formats/gzip.hpp"
#include "profiling/formats/utf8_text.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {
namespace {

// Field numbers of profile.proto.
namespace field {
enum class Profile : protozero::pbf_tag_type {
  sample_type = 1,
  sample = 2,
  mapping = 3,
  location = 4,
  function = 5,
  string_table = 6,
  drop_frames = 7,
  time_nanos = 9,
  duration_nanos = 10,
  period_type = 11,
  period = 12,
  comment = 13,
  default_sample_type = 14
};
enum class ValueType : protozero::pbf_tag_type { type = 1, unit = 2 };
enum class Sample : protozero::pbf_tag_type { location_id = 1, value = 2, label = 3 };
enum class Label : protozero::pbf_tag_type { key = 1, str = 2, num = 3, num_unit = 4 };
enum class Mapping : protozero::pbf_tag_type {
  id = 1,
  memory_start = 2,
  memory_limit = 3,
  file_offset = 4,
  filename = 5,
  build_id = 6,
  has_functions = 7,
  has_filenames = 8,
  has_line_numbers = 9,
  has_inline_frames = 10
};
enum class Location : protozero::pbf_tag_type { id = 1, mapping_id = 2, address = 3, line = 4 };
enum class Line : protozero::pbf_tag_type { function_id = 1, line = 2 };
enum class Function : protozero::pbf_tag_type { id = 1, name = 2, system_name = 3, filename = 4, start_line = 5 };
}  // namespace field

template <class Message>
using Builder = protozero::pbf_builder<Message>;

// Ids in the order of first use, which makes the output a function of the input.
class Encoder {
 public:
  Encoder(const Profile& profile, Symbolizer* symbolizer, const EncodeOptions& options)
      : profile_(profile), symbolizer_(symbolizer), symbol_budget_(options.symbol_budget) {
    string("");
    mapping_order_.resize(profile.mappings.size());
    std::iota(mapping_order_.begin(), mapping_order_.end(), std::size_t{0});
    std::sort(mapping_order_.begin(), mapping_order_.end(),
              [&](std::size_t a, std::size_t b) { return profile.mappings[a].start < profile.mappings[b].start; });
  }

  std::string encode() {
    for (const ValueType& type : profile_.types()) value_type(field::Profile::sample_type, type.type, type.unit);
    for (const Profile::Sample& sample : profile_.samples()) this->sample(sample);
    for (std::size_t i = 0; i < profile_.mappings.size(); ++i) mapping(i);
    out_.add_int64(field::Profile::drop_frames, string(profile_.drop_frames));
    out_.add_int64(field::Profile::time_nanos, profile_.time_nanos);
    out_.add_int64(field::Profile::duration_nanos, profile_.duration_nanos);
    value_type(field::Profile::period_type, profile_.period_type, profile_.period_unit);
    out_.add_int64(field::Profile::period, profile_.period);
    for (const std::string& comment : profile_.comments) out_.add_int64(field::Profile::comment, string(comment));
    if (without_lines_ > 0) out_.add_int64(field::Profile::comment, string(used_up()));
    for (const std::string& comment : unused_files_) out_.add_int64(field::Profile::comment, string(comment));
    out_.add_int64(field::Profile::default_sample_type, string(profile_.default_type));
    for (const std::string_view text : strings_) out_.add_bytes(field::Profile::string_table, text.data(), text.size());
    return std::move(buffer_);
  }

 private:
  // The text has to outlive the encoder: strings of the profile and of the symbolizer do. Strings of profile.proto are
  // UTF-8, and readers refuse all of a profile for one that is not.
  std::int64_t string(std::string_view text) {
    const auto [entry, is_new] = string_ids_.try_emplace(text, static_cast<std::int64_t>(strings_.size()));
    if (is_new) strings_.push_back(is_utf8(text) ? text : mended_.emplace_back(as_utf8(text)));
    return entry->second;
  }

  void value_type(field::Profile tag, std::string_view type, std::string_view unit) {
    Builder<field::ValueType> message(out_, tag);
    message.add_int64(field::ValueType::type, string(type));
    message.add_int64(field::ValueType::unit, string(unit));
  }

  void sample(const Profile::Sample& sample) {
    const auto stack = profile_.stack(sample);
    ids_.clear();
    for (std::size_t i = 0; i < stack.size(); ++i) {
      ids_.push_back(location(stack[i], i > 0 || profile_.leaf_is_return_address));
    }
    Builder<field::Sample> message(out_, field::Profile::sample);
    message.add_packed_uint64(field::Sample::location_id, ids_.begin(), ids_.end());
    const auto values = profile_.values(sample);
    message.add_packed_int64(field::Sample::value, values.begin(), values.end());
    for (const ProfileLabel& label : profile_.labels(sample)) {
      Builder<field::Label> label_message(message, field::Sample::label);
      label_message.add_int64(field::Label::key, string(label.key));
      if (!label.text.empty()) {
        label_message.add_int64(field::Label::str, string(label.text));
      } else {
        label_message.add_int64(field::Label::num, label.number);
        if (!label.unit.empty()) label_message.add_int64(field::Label::num_unit, string(label.unit));
      }
    }
  }

  std::uint64_t location(std::uint64_t address, bool is_return_address) {
    const NamedFrame* const named = profile_.frame(address);
    if (is_return_address && named == nullptr && address > 0) --address;
    const auto [entry, is_new] = location_ids_.try_emplace(address, location_ids_.size() + 1);
    if (is_new) {
      if (named != nullptr) {
        named_location(entry->second, *named);
      } else {
        code_location(entry->second, address);
      }
    }
    return entry->second;
  }

  void named_location(std::uint64_t id, const NamedFrame& frame) {
    const std::uint64_t function = named_function(frame);
    Builder<field::Location> message(out_, field::Profile::location);
    message.add_uint64(field::Location::id, id);
    Builder<field::Line> line(message, field::Location::line);
    line.add_uint64(field::Line::function_id, function);
    if (frame.line != 0) line.add_int64(field::Line::line, frame.line);
  }

  // Lines of one function are frames of their own.
  std::uint64_t named_function(const NamedFrame& frame) {
    const std::string_view system_name = frame.system_name.empty() ? frame.name : frame.system_name;
    const auto [entry, is_new] = named_function_ids_.try_emplace(
        std::array{string(frame.name), string(system_name), string(frame.file), frame.start_line}, function_count_ + 1);
    if (is_new) write_function(++function_count_, frame.name, system_name, frame.file, frame.start_line);
    return entry->second;
  }

  void code_location(std::uint64_t id, std::uint64_t address) {
    const std::size_t mapping = mapping_of(address);
    lines_.clear();
    if (mapping != no_mapping) is_used_[mapping] = true;
    if (mapping != no_mapping && symbolizer_ != nullptr) {
      // Functions are messages of their own, and so come before the location that is being written.
      const Symbolizer::Effort effort = this->effort();
      if (effort == Symbolizer::Effort::symbols) ++without_lines_;
      for (const Frame& frame : symbolizer_->frames(profile_.mappings[mapping], address, effort)) {
        lines_.emplace_back(function(*frame.function), frame.line);
      }
      if (lines_.empty()) lines_without_symbol(profile_.mappings[mapping]);
    }
    Builder<field::Location> message(out_, field::Profile::location);
    message.add_uint64(field::Location::id, id);
    if (mapping != no_mapping) message.add_uint64(field::Location::mapping_id, mapping + 1);
    message.add_uint64(field::Location::address, address);
    for (const auto& [function, number] : lines_) {
      Builder<field::Line> line(message, field::Location::line);
      line.add_uint64(field::Line::function_id, function);
      line.add_int64(field::Line::line, number);
    }
  }

  Symbolizer::Effort effort() const {
    const bool is_left = std::chrono::steady_clock::now() - begin_ < symbol_budget_;
    return is_left ? Symbolizer::Effort::full : Symbolizer::Effort::symbols;
  }

  std::string_view used_up() {
    const auto budget = std::chrono::duration<double>(symbol_budget_);
    return comment_ = "symbols: the budget of " + std::to_string(static_cast<std::int64_t>(budget.count())) +
                      " s was used up; " + std::to_string(without_lines_) + " of " +
                      std::to_string(location_ids_.size()) +
                      " addresses have the names of ELF symbols, without lines and inlined frames";
  }

  void lines_without_symbol(const Mapping& mapping) {
    if (mapping.code_name.empty()) return;
    const auto [entry, is_new] = code_name_ids_.try_emplace(mapping.code_name, function_count_ + 1);
    if (is_new) write_function(++function_count_, mapping.code_name, mapping.code_name, {}, 0);
    lines_.emplace_back(entry->second, 0);
  }

  std::uint64_t function(const Function& function) {
    const auto [entry, is_new] = function_ids_.try_emplace(&function, function_count_ + 1);
    if (is_new) {
      ++function_count_;
      write_function(entry->second, function.name, function.system_name, function.file, function.start_line);
    }
    return entry->second;
  }

  void write_function(std::uint64_t id, std::string_view name, std::string_view system_name, std::string_view file,
                      std::int64_t start_line) {
    Builder<field::Function> message(out_, field::Profile::function);
    message.add_uint64(field::Function::id, id);
    message.add_int64(field::Function::name, string(name));
    message.add_int64(field::Function::system_name, string(system_name));
    message.add_int64(field::Function::filename, string(file));
    message.add_int64(field::Function::start_line, start_line);
  }

  void mapping(std::size_t index) {
    const Mapping& mapping = profile_.mappings[index];
    Builder<field::Mapping> message(out_, field::Profile::mapping);
    message.add_uint64(field::Mapping::id, index + 1);
    message.add_uint64(field::Mapping::memory_start, mapping.start);
    message.add_uint64(field::Mapping::memory_limit, mapping.limit);
    message.add_uint64(field::Mapping::file_offset, mapping.offset);
    message.add_int64(field::Mapping::filename, string(mapping.file));
    message.add_int64(field::Mapping::build_id, string(mapping.build_id));
    if (symbolizer_ == nullptr || !is_used_[index]) return;  // a file without samples need not be read
    const Symbolizer::Detail detail = symbolizer_->detail(mapping, effort());
    if (!detail.why_not.empty()) unused_files_.insert(unused_file(mapping, detail));
    message.add_bool(field::Mapping::has_functions, detail.functions);
    message.add_bool(field::Mapping::has_filenames, detail.lines);
    message.add_bool(field::Mapping::has_line_numbers, detail.lines);
    message.add_bool(field::Mapping::has_inline_frames, detail.lines);
  }

  std::size_t mapping_of(std::uint64_t address) const {
    const auto after =
        std::upper_bound(mapping_order_.begin(), mapping_order_.end(), address,
                         [&](std::uint64_t value, std::size_t i) { return value < profile_.mappings[i].start; });
    if (after == mapping_order_.begin()) return no_mapping;
    const std::size_t index = *std::prev(after);
    return address < profile_.mappings[index].limit ? index : no_mapping;
  }

  static constexpr auto no_mapping = static_cast<std::size_t>(-1);

  const Profile& profile_;
  Symbolizer* const symbolizer_;
  const std::chrono::steady_clock::duration symbol_budget_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::size_t without_lines_ = 0;  // addresses, since the budget was used up
  std::string comment_;
  std::set<std::string> unused_files_;
  std::string buffer_;
  Builder<field::Profile> out_{buffer_};
  std::vector<std::size_t> mapping_order_;  // by start
  std::vector<bool> is_used_ = std::vector<bool>(profile_.mappings.size());
  std::vector<std::string_view> strings_;
  std::deque<std::string> mended_;  // strings that were not UTF-8
  boost::unordered_flat_map<std::string_view, std::int64_t> string_ids_;
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> location_ids_;
  boost::unordered_flat_map<const Function*, std::uint64_t> function_ids_;
  boost::unordered_flat_map<std::string_view, std::uint64_t> code_name_ids_;
  std::map<std::array<std::int64_t, 4>, std::uint64_t> named_function_ids_;
  std::uint64_t function_count_ = 0;
  std::vector<std::uint64_t> ids_;                             // of one sample
  std::vector<std::pair<std::uint64_t, std::int64_t>> lines_;  // of one location
};

}  // namespace

std::string encode_pprof(const Profile& profile, Symbolizer* symbolizer, const EncodeOptions& options) {
  // The least effort, as Go's runtime/pprof: it takes a third of the time, and the file is a fifth larger.
  return gzipped(Encoder(profile, symbolizer, options).encode(), 1);
}

}  // namespace plateau
