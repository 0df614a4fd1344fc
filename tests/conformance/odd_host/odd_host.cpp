// odd_host [--pace MS] [--library FILE] OPERATION[=ARGUMENT]...
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "host.hpp"

namespace plateau::conformance {

void say(const char* format, ...) {
  char line[4096];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  const auto used = std::min(static_cast<std::size_t>(std::max(length, 0)), sizeof line - 2);
  line[used] = '\n';
  static_cast<void>(!::write(STDOUT_FILENO, line, used + 1));
}

const char* outcome(bool succeeded) {
  return succeeded ? "ok" : ::strerrorname_np(errno);
}

int number(const std::string& text, int otherwise) {
  return text.empty() ? otherwise : std::atoi(text.c_str());
}

namespace {

const Operation* find_operation(std::string_view name) {
  for (const auto operations : {descriptor_operations(), memory_operations(), process_operations(),
                                sandbox_operations(), signal_operations(), state_operations(), thread_operations()}) {
    for (const Operation& operation : operations) {
      if (operation.name == name) return &operation;
    }
  }
  return nullptr;
}

void write_result(const Host& host) {
  const int file = ::open("result", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) {
    say("result: %s", outcome(false));
    return;
  }
  ::dprintf(file, "%016llx\n", static_cast<unsigned long long>(host.checksum));
  ::close(file);
}

}  // namespace

void run_rest(Host& host) {
  while (!host.to_do.empty()) {
    const std::string step = host.to_do.front();
    host.to_do.pop_front();
    const auto equals = step.find('=');
    const Operation* const operation = find_operation(step.substr(0, equals));
    if (operation == nullptr) {
      say("%s: no such operation", step.c_str());
      ::_exit(2);
    }
    operation->run(host, equals == std::string::npos ? std::string() : step.substr(equals + 1));
  }
  for (const FinalCheck& check : host.final_checks) check();
  host.final_checks.clear();
}

void end(Host& host) {
  run_rest(host);
  write_result(host);
  say("end %016llx", static_cast<unsigned long long>(host.checksum));
  std::exit(0);
}

}  // namespace plateau::conformance

int main(int count, char** arguments) {
  using namespace plateau::conformance;
  // Never destroyed: threads that outlive main() use it.
  auto& host = *new Host;
  host.program = arguments[0];
  int next = 1;
  for (; next + 1 < count && std::strncmp(arguments[next], "--", 2) == 0; next += 2) {
    if (std::strcmp(arguments[next], "--pace") == 0) {
      host.pace = std::chrono::milliseconds(std::atoi(arguments[next + 1]));
    } else if (std::strcmp(arguments[next], "--library") == 0) {
      host.library = arguments[next + 1];
    } else {
      break;
    }
  }
  for (; next < count; ++next) host.to_do.emplace_back(arguments[next]);
  end(host);
}
