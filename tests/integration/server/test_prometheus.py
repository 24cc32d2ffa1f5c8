#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes blockdb-server: as it stands, and with every feature on (TLS, tokens,
the map, witnesses) while clients write. Skipped where there is no prometheus.

Usage: test_prometheus.py BLOCKDB-SERVER BLOCKDB-CLI"""
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.parse
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from server_harness import Server, make_certificate, wait_for  # noqa: E402

PROGRAM, CLI = sys.argv[1:3]
ALERTS = os.path.join(HERE, '../../../packaging/prometheus/blockdb-alerts.yml')
ORIGIN = 'db.example/log'
SKIPPED = 77
SCRAPES = '''
global:
  scrape_interval: 200ms
  evaluation_interval: 500ms
rule_files: ['%(alerts)s']
scrape_configs:
  - job_name: blockdb
    static_configs: [{targets: ['127.0.0.1:%(plain)d']}]
  - job_name: full
    scheme: https
    tls_config: {ca_file: '%(folder)s/server.pem', server_name: localhost}
    authorization: {credentials_file: '%(folder)s/scraper.token'}
    static_configs: [{targets: ['127.0.0.1:%(full)d']}]
  - job_name: stranger
    scheme: https
    tls_config: {ca_file: '%(folder)s/server.pem', server_name: localhost}
    static_configs: [{targets: ['127.0.0.1:%(full)d']}]
'''


class Prometheus:
    """A Prometheus of our own, on a free port, with its data in `folder`."""

    def __init__(self, folder, config):
        path = os.path.join(folder, 'prometheus.yml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(config)
        self.log_path = os.path.join(folder, 'prometheus.log')
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                ['prometheus', '--config.file=' + path, '--web.listen-address=127.0.0.1:0',
                 '--storage.tsdb.path=' + os.path.join(folder, 'series')], stdout=log, stderr=log)
        self.address = wait_for(self.listening, 'Prometheus to listen: ' + self.log_path)

    def log_text(self):
        with open(self.log_path, encoding='utf-8') as f:
            return f.read()

    def listening(self):
        assert self.process.poll() is None, self.log_text()
        found = re.search(r'msg="Listening on" address=(\S+)', self.log_text())
        return found and 'ready to receive' in self.log_text() and found.group(1)

    def ask(self, path, **parameters):
        url = 'http://%s/api/v1/%s?%s' % (self.address, path, urllib.parse.urlencode(parameters))
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)
        assert found['status'] == 'success' and not found.get('warnings'), found
        return found['data']

    def query(self, text):
        """{job: value} of an instant query; the last one of jobs that have several series."""
        result = self.ask('query', query=text)['result']
        return {r['metric'].get('job', ''): float(r['value'][1]) for r in result}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class Load(threading.Thread):
    """Writes and reads by both protocols until it is told to stop."""

    def __init__(self, connect_http, connect_redis, authorization, authenticate):
        super().__init__(daemon=True)
        self.connects = connect_http, connect_redis
        self.authorization, self.authenticate = authorization, authenticate
        self.ending = threading.Event()
        self.rounds = 0

    def run(self):
        with self.connects[0]() as http, self.connects[1]() as redis:
            answers, replies = http.makefile('rb'), redis.makefile('rb')
            if self.authenticate:
                redis.sendall(self.authenticate)
                assert replies.readline() == b'+OK\r\n'
            while not self.ending.is_set():
                self.one_round(http, answers, redis, replies)
                self.rounds += 1
            answers.close()
            replies.close()

    def one_round(self, http, answers, redis, replies):
        body = json.dumps({'key': 'k%d' % self.rounds, 'value': 'v' * 100}).encode()
        head = 'Host: x\r\n' + self.authorization
        http.sendall(('POST /api/v1/put HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n'
                      % (head, len(body))).encode() + body)
        assert self.status(answers) == 200
        http.sendall(('GET /api/v1/get/absent HTTP/1.1\r\n%s\r\n' % head).encode())
        assert self.status(answers) == 404
        redis.sendall(b'SET r%d x\r\nGET r%d\r\n' % (self.rounds, self.rounds))
        assert [replies.readline() for _ in range(3)] == [b'+OK\r\n', b'$1\r\n', b'x\r\n']

    @staticmethod
    def status(answers):
        status = int(answers.readline().split()[1])
        length = 0
        while (line := answers.readline()) != b'\r\n':
            if line.lower().startswith(b'content-length:'):
                length = int(line.split(b':')[1])
        answers.read(length)
        return status

    def stop(self):
        self.ending.set()
        self.join(30)
        assert not self.is_alive()


class Scrapes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='blockdb-prometheus-')
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments, text=''):
        return subprocess.run([CLI, *arguments], check=True, capture_output=True, text=True,
                              input=text, timeout=60).stdout

    # ---- Servers

    def plain_server(self):
        return self.entered(Server(PROGRAM))

    def entered(self, context):
        """The server, which ends with the test."""
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def full_server(self):
        """With all that has figures: the map, heads, a witness, users, TLS, an audit log."""
        make_certificate(self.folder, 'server')
        made = self.cli('keygen', '--origin', ORIGIN, '--out', self.path('log.key'))
        witness = self.witness(re.search(r'\S+\+[0-9a-f]{8}\+\S+', made).group(0))
        with open(self.path('policy'), 'w', encoding='utf-8') as f:
            f.write(witness + '\ngroup all all one\nquorum all\n')
        os.mkdir(self.path('full'))
        self.cli('--data-dir', self.path('full/data'), 'user', 'add', 'admin', '--role', 'admin',
                 text='correct horse battery\n')
        with open(self.path('scraper.token'), 'w', encoding='ascii') as f:
            f.write(self.token('scraper', 'operator'))
        self.writer = self.token('load', 'writer', 'reader')
        return self.entered(Server(PROGRAM, self.full_config(), dir=self.path('full')))

    def token(self, name, *roles):
        words = [word for role in roles for word in ('--role', role)]
        made = self.cli('--data-dir', self.path('full/data'), 'token', 'create', name, *words)
        return re.search(r'bdb_\S+', made).group(0)

    def witness(self, vkey):
        """A running witness; its line of the policy."""
        key = self.path('witness.key')
        self.cli('keygen', '--witness', '--origin', 'witness.example/one', '--out', key)
        process = subprocess.Popen(
            [CLI, 'witness', '-o', 'raw', '--key-file', key, '--dir', self.path('witness'),
             '--listen', '127.0.0.1:0', '--log', vkey], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        url, own = (process.stdout.readline().strip() for _ in range(2))
        return 'witness one %s %s' % (own, url)

    def full_config(self):
        return ('[database]\nblock_interval = 50\nmemtable_size_limit = "64KiB"\n'
                '[ledger]\norigin = "%s"\nsigning_key_file = "%s"\nhead_interval = 100\n'
                'proof_map = true\nwitness_policy_file = "%s"\n'
                '[server]\ndrain_time = 0\nunix_socket = "%s"\n'
                '[security]\nenable_auth = true\naudit_log_file = "%s"\n'
                'tls_cert = "%s"\ntls_key = "%s"\nread_rate = 100000\naddress_read_rate = 100000\n'
                % (ORIGIN, *map(self.path, ('log.key', 'policy', 'full/http.sock', 'audit.log',
                                            'server.pem', 'server.key'))))

    # ---- What is checked

    def page(self, connect, authorization='', accept='text/plain'):
        with connect() as s, s.makefile('rb') as f:
            s.sendall(('GET /metrics HTTP/1.0\r\nAccept: %s\r\n%s\r\n'
                       % (accept, authorization)).encode())
            head, _, body = f.read().partition(b'\r\n\r\n')
        self.assertTrue(head.startswith(b'HTTP/1.0 200') or head.startswith(b'HTTP/1.1 200'), head)
        return body

    def check_page(self, page):
        done = subprocess.run(['promtool', 'check', 'metrics'], input=page, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b''), page.decode())
        return dict(re.findall(r'^# TYPE (\S+) (\S+)$', page.decode(), re.M))

    def check_taken(self, prometheus, job, families):
        """Prometheus has each family of a page, with its type and an explanation."""
        known = {}
        for target in prometheus.ask('targets/metadata', match_target='{job="%s"}' % job):
            known[target['metric']] = target
        for family, kind in families.items():
            self.assertEqual(known[family]['type'], kind, family)
            self.assertTrue(known[family]['help'], family)
            series = family + '_count' if kind == 'histogram' else family
            self.assertIn(job, prometheus.query('%s{job="%s"}' % (series, job)), family)

    def check_histograms(self, prometheus, job, names):
        for name in names:
            text = ('histogram_quantile(0.99, sum by (job, le) (rate(%s_bucket{job="%s"}[1m])))'
                    % (name, job))
            wait_for(lambda: 0 < prometheus.query(text).get(job, 0) < 60, 'a quantile of ' + name)
            lacking = prometheus.query(
                'sum by (job) (%s_count{job="%s"}) - sum by (job) (%s_bucket{job="%s",le="+Inf"})'
                % (name, job, name, job))
            self.assertEqual(lacking[job], 0, name)

    def check_alerts(self, prometheus):
        """The rules that are shipped are evaluated, know what they name, and none fires."""
        def evaluated():
            groups = prometheus.ask('rules')['groups']
            rules = [rule for group in groups for rule in group['rules']]
            return rules if all(rule['health'] != 'unknown' for rule in rules) else None
        rules = wait_for(evaluated, 'the rules to be evaluated')
        self.assertGreater(len(rules), 5)
        for rule in rules:
            self.assertEqual(rule['health'], 'ok', rule)
            self.assertNotEqual(rule['state'], 'firing', rule)
            for name in re.findall(r'\b(?:blockdb|process)_\w+', rule['query']):
                self.assertTrue(prometheus.query('count({__name__="%s"})' % name), rule['query'])

    def test_scrapes(self):
        plain, full = self.plain_server(), self.full_server()
        context = ssl.create_default_context(cafile=self.path('server.pem'))

        def wrapped(port):
            return lambda: context.wrap_socket(full.connect(port), server_hostname='localhost')
        bearer = 'Authorization: Bearer %s\r\n'
        with open(self.path('scraper.token'), encoding='ascii') as f:
            scraper = bearer % f.read()
        loads = [Load(plain.connect, lambda: plain.connect(plain.resp_port), '', b''),
                 Load(wrapped(full.port), wrapped(full.resp_port), bearer % self.writer,
                      b'AUTH %s\r\n' % self.writer.encode())]
        pages = [(plain.connect, ''), (wrapped(full.port), scraper)]
        for page in pages:
            self.check_page(self.page(*page))
        prometheus = Prometheus(self.folder, SCRAPES % {
            'alerts': os.path.abspath(ALERTS), 'folder': self.folder, 'plain': plain.port,
            'full': full.port})
        self.addCleanup(prometheus.process.wait)
        self.addCleanup(prometheus.process.kill)
        for load in loads:
            load.start()
        self.look(prometheus, pages, loads)
        for load in loads:
            load.stop()
        self.assertEqual(prometheus.stop(), 0)
        warned = [line for line in prometheus.log_text().splitlines()
                  if 'level=warn' in line and 'SIGTERM' not in line or 'level=error' in line]
        self.assertEqual(warned, [])

    def look(self, prometheus, pages, loads):
        wait_for(lambda: prometheus.query('up') == {'blockdb': 1, 'full': 1, 'stranger': 0},
                 'what Prometheus thinks of the targets')
        errors = {t['labels']['job']: t['lastError']
                  for t in prometheus.ask('targets')['activeTargets']}
        self.assertEqual((errors['blockdb'], errors['full']), ('', ''))
        self.assertIn('401', errors['stranger'])
        for load in loads:
            start = load.rounds
            wait_for(lambda: load.rounds > start + 50 or not load.is_alive(), 'load')
            self.assertTrue(load.is_alive(), 'the load ended')
        for job in ('blockdb', 'full'):
            wait_for(lambda: prometheus.query('rate(blockdb_puts_total{job="%s"}[1m])' % job)
                     .get(job, 0) > 0, 'a rate')
        for (job, page) in zip(('blockdb', 'full'), pages):
            self.check_taken(prometheus, job, self.check_page(self.page(*page)))
            json.loads(self.page(*page, accept='application/json'))
            self.check_histograms(prometheus, job, (
                'blockdb_http_request_duration_seconds', 'blockdb_redis_command_duration_seconds',
                'blockdb_wal_fsync_duration_seconds', 'blockdb_block_seal_duration_seconds'))
        self.check_alerts(prometheus)


def main():
    for program in ('prometheus', 'promtool', 'openssl'):
        if shutil.which(program) is None:
            print('skipped: there is no %s here (tools/packages.txt names the packages)' % program)
            sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)


if __name__ == '__main__':
    main()
