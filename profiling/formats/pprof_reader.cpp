#include "profiling/formats/pprof_reader.hpp"

#include <stdexcept>
#include <string_view>
#include <unordered_map>

#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "profiling/formats/gzip.hpp"

namespace plateau {
namespace {

void require(bool holds, const std::string& rule) {
  if (!holds) throw std::runtime_error("profile.proto: " + rule);
}

// protozero leaves it to its user to ask for the type that a field has.
std::int64_t integer(protozero::pbf_reader& field) {
  require(field.wire_type() == protozero::pbf_wire_type::varint, "a number is a number");
  return field.get_int64();
}

protozero::pbf_reader message_of(protozero::pbf_reader& field) {
  require(field.wire_type() == protozero::pbf_wire_type::length_delimited, "a message is a message");
  return field.get_message();
}

// Repeated numbers are packed, or one field each.
template <class Number>
void append_numbers(protozero::pbf_reader& field, std::vector<Number>& numbers) {
  if (field.wire_type() == protozero::pbf_wire_type::varint) {
    numbers.push_back(static_cast<Number>(field.get_int64()));
    return;
  }
  require(field.wire_type() == protozero::pbf_wire_type::length_delimited, "numbers are numbers");
  for (const std::int64_t number : field.get_packed_int64()) numbers.push_back(static_cast<Number>(number));
}

class Decoder {
 public:
  explicit Decoder(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  ReadProfile decode(std::string_view data) {
    try {
      // The string table may come last.
      for (protozero::pbf_reader message(data.data(), data.size()); message.next();) {
        if (message.tag() == 6 && message.wire_type() == protozero::pbf_wire_type::length_delimited) {
          profile_.strings.push_back(message.get_string());
          count(sizeof(std::string) + profile_.strings.back().size());
        } else {
          message.skip();
        }
      }
      require(!profile_.strings.empty() && profile_.strings[0].empty(), "string_table[0] is empty");
      for (protozero::pbf_reader message(data.data(), data.size()); message.next();) field(message);
    } catch (const protozero::exception&) {
      throw std::runtime_error("profile.proto: it is damaged, or cut short");
    }
    return std::move(profile_);
  }

 private:
  // Bounds memory: a message of two bytes can stand for hundreds.
  void count(std::size_t bytes) {
    used_bytes_ += bytes;
    if (used_bytes_ > most_bytes_) {
      throw std::runtime_error("profile.proto: more than " + std::to_string(most_bytes_ >> 20) + " MiB of stacks");
    }
  }

  std::string text(std::int64_t index) {
    require(index >= 0 && static_cast<std::size_t>(index) < profile_.strings.size(), "a string is in the table");
    return profile_.strings[static_cast<std::size_t>(index)];
  }

  ReadProfile::ValueType value_type(protozero::pbf_reader message) {
    ReadProfile::ValueType type;
    while (message.next()) (message.tag() == 1 ? type.type : type.unit) = text(integer(message));
    count(sizeof type + type.type.size() + type.unit.size());
    return type;
  }

  void field(protozero::pbf_reader& message) {
    switch (message.tag()) {
      case 1:
        profile_.sample_types.push_back(value_type(message_of(message)));
        break;
      case 2:
        sample(message_of(message));
        break;
      case 3:
        mapping(message_of(message));
        break;
      case 4:
        location(message_of(message));
        break;
      case 5:
        function(message_of(message));
        break;
      case 7:
        profile_.drop_frames = text(integer(message));
        break;
      case 9:
        profile_.time_nanos = integer(message);
        break;
      case 10:
        profile_.duration_nanos = integer(message);
        break;
      case 11:
        profile_.period_type = value_type(message_of(message));
        break;
      case 12:
        profile_.period = integer(message);
        break;
      case 13:
        comments(message);
        break;
      case 14:
        profile_.default_sample_type = text(integer(message));
        break;
      default:
        message.skip();
    }
  }

  void comments(protozero::pbf_reader& message) {
    std::vector<std::int64_t> indexes;
    append_numbers(message, indexes);
    for (const std::int64_t index : indexes) {
      profile_.comments.push_back(text(index));
      count(sizeof(std::string) + profile_.comments.back().size());
    }
  }

  void sample(protozero::pbf_reader message) {
    ReadProfile::Sample& sample = profile_.samples.emplace_back();
    while (message.next()) {
      if (message.tag() == 1) {
        append_numbers(message, sample.locations);
      } else if (message.tag() == 2) {
        append_numbers(message, sample.values);
      } else if (message.tag() != 3) {
        message.skip();
      } else {
        ReadProfile::Label& label = sample.labels.emplace_back();
        count(sizeof label);
        for (protozero::pbf_reader part = message_of(message); part.next();) {
          const std::int64_t value = integer(part);
          if (part.tag() == 1) label.key = text(value);
          if (part.tag() == 2) label.text = text(value);
          if (part.tag() == 3) label.number = value;
          if (part.tag() == 4) label.unit = text(value);
        }
        count(label.key.size() + label.text.size() + label.unit.size());
      }
    }
    count(sizeof sample + (sample.locations.size() + sample.values.size()) * sizeof(std::uint64_t));
  }

  void mapping(protozero::pbf_reader message) {
    ReadProfile::Mapping& mapping = profile_.mappings.emplace_back();
    count(sizeof mapping);
    while (message.next()) {
      const auto value = static_cast<std::uint64_t>(integer(message));
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
          count(mapping.file.size());
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
    count(sizeof location);
    while (message.next()) {
      if (message.tag() == 4) {
        ReadProfile::Line& line = location.lines.emplace_back();
        count(sizeof line);
        for (protozero::pbf_reader part = message_of(message); part.next();) {
          const std::int64_t value = integer(part);
          if (part.tag() == 1) line.function = static_cast<std::uint64_t>(value);
          if (part.tag() == 2) line.line = value;
        }
        continue;
      }
      const auto value = static_cast<std::uint64_t>(integer(message));
      if (message.tag() == 1) location.id = value;
      if (message.tag() == 2) location.mapping = value;
      if (message.tag() == 3) location.address = value;
    }
  }

  void function(protozero::pbf_reader message) {
    ReadProfile::Function& function = profile_.functions.emplace_back();
    while (message.next()) {
      const std::int64_t value = integer(message);
      if (message.tag() == 1) function.id = static_cast<std::uint64_t>(value);
      if (message.tag() == 2) function.name = text(value);
      if (message.tag() == 3) function.system_name = text(value);
      if (message.tag() == 4) function.file = text(value);
      if (message.tag() == 5) function.start_line = value;
    }
    count(sizeof function + function.name.size() + function.system_name.size() + function.file.size());
  }

  const std::size_t most_bytes_;
  std::size_t used_bytes_ = 0;
  ReadProfile profile_;
};

template <class Entries>
void check_ids(const Entries& entries, const std::string& what) {
  for (std::size_t i = 0; i < entries.size(); ++i) require(entries[i].id == i + 1, what + " ids are 1..N in order");
}

void check(const ReadProfile& profile) {
  check_ids(profile.mappings, "mapping");
  check_ids(profile.locations, "location");
  check_ids(profile.functions, "function");
  for (const auto& location : profile.locations) {
    require(location.mapping <= profile.mappings.size(), "a location's mapping is there");
    for (const auto& line : location.lines) {
      require(line.function >= 1 && line.function <= profile.functions.size(), "a line's function is there");
    }
  }
  for (const auto& sample : profile.samples) {
    require(sample.values.size() == profile.sample_types.size(), "a sample has a value for each type");
    for (const std::uint64_t id : sample.locations) {
      require(id >= 1 && id <= profile.locations.size(), "a sample's location is there");
    }
    for (const auto& label : sample.labels) require(!label.key.empty(), "a label has a key");
  }
}

// Gives the entries the ids 1..N in order, and returns the new id by the old one.
template <class Entries>
std::unordered_map<std::uint64_t, std::uint64_t> renumber(Entries& entries) {
  std::unordered_map<std::uint64_t, std::uint64_t> ids;
  std::uint64_t next = 0;
  for (auto& entry : entries) {
    ids.emplace(entry.id, ++next);
    entry.id = next;
  }
  return ids;
}

// Has a profile hold to the rules of check() where its meaning is clear.
void mend(ReadProfile& profile) {
  const auto mappings = renumber(profile.mappings);
  const auto functions = renumber(profile.functions);
  const auto locations = renumber(profile.locations);
  const auto new_id = [](const auto& ids, std::uint64_t id) {
    const auto found = ids.find(id);
    return found == ids.end() ? 0 : found->second;
  };
  for (auto& location : profile.locations) {
    location.mapping = location.mapping == 0 ? 0 : new_id(mappings, location.mapping);
    for (auto& line : location.lines) line.function = new_id(functions, line.function);
    std::erase_if(location.lines, [](const auto& line) { return line.function == 0; });
  }
  for (auto& sample : profile.samples) {
    for (std::uint64_t& id : sample.locations) id = new_id(locations, id);
    std::erase_if(sample.labels, [](const auto& label) { return label.key.empty(); });
  }
}

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
  ReadProfile profile = Decoder(static_cast<std::size_t>(-1)).decode(gunzipped(gzipped));
  check(profile);
  return profile;
}

ReadProfile decode_pprof(std::string_view data, std::size_t most_bytes) {
  ReadProfile profile = Decoder(most_bytes).decode(data);
  mend(profile);
  check(profile);
  return profile;
}

}  // namespace plateau
