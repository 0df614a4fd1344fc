"""A process as the kernel shows it to others: what an agent could have changed in it, and what it costs."""
import os
import re

# Signals 32 and 33 are glibc's own, and there as soon as any thread is cancelled or any user changed.
OF_GLIBC = 1 << 31 | 1 << 32
SAME_FIELDS = ["Umask", "Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
               "Cpus_allowed"]
SIGNAL_FIELDS = ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"]
SAME_FILES = ["limits", "oom_score_adj", "coredump_filter", "personality", "timerslack_ns", "cmdline", "comm"]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return None


def fields(text):
    return dict(line.split(":", 1) for line in (text or "").splitlines() if ":" in line)


def without_ids(target):
    """Inode numbers and process ids differ from run to run."""
    return re.sub(r"/proc/\d+", "/proc/N", re.sub(r"\[\d+\]", "[N]", target))


def timers(text):
    """POSIX timers without their numbers, which are the kernel's."""
    return sorted(re.sub(r"(?m)^ID: .*\n|0x?[0-9a-f]{6,}|(?<=\.)\d+$", "", block) for block in re.split(r"(?m)^(?=ID: )", text or "") if block)


def thread_names(pid):
    """Names of its threads, without the agent's; those that have no name of their own, counted. An allocator that starts
    threads as it needs them (jemalloc) has more of them as others use it more."""
    names = [read("/proc/%d/task/%s/comm" % (pid, task)) for task in os.listdir("/proc/%d/task" % pid)]
    names = [name.strip() for name in names if name]
    main = (read("/proc/%d/comm" % pid) or "").strip()
    return ", ".join(["%d %s" % (names.count(main), main)] +
                     sorted({name for name in names if name != main and not name.startswith("plateau")}))


def look(pid):
    """A flat dictionary of what is to be the same; every value is text."""
    folder = "/proc/%d/" % pid
    view = {}
    for number in os.listdir(folder + "fd"):
        try:
            target = without_ids(os.readlink(folder + "fd/" + number))
        except OSError:
            continue
        flags = fields(read(folder + "fdinfo/" + number)).get("flags", "").strip()
        view["descriptor " + number] = target + " " + flags
    status = fields(read(folder + "status"))
    for name in SAME_FIELDS:
        view[name] = status.get(name, "").strip()
    for name in SIGNAL_FIELDS:
        view[name] = "%016x" % (int(status.get(name, "0"), 16) & ~OF_GLIBC)
    for name in SAME_FILES:
        view[name] = read(folder + name) or ""
    view["timers"] = "\n".join(timers(read(folder + "timers")))
    for name in ("cwd", "root", "exe"):
        try:
            view[name] = os.readlink(folder + name)
        except OSError:
            view[name] = "?"
    view["threads"] = thread_names(pid)
    return view


def memory_kb(pid):
    """Proportional set size, private where nobody shares, and all that is resident."""
    rollup = fields(read("/proc/%d/smaps_rollup" % pid))
    return {name: int(rollup[name].split()[0]) for name in ("Pss", "Rss") if name in rollup}


def waits(pid):
    """Whether its main thread sleeps, and how often it has gone to sleep so far."""
    stat = read("/proc/%d/stat" % pid)
    status = fields(read("/proc/%d/status" % pid))
    if not stat or "voluntary_ctxt_switches" not in status:
        return None
    return stat.rsplit(")", 1)[1].split()[0] == "S", status["voluntary_ctxt_switches"]


def has_running_children(pid):
    """Also one that it waits for, whose start or end it may be in the middle of. Zombies are not running."""
    return any((read("/proc/%d/stat" % child) or ")Z").rsplit(")", 1)[1].split()[0] != "Z" for child in children_of(pid))


def children_of(pid):
    """Processes whose parent is `pid`, as {child: command name}."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        stat = read("/proc/%s/stat" % entry)
        if stat and int(stat.rsplit(")", 1)[1].split()[1]) == pid:
            found[int(entry)] = stat[stat.index("(") + 1:stat.rindex(")")]
    return found
