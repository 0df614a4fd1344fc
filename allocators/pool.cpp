#include "allocators/pool.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <stdexcept>

namespace plateau {
namespace {

constexpr std::size_t least_slab_bytes = 64 * 1024;
constexpr std::size_t blocks_to_aim_at = 16;
// The stack of recent blocks: enough for a batch of some size to stay out of the slabs, and 8 KiB at most.
constexpr std::size_t least_recent = 16;
constexpr std::size_t most_recent = 1024;
constexpr std::size_t refill_blocks = 32;

constexpr std::size_t round_up(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

Pool::Pool(PoolOptions options, std::pmr::memory_resource* upstream)
    : retain_bytes_(options.retain_bytes), upstream_(upstream) {
  block_alignment_ = options.block_alignment;
  if (!std::has_single_bit(block_alignment_) || block_alignment_ < sizeof(void*)) {
    throw std::invalid_argument("Pool: block_alignment must be a power of two, 8 at least");
  }
  if (options.block_bytes > SIZE_MAX / 4 / blocks_to_aim_at || block_alignment_ > SIZE_MAX / 4 / blocks_to_aim_at) {
    throw std::invalid_argument("Pool: block_bytes is too large");
  }
  block_bytes_ = round_up(std::max(options.block_bytes, sizeof(void*)), block_alignment_);

  const auto offset_for = [&](std::size_t slab_bytes) {
    const std::size_t bits_bytes = (slab_bytes / block_bytes_ + 63) / 64 * sizeof(std::uint64_t);
    return round_up((header_colors - 1) * header_step + sizeof(Slab) + bits_bytes, block_alignment_);
  };
  std::size_t slab_bytes = options.slab_bytes;
  if (slab_bytes == 0) {
    slab_bytes = least_slab_bytes;
    while (offset_for(slab_bytes) + blocks_to_aim_at * block_bytes_ > slab_bytes) slab_bytes *= 2;
  }
  if (!std::has_single_bit(slab_bytes)) throw std::invalid_argument("Pool: slab_bytes must be a power of two");
  blocks_offset_ = offset_for(slab_bytes);
  if (slab_bytes < blocks_offset_ || slab_bytes - blocks_offset_ < block_bytes_) {
    throw std::invalid_argument("Pool: slab_bytes has no room for its header and one block");
  }
  slab_shift_ = static_cast<unsigned>(std::countr_zero(slab_bytes));
  blocks_per_slab_ = (slab_bytes - blocks_offset_) / block_bytes_;
  recent_capacity_ = std::clamp(retain_bytes_ / block_bytes_, least_recent, most_recent);
  recent_begin_ = std::make_unique_for_overwrite<void*[]>(recent_capacity_);
  recent_top_ = recent_begin_.get();
  set_limits();
}

Pool::~Pool() {
  while (slabs_ != nullptr) release_slab(slabs_);
}

PoolStatistics Pool::statistics() const {
  const auto recent = static_cast<std::size_t>(recent_top_ - recent_begin_.get()) + spilled_count_;
  return {taken_ - recent, block_bytes_, slab_count_ * blocks_per_slab_, slab_count_ << slab_shift_,
          peak_slabs_ << slab_shift_};
}

// While everything held may be retained, nothing needs sorting. Beyond, half of what may be retained is for slabs that
// recent blocks keep from being empty (one each at worst), half for slabs that are empty.
void Pool::set_limits() noexcept {
  const std::size_t slabs = retain_bytes_ >> slab_shift_;
  recent_end_ = recent_begin_.get() + (may_retain_all() ? recent_capacity_ : std::min(recent_capacity_, slabs / 2));
  recent_end_ = std::max(recent_end_, recent_top_);  // a stack that is over its new limit shrinks at the next overflow
  empty_limit_ = slabs - slabs / 2;
}

void* Pool::allocate_beyond_recent() {
  void** const begin = recent_begin_.get();
  if (spilled_count_ > 0) {
    const auto count = std::min(spilled_count_, half_of_stack());
    for (void** p = begin + count; p != begin;) *--p = spilled_.malloc();  // the newest on top
    spilled_count_ -= count;
    recent_top_ = begin + count - 1;
    return *recent_top_;
  }
  if (current_ == nullptr || current_->free.empty()) current_ = next_slab();
  FreeList& free = current_->free;
  void* const block = free.malloc();
  std::size_t count = 1;
  for (const auto most = std::min(refill_blocks, half_of_stack()); count < most && !free.empty(); ++count)
    *recent_top_++ = free.malloc();
  std::reverse(begin, recent_top_);
  current_->taken += count;
  taken_ += count;
  return block;
}

// The older half of the stack makes room: onto the list while all of it may be retained, else back into the slabs.
void Pool::overflow(void* block) noexcept {
  void** const begin = recent_begin_.get();
  void** const end =
      begin + std::min<std::ptrdiff_t>(recent_top_ - begin, static_cast<std::ptrdiff_t>(half_of_stack()));
  if (may_retain_all()) {
    for (void** p = begin; p != end; ++p) spilled_.free(*p);
    spilled_count_ += static_cast<std::size_t>(end - begin);
  } else {
    std::for_each(begin, end, [this](void* recent) { sort_back(recent); });
  }
  recent_top_ = std::move(end, recent_top_, begin);
  if (recent_top_ != recent_end_) {
    *recent_top_++ = block;
  } else {
    sort_back(block);
  }
  release_empty_slabs(empty_limit_);
}

// Part-used slabs come before empty ones, so that empty ones can go.
Pool::Slab* Pool::next_slab() {
  Slab* const slab = available_ != nullptr ? available_ : empty_;
  if (slab == nullptr) return take_slab();
  remove(slab);
  return slab;
}

// In builds that check, other threads look through a shard's slabs (ConcurrentPool); elsewhere this is nothing.
class Pool::SlabListLock {
 public:
  explicit SlabListLock(Pool& pool) : pool_(pool) {
    if constexpr (misuse_checks) pool_.slab_list_mutex_.lock();
  }
  ~SlabListLock() {
    if constexpr (misuse_checks) pool_.slab_list_mutex_.unlock();
  }
  SlabListLock(const SlabListLock&) = delete;
  SlabListLock& operator=(const SlabListLock&) = delete;

 private:
  Pool& pool_;
};

Pool::Slab* Pool::take_slab() {
  const std::size_t slab_bytes = std::size_t{1} << slab_shift_;
  auto* const begin = static_cast<std::byte*>(upstream_->allocate(slab_bytes, slab_bytes));
  auto* const slab = ::new (slab_of(begin, slab_shift_)) Slab;
  slab->owner = owner_;
  slab->begin = begin;
  slab->free.add_block(first_block(slab), blocks_per_slab_ * block_bytes_, block_bytes_);
  if constexpr (misuse_checks) std::fill_n(slab->live_bits(), (blocks_per_slab_ + 63) / 64, 0);
  if constexpr (address_sanitizer) {
    for (std::size_t i = 0; i < blocks_per_slab_; ++i)
      poison(first_block(slab) + i * block_bytes_ + sizeof(void*), block_bytes_ - sizeof(void*));
  }
  {
    const SlabListLock lock(*this);
    slab->next_of_all = slabs_;
    if (slabs_ != nullptr) slabs_->previous_of_all = slab;
    slabs_ = slab;
  }
  ++slab_count_;
  peak_slabs_ = std::max(peak_slabs_, slab_count_);
  set_limits();
  return slab;
}

void Pool::release_slab(Slab* slab) noexcept {
  remove(slab);
  if (slab == current_) current_ = nullptr;
  {
    const SlabListLock lock(*this);
    (slab->previous_of_all != nullptr ? slab->previous_of_all->next_of_all : slabs_) = slab->next_of_all;
    if (slab->next_of_all != nullptr) slab->next_of_all->previous_of_all = slab->previous_of_all;
  }
  const std::size_t slab_bytes = std::size_t{1} << slab_shift_;
  std::byte* const begin = slab->begin;
  unpoison(begin, slab_bytes);
  upstream_->deallocate(begin, slab_bytes, slab_bytes);
  --slab_count_;
  set_limits();
}

void Pool::put(Slab* slab, Place place) noexcept {
  Slab*& head = list(place);
  slab->place = place;
  slab->previous = nullptr;
  slab->next = head;
  if (head != nullptr) head->previous = slab;
  head = slab;
  if (place == Place::empty) ++empty_count_;
}

void Pool::remove(Slab* slab) noexcept {
  if (slab->place == Place::none) return;
  (slab->previous != nullptr ? slab->previous->next : list(slab->place)) = slab->next;
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  if (slab->place == Place::empty) --empty_count_;
  slab->place = Place::none;
}

void Pool::sort_all_back() noexcept {
  while (recent_top_ != recent_begin_.get()) sort_back(*--recent_top_);
  for (; spilled_count_ > 0; --spilled_count_) sort_back(spilled_.malloc());
}

void Pool::sort_back(void* block) noexcept {
  Slab* const slab = slab_of(block, slab_shift_);
  slab->free.free(block);
  --taken_;
  --slab->taken;
  if (slab == current_) return;
  if (slab->taken == 0) {
    remove(slab);
    put(slab, Place::empty);
  } else if (slab->place == Place::none) {
    put(slab, Place::available);
  }
}

void Pool::release_empty_slabs(std::size_t keep) noexcept {
  while (empty_count_ > keep) release_slab(empty_);
}

std::size_t Pool::release_unused() noexcept {
  const std::size_t before = slab_count_;
  sort_all_back();
  release_empty_slabs(0);
  if (current_ != nullptr && current_->taken == 0) release_slab(current_);
  return (before - slab_count_) << slab_shift_;
}

// A foreign address need not be readable, so its slab is looked for among our own before anything of it is read.
Pool::Slab* Pool::find_slab(const void* block) noexcept {
  const SlabListLock lock(*this);
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(block) >> slab_shift_ << slab_shift_;
  Slab* slab = slabs_;
  while (slab != nullptr && reinterpret_cast<std::uintptr_t>(slab->begin) != begin) slab = slab->next_of_all;
  return slab;
}

void Pool::check_free(void* block) noexcept {
  Slab* const slab = find_slab(block);
  if (slab == nullptr || block < first_block(slab)) report_misuse("Pool: free of a block that is not this pool's");
  const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(block) - first_block(slab));
  const std::size_t index = offset / block_bytes_;
  if (offset % block_bytes_ != 0 || index >= blocks_per_slab_) report_misuse("Pool: free of an address inside a block");
  const std::uint64_t bit = std::uint64_t{1} << index % 64;
  if ((std::atomic_ref(slab->live_bits()[index / 64]).fetch_and(~bit) & bit) == 0) {
    report_misuse("Pool: double free of a block");
  }
}

void Pool::note_live(void* block) noexcept {
  Slab* const slab = slab_of(block, slab_shift_);
  const auto index = static_cast<std::size_t>(static_cast<std::byte*>(block) - first_block(slab)) / block_bytes_;
  std::atomic_ref(slab->live_bits()[index / 64]).fetch_or(std::uint64_t{1} << index % 64);
}

}  // namespace plateau
