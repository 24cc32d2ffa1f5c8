#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users change their own password, over HTTP and by the command line.

Usage: test_password.py BLOCKDB-SERVER BLOCKDB-CLI"""

import os
import subprocess

import security_harness as harness
from security_harness import PASSWORD, basic, bearer

OTHER = 'a quite different one'
PATH = '/api/v1/password'


def body(old, new):
    return {'old_password': old, 'new_password': new}


class Password(harness.SecurityTest):
    security = 'enable_auth = true\nuser_failure_rate = 4\n'

    def setUp(self):
        super().setUp()
        self.add_user('admin', 'admin')
        self.add_user('ann', 'reader')
        self.configure()
        self.start()

    def refused(self, status, word, sent, headers, says=''):
        reply = self.http('POST', PATH, sent, headers)
        self.assertEqual((reply.status, reply.json()['error']), (status, word), reply.body)
        self.assertIn(says, reply.json()['message'])
        return reply

    def may_enter(self, password):
        return self.http('GET', '/api/v1/whoami', None, basic('ann', password)).status == 200

    def test_change(self):
        made = self.http('POST', '/api/v1/tokens', {'name': 'ci', 'roles': ['reader']},
                         basic('admin', PASSWORD)).json()
        client = self.redis()
        self.assertEqual(client('AUTH', 'ann', PASSWORD), 'OK')
        before = self.http('GET', '/api/v1/users/ann', None, basic('admin', PASSWORD)).json()
        self.assertEqual(self.http('POST', PATH, body(PASSWORD, OTHER),
                                   basic('ann', PASSWORD)).json(), {'success': True})
        self.assertTrue(self.may_enter(OTHER))
        self.assertFalse(self.may_enter(PASSWORD))
        # An entry of the ledger as other changes, by whom it was made; nothing else changed.
        after = self.http('GET', '/api/v1/users/ann', None, basic('admin', PASSWORD)).json()
        self.assertGreater(after['seq'], before['seq'])
        self.assertEqual((after['by'], after['roles'], after['disabled']),
                         ('ann', ['reader'], False))
        # Connections that came in by the old password end, tokens stay.
        self.assertIsInstance(client('GET', 'k'), Exception)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   bearer(made['token'])).status, 200)
        self.assertIn('action=user.password outcome=ok who=ann', self.text('audit.log'))
        self.look_for([PASSWORD, OTHER])

    def test_refusals(self):
        ann = basic('ann', PASSWORD)
        for wrong in ({}, {'old_password': PASSWORD}, body(PASSWORD, 7), body(PASSWORD, 'short'),
                      body(PASSWORD, 'with a zero \0'), dict(body(PASSWORD, OTHER), name='admin'),
                      body(PASSWORD, 'bdb_' + 'x' * 85)):
            self.refused(400, 'InvalidArgument', wrong, ann)
        self.refused(403, 'Denied', body(OTHER, PASSWORD), ann, 'another one')
        self.assertTrue(self.may_enter(PASSWORD))
        self.assertIn('action=user.password outcome=failed who=ann', self.text('audit.log'))
        self.assertEqual(self.http('POST', PATH, body(PASSWORD, OTHER)).status, 401)
        made = self.http('POST', '/api/v1/tokens', {'name': 'ci', 'roles': ['admin']},
                         basic('admin', PASSWORD)).json()
        self.refused(403, 'Denied', body(PASSWORD, OTHER), bearer(made['token']), 'is no user')
        # The password of the user, not any secret of somebody.
        self.refused(403, 'Denied', body(made['token'], OTHER), ann, 'another one')

    def test_wrong_ones_are_limited(self):
        ann = basic('ann', PASSWORD)
        self.assertTrue(self.may_enter(PASSWORD))  # and is remembered
        statuses = []
        for i in range(20):
            reply = self.http('POST', PATH, body('wrong guess %d' % i, OTHER), ann)
            statuses.append(reply.status)
            if reply.status == 429:
                break
        self.assertEqual(set(statuses), {403, 429})
        self.assertEqual(reply.json()['error'], 'TooManyRequests')
        self.assertGreaterEqual(int(reply.headers['retry-after']), 1)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, ann).status, 200)

    def cli_passwd(self, old, new, code=0):
        with open(self.path('old'), 'w') as f:
            f.write(old + '\n')
        os.chmod(self.path('old'), 0o600)
        done = subprocess.run(
            [harness.CLI, '--url', 'http://127.0.0.1:%d' % self.port, '--user', 'ann', 'user',
             'passwd', '-o', 'table', '--old-password-file', self.path('old')],
            input=new + '\n', capture_output=True, text=True, timeout=60, check=False,
            env=dict(self.environment(), BLOCKDB_PASSWORD=PASSWORD))
        self.assertEqual(done.returncode, code, done.stderr)
        self.seen += done.stderr.encode()
        return done.stdout + done.stderr

    def test_command_line(self):
        self.assertIn('another one', self.cli_passwd(OTHER, 'yet another one', code=7))
        self.assertTrue(self.may_enter(PASSWORD))
        self.assertIn('another one now', self.cli_passwd(PASSWORD, OTHER))
        self.assertTrue(self.may_enter(OTHER))
        self.look_for([OTHER, 'yet another one'])


if __name__ == '__main__':
    harness.main()
