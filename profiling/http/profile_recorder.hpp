// The one thread on which profiles are taken.
#pragma once

#include <future>
#include <memory>
#include <vector>

#include "profiling/host/worker_threads.hpp"
#include "profiling/profile_source.hpp"

namespace plateau {

// Sources of the program's own expect its descriptors; process_profiles() needs none of them. One profile is taken at a
// time. While the allocator is asked for one, a fork waits: it may hold locks that the child would never see released.
class ProfileRecorder {
 public:
  // The thread has the descriptor table of whoever makes the recorder, or where it begins with the first profile, of
  // whoever asks for that.
  enum class Begin { now, with_first_profile };
  // Throws std::system_error, in one line, without a thread; with_first_profile, that profile does.
  explicit ProfileRecorder(Begin begin);

  // Waits for the result. Throws what the source throws. Any thread but its own.
  Profile snapshot(const ProfileSource& source);
  // The returned Recording's functions also run on the recorder's thread.
  std::unique_ptr<Recording> record(const ProfileSource& source, const RecordingOptions& options);

 private:
  class Remote;
  template <class Function>
  auto run(Function function);

  WorkerThreads thread_;
};

}  // namespace plateau
