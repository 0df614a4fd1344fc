// Processes that are served announce themselves to their user, by a file each in a folder of the user's own.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "allocators/system/descriptor.hpp"

namespace plateau {

struct AnnouncedProcess {
  pid_t process = 0;
  std::string program;
  std::string address;  // 127.0.0.1:6060, unix:/run/orders.sock
};

// Announces the calling process, for as long as it lives. The folder is the first that can be had of
//
//   $XDG_RUNTIME_DIR/plateau    where that folder is the user's
//   /run/user/UID/plateau
//   /run/plateau                root's
//   /tmp/plateau-UID
//
// and belongs to the effective user alone; where there is none, nothing is announced. Holds a descriptor, which must
// not be shared with children.
class Announcement {
 public:
  Announcement(std::string_view program, std::string_view address);
  ~Announcement();
  Announcement(const Announcement&) = delete;
  Announcement& operator=(const Announcement&) = delete;

 private:
  std::string path_;
  Descriptor file_;  // locked for as long as the process lives
  pid_t process_ = -1;
};

// Reads the environment, once for the process: before others may change it. What is below calls it, too.
void find_announcement_folders();

// The processes of the effective user that are announced in any of these folders, in order of their numbers; those of
// other containers are not among them. What a process left that is gone, or is another program by now, is removed.
std::vector<AnnouncedProcess> announced_processes();

}  // namespace plateau
