#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""put, get, delete, history, scan, batch: values, forms of output, exit codes."""
import base64
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest, SMALL  # noqa: E402

TIME = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z'


class PutAndGet(CliTest):
    def test_put_then_get(self):
        self.assertRegex(self.ok('put', 'k', 'v').out, r'^seq \d+\n$')
        result = self.ok('get', 'k')
        self.assertEqual(result.raw, b'v')
        self.assertEqual(result.err, '')

    def test_value_from_input_and_file(self):
        value = bytes(range(256)) * 100
        self.ok('put', 'in', '-', stdin=value)
        self.assertEqual(self.ok('get', 'in').raw, value)
        self.ok('put', 'file', '@' + self.write('v.bin', value))
        self.assertEqual(self.ok('get', 'file').raw, value)
        self.ok('put', 'empty', '-', stdin=b'')
        self.assertEqual(self.ok('get', 'empty').raw, b'')
        self.fails(1, 'put', 'k', '@' + self.path('missing'), says='no such file')

    def test_literal_and_dashes(self):
        self.ok('put', 'at', '@x', '--literal')
        self.assertEqual(self.ok('get', 'at').raw, b'@x')
        self.ok('put', '--', '-k', '-v')
        self.assertEqual(self.ok('get', '--', '-k').raw, b'-v')
        self.ok('put', 'number', '-5')
        self.assertEqual(self.ok('get', 'number').raw, b'-5')

    def test_base64(self):
        value = bytes(range(256))
        text = base64.b64encode(value).decode()
        self.ok('put', 'k', text, '--base64')
        self.assertEqual(self.ok('get', 'k').raw, value)
        self.assertEqual(self.ok('get', 'k', '--base64').out, text + '\n')
        self.ok('put', 'k', '-', '--base64', stdin=text.encode() + b'\n')
        self.assertEqual(self.ok('get', 'k').raw, value)
        self.fails(2, 'put', 'k', 'a===', '--base64', says='not base64')

    def test_missing_and_deleted(self):
        self.ok('put', 'k', 'v')
        self.fails(3, 'get', 'absent', says="key 'absent' not found")
        self.assertRegex(self.ok('delete', 'k').out, r'^seq \d+\n$')
        self.fails(3, 'get', 'k', says='was deleted by entry')
        self.ok('delete', 'never-there')

    def test_if_absent(self):
        self.ok('put', 'k', '1', '--if-absent')
        self.fails(4, 'put', 'k', '2', '--if-absent', says='k')
        self.assertEqual(self.ok('get', 'k').raw, b'1')

    def test_write_once(self):
        self.ok('put', 'k', '1', '--set', 'write_once=true')
        self.fails(4, 'put', 'k', '2', '--set', 'write_once=true')

    def test_durability(self):
        for mode in ('none', 'interval', 'group', 'always'):
            self.ok('put', 'k', mode, '--durability', mode)
        self.fails(2, 'put', 'k', 'v', '--durability', 'sometimes', says='one of none|interval')

    def test_limits(self):
        self.ok('put', 'k' * 4096, 'v')
        self.assertEqual(self.ok('get', 'k' * 4096).raw, b'v')
        result = self.cli('put', 'k' * 4097, 'v')
        self.assertIn(result.code, (1, 2))
        self.assertIn('4096', result.err)
        self.assertIn(self.cli('put', '', 'v').code, (1, 2))
        self.assertIn(self.cli('get', '').code, (1, 2))
        big = b'x' * (16 * 1024 * 1024)
        self.ok('put', 'big', '-', stdin=big)
        self.assertEqual(self.ok('get', 'big').raw, big)
        result = self.cli('put', 'big', '-', stdin=big + b'x')
        self.assertIn(result.code, (1, 2))
        self.assertIn('16777216', result.err)

    def test_time_travel(self):
        first = self.ok('put', 'k', '1', '--json').json()
        time.sleep(0.01)
        second = self.ok('put', 'k', '2', '--json').json()
        self.assertGreater(second['seq'], first['seq'])
        at = str(first['seq'])
        self.assertEqual(self.ok('get', 'k', '--at', at).raw, b'1')
        self.assertEqual(self.ok('get', 'k', '--as-of', first['time']).raw, b'1')
        self.assertEqual(self.ok('get', 'k', '--as-of', second['time']).raw, b'2')
        self.assertEqual(self.ok('scan', '--at', at, '-o', 'raw').out, 'k\t1\n')
        self.fails(3, 'get', 'k', '--as-of', '1999-01-01T00:00:00Z')
        self.fails(2, 'get', 'k', '--as-of', 'yesterday', says='RFC 3339')
        self.fails(2, 'get', 'k', '--at', '1', '--as-of', '5', says='exclude')

    def test_verify_one(self):
        self.ok('put', 'k', 'v')
        self.assertEqual(self.ok('get', 'k', '--verify').raw, b'v')

    def test_json_of_get(self):
        self.ok('put', 'k', 'v"\n\u00e9')
        entry = self.ok('get', 'k', '-o', 'jsonl').json()
        self.assertEqual(list(entry), ['type', 'key', 'value', 'encoding', 'seq', 'time'])
        self.assertEqual((entry['type'], entry['key'], entry['value'], entry['encoding']),
                         ('put', 'k', 'v"\n\u00e9', 'utf8'))
        self.assertRegex(entry['time'], '^' + TIME + '$')
        self.ok('put', 'b', '-', stdin=b'\xff')
        entry = self.ok('get', 'b', '--json').json()
        self.assertEqual((entry['key'], entry['value'], entry['encoding']),
                         ('Yg==', '/w==', 'base64'))


class HistoryAndScan(CliTest):
    def test_history(self):
        for value in '123':
            self.ok('put', 'k', value)
        self.ok('delete', 'k')
        entries = self.ok('history', 'k', '-o', 'jsonl').objects()
        self.assertEqual([e['type'] for e in entries], ['delete', 'put', 'put', 'put'])
        self.assertEqual([e.get('value') for e in entries], [None, '3', '2', '1'])
        self.assertEqual(len(self.ok('history', 'k', '--limit', '2', '--json').json()), 2)
        self.assertIn('(deleted)', self.ok('history', 'k').out)
        self.fails(3, 'history', 'absent', says='never existed')
        self.assertEqual(self.cli('history', 'absent', '--json').out, '[]\n')

    def fill(self):
        lines = ''.join('{"key":"k%02d","value":"v%d"}\n' % (i, i) for i in range(20))
        self.ok('batch', '-', stdin=lines.encode())

    def test_scan(self):
        self.fill()
        keys = self.ok('scan', '--keys-only', '-o', 'raw').out.split()
        self.assertEqual(keys, ['k%02d' % i for i in range(20)])
        keys = self.ok('scan', 'k1', '--keys-only', '-o', 'raw').out.split()
        self.assertEqual(len(keys), 10)
        keys = self.ok('scan', '--start', 'k03', '--end', 'k06', '--keys-only', '-o', 'raw').out
        self.assertEqual(keys.split(), ['k03', 'k04', 'k05'])
        keys = self.ok('scan', '--reverse', '--limit', '2', '--keys-only', '-o', 'raw').out
        self.assertEqual(keys.split(), ['k19', 'k18'])
        self.assertEqual(self.ok('scan', 'none', '--json').json(), [])
        table = self.ok('scan', '--limit', '1').out.splitlines()
        self.assertRegex(table[0], r'^ +SEQ +TIME +KEY +VALUE$')
        self.assertRegex(table[1], r'^ +\d+  ' + TIME + r'  k00 +v0$')
        self.assertNotIn('value', self.ok('scan', '--keys-only', '--json').json()[0])

    def test_table_is_safe_to_print(self):
        self.ok('put', 'k', '-', stdin=b'a\x1b[31m\n\xc2\x9b\xff')
        self.assertIn(r'a\x1b[31m\x0a\xc2\x9b\xff', self.ok('scan').out)


class Batch(CliTest):
    def test_atomic(self):
        lines = ('{"type":"put","key":"a","value":"1"}\n\n'
                 '{"type":"put","key":"/w==","value":"AA==","encoding":"base64"}\r\n'
                 '{"type":"delete","key":"a","seq":7,"time":"x"}')
        result = self.ok('batch', '-', '--json', stdin=lines.encode()).json()
        self.assertEqual(result['count'], 3)
        self.fails(3, 'get', 'a')
        exported = self.ok('export').objects()
        self.assertEqual([(e['key'], e['value']) for e in exported], [('/w==', 'AA==')])

    def test_bad_lines_change_nothing(self):
        self.ok('put', 'there', '1')
        good = '{"key":"a","value":"1"}\n'
        for bad, says in (
                ('{"key":"b"}', 'needs a "value"'), ('{"value":"b"}', '"key" is missing'),
                ('{"key":"b","vaule":"x"}', 'did you mean "value"'),
                ('{"key":"b","value":1}', 'must be a string, not a number'),
                ('{"key":"b","value":"x","type":"patch"}', '"type" must be'),
                ('{"key":"b","value":"x","encoding":"hex"}', '"encoding" must be'),
                ('{"key":"b","value":"!","encoding":"base64"}', '"key" is not base64'),
                ('{"key":"b","value":"x","key":"c"}', 'twice'),
                ('[1]', 'must hold an object'), ('{"key":', 'byte 8'), ('\xff', 'line 2')):
            self.fails(2, 'batch', '-', stdin=(good + bad + '\n').encode('latin-1'), says=says)
        conflict = good + '{"key":"there","value":"2","if_absent":true}\n'
        self.fails(4, 'batch', '-', stdin=conflict.encode(), says='there')
        self.fails(3, 'get', 'a')
        self.fails(2, 'batch', '-', stdin=b'\n', says='no changes')
        self.fails(1, 'batch', self.path('missing'), says='missing')

    def test_too_many(self):
        lines = '{"key":"a","value":"1"}\n' * 100001
        result = self.cli('batch', '-', stdin=lines.encode())
        self.assertIn(result.code, (1, 2))
        self.assertIn('100000', result.err)


class Processes(CliTest):
    def test_many_put_at_once(self):
        self.ok('put', 'first', '0')
        runs = [subprocess.Popen([harness.PROGRAM, '--data-dir', self.db, *SMALL, 'put',
                                  'key%d' % i, 'v%d' % i], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, env=self.environment())
                for i in range(10)]
        for run in runs:
            _, err = run.communicate(timeout=120)
            self.assertEqual(run.returncode, 0, err)
        for i in range(10):
            self.assertEqual(self.ok('get', 'key%d' % i).raw, b'v%d' % i)
        self.ok('verify')

    def holder(self):
        """A shell that has the database open until its input is closed."""
        run = subprocess.Popen([harness.PROGRAM, '--data-dir', self.db, *SMALL, 'shell'],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=self.environment())
        run.stdin.write(b'put held 1\n')
        run.stdin.flush()
        self.assertRegex(run.stdout.readline(), rb'^seq \d+\n$')
        return run

    def test_waits_and_gives_up(self):
        run = self.holder()
        result = self.fails(6, '--wait', '200ms', 'get', 'held')
        self.assertRegex(result.err, r'\b%d\b' % run.pid)
        run.stdin.close()
        self.assertEqual(run.wait(timeout=60), 0)
        run.stdout.close()
        self.assertEqual(self.ok('get', 'held').raw, b'1')

    def test_interrupt_closes(self):
        run = self.holder()
        run.send_signal(2)
        self.assertEqual(run.wait(timeout=60), 130)
        run.stdin.close()
        run.stdout.close()
        self.assertEqual(self.ok('get', 'held').raw, b'1')

    def test_broken_pipe(self):
        lines = ''.join('{"key":"k%06d","value":"%s"}\n' % (i, 'x' * 100) for i in range(20000))
        self.ok('import', '-', stdin=lines.encode())
        for command in (['scan'], ['export'], ['scan', '--json']):
            run = subprocess.Popen([harness.PROGRAM, '--data-dir', self.db, *SMALL, *command],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment())
            run.stdout.readline()
            run.stdout.close()
            err = run.stderr.read()
            run.stderr.close()
            self.assertEqual(run.wait(timeout=60), -13, command)
            self.assertEqual(err, b'')
        self.ok('verify')

    def test_full_output_is_an_error(self):
        self.ok('put', 'k', 'x' * 1000)
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([harness.PROGRAM, '--data-dir', self.db, *SMALL, 'get', 'k'],
                                  stdout=full, stderr=subprocess.PIPE, env=self.environment(),
                                  timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(re.search(b'standard output', done.stderr))


if __name__ == '__main__':
    harness.main()
