#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blockdb-server shows its signed heads to witnesses, and serves on when they fail."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_harness import Server, wait_for  # noqa: E402

PROGRAM = sys.argv.pop(1)
CLI = sys.argv.pop(1)
ORIGIN = 'db.example/log'


class Witnesses(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='blockdb-witnesses-')
        self.addCleanup(shutil.rmtree, self.folder)
        made = self.cli('keygen', '--origin', ORIGIN, '--out', self.path('log.key'))
        self.log_vkey = re.search(r'\S+\+[0-9a-f]{8}\+\S+', made).group(0)

    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments):
        return subprocess.run([CLI, *arguments], check=True, capture_output=True, text=True,
                              timeout=60).stdout

    def witness(self, name, listen='127.0.0.1:0'):
        """(process, policy line) of a running witness."""
        key = self.path(name + '.key')
        if not os.path.exists(key):
            self.cli('keygen', '--witness', '--origin', 'witness.example/' + name, '--out', key)
        process = subprocess.Popen(
            [CLI, 'witness', '-o', 'raw', '--key-file', key, '--dir', self.path(name),
             '--listen', listen, '--log', self.log_vkey], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.end, process)
        url = process.stdout.readline().strip()
        vkey = process.stdout.readline().strip()
        return process, 'witness %s %s %s' % (name, vkey, url)

    def end(self, process):
        process.kill()
        process.wait()
        process.stdout.close()

    def config(self, lines):
        with open(self.path('policy'), 'w', encoding='utf-8') as f:
            f.write('\n'.join(lines + ['group all all ' + ' '.join(x.split()[1] for x in lines),
                                       'quorum all', '']))
        return ('[server]\ndrain_time = 0\n[ledger]\norigin = "%s"\nsigning_key_file = "%s"\n'
                'witness_policy_file = "%s"\nhead_interval = 100\n[database]\nblock_interval = 50\n'
                '[logging]\nlevel = "info"\n'
                % (ORIGIN, self.path('log.key'), self.path('policy')))

    def put(self, s, key):
        with s.connect(s.resp_port) as c:
            c.sendall(b'SET %s 1\r\n' % key)
            self.assertEqual(c.recv(64), b'+OK\r\n')

    def figure(self, s, name):
        return int(re.search(r'^%s (\d+)$' % name, s.get('/metrics')[2].decode(), re.M).group(1))

    def cosigners(self, s, query='?cosigned=0'):
        """Of the newest head, whatever the policy thinks of it."""
        status, _, body = s.get('/checkpoint' + query)
        text = body.decode() if status == 200 else ''
        return set(re.findall('^\u2014 witness.example/(\\w+) ', text, re.M))

    def test_heads_are_cosigned(self):
        one, line_one = self.witness('one')
        two, line_two = self.witness('two')
        with Server(PROGRAM, self.config([line_one, line_two])) as s:
            self.put(s, b'a')
            wait_for(lambda: self.cosigners(s) == {'one', 'two'}, 'both cosignatures')
            self.assertGreaterEqual(self.figure(s, 'blockdb_witnessed_heads_total'), 1)
            self.assertGreaterEqual(self.figure(s, 'blockdb_witnessed_entries'), 1)
            address = line_two.split()[-1][len('http://'):].rstrip('/')
            self.end_early(two)
            self.put(s, b'b')  # nothing waits for it
            s.wait_log('warning witness: ')
            wait_for(lambda: self.cosigners(s) == {'one'}, 'the cosignature of one alone')
            self.witness('two', address)
            self.put(s, b'c')
            wait_for(lambda: self.cosigners(s) == {'one', 'two'}, 'both again')
            s.wait_log('cosigns again')
            self.assertEqual(self.figure(s, 'blockdb_witness_contradictions_total'), 0)
            self.assertEqual(s.stop(), 0)

    def size(self, s, query=''):
        status, _, body = s.get('/checkpoint' + query)
        self.assertEqual(status, 200, body)
        return int(body.decode().split('\n')[1])

    def test_the_witnessed_head_is_published(self):
        one, line_one = self.witness('one')
        two, line_two = self.witness('two')
        address = line_two.split()[-1][len('http://'):].rstrip('/')
        config = self.config([line_one, line_two])
        both = {'one', 'two'}
        self.end_early(two)
        with Server(PROGRAM, config, dir=self.folder) as s:
            self.put(s, b'a')
            wait_for(lambda: self.cosigners(s) == {'one'}, 'the cosignature of one alone')
            # Nothing is published before the policy is content.
            for query in ('', '?cosigned=1'):
                status, headers, body = s.get('/checkpoint' + query)
                self.assertEqual((status, headers['retry-after']), (503, '1'))
                self.assertIn(b'cosigned=0', body)
            self.assertEqual(s.get('/checkpoint?cosigned=2')[0], 400)
            self.assertEqual(s.get('/checkpoint?sign=1')[0], 400)
            two, _ = self.witness('two', address)
            wait_for(lambda: s.get('/checkpoint')[0] == 200, 'a witnessed head')
            self.assertEqual(self.cosigners(s, ''), both)
            published = self.size(s)
            self.end_early(two)
            self.put(s, b'b')
            wait_for(lambda: self.cosigners(s) == {'one'} and self.size(s, '?cosigned=0') >
                     published, 'a newer head with one cosignature')
            # The one before stays published, whole.
            self.assertEqual((self.size(s), self.cosigners(s, '')), (published, both))
            self.assertEqual(self.figure(s, 'blockdb_witnessed_entries'), published)
            url = 'http://127.0.0.1:%d' % s.port
            for option in ('--cosigned', '--no-sign'):
                note = self.cli('--url', url, '--no-pin', 'checkpoint', option)
                self.assertEqual(int(note.split('\n')[1]), published)
            self.assertEqual(s.stop(), 0)
        two, _ = self.witness('two', address)
        with Server(PROGRAM, config, dir=self.folder) as s:
            wait_for(lambda: s.get('/checkpoint')[0] == 200, 'a witnessed head')
            self.assertGreater(self.size(s), published)
            wait_for(lambda: self.size(s) == self.size(s, '?cosigned=0'), 'the newest witnessed')
            published = self.size(s)
            self.assertEqual(s.stop(), 0)
        self.end_early(one)
        self.end_early(two)
        with Server(PROGRAM, config, dir=self.folder) as s:  # it is remembered
            status, _, body = s.get('/checkpoint')
            self.assertIn(status, (200, 503))
            if status == 200:
                self.assertGreaterEqual(self.size(s), published)

    def test_without_a_policy(self):
        with Server(PROGRAM, '[ledger]\norigin = "%s"\nsigning_key_file = "%s"\n'
                    % (ORIGIN, self.path('log.key'))) as s:
            status, _, body = s.get('/checkpoint?cosigned=1')
            self.assertEqual(status, 501)
            self.assertIn(b'witness_policy_file', body)
            self.assertEqual(s.stop(), 0)

    def end_early(self, process):
        process.kill()
        process.wait()

    def test_another_log_of_that_name_is_told(self):
        _, line = self.witness('one')
        config = self.config([line])
        with Server(PROGRAM, config) as s:
            for i in range(5):
                self.put(s, b'key%d' % i)
            wait_for(lambda: self.cosigners(s) == {'one'}, 'a cosignature')
            self.assertEqual(s.stop(), 0)
        with Server(PROGRAM, config) as s:  # another directory: a log that begins anew
            self.put(s, b'other')
            s.wait_log('error witness: ')
            self.assertGreaterEqual(self.figure(s, 'blockdb_witness_contradictions_total'), 1)
            self.assertEqual(s.get('/health')[0], 200)
            self.assertEqual(s.stop(), 0)

    def test_a_policy_that_cannot_be_read(self):
        config = self.config(['witness w %s' % 'nonsense'])
        with Server(PROGRAM, config, wait=False) as s:
            self.assertEqual(s.process.wait(30), 2)
            self.assertIn('witness_policy_file', s.log_text())


if __name__ == '__main__':
    unittest.main(verbosity=2)
