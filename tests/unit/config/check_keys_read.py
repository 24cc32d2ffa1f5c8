#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails for a key of the configuration that nobody reads: a field of struct settings that is
mentioned nowhere outside of the table, or a program's own key whose "section.name" no source
outside of src/config mentions."""
import glob
import os
import re
import sys

ROOT = sys.argv[1]
OWN = {'src/engine/options_table.inc', 'src/engine/options.h'}


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()


def sources():
    for path in glob.glob(os.path.join(ROOT, 'src/**/*.[ch]'), recursive=True):
        relative = os.path.relpath(path, ROOT)
        if relative not in OWN:
            yield re.sub(r'/\*.*?\*/', '', read(relative), flags=re.S)


def main():
    code = list(sources())
    missing = []
    table = read('src/engine/options_table.inc')
    for section, key in re.findall(r'^OPTION\((\w+), (\w+),', table, re.M):
        reader = re.compile(r'(->|\.)%s\b|"%s\.%s"' % (key, section, key))
        if not any(reader.search(text) for text in code):
            missing.append('%s.%s' % (section, key))
    for path in sorted(glob.glob(os.path.join(ROOT, 'src/config/keys_*.inc'))):
        for section, key in re.findall(r'^KEY\((\w+), (\w+),', read(path), re.M):
            name = '%s.%s' % (section, key)
            if not any('"%s"' % name in text for text in code):
                missing.append(name)
    for key in missing:
        print('nobody reads the key', key)
    sys.exit(1 if missing else 0)


main()
