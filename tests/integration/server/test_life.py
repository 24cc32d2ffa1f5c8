#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blockdb-server as a service: flags, exit codes, signals, reload, logs, the service manager."""
import os
import re
import shutil
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

PROGRAM = sys.argv.pop(1)
FAST = '[server]\ndrain_time = 0\n'


def run(*arguments, env=None):
    return subprocess.run([PROGRAM] + list(arguments), capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, **(env or {})), check=False)


class Flags(unittest.TestCase):
    def test_help_and_version(self):
        self.assertIn('--port-file', run('--help').stdout)
        self.assertRegex(run('--version').stdout, r'^blockdb-server \d+\.\d+\.\d+\n$')

    def test_prints_a_configuration_it_accepts(self):
        text = run('--print-default-config').stdout
        self.assertIn('[server]', text)
        self.assertIn('max_connections = 1000', text)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'all.toml')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text)
            done = run('--config', path, '--check-config')
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            done = run('--config', folder, '--set', 'server.port=81', '--print-config',
                       env={'BLOCKDB_SERVER_MAX_CONNECTIONS': '77'})
            self.assertIn('\nport = 81\n', done.stdout)
            self.assertIn('\nmax_connections = 77\n', done.stdout)

    def test_refuses_what_is_wrong(self):
        for arguments, says in (
                (['--prot', '1'], "did you mean '--port'"),
                (['--port'], 'needs a value'),
                (['--help=1'], 'takes no value'),
                (['--port', '99999'], 'out of range'),
                (['--set', 'server.port'], 'NAME=VALUE'),
                (['--set', 'server.max_conections=1'], "did you mean 'max_connections'"),
                (['--set', 'server.port=7', '--set', 'server.resp_port=7'], 'must not be the same'),
                (['--set', 'server.output_max=65536'], 'output_high'),
                (['--set', 'security.tls_cert=x'], 'go together'),
                (['--set', 'security.tls_ca=x'], 'asks clients for certificates'),
                (['--set', 'cluster.election_timeout=100'], 'above heartbeat_interval'),
                (['--set', 'cluster.two_pc_timeout=30'], 'below transaction_timeout'),
                (['--set', 'server.host='], 'host is empty'),
                (['--set', 'memory_limit=1000'], 'memory_limit'),
                (['--set', 'write_buffer_size=5000'], 'no multiple of 4096: use 4096'),
                (['--set', 'ledger.signer_command=true'], 'needs the option signer_key'),
                (['--set', 'ledger.origin=a b'], 'cannot name a log'),
                (['--host', 'no.such.host.invalid'], 'no.such.host.invalid')):
            done = run('--check-config', *arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(says, done.stderr)

    def test_pairs_are_refused_with_their_place(self):
        with tempfile.TemporaryDirectory(prefix='blockdb-pairs-') as folder:
            path = os.path.join(folder, 'x.toml')
            for text, lines, says in (
                    ('[server]\noutput_max = 65536\n', (2,), 'output_high'),
                    ('[server]\nport = 0\noutput_high = "1GiB"\n', (3,), 'output_high'),
                    ('[server]\nport = 7\nresp_port = 7\n', (2, 3), 'must not be the same'),
                    ('[security]\ntls_key = "x"\n', (2,), 'go together'),
                    ('[cluster]\npeer_port = 8080\n', (2,), 'peer_port'),
                    ('[server]\nport = 65535\n[cluster]\npeers = "b:8080"\n', (2,), 'the last'),
                    ('[cluster]\nheartbeat_interval = 400\n', (2,), 'election_timeout'),
                    ('[cluster]\ntwo_pc_timeout = 30\n', (2,), 'transaction_timeout'),
                    ('[ledger]\nsigner_command = "true"\n', (2,), 'signer_key'),
                    ('[ledger]\norigin = "a b"\n', (2,), 'cannot name a log'),
                    ('[database]\nblock_cache_size = "4GiB"\nmemory_limit = "1GiB"\n', (3, 2),
                     'or lower block_cache_size'),
                    ('[database]\n\nwrite_buffer_size = 5000\n', (3,), 'no multiple of 4096')):
                with open(path, 'w', encoding='utf-8') as f:
                    f.write(text)
                done = run('--config', path, '--check-config')
                self.assertEqual(done.returncode, 2, (text, done.stderr))
                places = ' and '.join('%s:%d' % (path, line) for line in lines)
                self.assertIn(' ' + places + ': option', done.stderr)
                self.assertIn(says, done.stderr)

    def test_paths(self):
        """Checked before anything is opened, by --check-config and by a start."""
        with tempfile.TemporaryDirectory(prefix='blockdb-paths-') as folder:
            path, file = os.path.join(folder, 'x.toml'), os.path.join(folder, 'file')
            with open(file, 'w', encoding='utf-8'):
                pass
            for table, key, value, code, says in (
                    ('server', 'backup_dir', '/none', 1, 'make it'),
                    ('server', 'backup_dir', file, 2, 'not a directory'),
                    ('server', 'unix_socket', '/none/x', 1, "no directory '/none'"),
                    ('logging', 'file', '/none/x.log', 1, "no directory '/none'"),
                    ('logging', 'file', folder, 2, 'name a file'),
                    ('security', 'audit_log_file', '/none/x.log', 1, "no directory '/none'"),
                    ('ledger', 'signing_key_file', folder, 2, 'name a file'),
                    ('database', 'data_dir', file, 2, 'not a directory'),
                    ('database', 'wal_dir', file, 2, 'not a directory')):
                with open(path, 'w', encoding='utf-8') as f:
                    f.write('[%s]\n%s = "%s"\n' % (table, key, value))
                done = run('--config', path, '--check-config')
                self.assertEqual(done.returncode, code, (key, done.stderr))
                place = "%s:2: option %s.%s = '%s'" % (path, table, key, value)
                self.assertIn(place, done.stderr)
                self.assertIn(says, done.stderr)
                if key == 'backup_dir':
                    started = run('--config', path, '--port', '0', '--data-dir',
                                  os.path.join(folder, 'data'))
                    self.assertEqual(started.returncode, code, started.stderr)
                    self.assertIn(place, started.stderr)
                    self.assertFalse(os.path.exists(os.path.join(folder, 'data')))

    def test_collisions(self):
        for arguments, says in (
                (['--set', 'server.host=127.0.0.1 127.0.0.1'], 'listened on twice'),
                (['--set', 'cluster.peer_port=8080'], 'peer_port')):
            done = run('--check-config', *arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(says, done.stderr)
        with tempfile.TemporaryDirectory(prefix='blockdb-twice-') as folder:
            done = run('--set', 'server.host=127.0.0.1 127.0.0.1', '--port', '0', '--data-dir',
                       os.path.join(folder, 'data'))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn('listened on twice', done.stderr)

    def test_says_what_cannot_work(self):
        for arguments, says in (
                (['--host', '0.0.0.0'], 'insecure'),
                (['--set', 'security.tls_cert=/none.pem', '--set', 'security.tls_key=/none.key'],
                 '/none.pem'),
                (['--set', 'ledger.signing_key_file=/none'], 'signing_key_file'),
                (['--set', 'ledger.witness_policy_file=/none'], 'witness_policy_file'),
                (['--set', 'security.admin_token_file=/none'], 'admin_token_file'),
                (['--set', 'server.max_connections=1000000'], 'LimitNOFILE')):
            done = run('--check-config', *arguments)
            self.assertEqual(done.returncode, 1, (arguments, done.stderr))
            self.assertIn(says, done.stderr)
        self.assertEqual(run('--check-config', '--host', '0.0.0.0', '--set',
                             'security.insecure=true').returncode, 0)


class Start(unittest.TestCase):
    def fails(self, says, *arguments):
        with tempfile.TemporaryDirectory() as folder:
            done = run('--data-dir', os.path.join(folder, 'd'), *arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(says, done.stderr)

    def test_says_why_it_cannot_start(self):
        with Server(PROGRAM, FAST) as s:
            self.fails('in use', '--port', str(s.port), '--set', 'server.resp_port=0')
            done = run('--data-dir', s.data_dir, '--port', '0')
            self.assertEqual(done.returncode, 1)
            self.assertIn('pid %d' % s.process.pid, done.stderr.replace('process', 'pid'))
        self.fails('no address of this machine', '--host', '192.0.2.7', '--port', '0', '--set',
                   'security.insecure=true')
        self.fails('/proc/none', '--data-dir', '/proc/none/d', '--port', '0')

    def test_missing_wal_directory(self):
        with tempfile.TemporaryDirectory() as folder:
            wal = os.path.join(folder, 'wal')
            with Server(PROGRAM, FAST, ['--set', 'wal_dir=' + wal], dir=folder) as s:
                self.assertEqual(s.stop(), 0)
            shutil.rmtree(wal)
            done = run('--data-dir', os.path.join(folder, 'data'), '--set', 'wal_dir=' + wal,
                       '--port', '0')
            self.assertEqual(done.returncode, 1)
            self.assertIn(wal, done.stderr)

    def test_several_addresses(self):
        config = FAST + 'host = ["127.0.0.1", "::1"]\nunix_socket = "unix.socket"\n'
        with Server(PROGRAM, config) as s:
            path = os.path.join(s.dir, 'unix.socket')
            for family, where in ((socket.AF_INET6, ('::1', s.port)), (socket.AF_UNIX, path)):
                with socket.socket(family) as c:
                    c.connect(where)
                    c.sendall(b'GET /health HTTP/1.0\r\n\r\n')
                    self.assertEqual(parse_answer(read_all(c))[0], 200)
            self.assertEqual(s.stop(), 0)
            self.assertFalse(os.path.exists(path))

    @staticmethod
    def threads_of(s):
        """By number; a thread names itself when it begins to run."""
        names = {}
        for task in os.listdir('/proc/%d/task' % s.process.pid):
            with open('/proc/%d/task/%s/comm' % (s.process.pid, task), encoding='ascii') as f:
                names[int(task)] = f.read().strip()
        return names

    def test_one_process_with_named_threads(self):
        with Server(PROGRAM, FAST + 'worker_threads = 3\n') as s:
            expected = {'worker-0', 'worker-1', 'worker-2', 'read-0', 'long-0'}
            wait_for(lambda: expected <= set(self.threads_of(s).values()), 'threads with names')
            wait_for(lambda: s.is_sanitized() or  # those have a thread of their own
                     [task for task, name in self.threads_of(s).items()
                      if name == 'blockdb-server'] == [s.process.pid], 'one thread of its name')
            names = self.threads_of(s).values()
            self.assertNotIn('worker-3', names)
            with open('/proc/%d/cmdline' % s.process.pid, encoding='utf-8') as f:
                self.assertIn('--config', f.read())
            with open('/proc/%d/limits' % s.process.pid, encoding='ascii') as f:
                row = re.search(r'^Max open files +(\d+) +(\d+)', f.read(), re.M)
            self.assertEqual(row.group(1), row.group(2))
            if not s.is_sanitized():
                with open('/proc/%d/status' % s.process.pid, encoding='ascii') as f:
                    size_kib = int(re.search(r'^VmSize:\s+(\d+) kB', f.read(), re.M).group(1))
                self.assertLess(size_kib, 8 << 20)


class Stop(unittest.TestCase):
    def test_drains(self):
        with Server(PROGRAM, '[server]\ndrain_time = 3\n') as s:
            self.assertEqual(s.get('/health')[0], 200)
            with s.connect() as open_one:
                open_one.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
                self.assertIn(b' 200 ', open_one.recv(4096))
                s.send(signal.SIGTERM)
                s.wait_log('stopping on SIGTERM')
                wait_for(lambda: s.get('/health')[0] == 503, '/health to say 503')
                open_one.sendall(b'GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
                answer = parse_answer(read_all(open_one))
            self.assertEqual(answer[0], 503)
            self.assertEqual(answer[1].get('connection', '').lower(), 'close')
            self.assertEqual(s.process.wait(30), 0)
            self.assertIn('stopped', s.log_text())

    def test_second_signal_is_fast(self):
        with Server(PROGRAM, '[server]\ndrain_time = 3600\n') as s:
            with s.connect():
                start = time.monotonic()
                s.send(signal.SIGTERM)
                s.wait_log('stopping on SIGTERM')
                s.send(signal.SIGTERM)
                self.assertEqual(s.process.wait(30), 0)
                self.assertLess(time.monotonic() - start, 20)

    def test_idle_connections_do_not_hold_up_a_stop(self):
        with Server(PROGRAM, FAST) as s:
            idle = [s.connect() for _ in range(20)] + [s.connect(s.resp_port) for _ in range(5)]
            self.assertEqual(s.stop(signal.SIGTERM), 0)
            for c in idle:
                self.assertEqual(read_all(c), b'')
                c.close()

    def test_requests_in_flight_finish(self):
        with Server(PROGRAM, FAST) as s:
            body = b'{"key":"a","value":"%s"}' % (b'v' * 10000)
            with s.connect() as c:
                c.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n'
                          % len(body) + body[:100])
                time.sleep(0.2)
                s.send(signal.SIGTERM)
                s.wait_log('stopping on SIGTERM')
                time.sleep(0.3)
                self.assertIsNone(s.process.poll())
                with self.assertRaises(ConnectionRefusedError):  # no new ones
                    s.connect()
                c.sendall(body[100:])
                status, headers, answer = parse_answer(read_all(c))
            self.assertEqual(status, 200, answer)
            self.assertEqual(headers.get('connection', '').lower(), 'close')
            self.assertEqual(s.process.wait(30), 0)

    def test_answers_are_durable_after_kill_9(self):
        with tempfile.TemporaryDirectory() as folder:
            with Server(PROGRAM, FAST, dir=folder) as s:
                with s.connect(s.resp_port) as c:
                    for i in range(200):
                        c.sendall(b'SET key%d value%d\r\n' % (i, i))
                        self.assertEqual(c.recv(64), b'+OK\r\n')
                s.process.kill()
                s.process.wait()
            with Server(PROGRAM, FAST, dir=folder) as s:
                with s.connect(s.resp_port) as c:
                    for i in range(200):
                        c.sendall(b'GET key%d\r\n' % i)
                        self.assertIn(b'value%d\r\n' % i, c.recv(64))
                self.assertEqual(s.stop(), 0)


class Reload(unittest.TestCase):
    def test_takes_over_what_it_can(self):
        with Server(PROGRAM, FAST) as s:
            s.write_config(FAST + 'max_connections = 7\nmax_idle_time = 1\nlong_threads = 5\n'
                                  '[logging]\nlevel = "debug"\n')
            with s.connect() as old:
                s.send(signal.SIGHUP)
                s.wait_log('server.max_connections: 1000 -> 7\n')
                s.wait_log('logging.level: warning -> debug\n')
                s.wait_log('server.long_threads: 0 -> 5 (needs a restart)')
                old.sendall(b'GET /health HTTP/1.0\r\n\r\n') # nothing was dropped
                self.assertIn(b' 200 ', old.recv(4096))
            with s.connect() as c: # new connections know the new time
                c.settimeout(20)
                self.assertEqual(c.recv(1), b'')
            self.assertEqual(s.stop(), 0)

    def test_all_or_nothing(self):
        with Server(PROGRAM, FAST) as s:
            s.write_config(FAST + 'max_connections = 7\nmax_idle_tim = 1\n')
            s.send(signal.SIGHUP)
            s.wait_log('nothing has changed')
            s.wait_log("did you mean 'max_idle_time'")
            s.write_config(FAST + 'max_connections = 7\n[security]\ntls_cert = "/none"\n'
                                  'tls_key = "/none"\n')
            s.send(signal.SIGHUP)
            s.wait_log('nothing has changed', 2)
            self.assertNotIn('1000 -> 7', s.log_text())
            self.assertEqual(s.get('/health')[0], 200)
            s.write_config(FAST)
            s.send(signal.SIGHUP)
            s.wait_log('no key has changed')
            self.assertNotIn('certificates', s.log_text())
            self.assertEqual(s.stop(), 0)

    def test_log_files(self):
        with Server(PROGRAM, FAST + '[logging]\nfile = "server.log"\nformat = "json"\n') as s:
            log = os.path.join(s.dir, 'server.log')

            def text():
                with open(log, encoding='utf-8') as f:
                    return f.read()
            self.assertIn('"message":"blockdb-server ', text())
            os.rename(log, log + '.1')
            s.send(signal.SIGUSR1)
            wait_for(lambda: os.path.exists(log) and 'open anew' in text(), 'a new log file')
            self.assertEqual(s.stop(), 0)
            self.assertIn('stopped', text())


class Manager(unittest.TestCase):
    def messages(self, s, until):
        got = []

        def seen():
            try:
                got.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return False
            return any(until in m for m in got)
        wait_for(seen, 'notification ' + until)
        return '\n'.join(got)

    def test_notifies(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'notify')
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(path)
            self.socket.setblocking(False)
            env = {'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '200000'}
            with Server(PROGRAM, FAST, env=env) as s:
                self.assertIn('STATUS=Serving', self.messages(s, 'READY=1'))
                self.messages(s, 'WATCHDOG=1')
                s.send(signal.SIGHUP)
                self.assertRegex(self.messages(s, 'READY=1'), r'RELOADING=1\nMONOTONIC_USEC=\d+')
                s.send(signal.SIGTERM)
                self.messages(s, 'STOPPING=1')
                self.assertEqual(s.process.wait(30), 0)
            self.socket.close()


if __name__ == '__main__':
    unittest.main(verbosity=2)
