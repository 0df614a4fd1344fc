#!/usr/bin/env python3
"""Protects the conformance test itself: harm that is there is found, and where there is none, none is."""
import os
import shutil
import sys
import tempfile
import unittest

import added_cpu
import combinations
import debian_programs
import launched_run
import odd_hosts
import program_conformance
from added_cpu import AddedCpu
from comparison import Expected, TextPattern
from launched_run import Outcome
from libraries import Libraries

BIN = os.environ.get("CONFORMANCE_BIN", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/bin"))


def pattern(*texts):
    made = TextPattern(texts[0])
    for text in texts[1:]:
        made.widen(text)
    return made


class WhatVaries(unittest.TestCase):
    def test_numbers_that_vary_are_not_compared_and_others_are(self):
        times = pattern("took 1.5 s\nsum 7\n", "took 12.25 s\nsum 7\n")
        self.assertIsNone(times.difference("took 3 s\nsum 7\n"))
        self.assertIn("sum 8", times.difference("took 3 s\nsum 8\n"))
        self.assertIn("took no time", times.difference("took no time\nsum 7\n"))

    def test_a_line_more_or_less_is_a_difference(self):
        one = pattern("a\nb\n")
        self.assertIn("more", one.difference("a\nb\nc\n"))
        self.assertIn("fewer", one.difference("a\n"))
        self.assertIn("end of the last line", one.difference("a\nb"))

    def test_where_the_order_varies_a_new_kind_of_line_is_still_found(self):
        order = pattern("worker 1\nworker 2\nend\n", "worker 2\nend\n")
        self.assertIsNone(order.difference("worker 3\nworker 2\nend\n"))
        self.assertIn("PROFILE", order.difference("worker 2\nend\nPROFILE: 3\n"))
        self.assertIn("misses 'end'", order.difference("worker 2\n"))

    def test_only_what_plain_runs_agree_on_is_compared(self):
        expected = Expected(Outcome(status=3, files={"same": "1", "random": "2"}))
        expected.widen(Outcome(status=3, files={"same": "1", "random": "3"}))
        self.assertEqual(expected.differences(Outcome(status=3, files={"same": "1", "random": "4"})), [])
        self.assertEqual(len(expected.differences(Outcome(status=4, files={"same": "2"}))), 2)


class AddedTime(unittest.TestCase):
    def verdict(self, *added):
        return AddedCpu([(1.0, 1.0 + one) for one in added]).verdict()

    def test_the_middle_pair_is_judged_and_not_the_worst_one(self):
        self.assertEqual(self.verdict(*[0.01] * 11, 0.5), added_cpu.WITHIN)
        self.assertEqual(self.verdict(*[0.05] * 11, -0.3), added_cpu.ABOVE)

    def test_few_or_noisy_pairs_say_nothing(self):
        self.assertEqual(self.verdict(*[0.01] * (added_cpu.FEWEST_PAIRS - 1)), added_cpu.UNKNOWN)
        self.assertEqual(self.verdict(*[0.01] * (added_cpu.FEWEST_PAIRS)), added_cpu.WITHIN)
        self.assertEqual(self.verdict(*[-0.02, 0.06] * 6), added_cpu.UNKNOWN)


class KnownLimits(unittest.TestCase):
    def limit(self, text, *differences):
        return odd_hosts.known_limit(combinations.parse(text), list(differences))

    def test_are_of_one_kind_and_let_nothing_else_through(self):
        late = "idle|load||load drop_privileges"
        self.assertIn("loaded late", self.limit(late, "status 134 where it was 0"))
        self.assertIsNone(self.limit(late, "hangs: ended after 20 s, 0.1 s without"))
        self.assertIsNone(self.limit("idle|agent||drop_privileges", "status 134 where it was 0"))

    def test_a_filter_must_be_set_before(self):
        refused = "standard output: 'mlockall: ENOMEM' where it was 'mlockall: ok'"
        self.assertIn("filter", self.limit("idle|agent||seccomp=clone3 work mlockall", refused))
        self.assertIsNone(self.limit("idle|agent||mlockall seccomp=clone3", refused))

    def test_an_own_timer_must_run_before_the_exec_that_it_outlives(self):
        self.assertIn("runs on", self.limit("idle|agent||prof_timer work exec work", "status 155 where it was 0"))
        self.assertIn("runs on", self.limit("idle|agent||prof_timer work exec work", "status 0 where it was 155"))
        self.assertIsNone(self.limit("idle|agent||work exec prof_timer work", "status 155 where it was 0"))
        self.assertIsNone(self.limit("fetched|agent||work exec work", "status 155 where it was 0"))
        self.assertIsNone(self.limit("idle|agent||virtual_timer exec", "status 155 where it was 0"))


class KnownHarm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        launched_run.become_reaper()
        cls.scratch = tempfile.mkdtemp(prefix="plateau-conformance-%d-" % os.getpid(), dir="/tmp")
        os.chmod(cls.scratch, 0o755)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def libraries(self, harm):
        libraries = Libraries(BIN, self.scratch)
        libraries.agent = os.path.join(BIN, "known_agents", "known_agent_%s.so" % harm)
        return libraries

    def found(self, harm, text):
        hosts = odd_hosts.OddHosts(self.libraries(harm), self.scratch, patience=3.0)
        return "\n".join(hosts.judge(combinations.parse(text)).differences)

    def test_none(self):
        self.assertEqual(self.found("none", "idle|agent||fds work dispositions exec work"), "")
        self.assertEqual(self.found("none", "idle|agent|v=80000|fds"), "")

    def test_descriptor(self):
        self.assertIn("descriptor 3", self.found("descriptor", "idle|agent||fds"))

    def test_disposition(self):
        self.assertIn("signal 27: ignored", self.found("disposition", "idle|agent||dispositions"))

    def test_hang(self):
        self.assertIn("hangs", self.found("hang", "idle|agent||work"))

    def test_line(self):
        self.assertIn("a word of the agent's", self.found("line", "idle|agent||work"))

    def test_status(self):
        self.assertIn("status 1 where it was 0", self.found("status", "idle|agent||work"))

    def test_timer_that_outlives_exec(self):
        self.assertIn("status 155", self.found("timer", "idle|agent||clearenv exec work=50"))

    def test_memory_and_descriptors_of_a_program(self):
        program = next(one for one in debian_programs.PROGRAMS if one.name == "sqlite3")
        for harm, word in (("none", ""), ("memory", "memory: "), ("descriptor", "process program: descriptor 3")):
            row = program_conformance.Conformance(self.libraries(harm), self.scratch).check(program, ["idle"])
            found = "\n".join(row.differences.get("idle", []))
            self.assertIn(word, found)
            self.assertEqual(found == "", harm == "none", found)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
