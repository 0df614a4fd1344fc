// Protects the conversion of jemalloc's dumps: all threads' rows once, nothing lost, broken input refused by line.
#include "profiling/legacy_heap.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <stdexcept>
#include <string>

namespace plateau {
namespace {

constexpr const char* jemalloc_dump =
    "heap_v2/524288\n"
    "  t*: 3: 600 [10: 2000]\n"
    "  t0: 1: 100 [2: 200]\n"
    "  t1: 2: 500 [8: 1800] worker\n"
    "@ 0x1 0x2\n"
    "  t*: 1: 100 [2: 200]\n"
    "  t0: 1: 100 [2: 200]\n"
    "@ 0x3\n"
    "  t*: 2: 500 [8: 1800]\n"
    "  t1: 2: 500 [8: 1800]\n"
    "\n"
    "MAPPED_LIBRARIES:\n"
    "00400000-00500000 r-xp 00000000 08:01 1 /bin/service\n";

constexpr const char* gperftools_text =
    "heap profile: 3: 600 [10: 2000] @ heap_v2/524288\n"
    "1: 100 [2: 200] @ 0x1 0x2\n"
    "2: 500 [8: 1800] @ 0x3\n"
    "\n"
    "MAPPED_LIBRARIES:\n"
    "00400000-00500000 r-xp 00000000 08:01 1 /bin/service\n";

std::string convert(const std::string& dump) {
  std::istringstream in(dump);
  std::ostringstream out;
  convert_to_gperftools_text(in, out);
  return out.str();
}

std::string error_of(const std::string& dump) {
  try {
    convert(dump);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(LegacyHeap, RewritesJemallocsRows) {
  EXPECT_EQ(convert(jemalloc_dump), gperftools_text);
}

TEST(LegacyHeap, CopiesWhatIsAlreadyInGperftoolsForm) {
  EXPECT_EQ(convert(gperftools_text), gperftools_text);
}

TEST(LegacyHeap, EveryTruncationIsRefused) {
  const std::string whole = jemalloc_dump;
  const std::size_t last = whole.find("MAPPED_LIBRARIES");
  for (std::size_t length = 0; length < last; ++length) {
    EXPECT_NE(error_of(whole.substr(0, length)), "no error") << "cut at " << length;
  }
}

TEST(LegacyHeap, NamesTheLine) {
  EXPECT_NE(error_of("").find("line 1: an empty file"), std::string::npos);
  EXPECT_NE(error_of("\x7f"
                     "ELF")
                .find("line 1: neither"),
            std::string::npos);
  EXPECT_NE(error_of("heap_v2/1\n  t*: 1: 2 [3: 4]\n  t*: 1: 2 [3: 4]\n").find("line 3: counts without a stack"),
            std::string::npos);
  EXPECT_NE(error_of("heap_v2/1\nnonsense\n").find("line 2"), std::string::npos);
}

}  // namespace
}  // namespace plateau
