// A unix socket that listens, and its file.
#pragma once

#include <sys/types.h>

#include <string>

#include "allocators/system/descriptor.hpp"

namespace plateau {

class UnixSocketFile {
 public:
  // Listens at `path`, as far as the umask lets others connect. The file of a socket that nobody listens on any more is
  // replaced; one that is in use, or that is no socket, is left alone. Throws std::system_error: EADDRINUSE, or why
  // not.
  explicit UnixSocketFile(const std::string& path);
  // Removes the file, in the process that made it and when it is still the same.
  ~UnixSocketFile();
  UnixSocketFile(const UnixSocketFile&) = delete;
  UnixSocketFile& operator=(const UnixSocketFile&) = delete;

  // Passes the listening socket on.
  int release() { return socket_.release(); }

 private:
  void listen_at(const std::string& path);

  // The folder, so that the file is found after a chroot, too.
  Descriptor folder_;
  std::string name_;
  Descriptor socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t process_ = -1;
};

}  // namespace plateau
