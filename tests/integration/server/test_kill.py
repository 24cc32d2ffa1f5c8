#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server under load is killed at random moments. Whatever was acknowledged to a client of HTTP
or of the Redis protocol is there afterwards; a batch is there whole or not at all; and a request
that is repeated with its number after the restart has been carried out once."""
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import server_harness as harness  # noqa: E402

LONG = bool(os.environ.get('BLOCKDB_TEST_LONG'))
ROUNDS = 200 if LONG else 6
CHECK_BATCH = 500
BATCH = 5
PIPELINE = 8


class Client(threading.Thread):
    """Writes until its connection breaks. `acknowledged` maps keys to values; `unanswered` has the
    keys of the last request, of which nobody knows whether it was carried out."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server = server
        self.name = name
        self.acknowledged = {}
        self.unanswered = []
        self.refused = None

    def run(self):
        number = 0
        try:
            with self.connect() as s, s.makefile('rb') as f:
                while self.refused is None:
                    number += 1
                    self.unanswered = self.keys(number)
                    s.sendall(self.request(number, self.unanswered))
                    if not self.answered(f):
                        return
                    self.acknowledged.update((k, self.value(k)) for k in self.unanswered)
                    self.unanswered = []
        except OSError:
            pass

    def keys(self, number):
        count = 1 if number % 3 else BATCH
        return ['%s:%d:%d' % (self.name, number, i) for i in range(count)]

    @staticmethod
    def value(key):
        return 'value of %s %s' % (key, 'x' * (len(key) * 7 % 300))


class HttpClient(Client):
    """Single puts and batches, numbered, so that they can be repeated."""

    def __init__(self, server, name):
        super().__init__(server, name)
        self.client_id = '%032x' % random.getrandbits(128)
        self.last = b''

    def connect(self):
        return self.server.connect()

    def request(self, number, keys):
        if len(keys) == 1:
            path, body = 'put', {'key': keys[0], 'value': self.value(keys[0])}
        else:
            path = 'batch'
            body = {'operations': [{'type': 'put', 'key': k, 'value': self.value(k)}
                                   for k in keys]}
        text = json.dumps(body).encode()
        head = ('POST /api/v1/%s HTTP/1.1\r\nHost: x\r\nBlockdb-Client: %s\r\n'
                'Blockdb-Request: %d\r\nContent-Length: %d\r\n\r\n'
                % (path, self.client_id, number, len(text)))
        self.last = head.encode() + text
        return self.last

    def answered(self, f):
        """Whether a whole answer came."""
        status = f.readline()
        length = None
        while True:
            line = f.readline()
            if not line.endswith(b'\r\n'):
                return False
            if line == b'\r\n':
                break
            if line.lower().startswith(b'content-length:'):
                length = int(line.split(b':')[1])
        body = f.read(length)
        if len(body) < length:
            return False
        if not status.startswith(b'HTTP/1.1 200 '):
            self.refused = (status, body)
            return False
        return True

    def repeat(self):
        """Sends the unanswered request again, with the number it had."""
        if not self.unanswered:
            return
        with self.connect() as s, s.makefile('rb') as f:
            s.sendall(self.last)
            assert self.answered(f), 'a repeated request: %s' % (self.refused,)
        self.acknowledged.update((k, self.value(k)) for k in self.unanswered)


class RedisClient(Client):
    """Pipelined SET, and MSET, which is atomic."""

    def connect(self):
        return self.server.connect(self.server.resp_port)

    def keys(self, number):
        count = PIPELINE if number % 3 else BATCH
        return ['%s:%d:%d' % (self.name, number, i) for i in range(count)]

    def request(self, number, keys):
        pairs = [(k, self.value(k)) for k in keys]
        if len(keys) == BATCH:
            return command('MSET', *[text for pair in pairs for text in pair])
        return b''.join(command('SET', *pair) for pair in pairs)

    def answered(self, f):
        for i in range(1 if len(self.unanswered) == BATCH else PIPELINE):
            line = f.readline()
            if not line.endswith(b'\r\n'):
                return False
            if line != b'+OK\r\n':
                self.refused = line
                return False
            if len(self.unanswered) == PIPELINE:
                key = self.unanswered[i]
                self.acknowledged[key] = self.value(key)
        return True

    def repeat(self):
        """The protocol has no numbers: what was not answered stays unknown."""


def command(*words):
    parts = [b'*%d\r\n' % len(words)]
    for word in words:
        raw = word.encode()
        parts.append(b'$%d\r\n%s\r\n' % (len(raw), raw))
    return b''.join(parts)


def values_of(server, keys):
    """What the server has for these keys, by MGET."""
    values = []
    with server.connect(server.resp_port) as s, s.makefile('rb') as f:
        for start in range(0, len(keys), CHECK_BATCH):
            part = keys[start:start + CHECK_BATCH]
            s.sendall(command('MGET', *part))
            assert f.readline() == b'*%d\r\n' % len(part)
            for _ in part:
                length = int(f.readline()[1:])
                values.append(None if length < 0 else f.read(length + 2)[:-2].decode())
    return values


def check_acknowledged(server, expected):
    keys = list(expected)
    lost = [(k, v) for k, v in zip(keys, values_of(server, keys)) if v != expected[k]]
    assert not lost, '%d acknowledged entries are lost or changed: %s' % (len(lost), lost[:5])


def check_whole(server, client):
    """A batch that was not answered is there whole or not at all."""
    if len(client.unanswered) != BATCH:
        return
    found = [v is not None for v in values_of(server, client.unanswered)]
    assert all(found) or not any(found), 'a part of a batch: %s' % client.unanswered


def check_once(server, client):
    """Each key of what was repeated has one version."""
    for key in client.unanswered:
        status, _, body = server.get('/api/v1/history/' + key)
        assert status == 200, (status, body)
        versions = json.loads(body)['versions']
        assert len(versions) == 1, 'repeating appended twice: %s' % versions


def verify(server):
    with server.connect() as s:
        s.sendall(b'POST /api/v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n'
                  b'Connection: close\r\n\r\n')
        status, _, body = harness.parse_answer(harness.read_all(s))
    assert status == 202, (status, body)
    job = json.loads(body)['job']

    def ended():
        answer = json.loads(server.get('/api/v1/verify/%d' % job)[2])
        return answer if answer['state'] != 'running' else None
    answer = harness.wait_for(ended, 'the verification to end', 300)
    assert answer['state'] == 'done', answer


def load_and_kill(program, folder, config, round_number, rng):
    """The clients of one life of the server, which ends by SIGKILL."""
    with harness.Server(program, config, dir=folder) as server:
        clients = [kind(server, '%d-%s%d' % (round_number, kind.__name__, i))
                   for kind in (HttpClient, RedisClient) for i in range(3)]
        for client in clients:
            client.start()
        time.sleep(rng.choice([0.05, 0.3, 1.0]) * (0.5 + rng.random()))
        server.stop(signal.SIGKILL)
        for client in clients:
            client.join(harness.PATIENCE)
            assert not client.is_alive(), 'a client waits for an answer that cannot come'
            assert client.refused is None, client.refused
    return clients


def check_after(program, folder, config, clients, expected):
    with harness.Server(program, config, dir=folder) as server:
        for client in clients:
            client.server = server
            expected.update(client.acknowledged)
        check_acknowledged(server, expected)
        for client in clients:
            check_whole(server, client)
            client.repeat()
            if isinstance(client, HttpClient):
                check_once(server, client)
                expected.update(client.acknowledged)
        check_acknowledged(server, expected)
        verify(server)
        assert server.stop() == 0, server.log_text()


def main():
    program = sys.argv[1]
    seed = int(os.environ.get('BLOCKDB_TEST_SEED', random.randrange(2 ** 32)))
    print('BLOCKDB_TEST_SEED=%d' % seed)
    rng = random.Random(seed)
    random.seed(seed + 1)
    total = 0
    for mode in ('group', 'always'):
        config = '[database]\nwal_sync_mode = "%s"\n' % mode
        with tempfile.TemporaryDirectory(prefix='blockdb-kill-') as folder:
            expected = {}
            for round_number in range(ROUNDS // 2):
                clients = load_and_kill(program, folder, config, round_number, rng)
                check_after(program, folder, config, clients, expected)
            total += len(expected)
    assert total > 0, 'nothing was ever acknowledged: the test tests nothing'
    print('%d acknowledged entries survived' % total)


if __name__ == '__main__':
    main()
