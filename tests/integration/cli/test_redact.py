#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redact: the bytes are in no file any more, the log says so, and everything else is as it was."""
import json
import os
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest  # noqa: E402

SECRET = 'Jane Roe, born 1984-02-29, diagnosis withheld'


class Redact(CliTest):
    def files_with(self, text):
        found = []
        for folder, _, names in os.walk(self.db):
            for name in names:
                with open(os.path.join(folder, name), 'rb') as file:
                    if text.encode() in file.read():
                        found.append(name)
        return found

    def put_secret(self):
        self.ok('put', 'a', 'before')
        seq = json.loads(self.ok('put', 'k', SECRET, '--json').out)['seq']
        self.ok('put', 'k', 'newer')
        self.ok('put', 'z', 'after')
        return str(seq)

    def test_no_file_has_it(self):
        seq = self.put_secret()
        self.assertNotEqual(self.files_with(SECRET), [])
        self.assertRegex(self.ok('redact', 'k', '--seq', seq, '--reason', 'asked').out,
                         rf'^entry {seq} is redacted by entry \d+\n$')
        self.assertEqual(self.files_with(SECRET), [])
        self.ok('put', 'more', 'x')
        self.ok('flush')
        self.ok('compact')
        self.assertEqual(self.files_with(SECRET), [])
        self.assertEqual(self.ok('verify', '--json').json()['redactions'], 1)
        self.assertEqual(self.ok('get', 'k').raw, b'newer')
        self.assertEqual(self.ok('get', 'a').raw, b'before')
        self.assertEqual(self.ok('get', 'z').raw, b'after')

    def test_reads_tell(self):
        seq = self.put_secret()
        self.ok('redact', 'k', '--seq', seq, '--reason', 'asked', '--reason-code', 'person',
                '--authority', 'case 7', '--yes')
        self.fails(1, 'get', 'k', '--at', seq, says=f'the value of entry {seq} was redacted')
        self.assertIn('(redacted)', self.ok('history', 'k', '-o', 'table').out)
        newer, old = self.ok('history', 'k', '-o', 'jsonl').objects()
        self.assertEqual(newer['value'], 'newer')
        self.assertEqual((old['type'], old['redacted'], old['seq']), ('put', True, int(seq)))
        self.assertNotIn('value', old)
        rows = self.ok('scan', '--at', seq, '-o', 'jsonl').objects()
        self.assertEqual([row.get('redacted', False) for row in rows], [False, True])

    def test_again_and_refused(self):
        seq = self.put_secret()
        first = self.ok('redact', 'k', '--seq', seq, '--reason', 'asked', '--json').json()
        again = self.ok('redact', 'k', '--seq', seq, '--reason', 'again', '--json').json()
        self.assertEqual(first['seq'], again['seq'])
        self.assertEqual(first['target_seq'], int(seq))
        self.fails(2, 'redact', 'k', '--seq', seq, says='--reason is missing')
        self.fails(2, 'redact', 'k', '--reason', 'x', says='--seq is missing')
        self.fails(3, 'redact', 'a', '--seq', seq, '--reason', 'x', says='is no version of key')
        self.fails(3, 'redact', 'k', '--seq', '12345', '--reason', 'x', says='is no version of key')

    def test_many(self):
        secrets = ['%s, number %02d' % (SECRET, i) for i in range(20)]
        seqs = [self.ok('put', 'k', text, '--json').json()['seq'] for text in secrets]
        self.ok('delete', 'k')
        self.ok('put', 'other', 'stays')
        some = [word for seq in seqs[:3] for word in ('--seq', str(seq))]
        self.assertRegex(self.ok('redact', 'k', *some, '--reason', 'asked', '-o', 'table').out,
                         r'^3 entries are redacted, 3 of them now, from entry \d+ on\n$')
        for i, text in enumerate(secrets):
            self.assertEqual(self.files_with(text) == [], i < 3, text)
        report = self.ok('redact', 'k', '--all', '--reason', 'asked', '--json').json()
        self.assertEqual((report['targets'], report['count']), (17, 17))
        self.assertEqual(self.files_with(SECRET), [])
        ledger = os.path.join(self.db, 'ledger')
        self.assertEqual([name for name in os.listdir(ledger) if name.endswith('.blk')],
                         ['000001-2.blk'])  # two rewritings, not twenty
        self.assertEqual(self.ok('verify', '--json').json()['redactions'], 20)
        self.assertEqual(self.ok('get', 'other').raw, b'stays')
        self.fails(3, 'redact', 'k', '--all', '--reason', 'again', says='no version with a value')
        self.fails(2, 'redact', 'k', '--all', '--seq', '1', '--reason', 'x', says='exclude')

    def test_export_and_import(self):
        seq = self.put_secret()
        self.ok('redact', 'k', '--seq', seq, '--reason', 'asked')
        for form in 'jsonl', 'csv':
            exported = self.ok('export', '--format', form, '--at', seq).raw
            self.assertIn(b'redacted', exported)
            other = self.path('other-' + form)
            report = self.ok('import', '-', '--format', form, '--json', stdin=exported, db=other)
            self.assertEqual((report.json()['entries'], report.json()['redacted']), (1, 1))
            self.fails(3, 'get', 'k', db=other)
            self.assertEqual(self.ok('get', 'a', db=other).raw, b'before')
        self.ok('batch', '-', stdin=b'{"type":"put","key":"n","redacted":true}\n'
                                    b'{"type":"put","key":"m","value":"1"}\n')
        self.fails(3, 'get', 'n')
        self.fails(2, 'batch', '-', stdin=b'{"key":"n","redacted":true,"value":"1"}\n')

    def test_backup_and_restore(self):
        seq = self.put_secret()
        self.ok('redact', 'k', '--seq', seq, '--reason', 'asked')
        self.ok('backup', self.path('backup'))
        self.ok('restore', self.path('backup'), '--to', self.path('new'))
        self.fails(1, 'get', 'k', '--at', seq, db=self.path('new'), says='was redacted')
        self.assertEqual(self.ok('verify', '--json', db=self.path('new')).json()['redactions'], 1)

    def test_inspect_shows_the_new_file(self):
        seq = self.put_secret()
        self.ok('redact', 'k', '--seq', seq, '--reason', 'asked')
        ledger = os.path.join(self.db, 'ledger')
        names = [name for name in os.listdir(ledger) if name.endswith('.blk')]
        self.assertEqual(names, ['000001-1.blk'])
        self.ok('inspect', 'segment', os.path.join(ledger, names[0]))
        manifest = next(os.path.join(self.db, n) for n in os.listdir(self.db)
                        if n.startswith('MANIFEST-'))
        edits = [row['changes'] for row in
                 self.run_bare('inspect', 'manifest', manifest, '-o', 'jsonl').objects()]
        self.assertTrue(any(edit.startswith('redactions pending from ') for edit in edits), edits)
        self.assertTrue(any(edit.startswith('no redactions pending') for edit in edits), edits)
        self.assertNotIn('', edits)


if __name__ == '__main__':
    harness.main()
