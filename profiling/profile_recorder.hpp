// The one thread on which profiles are taken.
#pragma once

#include <future>
#include <memory>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include "profiling/profile_source.hpp"

namespace plateau {

// It shares the program's descriptors, unlike the threads that serve requests: a profiler may write to a file from
// whichever thread it interrupts, and sources of the program's own expect its descriptors. One profile is taken at a
// time. While the allocator is asked for one, a fork waits: it may hold locks that the child would never see released.
class ProfileRecorder {
 public:
  ProfileRecorder();
  ~ProfileRecorder();

  // Waits for the result. Throws what the source throws. Any thread but its own.
  Profile snapshot(const ProfileSource& source);
  // Of the Recording too, every function runs on the recorder's thread.
  std::unique_ptr<Recording> record(const ProfileSource& source, const RecordingOptions& options);

 private:
  class Remote;
  template <class Function>
  auto run(Function function);

  boost::asio::thread_pool thread_{1};
};

}  // namespace plateau
