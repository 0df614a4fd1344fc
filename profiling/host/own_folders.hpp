// A root and a working folder of the calling thread's own.
#pragma once

namespace plateau {

// The calling thread, and the threads it makes afterwards, keep the root, the working folder and the umask that the
// process has now, whatever the program changes of its own: after a chroot into an empty folder they still find /proc
// and the program's file. A program that joins another mount namespace by setns() may not share these with anybody, and
// then does not. Where a sandbox forbids it (unshare), the thread goes on with the program's. See CLONE_FS in
// unshare(2). Keeps errno.
void keep_own_folders() noexcept;

}  // namespace plateau
