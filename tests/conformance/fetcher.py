#!/usr/bin/env python3
"""Fetches profiles, over and over, from every agent that listens on one loopback address.

The agents of a run all listen on the same address of 127.0.0.0/8, which no other run has, each on a port that the kernel
chose: so the kernel's list of listeners names them, and nothing in the programs has to.

Commands come as lines on standard input: `pause` is answered with `quiet` once no request is under way, `resume` goes on,
and at the end of the input a line of JSON says how many answers there were: {"heap": {"200": 3}, ...}.
"""
import collections
import http.client
import json
import os
import sys
import threading
import time

CPU = ["/debug/pprof/profile?seconds=1"]
MEMORY = [
    "/debug/pprof/heap",
    "/debug/pprof/rss",
    "/debug/pprof/delta_heap",
    "/debug/pprof/heap?gc=1",
    "/debug/footprint",
    "/debug/pprof/delta_heap?seconds=1",
    "/metrics",
    "/debug/pprof/rss?seconds=1",
]
LISTENS = "0A"  # a socket's state in /proc/net/tcp


def as_proc_writes(address):
    return "".join("%02X" % int(part) for part in reversed(address.split(".")))


def listeners(address):
    wanted = as_proc_writes(address)
    with open("/proc/net/tcp") as table:
        rows = [row.split() for row in table][1:]
    local = [row[1].split(":") for row in rows if row[3] == LISTENS]
    return {int(port, 16) for host, port in local if host == wanted}


class Fetcher:
    def __init__(self, address):
        self.address = address
        self.changed = threading.Condition()
        self.paused = False
        self.under_way = 0
        self.answers = collections.defaultdict(collections.Counter)
        self.taken = collections.Counter()  # by port and kind: whose turn it is
        self.recording = set()  # ports with a CPU profile under way: there is one at a time

    def enter(self):
        with self.changed:
            while self.paused:
                self.changed.wait()
            self.under_way += 1

    def leave(self, kind, port, target, status):
        with self.changed:
            self.under_way -= 1
            if kind == "cpu":
                self.recording.discard(port)
            if status:
                self.answers[target.split("/")[-1].split("?")[0]][status] += 1
            self.changed.notify_all()

    def fetch(self, port, target):
        """The status, or 0 when the program is gone."""
        connection = http.client.HTTPConnection(self.address, port, timeout=60)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def next_port(self, kind):
        ports = listeners(self.address)
        with self.changed:
            for known in [key for key in self.taken if key[0] not in ports]:
                del self.taken[known]
            if kind == "cpu":
                ports -= self.recording
            if not ports:
                return None
            port = min(sorted(ports), key=lambda one: self.taken[one, kind])
            self.taken[port, kind] += 1
            if kind == "cpu":
                self.recording.add(port)
            return port

    def loop(self, kind, targets):
        at = 0
        while True:
            self.enter()
            port = self.next_port(kind)
            target, status = "", 0
            if port is not None:
                target = targets[at % len(targets)]
                status = self.fetch(port, target)
                at += 1
            self.leave(kind, port, target, status)
            if status != 200:
                time.sleep(0.005)  # between two looks for a listener, or at one that has nothing to give

    def obey(self):
        for kind, targets in (("cpu", CPU), ("cpu", CPU), ("memory", MEMORY), ("memory", MEMORY[1:] + MEMORY[:1])):
            threading.Thread(target=self.loop, args=(kind, targets), daemon=True).start()
        print("fetching", flush=True)
        for line in sys.stdin:
            with self.changed:
                self.paused = line.strip() == "pause"
                self.changed.notify_all()
                while self.paused and self.under_way:
                    self.changed.wait()
            print("quiet" if self.paused else "fetching", flush=True)
        with self.changed:
            print(json.dumps(self.answers), flush=True)
            os._exit(0)


if __name__ == "__main__":
    Fetcher(sys.argv[1]).obey()
