#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the test vectors of the hashed and stored formats of docs/format/, written from those pages
alone: nothing here shares code with src/ledger, so that the two check each other.

Usage: ledger_vectors.py            write tests/golden/ledger_vectors.hex
       ledger_vectors.py --check    compare with it; exit 1 when it differs
       ledger_vectors.py --seeds    write the seeds of the fuzz targets from it

Each line of the file is "name = value": bytes in hex, numbers in decimal, texts as they are. What
went into a vector stands in the comment above it."""
import hashlib
import hmac
import os
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATH = os.path.join(ROOT, 'tests', 'golden', 'ledger_vectors.hex')
CORPUS = os.path.join(ROOT, 'tests', 'fuzz', 'corpus')

PUT, DELETE, BLOCK_HEADER, REDACT, EPOCH, CONFIG = range(1, 7)
REDACTED = 1
REDACT_SEQ = 0x0102030405060708  # of the entry that redacts, in redacted records
TIME = 1700000000123
CLIENT = bytes(range(0x40, 0x50))


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- docs/format/merkle.md -------------------------------------------------------------------


def leaf_hash(data):
    return sha256(b'\x00' + data)


def node_hash(left, right):
    return sha256(b'\x01' + left + right)


def split(n):
    """The largest power of two below n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


class Tree:
    """Roots of ranges of leaves, by the definition; remembers the complete ones."""

    def __init__(self, leaves):
        self.leaves = leaves
        self.known = {}

    def root(self, begin, end):
        n = end - begin
        if n == 0:
            return sha256(b'')
        if n == 1:
            return self.leaves[begin]
        if (begin, end) not in self.known:
            k = begin + split(n)
            self.known[begin, end] = node_hash(self.root(begin, k), self.root(k, end))
        return self.known[begin, end]

    def inclusion(self, m, begin, end):
        n = end - begin
        if n == 1:
            return []
        k = begin + split(n)
        if m < k:
            return self.inclusion(m, begin, k) + [self.root(k, end)]
        return self.inclusion(m, k, end) + [self.root(begin, k)]

    def consistency(self, m, begin, end, whole=True):
        if m == end:
            return [] if whole else [self.root(begin, end)]
        k = begin + split(end - begin)
        if m <= k:
            return self.consistency(m, begin, k, whole) + [self.root(k, end)]
        return self.consistency(m, k, end, False) + [self.root(begin, k)]

    def tile(self, level, index, width):
        step = 256 ** level
        first = 256 * index
        return b''.join(self.root(i * step, (i + 1) * step) for i in range(first, first + width))

    def frontier(self, size):
        out = struct.pack('>Q', size)
        at = 0
        for bit in range(63, -1, -1):
            if size >> bit & 1:
                out += self.root(at, at + (1 << bit))
                at += 1 << bit
        return out


def tile_name(index):
    text = '%03d' % (index % 1000)
    while index >= 1000:
        index //= 1000
        text = 'x%03d/' % (index % 1000) + text
    return text


# ---- docs/format/commitment.md ---------------------------------------------------------------


def chunk_salt(salt, i):
    return hmac.new(salt, struct.pack('>Q', i), hashlib.sha256).digest()[:16]


def commitment(salt, value):
    length = struct.pack('>Q', len(value))
    if len(value) <= 65536:
        return sha256(b'bdb:val1' + salt + length + value)
    chunks = [value[i:i + 16384] for i in range(0, len(value), 16384)]
    leaves = [leaf_hash(chunk_salt(salt, i) + chunk) for i, chunk in enumerate(chunks)]
    return sha256(b'bdb:big1' + length + Tree(leaves).root(0, len(leaves)))


# ---- docs/format/record.md and entry.md ------------------------------------------------------


class Entry:
    """What a record and its leaf are made of."""

    def __init__(self, kind, key=b'', value=b'', salt=b'', **more):
        self.kind = kind
        self.key = key
        self.value = value
        self.salt = salt
        self.time = more.get('time', TIME)
        self.position = more.get('position', 0)
        self.count = more.get('count', 1)
        self.collection = more.get('collection', 0)
        self.actor = more.get('actor', b'')
        self.request = more.get('request')

    def record(self, redacted=False):
        request = b'' if self.request is None else CLIENT + struct.pack('<Q', self.request)
        out = struct.pack('<BBHIQIIIBBH', self.kind, REDACTED if redacted else 0, len(self.key),
                          len(self.value), self.time, self.position, self.count, self.collection,
                          len(self.actor), len(request), 0)
        assert len(out) == 32
        out += self.actor + request + self.key
        if redacted:
            return out + commitment(self.salt, self.value) + struct.pack('<Q', REDACT_SEQ)
        return out + self.salt + self.value

    def leaf(self):
        request = b'' if self.request is None else CLIENT + struct.pack('>Q', self.request)
        out = struct.pack('>BBHHIIIQQHBB', 1, self.kind, 0, 0, self.position, self.count,
                          self.collection, self.time, len(self.value), len(self.key),
                          len(self.actor), len(request))
        assert len(out) == 38
        out += self.actor + request + self.key
        if self.kind == PUT:
            return out + commitment(self.salt, self.value)
        return out + self.value


def redaction(code, seq, target, reason, authority):
    return (struct.pack('>BBHQ', 1, 1, code, seq) + target + struct.pack('>H', len(reason)) +
            reason + struct.pack('>H', len(authority)) + authority)


def epoch(cause, number, size, root, note):
    fixed = struct.pack('>BBHQQ', 1, cause, 0, number, size)
    return fixed + root + struct.pack('>H', len(note)) + note


def config(items):
    out = struct.pack('>BBH', 1, 0, len(items))
    for name, value in items:
        out += struct.pack('>H', len(name)) + name + struct.pack('>H', len(value)) + value
    return out


# ---- docs/format/block-header.md -------------------------------------------------------------


class Header:
    def __init__(self, height, previous, first, leaves, tree, **more):
        self.height = height
        self.previous = previous
        self.first = first
        self.count = len(leaves)
        self.block_root = Tree(leaves).root(0, len(leaves))
        self.tree_size = first + len(leaves)
        self.tree_root = Tree(tree).root(0, len(tree))
        self.map_size = more.get('map_size', 0)
        self.map_root = more.get('map_root', bytes(32))
        self.time = TIME + height
        self.term = more.get('term', 0)

    def payload(self):
        out = struct.pack('>HHQ', 1, 0, self.height) + self.previous
        out += struct.pack('>QQ', self.first, self.count) + self.block_root
        out += struct.pack('>Q', self.tree_size) + self.tree_root
        out += struct.pack('>Q', self.map_size) + self.map_root
        out += struct.pack('>QQ', self.time, self.term)
        assert len(out) == 188
        return out

    def entry(self):
        return Entry(BLOCK_HEADER, value=self.payload(), time=self.time)


# ---- docs/format/map.md ----------------------------------------------------------------------


def map_place(collection, key):
    return sha256(b'bdb:mapk' + struct.pack('>I', collection) + key)


def map_chain(versions):
    chain = bytes(32)
    for seq, entry in versions:
        chain = sha256(b'bdb:hist' + chain + struct.pack('>Q', seq) + entry)
    return chain


class MapLeaf:
    """The leaf of a key: its versions (seq, leaf hash), the newest last."""

    def __init__(self, place, versions, flags=0):
        self.place = place
        seq, entry = versions[-1]
        self.data = (place + struct.pack('>Q', seq) + entry + struct.pack('>Q', len(versions)) +
                     map_chain(versions) + bytes([flags]))
        self.hash = sha256(b'\x02' + self.data)


def bit_of(place, bit):
    return place[bit // 8] >> (7 - bit % 8) & 1


def map_split(leaves, bit):
    """The first bit from `bit` on at which the places differ, and the two sides."""
    while True:
        sides = [[leaf for leaf in leaves if bit_of(leaf.place, bit) == side] for side in (0, 1)]
        if sides[0] and sides[1]:
            return bit, sides
        bit += 1


def map_root(leaves, bit=0):
    if not leaves:
        return sha256(b'bdb:map0')
    if len(leaves) == 1:
        return leaves[0].hash
    bit, (left, right) = map_split(leaves, bit)
    return sha256(b'\x03' + bytes([bit]) + map_root(left, bit + 1) + map_root(right, bit + 1))


def map_proof(leaves, place):
    if not leaves:
        return b'\x00'
    bit = 0
    steps = b''
    count = 0
    while len(leaves) > 1:
        bit, sides = map_split(leaves, bit)
        side = bit_of(place, bit)
        steps += bytes([bit]) + map_root(sides[1 - side], bit + 1)
        leaves = sides[side]
        count += 1
        bit += 1
    return b'\x01' + leaves[0].data + struct.pack('>H', count) + steps


def map_leaves(n):
    """Keys "k0", "k1" ...: key i has 1 + i % 3 versions, entry i of them being that of seq
    1000 i + version; every fifth is deleted, every seventh of the others redacted."""
    out = []
    for i in range(n):
        versions = [(1000 * i + v, leaf_hash(b'entry %d' % (1000 * i + v)))
                    for v in range(1 + i % 3)]
        flags = 1 if i % 5 == 4 else 2 if i % 7 == 6 else 0
        out.append(MapLeaf(map_place(0, b'k%d' % i), versions, flags))
    return out


# ---- The vectors -----------------------------------------------------------------------------


def pattern(n):
    return bytes(i % 251 for i in range(n))


def salt_pattern():
    return bytes(160 + i for i in range(16))


def entries():
    """Named entries of every kind and shape."""
    salt = salt_pattern()
    root = sha256(b'root')
    yield 'put', Entry(PUT, b'key', b'value', salt)
    yield 'put_empty', Entry(PUT, b'\x00', b'', salt)
    yield 'put_full', Entry(PUT, b'account/42', pattern(100), salt, position=2, count=7,
                            collection=0x01020304, actor=b'alice@example.org',
                            request=0x1122334455667788)
    yield 'put_long', Entry(PUT, pattern(4096), pattern(300), salt, actor=pattern(255), request=1,
                            time=2**64 - 1, position=2**32 - 2, count=2**32 - 1,
                            collection=2**32 - 1)
    yield 'delete', Entry(DELETE, b'key')
    yield 'delete_full', Entry(DELETE, b'account/42', position=1, count=2, collection=9,
                               actor=b'bob', request=0)
    yield 'redact', Entry(REDACT, value=redaction(2, 5, leaf_hash(b'x'), b'asked', b'case 7'),
                          actor=b'officer')
    yield 'epoch', Entry(EPOCH, value=epoch(1, 1, 1234, root, b'restored'))
    yield 'config', Entry(CONFIG, value=config([(b'key', b''), (b'member/1', b'10.0.0.1:8081')]))


def chain():
    """Three blocks: two entries, none, one; returns their headers and the tree's leaves."""
    tree = []
    headers = []
    previous = bytes(32)
    for height, count in enumerate((2, 0, 1)):
        leaves = [leaf_hash(Entry(PUT, b'k%d' % (len(tree) + i), b'v', salt_pattern()).leaf())
                  for i in range(count)]
        first = len(tree)
        tree += leaves
        more = {'map_size': first + count, 'map_root': sha256(b'map'), 'term': 3} if height else {}
        header = Header(height, previous, first, leaves, tree, **more)
        previous = leaf_hash(header.entry().leaf())
        tree.append(previous)
        headers.append(header)
    return headers, tree


def commitment_vectors():
    yield '# Values: bytes i mod 251. Salt: bytes 160 + i.'
    for n in (0, 1, 23, 24, 87, 88, 100, 16384, 65535, 65536, 65537, 81920, 100000, 1048576):
        yield f'commitment.{n}', commitment(salt_pattern(), pattern(n))
    for i in (0, 1, 63, 2**40):
        yield f'commitment.chunk_salt.{i}', chunk_salt(salt_pattern(), i)


def entry_vectors():
    yield '# The entries of entries() in tools/ledger_vectors.py, and redacted forms.'
    for name, entry in entries():
        yield f'record.{name}', entry.record()
        if entry.kind == PUT:
            yield f'record.{name}.redacted', entry.record(redacted=True)
            yield f'record.{name}.commitment', commitment(entry.salt, entry.value)
        yield f'leaf.{name}', entry.leaf()
        yield f'leaf.{name}.hash', leaf_hash(entry.leaf())
    leaves = [entry.leaf() for _, entry in entries()]
    yield '# All of these leaves, in order.'
    yield 'bundle.entries', b''.join(struct.pack('>H', len(leaf)) + leaf for leaf in leaves)
    yield 'redact.payload', redaction(2, 5, leaf_hash(b'x'), b'asked', b'case 7')
    yield 'redact.empty', redaction(0, 0, bytes(32), b'', b'')
    yield 'epoch.payload', epoch(1, 1, 1234, sha256(b'root'), b'restored')
    yield 'config.payload', config([(b'key', b''), (b'member/1', b'10.0.0.1:8081')])


def header_vectors():
    headers, tree = chain()
    yield '# A chain of three blocks; entry i is a put of key "k<i>", value "v".'
    for header in headers:
        name = f'header.{header.height}'
        yield name, header.payload()
        yield f'{name}.record', header.entry().record()
        yield f'{name}.leaf', header.entry().leaf()
        yield f'{name}.hash', leaf_hash(header.entry().leaf())
    yield 'header.tree', b''.join(tree)


def small_tree_vectors():
    yield '# Leaves: the bytes 0, 1, 2 ... (one byte each).'
    leaves = [leaf_hash(bytes([i])) for i in range(33)]
    tree = Tree(leaves)
    for n in range(34):
        yield f'merkle.root.{n}', tree.root(0, n)
        yield f'frontier.{n}', tree.frontier(n)
    inclusion = hashlib.sha256()
    consistency = hashlib.sha256()
    for n in range(1, 34):
        for m in range(n):
            inclusion.update(b''.join(tree.inclusion(m, 0, n)))
            consistency.update(b''.join(tree.consistency(m + 1, 0, n)))
    yield '# All proofs at sizes 1 to 33, index and old size ascending, joined and hashed.'
    yield 'merkle.inclusion.all', inclusion.digest()
    yield 'merkle.consistency.all', consistency.digest()


def valid_ranges(limit):
    """The subtrees of draft-ietf-plants-merkle-tree-certs: aligned to their length rounded up."""
    for end in range(limit + 1):
        for start in range(end + 1):
            if start == end or start % (1 << (end - start - 1).bit_length()) == 0:
                yield start, end


def range_vectors():
    tree = Tree([leaf_hash(bytes([i])) for i in range(130)])
    roots = hashlib.sha256()
    proofs = hashlib.sha256()
    for start, end in valid_ranges(130):
        roots.update(b'[%d, %d) %s\n' % (start, end, tree.root(start, end).hex().encode()))
        for index in range(start, end):
            proof = b''.join(b' ' + h.hex().encode() for h in tree.inclusion(index, start, end))
            proofs.update(b'%d [%d, %d)%s\n' % (index, start, end, proof))
    yield '# Appendix C.1 of the Merkle tree certificates draft, trees up to 130 leaves.'
    yield 'merkle.ranges.roots', roots.digest()
    yield 'merkle.ranges.inclusion', proofs.digest()


def large_tree_vectors():
    size = 70000
    data = [b'entry %d\n' % i for i in range(size)]
    tree = Tree([leaf_hash(d) for d in data])
    yield '# Leaf i: the text "entry <i>" and a newline; size 70000. Tiles and proofs hashed.'
    for n in (255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 70000):
        yield f'tree.root.{n}', tree.root(0, n)
    yield 'tree.frontier', tree.frontier(size)
    for level in range(3):
        count = size // 256 ** level
        for index in range(count // 256 + 1):
            width = min(256, count - 256 * index)
            if width > 0 and (level > 0 or index in (0, 272, 273)):
                partial = f'.p/{width}' if width < 256 else ''
                yield (f'tile.{level}/{tile_name(index)}{partial}',
                       sha256(tree.tile(level, index, width)))
    for index, width in ((0, 256), (273, 112)):
        some = data[256 * index:256 * index + width]
        yield (f'tile.entries/{tile_name(index)}',
               sha256(b''.join(struct.pack('>H', len(d)) + d for d in some)))
    for m in (0, 65535, 65536, 69999):
        yield f'tree.inclusion.{m}', sha256(b''.join(tree.inclusion(m, 0, size)))
    for m in (1, 255, 256, 257, 65536, 69999):
        yield f'tree.consistency.{m}', sha256(b''.join(tree.consistency(m, 0, size)))


def map_vectors():
    yield '# Leaves as map_leaves() in tools/ledger_vectors.py makes them.'
    yield 'map.place.key', map_place(0, b'key')
    yield 'map.place.account', map_place(0x01020304, b'account/42')
    leaves = map_leaves(200)
    for i in (0, 1, 2, 4, 6):
        yield f'map.leaf.{i}', leaves[i].data
        yield f'map.leaf.{i}.hash', leaves[i].hash
    for n in (0, 1, 2, 3, 10, 50, 200):
        yield f'map.root.{n}', map_root(leaves[:n])
        yield f'map.proof.{n}.k7', map_proof(leaves[:n], map_place(0, b'k7'))
    proofs = hashlib.sha256()
    for i in range(400):
        proofs.update(map_proof(leaves, map_place(0, b'k%d' % i)))
    yield '# Proofs of k0 to k399 among 200 leaves, joined and hashed.'
    yield 'map.proofs', proofs.digest()


def text():
    lines = ['# SPDX-License-Identifier: Apache-2.0',
             '# Made by tools/ledger_vectors.py; formats: docs/format/. Never changes.']
    for make in (commitment_vectors, entry_vectors, header_vectors, small_tree_vectors,
                 range_vectors, large_tree_vectors, map_vectors):
        lines.append('')
        for item in make():
            lines.append(item if isinstance(item, str) else f'{item[0]} = {item[1].hex()}')
    return '\n'.join(lines) + '\n'


# ---- Seeds of the fuzz targets ---------------------------------------------------------------


def seeds():
    """(target, name, bytes) of each seed."""
    for name, entry in entries():
        yield 'record', name, entry.record()
        yield 'leaf', name, entry.leaf()
        if entry.kind == PUT:
            yield 'record', name + '_redacted', entry.record(redacted=True)
    for header in chain()[0]:
        yield 'header', f'height_{header.height}', header.payload()
        yield 'record', f'header_{header.height}', header.entry().record()
    yield 'payload', 'redact', b'\x00' + redaction(2, 5, leaf_hash(b'x'), b'asked', b'case 7')
    yield 'payload', 'epoch', b'\x01' + epoch(1, 1, 1234, sha256(b'root'), b'restored')
    yield 'payload', 'config', b'\x02' + config([(b'key', b''), (b'member/1', b'10.0.0.1:8081')])
    leaves = [leaf_hash(bytes([i])) for i in range(33)]
    tree = Tree(leaves)
    yield 'payload', 'frontier', b'\x03' + tree.frontier(11)
    yield 'payload', 'tile_path', b'\x04tile/0/x001/x234/067.p/8'
    yield 'payload', 'entries_path', b'\x04tile/entries/000'
    bundle = b''.join(struct.pack('>H', len(e.leaf())) + e.leaf() for n, e in entries()
                      if n in ('put', 'delete'))
    yield 'payload', 'bundle', b'\x05' + bundle
    for m, n in ((0, 1), (5, 8), (2, 3), (12, 33)):
        sizes = struct.pack('>QQ', m, n)
        yield ('proof', f'inclusion_{m}_{n}', b'\x00' + sizes + leaves[m] + tree.root(0, n) +
               b''.join(tree.inclusion(m, 0, n)))
    for m, n in ((1, 1), (6, 8), (4, 33), (7, 7)):
        sizes = struct.pack('>QQ', m, n)
        yield ('proof', f'consistency_{m}_{n}', b'\x01' + sizes + tree.root(0, m) +
               tree.root(0, n) + b''.join(tree.consistency(m, 0, n)))
    for n in (0, 1, 2, 50, 200):
        some = map_leaves(n)
        for key in (b'k0', b'k7'):
            place = map_place(0, key)
            yield ('map_proof', f'{key.decode()}_{n}', map_root(some) + place +
                   map_proof(some, place))


def write_seeds():
    for target, name, data in seeds():
        folder = os.path.join(CORPUS, target)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(data)


def main(arguments):
    if arguments == ['--seeds']:
        write_seeds()
        return 0
    new = text()
    if not arguments:
        with open(PATH, 'w', encoding='ascii') as file:
            file.write(new)
        return 0
    if arguments != ['--check']:
        print(__doc__, file=sys.stderr)
        return 2
    with open(PATH, encoding='ascii') as file:
        old = file.read()
    if old != new:
        print(f'{PATH} is not what this program makes: formats must not change', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
