#include "allocators/purge_lines.hpp"

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

#include "allocators/heap.hpp"
#include "allocators/jemalloc/control.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/signals_for_others.hpp"
#include "allocators/system/cpu_clock.hpp"

namespace plateau {
namespace {

constexpr std::chrono::milliseconds read_period{20};  // the kept events are those of at least 60 ms, at the worst
constexpr unsigned reads_per_statistics = 5;

std::uint64_t in_ns(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(time.count());
}

// Text put together in a buffer of somebody else's.
class Text {
 public:
  explicit Text(std::span<char> buffer) : buffer_(buffer) {}

  [[gnu::format(printf, 2, 3)]] void add(const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(buffer_.data() + size_, buffer_.size() - size_, format, arguments);
    va_end(arguments);
    if (length > 0) size_ = std::min(size_ + static_cast<std::size_t>(length), buffer_.size() - 1);
  }
  // Three digits or so.
  void add_number(double number) { add(number >= 10 || number == 0 ? "%.0f" : number >= 1 ? "%.1f" : "%.2f", number); }
  void add_pair(std::uint64_t first, std::uint64_t second, double unit) {
    add_number(static_cast<double>(first) / unit);
    add("+");
    add_number(static_cast<double>(second) / unit);
  }
  void add_megabytes(std::optional<std::uint64_t> bytes) {
    bytes ? add_number(static_cast<double>(*bytes) / 1e6) : add("?");
  }
  void add_change(const char* what, std::optional<std::uint64_t> before, std::optional<std::uint64_t> after) {
    add(", %s ", what);
    add_megabytes(before);
    add("->");
    add_megabytes(after);
    add(" MB");
  }
  std::string_view text() const { return {buffer_.data(), size_}; }

 private:
  std::span<char> buffer_;
  std::size_t size_ = 0;
};

void print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

class Printer {
 public:
  Printer() : start_ns_(in_ns(monotonic_time())), start_cpu_ns_(in_ns(process_cpu_time())) {
    take_statistics();
    madvise_calls_before_ = madvise_calls();
    const SignalsForOthers signals;
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    if (::getpid() != owner_) return;  // a forked child has no such thread, and nothing to say
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    PurgeTrace::stop();
    read();
    take_statistics();
    while (const auto burst = bursts_.take_ended(UINT64_MAX)) print_burst(*burst);
    print_end();
  }

 private:
  struct Statistics {
    std::uint64_t time_ns = 0;
    PurgeLine::Pages pages;
  };

  void run() {
    ::pthread_setname_np(::pthread_self(), "plateau-purges");
    PurgeTrace::this_thread_is_background();
    std::unique_lock lock(mutex_);
    for (unsigned reads = 0; !stopping_; ++reads) {
      read();
      if (reads % reads_per_statistics == 0) take_statistics();
      while (const auto burst = bursts_.take_ended(in_ns(monotonic_time()))) {
        take_statistics();
        print_burst(*burst);
      }
      wake_.wait_for(lock, read_period);
    }
  }

  void read() {
    reader_.read([this](const PurgeEvent& event) {
      ++events_;
      if (const auto burst = bursts_.add(event)) print_burst(*burst);
    });
  }

  void take_statistics() {
    const HeapStatistics heap = Heap::process().statistics();
    statistics_[taken_++ % statistics_.size()] = {in_ns(monotonic_time()), {heap.dirty, heap.resident}};
  }

  PurgeLine::Pages last_before(std::uint64_t time_ns) const {
    Statistics best;
    for (const Statistics& one : statistics_) {
      if (one.time_ns <= time_ns && one.time_ns > best.time_ns) best = one;
    }
    return best.pages;
  }

  static std::optional<std::uint64_t> madvise_calls() { return Heap::process().statistics().madvise_calls; }

  static std::optional<std::int64_t> decay_of(unsigned arena) {
    static const jemalloc::Mib decay("arena.0.dirty_decay_ms");
    return decay.read<ssize_t>(arena).optional();  // empty: it is gone
  }

  void print_burst(const PurgeBurst& burst) {
    const PurgeTraceTotals totals = PurgeTrace::totals();
    const auto purge_cpu = static_cast<double>(totals.request_threads.cpu_ns + totals.background.cpu_ns);
    const auto all_cpu = static_cast<double>(in_ns(process_cpu_time()) - start_cpu_ns_);
    const PurgeLine line{
        .number = ++number_,
        .seconds_since_start = static_cast<double>(static_cast<std::int64_t>(burst.start_ns - start_ns_)) / 1e9,
        .cpu_share = all_cpu > 0 ? purge_cpu / all_cpu : 0,
        .burst = burst,
        .before = last_before(burst.start_ns),
        .after = last_before(UINT64_MAX),
        .goal_bytes = PurgeTrace::goal(),
        .decay_ms = decay_of(burst.arena),
    };
    print(format_purge_line(line, buffer_));
  }

  void print_end() {
    Text text(buffer_);
    text.add("purge trace ended: %llu bursts, %llu calls seen", static_cast<unsigned long long>(number_),
             static_cast<unsigned long long>(events_));
    if (const auto now = madvise_calls(); now && madvise_calls_before_) {
      text.add(" of jemalloc's %llu", static_cast<unsigned long long>(*now - *madvise_calls_before_));
    }
    text.add(", %llu dropped\n", static_cast<unsigned long long>(reader_.lost()));
    print(text.text());
  }

  const pid_t owner_ = ::getpid();
  const std::uint64_t start_ns_;
  const std::uint64_t start_cpu_ns_;
  PurgeTrace::Reader reader_;
  PurgeBursts bursts_;
  std::array<Statistics, 64> statistics_{};  // the last ones
  std::size_t taken_ = 0;
  std::optional<std::uint64_t> madvise_calls_before_;
  std::uint64_t number_ = 0;
  std::uint64_t events_ = 0;
  std::array<char, 512> buffer_{};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

Printer* printer = nullptr;  // never destroyed

void complain(const std::string& what) {
  print("plateau: PLATEAU_TRACE: " + what + "\n");
}

// Whether purges are to be printed.
bool parse(std::string_view settings) {
  bool purge = false;
  while (!settings.empty()) {
    const std::string_view one = settings.substr(0, settings.find(','));
    settings.remove_prefix(std::min(one.size() + 1, settings.size()));
    if (one == "purge=1" || one == "purge=0") {
      purge = one == "purge=1";
    } else if (!one.empty()) {
      complain("\"" + std::string(one) + "\" is not known: give purge=1");
    }
  }
  return purge;
}

}  // namespace

std::string_view format_purge_line(const PurgeLine& line, std::span<char> buffer) {
  const PurgeBurst& burst = line.burst;
  const auto split = [&](std::uint64_t time, bool background) { return burst.background == background ? time : 0; };
  Text text(buffer.first(buffer.size() - 1));
  text.add("purge %llu @%.3fs %.1f%%: ", static_cast<unsigned long long>(line.number), line.seconds_since_start,
           100 * line.cpu_share);
  text.add_pair(split(burst.wall_ns, false), split(burst.wall_ns, true), 1e6);
  text.add(" ms wall, ");
  text.add_pair(split(burst.cpu_ns, false), split(burst.cpu_ns, true), 1e6);
  text.add(" ms cpu, %llu calls, ", static_cast<unsigned long long>(burst.calls));
  text.add_megabytes(burst.bytes);
  text.add(" MB");
  text.add_change("dirty", line.before.dirty_bytes, line.after.dirty_bytes);
  text.add_change("resident", line.before.resident_bytes, line.after.resident_bytes);
  if (line.goal_bytes) {
    text.add(", goal ");
    text.add_megabytes(line.goal_bytes);
    text.add(" MB dirty");
  } else if (line.decay_ms) {
    text.add(", goal decay %lld ms", static_cast<long long>(*line.decay_ms));
  }
  text.add(", thread %u", burst.thread);
  const std::size_t size = text.text().size();
  buffer[size] = '\n';
  return {buffer.data(), size + 1};
}

bool start_purge_trace_from_environment() {
  const char* const settings = ::secure_getenv("PLATEAU_TRACE");
  if (settings == nullptr || !parse(settings) || printer != nullptr) return false;
  try {
    if (const HeapReply reply = PurgeTrace::start(); !reply.done) {
      complain(std::string(reply.reason));
      return false;
    }
    printer = new Printer;
    if (std::atexit([] { printer->stop(); }) != 0) complain("the last lines will be missing (atexit failed)");
    return true;
  } catch (const std::exception& error) {
    complain(error.what());
    return false;
  }
}

}  // namespace plateau
