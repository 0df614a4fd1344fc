// The one reader of the kernel's small text files: /proc and cgroups. Allocates nothing, throws nothing, and reads
// files of any length with a few KiB of stack. Costs a few microseconds a file, most of which the kernel takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace plateau::kernel_file {

// The number behind `key` at the start of `line`, between them a colon, blanks or tabs. "kB" behind it makes it bytes;
// further columns are ignored. Empty for another key (a longer one with the same beginning is another), for no number
// ("max", "-1"), and for one that does not fit.
//
//   VmData:\t     360 kB      key "VmData"          368640
//   inactive_file 4096        key "inactive_file"   4096
std::optional<std::uint64_t> number_in_line(std::string_view line, std::string_view key) noexcept;

// The number in the column, from 0, of a line. Empty when there is none.
std::optional<std::uint64_t> number_in_column(std::string_view line, std::size_t column) noexcept;

// The beginning of the file, as much of it as the buffer takes. Empty when it cannot be read.
std::string_view head(const char* file, std::span<char> buffer) noexcept;

// The number in the column, from 0, of the file's first line. Empty when the file cannot be read, or there is no
// number.
std::optional<std::uint64_t> number(const char* file, std::size_t column = 0) noexcept;

// The number behind `key` in the first line that has it.
std::optional<std::uint64_t> number_behind(const char* file, std::string_view key) noexcept;

// The same for several keys in one pass: values[i] belongs to keys[i]. False when the file cannot be read; all values
// are empty then.
bool numbers_behind(const char* file, std::span<const std::string_view> keys,
                    std::span<std::optional<std::uint64_t>> values) noexcept;

}  // namespace plateau::kernel_file
