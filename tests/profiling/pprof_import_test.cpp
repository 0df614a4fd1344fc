// Protects profiles that were written earlier: they are read with their names, whoever wrote them, written again
// without a loss, and subtracted; hostile ones are refused in bounded memory.
#include "profiling/formats/pprof_import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <protozero/pbf_writer.hpp>

#include "profiling/formats/gzip.hpp"
#include "profiling/formats/utf8_text.hpp"
#include "profiling/heap_profile.hpp"
#include "profiling/legacy_heap.hpp"
#include "profiling/pprof.hpp"
#include "profiling/profile_difference.hpp"

namespace plateau {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t most_bytes = std::size_t{16} << 20;

// A profile as another writer has it: ids that are not 1..N, numbers that are not packed, the string table first.
std::string of_another_writer() {
  std::string data;
  protozero::pbf_writer profile(data);
  for (const char* const text : {"", "space", "bytes", "main", "/srv/main.rs", "serve", "thread", "w1"}) {
    profile.add_string(6, text);
  }
  const auto message = [&](std::uint32_t tag, const std::function<void(protozero::pbf_writer&)>& fill) {
    protozero::pbf_writer sub(profile, tag);
    fill(sub);
  };
  message(1, [](auto& type) {
    type.add_int64(1, 1);
    type.add_int64(2, 2);
  });
  for (const std::uint64_t id : {700, 9}) {
    message(5, [id](auto& function) {
      function.add_uint64(1, id);
      function.add_int64(2, id == 9 ? 3 : 5);
      function.add_int64(4, 4);
    });
    message(4, [id](auto& location) {
      location.add_uint64(1, id + 1);
      protozero::pbf_writer line(location, 4);
      line.add_uint64(1, id);
      line.add_int64(2, static_cast<std::int64_t>(id));
    });
  }
  message(2, [](auto& sample) {
    sample.add_uint64(1, 701);
    sample.add_uint64(1, 10);
    sample.add_int64(2, 4096);
    protozero::pbf_writer label(sample, 3);
    label.add_int64(1, 6);
    label.add_int64(2, 7);
  });
  profile.add_int64(12, 1);
  return data;
}

TEST(Import, ReadsAnyWritersIdsAndNumbers) {
  const Profile profile = profile_of(decode_pprof(of_another_writer(), most_bytes));
  ASSERT_EQ(profile.samples().size(), 1U);
  const auto stack = profile.stack(profile.samples()[0]);
  ASSERT_EQ(stack.size(), 2U);
  EXPECT_EQ(profile.frame(stack[0])->name, "serve");
  EXPECT_EQ(profile.frame(stack[1])->name, "main");
  EXPECT_EQ(profile.frame(stack[1])->file, "/srv/main.rs");
  EXPECT_EQ(profile.frame(stack[1])->line, 9);
  EXPECT_EQ(profile.values(profile.samples()[0])[0], 4096);
  EXPECT_EQ(profile.labels(profile.samples()[0])[0].text, "w1");
  EXPECT_EQ(profile.default_type, "space");
}

TEST(Import, WrittenAgainIsTheSame) {
  Profile profile = heap_profile(524288);
  profile.mappings.push_back(
      {.start = 0x1000, .limit = 0x9000, .offset = 0, .file = "/no/such", .build_id = "ab", .code_name = {}});
  const std::uint64_t named = profile.named_frame(
      NamedFrame{.name = "serve", .system_name = "_Z5servev", .file = "a.cpp", .start_line = 3, .line = 7});
  const std::uint64_t other_line = profile.named_frame(
      NamedFrame{.name = "serve", .system_name = "_Z5servev", .file = "a.cpp", .start_line = 3, .line = 8});
  profile.add(std::array<std::uint64_t, 3>{0x1234, named, other_line}, HeapValues{4, 400, 1, 100},
              std::vector<ProfileLabel>{{.key = "thread", .text = "w", .number = 0, .unit = {}}});
  profile.comments.emplace_back("a comment");
  const std::string once = gunzipped(encode_pprof(profile, nullptr));
  const ReadProfile read = decode_pprof(once, most_bytes);
  EXPECT_EQ(read.functions.size(), 1U) << "two lines of one function";
  EXPECT_EQ(gunzipped(encode_pprof(profile_of(read), nullptr)), once);
  EXPECT_TRUE(is_pprof(once));
}

TEST(Import, IsSubtractedByName) {
  const auto profile = [](std::int64_t bytes, std::string_view first) {
    Profile result = heap_profile(1);
    result.named_frame(first);  // so that the same name is another address
    result.add(std::array{result.named_frame("serve")}, HeapValues{0, 0, 1, bytes});
    return profile_of(decode_pprof(gunzipped(encode_pprof(result, nullptr)), most_bytes));
  };
  const Profile change = difference(profile(300, "a"), profile(100, "serve"));
  ASSERT_EQ(change.samples().size(), 1U);
  EXPECT_EQ(change.values(change.samples()[0])[3], 200);
}

TEST(Import, TextIsNoProfile) {
  for (const std::string_view text :
       {"heap_v2/524288\n  t*: 0: 0 [0: 0]\n", "\nheap profile: 1: 1 [1: 1] @ heapprofile\n", "--- symbol\n", "",
        "\x7f"
        "ELF\x02\x01\x01\0\0\0"}) {
    EXPECT_FALSE(is_pprof(text)) << text;
  }
}

TEST(Import, WhatIsDamagedOrTooLargeIsRefused) {
  const std::string whole = of_another_writer();
  const auto error_of = [](std::string_view data, std::size_t limit) -> std::string {
    try {
      profile_of(decode_pprof(data, limit));
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 4), most_bytes), HasSubstr("damaged, or cut short"));
  EXPECT_THAT(error_of(std::string("\x0a\0\x32\0\x12\0", 6), most_bytes), HasSubstr("a value for each type"));
  std::string bomb("\x0a\0\x32\0", 4);
  for (int i = 0; i < 100'000; ++i) bomb += std::string("\x22\0", 2);  // locations of two bytes each
  EXPECT_THAT(error_of(bomb, 1'000'000), HasSubstr("MiB of stacks"));
}

TEST(WrittenStrings, AreUtf8) {
  Profile profile = heap_profile(1);
  profile.mappings.push_back(
      {.start = 0x1000, .limit = 0x9000, .offset = 0, .file = "/opt/caf\xe9/service", .build_id = {}, .code_name = {}});
  for (const char* const thread :
       {"Z\xfcrich", "lager-gr\xc3\xb6\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "日本"}) {
    profile.add(std::array<std::uint64_t, 1>{0x1234}, HeapValues{0, 0, 1, 100},
                std::vector<ProfileLabel>{{.key = "thread", .text = thread, .number = 0, .unit = {}}});
  }
  const ReadProfile read = read_pprof(encode_pprof(profile, nullptr));
  for (const std::string& text : read.strings) EXPECT_TRUE(is_utf8(text)) << text;
  EXPECT_EQ(read.samples[0].labels[0].text, "Z\xef\xbf\xbdrich");
  EXPECT_EQ(read.samples[5].labels[0].text, "日本");
  EXPECT_EQ(read.mappings[0].file, "/opt/caf\xef\xbf\xbd/service");
}

}  // namespace
}  // namespace plateau
