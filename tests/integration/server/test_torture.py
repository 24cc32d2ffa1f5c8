#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 aimed at the moments that matter: at the n-th change of a table, the manifest, a segment
of the ledger, the WAL, the heads, the map, and while it recovers, of a server whose files are so
small that it flushes, merges, signs and redacts all the time. Clients of both protocols, redis-cli,
curl and blockdb-cli write meanwhile. Afterwards whatever was acknowledged is there: entries, whole
batches, erasures, users; every signed head is a part of the tree; everything verifies; a backup
that was done can be restored.

Usage: test_torture.py BLOCKDB-SERVER BLOCKDB-CLI [ROUNDS]"""
import base64
import ctypes
import hashlib
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import server_harness as harness  # noqa: E402
import test_kill as kill  # noqa: E402

ROUNDS = 300 if os.environ.get('BLOCKDB_TEST_LONG') else 7
ROUNDS_OF_A_DIRECTORY = 20
ORIGIN = 'db.example/torture'
# What a kill waits for, by the names of files; None: only for the time.
AIMS = {'table': r'\.sst', 'manifest': r'^(CURRENT|MANIFEST)', 'segment': r'\.blk', 'wal': r'\.wal',
        'heads': r'^heads', 'map': r'\.map|\.tiles', 'time': None}
AIM_SECONDS = 2.0
EVENTS = 0x2 | 0x8 | 0x80 | 0x100 | 0x200  # written, closed, renamed, made, removed
CONFIG = '''
[database]
memtable_size_limit = "64KiB"
wal_file_size = "64KiB"
wal_keep_size = "256KiB"
ledger_segment_size = "64KiB"
compaction_threshold = 2
block_interval = 10
[ledger]
origin = "%s"
signing_key_file = "%s"
head_interval = 10
proof_map = true
[server]
drain_time = 0
backup_dir = "%s"
'''


class Watch:
    """Counts changes of files whose names match, in some folders."""

    def __init__(self, folders, pattern):
        self.pattern = re.compile(pattern.encode())
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert self.fd >= 0, os.strerror(ctypes.get_errno())
        for folder in folders:
            self.libc.inotify_add_watch(self.fd, folder.encode(), EVENTS)

    def wait(self, count, seconds):
        """Until `count` changes were seen; whether they were."""
        end = time.monotonic() + seconds
        while count > 0 and time.monotonic() < end:
            try:
                count -= self.matching(os.read(self.fd, 65536))
            except BlockingIOError:
                time.sleep(0.0002)
        return count <= 0

    def matching(self, data):
        at = found = 0
        while at < len(data):
            length, = struct.unpack_from('I', data, at + 12)
            found += bool(self.pattern.search(data[at + 16:at + 16 + length].rstrip(b'\0')))
            at += 16 + length
        return found

    def close(self):
        os.close(self.fd)


class Tools(kill.Client):
    """redis-cli, curl and blockdb-cli in turn, each a process of its own."""
    CLI = None

    def run(self):
        number = 0
        while self.refused is None and self.server.process.poll() is None:
            number += 1
            self.unanswered = ['%s:%d' % (self.name, number)]
            key = self.unanswered[0]
            words, text = self.command(number % 3, key, self.value(key))
            done = subprocess.run(words, input=text, capture_output=True, text=True, check=False,
                                  env=dict(os.environ, BLOCKDB_PIN='off'))
            if done.returncode != 0 or 'Could not connect' in done.stderr:
                return
            if not re.search(r'OK|"success":true|seq \d+', done.stdout):
                self.refused = done.stdout + done.stderr
                return
            self.acknowledged[key] = self.value(key)
            self.unanswered = []

    def command(self, which, key, value):
        url = 'http://127.0.0.1:%d' % self.server.port
        if which == 0:
            return ['redis-cli', '-e', '-p', str(self.server.resp_port), 'SET', key, value], ''
        if which == 1:
            body = json.dumps({'key': key, 'value': value})
            return ['curl', '-sSf', '-d', '@-', url + '/api/v1/put'], body
        return [self.CLI, '--url', url, '-o', 'table', 'put', key, '-'], value

    def repeat(self):
        """What was not answered stays unknown."""


class Admin(threading.Thread):
    """Does what rewrites files: flush, compact, checkpoint, redact, backup, users. `state` has what
    was acknowledged and outlives the server."""

    def __init__(self, server, state, rng):
        super().__init__(daemon=True)
        self.server, self.state, self.rng = server, state, rng
        self.refused = None
        self.name = 'admin'

    def run(self):
        try:
            while self.refused is None:
                self.rng.choice((self.flush, self.compact, self.checkpoint, self.redact,
                                 self.redact, self.user, self.backup))()
        except (OSError, ValueError, IndexError):
            pass  # no answer: the server is gone

    def ask(self, method, path, body=None, good=(200, 202)):
        text = b'' if body is None else json.dumps(body).encode()
        with self.server.connect() as s:
            s.sendall(('%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n'
                       '\r\n' % (method, path, len(text))).encode() + text)
            status, headers, answer = harness.parse_answer(harness.read_all(s))
        if status == 0 or len(answer) < int(headers.get('content-length', 0)):
            raise OSError('the answer broke off')
        if status not in good:
            self.refused = (method, path, status, answer)
        return answer

    def flush(self):
        self.ask('POST', '/api/v1/flush')

    def compact(self):
        self.ask('POST', '/api/v1/compact?wait=1')

    def checkpoint(self):
        lines = self.ask('POST', '/api/v1/checkpoint').decode().split('\n')
        self.state.heads.append((int(lines[1]), base64.b64decode(lines[2])))

    def redact(self):
        """A version of a key that has two."""
        key = 'person:%016x' % self.rng.getrandbits(64)
        secret = base64.b64encode(self.rng.randbytes(self.rng.choice((60, 3000)))).decode()
        seq = json.loads(self.ask('POST', '/api/v1/put', {'key': key, 'value': secret}))['seq']
        self.ask('POST', '/api/v1/put', {'key': key, 'value': 'new'})
        if self.rng.random() < 0.5:
            self.ask('POST', '/api/v1/flush')
        self.state.half_erased = seq
        self.ask('POST', '/api/v1/redact', {'key': key, 'seq': seq, 'reason': 'torture'})
        self.state.erased[seq] = secret

    def user(self):
        name = 'user%d' % self.rng.randrange(5)
        roles = self.rng.sample(['reader', 'writer', 'auditor'], self.rng.randrange(1, 3))
        self.state.changing = name
        if name not in self.state.users:
            self.ask('POST', '/api/v1/users', {'name': name, 'roles': roles}, (200, 201, 409))
            self.state.users[name] = sorted(roles)
        elif self.rng.random() < 0.5:
            self.ask('PUT', '/api/v1/users/' + name, {'roles': roles})
            self.state.users[name] = sorted(roles)
        else:
            self.ask('DELETE', '/api/v1/users/' + name)
            del self.state.users[name]
        self.state.changing = None

    def backup(self):
        name = 'b%016x' % self.rng.getrandbits(64)
        answer = json.loads(self.ask('POST', '/api/v1/backup', {'directory': name}, (202, 409)))
        while 'job' in answer and answer.get('state', 'running') == 'running':
            answer = json.loads(self.ask('GET', '/api/v1/backup/%d' % answer['job']))
        if answer.get('state') == 'done':
            self.state.backups.append(name)


class State:
    """What was acknowledged in a directory, over all lives of its server."""

    def __init__(self):
        self.expected = {}       # values by key
        self.heads = []          # (size, root)
        self.erased = {}         # values by entry
        self.half_erased = None  # the entry of the last redaction, perhaps without an answer
        self.users = {}          # roles by name
        self.changing = None     # the user whose last change was not answered
        self.backups = []


# ---- After a kill

def root_of_inclusion(leaf, seq, size, path):
    """The root that a proof of RFC 6962 leads to."""
    def above(left, right):
        return hashlib.sha256(b'\1' + left + right).digest()
    node, last = seq, size - 1
    for sibling in path:
        assert last > 0
        if node & 1 or node == last:
            leaf = above(sibling, leaf)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            leaf = above(leaf, sibling)
        node, last = node >> 1, last >> 1
    assert last == 0
    return leaf


def check_heads(server, state, rng):
    """The tree still has each root that was signed: the newest ones and some older."""
    for size, root in state.heads[-3:] + rng.sample(state.heads, min(5, len(state.heads))):
        seq = rng.randrange(size)
        status, _, body = server.get('/api/v1/proof/inclusion?seq=%d&size=%d' % (seq, size))
        assert status == 200, (size, status, body)
        proof = json.loads(body)
        found = root_of_inclusion(bytes.fromhex(proof['leaf_hash']), seq, size,
                                  [bytes.fromhex(h) for h in proof['hashes']])
        assert found == root, 'the tree of %d entries has another root than was signed' % size


def check_erased(server, folder, state):
    for seq, secret in state.erased.items():
        status, _, body = server.get('/api/v1/entry/%d' % seq)
        assert status == 200 and json.loads(body).get('redacted'), (seq, status, body)
    for place, _, names in os.walk(os.path.join(folder, 'data')):
        for name in names:
            try:
                with open(os.path.join(place, name), 'rb') as f:
                    data = f.read()
            except FileNotFoundError:
                continue  # merged away
            for seq, secret in state.erased.items():
                assert secret.encode()[:40] not in data, 'entry %d stands in %s' % (seq, name)


def check_users(server, state):
    listed = json.loads(server.get('/api/v1/users')[2])['users']
    found = {u['name']: sorted(u['roles']) for u in listed}
    for name in set(found) | set(state.users):
        if name != state.changing:
            assert found.get(name) == state.users.get(name), (name, found, state.users)
    state.users, state.changing = found, None


def check_after(server, folder, state, clients, rng):
    for client in clients:
        client.server = server
        state.expected.update(client.acknowledged)
    kill.check_acknowledged(server, state.expected)
    for client in clients:
        kill.check_whole(server, client)
        client.repeat()
        state.expected.update(client.acknowledged)
    check_heads(server, state, rng)
    check_users(server, state)
    check_erased(server, folder, state)
    kill.verify(server)


def check_end(cli, folder, state):
    """Without a server; and a backup that was done."""
    env = dict(os.environ, XDG_STATE_HOME=os.path.join(folder, 'state'))
    places = [os.path.join(folder, 'data')]
    if state.backups:
        places.append(os.path.join(folder, 'restored'))
        subprocess.run([cli, 'restore', os.path.join(folder, 'backups', state.backups[-1]),
                        '--to', places[1]], check=True, env=env, capture_output=True)
    for place in places:
        done = subprocess.run([cli, '--data-dir', place, 'verify'], env=env, capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr


# ---- Rounds

def kill_recovering(program, folder, config, rng):
    """A life that ends before it has begun."""
    with harness.Server(program, config, dir=folder, wait=False) as server:
        time.sleep(rng.random() * 0.1)
        server.stop(signal.SIGKILL)


def load_and_kill(program, folder, config, state, rng, aim):
    with harness.Server(program, config, dir=folder) as server:
        data = os.path.join(folder, 'data')
        watch = Watch([data] + [os.path.join(data, sub) for sub in (
            'wal', 'ledger', 'ledger/map', 'ledger/tile/0')], AIMS[aim] or 'never')
        mark = '%016x' % rng.getrandbits(64)
        clients = [kind(server, '%s-%s' % (mark, kind.__name__))
                   for kind in (kill.HttpClient, kill.RedisClient, Tools)]
        admin = Admin(server, state, rng)
        for thread in clients + [admin]:
            thread.start()
        if AIMS[aim]:
            time.sleep(rng.random() * 0.3)
            watch.wait(rng.randrange(1, 40), AIM_SECONDS)
        else:
            time.sleep(rng.random())
        server.stop(signal.SIGKILL)
        watch.close()
        for thread in clients + [admin]:
            thread.join(harness.PATIENCE)
            assert not thread.is_alive(), '%s waits for an answer that cannot come' % thread
            assert thread.refused is None, thread.refused
    return clients


def one_directory(programs, rounds, rng):
    """Lives of a server on one directory; what became of it, to be told."""
    server_program, cli = programs
    state = State()
    folder = tempfile.mkdtemp(prefix='blockdb-torture-')
    os.mkdir(os.path.join(folder, 'backups'))
    key = os.path.join(folder, 'log.key')
    subprocess.run([cli, 'keygen', '--origin', ORIGIN, '--out', key], check=True,
                   capture_output=True)
    config = CONFIG % (ORIGIN, key, os.path.join(folder, 'backups'))
    print('in %s' % folder, flush=True)
    for aim in rounds:
        print('  %s' % aim, flush=True)
        clients = load_and_kill(server_program, folder, config, state, rng, aim)
        for _ in range(rng.randrange(3)):
            kill_recovering(server_program, folder, config, rng)
        with harness.Server(server_program, config, dir=folder) as server:
            check_after(server, folder, state, clients, rng)
            server.stop(rng.choice((signal.SIGKILL, signal.SIGINT)))
    check_end(cli, folder, state)
    shutil.rmtree(folder)  # kept when something failed
    return state


def main():
    programs = [os.path.abspath(p) for p in sys.argv[1:3]]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else ROUNDS
    seed = int(os.environ.get('BLOCKDB_TEST_SEED', random.randrange(2 ** 32)))
    print('BLOCKDB_TEST_SEED=%d' % seed, flush=True)
    rng = random.Random(seed)
    random.seed(seed + 1)
    Tools.CLI = programs[1]
    aims = [rng.choice(list(AIMS)) if i >= len(AIMS) else list(AIMS)[i] for i in range(count)]
    told = {'entries': 0, 'heads': 0, 'erased': 0, 'backups': 0}
    for first in range(0, count, ROUNDS_OF_A_DIRECTORY):
        state = one_directory(programs, aims[first:first + ROUNDS_OF_A_DIRECTORY], rng)
        told['entries'] += len(state.expected)
        for name in ('heads', 'erased', 'backups'):
            told[name] += len(getattr(state, name))
    assert told['entries'] > 0, 'nothing was ever acknowledged: the test tests nothing'
    print('%d kills survived: %s' % (count, told))


if __name__ == '__main__':
    main()
