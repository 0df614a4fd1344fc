// What HeapProfiler asks of an allocator's own profiler.
#pragma once

#include <optional>
#include <string>

#include "profiling/heap_profiler.hpp"

namespace plateau::heap_profiler_backend {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual ProfileReply available() const = 0;
  virtual bool active() const = 0;
  virtual ProfileReply start(const std::string& prefix) = 0;
  virtual ProfileReply stop() = 0;
  // Writes the profile as the allocator's text to an empty file.
  virtual ProfileReply write(int fd) = 0;
  // The profile itself, of a profiler that need not go through its text.
  virtual std::optional<Profile> profile() { return std::nullopt; }
  // The growth profile as the allocator's text.
  virtual ProfileReply growth(std::string& text) = 0;
  // Sets whether the calling thread is recorded; gives what it was.
  virtual bool record_this_thread(bool /*on*/) { return true; }
};

// Of the allocator that serves malloc, or of the sampler in front of it where the allocator's own cannot serve. Lives
// as long as the process.
Backend& backend();

Backend& jemalloc();
Backend& gperftools();
Backend& sampler();

bool write_all(int fd, const char* text, std::size_t bytes);

}  // namespace plateau::heap_profiler_backend
