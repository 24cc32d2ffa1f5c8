#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS of blockdb-server: both ports, certificates that are replaced, certificates of clients."""
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_harness import Server, make_certificate, parse_answer, read_all  # noqa: E402

PROGRAM = sys.argv.pop(1)


def make_expired(folder, name):
    """Of a key that is there; req cannot make what has ended."""
    base = os.path.join(folder, name)
    with open(base + '.cnf', 'w', encoding='ascii') as f:
        f.write('[ca]\ndefault_ca = c\n[c]\ndatabase = %s.db\nnew_certs_dir = %s\n'
                'default_md = sha256\nrand_serial = yes\npolicy = p\n'
                '[p]\ncommonName = supplied\n' % (base, folder))
    with open(base + '.db', 'w', encoding='ascii'):
        pass
    for words in (['req', '-new', '-key', base + '.key', '-subj', '/CN=' + name,
                   '-out', base + '.csr'],
                  ['ca', '-batch', '-notext', '-selfsign', '-config', base + '.cnf',
                   '-keyfile', base + '.key', '-in', base + '.csr', '-out', base + '.pem',
                   '-startdate', '20200101000000Z', '-enddate', '20200201000000Z']):
        subprocess.run(['openssl', *words], check=True, capture_output=True)


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='blockdb-tls-')
        for name in ('one', 'two', 'client'):
            make_certificate(cls.folder, name)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def use(self, name):
        """Makes a certificate the one that the server loads."""
        for kind in ('pem', 'key'):
            shutil.copy(self.path(name + '.' + kind), self.path('server.' + kind))

    def config(self, more=''):
        return ('[server]\ndrain_time = 0\n[security]\ntls_cert = "%s"\ntls_key = "%s"\n%s'
                % (self.path('server.pem'), self.path('server.key'), more))

    def connect(self, s, port, trusted, client=None, version=None):
        context = ssl.create_default_context(cafile=self.path(trusted + '.pem'))
        if client:
            context.load_cert_chain(self.path(client + '.pem'), self.path(client + '.key'))
        if version:
            context.maximum_version = version
        return context.wrap_socket(s.connect(port), server_hostname='localhost')

    def health(self, c):
        c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        return parse_answer(read_all(c))[0]

    def test_both_ports_and_new_certificates(self):
        self.use('one')
        with Server(PROGRAM, self.config()) as s:
            self.assertIn('listening on http+tls', s.log_text())
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                with self.connect(s, s.port, 'one', version=version) as c:
                    self.assertEqual(self.health(c), 200)
            stays = self.connect(s, s.resp_port, 'one')
            stays.sendall(b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$300000\r\n' + b'x' * 300000 + b'\r\n')
            self.assertEqual(stays.recv(64), b'+OK\r\n')
            self.use('two')
            s.send(signal.SIGHUP)
            s.wait_log('certificates were loaded anew')
            with self.connect(s, s.port, 'two') as c:
                self.assertEqual(self.health(c), 200)
            with self.assertRaises(ssl.SSLError):
                self.connect(s, s.port, 'one')
            stays.sendall(b'STRLEN a\r\n')
            self.assertEqual(stays.recv(64), b':300000\r\n')
            stays.close()
            with open(self.path('server.key'), 'w', encoding='ascii') as f:
                f.write('nonsense')
            s.send(signal.SIGHUP)
            s.wait_log('nothing has changed')
            with s.connect() as plain:  # not a word in the clear
                plain.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertNotIn(b'HTTP/1.1 200', read_all(plain))
            with self.connect(s, s.port, 'two') as c:
                c.sendall(b'GET /metrics HTTP/1.0\r\n\r\n')
                text = read_all(c).decode()
            self.assertRegex(text, r'blockdb_tls_certificate_expiry_seconds \d{10}')
            self.assertRegex(text, r'blockdb_tls_handshake_failures_total [1-9]')
            self.assertEqual(s.stop(), 0)

    def test_certificates_of_clients(self):
        self.use('one')
        more = 'tls_ca = "%s"\ntls_client_auth = "required"\n' % self.path('client.pem')
        with Server(PROGRAM, self.config(more)) as s:
            with self.connect(s, s.port, 'one', client='client') as c:
                self.assertEqual(self.health(c), 200)
            for client in (None, 'two'):
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    with self.connect(s, s.port, 'one', client=client) as c:
                        self.assertEqual(self.health(c), 0)
                        raise ConnectionError('the end without an answer')
            s.write_config(self.config(more.replace('required', 'optional')))
            s.send(signal.SIGHUP)
            s.wait_log('tls_client_auth: required -> optional')
            with self.connect(s, s.port, 'one') as c:
                self.assertEqual(self.health(c), 200)
            self.assertEqual(s.stop(), 0)

    def ends(self, config, code, *words):
        """The server does not start, and says why."""
        with Server(PROGRAM, config, wait=False) as s:
            self.assertEqual(s.process.wait(30), code, s.log_text())
            for word in words:
                self.assertIn(word, s.log_text())

    def test_files_that_cannot_be_used(self):
        self.use('one')
        shutil.copy(self.path('two.key'), self.path('server.key'))
        self.ends(self.config(), 2, self.path('server.pem'), self.path('server.key'),
                  'does not belong to', 'openssl pkey')
        self.use('one')
        os.chmod(self.path('server.key'), 0o644)
        self.ends(self.config(), 1, self.path('server.key'), 'can be read by others', 'chmod 600')
        os.unlink(self.path('server.key'))
        self.ends(self.config(), 1, self.path('server.key'), 'security.tls_key',
                  'there is no such file')

    def metrics(self, s, trusted):
        with self.connect(s, s.port, trusted) as c:
            c.sendall(b'GET /metrics HTTP/1.0\r\n\r\n')
            return read_all(c).decode()

    def test_a_broken_pair_is_not_taken_over(self):
        self.use('one')
        with Server(PROGRAM, self.config()) as s:
            self.assertIn('blockdb_config_last_reload_failed 0\n', self.metrics(s, 'one'))
            self.assertRegex(s.log_text(), "server.pem' expires in 4[78] hours")
            shutil.copy(self.path('two.key'), self.path('server.key'))
            s.send(signal.SIGHUP)
            s.wait_log('nothing has changed')
            self.assertIn("'%s' does not belong to certificate '%s'"
                          % (self.path('server.key'), self.path('server.pem')), s.log_text())
            text = self.metrics(s, 'one')
            self.assertIn('blockdb_config_last_reload_failed 1\n', text)
            self.assertIn('blockdb_config_reloads_total{outcome="failed"} 1\n', text)
            shutil.copy(self.path('two.pem'), self.path('server.pem'))
            s.send(signal.SIGHUP)
            s.wait_log('certificates were loaded anew')
            text = self.metrics(s, 'two')
            self.assertIn('blockdb_config_last_reload_failed 0\n', text)
            self.assertIn('blockdb_config_reloads_total{outcome="ok"} 1\n', text)
            self.assertEqual(s.stop(), 0)

    def test_expired_certificates(self):
        make_certificate(self.folder, 'old')
        make_expired(self.folder, 'old')
        self.use('old')
        with Server(PROGRAM, self.config()) as s:  # better than none, and told
            self.assertIn("server.pem' has expired", s.log_text())
            with self.assertRaises(ssl.SSLError):
                self.connect(s, s.port, 'old')
            self.use('one')
            s.send(signal.SIGHUP)
            s.wait_log('certificates were loaded anew')
            with self.connect(s, s.port, 'one') as c:
                self.assertEqual(self.health(c), 200)
            self.use('old')
            s.send(signal.SIGHUP)
            s.wait_log('the one in force has not')
            with self.connect(s, s.port, 'one') as c:
                self.assertEqual(self.health(c), 200)
            self.assertEqual(s.stop(), 0)

    def test_handshakes_have_a_deadline(self):
        self.use('one')
        config = self.config().replace('drain_time = 0', 'drain_time = 0\nconnection_timeout = 1')
        with Server(PROGRAM, config) as s:
            with s.connect() as c:
                self.assertEqual(read_all(c), b'')
            self.assertEqual(s.stop(), 0)


if __name__ == '__main__':
    unittest.main(verbosity=2)
