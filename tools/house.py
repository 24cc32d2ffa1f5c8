# SPDX-License-Identifier: Apache-2.0
"""What the checks of the house share: finding files, blanking comments, reporting.

A check is a function root -> list of Problem. Paths are relative to the root, with '/'.
"""
import argparse
import os
import re
import sys
from collections import namedtuple

Problem = namedtuple('Problem', 'path line text')

SKIPPED_DIRS = {'.git', '.cache', '__pycache__', 'corpus', 'golden', 'subprojects'}
C_SUFFIXES = ('.c', '.h', '.cpp')


def files_below(root, folders=('',)):
    """Paths of all files in the folders, sorted; build trees and binary samples are left out."""
    found = set()
    for folder in folders:
        for at, dirs, names in os.walk(os.path.join(root, folder)):
            dirs[:] = [d for d in dirs
                       if d not in SKIPPED_DIRS and not re.match(r'(build|quickstart-data)', d)]
            found.update(os.path.relpath(os.path.join(at, n), root) for n in names)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace') as file:
        return file.read()


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def _blank(text):
    return re.sub(r'[^\n]', ' ', text)


def code_only(text):
    """The text with comments and the insides of literals as spaces; positions stay the same."""
    def replace(match):
        token = match.group(0)
        if token[0] == '/':
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(replace, text)


def line_of(text, position):
    return text.count('\n', 0, position) + 1


def split_arguments(text):
    """Splits 'int a, f(b, c), d' at its outer commas."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in '([{':
            depth += 1
        elif c in ')]}':
            depth -= 1
        elif c == ',' and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [p.strip() for p in parts if p.strip()]


def matching(text, position, pair='()'):
    """The position of the bracket that closes the one at position, or -1."""
    depth = 0
    for i in range(position, len(text)):
        if text[i] == pair[0]:
            depth += 1
        elif text[i] == pair[1]:
            depth -= 1
            if depth == 0:
                return i
    return -1


def main(description, checks):
    """Runs the checks on --root and exits with 1 when there is a problem."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--root', default=here, help='the source tree (default: this one)')
    root = parser.parse_args().root
    report([p for check in checks for p in check(root)])


def report(problems):
    for problem in sorted(set(problems)):
        place = f'{problem.path}:{problem.line}' if problem.line else problem.path
        print(f'{place}: {problem.text}')
    print(f'{len(set(problems))} problems')
    sys.exit(1 if problems else 0)
