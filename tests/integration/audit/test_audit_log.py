#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blockdb-cli audit and tools/check_log, side by side: both accept the same good logs and refuse
the same damaged and forged ones, from a directory, over HTTP and from a database.

Usage: test_audit_log.py BLOCKDB-CLI MAKE-LOG CHECK-LOG"""
import functools
import gzip
import hashlib
import http.server
import importlib.machinery
import importlib.util
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CLI = MAKE_LOG = CHECK_LOG = CHECKER = None  # set by main()
LONG = 'BLOCKDB_TEST_LONG' in os.environ
ENTRIES = 2000  # eight tiles and two levels
PUT_SEQ = 100   # a put of every log made here

# Tessera's test log: its entries are words, not BlockDB's.
FOREIGN_KEY = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx'
FOREIGN_WORDS = ('one two three four five six seven eit nain ten ileven twelf threeten fourten '
                 'fivten').split()
FOREIGN_HEAD = '''example.com/log/testdata
15
rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

\u2014 example.com/log/testdata M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1zfcBOhg+CKubMt53MvIt/uEWP\
6zdkdIQzd/fmwlM/dlPWF74ewI=
'''


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a log; bundles compressed to whoever can take that."""

    def log_message(self, *args):
        pass

    refusals = {}  # path: statuses to refuse with first

    def do_GET(self):
        path = self.translate_path(self.path)
        if self.refusals.get(self.path):
            self.send_error(self.refusals[self.path].pop(0))
            return
        if 'gzip' not in self.headers.get('Accept-Encoding', '') or '/entries/' not in self.path \
                or not os.path.isfile(path):
            super().do_GET()
            return
        with open(path, 'rb') as file:
            body = gzip.compress(file.read(), 1)
        self.send_response(200)
        self.send_header('Content-Encoding', 'gzip')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class AuditTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='blockdb-audit-test.')
        self.addCleanup(self.folder.cleanup)
        self.state = self.path('state')

    def path(self, *names):
        return os.path.join(self.folder.name, *names)

    def make_log(self, name, entries=ENTRIES, *more):
        done = subprocess.run([MAKE_LOG, self.path(name), str(entries), *more], check=True,
                              stdout=subprocess.PIPE, timeout=120)
        self.key = done.stdout.decode().strip()
        return self.path(name)

    def run_cli(self, *args):
        env = {k: v for k, v in os.environ.items() if not k.startswith('BLOCKDB_')}
        # Heads that the command line itself remembers are another test's affair.
        env['XDG_STATE_HOME'] = tempfile.mkdtemp(dir=self.folder.name)
        return subprocess.run([CLI, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=env, timeout=120, check=False)

    def audit(self, log, *more, state=None, key=None):
        return self.run_cli('--json', 'audit', '--state', state or self.state, '--log', log,
                            '--key', key or self.key, *more)

    def check(self, log, key=None):
        """Without a process of its own, which is most of the time."""
        try:
            CHECKER.Log(log, CHECKER.Key(key or self.key), True).check()
            code, message = 0, ''
        except CHECKER.Wrong as error:
            code, message = 5, str(error)
        return subprocess.CompletedProcess([], code, b'', message.encode())

    def run_check(self, log, key=None):
        return subprocess.run([sys.executable, CHECK_LOG, '--key', key or self.key, log],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False)

    def assert_good(self, done):
        self.assertEqual(done.returncode, 0, done.stderr.decode())

    def assert_bad(self, done, *parts):
        message = done.stderr.decode()
        self.assertEqual(done.returncode, 5, message + done.stdout.decode())
        for part in parts:
            self.assertIn(part, message)

    def test_good_log(self):
        log = self.make_log('log')
        done = self.audit(log)
        self.assert_good(done)
        report = json.loads(done.stdout)
        self.assertEqual(report['result'], 'ok')
        self.assertEqual(report['map'], 'checked')
        self.assertEqual(report['total_redactions'], 1)
        self.assertIn('key/1', report['configs'])
        self.assert_good(self.run_check(log))
        again = json.loads(self.audit(log).stdout)
        self.assertEqual((again['entries'], again['remembered_size']), (0, report['size']))

    def files_of(self, log):
        return sorted(os.path.join(at, name) for at, _, names in os.walk(log) for name in names)

    def test_flipped_bytes(self):
        """Any byte of any file, both refuse it and name the file."""
        log = self.make_log('log')
        seed = int(os.environ.get('BLOCKDB_TEST_SEED', time.time_ns() % 1000000))
        print(f'repeat with BLOCKDB_TEST_SEED={seed}', flush=True)
        dice = random.Random(seed)
        for path in self.files_of(log):
            with open(path, 'rb') as file:
                good = file.read()
            for _ in range(20 if LONG else 1):
                at = dice.randrange(len(good))
                wrong = bytearray(good)
                wrong[at] ^= 1 << dice.randrange(8)
                with open(path, 'wb') as file:
                    file.write(wrong)
                place = os.path.relpath(path, log)
                with self.subTest(file=place, at=at):
                    parts = [] if place == 'checkpoint' else [place]
                    if place != 'checkpoint':
                        self.assert_bad(self.audit(log, state=self.path('none')), *parts)
                        self.assert_bad(self.check(log), *parts)
                    else:
                        self.assertNotEqual(self.audit(log, state=self.path('none')).returncode, 0)
                        self.assertNotEqual(self.check(log).returncode, 0)
            with open(path, 'wb') as file:
                file.write(good)
        self.assertFalse(os.path.exists(self.path('none')))

    def test_forged(self):
        """An entry with all tiles and headers recomputed."""
        log = self.make_log('log')
        self.assert_good(self.audit(log))
        forged = self.make_log('forged', ENTRIES, 'forge', str(PUT_SEQ))
        # Nobody can tell who only sees the forged log with its signature.
        self.assert_good(self.check(forged))
        # Who remembers the true head can, and keeps the proof.
        self.assert_bad(self.audit(forged), 'is another than it was')
        forks = [n for n in os.listdir(self.folder.name) if n.startswith('state.fork-')]
        self.assertEqual(len(forks), 1)
        with open(self.path(forks[0]), encoding='utf-8') as file:
            evidence = file.read()
        for place in (log, forged):
            with open(os.path.join(place, 'checkpoint'), encoding='utf-8') as file:
                self.assertIn(file.read(), evidence)
        # And with the true head the forged entries do not go.
        shutil.copy(os.path.join(log, 'checkpoint'), forged)
        self.assert_bad(self.run_check(forged), 'have the root')
        self.assert_bad(self.audit(forged, state=self.path('none')))
        self.assert_bad(self.check(forged))

    def seeded(self):
        seed = os.environ.get('BLOCKDB_TEST_SEED') or str(time.time_ns())
        print('repeat with BLOCKDB_TEST_SEED=' + seed, flush=True)
        return random.Random(seed)

    def files(self, log):
        """Each file of a log, the head last."""
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(log) for name in names]
        return sorted(paths, key=lambda path: (os.path.basename(path) == 'checkpoint', path))

    def assert_flip_refused(self, log, path, at, bit, by=('audit', 'check')):
        place = os.path.relpath(path, log)
        with open(path, 'r+b') as file:
            file.seek(at)
            good = file.read(1)
            file.seek(at)
            file.write(bytes([good[0] ^ 1 << bit]))
        for name in by:
            done = self.audit(log, state=self.path('none')) if name == 'audit' else self.check(log)
            self.assertNotEqual(done.returncode, 0, '%s: byte %d of %s' % (name, at, place))
            if place != 'checkpoint':
                self.assert_bad(done, place)
        with open(path, 'r+b') as file:
            file.seek(at)
            file.write(good)

    def test_every_byte(self):
        """Of a small log each byte (a sample, unless at length), by both checkers."""
        dice = self.seeded()
        log = self.make_log('log', 40)
        flips = 0
        for path in self.files(log):
            step = 1 if LONG else 499
            for at in range(dice.randrange(step), os.path.getsize(path), step):
                self.assert_flip_refused(log, path, at, dice.randrange(8))
                flips += 1
        print('%d bytes were changed' % flips)
        self.assert_good(self.audit(log, state=self.path('end')))

    def forge_somewhere(self, dice, entries):
        """The same log with another entry, everything recomputed, at a place by chance."""
        while True:
            seq = dice.randrange(entries)
            done = subprocess.run([MAKE_LOG, self.path('forged'), str(entries), 'forge', str(seq)],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600,
                                  check=False)
            if done.returncode == 0:
                print('entry %d was forged' % seq)
                return self.path('forged')

    def test_large_log(self):
        """Changes anywhere in a large log; and one with all tiles and headers recomputed up to
        the head, which alone is the true one."""
        dice = self.seeded()
        entries = 1000000 if LONG else 20000
        log = self.make_log('log', entries)
        paths = self.files(log)
        sizes = [os.path.getsize(path) for path in paths]
        for i in range(40 if LONG else 4):
            path = dice.choices(paths[:-1], sizes[:-1])[0]
            self.assert_flip_refused(log, path, dice.randrange(os.path.getsize(path)),
                                     dice.randrange(8),
                                     ('audit', 'check') if i < 2 else ('audit',))
        forged = self.forge_somewhere(dice, entries)
        shutil.copy(os.path.join(log, 'checkpoint'), os.path.join(forged, 'checkpoint'))
        for done in (self.audit(forged, state=self.path('none')), self.check(forged)):
            self.assert_bad(done)
            self.assertNotEqual(done.stderr, b'')
            print(done.stderr.decode().strip())
        self.assert_good(self.audit(log, state=self.path('end')))

    def test_truncated_and_missing(self):
        log = self.make_log('log')
        for name in ('tile/entries/003', 'tile/0/003', 'tile/1/000.p/7', 'tile/entries/007.p/219'):
            path = os.path.join(log, name)
            if not os.path.exists(path):
                continue
            with open(path, 'rb') as file:
                good = file.read()
            with open(path, 'wb') as file:
                file.write(good[:-1])
            self.assert_bad(self.audit(log, state=self.path('none')), name)
            self.assert_bad(self.check(log), name)
            os.unlink(path)
            self.assert_bad(self.audit(log, state=self.path('none')), name, 'missing')
            self.assert_bad(self.check(log), name, 'missing')
            with open(path, 'wb') as file:
                file.write(good)
        self.assert_good(self.audit(log))

    def test_partial_falls_back(self):
        """A partial tile that is gone is taken from the full one."""
        small = self.make_log('small', 600)
        large = self.make_log('large', 600)
        for name in self.files_of(small):
            place = os.path.relpath(name, small)
            if '.p/' in place and not place.startswith('tile/1'):
                full = os.path.join(large, place.split('.p/')[0])
                with open(name, 'rb') as file:
                    head = file.read()
                shutil.rmtree(os.path.join(large, os.path.dirname(place)))
                with open(full, 'wb') as file:
                    file.write(head)
                    rest = 8192 - len(head) if 'entries' not in place else 10
                    file.write(bytes(rest))
        self.assert_good(self.audit(large))
        self.assert_good(self.check(large))

    def test_foreign_log(self):
        """A log in the same layout whose entries are not BlockDB's."""
        log = self.path('foreign')
        os.makedirs(os.path.join(log, 'tile/entries/000.p'))
        os.makedirs(os.path.join(log, 'tile/0/000.p'))
        words = [word.encode() for word in FOREIGN_WORDS]
        with open(os.path.join(log, 'tile/entries/000.p/15'), 'wb') as file:
            file.write(b''.join(len(w).to_bytes(2, 'big') + w for w in words))
        with open(os.path.join(log, 'tile/0/000.p/15'), 'wb') as file:
            file.write(b''.join(hashlib.sha256(b'\0' + w).digest() for w in words))
        with open(os.path.join(log, 'checkpoint'), 'w', encoding='utf-8') as file:
            file.write(FOREIGN_HEAD)
        self.assert_bad(self.audit(log, key=FOREIGN_KEY), 'entry 0', 'BlockDB')
        self.assert_bad(self.check(log, key=FOREIGN_KEY), 'entry 0', 'BlockDB')

    def test_http(self):
        log = self.make_log('log')
        handler = functools.partial(Handler, directory=log)
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f'http://127.0.0.1:{server.server_address[1]}/'
            done = self.audit(url)
            self.assert_good(done)
            os.unlink(os.path.join(log, 'tile/entries/001'))
            done = self.audit(url, state=self.path('none'))
            self.assert_bad(done, url + 'tile/entries/001', 'missing')
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_refusals_for_now(self):
        """What passes is waited for; what does not has its own exit code, and is no tampering."""
        log = self.make_log('log', 300)
        handler = type('Refusing', (Handler,), {'refusals': {}})
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), functools.partial(handler, directory=log))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f'http://127.0.0.1:{server.server_address[1]}'
            handler.refusals.update({'/checkpoint': [503, 503], '/tile/0/000': [429],
                                     '/tile/entries/000': [502, 503, 504]})
            self.assert_good(self.audit(url))
            self.assertEqual([left for left in handler.refusals.values() if left], [])
            partial = next(name for name in self.files(log) if '/tile/0/001.p/' in name)
            partial = partial[len(log):]
            for refusals, code, says in (
                    ({'/checkpoint': [503] * 4}, 6, 'HTTP status 503'),
                    ({'/checkpoint': [504] * 4}, 6, 'HTTP status 504'),
                    ({'/checkpoint': [500]}, 1, 'HTTP status 500'),
                    ({'/tile/entries/000': [404]}, 5, 'is missing'),
                    # The full tile could not be read, which does not say that it is missing.
                    ({partial: [404], '/tile/0/001': [403]}, 7, 'HTTP status 403')):
                handler.refusals.clear()
                handler.refusals.update(refusals)
                done = self.audit(url, state=self.path('none'))
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(says, done.stderr.decode())
                self.assertNotIn(b'is a server running', done.stderr)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def test_https(self):
        """The system's certificates, here those that SSL_CERT_FILE names, and no others."""
        log = self.make_log('log')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                        '-addext', 'subjectAltName=DNS:localhost', '-keyout', self.path('tls.key'),
                        '-out', self.path('tls.pem')], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path('tls.pem'), self.path('tls.key'))
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                 functools.partial(Handler, directory=log))
        # Not in the thread that accepts: a handshake that fails would end it.
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = 'https://localhost:%d/' % server.server_address[1]
            done = self.audit(url)
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn(b'certificate is not accepted', done.stderr)
            os.environ['SSL_CERT_FILE'] = self.path('tls.pem')
            self.assert_good(self.audit(url))
            done = self.audit(url.replace('localhost', '127.0.0.1'), state=self.path('none'))
            self.assertIn(b'certificate is not accepted', done.stderr)
            done = self.audit(url.replace('//', '//user:secret@'))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertNotIn(b'secret', done.stderr)
        finally:
            os.environ.pop('SSL_CERT_FILE', None)
            server.shutdown()
            thread.join()
            server.server_close()

    def test_interrupted(self):
        """Ctrl-C in the middle: the next audit goes on, and comes to the same."""
        log = self.make_log('log', 1000000 if LONG else 200000)
        runs = 0
        while True:
            process = subprocess.Popen([CLI, '--json', 'audit', '--state', self.state, '--log', log,
                                        '--key', self.key, '--threads', '1', '--no-map'],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if runs == 0:
                time.sleep(0.03)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            if process.returncode == 0:
                break
            self.assertEqual(process.returncode, 130, err.decode())
            runs += 1
            self.assertLess(runs, 100)
        report = json.loads(out)
        self.assertEqual(report['from'] + report['entries'], report['size'])
        self.assertEqual(report['total_blocks'], 2 + (200 if not LONG else 1000))

    def database(self, name, lines):
        content = ''.join(f'key{i % 300}\tvalue {i} of {name}\n' for i in lines)
        self.run_cli('--data-dir', self.path(name), 'import', '--format', 'lines',
                     self.write(name + '.tsv', content))
        return self.path(name)

    def write(self, name, content):
        with open(self.path(name), 'w', encoding='utf-8') as file:
            file.write(content)
        return self.path(name)

    def test_database(self):
        database = self.database('db', range(3000))
        command = ['--json', '--data-dir', database, 'audit', '--state', self.state]
        done = self.run_cli(*command)
        self.assert_good(done)
        report = json.loads(done.stdout)
        self.assertEqual(report['values'], 'checked')
        self.assertIn('not signed', report['signature'])
        self.run_cli('--data-dir', database, 'put', 'new', 'value')
        report = json.loads(self.run_cli(*command).stdout)
        self.assertEqual(report['result'], 'ok')
        self.assertGreater(report['from'], 0)
        # A key demands a signature.
        log_key = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
        self.assert_bad(self.run_cli(*command, '--key', log_key), 'no signed head')

    def test_everything_exported(self):
        """What the programs make themselves: signed heads, an export that grows, proof files, a
        redaction. Both checkers accept it."""
        key = self.run_cli('keygen', '--origin', 'example.org/all', '--out', self.path('key'))
        self.assert_good(key)
        self.key = key.stdout.decode().strip()
        settings = ['--set', 'ledger.origin=example.org/all',
                    '--set', 'ledger.signing_key_file=' + self.path('key'),
                    '--set', 'ledger.proof_map=true']
        database = self.path('db')

        def run(*args):
            done = self.run_cli('--data-dir', database, *settings, *args)
            self.assert_good(done)
            return done.stdout.decode()

        content = ''.join(f'key{i % 700}\tvalue {i}\n' for i in range(2500))
        run('import', '--format', 'lines', self.write('in.tsv', content))
        large = self.write('large', 'x' * 100000)
        log = self.path('log')
        for step in range(3):
            run('put', 'erased', f'a value {step}')
            run('put', 'large', '@' + large)
            erased = json.loads(run('--json', 'history', 'erased'))[0]['seq']
            if step == 1:
                run('redact', 'erased', '--seq', str(erased), '--reason', 'a test')
            run('delete', 'key5')
            run('checkpoint')
            run('export-log', log)
            self.assert_good(self.audit(log))
            self.assert_good(self.check(log))
        report = json.loads(self.audit(log, '--full').stdout)
        self.assertEqual(report['total_redactions'], 1)
        done = self.run_cli('--json', '--data-dir', database, *settings, 'audit', '--state',
                            self.path('other'), '--key', self.key)
        self.assert_good(done)
        self.assertEqual(json.loads(done.stdout)['values'], 'checked')
        for name, args in (('entry', ['--seq', '1000', '--block']),
                           ('range', ['--seq', str(erased + 1), '--range', '20000:10'])):
            run('prove', *args, '--file', self.path(name))
            done = subprocess.run([sys.executable, CHECK_LOG, '--key', self.key, '--proof',
                                   self.path(name)], stderr=subprocess.PIPE, timeout=60,
                                  stdout=subprocess.PIPE, check=False)
            self.assert_good(done)

    def test_forked_database(self):
        """Two directories that share a prefix and differ afterwards."""
        first = self.database('first', range(2000))
        second = self.path('second')
        shutil.copytree(first, second)
        for place, value in ((first, 'one'), (second, 'two')):
            self.run_cli('--data-dir', place, 'put', 'key', value)
        audit = ['audit', '--state', self.state]
        self.assert_good(self.run_cli('--data-dir', first, *audit))
        self.assert_bad(self.run_cli('--data-dir', second, *audit), 'another than it was')
        self.run_cli('--data-dir', second, 'put', 'key', 'three')
        self.assert_bad(self.run_cli('--data-dir', second, *audit), 'another than it was')

    def test_usage(self):
        log = self.make_log('log', 100)
        for args in (['--log', log, '--key', self.key],                      # no state
                     ['--state', self.state, '--log', log],                  # no key
                     ['--state', self.state, '--log', log, '--key', 'x'],
                     ['--state', self.state, '--log', log, '--key', self.key, '--threads', '999']):
            self.assertEqual(self.run_cli('audit', *args).returncode, 2)
        self.assertEqual(self.audit(self.path('nowhere')).returncode, 1)
        self.assertEqual(self.run_cli('audit', '--state', self.state, '--log', log, '--policy',
                                      self.path('nowhere')).returncode, 1)


def main():
    global CLI, MAKE_LOG, CHECK_LOG, CHECKER
    CLI, MAKE_LOG, CHECK_LOG = sys.argv[1:4]
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.dirname(CHECK_LOG))
    loader = importlib.machinery.SourceFileLoader('check_log', CHECK_LOG)
    CHECKER = importlib.util.module_from_spec(importlib.util.spec_from_loader('check_log', loader))
    loader.exec_module(CHECKER)
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])


if __name__ == '__main__':
    main()
