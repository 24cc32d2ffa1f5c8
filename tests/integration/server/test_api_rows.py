#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP API row by row: each request with the statuses, words and headers that users were
promised."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api_harness  # noqa: E402
from api_harness import ApiTest  # noqa: E402
from server_harness import parse_answer, read_all, wait_for  # noqa: E402

JSON = 'application/json'
TEXT = 'text/plain; charset=utf-8'
BINARY = 'application/octet-stream'

# Method, path, body, headers; status, content type, word of a refusal or names that the answer has.
ROWS = [
    ('POST', '/api/v1/put', {'key': 'r', 'value': 'v', 'encoding': 'utf8', 'if_absent': False,
                             'durability': 'group'}, {}, 200, JSON, {'seq', 'count', 'time'}),
    ('POST', '/api/v1/put', {'key': 'row:1/a', 'value': 'v', 'if_absent': True}, {}, 409, JSON,
     'Conflict'),
    ('POST', '/api/v1/put', {'key': 'r'}, {}, 400, JSON, 'InvalidArgument'),
    ('POST', '/api/v1/put', b'{"key":"r","value":"v"}',
     {'Content-Type': 'application/x-www-form-urlencoded'}, 200, JSON, {'seq'}),
    ('POST', '/api/v1/put', b'\x1f\x8b', {'Content-Encoding': 'gzip'}, 415, JSON,
     'UnsupportedMediaType'),
    ('POST', '/api/v1/put', b'{"key":"r","value":"v"}', {'Content-Encoding': 'identity'}, 200, JSON,
     {'seq'}),
    ('POST', '/api/v1/put', b'{"key":"r","value":"%s"}' % (b'x' * (17 << 20)), {}, 413, JSON,
     'LimitExceeded'),
    ('GET', '/api/v1/get/row:1/a', None, {}, 200, JSON,
     {'key', 'value', 'encoding', 'seq', 'time', 'type'}),
    ('GET', '/api/v1/get/row:1%2Fa?encoding=base64&consistency=stale', None, {}, 200, JSON,
     {'value'}),
    ('GET', '/api/v1/get/row:1/a?as_of=2000-01-01T00:00:00Z', None, {}, 404, JSON, 'NotFound'),
    ('GET', '/api/v1/get/row:1/a?at=@SEQ@', None, {}, 200, JSON, {'value'}),
    ('GET', '/api/v1/get/row:1/a?proof=1', None, {}, 200, JSON, {'value', 'proof'}),
    ('GET', '/api/v1/get/none', None, {}, 404, JSON, 'NotFound'),
    ('GET', '/api/v1/get/row:1/a?what=1', None, {}, 400, JSON, 'InvalidArgument'),
    ('PUT', '/api/v1/get/row:1/a', None, {}, 405, JSON, 'MethodNotAllowed'),
    ('DELETE', '/api/v1/delete/row:2', None, {}, 200, JSON, {'seq'}),
    ('GET', '/api/v1/get/row:2', None, {}, 404, JSON, 'NotFound'),
    ('POST', '/api/v1/batch', {'operations': [{'type': 'put', 'key': 'b', 'value': 'v'},
                                              {'type': 'delete', 'key': 'b'}]}, {}, 200, JSON,
     {'seq', 'count'}),
    ('POST', '/api/v1/batch', {'operations': [{'type': 'other', 'key': 'b'}]}, {}, 400, JSON,
     'InvalidArgument'),
    ('GET', '/api/v1/scan?prefix=row&start=a&end=z&limit=1&reverse=1&keys_only=1', None, {}, 200,
     JSON, {'entries', 'at'}),
    ('GET', '/api/v1/scan?limit=0', None, {}, 400, JSON, 'InvalidArgument'),
    ('GET', '/api/v1/history/row:1/a?limit=1&before=1000000', None, {}, 200, JSON, {'versions'}),
    ('POST', '/api/v1/redact', {'key': 'row:1/a', 'seq': 999999}, {}, 404, JSON, 'NotFound'),
    ('GET', '/api/v1/proof/inclusion?seq=0&size=1', None, {}, 200, JSON, {'hashes', 'leaf_hash'}),
    ('GET', '/api/v1/proof/inclusion?seq=0', None, {'Accept': 'text/plain'}, 200, TEXT, None),
    ('GET', '/api/v1/proof/inclusion?seq=5&size=2', None, {}, 400, JSON, 'InvalidArgument'),
    ('GET', '/api/v1/proof/inclusion?seq=5&size=999999', None, {}, 404, JSON, 'NotFound'),
    ('GET', '/api/v1/proof/consistency?from=1&to=2', None, {}, 200, JSON, {'hashes'}),
    ('GET', '/api/v1/proof/consistency?from=1&to=2', None, {'Accept': 'text/plain'}, 200, TEXT,
     None),
    ('GET', '/api/v1/proof/key/row:1/a', None, {}, 200, JSON, {'proof'}),
    ('GET', '/api/v1/proof/key/row:1/a', None, {'Accept': 'text/plain'}, 200, TEXT, None),
    ('GET', '/checkpoint', None, {}, 200, TEXT, None),
    ('GET', '/tile/0/000.p/1', None, {}, 200, BINARY, None),
    ('GET', '/tile/entries/000.p/1', None, {}, 200, BINARY, None),
    ('GET', '/tile/7/000', None, {}, 404, JSON, 'NotFound'),
    ('GET', '/api/v1/blocks?limit=1', None, {}, 200, JSON, {'blocks', 'block_count'}),
    ('GET', '/api/v1/blocks/0', None, {}, 200, JSON, {'height', 'tree_root'}),
    ('GET', '/api/v1/blocks/999999', None, {}, 404, JSON, 'NotFound'),
    ('POST', '/api/v1/verify', {}, {}, 202, JSON, {'job'}),
    ('GET', '/api/v1/verify/1', None, {}, 200, JSON, {'state', 'done', 'total', 'unit'}),
    ('POST', '/api/v1/compact', None, {}, 200, JSON, set()),
    ('POST', '/api/v1/flush', None, {}, 200, JSON, set()),
    ('GET', '/health', None, {}, 200, JSON, {'status'}),
    ('HEAD', '/health', None, {}, 200, JSON, None),
    ('GET', '/live', None, {}, 200, JSON, {'status'}),
    ('GET', '/ready', None, {}, 200, JSON, {'status'}),
    ('GET', '/leader', None, {}, 200, JSON, {'status'}),
    ('GET', '/replica', None, {}, 503, JSON, 'NotReplica'),
    ('GET', '/metrics', None, {}, 200, 'text/plain; version=0.0.4; charset=utf-8', None),
    ('GET', '/metrics', None, {'Accept': JSON}, 200, JSON, {'blockdb_up'}),
    ('GET', '/stats', None, {}, 200, JSON, {'database', 'server'}),
    ('GET', '/cluster/status', None, {}, 200, JSON, {'state', 'leader'}),
    ('POST', '/cluster/add', {'id': 'n'}, {}, 501, JSON, 'Unsupported'),
    ('DELETE', '/cluster/remove/n', None, {}, 501, JSON, 'Unsupported'),
    ('POST', '/cluster/transfer', {}, {}, 501, JSON, 'Unsupported'),
    ('GET', '/api/v1/gets/a', None, {}, 404, JSON, 'NoSuchPath'),
    ('GET', '/health', None, {'X-Long': 'x' * 70000}, 431, JSON, 'HeadersTooLarge'),
]


class Rows(ApiTest):
    SIGNS = True
    CONFIG = '[database]\nblock_interval = 20\n'

    def check(self, row):
        method, path, body, headers, status, kind, what = row
        try:
            answer = self.ask(method, path.replace('@SEQ@', str(self.seq)), body, headers)
        except ConnectionError:
            self.assertIn(status, (413, 431))  # refused while it was still being sent
            return
        self.assertEqual((answer.status, answer.headers['content-type']), (status, kind),
                         answer.body[:300])
        self.assertTrue(answer.headers['x-request-id'])
        if isinstance(what, str):
            got = answer.json()
            self.assertEqual((got['success'], got['error']), (False, what))
            self.assertTrue(got['message'])
        elif what is not None:
            got = answer.json()
            self.assertLessEqual(what, set(got))
            self.assertTrue(got.get('success', True))
        if status == 405:
            self.assertEqual(answer.headers['allow'], 'GET, HEAD')
        if status == 503:
            self.assertTrue(answer.headers['retry-after'])

    def test_rows(self):
        self.seq = self.put('row:1/a', 'v')
        self.wait_sealed(self.put('row:2', 'v'))
        self.ok('POST', '/api/v1/checkpoint')
        wait_for(lambda: self.ask('GET', '/api/v1/proof/key/row:1/a').status == 200, 'the map')
        for row in ROWS:
            with self.subTest(row=(row[0], row[1][:60], row[4])):
                self.check(row)
        covered = {self.description.operation(row[0].replace('HEAD', 'GET'), row[1])[0]
                   for row in ROWS}
        # What is left has tests of its own: streams, jobs by number, users and tokens, these pages.
        self.assertLessEqual(
            {path for path in self.description.doc['paths'] if path not in covered},
            {'/api/v1/entry/{seq}', '/api/v1/seq', '/api/v1/watch', '/api/v1/head',
             '/api/v1/checkpoint', '/api/v1/proof/entry/{seq}', '/api/v1/backup',
             '/api/v1/backup/{job}', '/api/v1/compact/{job}', '/api/v1/redact/{job}', '/read-only',
             '/openapi.json', '/', '/api/v1/whoami',
             '/api/v1/roles', '/api/v1/password', '/api/v1/users', '/api/v1/users/{name}',
             '/api/v1/tokens', '/api/v1/tokens/{id}'})

    def raw(self, text):
        with self.server.connect() as s:
            s.sendall(text)
            status, headers, body = parse_answer(read_all(s))
            return status, headers, json.loads(body)

    def test_a_body_of_unknown_length(self):
        status, _, body = self.raw(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nConnection: close'
                                   b'\r\n\r\n')
        self.assertEqual((status, body['error']), (411, 'LengthRequired'))
        status, _, body = self.raw(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
                                   b'Content-Length: 0\r\n\r\n')
        self.assertEqual((status, body['error']), (400, 'InvalidArgument'))
        status, _, body = self.raw(b'POST /api/v1/flush HTTP/1.1\r\nHost: x\r\nConnection: close'
                                   b'\r\n\r\n')
        self.assertEqual((status, body['success']), (200, True))

    def test_dialects(self):
        for text in (b'GET /health HTTP/1.0\r\n\r\n',
                     b'GET /api/v1/scan HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n'
                     b'GET /health HTTP/1.0\r\n\r\n'):
            with self.server.connect() as s:
                s.sendall(text)
                data = read_all(s)
            self.assertEqual(data.count(b' 200 OK\r\n'), text.count(b'GET '))
        with self.server.connect() as s:  # a probe that says nothing
            pass
        body = b'{"key":"continue","value":"v"}'
        with self.server.connect() as s:
            s.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
                      b'Expect: 100-continue\r\nContent-Length: %d\r\n\r\n' % len(body))
            self.assertEqual(s.recv(100), b'HTTP/1.1 100 Continue\r\n\r\n')
            s.sendall(body)
            self.assertEqual(parse_answer(read_all(s))[0], 200)


if __name__ == '__main__':
    api_harness.main()
