#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, mistakes, configuration, completions, documentation."""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402
from harness import CliTest  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../..')


class Usage(CliTest):
    def test_help(self):
        everything = self.run_bare('--help')
        self.assertEqual((everything.code, everything.err), (0, ''))
        names = re.findall(r'^  ([a-z]+) {2,}', everything.out, re.M)
        self.assertIn('import', names)
        for name in names:
            result = self.run_bare(name, '--help')
            self.assertEqual(result.code, 0)
            self.assertTrue(result.out.startswith('usage: blockdb-cli'))
            if name != 'help':
                self.assertEqual(self.run_bare('help', name).out, result.out)
        self.assertLessEqual(max(map(len, everything.out.splitlines())), 100)

    def test_version(self):
        self.assertRegex(self.run_bare('--version').out, r'^blockdb-cli \d+\.\d+\.\d+\n$')

    def test_mistakes(self):
        for args, says in ((['gett', 'k'], "did you mean 'get'"), (['zzz'], '--help lists'),
                           (['scan', '--limt', '3'], "did you mean '--limit'"),
                           (['scan', '--zzzzz'], 'write --'), (['get'], '1 argument needed'),
                           (['get', 'a', 'b'], 'one argument too many'),
                           (['scan', '--limit'], 'needs a value'),
                           (['scan', '--limit', 'x'], 'not a whole number'),
                           (['scan', '--limit', '1', '--limit', '2'], 'given twice'),
                           (['scan', '--reverse=1'], 'takes no value'),
                           (['scan', '-o', 'xml'], 'one of table|json|jsonl|raw'),
                           (['scan', '--json', '-o', 'raw'], 'exclude'),
                           (['put', 'k', 'v', '--wait', 'soon'], 'not a duration'),
                           (['import', '-', '--format', 'x'], 'one of jsonl|csv|lines'),
                           (['txn', 'k'], "no command 'txn' yet"), ([], 'no command')):
            result = self.cli(*args)
            self.assertEqual(result.code, 2, (args, result.err))
            self.assertIn(says, result.err)
            self.assertEqual(result.out, '')
        self.assertFalse(os.path.exists(self.db))

    def test_no_server(self):
        result = self.run_bare('--url', 'http://127.0.0.1:1', 'get', 'k')
        self.assertEqual(result.code, 6)
        self.assertIn('--data-dir', result.err)
        both = self.run_bare('--url', 'http://127.0.0.1:1', '--data-dir', self.db, 'get', 'k')
        self.assertEqual(both.code, 2)
        self.assertIn('exclude each other', both.err)

    def test_too_many_options(self):
        options = ['--set=write_once=false'] * 65
        self.fails(2, 'put', 'k', 'v', *options, says='more than 64 options')

    def test_colour_only_on_a_terminal(self):
        self.assertNotIn('\x1b', self.fails(2, 'gett').err)

    def test_without_home_and_terminal(self):
        env = {'PATH': os.environ.get('PATH', '')}
        self.assertEqual(self.run_bare('--data-dir', self.db, 'put', 'k', 'v', env=env).code, 0)


class Configuration(CliTest):
    def check(self, text, says, line=None):
        path = self.write('bad.toml', text)
        result = self.fails(2, '--config', path, 'put', 'k', 'v', says=says)
        self.assertIn(path + (':%d: ' % line if line else ':'), result.err)

    def test_default_config_is_read_back(self):
        text = self.run_bare('--print-default-config').out
        path = self.write('all.toml', text.replace('./blockdb_data', self.db))
        self.assertEqual(self.run_bare('--config', path, 'put', 'k', 'v').code, 0)
        self.assertEqual(self.run_bare('--config', path, 'get', 'k').raw, b'v')

    def test_mistakes(self):
        self.check('[database]\n\nmemtable_limit = 5\n', "did you mean 'memtable_size_limit'", 3)
        self.check('[database]\ncompression_type = "gzip"\n', 'none snappy lz4 zstd', 2)
        self.check('[database]\ncompaction_threshold = "4"\n', 'whole number without quotes', 2)
        self.check('[database]\nblock_cache_size = "5 MB"\n', 'MiB', 2)
        self.check('[database]\nwrite_buffer_size = 5\n', 'must lie between', 2)
        self.check('[databse]\n', 'did you mean [database]', 1)
        self.check('data_dir = "x"\n', 'outside of any table', 1)
        self.check('[database]\nlevel = "info"\n', 'belongs into table [logging]', 2)
        self.check('[database]\nwrite_once = true\n[database]\n', 'not valid TOML', 3)
        self.check('[database]\nwrite_once = \n', 'not valid TOML', 2)
        self.fails(2, 'put', 'k', 'v', '--set', 'memtable_size_limt=1', says='did you mean')
        self.fails(2, 'put', 'k', 'v', '--set', 'write_once', says='KEY=VALUE')
        self.fails(2, 'put', 'k', 'v', '--set', 'memory_limit=1MiB', says='memory_limit')
        result = self.cli('put', 'k', 'v', '--config', self.path('none'))
        self.assertNotEqual(result.code, 0)
        self.assertIn('none', result.err)

    def test_folder(self):
        os.mkdir(self.path('conf.d'))
        self.write('conf.d/20-b.toml', '[database]\ndata_dir = "%s"\n' % self.db)
        self.write('conf.d/10-a.toml', '[database]\ndata_dir = "/nowhere"\nwrite_once = true\n')
        self.write('conf.d/ignored.txt', 'not toml')
        args = ['--config', self.path('conf.d'), 'put', 'k', 'v']
        self.assertEqual(self.run_bare(*args).code, 0)
        self.assertEqual(self.run_bare(*args).code, 4)
        self.assertTrue(os.path.exists(self.db))

    def test_precedence(self):
        path = self.write('a.toml', '[database]\nwrite_once = true\n')
        self.ok('put', 'k', '1')
        self.fails(4, '--config', path, 'put', 'k', '2')
        env = self.environment(BLOCKDB_WRITE_ONCE='false', BLOCKDB_DATA_DIR=self.db,
                               BLOCKDB_PORT='tcp://10.0.0.1:80')
        self.assertEqual(self.run_bare('--config', path, 'put', 'k', '2', env=env).code, 0)
        result = self.run_bare('--config', path, '--set', 'write_once=true', 'put', 'k', '2',
                               env=env)
        self.assertEqual(result.code, 4)
        env = self.environment(BLOCKDB_WRITE_ONCES='true', BLOCKDB_DATA_DIR=self.db)
        result = self.run_bare('put', 'k', '2', env=env)
        self.assertEqual(result.code, 2)
        self.assertIn("did you mean 'BLOCKDB_WRITE_ONCE'", result.err)

    def test_logging(self):
        log = self.path('cli.log')
        self.ok('put', 'k', 'v', '--set', 'logging.file=' + log, '--set', 'logging.level=info',
                '--set', 'logging.format=json')
        self.fails(3, 'get', 'no', '--set', 'logging.file=' + log, says='not found')
        with open(log, encoding='utf-8') as f:
            content = f.read()
        self.assertIn('"level":"info"', content)
        self.assertIn('not found', content)
        result = self.fails(3, 'get', 'no', '--set', 'logging.format=json')
        self.assertTrue(result.err.startswith('{"time":'), result.err)
        self.fails(1, 'get', 'no', '--set', 'logging.file=' + self.path('none/x'), says='append')


class Generated(CliTest):
    def generate(self, kind):
        result = self.run_bare('generate', kind)
        self.assertEqual((result.code, result.err), (0, ''))
        return result.out

    def test_shells_accept_the_completions(self):
        for shell in ('bash', 'zsh', 'fish'):
            path = self.write('completion', self.generate(shell))
            program = shutil.which(shell)
            if program is not None:
                done = subprocess.run([program, '-n', path], stderr=subprocess.PIPE, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, b''))

    def test_bash_completes(self):
        path = self.write('completion', self.generate('bash'))
        for words, expected in ((['imp'], 'import'), (['scan', '--rev'], '--reverse'),
                                (['scan', '-o', 'jso'], 'json jsonl'),
                                (['put', '--durability', 'al'], 'always')):
            script = ('. %s; COMP_WORDS=(blockdb-cli %s); COMP_CWORD=%d; _blockdb_cli; '
                      'echo "${COMPREPLY[*]}"' % (path, ' '.join(words), len(words)))
            out = subprocess.run(['bash', '-c', script], stdout=subprocess.PIPE, check=True).stdout
            self.assertEqual(out.decode().strip(), expected)

    def test_man_page(self):
        page = self.generate('man')
        self.assertIn('.SS import', page)
        if shutil.which('man') is not None:
            done = subprocess.run(['man', '--warnings', '-E', 'UTF-8', '-l',
                                   self.write('cli.1', page)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.stderr, b'')

    def test_documentation_is_the_reference(self):
        for kind, page in (('reference', 'docs/operate/cli.md'),
                           ('config-reference', 'docs/operate/configuration.md')):
            with open(os.path.join(ROOT, page), encoding='utf-8') as f:
                self.assertIn(self.generate(kind), f.read(),
                              '%s: put in what blockdb-cli generate %s prints' % (page, kind))

    def test_example_is_the_default(self):
        with open(os.path.join(ROOT, 'packaging/blockdb.toml'), encoding='utf-8') as f:
            self.assertEqual(self.run_bare('--print-default-config').out, f.read())


if __name__ == '__main__':
    harness.main()
