#include <cstdint>
#include <string>
#include <vector>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t connections = 16'384;
constexpr std::size_t usual_bytes = 128;
constexpr std::size_t giant_bytes = 8192;

class GrowingReplies final : public Service {
 public:
  // The fault: clear() keeps the capacity, and in time every connection has had its giant.
  [[gnu::noinline]] void reply(std::uint64_t i) {
    std::string& text = texts_[i % connections];
    text.assign(giant_bytes, '.');
    text.clear();
    text.assign(usual_bytes, '.');
  }
  void operate(std::uint64_t i) override { reply(i); }

 private:
  std::vector<std::string> texts_{connections};
};

class ShrinkingReplies final : public Service {
 public:
  // The repair: a string that was a giant gives its memory back.
  [[gnu::noinline]] void reply(std::uint64_t i) {
    std::string& text = texts_[i % connections];
    text.assign(giant_bytes, '.');
    text.clear();
    if (text.capacity() > 2 * usual_bytes) text.shrink_to_fit();
    text.assign(usual_bytes, '.');
  }
  void operate(std::uint64_t i) override { reply(i); }

 private:
  std::vector<std::string> texts_{connections};
};

}  // namespace

constinit const Leak recycled_capacity{
    .name = "recycled_capacity",
    .sentence = "recycled strings are cleared, and keep the capacity of the largest text that they ever had",
    .kind = LeakKind::reachable,
    .place = {"Replies::reply"},
    .operations = 2'000,
    .bytes_per_operation = giant_bytes + 1,
    .make = fault_or_repair<GrowingReplies, ShrinkingReplies>,
};

}  // namespace plateau::leakdemo
