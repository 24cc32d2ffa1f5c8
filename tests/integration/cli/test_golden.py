#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Databases of released formats are read for ever: tests/golden/database-N.tar.gz.

`clean` was closed: two versions and a deletion of a key, a large value, a flushed table, a redacted
version. `killed` was not: its nine puts are in the WAL only, and no block was sealed."""
import glob
import os
import sys
import tarfile

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
GOLDEN = os.path.join(ROOT, 'tests', 'golden')


class Golden(CliTest):
    def unpack(self):
        with tarfile.open(os.path.join(GOLDEN, 'database-1.tar.gz')) as archive:
            archive.extractall(self.folder.name)
        return self.path('database-1/clean'), self.path('database-1/killed')

    def test_closed(self):
        clean, _ = self.unpack()
        for _ in range(2):  # as it was, then as this version left it
            self.fails(3, 'get', 'fruit', db=clean)
            self.assertEqual(self.ok('get', 'fruit', '--at', '0', db=clean).raw, b'apple')
            self.assertEqual(self.ok('get', 'fruit', '--at', '2', db=clean).raw, b'pear')
            self.assertEqual(self.ok('get', 'large', db=clean).raw, b'x' * 70000)
            self.assertEqual(self.ok('get', 'later', db=clean).raw, b'after the flush')
            self.fails(1, 'get', 'secret', db=clean, says='was redacted')
            kinds = [v['type'] for v in self.ok('history', 'fruit', '-o', 'jsonl',
                                                db=clean).objects()]
            self.assertEqual(kinds, ['delete', 'put', 'put'])
            report = self.ok('verify', '--json', db=clean).json()
            self.assertEqual(report['redactions'], 1)
            self.ok('put', 'new', 'entry', db=clean)

    def test_root(self):
        clean, _ = self.unpack()
        report = self.ok('verify', '--json', db=clean).json()
        self.assertEqual((report['entries'], report['root']), (
            14, 'b17746779eafd94fde98d12e6b80852b5fe543ff0843326ec8cbc08bb29ccd49'))

    def test_killed(self):
        _, killed = self.unpack()
        for i in range(1, 10):
            self.assertEqual(self.ok('get', 'k%d' % i, db=killed).raw, b'v%d' % i)
        self.ok('put', 'k10', 'v10', db=killed)
        self.ok('verify', db=killed)
        self.assertEqual(len(self.ok('scan', '-o', 'jsonl', db=killed).objects()), 10)

    def test_inspect(self):
        clean, killed = self.unpack()
        for kind, path in (('wal', killed + '/wal/*.wal'), ('segment', clean + '/ledger/*.blk'),
                           ('sst', clean + '/*.sst'), ('manifest', clean + '/MANIFEST-*')):
            files = glob.glob(path)
            self.assertNotEqual(files, [])
            for file in files:
                self.assertNotEqual(self.ok('inspect', kind, file).out, '')


if __name__ == '__main__':
    harness.main()
