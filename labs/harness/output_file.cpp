#include "labs/harness/output_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

std::string error_text() {
  return std::system_category().message(errno);
}

// A device or a pipe is written to as it is; a file is replaced as a whole.
bool is_replaced(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
}

}  // namespace

void check_writable(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw UsageError(fmt::format("cannot write {}: it is a folder", path));
  const std::string tried = is_replaced(path) ? path + ".part" : path;
  std::FILE* const file = std::fopen(tried.c_str(), "w");
  if (file == nullptr) throw UsageError(fmt::format("cannot write {}: {}", path, error_text()));
  std::fclose(file);
  if (tried != path) std::filesystem::remove(tried);
}

void write_whole(const std::string& path, std::string_view text) {
  // The file that a symbolic link leads to is replaced, and not the link.
  std::error_code error;
  const auto file = std::filesystem::weakly_canonical(path, error);
  const std::string target = error ? path : file.string();
  const std::string written = is_replaced(target) ? target + ".part" : target;
  std::ofstream out(written, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) {
    const std::string reason = error_text();
    if (written != target) std::filesystem::remove(written);
    throw UsageError(fmt::format("cannot write {}: {}", path, reason));
  }
  if (written == target) return;
  std::filesystem::rename(written, target, error);
  if (error) throw UsageError(fmt::format("cannot write {}: {}", path, error.message()));
}

}  // namespace plateau::harness
