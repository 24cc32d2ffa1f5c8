#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lost power under a real file system: ext4 on a loop device is shut down without writing its log,
which drops everything that was not synced, and is mounted again.

A control shows that the rig is one: writers that do not sync must lose something."""
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import store_harness as harness  # noqa: E402

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
IMAGE_BYTES = 400 << 20


class Disk:
    """A file with an ext4 file system, mounted through a loop device."""

    def __init__(self, base):
        self.image = os.path.join(base, 'image')
        self.place = os.path.join(base, 'mounted')
        os.mkdir(self.place)
        with open(self.image, 'wb') as file:
            file.truncate(IMAGE_BYTES)

    def mount(self):
        return subprocess.run(['mount', '-o', 'loop', self.image, self.place],
                              capture_output=True, text=True)

    def cut(self):
        handle = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack('I', NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def unmount(self):
        subprocess.run(['umount', self.place], check=False, capture_output=True)


def one_cut(program, disk, mode, first, seconds):
    """Writes, cuts, mounts again; returns the acknowledged pairs and which of them are lost."""
    folder = os.path.join(disk.place, 'db-' + mode)
    writer = harness.Writer(program, folder, mode, first)
    time.sleep(seconds)
    disk.cut()
    pairs, _ = writer.kill()  # what it says of failing writes does not matter
    disk.unmount()
    done = disk.mount()
    if done.returncode != 0:
        sys.exit(f'cannot mount again: {done.stderr}')
    return pairs, harness.check(program, folder, pairs)


def run(program, disk, rng):
    kept = control_lost = 0
    first = {'group': 0, 'none': 0}
    rounds = harness.rounds(10, 1000)
    # On a busy machine the control may lose nothing in so few cuts: it gets more of them then.
    for i in range(4 * rounds):
        if i >= rounds and control_lost > 0:
            break
        mode = 'none' if i % 5 == 4 else 'group'
        pairs, lost = one_cut(program, disk, mode, first[mode], 0.05 + 0.3 * rng.random())
        first[mode] = max(first[mode], harness.next_number(pairs))
        if mode == 'none':
            control_lost += len(lost)
        elif lost:
            sys.exit(f'cut {i}: acknowledged entries are lost: {lost[:20]}')
        else:
            kept += len(pairs)
        if i % 50 == 49:
            for name in first:  # the disk is small
                shutil.rmtree(os.path.join(disk.place, 'db-' + name), ignore_errors=True)
    if kept == 0 or control_lost == 0:
        sys.exit(f'the rig is none: {kept} entries kept, {control_lost} lost by the control')
    print(f'{kept} synced entries survived; the control without syncs lost {control_lost}')


def main():
    program = sys.argv[1]
    if shutil.which('mkfs.ext4') is None:
        harness.skip('there is no mkfs.ext4')
    rng = harness.seeded()
    with tempfile.TemporaryDirectory(prefix='blockdb-power-test.') as base:
        disk = Disk(base)
        subprocess.run(['mkfs.ext4', '-q', disk.image], check=True)
        done = disk.mount()
        if done.returncode != 0:
            harness.skip(f'loop devices cannot be mounted here: {done.stderr.strip()}')
        try:
            run(program, disk, rng)
        finally:
            disk.unmount()


main()
