#include <array>
#include <cstdint>
#include <map>

#include "leakdemo/leaks/leak.hpp"

namespace plateau::leakdemo {
namespace {

struct RequestContext {
  std::array<char, 8192> scratch{};
};

bool is_answered(std::uint64_t id) {
  return id % 2 == 0;
}

class LeakyRequests final : public Service {
 public:
  [[gnu::noinline]] void begin(std::uint64_t id) { contexts_.try_emplace(id); }
  // The fault: a request that times out is never ended.
  void operate(std::uint64_t id) override {
    begin(id);
    if (is_answered(id)) contexts_.erase(id);
  }

 private:
  std::map<std::uint64_t, RequestContext> contexts_;
};

class TidyRequests final : public Service {
 public:
  [[gnu::noinline]] void begin(std::uint64_t id) { contexts_.try_emplace(id); }
  // The repair: a request ends, however it ends.
  void operate(std::uint64_t id) override {
    begin(id);
    timed_out_ += is_answered(id) ? 0 : 1;
    contexts_.erase(id);
  }

 private:
  std::map<std::uint64_t, RequestContext> contexts_;
  std::uint64_t timed_out_ = 0;
};

}  // namespace

constinit const Leak map_by_request_id{
    .name = "map_by_request_id",
    .sentence = "contexts of requests are kept by id, and those of requests that time out are not erased",
    .kind = LeakKind::reachable,
    .place = {"Requests::begin"},
    .operations = 4'000,
    .bytes_per_operation = (sizeof(RequestContext) + 40) / 2,  // with the node of the tree; of every second request
    .make = fault_or_repair<LeakyRequests, TidyRequests>,
};

}  // namespace plateau::leakdemo
