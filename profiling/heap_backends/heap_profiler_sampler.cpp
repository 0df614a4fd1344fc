#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

#include "profiling/heap_backends/heap_profiler_backend.hpp"
#include "profiling/heap_sampler.hpp"

namespace plateau::heap_profiler_backend {
namespace {

// Text into a file, by way of a buffer of its own: no heap is needed, so that a profile can be written when there is no
// memory left to have.
class TextFile {
 public:
  explicit TextFile(int fd) : fd_(fd) {}

  TextFile& add(std::string_view text) {
    if (text.size() > buffer_.size() - used_) flush();
    used_ += text.copy(buffer_.data() + used_, text.size());  // never more than a line
    return *this;
  }
  template <std::integral Number>
  TextFile& add(Number number, int base = 10) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    return add(std::string_view(digits.data(), end));
  }

  // What is mapped where, as the kernel tells it.
  void add_mappings() {
    flush();
    const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    ssize_t count = -1;
    while (maps >= 0 && (count = ::read(maps, buffer_.data(), buffer_.size())) > 0) {
      used_ = static_cast<std::size_t>(count);
      flush();
    }
    if (count < 0) fail();
    if (maps >= 0) ::close(maps);
  }

  ProfileReply finish() {
    flush();
    if (error_ == 0) return {true, {}};
    return {false, std::generic_category().message(error_)};
  }

 private:
  void flush() {
    if (!write_all(fd_, buffer_.data(), used_)) fail();
    used_ = 0;
  }
  void fail() {
    if (error_ == 0) error_ = errno;
  }

  const int fd_;
  int error_ = 0;  // the first
  std::size_t used_ = 0;
  std::array<char, 16 * 1024> buffer_;
};

struct Row {
  double in_use_objects = 0;
  double in_use_bytes = 0;
  double allocated_objects = 0;
  double allocated_bytes = 0;
};

void add_row(TextFile& file, const Row& row) {
  file.add(std::llround(row.in_use_objects)).add(": ").add(std::llround(row.in_use_bytes)).add(" [");
  file.add(std::llround(row.allocated_objects)).add(": ").add(std::llround(row.allocated_bytes)).add("] @");
}

class Sampler final : public Backend {
 public:
  ProfileReply available() const override { return HeapSampler::available(); }

  bool active() const override { return HeapSampler::counts().active; }

  ProfileReply start(const std::string& /*prefix*/) override {
    const SamplerCounts now = HeapSampler::counts();  // it may run since the program started, with the user's period
    return now.active ? available() : HeapSampler::start(now.period_bytes);
  }
  ProfileReply stop() override { return HeapSampler::stop(); }

  // In gperftools' form, and as exact, since the estimates are scaled up already. Allocates nothing.
  ProfileReply write(int fd) override {
    Row sum;
    HeapSampler::for_each_stack(
        [](void* to, const SampledStack& stack) {
          auto& total = *static_cast<Row*>(to);
          total.in_use_objects += stack.in_use_objects;
          total.in_use_bytes += stack.in_use_bytes;
          total.allocated_objects += stack.allocated_objects;
          total.allocated_bytes += stack.allocated_bytes;
        },
        &sum);
    TextFile file(fd);
    file.add("heap profile: ");
    add_row(file, sum);
    file.add(" heapprofile\n");
    HeapSampler::for_each_stack(
        [](void* to, const SampledStack& stack) {
          auto& text = *static_cast<TextFile*>(to);
          add_row(text, {stack.in_use_objects, stack.in_use_bytes, stack.allocated_objects, stack.allocated_bytes});
          for (std::size_t i = 0; i < stack.depth; ++i) text.add(" 0x").add(stack.frames[i], 16);
          text.add(stack.depth == 0 ? " 0x1\n" : "\n");  // a row needs an address: that of the stacks not kept
        },
        &file);
    file.add("\nMAPPED_LIBRARIES:\n").add_mappings();
    return file.finish();
  }

  std::optional<Profile> profile() override { return HeapSampler::snapshot(); }

  ProfileReply growth(std::string& /*text*/) override {
    return {false, "the sampler does not see where the heap takes address space: gperftools' tcmalloc does"};
  }
  bool record_this_thread(bool on) override { return !HeapSampler::ignore_this_thread(!on); }
};

}  // namespace

Backend& sampler() {
  static Sampler backend;
  return backend;
}

}  // namespace plateau::heap_profiler_backend
