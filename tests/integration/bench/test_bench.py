#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every workload of blockdb-bench on a few keys, for every engine in the build, and looks at
what comes out. Nothing here depends on how fast anything is."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None  # set by main
TINY = ['--num', '1500', '--reads', '600', '--batch', '40', '--duration', '10s',
        '--cache', '4MiB', '--write-buffer', '1MiB']
SMALL_FILES = ['--set', 'wal_file_size=1MiB', '--set', 'index_cache_size=1MiB']
BLOCKDB_ONLY = {'history', 'asof', 'verify', 'prove', 'provefile', 'verifyfile', 'submit'}


def listed(heading):
    """The names below a heading of the help."""
    done = subprocess.run([PROGRAM, '--help'], stdout=subprocess.PIPE, check=True, timeout=60)
    names = []
    inside = False
    for line in done.stdout.decode().splitlines():
        if not line.startswith(' '):
            inside = line.startswith(heading)
        elif inside:
            names.append(line.split()[0])
    return names


class BenchTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='blockdb-bench-test.')
        self.addCleanup(self.folder.cleanup)

    def bench(self, *args):
        return subprocess.run([PROGRAM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              cwd=self.folder.name, timeout=280, check=False)

    def run_json(self, *args):
        done = self.bench(args[0], *TINY, *SMALL_FILES, '--db', self.folder.name, '--json',
                          *args[1:])
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout)

    def refuse(self, *args, word=None):
        done = self.bench(*args, '--db', self.folder.name)
        self.assertEqual(done.returncode, 2, f'{args}: {done.stderr.decode()}')
        self.assertEqual(done.stdout, b'')
        if word:
            self.assertIn(word, done.stderr.decode())

    def check_result(self, result):
        self.assertGreater(result['ops'], 0, result)
        self.assertGreater(result['elapsed_ns'], 0, result)
        latency = result['latency_ns']
        order = [latency[k] for k in ('p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max')]
        self.assertEqual(order, sorted(order), result)

    def test_every_workload(self):
        """Also that each value read was the value written: the program fails otherwise."""
        workloads = listed('Workloads')
        report = self.run_json('run', '--workloads', ','.join(workloads))
        self.assertEqual([r['workload'] for r in report['results'] if 'part' not in r], workloads)
        for result in report['results']:
            self.check_result(result)
        by_name = {r['workload']: r for r in report['results'] if 'part' not in r}
        self.assertEqual(by_name['fillrandom']['entries'], 1500)
        self.assertEqual(by_name['fillbatch']['entries'], 1500)
        self.assertGreater(by_name['fillrandom']['disk_bytes']['wal'], 0)
        self.assertGreater(by_name['fillsync']['stats']['wal_syncs'], 0)
        self.assertGreaterEqual(by_name['verify']['entries'], 1500)

    def test_threads_and_other_sizes(self):
        report = self.run_json(
            'run', '--workloads', 'fillseq:3,fillsync:4,readrandom:2,fillbatch:2,asof:2,overwrite',
            '--key-size', '40', '--value-size', '3000', '--durability', 'interval')
        self.assertEqual([r['threads'] for r in report['results']], [3, 4, 2, 2, 2, 1])
        self.assertEqual(report['value_size'], 3000)
        self.run_json('run', '--workloads', 'fillseq,readrandom', '--value-size', '3')
        self.run_json('run', '--workloads', 'fillseq,readrandom', '--value-size', '0',
                      '--compression', 'none', '--bloom-bits', '0', '--num', '1')

    def test_compare_all_engines(self):
        engines = listed('Engines')
        if len(engines) < 2:
            self.skipTest('no other engine is built in')
        workloads = [w for w in listed('Workloads')]
        path = os.path.join(self.folder.name, 'report.json')
        done = self.bench('compare', '--workloads', ','.join(workloads), '--rounds', '2', *TINY,
                          *SMALL_FILES, '--db', self.folder.name, '--json-file', path)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn('| fillrandom |', done.stdout.decode())
        with open(path, encoding='utf-8') as f:
            report = json.load(f)
        for row in report['medians']:
            expected = ['blockdb'] if row['workload'] in BLOCKDB_ONLY else engines
            self.assertEqual(sorted(row['engines']), sorted(expected), row['workload'])
            for figures in row['engines'].values():
                self.assertEqual(figures['rounds'], 2)
                self.assertLessEqual(figures['min_ops_per_s'], figures['ops_per_s'])
                self.assertLessEqual(figures['ops_per_s'], figures['max_ops_per_s'])
        for result in report['results']:
            self.check_result(result)

    def test_leaves_nothing_behind_unless_asked(self):
        done = self.bench('--workloads', 'fillseq', *TINY, '--db', self.folder.name)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn('fillseq', done.stdout.decode())
        self.assertEqual(os.listdir(self.folder.name), [])
        done = self.bench('--workloads', 'fillseq', *TINY, '--db', self.folder.name, '--keep')
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(len(os.listdir(self.folder.name)), 1)

    def test_wrong_usage(self):
        self.refuse('nothing')
        self.refuse('--nmu', '5', word='--num')
        self.refuse('--num')
        self.refuse('--num', '0')
        self.refuse('--num', '5x')
        self.refuse('--value-size', '1GiB')
        self.refuse('--json=yes')
        self.refuse('--durability', 'maybe', word='group')
        self.refuse('--compression', 'rar', word='lz4')
        self.refuse('--workloads', 'readrandon', word='readrandom')
        self.refuse('--workloads', 'readrandom:0')
        self.refuse('--workloads', 'readrandom:x')
        self.refuse('--engines', 'oracle', word='oracle')
        self.refuse('--engines', 'blockdb,blockdb', word='twice')
        self.refuse('--set', 'no_such_option=1', word='no_such_option')
        self.refuse('--set', 'write_once', word='NAME=VALUE')
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_help_and_version(self):
        self.assertIn(b'blockdb-bench compare', self.bench('--help').stdout)
        self.assertRegex(self.bench('--version').stdout, rb'^blockdb-bench \d')


if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
