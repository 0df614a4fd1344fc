#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t first_bytes = 4096;
// What a damaged header claims. No allocator can give it.
constexpr std::size_t claimed_bytes = std::size_t{1} << 60;

class TrustingReader final : public Service {
 public:
  [[gnu::noinline]] bool read_body(std::size_t bytes) {
    char* body = static_cast<char*>(std::malloc(first_bytes));
    if (body == nullptr) return false;
    std::memset(body, 0, first_bytes);
    // The fault: when realloc fails the old block is still there, and its pointer is overwritten by null.
    body = static_cast<char*>(std::realloc(body, bytes));
    if (body == nullptr) return false;
    std::free(body);
    return true;
  }
  void operate(std::uint64_t /*i*/) override { refused_ += read_body(claimed_bytes) ? 0 : 1; }

 private:
  std::uint64_t refused_ = 0;
};

class CarefulReader final : public Service {
 public:
  [[gnu::noinline]] bool read_body(std::size_t bytes) {
    char* body = static_cast<char*>(std::malloc(first_bytes));
    if (body == nullptr) return false;
    std::memset(body, 0, first_bytes);
    // The repair: the old pointer is kept until the new one is there.
    char* const larger = static_cast<char*>(std::realloc(body, bytes));
    if (larger != nullptr) body = larger;
    std::free(body);
    return larger != nullptr;
  }
  void operate(std::uint64_t /*i*/) override { refused_ += read_body(claimed_bytes) ? 0 : 1; }

 private:
  std::uint64_t refused_ = 0;
};

}  // namespace

constinit const Leak failed_realloc{
    .name = "failed_realloc",
    .sentence = "p = realloc(p, n) fails for a damaged length, and the old block is lost",
    .kind = LeakKind::unreachable,
    .place = {"Reader::read_body"},
    .operations = 4'000,
    .bytes_per_operation = first_bytes,
    .make = fault_or_repair<TrustingReader, CarefulReader>,
};

}  // namespace plateau::leakdemo
