# SPDX-License-Identifier: Apache-2.0
"""What the tests of blockdb-cli share: a directory of their own, and the program under test."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None  # set by main()
# Small files: a test makes many databases.
SMALL = ['--set', 'wal_file_size=1MiB', '--set', 'memtable_size_limit=1MiB',
         '--set', 'block_cache_size=1MiB', '--set', 'index_cache_size=1MiB']


class Result:
    """What one run of the program left behind."""

    def __init__(self, done):
        self.code = done.returncode
        self.raw = done.stdout
        self.out = done.stdout.decode('utf-8', 'replace')
        self.err = done.stderr.decode('utf-8', 'replace')

    def json(self):
        return json.loads(self.out)

    def objects(self):
        return [json.loads(line) for line in self.out.splitlines()]


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='blockdb-cli-test.')
        self.addCleanup(self.folder.cleanup)
        self.db = self.path('db')

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, content):
        mode = 'wb' if isinstance(content, bytes) else 'w'
        with open(self.path(name), mode) as f:
            f.write(content)
        return self.path(name)

    def environment(self, **extra):
        env = {k: v for k, v in os.environ.items() if not k.startswith('BLOCKDB_')}
        env['XDG_STATE_HOME'] = self.path('state')  # pinned heads
        env.update(extra)
        return env

    def run_bare(self, *args, stdin=b'', env=None, cwd=None):
        """Runs the program with these arguments and no others."""
        done = subprocess.run([PROGRAM, *args], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=env or self.environment(),
                              cwd=cwd or self.folder.name, timeout=120, check=False)
        return Result(done)

    def cli(self, *args, stdin=b'', db=None):
        """Runs a command on the test's database."""
        return self.run_bare('--data-dir', db or self.db, *SMALL, *args, stdin=stdin)

    def ok(self, *args, stdin=b'', db=None):
        result = self.cli(*args, stdin=stdin, db=db)
        self.assertEqual(result.code, 0, f'{args}: {result.err}')
        return result

    def fails(self, code, *args, stdin=b'', db=None, says=''):
        result = self.cli(*args, stdin=stdin, db=db)
        self.assertEqual(result.code, code, f'{args}: {result.out} {result.err}')
        self.assertIn(says, result.err)
        return result


def main():
    """Runs the tests of the calling file; its first argument is the program."""
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
