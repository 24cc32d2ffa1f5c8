#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A writing process is killed at random moments, also while it recovers: every acknowledged entry
is there, whatever the durability, for the operating system lives on."""
import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import store_harness as harness  # noqa: E402

KILLS_BEFORE_CHECK = 5


def main():
    program = sys.argv[1]
    rng = harness.seeded()
    acknowledged = 0
    for mode in ('group', 'none'):
        with tempfile.TemporaryDirectory(prefix='blockdb-kill-test.') as base:
            folder = os.path.join(base, 'db')
            pairs = []
            for round_number in range(harness.rounds(15, 3000)):
                writer = harness.Writer(program, folder, mode, harness.next_number(pairs))
                # Some never come further than into their recovery.
                time.sleep(rng.choice([0.004, 0.02, 0.15]) * rng.random() * 2)
                said, other = writer.kill()
                if other:
                    sys.exit(f'the writer said {other}')
                pairs += said
                acknowledged += len(said)
                if round_number % KILLS_BEFORE_CHECK == KILLS_BEFORE_CHECK - 1:
                    lost = harness.check(program, folder, pairs)
                    if lost:
                        sys.exit(f'mode {mode}, round {round_number}: lost {lost[:20]}')
                    if len(pairs) > 100000:
                        pairs = pairs[-1000:]
    if acknowledged == 0:
        sys.exit('nothing was ever acknowledged: the test tests nothing')
    print(f'{acknowledged} acknowledged entries survived')


main()
