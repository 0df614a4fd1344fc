// Ctrl-C and SIGTERM as a flag, so that children are ended and cgroups removed on the way out.
#pragma once

namespace plateau::harness {

// From now on SIGINT and SIGTERM only set the flag. Call once, before threads are started.
void catch_interrupts();
bool interrupted() noexcept;
// The signal that came, for the exit status (128 + signal); 0 when none did.
int interrupting_signal() noexcept;

}  // namespace plateau::harness
