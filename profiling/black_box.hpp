// Keeps heap profiles on the way to the memory limit, so that after the kernel's kill the evidence is on disk.
//
//   plateau::BlackBox black_box({.directory = "/var/tmp/orders"});
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace plateau {

struct BlackBoxOptions {
  std::filesystem::path directory;  // made when it is not there
  std::string name = "black-box";   // files are NAME-1.pb.gz, NAME-2.pb.gz, … ; those of an earlier run are removed
  std::size_t keep = 3;             // profiles: the last ones
  double begin = 0.7;               // of the limit: the first profile is taken when so much is in use
  // The next ones each time the room that is left has shrunk to so much of what it was at the one before.
  double shrink = 0.75;
  // Resident bytes. Empty: the limit that the kernel holds, see MemoryHeadroom.
  std::optional<std::uint64_t> limit_bytes = std::nullopt;
  // Touched in advance, and given up while a profile is written, so that what the writer takes does not bring the end
  // nearer. 0: none.
  std::size_t reserve_bytes = std::size_t{32} << 20;
  // False: profiles stay in the allocator's own text, NAME-1.heap, which needs no memory to write; heap2pprof converts.
  bool symbolize = true;
};

// Watches on a thread of its own, and writes there: at each step first the allocator's own text, for which jemalloc and
// the sampler need no memory, and then, with symbols, the .pb.gz in its place. If the kernel kills in between, the text
// is there.
//
// It looks every 10 ms near the limit and every 50 ms elsewhere, and at once when the kernel tells of memory: with
// cgroup v1 by an event at the next step itself, with v2 by memory.events and by the group's memory.pressure (see
// MemoryEvents). Under another limit, where those files may not be used, and under gperftools' tcmalloc (whose thread
// cannot have descriptors of its own), it only looks.
//
// With `symbolize` the program's debug information is read beforehand, which may take a second and some ten MB; threads
// of the program wait only while the allocator dumps. Not thread-safe. A forked child has no such thread.
class BlackBox {
 public:
  // Throws std::runtime_error, in one line, when no heap profile or no limit can be had, or the directory cannot be
  // written.
  explicit BlackBox(BlackBoxOptions options);
  // Waits for at most 50 ms, or for the profile that is just being written. In a forked child: does nothing.
  ~BlackBox();
  BlackBox(const BlackBox&) = delete;
  BlackBox& operator=(const BlackBox&) = delete;

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace plateau
