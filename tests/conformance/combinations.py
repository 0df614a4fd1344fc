"""Random odd hosts: which operations in which order, under which limits, with which libraries before and behind ours."""
import dataclasses
import random
import resource
import shlex

from libraries import ALLOCATORS

LIMITS = {"u": resource.RLIMIT_NPROC, "v": resource.RLIMIT_AS, "d": resource.RLIMIT_DATA, "n": resource.RLIMIT_NOFILE,
          "l": resource.RLIMIT_MEMLOCK, "s": resource.RLIMIT_STACK, "i": 11, "f": resource.RLIMIT_FSIZE}  # 11: RLIMIT_SIGPENDING
IN_KB = "vdlsf"  # as the shell's ulimit has them

# So small that little more than the program itself fits in. What a host under them does needs nothing that the agent
# could have taken: it must start, and do it.
TIGHT = {
    "u": [1, 2, 3, 4, 5, 6, 8],
    "v": [40000, 60000, 70000, 80000, 90000, 100000, 130000, 200000, 400000],
    "d": [10000, 20000, 30000, 40000, 60000, 100000, 200000],
    "n": [4, 5, 6, 8, 12, 16],
    "l": [0, 64, 1024],
    "s": [64, 100, 256],
    "i": [0, 1, 2, 4, 8],
    "f": [4, 16],
}
ROOMY = {"u": [60, 200], "v": [4000000, 40000000], "d": [1000000], "n": [64, 300], "l": [65536], "s": [1024, 65536, -1],
         "i": [100], "f": [1024]}

NEEDS_NOTHING = ["fds", "open=2", "close_loop", "close_range", "closefrom", "lowest_free", "errno", "dispositions",
                 "library_state", "attributes", "environment", "prof_timer", "prof_handler", "prof_ignored", "block_all",
                 "exec", "deep=200", "virtual_timer", "clearenv", "close_listed", "limits"]
ANYWHERE = NEEDS_NOTHING + [
    "open=6", "pipes=3", "dup2_all", "close_range_unshare", "unshare_files", "cpu_timer", "clock_timer", "real_timer", "sigwait",
    "interruptions", "overflow", "sigqueue=5", "prof_default", "unblock_all", "threads=3", "thread_storm", "small_stacks",
    "coroutines=16", "coroutines=64", "deep=3000", "main_exits", "cancel", "exec=3", "exec_in_thread", "vfork", "spawn", "fork",
    "fork_storm", "exec_storm=3", "system", "daemonise", "children", "at_exit", "malloc=16", "allocators", "reserve=64",
    "fixed", "mlockall", "mlock_future", "limit_as", "limit_data", "sbrk", "not_dumpable", "removed_folder",
    "overwrite_environment", "dlopen",
    "seccomp=close_range:1", "seccomp=close_range", "seccomp=clone3", "seccomp=unshare:1", "seccomp=perf_event_open:1",
    "seccomp=memfd_create:1", "seccomp=timer_create:1", "seccomp=eventfd2+inotify_init1:1", "seccomp=pidfd_open+openat2",
    "seccomp=perf_event_open+ptrace+process_vm_readv+bpf+userfaultfd+io_uring_setup:kill",
    "limit=n:8", "limit=n:3", "limit=s:65536", "limit=l:0", "limit=f:4096", "limit=i:0",
]
AS_ROOT = ["setuid", "seteuid", "drop_privileges", "chroot", "hide_proc", "unshare_net"]
ONE_THREAD_ONLY = ["unshare_user", "setns_mount"]  # last: a failure is known, and what follows would be another program
ENDS = ["_exit", "exit", "quick_exit", "abort", "exit_in_thread", "raise=15", "raise=27", "raise=9"]

# Every kind of harm that was ever seen, before the random ones.
SEEN_BEFORE = [
    "fetched|agent||work work exec work work",
    "fetched|agent||work=4 close_loop open=6 work=4 threads=3",
    "fetched|agent||work=3 closefrom pipes=3 dup2_all work=4",
    "fetched|agent||work=3 prof_timer work=4",
    "fetched|agent||prof_timer work=4 threads=2",
    "fetched|agent||prof_ignored work=4 dispositions",
    "fetched|agent||work=3 fork_storm exec_storm=3 vfork system",
    "fetched|agent||work=2 exit",
    "fetched|agent||work=2 daemonise work=3 fds",
    "fetched|agent||small_stacks coroutines=16 overflow interruptions sigwait errno",
    "fetched|agent|f=64|work=5 lowest_free",
    "fetched|agent||chroot work=3 open=3 lowest_free",
    "idle|agent|u=4|fds",
    "idle|agent|u=2|lowest_free",
    "idle|agent|v=80000|fds",
    "idle|agent|v=90000|fds lowest_free",
    "idle|agent|d=20000|fds",
    "idle|agent|d=40000|fds",
    "idle|agent|n=5|open=2 fds",
    "idle|agent|s=64|threads=2",
    "idle|agent||mlockall threads=2",
    "idle|agent|l=1024|setuid mlockall malloc=4",
    "fetched|agent||mlock_future work=3",
    "fetched|agent||work=4 mlockall work=3",
    "fetched|tcmalloc,sampler,agent||work=4 mlockall work threads=3",
    "idle|agent|l=65536|mlockall threads=2",
    "fetched|jemalloc,agent||work=3 threads=2|odd_host_own_malloc",
    "idle|agent,sampler,tcmalloc||drop_privileges",
    "idle|agent||seccomp=perf_event_open+ptrace+process_vm_readv+bpf+userfaultfd+io_uring_setup:kill exec work",
    "fetched|agent||seccomp=close_range:1 exec work=3 fds",
    "fetched|agent||hide_proc exec work=3 fds",
    "fetched|agent,other-agent||work=3 exec work=2 fds",
    "fetched|agent,sampler,jemalloc||work=3 threads=3 allocators",
    "fetched|mimalloc,agent,sampler||work=3 threads=3 allocators",
    "fetched|tcmalloc,agent||work=3 close_loop open=6 work=3",
    "fetched|load||work load work=3 fds exec work",
    "fetched|agent||main_exits work=3 fork",
    "idle|agent||drop_privileges fds work",
    "fetched|agent||work drop_privileges work=3 fork",
    "idle|agent||unshare_user",
    "idle|agent||setns_mount",
]


@dataclasses.dataclass
class Combination:
    operations: list
    mode: str = "idle"                 # or fetched
    preload: list = dataclasses.field(default_factory=lambda: ["agent"])  # "load": not preloaded, but dlopen'd
    limits: dict = dataclasses.field(default_factory=dict)  # letter: value as of ulimit, -1: none
    host: str = "odd_host"

    def text(self):
        """As --replay reads it."""
        limits = ",".join("%s=%s" % item for item in self.limits.items())
        host = "" if self.host == "odd_host" else "|" + self.host
        return "|".join([self.mode, ",".join(self.preload), limits, " ".join(self.operations)]) + host

    def quoted(self):
        return shlex.quote(self.text())


def parse(text):
    mode, preload, limits, operations, *host = text.split("|")
    return Combination(operations=operations.split(), mode=mode, preload=[name for name in preload.split(",") if name],
                       limits={item[0]: int(item[2:]) for item in limits.split(",") if item}, host=host[0] if host else "odd_host")


def resource_limits(combination):
    return {LIMITS[letter]: resource.RLIM_INFINITY if value < 0 else value * 1024 if letter in IN_KB else value
            for letter, value in combination.limits.items()}


def random_preload(chance):
    kind = chance.random()
    if kind < 0.5:
        return ["agent"]
    if kind < 0.6:
        return chance.choice([["agent", "other-agent"], ["other-agent", "agent"]])
    if kind < 0.68:
        return ["load"]
    if kind < 0.74:
        return ["sampler"]
    names = ["agent"] + (["sampler"] if chance.random() < 0.6 else []) + [chance.choice(sorted(ALLOCATORS))]
    chance.shuffle(names)
    return names


def random_combination(chance, as_root):
    combination = Combination(operations=[], mode=chance.choice(["idle", "fetched", "fetched"]), preload=random_preload(chance))
    if chance.random() < 0.25:
        combination.host = "odd_host_own_malloc"
    kind = chance.random()
    letters = [letter for letter in LIMITS if letter != "u" or as_root]  # a user with no other processes
    if kind < 0.3:
        letter = chance.choice(letters)
        combination.limits = {letter: chance.choice(TIGHT[letter])}
    elif kind < 0.4:
        letter = chance.choice(letters)
        combination.limits = {letter: chance.choice(ROOMY[letter])}
    tight = kind < 0.3
    choices = NEEDS_NOTHING if tight else ANYWHERE + (AS_ROOT if as_root else [])
    for _ in range(chance.randint(2, 6)):
        if chance.random() < 0.6:
            combination.operations.append("work")
        combination.operations.append(chance.choice(choices))
    if "load" in combination.preload:
        combination.operations.insert(chance.randint(0, len(combination.operations)), "load")
    last = chance.random()
    if last < 0.2:
        combination.operations.append(chance.choice(ENDS))
    elif last < 0.23 and as_root:
        combination.operations.append(chance.choice(ONE_THREAD_ONLY))
    return combination


def combinations(seed, count, as_root):
    """`count` of them: those of which there was trouble, as long as they are not more than half, and random ones."""
    chance = random.Random(seed)
    known = [parse(text) for text in SEEN_BEFORE]
    if not as_root:
        known = [one for one in known if "u" not in one.limits and not set(one.operations) & set(AS_ROOT + ONE_THREAD_ONLY)]
    if len(known) > (count + 1) // 2:
        known = chance.sample(known, (count + 1) // 2)
    yield from known
    for _ in range(count - len(known)):
        yield random_combination(chance, as_root)
