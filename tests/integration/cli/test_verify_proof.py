#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""verify-proof: published files, expectations, whom to trust, and everything that is refused."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..')
FILES = os.path.join(ROOT, 'tests', 'fuzz', 'corpus', 'evidence')
OTHER_KEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'


def published_key():
    """The format page names it."""
    with open(os.path.join(ROOT, 'docs', 'format', 'proof.md'), encoding='utf-8') as f:
        return re.search(r'^ {4}(log\.example/sample\+\S+)$', f.read(), re.M).group(1)


KEY = published_key()


class VerifyProofTest(CliTest):
    def file(self, name):
        return os.path.join(FILES, name + '.tlog-proof')

    def check(self, name, *options, key=KEY):
        return self.run_bare('verify-proof', self.file(name), '--key', key, *options)

    def test_what_is_proven(self):
        for name, proven in (('entry', 'entry'), ('range', 'entry'), ('newest', 'newest'),
                             ('newest-no-gap', 'newest'), ('deleted', 'deleted'),
                             ('absent', 'absent'), ('redacted', 'newest')):
            run = self.check(name, '--json')
            self.assertEqual(run.code, 0, run.err)
            self.assertEqual(run.json()['proven'], proven)
            self.assertEqual(self.check(name).code, 0)
        newest = self.check('newest', '-o', 'jsonl').json()
        self.assertEqual((newest['key'], newest['seq'], newest['history']), ('alpha', 3, '0,3'))
        redacted = self.check('redacted', '--json').json()
        self.assertEqual((redacted['redaction_seq'], redacted['redaction_reason'],
                          redacted['redaction_cause']), (8, 'asked to forget', 'legal'))

    def test_value_only_on_request(self):
        run = self.check('newest', '--value-out', self.path('value'))
        self.assertEqual(run.code, 0, run.err)
        self.assertNotIn('three', run.out)
        with open(self.path('value'), 'rb') as f:
            self.assertEqual(f.read(), b'three')
        run = self.check('range', '--value-out', self.path('part'), '--json')
        self.assertEqual((run.code, run.json()['value']), (0, 'partly proven'), run.err)
        self.assertEqual(os.path.getsize(self.path('part')), run.json()['range_len'])
        run = self.check('redacted', '--value-out', self.path('none'))
        self.assertEqual(run.code, 5)
        self.assertIn('shows no value', run.err)
        self.assertFalse(os.path.exists(self.path('none')))

    def test_standard_input(self):
        with open(self.file('entry'), 'rb') as f:
            run = self.run_bare('verify-proof', '-', '--key', KEY, stdin=f.read())
        self.assertEqual(run.code, 0, run.err)

    def test_expectations(self):
        value = self.write('three', b'three')
        for options in (['--expect-key', 'alpha'], ['--expect-value', 'three'],
                        ['--expect-value', '@' + value], ['--expect-seq', '3'],
                        ['--expect-newest']):
            self.assertEqual(self.check('newest', *options).code, 0)
        for options in (['--expect-key', 'beta'], ['--expect-value', 'thre'],
                        ['--expect-value', ''], ['--expect-seq', '0']):
            run = self.check('newest', *options)
            self.assertEqual((run.code, run.out), (5, ''))
            self.assertIn('expected' if options[0] != '--expect-seq' else 'entry 0', run.err)
        self.assertEqual(self.check('entry', '--expect-newest').code, 5)
        self.assertEqual(self.check('absent', '--expect-newest', '--expect-key', 'nobody').code, 0)
        self.assertEqual(self.check('absent', '--expect-key', 'somebody').code, 5)

    def test_whom_to_trust(self):
        self.assertEqual(self.check('entry', key=OTHER_KEY).code, 5)
        self.assertEqual(self.check('entry', '--key', OTHER_KEY).code, 0)
        self.assertEqual(self.check('entry', '--origin', 'log.example/sample').code, 0)
        self.assertEqual(self.check('entry', '--origin', 'log.example/other').code, 5)
        self.assertEqual(self.check('entry', key='nonsense').code, 2)
        self.assertEqual(self.run_bare('verify-proof', self.file('entry')).code, 2)
        policy = self.write('policy', 'log %s\nquorum none\n' % KEY)
        run = self.run_bare('verify-proof', self.file('entry'), '--policy', policy, '--json')
        self.assertEqual((run.code, run.json()['policy']), (0, 'fulfilled'))
        self.assertNotIn('signers', run.json())  # which of several keys, a policy does not tell
        policy = self.write('policy', 'log %s\nquorum none\n' % OTHER_KEY)
        run = self.run_bare('verify-proof', self.file('entry'), '--policy', policy)
        self.assertEqual(run.code, 5)
        self.assertEqual(self.check('entry', '--policy', self.path('missing')).code, 1)

    def test_changed_and_cut_files(self):
        with open(self.file('newest'), 'rb') as f:
            genuine = f.read()
        for at in range(0, len(genuine), 97):
            changed = bytearray(genuine)
            changed[at] ^= 1
            run = self.run_bare('verify-proof', '-', '--key', KEY, '--expect-key', 'alpha',
                                stdin=bytes(changed))
            self.assertEqual((run.code, run.out), (5, ''), at)
            self.assertNotEqual(run.err, '')
        run = self.run_bare('verify-proof', '-', '--key', KEY, stdin=genuine[:-200])
        self.assertEqual(run.code, 5)
        self.assertEqual(self.run_bare('verify-proof', '-', '--key', KEY).code, 5)
        self.assertEqual(self.check('missing').code, 1)

    def second_opinion(self, path):
        """The exit code of the checker that shares no code with this one."""
        done = subprocess.run([sys.executable, os.path.join(ROOT, 'tools', 'check_log'), '--key',
                               KEY, '--proof', path], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, check=False)
        return done.returncode

    def test_two_implementations_agree(self):
        for name in sorted(os.listdir(FILES)):
            if not name.endswith('.tlog-proof'):
                continue
            self.assertEqual(self.second_opinion(os.path.join(FILES, name)), 0, name)
        with open(self.file('entry'), 'rb') as f:
            genuine = f.read()
        for at in range(5, len(genuine), 131):
            changed = bytearray(genuine)
            changed[at] ^= 2
            path = self.write('changed', bytes(changed))
            self.assertNotEqual(self.second_opinion(path), 0, at)
            self.assertEqual(self.run_bare('verify-proof', path, '--key', KEY).code, 5, at)


if __name__ == '__main__':
    harness.main()
