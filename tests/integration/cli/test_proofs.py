#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""prove with verify-proof, and export-log with a recomputation of all that it wrote."""
import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest, SMALL  # noqa: E402

ORIGIN = 'example.org/log'
WIDTH = 256


def node(left, right):
    return hashlib.sha256(b'\x01' + left + right).digest()


def root_of(hashes):
    """RFC 6962, by its own words."""
    if not hashes:
        return hashlib.sha256(b'').digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return node(root_of(hashes[:k]), root_of(hashes[k:]))


def tile_name(index):
    text = '%03d' % (index % 1000)
    while index >= 1000:
        index //= 1000
        text = 'x%03d/%s' % (index % 1000, text)
    return text


class Log:
    """A log in a directory, read without BlockDB."""

    def __init__(self, folder):
        self.folder = folder
        text = self.read('checkpoint').decode()
        lines = text.split('\n')
        self.origin, self.size = lines[0], int(lines[1])
        self.root = base64.b64decode(lines[2])

    def read(self, name):
        with open(os.path.join(self.folder, name), 'rb') as f:
            return f.read()

    def path(self, level, index, count):
        width = min(WIDTH, count - index * WIDTH)
        part = '' if width == WIDTH else '.p/%d' % width
        return 'tile/%s/%s%s' % (level, tile_name(index), part)

    def leaves(self):
        """The leaves of all bundles."""
        found = []
        for index in range((self.size + WIDTH - 1) // WIDTH):
            data = self.read(self.path('entries', index, self.size))
            while data:
                length = int.from_bytes(data[:2], 'big')
                found.append(data[2:2 + length])
                data = data[2 + length:]
        return found

    def check(self, test):
        """Recomputes every tile and the root from the bundles; returns the files that there must
        be."""
        leaves = self.leaves()
        test.assertEqual(len(leaves), self.size)
        hashes = [hashlib.sha256(b'\x00' + leaf).digest() for leaf in leaves]
        test.assertEqual(root_of(hashes), self.root)
        level, needed = 0, {'checkpoint'}
        while hashes:
            for index in range((len(hashes) + WIDTH - 1) // WIDTH):
                name = self.path(level, index, len(hashes))
                needed.add(name)
                test.assertEqual(self.read(name),
                                 b''.join(hashes[index * WIDTH:(index + 1) * WIDTH]), name)
                if level == 0:
                    needed.add(self.path('entries', index, self.size))
            hashes = [root_of(hashes[i:i + WIDTH])
                      for i in range(0, len(hashes) - WIDTH + 1, WIDTH)]
            level += 1
        return needed

    def files(self):
        return {os.path.relpath(os.path.join(folder, name), self.folder)
                for folder, _, names in os.walk(self.folder) for name in names}


class SignedTest(CliTest):
    def setUp(self):
        super().setUp()
        self.key = self.path('signing.key')
        self.vkey = self.run_bare('keygen', '--origin', ORIGIN, '--out',
                                  self.key).out.splitlines()[0]

    def environment(self, **extra):
        return super().environment(XDG_STATE_HOME=self.path('state'), **extra)

    def settings(self):
        return ['--set', 'ledger.signing_key_file=' + self.key, '--set', 'ledger.origin=' + ORIGIN]

    def cli(self, *args, stdin=b'', db=None):
        return super().cli(*self.settings(), *args, stdin=stdin, db=db)

    def fill(self, first, count, value='v' * 20):
        lines = ''.join('{"key":"k%06d","value":"%s"}\n' % (i, value)
                        for i in range(first, first + count))
        self.ok('import', '-', '--durability', 'none', stdin=lines.encode())

    def put(self, key, value):
        """Puts a value; returns its seq."""
        return self.ok('put', key, '-', '--json', stdin=value).json()['seq']


class Prove(SignedTest):
    def verify(self, proof, *options, code=0):
        path = self.write('x.proof', proof)
        result = self.run_bare('verify-proof', path, '--key', self.vkey, '--json', *options)
        self.assertEqual(result.code, code, result.err)
        return result

    def test_entry(self):
        value = bytes(range(100))
        seq = self.put('a key', value)
        self.fill(0, 600)
        proof = self.ok('prove', '--seq', str(seq)).raw
        self.assertTrue(proof.startswith(b'c2sp.org/tlog-proof@v1\nextra '))
        self.assertLess(len(proof), 2048)
        path = self.write('value', value)
        self.verify(proof, '--expect-seq', str(seq), '--expect-key', 'a key', '--expect-value',
                    '@' + path)
        self.verify(proof, '--expect-seq', str(seq + 1), code=5)
        self.verify(proof, '--expect-value', 'another', code=5)
        for damaged in (proof.replace(b'\nindex %d\n' % seq, b'\nindex %d\n' % (seq + 1)),
                        proof.replace(b'QkRCUFJPT0YAAQ', b'QkRCUFJPT0YAAR')):
            self.assertNotEqual(damaged, proof)
            self.assertNotEqual(self.run_bare('verify-proof', self.write('bad.proof', damaged),
                                              '--key', self.vkey).code, 0)

    def test_without_value_and_with_block(self):
        seq = self.put('a key', b'secret words')
        proof = self.ok('prove', '--seq', str(seq), '--no-value').raw
        self.assertNotIn(base64.b64encode(b'secret words')[:12], proof)
        self.verify(proof, '--expect-key', 'a key')
        self.verify(proof, '--expect-value', 'secret words', code=5)
        block = self.ok('prove', '--seq', str(seq), '--block').raw
        self.assertGreater(len(block), len(proof))
        self.assertIn('block', self.verify(block).out)

    def test_range(self):
        value = bytes(i * 7 % 251 for i in range(200000))
        seq = str(self.put('large', value))
        part = self.path('part')
        proof = self.ok('prove', '--seq', seq, '--range', '20000:30000').raw
        self.assertLess(len(proof), 100000)
        shown = self.verify(proof, '--value-out', part).json()
        with open(part, 'rb') as f:
            start = shown['range_offset']
            self.assertEqual(f.read(), value[start:start + shown['range_len']])
        self.assertTrue(start <= 20000 and start + shown['range_len'] >= 50000)
        self.verify(self.ok('prove', '--seq', seq, '--range', '199999:1').raw)
        for everything in '0:200000', '1:199999':
            path = self.write('value', value)
            self.verify(self.ok('prove', '--seq', seq, '--range', everything).raw,
                        '--expect-value', '@' + path)
        self.verify(self.ok('prove', '--seq', seq).raw, '--value-out', part)
        with open(part, 'rb') as f:
            self.assertEqual(f.read(), value)
        self.fails(2, 'prove', '--seq', seq, '--range', '199999:2', says='ends beyond')
        small = str(self.put('small', b'v'))
        self.fails(2, 'prove', '--seq', small, '--range', '0:1', says='longer than 65536')

    def test_file_and_kinds(self):
        first = self.put('k', b'v')
        deletion = self.ok('delete', 'k', '--json').json()['seq']
        self.ok('blocks')
        for seq in (first, deletion, 0, deletion + 1):
            path = self.path('p%d' % seq)
            result = self.ok('prove', '--seq', str(seq), '-o', path)
            self.assertEqual(result.out, '')
            self.assertEqual(self.run_bare('verify-proof', path, '--key', self.vkey).code, 0)
        self.fails(1, 'prove', '--seq', '0', '-o', self.path('none/p'))

    def test_mistakes(self):
        self.put('k', b'v')
        self.fails(2, 'prove', says='name a KEY')
        self.fails(2, 'prove', 'k', '--seq', '1', says='name a KEY')
        self.fails(2, 'prove', '--seq', '1', '--history', says='--history needs a KEY')
        self.fails(2, 'prove', 'k', '--block', says='--block needs --seq')
        self.fails(2, 'prove', '--seq', '1', '--range', '5', says='OFFSET:LEN')
        self.fails(2, 'prove', '--seq', '1', '--range', '5:0', says='OFFSET:LEN')
        self.fails(2, 'prove', '--seq', '1', '--range', '0:1', '--no-value', says='exclude')
        self.fails(3, 'prove', '--seq', '9999', says='no entry 9999')

    def test_without_a_key(self):
        self.run_bare('--data-dir', self.db, *SMALL, 'put', 'k', 'v')
        result = self.run_bare('--data-dir', self.db, *SMALL, 'prove', '--seq', '0')
        self.assertEqual(result.code, 1)
        self.assertIn('key', result.err)
        result = self.run_bare('--data-dir', self.db, *SMALL, 'export-log', self.path('log'))
        self.assertEqual(result.code, 1)
        self.assertFalse(os.path.exists(self.path('log')))


class ExportLog(SignedTest):
    def setUp(self):
        super().setUp()
        self.log = self.path('out/log')

    def export(self, *options):
        report = self.ok('export-log', self.log, '--json', *options).json()
        log = Log(self.log)
        self.assertEqual((log.origin, log.size), (ORIGIN, report['size']))
        return report, log

    def test_growth(self):
        self.fill(0, 300)
        first, log = self.export()
        self.assertEqual(log.files(), log.check(self))
        self.assertEqual(first['old_size'], 0)
        full = os.path.join(self.log, 'tile/0/000')
        before = os.stat(full)
        again, log = self.export()
        self.assertEqual((again['old_size'], again['files']), (first['size'], 0))
        self.fill(300, 70000)
        second, log = self.export('--threads', '3')
        self.assertEqual(second['old_size'], first['size'])
        self.assertEqual(log.files(), log.check(self))  # older partial tiles are gone
        self.assertEqual(os.stat(full).st_mtime_ns, before.st_mtime_ns)
        self.assertTrue(os.path.isfile(os.path.join(self.log, 'tile/2/000.p/1')))
        self.fill(1, 10)
        _, log = self.export()
        self.assertTrue(log.files() > log.check(self))  # of this one there are two widths

    def test_others_may_read(self):
        self.fill(0, 300)
        self.export()
        for folder, _, names in os.walk(self.log):
            self.assertEqual(os.stat(folder).st_mode & 0o777, 0o755)
            for name in names:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o777, 0o644)

    def test_interrupted(self):
        self.fill(0, 60000)
        self.ok('checkpoint', '--no-witness')
        os.makedirs(self.log)
        child = subprocess.Popen(
            [harness.PROGRAM, '--data-dir', self.db, *SMALL, *self.settings(), 'export-log',
             self.log, '--threads', '1'], env=self.environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        tiles = os.path.join(self.log, 'tile/0')
        while child.poll() is None and not os.path.exists(os.path.join(tiles, '020')):
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.wait()
        # What a power cut may leave: a file without its content, and a damaged bundle.
        for name in ('tile/0/003', 'tile/entries/005'):
            with open(os.path.join(self.log, name), 'r+b') as f:
                f.truncate(17)
        if os.path.exists(os.path.join(self.log, 'checkpoint')):
            os.remove(os.path.join(self.log, 'checkpoint'))
        report, log = self.export()
        self.assertEqual(log.files(), log.check(self))
        self.assertLess(report['files'], 2 * 60000 // WIDTH)  # some were there

    def test_refused(self):
        self.fill(0, 1000)
        old = self.path('old')
        shutil.copytree(self.db, old)
        self.export()
        self.fill(1000, 1000)
        self.export()
        # Without pinned heads: the directory itself must tell.
        self.forget()
        self.fails(5, 'export-log', self.log, db=old, says='put back to an older state')
        self.fill_other(old)
        self.forget()
        self.fails(5, 'export-log', self.log, db=old, says='has another history')
        self.forget()
        os.mkdir(self.path('full'))
        self.write('full/x', b'')
        self.fails(4, 'export-log', self.path('full'), says='other things in it')
        with open(os.path.join(self.log, 'checkpoint'), 'r+b') as f:
            f.write(b'Example')
        self.fails(1, 'export-log', self.log, says='name another directory')

    def forget(self):
        shutil.rmtree(self.path('state'), ignore_errors=True)

    def fill_other(self, db):
        lines = ''.join('{"key":"other%06d","value":"x"}\n' % i for i in range(3000))
        self.forget()
        self.ok('import', '-', stdin=lines.encode(), db=db)

    def test_damaged_leftovers(self):
        self.fill(0, 1000)
        self.export()
        os.remove(os.path.join(self.log, 'checkpoint'))
        for name in ('tile/0/001', 'tile/entries/002'):
            with open(os.path.join(self.log, name), 'r+b') as f:
                f.write(b'x')
        report, log = self.export()
        self.assertEqual(report['files'], 4)
        self.assertEqual(log.files(), log.check(self))

    def test_key(self):
        settings = ['--set', 'ledger.proof_map=true']
        self.ok(*settings, 'put', 'a', 'one')
        self.ok(*settings, 'put', 'a', 'two')
        self.ok(*settings, 'put', 'b', 'x')
        self.ok(*settings, 'delete', 'b')
        for args, state in ((['a'], 'newest'), (['a', '--history'], 'history'),
                            (['b'], 'deleted'), (['c'], 'absent')):
            path = self.path('proof')
            self.ok(*settings, 'prove', *args, '-o', path)
            result = self.run_bare('verify-proof', path, '--key', self.vkey, '--expect-key',
                                   args[0], '--expect-newest')
            self.assertEqual(result.code, 0, result.err)
            self.assertIn(state, result.out)


if __name__ == '__main__':
    harness.main()
