#include "profiling/plateau/own_libraries.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace plateau {

namespace fs = std::filesystem;

std::string own_library(const std::string& name) {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place : {folder / name, folder.parent_path() / PLATEAU_LIBRARY_FOLDER / name}) {
    if (fs::exists(place, error)) return fs::canonical(place);
  }
  throw std::runtime_error(fmt::format("{}: neither beside this program ({}) nor in {}: install both together", name,
                                       folder.string(), (folder.parent_path() / PLATEAU_LIBRARY_FOLDER).string()));
}

}  // namespace plateau
