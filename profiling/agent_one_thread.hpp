// Calls that the kernel allows to a process of one thread only.
#pragma once

namespace plateau {

// Looks up unshare() and setns(), before which the agent's threads end where nothing else keeps the kernel from
// allowing them, and after which they begin again. Programs that go to the kernel past the C library (syscall(2), Go)
// get the kernel's answer.
void prepare_for_calls_of_one_thread() noexcept;

}  // namespace plateau
