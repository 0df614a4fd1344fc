#include "tests/allocators/operation_program.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/arena.hpp"
#include "allocators/concurrent_pool.hpp"
#include "allocators/pool.hpp"
#include "allocators/recycler.hpp"
#include "tests/allocators/watched_upstream.hpp"

namespace plateau {
namespace {

void require(bool holds, const char* property) {
  if (!holds) throw std::logic_error(property);
}

// The program counter; zeros beyond the end.
class Program {
 public:
  explicit Program(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  bool ended() const { return at_ >= bytes_.size(); }
  std::size_t byte() { return ended() ? 0 : bytes_[at_++]; }
  std::size_t below(std::size_t bound) { return (byte() << 8 | byte()) % bound; }
  // Small sizes mostly, some large, zero at times.
  std::size_t size() {
    const std::size_t kind = byte();
    if (kind < 200) return kind;
    if (kind < 250) return below(4096);
    return below(200'000);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

// A block that was handed out, filled with a byte of its own.
struct Filled {
  std::byte* begin;
  std::size_t bytes;
  std::byte filling;

  Filled(void* block, std::size_t size, std::size_t number)
      : begin(static_cast<std::byte*>(block)), bytes(size), filling(static_cast<std::byte>(number)) {
    std::fill_n(begin, bytes, filling);
  }
  void check() const {
    require(std::all_of(begin, begin + bytes, [this](std::byte b) { return b == filling; }), "a block was overwritten");
  }
};

// An arena, what it has handed out, and the marks that are still good.
class WatchedArena {
 public:
  WatchedArena(ArenaOptions options, WatchedUpstream& upstream, std::span<std::byte> buffer)
      : upstream_(upstream), buffer_(buffer), limit_(options.allocation_limit) {
    arena_ = buffer.empty() ? std::make_unique<Arena>(options, &upstream)
                            : std::make_unique<Arena>(buffer, options, &upstream);
  }
  ~WatchedArena() {
    expect_destructions(0);
    arena_.reset();
  }
  WatchedArena(const WatchedArena&) = delete;
  WatchedArena& operator=(const WatchedArena&) = delete;

  void allocate(std::size_t bytes, std::size_t alignment, bool may_throw) {
    const ArenaStatistics before = arena_->statistics();
    void* block = nullptr;
    if (may_throw) {
      try {
        // The virtual path has code of its own: every other block takes it.
        std::pmr::memory_resource& resource = *arena_;
        block = blocks_.size() % 2 == 0 ? arena_->allocate(bytes, alignment) : resource.allocate(bytes, alignment);
        require(block != nullptr, "allocate returned null");
      } catch (const std::bad_alloc&) {
      }
    } else {
      block = arena_->try_allocate(bytes, alignment);
    }
    if (block == nullptr) {
      require(arena_->statistics().reserved_bytes == before.reserved_bytes, "a failure changed what is reserved");
      require(arena_->statistics().used_bytes == before.used_bytes, "a failure changed what is used");
      return;
    }
    require(reinterpret_cast<std::uintptr_t>(block) % alignment == 0, "a block is not aligned");
    require(contains(block, bytes), "a block lies outside upstream's");
    blocks_.emplace_back(block, bytes, blocks_.size());
    requested_ += bytes;
  }

  // An object with a destructor: it reports its number when it dies.
  void create(std::size_t count) {
    struct Reporter {
      WatchedArena* watcher = nullptr;
      std::size_t number = 0;
      Reporter() = default;
      Reporter(WatchedArena* w, std::size_t n) : watcher(w), number(n) {}
      ~Reporter() {
        if (watcher != nullptr) watcher->report(number);
      }
    };
    try {
      if (count == 1) {
        arena_->create<Reporter>(this, objects_);
        ++objects_;
        return;
      }
      const auto reporters = arena_->create_array<Reporter>(count);
      for (Reporter& reporter : reporters) {
        reporter.watcher = this;
        reporter.number = objects_++;
      }
    } catch (const std::bad_alloc&) {
    }
  }

  void mark() { marks_.push_back({arena_->mark(), blocks_.size(), requested_, objects_}); }

  void rewind(std::size_t choice) {
    if (marks_.empty()) return;
    const Marked marked = marks_[choice % marks_.size()];
    marks_.resize(choice % marks_.size());
    check_blocks();
    expect_destructions(marked.objects);
    arena_->rewind(marked.mark);
    require(objects_ == marked.objects, "rewind left objects alive");
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(marked.blocks), blocks_.end());
    requested_ = marked.requested;
  }

  void clear(bool release) {
    check_blocks();
    expect_destructions(0);
    release ? arena_->release() : arena_->reset();
    require(objects_ == 0, "reset left objects alive");
    blocks_.clear();
    marks_.clear();
    requested_ = 0;
    require(arena_->statistics().used_bytes == 0, "something is used after a reset");
    if (release) {
      require(arena_->statistics().reserved_bytes == buffer_reserved(), "something is reserved after a release");
    }
  }

  // Objects of `other` report to it, so they must be gone first.
  void splice(WatchedArena& other) {
    if (other.objects_ > 0) other.clear(false);
    try {
      arena_->splice(*other.arena_);
    } catch (const std::bad_alloc&) {
      require(limit_ != SIZE_MAX, "splice failed without a limit");
      return;
    } catch (const std::invalid_argument&) {
      require(!other.buffer_.empty(), "splice was refused");
      return;
    }
    blocks_.insert(blocks_.end(), other.blocks_.begin(), other.blocks_.end());
    requested_ += std::exchange(other.requested_, 0);
    other.blocks_.clear();
    other.marks_.clear();
    require(other.arena_->statistics().reserved_bytes == 0, "splice left something behind");
  }

  void check() const {
    const ArenaStatistics now = arena_->statistics();
    require(now.used_bytes >= requested_, "used_bytes is less than was asked for");
    require(now.used_bytes + now.wasted_bytes <= now.reserved_bytes, "statistics do not add up");
    require(now.high_water_bytes >= now.used_bytes, "high water is below the present use");
    require(now.reserved_bytes <= std::max(limit_, buffer_reserved()), "the limit was passed");
  }
  std::size_t taken_bytes() const { return arena_->statistics().reserved_bytes - buffer_reserved(); }

 private:
  struct Marked {
    Arena::Mark mark;
    std::size_t blocks;
    std::size_t requested;
    std::size_t objects;
  };

  bool contains(const void* block, std::size_t bytes) const {
    const auto* const begin = static_cast<const std::byte*>(block);
    if (!buffer_.empty() && begin >= buffer_.data() && begin < buffer_.data() + buffer_.size()) {
      return begin + bytes <= buffer_.data() + buffer_.size();
    }
    return upstream_.holds(block, bytes);
  }
  // Statistics of a fresh arena over the same buffer say how much of it can be used.
  std::size_t buffer_reserved() const {
    return buffer_.empty() ? 0 : buffer_.size() - buffer_.size() % alignof(std::max_align_t);
  }
  void check_blocks() const {
    for (const Filled& block : blocks_) block.check();
  }
  void expect_destructions(std::size_t down_to) { down_to_ = down_to; }
  void report(std::size_t number) {
    if (objects_ == down_to_ || number != objects_ - 1) std::terminate();  // out of order, or once too often
    --objects_;
  }

  WatchedUpstream& upstream_;
  std::span<std::byte> buffer_;
  std::size_t limit_;
  std::unique_ptr<Arena> arena_;
  std::vector<Filled> blocks_;
  std::vector<Marked> marks_;
  std::size_t requested_ = 0;
  std::size_t objects_ = 0;  // alive, numbered from 0
  std::size_t down_to_ = 0;
};

enum class Order { forward, reverse, random };

// Blocks of a pool that are out, each with its filling, given back in one of three orders.
template <class AnyPool>
class WatchedBlocks {
 public:
  WatchedBlocks(AnyPool& pool, std::size_t alignment, const WatchedUpstream& upstream)
      : pool_(pool), alignment_(alignment), upstream_(upstream) {}

  void take(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      void* block = nullptr;
      try {
        block = pool_.allocate_block();
      } catch (const std::bad_alloc&) {
        return;
      }
      require(reinterpret_cast<std::uintptr_t>(block) % alignment_ == 0, "a block is not aligned");
      require(upstream_.holds(block, pool_.block_bytes()), "a block lies outside upstream's");
      require(out_.insert(block).second, "a live block was handed out again");
      blocks_.emplace_back(block, pool_.block_bytes(), numbered_++);
    }
  }

  void give_back(std::size_t count, Order order, Program& program) {
    for (count = std::min(count, blocks_.size()); count > 0; --count) {
      const std::size_t at = order == Order::forward   ? 0
                             : order == Order::reverse ? blocks_.size() - 1
                                                       : program.below(blocks_.size());
      const Filled block = blocks_[at];
      blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(at));
      block.check();
      out_.erase(block.begin);
      pool_.deallocate_block(block.begin);
    }
  }
  std::size_t size() const { return blocks_.size(); }
  std::size_t slabs_in_use(std::size_t slab_bytes) const {
    std::set<std::uintptr_t> slabs;
    for (const void* const block : out_) slabs.insert(reinterpret_cast<std::uintptr_t>(block) / slab_bytes);
    return slabs.size();
  }

 private:
  AnyPool& pool_;
  std::size_t alignment_;
  const WatchedUpstream& upstream_;
  std::vector<Filled> blocks_;
  std::set<void*> out_;
  std::size_t numbered_ = 0;
};

PoolOptions pool_options(Program& program) {
  PoolOptions options;
  options.block_bytes = 1 + program.below(600);
  options.block_alignment = std::size_t{8} << program.byte() % 4;
  options.slab_bytes = std::size_t{8192} << program.byte() % 4;
  options.retain_bytes = program.byte() % 4 * 40'000;
  return options;
}

Order order_of(std::size_t number) {
  return number % 3 == 0 ? Order::forward : number % 3 == 1 ? Order::reverse : Order::random;
}

}  // namespace

void run_arena_program(std::span<const std::uint8_t> bytes) {
  Program program(bytes);
  WatchedUpstream upstream;
  {
    const auto options = [&program] {
      ArenaOptions chosen;
      chosen.block_bytes = 64 + program.below(4096);
      chosen.max_block_bytes = program.byte() % 2 == 0 ? 0 : 16384;
      chosen.retain_bytes = program.byte() % 3 == 0 ? SIZE_MAX : program.below(20000);
      if (program.byte() % 4 == 0) chosen.allocation_limit = 4096 + program.below(60000);
      return chosen;
    };
    alignas(std::max_align_t) std::array<std::byte, 1024> buffer;
    const bool with_buffer = program.byte() % 2 == 0;
    const ArenaOptions first_options = options();
    std::array<WatchedArena, 2> arenas{
        {{first_options, upstream, with_buffer ? std::span(buffer) : std::span<std::byte>()},
         {options(), upstream, {}}}};
    while (!program.ended()) {
      const std::size_t operation = program.byte();
      WatchedArena& arena = arenas[operation / 128];
      switch (operation % 16) {
        case 8:
          arena.create(1 + program.byte() % 4);
          break;
        case 9:
          arena.mark();
          break;
        case 10:
          arena.rewind(program.byte());
          break;
        case 11:
          arena.clear(false);
          break;
        case 12:
          arena.clear(program.byte() % 4 == 0);
          break;
        case 13:
          arena.splice(arenas[1 - operation / 128]);
          break;
        case 14:
          upstream.fail_at = upstream.takes + program.byte() % 3;
          break;
        default:
          arena.allocate(program.size(), std::size_t{1} << program.byte() % 10, operation % 2 == 0);
      }
      for (const WatchedArena& each : arenas) each.check();
      require(arenas[0].taken_bytes() + arenas[1].taken_bytes() == upstream.live_bytes,
              "reserved_bytes is not what upstream has out");
    }
  }
  require(upstream.live_bytes == 0, "an arena left blocks with upstream");
}

void run_pool_program(std::span<const std::uint8_t> bytes) {
  Program program(bytes);
  const PoolOptions options = pool_options(program);
  WatchedUpstream upstream;
  {
    Pool pool(options, &upstream);
    WatchedBlocks blocks(pool, options.block_alignment, upstream);
    while (!program.ended()) {
      const std::size_t operation = program.byte();
      switch (operation % 8) {
        case 0:
        case 1:
        case 2:
          blocks.take(program.byte() % 8 == 0 ? program.below(600) : program.byte() % 16);
          break;
        case 6:
          upstream.fail_at = upstream.takes + program.byte() % 2;
          break;
        case 7:
          if (program.byte() % 8 == 0) pool.release_unused();
          break;
        default:
          blocks.give_back(program.byte() % 8 == 0 ? program.below(600) : program.byte() % 16, order_of(program.byte()),
                           program);
      }
      const PoolStatistics now = pool.statistics();
      require(now.live_blocks == blocks.size(), "live_blocks is not what is out");
      require(now.reserved_bytes == upstream.live_bytes, "reserved_bytes is not what upstream has out");
      require(now.reserved_blocks >= now.live_blocks, "more blocks live than fit");
      require(now.peak_reserved_bytes >= now.reserved_bytes, "the peak is below the present");
      const std::size_t unused = upstream.live_bytes - blocks.slabs_in_use(options.slab_bytes) * options.slab_bytes;
      require(unused <= options.retain_bytes + options.slab_bytes, "more is retained than may be");
    }
    blocks.give_back(blocks.size(), order_of(bytes.size()), program);
    require(upstream.live_bytes <= options.retain_bytes + options.slab_bytes, "more is retained than may be");
    pool.release_unused();
    require(pool.statistics().reserved_bytes == 0, "release_unused kept a slab of an empty pool");
  }
  require(upstream.live_bytes == 0, "a pool left slabs with upstream");
}

void run_concurrent_pool_program(std::span<const std::uint8_t> bytes) {
  Program program(bytes);
  const PoolOptions options = pool_options(program);
  WatchedUpstream upstream;
  {
    ConcurrentPool pool(options, &upstream);
    WatchedBlocks blocks(pool, options.block_alignment, upstream);
    while (!program.ended()) {
      const std::size_t operation = program.byte();
      // Some operations run on another thread, which then ends.
      const auto run = [&](auto action) {
        if (operation < 64) {
          std::thread(action).join();
        } else {
          action();
        }
      };
      switch (operation % 4) {
        case 0:
          run([&] { blocks.take(program.below(200)); });
          break;
        case 3:
          run([&] { pool.release_unused(); });
          break;
        default:
          run([&] { blocks.give_back(program.below(200), order_of(program.byte()), program); });
      }
      require(pool.statistics().reserved_bytes == upstream.live_bytes, "reserved_bytes is not what upstream has out");
      require(pool.statistics().shards <= 2, "more shards than threads at the same time");
    }
    blocks.give_back(blocks.size(), order_of(bytes.size()), program);
    pool.release_unused();
    require(upstream.live_bytes == 0, "release_unused kept a slab of an empty pool");
  }
  require(upstream.live_bytes == 0, "a pool left slabs with upstream");
}

void run_recycler_program(std::span<const std::uint8_t> bytes) {
  Program program(bytes);
  RecyclerOptions options;
  options.max_idle = program.below(100);
  options.max_idle_bytes = program.below(65536);
  options.max_object_bytes = program.below(4096);
  using Buffers = Recycler<std::string>;
  std::vector<Buffers::Handle> handles;
  {
    Buffers recycler(options);
    std::set<const std::string*> out;
    while (!program.ended()) {
      const std::size_t operation = program.byte();
      switch (operation % 8) {
        case 0:
        case 1:
        case 2:
          for (std::size_t i = program.byte() % 32; i > 0; --i) {
            Buffers::Handle handle = recycler.get();
            require(handle->empty(), "an object was not reset");
            require(out.insert(handle.get()).second, "an object was handed out twice");
            handle->append(program.size() % 6000, 'x');
            handles.push_back(std::move(handle));
          }
          break;
        case 6:
          recycler.advance_epoch();
          break;
        case 7:
          if (program.byte() % 4 == 0) recycler.trim(program.below(10000));
          break;
        default: {
          std::vector<Buffers::Handle> ending;
          for (std::size_t i = std::min(program.byte() % 32, handles.size()); i > 0; --i) {
            std::swap(handles[program.below(handles.size())], handles.back());
            out.erase(handles.back().get());
            ending.push_back(std::move(handles.back()));
            handles.pop_back();
          }
          // Some objects come back on another thread, which then ends.
          if (operation < 32) {
            std::thread([&ending] { ending.clear(); }).join();
          }
        }
      }
      const RecyclerStatistics now = recycler.statistics();
      require(now.idle <= options.max_idle, "more objects are idle than may be");
      require(now.idle_bytes <= options.max_idle_bytes, "more bytes are idle than may be");
      require(now.made == now.dropped + now.idle + handles.size(), "an object was lost");
    }
    recycler.trim();
  }
  handles.clear();  // they outlive the recycler
}

}  // namespace plateau
