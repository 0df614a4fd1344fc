#include "profiling/symbols/debug_file.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <filesystem>
#include <sstream>

#include "profiling/mappings.hpp"

namespace plateau {
namespace {

bool has_crc(int file, std::uint32_t wanted) {
  std::array<unsigned char, 65536> buffer;
  uLong crc = ::crc32(0, nullptr, 0);
  ssize_t count = 0;
  while ((count = ::read(file, buffer.data(), buffer.size())) > 0) {
    crc = ::crc32(crc, buffer.data(), static_cast<uInt>(count));
  }
  return count == 0 && crc == wanted && ::lseek(file, 0, SEEK_SET) == 0;
}

bool is_of(const DebugLink& link, const std::filesystem::path& path, int file) {
  return link.build_id.empty() ? has_crc(file, link.crc) : build_id_of_file(path) == link.build_id;
}

}  // namespace

Descriptor open_debug_file(const DebugLink& link, const std::string& path) {
  const std::filesystem::path own_folder = std::filesystem::path(link.of_file).parent_path();
  std::istringstream folders(path + ':');
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::filesystem::path place =
        folder.starts_with('/') ? folder / own_folder.relative_path() / link.name : own_folder / folder / link.name;
    if (place == link.of_file) continue;
    Descriptor file(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
    if (file && is_of(link, place, file.get())) return file;
  }
  return Descriptor();
}

}  // namespace plateau
