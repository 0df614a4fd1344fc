#include "allocators/misuse.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace plateau {
namespace {

void write_all(const char* text) noexcept {
  for (std::size_t left = std::strlen(text); left > 0;) {
    const ssize_t written = ::write(STDERR_FILENO, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<std::size_t>(written);
  }
}

}  // namespace

void report_misuse(const char* what) noexcept {
  write_all("plateau: ");
  write_all(what);
  write_all("\n");
  std::abort();
}

}  // namespace plateau
