#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each check of tools/ finds a planted violation and accepts a clean tree."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPDX = '/* SPDX-License-Identifier: Apache-2.0 */\n'


class TreeTest(unittest.TestCase):
    """A little source tree, a check run on it, and what it says."""

    def setUp(self):
        self.tree = tempfile.TemporaryDirectory()
        self.addCleanup(self.tree.cleanup)

    def write(self, path, text):
        full = os.path.join(self.tree.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as file:
            file.write(text)

    def run_check(self, name, *arguments):
        return subprocess.run(
            [sys.executable, os.path.join(ROOT, 'tools', name), '--root', self.tree.name,
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def accepts(self, name, *arguments):
        done = self.run_check(name, *arguments)
        self.assertEqual(done.returncode, 0, done.stdout)

    def finds(self, name, text, *arguments):
        done = self.run_check(name, *arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(text, done.stdout)
        self.assertIn('\n1 problems', '\n' + done.stdout)


class LayersTest(TreeTest):
    def layers(self, path, text, found=None):
        self.write(path, SPDX + text)
        if found is None:
            self.accepts('check_layers')
        else:
            self.finds('check_layers', found)

    def test_downwards(self):
        self.layers('src/engine/a.c', '#include "store/wal.h"\n#include <blockdb/blockdb.h>\n')

    def test_upwards(self):
        self.layers('src/store/a.c', '#include "engine/view.h"\n', 'may not include engine/view.h')

    def test_sideways(self):
        self.layers('src/store/a.c', '#include "ledger/tile.h"\n', 'may not include ledger/tile.h')

    def test_forbidden_below(self):
        self.layers('src/ledger/a.c', '#include "os/os.h"\n', 'ledger/ may not know os/')

    def test_private(self):
        self.layers('src/engine/a.c', '#include "store/wal_priv.h"\n', 'is private to store/')

    def test_private_of_own_folder(self):
        self.layers('src/store/a.c', '#include "store/wal_priv.h"\n')

    def test_parent(self):
        self.layers('src/store/a.c', '#include "../base/mem.h"\n', 'by their path from src/')

    def test_unknown_folder(self):
        self.layers('src/misc/a.c', '', 'has no layer')

    def test_third_party(self):
        for header in ('xxhash.h', 'openssl/evp.h', 'zstd.h', 'pthread.h', 'fcntl.h'):
            self.layers('src/engine/a.c', f'#include <{header}>\n', f'<{header}> may be included')

    def test_third_party_at_home(self):
        self.write('src/base/checksum.c', '#include <xxhash.h>\n')
        self.write('src/crypto/sha.c', '#include <openssl/evp.h>\n')
        self.layers('src/store/compress.c', '#include <zstd.h>\n#include <snappy-c.h>\n')

    def test_cplusplus(self):
        self.layers('src/store/a.cpp', '', 'C++ is for shim/ only')

    def test_cplusplus_header(self):
        self.layers('src/engine/a.c', '#include <vector>\n', 'is a C++ header')

    def test_system_calls(self):
        for call in ('fsync(d);', 'x = open(p, 0);', 'return unlink(p);', 'if (!rename(a, b))'):
            self.layers('src/store/a.c', f'void f(void)\n{{\n    {call}\n}}\n',
                        'may be called only by')

    def test_clock_and_memory(self):
        self.layers('src/engine/a.c', 'x = clock_gettime(0, &t);\n', 'clock_gettime() may be')
        self.layers('src/engine/a.c', 'p = malloc(4);\n', 'malloc() may be called')
        self.layers('src/engine/a.c', 'pthread_mutex_lock(&m);\n', 'pthread_mutex_lock')

    def test_raw_system_call(self):
        self.layers('src/store/a.c', 'syscall(SYS_futex, 0);\n', 'syscall() may be called')

    def test_own_functions_with_such_names(self):
        self.layers('src/store/a.c', 'f->ops->open(f);\nstatic int stat(int a);\n'
                    '/* calls fsync(fd) */\nchar *t = "unlink(x)";\nfile_read(f);\n'
                    'ops.rename(a);\n')

    def test_os_may(self):
        self.layers('src/os/real.c', '#include <fcntl.h>\nx = open(path, 0);\nfsync(fd);\n')


class StyleTest(TreeTest):
    def style(self, text, found=None, path='src/base/a.c'):
        self.write(path, SPDX + text)
        if found is None:
            self.accepts('check_style')
        else:
            self.finds('check_style', found)

    @staticmethod
    def function(lines, parameters='void'):
        return f'int f({parameters})\n{{\n' + '    g();\n' * (lines - 2) + '}\n'

    def test_clean(self):
        self.style(self.function(70) + '\nint g(int a, int b, int c, int d, int e)\n{\n}\n')

    def test_licence(self):
        self.write('src/base/a.c', 'int a;\n')
        self.finds('check_style', 'first line must have')

    def test_long_line(self):
        self.style('int ' + 'a' * 97 + ';\n', '102 columns')

    def test_long_function(self):
        self.style(self.function(71), 'f() has 71 lines')

    def test_long_file(self):
        self.style('int a;\n' * 1000, '1001 lines')

    def test_parameters(self):
        self.style(self.function(3, 'int a, int b, int c,\n      int d, int e, int g'),
                   'f() has 6 parameters')

    def test_levels(self):
        body = 'void f(void)\n{\n    if (a) {\n        for (;;) {\n            do {\n%s' \
               '            } while (b);\n        }\n    }\n}\n'
        self.style(body % '                struct s t = {.u = {1, {2}}};\n')
        self.style(body % '                if (a) {\n                }\n', 'f() has 4 levels')

    def test_error_is_not_counted(self):
        self.style(self.function(3, 'int a, int b, int c, int d, int e, struct error *err'))

    def test_attribute_after_parameters(self):
        self.style('static int f(int a, int b, int c, int d, int e, int g) REQUIRES(a->mu)\n'
                   '{\n}\n', 'f() has 6 parameters')

    def test_exception(self):
        self.write('tools/style_exceptions.txt', 'lines src/base/a.c f 71\n')
        self.style(self.function(71))

    def test_exception_must_shrink(self):
        self.write('tools/style_exceptions.txt', 'lines src/base/a.c f 71\n')
        self.style(self.function(70), 'is no longer true')

    def test_trailing_space(self):
        self.style('int a; \n', 'space at the end')

    def test_mark(self):
        self.style('/* TO' 'DO: later */\n', 'unfinished work')

    def test_line_comment(self):
        self.style('int a; // one\n', 'comments are /* */')
        self.style('char *a = "http://b"; /* c // d */\n')

    def test_header_guard(self):
        self.style('int f(void);\n', '#pragma once', 'src/base/a.h')
        self.style('#pragma once\nint f(void);\n', None, 'src/base/a.h')

    def test_typedef(self):
        self.style('typedef struct a b;\n', 'no typedef')

    def test_format(self):
        self.write('.clang-format', 'BasedOnStyle: LLVM\nColumnLimit: 100\n')
        self.style('int  a;\n', 'clang-format -i would change it')


class BuildTest(TreeTest):
    def test_source(self):
        self.write('src/store/a.c', '')
        self.write('src/store/meson.build', "sources = files(\n  # 'a.c',\n)\n")
        self.finds('check_build', 'no meson.build names this file')
        self.write('src/store/meson.build', "sources = files(\n  'a.c',\n)\n")
        self.accepts('check_build')

    def test_fuzz(self):
        self.write('tests/fuzz/fuzz_wal.c', '')
        self.write('tests/fuzz/meson.build', "fuzz_names = ['wal']\n")
        self.finds('check_build', 'no seeds in tests/fuzz/corpus/wal/')
        self.write('tests/fuzz/corpus/wal/1', 'a')
        self.accepts('check_build')
        self.write('tests/fuzz/meson.build', "fuzz_names = []\n")
        self.finds('check_build', 'fuzz_wal.c: no meson.build names')

    def test_script(self):
        self.write('tools/run', '#!/bin/sh\n')
        self.finds('check_build', 'must be executable')


class DocsTest(TreeTest):
    def link(self, *pages):
        self.write('README.md', ''.join(f'[a]({page})\n' for page in pages))

    def test_links(self):
        self.write('README.md', '# One\n[a](docs/a.md#two-words) [b](#one)\n'
                   '[c](https://example.org) `[no](link.md)`\n')
        self.write('docs/a.md', '## Two `words`\n')
        self.accepts('check_docs')
        self.write('README.md', '# One\n[a](docs/a.md#two-words)\n[b](none.md)\n')
        self.finds('check_docs', 'README.md:3: the link leads nowhere: none.md')

    def test_fragment(self):
        self.write('README.md', '# One\n[b](#two)\n')
        self.finds('check_docs', 'has no heading for #two')

    def test_orphan(self):
        self.write('docs/a.md', '# A\n')
        self.finds('check_docs', 'docs/a.md: no other page links')

    def test_named_page(self):
        self.write('tests/a.c', '/* Format: docs/format/wal.md */\n')
        self.finds('check_docs', 'docs/format/wal.md does not exist')
        self.write('docs/format/wal.md', '# WAL\n')
        self.link('docs/format/wal.md')
        self.accepts('check_docs')

    def test_codes(self):
        self.write('include/blockdb/status.h',
                   'enum blockdb_status {\n    BLOCKDB_EIO = -6,\n};\n')
        self.link('docs/errors.md')
        self.write('docs/errors.md', '| `BLOCKDB_EIO` | -7 | failed |\n')
        self.finds('check_docs', 'no row for `BLOCKDB_EIO` with -6')
        self.write('docs/errors.md', '| `BLOCKDB_EIO` | -6 | failed |\n')
        self.accepts('check_docs')

    def test_ranks(self):
        self.write('src/base/lock.h', 'enum lock_rank {\n    LOCK_RANK_OS = 140, /* a */\n};\n')
        self.write('docs/modules.md', '| `base/lock.h` | - | - |\n')
        self.link('docs/modules.md')
        self.finds('check_docs', 'no row for `LOCK_RANK_OS` with 140')

    def test_folders(self):
        self.write('src/store/a.c', '')
        self.finds('check_docs', 'src/store: has no README.md')

    def test_modules(self):
        self.write('src/store/wal.h', SPDX + '/*\n * The log: kept.\n * More.\n *\n */\n'
                   'int wal_open(int a);\n')
        self.finds('check_docs', '| `store/wal.h` | `wal_` | The log: kept. |')
        self.write('docs/modules.md', '| `store/wal.h` | `wal_` | The log: kept. |\n')
        self.link('docs/modules.md')
        self.accepts('check_docs')

    def test_options(self):
        printer = os.path.join(self.tree.name, 'printer')
        self.write('printer', "#!/bin/sh\nprintf 'sync\\tenum\\tgroup\\ta group\\n'\n")
        os.chmod(printer, 0o755)
        self.write('docs/operate/configuration.md', '| key |\n')
        self.finds('check_docs', 'no row for `sync`', '--options', printer)
        self.write('docs/operate/configuration.md', '| `sync` | none |\n')
        self.finds('check_docs', 'the default of `sync` is group', '--options', printer)
        self.write('docs/operate/configuration.md', '| `sync` | `group` |\n')
        self.accepts('check_docs', '--options', printer)


class SymbolsTest(TreeTest):
    def compile(self, text, *arguments):
        self.write('a.c', text)
        output = os.path.join(self.tree.name, 'libthing.so')
        subprocess.run([os.environ.get('CC', 'cc').split()[0], *arguments, '-o', output,
                        os.path.join(self.tree.name, 'a.c')], check=True)
        return output

    def run_check(self, name, *arguments):
        return subprocess.run([sys.executable, os.path.join(ROOT, 'tools', name), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)

    def test_exports(self):
        library = self.compile('int blockdb_open(void) { return 0; }', '-shared', '-fPIC')
        self.accepts('check_symbols', '--shared', library)
        library = self.compile('int blockdb_open(void) { return 0; }\n'
                               'int other(void) { return 0; }', '-shared', '-fPIC')
        self.finds('check_symbols', 'exports other', '--shared', library)

    def test_hardened(self):
        text = '#include <string.h>\nint main(int n, char **a) { char b[9]; strcpy(b, a[n - 1]); ' \
               'return b[0]; }\n'
        good = ['-fpie', '-pie', '-fstack-protector-strong', '-Wl,-z,relro,-z,now']
        program = self.compile(text, *good)
        self.accepts('check_symbols', '--hardened', program)
        program = self.compile(text, *good[:3], '-Wl,-z,relro,-z,lazy')
        self.finds('check_symbols', 'is not bound at start', '--hardened', program)
        program = self.compile(text, *good, '-Wl,-z,execstack')
        self.finds('check_symbols', 'is not without an executable stack', '--hardened', program)
        program = self.compile(text, '-fno-pie', '-no-pie', *good[2:])
        self.finds('check_symbols', 'is not position independent', '--hardened', program)

    def test_variables(self):
        library = self.compile('const char *const fixed[] = {"a"};\n', '-c', '-fPIC')
        self.accepts('check_symbols', '--archives', library)
        library = self.compile('static int count;\nint f(void) { return count++; }', '-c')
        self.finds('check_symbols', 'the variable count can change', '--archives', library)


class CountTest(TreeTest):
    """tools/count_tests, on which the last line of run-tests rests."""

    def count(self, *tests):
        self.write('log.json', ''.join(json.dumps(test) + '\n' for test in tests))
        done = subprocess.run(
            [sys.executable, os.path.join(ROOT, 'tools', 'count_tests'),
             os.path.join(self.tree.name, 'log.json')], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()

    def test_counts(self):
        cases = {'name': 'a', 'result': 'OK', 'stdout': 'x\n[  PASSED  ] 7 test(s).\n'}
        self.assertEqual(self.count(cases), '7 0')
        self.assertEqual(self.count({'name': 'a', 'result': 'OK'}), '1 0')
        self.assertEqual(self.count({'name': 'a', 'result': 'SKIP'}), '0 0')
        self.assertEqual(self.count({'name': 'a', 'result': 'TIMEOUT'}), '0 1')
        self.assertEqual(self.count(cases, {'name': 'a', 'result': 'FAIL'}), '7 1')

    def test_failed_cases(self):
        self.assertEqual(self.count({
            'name': 'a', 'result': 'FAIL', 'stdout': '[  PASSED  ] 5 test(s).\n',
            'stderr': '[  FAILED  ] 2 test(s), listed below:\n'}), '5 2')

    def test_program_that_dies_after_its_cases(self):
        self.assertEqual(self.count({
            'name': 'a', 'result': 'FAIL', 'stdout': '[  PASSED  ] 5 test(s).\n'}), '5 1')


if __name__ == '__main__':
    unittest.main()
