# SPDX-License-Identifier: Apache-2.0
"""What the tests of the store in real processes share: running store_writer, and its answers."""
import os
import random
import subprocess
import sys
import time

SKIPPED = 77  # what the build system takes for "skipped"


def skip(reason):
    print('skipped:', reason)
    sys.exit(SKIPPED)


def rounds(quick, at_length):
    return at_length if 'BLOCKDB_TEST_LONG' in os.environ else quick


def seeded():
    """A source of randomness whose seed is printed and can be given again."""
    seed = int(os.environ.get('BLOCKDB_TEST_SEED', time.time_ns()))
    print(f'repeat with BLOCKDB_TEST_SEED={seed}', flush=True)
    return random.Random(seed)


class Writer:
    """A store_writer that writes until it is killed."""

    def __init__(self, program, folder, mode, first):
        self.process = subprocess.Popen([program, 'write', folder, mode, str(first)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill(self):
        """Kills it; returns what it said: pairs of number and seq, and other lines."""
        self.process.kill()
        out, err = self.process.communicate()
        # Not killed but ended: only the rig may be the reason, which the caller judges.
        lines = out.decode().split('\n')[:-1]  # a line without end was never said
        pairs = [tuple(map(int, line.split())) for line in lines if line[:1].isdigit()]
        return pairs, [line for line in lines if not line[:1].isdigit()] + err.decode().splitlines()


def check(program, folder, pairs):
    """Opens and verifies; returns which acknowledged numbers are lost."""
    text = ''.join(f'{n} {seq}\n' for n, seq in pairs)
    done = subprocess.run([program, 'check', folder], input=text, capture_output=True, text=True,
                          timeout=200)
    if done.returncode != 0 or 'ok ' not in done.stdout:
        sys.exit(f'check failed: {done.stdout[-2000:]}{done.stderr}')
    return [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith('lost')]


def next_number(pairs):
    return max((n for n, _ in pairs), default=0) + 3  # two may be there without an answer
