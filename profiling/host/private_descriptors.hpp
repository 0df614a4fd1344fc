// A descriptor table of the calling thread's own.
#pragma once

namespace plateau {

using UnwindBacktrace = int(void**, int);

// Made in the thread that starts another one, entered in that other one. What it needs of the dynamic linker it looks
// up when it is made: whoever loads this library by dlopen(3) holds the linker's lock for as long as constructors run,
// and a thread that such a constructor waits for must not want it.
class PrivateDescriptors {
 public:
  PrivateDescriptors();

  // The calling thread, and the threads it makes afterwards, leave the descriptor table that the process's threads
  // share and get one in which only 0, 1 and 2 are open, on /dev/null. What they open is out of the program's sight: it
  // can close every number it likes, its own numbers stay the ones it expects, and a fork of it inherits none of
  // theirs. Nothing of the program's is kept open either: a pipe that it closes is closed. See CLOSE_RANGE_UNSHARE in
  // close_range(2).
  //
  // From then on these threads and the others may share memory and locks, but no descriptor: not even the one by which
  // an event loop is woken up.
  //
  // libunwind, by which gperftools' tcmalloc takes its stacks, tests addresses by writing them into a pipe that it
  // opens once for all threads: where it is loaded, that pipe stays open here under its numbers.
  //
  // False, and nothing is changed, where threads must not differ in their descriptors: libunwind's pipe cannot be told
  // from pipes of the program's; or ThreadSanitizer, which takes equal numbers of two tables for one descriptor. False
  // also where a sandbox allows neither close_range (which kernels before 5.9 do not have) nor unshare. Throws
  // std::system_error when 0, 1 and 2 cannot be occupied.
  bool enter() const;

 private:
  UnwindBacktrace* backtrace_;
};

}  // namespace plateau
