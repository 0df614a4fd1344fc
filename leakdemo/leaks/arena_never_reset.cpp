#include <cstdint>
#include <memory_resource>
#include <vector>

#include "allocators/arena.hpp"
#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

constexpr std::size_t request_bytes = 4096;

class EndlessRequests final : public Service {
 public:
  [[gnu::noinline]] void handle(std::uint64_t i) {
    const std::pmr::vector<char> parsed(request_bytes, static_cast<char>(i), &arena_);
    handled_ += parsed.size();
  }
  // The fault: to an arena the end of the vector means nothing.
  void operate(std::uint64_t i) override { handle(i); }

 private:
  Arena arena_;
  std::uint64_t handled_ = 0;
};

class ResetRequests final : public Service {
 public:
  [[gnu::noinline]] void handle(std::uint64_t i) {
    const std::pmr::vector<char> parsed(request_bytes, static_cast<char>(i), &arena_);
    handled_ += parsed.size();
  }
  // The repair: the arena lives as long as a request.
  void operate(std::uint64_t i) override {
    handle(i);
    arena_.reset();
  }

 private:
  Arena arena_;
  std::uint64_t handled_ = 0;
};

}  // namespace

constinit const Leak arena_never_reset{
    .name = "arena_never_reset",
    .sentence = "requests are parsed into an arena that lives as long as the service and is never reset",
    .kind = LeakKind::reachable,
    .place = {"Requests::handle"},
    .operations = 4'000,
    .bytes_per_operation = request_bytes,
    .make = fault_or_repair<EndlessRequests, ResetRequests>,
};

}  // namespace plateau::leakdemo
