// Files that a user asked for: whole, or not there.
#pragma once

#include <string>
#include <string_view>

namespace plateau::harness {

// Throws UsageError when nothing can be written there; leaves an existing file alone. Called before hours are spent.
void check_writable(const std::string& path);
// A full disk leaves the old file; a device or a pipe is written to as it is. Throws UsageError.
void write_whole(const std::string& path, std::string_view text);

}  // namespace plateau::harness
