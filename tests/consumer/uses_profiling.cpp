// A service gets Go's endpoints by two lines: this include, and the server below.
#include <cstdio>

#include <profiling/debug_server.hpp>
#include <profiling/heap_profiler.hpp>

int main() {
  plateau::DebugServer server({.address = "127.0.0.1:0"});
  std::printf("port %u, heap profiles: %s\n", static_cast<unsigned>(server.port()),
              plateau::HeapProfiler::available().done ? "yes" : plateau::HeapProfiler::available().reason.c_str());
}
