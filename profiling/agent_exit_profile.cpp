#include "profiling/agent_exit_profile.hpp"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

#include <exception>
#include <string_view>
#include <utility>

#include "allocators/system/whole_file.hpp"
#include "profiling/footprint.hpp"
#include "profiling/heap_profiler.hpp"

namespace plateau {
namespace {

constinit const std::string* exit_folder = nullptr;  // never freed: read while statics are destroyed
constinit pid_t prepared_in = -1;

template <class Write>
void without_harm(Write write) noexcept {
  try {
    write();
  } catch (const std::exception&) {
  }
}

}  // namespace

void prepare_exit_profile(std::string folder) {
  if (folder.empty()) return;
  exit_folder = new std::string(std::move(folder));
  prepared_in = ::getpid();
}

void keep_exit_profile() noexcept {
  if (exit_folder == nullptr || prepared_in != ::getpid()) return;
  without_harm([] {
    HeapProfiler::exclude_this_thread();
    const std::string file =
        *exit_folder + "/" + program_invocation_short_name + "-" + std::to_string(static_cast<int>(::getpid()));
    without_harm([&] {
      const ProfileReply kept = HeapProfiler::dump_raw(file + ".heap");
      if (!kept.done) write_whole_file(file + ".reason", kept.reason + "\n");
    });
    without_harm([&] { write_whole_file(file + ".footprint.json", to_json(take_footprint())); });
  });
}

}  // namespace plateau
