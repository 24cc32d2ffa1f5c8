#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Watching the log by server-sent events: nothing left out, nothing twice, slow readers, many."""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api_harness  # noqa: E402
from api_harness import ApiTest  # noqa: E402

MANY = 400


class Watcher:
    """A client of /api/v1/watch that reads events when it is asked to."""

    def __init__(self, server, query='', headers=''):
        self.socket = server.connect()
        self.socket.sendall(('GET /api/v1/watch%s HTTP/1.0\r\n%s\r\n' % (query, headers)).encode())
        self.data = b''
        self.read_until(b'\r\n\r\n')
        head, _, self.data = self.data.partition(b'\r\n\r\n')
        self.head = head.decode()

    def read_until(self, mark):
        while mark not in self.data:
            part = self.socket.recv(65536)
            if not part:
                return False
            self.data += part
        return True

    def block(self):
        """The lines up to the next empty line; None at the end of the stream."""
        if not self.read_until(b'\n\n'):
            return None
        block, _, self.data = self.data.partition(b'\n\n')
        return block.decode()

    def event(self):
        """(id, entry) of the next event with data."""
        while True:
            block = self.block()
            if block is None:
                return None
            found = re.match(r'^id: (\d+)\ndata: (.*)$', block)
            if found:
                return int(found.group(1)), json.loads(found.group(2))
            if block.startswith('event: '):
                return block.split('\n')[0], None

    def events(self, count):
        return [self.event() for _ in range(count)]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Watching(ApiTest):
    def watch(self, *args):
        watcher = Watcher(self.server, *args)
        self.addCleanup(watcher.close)
        self.assertIn(' 200 ', watcher.head)
        self.assertIn('text/event-stream', watcher.head)
        return watcher

    def test_what_is_written_is_shown(self):
        with self.watch('?prefix=w/') as watcher:
            first = self.put('w/1', 'one')
            self.put('other', 'not shown')
            second = self.ok('DELETE', '/api/v1/delete/w/1')['seq']
            out = self.ok('POST', '/api/v1/batch', {'operations': [
                {'type': 'put', 'key': 'w/2', 'value': 'line\nbreak'},
                {'type': 'put', 'key': base64.b64encode(b'w/\xff').decode(), 'value': '/w==',
                 'encoding': 'base64'}]})
            events = watcher.events(4)
        self.assertEqual([e[0] for e in events], [first, second, out['seq'], out['seq'] + 1])
        self.assertEqual([e[1]['type'] for e in events], ['put', 'delete', 'put', 'put'])
        self.assertEqual((events[0][1]['key'], events[0][1]['value']), ('w/1', 'one'))
        self.assertNotIn('value', events[1][1])
        self.assertEqual(events[2][1]['value'], 'line\nbreak')
        self.assertEqual((events[3][1]['encoding'], events[3][1]['value']), ('base64', '/w=='))

    def test_it_goes_on_where_it_was(self):
        seqs = [self.put('r/%d' % i, str(i)) for i in range(20)]
        with self.watch('?prefix=r/&from=%d' % seqs[0]) as watcher:
            seen = watcher.events(7)
        header = 'Last-Event-ID: %d\r\n' % seen[-1][0]
        with self.watch('?prefix=r/&from=0', header) as watcher:
            seen += watcher.events(13)
        self.assertEqual([e[0] for e in seen], seqs)
        with self.watch('?prefix=r/&encoding=base64&from=%d' % seqs[3]) as watcher:
            self.assertEqual(base64.b64decode(watcher.event()[1]['value']), b'3')

    def test_all_from_the_beginning(self):
        for i in range(700):  # more than one chunk
            self.put('all', str(i))
        with self.watch('?from=0&prefix=all') as watcher:
            values = [e[1]['value'] for e in watcher.events(700)]
        self.assertEqual(values, [str(i) for i in range(700)])

    def test_a_slow_reader_is_waited_for(self):
        start = self.put('slow/0', 'x')
        with self.watch('?prefix=slow/&from=%d' % start) as watcher:
            for i in range(1, 61):
                self.put('slow/%d' % i, 'x' * 500000)
            with self.watch('?prefix=quick/') as quick:
                self.put('quick/1', 'at once')
                self.assertEqual(quick.event()[1]['value'], 'at once')
            with open('/proc/%d/status' % self.server.process.pid, encoding='ascii') as f:
                resident = int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))
            self.assertLess(resident, 600 << 10)
            keys = [e[1]['key'] for e in watcher.events(61)]
        self.assertEqual(keys, ['slow/%d' % i for i in range(61)])

    def test_a_large_value(self):
        with self.watch('?prefix=large') as watcher:
            self.put('large', 'v' * 5000000)
            self.assertEqual(len(watcher.event()[1]['value']), 5000000)

    def test_redacted(self):
        seq = self.put('red', 'erased')
        self.ok('POST', '/api/v1/redact', {'key': 'red', 'seq': seq})
        with self.watch('?prefix=red&from=%d' % seq) as watcher:
            entry = watcher.event()[1]
        self.assertEqual((entry['redacted'], 'value' in entry), (True, False))

    def test_many(self):
        watchers = [self.watch('?prefix=many/') for _ in range(MANY)]
        stats = self.ok('GET', '/stats')['server']
        self.assertGreaterEqual(stats['watchers'], MANY)
        seqs = [self.put('many/%d' % i, 'x') for i in range(5)]
        for watcher in watchers:
            self.assertEqual([e[0] for e in watcher.events(5)], seqs)
            watcher.close()

    def test_writers_and_watchers_at_once(self):
        def write(name):
            for i in range(100):
                self.server_put('mix/%s/%d' % (name, i))
        with self.watch('?prefix=mix/') as watcher:
            threads = [threading.Thread(target=write, args=(n,)) for n in 'abc']
            for thread in threads:
                thread.start()
            events = watcher.events(300)
            for thread in threads:
                thread.join()
        seqs = [e[0] for e in events]
        self.assertEqual(seqs, sorted(set(seqs)))
        self.assertEqual(len({e[1]['key'] for e in events}), 300)

    def server_put(self, key):
        body = json.dumps({'key': key, 'value': key})
        with self.server.connect() as s:
            s.sendall(('POST /api/v1/put HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s'
                       % (len(body), body)).encode())
            self.assertIn(b' 200 ', s.recv(65536))

    def test_chunked_for_http_1_1(self):
        with self.server.connect() as s:
            s.sendall(b'GET /api/v1/watch HTTP/1.1\r\nHost: x\r\n\r\n')
            data = b''
            while b':\n\n' not in data:
                data += s.recv(65536)
            self.assertIn(b'chunked', data)

    def test_head_and_refusals(self):
        answer = self.ask('HEAD', '/api/v1/watch')
        self.assertEqual((answer.status, answer.body), (200, b''))
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/watch',
                     headers={'Last-Event-ID': 'x'})


class Credentials(ApiTest):
    CONFIG = ('[server]\ndrain_time = 0\n[security]\nenable_auth = true\n'
              'admin_token_file = "@DIR@/admin"\n')
    @classmethod
    def prepare(cls, folder):
        token = subprocess.run([api_harness.CLI, 'token', 'generate'], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL,
                               text=True, check=True).stdout.strip()
        path = os.path.join(folder, 'admin')
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w', encoding='ascii') as f:
            f.write(token + '\n')
        cls.HEADERS = {'Authorization': 'Bearer ' + token}

    def test_what_is_seen_and_for_how_long(self):
        made = self.ok('POST', '/api/v1/tokens', {'name': 'eye', 'roles': ['reader:seen/']})
        header = 'Authorization: Bearer %s\r\n' % made['token']
        with Watcher(self.server, '?from=0', header) as watcher:
            self.put('hidden/1', 'x')
            seq = self.put('seen/1', 'x')
            self.assertEqual(watcher.event()[0], seq)
            self.ok('DELETE', '/api/v1/tokens/' + made['id'])
            self.assertEqual(watcher.event(), ('event: error', None))  # at the next beat
            self.assertIsNone(watcher.block())


class Stopping(ApiTest):
    CONFIG = '[server]\ndrain_time = 0\n'

    def test_streams_end(self):
        with Watcher(self.server) as watcher:
            begun = time.monotonic()
            self.server.send(signal.SIGTERM)
            self.assertEqual(watcher.event(), ('event: end', None))
            self.assertIsNone(watcher.block())
            self.assertEqual(self.server.stop(), 0)
            self.assertLess(time.monotonic() - begun, 20)


if __name__ == '__main__':
    api_harness.main()
