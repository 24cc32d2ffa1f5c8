#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: writing and reading, and every way to be refused."""
import base64
import json
import os
import subprocess
import sys
from urllib.parse import quote

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import api_harness  # noqa: E402
from api_harness import ApiTest  # noqa: E402
from server_harness import parse_answer, read_all  # noqa: E402

ABSURD = '[' * 100 + ']' * 100


class Putting(ApiTest):
    def test_all_outcomes_have_one_length(self):
        lengths = set()
        for i in range(120):
            body = {'key': 'n%d' % i, 'value': 'x' * i}
            lengths.add(len(self.ask('POST', '/api/v1/put', body).body))
        lengths.add(len(self.ask('DELETE', '/api/v1/delete/n1').body))
        operations = [{'type': 'put', 'key': 'm%d' % i, 'value': ''} for i in range(50)]
        lengths.add(len(self.ask('POST', '/api/v1/batch', {'operations': operations}).body))
        self.assertEqual(lengths, {124})

    def test_round_trip(self):
        for key, value in (('a:b/c', 'plain'), ('ключ', 'значение \U0001f600'), ('sp ace', ''),
                           ('quote"\\', 'line\nbreak\t\u0001'), ('%2F', '100%'), ('+', '+ +'),
                           ('k' * 4096, 'long key'), ('large', 'v' * 3000000)):
            seq = self.put(key, value)
            got = self.get(key)
            self.assertEqual((got['key'], got['value'], got['seq'], got['encoding'], got['type']),
                             (key, value, seq, 'utf8', 'put'))
            self.assertRegex(got['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')

    def test_slashes_of_a_path_are_of_the_key(self):
        self.put('a/b/c', 'slashes')
        for path in ('a/b/c', 'a%2Fb%2fc', 'a/b%2Fc'):
            self.assertEqual(self.ok('GET', '/api/v1/get/' + path)['key'], 'a/b/c')

    def test_base64(self):
        key, value = b'\xff\x00\x80', bytes(range(256))
        self.put(base64.b64encode(key).decode(), base64.b64encode(value).decode(),
                 encoding='base64')
        got = self.ok('GET', '/api/v1/get/' + quote(key))
        self.assertEqual(got['encoding'], 'base64')
        self.assertEqual((base64.b64decode(got['key']), base64.b64decode(got['value'])),
                         (key, value))
        self.refused(422, 'NotText', 'GET', '/api/v1/get/' + quote(key) + '?encoding=utf8')
        self.refused(422, 'NotText', 'GET', '/api/v1/scan?encoding=utf8&prefix=%FF')
        self.refused(422, 'NotText', 'GET', '/api/v1/history/%FF%00%80?encoding=utf8')
        self.refused(422, 'NotText', 'GET', '/api/v1/entry/%d?encoding=utf8' % got['seq'])
        self.put('text', 'text')
        self.assertEqual(self.get('text', '?encoding=base64')['value'], 'dGV4dA==')
        self.assertEqual(self.get('text', '?encoding=utf8')['value'], 'text')

    def test_conditions(self):
        first = self.put('once', '1', if_absent=True)
        self.refused(409, 'Conflict', 'POST', '/api/v1/put',
                     {'key': 'once', 'value': '2', 'if_absent': True}, says='once')
        second = self.put('once', '2', if_seq=first)
        self.refused(409, 'Conflict', 'POST', '/api/v1/put',
                     {'key': 'once', 'value': '3', 'if_seq': first})
        self.refused(409, 'Conflict', 'DELETE', '/api/v1/delete/once?if_seq=%d' % first)
        self.ok('DELETE', '/api/v1/delete/once?if_seq=%d' % second)
        self.put('once', '4', if_absent=True)

    def test_durability(self):
        for word in ('none', 'interval', 'group', 'always'):
            self.put('durable', word, durability=word)
            self.ok('DELETE', '/api/v1/delete/durable?durability=' + word)
        self.refused(400, 'InvalidArgument', 'DELETE', '/api/v1/delete/x?durability=no',
                     says='durability')

    def test_request_numbers(self):
        headers = {'Blockdb-Client': 'ab' * 16, 'Blockdb-Request': '7'}
        body = {'key': 'numbered', 'value': '1'}
        first = self.ok('POST', '/api/v1/put', body, headers)
        again = self.ok('POST', '/api/v1/put', body, headers)
        self.assertEqual((first['repeated'], again['repeated']), (False, True))
        self.assertEqual((first['seq'], first['time']), (again['seq'], again['time']))
        self.assertEqual(len(self.ok('GET', '/api/v1/history/numbered')['versions']), 1)
        headers['Blockdb-Request'] = '6'
        self.refused(409, 'Stale', 'POST', '/api/v1/put', body, headers)
        headers['Blockdb-Request'] = '8'
        self.assertFalse(self.ok('DELETE', '/api/v1/delete/numbered', None, headers)['repeated'])
        self.assertTrue(self.ok('DELETE', '/api/v1/delete/numbered', None, headers)['repeated'])
        for wrong in ({'Blockdb-Client': 'ab'}, {'Blockdb-Request': '1'},
                      {'Blockdb-Client': 'ab' * 16}, {'Blockdb-Client': 'xy' * 16},
                      {'Blockdb-Client': 'ab' * 16, 'Blockdb-Request': '-1'}):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/put', body, wrong,
                         says='header')

    def test_bodies_that_are_refused(self):
        good = {'key': 'k', 'value': 'v'}
        for body, says in (
                ('', 'no body'), ('[]', 'object'), ('"x"', 'object'), ('{', 'JSON'),
                ('{"key":"k","value":"v"', 'JSON'), ('{"key":"k" "value":"v"}', 'JSON'),
                ('{"key":"k","value":"v"}{}', 'goes on'), ('{"key":"k"}', "'value' is missing"),
                ('{"value":"v"}', "'key' is missing"), ('{"key":1,"value":"v"}', "'key'"),
                ('{"key":"k","value":null}', "'value'"), ('{"key":"k","valu":"v"}', 'value'),
                ('{"key":"k","key":"k","value":"v"}', "'key' is given twice"),
                ('{"key":"","value":"v"}', 'key'), (ABSURD, 'object'),
                ('{"key":%s,"value":"v"}' % ABSURD, "'key'"),
                ('{"key":"k","value":"\\ud800"}', "'value'"),
                ('{"key":"k","value":"\\x"}', "'value'"),
                (b'{"key":"k","value":"\xff"}', 'UTF-8'),
                (b'{"key":"k","value":"\xed\xa0\x80"}', 'UTF-8'),
                ('{"key":"k","value":"a\nb"}', 'JSON'),
                (json.dumps(dict(good, encoding='hex')), 'encoding'),
                (json.dumps(dict(good, encoding='base64')), 'base64'),
                (json.dumps(dict(good, if_absent=1)), 'if_absent'),
                (json.dumps(dict(good, if_seq=-1)), 'if_seq'),
                (json.dumps(dict(good, if_seq=1.5)), 'if_seq'),
                (json.dumps(dict(good, if_seq=2 ** 64)), 'if_seq'),
                (json.dumps(dict(good, durability='fast')), 'durability'),
                (json.dumps(dict(good, key='k' * 4097)), '4096')):
            answer = self.ask('POST', '/api/v1/put', body)
            self.assertIn(answer.status, (400, 413), body[:80])
            self.assertIn(says, answer.json()['message'], body[:80])

    def test_a_body_too_large_is_refused(self):
        with self.server.connect() as s:
            s.sendall(b'POST /api/v1/put HTTP/1.1\r\nHost: x\r\nContent-Length: 17000000\r\n\r\n')
            status, _, body = parse_answer(read_all(s))
        self.assertEqual((status, json.loads(body)['success']), (413, False))

    def test_form_type_and_curl(self):
        url = 'http://127.0.0.1:%d/api/v1/' % self.server.port
        out = subprocess.run(['curl', '-sS', '-d', '{"key":"curl","value":"1"}', url + 'put'],
                             stdout=subprocess.PIPE, check=True).stdout
        self.assertTrue(json.loads(out)['success'])
        big = '{"key":"big","value":"%s"}' % ('x' * 2000000)
        out = subprocess.run(['curl', '-sS', '-d', '@-', '-H', 'Expect: 100-continue', url + 'put'],
                             input=big.encode(), stdout=subprocess.PIPE, check=True).stdout
        self.assertTrue(json.loads(out)['success'])
        out = subprocess.run('curl -sS %sget/curl | jq -r .value' % url, shell=True,
                             stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(out, b'1\n')

    def test_ab_and_wrk(self):
        body = os.path.join(self.server.dir, 'ab.json')
        with open(body, 'w', encoding='ascii') as f:
            f.write('{"key":"ab","value":"%s"}' % ('x' * 100))
        url = 'http://127.0.0.1:%d/api/v1/' % self.server.port
        for keep in ([], ['-k']):
            out = subprocess.run(['ab', '-q', '-n', '300', '-c', '10', *keep, '-p', body, '-T',
                                  'application/json', url + 'put'], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, check=True).stdout
            self.assertRegex(out, r'Complete requests: +300\n')
            self.assertRegex(out, r'Failed requests: +0\n')
            self.assertNotIn('Non-2xx', out)
        out = subprocess.run(['wrk', '-t1', '-c8', '-d1s', url + 'get/ab'], stdout=subprocess.PIPE,
                             text=True, check=True).stdout
        self.assertNotIn('Non-2xx', out)
        self.assertNotIn('Socket errors', out)


class Batches(ApiTest):
    def batch(self, *operations):
        return self.ok('POST', '/api/v1/batch', {'operations': list(operations)})

    def test_all_or_nothing(self):
        seq = self.put('b1', 'old')
        out = self.batch({'type': 'put', 'key': 'b2', 'value': 'new'},
                         {'type': 'delete', 'key': 'b1', 'if_seq': seq},
                         {'type': 'put', 'key': 'AP8=', 'value': '/w==', 'encoding': 'base64'},
                         {'type': 'require_absent', 'key': 'b3'})
        self.assertEqual(out['count'], 3)
        self.refused(404, 'NotFound', 'GET', '/api/v1/get/b1')
        self.assertEqual(self.get('b2')['seq'], out['seq'])
        for condition in ({'type': 'require_seq', 'key': 'b2', 'seq': 0},
                          {'type': 'require_absent', 'key': 'b2'},
                          {'type': 'put', 'key': 'b2', 'value': '', 'if_absent': True},
                          {'type': 'put', 'key': 'b2', 'value': '', 'if_seq': 0}):
            self.refused(409, 'Conflict', 'POST', '/api/v1/batch',
                         {'operations': [{'type': 'put', 'key': 'b9', 'value': ''}, condition]})
        self.refused(404, 'NotFound', 'GET', '/api/v1/get/b9')

    def test_conditions_alone(self):
        seq = self.put('c1', '')
        self.assertEqual(self.batch({'type': 'require_seq', 'key': 'c1', 'seq': seq})['count'], 0)

    def test_exported_lines_are_operations(self):
        self.put('e1', 'exported')
        line = self.ok('GET', '/api/v1/scan?prefix=e1')['entries'][0]
        self.batch(line)
        self.assertEqual(len(self.ok('GET', '/api/v1/history/e1')['versions']), 2)

    def test_refusals_name_the_operation(self):
        fine = {'type': 'put', 'key': 'k', 'value': 'v'}
        for wrong, says in (({'type': 'putt', 'key': 'k'}, 'operation 1: '), ({}, "'type'"),
                            ({'type': 'put', 'key': 'k'}, "'value' is missing"),
                            ({'type': 'delete', 'key': 'k', 'value': ''}, "'value' does not"),
                            ({'type': 'delete', 'key': 'k', 'if_absent': True}, "'if_absent' does"),
                            ({'type': 'require_seq', 'key': 'k'}, "'seq' is missing"),
                            ({'type': 'put', 'key': '', 'value': ''}, 'operation 1'),
                            ({'type': 'put', 'key': '!', 'value': '', 'encoding': 'base64'},
                             "'key' is no base64"), (7, 'object'), ([], 'object')):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/batch',
                         {'operations': [fine, wrong]}, says=says)
        for body in ({'operations': []}, {'operations': {}}, {}, {'operations': [fine], 'x': 1},
                     {'operations': [fine], 'durability': 'x'}):
            self.refused(400, 'InvalidArgument', 'POST', '/api/v1/batch', body)
        self.refused(404, 'NotFound', 'GET', '/api/v1/get/k')

    def test_many(self):
        self.assertEqual(self.batch(*({'type': 'put', 'key': 'many%05d' % i, 'value': str(i)}
                                      for i in range(20000)))['count'], 20000)


class Reading(ApiTest):
    def test_versions(self):
        seqs = [self.put('v', str(i)) for i in range(5)]
        deleted = self.ok('DELETE', '/api/v1/delete/v')
        gone = self.refused(404, 'NotFound', 'GET', '/api/v1/get/v')
        self.assertEqual((gone['type'], gone['seq']), ('delete', deleted['seq']))
        self.assertNotIn('seq', self.refused(404, 'NotFound', 'GET', '/api/v1/get/never'))
        for i, seq in enumerate(seqs):
            self.assertEqual(self.get('v', '?at=%d' % seq)['value'], str(i))
            self.assertEqual(self.ok('GET', '/api/v1/entry/%d' % seq)['value'], str(i))
        page = self.ok('GET', '/api/v1/history/v?limit=4')
        self.assertEqual([e['type'] for e in page['versions']], ['delete', 'put', 'put', 'put'])
        self.assertNotIn('value', page['versions'][0])
        rest = self.ok('GET', '/api/v1/history/v?limit=4&before=' + page['next_cursor'])
        self.assertEqual([e['seq'] for e in rest['versions']], seqs[1::-1])
        self.assertNotIn('next_cursor', rest)
        bare = self.ok('GET', '/api/v1/history/v?versions_only')
        self.assertEqual(len(bare['versions']), 6)
        self.assertFalse(any('value' in e for e in bare['versions']))

    def test_times(self):
        seq = self.put('t', 'now')
        time = self.get('t')['time']
        self.assertEqual(self.get('t', '?as_of=' + time)['seq'], seq)
        self.assertGreaterEqual(self.ok('GET', '/api/v1/seq?time=' + time)['seq'], seq)
        gone = self.refused(404, 'NotFound', 'GET', '/api/v1/get/t?as_of=2001-01-01T00:00:00Z')
        self.assertNotIn('seq', gone)
        self.refused(404, 'NotFound', 'GET', '/api/v1/seq?time=1')
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/seq', says='time')
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/seq?time=noon', says='time')
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/get/t?at=1&as_of=' + time)

    def test_parameters_that_are_refused(self):
        for path in ('get/k?foo=1', 'get/k?at=x', 'get/k?encoding=hex', 'get/k?proof=maybe',
                     'get/k?consistency=none', 'scan?limit=0', 'scan?limit=10001', 'scan?limit=x',
                     'scan?cursor=x', 'scan?cursor=AAAA', 'scan?reverse=2', 'scan?pref=x',
                     'history/k?limit=0', 'history/k?before=x', 'history/k?x', 'entry/x',
                     'entry/-1', 'entry/1?x=1', 'watch?from=x', 'watch?x=1', 'blocks/x',
                     'blocks?limit=1001', 'verify/x', 'proof/inclusion', 'proof/consistency',
                     'proof/entry/x', 'proof/entry/0?range=1', 'proof/key/k?x=1'):
            self.refused(400, 'InvalidArgument', 'GET', '/api/v1/' + path)
        for word in ('linearizable', 'leader', 'stale'):
            self.put('k', 'v')
            self.get('k', '?consistency=' + word)

    def test_head(self):
        self.put('headed', 'x')
        full = self.ask('GET', '/api/v1/get/headed')
        bare = self.ask('HEAD', '/api/v1/get/headed')
        self.assertEqual((bare.status, bare.body), (200, b''))
        self.assertEqual(bare.headers['content-length'], full.headers['content-length'])
        self.assertEqual(self.ask('HEAD', '/api/v1/get/nothing').status, 404)

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.ask('GET', '/api/v1/nothing').status, 404)
        for method, path in (('GET', '/api/v1/put'), ('POST', '/api/v1/get/k'), ('PUT', '/health')):
            answer = self.ask(method, path)
            self.assertEqual(answer.status, 405)
            self.assertTrue(answer.headers['allow'])


class Scanning(ApiTest):
    KEYS = ['s/%03d' % i for i in range(250)]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        operations = [{'type': 'put', 'key': k, 'value': 'v' + k} for k in cls.KEYS]
        operations.append({'type': 'put', 'key': 't', 'value': ''})
        assert cls.ask('POST', '/api/v1/batch', {'operations': operations}).status == 200

    def pages(self, query):
        cursor, entries, views = '', [], set()
        while True:
            page = self.ok('GET', '/api/v1/scan?' + query + cursor)
            entries += page['entries']
            views.add(page['at'])
            if 'next_cursor' not in page:
                return entries, views
            cursor = '&cursor=' + quote(page['next_cursor'])

    def test_pages(self):
        for limit in (1, 7, 100, 250, 251):
            entries, _ = self.pages('prefix=s/&limit=%d' % limit)
            self.assertEqual([e['key'] for e in entries], self.KEYS)
        entries, _ = self.pages('prefix=s/&limit=9&reverse=1')
        self.assertEqual([e['key'] for e in entries], self.KEYS[::-1])
        self.assertEqual(entries[0]['value'], 'vs/249')

    def test_bounds(self):
        entries, _ = self.pages('start=s/010&end=s/020&limit=3')
        self.assertEqual([e['key'] for e in entries], self.KEYS[10:20])
        entries, _ = self.pages('prefix=s/1&start=s/150&keys_only')
        self.assertEqual([e['key'] for e in entries], self.KEYS[150:200])
        self.assertFalse(any('value' in e for e in entries))
        self.assertEqual(self.pages('prefix=nothing')[0], [])

    def test_a_cursor_holds_its_view(self):
        first = self.ok('GET', '/api/v1/scan?prefix=s/&limit=10')
        self.put('s/0105', 'later')
        self.put('s/200', 'changed')
        self.ok('DELETE', '/api/v1/delete/s/201')
        rest, at = first['entries'], first
        while 'next_cursor' in at:
            at = self.ok('GET', '/api/v1/scan?prefix=s/&limit=100&cursor=' + at['next_cursor'])
            self.assertEqual(at['at'], first['at'])
            rest += at['entries']
        self.assertEqual([e['key'] for e in rest], self.KEYS)
        self.assertEqual(rest[200]['value'], 'vs/200')
        old, _ = self.pages('prefix=s/&at=%d' % first['at'])
        self.assertEqual([e['key'] for e in old], self.KEYS)
        for key in ('s/0105', 's/200', 's/201'):
            self.ok('DELETE', '/api/v1/delete/' + key)
        for key in ('s/200', 's/201'):
            self.put(key, 'v' + key)

    def test_a_cursor_belongs_to_its_scan(self):
        cursor = self.ok('GET', '/api/v1/scan?prefix=s/&limit=1')['next_cursor']
        for query in ('prefix=s/1&', 'prefix=s/&reverse=1&', 'prefix=s/&end=t&', ''):
            self.refused(400, 'InvalidArgument', 'GET',
                         '/api/v1/scan?%scursor=%s' % (query, cursor), says='cursor')
        self.refused(400, 'InvalidArgument', 'GET', '/api/v1/scan?prefix=s/&cursor=' + cursor[:-1])

    def test_a_page_is_bounded_by_bytes(self):
        for i in range(5):
            self.put('wide/%d' % i, 'x' * 1500000)
        page = self.ok('GET', '/api/v1/scan?prefix=wide/')
        self.assertEqual(len(page['entries']), 3)
        self.assertEqual(len(self.pages('prefix=wide/')[0]), 5)


if __name__ == '__main__':
    api_harness.main()
