"""One run of a program to its end, and everything that is to be the same in the next run."""
import array
import ctypes
import dataclasses
import fcntl
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import stat
import subprocess
import sys
import termios
import time

import process_view

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_CHILD_SUBREAPER = 36
RUN_COUNT = [0]
MEMORY_LIMITS = {resource.RLIMIT_AS: "as", resource.RLIMIT_DATA: "data"}


@dataclasses.dataclass
class Launch:
    """What is run and how. `stdin` is one text, or two: the program is looked at while it waits for the second."""
    argv: list
    folder: str                      # private, made for the run and removed after it
    preload: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)
    serves: bool = False             # PLATEAU_PPROF is set
    fetched: bool = False            # profiles are fetched meanwhile
    stdin: tuple = ()
    limits: dict = dataclasses.field(default_factory=dict)  # RLIMIT_ number: value
    user: int = 0                    # the program runs as it, when not 0
    timeout: float = 60


@dataclasses.dataclass
class Outcome:
    status: int = 0                  # as a shell says it: 128 + signal
    hung: bool = False
    out: str = ""
    error: str = ""
    files: dict = dataclasses.field(default_factory=dict)
    views: dict = dataclasses.field(default_factory=dict)
    orphans: list = dataclasses.field(default_factory=list)   # how its daemons ended
    memory_kb: dict = dataclasses.field(default_factory=dict)  # not compared
    answers: dict = dataclasses.field(default_factory=dict)    # not compared
    cpu_seconds: float = 0.0
    seconds: float = 0.0


def become_reaper():
    """Daemons of the programs become children of this process, which so knows when they are gone."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def own_address():
    """An address of 127.0.0.0/8 that no other run on this machine has."""
    RUN_COUNT[0] += 1
    pid, nth = os.getpid(), RUN_COUNT[0]
    return "127.%d.%d.%d" % (1 + pid // 250 % 250, 1 + pid % 250, 1 + nth % 250)


def shell_status(raw):
    return 128 + os.WTERMSIG(raw) if os.WIFSIGNALED(raw) else os.WEXITSTATUS(raw)


def file_table(folder):
    """Every path below `folder`: kind, permissions, and a digest of what is in it."""
    table = {}
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(root, name)
            info = os.lstat(path)
            text = "%s %o" % (stat.filemode(info.st_mode)[0], stat.S_IMODE(info.st_mode))
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    text += " %d bytes %s" % (info.st_size, hashlib.sha256(file.read()).hexdigest()[:16])
            elif stat.S_ISLNK(info.st_mode):
                text += " to " + os.readlink(path)
            table[os.path.relpath(path, folder)] = text
    return table


def lowered(which, value):
    """Not above the hard limit, which not even root may raise in a container."""
    hard = resource.getrlimit(which)[1]
    if hard == resource.RLIM_INFINITY:
        return value
    return hard if value == resource.RLIM_INFINITY else min(value, hard)


def limited(launch, environment):
    """The words to start it with. Limits of memory are set by programs that are small, and the preload list after them:
    this interpreter has no memory to spare under such a limit."""
    options = ["--%s=%d" % (MEMORY_LIMITS[which], value) for which, value in launch.limits.items() if which in MEMORY_LIMITS]
    if not options:
        return launch.argv
    preload = ["LD_PRELOAD=" + environment.pop("LD_PRELOAD")] if "LD_PRELOAD" in environment else []
    return ["prlimit"] + options + ["--", "env"] + preload + launch.argv


class RunningFetcher:
    def __init__(self, address):
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "fetcher.py"), address], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        answers = json.loads(self.process.stdout.readline() or "{}")
        self.process.stdout.close()
        self.process.wait()
        return answers


class Run:
    def __init__(self, launch):
        self.launch = launch
        self.outcome = Outcome()
        self.fetcher = None
        self.stdin = None
        self.parts = [part.encode() for part in launch.stdin]

    def environment(self, address):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("PLATEAU_", "LD_", "MALLOC_", "PYTHON", "MAKE"))}
        environment.update({"LC_ALL": "C", "TZ": "UTC", "HOME": self.work, "TMPDIR": self.work}, **self.launch.environment)
        environment["LD_PRELOAD"] = ":".join(self.launch.preload)
        if self.launch.serves:
            environment["PLATEAU_PPROF"] = address + ":0"
        return {name: value for name, value in environment.items() if name != "LD_PRELOAD" or value}

    def prepare(self):
        folder = self.launch.folder
        shutil.rmtree(folder, ignore_errors=True)
        self.work = os.path.join(folder, "work")
        os.makedirs(self.work)
        os.chmod(folder, 0o755)
        os.chmod(self.work, 0o777)
        for name in ("sync", "go"):
            os.mkfifo(os.path.join(folder, name))
            os.chmod(os.path.join(folder, name), 0o666)
        # Both ends, so that neither side waits for the other to open.
        self.sync = os.open(os.path.join(folder, "sync"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.go = os.open(os.path.join(folder, "go"), os.O_RDWR | os.O_CLOEXEC)

    def start(self):
        launch = self.launch
        address = own_address()
        if launch.fetched:
            self.fetcher = RunningFetcher(address)

        def limit():
            for which, value in launch.limits.items():
                if which not in MEMORY_LIMITS:
                    resource.setrlimit(which, (lowered(which, value),) * 2)
            if launch.user:
                os.setgroups([])
                os.setresgid(launch.user, launch.user, launch.user)
                os.setresuid(launch.user, launch.user, launch.user)

        environment = self.environment(address)
        read_end = None
        if self.parts:
            read_end, self.stdin = os.pipe()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        out = os.open(os.path.join(launch.folder, "out"), flags, 0o666)
        error = os.open(os.path.join(launch.folder, "error"), flags, 0o666)
        self.started = time.monotonic()
        argv = limited(launch, environment)
        self.process = subprocess.Popen(argv, stdin=read_end if read_end is not None else subprocess.DEVNULL, stdout=out,
                                        stderr=error, cwd=self.work, env=environment, preexec_fn=limit,
                                        start_new_session=True)
        for fd in (out, error, read_end):
            if fd is not None:
                os.close(fd)
        self.ended = os.pidfd_open(self.process.pid)

    def left(self):
        return self.launch.timeout - (time.monotonic() - self.started)

    def see(self, name, pid):
        if self.fetcher:
            self.fetcher.tell("pause")
        try:
            for key, value in process_view.look(pid).items():
                self.outcome.views[name + ": " + key] = value
            self.outcome.memory_kb[name] = process_view.memory_kb(pid)
        except OSError as error:
            self.outcome.views[name] = "cannot be looked at: %s" % error.strerror
        if self.fetcher:
            self.fetcher.tell("resume")

    def input_is_taken(self):
        """Nothing is left in the pipe, and the program has gone to sleep, twice seen in the same sleep, which is no sleep
        for the end of a child."""
        unread = array.array("i", [0])
        fcntl.ioctl(self.stdin, termios.FIONREAD, unread)
        before = process_view.waits(self.process.pid)
        if unread[0] or not before or not before[0] or process_view.has_running_children(self.process.pid):
            return False
        time.sleep(0.01)
        return process_view.waits(self.process.pid) == before

    def feed(self):
        part = self.parts.pop(0)
        try:
            while part and self.left() > 0 and not self.has_ended(0):
                part = part[os.write(self.stdin, part[:4096]):]
            if self.parts:
                while not self.input_is_taken() and self.left() > 0 and not self.has_ended(0.01):
                    pass
                self.see("program", self.process.pid)
        except BrokenPipeError:
            self.parts = []
        if not self.parts:
            os.close(self.stdin)
            self.stdin = None

    def has_ended(self, seconds):
        return bool(select.select([self.ended], [], [], seconds)[0])

    def wait_for_sleep(self, pid):
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            before = process_view.waits(pid)
            time.sleep(0.01)
            if before is None or before[0] and process_view.waits(pid) == before:
                return

    def attend(self):
        """Until the program ends: feeds it, and looks where its script asks for it (`NAME PID` on the fifo)."""
        while self.left() > 0:
            if self.parts:
                self.feed()
                continue
            ready = select.select([self.ended, self.sync], [], [], self.left())[0]
            if self.sync in ready:
                for line in os.read(self.sync, 4096).decode().splitlines():
                    name, pid = line.split()
                    self.wait_for_sleep(int(pid))  # a shell has written, and takes its redirection back
                    self.see(name, int(pid))
                    os.write(self.go, b"\n")
            elif self.ended in ready:
                return
        self.outcome.hung = True

    def add_usage(self, usage):
        self.outcome.cpu_seconds += usage.ru_utime + usage.ru_stime

    def reap(self):
        if self.outcome.hung:
            kill(self.process.pid)
        _, raw, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0  # waited for
        self.outcome.status = shell_status(raw)
        self.outcome.seconds = time.monotonic() - self.started
        self.add_usage(usage)
        deadline = time.monotonic() + max(5.0, min(15.0, self.left()))
        fetcher = self.fetcher.process.pid if self.fetcher else 0
        while True:
            orphans = {pid: name for pid, name in process_view.children_of(os.getpid()).items() if pid != fetcher}
            if not orphans:
                break
            for pid, name in orphans.items():
                late = time.monotonic() > deadline
                if late:
                    kill(pid)
                done, raw, usage = os.wait4(pid, 0 if late else os.WNOHANG)
                if done:
                    self.add_usage(usage)
                    text = "still there: " + name if late else name + " %d" % shell_status(raw)
                    if late or shell_status(raw):
                        self.outcome.orphans.append(text)
            time.sleep(0.005)
        self.outcome.orphans.sort()

    def finish(self):
        if self.fetcher:
            self.outcome.answers = self.fetcher.end()
        if self.stdin is not None:
            os.close(self.stdin)
        for fd in (self.sync, self.go, self.ended):
            os.close(fd)
        for name in ("out", "error"):
            with open(os.path.join(self.launch.folder, name), "rb") as file:
                setattr(self.outcome, name, file.read().decode(errors="backslashreplace"))
        self.outcome.files = file_table(self.work)
        shutil.rmtree(self.launch.folder, ignore_errors=True)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill(pid):
    send(pid, signal.SIGKILL)


def run(launch):
    """Runs it, waits for it and for everything that it left behind, and returns its Outcome."""
    this = Run(launch)
    this.prepare()
    this.start()
    this.attend()
    this.reap()
    this.finish()
    return this.outcome


def end_all(*_):
    """Ends everything that runs below this process, and this process."""
    while True:
        below = process_view.children_of(os.getpid())
        if not below:
            os._exit(1)
        for pid in below:
            kill(pid)
            os.waitpid(pid, 0)
