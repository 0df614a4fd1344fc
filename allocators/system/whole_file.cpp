#include "allocators/system/whole_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace plateau {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view suffix = ".part";

std::runtime_error cannot_write(const std::string& path, const std::string& reason) {
  return std::runtime_error("cannot write " + path + ": " + reason);
}

std::runtime_error cannot_write(const std::string& path, int error) {
  return cannot_write(path, std::generic_category().message(error));
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// What a path leads to.
struct Place {
  std::string file;                   // with no symbolic link left in it
  bool is_descriptor = false;         // a link of /proc/PID/fd: it leads to no name, whatever it reads as
  bool is_descriptor_of_own = false;  // and `file` ends in its number
  bool exists = false;
  struct stat status = {};

  bool in_place() const { return is_descriptor || (exists && !S_ISREG(status.st_mode)); }
  int descriptor() const { return std::atoi(file.c_str() + file.rfind('/') + 1); }
};

// Whether the folder is /proc/PID/fd or /proc/PID/task/TID/fd.
bool holds_descriptors(const fs::path& folder) {
  const std::string text = folder;
  return text.starts_with("/proc/") && folder.filename() == "fd" && is_number(folder.parent_path().filename().string());
}

bool is_of_this_process(const fs::path& folder) {
  std::error_code error;
  const fs::path own = fs::canonical("/proc/self", error);
  return !error && folder.string().starts_with(own.string() + "/");
}

Place find_place(const std::string& path) {
  constexpr int most_links = 40;  // as the kernel follows
  fs::path at = path;
  for (int links = 0; links < most_links && !at.empty(); ++links) {
    std::error_code error;
    const fs::path folder = fs::canonical(at.parent_path().empty() ? "." : at.parent_path(), error);
    if (error) throw cannot_write(path, error.message());
    Place place{.file = folder / at.filename()};
    if (holds_descriptors(folder) && is_number(at.filename().string())) {
      place.is_descriptor = true;
      place.is_descriptor_of_own = is_of_this_process(folder);
      return place;
    }
    if (::lstat(place.file.c_str(), &place.status) != 0) {
      if (errno != ENOENT || at.filename().empty()) throw cannot_write(path, errno);
      return place;
    }
    place.exists = true;
    if (S_ISDIR(place.status.st_mode)) throw cannot_write(path, "it is a folder");
    if (!S_ISLNK(place.status.st_mode)) return place;
    at = folder / fs::read_symlink(place.file, error);
    if (error) throw cannot_write(path, error.message());
  }
  throw cannot_write(path, at.empty() ? ENOENT : ELOOP);
}

// The name's own part is cut where the whole would be longer than names may be.
std::string unfinished_name(const std::string& target, int number) {
  const fs::path file(target);
  std::string end = "." + std::to_string(::getpid());
  if (number > 0) end += "-" + std::to_string(number);
  end += suffix;
  constexpr std::size_t longest_name = 255;
  return file.parent_path() / (file.filename().string().substr(0, longest_name - end.size()) + end);
}

// A file that is write-protected is not to be replaced either.
bool is_writable(const std::string& file) {
  return ::faccessat(AT_FDCWD, file.c_str(), W_OK, AT_EACCESS) == 0;
}

// Returns the descriptor of a new file, `name`, that is like the one it will replace.
Descriptor create_beside(const std::string& path, const Place& place, std::string& name) {
  if (place.exists && !is_writable(place.file)) throw cannot_write(path, errno);
  const mode_t mode = place.exists ? S_IRUSR | S_IWUSR : 0666;  // nobody else's yet, where the old one is not
  Descriptor descriptor;
  int number = 0;
  do {  // never through a link that somebody left there
    name = unfinished_name(place.file, number++);
    descriptor.reset(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  } while (!descriptor && errno == EEXIST);
  if (!place.exists) {
    if (!descriptor) throw cannot_write(path, errno);
    return descriptor;
  }
  if (!descriptor) {
    throw cannot_write(path, "no new file can be made beside it: " + std::generic_category().message(errno));
  }
  // Only root may give a file away: the group alone is tried next.
  if (::fchown(descriptor.get(), place.status.st_uid, place.status.st_gid) != 0) {
    static_cast<void>(!::fchown(descriptor.get(), static_cast<uid_t>(-1), place.status.st_gid));
  }
  ::fchmod(descriptor.get(), place.status.st_mode & 0777);
  return descriptor;
}

}  // namespace

WholeFile::Buffer::Buffer() {
  setp(bytes_.data(), bytes_.data() + bytes_.size());
}

int WholeFile::Buffer::close() {
  empty();
  if (descriptor_ && ::close(descriptor_.release()) != 0 && error_ == 0) error_ = errno;
  return error_;
}

WholeFile::Buffer::int_type WholeFile::Buffer::overflow(int_type character) {
  if (!empty()) return traits_type::eof();
  if (!traits_type::eq_int_type(character, traits_type::eof())) {
    *pptr() = traits_type::to_char_type(character);
    pbump(1);
  }
  return traits_type::not_eof(character);
}

std::streamsize WholeFile::Buffer::xsputn(const char* text, std::streamsize bytes) {
  if (bytes < epptr() - pptr()) return std::streambuf::xsputn(text, bytes);
  return empty() && write(text, static_cast<std::size_t>(bytes)) ? bytes : 0;
}

bool WholeFile::Buffer::empty() {
  const bool written = write(pbase(), static_cast<std::size_t>(pptr() - pbase()));
  setp(bytes_.data(), bytes_.data() + bytes_.size());
  return written;
}

bool WholeFile::Buffer::write(const char* text, std::size_t bytes) {
  while (bytes > 0 && error_ == 0) {
    const ssize_t written = ::write(descriptor_.get(), text, bytes);
    if (written >= 0) {
      text += written;
      bytes -= static_cast<std::size_t>(written);
    } else if (errno == EAGAIN) {  // standard output may be a pipe that somebody made non-blocking
      pollfd ready{descriptor_.get(), POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  return error_ == 0;
}

WholeFile::WholeFile(std::string path) : path_(std::move(path)) {
  const Place place = find_place(path_);
  Descriptor descriptor;
  if (place.is_descriptor_of_own) {
    // Opened anew, a file would be written from its beginning, and a socket not at all.
    descriptor.reset(::fcntl(place.descriptor(), F_DUPFD_CLOEXEC, 0));
  } else if (place.in_place()) {
    descriptor.reset(::open(place.file.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  } else {
    descriptor = create_beside(path_, place, unfinished_);
    target_ = place.file;
  }
  if (!descriptor) throw cannot_write(path_, errno);
  buffer_.open(std::move(descriptor));
}

WholeFile::~WholeFile() {
  if (!unfinished_.empty() && !committed_) ::unlink(unfinished_.c_str());
}

void WholeFile::commit() {
  if (const int error = buffer_.close(); error != 0) throw cannot_write(path_, error);
  if (in_place()) return;
  if (::rename(unfinished_.c_str(), target_.c_str()) != 0) throw cannot_write(path_, errno);
  committed_ = true;
}

void WholeFile::check(const std::string& path) {
  const Place place = find_place(path);
  if (place.is_descriptor_of_own) {
    const int flags = ::fcntl(place.descriptor(), F_GETFL);
    if (flags < 0) throw cannot_write(path, errno);
    if ((flags & O_ACCMODE) == O_RDONLY) throw cannot_write(path, "it is open for reading only");
  } else if (place.in_place()) {
    if (!is_writable(place.file)) throw cannot_write(path, errno);
  } else {
    WholeFile{path};
  }
}

bool WholeFile::is_unfinished(std::string_view name, std::string_view of) {
  if (name.size() <= of.size() + suffix.size() + 1 || !name.starts_with(of) || !name.ends_with(suffix)) return false;
  const std::string_view end = name.substr(of.size(), name.size() - of.size() - suffix.size());
  return end.front() == '.' && end.find_first_not_of("0123456789-", 1) == std::string_view::npos;
}

void write_whole_file(const std::string& path, std::string_view text) {
  WholeFile file(path);
  file.stream() << text;
  file.commit();
}

}  // namespace plateau
