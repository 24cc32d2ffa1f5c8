#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The register of modules, derived from the headers of src/: file, prefixes of its functions, and
the first sentence of its comment. modules.py prints it; --write renews docs/modules.md."""
import argparse
import os
import re
import sys

sys.dont_write_bytecode = True
import house  # noqa: E402

PAGE = 'docs/modules.md'
MARK = '<!-- written by tools/modules.py --write -->'

_FUNCTION = re.compile(r'^(?!typedef|#)[A-Za-z_][\w \t*]*?[ *](?P<name>[a-z]\w*)\(', re.M)


def first_sentence(text):
    """Of the comment that follows the licence line."""
    match = re.search(r'/\*\n \* (?!SPDX)(.*?)(?:\n \*\n|\n \*/)', text, re.S)
    if not match:
        return '-'
    words = re.sub(r'\s*\n \*\s*', ' ', match.group(1)).strip()
    sentence = re.match(r'.*?\.(?= [A-Z]|$)', words)
    return (sentence.group(0) if sentence else words).replace('|', '\\|')


def prefixes(path, text):
    """The stem of the file where all functions start with it, else the first words of all."""
    code = re.sub(r'__attribute__\(\(.*?\)\)', '', house.code_only(text))
    names = {m.group('name') for m in _FUNCTION.finditer(code.replace('RESULT_MUST_BE_USED ', ''))}
    stem = os.path.basename(path)[:-2] + '_'
    if names and all(name.startswith(stem) for name in names):
        return f'`{stem}`'
    first_words = sorted({name.split('_')[0] + '_' for name in names})
    return ' '.join(f'`{word}`' for word in first_words) or '-'


def rows(root):
    for path in house.files_below(root, ['src']):
        if path.endswith('.h') and not path.endswith('_priv.h'):
            text = house.read(root, path)
            yield (f'| `{path[len("src/"):]}` | {prefixes(path, text)} '
                   f'| {first_sentence(text)} |')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--write', action='store_true', help='renew ' + PAGE)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    table = '\n'.join(['| header | prefixes | what it is |', '|---|---|---|', *rows(root)]) + '\n'
    if not parser.parse_args().write:
        print(table, end='')
        return
    before = house.read(root, PAGE).split(MARK)[0]
    with open(os.path.join(root, PAGE), 'w', encoding='utf-8') as page:
        page.write(before + MARK + '\n\n' + table)


if __name__ == '__main__':
    main()
