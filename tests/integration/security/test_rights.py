#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every role against every route and command: what it may is answered, what it may not is refused
and written down; key prefixes; changes that are in force at once.

Usage: test_rights.py BLOCKDB-SERVER BLOCKDB-CLI"""

import json
import os
import subprocess

import security_harness as harness
from security_harness import PASSWORD, basic, bearer

ROLES = {'auditor': {'prove'}, 'reader': {'read', 'prove'}, 'writer': {'write'},
         'operator': {'operate'}, 'admin': {'read', 'write', 'prove', 'operate', 'admin'}}

# Method, path, body, the right it needs. What is allowed may still fail in another way.
ROUTES = [
    ('POST', '/api/v1/put', {'key': 'a/1', 'value': 'x'}, 'write'),
    ('DELETE', '/api/v1/delete/a/2', None, 'write'),
    ('POST', '/api/v1/batch',
     {'operations': [{'type': 'put', 'key': 'a/3', 'value': 'y'}]}, 'write'),
    ('GET', '/api/v1/get/a/1', None, 'read'),
    ('GET', '/api/v1/entry/999999', None, 'read'),
    ('GET', '/api/v1/scan', None, 'read'),
    ('GET', '/api/v1/history/a/1', None, 'read'),
    ('POST', '/api/v1/redact', {'key': 'a/none', 'seq': 99999, 'reason': 'r'}, 'admin'),
    ('GET', '/api/v1/head', None, 'prove'),
    ('GET', '/checkpoint', None, 'prove'),
    ('GET', '/api/v1/proof/inclusion?seq=0', None, 'prove'),
    ('GET', '/api/v1/blocks', None, 'prove'),
    ('GET', '/tile/0/000', None, 'prove'),
    ('POST', '/api/v1/verify', {}, 'prove'),
    ('POST', '/api/v1/compact', {}, 'operate'),
    ('POST', '/api/v1/compact?job=1', None, 'operate'),
    ('GET', '/api/v1/compact/999', None, 'operate'),
    ('DELETE', '/api/v1/compact/999', None, 'operate'),
    ('GET', '/api/v1/backup/999', None, 'operate'),
    ('GET', '/api/v1/verify/999', None, 'prove'),
    ('GET', '/api/v1/redact/999', None, 'admin'),
    ('POST', '/api/v1/flush', {}, 'operate'),
    ('GET', '/stats', None, 'operate'),
    ('GET', '/metrics', None, 'operate'),
    ('GET', '/cluster/status', None, 'operate'),
    ('POST', '/cluster/transfer', {}, 'admin'),
    ('GET', '/api/v1/users', None, 'admin'),
    ('POST', '/api/v1/users', {'name': 'x y', 'roles': []}, 'admin'),
    ('GET', '/api/v1/users/admin', None, 'admin'),
    ('PUT', '/api/v1/users/nobody', {'disabled': True}, 'admin'),
    ('DELETE', '/api/v1/users/nobody', None, 'admin'),
    ('GET', '/api/v1/tokens', None, 'admin'),
    ('POST', '/api/v1/tokens', {'name': 'x y', 'roles': []}, 'admin'),
    ('GET', '/api/v1/tokens/0123456789abcdef', None, 'admin'),
    ('DELETE', '/api/v1/tokens/0123456789abcdef', None, 'admin'),
    ('GET', '/api/v1/whoami', None, None),
    ('GET', '/api/v1/roles', None, None),
    ('POST', '/api/v1/password', {'old_password': 'x' * 9, 'new_password': 'short'}, None),
]

COMMANDS = [
    (('PING',), None), (('GET', 'a/1'), 'read'), (('MGET', 'a/1', 'a/2'), 'read'),
    (('EXISTS', 'a/1'), 'read'), (('STRLEN', 'a/1'), 'read'), (('SCAN', '0'), 'read'),
    (('SET', 'a/1', 'v'), 'write'), (('MSET', 'a/1', 'v', 'a/2', 'w'), 'write'),
    (('DEL', 'a/2'), 'write'), (('BLOCKDB.HEAD',), 'prove'),
    (('BLOCKDB.HISTORY', 'a/1'), 'read'),
]


class TestRights(harness.SecurityTest):
    def setUp(self):
        super().setUp()
        self.security = 'enable_auth = true\naddress_failure_rate = 0\nuser_failure_rate = 0\n'
        self.add_user('admin', 'admin')
        for role in ROLES:
            if role != 'admin':
                self.add_user(role, role)
        self.configure()
        self.start()

    def test_every_role_on_every_route(self):
        for role, rights in ROLES.items():
            for method, path, body, right in ROUTES:
                reply = self.http(method, path, body, basic(role, PASSWORD))
                with self.subTest(role=role, method=method, path=path, status=reply.status):
                    if right is None or right in rights:
                        self.assertNotIn(reply.status, (401, 403), reply.body)
                        self.assertLess(reply.status, 600)
                    else:
                        self.assertEqual(reply.status, 403, reply.body)
                        self.assertEqual(reply.json()['error'], 'Denied')
        self.assertIn('outcome=refused who=auditor', self.text('audit.log'))
        self.look_for([PASSWORD])

    def test_nobody_gets_401(self):
        for headers in ({}, basic('admin', 'wrong password'), basic('nobody', PASSWORD),
                        bearer('bdb_x')):
            for method, path, body, _ in ROUTES:
                reply = self.http(method, path, body, headers)
                self.assertEqual(reply.status, 401, path)
                self.assertIn('Basic', reply.headers['WWW-Authenticate'])
                self.assertEqual(reply.json()['error'], 'Unauthorized')
                if headers.get('Authorization', '').startswith('Basic'):
                    break  # each takes a hash
        for path in ('/health', '/live', '/ready', '/leader'):
            self.assertEqual(self.http('GET', path).status, 200)

    def test_every_role_on_every_command(self):
        for role, rights in ROLES.items():
            client = self.redis()
            self.assertIn('NOAUTH', str(client('GET', 'a/1')))
            self.assertEqual(client('AUTH', role, PASSWORD), 'OK')
            for words, right in COMMANDS:
                reply = client(*words)
                refused = isinstance(reply, Exception) and 'NOPERM' in str(reply)
                with self.subTest(role=role, command=words[0], reply=str(reply)):
                    self.assertEqual(refused, right is not None and right not in rights)
                    if not refused:
                        self.assertNotIsInstance(reply, Exception)
        self.look_for([PASSWORD])

    def test_prefixes(self):
        admin = basic('admin', PASSWORD)
        for key in ('a/1', 'b/1', 'ab'):
            self.http('POST', '/api/v1/put', {'key': key, 'value': key}, admin)
        reply = self.http('POST', '/api/v1/users',
                          {'name': 'ann', 'roles': ['reader:a/', 'writer:b/'],
                           'password': PASSWORD}, admin)
        self.assertEqual(reply.status, 200, reply.body)
        ann = basic('ann', PASSWORD)
        self.assertEqual(self.http('GET', '/api/v1/get/a/1', None, ann).status, 200)
        self.assertEqual(self.http('GET', '/api/v1/get/b/1', None, ann).status, 403)
        self.assertEqual(self.http('GET', '/api/v1/get/ab', None, ann).status, 403)
        self.assertEqual(self.http('GET', '/api/v1/history/b/1', None, ann).status, 403)
        for key, status in (('b/2', 200), ('a/2', 403), ('b', 403), ('!blockdb/user/x', 403)):
            body = {'key': key, 'value': 'v'}
            self.assertEqual(self.http('POST', '/api/v1/put', body, ann).status, status, key)
            batch = {'operations': [{'type': 'put', 'key': 'b/3', 'value': 'v'},
                                    {'type': 'put', 'key': key, 'value': 'v'}]}
            self.assertEqual(self.http('POST', '/api/v1/batch', batch, ann).status, status, key)
        scan = self.http('GET', '/api/v1/scan?limit=1000', None, ann)
        if scan.status == 200:
            self.assertEqual([e['key'] for e in scan.json()['entries']], ['a/1'])
        else:
            self.assertEqual(scan.status, 403)
        self.assertEqual(self.http('GET', '/api/v1/proof/key/b/1?no_value=1', None, ann).status,
                         403)
        self.assertNotEqual(self.http('GET', '/api/v1/proof/key/a/1', None, ann).status, 403)
        client = self.redis()
        self.assertEqual(client('AUTH', 'ann', PASSWORD), 'OK')
        self.assertEqual(client('GET', 'a/1'), b'a/1')
        self.assertIn('NOPERM', str(client('MGET', 'a/1', 'b/1')))
        self.assertIn('NOPERM', str(client('MSET', 'b/1', 'v', 'a/1', 'v')))
        self.assertEqual(client('KEYS', '*'), [b'a/1'])

    def test_reserved_keys_show_to_admins_only(self):
        reader = basic('reader', PASSWORD)
        for path in ('/api/v1/get/!blockdb/user/admin', '/api/v1/history/!blockdb/user/admin',
                     '/api/v1/entry/0', '/api/v1/scan?prefix=!blockdb/'):
            reply = self.http('GET', path, None, reader)
            self.assertNotIn(b'argon2id', reply.body, path)
        self.assertNotIn(b'!blockdb', self.http('GET', '/api/v1/scan', None, reader).body)
        self.assertIn(b'argon2id', self.http('GET', '/api/v1/get/!blockdb/user/admin', None,
                                             basic('admin', PASSWORD)).body)
        client = self.redis()
        self.assertEqual(client('AUTH', 'reader', PASSWORD), 'OK')
        self.assertIn('NOPERM', str(client('GET', '!blockdb/user/admin')))
        self.assertEqual([k for k in client('KEYS', '*') if k.startswith(b'!blockdb')], [])

    def test_changes_are_in_force(self):
        admin = basic('admin', PASSWORD)
        made = self.http('POST', '/api/v1/tokens', {'name': 'ci', 'roles': ['reader']}, admin)
        self.assertEqual(made.status, 200, made.body)
        token = made.json()['token']
        self.assertEqual(made.headers['Cache-Control'], 'no-store')
        client = self.redis()
        self.assertEqual(client('AUTH', token), 'OK')
        self.assertIsNone(client('GET', 'nothing'))
        who = self.http('GET', '/api/v1/whoami', None, bearer(token)).json()
        self.assertEqual(who['rights'], ['read', 'prove'])
        self.assertEqual(who['name'], 'token:%s:ci' % made.json()['id'])
        listed = self.http('GET', '/api/v1/tokens', None, admin).json()['tokens']
        self.assertIsNotNone(listed[0]['last_used'])
        self.assertNotIn(token, str(listed))
        gone = self.http('DELETE', '/api/v1/tokens/' + made.json()['id'], None, admin)
        self.assertEqual(gone.status, 200)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, bearer(token)).status, 401)
        self.assertIn('NOAUTH', str(client('GET', 'nothing')))

        client = self.redis()
        self.assertEqual(client('AUTH', 'writer', PASSWORD), 'OK')
        self.assertEqual(client('SET', 'k', 'v'), 'OK')
        changed = self.http('PUT', '/api/v1/users/writer', {'roles': ['reader']}, admin)
        self.assertEqual(changed.json()['roles'], ['reader'])
        self.assertIn('NOPERM', str(client('SET', 'k', 'v')))
        self.assertEqual(client('GET', 'k'), b'v')
        self.http('PUT', '/api/v1/users/writer', {'password': 'another horse'}, admin)
        self.assertIn('NOAUTH', str(client('GET', 'k')))
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   basic('writer', PASSWORD)).status, 401)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   basic('writer', 'another horse')).status, 200)
        self.http('PUT', '/api/v1/users/writer', {'disabled': True}, admin)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   basic('writer', 'another horse')).status, 401)
        self.assertEqual(self.http('DELETE', '/api/v1/users/admin', None, admin).status, 409)
        self.assertEqual(self.http('PUT', '/api/v1/users/admin', {'roles': []}, admin).status, 409)
        self.assertEqual(self.http('DELETE', '/api/v1/users/writer', None, admin).status, 200)
        self.assertEqual(self.http('GET', '/api/v1/users/writer', None, admin).status, 404)
        audit = self.text('audit.log')
        for part in ('action=token.create outcome=ok who=admin from=127.0.0.1 target=token/',
                     'action=user.set outcome=ok who=admin from=127.0.0.1 target=user/writer',
                     'action=user.remove outcome=failed who=admin', 'action=login outcome=refused'):
            self.assertIn(part, audit)
        self.look_for([PASSWORD, 'another horse', token, token[21:]])

    def test_metrics(self):
        self.http('GET', '/api/v1/whoami', None, basic('nobody', 'wrong password'))
        page = self.http('GET', '/metrics', None, basic('operator', PASSWORD)).body.decode()
        for line in ('blockdb_auth_users 5', 'blockdb_auth_tokens 0', 'blockdb_unsafe_setting 0',
                     'blockdb_auth_attempts_total{outcome="refused"} 1',
                     'blockdb_auth_passwords_verified_total 2', 'blockdb_audit_lines_lost_total 0'):
            self.assertIn('\n' + line + '\n', page)

    def test_command_line(self):
        """user and token do to a server what they do to a directory."""
        made = self.http('POST', '/api/v1/tokens', {'name': 'cli', 'roles': ['admin']},
                         basic('admin', PASSWORD)).json()
        with open(self.path('cli.token'), 'w') as f:
            f.write(made['token'] + '\n')
        os.chmod(self.path('cli.token'), 0o600)
        url = 'http://127.0.0.1:%d' % self.port

        def cli(*args, stdin=b'', code=0):
            done = subprocess.run([harness.CLI, '--url', url, '--token-file',
                                   self.path('cli.token'), *args], input=stdin,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                                  env=self.environment(), check=False)
            self.assertEqual(done.returncode, code, done.stderr.decode())
            self.seen += done.stderr
            return done.stdout.decode()

        cli('user', 'add', 'bob@x.org', '--role', 'reader:a/', stdin=b'bobs own horse\n')
        self.assertEqual(self.http('GET', '/api/v1/get/a/none', None,
                                   basic('bob@x.org', 'bobs own horse')).status, 404)
        shown = json.loads(cli('user', 'show', 'bob@x.org', '--json'))
        self.assertEqual((shown['roles'], shown['state'], shown['password']),
                         ('reader:a/', 'enabled', 'yes'))
        self.assertEqual(shown['by'], 'token:%s:cli' % made['id'])
        cli('user', 'set', 'bob@x.org', '--disable')
        cli('user', 'passwd', 'bob@x.org', stdin=b'bobs next horse\n')
        listed = [json.loads(line) for line in cli('user', 'list', '-o', 'jsonl').splitlines()]
        self.assertIn(('bob@x.org', 'disabled'), [(u['name'], u['state']) for u in listed])
        cli('user', 'remove', 'bob@x.org')
        cli('user', 'remove', 'bob@x.org', code=3)
        cli('user', 'show', 'no/such name', code=2)
        cli('user', 'remove', 'admin', code=4)
        cli('user', 'add', 'admin', '--role', 'reader', stdin=b'bobs own horse\n', code=4)
        token = cli('token', 'create', 'ci', '--role', 'writer', '--expires', '1h',
                    '-o', 'raw').strip()
        self.assertEqual(self.http('POST', '/api/v1/put', {'key': 'k', 'value': 'v'},
                                   bearer(token)).status, 200)
        listed = [json.loads(line) for line in cli('token', 'list', '-o', 'jsonl').splitlines()]
        self.assertEqual(sorted(t['name'] for t in listed), ['ci', 'cli'])
        cli('token', 'revoke', token[4:20])
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, bearer(token)).status, 401)
        cli('token', 'revoke', made['id'])
        cli('user', 'list', code=7)
        self.look_for([PASSWORD, token, made['token'], 'bobs own horse', 'bobs next horse'])

    def test_bodies_that_are_refused(self):
        admin = basic('admin', PASSWORD)
        for body in ([], {'name': 'u'}, {'roles': []}, {'name': 'u', 'roles': 'reader'},
                     {'name': 'u', 'roles': ['king']}, {'name': 'u', 'roles': [1]},
                     {'name': 'anonymous', 'roles': []}, {'name': 'u', 'roles': [], 'more': 1},
                     {'name': 'u', 'roles': [], 'password': 'short'},
                     {'name': 'u', 'roles': [], 'password': ''},
                     {'name': 'u', 'roles': [], 'disabled': 'no'}, {'name': 7, 'roles': []},
                     {'name': 'u', 'roles': ['admin:a/']}, {'name': 'u', 'roles': ['reader:']}):
            reply = self.http('POST', '/api/v1/users', body, admin)
            self.assertEqual(reply.status, 400, (body, reply.body))
        for body in ({'name': 't', 'roles': [], 'expires': 'soon'},
                     {'name': 't', 'roles': [], 'expires': 1},
                     {'name': 't', 'roles': [], 'password': 'x'}):
            reply = self.http('POST', '/api/v1/tokens', body, admin)
            self.assertEqual(reply.status, 400, (body, reply.body))
        self.assertEqual(self.http('PUT', '/api/v1/users/admin', {}, admin).status, 400)
        self.assertEqual(self.http('POST', '/api/v1/users', {'name': 'admin', 'roles': []},
                                   admin).status, 409)


if __name__ == '__main__':
    harness.main()
