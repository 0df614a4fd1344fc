// Debug sections that are compressed by zstd (gcc -gz=zstd, objcopy --compress-debug-sections=zstd), for a libdw that
// knows zlib only (elfutils before 0.189). Separate debug files stay as they are: libdw opens those itself.
#pragma once

#include "allocators/system/descriptor.hpp"

namespace plateau {

// A copy in memory of the ELF file, with plain sections where they were compressed by zstd; none when it has no such
// section, or when it cannot be had: of a file of another byte order or word size, of broken data, without memory, and
// beyond 1 GiB. The copy takes the sum of both sizes for as long as it is open.
Descriptor with_plain_sections(int fd);

}  // namespace plateau
