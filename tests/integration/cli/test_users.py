#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blockdb-cli user, token and role on a directory: what they change, print, ask and refuse.

Usage: test_users.py BLOCKDB-CLI"""
import json
import os
import pty
import subprocess

import harness


class TestUsers(harness.CliTest):
    def add(self, name, *options, password=b'correct horse\n', code=0):
        result = self.cli('user', 'add', name, *options, stdin=password)
        self.assertEqual(result.code, code, result.err)
        return result

    def test_life_of_a_user(self):
        self.add('admin', '--role', 'admin')
        self.add('ann', '--role', 'reader', '--role', 'writer:orders/')
        shown = self.cli('user', 'show', 'ann', '--json').json()
        self.assertEqual(shown['roles'], 'reader writer:orders/')
        self.assertEqual((shown['state'], shown['password'], shown['by']),
                         ('enabled', 'yes', 'blockdb-cli'))
        self.assertEqual(self.cli('user', 'set', 'ann', '--disable', '--role', 'reader').code, 0)
        shown = self.cli('user', 'show', 'ann', '--json').json()
        self.assertEqual((shown['roles'], shown['state']), ('reader', 'disabled'))
        self.assertEqual(self.cli('user', 'set', 'ann', '--enable', '--no-password').code, 0)
        self.assertEqual(self.cli('user', 'show', 'ann', '--json').json()['password'], 'no')
        listed = self.cli('user', 'list', '-o', 'jsonl').objects()
        self.assertEqual([u['name'] for u in listed], ['admin', 'ann'])
        self.assertEqual(self.cli('user', 'remove', 'ann').code, 0)
        self.assertEqual(self.cli('user', 'show', 'ann').code, 3)
        self.assertEqual(self.cli('user', 'remove', 'ann').code, 3)
        # Each change is an entry that stays.
        kinds = [e['type'] for e in
                 self.cli('history', '!blockdb/user/ann', '-o', 'jsonl').objects()]
        self.assertEqual(kinds, ['delete', 'put', 'put', 'put'])
        self.assertEqual(self.cli('verify').code, 0)

    def test_passwords(self):
        self.add('ann', '--role', 'reader')
        before = self.record('ann')
        self.assertNotIn('correct horse', json.dumps(before))
        self.assertTrue(before['password'].startswith('$argon2id$v=19$m=65536,t=2,p=1$'))
        self.assertEqual(self.cli('user', 'passwd', 'ann', stdin=b'another horse\n').code, 0)
        self.assertNotEqual(before['password'], self.record('ann')['password'])
        path = self.write('password', 'from a file\nnot this line\n')
        os.chmod(path, 0o644)
        refused = self.cli('user', 'passwd', 'ann', '--password-file', path)
        self.assertEqual(refused.code, 7)
        self.assertIn('chmod 600', refused.err)
        os.chmod(path, 0o600)
        self.assertEqual(self.cli('user', 'passwd', 'ann', '--password-file', path).code, 0)
        for bad in (b'', b'\n', b'short\n', b'bdb_looks_like_a_token\n', b'x' * 1025 + b'\n'):
            self.assertEqual(self.cli('user', 'passwd', 'ann', stdin=bad).code, 2, bad)
        self.assertEqual(self.cli('user', 'passwd', 'bob', stdin=b'another horse\n').code, 3)

    def record(self, name):
        return json.loads(self.cli('get', '!blockdb/user/' + name).out)

    def test_terminal(self):
        """A person is asked twice, and what is typed is not shown."""
        for second, code in (b'correct horse\n', 0), (b'other horse!\n', 2):
            primary, secondary = pty.openpty()
            process = subprocess.Popen(
                [harness.PROGRAM, '--data-dir', self.db, *harness.SMALL, 'user', 'add',
                 'u%d' % code, '--role', 'reader'], stdin=secondary, stderr=secondary,
                stdout=subprocess.PIPE, env=self.environment())
            os.close(secondary)
            seen = self.read_until(primary, b'New password')
            os.write(primary, b'correct horse\n')
            seen += self.read_until(primary, b'again')
            os.write(primary, second)
            try:
                self.assertEqual(process.wait(timeout=30), code)
            finally:
                process.kill()
            process.stdout.close()
            self.assertNotIn(b'horse', seen)
            os.close(primary)

    def read_until(self, terminal, word):
        seen = b''
        while word not in seen or not seen.endswith(b': '):
            seen += os.read(terminal, 4096)
        return seen

    def test_refusals(self):
        self.add('ann', '--role', 'reader')
        self.add('ann', '--role', 'reader', code=4)
        for words in (['user'], ['user', 'ad', 'x'], ['user', 'add'], ['user', 'list', 'x'],
                      ['user', 'add', 'x'], ['user', 'add', 'x', '--role', 'king'],
                      ['user', 'add', 'x', '--role', 'admin:a/'], ['user', 'set', 'ann'],
                      ['user', 'set', 'ann', '--enable', '--disable'],
                      ['user', 'add', 'a b', '--role', 'reader'],
                      ['user', 'add', 'anonymous', '--role', 'reader'],
                      ['token'], ['token', 'create', 'x'], ['token', 'revoke', 'x'],
                      ['token', 'create', 'x', '--role', 'reader', '--expires', 'soon'],
                      ['token', 'create', 'x', '--role', 'reader', '--expires', '2001-01-01'],
                      ['role', 'add']):
            result = self.cli(*words, stdin=b'correct horse\n')
            self.assertEqual(result.code, 2, (words, result.err))
        self.assertIn("did you mean 'user add'", self.cli('user', 'ad', 'x').err)
        self.assertIn("did you mean 'reader'",
                      self.cli('user', 'set', 'ann', '--role', 'redaer').err)

    def test_tokens(self):
        self.add('admin', '--role', 'admin')
        made = self.cli('token', 'create', 'ci', '--role', 'writer:ci/', '--expires', '90d',
                        '--json').json()
        self.assertRegex(made['token'], '^bdb_[0-9a-f]{16}_[0-9a-f]{72}$')
        self.assertEqual(made['token'][4:20], made['id'])
        listed = self.cli('token', 'list', '-o', 'jsonl').objects()
        self.assertEqual([(t['id'], t['name'], t['roles']) for t in listed],
                         [(made['id'], 'ci', 'writer:ci/')])
        self.assertRegex(listed[0]['expires'], '^20..-')
        self.assertNotIn(made['token'][21:], self.cli('get', '!blockdb/token/' + made['id']).out)
        self.assertEqual(self.cli('token', 'revoke', made['id']).code, 0)
        self.assertEqual(self.cli('token', 'revoke', made['id']).code, 3)
        first = self.run_bare('token', 'generate')
        second = self.run_bare('token', 'generate')
        self.assertRegex(first.out, '^bdb_[0-9a-f]{16}_[0-9a-f]{72}\n$')
        self.assertNotEqual(first.out, second.out)

    def test_roles(self):
        roles = self.run_bare('role', 'list', '-o', 'jsonl').objects()
        self.assertEqual([r['role'] for r in roles],
                         ['auditor', 'reader', 'writer', 'operator', 'admin'])

    def test_damaged_record(self):
        self.add('admin', '--role', 'admin')
        self.assertEqual(self.cli('put', '!blockdb/user/eve', '{}').code, 0)
        listed = self.cli('user', 'list', '-o', 'jsonl')
        self.assertEqual([u['name'] for u in listed.objects()], ['admin'])
        self.assertIn('!blockdb/user/eve', listed.err)
        self.assertEqual(self.cli('user', 'show', 'eve').code, 1)
        self.assertEqual(self.cli('user', 'remove', 'eve').code, 0)
        self.assertEqual(self.cli('user', 'list').err, '')


if __name__ == '__main__':
    harness.main()
