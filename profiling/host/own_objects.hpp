// Which loaded objects are there for this library alone.
#pragma once

#include <cstdint>
#include <vector>

namespace plateau {

struct AddressRange {
  std::uint64_t start = 0;
  std::uint64_t limit = 0;
  bool operator==(const AddressRange&) const = default;
};

// Where this code's object lies, and the objects that it needs, directly or not, and that nothing else needs
// (DT_NEEDED); nothing when it is part of the executable. From the first byte of each object to its last, data without
// a file included. Takes the dynamic linker's lock.
std::vector<AddressRange> own_objects();

}  // namespace plateau
