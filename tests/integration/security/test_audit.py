#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A log that only some may read is audited by its URL, by whoever they are: with a token, with a
password, with a certificate; and no token is shown to a server that it is not for.

Usage: test_audit.py BLOCKDB-SERVER BLOCKDB-CLI"""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading

import security_harness as harness
from security_harness import PASSWORD, basic

sys.path.insert(0, os.path.join(harness.HERE, '../server'))
from server_harness import make_certificate  # noqa: E402

ORIGIN = 'example.org/audited'


class AuditTest(harness.SecurityTest):
    def setUp(self):
        super().setUp()
        made = self.cli('keygen', '--origin', ORIGIN, '--out', self.path('log.key'))
        self.vkey = re.search(r'\S+\+[0-9a-f]{8}\+\S+', made).group(0)
        self.add_user('admin', 'admin')
        self.add_user('ann', 'auditor')
        self.add_user('will', 'writer')

    def launch(self, security):
        self.configure(security, '[ledger]\norigin = "%s"\nsigning_key_file = "%s"\n'
                       % (ORIGIN, self.path('log.key')))
        self.start()
        self.url = '%s://localhost:%d' % (self.scheme, self.port)

    def secret_file(self, name, text):
        path = self.path(name)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), 'w') as f:
            f.write(text)
        return path

    def audit(self, *options, url=None, code=0, says='', **environment):
        env = dict(self.environment(), HOME=self.folder.name, **environment)
        env.pop('XDG_CONFIG_HOME', None)
        done = subprocess.run(
            [harness.CLI, '--json', 'audit', '--state', self.path('audit.state'), '--key',
             self.vkey, '--log', url or self.url, *options], env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False)
        self.seen += done.stderr.encode()
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(says, done.stderr)
        return json.loads(done.stdout) if code == 0 else None


class Credentials(AuditTest):
    def setUp(self):
        super().setUp()
        self.launch('enable_auth = true\n')
        for key in 'abc':
            reply = self.http('POST', '/api/v1/put', {'key': key, 'value': 'v'},
                              basic('will', PASSWORD))
            self.assertEqual(reply.status, 200)
        self.assertEqual(self.http('POST', '/api/v1/checkpoint', None,
                                   basic('admin', PASSWORD)).status, 200)
        self.token = self.http('POST', '/api/v1/tokens', {'name': 'a', 'roles': ['auditor']},
                               basic('admin', PASSWORD)).json()['token']

    def profiles(self, text):
        os.makedirs(self.path('.config/blockdb'), exist_ok=True)
        self.secret_file('.config/blockdb/profiles.toml', text)

    def test_credentials(self):
        report = self.audit('--token-file', self.secret_file('token', self.token + '\n'))
        self.assertEqual(report['result'], 'ok')
        self.assertGreaterEqual(report['size'], 3)
        self.audit('--user', 'ann', BLOCKDB_PASSWORD=PASSWORD)
        self.audit(BLOCKDB_URL=self.url, BLOCKDB_TOKEN=self.token)
        self.profiles('[default]\nurl = "%s"\ntoken = "%s"\n' % (self.url, self.token))
        self.audit()
        self.profiles('[far]\nurl = "http://far.example:8080"\ntoken = "%s"\n' % self.token)
        self.audit('--profile', 'far')
        self.look_for([self.token, PASSWORD])

    def test_refusals(self):
        self.audit(code=7, says='HTTP status 401; it wants to know who')
        self.audit('--token-file', self.secret_file('token', 'bdb_nonsense'), code=7,
                   says='do not let one read')
        self.audit('--user', 'ann', BLOCKDB_PASSWORD='wrong', code=7, says='do not let one read')
        self.audit('--user', 'ann', code=2, says='BLOCKDB_PASSWORD')
        self.audit('--cert', self.path('log.key'), code=2, says='https')
        self.stop()
        self.audit('--user', 'ann', BLOCKDB_PASSWORD=PASSWORD, code=6,
                   says='is a server running there?')

    def test_own_mistakes(self):
        token = self.secret_file('token', self.token)
        self.audit('--token-file', token, '--url', self.url, code=2, says='exclude each other')
        nowhere = self.path('no/such/folder/state')
        done = subprocess.run([harness.CLI, '--token-file', token, 'audit', '--log', self.url,
                               '--key', self.vkey, '--state', nowhere], env=self.environment(),
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)  # it is neither a missing key
        self.assertNotIn('is a server running', done.stderr)  # nor a missing server

    def test_within_a_shell(self):
        token = self.secret_file('token', self.token)
        line = 'audit --log %s --state %s --key %s --token-file %s\n' % (
            self.url, self.path('shell.state'), self.vkey, token)
        for words, code in (line, 0), ('stats --token-file %s\n' % token, 2):
            done = subprocess.run([harness.CLI, '--data-dir', self.path('other'), 'shell'],
                                  env=self.environment(), input=words, capture_output=True,
                                  text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, code, done.stderr)

    def test_only_shown_to_whom_it_is_for(self):
        heads = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heads.append(dict(self.headers))
                self.send_error(404)

            def log_message(self, *unused):
                pass
        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            other = 'http://localhost:%d/log' % server.server_address[1]
            self.profiles('[default]\nurl = "%s"\ntoken = "%s"\n' % (self.url, self.token))
            self.audit(url=other, code=1)
            self.audit(url=other, code=1, BLOCKDB_URL=self.url, BLOCKDB_TOKEN=self.token)
            self.audit(url=other, code=1, BLOCKDB_TOKEN=self.token)
            self.assertEqual([h.get('Authorization') for h in heads], [None] * 3)
            self.audit('--token-file', self.secret_file('token', self.token), url=other, code=1)
            self.assertEqual(heads[-1].get('Authorization'), 'Bearer ' + self.token)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Rates(AuditTest):
    """A server that limits its readers says when to come back, and the audit does."""

    def test_comes_back(self):
        self.launch('')
        for first in range(0, 3000, 1000):
            operations = [{'type': 'put', 'key': 'k%d' % i, 'value': 'v'}
                          for i in range(first, first + 1000)]
            self.assertEqual(self.http('POST', '/api/v1/batch',
                                       {'operations': operations}).status, 200)
        self.assertEqual(self.http('POST', '/api/v1/checkpoint').status, 200)
        self.stop()
        self.launch('address_read_rate = 5\nrate_burst = 1\n')
        report = self.audit()
        self.assertEqual(report['result'], 'ok')
        self.assertGreaterEqual(report['size'], 3000)

    def test_can_be_stopped(self):
        asked = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(429)
                self.send_header('Retry-After', '60')
                self.send_header('Content-Length', '0')
                self.end_headers()
                asked.set()

            def log_message(self, *unused):
                pass
        server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with subprocess.Popen(
                    [harness.CLI, 'audit', '--log',
                     'http://127.0.0.1:%d' % server.server_address[1],
                     '--state', self.path('audit.state')], env=self.environment(),
                    stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as audit:
                self.assertTrue(asked.wait(60))
                audit.send_signal(signal.SIGINT)
                self.assertIn('interrupted', audit.communicate(timeout=60)[1])
                self.assertEqual(audit.returncode, 130)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class Certificates(AuditTest):
    scheme = 'https'

    def setUp(self):
        super().setUp()
        for name in ('server', 'client', 'stranger'):
            make_certificate(self.folder.name, name)
        self.launch('tls_cert = "%s"\ntls_key = "%s"\ntls_ca = "%s"\n'
                    'tls_client_auth = "required"\n'
                    % tuple(self.path(n) for n in ('server.pem', 'server.key', 'client.pem')))

    def shown(self, name):
        return ['--cert', self.path(name + '.pem'), '--cert-key', self.path(name + '.key')]

    def test_certificates(self):
        trusting = ['--cacert', self.path('server.pem')]
        self.audit(*trusting, *self.shown('client'), code=1, says='no checkpoint')
        self.cli_server('put', 'a', '1')
        self.cli_server('checkpoint')
        self.assertEqual(self.audit(*trusting, *self.shown('client'))['result'], 'ok')
        self.audit('--insecure', *self.shown('client'))
        self.audit(*self.shown('client'), code=6, says='certificate is not accepted')
        self.audit(*trusting, code=6)
        self.audit(*trusting, *self.shown('stranger'), code=6)

    def cli_server(self, *words):
        subprocess.run([harness.CLI, '--url', self.url, '--cacert', self.path('server.pem'),
                        *self.shown('client'), *words], env=self.environment(), check=True,
                       capture_output=True, timeout=60)


if __name__ == '__main__':
    harness.main()
