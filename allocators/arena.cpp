#include "allocators/arena.hpp"

#include <algorithm>
#include <new>

namespace plateau {

Arena::Arena(ArenaOptions options, std::pmr::memory_resource* upstream) : options_(options), upstream_(upstream) {
  options_.block_bytes = std::max(options_.block_bytes, sizeof(Block) + alignof(std::max_align_t));
}

std::size_t Arena::used() const {
  const std::size_t in_current = current_ != nullptr ? static_cast<std::size_t>(next_ - current_->begin()) : 0;
  return used_before_ + in_current;
}

ArenaStatistics Arena::statistics() const {
  return {used(), reserved_, blocks_, std::max(high_water_, used()), resets_};
}

void* Arena::allocate_slowly(std::size_t bytes, std::size_t alignment) {
  // An address from upstream is aligned to max_align_t, so a larger alignment may cost up to `alignment` bytes more.
  const std::size_t padding = alignment > alignof(std::max_align_t) ? alignment : 0;
  if (bytes > SIZE_MAX - padding - sizeof(Block)) throw std::bad_alloc();
  if (bytes + padding > options_.block_bytes - sizeof(Block)) return allocate_oversized(bytes, alignment);

  Block* block = current_ != nullptr ? current_->next : first_;
  if (block == nullptr) {
    block = take_block(options_.block_bytes);
    (current_ != nullptr ? current_->next : first_) = block;
  }
  enter(block);
  return allocate(bytes, alignment);
}

void* Arena::allocate_oversized(std::size_t bytes, std::size_t alignment) {
  const std::size_t padding = alignment > alignof(std::max_align_t) ? alignment : 0;
  Block* const block = take_block(sizeof(Block) + bytes + padding);
  block->next = oversized_;
  oversized_ = block;
  used_before_ += block->bytes - sizeof(Block);
  const std::size_t gap = (0 - reinterpret_cast<std::uintptr_t>(block->begin())) & (alignment - 1);
  unpoison(block->begin() + gap, bytes);
  return block->begin() + gap;
}

Arena::Block* Arena::take_block(std::size_t bytes) {
  auto* const block = ::new (upstream_->allocate(bytes, alignof(std::max_align_t))) Block{nullptr, bytes};
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
    upstream_->deallocate(list, bytes, alignof(std::max_align_t));
    list = next;
  }
}

void Arena::enter(Block* block) {
  if (current_ != nullptr) used_before_ += static_cast<std::size_t>(next_ - current_->begin());
  current_ = block;
  next_ = block->begin();
  end_ = block->end();
}

void Arena::reset() noexcept {
  high_water_ = std::max(high_water_, used());
  ++resets_;
  give_back(oversized_);
  oversized_ = nullptr;

  std::size_t kept = 0;
  Block** link = &first_;
  while (*link != nullptr && kept + (*link)->bytes <= options_.retain_bytes) {
    kept += (*link)->bytes;
    poison((*link)->begin(), (*link)->bytes - sizeof(Block));
    link = &(*link)->next;
  }
  give_back(*link);
  *link = nullptr;

  current_ = nullptr;
  next_ = end_ = nullptr;
  used_before_ = 0;
}

void Arena::release() noexcept {
  const std::size_t retain = options_.retain_bytes;
  options_.retain_bytes = 0;
  reset();
  options_.retain_bytes = retain;
}

}  // namespace plateau
