// Code that was mapped once and is no longer: stacks that were taken in it are still in profiles.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "profiling/profile.hpp"

namespace plateau {

// Not thread-safe.
class MappingHistory {
 public:
  static constexpr std::size_t most_gone = 1000;  // older ones are forgotten

  // Takes note of code that is mapped, whether or not it is all. Names may be the ones that were asked for.
  void remember(const std::vector<Mapping>& mapped);

  // Takes all that is mapped now, and returns it followed by what is gone: "[plugin.so, unloaded]" is their code_name,
  // and their files are used where build ids agree. Where newer code has the addresses, it has the stacks as well.
  std::vector<Mapping> update(std::vector<Mapping> mapped);

  // A sentence for each file whose addresses another one has now; at most 16.
  std::vector<std::string> comments() const { return {reused_.begin(), reused_.end()}; }

 private:
  void cut_out(const Mapping& newer);

  std::vector<Mapping> known_;  // mapped at the last update, or remembered since
  std::vector<Mapping> gone_;   // the latest last; no two have an address in common
  std::set<std::string> reused_;
};

// Sets the profile's mappings: those of process_mappings(), and what was known to this process before. Thread-safe.
void set_process_mappings(Profile& profile);

// To be called before code may be unloaded. Cheap where nothing was loaded since the last time; makes no system call
// but for memory. Thread-safe; does nothing while another thread takes a profile.
void remember_linked_code() noexcept;

}  // namespace plateau
