#!/usr/bin/env python3
"""How often the labs' verdicts hold on this machine: each lab again and again, in turns, with the machine idle and then
beside a busy neighbour (a loop pinned to one CPU). Prints for each judged row its range, its least margin and how often it
held; writes all of it as JSON, and a table for the picture. Exit status 0 when every verdict of every run held."""
import argparse
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile


def busy(cpu):
    os.sched_setaffinity(0, {cpu})
    while True:
        pass


def run_lab(command, folder, profile):
    """The result of one run, and its exit status."""
    path = os.path.join(folder, 'result.json')
    extra = ['--profile', os.path.join(folder, 'profiles')] if profile else []
    done = subprocess.run([*command, *extra, '--json', path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode > 1:
        sys.exit(f'verdicts: {" ".join(command)}: {done.stderr.strip()}')
    with open(path, encoding='utf-8') as file:
        return json.load(file)


def judged(row):
    """(value, margin as a share of the target); the margin is None where no distance can be told."""
    relation, target = row['relation'], row['target']
    value = row['before'] if relation.startswith('before') else row['after']
    if target is None or value is None:
        return value, None
    within = re.search(r'within ([\d.]+) %', relation)
    if within:
        return value, float(within[1]) / 100 - abs(value - target) / target
    if target == 0:
        return value, None
    return value, (value - target if 'at least' in relation else target - value) / target


class Rows:
    """What was seen of each row of a lab, in the order of its verdict."""

    def __init__(self):
        self.rows = {}
        self.runs = 0
        self.held = 0

    def add(self, verdict):
        self.runs += 1
        self.held += bool(verdict['holds'])
        for row in verdict['rows']:
            if row['holds'] is None:
                continue
            seen = self.rows.setdefault(row['metric'], {'unit': row['unit'], 'values': [], 'margins': [], 'held': 0})
            value, margin = judged(row)
            seen['held'] += row['holds']
            if value is not None:
                seen['values'].append(value)
            if margin is not None:
                seen['margins'].append(margin)

    def text(self):
        lines = [f'  {"row":<52} {"min":>10} {"median":>10} {"max":>10} {"least margin":>13} {"spread":>8}  held']
        for metric, seen in self.rows.items():
            values, margins = seen['values'], seen['margins']
            figures = [f'{f(values):10.4g}' if values else f'{"-":>10}' for f in (min, statistics.median, max)]
            margin = f'{min(margins) * 100:11.1f} %' if margins else f'{"-":>13}'
            spread = f'{(max(margins) - min(margins)) * 100:6.1f} %' if margins else f'{"-":>8}'
            name = f'{metric}, {seen["unit"]}' if seen['unit'] else metric
            lines.append(f'  {name:<52} {" ".join(figures)} {margin} {spread}  {seen["held"]} of {len(values) or self.runs}')
        return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-n', type=int, default=20, help='runs of each lab on the idle machine; half as many beside a neighbour')
    parser.add_argument('--profile', action='store_true', help='with heap profiles, as `make run` takes them')
    parser.add_argument('--json', required=True, help='write what was seen to this file')
    parser.add_argument('--lab', action='append', required=True, help='a command, such as "build/release/bin/order_service"')
    arguments = parser.parse_args()
    if arguments.n < 1:
        parser.error('-n: at least 1')

    result = []
    holds = True
    for neighbour in (False, True):
        rounds = max(1, arguments.n // 2) if neighbour else arguments.n
        loop = multiprocessing.Process(target=busy, args=(max(os.sched_getaffinity(0)),), daemon=True) if neighbour else None
        if loop:
            loop.start()
        seen = {lab: Rows() for lab in arguments.lab}
        try:
            for turn in range(rounds):
                for lab in arguments.lab:
                    if sys.stderr.isatty():
                        print(f'\r{"beside a neighbour" if neighbour else "idle"}: {turn + 1} of {rounds}, {lab}\033[K', end='', file=sys.stderr)
                    with tempfile.TemporaryDirectory(prefix=f'plateau-verdicts-{os.getpid()}-') as folder:
                        seen[lab].add(run_lab(lab.split(), folder, arguments.profile)['verdict'])
        finally:
            if loop:
                loop.kill()
                loop.join()
            if sys.stderr.isatty():
                print('\r\033[K', end='', file=sys.stderr)
        for lab, rows in seen.items():
            where = 'beside a busy neighbour' if neighbour else 'idle'
            print(f'{lab}, {where}: held {rows.held} of {rows.runs}\n{rows.text()}\n', flush=True)
            holds = holds and rows.held == rows.runs
            result.append({'lab': lab, 'neighbour': neighbour, 'profile': arguments.profile, 'runs': rows.runs, 'held': rows.held, 'rows': rows.rows})
    with open(arguments.json, 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)
    return 0 if holds else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
