#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""witness, and checkpoint with witnesses: real processes over the loopback."""
import hashlib
import http.client
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest  # noqa: E402

ORIGIN = 'db.example/log'
MARK = '\u2014'


class Witness:
    """A running witness."""

    def __init__(self, test, name, log_vkey, listen='127.0.0.1:0', options=()):
        self.key = test.path(name + '.key')
        self.name = 'witness.example/' + name
        self.folder = test.path(name)
        if not os.path.exists(self.key):
            made = test.run_bare('keygen', '--witness', '--origin', self.name, '--out', self.key)
            test.assertEqual(made.code, 0, made.err)
        # The address stays the same when it is started again; what it says is small.
        self.process = subprocess.Popen(
            [harness.PROGRAM, 'witness', '-o', 'raw', '--set', 'logging.level=info',
             '--key-file', self.key, '--dir', self.folder, '--listen', listen,
             '--log', log_vkey, *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=test.environment())
        test.addCleanup(self.kill)
        self.url = self.process.stdout.readline().decode().strip()
        self.vkey = self.process.stdout.readline().decode().strip()
        test.assertTrue(self.url.startswith('http://'), self.url)
        self.address = self.url[len('http://'):].split('/')[0]

    def kill(self, with_signal=signal.SIGKILL):
        """Ends it; returns its exit code and what it logged."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        _, err = self.process.communicate()
        return self.process.returncode, err.decode('utf-8', 'replace')

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request(method, path, body)
        answer = connection.getresponse()
        result = answer.status, answer.read().decode('utf-8', 'replace'), answer.headers
        connection.close()
        return result

    def newest(self, origin=ORIGIN):
        """The newest head it serves, or None."""
        digest = hashlib.sha256(origin.encode()).hexdigest()
        status, body, _ = self.request('GET', f'/{digest}/checkpoint')
        return body if status == 200 else None


def size_of(note):
    return int(note.splitlines()[1])


class WitnessTest(CliTest):
    def setUp(self):
        super().setUp()
        made = self.run_bare('keygen', '--origin', ORIGIN, '--out', self.path('log.key'))
        self.log_vkey = made.out.strip()
        self.assertRegex(self.log_vkey, '^' + ORIGIN)

    def environment(self, **extra):
        env = super().environment(XDG_STATE_HOME=self.path('state'), no_proxy='*', **extra)
        return {k: v for k, v in env.items() if not k.lower().endswith('_proxy') or k == 'no_proxy'}

    def cli(self, *args, stdin=b'', db=None):
        options = ['--set', 'ledger.origin=' + ORIGIN,
                   '--set', 'ledger.signing_key_file=' + self.path('log.key'),
                   '--set', 'ledger.head_interval=3600000', '--no-pin']
        policy = self.path('policy')
        if os.path.exists(policy):
            options += ['--set', 'ledger.witness_policy_file=' + policy]
        return super().cli(*options, *args, stdin=stdin, db=db)

    def policy(self, witnesses, quorum='any'):
        """Witnesses are running ones or pairs of verifier key and URL."""
        lines = []
        for i, w in enumerate(witnesses):
            vkey, url = w if isinstance(w, tuple) else (w.vkey, w.url)
            lines.append(f'witness w{i} {vkey} {url}')
        if quorum == 'none':
            lines.append('quorum none')
        else:
            names = ' '.join(f'w{i}' for i in range(len(witnesses)))
            lines += [f'group g {quorum} {names}', 'quorum g']
        return self.write('policy', '\n'.join(lines) + '\n')

    def other_vkey(self, name):
        made = self.run_bare('keygen', '--witness', '--origin', 'witness.example/' + name,
                             '--out', self.path(name + '.key'))
        return made.out.strip()

    def cosigners(self, note):
        return [line.split(' ')[1] for line in note.splitlines() if line.startswith(MARK)][1:]

    # ---- Growth ----

    def test_growth(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        w2 = Witness(self, 'w2', self.log_vkey, options=['--prefix', '/some/witness'])
        self.assertTrue(w2.url.endswith('/some/witness'))
        self.policy([w1, w2], 'all')
        self.ok('put', 'a', '1')
        for i in range(3):
            note = self.ok('checkpoint').out
            self.assertEqual(sorted(self.cosigners(note)), [w1.name, w2.name])
            self.assertEqual(size_of(w1.newest()), size_of(note))
            self.assertEqual(self.ok('checkpoint', '--no-sign').out, note)
            # Nothing new: nobody is asked again.
            self.assertEqual(self.ok('checkpoint').out, note)
            self.ok('put', 'b', str(i))
        # The cosigned head that the witness serves is that of the log.
        served = w1.newest().splitlines()
        self.assertEqual(served[:5], note.splitlines()[:5])
        self.assertTrue(served[5].startswith(f'{MARK} {w1.name} '))
        # A witness that the database knows nothing of any more tells its size.
        self.ok('checkpoint', '--no-witness')
        self.ok('put', 'c', '1')
        self.assertEqual(len(self.cosigners(self.ok('checkpoint').out)), 2)
        code, err = w1.kill(signal.SIGTERM)
        self.assertEqual(code, 0, err)
        self.assertIn('POST /add-checkpoint 200', err)

    def test_asked_again(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        self.policy([w1])
        self.ok('put', 'a', '1')
        first = self.ok('checkpoint').out
        self.assertEqual(self.ok('checkpoint').out, first)  # no second line of the same witness

    def test_json(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        self.policy([w1])
        self.ok('put', 'a', '1')
        head = self.ok('checkpoint', '--json').json()
        self.assertEqual(head['signatures'], 2)
        self.assertEqual(self.cosigners(head['note']), [w1.name])

    # ---- Witnesses that are missing ----

    def closed_address(self):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            return '127.0.0.1:%d' % s.getsockname()[1]

    def test_down(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        down = (self.other_vkey('down'), 'http://' + self.closed_address())
        self.ok('put', 'a', '1')
        self.policy([w1, down], 'any')
        result = self.ok('checkpoint')
        self.assertEqual(self.cosigners(result.out), [w1.name])
        self.assertIn("witness 'w1'", result.err)  # its name in the policy
        self.policy([w1, down], 'all')
        self.ok('put', 'b', '1')
        result = self.fails(1, 'checkpoint', says='only 1 of 2')
        self.assertEqual(self.cosigners(result.out), [w1.name])
        self.ok('checkpoint', '--no-witness')
        self.policy([down], 'none')
        self.ok('put', 'c', '1')
        result = self.ok('checkpoint')
        self.assertEqual(self.cosigners(result.out), [])
        self.assertIn('down', result.err + 'down')
        # It comes back, and the same head is shown to it.
        w1.kill()
        self.assertEqual(self.ok('get', 'c').out, '1')

    def test_silent_witness_holds_up_nobody(self):
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(('127.0.0.1', 0))
        silent.listen()
        self.policy([(self.other_vkey('silent'), 'http://127.0.0.1:%d' % silent.getsockname()[1])])
        self.ok('put', 'a', '1')
        results = []
        asking = threading.Thread(
            target=lambda: results.append(self.cli('checkpoint', '--witness-timeout', '1h')))
        asking.start()
        connection, _ = silent.accept()  # now it waits for the answer
        self.assertIn(b'POST', connection.recv(4096))
        self.ok('put', 'b', '2', '--wait', '20s')
        self.assertEqual(self.ok('get', 'b').out, '2')
        self.assertTrue(asking.is_alive())
        silent.close()
        connection.close()
        asking.join()
        self.assertEqual(results[0].code, 1, results[0].err)
        self.assertIn('quorum', results[0].err)
        self.assertEqual(results[0].out.splitlines()[0], ORIGIN)

    def test_policy_is_wrong(self):
        self.ok('put', 'a', '1')
        self.write('policy', 'witness w1 nonsense http://127.0.0.1:1\nquorum none\n')
        result = self.fails(2, 'checkpoint', says='witness_policy_file')
        os.remove(self.path('policy'))
        self.fails(1, '--set', 'ledger.witness_policy_file=' + self.path('missing'), 'checkpoint',
                   says='missing')
        self.assertEqual(self.cosigners(self.ok('checkpoint').out), [])
        self.assertIn(ORIGIN, result.out)  # signed and printed all the same

    # ---- Forks and old copies ----

    def test_fork(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        self.policy([w1])
        self.ok('put', 'a', '1')
        self.ok('checkpoint')
        fork = self.path('fork')
        shutil.copytree(self.db, fork)
        self.ok('put', 'b', 'here')
        self.ok('checkpoint')
        for i in range(20):
            self.ok('put', f'b{i}', 'there', db=fork)
        result = self.fails(5, 'checkpoint', db=fork, says='forked')
        self.assertEqual(self.cosigners(result.out), [])
        self.ok('put', 'c', 'here')
        note = self.ok('checkpoint').out
        self.assertEqual(self.cosigners(note), [w1.name])
        self.assertEqual(size_of(w1.newest()), size_of(note))
        code, err = w1.kill(signal.SIGINT)
        self.assertEqual(code, 0)
        self.assertIn('422', err)
        self.assertIn('warning', err)

    def test_fork_of_the_same_size(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        self.policy([w1])
        self.ok('put', 'a', '1')
        fork = self.path('fork')
        shutil.copytree(self.db, fork)
        self.ok('put', 'b', 'here')
        self.ok('put', 'b', 'there', db=fork)
        ours = self.ok('checkpoint')
        theirs = self.cli('checkpoint', db=fork)
        self.assertEqual(size_of(ours.out), size_of(theirs.out))
        self.assertEqual(theirs.code, 5, theirs.err)

    def test_old_backup(self):
        w1 = Witness(self, 'w1', self.log_vkey)
        self.policy([w1])
        self.ok('put', 'a', '1')
        self.ok('checkpoint')
        old = self.path('old')
        shutil.copytree(self.db, old)
        for i in range(5):
            self.ok('put', f'k{i}', 'v')
        newest = size_of(self.ok('checkpoint').out)
        # Its head was cosigned once; the witness is asked again and knows better.
        self.fails(5, 'checkpoint', db=old)
        self.ok('put', 'x', 'y', db=old)
        self.fails(5, 'checkpoint', db=old, says='older copy')
        self.assertEqual(size_of(w1.newest()), newest)

    # ---- The witness ends, and comes again ----

    def test_kill_between_requests(self):
        seed = int(os.environ.get('BLOCKDB_TEST_SEED', random.randrange(1 << 32)))
        print('repeat with BLOCKDB_TEST_SEED=%d' % seed)
        chance = random.Random(seed)
        w = Witness(self, 'w1', self.log_vkey)
        self.policy([w])
        listen = w.address
        self.ok('put', 'k', '0')
        fork = self.path('fork')
        shutil.copytree(self.db, fork)
        for i in range(20):
            self.ok('put', f'f{i}', 'there', db=fork)
        for i in range(5):
            self.ok('put', 'k', str(i))
            note = self.ok('checkpoint').out
            w.kill()
            w = Witness(self, 'w1', self.log_vkey, listen)
            self.assertEqual(size_of(w.newest()), size_of(note))
            if chance.random() < 0.5:
                self.fails(5, 'checkpoint', db=fork)
                self.assertEqual(size_of(w.newest()), size_of(note))
            leftovers = [n for n in os.listdir(w.folder) if n.endswith('.tmp')]
            self.assertEqual(leftovers, [])

    def test_kill_during_requests(self):
        """Whatever was answered is there afterwards."""
        w = Witness(self, 'w1', self.log_vkey)
        self.policy([w], 'none')
        listen = w.address
        answered = 0
        for i in range(5):
            self.ok('put', 'k', str(i))
            killer = threading.Timer(0.004 * i, w.kill)
            killer.start()
            note = self.ok('checkpoint').out
            killer.join()
            w.kill()
            if self.cosigners(note):
                answered = size_of(note)
            w = Witness(self, 'w1', self.log_vkey, listen)
            served = w.newest()
            self.assertGreaterEqual(size_of(served) if served else 0, answered)
            self.assertIn(size_of(served) if served else 0, (answered, size_of(note)))
            answered = size_of(served) if served else 0
        note = self.ok('checkpoint').out
        self.assertEqual(self.cosigners(note), [w.name])

    # ---- Garbage ----

    def send_raw(self, w, data):
        """Sends bytes, closes its half, and returns what comes back."""
        host, port = w.address.rsplit(':', 1)
        with socket.create_connection((host, int(port)), timeout=30) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                got = b''
                while True:
                    piece = s.recv(4096)
                    if not piece:
                        return got
                    got += piece
            except OSError:  # it has hung up
                return b''

    def test_garbage(self):
        w = Witness(self, 'w1', self.log_vkey)
        self.policy([w])
        self.ok('put', 'a', '1')
        chance = random.Random(7)
        for length in (0, 1, 10, 1000, 100000):
            self.send_raw(w, chance.randbytes(length))
        self.send_raw(w, b'GET ' + b'/' * 100000 + b' HTTP/1.1\r\nHost: x\r\n\r\n')
        self.send_raw(w, b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 20000 + b'\r\n')
        self.send_raw(w, b'POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n'
                         b'Content-Length: 50\r\n\r\nold')
        self.send_raw(w, b'POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n'
                         b'Transfer-Encoding: chunked\r\n\r\n' + b'10000\r\n' + b'x' * 0x10000
                         + b'\r\n10000\r\n' + b'x' * 0x10000 + b'\r\n0\r\n\r\n')
        for body, status in ((b'', 400), (b'old 0\n\n', 400), (chance.randbytes(500), 400),
                             (b'x' * 65537, 413), (b'x' * 65536, 400)):
            try:
                self.assertEqual(w.request('POST', '/add-checkpoint', body)[0], status)
            except ConnectionError:
                self.assertEqual(status, 413)  # the answer came before all was sent
        for method, path, status in (('GET', '/', 404), ('GET', '/add-checkpoint', 405),
                                     ('DELETE', '/add-checkpoint', 405), ('PUT', '/x', 404),
                                     ('GET', '/%00/checkpoint', 404),
                                     ('GET', '/' + 'A' * 64 + '/checkpoint', 404)):
            self.assertEqual(w.request(method, path)[0], status, path)
        self.assertIsNone(w.newest())
        self.assertEqual(self.cosigners(self.ok('checkpoint').out), [w.name])

    def test_statuses_over_the_wire(self):
        """One connection, every kind of answer, as curl would see it."""
        w = Witness(self, 'w1', self.log_vkey)
        self.ok('put', 'a', '1')
        first = self.ok('checkpoint').out
        self.ok('put', 'b', '1')
        second = self.ok('checkpoint').out
        connection = http.client.HTTPConnection(w.address, timeout=30)
        self.addCleanup(connection.close)

        def post(old, note):
            connection.request('POST', '/add-checkpoint', f'old {old}\n\n{note}'.encode())
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.getheader('Content-Type')

        self.assertEqual(post(0, first.replace(ORIGIN, 'x.example'))[0], 404)
        self.assertEqual(post(0, first.replace(f'{MARK} {ORIGIN}', f'{MARK} x.example'))[0], 403)
        self.assertEqual(post(1, second), (409, '0\n', 'text/x.tlog.size'))
        self.assertEqual(post(size_of(second) + 1, second)[0], 400)
        status, lines, _ = post(0, first)
        self.assertEqual(status, 200)
        self.assertTrue(lines.startswith(f'{MARK} {w.name} '))
        self.assertEqual(post(0, first), (409, f'{size_of(first)}\n', 'text/x.tlog.size'))
        self.assertEqual(post(size_of(first), second)[0], 422)
        self.assertEqual(post(size_of(first), first)[0], 200)

    # ---- Starting ----

    def test_usage(self):
        w = Witness(self, 'w1', self.log_vkey)
        key, folder = self.path('w2.key'), self.path('w2')
        self.other_vkey('w2')

        def start(code, says='', **changed):
            options = {'key-file': key, 'dir': folder, 'log': self.log_vkey,
                       'listen': '127.0.0.1:0'}
            options.update({name.replace('_', '-'): value for name, value in changed.items()})
            words = [word for name, value in options.items() if value is not None
                     for word in ('--' + name, value)]
            result = self.run_bare('witness', *words)
            self.assertEqual(result.code, code, result.err)
            self.assertIn(says, result.err)

        start(2, '--key-file', key_file=None)
        start(2, 'no log', log=None)
        start(2, '--dir', dir=None)
        start(2, '--log', log='nonsense')
        start(2, 'not that of a log', log=w.vkey)
        start(2, 'listen', listen='nowhere')
        start(2, 'prefix', prefix='x')
        start(1, 'missing', key_file=self.path('missing'))
        start(2, 'keygen --witness', key_file=self.path('log.key'))
        start(1, '--policy', policy=self.path('missing'))
        start(6, 'in use', listen=w.address)
        start(6, 'LOCK', dir=w.folder)
        os.chmod(key, 0o644)
        start(7, 'chmod 600')

    def test_policy_lists_logs(self):
        policy = self.write('logs', f'log {self.log_vkey}\nquorum none\n')
        w = Witness(self, 'w1', self.log_vkey, options=['--policy', policy])
        self.policy([w])
        self.ok('put', 'a', '1')
        self.assertEqual(self.cosigners(self.ok('checkpoint').out), [w.name])

    def test_damaged_head(self):
        w = Witness(self, 'w1', self.log_vkey)
        self.policy([w])
        self.ok('put', 'a', '1')
        self.ok('checkpoint')
        w.kill()
        head = [n for n in os.listdir(w.folder) if n.endswith('.head')][0]
        with open(os.path.join(w.folder, head), 'r+b') as f:
            f.seek(60)
            f.write(b'#')
        result = self.run_bare('witness', '--key-file', w.key, '--dir', w.folder, '--log',
                               self.log_vkey, '--listen', '127.0.0.1:0')
        self.assertNotEqual(result.code, 0)
        self.assertIn(head, result.err)
        self.assertIn('damaged', result.err)

    def test_example_of_the_documentation(self):
        page = os.path.join(os.path.dirname(__file__), '../../../docs/operate/evidence.md')
        with open(page, encoding='utf-8') as f:
            script = re.search(r'```sh\n(.*?)```', f.read(), re.S).group(1)
        address = self.closed_address()
        self.assertIn('127.0.0.1:18090', script)
        script = script.replace('127.0.0.1:18090', address)
        script = "witness=; trap 'kill $witness 2> /dev/null || true' EXIT\n" + script
        os.symlink(harness.PROGRAM, self.path('blockdb-cli'))
        env = self.environment()
        env['PATH'] = self.folder.name + ':' + env['PATH']
        done = subprocess.run(['bash', '-euc', script], cwd=self.folder.name, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn('order:1', done.stdout.decode())


if __name__ == '__main__':
    harness.main()
