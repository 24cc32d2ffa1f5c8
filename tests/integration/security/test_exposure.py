#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a server does before anybody may use it, and against those who try: refusals to start, the
first admin, guessing, rates, reloading, the audit log, certificates of clients.

Usage: test_exposure.py BLOCKDB-SERVER BLOCKDB-CLI"""
import os
import ssl
import subprocess
import unittest

import security_harness as harness
from security_harness import PASSWORD, basic, bearer


class TestStart(harness.SecurityTest):
    def test_beyond_loopback(self):
        self.configure(security='')
        self.start('--host', '0.0.0.0', code=1)
        self.assertIn('enable_auth', self.text('server.log'))
        self.start('--host', '0.0.0.0', '--set', 'security.insecure=true')
        self.assertIn('INSECURE', self.text('server.log'))
        self.assertEqual(self.http('GET', '/api/v1/whoami').json()['name'], 'everyone')

    def test_without_tls_it_warns(self):
        self.add_user('admin', 'admin')
        self.configure()
        self.start('--host', '0.0.0.0')
        self.assertIn('readable', self.text('server.log'))

    def test_token_of_a_file(self):
        token = self.cli('token', 'generate').strip()
        with open(self.path('token'), 'w') as f:
            f.write(token + '\n')
        self.configure('enable_auth = true\nadmin_token_file = "%s"\n' % self.path('token'))
        os.chmod(self.path('token'), 0o644)
        self.start(code=1)
        self.assertIn('chmod 600', self.text('server.log'))
        os.chmod(self.path('token'), 0o600)
        self.start()
        who = self.http('GET', '/api/v1/whoami', None, bearer(token)).json()
        self.assertEqual((who['name'], 'admin' in who['rights']), ('bootstrap', True))
        made = self.http('POST', '/api/v1/users',
                         {'name': 'admin', 'roles': ['admin'], 'password': PASSWORD}, bearer(token))
        self.assertEqual(made.json()['by'], 'bootstrap')
        self.configure()
        self.reload()
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, bearer(token)).status, 401)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   basic('admin', PASSWORD)).status, 200)
        self.look_for([token, PASSWORD])

    def test_configuration_that_does_not_fit(self):
        for lines in ('anonymous_role = "reader"\n', 'tls_client_users = "dns"\n',
                      'enable_auth = true\nanonymous_role = "king"\n'):
            self.configure(lines)
            self.start(code=2 if self.is_wrong(lines) else 1)

    def is_wrong(self, lines):
        """What --check-config says: 2 for what can never be right."""
        done = subprocess.run([harness.SERVER, '--config', self.path('server.toml'),
                               '--check-config'], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=self.environment(), check=False)
        return done.returncode == 2

    def test_anonymous(self):
        self.add_user('admin', 'admin')
        self.configure('enable_auth = true\nanonymous_role = "reader:public/"\n')
        self.start()
        self.assertEqual(self.http('GET', '/api/v1/get/public/x').status, 404)
        self.assertEqual(self.http('GET', '/api/v1/get/x').status, 403)
        self.assertEqual(self.http('GET', '/api/v1/get/x', None,
                                   basic('admin', 'wrong password')).status, 401)
        self.configure()
        self.reload()
        self.assertEqual(self.http('GET', '/api/v1/get/public/x').status, 401)


class TestLimits(harness.SecurityTest):
    def setUp(self):
        super().setUp()
        self.add_user('admin', 'admin')
        self.add_user('ann', 'reader', 'writer')

    def test_guessing(self):
        self.configure('enable_auth = true\nuser_failure_rate = 3\naddress_failure_rate = 5\n')
        self.start()
        ann = basic('ann', PASSWORD)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, ann).status, 200)
        statuses = [self.http('GET', '/api/v1/whoami', None, basic('admin', 'guess %d' % n)).status
                    for n in range(10)]
        self.assertEqual(statuses[:3], [401] * 3)
        self.assertEqual(set(statuses[3:]), {429})
        late = self.http('GET', '/api/v1/whoami', None, basic('admin', PASSWORD))
        self.assertEqual(late.status, 429)
        self.assertGreater(int(late.headers['Retry-After']), 0)
        self.assertEqual(late.json()['error'], 'TooManyRequests')
        # Who was here before is not kept out.
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, ann).status, 200)
        client = self.redis()
        self.assertIsInstance(client('AUTH', 'admin', PASSWORD), Exception)
        self.assertIn('too many failures', self.text('audit.log'))

    def test_rates(self):
        self.configure('enable_auth = true\nread_rate = 5\nrate_burst = 2\nwrite_rate = 1\n')
        self.start()
        ann, admin = basic('ann', PASSWORD), basic('admin', PASSWORD)
        connection = self.connection()
        statuses = [self.http('GET', '/api/v1/get/x', None, ann, connection).status
                    for _ in range(60)]
        connection.close()
        self.assertEqual(statuses[:10], [404] * 10)
        self.assertIn(429, statuses)
        self.assertEqual(self.http('GET', '/api/v1/get/x', None, admin).status, 404)
        body = {'key': 'k', 'value': 'v'}
        self.assertEqual(self.http('POST', '/api/v1/put', body, ann).status, 200)
        client = self.redis()
        self.assertEqual(client('AUTH', 'ann', PASSWORD), 'OK')
        replies = [str(client('SET', 'k', 'v')) for _ in range(20)]
        self.assertTrue(any('rate limit' in reply for reply in replies), replies)
        self.configure('enable_auth = true\n')
        self.reload()
        statuses = {self.http('GET', '/api/v1/get/x', None, ann).status for _ in range(60)}
        self.assertEqual(statuses, {404})

    def test_reload_is_all_or_nothing(self):
        self.configure()
        self.start()
        ann = basic('ann', PASSWORD)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None, ann).status, 200)
        self.configure('enable_auth = true\nread_rate = 1\nanonymous_role = "king"\n')
        self.reload()
        self.assertIn('action=config.reload outcome=failed', self.text('audit.log'))
        self.assertEqual({self.http('GET', '/api/v1/get/x', None, ann).status
                          for _ in range(20)}, {404})
        self.assertEqual(self.http('GET', '/api/v1/whoami').status, 401)


@unittest.skipUnless(harness.have('openssl'), 'needs openssl')
class TestCertificates(harness.SecurityTest):
    scheme = 'https'
    client = None  # name of the certificate to show

    def openssl(self, *args):
        subprocess.run(['openssl', *args], check=True, cwd=self.folder.name,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make(self, name, subject, extension):
        """A certificate that ca signs."""
        with open(self.path(name + '.ext'), 'w') as f:
            f.write(extension + '\n')
        self.openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                     '-nodes', '-keyout', name + '.key', '-out', name + '.csr', '-subj', subject)
        self.openssl('x509', '-req', '-in', name + '.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key',
                     '-CAcreateserial', '-days', '2', '-out', name + '.pem', '-extfile',
                     name + '.ext')
        os.chmod(self.path(name + '.key'), 0o600)

    def setUp(self):
        super().setUp()
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                     '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj',
                     '/CN=test ca')
        self.make('server', '/CN=127.0.0.1', 'subjectAltName=IP:127.0.0.1')
        self.make('ann', '/O=x/CN=ann', 'subjectAltName=DNS:ann.example,email:ann@example.org')
        self.make('eve', '/CN=eve', 'subjectAltName=DNS:eve.example')
        self.add_user('admin', 'admin')
        for name in ('ann', 'ann.example', 'ann@example.org'):
            self.cli('user', 'add', name, '--role', 'reader', '--no-password')

    def settings(self, rule, auth='optional'):
        return ('enable_auth = true\ntls_cert = "%s"\ntls_key = "%s"\ntls_ca = "%s"\n'
                'tls_client_users = "%s"\ntls_client_auth = "%s"\n' % (
                    self.path('server.pem'), self.path('server.key'), self.path('ca.pem'), rule,
                    auth))

    def context(self):
        context = ssl.create_default_context(cafile=self.path('ca.pem'))
        if self.client is not None:
            context.load_cert_chain(self.path(self.client + '.pem'),
                                    self.path(self.client + '.key'))
        return context

    def test_names(self):
        self.configure(self.settings('common_name'))
        self.start()
        for rule, user in (('common_name', 'ann'), ('dns', 'ann.example'),
                           ('email', 'ann@example.org')):
            self.configure(self.settings(rule))
            if rule != 'common_name':
                self.reload()
            self.client = 'ann'
            who = self.http('GET', '/api/v1/whoami')
            self.assertEqual(who.json().get('name'), user, who.body)
            self.assertEqual(self.http('POST', '/api/v1/put',
                                       {'key': 'k', 'value': 'v'}).status, 403)
            self.client = 'eve'  # signed, and nobody's name
            self.assertEqual(self.http('GET', '/api/v1/whoami').status, 401)
            self.client = None
            self.assertEqual(self.http('GET', '/api/v1/whoami').status, 401)
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   basic('admin', PASSWORD)).status, 200)
        # A password does not let in who has none.
        self.assertEqual(self.http('GET', '/api/v1/whoami', None,
                                   basic('ann', PASSWORD)).status, 401)
        self.look_for([PASSWORD])

    def test_required(self):
        self.configure(self.settings('common_name', 'required'))
        self.start()
        self.client = 'ann'
        self.assertEqual(self.http('GET', '/api/v1/whoami').status, 200)
        self.client = None
        with self.assertRaises(OSError):
            self.http('GET', '/api/v1/whoami')


if __name__ == '__main__':
    harness.main()
