#include "profiling/mappings.hpp"

#include <elf.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "profiling/symbols/mapped_code.hpp"
#include "profiling/symbols/perf_map.hpp"

namespace plateau {
namespace {

std::string lower_case_hex(std::span<const unsigned char> bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

constexpr std::size_t aligned_to_4(std::size_t size) {
  return (size + 3) / 4 * 4;
}

// The GNU build id among the notes of one segment, as they lie in memory (elf(5), "Notes"); empty when there is none.
std::span<const unsigned char> build_id_in_notes(std::span<const unsigned char> notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes.data(), sizeof header);
    const std::size_t name_begin = sizeof header;
    const std::size_t bytes_begin = name_begin + aligned_to_4(header.n_namesz);
    const std::size_t end = bytes_begin + aligned_to_4(header.n_descsz);
    if (end > notes.size()) break;
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(&notes[name_begin], "GNU", 4) == 0) {
      return notes.subspan(bytes_begin, header.n_descsz);
    }
    notes = notes.subspan(end);
  }
  return {};
}

constexpr const char* vdso = "[vdso]";

std::string program_file() {
  constexpr std::string_view deleted = " (deleted)";  // what the kernel appends when the file is gone
  std::error_code error;
  std::string file = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (file.ends_with(deleted)) file.resize(file.size() - deleted.size());
  return file;
}

bool is_vdso(const dl_phdr_info& object) {
  const auto segments = std::span(object.dlpi_phdr, object.dlpi_phnum);
  return std::any_of(segments.begin(), segments.end(), [&object](const ElfW(Phdr) & segment) {
    return segment.p_type == PT_LOAD && segment.p_offset == 0 &&
           object.dlpi_addr + segment.p_vaddr == getauxval(AT_SYSINFO_EHDR);
  });
}

// An executable segment as the walk over loaded objects finds it. The walk holds a lock of the dynamic linker that an
// allocator may want when it takes a stack (tcmalloc does, with its own lock held), so that it must not allocate: what
// it finds goes into memory that was reserved before.
struct FoundSegment {
  std::uint64_t start = 0;
  std::uint64_t limit = 0;
  std::uint64_t offset = 0;
  std::size_t name_begin = 0;  // in FoundSegments::names
  std::size_t name_size = 0;
  std::array<unsigned char, 64> build_id{};
  std::size_t build_id_size = 0;
};

struct FoundSegments {
  explicit FoundSegments(std::size_t capacity) {
    segments.reserve(capacity);
    names.reserve(capacity * 100);
  }
  std::vector<FoundSegment> segments;
  std::string names;
};

// Stops the walk, with a result that is not 0, when the memory is used up.
int find_segments(dl_phdr_info* object, std::size_t /*size*/, void* result) {
  auto& found = *static_cast<FoundSegments*>(result);
  FoundSegment segment;
  const std::string_view name = is_vdso(*object) ? vdso : object->dlpi_name;
  if (found.names.size() + name.size() > found.names.capacity()) return 1;
  segment.name_begin = found.names.size();
  segment.name_size = name.size();
  found.names.append(name);
  const auto headers = std::span(object->dlpi_phdr, object->dlpi_phnum);
  for (const ElfW(Phdr) & header : headers) {
    if (header.p_type != PT_NOTE || segment.build_id_size > 0) continue;
    const auto* const notes = reinterpret_cast<const unsigned char*>(object->dlpi_addr + header.p_vaddr);
    const auto build_id = build_id_in_notes({notes, header.p_memsz});
    segment.build_id_size = std::min(build_id.size(), segment.build_id.size());
    std::copy_n(build_id.begin(), segment.build_id_size, segment.build_id.begin());
  }
  static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  for (const ElfW(Phdr) & header : headers) {
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    if (found.segments.size() == found.segments.capacity()) return 1;
    const std::uint64_t begin = object->dlpi_addr + header.p_vaddr;
    const std::uint64_t lead = begin % page;  // the kernel maps whole pages
    segment.start = begin - lead;
    segment.limit = (begin + header.p_memsz + page - 1) / page * page;
    segment.offset = header.p_offset - lead;
    found.segments.push_back(segment);
  }
  return 0;
}

// The dynamic linker tells names as they were asked for, and none for the program.
void set_file(Mapping& mapping, std::span<const Mapping> mapped) {
  const auto after = std::upper_bound(mapped.begin(), mapped.end(), mapping.start,
                                      [](std::uint64_t address, const Mapping& one) { return address < one.start; });
  if (after != mapped.begin()) {
    // A program may have moved its text to huge pages, which are of no file.
    const Mapping& line = *std::prev(after);
    if (mapping.start < line.limit && line.file.starts_with('/')) {
      mapping.file = line.file;
      mapping.file_is_it = line.file_is_it;
      return;
    }
  }
  std::error_code error;
  if (mapping.file.empty()) {
    mapping.file = program_file();
  } else if (const auto file = std::filesystem::canonical(mapping.file, error); !error) {  // of [vdso] there is none
    mapping.file = file.string();
  }
}

// Adds objects of other namespaces of the dynamic linker (dlmopen), files that the program mapped by itself, and code
// that it made (JIT), if it tells the names.
void add_unlisted(std::vector<Mapping>& mappings, std::vector<Mapping> mapped) {
  const std::string perf_map = perf_map_of_this_process();
  const auto listed = mappings.size();
  for (Mapping& one : mapped) {
    const auto overlaps = [&one](const Mapping& other) { return one.start < other.limit && other.start < one.limit; };
    if (std::any_of(mappings.data(), mappings.data() + listed, overlaps)) continue;
    const bool is_of_a_file = one.file.starts_with('/') && !one.file.starts_with("/memfd:");
    if (is_of_a_file) {
      if (one.file_is_it) one.build_id = build_id_of_file(one.file);
    } else if (!perf_map.empty() && !one.file.starts_with("[v")) {  // [vdso], [vsyscall]
      one = {.start = one.start, .limit = one.limit, .file = perf_map, .build_id = {}, .code_name = "[JIT]"};
    } else if (one.file.empty() || one.file.starts_with('[')) {
      continue;
    }
    mappings.push_back(std::move(one));
  }
}

}  // namespace

std::vector<Mapping> linked_code() {
  std::size_t capacity = 64;
  for (;; capacity *= 2) {
    FoundSegments found(capacity);
    if (dl_iterate_phdr(find_segments, &found) != 0) continue;
    std::vector<Mapping> mappings;
    for (const FoundSegment& segment : found.segments) {
      mappings.push_back({.start = segment.start,
                          .limit = segment.limit,
                          .offset = segment.offset,
                          .file = found.names.substr(segment.name_begin, segment.name_size),
                          .build_id = lower_case_hex(std::span(segment.build_id).first(segment.build_id_size)),
                          .code_name = {}});
    }
    return mappings;
  }
}

std::vector<Mapping> process_mappings() {
  std::vector<Mapping> mappings = linked_code();
  std::vector<Mapping> mapped = mapped_code();
  for (Mapping& mapping : mappings) {
    if (mapping.file != vdso) set_file(mapping, mapped);
  }
  add_unlisted(mappings, std::move(mapped));
  return mappings;
}

std::optional<Mapping> executable_mapping(std::string_view line) {
  auto mapping = executable_line(line);
  if (mapping && (mapping->file.empty() || mapping->file == "[vsyscall]")) return std::nullopt;
  return mapping;
}

std::string build_id_of(Elf* elf) {
  const void* bytes = nullptr;
  const ssize_t size = elf == nullptr ? 0 : dwelf_elf_gnu_build_id(elf, &bytes);
  if (size <= 0) return {};
  return lower_case_hex({static_cast<const unsigned char*>(bytes), static_cast<std::size_t>(size)});
}

std::string build_id_of_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  elf_version(EV_CURRENT);
  Elf* const elf = elf_begin(fd, ELF_C_READ, nullptr);
  std::string build_id = build_id_of(elf);
  elf_end(elf);
  ::close(fd);
  return build_id;
}

void read_build_ids(std::vector<Mapping>& mappings) {
  for (Mapping& mapping : mappings) {
    if (mapping.build_id.empty() && mapping.file_is_it) mapping.build_id = build_id_of_file(mapping.file);
  }
}

}  // namespace plateau
