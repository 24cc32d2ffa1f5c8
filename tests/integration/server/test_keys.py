#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each key of [server] and [logging] has an effect that is seen from outside, and each key of every
table refuses what it cannot be, naming file, line and key.

A test is named after its key, test_<table>_<key>; a key without one is a failure."""
import array
import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_harness import Server, parse_answer, read_all, wait_for  # noqa: E402

PROGRAM, CLI = sys.argv.pop(1), sys.argv.pop(1)
FAST = '[server]\ndrain_time = 0\n'
HEALTH = b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'
SCAN = b'GET /api/v1/scan HTTP/1.1\r\nHost: x\r\n\r\n'
PIDFD_OPEN, PIDFD_GETFD = 434, 438
TCP_INFO_UNACKED, TCP_INFO_SACKED = 24, 28  # of a listening socket: its queue, and the longest


def defaults():
    """Pairs of table and key, with the default as TOML writes it."""
    text = subprocess.run([PROGRAM, '--print-default-config'], capture_output=True, text=True,
                          check=True).stdout
    found = {}
    for line in text.splitlines():
        table = re.match(r'\[(\w+)\]$', line)
        key = re.match(r'(\w+) = (.*)$', line)
        if table:
            section = table.group(1)
        elif key:
            found[(section, key.group(1))] = key.group(2)
    return found


def server_socket(s, match):
    """A copy of the first socket of the server of which match(socket) is true."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.syscall(PIDFD_OPEN, s.process.pid, 0)
    if handle < 0:
        raise unittest.SkipTest('no pidfd_open: %s' % os.strerror(ctypes.get_errno()))
    try:
        for name in os.listdir('/proc/%d/fd' % s.process.pid):
            try:
                target = os.readlink('/proc/%d/fd/%s' % (s.process.pid, name))
            except FileNotFoundError:
                continue
            if not target.startswith('socket:'):
                continue
            fd = libc.syscall(PIDFD_GETFD, handle, int(name), 0)
            if fd < 0:
                raise unittest.SkipTest('no pidfd_getfd: %s' % os.strerror(ctypes.get_errno()))
            copy = socket.socket(fileno=fd)
            if copy.family == socket.AF_INET and match(copy):
                return copy
            copy.close()
    finally:
        os.close(handle)
    return None


def accepted(s, client):
    """The server's end of a connection."""
    def match(c):
        try:
            return c.getpeername() == client.getsockname()
        except OSError:
            return False
    return wait_for(lambda: server_socket(s, match), 'the connection to be accepted')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class KeysTest(unittest.TestCase):
    def server(self, lines='', more='', **options):
        s = Server(PROGRAM, FAST + lines + more, **options)
        self.addCleanup(s.__exit__)
        return s

    def tasks(self, s, prefix):
        names = []
        for task in os.listdir('/proc/%d/task' % s.process.pid):
            with open('/proc/%d/task/%s/comm' % (s.process.pid, task), encoding='ascii') as f:
                names.append(f.read().strip())
        return len([n for n in names if re.fullmatch(prefix + r'-\d+', n)])

    def post(self, s, path, body=b'', timeout=60):
        with s.connect(timeout=timeout) as c:
            c.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d'
                      b'\r\n\r\n%s' % (path.encode(), len(body), body))
            return parse_answer(read_all(c))

    # ---- A server whose one thread for long work is held as long as the test wants

    def held_server(self, lines='', more=''):
        folder = tempfile.TemporaryDirectory(prefix='blockdb-keys-')
        self.addCleanup(folder.cleanup)
        gate = os.path.join(folder.name, 'gate')
        os.mkfifo(gate)
        vkey = subprocess.run([CLI, 'keygen', '--origin', 'example.org/keys', '--out',
                               os.path.join(folder.name, 'key')], capture_output=True, text=True,
                              check=True).stdout.strip()
        s = self.server('long_threads = 1\n' + lines, '%s[ledger]\norigin = "example.org/keys"\n'
                        'head_interval = "1d"\nsigner_key = "%s"\nsigner_command = "cat %s"\n'
                        % (more, vkey, gate))
        self.assertEqual(self.post(s, '/api/v1/put', b'{"key":"a","value":"1"}')[0], 200)
        holder = s.connect()
        self.addCleanup(holder.close)
        # Signing waits for somebody to write to the gate.
        holder.sendall(b'POST /api/v1/checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')

        def opened():
            try:
                return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                return None
        writer = wait_for(opened, 'the signer to be started')
        self.open_gate = lambda: os.close(writer)
        return s

    def statuses(self, c, count):
        """Of that many answers on a connection, in their order."""
        got = []
        with c.makefile('rb') as f:
            while len(got) < count:
                got.append(int(f.readline().split(b' ')[1]))
                length = 0
                for line in iter(f.readline, b'\r\n'):
                    name, _, value = line.partition(b':')
                    if name.lower() == b'content-length':
                        length = int(value)
                f.read(length)
        return got


class Addresses(KeysTest):
    def answers(self, host, port):
        try:
            with socket.create_connection((host, port), 10) as c:
                c.sendall(b'GET /health HTTP/1.0\r\n\r\n')
                return parse_answer(read_all(c))[0] == 200
        except ConnectionRefusedError:
            return False

    def test_server_host(self):
        s = self.server('host = "127.0.0.2"\n')
        self.assertTrue(self.answers('127.0.0.2', s.port))
        self.assertFalse(self.answers('127.0.0.1', s.port))

    def test_server_port(self):
        port = free_port()
        s = self.server('port = %d\n' % port, flags=['--port=%d' % port])
        self.assertTrue(self.answers('127.0.0.1', port))
        self.assertEqual(s.port, port)

    def test_server_resp_host(self):
        s = self.server('resp_host = "127.0.0.2"\n')
        with socket.create_connection(('127.0.0.2', s.resp_port), 10) as c:
            c.sendall(b'PING\r\n')
            self.assertEqual(c.recv(64), b'+PONG\r\n')
        with self.assertRaises(ConnectionRefusedError):
            s.connect(s.resp_port)

    def test_server_resp_port(self):
        self.assertEqual(self.server('resp_port = 0\n').resp_port, 0)
        port = free_port()
        s = self.server('resp_port = %d\n' % port)
        with s.connect(port) as c:
            c.sendall(b'PING\r\n')
            self.assertEqual(c.recv(64), b'+PONG\r\n')

    def test_server_unix_socket(self):
        s = self.server('unix_socket = "here"\n')
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(os.path.join(s.dir, 'here'))
            c.sendall(b'GET /health HTTP/1.0\r\n\r\n')
            self.assertEqual(parse_answer(read_all(c))[0], 200)


class Threads(KeysTest):
    def test_server_worker_threads(self):
        self.assertEqual(self.tasks(self.server('worker_threads = 3\n'), 'worker'), 3)

    def test_server_read_threads(self):
        self.assertEqual(self.tasks(self.server('read_threads = 5\n'), 'read'), 5)

    def test_server_long_threads(self):
        self.assertEqual(self.tasks(self.server('long_threads = 3\n'), 'long'), 3)

    def test_server_pool_queue(self):
        s = self.held_server('pool_queue = 16\nworker_threads = 1\n')
        with s.connect() as c:
            c.sendall(SCAN * 20)
            time.sleep(0.2)
            self.open_gate()
            self.assertEqual(sorted(self.statuses(c, 20)), [200] * 16 + [503] * 4)

    def test_server_pipeline_max(self):
        """As above, but what is not worked on does not come to the queue."""
        s = self.held_server('pool_queue = 16\npipeline_max = 5\nworker_threads = 1\n')
        with s.connect() as c:
            c.sendall(SCAN * 20)
            time.sleep(0.2)
            self.open_gate()
            self.assertEqual(self.statuses(c, 20), [200] * 20)


class Times(KeysTest):
    def cut(self, s, data, expected=b''):
        """Sends and waits for the end of the connection."""
        with s.connect() as c:
            c.sendall(data)
            answer = read_all(c)
            self.assertIn(expected, answer)

    def test_server_connection_timeout(self):
        s = self.server('connection_timeout = 1\n')
        self.cut(s, b'GET /health HTTP/1.1\r\nHost:')
        self.cut(s, b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{')

    def test_server_max_idle_time(self):
        self.cut(self.server('max_idle_time = 1\n'), HEALTH, b' 200 ')

    def test_server_request_timeout(self):
        s = self.held_server('request_timeout = 1\n')
        status, headers, body = s.get('/api/v1/scan')
        self.assertEqual((status, json.loads(body)['error']), (503, 'TimedOut'))
        self.open_gate()

    def test_server_send_timeout(self):
        s = self.server('send_timeout = 1\nsend_buffer_size = 4096\n')
        with s.connect(s.resp_port) as c:
            c.sendall(b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$900000\r\n' + b'x' * 900000 + b'\r\n')
            self.assertEqual(c.recv(64), b'+OK\r\n')
            c.sendall(b'GET a\r\n' * 60)  # and reads nothing of 54 MB

            def is_cut():
                try:
                    c.sendall(b' ')
                    return False
                except OSError:
                    return True
            wait_for(is_cut, 'the connection to be cut')

    def test_server_body_rate_min(self):
        """A byte every tenth of a second is too slow after 10 s, unless any rate will do."""
        strict, patient = self.server(), self.server('body_rate_min = 0\n')
        head = b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n{'
        with strict.connect() as cut, patient.connect() as held:
            for c in (cut, held):
                c.sendall(head)
                c.setblocking(False)
            answer = None
            end = time.monotonic() + 60
            while answer is None and time.monotonic() < end:
                time.sleep(0.1)
                held.sendall(b' ')
                try:
                    cut.sendall(b' ')
                    answer = cut.recv(4096)
                except BlockingIOError:
                    pass
                except OSError:
                    answer = b''
            self.assertIsNotNone(answer, 'a slow body is never cut')
            if answer:
                self.assertEqual(parse_answer(answer)[0], 408)
            with self.assertRaises(BlockingIOError):
                held.recv(1)

    def test_server_drain_time(self):
        s = Server(PROGRAM, '[server]\ndrain_time = 3600\n')
        self.addCleanup(s.__exit__)
        s.send(signal.SIGTERM)
        wait_for(lambda: s.get('/health')[0] == 503, '/health to say 503')
        self.assertEqual(s.get('/api/v1/get/x')[0], 404)  # still served
        s.send(signal.SIGTERM)
        self.assertEqual(s.process.wait(60), 0)
        at_once = self.server()
        at_once.send(signal.SIGTERM)
        self.assertEqual(at_once.process.wait(60), 0)

    def test_server_drain_timeout(self):
        s = self.server('drain_timeout = 1\n')
        with s.connect() as c:
            c.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{')
            wait_for(lambda: accepted(s, c), 'the request to arrive').close()
            s.send(signal.SIGTERM)
            self.assertEqual(s.process.wait(25), 0)  # the default is 30 s

    def test_drain_timeout_by_default_waits(self):
        s = self.server()
        with s.connect() as c:
            c.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 23\r\n\r\n{')
            time.sleep(0.2)
            s.send(signal.SIGTERM)
            time.sleep(2)
            c.sendall(b'"key":"a","value":"1"}')
            self.assertEqual(parse_answer(read_all(c))[0], 200)
            self.assertEqual(s.process.wait(60), 0)


class Sockets(KeysTest):
    def option(self, lines, level, name):
        s = self.server(lines)
        with s.connect() as c:
            end = accepted(s, c)
            try:
                return end.getsockopt(level, name)
            finally:
                end.close()

    def test_server_listen_backlog(self):
        s = self.server('listen_backlog = 77\n')
        listening = server_socket(s, lambda c: c.getsockopt(socket.SOL_SOCKET,
                                                            socket.SO_ACCEPTCONN))
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
        listening.close()
        self.assertEqual(array.array('I', info[TCP_INFO_SACKED:TCP_INFO_SACKED + 4])[0], 77)

    def test_server_tcp_nodelay(self):
        for text, expected in (('true', 1), ('false', 0)):
            self.assertEqual(self.option('tcp_nodelay = %s\n' % text, socket.IPPROTO_TCP,
                                         socket.TCP_NODELAY), expected)

    def test_server_tcp_keepalive(self):
        for text, expected in (('true', 1), ('false', 0)):
            self.assertEqual(self.option('tcp_keepalive = %s\n' % text, socket.SOL_SOCKET,
                                         socket.SO_KEEPALIVE), expected)

    def test_server_keepalive_time(self):
        self.assertEqual(self.option('keepalive_time = 41\n', socket.IPPROTO_TCP,
                                     socket.TCP_KEEPIDLE), 41)

    def test_server_keepalive_interval(self):
        self.assertEqual(self.option('keepalive_interval = 9\n', socket.IPPROTO_TCP,
                                     socket.TCP_KEEPINTVL), 9)

    def test_server_keepalive_probes(self):
        self.assertEqual(self.option('keepalive_probes = 8\n', socket.IPPROTO_TCP,
                                     socket.TCP_KEEPCNT), 8)

    def test_server_send_buffer_size(self):
        self.assertEqual(self.option('send_buffer_size = "20000B"\n', socket.SOL_SOCKET,
                                     socket.SO_SNDBUF), 40000)  # the kernel doubles

    def test_server_recv_buffer_size(self):
        self.assertEqual(self.option('recv_buffer_size = 20000\n', socket.SOL_SOCKET,
                                     socket.SO_RCVBUF), 40000)


class Sizes(KeysTest):
    def test_server_max_connections(self):
        s = self.server('max_connections = 2\n')
        held = [s.connect() for _ in range(2)]
        for c in held:
            c.sendall(HEALTH)
            self.assertIn(b' 200 ', c.recv(4096))
        self.assertEqual(s.get('/api/v1/get/x')[0], 503)
        for c in held:
            c.close()

    def test_server_max_request_size(self):
        s = self.server('max_request_size = 2048\n')
        body = b'{"key":"a","value":"%s"}'
        self.assertEqual(self.post(s, '/api/v1/put', body % (b'x' * 1900))[0], 200)
        status, _, answer = self.post(s, '/api/v1/put', body % (b'x' * 2048))
        self.assertEqual(status, 413)
        self.assertIn(b'max_request_size', answer)

    def test_server_request_memory(self):
        """Two unfinished bodies fit, a third does not."""
        s = self.server('max_request_size = "4MiB"\nrequest_memory = "8MiB"\nworker_threads = 1\n')
        head = b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n'
        held = []
        for _ in range(3):
            c = s.connect()
            self.addCleanup(c.close)
            held.append(c)
            try:
                c.sendall(head + b'x' * 3900000)
            except OSError:
                pass  # refused before all was sent
        refused = select.select(held, [], [], 30)[0]  # whichever was the last to be read
        self.assertEqual(len(refused), 1)
        self.assertIn(b'request_memory', read_all(refused[0]))

    def test_server_max_header_size(self):
        s = self.server('max_header_size = 2048\n')
        for length, expected in ((1500, 200), (2500, 431)):
            with s.connect() as c:
                c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: %s\r\n\r\n'
                          % (b'x' * length))
                self.assertEqual(parse_answer(read_all(c))[0], expected)

    def gets_carried_out(self, lines):
        """How many of many reads are carried out for a client that takes no answers."""
        s = self.server('send_buffer_size = 4096\nworker_threads = 1\n' + lines)
        with s.connect(s.resp_port) as c:
            c.sendall(b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$30000\r\n' + b'x' * 30000 + b'\r\n')
            self.assertEqual(c.recv(64), b'+OK\r\n')
            c.setblocking(False)
            seen = []
            for _ in range(100):
                try:
                    c.sendall(b'GET a\r\n' * 200)
                except OSError:
                    pass
                seen.append(self.count(s))
                if len(seen) > 20 and seen[-20] == seen[-1]:  # it has come to a stop
                    break
                time.sleep(0.02)
            return seen[-1], c

    def count(self, s):
        text = s.get('/metrics')[2].decode()
        found = re.search(r'^blockdb_redis_commands_total\{[^}]*command="get"[^}]*\} (\d+)', text,
                          re.M)
        return int(found.group(1)) if found else 0

    def test_server_output_high(self):
        low, _ = self.gets_carried_out('output_high = 65536\n')
        high, _ = self.gets_carried_out('output_high = "8MiB"\n')
        self.assertGreater(high, 2 * low)

    def test_server_output_max(self):
        """Answers that come at once, and together are more than that, cut the connection."""
        body = b'{"key":"a","value":"%s"}' % (b'x' * 500000)
        for lines, whole in (('output_high = "1MiB"\noutput_max = "1MiB"\n', False), ('', True)):
            s = self.server('send_buffer_size = 4096\n' + lines)
            self.assertEqual(self.post(s, '/api/v1/put', body)[0], 200)
            with s.connect() as c:
                c.sendall(b'GET /api/v1/get/a HTTP/1.1\r\nHost: x\r\n\r\n' * 60)
                time.sleep(0.5)
                c.shutdown(socket.SHUT_WR)
                self.assertEqual(len(read_all(c)) > 60 * 500000, whole)

    def test_server_cors_origins(self):
        s = self.server('cors_origins = "https://a.example https://b.example"\n')
        for origin, allowed in (('https://b.example', True), ('https://c.example', False)):
            with s.connect() as c:
                c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: %s\r\n'
                          b'\r\n' % origin.encode())
                headers = parse_answer(read_all(c))[1]
                self.assertEqual(headers.get('access-control-allow-origin'),
                                 origin if allowed else None)

    def test_server_backup_dir(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-keys-') as folder:
            s = self.server('backup_dir = "%s"\n' % folder)
            self.assertEqual(self.post(s, '/api/v1/backup', b'{"directory":"one"}')[0], 202)
            wait_for(lambda: os.path.exists(os.path.join(folder, 'one/CURRENT')), 'the backup')
            self.assertEqual(s.stop(), 0)
        s = self.server()
        self.assertEqual(self.post(s, '/api/v1/backup', b'{"directory":"one"}')[0], 501)


class Logging(KeysTest):
    SLOW = '[logging]\nslow_request = 1\n'

    def test_logging_level(self):
        """Requests that are refused are told from debug on."""
        for level, told in (('debug', True), ('warning', False)):
            s = self.server('', '[logging]\nlevel = "%s"\n' % level)
            self.assertEqual(s.get('/no/such/path')[0], 404)
            self.assertEqual(s.stop(), 0)
            self.assertEqual(' 404 ' in s.log_text(), told, s.log_text())

    def test_logging_file(self):
        s = self.server('', '[logging]\nfile = "there.log"\n')
        with open(os.path.join(s.dir, 'there.log'), encoding='utf-8') as f:
            self.assertIn('listening on', f.read())
        self.assertEqual(s.log_text(), '')

    def test_logging_format(self):
        s = self.server('', '[logging]\nformat = "json"\n')
        for line in s.log_text().splitlines():
            self.assertIn('message', json.loads(line))

    def test_logging_slow_request(self):
        for threshold, told in ((1, True), (0, False)):
            s = self.held_server('', '[logging]\nslow_request = %d\n' % threshold)
            with s.connect() as c:
                c.sendall(SCAN)
                time.sleep(0.1)
                self.open_gate()
                self.assertEqual(self.statuses(c, 1), [200])
            with s.connect() as c:  # that somebody watches is not slow
                c.sendall(b'GET /api/v1/watch HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertIn(b' 200 ', c.recv(4096))
                time.sleep(0.05)
            self.assertEqual(s.stop(), 0)
            self.assertEqual('scan' in s.log_text(), told, s.log_text())
            self.assertNotIn('watch', s.log_text())


class Refusals(unittest.TestCase):
    """What a key cannot be is said with file, line and key, and ends with exit code 2."""

    def refused(self, path, section, key, text):
        with open(path, 'w', encoding='utf-8') as f:
            f.write('# a line before\n[%s]\n%s = %s\n' % (section, key, text))
        done = subprocess.run([PROGRAM, '--config', path, '--check-config'], capture_output=True,
                              text=True, check=False)
        told = '%s.%s = %s: %d %s' % (section, key, text, done.returncode, done.stderr)
        self.assertEqual(done.returncode, 2, told)
        self.assertIn('%s:3: ' % path, done.stderr, told)
        self.assertIn(key, done.stderr, told)

    def wrong_values(self, default):
        """Texts that a key with this default cannot have."""
        if default in ('true', 'false'):
            return ['1', '"yes"']
        if re.fullmatch(r'\d+', default):
            return ['-1', '1.5', 'true', '"5 bananas"', '4611686018427387904']
        return ['5', 'true', '"%s"' % ('x' * 5000)]

    def test_every_key(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-keys-') as folder:
            path = os.path.join(folder, 'wrong.toml')
            for (section, key), default in defaults().items():
                for text in self.wrong_values(default):
                    with self.subTest(key=section + '.' + key, text=text[:40]):
                        self.refused(path, section, key, text)

    def test_none_is_forgotten(self):
        names = {name for case in (Addresses, Threads, Times, Sockets, Sizes, Logging)
                 for name in dir(case)}
        missing = ['%s.%s' % (section, key) for section, key in defaults()
                   if section in ('server', 'logging') and
                   'test_%s_%s' % (section, key) not in names]
        self.assertEqual(missing, [])


if __name__ == '__main__':
    unittest.main(verbosity=2)
