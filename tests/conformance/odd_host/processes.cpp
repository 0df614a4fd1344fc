// Processes of the odd host: what it becomes, what it starts, and how it ends.
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "host.hpp"
#include "waiting.hpp"

namespace plateau::conformance {
namespace {

std::vector<std::string> command(const Host& host, std::span<const std::string> operations) {
  std::vector<std::string> words{host.program, "--pace", std::to_string(host.pace.count())};
  if (!host.library.empty()) words.insert(words.end(), {"--library", host.library});
  words.insert(words.end(), operations.begin(), operations.end());
  return words;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

void say_how_it_ended(const char* name, pid_t child) {
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) {
    say("%s: %s", name, outcome(false));
  } else if (WIFSIGNALED(status)) {
    say("%s: killed by signal %d", name, WTERMSIG(status));
  } else {
    say("%s: status %d", name, WEXITSTATUS(status));
  }
}

void become(Host& host) {
  const std::vector<std::string> rest(host.to_do.begin(), host.to_do.end());
  std::vector<std::string> words = command(host, rest);
  ::execv(host.program.c_str(), pointers(words).data());
  say("exec: %s", outcome(false));
}

// The same program again, `argument` times, and then what is left to do.
void exec_itself(Host& host, const std::string& argument) {
  const int times = number(argument, 1);
  if (times > 1) host.to_do.push_front("exec=" + std::to_string(times - 1));
  if (times > 1) host.to_do.push_front("work");
  host.final_checks.clear();
  become(host);
}

// While another thread works, which ends with the program's old image.
void exec_in_a_thread(Host& host, const std::string& /*argument*/) {
  const WorkingThread working(host.pace * 4);
  work(host.pace, 17);
  become(host);
}

void vfork_and_exec(Host& host, const std::string& /*argument*/) {
  std::vector<std::string> words = command(host, std::vector<std::string>{"work", "work"});
  const std::vector<char*> arguments = pointers(words);
  const pid_t child = ::vfork();
  if (child == 0) {
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  say_how_it_ended("vfork", child);
}

void spawn(Host& host, const std::string& /*argument*/) {
  std::vector<std::string> words = command(host, std::vector<std::string>{"work"});
  pid_t child = -1;
  errno = ::posix_spawn(&child, host.program.c_str(), nullptr, nullptr, pointers(words).data(), environ);
  say_how_it_ended("spawn", errno == 0 ? child : -1);
}

void fork_once(Host& host, const std::string& /*argument*/) {
  const pid_t child = ::fork();
  if (child == 0) {
    work(host.pace, 19);
    ::_exit(3);
  }
  say_how_it_ended("fork", child);
}

// The child does what takes locks: a lock that somebody held when it was born is held for ever.
[[noreturn]] void use_the_library() {
  std::free(std::malloc(100000));
  char line[64];
  std::snprintf(line, sizeof line, "%.3f", 2.5);
  if (std::FILE* const null = std::fopen("/dev/null", "w")) {
    std::fprintf(null, "%s\n", line);
    std::fclose(null);
  }
  std::exit(4);
}

void fork_storm(Host& host, const std::string& argument) {
  const auto end = std::chrono::steady_clock::now() + host.pace;
  int wrong = 0;
  do {
    for (int i = 0; i < number(argument, 4); ++i) {
      const pid_t child = ::fork();
      if (child == 0) use_the_library();
      int status = 0;
      if (child < 0 || ::waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 4 || !WIFEXITED(status)) ++wrong;
    }
  } while (std::chrono::steady_clock::now() < end);
  say("fork_storm: %s", wrong == 0 ? "all ended well" : "some did not");
}

void exec_storm(Host& host, const std::string& argument) {
  for (int i = 0; i < number(argument, 5); ++i) {
    std::vector<std::string> words = command(host, std::vector<std::string>{"exit=5"});
    const std::vector<char*> arguments = pointers(words);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    say_how_it_ended("exec_storm", child);
  }
}

void shell(Host& /*host*/, const std::string& /*argument*/) {
  const int status = std::system("echo from a shell; exit 6");
  say("system: %d", status == -1 ? -1 : WEXITSTATUS(status));
}

// Goes into the background as daemons do; the process that was started waits for nobody.
void daemonise(Host& host, const std::string& /*argument*/) {
  for (int i = 0; i < 2; ++i) {
    const pid_t child = ::fork();
    if (child < 0) {
      say("daemonise: %s", outcome(false));
      return;
    }
    if (child > 0) ::_exit(0);
    if (i == 0) ::setsid();
  }
  const int log = ::open("daemon.log", O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  if (log > 2) ::close(log);
  if (null > 2) ::close(null);
  work(host.pace, 23);
}

void no_children(Host& /*host*/, const std::string& /*argument*/) {
  errno = 0;
  const pid_t child = ::waitpid(-1, nullptr, WNOHANG | __WALL);
  say("children: %d %s", static_cast<int>(child), outcome(child >= 0));
}

// What is buffered is lost at _exit, and must stay lost.
void exit_at_once(Host& /*host*/, const std::string& argument) {
  std::printf("lost in a buffer");
  ::_exit(number(argument, 8));
}

void exit_orderly(Host& /*host*/, const std::string& argument) {
  std::printf("written at exit\n");
  std::exit(number(argument, 9));
}

void quick_exit(Host& /*host*/, const std::string& argument) {
  std::printf("lost in a buffer");
  std::quick_exit(number(argument, 10));
}

void abort_itself(Host& /*host*/, const std::string& /*argument*/) {
  std::abort();
}

void exit_in_a_thread(Host& host, const std::string& /*argument*/) {
  const WorkingThread working(host.pace * 3);
  std::thread([] { std::exit(11); }).join();
}

void at_exit(Host& host, const std::string& /*argument*/) {
  static std::chrono::milliseconds pace;
  pace = host.pace;
  std::atexit([] { say("at_exit: first registered, last called"); });
  std::atexit([] {
    work(pace, 29);
    say("at_exit: last registered, first called");
  });
}

constexpr Operation operations[] = {
    {"exec", exec_itself},
    {"exec_in_thread", exec_in_a_thread},
    {"vfork", vfork_and_exec},
    {"spawn", spawn},
    {"fork", fork_once},
    {"fork_storm", fork_storm},
    {"exec_storm", exec_storm},
    {"system", shell},
    {"daemonise", daemonise},
    {"children", no_children},
    {"_exit", exit_at_once},
    {"exit", exit_orderly},
    {"quick_exit", quick_exit},
    {"abort", abort_itself},
    {"exit_in_thread", exit_in_a_thread},
    {"at_exit", at_exit},
};

}  // namespace

std::span<const Operation> process_operations() {
  return operations;
}

}  // namespace plateau::conformance
