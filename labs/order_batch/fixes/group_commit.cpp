#include "labs/order_batch/fixes/group_commit.hpp"

#include <pthread.h>

#include <exception>
#include <utility>

namespace plateau::order_batch {
using Clock = std::chrono::steady_clock;

void Recorder::record(const std::vector<Job*>& jobs) noexcept {
  const std::scoped_lock lock(mutex_);
  const std::string error = try_to_record(jobs);
  for (Job* const job : jobs) done_(job, error.empty() || jobs.size() == 1 ? error : try_to_record({job}));
}

std::string Recorder::try_to_record(const std::vector<Job*>& jobs) noexcept {
  const Clock::time_point begin = Clock::now();
  std::string error;
  try {
    store_.begin();
    for (const Job* const job : jobs) store_.insert(job->record, job->message);
    store_.commit();
    commits_.fetch_add(1, std::memory_order_relaxed);
  } catch (const std::exception& problem) {
    store_.rollback();
    error = problem.what();
  }
  ns_.fetch_add((Clock::now() - begin).count(), std::memory_order_relaxed);
  return error;
}

GroupCommit::GroupCommit(Recorder& recorder, GroupBounds bounds)
    : recorder_(recorder), bounds_(bounds), thread_([this] { run(); }) {}

GroupCommit::~GroupCommit() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void GroupCommit::hand_over(Job* job) {
  std::size_t waiting = 0;
  {
    const std::scoped_lock lock(mutex_);
    waiting_.push_back(job);
    waiting = waiting_.size();
  }
  if (waiting == 1 || waiting == bounds_.orders) changed_.notify_one();
}

void GroupCommit::run() {
  ::pthread_setname_np(::pthread_self(), "recorder");
  std::vector<Job*> group;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    changed_.wait_for(lock, bounds_.time, [this] { return ending_ || waiting_.size() >= bounds_.orders; });
    group.swap(waiting_);
    lock.unlock();
    recorder_.record(group);
    group.clear();
    lock.lock();
  }
}

void record_before(Recorder& recorder, GroupCommit* /*group*/, Job* job) {
  recorder.record({job});
}

void record_after(Recorder& /*recorder*/, GroupCommit* group, Job* job) {
  group->hand_over(job);
}

}  // namespace plateau::order_batch
