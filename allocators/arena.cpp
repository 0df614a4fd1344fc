#include "allocators/arena.hpp"

#include <algorithm>
#include <stdexcept>

namespace plateau {
namespace {

constexpr std::size_t block_alignment = alignof(std::max_align_t);

constexpr std::size_t round_down(std::size_t bytes) {
  return bytes / block_alignment * block_alignment;
}

// Upstream's addresses are aligned to max_align_t, so a larger alignment may cost up to `alignment` bytes more.
constexpr std::size_t padding_for(std::size_t alignment) {
  return alignment > block_alignment ? alignment : 0;
}

}  // namespace

Arena::Arena(ArenaOptions options, std::pmr::memory_resource* upstream) : options_(options), upstream_(upstream) {
  options_.block_bytes = round_down(std::max(options_.block_bytes, sizeof(Block) + block_alignment));
  options_.max_block_bytes = round_down(std::max(options_.max_block_bytes, options_.block_bytes));
  next_block_bytes_ = options_.block_bytes;
}

Arena::Arena(std::span<std::byte> buffer, ArenaOptions options, std::pmr::memory_resource* upstream)
    : Arena(options, upstream) {
  void* begin = buffer.data();
  std::size_t bytes = buffer.size();
  if (std::align(block_alignment, sizeof(Block) + block_alignment, begin, bytes) == nullptr) return;
  buffer_ = first_ = last_ = ::new (begin) Block{nullptr, round_down(bytes)};
  poison(buffer_->begin(), buffer_->bytes - sizeof(Block));
  listed_bytes_ = reserved_ = buffer_->bytes;
  blocks_ = 1;
}

std::size_t Arena::used() const {
  const std::size_t in_current = current_ != nullptr ? static_cast<std::size_t>(next_ - current_->begin()) : 0;
  return used_before_ + in_current;
}

ArenaStatistics Arena::statistics() const {
  return {used(), reserved_, wasted_, blocks_, std::max(high_water_, used()), resets_};
}

void* Arena::allocate_slowly(std::size_t bytes, std::size_t alignment) {
  if (bytes == 0) return allocate(1, alignment);
  const std::size_t padding = padding_for(alignment);
  if (bytes > SIZE_MAX - padding - sizeof(Block) - block_alignment) throw std::bad_alloc();
  const std::size_t needed = sizeof(Block) + bytes + padding;
  if (needed > options_.max_block_bytes) return allocate_oversized(bytes, padding, alignment);

  // The caller's buffer stays first, even when this request is too large for it.
  Block* const behind = current_ != nullptr                             ? current_
                        : buffer_ != nullptr && buffer_->bytes < needed ? buffer_
                                                                        : nullptr;
  Block*& link = behind != nullptr ? behind->next : first_;
  if (link == nullptr || link->bytes < needed) {
    // Doubling keeps the number of blocks logarithmic; near the limit a smaller block still serves.
    std::size_t wanted = next_block_bytes_;
    while (wanted < needed) wanted = std::min(2 * wanted, options_.max_block_bytes);
    const std::size_t within_limit = options_.allocation_limit - std::min(options_.allocation_limit, reserved_);
    const std::size_t least = round_down(needed + block_alignment - 1);
    Block* const block = take_block(std::max(std::min(wanted, round_down(within_limit)), least));
    next_block_bytes_ = std::min(2 * wanted, options_.max_block_bytes);
    if (link == nullptr) last_ = block;
    block->next = link;
    link = block;
    listed_bytes_ += block->bytes;
  }
  Block* const block = link;
  if (current_ == nullptr && behind != nullptr) enter(buffer_);
  leave_current();
  enter(block);
  return allocate(bytes, alignment);
}

void* Arena::allocate_overaligned(std::size_t bytes, std::size_t alignment) {
  return allocate(bytes, alignment);
}

void* Arena::try_allocate_slowly(std::size_t bytes, std::size_t alignment) noexcept {
  try {
    return allocate_slowly(bytes, alignment);
  } catch (...) {
    return nullptr;
  }
}

void* Arena::allocate_oversized(std::size_t bytes, std::size_t padding, std::size_t alignment) {
  Block* const block = take_block(sizeof(Block) + bytes + padding);
  block->next = oversized_;
  if (oversized_ == nullptr) oldest_oversized_ = block;
  oversized_ = block;
  used_before_ += block->bytes - sizeof(Block);
  wasted_ += sizeof(Block);
  const std::size_t gap = (0 - reinterpret_cast<std::uintptr_t>(block->begin())) & (alignment - 1);
  unpoison(block->begin() + gap, bytes);
  return block->begin() + gap;
}

Arena::Block* Arena::take_block(std::size_t bytes) {
  if (reserved_ > options_.allocation_limit || bytes > options_.allocation_limit - reserved_) throw std::bad_alloc();
  auto* const block = ::new (upstream_->allocate(bytes, block_alignment)) Block{nullptr, bytes};
  poison(block->begin(), bytes - sizeof(Block));
  reserved_ += bytes;
  ++blocks_;
  return block;
}

void Arena::give_back(Block* list) noexcept {
  while (list != nullptr) {
    Block* const next = list->next;
    const std::size_t bytes = list->bytes;
    reserved_ -= bytes;
    --blocks_;
    unpoison(list, bytes);
    upstream_->deallocate(list, bytes, block_alignment);
    list = next;
  }
}

void Arena::give_back_oversized(const Block* until) noexcept {
  while (oversized_ != until) {
    Block* const block = std::exchange(oversized_, oversized_->next);
    block->next = nullptr;
    give_back(block);
  }
  if (oversized_ == nullptr) oldest_oversized_ = nullptr;
}

void Arena::run_destructors(const Destructor* until) noexcept {
  while (destructors_ != until) {
    if (misuse_checks && destructors_ == nullptr) report_misuse("Arena::rewind to a mark that an earlier rewind undid");
    Destructor* const record = std::exchange(destructors_, destructors_->next);
    record->run(record->objects, record->count);
  }
  if (destructors_ == nullptr) oldest_destructor_ = nullptr;
}

void Arena::enter(Block* block) noexcept {
  current_ = block;
  next_ = block->begin();
  end_ = block->end();
  wasted_ += sizeof(Block);
}

void Arena::leave_current() noexcept {
  if (current_ == nullptr) return;
  used_before_ += static_cast<std::size_t>(next_ - current_->begin());
  wasted_ += static_cast<std::size_t>(end_ - next_);
}

void Arena::reset() noexcept {
  forget_all(options_.retain_bytes);
}

void Arena::release() noexcept {
  forget_all(0);
}

void Arena::forget_all(std::size_t retain_bytes) noexcept {
  high_water_ = std::max(high_water_, used());
  ++resets_;
  run_destructors(nullptr);
  give_back_oversized(nullptr);

  const std::size_t buffer_bytes = buffer_ != nullptr ? buffer_->bytes : 0;
  if (listed_bytes_ - buffer_bytes > retain_bytes) {
    std::size_t kept = 0;
    Block* last_kept = buffer_;
    Block* next = buffer_ != nullptr ? buffer_->next : first_;
    while (next != nullptr && next->bytes <= retain_bytes - kept) {
      kept += next->bytes;
      last_kept = std::exchange(next, next->next);
    }
    give_back(next);
    (last_kept != nullptr ? last_kept->next : first_) = nullptr;
    last_ = last_kept;
    listed_bytes_ = kept + buffer_bytes;
    next_block_bytes_ =
        kept == 0 ? options_.block_bytes : std::clamp(2 * last_->bytes, options_.block_bytes, options_.max_block_bytes);
  }
  if constexpr (address_sanitizer) {
    for (Block* block = first_; block != nullptr; block = block->next)
      poison(block->begin(), block->bytes - sizeof(Block));
  }
  current_ = nullptr;
  next_ = end_ = nullptr;
  used_before_ = wasted_ = 0;
}

Arena::Mark Arena::mark() const {
  Mark mark;
  mark.arena_ = this;
  mark.resets_ = resets_;
  mark.current_ = current_;
  mark.next_ = next_;
  mark.oversized_ = oversized_;
  mark.destructors_ = destructors_;
  mark.used_before_ = used_before_;
  mark.wasted_ = wasted_;
  return mark;
}

void Arena::rewind(const Mark& mark) noexcept {
  if constexpr (misuse_checks) {
    if (mark.arena_ != this) report_misuse("Arena::rewind to a mark of another arena");
    if (mark.resets_ != resets_) report_misuse("Arena::rewind to a mark of before a reset");
    const auto in_block = mark.current_ != nullptr ? static_cast<std::size_t>(mark.next_ - mark.current_->begin()) : 0;
    if (mark.used_before_ + in_block > used()) report_misuse("Arena::rewind to a mark that an earlier rewind undid");
  }
  high_water_ = std::max(high_water_, used());
  run_destructors(mark.destructors_);
  give_back_oversized(mark.oversized_);
  if constexpr (address_sanitizer) {
    Block* block = mark.current_ != nullptr ? mark.current_->next : first_;
    for (; block != nullptr; block = block->next) poison(block->begin(), block->bytes - sizeof(Block));
    if (mark.current_ != nullptr) poison(mark.next_, static_cast<std::size_t>(mark.current_->end() - mark.next_));
  }
  current_ = mark.current_;
  next_ = mark.next_;
  end_ = current_ != nullptr ? current_->end() : nullptr;
  used_before_ = mark.used_before_;
  wasted_ = mark.wasted_;
}

void Arena::splice(Arena& other) {
  if (&other == this) throw std::invalid_argument("Arena::splice of an arena into itself");
  if (other.buffer_ != nullptr) throw std::invalid_argument("Arena::splice of an arena that serves from a buffer");
  if (!upstream_->is_equal(*other.upstream_)) throw std::invalid_argument("Arena::splice between different upstreams");
  if (reserved_ > options_.allocation_limit || other.reserved_ > options_.allocation_limit - reserved_) {
    throw std::bad_alloc();
  }
  other.high_water_ = std::max(other.high_water_, other.used());
  if (other.first_ != nullptr) {
    // What `other` has in use becomes the newest here; its empty blocks and ours follow, for later.
    Block** link = nullptr;
    if (other.current_ != nullptr) {
      if (current_ == nullptr && buffer_ != nullptr) enter(buffer_);
      leave_current();
      link = current_ != nullptr ? &current_->next : &first_;
      current_ = other.current_;
      next_ = other.next_;
      end_ = other.end_;
    } else {
      link = last_ != nullptr ? &last_->next : &first_;
    }
    if (*link == nullptr) last_ = other.last_;
    other.last_->next = *link;
    *link = other.first_;
  }
  if (other.oversized_ != nullptr) {
    if (oversized_ == nullptr) oldest_oversized_ = other.oldest_oversized_;
    other.oldest_oversized_->next = oversized_;
    oversized_ = other.oversized_;
  }
  if (other.destructors_ != nullptr) {
    if (destructors_ == nullptr) oldest_destructor_ = other.oldest_destructor_;
    other.oldest_destructor_->next = destructors_;
    destructors_ = other.destructors_;
  }
  used_before_ += other.used_before_;
  wasted_ += other.wasted_;
  listed_bytes_ += other.listed_bytes_;
  reserved_ += other.reserved_;
  blocks_ += other.blocks_;
  next_block_bytes_ = std::clamp(other.next_block_bytes_, next_block_bytes_, options_.max_block_bytes);
  high_water_ = std::max(high_water_, used());

  other.next_ = other.end_ = nullptr;
  other.current_ = other.first_ = other.last_ = other.oversized_ = other.oldest_oversized_ = nullptr;
  other.destructors_ = other.oldest_destructor_ = nullptr;
  other.used_before_ = other.wasted_ = other.listed_bytes_ = other.reserved_ = other.blocks_ = 0;
  other.next_block_bytes_ = other.options_.block_bytes;
  ++other.resets_;
}

}  // namespace plateau
