#include "profiling/http/profile_recorder.hpp"

#include <pthread.h>

#include <future>
#include <mutex>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

namespace plateau {
namespace {

std::mutex& no_fork() {
  static constinit std::mutex mutex;
  return mutex;
}

// The handlers stay registered for as long as the library is loaded.
void make_forks_wait() {
  static const int registered = ::pthread_atfork([] { no_fork().lock(); }, [] { no_fork().unlock(); },  //
                                                 [] { no_fork().unlock(); });
  if (registered != 0) throw std::bad_alloc();
}

}  // namespace

template <class Function>
auto ProfileRecorder::run(Function function) {
  thread_.start();
  return boost::asio::post(thread_.pool(), std::packaged_task<decltype(function())()>([&function] {
                             const std::lock_guard lock(no_fork());
                             return function();
                           }))
      .get();
}

class ProfileRecorder::Remote final : public Recording {
 public:
  Remote(ProfileRecorder& recorder, std::unique_ptr<Recording> recording)
      : recorder_(recorder), recording_(std::move(recording)) {}
  ~Remote() override {
    if (recording_ != nullptr) recorder_.run([this] { recording_.reset(); });
  }
  Profile finish() override {
    return recorder_.run([this] {
      Profile profile = recording_->finish();
      recording_.reset();
      return profile;
    });
  }

 private:
  ProfileRecorder& recorder_;
  std::unique_ptr<Recording> recording_;
};

ProfileRecorder::ProfileRecorder(Begin begin) : thread_("plateau-profile", 1, begin == Begin::now ? 1 : 0) {
  make_forks_wait();
}

Profile ProfileRecorder::snapshot(const ProfileSource& source) {
  return run([&source] { return source.snapshot(); });
}

std::unique_ptr<Recording> ProfileRecorder::record(const ProfileSource& source, const RecordingOptions& options) {
  return std::make_unique<Remote>(*this, run([&] { return source.record(options); }));
}

}  // namespace plateau
