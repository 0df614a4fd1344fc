#include "profiling/symbols/zstd_sections.hpp"

#include <elf.h>
#include <gelf.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace plateau {
namespace {

constexpr unsigned zstd = 2;  // ELFCOMPRESS_ZSTD, which glibc's elf.h has since 2.36
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;

struct EndElf {
  void operator()(Elf* elf) const { elf_end(elf); }
};

struct CompressedSection {
  std::size_t index;
  ElfW(Shdr) header;
  ElfW(Chdr) compression;
};

template <class T>
bool read_at(int fd, std::uint64_t offset, T& value) {
  return ::pread(fd, &value, sizeof value, static_cast<off_t>(offset)) == static_cast<ssize_t>(sizeof value);
}

bool write_at(int fd, std::uint64_t offset, const void* bytes, std::size_t count) {
  return ::pwrite(fd, bytes, count, static_cast<off_t>(offset)) == static_cast<ssize_t>(count);
}

// Reads headers as this machine has them.
std::vector<CompressedSection> sections_by_zstd(int fd, const ElfW(Ehdr) & file, std::size_t count) {
  std::vector<CompressedSection> found;
  for (std::size_t i = 0; i < count; ++i) {
    CompressedSection section{.index = i, .header = {}, .compression = {}};
    if (!read_at(fd, file.e_shoff + i * sizeof section.header, section.header)) return {};
    const bool is_compressed =
        section.header.sh_type == SHT_PROGBITS && (section.header.sh_flags & SHF_COMPRESSED) != 0;
    if (!is_compressed || section.header.sh_size < sizeof section.compression) continue;
    if (!read_at(fd, section.header.sh_offset, section.compression)) return {};
    if (section.compression.ch_type == zstd) found.push_back(section);
  }
  return found;
}

bool copy_file(int from, int to, std::uint64_t bytes) {
  off_t offset = 0;
  while (static_cast<std::uint64_t>(offset) < bytes) {
    if (::sendfile(to, from, &offset, bytes - static_cast<std::uint64_t>(offset)) <= 0) return false;
  }
  return true;
}

bool decompress(int fd, const CompressedSection& section, std::vector<char>& plain) {
  std::vector<char> compressed(section.header.sh_size - sizeof section.compression);
  const auto begin = static_cast<off_t>(section.header.sh_offset + sizeof section.compression);
  if (::pread(fd, compressed.data(), compressed.size(), begin) != static_cast<ssize_t>(compressed.size())) return false;
  plain.resize(section.compression.ch_size);
  return ZSTD_decompress(plain.data(), plain.size(), compressed.data(), compressed.size()) == plain.size();
}

}  // namespace

Descriptor with_plain_sections(int fd) {
  elf_version(EV_CURRENT);
  const std::unique_ptr<Elf, EndElf> elf(elf_begin(fd, ELF_C_READ, nullptr));
  std::size_t count = 0;
  ElfW(Ehdr) file{};
  struct stat status {};
  if (elf == nullptr || elf_getshdrnum(elf.get(), &count) != 0 || !read_at(fd, 0, file) || ::fstat(fd, &status) != 0) {
    return Descriptor();
  }
  constexpr auto own_class = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  constexpr auto own_order = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (file.e_ident[EI_CLASS] != own_class || file.e_ident[EI_DATA] != own_order) return Descriptor();

  const std::vector<CompressedSection> sections = sections_by_zstd(fd, file, count);
  auto end = static_cast<std::uint64_t>(status.st_size);
  std::uint64_t sum = end;
  for (const CompressedSection& section : sections) {
    if (section.header.sh_offset > end || section.header.sh_size > end - section.header.sh_offset) return Descriptor();
    if (section.compression.ch_size > most_bytes || (sum += section.compression.ch_size) > most_bytes) {
      return Descriptor();
    }
  }
  if (sections.empty()) return Descriptor();

  Descriptor copy(::memfd_create("debug sections", MFD_CLOEXEC));
  if (!copy || !copy_file(fd, copy.get(), end)) return Descriptor();
  std::vector<char> plain;
  for (const CompressedSection& section : sections) {
    if (!decompress(fd, section, plain)) return Descriptor();
    ElfW(Shdr) header = section.header;
    constexpr std::uint64_t alignment = 16;
    end = (end + alignment - 1) / alignment * alignment;
    header.sh_offset = end;
    header.sh_size = plain.size();
    header.sh_addralign = section.compression.ch_addralign;
    header.sh_flags &= ~static_cast<decltype(header.sh_flags)>(SHF_COMPRESSED);
    const std::uint64_t place = file.e_shoff + section.index * sizeof header;
    if (!write_at(copy.get(), end, plain.data(), plain.size()) ||
        !write_at(copy.get(), place, &header, sizeof header)) {
      return Descriptor();
    }
    end += plain.size();
  }
  return copy;
}

}  // namespace plateau
