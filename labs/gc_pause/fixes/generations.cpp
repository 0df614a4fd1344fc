#include "labs/gc_pause/fixes/generations.hpp"

#include <thread>
#include <utility>

namespace plateau::gc_pause {

Generation::Generation(std::pmr::memory_resource* memory, std::size_t expected_sessions)
    : allocator_(memory), sessions_(memory), by_user_(memory) {
  sessions_.reserve(expected_sessions);
  by_user_.reserve(expected_sessions);  // or a request would have to rehash it: a pause of its own
}

Session& Generation::session_of(const UserView& user, std::string_view page) {
  Session*& session = by_user_[user.id];
  if (session == nullptr) {
    session = allocator_.new_object<Session>(user, page);
    sessions_.push_back(session);
  }
  return *session;
}

const Session* Generation::find(UserId user) const {
  const auto found = by_user_.find(user);
  return found == by_user_.end() ? nullptr : found->second;
}

void Generation::take_apart(std::size_t first, std::size_t last) {
  std::pmr::polymorphic_allocator<> allocator = allocator_;
  for (std::size_t i = first; i < last; ++i) {
    Session* const session = std::exchange(sessions_[i], nullptr);
    if (session == nullptr) continue;
    while (session->newest != nullptr) {
      KeptEvent* const older = session->newest->older;
      allocator.delete_object(session->newest);
      session->newest = older;
    }
    allocator.delete_object(session);
  }
}

void Generation::take_apart_with(std::size_t threads) {
  std::vector<std::thread> helpers;
  const std::size_t count = sessions_.size();
  for (std::size_t i = 0; i < threads; ++i) {
    helpers.emplace_back([=, this] { take_apart(count * i / threads, count * (i + 1) / threads); });
  }
  for (std::thread& helper : helpers) helper.join();
}

ResidentBlocks* ResidentBlocks::instance() {
  static ResidentBlocks blocks;
  return &blocks;
}

void* ResidentBlocks::do_allocate(std::size_t bytes, std::size_t alignment) {
  constexpr std::size_t page = 4096;
  void* const block = std::pmr::new_delete_resource()->allocate(bytes, alignment);
  for (std::size_t at = 0; at < bytes; at += page) static_cast<volatile char*>(block)[at] = 0;
  return block;
}

void ResidentBlocks::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
}

void begin_generation_before(GenerationSlot& slot, std::pmr::memory_resource* heap, std::size_t expected_sessions) {
  std::pmr::polymorphic_allocator<> allocator(heap);
  slot.generation = allocator.new_object<Generation>(heap, expected_sessions);
  slot.in_arena = false;
}

void begin_generation_after(GenerationSlot& slot, std::size_t expected_sessions) {
  std::pmr::polymorphic_allocator<> allocator(&slot.arena);
  slot.generation = allocator.new_object<Generation>(&slot.arena, expected_sessions);
  slot.in_arena = true;
}

// O(objects): every one is visited and freed.
void expire_before(GenerationSlot& slot, std::pmr::memory_resource* heap) {
  std::pmr::polymorphic_allocator<> allocator(heap);
  allocator.delete_object(std::exchange(slot.generation, nullptr));
}

// O(1): nothing in it has a destructor that anybody would miss, and the blocks stay for the generation that follows.
void expire_after(GenerationSlot& slot) {
  slot.generation = nullptr;
  slot.arena.reset();
}

}  // namespace plateau::gc_pause
