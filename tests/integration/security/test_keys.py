#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each key of [security] has an effect that is seen from outside: here, or in the tests that HERE
and ELSEWHERE name.

Usage: test_keys.py BLOCKDB-SERVER BLOCKDB-CLI"""
import os
import re
import subprocess
import unittest

import security_harness as harness
from security_harness import PASSWORD, basic

HERE = os.path.dirname(os.path.abspath(__file__))
ELSEWHERE = {
    'test_exposure.py': ('enable_auth', 'insecure', 'tls_ca', 'tls_client_auth',
                         'tls_client_users', 'anonymous_role', 'admin_token_file', 'read_rate',
                         'write_rate', 'user_failure_rate'),
    '../server/test_tls.py': ('tls_cert', 'tls_key'),
}
BODY = {'key': 'k', 'value': 'v'}


class TestKeys(harness.SecurityTest):
    def setUp(self):
        super().setUp()
        self.add_user('admin', 'admin')
        self.add_user('ann', 'reader', 'writer')
        self.admin, self.ann = basic('admin', PASSWORD), basic('ann', PASSWORD)

    def begin(self, lines=''):
        self.configure('enable_auth = true\n' + lines)
        self.start()

    def statuses(self, count, method, path, body=None, headers=None):
        connection = self.connection()
        try:
            return [self.http(method, path, body, headers, connection).status
                    for _ in range(count)]
        finally:
            connection.close()

    def test_none_is_forgotten(self):
        text = subprocess.run([harness.SERVER, '--print-default-config'], capture_output=True,
                              text=True, check=True).stdout
        table = text.split('\n[security]\n')[1].split('\n[')[0]
        keys = set(re.findall(r'^(\w+) = ', table, re.M))
        covered = {name[len('test_'):] for name in dir(self) if name.startswith('test_')}
        for path, names in ELSEWHERE.items():
            with open(os.path.join(HERE, path), encoding='utf-8') as f:
                source = f.read()
            covered.update(name for name in names if name in source)
        self.assertEqual(keys - covered, set())

    def test_open_health(self):
        self.begin()
        self.assertEqual(self.http('GET', '/health').status, 200)
        self.configure('enable_auth = true\nopen_health = false\n')
        self.reload()
        self.assertEqual(self.http('GET', '/health').status, 401)
        self.assertEqual(self.http('GET', '/health', None, self.ann).status, 200)

    def test_open_metrics(self):
        self.begin()
        for path in ('/metrics', '/stats', '/cluster/status'):
            self.assertEqual(self.http('GET', path).status, 401, path)
        self.configure('enable_auth = true\nopen_metrics = true\n')
        self.reload()
        for path in ('/metrics', '/stats', '/cluster/status'):
            self.assertEqual(self.http('GET', path).status, 200, path)

    def verifications(self):
        text = self.http('GET', '/metrics').body.decode()
        found = re.search(r'^blockdb_auth_passwords_verified_total (\d+)', text, re.M)
        self.assertIsNotNone(found, re.findall(r'(?m)^blockdb_auth.*', text))
        return int(found.group(1))

    def test_password_cache_time(self):
        for lines, expected in (('', 1), ('password_cache_time = 0\n', 4)):
            self.begin('open_metrics = true\n' + lines)
            self.assertEqual(self.statuses(4, 'GET', '/api/v1/whoami', None, self.ann), [200] * 4)
            self.assertEqual(self.verifications(), expected)
            self.stop()

    def limited(self, lines, method, path, body, headers):
        """Whether some of many requests are too many."""
        self.begin(lines)
        return 429 in self.statuses(30, method, path, body, headers)

    def test_admin_rate(self):
        self.assertTrue(self.limited('admin_rate = 1\n', 'GET', '/api/v1/users', None, self.admin))
        self.assertEqual(set(self.statuses(30, 'GET', '/api/v1/get/x', None, self.ann)), {404})

    def test_address_admin_rate(self):
        self.assertTrue(self.limited('address_admin_rate = 1\n', 'GET', '/api/v1/users', None,
                                     self.admin))

    def test_address_read_rate(self):
        self.assertTrue(self.limited('address_read_rate = 1\n', 'GET', '/api/v1/get/x', None,
                                     self.ann))
        # Whoever asks from there.
        self.assertEqual(self.http('GET', '/api/v1/get/x', None, self.admin).status, 429)

    def test_address_write_rate(self):
        self.assertTrue(self.limited('address_write_rate = 1\n', 'POST', '/api/v1/put', BODY,
                                     self.ann))

    def test_rate_burst(self):
        self.begin('read_rate = 1\nrate_burst = 20\n')
        self.assertEqual(self.statuses(20, 'GET', '/api/v1/get/x', None, self.ann), [404] * 20)

    def test_address_failure_rate(self):
        """Names are tried in turn, so that none of them has many failures."""
        self.begin('address_failure_rate = 5\n')
        statuses = [self.http('GET', '/api/v1/whoami', None, basic('name%d' % n, 'guess')).status
                    for n in range(10)]
        self.assertEqual(statuses[:5], [401] * 5)
        self.assertIn(429, statuses[5:])

    def test_audit_log_file(self):
        self.begin()
        self.http('GET', '/api/v1/whoami', None, basic('ann', 'wrong password'))
        self.wait_for(lambda: 'action=login outcome=refused who=ann' in self.text('audit.log'))
        self.assertNotIn('action=login', self.text('server.log'))


if __name__ == '__main__':
    harness.main()
