#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A file system of 64 MiB fills up: the error says so, reads go on, and writing resumes in the same
process once there is room."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import store_harness as harness  # noqa: E402

BALLAST = 24 << 20


def fill(program, base):
    folder = os.path.join(base, 'db')
    ballast = os.path.join(base, 'ballast')
    with open(ballast, 'wb') as file:
        file.write(bytes(BALLAST))
    process = subprocess.Popen([program, 'fill', folder], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    if not line.startswith('full ') or base not in line:
        sys.exit(f'a message without path: {line!r}')
    os.unlink(ballast)
    out, _ = process.communicate('go\n', timeout=200)
    if process.returncode != 0:
        sys.exit('the writer failed')
    pairs = [tuple(map(int, line.split())) for line in out.splitlines()]
    if harness.check(program, folder, pairs):
        sys.exit('acknowledged entries are lost')
    print(f'{len(pairs)} entries; {line.strip()}')


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix='blockdb-full-test.') as base:
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', base],
                              capture_output=True, text=True)
        if done.returncode != 0:
            harness.skip(f'mounting is not permitted: {done.stderr.strip()}')
        try:
            fill(program, base)
        finally:
            subprocess.run(['umount', '-l', base], check=True)


main()
