// The one door for writing a whole file: it is complete or, as on a full disk, the old one is still there.
#pragma once

#include <array>
#include <ostream>
#include <streambuf>
#include <string>
#include <string_view>
#include <utility>

#include "allocators/system/descriptor.hpp"

namespace plateau {

// A regular file, or one that is not there yet, is written under another name beside it (see is_unfinished) and takes
// its place at commit(), with the mode of the old one; the owner and group too where this process may give them. A
// symbolic link stays, and what it leads to is replaced. All else is written in place, since a name that is not a
// file's must not become one: devices, pipes, and the descriptors of a process (/dev/stdout, /dev/fd/N), which go on
// where they stand. Nothing is synchronised with the disk.
//
// Errors are std::runtime_error, "cannot write PATH: reason". Not thread-safe; several at a time may be for one path,
// of which the last commit() wins.
class WholeFile {
 public:
  // Throws for folders and for what this process may not write, a file that is write-protected among them.
  explicit WholeFile(std::string path);
  // Without a commit, removes what was written.
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  std::ostream& stream() { return stream_; }
  // For who writes by himself, and not to stream() as well. Of an unfinished file, and so empty, unless in_place().
  int descriptor() const { return buffer_.descriptor(); }
  bool in_place() const { return unfinished_.empty(); }

  // Throws what went wrong with anything that was written, and then the old file stays. Called once, last.
  void commit();

  // Throws when nothing can be written there; leaves an existing file alone, and does not open what is no file (the
  // reader of a pipe would see its end). For before the work is done.
  static void check(const std::string& path);

  // Whether a file called `name` is what a process that was killed left of one called `of`, in the same folder.
  static bool is_unfinished(std::string_view name, std::string_view of);

 private:
  // Writes to a descriptor, which it owns, and keeps the first error.
  class Buffer final : public std::streambuf {
   public:
    Buffer();

    void open(Descriptor descriptor) { descriptor_ = std::move(descriptor); }
    int descriptor() const { return descriptor_.get(); }
    // Returns the first error there was, an errno; 0 for none.
    int close();

   protected:
    int_type overflow(int_type character) override;
    std::streamsize xsputn(const char* text, std::streamsize bytes) override;
    int sync() override { return empty() ? 0 : -1; }

   private:
    bool empty();
    bool write(const char* text, std::size_t bytes);

    Descriptor descriptor_;
    int error_ = 0;
    std::array<char, 16 * 1024> bytes_;
  };

  const std::string path_;  // as it was given
  std::string target_;
  std::string unfinished_;
  bool committed_ = false;
  Buffer buffer_;
  std::ostream stream_{&buffer_};
};

// The same for a text that is there already.
void write_whole_file(const std::string& path, std::string_view text);

}  // namespace plateau
