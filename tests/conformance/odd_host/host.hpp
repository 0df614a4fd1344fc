// The odd host: a program that does, in the order of its command line, what real programs do to themselves, and says
// what it sees. Everything it prints is the same in every run, unless somebody in the process interferes.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plateau::conformance {

// A state that is looked at again when the program ends: whether it is still as the program left it.
using FinalCheck = std::function<void()>;

struct Host {
  std::string program;                 // absolute: how it starts itself again
  std::string library;                 // what `load` opens; empty in the run that others are compared with
  std::chrono::milliseconds pace{20};  // how long a piece of work takes
  std::deque<std::string> to_do;       // operations that are left
  std::vector<FinalCheck> final_checks;
  std::uint64_t checksum = 0;
};

struct Operation {
  std::string_view name;
  // `argument` is what follows the equals sign, or empty.
  void (*run)(Host& host, const std::string& argument);
};

std::span<const Operation> descriptor_operations();
std::span<const Operation> memory_operations();
std::span<const Operation> process_operations();
std::span<const Operation> sandbox_operations();
std::span<const Operation> signal_operations();
std::span<const Operation> state_operations();
std::span<const Operation> thread_operations();

// Runs what is left to do, then the final checks. Operations that hand over to a thread or a child call it there.
void run_rest(Host& host);
// Ends the program by exit(), after the final checks.
[[noreturn]] void end(Host& host);

// Writes one line to standard output at once, unbuffered: it must not be lost or printed twice around fork and exec.
[[gnu::format(printf, 1, 2)]] void say(const char* format, ...);
// "ok", or the error's symbolic name, which does not depend on a locale.
const char* outcome(bool succeeded);

// Computes for `pace` of wall-clock time, allocating and freeing on the way, with frames of its own on the stack.
// Returns a checksum that depends on `seed` only; says so when a piece of the work comes out differently.
std::uint64_t work(std::chrono::milliseconds pace, std::uint64_t seed);

// A number, or `otherwise` when `text` is empty.
int number(const std::string& text, int otherwise);

}  // namespace plateau::conformance
