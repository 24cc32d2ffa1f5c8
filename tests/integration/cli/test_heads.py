#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed heads and pinned heads: keygen, checkpoint, and what the command line remembers."""
import base64
import glob
import hashlib
import os
import shutil
import stat
import subprocess
import unittest

import harness

ORIGIN = 'example.com/log'
DER_PREFIX = bytes.fromhex('302a300506032b6570032100')  # of an Ed25519 key in a certificate


class HeadTest(harness.CliTest):
    def keygen(self, name='key', *options):
        key = self.path(name)
        result = self.run_bare('keygen', '--origin', ORIGIN, '--out', key, *options)
        self.assertEqual(result.code, 0, result.err)
        return key, result.out.strip()

    def signed(self, *args, key='key', db=None):
        return self.cli('--set', 'ledger.origin=' + ORIGIN, '--set',
                        'ledger.signing_key_file=' + self.path(key), *args, db=db)

    def checkpoint(self, **where):
        result = self.signed('checkpoint', **where)
        self.assertEqual(result.code, 0, result.err)
        return result.out


class Keygen(HeadTest):
    def test_key_file(self):
        key, vkey = self.keygen()
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        name, key_id, public = vkey.split('+', 2)
        self.assertEqual(name, ORIGIN)
        raw = base64.b64decode(public)
        self.assertEqual((len(raw), raw[0]), (33, 1))
        digest = hashlib.sha256(name.encode() + b'\n' + raw).digest()
        self.assertEqual(key_id, digest[:4].hex())
        with open(key, encoding='utf-8') as f:
            content = f.read()
        self.assertTrue(content.startswith('PRIVATE+KEY+%s+%s+' % (ORIGIN, key_id)), content)

    def test_never_overwrites(self):
        key, _ = self.keygen()
        with open(key, 'rb') as f:
            before = f.read()
        result = self.run_bare('keygen', '--origin', ORIGIN, '--out', key)
        self.assertEqual(result.code, 4, result.err)
        with open(key, 'rb') as f:
            self.assertEqual(f.read(), before)

    def test_refuses(self):
        self.assertEqual(self.run_bare('keygen').code, 2)
        self.assertEqual(self.run_bare('keygen', '--origin', 'a b').code, 2)
        self.assertEqual(
            self.run_bare('keygen', '--origin', 'a', '--out', self.path('no/key')).code, 1)

    def test_forms(self):
        result = self.run_bare('keygen', '--origin', 'w', '--witness', '--json',
                               '--out', self.path('w'))
        vkey = result.json()['vkey']
        self.assertEqual(base64.b64decode(vkey.split('+', 2)[2])[0], 4)


class Checkpoint(HeadTest):
    def openssl_accepts(self, note, vkey):
        text, signatures = note.rsplit('\n\n', 1)
        name, _, public = vkey.split('+', 2)
        line = [s for s in signatures.splitlines() if s.split(' ')[1] == name][0]
        der = self.write('public.der', DER_PREFIX + base64.b64decode(public)[1:])
        signed = self.write('text', (text + '\n').encode())
        signature = self.write('signature', base64.b64decode(line.split(' ')[2])[4:])
        done = subprocess.run(
            ['openssl', 'pkeyutl', '-verify', '-rawin', '-pubin', '-keyform', 'DER', '-inkey', der,
             '-in', signed, '-sigfile', signature], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        return done.returncode == 0

    @unittest.skipIf(shutil.which('openssl') is None, 'needs openssl')
    def test_signature_is_good(self):
        _, vkey = self.keygen()
        self.ok('put', 'a', '1')
        note = self.checkpoint()
        self.assertEqual(note.split('\n')[0], ORIGIN)
        self.assertTrue(self.openssl_accepts(note, vkey))
        self.assertFalse(self.openssl_accepts(note.replace(ORIGIN + '\n', ORIGIN + 'x\n', 1), vkey))

    def test_newest(self):
        self.keygen()
        self.ok('put', 'a', '1')
        note = self.checkpoint()
        self.assertEqual(self.checkpoint(), note)
        plain = self.signed('checkpoint', '--no-sign')
        self.assertEqual(plain.out, note)
        found = self.signed('checkpoint', '--no-sign', '--json').json()
        self.assertEqual((found['origin'], found['note']), (ORIGIN, note))
        self.assertEqual(str(found['size']), note.split('\n')[1])
        self.assertEqual(base64.b64encode(bytes.fromhex(found['root'])).decode(),
                         note.split('\n')[2])
        self.signed('put', 'a', '2')
        self.assertGreater(int(self.checkpoint().split('\n')[1]), found['size'])

    def test_without_key(self):
        self.ok('put', 'a', '1')
        self.fails(1, 'checkpoint', says='keygen')
        self.fails(3, 'checkpoint', '--no-sign')

    def test_key_that_is_missing(self):
        result = self.signed('put', 'a', '1', key='nowhere')
        self.assertEqual(result.code, 2)
        self.assertIn('keygen', result.err)

    def test_key_that_others_may_read(self):
        key, _ = self.keygen()
        self.ok('put', 'a', '1')
        os.chmod(key, 0o644)
        result = self.signed('checkpoint')
        self.assertEqual(result.code, 7)
        self.assertIn('chmod 600', result.err)
        self.assertEqual(self.signed('get', 'a').code, 0)  # reading needs no key

    def test_key_of_another_log(self):
        self.keygen()
        self.ok('put', 'a', '1')
        result = self.cli('--set', 'ledger.signing_key_file=' + self.path('key'), 'checkpoint')
        self.assertEqual(result.code, 2)
        self.assertIn('keygen --origin', result.err)

    def test_rotation(self):
        old, _ = self.keygen('key')
        self.ok('put', 'a', '1')
        self.checkpoint()
        new, _ = self.keygen('new')
        with open(old, 'a', encoding='utf-8') as out, open(new, encoding='utf-8') as f:
            out.write(f.read())
        self.assertEqual(len(self.checkpoint().split('\n\n', 1)[1].splitlines()), 2)
        self.assertEqual(len(self.checkpoint(key='new').split('\n\n', 1)[1].splitlines()), 1)
        self.ok('verify')

    def test_broken_heads_have_one_exit_code(self):
        _, vkey = self.keygen()
        self.signed('put', 'a', '1')
        self.ok('verify')  # nothing was signed on demand, or it is whole
        self.checkpoint()
        path = os.path.join(self.db, 'ledger', 'heads')
        with open(path, 'rb') as f:
            whole = f.read()
        for content, says in ((whole[:20] + b'\xff' + whole[21:], 'heads'),
                              (None, 'missing although heads of this log were signed')):
            if content is None:
                os.unlink(path)
            else:
                with open(path, 'wb') as f:
                    f.write(content)
            for words in (['verify'], ['checkpoint'], ['checkpoint', '--no-sign'],
                          ['prove', '--seq', '0'],
                          ['audit', '--state', self.path('state-file'), '--key', vkey]):
                result = self.signed(*words)
                self.assertEqual(result.code, 5, '%s: %s' % (words, result.err))
                self.assertIn(says, result.err, words)
            self.assertEqual(self.signed('get', 'a').raw, b'1')
            self.assertEqual(self.signed('put', 'b', '2').code, 0)

    def test_restored_directory_is_another_log(self):
        self.keygen()
        self.ok('put', 'a', '1')
        self.checkpoint()
        self.ok('backup', self.path('backup'))
        result = self.run_bare('restore', self.path('backup'), '--to', self.path('again'))
        self.assertEqual(result.code, 0, result.err)
        result = self.signed('checkpoint', db=self.path('again'))
        self.assertEqual(result.code, 2)
        self.assertIn(ORIGIN + '/epoch-1', result.err)


class Pin(HeadTest):
    def pins(self):
        return glob.glob(self.path('state/blockdb/heads/*'))

    def test_older_copy_is_refused(self):
        self.ok('put', 'a', '1')
        shutil.copytree(self.db, self.path('old'))
        self.ok('put', 'a', '2')
        result = self.fails(5, 'get', 'a', db=self.path('old'), says='an older state')
        self.assertIn('--forget-pin', result.err)
        self.assertIn(self.pins()[0], result.err)
        self.fails(5, 'put', 'a', '3', db=self.path('old'))
        self.assertEqual(self.ok('get', 'a').out, '2')  # the pin stayed

    def test_fork_is_refused(self):
        self.ok('put', 'a', '1')
        shutil.copytree(self.db, self.path('fork'))
        self.ok('put', 'a', '2')
        for i in range(4):
            self.ok('--no-pin', 'put', 'a', 'x%d' % i, db=self.path('fork'))
        self.fails(5, 'get', 'a', db=self.path('fork'), says='another history')
        self.ok('put', 'a', '3')

    def test_forget(self):
        self.ok('put', 'a', '1')
        shutil.copytree(self.db, self.path('old'))
        self.ok('put', 'a', '2')
        self.ok('--forget-pin', 'get', 'a', db=self.path('old'))
        self.ok('get', 'a', db=self.path('old'))
        self.ok('get', 'a')  # it continues what is pinned now
        self.fails(5, 'get', 'a', db=self.path('old'))

    def test_switched_off(self):
        self.ok('--no-pin', 'put', 'a', '1')
        env = self.environment(BLOCKDB_PIN='off')
        result = self.run_bare('--data-dir', self.db, *harness.SMALL, 'put', 'a', '2', env=env)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.pins(), [])

    def test_nowhere_to_keep_it(self):
        self.write('state', 'a file')
        result = self.ok('put', 'a', '1')
        self.assertEqual(result.err.count('cannot be'), 2)  # neither read nor kept
        env = self.environment()
        del env['XDG_STATE_HOME']
        env.pop('HOME', None)
        result = self.run_bare('--data-dir', self.db, *harness.SMALL, 'get', 'a', env=env)
        self.assertEqual((result.code, result.err), (0, ''))

    def test_damaged_pin(self):
        self.ok('put', 'a', '1')
        with open(self.pins()[0], encoding='utf-8') as f:
            good = f.read()
        for bad in ('', 'x', good[:-1], good + 'x\n', good.replace('seen', 'sean'),
                    good.replace('\n2\n', '\n-2\n'), good.replace('\n2\n', '\n2x\n'),
                    good.replace('\n2\n', '\n%d\n' % 2**64), good.replace('pin 1', 'pin 2')):
            self.write(self.pins()[0], bad)
            result = self.ok('get', 'a')
            self.assertIn('damaged', result.err, bad)
            with open(self.pins()[0], encoding='utf-8') as f:
                self.assertEqual(f.read(), good)

    def test_each_log_has_its_own(self):
        self.ok('put', 'a', '1')
        self.ok('put', 'a', '1', db=self.path('other'))
        self.assertEqual(len(self.pins()), 2)
        self.keygen()
        self.checkpoint()
        said = []
        for pin in self.pins():
            with open(pin, encoding='utf-8') as f:
                said.append(f.read().splitlines()[-1])
        self.assertEqual(sorted(said), ['seen', 'seen', 'signed'])

    def test_crash_is_no_rollback(self):
        """A directory that was not closed, read only: its tiles end before its ledger."""
        self.ok('put', 'a', '1')
        process = subprocess.Popen(
            [harness.PROGRAM, '--data-dir', self.db, *harness.SMALL, '--set',
             'blockchain_batch_size=1', 'shell'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.environment())
        for i in range(5):
            process.stdin.write(b'put k%d x\n' % i)
        process.stdin.write(b'blocks\n')
        process.stdin.flush()
        for _ in range(5):
            process.stdout.readline()
        process.kill()
        process.communicate()
        self.ok('get', 'k4')
        self.ok('put', 'a', '2')
        self.ok('get', 'a')


if __name__ == '__main__':
    harness.main()
