#include "allocators/system/process_start.hpp"

#include <unistd.h>

#include <array>
#include <string_view>

#include "allocators/system/kernel_file.hpp"

namespace plateau {

std::optional<double> process_start_seconds() noexcept {
  // Not /proc/thread-self, in which the start is the thread's; that of the process is there also without its main
  // thread.
  return process_start_seconds_in("/proc/self/stat", "/proc/stat", ::sysconf(_SC_CLK_TCK));
}

std::optional<double> process_start_seconds_in(const char* process_file, const char* system_file,
                                               long ticks_per_second) noexcept {
  std::array<char, 2048> buffer;
  const std::string_view text = kernel_file::head(process_file, buffer);
  const auto name_end = text.rfind(')');  // the name may hold anything, so that columns are counted from its end
  if (name_end == std::string_view::npos) return std::nullopt;
  constexpr std::size_t start_column = 22 - 3;  // of the columns behind the name, of which the first is proc(5)'s third
  const auto ticks = kernel_file::number_in_column(text.substr(name_end + 1), start_column);
  const auto boot = kernel_file::number_behind(system_file, "btime");
  if (!ticks || !boot) return std::nullopt;
  return static_cast<double>(*boot) + static_cast<double>(*ticks) / static_cast<double>(ticks_per_second);
}

}  // namespace plateau
