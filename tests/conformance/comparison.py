"""What differs between runs of one program, beyond what differs by itself.

A program's output may vary: times, random keys, the order of two workers. Nothing is known here about any program. What
differs between plain runs is not compared; everything else is.
"""
import re

TOKEN = re.compile(r"\d+(?:\.\d+)?|[A-Za-z_]+|\s+|.")
NUMBER = re.compile(r"\d+(?:\.\d+)?$")


def tokens(line):
    return TOKEN.findall(line)


class LinePattern:
    """A line, or what lines at the same place have in common."""

    def __init__(self, line):
        self.first = line
        self.pattern = None
        self.lines = [line]

    def widen(self, line):
        if line not in self.lines:
            self.lines.append(line)
            self.pattern = self.common()

    def common(self):
        split = [tokens(line) for line in self.lines]
        if len({len(one) for one in split}) != 1:
            return re.compile(".*")
        number_varies = any(len(set(column)) > 1 and all(NUMBER.match(one) for one in column) for column in zip(*split))
        parts = []
        for column in zip(*split):
            if len(set(column)) == 1 and not (number_varies and (NUMBER.match(column[0]) or column[0].isspace())):
                parts.append(re.escape(column[0]))
            elif all(NUMBER.match(one) for one in column):
                parts.append(r"\d+(?:\.\d+)?")
            elif all(one.isspace() for one in column):
                parts.append(r"\s*")
            else:
                parts.append(r"\S*?")
        return re.compile("".join(parts))

    def matches(self, line):
        return line == self.first or (self.pattern is not None and self.pattern.fullmatch(line) is not None)


def shape(line):
    """A line without its numbers, also hexadecimal ones."""
    return re.sub(r"\b[0-9a-f]*\d[0-9a-f]*\b|\d+", "#", line)


class TextPattern:
    """Lines of several plain runs: number by number at the same places, or else, where the runs have more or fewer lines
    or another order, the lines that are in all of them, and no line of a shape that was in none."""

    def __init__(self, text):
        self.lines = [LinePattern(line) for line in text.splitlines()]
        self.ends_with_newline = {text.endswith("\n")}
        self.shapes = {shape(line) for line in text.splitlines()}
        self.in_all = None  # the lines of every run, once they are compared loosely
        self.shapes_vary = False

    def widen(self, text):
        lines = text.splitlines()
        self.ends_with_newline.add(text.endswith("\n"))
        shapes = {shape(line) for line in lines}
        if self.in_all is None and len(lines) == len(self.lines):
            for pattern, line in zip(self.lines, lines):
                pattern.widen(line)
        else:
            before = [pattern.first for pattern in self.lines] if self.in_all is None else self.in_all
            self.in_all = [line for line in before if line in lines]
            self.shapes_vary = self.shapes_vary or not shapes <= self.shapes
        self.shapes |= shapes

    def difference(self, text):
        """A line that says what is different; None when nothing is."""
        lines = text.splitlines()
        if self.in_all is not None:
            missing = [line for line in self.in_all if line not in lines]
            new = [line for line in lines if shape(line) not in self.shapes]
            if missing:
                return "misses %r" % missing[0][:200]
            return "has %r" % new[0][:200] if new and not self.shapes_vary else None
        for pattern, line in zip(self.lines, lines):
            if not pattern.matches(line):
                return "%r where it was %r" % (line[:200], pattern.first[:200])
        if len(lines) > len(self.lines):
            return "%d more lines: %r" % (len(lines) - len(self.lines), lines[len(self.lines)][:200])
        if len(lines) < len(self.lines):
            return "%d fewer lines, the first %r" % (len(self.lines) - len(lines), self.lines[len(lines)].first[:200])
        if text.endswith("\n") not in self.ends_with_newline:
            return "another end of the last line"
        return None


def table_differences(plain, seen, what):
    """Of dictionaries: keys whose value is the same in all plain runs."""
    keys = sorted(set(seen).union(*plain))
    found = []
    for key in keys:
        before = {one.get(key) for one in plain}
        if len(before) == 1 and seen.get(key) not in before:
            found.append("%s %s: %s where it was %s" % (what, key, seen.get(key, "nothing"), before.pop() or "nothing"))
    return found


class Expected:
    """The outcomes of plain runs, and what they have in common."""

    def __init__(self, outcome):
        self.outcomes = [outcome]
        self.out = TextPattern(outcome.out)
        self.error = TextPattern(outcome.error)

    def widen(self, outcome):
        self.outcomes.append(outcome)
        self.out.widen(outcome.out)
        self.error.widen(outcome.error)

    def differences(self, seen):
        """Every way in which `seen` is another outcome, a line each."""
        found = []
        if seen.hung:
            found.append("hangs: ended after %.0f s, %.1f s without" % (seen.seconds, self.outcomes[0].seconds))
        statuses = {one.status for one in self.outcomes}
        if not seen.hung and len(statuses) == 1 and seen.status not in statuses:
            found.append("status %d where it was %d" % (seen.status, self.outcomes[0].status))
        for name, pattern, text in (("standard output", self.out, seen.out), ("standard error", self.error, seen.error)):
            if difference := pattern.difference(text):
                found.append("%s: %s" % (name, difference))
        found += table_differences([one.files for one in self.outcomes], seen.files, "file")
        found += table_differences([one.views for one in self.outcomes], seen.views, "process")
        if len({tuple(one.orphans) for one in self.outcomes}) == 1 and seen.orphans != self.outcomes[0].orphans:
            found.append("left behind: %s where it was %s" % (seen.orphans, self.outcomes[0].orphans))
        return found
