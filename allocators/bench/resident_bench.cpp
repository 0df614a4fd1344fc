#include "allocators/bench/resident_bench.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory_resource>
#include <random>
#include <system_error>
#include <thread>

#include <boost/pool/pool.hpp>

#include "allocators/bench/malloc_library.hpp"
#include "allocators/page_resource.hpp"
#include "allocators/pool.hpp"
#include "allocators/process_memory.hpp"

namespace plateau::bench {
namespace {

constexpr std::size_t block_bytes = 256;
constexpr std::size_t blocks = (std::size_t{64} << 20) / block_bytes;

template <class Take, class Give>
std::array<std::uint64_t, 3> burst(Take take, Give give) {
  std::vector<void*> taken(blocks, nullptr);
  std::fill(taken.begin(), taken.end(), &taken);  // its own pages are there before the measurement
  std::vector<void*> order = taken;
  std::mt19937 random(1);
  const std::uint64_t before = own_rss_bytes();
  const auto more = [before] {
    const std::uint64_t now = own_rss_bytes();
    return now > before ? now - before : 0;
  };
  for (void*& block : taken) std::memset(block = take(), 1, block_bytes);
  const std::uint64_t peak = more();
  std::shuffle(taken.begin(), taken.end(), random);
  for (void* const block : taken) give(block);
  const std::uint64_t freed = more();
  std::this_thread::sleep_for(std::chrono::seconds(idle_seconds));  // idleness is what is measured
  return {peak, freed, more()};
}

template <class Run>
ResidentResult in_a_child(const std::string& contestant, Run run) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    const std::array<std::uint64_t, 3> figures = run();
    const bool written = ::write(pipe[1], figures.data(), sizeof figures) == sizeof figures;
    ::_exit(written ? 0 : 1);
  }
  ::close(pipe[1]);
  std::array<std::uint64_t, 3> figures{};
  const ssize_t got = ::read(pipe[0], figures.data(), sizeof figures);
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  if (got != sizeof figures) throw std::runtime_error("the process that measured " + contestant + " failed");
  return {contestant, figures[0], figures[1], figures[2]};
}

}  // namespace

std::vector<ResidentResult> measure_resident() {
  std::vector<ResidentResult> results;
  results.push_back(in_a_child("plateau::Pool over new and delete (glibc)", [] {
    Pool pool({.block_bytes = block_bytes});
    return burst([&] { return pool.allocate_block(); }, [&](void* block) { pool.deallocate_block(block); });
  }));
  results.push_back(in_a_child("plateau::Pool over PageResource", [] {
    PageResource pages;
    Pool pool({.block_bytes = block_bytes}, &pages);
    return burst([&] { return pool.allocate_block(); }, [&](void* block) { pool.deallocate_block(block); });
  }));
  results.push_back(in_a_child("boost::pool", [] {
    boost::pool<> pool(block_bytes, 1024);
    return burst([&] { return pool.malloc(); }, [&](void* block) { pool.free(block); });
  }));
  results.push_back(in_a_child("std::pmr::unsynchronized_pool", [] {
    std::pmr::unsynchronized_pool_resource pool;
    return burst([&] { return pool.allocate(block_bytes); }, [&](void* block) { pool.deallocate(block, block_bytes); });
  }));
  for (const Malloc which : {Malloc::glibc, Malloc::jemalloc, Malloc::tcmalloc, Malloc::mimalloc}) {
    const MallocLibrary& library = malloc_library(which);
    results.push_back(in_a_child(which == Malloc::glibc ? "glibc malloc" : library.name, [&library] {
      return burst([&] { return library.allocate(block_bytes); }, [&](void* block) { library.release(block); });
    }));
  }
  return results;
}

}  // namespace plateau::bench
