#!/usr/bin/env python3
"""Runs docs/first-hour.md as its reader does: every shell block in order, in a copy of the checkout.

    first_hour.py SOURCES BUILD

SOURCES is the checkout, BUILD its configured and built build/release. A block "sh" must end with status 0, a block
"sh background" goes on until the document's end, as in a terminal of its own. The lines of a block "text" are looked for
in what the block above it printed; "…" stands for anything. Every page that is linked on 127.0.0.1 must answer. Where the
kernel allows it, all of that is done in a network of its own, so that the ports of the document are free.
"""

import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PATIENCE_S = 90  # for what comes by and by: a service that starts, a scrape
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def enter_own_network():
    """Gives whether this process has a loopback device of its own now."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNET) != 0:
        return False  # as another user than root the labs would lose their cgroups, too
    siocsifflags, iff_up = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", iff_up))
    return True


def blocks_of(text):
    """Gives (info string, lines, line number) of each fenced block, and ("link", URL, line number) of each local page."""
    blocks, fence, lines = [], None, []
    for number, line in enumerate(text.splitlines(), 1):
        if fence is not None and line.startswith("```"):
            blocks.append((fence[0], lines, fence[1]))
            fence = None
        elif fence is not None:
            lines.append(line)
        elif line.startswith("```"):
            fence, lines = (line[3:].strip(), number), []
        else:
            blocks += [("link", url, number) for url in re.findall(r"<(http://127\.0\.0\.1[^>]*)>", line)]
    return blocks


def missing_lines(expected, output):
    """Gives the expected lines that no later line of the output begins with."""
    rest = output.splitlines()
    for i, line in enumerate(expected):
        pattern = re.compile(r"\s*" + r".*".join(re.escape(part.strip()).replace(r"\ ", r"\s+") for part in line.split("…")))
        found = next((at for at, one in enumerate(rest) if pattern.match(one)), None)
        if found is None:
            return expected[i:]
        rest = rest[found + 1:]
    return []


class Reader:
    def __init__(self, checkout, document):
        self.checkout = checkout
        self.document = document
        self.terminals = []

    def fail(self, number, what):
        sys.exit(f"{self.document}:{number}: {what}")

    def run(self, block, number, expected):
        """A command that only asks is asked again until the answer is there: what it asks has just been started."""
        script = "set -e\n" + "\n".join(block)
        only_asks = all(line.startswith(("curl ", "build/release/bin/heap2pprof ", "sleep ")) for line in block)
        until = time.monotonic() + (PATIENCE_S if only_asks else 0)
        while True:
            begin = time.monotonic()
            done = subprocess.run(["bash", "-c", script], cwd=self.checkout, text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment(), check=False)
            missing = missing_lines(expected, done.stdout)
            # A verdict that does not hold on this machine is no fault of the document.
            refused = done.returncode != 0 and "DOES NOT HOLD" not in done.stdout
            if not refused and not missing:
                print(f"{self.document}:{number}: {time.monotonic() - begin:.1f} s: {block[0]}", flush=True)
                return
            if time.monotonic() > until:
                print(done.stdout)
                self.fail(number, f"ended with {done.returncode}" if refused else f"did not print: {missing[0]}")
            time.sleep(0.5)

    def start(self, block, number):
        log = tempfile.TemporaryFile()
        terminal = subprocess.Popen(["bash", "-c", "\n".join(block)], cwd=self.checkout, stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=subprocess.STDOUT, env=self.environment(), start_new_session=True)
        self.terminals.append((terminal, log, number))

    def open(self, url, number):
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as page:
                    if b"<html" in page.read().lower():
                        print(f"{self.document}:{number}: {url}", flush=True)
                        return
                problem = "no page"
            except OSError as error:
                problem = error
            if time.monotonic() > until:
                self.tell_of_terminals()
                self.fail(number, f"{url}: {problem}")
            time.sleep(0.5)

    def environment(self):
        """As a terminal's, in which no make is under way."""
        return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PRESET")}

    def tell_of_terminals(self):
        for _, log, number in self.terminals:
            log.seek(0)
            print(f"--- printed by {self.document}:{number}\n{log.read().decode(errors='replace')[-2000:]}")

    def end(self):
        for terminal, _, _ in self.terminals:
            for each in (signal.SIGINT, signal.SIGKILL):
                try:
                    os.killpg(terminal.pid, each)
                except ProcessLookupError:
                    break
                try:
                    terminal.wait(10)
                except subprocess.TimeoutExpired:
                    continue


def checkout_of(sources, build, folder):
    """What `make run` finds in a clone that has been built: the sources' own files, and their build."""
    checkout = folder / "plateau"
    shutil.copytree(sources, checkout, ignore=lambda at, names: {"build", "out", ".git"} & set(names) if Path(at) == sources else set())
    (checkout / "build").symlink_to(build.parent)
    return checkout


def main():
    sources, build = (Path(argument).resolve() for argument in sys.argv[1:])
    document = "docs/first-hour.md"
    blocks = blocks_of((sources / document).read_text())
    if not enter_own_network():
        print("not root: the ports of the document are this machine's", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=f"plateau-first-hour-{os.getpid()}-") as folder:
        reader = Reader(checkout_of(sources, build, Path(folder)), document)
        try:
            for i, (kind, content, number) in enumerate(blocks):
                if kind == "sh":
                    has_text = i + 1 < len(blocks) and blocks[i + 1][0] == "text"
                    reader.run(content, number, blocks[i + 1][1] if has_text else [])
                elif kind == "sh background":
                    reader.start(content, number)
                elif kind == "link":
                    reader.open(content, number)
                elif kind != "text":
                    reader.fail(number, f'a block of the kind "{kind}", which nobody runs')
        finally:
            reader.end()
    print(f"{document}: {sum(kind.startswith('sh') for kind, _, _ in blocks)} blocks")


main()
