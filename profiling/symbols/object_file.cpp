#include "profiling/symbols/object_file.hpp"

#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <memory>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "allocators/system/descriptor.hpp"
#include "profiling/mappings.hpp"
#include "profiling/symbols/debug_file.hpp"
#include "profiling/symbols/zstd_sections.hpp"

namespace plateau {
namespace {

// The file, or in its place a copy of which libdw can read the debug information.
int plain(int fd) {
  if (fd < 0) return fd;
  Descriptor copy = with_plain_sections(fd);
  if (!copy) return fd;
  ::close(fd);
  return copy.release();
}

// Whether libdw can read it where it cannot write. It notes in a section's head that it has decompressed the section;
// and what it has only in memory has no folder, from which it looks for other files with parts of the debug
// information.
bool can_be_an_image(int fd) {
  elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, int (*)(Elf*)> elf(elf_begin(fd, ELF_C_READ, nullptr), elf_end);
  std::size_t names = 0;
  if (elf == nullptr || elf_getshdrstrndx(elf.get(), &names) != 0) return false;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf.get(), section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    const char* const name = elf_strptr(elf.get(), names, header.sh_name);
    const std::string_view text = name == nullptr ? "" : name;
    if (text == ".debug_addr" || text == ".gnu_debugaltlink" || text.starts_with(".zdebug")) return false;
    if ((header.sh_flags & SHF_COMPRESSED) != 0) return false;
  }
  return true;
}

// The module's user data is where to look. libdw's own search by name is not used, see debug_file.hpp.
int find_local_debug_file(Dwfl_Module* module, void** user_data, const char* name, Dwarf_Addr base, const char* file,
                          const char* link_file, GElf_Word link_crc, char** debug_file) {
  const int found = dwfl_build_id_find_debuginfo(module, user_data, name, base, file, link_file, link_crc, debug_file);
  if (found >= 0 || file == nullptr || link_file == nullptr || *user_data == nullptr) return found;
  try {
    GElf_Addr bias = 0;
    const DebugLink link{.of_file = file,
                         .name = link_file,
                         .crc = link_crc,
                         .build_id = build_id_of(dwfl_module_getelf(module, &bias))};
    return open_debug_file(link, *static_cast<const std::string*>(*user_data)).release();
  } catch (const std::exception&) {
    return -1;  // libdw is C
  }
}

// The vdso is an ELF file that exists in memory only, so it is copied to where libdw can read it.
int open_vdso(const Mapping& mapping) {
  const auto* const begin = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR));
  if (begin == nullptr || reinterpret_cast<std::uint64_t>(begin) != mapping.start) return -1;
  const auto& header = *reinterpret_cast<const ElfW(Ehdr)*>(begin);
  const std::size_t size = header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize;
  const int fd = memfd_create("vdso", MFD_CLOEXEC);
  if (fd >= 0 && ::write(fd, begin, size) != static_cast<ssize_t>(size)) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

ObjectFile::ObjectFile(const Symbolizer::Options& options)
    : with_lines_(options.lines), debug_path_(options.debug_path), debug_path_pointer_(debug_path_.data()) {
  callbacks_.find_elf = dwfl_build_id_find_elf;
  callbacks_.find_debuginfo = options.debuginfod ? dwfl_standard_find_debuginfo : find_local_debug_file;
  callbacks_.debuginfo_path = &debug_path_pointer_;
}

ObjectFile::Opened ObjectFile::open(const Mapping& mapping, const Symbolizer::Options& options) {
  if (mapping.file == "[vdso]") {
    std::unique_ptr<ObjectFile> file(new ObjectFile(options));
    if (file->load(mapping.file, open_vdso(mapping), mapping.build_id)) return {std::move(file), {}};
    return {nullptr, "cannot be copied"};
  }
  if (mapping.build_id.empty() && !mapping.file_is_it) {
    return {nullptr, "was deleted or replaced since it was mapped"};
  }
  // When a file was replaced since it was mapped, the kernel still has the one that runs; only root may have others
  // than the program.
  std::vector<std::string> paths{mapping.file};
  if (!mapping.build_id.empty()) {
    std::ostringstream of_kernel;
    of_kernel << "/proc/self/map_files/" << std::hex << mapping.start << '-' << mapping.limit;
    paths.insert(paths.end(), {of_kernel.str(), "/proc/self/exe"});
  }
  std::string why_not;
  for (const std::string& path : paths) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      if (why_not.empty()) why_not = "cannot be read: " + std::generic_category().message(errno);
      continue;
    }
    std::unique_ptr<ObjectFile> file(new ObjectFile(options));
    if (file->load(mapping.file, fd, mapping.build_id)) return {std::move(file), {}};
    if (path == mapping.file) {
      why_not = file->module_ == nullptr ? "is no ELF file" : "is of another build than the code that ran";
    }
  }
  return {nullptr, std::move(why_not)};
}

// Takes the descriptor over unless it gives none.
Dwfl_Module* ObjectFile::report(const std::string& path, int fd) {
  if (can_be_an_image(fd)) image_ = FileImage::of(fd);
  if (!image_) return dwfl_report_elf(dwfl_.get(), path.c_str(), path.c_str(), fd, 0, true);
  auto* const bytes = static_cast<char*>(image_->start());
  Dwfl_Module* const module =
      dwfl_report_offline_memory(dwfl_.get(), path.c_str(), path.c_str(), bytes, image_->bytes());
  if (module != nullptr) ::close(fd);
  return module;
}

// Takes the descriptor over.
bool ObjectFile::load(const std::string& path, int fd, const std::string& build_id) {
  if (fd < 0) return false;
  if (with_lines_) fd = plain(fd);
  dwfl_.reset(dwfl_begin(&callbacks_));
  if (dwfl_ != nullptr) module_ = report(path, fd);
  if (module_ == nullptr) {
    ::close(fd);
    return false;
  }
  dwfl_report_end(dwfl_.get(), nullptr, nullptr);
  void** user_data = nullptr;
  dwfl_module_info(module_, &user_data, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  *user_data = &debug_path_;
  GElf_Addr bias = 0;
  if (!build_id.empty() && build_id_of(dwfl_module_getelf(module_, &bias)) != build_id) return false;
  index_segments();
  if (with_lines_) {
    if (Dwarf* const dwarf = dwfl_module_getdwarf(module_, &dwarf_bias_); dwarf != nullptr) index_units(dwarf);
  }
  return true;
}

void ObjectFile::index_segments() {
  GElf_Addr bias = 0;
  Elf* const elf = dwfl_module_getelf(module_, &bias);
  std::size_t count = 0;
  if (elf == nullptr || elf_getphdrnum(elf, &count) != 0) return;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr || segment.p_type != PT_LOAD ||
        (segment.p_flags & PF_X) == 0) {
      continue;
    }
    segments_.push_back({segment.p_offset, segment.p_filesz, segment.p_vaddr + bias});
  }
}

void ObjectFile::index_units(Dwarf* dwarf) {
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die;
  Dwarf_Die split;
  while (dwarf_get_units(dwarf, unit, &unit, nullptr, nullptr, &die, &split) == 0) {
    Dwarf_Addr base = 0;
    Dwarf_Addr low = 0;
    Dwarf_Addr high = 0;
    bool has_code = false;
    for (std::ptrdiff_t next = 0; (next = dwarf_ranges(&die, next, &base, &low, &high)) > 0;) {
      if (low == 0 || low >= high) continue;  // 0: dropped by the linker
      unit_ranges_.push_back({low, high, units_.size()});
      has_code = true;
    }
    if (has_code) units_.emplace_back(die, dwarf_tag(&split) == DW_TAG_invalid ? die : split);
  }
  std::sort(unit_ranges_.begin(), unit_ranges_.end(),
            [](const UnitRange& a, const UnitRange& b) { return a.low < b.low; });
}

std::optional<std::uint64_t> ObjectFile::address_of(std::uint64_t offset) const {
  for (const Segment& segment : segments_) {
    if (offset >= segment.offset && offset - segment.offset < segment.size) {
      return segment.address + (offset - segment.offset);
    }
  }
  return std::nullopt;
}

void ObjectFile::append_frames(std::uint64_t address, std::vector<DwarfFrame>& frames) {
  const Dwarf_Addr wanted = address - dwarf_bias_;
  const auto after = std::upper_bound(unit_ranges_.begin(), unit_ranges_.end(), wanted,
                                      [](Dwarf_Addr value, const UnitRange& range) { return value < range.low; });
  if (after == unit_ranges_.begin() || wanted >= std::prev(after)->high) return;
  units_[std::prev(after)->unit].append_frames(wanted, frames);
}

const char* ObjectFile::symbol_at(std::uint64_t address) {
  if (!symbols_) symbols_.emplace(module_);
  return symbols_->at(address);
}

bool ObjectFile::has_symbols() {
  if (!symbols_) symbols_.emplace(module_);
  return !symbols_->empty();
}

}  // namespace plateau
