// A file that is written whole or not at all.
#pragma once

#include <fstream>
#include <ostream>
#include <string>

namespace plateau {

// What is written goes to PATH.part, and takes the place of PATH at commit(): until then, and when anything goes wrong,
// as on a full disk, the old file stays as it was. A device or a pipe is written to as it is; of a symbolic link, the
// file that it leads to is replaced. Errors are std::runtime_error, "cannot write PATH: reason". Not thread-safe.
class ReplacedFile {
 public:
  explicit ReplacedFile(std::string path);
  // Without a commit: removes what was written.
  ~ReplacedFile();
  ReplacedFile(const ReplacedFile&) = delete;
  ReplacedFile& operator=(const ReplacedFile&) = delete;

  std::ostream& stream() { return out_; }
  void commit();

  // Throws when nothing can be written there; leaves an existing file alone. For before the work is done.
  static void check(const std::string& path);

 private:
  const std::string path_;  // as it was given
  std::string target_;
  std::string written_;
  std::ofstream out_;
  bool committed_ = false;
};

}  // namespace plateau
