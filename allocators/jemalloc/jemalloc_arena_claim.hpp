// Internal: lets a purge and the end of an explicit jemalloc arena not meet. jemalloc itself does not:
// `arena.<i>.purge` lets go of its lock before it works on the arena (src/ctl.c, arena_i_decay), so a destroy in
// between frees the arena under its feet.
#pragma once

namespace plateau {

// Called by the owner of an explicit arena: after it was made, and before it is destroyed. The second waits for a purge
// of this very arena that is under way. Neither allocates; the first may throw std::bad_alloc at its first call.
void arena_made(unsigned index);
void arena_ends(unsigned index) noexcept;

// Announced, not ended, and purged by nobody just now; only a claim makes that last.
bool arena_may_be_purged(unsigned index) noexcept;

// Never announced: jemalloc's own, or one that the program made itself.
bool arena_is_unannounced(unsigned index) noexcept;

// While it holds, the arena is not destroyed. Holds for no arena that was not announced, or that another thread purges.
class ArenaClaim {
 public:
  explicit ArenaClaim(unsigned index) noexcept;
  ~ArenaClaim();
  ArenaClaim(const ArenaClaim&) = delete;
  ArenaClaim& operator=(const ArenaClaim&) = delete;
  bool holds() const { return holds_; }

 private:
  unsigned index_;
  bool holds_;
};

}  // namespace plateau
