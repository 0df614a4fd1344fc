#include "profiling/heap_profiler.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "allocators/heap.hpp"
#include "allocators/runtime_symbol.hpp"

namespace plateau {
namespace {

using Mallctl = int(const char*, void*, std::size_t*, void*, std::size_t);

std::string errno_text() {
  return std::strerror(errno);
}  // NOLINT(concurrency-mt-unsafe): message only

bool jemalloc_prof_on() {
  auto* const mallctl = runtime_symbol<Mallctl>("mallctl");
  bool on = false;
  std::size_t size = sizeof on;
  return mallctl != nullptr && mallctl("opt.prof", &on, &size, nullptr, 0) == 0 && on;
}

bool write_all(int fd, const char* text, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(fd, text, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

ProfileReply dump_jemalloc(const std::string& path) {
  const char* name = path.c_str();
  if (runtime_symbol<Mallctl>("mallctl")("prof.dump", nullptr, nullptr, static_cast<void*>(&name), sizeof name) != 0) {
    return {false, "jemalloc could not write " + path};
  }
  return {true, {}};
}

ProfileReply dump_gperftools(const std::string& path) {
  auto* const running = runtime_symbol<int()>("IsHeapProfilerRunning");
  if (running == nullptr || running() == 0) return {false, "the gperftools heap profiler was not started"};
  // The profile text is malloc'ed by gperftools outside its own count.
  const std::unique_ptr<char, void (*)(void*)> text(runtime_symbol<char*()>("GetHeapProfile")(), std::free);
  if (text == nullptr) return {false, "gperftools gave no heap profile"};
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return {false, "cannot write " + path + ": " + errno_text()};
  const bool written = write_all(fd, text.get(), std::strlen(text.get()));
  const std::string reason = written ? "" : "cannot write " + path + ": " + errno_text();
  ::close(fd);
  return {written, reason};
}

}  // namespace

ProfileReply HeapProfiler::available() {
  const AllocatorKind kind = Heap::process().kind();
  if (kind == AllocatorKind::jemalloc) {
    if (jemalloc_prof_on()) return {true, {}};
    return {false, "jemalloc profiles only when started with prof:true in MALLOC_CONF"};
  }
  if (kind == AllocatorKind::tcmalloc) {
    if (runtime_symbol<void(const char*)>("HeapProfilerStart") != nullptr) return {true, {}};
    return {false, "this tcmalloc has no heap profiler (libtcmalloc_minimal?): preload libtcmalloc.so.4"};
  }
  return {false, std::string(to_string(kind)) + " has no heap profiler"};
}

ProfileReply HeapProfiler::start(const std::string& prefix) {
  ProfileReply reply = available();
  if (!reply.done || Heap::process().kind() != AllocatorKind::tcmalloc) return reply;
  // With HEAPPROFILE in the environment gperftools has started by itself, and its prefix stands.
  if (runtime_symbol<int()>("IsHeapProfilerRunning")() == 0)
    runtime_symbol<void(const char*)>("HeapProfilerStart")(prefix.c_str());
  return reply;
}

ProfileReply HeapProfiler::dump(const std::string& path) {
  ProfileReply reply = available();
  if (!reply.done) return reply;
  const std::string unfinished = path + ".part";
  reply = Heap::process().kind() == AllocatorKind::jemalloc ? dump_jemalloc(unfinished) : dump_gperftools(unfinished);
  if (!reply.done) {
    ::unlink(unfinished.c_str());
    return reply;
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return {false, "cannot rename to " + path + ": " + errno_text()};
  }
  return reply;
}

}  // namespace plateau
