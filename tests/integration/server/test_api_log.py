#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: evidence, jobs, health and figures."""
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api_harness  # noqa: E402
from api_harness import ApiTest  # noqa: E402
from server_harness import parse_answer, read_all, wait_for  # noqa: E402

TEXT = {'Accept': 'text/plain'}


def node(left, right):
    return hashlib.sha256(b'\1' + left + right).digest()


def root_of(leaves):
    """RFC 6962."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node(root_of(leaves[:half]), root_of(leaves[half:]))


def root_from_inclusion(leaf, index, size, hashes):
    at, last = index, size - 1
    for sibling in hashes:
        if at % 2 or at == last:
            leaf = node(sibling, leaf)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            leaf = node(leaf, sibling)
        at, last = at >> 1, last >> 1
    return leaf


class Evidence(ApiTest):
    CONFIG = '[server]\nbackup_dir = "@DIR@/backups"\ndrain_time = 0\n'
    SIGNS = True

    @classmethod
    def prepare(cls, folder):
        os.mkdir(os.path.join(folder, 'backups'))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        operations = [{'type': 'put', 'key': 'k%03d' % i, 'value': 'value %d' % i}
                      for i in range(600)]
        assert cls.ask('POST', '/api/v1/batch', {'operations': operations}).status == 200
        assert cls.ask('POST', '/api/v1/checkpoint').status == 200

    def head(self):
        return self.ok('GET', '/api/v1/head')

    def leaves(self, size):
        data = b''
        for i in range(0, size, 256):
            width = min(256, size - i)
            name = '/tile/0/%03d' % (i // 256) + ('.p/%d' % width if width < 256 else '')
            data += self.ok('GET', name).body
        return [data[i:i + 32] for i in range(0, len(data), 32)]

    def verify_file(self, text):
        path = os.path.join(self.server.dir, 'proof')
        with open(path, 'wb') as f:
            f.write(text)
        with open(os.path.join(self.server.dir, 'vkey'), encoding='ascii') as f:
            vkey = f.read().strip()
        return subprocess.run([api_harness.CLI, 'verify-proof', path, '--key', vkey],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    def test_tree(self):
        head = self.head()
        leaves = self.leaves(head['size'])
        self.assertEqual(root_of(leaves).hex(), head['root'])
        for seq in (0, 1, 255, 256, 599):
            proof = self.ok('GET', '/api/v1/proof/inclusion?seq=%d&size=%d' % (seq, head['size']))
            hashes = [bytes.fromhex(h) for h in proof['hashes']]
            leaf = bytes.fromhex(proof['leaf_hash'])
            self.assertEqual(leaf, leaves[seq])
            self.assertEqual(root_from_inclusion(leaf, seq, head['size'], hashes).hex(),
                             head['root'])
        proof = self.ok('GET', '/api/v1/proof/inclusion?seq=3&size=10')
        self.assertNotIn('root', proof)
        self.assertEqual(root_from_inclusion(leaves[3], 3, 10,
                                             [bytes.fromhex(h) for h in proof['hashes']]),
                         root_of(leaves[:10]))
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/proof/inclusion?seq=10&size=10')
        self.refused(404, 'NotFound', 'GET', '/api/v1/proof/inclusion?seq=99999999')
        self.refused(404, 'NotFound', 'GET', '/api/v1/proof/inclusion?seq=1&size=99999999')

    def test_consistency(self):
        size = self.head()['size']
        proof = self.ok('GET', '/api/v1/proof/consistency?from=7&to=%d' % size)
        text = self.ask('GET', '/api/v1/proof/consistency?from=7&to=%d' % size, headers=TEXT)
        self.assertEqual([base64.b64decode(line).hex() for line in text.body.split()],
                         proof['hashes'])
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/proof/consistency?from=0')
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/proof/consistency?from=9&to=8')

    def test_get_with_proof(self):
        self.wait_sealed(5)
        got = self.get('k005', '?proof=1')
        self.assertEqual(got['value'], 'value 5')
        proof = got['proof']
        hashes = [bytes.fromhex(h) for h in proof['hashes']]
        self.assertEqual(root_from_inclusion(bytes.fromhex(proof['leaf_hash']), got['seq'],
                                             proof['size'], hashes).hex(), proof['root'])

    def test_proof_files(self):
        for path in ('entry/5', 'entry/5?no_value', 'entry/5?block=1', 'key/k007', 'key/nothing',
                     'key/k007?history&no_value=1'):
            text = self.ask('GET', '/api/v1/proof/' + path, headers=TEXT)
            self.assertEqual(text.status, 200, text.body)
            self.assertEqual(text.headers['content-type'], 'text/plain; charset=utf-8')
            done = self.verify_file(text.body)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(b'dmFsdWUgNQ' in text.body, False)
            again = self.ok('GET', '/api/v1/proof/' + path)['proof']
            self.assertTrue(again.startswith('c2sp.org/tlog-proof'), again[:40])
        text = self.ask('GET', '/api/v1/proof/inclusion?seq=5', headers=TEXT)
        self.assertEqual(self.verify_file(text.body).returncode, 0)
        self.refused(404, 'NotFound', 'GET', '/api/v1/proof/entry/99999999')
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/proof/entry/5?range=0:4')

    def test_checkpoint(self):
        self.put('signed', 'soon')
        note = self.ask('POST', '/api/v1/checkpoint')
        self.assertEqual(note.status, 200)
        lines = note.body.decode().split('\n')
        self.assertEqual(lines[0], 'example.org/log')
        self.assertEqual(base64.b64decode(lines[2]), root_of(self.leaves(int(lines[1]))))
        newest = self.ask('GET', '/checkpoint')
        self.assertEqual(newest.headers['cache-control'], 'no-cache')
        self.assertGreaterEqual(int(newest.body.split(b'\n')[1]), int(lines[1]))

    def test_tiles(self):
        full = self.ok('GET', '/tile/0/000')
        self.assertEqual(len(full.body), 256 * 32)
        self.assertIn('immutable', full.headers['cache-control'])
        again = self.ask('GET', '/tile/0/000', headers={'If-None-Match': full.headers['etag']})
        self.assertEqual((again.status, again.body), (304, b''))
        self.assertEqual(self.ask('GET', '/tile/0/000', headers={'If-None-Match': '"x"'}).status,
                         200)
        part = self.ok('GET', '/tile/0/000.p/17')
        self.assertEqual(part.body, full.body[:17 * 32])
        self.assertEqual(part.headers['cache-control'], 'no-cache')
        self.assertNotIn('etag', part.headers)
        leaves = [full.body[i:i + 32] for i in range(0, len(full.body), 32)]
        self.assertEqual(self.ok('GET', '/tile/1/000.p/1').body, root_of(leaves))
        bundle = self.ok('GET', '/tile/entries/000').body
        at = 0
        for leaf in leaves:
            length = int.from_bytes(bundle[at:at + 2], 'big')
            self.assertEqual(hashlib.sha256(b'\0' + bundle[at + 2:at + 2 + length]).digest(), leaf)
            at += 2 + length
        self.assertEqual(at, len(bundle))
        for name in ('0/099', '0/x001/000', '0/000.p/0', '0/000.p/256', '0/000.p/x', '0/0',
                     '0/0000', 'x/000', '9/000', '0/x000/001', '0/000.p/1/2', '0/000/', '0/',
                     'entries/900', '0/-01', '0/../000', '0/000.q/1',
                     '0/x999/x999/x999/x999/x999/x999/x999/999'):
            self.refused(404, 'NotFound', 'GET', '/tile/' + name)

    def test_blocks(self):
        count = self.ok('GET', '/api/v1/blocks?limit=1')['block_count']
        blocks, at = [], 0
        while at is not None:
            page = self.ok('GET', '/api/v1/blocks?limit=2&from=%d' % at)
            blocks += page['blocks']
            at = page.get('next')
        self.assertGreaterEqual(len(blocks), count)
        for before, block in zip(blocks, blocks[1:]):
            self.assertEqual(block['previous_hash'], before['hash'])
            self.assertEqual(block['height'], before['height'] + 1)
        newest = self.ok('GET', '/api/v1/blocks?reverse=1&limit=1')['blocks'][0]
        self.assertGreaterEqual(newest['height'], count - 1)
        one = self.ok('GET', '/api/v1/blocks/0')
        self.assertEqual(one['hash'], blocks[0]['hash'])
        self.assertEqual(self.ok('GET', '/api/v1/blocks?from=99999999')['blocks'], [])
        self.refused(404, 'NotFound', 'GET', '/api/v1/blocks/99999999')

    def test_verify(self):
        job = self.ok('POST', '/api/v1/verify', status=202)['job']
        done = self.wait_job('/api/v1/verify/%d' % job)
        self.assertEqual((done['state'], done['kind']), ('done', 'verify'), done)
        self.assertEqual((done['done'], done['unit']), (done['total'], 'entries'), done)
        self.assertEqual(done['total'], done['report']['entries'])
        self.assertGreaterEqual(done['report']['entries'], 600)
        self.assertRegex(done['report']['root'], '^[0-9a-f]{64}$')
        part = self.ok('POST', '/api/v1/verify', {'from': 3, 'to': 5, 'sample_percent': 50.5,
                                                  'threads': 1}, status=202)['job']
        done = self.wait_job('/api/v1/verify/%d' % part)
        self.assertEqual(done['state'], 'done')
        self.assertNotIn('root', done['report'])
        self.ok('DELETE', '/api/v1/verify/%d' % part)
        self.refused(404, 'NotFound', 'GET', '/api/v1/verify/999')
        self.refused(404, 'NotFound', 'DELETE', '/api/v1/verify/999')
        for body in ({'from': 5, 'to': 3}, {'sample_percent': 101}, {'threads': 65}, {'x': 1},
                     {'from': '1'}):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/verify', body)

    def test_backup(self):
        job = self.ok('POST', '/api/v1/backup', {'directory': 'today'}, status=202)['job']
        done = self.wait_job('/api/v1/backup/%d' % job)
        self.assertEqual((done['state'], done['kind']), ('done', 'backup'), done)
        made = os.path.join(self.server.dir, 'backups', 'today')
        out = subprocess.run([api_harness.CLI, '--data-dir', made, 'get', 'k001'],
                             stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(out, b'value 1')
        job = self.ok('POST', '/api/v1/backup', {'directory': 'today'}, status=202)['job']
        done = self.wait_job('/api/v1/backup/%d' % job)
        self.assertEqual((done['state'], done['error']), ('failed', 'Exists'))
        for name in ('', '/tmp/x', '..', '../x', 'a/../../x', 'a//b', './a', 'a/', 'a\0b', 7):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/backup', {'directory': name})

    def test_redact(self):
        seq = self.put('secret', 'to be erased')
        keep = self.put('secret', 'stays')
        body = {'key': 'secret', 'seq': seq, 'reason': 'asked', 'reason_code': 1, 'authority': 'x'}
        out = self.ok('POST', '/api/v1/redact', body)
        self.assertGreater(out['seq'], keep)
        self.assertTrue(self.ok('POST', '/api/v1/redact', body)['repeated'])
        gone = self.refused(410, 'Redacted', 'GET', '/api/v1/get/secret?at=%d' % seq)
        self.assertEqual(gone['seq'], seq)
        entry = self.ok('GET', '/api/v1/entry/%d' % seq)
        self.assertEqual((entry['redacted'], 'value' in entry), (True, False))
        self.assertEqual(self.get('secret')['value'], 'stays')
        self.refused(404, 'NotFound', 'POST', '/api/v1/redact', {'key': 'other', 'seq': seq})
        for wrong in ({'key': 'secret'}, {'seq': 1}, dict(body, reason_code=6),
                      dict(body, reason='a\0b'), dict(body, encoding='base64', key='!')):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/redact', wrong)

    def test_redact_many(self):
        seqs = [self.put('many/%d' % (i % 3), 'v%d' % i) for i in range(9)]
        versions = [{'key': 'many/%d' % (i % 3), 'seq': seq} for i, seq in enumerate(seqs)]
        versions[0] = {'key': 'bWFueS8w', 'encoding': 'base64', 'seq': seqs[0]}
        # All or none: one of these is no version of its key.
        self.refused(404, 'NotFound', 'POST', '/api/v1/redact',
                     {'versions': versions[:2] + [{'key': 'many/0', 'seq': seqs[1]}]})
        self.assertEqual(self.get('many/0', '?at=%d' % seqs[0])['value'], 'v0')
        out = self.ok('POST', '/api/v1/redact', {'versions': versions[:8], 'reason': 'asked'})
        self.assertEqual((out['count'], out['repeated']), (8, False))
        for i in range(8):
            self.refused(410, 'Redacted', 'GET', '/api/v1/get/many/%d?at=%d' % (i % 3, seqs[i]))
        self.assertEqual(self.get('many/2')['value'], 'v8')
        again = self.ok('POST', '/api/v1/redact', {'versions': versions[:8]})
        self.assertTrue(again['repeated'])
        self.assertEqual(self.ok('POST', '/api/v1/redact', {'versions': versions})['count'], 1)
        item = {'key': 'many/0', 'seq': 1}
        for wrong in ({'versions': []}, {'versions': [item], 'key': 'k'}, {'versions': [{}]},
                      {'versions': [item], 'seq': 1}, {'versions': item},
                      {'versions': [dict(item, reason='x')]}, {'reason': 'x'}):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/redact', wrong)
        self.refused(413, 'LimitExceeded', 'POST', '/api/v1/redact', {'versions': [item] * 4097},
                     says='4096')

    def test_redact_as_a_job(self):
        seqs = [self.put('job/%d' % i, 'v%d' % i) for i in range(3)]
        versions = [{'key': 'job/%d' % i, 'seq': seq} for i, seq in enumerate(seqs)]
        body = {'versions': versions, 'reason': 'asked', 'authority': 'x'}
        begun = self.ok('POST', '/api/v1/redact?job=1', body, status=202)
        path = '/api/v1/redact/%d' % begun['job']
        done = self.wait_job(path)
        self.assertEqual((done['state'], done['kind'], done['unit']), ('done', 'redact', 'steps'))
        self.assertEqual((done['started'], done['done']), (begun['started'], done['total']))
        self.assertEqual((done['outcome']['count'], done['outcome']['repeated']), (3, False))
        self.assertGreater(done['outcome']['seq'], seqs[-1])
        for i, seq in enumerate(seqs):
            self.refused(410, 'Redacted', 'GET', '/api/v1/get/job/%d?at=%d' % (i, seq))
        again = self.ok('POST', '/api/v1/redact?job=true', body, status=202)
        done = self.wait_job('/api/v1/redact/%d' % again['job'])
        self.assertTrue(done['outcome']['repeated'], done)
        # What cannot be is told by the job; what is malformed at once.
        wrong = self.ok('POST', '/api/v1/redact?job=1', {'key': 'other', 'seq': seqs[0]},
                        status=202)
        done = self.wait_job('/api/v1/redact/%d' % wrong['job'])
        self.assertEqual((done['state'], done['error']), ('failed', 'NotFound'))
        self.assertIn('other', done['message'])
        self.refused(400, 'InvalidArgument', 'POST', '/api/v1/redact?job=1', {'key': 'x'})
        self.refused(400, 'InvalidArgument', 'POST', '/api/v1/redact?job=maybe', body)
        # Nobody stops an erasing.
        self.refused(405, 'MethodNotAllowed', 'DELETE', path)

    def test_compact_as_a_job(self):
        for i in range(3):
            self.put('compacted/%d' % i, 'v')
            self.ok('POST', '/api/v1/flush')
        begun = self.ok('POST', '/api/v1/compact?job=1', status=202)
        path = '/api/v1/compact/%d' % begun['job']
        done = self.wait_job(path)
        self.assertEqual((done['state'], done['kind'], done['unit']), ('done', 'compact', 'keys'))
        self.assertEqual((done['done'], done['started']), (done['total'], begun['started']))
        self.assertEqual(self.ok('DELETE', path)['state'], 'done')
        self.assertEqual(self.ok('GET', '/api/v1/get/compacted/1')['value'], 'v')

    def test_jobs_are_found_by_their_kind(self):
        """Who may prove may not look at, or stop, what operators and admins have begun."""
        job = self.ok('POST', '/api/v1/compact?job=1', status=202)['job']
        self.wait_job('/api/v1/compact/%d' % job)
        for kind in ('verify', 'backup', 'redact'):
            self.refused(404, 'NotFound', 'GET', '/api/v1/%s/%d' % (kind, job), says=kind)
        for kind in ('verify', 'backup'):
            self.refused(404, 'NotFound', 'DELETE', '/api/v1/%s/%d' % (kind, job))

    def test_redact_all_by_the_command_line(self):
        seqs = [self.put('by cli', 'v%d' % i) for i in range(5)]
        url = 'http://127.0.0.1:%d' % self.server.port
        done = subprocess.run([api_harness.CLI, '--url', url, '--no-pin', '--json', 'redact',
                               'by cli', '--all', '--reason', 'asked'], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report['targets'], report['count']), (5, 5))
        for seq in seqs:
            self.refused(410, 'Redacted', 'GET', '/api/v1/get/by%%20cli?at=%d' % seq)

    def test_housekeeping(self):
        for _ in range(2):
            for path in ('flush', 'compact', 'compact?wait=1'):
                self.ok('POST', '/api/v1/' + path)
        self.refused(400, 'InvalidArgument', 'POST', '/api/v1/compact?waits=1')
        self.refused(400, 'InvalidArgument', 'POST', '/api/v1/compact?job=perhaps')

    def test_compaction_as_a_job(self):
        for i in range(3):
            self.put('merged%d' % i, 'v')
            self.ok('POST', '/api/v1/flush')
        job = self.ok('POST', '/api/v1/compact?job=1', status=202)['job']
        done = self.wait_job('/api/v1/compact/%d' % job)
        self.assertEqual((done['state'], done['kind'], done['unit']), ('done', 'compact', 'keys'))
        self.assertGreater(done['total'], 2)
        self.assertEqual(done['done'], done['total'])
        self.ok('DELETE', '/api/v1/compact/%d' % job)
        self.refused(404, 'NotFound', 'GET', '/api/v1/compact/999')
        for kind in ('verify', 'backup'):  # whose rights are others
            for method in ('GET', 'DELETE'):
                self.refused(404, 'NotFound', method, '/api/v1/%s/%d' % (kind, job))

    def test_figures(self):
        stats = self.ok('GET', '/stats')
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                               '../../../include/blockdb/blockdb.h'), encoding='utf-8') as f:
            header = f.read()
        fields = re.search(r'struct blockdb_stats \{(.*?)\n\};', header, re.S).group(1)
        fields = re.sub(r'/\*.*?\*/', '', fields, flags=re.S)
        names = {name.strip().partition('[')[0] for line in re.findall(r'uint64_t ([^;]*);', fields)
                 for name in line.split(',')}
        self.assertEqual(set(stats['database']), names)
        self.assertEqual(stats['origin'], 'example.org/log')
        self.assertGreaterEqual(stats['server']['connections'], 1)
        text = self.ok('GET', '/metrics')
        self.assertIn(b'blockdb_build_info', text.body)
        self.assertTrue(text.headers['content-type'].startswith('text/plain; version=0.0.4'))
        checked = subprocess.run(['promtool', 'check', 'metrics'], input=text.body,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertTrue(self.ask('GET', '/metrics', headers={'Accept': 'application/json'}).json())

    def test_cluster(self):
        status = self.ok('GET', '/cluster/status')
        self.assertEqual((status['state'], status['leader']), ('Leader', 'standalone'))
        self.assertEqual(status['configuration']['peer_port'], 0)  # as port is 0
        for method, path in (('POST', '/cluster/add'), ('DELETE', '/cluster/remove/n2'),
                             ('POST', '/cluster/transfer')):
            self.refused(501, 'Unsupported', method, path, says='alone')

    def test_description(self):
        self.description.check()
        self.assertEqual(self.ok('GET', '/')['api'], '/openapi.json')

    def test_health(self):
        for path in ('/health', '/live', '/ready', '/ready?max_lag=1000000', '/leader',
                     '/read-only', '/ready?verbose'):
            self.ok('GET', path)
            self.assertEqual(self.ask('HEAD', path).status, 200)
            with self.server.connect() as s:
                s.sendall(('GET %s HTTP/1.0\r\n\r\n' % path).encode())
                self.assertEqual(parse_answer(read_all(s))[0], 200)
        self.assertEqual(self.ask('GET', '/replica').status, 503)
        checks = self.ok('GET', '/ready?verbose=1')['checks']
        self.assertEqual(set(checks.values()), {'ok'})
        self.refused(400, 'InvalidArgument', 'GET', '/ready?max_lag=x')


class Draining(ApiTest):
    CONFIG = '[server]\ndrain_time = 20\n'

    def test_health_says_so(self):
        self.put('before', 'x')
        self.server.send(signal.SIGTERM)
        wait_for(lambda: self.server.get('/health')[0] == 503, '/health to say 503')
        for path in ('/health', '/ready', '/leader', '/read-only'):
            status, _, body = self.server.get(path)
            self.assertEqual((status, json.loads(body)['error']), (503, 'Draining'))
        self.assertEqual(self.server.get('/live')[0], 200)
        self.assertEqual(self.server.get('/api/v1/get/before')[0], 200)
        self.server.send(signal.SIGTERM)
        self.assertEqual(self.server.stop(), 0)


class WithoutKeys(ApiTest):
    def test_what_is_not_configured(self):
        seq = self.put('k', 'v')
        self.refused(404, 'NotFound', 'GET', '/checkpoint')
        self.refused(501, 'Unsupported', 'POST', '/api/v1/checkpoint')
        self.refused(501, 'Unsupported', 'GET', '/api/v1/proof/entry/%d' % seq)
        self.refused(501, 'Unsupported', 'GET', '/api/v1/proof/key/k')
        self.refused(501, 'Unsupported', 'POST', '/api/v1/backup', {'directory': 'x'},
                     says='backup_dir')

    def test_a_proof_of_what_is_not_sealed_comes_soon(self):
        seq = self.put('fresh', 'v')
        end = time.monotonic() + 20
        while True:
            answer = self.ask('GET', '/api/v1/proof/inclusion?seq=%d' % seq)
            if answer.status == 200 or time.monotonic() > end:
                break
            self.assertEqual((answer.status, answer.json()['error']), (503, 'Busy'))
            self.assertTrue(answer.headers['retry-after'])
            time.sleep(0.05)
        self.assertEqual(answer.status, 200)


if __name__ == '__main__':
    api_harness.main()
