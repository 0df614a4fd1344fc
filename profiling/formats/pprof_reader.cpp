#include "profiling/formats/pprof_reader.hpp"

#include <stdexcept>
#include <string_view>

#include <protozero/pbf_reader.hpp>

#include "profiling/formats/gzip.hpp"

namespace plateau {
namespace {

void require(bool holds, const std::string& rule) {
  if (!holds) throw std::runtime_error("profile.proto: " + rule);
}

class Decoder {
 public:
  ReadProfile decode(const std::string& data) {
    // The string table may come last.
    for (protozero::pbf_reader message(data); message.next();) {
      if (message.tag() == 6) {
        profile_.strings.push_back(message.get_string());
      } else {
        message.skip();
      }
    }
    require(!profile_.strings.empty() && profile_.strings[0].empty(), "string_table[0] is empty");
    for (protozero::pbf_reader message(data); message.next();) field(message);
    check();
    return std::move(profile_);
  }

 private:
  std::string text(std::int64_t index) {
    require(index >= 0 && static_cast<std::size_t>(index) < profile_.strings.size(), "a string is in the table");
    return profile_.strings[static_cast<std::size_t>(index)];
  }

  ReadProfile::ValueType value_type(protozero::pbf_reader message) {
    ReadProfile::ValueType type;
    while (message.next()) (message.tag() == 1 ? type.type : type.unit) = text(message.get_int64());
    return type;
  }

  void field(protozero::pbf_reader& message) {
    switch (message.tag()) {
      case 1:
        profile_.sample_types.push_back(value_type(message.get_message()));
        break;
      case 2:
        sample(message.get_message());
        break;
      case 3:
        mapping(message.get_message());
        break;
      case 4:
        location(message.get_message());
        break;
      case 5:
        function(message.get_message());
        break;
      case 7:
        profile_.drop_frames = text(message.get_int64());
        break;
      case 9:
        profile_.time_nanos = message.get_int64();
        break;
      case 10:
        profile_.duration_nanos = message.get_int64();
        break;
      case 11:
        profile_.period_type = value_type(message.get_message());
        break;
      case 12:
        profile_.period = message.get_int64();
        break;
      case 13:
        profile_.comments.push_back(text(message.get_int64()));
        break;
      case 14:
        profile_.default_sample_type = text(message.get_int64());
        break;
      default:
        message.skip();
    }
  }

  void sample(protozero::pbf_reader message) {
    ReadProfile::Sample& sample = profile_.samples.emplace_back();
    while (message.next()) {
      if (message.tag() == 1) {
        for (const std::uint64_t id : message.get_packed_uint64()) sample.locations.push_back(id);
      } else if (message.tag() == 2) {
        for (const std::int64_t value : message.get_packed_int64()) sample.values.push_back(value);
      } else {
        ReadProfile::Label& label = sample.labels.emplace_back();
        for (protozero::pbf_reader part = message.get_message(); part.next();) {
          const std::int64_t value = part.get_int64();
          if (part.tag() == 1) label.key = text(value);
          if (part.tag() == 2) label.text = text(value);
          if (part.tag() == 3) label.number = value;
          if (part.tag() == 4) label.unit = text(value);
        }
      }
    }
  }

  void mapping(protozero::pbf_reader message) {
    ReadProfile::Mapping& mapping = profile_.mappings.emplace_back();
    while (message.next()) {
      const std::uint64_t value = message.get_uint64();
      switch (message.tag()) {
        case 1:
          mapping.id = value;
          break;
        case 2:
          mapping.start = value;
          break;
        case 3:
          mapping.limit = value;
          break;
        case 4:
          mapping.offset = value;
          break;
        case 5:
          mapping.file = text(static_cast<std::int64_t>(value));
          break;
        case 6:
          mapping.build_id = text(static_cast<std::int64_t>(value));
          break;
        case 7:
          mapping.has_functions = value != 0;
          break;
        case 8:
          mapping.has_filenames = value != 0;
          break;
        case 9:
          mapping.has_line_numbers = value != 0;
          break;
        case 10:
          mapping.has_inline_frames = value != 0;
          break;
        default:
          break;
      }
    }
  }

  void location(protozero::pbf_reader message) {
    ReadProfile::Location& location = profile_.locations.emplace_back();
    while (message.next()) {
      if (message.tag() == 4) {
        ReadProfile::Line& line = location.lines.emplace_back();
        for (protozero::pbf_reader part = message.get_message(); part.next();) {
          if (part.tag() == 1) {
            line.function = part.get_uint64();
          } else {
            line.line = part.get_int64();
          }
        }
        continue;
      }
      const std::uint32_t tag = message.tag();
      (tag == 1 ? location.id : tag == 2 ? location.mapping : location.address) = message.get_uint64();
    }
  }

  void function(protozero::pbf_reader message) {
    ReadProfile::Function& function = profile_.functions.emplace_back();
    while (message.next()) {
      const std::int64_t value = message.get_int64();
      if (message.tag() == 1) function.id = static_cast<std::uint64_t>(value);
      if (message.tag() == 2) function.name = text(value);
      if (message.tag() == 3) function.system_name = text(value);
      if (message.tag() == 4) function.file = text(value);
      if (message.tag() == 5) function.start_line = value;
    }
  }

  template <class Entries>
  static void check_ids(const Entries& entries, const std::string& what) {
    for (std::size_t i = 0; i < entries.size(); ++i) require(entries[i].id == i + 1, what + " ids are 1..N in order");
  }

  void check() const {
    check_ids(profile_.mappings, "mapping");
    check_ids(profile_.locations, "location");
    check_ids(profile_.functions, "function");
    for (const auto& location : profile_.locations) {
      require(location.mapping <= profile_.mappings.size(), "a location's mapping is there");
      for (const auto& line : location.lines) {
        require(line.function >= 1 && line.function <= profile_.functions.size(), "a line's function is there");
      }
    }
    for (const auto& sample : profile_.samples) {
      require(sample.values.size() == profile_.sample_types.size(), "a sample has a value for each type");
      for (const std::uint64_t id : sample.locations) {
        require(id >= 1 && id <= profile_.locations.size(), "a sample's location is there");
      }
      for (const auto& label : sample.labels) require(!label.key.empty(), "a label has a key");
    }
  }

  ReadProfile profile_;
};

}  // namespace

std::int64_t ReadProfile::total(const std::string& type) const {
  for (std::size_t i = 0; i < sample_types.size(); ++i) {
    if (sample_types[i].type != type) continue;
    std::int64_t sum = 0;
    for (const Sample& sample : samples) sum += sample.values[i];
    return sum;
  }
  throw std::runtime_error("no sample type " + type);
}

ReadProfile read_pprof(const std::string& gzipped) {
  return Decoder().decode(gunzipped(gzipped));
}

}  // namespace plateau
