# SPDX-License-Identifier: Apache-2.0
"""What the tests of a server's security share: a server of their own, HTTP and the Redis protocol
without any library, and a look for secrets in everything that others can see."""
import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../server'))
from openapi import Description  # noqa: E402

SERVER = CLI = None  # set by main()
with open(os.path.join(HERE, '../../../src/server/routes/openapi.json'), encoding='utf-8') as text:
    DESCRIPTION = Description(text.read())
SMALL = ['--set', 'wal_file_size=1MiB', '--set', 'memtable_size_limit=1MiB',
         '--set', 'block_cache_size=1MiB', '--set', 'index_cache_size=1MiB']
PASSWORD = 'correct horse battery'


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)


def basic(name, password):
    pair = ('%s:%s' % (name, password)).encode()
    return {'Authorization': 'Basic ' + base64.b64encode(pair).decode()}


def bearer(token):
    return {'Authorization': 'Bearer ' + token}


class Redis:
    """One connection that speaks RESP2."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=30)
        self.file = self.socket.makefile('rb')

    def close(self):
        self.file.close()
        self.socket.close()

    def __call__(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        message = b'*%d\r\n' % len(words)
        message += b''.join(b'$%d\r\n%s\r\n' % (len(w), w) for w in words)
        self.socket.sendall(message)
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b'+':
            return rest.decode()
        if kind == b'-':
            return Exception(rest.decode())
        if kind == b':':
            return int(rest)
        if kind == b'$':
            return None if rest == b'-1' else self.file.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return None if rest == b'-1' else [self.reply() for _ in range(int(rest))]
        raise ValueError(line)


class SecurityTest(unittest.TestCase):
    security = 'enable_auth = true\n'  # the lines of [security]
    scheme = 'http'

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='blockdb-security.')
        self.addCleanup(self.folder.cleanup)
        self.process = None
        self.addCleanup(self.stop)
        self.db = self.path('db')
        self.seen = b''  # what programs wrote where others may read it

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith('BLOCKDB_')}
        env['XDG_STATE_HOME'] = self.path('state')
        return env

    # ---- Programs

    def cli(self, *args, stdin=b'', code=0):
        done = subprocess.run([CLI, '--data-dir', self.db, *SMALL, *args], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              env=self.environment(), check=False)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        self.seen += done.stderr
        return done.stdout.decode()

    def add_user(self, name, *roles, password=PASSWORD):
        options = [word for role in roles for word in ('--role', role)]
        self.cli('user', 'add', name, *options, stdin=password.encode() + b'\n')

    def configure(self, security=None, more=''):
        with open(self.path('server.toml'), 'w') as f:
            f.write('[security]\naudit_log_file = "%s"\n%s\n%s' % (
                self.path('audit.log'), self.security if security is None else security, more))

    def start(self, *args, code=None):
        """Starts the server and waits until it is ready; with `code`, until it ends with that."""
        ports = self.path('ports')
        if os.path.exists(ports):
            os.unlink(ports)
        self.log = open(self.path('server.log'), 'ab')
        self.addCleanup(self.log.close)
        self.process = subprocess.Popen(
            [SERVER, '--config', self.path('server.toml'), '--data-dir', self.db, '--port', '0',
             '--set', 'server.resp_port=%d' % free_port(), '--set', 'server.drain_time=0',
             '--port-file', ports,
             *SMALL, *args], stdout=self.log, stderr=self.log, env=self.environment())
        if code is not None:
            self.assertEqual(self.process.wait(timeout=60), code, self.text('server.log'))
            self.process = None
            return
        deadline = time.monotonic() + 60
        while not os.path.exists(ports):
            self.assertIsNone(self.process.poll(), self.text('server.log'))
            self.assertLess(time.monotonic(), deadline, 'the server is not ready')
            time.sleep(0.01)
        numbers = self.text('ports').split()
        self.port = int(numbers[0])
        self.resp_port = int(numbers[1]) if len(numbers) > 1 else 0

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)
            self.process = None

    def reload(self):
        """Sends SIGHUP and waits until the audit log tells what became of it."""
        before = self.text('audit.log').count('action=config.reload')
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.text('audit.log').count('action=config.reload') > before)

    def wait_for(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'waited in vain')
            time.sleep(0.01)

    def text(self, name):
        with open(self.path(name), encoding='utf-8', errors='replace') as f:
            return f.read()

    # ---- Clients

    def context(self):
        return None

    def connection(self):
        if self.scheme == 'https':
            return http.client.HTTPSConnection('127.0.0.1', self.port, timeout=30,
                                               context=self.context())
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)

    def http(self, method, path, body=None, headers=None, connection=None):
        own = connection or self.connection()
        try:
            own.request(method, path, body=None if body is None else json.dumps(body),
                        headers=headers or {})
            reply = own.getresponse()
            answer = reply.read()
            DESCRIPTION.check_answer(method, path, reply.status, reply.headers['content-type'],
                                     answer)
            if body and reply.status < 300:
                DESCRIPTION.check_request(method, path, json.dumps(body))
            return Reply(reply.status, reply.headers, answer)
        finally:
            if connection is None:
                own.close()

    def redis(self):
        client = Redis(self.resp_port)
        self.addCleanup(client.close)
        return client

    # ---- Secrets

    def look_for(self, secrets):
        """No secret stands in a log, in an argument or in the environment of the server."""
        places = {'stderr of the command line': self.seen}
        for name in ('server.log', 'audit.log'):
            if os.path.exists(self.path(name)):
                places[name] = self.text(name).encode()
        for name in ('cmdline', 'environ'):
            with open('/proc/%d/%s' % (self.process.pid, name), 'rb') as f:
                places[name] = f.read()
        for secret in secrets:
            for place, content in places.items():
                self.assertNotIn(secret.encode(), content, place)
                self.assertNotIn(base64.b64encode(secret.encode()), content, place)


def main():
    global SERVER, CLI
    SERVER, CLI = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def have(*programs):
    """Whether all of these programs are installed."""
    return all(any(os.access(os.path.join(d, p), os.X_OK) for d in os.environ['PATH'].split(':'))
               for p in programs)
