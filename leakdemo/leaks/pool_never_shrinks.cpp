#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

using Buffer = std::vector<char>;

constexpr std::size_t shortest = 4096;
constexpr std::size_t lengths = 16'384;

// Messages are of all lengths, one after the other in no order (5003 has no divisor in common with the lengths).
std::size_t message_bytes(std::uint64_t i) {
  return shortest + i * 5003 % lengths;
}

class HoardingPool final : public Service {
 public:
  [[gnu::noinline]] Buffer take(std::size_t bytes) {
    std::vector<Buffer>& idle = idle_by_size_[bytes];
    if (idle.empty()) return Buffer(bytes);
    Buffer buffer = std::move(idle.back());
    idle.pop_back();
    return buffer;
  }
  // The fault: one user at a time, and yet the pool keeps a buffer for every length that there ever was.
  void give_back(Buffer buffer) { idle_by_size_[buffer.size()].push_back(std::move(buffer)); }
  void operate(std::uint64_t i) override { give_back(take(message_bytes(i))); }

 private:
  std::unordered_map<std::size_t, std::vector<Buffer>> idle_by_size_;
};

class BoundedPool final : public Service {
 public:
  [[gnu::noinline]] Buffer take(std::size_t bytes) {
    if (idle_.empty()) return Buffer(bytes);
    Buffer buffer = std::move(idle_.back());
    idle_.pop_back();
    buffer.resize(bytes);
    return buffer;
  }
  // The repair: any buffer serves any length, and no more than a few are idle.
  void give_back(Buffer buffer) {
    if (idle_.size() < 8) idle_.push_back(std::move(buffer));
  }
  void operate(std::uint64_t i) override { give_back(take(message_bytes(i))); }

 private:
  std::vector<Buffer> idle_;
};

}  // namespace

constinit const Leak pool_never_shrinks{
    .name = "pool_never_shrinks",
    .sentence = "a pool keeps idle buffers of every length that it was ever asked for",
    .kind = LeakKind::reachable,
    .place = {"Pool::take"},
    .operations = 1'300,
    .bytes_per_operation = shortest + lengths / 2,
    .make = fault_or_repair<HoardingPool, BoundedPool>,
};

}  // namespace plateau::leakdemo
