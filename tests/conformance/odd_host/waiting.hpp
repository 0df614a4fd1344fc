// A thread that works while another one waits.
#pragma once

#include <chrono>
#include <system_error>
#include <thread>

#include "host.hpp"

namespace plateau::conformance {

class WorkingThread {
 public:
  // Works for `pace`. A thread that cannot be created is said, since the host may be under a limit.
  explicit WorkingThread(std::chrono::milliseconds pace) {
    try {
      thread_ = std::thread([pace] { work(pace, 5); });
    } catch (const std::system_error& error) {
      say("thread: %s", error.code().message().c_str());
    }
  }
  ~WorkingThread() {
    if (thread_.joinable()) thread_.join();
  }
  WorkingThread(const WorkingThread&) = delete;
  WorkingThread& operator=(const WorkingThread&) = delete;

 private:
  std::thread thread_;
};

}  // namespace plateau::conformance
