#include "profiling/replaced_file.hpp"

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace plateau {
namespace fs = std::filesystem;
namespace {

std::string error_text() {
  return std::system_category().message(errno);
}

std::string part_of(const std::string& target) {
  std::error_code error;
  const auto status = fs::status(target, error);
  return !fs::exists(status) || fs::is_regular_file(status) ? target + ".part" : target;
}

std::runtime_error cannot_write(const std::string& path, const std::string& reason) {
  return std::runtime_error("cannot write " + path + ": " + reason);
}

}  // namespace

ReplacedFile::ReplacedFile(std::string path) : path_(std::move(path)) {
  std::error_code error;
  const auto file = fs::weakly_canonical(path_, error);
  target_ = error ? path_ : file.string();
  written_ = part_of(target_);
  out_.open(written_, std::ios::trunc);
  if (!out_) throw cannot_write(path_, error_text());
}

ReplacedFile::~ReplacedFile() {
  if (committed_) return;
  out_.close();
  std::error_code ignored;
  if (written_ != target_) fs::remove(written_, ignored);
}

void ReplacedFile::commit() {
  out_.close();
  if (!out_) throw cannot_write(path_, error_text());
  if (written_ != target_) {
    std::error_code error;
    fs::rename(written_, target_, error);
    if (error) throw cannot_write(path_, error.message());
  }
  committed_ = true;
}

void ReplacedFile::check(const std::string& path) {
  if (fs::is_directory(path)) throw cannot_write(path, "it is a folder");
  const std::string tried = part_of(path);
  if (!std::ofstream(tried, std::ios::trunc)) throw cannot_write(path, error_text());
  if (tried != path) fs::remove(tried);
}

}  // namespace plateau
