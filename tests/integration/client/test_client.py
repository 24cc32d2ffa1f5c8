#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libblockdb-client and blockdb-cli against a real server.
test_client.py SERVER CLI SUITE EXAMPLE..."""
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'server'))
from server_harness import Server, wait_for  # noqa: E402
from job_proxy import JobProxy  # noqa: E402

PROGRAM, CLI, SUITE, EXAMPLES = None, None, None, []  # set by main()
PATIENCE = 60


def run(*command, stdin=b'', env=None):
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=env, timeout=PATIENCE, check=False)


class Case(unittest.TestCase):
    SIGNS = False

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='blockdb-client-test.')
        self.addCleanup(self.folder.cleanup)
        config = '[server]\nresp_port = 0\nbackup_dir = "%s"\n' % self.path('backups')
        os.mkdir(self.path('backups'))
        if self.SIGNS:
            done = run(CLI, 'keygen', '--origin', 'example.org/log', '--out', self.path('key'))
            self.vkey = done.stdout.decode().strip()
            config += ('[ledger]\norigin = "example.org/log"\nsigning_key_file = "%s"\n'
                       'proof_map = true\n' % self.path('key'))
        self.server = Server(PROGRAM, config)
        self.addCleanup(self.server.__exit__)
        self.url = 'http://127.0.0.1:%d' % self.server.port

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def environment(self, **extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith('BLOCKDB_')}
        env.update(XDG_STATE_HOME=self.path('state'), XDG_CONFIG_HOME=self.path('config'),
                   BLOCKDB_URL=self.url)
        env.update(extra)
        return env

    def cli(self, *args, code=0, stdin=b'', env=None):
        done = run(CLI, *args, stdin=stdin, env=env or self.environment())
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        return done.stdout.decode('utf-8', 'replace') if code == 0 else done.stderr.decode()


class Library(Case):
    SIGNS = True

    def test_suite(self):
        done = run(SUITE, self.url, self.vkey)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_examples(self):
        for example in EXAMPLES:
            done = run(example, self.url)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Commands(Case):
    """What is done on a server and on a directory looks the same."""

    def both(self, *args, code=0, stdin=b''):
        """The output of a command on the server, after comparing it with that on a directory."""
        outputs = [self.cli(*args, code=code, stdin=stdin),
                   self.cli('--data-dir', self.path('db'), *args, code=code, stdin=stdin)]
        self.assertEqual(self.timeless(outputs[0]), self.timeless(outputs[1]))
        return outputs[0]

    @staticmethod
    def timeless(text):
        """Without times, and seqs: a directory ends a block each time it is closed."""
        text = re.sub(r'\d{4}-\d\d-\d\dT[\d:.]+Z', 'TIME', text)
        text = re.sub(r'(?m)^ +\d+ ', 'SEQ ', text)
        return re.sub(r'("seq":|"first_seq":|seq |to |entry )\d+', 'SEQ', text)

    def test_data(self):
        self.both('put', 'a', '1')
        self.both('put', 'a', '2')
        self.both('put', 'a', '3', '--if-absent', code=4)
        self.both('put', 'k/ü x', 'värde', '--durability', 'always')
        self.both('put', 'bin', 'AP8=', '--base64')
        self.assertEqual(self.both('get', 'a'), '2')
        self.both('get', 'a', '--json')
        self.both('get', 'a', '-o', 'table')
        self.assertEqual(self.both('get', 'a', '--at', '0'), '1')
        self.assertEqual(self.both('get', 'bin', '--base64'), 'AP8=\n')
        self.both('get', 'nope', code=3)
        self.both('delete', 'a')
        self.both('get', 'a', code=3)
        self.both('history', 'a')
        self.both('history', 'a', '-o', 'jsonl', '--limit', '2')
        self.both('history', 'never', code=3)

    def test_files_of_the_user(self):
        """That they cannot be read or written is no trouble with the server."""
        self.both('put', 'a', '@/none', code=1)
        self.both('batch', '/none', code=1)
        self.both('import', '/none', code=1)
        self.both('import', '/none', '--format', 'csv', '--key-field', 'k', code=1)

    def test_lists(self):
        lines = ''.join('{"type":"put","key":"k%04d","value":"v%d"}\n' % (i, i)
                        for i in range(2300)).encode()
        self.cli('import', '-', stdin=lines)
        self.cli('--data-dir', self.path('db'), 'import', '-', stdin=lines)
        for args in (['scan', '-o', 'jsonl'], ['scan', 'k00', '--reverse'],
                     ['scan', '--start', 'k0003', '--end', 'k0007', '--json'],
                     ['scan', 'k1', '--limit', '5'], ['scan', 'zzz'],
                     ['scan', '--keys-only', '-o', 'raw'], ['scan', '--at', '7', '-o', 'raw'],
                     ['scan', '--as-of', '2100-01-01T00:00:00Z', '--limit', '3'],
                     ['export'], ['export', 'k2', '--format', 'csv']):
            self.both(*args)
        self.both('scan', '--as-of', '2020-01-01T00:00:00Z', code=3)
        self.both('batch', '-', stdin=b'{"type":"put","key":"x","value":"1"}\n'
                                      b'{"type":"delete","key":"k0000"}\n')
        self.both('batch', '-', code=4,
                  stdin=b'{"type":"put","key":"x","value":"1","if_absent":true}\n')
        self.both('batch', '-', code=2, stdin=b'{"key":1}\n')

    def test_admin(self):
        self.cli('put', 'a', '1')
        self.cli('flush')
        self.cli('compact')
        self.cli('compact', '--no-wait')
        stats = json.loads(self.cli('stats', '--json'))
        self.assertEqual(stats['puts'], 1)
        self.assertEqual(len(stats['ledger_id']), 32)
        local = json.loads(self.cli('--data-dir', self.path('db'), 'put', 'a', '1', '--json'))
        self.assertEqual(local['seq'], 0)
        other = json.loads(self.cli('--data-dir', self.path('db'), 'stats', '--json'))
        self.assertEqual(set(stats), set(other))
        self.assertEqual(json.loads(self.cli('verify', '--json'))['result'], 'ok')
        self.assertIn('"height":0', self.cli('blocks', '-o', 'jsonl').replace(' ', ''))
        self.cli('block', '0')
        self.cli('block', '99', code=3)
        self.cli('redact', 'a', '--seq', '0', '--reason', 'test')
        self.assertIn('redacted', self.cli('get', 'a', code=1))
        self.cli('backup', 'today')
        self.assertTrue(os.path.exists(self.path('backups/today/CURRENT')))
        self.cli('backup', 'today', code=4)
        self.assertEqual(json.loads(self.cli('cluster', 'status', '--json'))['state'], 'Leader')
        self.assertIn('Leader', self.cli('cluster', 'status'))
        self.cli('cluster', 'add', 'x', code=1)
        for args in (['audit', '--state', 'x'], ['export-log', self.path('log')]):
            self.assertIn('--data-dir', self.cli(*args, code=2))
        self.assertIn('watch follows a server',
                      self.cli('--data-dir', self.path('db'), 'watch', code=2))

    def test_shell(self):
        out = self.cli('shell', stdin=b'put a 1\nget a\nscan -o raw\nget b\n', code=3)
        self.assertIn("key 'b' not found", out)
        self.cli('shell', stdin=b'--url http://x get a\n', code=2)

    def test_watch(self):
        self.cli('put', 'w/0', 'before')
        process = subprocess.Popen([CLI, 'watch', 'w/', '--from', '0', '-o', 'jsonl'],
                                   stdout=subprocess.PIPE, env=self.environment())
        self.addCleanup(process.stdout.close)
        first = json.loads(process.stdout.readline())
        self.assertEqual((first['key'], first['value']), ('w/0', 'before'))
        self.cli('put', 'other', 'x')
        self.cli('put', 'w/1', 'after')
        second = json.loads(process.stdout.readline())
        self.assertEqual((second['key'], second['seq']), ('w/1', 2))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 130)
        self.assertEqual(self.cli('watch', '--from', '1', '--limit', '2', '-o', 'raw').count('\n'),
                         2)

    def test_watch_outlives_the_server(self):
        self.cli('put', 'w', 'before')
        process = subprocess.Popen([CLI, 'watch', '--from', '0', '-o', 'jsonl'],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        self.assertEqual(json.loads(process.stdout.readline())['value'], 'before')
        dir, port = self.server.dir, self.server.port
        self.server.owns_dir = False
        self.server.stop()
        self.assertIn(b'waiting for the server', process.stderr.readline())
        self.server = Server(PROGRAM, '[server]\nresp_port = 0\n', dir=dir,
                             flags=['--port', str(port)])
        self.addCleanup(shutil.rmtree, dir, True)
        self.addCleanup(self.server.__exit__)
        self.cli('put', 'w', 'after')
        lines = [json.loads(process.stdout.readline()) for _ in range(1)]
        while lines[-1]['value'] != 'after':
            lines.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 130)

    def test_nobody_there(self):
        done = run(CLI, '--url', 'http://127.0.0.1:1', 'get', 'a', env=self.environment())
        self.assertEqual(done.returncode, 6)
        self.assertIn(b'is a server running there?', done.stderr)
        for command in ('watch',), ('cluster', 'status'), ('verify',), ('user', 'list'):
            self.cli('--url', 'http://127.0.0.1:1', *command, code=6)
        self.cli('--url', 'ftp://x', 'get', 'a', code=2)
        self.cli('--url', self.url, '--data-dir', self.path('db'), 'get', 'a', code=2)
        self.cli('--url', 'http://u:p@x', 'get', 'a', code=2)

    def test_profiles(self):
        os.makedirs(self.path('config/blockdb'))
        profiles = self.path('config/blockdb/profiles.toml')
        with open(profiles, 'w', encoding='ascii') as f:
            f.write('[default]\nurl = "%s"\n[other]\nurl = "http://127.0.0.1:1"\n' % self.url)
        env = self.environment()
        del env['BLOCKDB_URL']
        self.cli('put', 'a', '1', env=env)
        self.cli('--profile', 'default', 'get', 'a', env=env)
        self.cli('--profile', 'other', 'get', 'a', env=env, code=6)
        self.assertIn('no profile', self.cli('--profile', 'none', 'get', 'a', env=env, code=2))
        self.cli('get', 'a', env=dict(env, BLOCKDB_PROFILE='other'), code=6)
        with open(profiles, 'w', encoding='ascii') as f:
            f.write('[default]\nurll = "x"\n')
        self.assertIn("did you mean 'url'", self.cli('get', 'a', env=env, code=2))


class Evidence(Case):
    SIGNS = True

    def test_proofs(self):
        seq = str(json.loads(self.cli('put', 'a', '1', '--json'))['seq'])
        self.cli('put', 'a', '2')
        self.assertTrue(self.cli('checkpoint').startswith('example.org/log\n'))
        self.assertEqual(json.loads(self.cli('checkpoint', '--json'))['origin'], 'example.org/log')
        self.cli('prove', 'a', '-o', self.path('proof'))
        shown = self.cli('verify-proof', self.path('proof'), '--key', self.vkey, '--expect-newest')
        self.assertIn('2', shown)
        self.cli('prove', '--seq', seq, '--block', '-o', self.path('proof'))
        self.cli('prove', '--seq', seq, '-o', self.path('none/proof'), code=1)
        self.cli('verify-proof', self.path('proof'), '--key', self.vkey, '--expect-value', '1')
        self.assertEqual(self.cli('get', 'a', '--verify', '--key', self.vkey), '2')
        self.assertEqual(self.cli('get', 'a', '--verify', '--key', self.vkey, '--at', seq), '1')
        self.assertIn('--key', self.cli('get', 'a', '--verify', code=2))
        others = [run(CLI, 'keygen', '--origin', 'example.org/log', '--out',
                      self.path('key%d' % i)).stdout.decode().strip() for i in range(20)]
        keys = [word for key in (*others, self.vkey) for word in ('--key', key)]
        self.assertEqual(self.cli('get', 'a', '--verify', *keys), '2')
        self.cli('verify')

    def test_another_history(self):
        """A server that was put back, or replaced, is noticed by what was seen of it."""
        for i in range(5):
            self.cli('put', 'a', str(i))
        self.cli('checkpoint')
        self.cli('get', 'a', '--verify', '--key', self.vkey)
        self.cli('checkpoint')
        self.server.stop()
        other = Server(PROGRAM, '[server]\nresp_port = 0\n[ledger]\norigin = "example.org/log"\n'
                                'signing_key_file = "%s"\n' % self.path('key'))
        self.addCleanup(other.__exit__)
        env = self.environment(BLOCKDB_URL='http://127.0.0.1:%d' % other.port)
        for i in range(9):
            self.cli('put', 'a', 'x%d' % i, env=env)
        for args in (['checkpoint'], ['verify'], ['prove', 'a'],
                     ['get', 'a', '--verify', '--key', self.vkey]):
            self.assertIn('--forget-pin', self.cli(*args, env=env, code=5))
        self.cli('--forget-pin', 'checkpoint', env=env)
        self.cli('checkpoint', env=env)


class BrokenServer(Case):
    def test_its_failure_is_no_lost_connection(self):
        self.cli('put', 'a', '1')
        wal = os.path.join(self.server.data_dir, 'wal')
        os.rename(wal, wal + '.gone')
        value = self.path('value')
        with open(value, 'wb') as f:
            f.write(b'x' * 4000000)
        for i in range(100):
            done = run(CLI, 'put', 'k%d' % i, '@' + value, env=self.environment())
            if done.returncode != 0:
                break
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn(b'is a server running', done.stderr)
        os.rename(wal + '.gone', wal)


class LongWork(Case):
    """Work of the server that is followed by its job."""

    COMMANDS = (('compact',), ('verify',), ('backup', 'b'),
                ('redact', 'a', '--seq', '0', '--reason', 'asked', '--yes'))

    def setUp(self):
        super().setUp()
        self.cli('put', 'a', '1')
        self.proxy = JobProxy(self.server.port)
        self.addCleanup(self.proxy.close)

    def follow(self, *command, stderr=subprocess.PIPE):
        """Starts a command, and waits until it has asked about its job a few times."""
        self.proxy.held = True
        before = self.proxy.polls
        process = subprocess.Popen([CLI, '--url', self.proxy.url, '--no-pin', *command],
                                   stdout=subprocess.PIPE, stderr=stderr, env=self.environment(),
                                   stdin=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        if process.stderr is not None:
            self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        wait_for(lambda: self.proxy.polls > before + 3, 'polls of ' + command[0])
        return process

    def job(self, path):
        reply = self.server.get(path)
        self.assertEqual(reply[0], 200, reply)
        return json.loads(reply[2])

    def test_interrupt_leaves_the_job(self):
        for command in self.COMMANDS:
            process = self.follow(*command)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE), 130, command)
            said = process.stderr.read().decode()
            found = re.search('GET (http://127.0.0.1:[0-9]+)(/api/v1/%s/[0-9]+) tells' % command[0],
                              said)
            self.assertTrue(found, said)
            self.assertEqual(found.group(1), self.proxy.url)
            self.assertEqual('DELETE stops it' in said, command[0] != 'redact', said)
            wait_for(lambda path=found.group(2): self.job(path)['state'] == 'done', 'the end')
        self.assertEqual([p for p in self.proxy.paths if p.startswith('DELETE')], [])
        self.assertIn('redacted', self.cli('get', 'a', '--at', '0', code=1))
        self.assertTrue(os.path.exists(self.path('backups/b/CURRENT')))

    def test_lost_connections(self):
        for command in self.COMMANDS:
            process = self.follow(*command)
            self.proxy.cut = True
            before = self.proxy.polls
            wait_for(lambda count=before: self.proxy.polls > count + 9, 'polls that break')
            self.assertIsNone(process.poll())
            self.proxy.cut = self.proxy.held = False
            self.assertEqual(process.wait(PATIENCE), 0, process.stderr.read())
            self.proxy.cut = False

    def test_another_server(self):
        process = self.follow('compact')
        self.server.stop()
        self.server = Server(PROGRAM, '[server]\nresp_port = 0\n', dir=self.server.dir)
        self.addCleanup(self.server.__exit__)
        self.proxy.held = False
        self.proxy.server_port = self.server.port
        self.assertEqual(process.wait(PATIENCE), 1)
        self.assertIn(b'does not know job', process.stderr.read())

    def test_others_are_waited_for(self):
        """A redaction begins when another has ended; a compaction is as good as one's own."""
        self.cli('put', 'a', '2')
        redact = ('--url', self.proxy.url, '--no-pin', 'redact', 'a', '--reason', 'asked', '--yes')
        self.cli(*redact, '--seq', '0')
        self.proxy.busy = self.job('/api/v1/redact/1')
        self.cli(*redact, '--all')
        self.assertIn('redacted', self.cli('get', 'a', code=1))
        self.assertEqual(self.job('/api/v1/redact/2')['outcome']['count'], 1)
        compact = ('--url', self.proxy.url, '--no-pin', 'compact')
        self.cli(*compact)
        self.proxy.busy = self.job('/api/v1/compact/3')
        self.cli(*compact)
        self.assertEqual(self.server.get('/api/v1/compact/4')[0], 404)
        self.assertIsNone(self.proxy.busy)

    def test_progress(self):
        """A bar on a terminal, as on a directory, and no line of it stays."""
        for command in self.COMMANDS:
            primary, secondary = pty.openpty()
            process = self.follow(*command, stderr=secondary)
            os.close(secondary)
            seen = b''
            while b'50%' not in seen:
                seen += os.read(primary, 4096)
            self.assertIn(command[0].encode() + b': [############............]', seen)
            self.proxy.held = False
            try:
                while True:
                    more = os.read(primary, 4096)
                    seen += more
                    if not more:
                        break
            except OSError:
                pass  # the terminal's other end is closed
            os.close(primary)
            self.assertEqual(process.wait(PATIENCE), 0, seen)
            self.assertTrue(seen.endswith(b'\r\x1b[K'), seen[-80:])


class Secrets(unittest.TestCase):
    """TLS and tokens: what a client trusts, and how it says who it is."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='blockdb-client-test.')
        self.addCleanup(self.folder.cleanup)
        run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
            '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext',
            'subjectAltName=DNS:localhost', '-keyout', self.path('key'), '-out', self.path('cert'))

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def cli(self, *args, stdin=b''):
        env = {k: v for k, v in os.environ.items() if not k.startswith('BLOCKDB_')}
        env.update(XDG_STATE_HOME=self.path('state'), XDG_CONFIG_HOME=self.path('config'))
        return run(CLI, *args, stdin=stdin, env=env)

    def test_certificates_and_tokens(self):
        directory = self.path('db')
        done = self.cli('--data-dir', directory, 'put', 'k', 'v')
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.cli('--data-dir', directory, 'token', 'create', 'app', '--role', 'writer',
                        '--role', 'reader')
        self.assertEqual(done.returncode, 0, done.stderr)
        token = re.search(rb'bdb_\w+', done.stdout).group(0)
        with open(self.path('token'), 'wb') as f:
            f.write(token + b'\n')
        os.chmod(self.path('token'), 0o600)
        config = ('[server]\nresp_port = 0\n[security]\nenable_auth = true\n'
                  'tls_cert = "%s"\ntls_key = "%s"\n' % (self.path('cert'), self.path('key')))
        with Server(PROGRAM, config, flags=['--data-dir', directory], wait=False) as server:
            for _ in range(300):
                if os.path.exists(server.port_path) and os.path.getsize(server.port_path):
                    break
                time.sleep(0.1)
            with open(server.port_path, encoding='ascii') as f:
                url = 'https://localhost:%s' % f.readline().strip()
            trusted = ('--url', url, '--cacert', self.path('cert'))
            secret = ('--token-file', self.path('token'))

            done = self.cli(*trusted, *secret, 'get', 'k')
            self.assertEqual((done.returncode, done.stdout), (0, b'v'), done.stderr)
            done = self.cli(*trusted, 'get', 'k')
            self.assertEqual(done.returncode, 7, done.stderr)
            # What options choose is not mixed with what a profile has for the same end.
            os.makedirs(self.path('config/blockdb'))
            with open(self.path('config/blockdb/profiles.toml'), 'w', encoding='ascii') as f:
                f.write('[other]\nuser = "nobody"\npassword_file = "%s"\nkey = "%s"\n'
                        % (self.path('none'), self.path('none')))
            with open(self.path('both'), 'wb') as f:
                for name in ('cert', 'key'):
                    with open(self.path(name), 'rb') as part:
                        f.write(part.read())
            own = ('--cert', self.path('both'))
            done = self.cli('--profile', 'other', *trusted, *secret, *own, 'get', 'k')
            self.assertEqual((done.returncode, done.stdout), (0, b'v'), done.stderr)
            done = self.cli(*trusted, *secret, '--user', 'ann', 'get', 'k')
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(b'--token-file and --user exclude each other', done.stderr)
            done = self.cli(*trusted, *secret, '--cert-key', self.path('key'), 'get', 'k')
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(b'none is given (--cert)', done.stderr)
            done = self.cli('--url', url, *secret, 'get', 'k')
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn(b'--cacert', done.stderr)
            done = self.cli('--url', url, '--insecure', *secret, 'put', 'k', 'w')
            self.assertEqual(done.returncode, 0, done.stderr)
            done = self.cli('--url', url.replace('localhost', '127.0.0.1'), '--cacert',
                            self.path('cert'), *secret, 'get', 'k')
            self.assertEqual(done.returncode, 6, 'a certificate of another name was accepted')
            with open(server.log_path, 'rb') as f:
                self.assertNotIn(token, f.read())

    def test_audit(self):
        done = self.cli('keygen', '--origin', 'example.org/log', '--out', self.path('log.key'))
        vkey = done.stdout.decode().strip()
        config = ('[server]\nresp_port = 0\n[ledger]\norigin = "example.org/log"\n'
                  'signing_key_file = "%s"\n[security]\ntls_cert = "%s"\ntls_key = "%s"\n'
                  % (self.path('log.key'), self.path('cert'), self.path('key')))
        with Server(PROGRAM, config, wait=False) as server:
            wait_for(lambda: os.path.exists(server.port_path) and
                     os.path.getsize(server.port_path), 'a port')
            with open(server.port_path, encoding='ascii') as f:
                url = 'https://localhost:%s' % f.readline().strip()
            trusted = ('--cacert', self.path('cert'))
            for command in (('put', 'k', 'v'), ('checkpoint',)):
                done = self.cli('--url', url, *trusted, *command)
                self.assertEqual(done.returncode, 0, done.stderr)
            audit = ('audit', '--log', url, '--state', self.path('seen'), '--key', vkey)
            done = self.cli(*trusted, *audit)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = self.cli(*audit)
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assertIn(b'--cacert', done.stderr)
            done = self.cli('--cacert', self.path('none'), *audit)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(self.path('none').encode(), done.stderr)


class Restarts(Case):
    def test_retries_append_once(self):
        """Writers go on over kills of the server, and no write is there twice or lost."""
        dir, port = self.server.dir, self.server.port
        self.server.owns_dir = False
        stop = threading.Event()
        acknowledged = []

        def write(worker):
            n = 0
            while not stop.is_set():
                key = 'w%d/%d' % (worker, n)
                done = run(CLI, 'put', key, key, env=self.environment())
                if done.returncode == 0:
                    acknowledged.append(key)
                n += 1

        threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for _ in range(3):
            time.sleep(0.4)
            self.server.stop(signal.SIGKILL)
            with open(self.server.config_path, encoding='utf-8') as f:
                config = f.read()
            self.server = Server(PROGRAM, config, dir=dir, flags=['--port', str(port)])
            self.addCleanup(self.server.__exit__)
        time.sleep(0.4)
        stop.set()
        for t in threads:
            t.join()
        self.assertGreater(len(acknowledged), 50)
        for key in acknowledged:
            out = self.cli('history', key, '-o', 'jsonl')
            self.assertEqual(out.count('\n'), 1, (key, out))


def main():
    global PROGRAM, CLI, SUITE, EXAMPLES
    PROGRAM, CLI, SUITE = sys.argv[1:4]
    EXAMPLES = sys.argv[4:]
    unittest.main(argv=sys.argv[:1])


if __name__ == '__main__':
    main()
