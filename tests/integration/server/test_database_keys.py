#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each key of [database] and [ledger] has an effect that is seen from outside a running server.

A test is named after its key, test_<table>_<key>; a key without one is a failure."""
import base64
import concurrent.futures
import ctypes
import ctypes.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_harness import Server, parse_answer, read_all, wait_for  # noqa: E402

PROGRAM, CLI = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
ORIGIN = 'example.org/keys'
SEGMENT_PAGE = 4096  # offset of the first block in a segment of the ledger
BLOCK_HEAD = 88      # of a block of one page
O_DIRECT = 0o40000


class KeysTest(unittest.TestCase):
    """Servers with some keys of a table set, and what can be seen of them."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='blockdb-database-keys-')
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def server(self, keys, table='database', name='one', more='', **options):
        """Each name is a directory, in which a server that was stopped finds its database again."""
        os.makedirs(self.path(name), exist_ok=True)
        lines = ''.join('%s = %s\n' % (key, json.dumps(value)) for key, value in keys.items())
        s = Server(PROGRAM, '[server]\ndrain_time = 0\n%s[%s]\n%s' % (more, table, lines),
                   dir=self.path(name), **options)
        self.addCleanup(s.__exit__)
        return s

    def pair(self, key, first, second, **more):
        """Two servers that differ in one key."""
        return (self.server({key: first, **more}, name='first'),
                self.server({key: second, **more}, name='second'))

    def stats(self, s):
        return json.loads(s.get('/stats')[2])['database']

    def post(self, s, path, body=None):
        data = json.dumps(body).encode() if body is not None else b''
        with s.connect() as c:
            c.sendall(b'POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d'
                      b'\r\n\r\n%s' % (path.encode(), len(data), data))
            return parse_answer(read_all(c))

    def put(self, s, key='a', value='1'):
        return self.post(s, '/api/v1/put', {'key': key, 'value': value})[0]

    def flush(self, s):
        self.assertEqual(self.post(s, '/api/v1/flush')[0], 200)

    def fill(self, s, count, size=100, prefix='key', value=None):
        """SETs, each answered before the next hundred is sent."""
        with s.connect(s.resp_port) as c, c.makefile('rb') as answers:
            for first in range(0, count, 100):
                commands = []
                some = range(first, min(first + 100, count))
                for i in some:
                    words = (b'SET', b'%s%06d' % (prefix.encode(), i),
                             value or (b'%06d' % i * (size // 6 + 1))[:size])
                    commands.append(b'*3\r\n' + b''.join(b'$%d\r\n%s\r\n' % (len(w), w)
                                                         for w in words))
                c.sendall(b''.join(commands))
                for _ in some:
                    self.assertEqual(answers.readline(), b'+OK\r\n')

    def read(self, s, count, prefix='key', found=True):
        with s.connect(s.resp_port) as c, c.makefile('rb') as answers:
            for i in range(count):
                c.sendall(b'GET %s%06d\r\n' % (prefix.encode(), i))
                head = answers.readline()
                self.assertEqual(head != b'$-1\r\n', found)
                if found:
                    answers.read(int(head[1:]) + 2)

    def stored(self, s, count=3000, size=100):
        """Figures of a server with a table of count keys that were not read yet."""
        self.fill(s, count, size)
        self.flush(s)
        return self.stats(s)

    def read_again(self, key, value, name, count=3000, size=100, **more):
        """Figures of a server that was started anew, and has read every key once from disk."""
        keys = {key: value, **more}
        s = self.server(keys, name=name)
        self.stored(s, count, size)
        self.assertEqual(s.stop(), 0)
        s = self.server(keys, name=name)
        self.read(s, count)
        self.read(s, 300, prefix='key000', found=False)  # absent, but among the others
        return self.stats(s)

    def files(self, s, suffix, folder=''):
        where = os.path.join(s.data_dir, folder)
        return [os.path.join(where, name) for name in os.listdir(where) if name.endswith(suffix)]


class Log(KeysTest):
    """Where the database is, and its write-ahead log."""

    def test_database_data_dir(self):
        with open(self.path('server.toml'), 'w', encoding='utf-8') as f:
            f.write('[database]\ndata_dir = "%s"\n' % self.path('here'))
        process = subprocess.Popen(
            [PROGRAM, '--config', self.path('server.toml'), '--port', '0', '--port-file',
             self.path('ports')], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: os.path.exists(self.path('ports')), 'the server to be ready')
            self.assertTrue(os.path.exists(self.path('here/IDENTITY')))
        finally:
            process.kill()
            process.wait()

    def test_database_wal_dir(self):
        s = self.server({'wal_dir': self.path('log')})
        self.assertEqual(self.put(s), 200)
        self.assertIn('000001.wal', os.listdir(self.path('log')))
        self.assertFalse(os.path.exists(os.path.join(s.data_dir, 'wal')))

    def test_database_create_missing_wal_dir(self):
        keys = {'wal_dir': self.path('log')}
        s = self.server(keys)
        self.assertEqual(self.put(s), 200)
        self.flush(s)
        self.assertEqual(s.stop(), 0)
        shutil.rmtree(self.path('log'))
        refused = self.server(keys, wait=False)
        self.assertNotEqual(refused.process.wait(60), 0)
        self.assertIn(self.path('log'), refused.log_text())
        s = self.server({**keys, 'create_missing_wal_dir': True})
        self.assertEqual(s.get('/api/v1/get/a')[0], 200)

    def test_database_write_once(self):
        once, often = self.pair('write_once', True, False)
        self.assertEqual([self.put(once), self.put(once)], [200, 409])
        self.assertEqual([self.put(often), self.put(often)], [200, 200])

    def syncs(self, mode):
        """Of 200 writes, 40 at a time."""
        s = self.server({'wal_sync_mode': mode, 'wal_sync_interval': '1h', 'block_interval': '1h'},
                        name=mode)
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            done = list(pool.map(lambda i: self.put(s, 'key%d' % i), range(200)))
        self.assertEqual(done, [200] * 200)
        return self.stats(s)['wal_syncs']

    def test_database_wal_sync_mode(self):
        self.assertEqual(self.syncs('none'), 0)
        self.assertEqual(self.syncs('interval'), 0)
        self.assertGreaterEqual(self.syncs('always'), 200)
        self.assertIn(self.syncs('group'), range(1, 200))

    def test_database_wal_sync_interval(self):
        soon, late = self.pair('wal_sync_interval', '50ms', '1h', wal_sync_mode='interval',
                               block_interval='1h')
        for s in (soon, late):
            self.assertEqual(self.put(s), 200)
        wait_for(lambda: self.stats(soon)['durable_seq'] == 1, 'the write to be synced')
        self.assertEqual(self.stats(late)['durable_seq'], 0)

    def test_database_wal_file_size(self):
        s = self.server({'wal_file_size': '1MiB', 'wal_keep_size': '1GiB'})
        self.fill(s, 3000, 1000)
        sizes = [os.path.getsize(path) for path in self.files(s, '.wal', 'wal')]
        self.assertEqual(max(sizes), 1 << 20)

    def test_database_wal_keep_size(self):
        none, all_of_it = self.pair('wal_keep_size', 0, '1GiB', wal_file_size='64KiB')
        for s in (none, all_of_it):
            self.fill(s, 1000, 1000)
            self.flush(s)
        wait_for(lambda: self.files(all_of_it, '.wal.old', 'wal'), 'a file to be kept')
        wait_for(lambda: len(self.files(none, '.wal', 'wal')) < 6 and
                 not self.files(none, '.wal.old', 'wal'), 'the files to be removed')


class Tables(KeysTest):
    """Flushing, merging, and what tables are made of."""

    def test_database_memtable_size_limit(self):
        small, large = self.pair('memtable_size_limit', '64KiB', '64MiB')
        for s in (small, large):
            self.fill(s, 1000, 500)
        wait_for(lambda: self.stats(small)['flushes'] >= 3, 'full memtables to be flushed')
        self.assertEqual(self.stats(large)['flushes'], 0)

    def tables(self, s, count):
        for i in range(count):
            self.fill(s, 100, prefix='key%d' % (i % 2))
            self.flush(s)

    def test_database_compaction_threshold(self):
        low, high = self.pair('compaction_threshold', 2, 64)
        for s in (low, high):
            self.tables(s, 5)
        wait_for(lambda: self.stats(low)['merges'] > 0, 'tables to be merged')
        self.assertEqual((self.stats(high)['merges'], self.stats(high)['table_count']), (0, 5))

    def test_database_compaction_strategy(self):
        leveled, tiered = self.pair('compaction_strategy', 'leveled', 'size_tiered',
                                    compaction_threshold=2)
        for s in (leveled, tiered):
            self.tables(s, 5)
            wait_for(lambda s=s: self.stats(s)['merges'] > 0, 'tables to be merged')
        wait_for(lambda: sum(self.stats(leveled)['level_tables'][1:]) > 0, 'a table below the top')
        self.assertEqual(sum(self.stats(tiered)['level_tables'][1:]), 0)

    def mergers(self, s):
        """Threads name themselves when they begin to run."""
        names = []
        for task in os.listdir('/proc/%d/task' % s.process.pid):
            with open('/proc/%d/task/%s/comm' % (s.process.pid, task), encoding='ascii') as f:
                names.append(f.read().strip())
        return names.count('blockdb-merge')

    def test_database_max_compaction_threads(self):
        one, three = self.pair('max_compaction_threads', 1, 3)
        wait_for(lambda: self.mergers(three) == 3, 'three threads that merge')
        self.assertEqual(self.mergers(one), 1)

    def test_database_io_budget(self):
        """A flush that may write a thousandth of its table in a second has not ended when one
        without a budget has."""
        bound, free = self.pair('io_budget', 1024, 0, inline_value_limit='64KiB',
                                compression_type='none')
        for s in (bound, free):
            self.fill(s, 1000, 1000)
        with bound.connect() as c:
            c.sendall(b'POST /api/v1/flush HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
            self.flush(free)
            self.assertEqual(self.stats(bound)['table_count'], 0)
        bound.send(signal.SIGKILL)

    def test_database_write_buffer_size(self):
        """Seen by the lengths of the writes to a table."""
        if shutil.which('strace') is None:
            self.skipTest('strace is not installed')
        longest = []
        for name, size in (('small', '8KiB'), ('large', '1MiB')):
            s = self.server({'write_buffer_size': size, 'inline_value_limit': '64KiB',
                             'compression_type': 'none'}, name=name)
            self.fill(s, 1000, 500)
            tracer = subprocess.Popen(
                ['strace', '-f', '-y', '-s', '0', '-e', 'trace=pwrite64', '-o', self.path('trace'),
                 '-p', str(s.process.pid)], stderr=subprocess.PIPE, text=True)
            try:
                self.assertIn('attached', tracer.stderr.readline())
                self.flush(s)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate()
            with open(self.path('trace'), encoding='utf-8') as f:
                longest.append(max(int(n) for n in re.findall(
                    r'pwrite64\(\d+<[^>]*\.sst[^>]*>, [^,]*, (\d+)', f.read())))
        self.assertLessEqual(longest[0], 16384)
        self.assertGreater(longest[1], 65536)

    def test_database_enable_direct_io(self):
        def direct(s):
            self.stored(s)
            self.read(s, 100)
            found = False
            for fd in os.listdir('/proc/%d/fd' % s.process.pid):
                base = '/proc/%d/' % s.process.pid
                if os.readlink(base + 'fd/' + fd).endswith('.sst'):
                    with open(base + 'fdinfo/' + fd, encoding='ascii') as f:
                        flags = int(re.search(r'^flags:\s*(\d+)', f.read(), re.M).group(1), 8)
                    found = found or flags & O_DIRECT != 0
            return found
        through, past = self.pair('enable_direct_io', False, True)
        self.assertEqual([direct(through), direct(past)], [False, True])

    def test_database_sstable_block_size(self):
        small = self.read_again('sstable_block_size', '1KiB', 'small')
        large = self.read_again('sstable_block_size', '32KiB', 'large')
        self.assertGreater(small['block_cache_misses'], 4 * large['block_cache_misses'])

    def test_database_index_block_size(self):
        small = self.read_again('index_block_size', '1KiB', 'small')
        large = self.read_again('index_block_size', '32KiB', 'large')
        self.assertGreater(small['index_cache_misses'], large['index_cache_misses'])

    def test_database_enable_bloom_filters(self):
        with_them = self.read_again('enable_bloom_filters', True, 'with')
        without = self.read_again('enable_bloom_filters', False, 'without')
        self.assertGreater(with_them['filter_negatives'], 200)
        self.assertEqual(without['filter_checks'], 0)

    def test_database_bloom_filter_bits_per_key(self):
        few, many = self.pair('bloom_filter_bits_per_key', 2, 32)
        more = self.stored(many)['table_bytes'] - self.stored(few)['table_bytes']
        self.assertGreater(more, 3000 * 20 // 8)

    def test_database_compression_type(self):
        size = {name: self.stored(self.server({'compression_type': name}, name=name))
                for name in ('none', 'snappy', 'lz4', 'zstd')}
        for name in ('snappy', 'lz4', 'zstd'):
            self.assertLess(size[name]['table_bytes'], size['none']['table_bytes'], name)
        self.assertEqual(len({size[name]['ledger_bytes'] for name in size}), 4)

    def test_database_compression_level(self):
        fast, small = self.pair('compression_level', 1, 19, compression_type='zstd')
        self.assertNotEqual(self.stored(fast)['table_bytes'], self.stored(small)['table_bytes'])

    def test_database_inline_value_limit(self):
        everything = self.read_again('inline_value_limit', '4KiB', 'all', 300)
        nothing = self.read_again('inline_value_limit', 0, 'none', 300)
        self.assertEqual((everything['ledger_reads'], nothing['ledger_reads']), (0, 300))


class Memory(KeysTest):
    def test_database_block_cache_size(self):
        none = self.read_again('block_cache_size', 0, 'none')
        some = self.read_again('block_cache_size', '8MiB', 'some')
        self.assertEqual(none['block_cache_hits'], 0)
        self.assertGreater(some['block_cache_hits'], 1000)

    def test_database_index_cache_size(self):
        none = self.read_again('index_cache_size', 0, 'none')
        some = self.read_again('index_cache_size', '8MiB', 'some')
        self.assertEqual(none['index_cache_hits'], 0)
        self.assertGreater(some['index_cache_hits'], 1000)

    def test_database_memory_limit(self):
        """One that is too low is refused with what is needed, and that is not exceeded then."""
        keys = {'block_cache_size': '1MiB', 'index_cache_size': '1MiB',
                'memtable_size_limit': '4MiB'}
        low = self.server({**keys, 'memory_limit': '8MiB'}, wait=False)
        self.assertNotEqual(low.process.wait(60), 0)
        needed = int(re.search(r'set it to (\d+) or more', low.log_text()).group(1))
        s = self.server({**keys, 'memory_limit': needed})
        self.fill(s, 30000, 1000)
        stats = self.stats(s)
        self.assertEqual(stats['memory_limit'], needed)
        self.assertIn(stats['memory_peak_bytes'], range(needed // 8, needed + 1))


class Blocks(KeysTest):
    """The ledger's blocks and segments."""

    def test_database_ledger_segment_size(self):
        small, large = self.pair('ledger_segment_size', '64KiB', '1GiB', compression_type='none',
                                 blockchain_batch_size=50)
        for s in (small, large):
            self.stored(s, 1000, 500)
        self.assertGreater(len(self.files(small, '.blk', 'ledger')), 4)
        self.assertEqual(len(self.files(large, '.blk', 'ledger')), 1)

    def test_database_blockchain_batch_size(self):
        small, large = self.pair('blockchain_batch_size', 10, 1000, block_interval='1h')
        for s in (small, large):
            for i in range(30):
                self.assertEqual(self.put(s, 'key%d' % i), 200)
        wait_for(lambda: self.stats(small)['block_count'] == 3, 'three blocks')
        self.assertEqual(self.stats(large)['block_count'], 0)

    def test_database_block_interval(self):
        soon, late = self.pair('block_interval', '50ms', '1h')
        for s in (soon, late):
            self.assertEqual(self.put(s), 200)
        wait_for(lambda: self.stats(soon)['block_count'] == 1, 'the block to be sealed')
        self.assertEqual(self.stats(late)['block_count'], 0)

    def forge(self, s, ledger_id, old, new):
        """Changes a value in the first block, which has one page, and makes all checksums fit
        again, as somebody would who knows the format (docs/format/segment.md)."""
        xxh3 = ctypes.CDLL(ctypes.util.find_library('xxhash')).XXH3_64bits_withSeed
        xxh3.restype = ctypes.c_uint64

        def checksum(data, seed):
            return xxh3(bytes(data), ctypes.c_size_t(len(data)),
                        ctypes.c_uint64(seed)).to_bytes(8, 'little')
        path = os.path.join(s.data_dir, 'ledger', '000001.blk')
        with open(path, 'rb') as f:
            data = bytearray(f.read())
        seed = int.from_bytes(checksum(bytes.fromhex(ledger_id) + bytes([1] + [0] * 7), 0),
                              'little')
        frame, page = SEGMENT_PAGE, SEGMENT_PAGE + BLOCK_HEAD
        end = page + int.from_bytes(data[frame + 84:frame + 88], 'little')
        at = data.index(old, page, end)
        data[at:at + len(old)] = new
        data[page:page + 8] = checksum(data[page + 8:end], seed + page)
        data[frame + 56:frame + 64] = checksum(data[page:page + 8], seed + frame)
        data[frame:frame + 8] = checksum(data[frame + 8:page], seed + frame)
        with open(path, 'wb') as f:
            f.write(data)

    def test_database_enable_blockchain_verification(self):
        plain = {'compression_type': 'none', 'inline_value_limit': 0}
        s = self.server(plain)
        self.assertEqual(self.put(s, 'k', 'the true value'), 200)
        self.flush(s)
        ledger_id = json.loads(s.get('/stats')[2])['ledger_id']
        self.assertEqual(s.stop(), 0)
        self.forge(s, ledger_id, b'the true value', b'the best value')
        s = self.server({**plain, 'enable_blockchain_verification': True})
        status, _, body = s.get('/api/v1/get/k')
        self.assertEqual((status, json.loads(body)['error']), (500, 'Tampered'))
        self.assertEqual(s.stop(), 0)
        s = self.server({**plain, 'enable_blockchain_verification': False})
        status, _, body = s.get('/api/v1/get/k')
        self.assertEqual((status, json.loads(body)['value']), (200, 'the best value'))


class Heads(KeysTest):
    """Keys of [ledger]."""

    def ledger(self, keys, **more):
        return self.server(keys, table='ledger', **more)

    def key(self, name, *options):
        """Makes a key; its verifier's form."""
        made = subprocess.run([CLI, 'keygen', *options, '--origin', ORIGIN, '--out',
                               self.path(name)], capture_output=True, text=True, check=True)
        return re.search(r'\S+\+[0-9a-f]{8}\+\S+', made.stdout).group(0)

    def checkpoint(self, s):
        """The newest head as it is published, made when there is none."""
        self.assertEqual(self.put(s), 200)
        status, _, body = self.post(s, '/api/v1/checkpoint')
        self.assertEqual(status, 200, body)
        return s.get('/checkpoint')[2].decode()

    def is_signed(self, text, vkey):
        name, key_id, _ = vkey.split('+', 2)
        lines = re.findall('^\u2014 %s (\\S+)$' % re.escape(name), text, re.M)
        return bytes.fromhex(key_id) in [base64.b64decode(line)[:4] for line in lines]

    def test_ledger_origin(self):
        self.key('log.key')
        s = self.ledger({'origin': ORIGIN, 'signing_key_file': self.path('log.key')})
        self.assertEqual(self.checkpoint(s).splitlines()[0], ORIGIN)
        self.assertEqual(json.loads(s.get('/stats')[2])['origin'], ORIGIN)

    def test_ledger_signing_key_file(self):
        vkey, other = self.key('log.key'), self.key('other.key')
        s = self.ledger({'origin': ORIGIN, 'signing_key_file': self.path('log.key')})
        text = self.checkpoint(s)
        self.assertTrue(self.is_signed(text, vkey))
        self.assertFalse(self.is_signed(text, other))
        unsigned = self.ledger({'origin': ORIGIN}, name='unsigned')
        self.assertEqual(self.put(unsigned), 200)
        self.assertNotEqual(self.post(unsigned, '/api/v1/checkpoint')[0], 200)

    def test_ledger_head_interval(self):
        self.key('log.key')
        keys = {'origin': ORIGIN, 'signing_key_file': self.path('log.key')}
        often = self.ledger({**keys, 'head_interval': '10ms'}, name='often')
        seldom = self.ledger({**keys, 'head_interval': '1d'}, name='seldom')
        for i in range(3):
            for s in (often, seldom):
                before = self.stats(s)['heads_signed']
                self.assertEqual(self.put(s), 200)
                self.flush(s)  # which ends the block
                if s is often:
                    wait_for(lambda b=before: self.stats(often)['heads_signed'] > b, 'a head')
        self.assertLessEqual(self.stats(seldom)['heads_signed'], 1)

    def signer(self, name):
        """A command that signs with the key in a file, by OpenSSL."""
        with open(self.path(name), encoding='utf-8') as f:
            secret = re.search(r'PRIVATE\+KEY\+(.*)\+([0-9a-f]{8})\+(\S+)', f.read())
        der = bytes.fromhex('302e020100300506032b657004220420')
        with open(self.path('signer.der'), 'wb') as f:
            f.write(der + base64.b64decode(secret.group(3))[1:])
        script = self.path('signer.sh')
        with open(script, 'w', encoding='utf-8') as f:
            f.write('cat > "$0.text"\nopenssl pkeyutl -sign -rawin -keyform DER -inkey %s '
                    '-in "$0.text" -out "$0.signature" || exit 1\n'
                    "printf '\u2014 %s %%s\\n' \"$( (printf '%s'; cat \"$0.signature\") | "
                    'base64 -w0)"\n'
                    % (self.path('signer.der'), secret.group(1),
                       ''.join('\\%03o' % b for b in bytes.fromhex(secret.group(2)))))
        return 'sh ' + script

    def test_ledger_signer_command(self):
        vkey = self.key('far.key')
        s = self.ledger({'origin': ORIGIN, 'signer_command': self.signer('far.key'),
                         'signer_key': vkey})
        self.assertTrue(self.is_signed(self.checkpoint(s), vkey))
        self.assertTrue(os.path.exists(self.path('signer.sh.text')))

    def test_ledger_signer_key(self):
        """A signature by any other key is not stored."""
        self.key('far.key')
        other = self.key('other.key')
        s = self.ledger({'origin': ORIGIN, 'signer_command': self.signer('far.key'),
                         'signer_key': other})
        self.assertEqual(self.put(s), 200)
        status, _, body = self.post(s, '/api/v1/checkpoint')
        self.assertEqual(status, 400)
        self.assertIn('signer_key', json.loads(body)['message'])
        self.assertEqual(s.get('/checkpoint')[0], 404)

    def test_ledger_proof_map(self):
        proving = self.ledger({'proof_map': True}, name='proving')
        plain = self.ledger({'proof_map': False}, name='plain')
        for s in (proving, plain):
            self.assertEqual(self.put(s), 200)
            self.flush(s)
        wait_for(lambda: self.stats(proving)['map_keys'] == 1, 'the key to be in the map')
        self.assertEqual(self.stats(plain)['map_size'], 0)

    def test_ledger_witness_policy_file(self):
        """The witness that it names is shown the head."""
        self.key('log.key')
        vkey = self.key('witness.key', '--witness')
        with socket.socket() as witness:
            witness.bind(('127.0.0.1', 0))
            witness.listen()
            witness.settimeout(60)
            with open(self.path('policy'), 'w', encoding='utf-8') as f:
                f.write('witness w %s http://127.0.0.1:%d/\ngroup all all w\nquorum all\n'
                        % (vkey, witness.getsockname()[1]))
            s = self.ledger({'origin': ORIGIN, 'signing_key_file': self.path('log.key'),
                             'witness_policy_file': self.path('policy'), 'head_interval': 50})
            self.assertEqual(self.put(s), 200)
            self.flush(s)
            connection, _ = witness.accept()
            with connection, connection.makefile('rb') as f:
                self.assertRegex(f.readline(), rb'^POST /add-checkpoint HTTP/1.1')


class Whole(unittest.TestCase):
    def test_none_is_forgotten(self):
        text = subprocess.run([PROGRAM, '--print-default-config'], capture_output=True, text=True,
                              check=True).stdout
        names = {name for case in (Log, Tables, Memory, Blocks, Heads) for name in dir(case)}
        table, missing = '', []
        for line in text.splitlines():
            head = re.match(r'\[(\w+)\]$', line)
            key = re.match(r'(\w+) = ', line)
            if head:
                table = head.group(1)
            elif key and table in ('database', 'ledger'):
                name = 'test_%s_%s' % (table, key.group(1))
                missing += [name] if name not in names else []
        self.assertEqual(missing, [])


if __name__ == '__main__':
    unittest.main(verbosity=2)
