#include "profiling/legacy_cpu.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "profiling/mappings.hpp"

namespace plateau {
namespace {

constexpr std::uint64_t deepest_stack = 4096;  // gperftools records at most 254 frames

class CpuReader {
 public:
  explicit CpuReader(std::span<const std::byte> file) : file_(file) {}

  Profile read() {
    read_header();
    Profile profile({{"samples", "count"}, {"cpu", "nanoseconds"}});
    profile.period_type = "cpu";
    profile.period_unit = "nanoseconds";
    profile.period = period_ns_;
    profile.default_type = "cpu";
    profile.leaf_is_return_address = false;
    while (read_sample(profile)) {
    }
    read_mappings(profile);
    return profile;
  }

 private:
  // 0, number of words that follow (3), version 0, sampling period in microseconds, padding.
  void read_header() {
    if (word() != 0 || word() != 3 || word() != 0) fail("not a CPU profile of gperftools");
    const std::uint64_t period_us = word();
    word();
    if (period_us == 0 || period_us > 3'600'000'000) fail("an impossible sampling period");
    period_ns_ = static_cast<std::int64_t>(period_us) * 1000;
  }

  // Number of samples, depth, that many addresses. The last record is 0, 1, 0.
  bool read_sample(Profile& profile) {
    const std::uint64_t count = word();
    const std::uint64_t depth = word();
    if (depth == 0 || depth > deepest_stack) fail("an impossible depth");
    stack_.clear();
    for (std::uint64_t i = 0; i < depth; ++i) stack_.push_back(word());
    if (count == 0) {
      if (depth != 1 || stack_[0] != 0) fail("a stack without samples");
      return false;
    }
    if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / period_ns_))
      fail("an impossible number of samples");
    const auto samples = static_cast<std::int64_t>(count);
    profile.add(stack_, std::array{samples, samples * period_ns_});
    return true;
  }

  void read_mappings(Profile& profile) {
    std::string_view text(reinterpret_cast<const char*>(file_.data()) + at_, file_.size() - at_);
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      if (auto mapping = executable_mapping(line)) profile.mappings.push_back(std::move(*mapping));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
  }

  std::uint64_t word() {
    std::uintptr_t value = 0;
    if (file_.size() - at_ < sizeof value) fail("cut short");
    std::memcpy(&value, file_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("CPU profile, before byte " + std::to_string(at_) + ": " + what);
  }

  std::span<const std::byte> file_;
  std::size_t at_ = 0;
  std::int64_t period_ns_ = 0;
  std::vector<std::uint64_t> stack_;
};

}  // namespace

Profile read_legacy_cpu(std::span<const std::byte> file) {
  return CpuReader(file).read();
}

}  // namespace plateau
