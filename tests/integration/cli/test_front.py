#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The front of blockdb-cli: what it does at its start, that it prints what the whole program
prints, and that what fails in it is done once by the whole program.
test_front.py SERVER CLI WHOLE"""
import http.server
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'server'))
from server_harness import Server  # noqa: E402

PROGRAM, CLI, WHOLE = None, None, None  # set by main()
PATIENCE = 60
SYSTEM_CALLS_MAX = 45
PT_DYNAMIC, PT_INTERP, DT_NEEDED = 2, 3, 1


def environment(**extra):
    """The caller's, without what is for blockdb-cli, and with a home that has nothing in it."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(('BLOCKDB_', 'XDG_', 'LD_')) and k != 'HOME'}
    env.update(HOME='/nonexistent', XDG_STATE_HOME='/nonexistent')
    env.update(extra)
    return env


def run(*command, stdin=b'', env=None):
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env or environment(), timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


class FakeServer(http.server.ThreadingHTTPServer):
    """Breaks the first `failures` connections after it has read their request, then answers."""

    def __init__(self, failures, status, body):
        super().__init__(('127.0.0.1', 0), FakeHandler)
        self.failures, self.status, self.body = failures, status, body
        self.requests = []
        self.url = 'http://127.0.0.1:%d' % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class FakeHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        self.server.requests.append((self.command, self.path, self.headers['Blockdb-Client'],
                                     self.headers['Blockdb-Request'], body))
        self.close_connection = True
        if len(self.server.requests) <= self.server.failures:
            return
        self.send_response(self.server.status)
        self.send_header('Content-Length', str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET = do_DELETE = answer

    def log_message(self, *_):
        pass


class TestStart(unittest.TestCase):
    def setUp(self):
        self.server = Server(PROGRAM, '[server]\nresp_port = 0\n')
        self.addCleanup(self.server.__exit__)
        self.env = environment(BLOCKDB_URL='http://127.0.0.1:%d' % self.server.port)

    def test_nothing_is_loaded(self):
        with open(CLI, 'rb') as file:
            image = file.read()
        offset, size, count = struct.unpack_from('<Q', image, 32)[0], *struct.unpack_from(
            '<HH', image, 54)
        for number in range(count):
            kind, _, at, _, _, length = struct.unpack_from('<IIQQQQ', image, offset + number * size)
            self.assertNotEqual(kind, PT_INTERP, 'the program has a loader')
            if kind == PT_DYNAMIC:
                tags = [struct.unpack_from('<Q', image, at + i)[0] for i in range(0, length, 16)]
                self.assertNotIn(DT_NEEDED, tags[:tags.index(0)])

    def test_system_calls(self):
        if shutil.which('strace') is None:
            self.skipTest('strace is not installed')
        with tempfile.TemporaryDirectory(prefix='blockdb-front-test.') as folder:
            trace = os.path.join(folder, 'trace')
            for words in (('put', 'k', 'v'), ('get', 'k'), ('delete', 'k')):
                code, _, err = run('strace', '-f', '-o', trace, CLI, *words, env=self.env)
                if code != 0 and b'ptrace' in err.lower():
                    self.skipTest('tracing is not allowed here')
                self.assertEqual((code, err), (0, b''))
                with open(trace, encoding='utf-8', errors='replace') as file:
                    calls = re.findall(r'^\d+ +(\w+)\(', file.read(), re.M)
                self.assertEqual(calls.count('execve'), 1)
                self.assertLessEqual(len(calls), SYSTEM_CALLS_MAX, calls)
                for call in ('clone', 'clone3', 'fork', 'vfork', 'open', 'openat'):
                    self.assertNotIn(call, calls)

    def compare(self, *words, code=0, **extra):
        """Runs both programs; what may differ is the number of an entry."""
        env = dict(self.env, **extra)
        told = [run(program, *words, env=env) for program in (CLI, WHOLE)]
        plain = [(c, re.sub(rb'seq \d+', b'seq N', out), err) for c, out, err in told]
        self.assertEqual(plain[0], plain[1], words)
        self.assertEqual(told[0][0], code, told)
        return told[0]

    def test_both_print_the_same(self):
        self.compare('put', 'k', 'value')
        self.assertEqual(self.compare('get', 'k')[1], b'value')
        self.compare('put', 'empty', '')
        self.assertEqual(self.compare('get', 'empty')[1], b'')
        self.compare('put', 'a/b c%é', 'x\n' * 2000)
        self.compare('get', 'a/b c%é')
        self.compare('delete', 'k')
        self.compare('get', 'k', code=3)
        self.compare('get', 'never', code=3)
        self.compare('put', '', 'v', code=2)
        self.compare('put', 'k' * 5000, 'v', code=self.code_of('put', 'k' * 5000, 'v'))
        self.compare('put', 'k', code=2)
        self.compare('get', 'k', '--json', code=3)
        self.compare('nonsense', code=2)
        self.compare('--version')
        self.compare('help')
        self.compare('get', 'k', code=2, BLOCKDB_URL='nonsense')
        self.compare('get', 'k', code=3, BLOCKDB_NONSENSE='1')

    def code_of(self, *words):
        code = run(WHOLE, *words, env=self.env)[0]
        self.assertNotEqual(code, 0)
        return code

    def test_nobody_listens(self):
        env = environment(BLOCKDB_URL='http://127.0.0.1:1')
        told = [run(program, 'put', 'k', 'v', env=env) for program in (CLI, WHOLE)]
        self.assertEqual(told[0], told[1])
        self.assertEqual(told[0][0], 6)
        self.assertIn(b'no connection', told[0][2])

    def test_output_that_fails(self):
        with open('/dev/full', 'wb') as full:
            told = [subprocess.run([program, 'put', 'k', 'v'], stdout=full, stderr=subprocess.PIPE,
                                   env=self.env, timeout=PATIENCE, check=False)
                    for program in (CLI, WHOLE)]
        self.assertEqual(told[0].stderr, told[1].stderr)
        self.assertEqual((told[0].returncode, told[1].returncode), (1, 1))

    def test_profile(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-front-test.') as home:
            os.makedirs(os.path.join(home, '.config/blockdb'))
            path = os.path.join(home, '.config/blockdb/profiles.toml')
            with open(path, 'w', encoding='utf-8') as file:
                file.write('[default]\nurl = "%s"\n' % self.env['BLOCKDB_URL'])
            code, out, err = run(CLI, 'put', 'by', 'profile', env=environment(HOME=home))
            self.assertEqual((code, err), (0, b''))
            self.assertEqual(run(WHOLE, 'get', 'by', env=self.env)[1], b'profile')
            self.assertRegex(out, rb'seq \d+\n')


class TestRepetition(unittest.TestCase):
    def fake(self, failures, status, body):
        server = FakeServer(failures, status, body)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server, environment(BLOCKDB_URL=server.url)

    def test_writes_keep_their_identity(self):
        for words in (('put', 'k', 'v'), ('delete', 'k')):
            server, env = self.fake(2, 200, b'{"success":true,"seq":7,"time":'
                                            b'"2026-01-31T12:00:00.000Z"}')
            self.assertEqual(run(CLI, *words, env=env), (0, b'seq 7\n', b''))
            self.assertEqual(len(server.requests), 3)
            self.assertEqual(len(set(server.requests)), 1, server.requests)
            self.assertRegex(server.requests[0][2], '^[0-9a-f]{32}$')

    def test_other_processes_are_others(self):
        server, env = self.fake(0, 200, b'{"success":true,"seq":7,"time":'
                                        b'"2026-01-31T12:00:00.000Z"}')
        for _ in range(2):
            self.assertEqual(run(CLI, 'put', 'k', 'v', env=env)[0], 0)
        self.assertNotEqual(server.requests[0][2], server.requests[1][2])

    def test_refusals_are_told(self):
        server, env = self.fake(0, 409, b'{"success":false,"error":"Conflict",'
                                        b'"message":"it is there"}')
        code, out, err = run(CLI, 'put', 'k', 'v', env=env)
        self.assertEqual((code, out), (4, b''))
        self.assertIn(b'it is there', err)
        self.assertEqual(len(set(server.requests)), 1)

    def test_request_option(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-front-test.') as folder:
            args = [CLI, '--data-dir', os.path.join(folder, 'db'), '--set', 'wal_file_size=1MiB']
            identity = '00112233445566778899aabbccddeeff:%d'
            first = run(*args, 'put', 'k', 'v', '--request', identity % 5)
            self.assertEqual(first, (0, b'seq 0\n', b''))
            self.assertEqual(run(*args, 'put', 'k', 'v', '--request', identity % 5), first)
            second = run(*args, 'delete', 'k', '--request', identity % 6)
            self.assertEqual(second[0], 0)
            self.assertEqual(run(*args, 'delete', 'k', '--request', identity % 6), second)
            self.assertEqual(run(*args, 'put', 'k', 'v', '--request', identity % 5)[0], 4)
            self.assertEqual(run(*args, 'put', 'k', 'v', '--request', 'nonsense')[0], 2)

    def test_without_the_whole_program(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-front-test.') as folder:
            alone = shutil.copy(CLI, folder)
            code, out, err = run(alone, 'stats')
            self.assertEqual((code, out), (1, b''))
            self.assertIn(b'blockdb-cli-whole', err)
            shutil.copy(WHOLE, os.path.join(folder, 'blockdb-cli-whole'))
            self.assertEqual(run(alone, '--version')[0], 0)


def main():
    global PROGRAM, CLI, WHOLE
    PROGRAM, CLI, WHOLE = (os.path.abspath(path) for path in sys.argv[1:4])
    if CLI == WHOLE:
        print('skip: there is no front in this build')
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])


if __name__ == '__main__':
    main()
