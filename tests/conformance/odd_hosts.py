"""Runs odd hosts with and without the agent, and makes what differs as small as it gets."""
import copy
import dataclasses
import os
import re
import resource
import time

from combinations import Combination, resource_limits
from comparison import Expected, shape
from launched_run import Launch, run
from libraries import without_ours

PACE_MS = {"plain": 20, "idle": 20, "fetched": 300}  # how long a piece of work takes: it must reach into a profile
HANGS_AFTER = {"plain": 20.0, "idle": 20.0, "fetched": 40.0}
# What may be resident of the agent in a host that pins its memory: its code and its heap. When profiles are fetched, the
# heap has the symbols, for which debug information is decompressed: with libc6-dbg, which valgrind brings, 25 MB on glibc
# and up to 54 MB on tcmalloc, whose heap grows by larger steps. Two agents have twice that.
PINNED_BOUND_KB = {"idle": 16 * 1024, "fetched": 64 * 1024}
FIRST_USER = 63210
TRIALS = 14  # to make a finding smaller

# The dynamic linker's word about a library that does not fit under the limit; the agent has not run.
OF_THE_LINKER = re.compile(r"^ERROR: ld\.so: object '.*' from LD_PRELOAD cannot be preloaded.*: ignored\.$")


OWN_TIMERS = {"virtual_timer": 26, "prof_timer": 27, "real_timer": 14}  # with their signals


def known_limit(combination, differences):
    """Why an agent cannot do better, where that is known: None, or a line that is printed. Nothing else is let through."""
    operations = [one.split("=")[0] for one in combination.operations]
    gravest = differences[0].split(" where it was")[0]
    statuses = differences[0].replace(" where it was ", " ").split()[1:] if gravest.startswith("status ") else []
    if gravest == "status 134" and "load" in combination.preload and "drop_privileges" in operations:
        return ("an agent that is loaded late does not stand in front of setuid(), and glibc ends a process one of whose threads"
                " lacks the capabilities that another has kept")
    if gravest == "standard output: 'mlockall: ENOMEM'" and any("seccomp" in operations[:at] for at, name in enumerate(operations) if name == "mlockall"):
        return ("a program that has set a filter of system calls is not helped to lock its own memory only, since the calls for"
                " that may be forbidden: the limit counts the agent's as well")
    execs = [at for at, name in enumerate(operations) if name.startswith("exec")]
    for name, signal in OWN_TIMERS.items():
        if str(128 + signal) in statuses and name in operations and execs and operations.index(name) < execs[-1]:
            return ("the program's own interval timer runs on through exec, where nobody handles its signal: the time in which an"
                    " agent is loaded counts for it")
    return None


@dataclasses.dataclass
class Verdict:
    combination: Combination
    differences: list = dataclasses.field(default_factory=list)
    known_limits: list = dataclasses.field(default_factory=list)
    not_judged: str = ""
    served: bool = False  # a profile was had
    smallest: Combination = None


def measures(out):
    return {line.split()[1]: int(line.split()[2]) for line in out.splitlines() if line.startswith("measure ")}


def stripped(outcome):
    """Without what is judged otherwise than by being the same text."""
    out = copy.copy(outcome)
    out.out = "".join(line for line in outcome.out.splitlines(True) if not line.startswith(("measure ", "one-thread-only ")))
    out.error = "".join(line for line in outcome.error.splitlines(True) if not OF_THE_LINKER.match(line.rstrip("\n")))
    return out


def kinds(differences):
    """What differs, without numbers and texts of one run; the gravest first."""
    return [shape(line).split(" where it was")[0][:50] for line in differences]


def runs_by_itself(combination, plain):
    """Not under a limit where the C++ library, or the allocator that is preloaded, finds no memory to begin with and aborts."""
    aborts = plain.status == 128 + 6 and "abort" not in combination.operations
    return not plain.hung and plain.status not in (126, 127) and not aborts


def one_thread_only(outcome):
    return [line for line in outcome.out.splitlines() if line.startswith("one-thread-only ")]


class OddHosts:
    def __init__(self, libraries, scratch, worker=0, patience=None):
        """`worker` numbers what runs at the same time; `patience` is for tests that know of a hang, in seconds."""
        self.patience = patience
        self.libraries = libraries
        self.scratch = scratch
        self.worker = worker

    def run(self, combination, mode):
        ours = mode != "plain"
        operations = list(combination.operations)
        preload = combination.preload if ours else without_ours(combination.preload)
        argv = [os.path.join(self.libraries.bin, combination.host), "--pace", str(PACE_MS[mode])]
        environment = {}
        if ours and "load" in preload:
            argv += ["--library", self.libraries.agent]
        if "sampler" in preload or "agent" in preload:
            environment["PLATEAU_SAMPLE_PERIOD"] = "32768"
        limits = dict(resource_limits(combination))
        limits[resource.RLIMIT_CORE] = 0
        return run(Launch(argv=argv + operations, folder=os.path.join(self.scratch, "odd-%d" % self.worker),
                          preload=self.libraries.files([name for name in preload if name != "load"]), environment=environment,
                          serves=ours, fetched=mode == "fetched", limits=limits,
                          user=FIRST_USER + self.worker if set(combination.limits) & set("ul") and os.geteuid() == 0 else 0,
                          timeout=self.patience or HANGS_AFTER[mode]))

    def compare(self, expected_outcomes, seen, combination):
        expected = Expected(stripped(expected_outcomes[0]))
        for outcome in expected_outcomes[1:]:
            expected.widen(stripped(outcome))
        found = expected.differences(stripped(seen))
        bound_kb = PINNED_BOUND_KB[combination.mode] * max(1, len(set(combination.preload) & {"agent", "other-agent"}))
        for name, value in measures(seen.out).items():
            before = [measures(plain.out)[name] for plain in expected_outcomes if name in measures(plain.out)]
            if before and value > max(before) + bound_kb:
                found.append("%s: %.1f MB more" % (name, (value - max(before)) / 1024))
        return found

    def judge(self, combination):
        verdict = Verdict(combination)
        plain = [self.run(combination, "plain")]
        if not runs_by_itself(combination, plain[0]):
            verdict.not_judged = "does not run by itself"
            return verdict
        seen = self.run(combination, combination.mode)
        verdict.served = any("200" in statuses for statuses in seen.answers.values())
        found = self.compare(plain, seen, combination)
        if found:
            # It may differ by itself.
            plain += [self.run(combination, "plain") for _ in range(2)]
            found = self.compare(plain, seen, combination)
        if found and (limit := known_limit(combination, found)):
            verdict.known_limits = [limit]
            return verdict
        verdict.differences = found
        if not found and one_thread_only(plain[0]) != one_thread_only(seen):
            verdict.known_limits = ["the kernel wants a single thread: " + line for line in one_thread_only(seen)]
        return verdict

    def differs(self, combination, kind):
        """Whether it is another outcome of that kind, in one of a few tries."""
        plain = self.run(combination, "plain")
        if not runs_by_itself(combination, plain):
            return False
        for _ in range(1 if combination.mode == "idle" else 2):
            found = self.compare([plain], self.run(combination, combination.mode), combination)
            if kind in kinds(found):
                return not self.compare([plain], self.run(combination, "plain"), combination)
        return False

    def simpler(self, combination):
        """Combinations with one thing less, the largest steps first."""
        def changed(**what):
            return dataclasses.replace(combination, **what)
        if combination.host != "odd_host":
            yield changed(host="odd_host")
        if combination.preload != ["agent"] and "load" not in combination.preload:
            yield changed(preload=["agent"])
        if combination.mode != "idle":
            yield changed(mode="idle")
        if combination.limits:
            yield changed(limits={})
        for at in reversed(range(len(combination.operations))):
            if len(combination.operations) > 1 and combination.operations[at] != "load":
                yield changed(operations=combination.operations[:at] + combination.operations[at + 1:])

    def smallest(self, combination, kind, seconds):
        """Drops whatever can be dropped while the outcome still differs in that kind."""
        until = time.monotonic() + seconds
        tried = set()
        again = True
        while again:
            again = False
            for candidate in self.simpler(combination):
                if time.monotonic() > until or len(tried) > TRIALS:
                    return combination
                if candidate.text() in tried:
                    continue
                tried.add(candidate.text())
                if self.differs(candidate, kind):
                    combination, again = candidate, True
                    break
        return combination


def reproduction(combination):
    return "tests/conformance/host_conformance.py odd --replay " + combination.quoted()
