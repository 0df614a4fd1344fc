// The file beside an executable that has its debug information, found by the name that the executable gives.
#pragma once

#include <cstdint>
#include <string>

#include "allocators/system/descriptor.hpp"

namespace plateau {

struct DebugLink {
  std::string of_file;  // whose debug information it is; an absolute path
  std::string name;
  std::uint32_t crc = 0;
  std::string build_id;  // of that file; empty: it has none, and the CRC decides
};

// Looks where gdb does: in each folder of `path`, which are separated by colons. An empty one is the file's own, a
// relative one is below that, and below an absolute one there is the file's folder again. None where there is no such
// file, or only another build's. libdw's own search loads a client for downloads with all that belongs to it (curl,
// TLS, LDAP) into the process, whether it may download or not.
Descriptor open_debug_file(const DebugLink& link, const std::string& path);

}  // namespace plateau
