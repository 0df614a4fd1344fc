// The odd host gives up what it may: users, system calls, folders, namespaces, limits.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "host.hpp"

namespace plateau::conformance {
namespace {

void set_user(Host& /*host*/, const std::string& argument) {
  const auto id = static_cast<uid_t>(number(argument, 63999));
  const bool group = ::setgid(id) == 0;
  say("setuid: %s %s", outcome(group), outcome(::setuid(id) == 0));
}

void set_effective_user(Host& /*host*/, const std::string& argument) {
  say("seteuid: %s", outcome(::seteuid(static_cast<uid_t>(number(argument, 63999))) == 0));
}

// As setpriv, chrony and others go from root to a user: the capabilities that the next steps need are kept, and they
// are the calling thread's alone.
void drop_privileges(Host& /*host*/, const std::string& argument) {
  const auto id = static_cast<uid_t>(number(argument, 63999));
  const bool kept = ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0;
  const bool user = kept && ::setresuid(id, id, id) == 0;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  const bool read = user && ::syscall(SYS_capget, &header, sets) == 0;
  for (__user_cap_data_struct& set : sets) set.effective = set.permitted;
  const bool raised = read && ::syscall(SYS_capset, &header, sets) == 0;
  const bool group = raised && ::setresgid(id, id, id) == 0;
  say("drop_privileges: %s", outcome(group && ::setgroups(0, nullptr) == 0));
  for (__user_cap_data_struct& set : sets) set = {};
  say("drop_privileges: without capabilities %s", outcome(::syscall(SYS_capset, &header, sets) == 0));
}

struct NamedCall {
  std::string_view name;
  std::uint32_t number;
};

// What old container runtimes and service managers forbid.
constexpr NamedCall calls[] = {
    {"close_range", SYS_close_range},
    {"clone3", SYS_clone3},
    {"unshare", SYS_unshare},
    {"perf_event_open", SYS_perf_event_open},
    {"memfd_create", SYS_memfd_create},
    {"timer_create", SYS_timer_create},
    {"ptrace", SYS_ptrace},
    {"process_vm_readv", SYS_process_vm_readv},
    {"socket", SYS_socket},
    {"openat2", SYS_openat2},
    {"membarrier", SYS_membarrier},
    {"io_uring_setup", SYS_io_uring_setup},
    {"inotify_init1", SYS_inotify_init1},
    {"bpf", SYS_bpf},
    {"userfaultfd", SYS_userfaultfd},
    {"pidfd_open", SYS_pidfd_open},
    {"sched_setaffinity", SYS_sched_setaffinity},
    {"eventfd2", SYS_eventfd2},
};

// CALL+CALL:HOW, where HOW is kill, or the number that errno becomes (38 when it is not said). A system call by an
// unknown name ends the program.
void forbid(Host& /*host*/, const std::string& argument) {
  const auto colon = argument.find(':');
  const std::string how = colon == std::string::npos ? "38" : argument.substr(colon + 1);
  const std::uint32_t verdict =
      how == "kill" ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number(how, ENOSYS));
  std::vector<sock_filter> filter{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  std::string names = argument.substr(0, colon) + "+";
  while (!names.empty()) {
    const auto plus = names.find('+');
    bool known = false;
    for (const NamedCall& call : calls) {
      if (call.name != names.substr(0, plus)) continue;
      filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 1));
      filter.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
      known = true;
    }
    if (!known) {
      say("seccomp: %s is not known", names.substr(0, plus).c_str());
      ::_exit(2);
    }
    names.erase(0, plus + 1);
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  const bool no_new = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  say("seccomp: %s %s", outcome(no_new), outcome(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0));
}

void change_root(Host& /*host*/, const std::string& /*argument*/) {
  ::mkdir("jail", 0777);
  const bool jailed = ::chroot("jail") == 0;
  say("chroot: %s %s", outcome(jailed), outcome(!jailed || ::chdir("/") == 0));
}

// A mount namespace without a /proc, as in some containers.
void hide_proc(Host& /*host*/, const std::string& /*argument*/) {
  const bool own = ::unshare(CLONE_NEWNS) == 0;
  const bool is_private = own && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  const bool hidden = is_private && ::mount("nothing", "/proc", "tmpfs", 0, "size=4k") == 0;
  say("hide_proc: %s", outcome(hidden));
}

// Needs a process of one thread, and is refused where there is another: judged by itself.
void own_user_namespace(Host& /*host*/, const std::string& /*argument*/) {
  say("one-thread-only unshare_user: %s", outcome(::unshare(CLONE_NEWUSER) == 0));
}

// Likewise: the kernel wants a process that shares its root and working folder with no other thread.
void enter_mount_namespace(Host& /*host*/, const std::string& /*argument*/) {
  const int before = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  const int here = ::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  const bool entered = here >= 0 && ::setns(here, CLONE_NEWNS) == 0;
  say("one-thread-only setns_mount: %s", outcome(entered));
  if (entered && ::fchdir(before) != 0) say("setns_mount: cannot go back");  // the kernel went to the root
  if (here >= 0) ::close(here);
  if (before >= 0) ::close(before);
}

void own_descriptors(Host& /*host*/, const std::string& /*argument*/) {
  say("unshare_files: %s", outcome(::unshare(CLONE_FILES | CLONE_FS) == 0));
}

void own_network(Host& /*host*/, const std::string& /*argument*/) {
  say("unshare_net: %s", outcome(::unshare(CLONE_NEWNET) == 0));
}

void not_dumpable(Host& /*host*/, const std::string& /*argument*/) {
  say("not_dumpable: %s", outcome(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0));
}

// NAME:VALUE, from here on.
void set_limit(Host& /*host*/, const std::string& argument) {
  struct NamedLimit {
    char letter;
    __rlimit_resource_t resource;
  };
  constexpr NamedLimit limits[] = {{'n', RLIMIT_NOFILE}, {'u', RLIMIT_NPROC},      {'l', RLIMIT_MEMLOCK},
                                   {'s', RLIMIT_STACK},  {'i', RLIMIT_SIGPENDING}, {'f', RLIMIT_FSIZE}};
  for (const NamedLimit& limit : limits) {
    if (argument.empty() || argument[0] != limit.letter) continue;
    const auto value = static_cast<rlim_t>(number(argument.substr(2), 0));
    const rlimit both{value, value};
    say("limit %c: %s", limit.letter, outcome(::setrlimit(limit.resource, &both) == 0));
  }
}

void leave_a_removed_folder(Host& /*host*/, const std::string& /*argument*/) {
  ::mkdir("removed", 0777);
  const bool inside = ::chdir("removed") == 0;
  ::rmdir("../removed");
  say("removed_folder: %s", outcome(inside));
}

constexpr Operation operations[] = {
    {"setuid", set_user},
    {"seteuid", set_effective_user},
    {"drop_privileges", drop_privileges},
    {"seccomp", forbid},
    {"chroot", change_root},
    {"hide_proc", hide_proc},
    {"unshare_user", own_user_namespace},
    {"setns_mount", enter_mount_namespace},
    {"unshare_files", own_descriptors},
    {"unshare_net", own_network},
    {"not_dumpable", not_dumpable},
    {"limit", set_limit},
    {"removed_folder", leave_a_removed_folder},
};

}  // namespace

std::span<const Operation> sandbox_operations() {
  return operations;
}

}  // namespace plateau::conformance
