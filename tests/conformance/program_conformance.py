"""Programs of Debian with and without agent and sampler: one table, one row a program."""
import dataclasses
import os

from comparison import Expected
from launched_run import Launch, run

MEMORY_BOUND_KB = 8 * 1024
# Enough for the symbols of one profile that is being made when the program ends.
PATIENCE = 30.0

MODES = {
    "idle": {"preload": ["agent"], "serves": True},
    "fetched": {"preload": ["agent"], "serves": True, "fetched": True},
    "sampler": {"preload": ["sampler"], "environment": {"PLATEAU_SAMPLE_PERIOD": "65536"}},
}
PROFILES = ("profile", "heap", "rss", "delta_heap")


@dataclasses.dataclass
class Row:
    program: str
    compared: str = ""
    differences: dict = dataclasses.field(default_factory=dict)  # mode: list of lines
    cpu_seconds: dict = dataclasses.field(default_factory=dict)
    seconds: dict = dataclasses.field(default_factory=dict)
    memory_kb: int = None
    answers: dict = dataclasses.field(default_factory=dict)
    not_compared: str = ""


class Conformance:
    def __init__(self, libraries, scratch):
        self.libraries = libraries
        self.scratch = scratch

    def run(self, program, mode, plain_seconds=0.0):
        settings = MODES.get(mode, {})
        return run(Launch(argv=program.argv, stdin=program.stdin,
                          folder=os.path.join(self.scratch, program.name.replace(" ", "-")),
                          preload=self.libraries.files(settings.get("preload", [])),
                          environment=settings.get("environment", {}), serves=settings.get("serves", False),
                          fetched=settings.get("fetched", False), timeout=max(60.0, PATIENCE + 10 * plain_seconds)))

    def differences(self, program, mode, expected, seen):
        """What is left when plain runs have shown what varies by itself."""
        for _ in range(2):
            if not expected.differences(seen):
                return []
            expected.widen(self.run(program, "plain"))
        found = expected.differences(seen)
        if found:
            again = expected.differences(self.run(program, mode, expected.outcomes[0].seconds))
            found.append("the next run %s" % ("differs too" if again else "does not differ"))
        return found

    def check(self, program, modes):
        row = Row(program.name)
        expected = Expected(self.run(program, "plain"))
        if expected.outcomes[0].hung:
            row.not_compared = "hangs by itself"
            return row
        plain_seconds = expected.outcomes[0].seconds
        seen = {}
        for mode in modes:
            seen[mode] = self.run(program, mode, plain_seconds)
            if mode == modes[0]:
                expected.widen(self.run(program, "plain"))
        for mode in modes:
            if found := self.differences(program, mode, expected, seen[mode]):
                row.differences[mode] = found
            row.cpu_seconds[mode] = seen[mode].cpu_seconds
            row.seconds[mode] = seen[mode].seconds
        self.add_costs(row, expected, seen)
        self.add_answers(row, program, seen)
        plain = expected.outcomes[0]
        row.compared = "%d+%d lines, %d files, %d of the process" % (len(plain.out.splitlines()), len(plain.error.splitlines()),
                                                                     len(plain.files), len(plain.views))
        return row

    def add_costs(self, row, expected, seen):
        row.cpu_seconds["plain"] = min(one.cpu_seconds for one in expected.outcomes)
        row.seconds["plain"] = min(one.seconds for one in expected.outcomes)
        if "idle" not in seen:
            return
        added = [seen["idle"].memory_kb[name]["Pss"] - max(one.memory_kb[name]["Pss"] for one in expected.outcomes)
                 for name in seen["idle"].memory_kb
                 if "Pss" in seen["idle"].memory_kb[name] and all("Pss" in one.memory_kb.get(name, {}) for one in expected.outcomes)]
        if added:
            row.memory_kb = max(added)
            if row.memory_kb > MEMORY_BOUND_KB:
                row.differences.setdefault("idle", []).append(
                    "memory: %.1f MB more, the bound is %.0f MB" % (row.memory_kb / 1024, MEMORY_BOUND_KB / 1024))

    def add_answers(self, row, program, seen):
        if "fetched" not in seen:
            return
        row.answers = {name: seen["fetched"].answers.get(name, {}).get("200", 0) for name in PROFILES}
        if not any(row.answers.values()) and not program.unserved:
            row.differences.setdefault("fetched", []).append("no profile was had, so nothing is known")


def reproduction(row, mode):
    return "tests/conformance/host_conformance.py programs --only '%s' --mode %s" % (row.program, mode)


def table(rows):
    yield "%-18s %-38s %-9s %-9s %-9s %8s %8s %8s  %s" % ("program", "compared", "idle", "fetched", "sampler", "CPU s",
                                                         "idle +%", "MB idle", "profiles: CPU heap rss delta")
    for row in rows:
        if row.not_compared:
            yield "%-18s %s" % (row.program, row.not_compared)
            continue
        verdict = {mode: "DIFFERS" if mode in row.differences else "same" if mode in row.cpu_seconds else "-"
                   for mode in MODES}
        plain = row.cpu_seconds["plain"]
        added = "%.1f" % ((row.cpu_seconds["idle"] / plain - 1) * 100) if "idle" in row.cpu_seconds and plain else "-"
        memory = "%.1f" % (row.memory_kb / 1024) if row.memory_kb is not None else "-"
        yield "%-18s %-38s %-9s %-9s %-9s %8.2f %8s %8s  %s" % (
            row.program, row.compared, verdict["idle"], verdict["fetched"], verdict["sampler"], plain, added, memory,
            " ".join(str(row.answers.get(name, "-")) for name in PROFILES))
