// Protects the reading of ADDRESS:PORT, and that other machines are let in only when that was asked for.
#include "profiling/http/listen_address.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace plateau {
namespace {

std::string read(std::string_view text, bool allow_remote = false) {
  const ListenAddress address = parse_listen_address(text, allow_remote);
  return address.host + " " + std::to_string(address.port);
}

TEST(ListenAddress, Forms) {
  EXPECT_EQ(read("127.0.0.1:6060"), "127.0.0.1 6060");
  EXPECT_EQ(read("127.0.0.2:0"), "127.0.0.2 0");
  EXPECT_EQ(read("[::1]:65535"), "::1 65535");
  EXPECT_EQ(read("localhost:1"), "127.0.0.1 1");
}

TEST(ListenAddress, Malformed) {
  for (const char* const text :
       {"", ":6060", "6060", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http", "::1:6060",
        "example.com:6060", "user@127.0.0.1:6060", "127.0.0.1:6060/path", "256.0.0.1:1"}) {
    EXPECT_THROW(read(text, true), std::invalid_argument) << text;
  }
}

TEST(ListenAddress, OtherMachinesOnlyWhenAllowed) {
  for (const char* const text : {"0.0.0.0:6060", "192.0.2.1:6060", "[::]:6060"}) {
    EXPECT_THROW(read(text), std::invalid_argument) << text;
    EXPECT_NO_THROW(read(text, true)) << text;
  }
}

}  // namespace
}  // namespace plateau
