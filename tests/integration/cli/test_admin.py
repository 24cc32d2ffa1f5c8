#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stats, compact, flush, verify, blocks, backup, restore, inspect, shell."""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest, Result  # noqa: E402

HASH = r'^[0-9a-f]{64}$'


class Admin(CliTest):
    def fill(self, count=3000, value='x' * 50):
        lines = ''.join('{"key":"k%06d","value":"%s%d"}\n' % (i, value, i) for i in range(count))
        self.ok('import', '-', stdin=lines.encode())

    def files(self, pattern, db=None):
        return sorted(glob.glob(os.path.join(db or self.db, pattern)))

    def test_stats(self):
        self.ok('put', 'k', 'v')
        stats = self.ok('stats', '--json').json()
        with open(os.path.join(os.path.dirname(__file__),
                               '../../../include/blockdb/blockdb.h'), encoding='utf-8') as f:
            body = re.search(r'struct blockdb_stats \{(.*?)\};', f.read(), re.S).group(1)
        fields = re.findall(r'(\w+)[,;]', re.sub(r'/\*.*?\*/', '', body, flags=re.S))
        for field in set(fields) - {'size'}:
            self.assertIn(field, stats)
        self.assertRegex(stats['ledger_id'], '^[0-9a-f]{32}$')
        self.assertEqual(stats['epoch'], 0)
        self.assertGreaterEqual(stats['acked_seq'], 1)
        table = self.ok('stats').out
        self.assertIn('Positions', table)
        self.assertIn('acked seq', table)

    def test_flush_and_compact(self):
        self.fill()
        report = self.ok('flush', '--json').json()
        self.assertGreaterEqual(report['tables'], 1)
        self.assertTrue(self.files('*.sst'))
        self.ok('compact')
        self.ok('compact', '--no-wait')
        self.ok('flush')
        self.assertEqual(self.ok('get', 'k000007').out, 'x' * 50 + '7')

    def test_verify(self):
        self.fill(100)
        report = self.ok('verify', '--json').json()
        self.assertEqual(report['result'], 'ok')
        self.assertGreaterEqual(report['entries'], 100)
        self.assertRegex(report['root'], HASH)
        self.assertIn('entries', self.ok('verify').out)
        self.ok('verify', '--sample', '50%', '--threads', '2')
        self.ok('verify', '--from', '3', '--to', '9')
        self.fails(2, 'verify', '--sample', '0', says='percentage')
        self.fails(2, 'verify', '--from', '9', '--to', '3', says='lies behind')

    def test_verify_finds_a_changed_byte(self):
        self.fill(100, 'needle')
        self.ok('stats')
        path = self.files('ledger/*.blk')[0]
        with open(path, 'r+b') as f:
            content = f.read()
            f.seek(content.rfind(b'BLOK') + 100 if b'needle' not in content
                   else content.index(b'needle'))
            byte = f.read(1)
            f.seek(-1, 1)
            f.write(bytes([byte[0] ^ 1]))
        result = self.cli('verify', '--json')
        self.assertEqual(result.code, 5, result.err)
        self.assertIn(os.path.basename(path), result.err)
        if result.out:
            self.assertEqual(result.json()['result'], 'FAILED')

    def test_blocks(self):
        for i in range(3):
            self.ok('put', 'k%d' % i, 'v')
        blocks = self.ok('blocks', '-o', 'jsonl').objects()
        self.assertGreaterEqual(len(blocks), 3)
        for before, block in zip(blocks, blocks[1:]):
            self.assertEqual(block['previous_hash'], before['hash'])
            self.assertEqual(block['first_seq'], before['header_seq'] + 1)
            self.assertEqual(block['height'], before['height'] + 1)
            self.assertRegex(block['hash'], HASH)
        self.assertEqual(self.ok('block', '1', '--json').json(), blocks[1])
        last = self.ok('blocks', '--limit', '1', '--json').json()
        self.assertEqual([b['height'] for b in last], [blocks[-1]['height']])
        first = self.ok('blocks', '--from', '0', '--limit', '2', '-o', 'raw').out.splitlines()
        self.assertEqual([line.split('\t')[0] for line in first], ['0', '1'])
        self.fails(3, 'block', '1000000')
        self.fails(2, 'block', 'genesis', says='HEIGHT')
        self.assertIn(blocks[0]['hash'], self.ok('block', '0').out)

    def test_backup_and_restore(self):
        self.fill(500)
        copy = self.path('copy')
        self.ok('backup', copy)
        self.ok('put', 'later', '1')
        self.fails(4, 'backup', copy)
        self.assertEqual(self.ok('--no-pin', 'get', 'k000003', db=copy).out, 'x' * 50 + '3')
        self.fails(3, '--no-pin', 'get', 'later', db=copy)
        new = self.path('new')
        result = self.run_bare('restore', copy, '--to', new)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.ok('get', 'k000003', db=new).out, 'x' * 50 + '3')
        self.assertEqual(self.ok('stats', '--json', db=new).json()['epoch'], 1)
        self.ok('verify', db=new)
        self.assertEqual(self.run_bare('restore', copy).code, 2)
        self.assertNotEqual(self.run_bare('restore', self.path('none'), '--to',
                                          self.path('x')).code, 0)

    def test_inspect(self):
        self.fill(2000)
        self.ok('flush')
        wal = self.files('wal/*.wal')[-1]
        rows = self.run_bare('inspect', 'wal', wal, '-o', 'jsonl').objects()
        self.assertEqual(rows[0]['kind'], 'header')
        manifest = self.files('MANIFEST-*')[0]
        self.assertIn('add table', self.run_bare('inspect', 'manifest', manifest).out)
        facts = self.run_bare('inspect', 'sst', self.files('*.sst')[0], '--json').json()
        self.assertEqual(facts['keys'], 2000)
        self.assertEqual((facts['first_key'], facts['last_key']), ('k000000', 'k001999'))
        segment = self.files('ledger/*.blk')[0]
        blocks = self.run_bare('inspect', 'segment', segment, '-o', 'jsonl').objects()
        known = self.ok('blocks', '--from', '0', '--limit', '1000', '--json').json()
        self.assertEqual([(b['height'], b['first_seq']) for b in blocks],
                         [(b['height'], b['first_seq']) for b in known][:len(blocks)])
        self.assertEqual(self.run_bare('inspect', 'sst', self.path('none')).code, 1)
        self.assertEqual(self.run_bare('inspect', 'blk', segment).code, 2)
        for kind in ('wal', 'sst', 'manifest', 'segment'):
            bad = self.write('bad', b'x' * 10000)
            result = self.run_bare('inspect', kind, bad)
            self.assertEqual(result.code, 1, kind)
            self.assertIn('bad', result.err)

    def test_missing_database(self):
        result = self.fails(1, 'get', 'k', says='there is no database in')
        self.assertIn('create', result.err)
        self.assertFalse(os.path.exists(self.db))
        os.mkdir(self.db)
        self.write('db/other.txt', 'x')
        self.assertEqual(self.cli('get', 'k').code, 1)

    def test_lost_wal_directory(self):
        wal = self.path('wal')
        self.ok('put', 'k', 'v', '--set', 'wal_dir=' + wal)
        self.ok('get', 'k', '--set', 'wal_dir=' + wal)
        shutil.rmtree(wal)
        result = self.cli('get', 'k', '--set', 'wal_dir=' + wal)
        self.assertEqual(result.code, 1)
        self.assertIn(wal, result.err)


class Shell(CliTest):
    def test_lines(self):
        script = ('put a 1\nput "two words" \'x "y"\'\n\n# comment\nget a\n'
                  'scan --keys-only -o raw\n\\q\nput never 1\n')
        result = self.ok('shell', stdin=script.encode())
        self.assertRegex(result.out, r'^seq \d+\nseq \d+\n1\na\ntwo words\n$')
        self.fails(3, 'get', 'never')

    def test_goes_on_and_tells(self):
        result = self.fails(3, 'shell', stdin=b'get no\nput a 1\nbad\nget a\n', says="'no' not")
        self.assertIn('unknown command', result.err)
        self.assertTrue(result.out.endswith('\n1\n'), result.out)

    def test_refuses(self):
        for line, says in ((b'put "a', 'before the closing'), (b'\\x', 'unknown shell command'),
                           (b'shell', 'already'), (b'get a --data-dir x', 'inside a shell')):
            self.fails(2, 'shell', stdin=line + b'\n', says=says)

    def test_timing(self):
        result = self.ok('shell', stdin=b'put a 1\n\\timing\nget a\n\\timing off\nget a\n')
        self.assertEqual(result.err.count('time: '), 1)


class ReadOnlyMedium(CliTest):
    """A directory on a file system that takes no writes, as copies for keeping often are."""

    def on_read_only(self, script):
        """Runs a script of the shell where the directory is mounted read-only."""
        words = ['unshare', '-rm', 'sh', '-ec', 'mount --bind "$DB" "$DB"\n'
                 'mount -o remount,ro,bind "$DB"\n' + script]
        return Result(subprocess.run(words, capture_output=True, check=False, timeout=120,
                                     env=self.environment(DB=self.db, CLI=harness.PROGRAM)))

    def test_reading(self):
        self.ok('put', 'a', '1')
        self.ok('put', 'a', '2')
        if self.on_read_only('true').code != 0:
            self.skipTest('no file system can be mounted here')
        read = self.on_read_only('for c in "get a" "history a -o jsonl" "export" "verify"; do\n'
                                 '"$CLI" --data-dir "$DB" $c; done')
        self.assertEqual((read.code, read.err), (0, ''))
        self.assertEqual(read.out.count('"key":"a"'), 3)
        wrote = self.on_read_only('"$CLI" --data-dir "$DB" put a 3')
        self.assertEqual(wrote.code, 1)
        self.assertIn('Read-only file system', wrote.err)
        self.assertEqual(self.ok('get', 'a').out, '2')

    def test_one_at_a_time(self):
        """The lock holds there, too."""
        self.ok('put', 'a', '1')
        if self.on_read_only('true').code != 0:
            self.skipTest('no file system can be mounted here')
        second = self.on_read_only('exec 9<"$DB/LOCK"; flock 9\n'
                                   '"$CLI" --data-dir "$DB" --wait 1ms get a')
        self.assertEqual(second.code, 6, second.err)


if __name__ == '__main__':
    harness.main()
