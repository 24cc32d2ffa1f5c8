#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis-cli, redis-benchmark and the clients ioredis and node-redis against a server, with no
special options. Usage: test_redis.py BLOCKDB_SERVER BLOCKDB_CLI"""
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'server'))
from server_harness import Server  # noqa: E402

SERVER = CLI = None  # set by main()
NODE_CLIENTS = {'ioredis5': 'npm:ioredis@5', 'ioredis6': 'npm:ioredis@6',
                'redis4': 'npm:redis@4', 'redis6': 'npm:redis@6'}
NPM_SECONDS = 120


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class RedisTest(unittest.TestCase):
    """All tests of a class share one server."""
    MORE = ''

    @classmethod
    def setUpClass(cls):
        config = '[server]\nresp_port = %d\n%s' % (free_port(), cls.MORE)
        cls.server = Server(SERVER, config)
        cls.addClassCleanup(cls.server.__exit__)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.process.poll() is None, cls.server.log_text()

    def run_tool(self, *command, stdin='', timeout=60, code=0):
        done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=timeout, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def redis(self, *args, **kwargs):
        return self.run_tool('redis-cli', '-p', str(self.server.resp_port), *args, **kwargs)


class TestRedisCli(RedisTest):
    def test_one_shot(self):
        self.assertEqual(self.redis('set', 'one', 'shot'), 'OK\n')
        self.assertEqual(self.redis('get', 'one'), 'shot\n')
        self.assertEqual(self.redis('-n', '0', 'get', 'one'), 'shot\n')
        self.assertEqual(self.redis('-x', 'set', 'stdin', stdin='from stdin'), 'OK\n')
        self.assertEqual(self.redis('strlen', 'stdin'), '10\n')
        self.assertIn('append-only', self.redis('expire', 'one', '1'))

    def test_resp3(self):
        self.redis('set', 'three', 'x')
        self.assertEqual(self.redis('-3', 'get', 'three'), 'x\n')
        shown = json.loads(self.redis('-3', '--json', 'config', 'get', 'append*'))
        self.assertEqual(shown, {'appendonly': 'yes', 'appendfsync': 'always'})
        self.assertEqual(json.loads(self.redis('-3', '--json', 'get', 'none')), None)
        self.assertIn('role:master', self.redis('-3', 'info', 'replication'))

    def test_commands_from_a_pipe(self):
        out = self.redis(stdin='set p "a b"\nget p\nmulti\nset q 1\nget q\nexec\nhelp\n')
        self.assertIn('OK\na b\nOK\nQUEUED\nQUEUED\nOK\n1\n', out)

    def test_mass_insertion(self):
        lines = ''.join('*3\r\n$3\r\nSET\r\n$%d\r\nm:%d\r\n$1\r\nv\r\n' % (len('m:%d' % i), i)
                        for i in range(20000))
        out = self.redis('--pipe', stdin=lines)
        self.assertIn('errors: 0, replies: 20000', out)
        out = self.redis('--pipe', stdin=''.join('SET n:%d v\r\n' % i for i in range(1000)))
        self.assertIn('errors: 0, replies: 1000', out)
        self.assertEqual(self.redis('get', 'm:19999'), 'v\n')

    def test_scan_and_big_keys(self):
        self.redis('mset', *[word for i in range(300) for word in ('s:%d' % i, 'v' * i)])
        keys = self.redis('--scan', '--pattern', 's:*').split()
        self.assertEqual(sorted(keys), sorted('s:%d' % i for i in range(300)))
        self.assertIn('s:299', self.redis('--bigkeys', '-i', '0', timeout=120))

    def interrupted(self, *args, seconds=2):
        """What an endless command of redis-cli wrote in that time."""
        process = subprocess.Popen(['stdbuf', '-oL', 'redis-cli', '-p',
                                    str(self.server.resp_port), *args], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        return process.communicate(timeout=20)[0]

    def test_statistics(self):
        self.redis('set', 'stat', 'x')
        self.assertIn('keys', self.interrupted('--stat', '-i', '0.1'))
        self.assertRegex(self.redis('--latency', '--raw', '-i', '1'), r'^\d+ [\d.]+ [\d.]+ \d+')
        self.assertRegex(self.redis('info'), r'db0:keys=\d+')

    def test_ledger(self):
        self.redis('set', 'l', '1')
        self.redis('set', 'l', '2')
        history = json.loads(self.redis('-3', '--json', 'blockdb.history', 'l'))
        self.assertEqual([v['value'] for v in history], ['2', '1'])
        self.assertEqual(self.redis('blockdb.getat', 'l', 'seq', str(history[1]['seq'])), '1\n')
        verified = json.loads(self.redis('-3', '--json', 'blockdb.verify'))
        self.assertTrue(verified['verified'])
        self.assertEqual(json.loads(self.redis('-3', '--json', 'blockdb.head'))['origin'][:8],
                         'blockdb/')

    def test_benchmark(self):
        port = str(self.server.resp_port)
        for more in (['-P', '1'], ['-P', '16'], ['-3', '-P', '4']):
            out = self.run_tool('redis-benchmark', '-p', port, '-n', '5000', '-q', '-d', '100',
                                '-r', '100000', '-t', 'set,get,mset,ping', *more)
            self.assertNotIn('rror', out)
            for name in ('PING_INLINE', 'SET', 'GET', 'MSET (10 keys)'):
                self.assertIn(name + ':', out)


class TestSecrets(RedisTest):
    """A server with a key that signs heads, behind a certificate."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(SERVER, '', wait=False)
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.stop(signal.SIGKILL)
        folder = cls.server.dir
        cls.cert = os.path.join(folder, 'cert.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
                        '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1',
                        '-keyout', os.path.join(folder, 'key.pem'), '-out', cls.cert],
                       check=True, capture_output=True)
        os.chmod(os.path.join(folder, 'key.pem'), 0o600)
        key = os.path.join(folder, 'signer')
        done = subprocess.run([CLI, 'keygen', '--origin', 'example.org/log', '--out', key],
                              capture_output=True, text=True, check=True)
        cls.vkey = os.path.join(folder, 'vkey')
        with open(cls.vkey, 'w', encoding='ascii') as f:
            f.write(done.stdout)
        config = ('[server]\nresp_port = %d\n[security]\ntls_cert = "%s"\ntls_key = "%s"\n'
                  '[ledger]\norigin = "example.org/log"\nsigning_key_file = "%s"\n'
                  'proof_map = true\n' % (free_port(), cls.cert, os.path.join(folder, 'key.pem'),
                                          key))
        cls.server = Server(SERVER, config, dir=folder)
        cls.addClassCleanup(cls.server.__exit__)

    def redis(self, *args, **kwargs):
        return super().redis('--tls', '--cacert', self.cert, *args, **kwargs)

    def test_tls(self):
        self.assertEqual(self.redis('set', 'secret', 'x' * 100000), 'OK\n')
        self.assertEqual(self.redis('get', 'secret'), 'x' * 100000 + '\n')
        out = self.run_tool('redis-benchmark', '--tls', '--cacert', self.cert, '-p',
                            str(self.server.resp_port), '-n', '2000', '-q', '-t', 'set,get', '-P',
                            '8', '-c', '10')
        self.assertIn('GET:', out)

    def test_proofs(self):
        self.redis('set', 'proven', 'value')
        seq = json.loads(self.redis('-3', '--json', 'blockdb.history', 'proven'))[0]['seq']
        for words in (['key', 'proven'], ['seq', str(seq)], ['key', 'never'],
                      ['key', 'proven', 'history'], ['seq', str(seq), 'novalue']):
            path = os.path.join(self.server.dir, 'proof')
            proof = self.redis('blockdb.proof', *words)
            with open(path, 'w', encoding='utf-8') as f:
                f.write(proof[:-1])
            with open(self.vkey, encoding='ascii') as f:
                self.run_tool(CLI, 'verify-proof', path, '--key', f.read().strip())
        head = json.loads(self.redis('-3', '--json', 'blockdb.head', 'sign'))
        self.assertTrue(head['checkpoint'].startswith('example.org/log\n'))


@functools.cache
def node_clients():
    """The folder of the clients from the registry of npm, kept outside of the source; None and
    why when it cannot be reached."""
    if shutil.which('node') is None or shutil.which('npm') is None:
        return None, 'node and npm are not installed'
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    manifest = json.dumps({'private': True, 'dependencies': NODE_CLIENTS}, sort_keys=True)
    name = 'npm-' + hashlib.sha256(manifest.encode()).hexdigest()[:16]
    folder = os.path.join(base, 'blockdb-tests', name)
    if os.path.exists(os.path.join(folder, 'complete')):
        return folder, ''
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    # Made beside its place and renamed when whole: another run may be doing the same.
    with tempfile.TemporaryDirectory(prefix=name + '.', dir=os.path.dirname(folder)) as fresh:
        reason = install_node_clients(fresh, manifest)
        if reason:
            return None, reason
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
        try:
            os.rename(fresh, folder)
        except OSError as error:  # the other run was faster
            if not os.path.exists(os.path.join(folder, 'complete')):
                return None, str(error)
        os.makedirs(fresh, exist_ok=True)  # for its removal
    return folder, ''


def install_node_clients(folder, manifest):
    """Why it did not work; '' when it did. A registry that is silent counts as one that is not
    there: what these tests are about is the server."""
    with open(os.path.join(folder, 'package.json'), 'w', encoding='ascii') as f:
        f.write(manifest)
    try:
        done = subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts',
                               '--fetch-retries=1', '--fetch-timeout=20000'], cwd=folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=NPM_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return 'npm took over %d s to install the clients' % NPM_SECONDS
    if done.returncode != 0:
        return 'npm cannot install the clients: ' + done.stderr[-300:]
    with open(os.path.join(folder, 'complete'), 'w', encoding='ascii'):
        pass
    return ''


def needed_node(folder, package):
    """The oldest major version of node that a client says it runs on."""
    with open(os.path.join(folder, 'node_modules', package, 'package.json'),
              encoding='utf-8') as f:
        found = re.search(r'\d+', json.load(f).get('engines', {}).get('node', '0'))
    return int(found.group()) if found else 0


class TestNodeClients(RedisTest):
    def client(self, script, package):
        folder, reason = node_clients()
        if folder is None:
            self.skipTest(reason)
        version = self.run_tool('node', '--version').strip()
        if int(version[1:].split('.')[0]) < needed_node(folder, package):
            self.skipTest('%s needs node %d, this is %s' % (
                package, needed_node(folder, package), version))
        env = dict(os.environ, NODE_PATH=os.path.join(folder, 'node_modules'))
        done = subprocess.run(['node', os.path.join(HERE, script), package,
                               str(self.server.resp_port)], capture_output=True, text=True,
                              timeout=90, env=env, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout, 'ok\n')

    def test_ioredis_5(self):
        self.client('ioredis.js', 'ioredis5')

    def test_ioredis_6(self):
        self.client('ioredis.js', 'ioredis6')

    def test_node_redis_4(self):
        self.client('node_redis.js', 'redis4')

    def test_node_redis_6(self):
        self.client('node_redis.js', 'redis6')


def main():
    global SERVER, CLI
    SERVER, CLI = (os.path.abspath(p) for p in sys.argv[1:3])
    del sys.argv[1:3]
    unittest.main(verbosity=2)


if __name__ == '__main__':
    main()
