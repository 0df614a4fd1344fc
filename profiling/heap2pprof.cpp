#include "profiling/heap2pprof.hpp"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "allocators/system/whole_file.hpp"
#include "profiling/formats/call_tree.hpp"
#include "profiling/formats/compressed_input.hpp"
#include "profiling/formats/flame_graph.hpp"
#include "profiling/formats/pprof_import.hpp"
#include "profiling/formats/pprof_reader.hpp"
#include "profiling/formats/top_table.hpp"
#include "profiling/holders.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/mappings.hpp"
#include "profiling/number_option.hpp"
#include "profiling/pprof.hpp"
#include "profiling/profile_difference.hpp"
#include "profiling/symbolizer.hpp"

namespace plateau {

struct DumpConversion::Options {
  std::string program;  // whose name stands before what is said
  std::vector<std::string> files;
  std::string output;
  std::string binary;
  std::string base;
  std::string flame;
  std::string sample_index;
  std::string names = "short";
  bool full_names = false;
  bool top = false;
  bool holders = false;
  bool partial = false;
  std::uint64_t rows = 30;
  Symbolizer::Options symbols;
};

namespace {

using Options = DumpConversion::Options;

// Half of a conversion's time would be page faults. glibc's heap is grown once, and asks for huge pages; what it needs
// past that are small pages again.
void use_huge_pages() {
  constexpr std::size_t heap_bytes = std::size_t{64} << 20;
  constexpr std::uintptr_t huge_page = std::uintptr_t{2} << 20;
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the greatest there is: arrays that grow stay in the heap
  mallopt(M_TOP_PAD, static_cast<int>(heap_bytes));
  void* volatile block = std::malloc(std::size_t{1} << 20);  // volatile: or the compiler leaves the pair out
  std::free(block);
  const auto end = reinterpret_cast<std::uintptr_t>(::sbrk(0)) / huge_page * huge_page;
  ::madvise(reinterpret_cast<void*>(end - heap_bytes + huge_page), heap_bytes - huge_page, MADV_HUGEPAGE);
}

// The program's code is what is mapped from the first file.
void set_program(std::vector<Mapping>& mappings, const std::string& binary) {
  if (binary.empty() || mappings.empty()) return;
  const std::string recorded = mappings.front().file;
  for (Mapping& mapping : mappings) {
    if (mapping.file != recorded) continue;
    mapping.file = binary;
    mapping.file_is_it = true;  // whoever names it says so
  }
}

std::string whole_text(std::istream& input) {
  constexpr std::size_t most_bytes = std::size_t{128} << 20;
  constexpr std::size_t block_bytes = std::size_t{1} << 20;
  std::string text;
  while (text.size() <= most_bytes) {
    const std::size_t before = text.size();
    text.resize(before + block_bytes);
    input.read(text.data() + before, block_bytes);
    text.resize(before + static_cast<std::size_t>(input.gcount()));
    if (text.size() < before + block_bytes) return text;
  }
  throw std::runtime_error("profile.proto: more than 128 MiB");
}

const std::string& name_of(const std::string& file) {
  static const std::string standard_input = "standard input";
  return file == "-" ? standard_input : file;
}

std::string in_one_line(std::string message) {
  std::replace_if(
      message.begin(), message.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return message;
}

void say(const Options& options, const std::string& line) {
  fmt::print(stderr, "{}: {}\n", options.program, in_one_line(line));
}

void warn(const Options& options, const std::string& file, const std::vector<std::string>& notes) {
  if (!notes.empty()) say(options, fmt::format("{}: {}", name_of(file), fmt::join(notes, "; ")));
}

Profile read_dump(CompressedInput& input, const std::string& file, const Options& options) {
  LegacyHeap heap = read_legacy_heap(input, {.is_partial = options.partial, .names = options.symbols.names});
  std::vector<std::string> notes = heap.notes;
  if (heap.profile.mappings.empty() && !options.binary.empty()) {
    notes.emplace_back("--binary is of no use: the dump does not say where code was mapped");
  }
  if (input.is_cut()) {  // behind the last stack: a text without all of them is refused
    notes.emplace_back("the compressed data has no end: were mappings cut short?");
    heap.profile.comments.push_back(notes.back());
  }
  warn(options, file, notes);
  return std::move(heap.profile);
}

Profile read_any(CompressedInput& input, const std::string& file, const Options& options) {
  try {
    if (!is_pprof(input.beginning())) return read_dump(input, file, options);
    return profile_of(decode_pprof(whole_text(input), LegacyHeapLimits{}.profile_bytes));
  } catch (const std::runtime_error& error) {
    if (!input.is_cut()) throw;
    throw std::runtime_error(fmt::format("the compressed data is cut short: {}", error.what()));
  }
}

Profile read(const std::string& file, const Options& options) {
  try {
    CompressedInput input(file);
    Profile profile = read_any(input, file, options);
    set_program(profile.mappings, options.binary);
    read_build_ids(profile.mappings);
    return profile;
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format("{}: {}", name_of(file), error.what()));
  }
}

// Dumps have addresses, which move from run to run by their mappings; a profile that has names is compared by them.
Profile change(Profile later, Profile earlier, Symbolizer& symbolizer) {
  if (later.has_named_frames() != earlier.has_named_frames()) {
    later = with_names(later, symbolizer);
    earlier = with_names(earlier, symbolizer);
  }
  return difference(later, earlier);
}

// Writes through `write`; a file is complete or absent.
template <class Write>
void write_file(const std::string& path, Write write) {
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) != 0) throw std::runtime_error("will not write a profile to a terminal; give -o FILE");
    write(std::cout);
    if (!std::cout.flush()) throw std::runtime_error("cannot write to standard output");
    return;
  }
  WholeFile file(path);
  write(file.stream());
  file.commit();
}

std::size_t sample_type(const Profile& profile, const std::string& name) {
  const std::string& wanted = name.empty() ? profile.default_type : name;
  const auto& types = profile.types();
  const auto found =
      std::find_if(types.begin(), types.end(), [&](const ValueType& type) { return type.type == wanted; });
  if (found == types.end()) throw std::runtime_error(fmt::format("--sample-index: no {} in this profile", wanted));
  return static_cast<std::size_t>(found - types.begin());
}

void look(const Profile& profile, Symbolizer& symbolizer, const Options& options, const std::string& file) {
  const std::size_t type = sample_type(profile, options.sample_index);
  const ValueType& value = profile.types()[type];
  const CallTree tree(profile, type, symbolizer);
  if (options.top) {
    for (const std::string& comment : profile.comments) fmt::print("{}\n", comment);
    fmt::print("{}: {}", value.type, top_table(tree, value.unit, options.rows));
  }
  if (options.flame.empty()) return;
  const std::string title = fmt::format("{} of {}: {}", value.type, file, human(tree.total(), value.unit));
  write_file(options.flame, [&](std::ostream& out) {
    options.flame.ends_with(".svg") ? write_flame_svg(tree, title, value.unit, out)
                                    : write_flame_html(tree, title, value.unit, out);
  });
}

// jeprof.1.heap: jeprof.1.pb.gz
std::string output_of(const std::string& file, const Options& options) {
  if (!options.output.empty()) return options.output;
  if (file == "-") return "-";
  std::string name = file;
  for (const std::string_view extension : {".gz", ".zst", ".heap"}) {
    if (name.ends_with(extension)) name.resize(name.size() - extension.size());
  }
  return name + ".pb.gz";
}

// Growth a second, where both profiles say when they were taken, and else in all.
void show_holders(const Profile& later, const std::string& file, Symbolizer& symbolizer, const Options& options) {
  std::optional<Profile> earlier;
  double seconds = 0;
  if (!options.base.empty()) {
    earlier = read(options.base, options);
    const std::int64_t nanoseconds = later.time_nanos - earlier->time_nanos;
    const bool is_known = later.time_nanos > 0 && earlier->time_nanos > 0 && nanoseconds > 0;
    if (!is_known) warn(options, file, {"the dumps do not say when they were taken: growth is as if in one second"});
    seconds = is_known ? static_cast<double>(nanoseconds) / 1e9 : 1;
  }
  const Holders found = find_holders(later, earlier ? &*earlier : nullptr, seconds, symbolizer);
  fmt::print("{}", to_text(found, name_of(file), options.rows));
}

void convert(const std::string& file, Symbolizer& symbolizer, const Options& options) {
  Profile profile = read(file, options);
  if (options.holders) {
    show_holders(profile, file, symbolizer, options);
    if (!options.top && options.flame.empty() && options.output.empty()) return;
  }
  if (!options.base.empty()) profile = change(std::move(profile), read(options.base, options), symbolizer);
  const bool is_look = options.top || !options.flame.empty();
  if (is_look) look(profile, symbolizer, options, file);
  if (is_look && options.output.empty()) return;
  // Whoever waits may interrupt.
  constexpr EncodeOptions without_haste{.symbol_budget = std::chrono::steady_clock::duration::max()};
  write_file(output_of(file, options),
             [&](std::ostream& out) { out << encode_pprof(profile, &symbolizer, without_haste); });
}

NameStyle style_of(const Options& options) {
  if (options.full_names || options.names == "full") return NameStyle::full;
  return options.names == "templates" ? NameStyle::templates : NameStyle::brief;
}

void check(const Options& options) {
  if (options.files.size() > 1 && (!options.output.empty() || !options.flame.empty())) {
    throw std::runtime_error("-o and --flame take one FILE");
  }
  if (!options.flame.empty() && !options.flame.ends_with(".svg") && !options.flame.ends_with(".html")) {
    throw std::runtime_error("--flame writes .svg or .html: " + options.flame);
  }
  if (!options.binary.empty() && build_id_of_file(options.binary).empty() &&
      ::access(options.binary.c_str(), R_OK) != 0) {
    throw std::runtime_error(fmt::format("--binary {}: {}", options.binary, std::generic_category().message(errno)));
  }
}

void add_options_of_both(CLI::App& app, Options& options) {
  app.add_option("-o,--output", options.output, "write the profile here; - is standard output");
  app.add_option("--binary", options.binary, "the program, when it is not where it ran");
  app.add_flag("--top", options.top, "print the functions that hold most");
  add_whole_number(app, "--rows", options.rows, "of --top and --holders", 1, 1'000'000)->capture_default_str();
  app.add_option("--flame", options.flame, "draw a flame graph into this .svg or .html");
  app.add_option("--sample-index", options.sample_index,
                 "for --top and --flame: inuse_space (default), inuse_objects, alloc_space, alloc_objects");
  app.add_option("--names", options.names,
                 "short, with templates' arguments (so that each instance is a row of its own), or full")
      ->check(CLI::IsMember({"short", "templates", "full"}))
      ->capture_default_str();
  app.add_flag("--full-names", options.full_names, "as --names full");
  app.add_flag("--partial", options.partial, "read what is there of a dump that is cut short");
  app.add_option("--debug-path", options.symbols.debug_path, "where separate debug files are")->capture_default_str();
  app.add_flag("--debuginfod", options.symbols.debuginfod, "fetch missing debug files from DEBUGINFOD_URLS");
}

}  // namespace

DumpConversion::DumpConversion(CLI::App& app, std::string program, Kind kind) : options_(std::make_unique<Options>()) {
  Options& options = *options_;
  options.program = std::move(program);
  if (kind == Kind::difference) {
    app.add_option("EARLIER", options.base, "a dump or profile")->required();
    app.add_option("LATER", options.files, "one of the same program")->required()->expected(1);
    app.add_flag("--holders", options.holders, "print who holds what grew");
    app.footer("Without -o, --holders or --flame it prints the functions that grew, as --top does.");
    app.final_callback([&options] {
      options.top = options.top || (!options.holders && options.flame.empty() && options.output.empty());
    });
  } else {
    app.add_option("FILE", options.files, "dumps; - or nothing: standard input");
    app.add_option("--base", options.base, "subtract this earlier dump: what is left is what changed");
    app.add_flag("--holders", options.holders, "print who holds the heap: made, alive, and with --base what grows");
    app.footer(
        "Without -o, --top, --holders or --flame each FILE.heap becomes FILE.pb.gz; standard input goes to standard "
        "output.");
  }
  add_options_of_both(app, options);
}

DumpConversion::~DumpConversion() = default;

int DumpConversion::run() {
  Options& options = *options_;
  use_huge_pages();
  try {
    if (options.files.empty()) options.files.emplace_back("-");
    check(options);
    options.symbols.names = style_of(options);
    Symbolizer symbolizer(options.symbols);
    for (const std::string& file : options.files) convert(file, symbolizer, options);
    if (const std::vector<std::string> unused = symbolizer.unused_files(); !unused.empty()) {
      say(options, fmt::format("{}", fmt::join(unused, "; ")));
    }
    return 0;
  } catch (const std::exception& error) {
    say(options, error.what());
    return 2;
  }
}

}  // namespace plateau
