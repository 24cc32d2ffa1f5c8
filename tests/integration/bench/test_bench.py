#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every workload of blockdb-bench on a few keys, for every engine in the build, and looks at
what comes out. Nothing here depends on how fast anything is."""
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'server'))
import server_harness  # noqa: E402

PROGRAM = None  # set by main
SERVER = None
TINY = ['--num', '1500', '--reads', '600', '--batch', '40', '--duration', '10s',
        '--cache', '4MiB', '--write-buffer', '1MiB']
SMALL_FILES = ['--set', 'wal_file_size=1MiB', '--set', 'index_cache_size=1MiB']
BLOCKDB_ONLY = {'history', 'asof', 'verify', 'prove', 'provefile', 'verifyfile', 'submit'}
SERVERS = {'http', 'redis'}
PIPELINED = {'fillpipe', 'readpipe'}  # Redis protocol only
NOT_BY_HTTP = PIPELINED | {'prove', 'provefile', 'verifyfile', 'submit', 'reopen', 'recover'}
NOT_BY_REDIS = (NOT_BY_HTTP - PIPELINED) | {'history', 'asof', 'verify', 'seekrandom', 'ycsb-e'}


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
        workloads = [w for w in listed('Workloads') if w not in PIPELINED]
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
        for name in 'fillrandom', 'fillsync', 'submit':
            self.assertGreater(by_name[name]['write_amplification'], 0, name)

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
        engines = [e for e in listed('Engines') if e not in SERVERS]
        if len(engines) < 2:
            self.skipTest('no other engine is built in')
        workloads = [w for w in listed('Workloads') if w not in PIPELINED]
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

    # ---- Servers

    def served(self, *args):
        """What a run on a server of its own reports."""
        done = self.bench(args[0], '--server-program', SERVER, '--db', self.folder.name, '--num',
                          '600', '--reads', '300', '--batch', '40', '--duration', '10s', '--json',
                          *args[1:])
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(os.listdir(self.folder.name), [])
        return json.loads(done.stdout)

    def test_every_workload_on_a_server(self):
        """Also that each value read was the value written."""
        workloads = listed('Workloads')
        for engine, left_out in (('http', NOT_BY_HTTP), ('redis', NOT_BY_REDIS)):
            report = self.served('run', '--engines', engine, '--workloads',
                                 ','.join(w + ':3' for w in workloads))
            self.assertEqual([r['workload'] for r in report['results'] if 'part' not in r],
                             [w for w in workloads if w not in left_out], engine)
            for result in report['results']:
                self.check_result(result)
                if 'part' not in result:
                    self.assertGreater(result['peak_memory_bytes'], 0, result)

    def test_compare_protocols(self):
        report = self.served('compare', '--engines', 'http,redis', '--rounds', '1', '--workloads',
                             'ycsb-a:2,readrandom:2')
        for row in report['medians']:
            self.assertEqual(sorted(row['engines']), ['http', 'redis'])

    def test_options_reach_the_server(self):
        done = self.bench('--engines', 'http', '--server-program', SERVER, '--db',
                          self.folder.name, '--set', 'server.no_such_key=1')
        self.assertEqual(done.returncode, 2)
        self.assertIn('no_such_key', done.stderr.decode())
        done = self.bench('--server', '--server-program', '/nonexistent/server', '--db',
                          self.folder.name)
        self.assertIn(b'/nonexistent/server', done.stderr)
        self.served('run', '--engines', 'redis', '--durability', 'none', '--workloads',
                    'fillrandom')
        done = self.bench('--engines', 'redis', '--server-program', SERVER, '--db',
                          self.folder.name, '--durability', 'none', '--workloads', 'fillsync')
        self.assertIn(b'cannot ask for a sync', done.stderr)

    def test_a_live_server_is_left_alone_without_a_word(self):
        with server_harness.Server(SERVER) as server:
            url = 'http://127.0.0.1:%d' % server.port
            redis = '127.0.0.1:%d' % server.resp_port
            self.refuse('--url', url, word='--allow-live')
            self.refuse('--redis', redis, word='--allow-live')
            self.refuse('targets', '--url', url, word='--allow-live')
            body = json.loads(server.get('/api/v1/scan')[2])
            self.assertEqual(body['entries'], [])
            for args in (('--url', url), ('--redis', redis)):
                done = self.bench(*args, '--allow-live', '--workloads', 'ycsb-f:4', '--num', '200',
                                  '--reads', '100', '--db', self.folder.name, '--json')
                self.assertEqual(done.returncode, 0, done.stderr.decode())
            entries = json.loads(server.get('/api/v1/scan?limit=1000')[2])['entries']
            self.assertEqual(len(entries), 400)
            keys = [base64.b64decode(e['key']).decode() if e['encoding'] == 'base64' else e['key']
                    for e in entries]  # base64 is for values that are no text
            prefixes = {key[:-16] for key in keys}
            self.assertEqual(len(prefixes), 2, prefixes)
            for prefix in prefixes:
                self.assertRegex(prefix, '^blockdb-bench/[0-9a-f]{12}/$')

    def test_many_connections(self):
        report = self.served('run', '--engines', 'http,redis', '--workloads', 'readrandom:1000',
                             '--set', 'server.max_connections=1200', '--reads', '3000')
        self.assertEqual([r['ops'] for r in report['results']], [3000, 3000])

    def test_targets(self):
        done = self.bench('targets', '--server-program', SERVER, '--db', self.folder.name, '--num',
                          '500', '--duration', '300ms', '-o', 'json')
        report = json.loads(done.stdout)
        rows = report['targets']
        self.assertEqual(len(rows), 9)
        for row in rows:
            if row['nodes'] == 3:
                self.assertEqual((row['verdict'], row['measured']),
                                 ('-', 'not measured: standing alone'))
            else:
                self.assertIn(row['verdict'], ('PASS', 'FAIL'))
                self.assertGreater(row['ops_per_s'], 0)
                self.assertGreater(row['peak_memory_bytes'], 0)
                self.assertIn('most_time', row)
        failed = any(row['verdict'] == 'FAIL' for row in rows)
        self.assertEqual((report['verdict'], done.returncode),
                         ('FAIL', 1) if failed else ('PASS', 0))

    # ---- Open loop, histograms

    def test_open_loop(self):
        report = self.run_json('run', '--workloads', 'readrandom:2,ycsb-b:2', '--rate', '2000')
        for result in report['results']:
            self.check_result(result)
            if 'part' not in result:
                self.assertEqual((result['ops'], result['rate']), (600, 2000))
                self.assertGreater(result['elapsed_ns'], 290000000)
                self.assertEqual(result['missed'], 0)
        report = self.run_json('run', '--workloads', 'readrandom', '--rate', '50000000',
                               '--reads', '1000000000', '--duration', '100ms')
        result = report['results'][0]
        self.assertGreater(result['missed'], 0)
        self.assertLess(abs(result['ops'] + result['missed'] - 5000000), 10)

    def test_histogram(self):
        path = os.path.join(self.folder.name, 'log')
        self.run_json('run', '--workloads', 'readrandom:2,ycsb-a', '--histogram', path)
        with open(path, encoding='ascii') as f:
            text = f.read()
        self.assertEqual(re.findall(r'#\[(blockdb .*)\]', text),
                         ['blockdb readrandom, 2 threads, round 1',
                          'blockdb ycsb-a, 1 thread, round 1',
                          'blockdb ycsb-a/reads, 1 thread, round 1',
                          'blockdb ycsb-a/writes, 1 thread, round 1'])
        self.assertEqual(text.count('1.000000000000'), 4)

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
        self.refuse('--set', 'ledger.no_such_option=1', word='no_such_option')
        self.refuse('--set', 'server.port=1', word='server.port')
        self.refuse('--set', 'write_once', word='NAME=VALUE')
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_tables_of_options(self):
        for name in 'write_buffer_size', 'database.write_buffer_size':
            self.refuse('--set', name + '=5000', '--workloads', 'fillseq', *TINY,
                        word='no multiple of 4096')
        self.run_json('run', '--workloads', 'fillseq', '--set', 'ledger.proof_map=true')

    def test_nothing_to_measure(self):
        done = self.bench('--engines', 'redis', '--server-program', SERVER, *TINY, '--db',
                          self.folder.name, '--workloads', 'prove')
        self.assertEqual(done.returncode, 2)
        self.assertIn(b'nothing was measured', done.stderr)

    def test_help_and_version(self):
        self.assertIn(b'blockdb-bench compare', self.bench('--help').stdout)
        self.assertRegex(self.bench('--version').stdout, rb'^blockdb-bench \d')


if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    SERVER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
