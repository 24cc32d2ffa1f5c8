#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the health paths and metrics say of a full disk, which heals, and of a failed one, which
does not."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_harness import Server, parse_answer, read_all, wait_for  # noqa: E402

PROGRAM = os.path.abspath(sys.argv.pop(1))
BALLAST = 20 << 20
VALUE = 'x' * (512 << 10)
REFUSED_FOR_GOOD = 5  # times in a row
SMALL = ('[database]\nwal_file_size = "2MiB"\nwal_keep_size = 0\nmemtable_size_limit = "4MiB"\n'
         'compression_type = "none"\nblock_interval = 50\n')


class HealthTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='blockdb-health-test.')
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def put(self, key, value):
        body = json.dumps({'key': key, 'value': value}).encode()
        with self.server.connect() as s:
            s.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
                      b'Content-Length: %d\r\n\r\n' % len(body) + body)
            status, _, body = parse_answer(read_all(s))
            return status, json.loads(body)

    def health(self, path='/health'):
        status, headers, body = self.server.get(path)
        self.assertEqual('retry-after' in headers, status == 503)
        return status, json.loads(body).get('error')

    def metric(self, name):
        lines = self.server.get('/metrics')[2].decode().splitlines()
        return [float(line.split()[-1]) for line in lines
                if line.startswith((name + ' ', name + '{'))]

    def expect(self, status, word, well=('/live', '/read-only')):
        for path in ('/health', '/ready', '/leader', '/ready?verbose'):
            self.assertEqual(self.health(path), (status, word), path)
        for path in well:
            self.assertEqual(self.health(path), (200, None), path)
        checks = json.loads(self.server.get('/ready?verbose')[2])['checks']
        self.assertEqual(checks, {'serving': 'ok', 'lag': 'ok',
                                  'writable': 'ok' if word is None else 'failed'})
        self.assertEqual(self.metric('blockdb_writable'), [1 if word is None else 0])


class FullDisk(HealthTest):
    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.dir, 'disk')
        os.mkdir(self.disk)
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', self.disk],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest('mounting is not permitted: ' + done.stderr.strip())
        self.addCleanup(lambda: subprocess.run(['umount', '-l', self.disk], check=True))

    def fill(self):
        """Writes until there is no room, nor a flush that still makes some; the number of writes
        that were acknowledged."""
        count = refused = 0
        while refused < REFUSED_FOR_GOOD:
            status, answer = self.put('k%d' % count, VALUE)
            if status == 200:
                count, refused = count + 1, 0
                self.assertLess(count, 200, 'the disk is never full')
                continue
            self.assertEqual((status, answer['error']), (507, 'NoSpace'), answer)
            self.assertIn(self.disk, answer['message'])
            refused += 1
            time.sleep(0.1)
        return count

    def test_until_there_is_room(self):
        ballasts = [os.path.join(self.disk, 'ballast%d' % i) for i in range(2)]
        for ballast in ballasts:
            with open(ballast, 'wb') as f:
                f.write(bytes(BALLAST))
        self.server = Server(PROGRAM, SMALL, dir=self.dir,
                             flags=['--data-dir', os.path.join(self.disk, 'data')])
        self.addCleanup(self.server.__exit__)
        self.expect(200, None)
        for ballast in ballasts:
            count = self.fill()
            self.expect(503, 'NoSpace')
            self.assertIn(self.disk, json.loads(self.server.get('/health')[2])['message'])
            self.assertEqual(self.server.get('/api/v1/get/k%d' % (count - 1))[0], 200)
            self.assertEqual(len(self.metric('blockdb_disk_free_bytes')), 1)
            # Nobody writes meanwhile, as behind a load balancer that looked at /health.
            os.unlink(ballast)
            wait_for(lambda: self.health() == (200, None), 'room to be noticed')
            self.expect(200, None)
            self.assertEqual(self.put('again', 'x')[0], 200)
        self.assertEqual(self.server.stop(), 0)


class FailedDisk(HealthTest):
    def test_for_good(self):
        self.server = Server(PROGRAM, SMALL, dir=self.dir)
        self.addCleanup(self.server.__exit__)
        self.assertEqual(self.put('before', 'x')[0], 200)
        wal, elsewhere = (os.path.join(self.server.data_dir, name) for name in ('wal', 'gone'))
        os.rename(wal, elsewhere)
        status, answer = 200, None
        for i in range(100):
            status, answer = self.put('k%d' % i, VALUE)
            if status != 200:
                break
        self.assertEqual((status, answer['error']), (500, 'IoError'))
        os.rename(elsewhere, wal)
        self.expect(503, 'ReadOnly')
        status, answer = self.put('k', VALUE)
        self.assertEqual((status, answer['error']), (503, 'ReadOnly'))
        self.assertEqual(self.server.get('/api/v1/get/before')[0], 200)
        self.expect(503, 'ReadOnly')
        self.server.wait_log('error server: writes are refused: the database is read-only')


unittest.main(verbosity=1)
