// Calls that the kernel allows to a process of one thread only.
#pragma once

#include <functional>

namespace plateau {

// Asks the kernel by `call`, which returns 0 or leaves errno. Where only the agent's threads can keep it from allowing
// that, they end, it is asked again, and they begin again. What it allows, or refuses for another reason, costs
// nothing.
int call_of_one_thread(const std::function<int()>& call) noexcept;

// Looks up unshare() and setns(), which are such calls. Programs that go to the kernel without the C library (Go) get
// the kernel's answer.
void prepare_for_calls_of_one_thread() noexcept;

}  // namespace plateau
