// Protects CPU profiles: they name what used the CPU, one at a time is recorded, and files that are no profile are
// refused in one line.
#include "profiling/cpu_profiler.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/system/cpu_clock.hpp"
#include "profiling/legacy_cpu.hpp"

namespace {

volatile double result = 1;

}  // namespace

// Found in the profile by this name (the program exports it).
extern "C" [[gnu::noinline]] void use_the_cpu(int milliseconds) {
  const auto end = plateau::thread_cpu_time() + std::chrono::milliseconds(milliseconds);
  while (plateau::thread_cpu_time() < end) {
    for (int i = 0; i < 10'000; ++i) result = result * 1.0000001 + 0.1;
  }
}

namespace plateau {
namespace {

using ::testing::HasSubstr;

std::int64_t cpu_nanoseconds_in(const Profile& profile, std::string_view function) {
  std::int64_t sum = 0;
  const auto in_function = [&](std::uint64_t address) {
    Dl_info info{};
    return dladdr(reinterpret_cast<void*>(address), &info) != 0 && info.dli_sname != nullptr &&
           info.dli_sname == function;
  };
  for (const Profile::Sample& sample : profile.samples())
    if (std::ranges::any_of(profile.stack(sample), in_function)) sum += profile.values(sample)[1];
  return sum;
}

std::int64_t total(const Profile& profile) {
  std::int64_t sum = 0;
  for (const Profile::Sample& sample : profile.samples()) sum += profile.values(sample)[1];
  return sum;
}

TEST(CpuProfile, NamesTheFunctionOfAnotherThreadThatUsedTheCpu) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "signals are delivered later here, on the stack of whatever the thread calls next";
#endif
  ASSERT_TRUE(CpuRecording::available().done) << CpuRecording::available().reason;
  for (int round = 0; round < 2; ++round) {  // a second recording starts from nothing
    CpuRecording recording;
    std::thread(use_the_cpu, 1000).join();
    const Profile profile = recording.finish();
    EXPECT_GT(cpu_nanoseconds_in(profile, "use_the_cpu"), total(profile) / 2);
    EXPECT_GT(total(profile), 200'000'000) << ::testing::PrintToString(profile.comments);
    EXPECT_LT(total(profile), 3 * profile.duration_nanos);
    EXPECT_FALSE(profile.mappings.empty());
    EXPECT_GT(profile.duration_nanos, 0);
    EXPECT_EQ(profile.period_type, "cpu");
  }
}

// posix_spawn() makes its program ignore the signals that glibc hides, until that makes a thread.
TEST(CpuProfile, HasTicksInAProgramThatPosixSpawnStarted) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the signal is another one here";
#endif
  std::string program = "/proc/self/exe";
  std::string filter = "--gtest_filter=CpuProfile.NamesTheFunctionOfAnotherThreadThatUsedTheCpu";
  const std::array arguments{program.data(), filter.data(), static_cast<char*>(nullptr)};
  pid_t child = 0;
  ASSERT_EQ(::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(), environ), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(CpuProfile, OnlyOneIsRecordedAtATime) {
  CpuRecording first;
  try {
    const CpuRecording second;
    FAIL() << "a second one began";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("already"));
  }
  first.finish();
}

TEST(CpuProfile, ARecordingThatIsDroppedMakesWayForTheNext) {
  { const CpuRecording dropped; }
  CpuRecording next;
  EXPECT_NO_THROW(next.finish());
}

class Words {
 public:
  Words& add(std::uint64_t word) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(&word);
    file_.insert(file_.end(), bytes, bytes + sizeof word);
    return *this;
  }
  Words& add(std::string_view text) {
    const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
    file_.insert(file_.end(), bytes, bytes + text.size());
    return *this;
  }
  std::span<const std::byte> file() const { return file_; }

 private:
  std::vector<std::byte> file_;
};

Words header() {
  return std::move(Words().add(0).add(3).add(0).add(10'000).add(0));
}

TEST(LegacyCpu, ReadsSamplesAndMappings) {
  Words words = header();
  words.add(3).add(2).add(0x1000).add(0x2001);
  words.add(0).add(1).add(0);
  words.add("00001000-00003000 r-xp 00000000 08:01 42  /opt/program\n");
  const Profile profile = read_legacy_cpu(words.file());
  ASSERT_EQ(profile.samples().size(), 1u);
  EXPECT_THAT(profile.stack(profile.samples()[0]), ::testing::ElementsAre(0x1000u, 0x2001u));
  EXPECT_THAT(profile.values(profile.samples()[0]), ::testing::ElementsAre(3, 30'000'000));
  ASSERT_EQ(profile.mappings.size(), 1u);
  EXPECT_EQ(profile.mappings[0].file, "/opt/program");
  EXPECT_EQ(profile.period, 10'000'000);
}

TEST(LegacyCpu, RefusesWhatIsNoProfileOrIsCutShort) {
  Words whole = header();
  whole.add(3).add(2).add(0x1000).add(0x2001).add(0).add(1).add(0);
  const auto file = whole.file();
  for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
    EXPECT_THROW(read_legacy_cpu(file.first(bytes)), std::runtime_error) << bytes;
  }
  EXPECT_NO_THROW(read_legacy_cpu(file));
  const std::vector<Words> broken{
      Words().add("heap profile: 1: 2 [3: 4] @ heapprofile......................."),
      Words().add(0).add(3).add(0).add(0).add(0),                     // no period
      Words().add(0).add(3).add(0).add(~std::uint64_t{0}).add(0),     // an endless one
      std::move(header().add(1).add(0).add(0).add(1).add(0)),         // no depth
      std::move(header().add(1).add(1'000'000'000).add(0x1000)),      // more frames than there are bytes
      std::move(header().add(~std::uint64_t{0}).add(1).add(0x1000)),  // more time than fits
      std::move(header().add(0).add(2).add(0x1000).add(0x1000)),      // a stack without samples
  };
  for (const Words& words : broken) EXPECT_THROW(read_legacy_cpu(words.file()), std::runtime_error);
}

// Standard error, as a file to read.
class CapturedError {
 public:
  CapturedError() : before_(::dup(STDERR_FILENO)), file_(::memfd_create("standard error", MFD_CLOEXEC)) {
    ::dup2(file_, STDERR_FILENO);
  }
  ~CapturedError() {
    end();
    ::close(file_);
  }
  CapturedError(const CapturedError&) = delete;
  CapturedError& operator=(const CapturedError&) = delete;
  std::string end() {
    if (before_ < 0) return {};
    ::dup2(before_, STDERR_FILENO);
    ::close(std::exchange(before_, -1));
    std::string text(static_cast<std::size_t>(::lseek(file_, 0, SEEK_END)), '\0');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::pread(file_, text.data(), text.size(), 0))));
    return text;
  }

 private:
  int before_;
  int file_;
};

TEST(CpuRecording, IsSilentAndLosesNothingThatTheProgramSays) {
  if (!CpuRecording::available().done) GTEST_SKIP() << CpuRecording::available().reason;
  CapturedError error;
  std::atomic<bool> recorded{false};
  std::size_t said = 0;
  std::thread program([&] {
    for (; !recorded; ++said) std::fprintf(stderr, "said\n");
  });
  for (int i = 0; i < 20; ++i) {
    CpuRecording recording;
    if (i % 2 == 0) recording.finish();
  }
  recorded = true;
  program.join();
  std::string expected;
  for (std::size_t i = 0; i < said; ++i) expected += "said\n";
  EXPECT_TRUE(error.end() == expected) << "of " << said << " lines";
}

}  // namespace
}  // namespace plateau
