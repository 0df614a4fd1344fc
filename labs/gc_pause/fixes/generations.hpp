// The fix `generations`: sessions and their events, kept until they expire together. Before: every object on the
// general heap, taken apart one by one. After: all in an arena of the generation, which is dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "allocators/arena.hpp"
#include "labs/gc_pause/fixes/values.hpp"
#include "labs/gc_pause/request.hpp"

namespace plateau::gc_pause {

struct KeptEvent {
  using allocator_type = std::pmr::polymorphic_allocator<>;
  explicit KeptEvent(const allocator_type& allocator) : name(allocator), attributes(allocator) {}

  KeptEvent* older = nullptr;
  std::uint64_t time_us = 0;
  std::pmr::string name;
  std::pmr::map<std::pmr::string, std::pmr::string> attributes;
};

struct Session {
  using allocator_type = std::pmr::polymorphic_allocator<>;
  Session(const UserView& user, std::string_view rendered, const allocator_type& allocator)
      : id(user.id), email(user.email, allocator), page(rendered, allocator) {}

  UserId id;
  std::pmr::string email;
  std::pmr::string page;  // as it was rendered last
  KeptEvent* newest = nullptr;
};

// Not thread-safe. All that it holds comes from the memory that it is given.
class Generation {
 public:
  Generation(std::pmr::memory_resource* memory, std::size_t expected_sessions);
  ~Generation() { take_apart(); }
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // `page` is for a session that is not there yet.
  Session& session_of(const UserView& user, std::string_view page);
  const Session* find(UserId user) const;

  // Keeps a copy of either kind of event.
  template <class Event>
  void keep(Session& session, const Event& event) {
    KeptEvent* const kept = allocator_.new_object<KeptEvent>();
    kept->time_us = event.time_us;
    kept->name = event.name;
    for (const auto& [key, value] : event.attributes) kept->attributes.emplace(key, value);
    kept->older = session.newest;
    session.newest = kept;
  }

  std::size_t sessions() const { return sessions_.size(); }
  // Frees every object: a free for each event, each node of its map, each long string.
  void take_apart() { take_apart(0, sessions_.size()); }
  // The same, by so many threads at once.
  void take_apart_with(std::size_t threads);

 private:
  void take_apart(std::size_t first, std::size_t last);

  std::pmr::polymorphic_allocator<> allocator_;
  std::pmr::vector<Session*> sessions_;
  std::pmr::unordered_map<UserId, Session*> by_user_;
};

// Blocks from the general heap, their pages faulted in at once: where in a block one generation left a gap, another has
// data, and a request would have to wait for those pages. Thread-safe, stateless.
class ResidentBlocks final : public std::pmr::memory_resource {
 public:
  static ResidentBlocks* instance();

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

// The place of one live generation in a lane.
struct GenerationSlot {
  // What a generation had is kept for the one that follows.
  Arena arena{{.block_bytes = arena_block_bytes, .max_block_bytes = arena_block_bytes}, ResidentBlocks::instance()};
  Generation* generation = nullptr;
  bool in_arena = false;  // it was begun with the fix
};

void begin_generation_before(GenerationSlot& slot, std::pmr::memory_resource* heap, std::size_t expected_sessions);
void begin_generation_after(GenerationSlot& slot, std::size_t expected_sessions);

void expire_before(GenerationSlot& slot, std::pmr::memory_resource* heap);
void expire_after(GenerationSlot& slot);

}  // namespace plateau::gc_pause
