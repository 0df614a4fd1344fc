// Tells files that lie in memory by their paths: those of tmpfs, and what the kernel makes there itself.
#pragma once

#include <istream>
#include <string>
#include <string_view>
#include <vector>

namespace plateau {

class MemoryFilesystems {
 public:
  // Gives those that this process has mounted; none where /proc is not there. Throws std::bad_alloc. Asks no file
  // system, of which one may not answer.
  static MemoryFilesystems own();
  // From a text in the form of /proc/PID/mountinfo, see proc(5).
  explicit MemoryFilesystems(std::istream& mountinfo);

  // Whether the file of a mapping, as /proc/PID/maps has it, lies in memory: the kernel counts its pages as shared
  // memory (RssShmem), and not as a file's.
  bool hold(std::string_view path) const;

 private:
  struct Mount {
    std::string path;
    bool in_memory = false;
  };
  std::vector<Mount> mounts_;  // the later one of two at one place hides the other
};

}  // namespace plateau
