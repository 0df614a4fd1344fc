#include "allocators/system/memory_filesystems.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace plateau {
namespace {

// Blanks and the like in paths are octal numbers: "\040".
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(i + 1) && is_octal(i + 2) && is_octal(i + 3)) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) &&
         (folder.ends_with('/') || path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

MemoryFilesystems MemoryFilesystems::own() {
  std::ifstream file("/proc/thread-self/mountinfo");
  return MemoryFilesystems(file);
}

MemoryFilesystems::MemoryFilesystems(std::istream& mountinfo) {
  for (std::string line; std::getline(mountinfo, line);) {
    std::istringstream words(line);
    std::string word;
    std::string path;
    constexpr int columns_before_path = 4;  // "36 35 98:0 /root /path options tags - type source options"
    for (int i = 0; i < columns_before_path; ++i) words >> word;
    if (!(words >> path)) continue;
    while (words >> word && word != "-") {
    }
    std::string type;
    words >> type;
    mounts_.push_back({unescaped(path), type == "tmpfs" || type == "devtmpfs" || type == "ramfs"});
  }
}

bool MemoryFilesystems::hold(std::string_view path) const {
  constexpr std::array made_by_the_kernel{"/memfd:", "/SYSV", "/dev/zero", "/anon_hugepage"};
  if (std::any_of(made_by_the_kernel.begin(), made_by_the_kernel.end(),
                  [path](const char* beginning) { return path.starts_with(beginning); }))
    return true;
  const Mount* nearest = nullptr;
  for (const Mount& mount : mounts_) {
    if (lies_in(path, mount.path) && (nearest == nullptr || mount.path.size() >= nearest->path.size()))
      nearest = &mount;
  }
  return nearest != nullptr && nearest->in_memory;
}

}  // namespace plateau
