#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Raw requests to a server, and to nginx where that is installed: what each accepts.

Every request has a verdict that the server must give. nginx is no law, but where it decides
otherwise there is a reason beside the request; a difference without one fails, and so does a reason
without a difference."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from server_harness import Server

PROGRAM = None
NGINX = shutil.which('nginx') or shutil.which('nginx', path='/usr/sbin')
NGINX_CONF = """worker_processes 1; daemon off; pid %(dir)s/pid; error_log %(dir)s/error.log;
events { worker_connections 64; }
http { access_log off; client_body_temp_path %(dir)s/b; proxy_temp_path %(dir)s/p;
fastcgi_temp_path %(dir)s/f; uwsgi_temp_path %(dir)s/u; scgi_temp_path %(dir)s/s;
server { listen 127.0.0.1:%(port)d; location / { proxy_ignore_client_abort on;
proxy_pass http://unix:%(dir)s/sink:; } }
server { listen unix:%(dir)s/sink; location / { return 200 "ok"; } } }
"""

GET = b'GET /live HTTP/1.1\r\nHost: x\r\n'
POST = b'POST /api/v1/flush HTTP/1.1\r\nHost: x\r\n'
END = b'\r\n'
CHUNKED = POST + b'Transfer-Encoding: chunked\r\n'
LAST = b'0\r\n\r\n'

# (name, bytes, status of the server, why nginx decides otherwise or None)
OK = (200, 204, 404)
VECTORS = [
    ('plain', GET + END, 200, None),
    ('empty lines first', b'\r\n\r\n' + GET + END, 200, None),
    ('HTTP/1.0 without Host', b'GET /live HTTP/1.0\r\n\r\n', 200, None),
    ('absolute form', b'GET http://x/live HTTP/1.1\r\nHost: x\r\n\r\n', 200, None),
    ('chunked', CHUNKED + END + b'2\r\n{}\r\n' + LAST, 200, None),
    ('chunk extension', CHUNKED + END + b'2;a=b\r\n{}\r\n' + LAST, 200, None),
    ('trailer', CHUNKED + END + b'2\r\n{}\r\n0\r\nA: b\r\n\r\n', 200, None),
    ('Content-Length', POST + b'Content-Length: 2\r\n\r\n{}', 200, None),
    ('tab around a value', GET + b'A:\tb\t\r\n\r\n', 200, None),
    ('bytes above 127 in a value', GET + b'A: \xc3\xa4\r\n\r\n', 200, None),
    ('empty value', GET + b'A:\r\n\r\n', 200, None),
    ('no Host', b'GET /live HTTP/1.1\r\n\r\n', 400, None),
    ('two Hosts', GET + b'Host: y\r\n\r\n', 400, None),
    ('two equal Hosts', GET + b'Host: x\r\n\r\n', 400, None),
    ('empty Host', b'GET /live HTTP/1.1\r\nHost:\r\n\r\n', 400, None),
    ('Host with a path', b'GET /live HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, None),
    ('Host with a space', b'GET /live HTTP/1.1\r\nHost: a b\r\n\r\n', 400, None),
    ('Host with a user', b'GET /live HTTP/1.1\r\nHost: u@x\r\n\r\n', 400,
     'nginx takes any byte but a slash and zero'),
    ('length and chunks', CHUNKED + b'Content-Length: 5\r\n\r\n' + LAST, 400, None),
    ('chunks and length', POST + b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n' + LAST,
     400, None),
    ('two lengths', POST + b'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400, None),
    ('two equal lengths', POST + b'Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}', 400, None),
    ('list of lengths', POST + b'Content-Length: 2, 2\r\n\r\n{}', 400, None),
    ('length with a plus', POST + b'Content-Length: +2\r\n\r\n{}', 400, None),
    ('length with a minus', POST + b'Content-Length: -2\r\n\r\n{}', 400, None),
    ('hexadecimal length', POST + b'Content-Length: 0x2\r\n\r\n{}', 400, None),
    ('length beyond 64 bits', POST + b'Content-Length: 99999999999999999999\r\n\r\n', 400, None),
    ('empty length', POST + b'Content-Length:\r\n\r\n', 400, None),
    ('unknown coding', POST + b'Transfer-Encoding: xchunked\r\n\r\n' + LAST, 501, None),
    ('two codings', CHUNKED + b'Transfer-Encoding: chunked\r\n\r\n' + LAST, 501, None),
    ('list of codings', POST + b'Transfer-Encoding: gzip, chunked\r\n\r\n' + LAST, 501, None),
    ('chunks in HTTP/1.0', b'POST /api/v1/flush HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'
     + LAST, 400, None),
    ('junk behind a chunk', CHUNKED + END + b'2\r\n{}X\r\n' + LAST, 400, None),
    ('chunk without digits', CHUNKED + END + b'\r\n' + LAST, 400, None),
    ('chunk with a plus', CHUNKED + END + b'+2\r\n{}\r\n' + LAST, 400, None),
    ('chunk with 0x', CHUNKED + END + b'0x2\r\n{}\r\n' + LAST, 400, None),
    ('chunk lines with LF', CHUNKED + END + b'2\n{}\n0\n\n', 400,
     'nginx lets a line feed alone end a line'),
    ('space behind a chunk size', CHUNKED + END + b'2 \r\n{}\r\n' + LAST, 400,
     'nginx passes over spaces there'),
    ('chunk of 2^64 - 1', CHUNKED + END + b'FFFFFFFFFFFFFFFF\r\n{}', 413, None),
    ('control byte in an extension', CHUNKED + END + b'2;a=\x01\r\n{}\r\n' + LAST, 400,
     'nginx does not look at extensions'),
    ('space before a colon', GET + b'A : b\r\n\r\n', 400, None),
    ('folded line', GET + b'A: b\r\n c\r\n\r\n', 400, None),
    ('zero byte in a value', GET + b'A: b\x00c\r\n\r\n', 400, None),
    ('control byte in a value', GET + b'A: b\x01c\r\n\r\n', 400,
     'nginx takes control bytes other than zero in values'),
    ('bare CR in a value', GET + b'A: b\rTransfer-Encoding: chunked\r\n\r\n', 400, None),
    ('bad byte in a name', GET + b'A(: b\r\n\r\n', 400,
     'nginx passes over headers with names it does not like'),
    ('no name', GET + b': b\r\n\r\n', 400, None),
    ('no colon', GET + b'A b\r\n\r\n', 400, None),
    ('lines with LF', b'GET /live HTTP/1.1\nHost: x\n\n', 400,
     'nginx lets a line feed alone end a line'),
    ('control byte in the path', b'GET /l\x01ive HTTP/1.1\r\nHost: x\r\n\r\n', 400, None),
    ('byte above 127 in the path', b'GET /l\xc3ive HTTP/1.1\r\nHost: x\r\n\r\n', 400,
     'nginx takes them as they are'),
    ('two spaces', b'GET  /live HTTP/1.1\r\nHost: x\r\n\r\n', 400,
     'nginx passes over further spaces'),
    ('space behind the version', b'GET /live HTTP/1.1 \r\nHost: x\r\n\r\n', 400,
     'nginx passes over spaces there'),
    ('no version', b'GET /live\r\n\r\n', 400, 'nginx answers it as HTTP/0.9'),
    ('HTTP/9.9', b'GET /live HTTP/9.9\r\nHost: x\r\n\r\n', 505, None),
    ('HTTP/1.2', b'GET /live HTTP/1.2\r\nHost: x\r\n\r\n', 505, 'nginx speaks 1.1 to any 1.x'),
    ('HTTP/2 preface', b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, None),
    ('small letters', b'GET /live http/1.1\r\nHost: x\r\n\r\n', 400, None),
    ('relative path', b'GET live HTTP/1.1\r\nHost: x\r\n\r\n', 400, None),
    ('bad escape', b'GET /live%zz HTTP/1.1\r\nHost: x\r\n\r\n', 400, None),
    ('zero byte by escape', b'GET /live%00 HTTP/1.1\r\nHost: x\r\n\r\n', 404,
     'here it is a byte of a name like any other: keys may hold it'),
    ('out of the root', b'GET /../live HTTP/1.1\r\nHost: x\r\n\r\n', 404,
     'nginx resolves dots, and refuses to go above the root; here they are no more than names'),
    ('TLS', b'\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03', 400, None),
    ('unknown expectation', POST + b'Expect: magic\r\nContent-Length: 2\r\n\r\n{}', 417,
     'nginx ignores expectations it does not know'),
    ('long target', b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 414, None),
    ('long headers', GET + b'A: ' + b'a' * 40000 + b'\r\n\r\n', 431, None),
    ('many headers', GET + b'A: b\r\n' * 500 + b'\r\n', 431,
     'nginx counts bytes, not headers'),
]


def ask(port, data):
    """The first status of the answer, 0 for an end without one, and whether the server closed."""
    with socket.create_connection(('127.0.0.1', port), timeout=10) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has refused already
        got = b''
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    break
                got += part
        except OSError:
            pass
    if got.startswith(b'HTTP/1.'):
        return int(got[9:12]), got
    return (200 if got else 0), got  # an answer of HTTP/0.9 has no head


class VerdictsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM)
        cls.addClassCleanup(cls.server.__exit__)

    def test_server(self):
        for name, data, wanted, _ in VECTORS:
            with self.subTest(name):
                status, got = ask(self.server.port, data)
                self.assertEqual(status, wanted, got[:300])
                self.assertEqual(got.count(b'\r\nDate: '), 1, got)
                if status not in OK:
                    self.assertIn(b'"success":false', got)

    def test_refusals_close(self):
        """What follows a malformed request is never answered: it may be part of it."""
        for name, data, wanted, _ in VECTORS:
            if wanted in OK or wanted == 417:
                continue
            with self.subTest(name):
                _, got = ask(self.server.port, data + b'\r\n\r\n' + GET + END)
                if name != 'bad escape':  # its head is well-formed
                    self.assertIn(b'Connection: close', got)
                    self.assertNotIn(b'HTTP/1.1 200', got)

    @unittest.skipUnless(NGINX, 'nginx is not installed')
    def test_nginx(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-nginx-test.') as folder, \
                socket.socket() as s:
            os.chmod(folder, 0o755)
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
            s.close()
            path = os.path.join(folder, 'nginx.conf')
            with open(path, 'w', encoding='ascii') as f:
                f.write(NGINX_CONF % {'dir': folder, 'port': port})
            nginx = subprocess.Popen([NGINX, '-p', folder, '-c', path], stderr=subprocess.DEVNULL)
            try:
                self.compare(port)
            finally:
                nginx.terminate()
                nginx.wait()

    def compare(self, port):
        for _ in range(100):
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                break
            except OSError:
                time.sleep(0.05)
        for name, data, wanted, why in VECTORS:
            with self.subTest(name):
                status, got = ask(port, data)
                accepts = status in OK
                self.assertEqual(accepts == (wanted in OK), why is None,
                                 (status, wanted, got[:100]))


if __name__ == '__main__':
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
