#include "allocators/system/memory_maps.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <string_view>

#include "allocators/system/kernel_file.hpp"

namespace plateau {
namespace {

constexpr std::uint64_t page_bytes = 4096;

// Takes a hexadecimal number and the character behind it off `text`.
bool take_hex(std::string_view& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end == text.data() + text.size()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

// "START-LIMIT PERMISSIONS OFFSET DEVICE INODE   NAME"; false for any other line.
bool read_head(std::string_view line, MemoryMap& map) {
  std::uint64_t offset = 0;
  if (!take_hex(line, map.start) || !take_hex(line, map.limit) || line.size() < 5 || map.limit <= map.start)
    return false;
  map.readable = line[0] == 'r';
  map.writable = line[1] == 'w';
  map.shared = line[3] == 's';
  line.remove_prefix(5);
  if (!take_hex(line, offset)) return false;
  const auto after_device = line.find(' ');
  if (after_device == std::string_view::npos) return false;
  line.remove_prefix(after_device + 1);
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), map.inode);
  if (error != std::errc()) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  map.name = line;
  return true;
}

struct Field {
  std::string_view key;
  std::uint64_t MemoryMap::*value;
};

constexpr std::array fields{
    Field{"Rss", &MemoryMap::resident_bytes},          Field{"Anonymous", &MemoryMap::anonymous_bytes},
    Field{"LazyFree", &MemoryMap::lazily_freed_bytes}, Field{"AnonHugePages", &MemoryMap::huge_page_bytes},
    Field{"Swap", &MemoryMap::swapped_bytes},          Field{"Locked", &MemoryMap::locked_bytes},
};

void read_field(std::string_view line, MemoryMap& map) {
  for (const Field& field : fields) {
    if (const auto bytes = kernel_file::number_in_line(line, field.key)) map.*field.value = *bytes;
  }
}

}  // namespace

std::vector<MemoryMap> memory_maps_in(std::istream& smaps) {
  std::vector<MemoryMap> maps;
  for (std::string line; std::getline(smaps, line);) {
    // Fields begin with a capital letter, addresses do not.
    if (!line.empty() && line[0] >= 'A' && line[0] <= 'Z') {
      if (!maps.empty()) read_field(line, maps.back());
    } else if (MemoryMap map; read_head(line, map)) {
      maps.push_back(std::move(map));
    }
  }
  return maps;
}

std::vector<MemoryMap> own_memory_maps() {
  std::ifstream smaps("/proc/thread-self/smaps");
  if (!smaps) smaps.open("/proc/self/smaps");
  return memory_maps_in(smaps);
}

ResidentPages::ResidentPages() : pagemap_(::open("/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC)) {}

ResidentPages::~ResidentPages() {
  if (pagemap_ >= 0) ::close(pagemap_);
}

std::uint64_t ResidentPages::in(std::uint64_t start, std::uint64_t limit) const {
  std::vector<std::uint64_t> entries;
  std::vector<unsigned char> pages;
  constexpr std::uint64_t most = 65536;
  constexpr std::uint64_t present = std::uint64_t{1} << 63;
  std::uint64_t resident = 0;
  start &= ~(page_bytes - 1);
  while (start < limit) {
    const std::uint64_t count = std::min((limit - start + page_bytes - 1) / page_bytes, most);
    bool read = false;
    if (pagemap_ >= 0) {
      entries.resize(count);
      const ssize_t bytes =
          ::pread(pagemap_, entries.data(), count * sizeof(std::uint64_t), static_cast<off_t>(start / page_bytes * 8));
      read = bytes > 0;
      for (std::size_t i = 0; read && i < static_cast<std::size_t>(bytes) / sizeof(std::uint64_t); ++i)
        resident += (entries[i] & present) != 0 ? page_bytes : 0;
    }
    if (!read) {
      pages.resize(count);
      if (::mincore(reinterpret_cast<void*>(start), count * page_bytes, pages.data()) == 0)
        resident += page_bytes * static_cast<std::uint64_t>(std::count_if(pages.begin(), pages.end(),
                                                                          [](auto one) { return (one & 1) != 0; }));
    }
    start += count * page_bytes;
  }
  return resident;
}

bool read_own_memory(std::uint64_t address, void* to, std::size_t bytes) {
  iovec local{to, bytes};
  iovec remote{reinterpret_cast<void*>(address), bytes};
  if (::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes)) return true;
  const int memory = ::open("/proc/thread-self/mem", O_RDONLY | O_CLOEXEC);
  if (memory < 0) return false;
  const bool read = ::pread(memory, to, bytes, static_cast<off_t>(address)) == static_cast<ssize_t>(bytes);
  ::close(memory);
  return read;
}

}  // namespace plateau
