#include "profiling/debug_server.hpp"

#include <unistd.h>

#include <future>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "allocators/heap.hpp"
#include "profiling/host/announced_processes.hpp"
#include "profiling/host/closed_in_children.hpp"
#include "profiling/host/own_folders.hpp"
#include "profiling/host/private_descriptors.hpp"
#include "profiling/host/service_thread.hpp"
#include "profiling/host/worker_threads.hpp"
#include "profiling/http/debug_answers.hpp"
#include "profiling/http/debug_service.hpp"
#include "profiling/http/http_service.hpp"
#include "profiling/http/profile_recorder.hpp"
#include "profiling/http/server_address.hpp"
#include "profiling/http/server_socket.hpp"

namespace plateau {

namespace asio = boost::asio;
class DebugServer::State {
 public:
  explicit State(DebugServerOptions options)
      : options_(std::move(options)), address_(parse_server_address(options_.address, options_.allow_remote)) {
    Heap::process();  // looked up here, so that it outlives this server at exit
    find_announcement_folders();
    if (!options_.private_recorder) recorder_.emplace(ProfileRecorder::Begin::now);
    std::future<Listening> listening = started_.get_future();
    thread_.emplace("plateau-http", [this] { run(); });
    try {
      listening_ = listening.get();
    } catch (...) {
      thread_.reset();
      throw;
    }
  }

  // The event loop's wake-up descriptor is in a table that this thread does not have. A worker has it, and workers are
  // woken up by a condition variable.
  ~State() {
    asio::post(*listening_.workers, [io = listening_.io] { io->stop(); });
    told_to_stop_.release();  // the post is over, and the workers may go
    thread_.reset();
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::uint16_t port() const { return listening_.port; }
  const std::string& address() const { return listening_.address; }
  bool in_the_process_that_made_it() const { return process_ == ::getpid(); }

 private:
  struct Listening {
    std::uint16_t port = 0;
    std::string address = {};
    asio::thread_pool* workers = nullptr;
    asio::io_context* io = nullptr;
  };

  static void run_until_stopped(asio::io_context& io) {
    try {
      io.run();
    } catch (const std::exception&) {
      // Memory was short between two requests; the next one may do better.
    }
  }

  void run() {
    bool listens = false;
    try {
      const bool private_descriptors = private_descriptors_.enter();
      if (options_.private_recorder) keep_own_folders();
      if (!recorder_) recorder_.emplace(ProfileRecorder::Begin::with_first_profile);
      // One is there from the start, to stop the event loop; the other waits for the first request.
      WorkerThreads workers("plateau-answer", 2, 1);
      DebugAnswers answers(options_.profiles, options_.requested_bytes, options_.more_metrics);
      DebugService debug(answers, *recorder_,
                         {.profiles = options_.profiles,
                          .loopback = address_.tcp.is_loopback,
                          .any_host = address_.is_unix(),
                          .host_names = options_.host_names,
                          .host_names_setting = options_.host_names_setting},
                         workers);
      HttpService service(debug);
      asio::io_context io(1);
      ServerSocket socket(io, address_);
      const ClosedInChildren closed_in_children(private_descriptors ? -1 : socket.acceptor().native_handle());
      std::optional<Announcement> announcement;
      if (!options_.announce_as.empty()) announcement.emplace(options_.announce_as, socket.address());
      asio::co_spawn(io, service.accept(std::move(socket.acceptor())), asio::detached);
      listens = true;
      started_.set_value({socket.port(), socket.address(), &workers.pool(), &io});
      while (!io.stopped()) run_until_stopped(io);
      told_to_stop_.acquire();
      workers.join();
    } catch (...) {
      if (!listens) started_.set_exception(std::current_exception());
    }
  }

  const pid_t process_ = ::getpid();
  const DebugServerOptions options_;
  const ServerAddress address_;
  const PrivateDescriptors private_descriptors_;
  std::optional<ProfileRecorder> recorder_;
  Listening listening_;
  std::binary_semaphore told_to_stop_{0};
  std::promise<Listening> started_;
  std::optional<ServiceThread> thread_;
};

DebugServer::DebugServer(DebugServerOptions options) : state_(std::make_unique<State>(std::move(options))) {}

DebugServer::~DebugServer() {
  // A forked child has the memory of the server and none of its threads: there is nobody to wait for.
  if (!state_->in_the_process_that_made_it()) static_cast<void>(state_.release());
}

std::uint16_t DebugServer::port() const {
  return state_->port();
}

std::string DebugServer::address() const {
  return state_->address();
}

}  // namespace plateau
