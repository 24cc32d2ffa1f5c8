#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What outsiders may use up of a server: connections, time, memory."""
import os
import re
import selectors
import socket
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_harness import Server, parse_answer, read_all, wait_for  # noqa: E402

PROGRAM = sys.argv.pop(1)
DRIPPERS = 300
IDLE = 800


def resident_kib(pid):
    with open('/proc/%d/status' % pid, encoding='ascii') as f:
        return int(re.search(r'^VmRSS:\s+(\d+) kB', f.read(), re.M).group(1))


def figure(s, name):
    body = s.get('/metrics')[2].decode()
    found = re.search(r'^%s (\d+)' % name, body, re.M)
    return int(found.group(1)) if found else None


class Connections(unittest.TestCase):
    def test_one_too_many(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\nmax_connections = 5\n') as s:
            open_ones = [s.connect() for _ in range(5)]
            for c in open_ones:
                c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertIn(b' 200 ', c.recv(4096))
            self.assertEqual(s.get('/health')[0], 200)  # from loopback, out of the reserve
            status, headers, body = s.get('/api/v1/get/x')
            self.assertEqual(status, 503)
            self.assertIn('retry-after', headers)
            with s.connect(s.resp_port) as c:
                self.assertIn(b'-ERR max number of clients reached\r\n', read_all(c))
            held = [s.connect() for _ in range(20)]  # the reserve, and more
            refused = [c for c in held if self.is_refused(c)]
            self.assertGreater(len(refused), 5)
            for c in refused:
                status, headers, body = parse_answer(read_all(c))
                self.assertEqual(status, 503)
                self.assertIn('retry-after', headers)
            for c in held + open_ones:
                c.close()
            wait_for(lambda: s.get('/api/v1/get/x')[0] == 404, 'room again')
            self.assertEqual(s.stop(), 0)

    def is_refused(self, c):
        selector = selectors.DefaultSelector()
        selector.register(c, selectors.EVENT_READ)
        return bool(selector.select(0.3))

    def test_idle_ones_cost_little(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\nmax_connections = 2000\n') as s:
            s.get('/health')
            before = resident_kib(s.process.pid)
            idle = []
            for _ in range(IDLE):
                c = s.connect()
                c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertIn(b' 200 ', c.recv(4096))
                idle.append(c)
            grown = resident_kib(s.process.pid) - before
            # 10 000 below 200 MiB are 20 KiB each.
            if not s.is_sanitized():
                self.assertLess(grown, IDLE * 20)
            for c in idle:
                c.close()
            self.assertEqual(s.stop(), 0)


class Deadlines(unittest.TestCase):
    def test_slow_heads_are_cut(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\nconnection_timeout = 2\n') as s:
            drippers = [s.connect() for _ in range(DRIPPERS)]
            head = b'GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ' + b'a' * 100
            start = time.monotonic()
            open_ones = set(drippers)
            at = 0
            while open_ones and time.monotonic() - start < 20:
                for c in list(open_ones):
                    try:
                        c.sendall(head[at:at + 1])
                        c.setblocking(False)
                        try:
                            if not c.recv(4096):
                                open_ones.discard(c)
                        except BlockingIOError:
                            pass
                        c.setblocking(True)
                    except OSError:
                        open_ones.discard(c)
                at += 1
                time.sleep(0.2)
            self.assertFalse(open_ones)
            self.assertEqual(s.get('/health')[0], 200)
            for c in drippers:
                c.close()
            self.assertEqual(s.stop(), 0)

    def test_slow_bodies_are_cut(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\nconnection_timeout = 2\n') as s:
            with s.connect() as c:
                c.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json'
                          b'\r\nContent-Length: 1000\r\n\r\n{')
                answer = read_all(c)  # ends at last
                self.assertTrue(answer == b'' or parse_answer(answer)[0] >= 400)
            self.assertEqual(s.stop(), 0)

    def test_idle_ones_are_closed(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\nmax_idle_time = 1\n') as s:
            with s.connect() as c:
                c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertIn(b' 200 ', read_all(c))
            with s.connect() as c:  # a silent probe
                self.assertEqual(read_all(c), b'')
            self.assertEqual(s.stop(), 0)

    def test_half_closed_client_is_answered(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\n') as s:
            with s.connect() as c:
                c.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n' * 3)
                c.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(c).count(b' 200 OK'), 3)
            with s.connect(s.resp_port) as c:
                c.sendall(b'SET a 1\r\nGET a\r\n')
                c.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(c), b'+OK\r\n$1\r\n1\r\n')
            self.assertEqual(s.stop(), 0)


class Memory(unittest.TestCase):
    def test_clients_that_never_read_are_cut(self):
        config = ('[server]\ndrain_time = 0\nsend_timeout = 1\noutput_high = 65536\n'
                  'output_max = 4194304\n')
        with Server(PROGRAM, config) as s:
            with s.connect(s.resp_port) as c:
                c.sendall(b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1000000\r\n' + b'x' * 1000000 + b'\r\n')
                self.assertEqual(c.recv(64), b'+OK\r\n')
                before = resident_kib(s.process.pid)
                c.settimeout(30)
                try:
                    for _ in range(2000):
                        c.sendall(b'GET a\r\n' * 100)  # asks for 200 GB and reads nothing
                except OSError:
                    pass
                wait_for(lambda: self.is_gone(c), 'the client to be cut')
                if not s.is_sanitized():
                    self.assertLess(resident_kib(s.process.pid) - before, 64 << 10)
            self.assertEqual(s.get('/health')[0], 200)
            self.assertEqual(s.stop(), 0)

    def is_gone(self, c):
        try:
            c.sendall(b'GET a\r\n')
            return False
        except OSError:
            return True

    def test_unfinished_requests_have_a_maximum(self):
        """Bodies and commands that do not end: beyond request_memory they are refused or cut, and
        whoever comes when they are gone is served."""
        config = ('[server]\ndrain_time = 0\nworker_threads = 1\nmax_request_size = 4194304\n'
                  'request_memory = 33554432\n')
        head = b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n'
        command = b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4000000\r\n'
        with Server(PROGRAM, config) as s:
            before = resident_kib(s.process.pid)
            held = [self.begin(s, port, start + b'x' * 3900000) for _ in range(25)
                    for port, start in ((s.port, head), (s.resp_port, command))]
            if not s.is_sanitized():
                self.assertLess(resident_kib(s.process.pid) - before, 128 << 10)
            self.assertEqual(s.get('/health')[0], 200)
            answers = [read_all(c) for c in held if self.has_input(c)]
            self.assertGreater(len(answers), 10)
            for answer in answers:
                self.assertTrue(answer == b'' or parse_answer(answer)[0] == 503, answer)
            self.assertTrue(any(b'request_memory' in answer for answer in answers))
            for c in held:
                c.close()
            with s.connect(s.resp_port) as c:
                c.sendall(command + b'x' * 4000000 + b'\r\n')
                self.assertEqual(c.recv(64), b'+OK\r\n')
            self.assertEqual(s.stop(), 0)

    def begin(self, s, port, data):
        c = s.connect(port)
        try:
            c.sendall(data)
        except OSError:
            pass
        return c

    def has_input(self, c):
        selector = selectors.DefaultSelector()
        selector.register(c, selectors.EVENT_READ)
        return bool(selector.select(0.05))

    def test_endless_input_is_refused(self):
        with Server(PROGRAM, '[server]\ndrain_time = 0\n') as s:
            before = resident_kib(s.process.pid)
            for port, data in ((s.port, b'GET /' + b'a' * 65536), (s.port, b'X' * 65536),
                               (s.resp_port, b'*1\r\n$999999999\r\n'),
                               (s.resp_port, b'inline' * 100000),
                               (s.port, b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\n'
                                        b'Content-Length: 99999999999\r\n\r\n')):
                with s.connect(port) as c:
                    c.settimeout(30)
                    try:
                        for _ in range(200):
                            c.sendall(data)
                    except OSError:
                        pass
                    read_all(c)  # ends
            if not s.is_sanitized():
                self.assertLess(resident_kib(s.process.pid) - before, 64 << 10)
            self.assertEqual(s.get('/health')[0], 200)
            self.assertEqual(s.stop(), 0)


if __name__ == '__main__':
    unittest.main(verbosity=2)
