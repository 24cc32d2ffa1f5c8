#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guesses of passwords from many addresses at once: they do not keep out those who have come in
from where they are before, and tell nothing in logs.

Usage: test_crowd.py BLOCKDB-SERVER BLOCKDB-CLI"""

import re
import socket
import threading

import security_harness as harness
from security_harness import PASSWORD, basic

NAME_RATE = 3
CROWD = 80  # more than may wait


class Crowd(harness.SecurityTest):
    security = ('enable_auth = true\npassword_cache_time = 0\nuser_failure_rate = %d\n'
                'open_metrics = true\n' % NAME_RATE)

    def setUp(self):
        super().setUp()
        self.add_user('admin', 'admin')
        self.add_user('ann', 'reader')
        self.configure()
        self.start()

    def ask(self, source, headers):
        """The connection of a request from one of the addresses of loopback, not yet answered."""
        s = socket.socket()
        self.addCleanup(s.close)
        s.settimeout(60)
        s.bind((source, 0))
        s.connect(('127.0.0.1', self.port))
        lines = ''.join('%s: %s\r\n' % pair for pair in headers.items())
        s.sendall(('GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n'
                   % lines).encode())
        return s

    def status(self, s):
        answer = b''
        while part := s.recv(65536):
            answer += part
        s.close()
        return int(answer.split()[1])

    def enters(self, source, name='ann', password=PASSWORD):
        return self.status(self.ask(source, basic(name, password)))

    def test_failures_under_a_name(self):
        self.assertEqual(self.enters('127.0.0.1'), 200)
        found = [self.enters('127.0.9.%d' % i, password='guess') for i in range(1, NAME_RATE + 4)]
        self.assertIn(429, found)
        self.assertEqual(self.enters('127.0.9.100'), 429)  # a stranger has to wait
        self.assertEqual(self.enters('127.0.0.1'), 200)
        # The own failures count, and are those of that place alone.
        found = [self.enters('127.0.0.1', password='guess') for _ in range(NAME_RATE + 3)]
        self.assertEqual(set(found), {401, 429})
        self.assertEqual(self.enters('127.0.0.1'), 429)
        self.assertEqual(self.enters('127.0.0.1', 'admin'), 200)

    def waiting(self):
        body = self.http('GET', '/metrics').body.decode()
        return int(re.search(r'^blockdb_auth_passwords_waiting (\d+)$', body, re.M).group(1))

    def test_a_crowd(self):
        self.assertEqual(self.enters('127.0.0.1'), 200)
        ending = threading.Event()

        def crowd(n):
            number = 0
            while not ending.is_set():
                number += 1
                self.enters('127.%d.%d.1' % (n + 1, number % 250), 'nobody%d' % number, 'guess')
        threads = [threading.Thread(target=crowd, args=(n,)) for n in range(CROWD)]
        for thread in threads:
            thread.start()
        self.wait_for(lambda: self.waiting() > 60)
        found = [self.enters('127.0.0.1') for _ in range(5)]
        ending.set()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [200] * 5)
        self.assertIn('who=nobody', self.text('audit.log'))
        self.look_for(['guess', PASSWORD])


if __name__ == '__main__':
    harness.main()
