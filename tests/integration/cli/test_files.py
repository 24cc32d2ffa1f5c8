#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""import and export: forms, round trips, bad input, input larger than the memory it may take."""
import base64
import csv
import io
import json
import subprocess
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest, SMALL  # noqa: E402


class RoundTrip(CliTest):
    VALUES = {b'plain': b'text', b'quote"comma,': b'a "b", c', b'lines': b'a\r\nb\n',
              b'empty': b'', b'utf8 \xc3\xa9': b'\xe2\x82\xac', b'bytes': b'\x00\xff\x80',
              b'key\xff': b'v', b'-dash': b'=1+1', b' space ': b' both sides '}

    def fill(self):
        lines = []
        for key, value in self.VALUES.items():
            self.assertNotIn(b'\x00', key)
            lines.append(json.dumps({'type': 'put', 'key': base64.b64encode(key).decode(),
                                     'value': base64.b64encode(value).decode(),
                                     'encoding': 'base64'}))
        self.ok('import', '-', stdin='\n'.join(lines).encode())

    def content(self, db=None):
        exported = self.ok('export', db=db).out
        return [{k: v for k, v in json.loads(line).items() if k not in ('seq', 'time')}
                for line in exported.splitlines()]

    def test_jsonl(self):
        self.fill()
        self.assertEqual(len(self.content()), len(self.VALUES))
        for key, value in self.VALUES.items():
            if b'\xff' not in key:
                self.assertEqual(self.ok('get', '--', key.decode()).raw, value)
        exported = self.ok('export').raw
        other = self.path('other')
        self.ok('import', self.write('all.jsonl', exported), db=other)
        self.assertEqual(self.content(), self.content(other))
        self.ok('batch', self.write('all.jsonl', exported), db=self.path('third'))
        self.assertEqual(self.content(), self.content(self.path('third')))

    def test_csv(self):
        self.fill()
        exported = self.ok('export', '--format', 'csv').raw
        rows = list(csv.reader(io.StringIO(exported.decode(), newline='')))
        self.assertEqual(rows[0], ['key', 'value', 'encoding', 'seq', 'time'])
        self.assertEqual(len(rows), len(self.VALUES) + 1)
        other = self.path('other')
        self.ok('import', self.write('all.csv', exported), db=other)
        self.assertEqual(self.content(), self.content(other))

    def test_export_of_prefix_and_past(self):
        first = self.ok('put', 'a1', '1', '--json').json()['seq']
        self.ok('put', 'b1', '1')
        self.assertEqual([e['key'] for e in self.ok('export', 'b').objects()], ['b1'])
        past = self.ok('export', '--at', str(first)).objects()
        self.assertEqual([e['key'] for e in past], ['a1'])
        self.fails(2, 'export', '--format', 'xml', says='one of jsonl|csv')


class Csv(CliTest):
    def values(self):
        return {e['key']: e['value'] for e in self.ok('export').objects()}

    def test_two_columns(self):
        self.ok('import', self.write('x.csv', 'name,city\r\nada,London\r\n"o""h","a,\nb"\r\n'))
        self.assertEqual(self.values(), {'ada': 'London', 'o"h': 'a,\nb'})

    def test_many_columns(self):
        text = '\ufeffid,name,n\n1,ada,\n\n2,"bob, jr",7'
        self.ok('import', self.write('x.csv', text))
        self.assertEqual(self.values(), {'1': '{"name":"ada","n":""}',
                                         '2': '{"name":"bob, jr","n":"7"}'})
        self.ok('import', '-', '--format', 'csv', '--key-field', 'name', stdin=text.encode(),
                db=self.path('b'))
        exported = self.ok('export', db=self.path('b')).objects()
        self.assertEqual([e['key'] for e in exported], ['ada', 'bob, jr'])

    def test_bad(self):
        for text, says in (('', 'no header'), ('a,b\n1\n', 'line 2: the record has 1 fields'),
                           ('a,b\n1,x"y\n', 'line 2: a quote'),
                           ('a,b\n1,"x\ny\n', 'no closing quote'),
                           ('a,b\n1,"x" y\n', 'line 2: a comma is missing'),
                           ('a,a\n1,2\n', 'same name'),
                           ('key,value,encoding\nk,!,base64\n', 'line 2: "key" is not base64')):
            self.fails(2, 'import', '-', '--format', 'csv', stdin=text.encode(), says=says)
        self.fails(2, 'import', '-', '--format', 'csv', '--key-field', 'z', stdin=b'a,b\n1,2\n',
                   says="no column 'z'")
        self.fails(2, 'import', '-', '--format', 'csv', stdin=b'a,b\n"x\n\ny",2\n3\n',
                   says='line 5')


class Lines(CliTest):
    def test_lines(self):
        self.ok('import', self.write('x.tsv', 'a\t1\nb\t2\tx\r\n\nc\t'))
        self.assertEqual(self.ok('scan', '-o', 'raw').out, 'a\t1\nb\t2\tx\nc\t\n')
        self.fails(2, 'import', '-', '--format', 'lines', stdin=b'a\t1\nnone\n', says='line 2')
        self.fails(2, 'import', '-', '--format', 'lines', '--key-field', 'x', stdin=b'',
                   says='no fields')

    def test_objects(self):
        text = '{"id":"a","n":{"x":1}}\n{"n":2,"id":17}\n'
        self.ok('import', self.write('x.jsonl', text), '--key-field', 'id')
        values = {e['key']: e['value'] for e in self.ok('export').objects()}
        self.assertEqual(values, {'a': '{"id":"a","n":{"x":1}}', '17': '{"n":2,"id":17}'})
        for bad, says in (('{"x":1}', 'no member "id"'), ('{"id":[]}', 'string or whole number'),
                          ('{"id":1.5}', 'string or whole number'), ('"x"', 'must hold an object')):
            self.fails(2, 'import', '-', '--key-field', 'id', stdin=bad.encode(), says=says)

    def test_deletes(self):
        self.ok('put', 'a', '1')
        self.ok('import', '-', stdin=b'{"type":"delete","key":"a"}\n')
        self.fails(3, 'get', 'a')
        self.fails(2, 'import', '-', stdin=b'{"key":"a","value":"1","if_absent":true}\n',
                   says='batch')


class Large(CliTest):
    def test_reports_progress_of_damage(self):
        lines = ['{"key":"k%05d","value":"v"}' % i for i in range(25000)]
        lines[24000] = 'oops'
        result = self.fails(2, 'import', '-', stdin='\n'.join(lines).encode(), says='line 24001')
        self.assertIn('24000 entries before it are imported', result.err)
        self.assertEqual(len(self.ok('scan', '--keys-only', '-o', 'raw').out.split()), 24000)

    def test_summary(self):
        lines = ''.join('{"key":"k%05d","value":"v"}\n' % i for i in range(12345))
        report = self.ok('import', '-', '--json', stdin=lines.encode()).json()
        self.assertEqual(report['entries'], 12345)
        self.assertEqual(report['bytes_read'], len(lines))
        self.assertIn('entries', self.ok('import', '-', stdin=b'{"key":"a","value":""}').out)

    def test_long_line(self):
        value = 'x' * (3 * 1024 * 1024)
        line = json.dumps({'key': 'big', 'value': value})
        self.ok('import', '-', stdin=line.encode())
        self.assertEqual(self.ok('get', 'big').out, value)

    def test_bounded_memory(self):
        line = '{"key":"k%07d","value":"%s"}\n'
        run = subprocess.Popen([harness.PROGRAM, '--data-dir', self.db, *SMALL, 'import', '-'],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=self.environment())
        for i in range(40):
            run.stdin.write(''.join(line % (i * 1024 + j, 'x' * 1000)
                                    for j in range(1024)).encode())
        run.stdin.flush()
        with open('/proc/%d/status' % run.pid, encoding='ascii') as status:
            peak_kib = int(next(s for s in status if s.startswith('VmHWM')).split()[1])
        out, err = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 0, err)
        self.assertIn(b'40960', out)
        if not is_sanitized():
            self.assertLess(peak_kib, 200 * 1024)


def is_sanitized():
    """Whether the program carries a sanitizer, which takes memory of its own."""
    with open(harness.PROGRAM, 'rb') as f:
        return b'__asan_init' in f.read() or b'__tsan_init' in f.read()


if __name__ == '__main__':
    harness.main()
