// A thread that does one thing, and then waits for work that does not come.
#pragma once

#include <future>
#include <thread>
#include <utility>

namespace plateau::leakdemo {

class ParkedThread {
 public:
  // Returns when it is done.
  template <class Work>
  explicit ParkedThread(Work work) {
    std::promise<void> done;
    std::future<void> is_done = done.get_future();
    thread_ = std::thread([work = std::move(work), done = std::move(done), go = go_.get_future()]() mutable {
      work();
      done.set_value();
      go.wait();
    });
    is_done.wait();
  }
  ~ParkedThread() {
    go_.set_value();
    thread_.join();
  }
  ParkedThread(const ParkedThread&) = delete;
  ParkedThread& operator=(const ParkedThread&) = delete;

 private:
  std::promise<void> go_;
  std::thread thread_;
};

}  // namespace plateau::leakdemo
