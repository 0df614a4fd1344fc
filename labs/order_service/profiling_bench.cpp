// What heap profiling costs an order, measured within one process: slices of orders take turns with the profiler on and
// off, so that what else the machine does falls on both alike. See bench-profiling.sh, which chooses the allocator and
// its profiler.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "allocators/pool.hpp"
#include "allocators/synchronized_resource.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "allocators/system/number_text.hpp"
#include "labs/order_service/downstream.hpp"
#include "labs/order_service/generated_orders.hpp"
#include "labs/order_service/lane.hpp"
#include "labs/order_service/store.hpp"
#include "profiling/heap_profiler.hpp"

namespace plateau::order_service {
namespace {

constexpr int warm_up_groups = 5;
constexpr const char* dump_prefix = "";  // for gperftools, which is not measured here

// Gives the service's end. The other end is served by a process of its own, until this one ends.
int connect_downstream() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make a socket pair");
  }
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
  if (child == 0) {
    ::close(ends[0]);
    serve_downstream(std::span(&ends[1], 1));
    ::_exit(0);
  }
  ::close(ends[1]);
  return ends[0];
}

void demand(const ProfileReply& reply) {
  if (!reply.done) throw std::runtime_error(reply.reason);
}

class Slices {
 public:
  Slices(Lane& lane, std::uint64_t orders) : lane_(lane), orders_(orders) {}

  // CPU seconds of a slice, all threads of the process, the batch's end included.
  double run(bool profiled) {
    if (profiled != profiled_) demand(profiled ? HeapProfiler::start(dump_prefix) : HeapProfiler::stop());
    profiled_ = profiled;
    const auto begin = process_cpu_time();
    for (std::uint64_t i = 0; i < orders_; ++i) lane_.handle(next_++);
    lane_.settle();
    return in_seconds(process_cpu_time() - begin);
  }

 private:
  Lane& lane_;
  const std::uint64_t orders_;
  std::uint64_t next_ = 0;
  bool profiled_ = false;
};

// on, off, off, on; then off, on, on, off: neither is always first.
void measure(Slices& slices, std::uint64_t orders, int groups) {
  double off_seconds = 0;
  double sum = 0;
  double squares = 0;
  for (int group = -warm_up_groups; group < groups; ++group) {
    const bool first = group % 2 == 0;
    std::array<double, 2> seconds{};
    for (const bool profiled : {first, !first, !first, first}) seconds[profiled ? 1 : 0] += slices.run(profiled);
    if (group < 0) continue;
    const double percent = 100 * (seconds[1] / seconds[0] - 1);
    off_seconds += seconds[0];
    sum += percent;
    squares += percent * percent;
  }
  const double mean = sum / groups;
  const double error = std::sqrt((squares / groups - mean * mean) / (groups - 1));
  fmt::print("{:10.2f} us an order, profiled {:+.2f} % +- {:.2f} %\n",
             1e6 * off_seconds / (2.0 * groups * static_cast<double>(orders)), mean, error);
}

// `only` orders, and nothing of a profiler: for those who count from outside.
int run(std::string_view arm, std::optional<std::uint64_t> only) {
  const bool after = arm == "after";
  if (!after && arm != "before") {
    fmt::print(stderr, "profiling_bench: say before or after, and how many orders without a profiler, if any\n");
    return 2;
  }
  if (!only) {
    demand(HeapProfiler::available());
    demand(HeapProfiler::stop());
  }
  const int socket = connect_downstream();
  const Store store(1);
  const GeneratedOrders source(store, 1);
  BufferRecycler buffers({.max_idle = 128});
  Pool pool({.block_bytes = arena_block_bytes});
  SynchronizedResource blocks(pool);
  Pool history_pool({.block_bytes = history_block_bytes});
  SynchronizedResource history_blocks(history_pool);
  const Fixes fixes{.buffers = after, .items = after, .query = after, .outbox = after, .lifetimes = after};
  Lane lane(store, source, fixes, buffers, &blocks, &history_blocks, socket, 0);
  if (only) {
    Slices(lane, *only).run(false);
    return 0;
  }
  const std::uint64_t orders = after ? 200 : 50;  // 10 to 15 ms
  Slices slices(lane, orders);
  measure(slices, orders, after ? 500 : 250);
  return 0;
}

}  // namespace
}  // namespace plateau::order_service

int main(int argc, char** argv) {
  try {
    std::optional<std::uint64_t> only;
    if (argc == 3) {
      only = plateau::whole_number_in(argv[2]);
      if (!only) throw std::runtime_error(fmt::format("{}: give a number of orders", argv[2]));
    }
    return plateau::order_service::run(argc > 1 ? argv[1] : "", only);
  } catch (const std::exception& error) {
    fmt::print(stderr, "profiling_bench: {}\n", error.what());
    return 2;
  }
}
