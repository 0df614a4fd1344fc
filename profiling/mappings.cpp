#include "profiling/mappings.hpp"

#include <elf.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>

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

// The GNU build id among the notes of one segment, as they lie in memory (elf(5), "Notes").
std::string build_id_in_notes(std::span<const unsigned char> notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes.data(), sizeof header);
    const std::size_t name_begin = sizeof header;
    const std::size_t bytes_begin = name_begin + aligned_to_4(header.n_namesz);
    const std::size_t end = bytes_begin + aligned_to_4(header.n_descsz);
    if (end > notes.size()) break;
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(&notes[name_begin], "GNU", 4) == 0) {
      return lower_case_hex(notes.subspan(bytes_begin, header.n_descsz));
    }
    notes = notes.subspan(end);
  }
  return {};
}

std::string_view without_deleted(std::string_view file) {
  constexpr std::string_view deleted = " (deleted)";  // what the kernel appends when the file is gone
  if (file.ends_with(deleted)) file.remove_suffix(deleted.size());
  return file;
}

std::string program_file() {
  std::error_code error;
  return std::string(without_deleted(std::filesystem::read_symlink("/proc/self/exe", error).string()));
}

std::string file_of(const dl_phdr_info& object, bool is_program) {
  if (is_program) return program_file();
  for (std::size_t i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type == PT_LOAD && segment.p_offset == 0 &&
        object.dlpi_addr + segment.p_vaddr == getauxval(AT_SYSINFO_EHDR)) {
      return "[vdso]";
    }
  }
  std::error_code error;
  const auto file = std::filesystem::canonical(object.dlpi_name, error);
  return error ? std::string(object.dlpi_name) : file.string();
}

int append_segments(dl_phdr_info* object, std::size_t /*size*/, void* result) {
  auto& mappings = *static_cast<std::vector<Mapping>*>(result);
  const std::string file = file_of(*object, mappings.empty());
  const auto segments = std::span(object->dlpi_phdr, object->dlpi_phnum);
  std::string build_id;
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type != PT_NOTE || !build_id.empty()) continue;
    const auto* const notes = reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
    build_id = build_id_in_notes({notes, segment.p_memsz});
  }
  static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  for (const ElfW(Phdr) & segment : segments) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const std::uint64_t begin = object->dlpi_addr + segment.p_vaddr;
    const std::uint64_t lead = begin % page;  // the kernel maps whole pages
    mappings.push_back({.start = begin - lead,
                        .limit = (begin + segment.p_memsz + page - 1) / page * page,
                        .offset = segment.p_offset - lead,
                        .file = file,
                        .build_id = build_id,
                        .code_name = {}});
  }
  return 0;
}

}  // namespace

std::vector<Mapping> process_mappings() {
  std::vector<Mapping> mappings;
  dl_iterate_phdr(append_segments, &mappings);
  return mappings;
}

// "<start>-<limit> <perms> <offset> <device> <inode> <file>", numbers in hex (proc(5)).
std::optional<Mapping> executable_mapping(std::string_view line) {
  Mapping mapping;
  const auto hex = [&line](std::uint64_t& value, char end) {
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
    const auto size = static_cast<std::size_t>(rest - line.data());
    if (error != std::errc() || size == line.size() || line[size] != end) return false;
    line.remove_prefix(size + 1);
    return true;
  };
  const auto word = [&line] {
    const std::string_view text = line.substr(0, line.find(' '));
    line.remove_prefix(text.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return text;
  };
  if (!hex(mapping.start, '-') || !hex(mapping.limit, ' ') || mapping.start >= mapping.limit) return std::nullopt;
  if (word().find('x') == std::string_view::npos || !hex(mapping.offset, ' ')) return std::nullopt;
  word();  // device
  word();  // inode
  mapping.file = without_deleted(line);
  if (mapping.file.empty() || mapping.file == "[vsyscall]") return std::nullopt;
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
  Elf* const elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  std::string build_id = build_id_of(elf);
  elf_end(elf);
  ::close(fd);
  return build_id;
}

void read_build_ids(std::vector<Mapping>& mappings) {
  for (Mapping& mapping : mappings) {
    if (mapping.build_id.empty()) mapping.build_id = build_id_of_file(mapping.file);
  }
}

}  // namespace plateau
