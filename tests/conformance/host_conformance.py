#!/usr/bin/env python3
"""Whether a program's outcome is the same with the agent, or the sampler, as without. See README.md.

  host_conformance.py [programs|odd|all] [--bin FOLDER]
  host_conformance.py programs --only redis-server --mode fetched
  host_conformance.py odd --seed 7 --combinations 200 --minutes 10
  host_conformance.py odd --replay 'fetched|agent||work exec work'

Ends with 0 when nothing differs, 1 when something does, 2 when it cannot run.
"""
import argparse
import functools
import os
import random
import shutil
import sys
import tempfile
import time

import added_cpu
import combinations
import debian_programs
import odd_hosts
import program_conformance
from libraries import Libraries
from workers import Workers

HERE = os.path.dirname(os.path.abspath(__file__))
TO_MAKE_SMALLER = 60.0  # seconds for one finding
QUICK_SEED = 31
QUICK_MINUTES = 0.75


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["programs", "odd", "all"], default="all")
    parser.add_argument("--bin", default=os.path.join(HERE, "..", "..", "build", "release", "bin"),
                        help="where libplateau_agent.so, libplateau_sampler.so and odd_host are")
    parser.add_argument("--agent", help="another agent than the one there")
    parser.add_argument("--quick", action="store_true", help="six programs, and twenty odd hosts of a fixed seed")
    parser.add_argument("--only", action="append", help="a program's name; may be given more than once")
    parser.add_argument("--mode", action="append", choices=sorted(program_conformance.MODES), help="how programs run")
    parser.add_argument("--pairs", type=int, default=20, help="at most so many pairs of runs judge the CPU time added (20); 0: none")
    parser.add_argument("--seed", type=int, action="append", help="of the random odd hosts; printed when it is not given")
    parser.add_argument("--combinations", type=int, default=200, help="odd hosts at most (200)")
    parser.add_argument("--minutes", type=float, default=10, help="for odd hosts, at most (10)")
    parser.add_argument("--replay", action="append", help="one odd host, as a finding names it; may be given more than once")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="runs at a time")
    return parser.parse_args()


class Setting:
    """What every check needs."""

    def __init__(self, options, libraries, scratch):
        self.options = options
        self.libraries = libraries
        self.scratch = scratch
        self.workers = Workers(options.jobs)


def check_combination(setting, combination, until, number):
    if time.monotonic() > until:
        return None
    hosts = odd_hosts.OddHosts(setting.libraries, setting.scratch, number)
    try:
        verdict = hosts.judge(combination)
    except Exception as error:
        raise RuntimeError("cannot judge " + combination.text()) from error
    left = until - time.monotonic()
    if verdict.differences and left > 0 and not setting.options.replay:
        verdict.smallest = hosts.smallest(combination, odd_hosts.kinds(verdict.differences)[0], min(TO_MAKE_SMALLER, left))
    return verdict


def chosen_programs(options):
    chosen, left_out = [], []
    for program in debian_programs.PROGRAMS:
        if options.only and program.name not in options.only or options.quick and not options.only and not program.quick:
            continue
        missing = debian_programs.missing_command(program)
        if missing:
            left_out.append("%s: %s is not installed (.ci/packages-conformance.txt)" % (program.name, missing))
        else:
            chosen.append(program)
    return chosen, left_out


def check_costs(conformance, programs, pairs):
    """Serially, after everything else: what runs beside a program changes its CPU time, too. Returns the number of findings."""
    steady = [program for program in programs if program.steady] if pairs else []
    findings = 0
    if steady:
        print("\nCPU time (user and system) added by an idle agent, in pairs of runs in turn, until the middle one is known to be"
              " within %.0f %% or above; at most %d" % (added_cpu.BOUND * 100, pairs))
    for program in steady:
        cost = added_cpu.measure(conformance, program, pairs)
        print("%-18s %s" % (program.name, cost.line()), flush=True)
        findings += cost.verdict() == added_cpu.ABOVE
    return findings


def check_programs(setting):
    options = setting.options
    programs, left_out = chosen_programs(options)
    conformance = program_conformance.Conformance(setting.libraries, setting.scratch)
    modes = options.mode or list(program_conformance.MODES)
    jobs = [lambda _, program=program: conformance.check(program, modes) for program in programs]
    print("Programs of Debian: plain (twice or more), and %s" % ", ".join(modes), flush=True)
    rows = []
    findings = 0
    for row in setting.workers.results_in_order(jobs):
        lines = list(program_conformance.table([row]))
        print("\n".join(lines if not rows else lines[1:]), flush=True)
        rows.append(row)
        for mode, differences in row.differences.items():
            findings += 1
            print("FINDING %s, %s:\n  %s\n  reproduce: %s" % (row.program, mode, "\n  ".join(differences[:12]),
                                                            program_conformance.reproduction(row, mode)), flush=True)
    for line in left_out:
        print("not run: " + line)
    same = sum(1 for row in rows if not row.differences and not row.not_compared)
    print("\n%d programs: %d the same, %d not" % (len(rows), same, len(rows) - same), flush=True)
    return findings + check_costs(conformance, programs, options.pairs)


def seeds(options):
    return options.seed or [QUICK_SEED if options.quick else random.SystemRandom().randrange(1 << 32)]


def odd_host_jobs(setting):
    options = setting.options
    until = time.monotonic() + options.minutes * 60
    if options.replay:
        chosen = [combinations.parse(text) for text in options.replay]
    else:
        chosen = []
        for seed in seeds(options):
            print("\nOdd hosts: up to %d combinations, seed %d" % (options.combinations, seed), flush=True)
            chosen += combinations.combinations(seed, options.combinations, os.geteuid() == 0)
    return [functools.partial(check_combination, setting, combination, until) for combination in chosen]


def check_odd_hosts(setting):
    judged = served = not_judged = left = 0
    findings, known = [], set()
    for _, verdict in setting.workers.results(odd_host_jobs(setting)):
        if verdict is None:
            left += 1
            continue
        judged += 1
        served += verdict.served
        not_judged += bool(verdict.not_judged)
        known.update(verdict.known_limits)
        if verdict.differences:
            findings.append(verdict)
            print("FINDING odd host: %s\n  %s\n  found in:  %s\n  reproduce: %s" % (
                verdict.differences[0], "\n  ".join(verdict.differences[1:6] or ["(nothing else differs)"]), verdict.combination.text(),
                odd_hosts.reproduction(verdict.smallest or verdict.combination)), flush=True)
        elif setting.options.replay:
            print("the same: %s%s" % (verdict.combination.text(), " (%s)" % verdict.not_judged if verdict.not_judged else ""))
    for line in sorted(known):
        print("known limit: " + line)
    print("%d odd hosts: %d differ; %d had profiles fetched; %d do not run by themselves%s" % (
        judged, len(findings), served, not_judged, "; %d not run, the time was up" % left if left else ""), flush=True)
    if not judged:
        print("no odd host was run: nothing is known")
    return len(findings) + (not judged)


def main():
    options = parse_arguments()
    if options.quick:
        options.pairs = 0
        options.combinations = 20
        options.minutes = QUICK_MINUTES
    scratch = tempfile.mkdtemp(prefix="plateau-conformance-%d-" % os.getpid(), dir="/tmp")
    os.chmod(scratch, 0o755)
    libraries = Libraries(options.bin, scratch)
    if options.agent:
        libraries.agent = os.path.abspath(options.agent)
    needed = [libraries.agent, libraries.sampler] + [os.path.join(libraries.bin, "odd_host")] * (options.part != "programs")
    missing = [file for file in needed if not os.path.exists(file)]
    if missing:
        shutil.rmtree(scratch)
        print("host_conformance.py: no %s; build it (make host-conformance does), or say where it is with --bin" % missing[0], file=sys.stderr)
        return 2
    shutil.copy(libraries.agent, libraries.other_agent)
    try:
        findings = 0
        setting = Setting(options, libraries, scratch)
        if options.part != "odd":
            findings += check_programs(setting)
        if options.part != "programs":
            findings += check_odd_hosts(setting)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print("\n%s" % ("nothing differs" if not findings else "%d findings" % findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
