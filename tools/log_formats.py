# SPDX-License-Identifier: Apache-2.0
"""The formats of BlockDB's evidence, for check_log: Ed25519, signed notes and heads, the Merkle
tree, entries, and the map of newest versions. Written from docs/format/ and the formats of C2SP
alone, with nothing but Python's standard library; shares no code with the programs in C."""
import base64
import binascii
import hashlib
import re
import struct

PUT, DELETE, BLOCK_HEADER, REDACT, EPOCH, CONFIG = range(1, 7)
NO_HASH = bytes(32)
NOTE_MAX = 1000000
_sha256 = hashlib.sha256


class Wrong(Exception):
    """Evidence that does not hold; the message says what and where."""


def sha256(data):
    return _sha256(data).digest()


def need(condition, message):
    if not condition:
        raise Wrong(message)


class Reader:
    """Takes fields from bytes, front to back; everything must be there."""

    def __init__(self, data, what):
        self.data = data
        self.at = 0
        self.what = what

    def take(self, length):
        need(length <= len(self.data) - self.at,
             f'{self.what}: ends within a field at offset {self.at}')
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, length):
        return int.from_bytes(self.take(length), 'big')

    def left(self):
        return len(self.data) - self.at

    def end(self):
        need(self.left() == 0, f'{self.what}: {self.left()} bytes too many at offset {self.at}')


# ---- Ed25519: RFC 8032, section 5.1 ----------------------------------------------------------

P = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def point_x(y, sign):
    """The x of the point with this y, or None when there is none."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P != 0:
        return None
    return P - x if x & 1 != sign else x


def point_decode(data):
    number = int.from_bytes(data, 'little')
    y = number & (1 << 255) - 1
    x = point_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % P)


def point_encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, 'little')


def point_add(a, b):
    """Extended coordinates, section 5.1.4."""
    m = (a[1] - a[0]) * (b[1] - b[0]) % P
    n = (a[1] + a[0]) * (b[1] + b[0]) % P
    t = 2 * a[3] * b[3] * D % P
    z = 2 * a[2] * b[2] % P
    e, f, g, h = n - m, z - t, z + t, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_multiply(factor, point):
    result = (0, 1, 1, 0)
    while factor > 0:
        if factor & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        factor >>= 1
    return result


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (point_x(BASE_Y, 0), BASE_Y, 1, point_x(BASE_Y, 0) * BASE_Y % P)
NEUTRAL = (1).to_bytes(32, 'little')


def ed25519_valid(public, message, signature):
    """Section 5.1.7 without the cofactor; keys of small order and a large S are refused."""
    key = point_decode(public)
    if key is None or len(signature) != 64 or point_encode(point_multiply(8, key)) == NEUTRAL:
        return False
    s = int.from_bytes(signature[32:], 'little')
    if s >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, 'little') % ORDER
    minus_key = (P - key[0], key[1], key[2], P - key[3])
    point = point_add(point_multiply(s, BASE), point_multiply(h, minus_key))
    return point_encode(point) == signature[:32]


# ---- Notes, keys, checkpoints: C2SP signed-note and tlog-checkpoint --------------------------


def base64_decode(text, what):
    """Standard alphabet, padded, and only the one encoding that these bytes have."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong(f'{what}: this is no base64') from None
    need(base64.b64encode(data) == text, f'{what}: base64 with loose bits at its end')
    return data


class Key:
    """A verifier key: name+hash+base64 of type and public key."""

    def __init__(self, text):
        parts = text.encode().split(b'+', 2)
        need(len(parts) == 3, 'the key is not of the form name+id+base64')
        self.name = parts[0]
        material = base64_decode(parts[2], 'the key')
        need(len(material) == 33 and material[0] == 1, 'the key is not an Ed25519 key of a log')
        self.id = sha256(self.name + b'\n' + material)[:4]
        need(parts[1] == self.id.hex().encode(), 'the key has an ID that does not fit it')
        self.public = material[1:]


def decimal(text, what):
    need(re.fullmatch(rb'0|[1-9][0-9]{0,19}', text) is not None, f'{what} is not a number')
    number = int(text)
    need(number < 1 << 64, f'{what} is too large')
    return number


class Head:
    """A signed head: a note whose text is a checkpoint."""

    def __init__(self, data, key, what):
        need(len(data) <= NOTE_MAX, f'{what}: it is too long for a note')
        try:
            data.decode('utf-8')
        except UnicodeDecodeError as error:
            raise Wrong(f'{what}: no UTF-8 at offset {error.start}') from None
        control = re.search(rb'[\x00-\x09\x0b-\x1f]', data)
        need(control is None, f'{what}: it holds a control character')
        end = data.rfind(b'\n\n')
        need(end >= 0, f'{what}: there is no empty line before the signatures')
        self.text, lines = data[:end + 1], data[end + 2:]
        need(lines.endswith(b'\n'), f'{what}: the last signature line does not end in a newline')
        self.check_signatures(lines[:-1].split(b'\n'), key, what)
        self.parse_text(key, what)

    def check_signatures(self, lines, key, what):
        found = False
        for line in lines:
            match = re.fullmatch('\u2014 ([^ +]+) ([^ ]+)'.encode(), line)
            need(match is not None, f'{what}: this is no signature line: {line[:60]!r}')
            blob = base64_decode(match.group(2), f'{what}: a signature')
            need(len(blob) > 4, f'{what}: a signature is too short')
            if match.group(1) == key.name and blob[:4] == key.id:
                need(ed25519_valid(key.public, self.text, blob[4:]),
                     f'{what}: the signature of {key.name.decode()} is wrong')
                found = True
        need(found, f'{what}: it is not signed by {key.name.decode()}+{key.id.hex()}')

    def parse_text(self, key, what):
        lines = self.text[:-1].split(b'\n')
        need(len(lines) >= 3 and all(lines), f'{what}: it has fewer than three lines')
        need(lines[0] == key.name,
             f'{what}: it is of the log {lines[0]!r}, the key is of {key.name!r}')
        self.size = decimal(lines[1], f'{what}: the size')
        self.root = base64_decode(lines[2], f'{what}: the root')
        need(len(self.root) == 32, f'{what}: the root has not 32 bytes')


# ---- The tree: docs/format/merkle.md ---------------------------------------------------------


def leaf_hash(data):
    return _sha256(b'\x00' + data).digest()


def node_hash(left, right):
    return _sha256(b'\x01' + left + right).digest()


class Tree:
    """The peaks of a growing tree, largest first. emit(height, hash), when given, is told of every
    complete subtree whose height is a multiple of 8."""

    def __init__(self, emit=None):
        self.peaks = []
        self.size = 0
        self.emit = emit

    def append(self, leaf):
        size = self.size
        self.size = size + 1
        peaks = self.peaks
        height = 0
        while size & 1:
            leaf = _sha256(b'\x01' + peaks.pop() + leaf).digest()
            size >>= 1
            height += 1
            if not height & 7 and self.emit:
                self.emit(height, leaf)
        peaks.append(leaf)

    def root(self):
        if not self.peaks:
            return sha256(b'')
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def inclusion_root(index, size, leaf, path, what):
    """The root that an inclusion proof leads to; RFC 9162, section 2.1.3.2."""
    need(index < size, f'{what}: entry {index} cannot be in a tree of {size}')
    node, last, root = index, size - 1, leaf
    for sibling in path:
        need(last > 0, f'{what}: the path is too long')
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1:
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        node >>= 1
        last >>= 1
    need(last == 0, f'{what}: the path is too short')
    return root


# ---- Entries: docs/format/entry.md -----------------------------------------------------------

_LEAF = struct.Struct('>BBHHIIIQQHBB')


class Leaf:
    """One entry, decoded. Everything that has not exactly the one encoding is refused."""
    __slots__ = ('kind', 'position', 'count', 'collection', 'time', 'value_len', 'key', 'body')

    def __init__(self, data, what):
        need(len(data) >= 38, f'{what}: it is too short for an entry of BlockDB')
        (version, self.kind, flags, content, self.position, self.count, self.collection, self.time,
         self.value_len, key_len, actor_len, request_len) = _LEAF.unpack_from(data)
        if version != 1 or not 1 <= self.kind <= CONFIG or flags or content:
            raise Wrong(f'{what}: it is of a newer version, or no entry of BlockDB')
        if self.position >= self.count or request_len not in (0, 24):
            raise Wrong(f'{what}: its header is impossible')
        at = 38 + actor_len + request_len
        self.key = data[at:at + key_len]
        self.body = data[at + key_len:]
        if self.kind == PUT:
            good = len(self.body) == 32 and 1 <= len(self.key) == key_len <= 4096
        elif self.kind == DELETE:
            good = not self.body and not self.value_len and 1 <= len(self.key) == key_len <= 4096
        else:
            good = key_len == 0 and 1 <= self.value_len == len(self.body) <= 60000
        if self.kind == BLOCK_HEADER:
            good = good and at == 38 and not self.collection and self.count == 1
        if not good:
            raise Wrong(f'{what}: its parts have other lengths than its header says')


def check_version(reader, kind):
    version = reader.number(1)
    need(version == 1, f'{reader.what}: a {kind} of version {version}')


class Redaction:
    def __init__(self, payload, what):
        r = Reader(payload, what)
        check_version(r, 'redaction')
        need(r.number(1) == 1, f'{what}: a redaction of unknown scope')
        r.number(2)
        self.target = r.number(8)
        self.target_leaf = r.take(32)
        for _ in range(2):
            length = r.number(2)
            need(length <= 1024, f'{what}: a text of the redaction is too long')
            r.take(length)
        r.end()


class Epoch:
    def __init__(self, payload, what):
        r = Reader(payload, what)
        check_version(r, 'epoch')
        need(1 <= r.number(1) <= 3, f'{what}: an epoch of unknown cause')
        need(r.number(2) == 0, f'{what}: reserved bytes of the epoch are in use')
        self.number = r.number(8)
        self.tree_size = r.number(8)
        self.tree_root = r.take(32)
        length = r.number(2)
        need(length <= 1024 and self.number >= 1, f'{what}: the epoch is impossible')
        r.take(length)
        r.end()


def check_config(payload, what):
    r = Reader(payload, what)
    check_version(r, 'list of settings')
    need(r.number(1) == 0, f'{what}: a reserved byte of the settings is in use')
    count = r.number(2)
    need(1 <= count <= 1000, f'{what}: {count} settings')
    before = b''
    for _ in range(count):
        name = r.take(r.number(2))
        need(1 <= len(name) <= 255 and name > before, f'{what}: names of settings do not ascend')
        before = name
        r.take(r.number(2))
    r.end()


class Header:
    """The header of a block: docs/format/block-header.md."""

    def __init__(self, leaf, what):
        r = Reader(leaf.body, what)
        need(leaf.kind == BLOCK_HEADER and len(leaf.body) == 188, f'{what}: it is no block header')
        need(r.number(2) == 1 and r.number(2) == 0, f'{what}: a block header of a newer version')
        self.height = r.number(8)
        self.previous = r.take(32)
        self.first = r.number(8)
        self.count = r.number(8)
        self.block_root = r.take(32)
        self.tree_size = r.number(8)
        self.tree_root = r.take(32)
        self.map_size = r.number(8)
        self.map_root = r.take(32)
        self.time = r.number(8)
        self.term = r.number(8)
        need(self.time == leaf.time, f'{what}: the times of header and entry differ')
        need(self.tree_size == self.first + self.count < (1 << 64) - 1 and
             self.map_size <= self.tree_size and (self.map_size or self.map_root == NO_HASH),
             f'{what}: the sizes in the header contradict each other')
        if self.height == 0:
            need(self.first == 0 and self.previous == NO_HASH, f'{what}: no first header')
        else:
            need(self.first >= self.height, f'{what}: the header begins too early')

    def check_follows(self, before, before_hash, what):
        if before is None:
            need(self.height == 0, f'{what}: block {self.height} stands first')
            return
        need(self.height == before.height + 1, f'{what}: its height is not one more')
        need(self.previous == before_hash, f'{what}: it links to another header')
        need(self.first == before.tree_size + 1, f'{what}: it begins elsewhere than it must')
        need(self.time >= before.time and self.term >= before.term and
             self.map_size >= before.map_size, f'{what}: time, term or map go back')
        need(self.map_size != before.map_size or self.map_root == before.map_root,
             f'{what}: the map of the same size has another root')


# ---- The map of newest versions: docs/format/map.md ------------------------------------------


def map_place(collection, key):
    return sha256(b'bdb:mapk' + struct.pack('>I', collection) + key)


def map_chain(before, seq, entry):
    return _sha256(b'bdb:hist' + before + seq.to_bytes(8, 'big') + entry).digest()


class MapLeaf:
    __slots__ = ('place', 'bits', 'seq', 'entry', 'versions', 'chain', 'flags', 'hash')

    def __init__(self, place):
        self.place = place
        self.bits = int.from_bytes(place, 'big')
        self.versions = 0
        self.chain = NO_HASH
        self.hash = None

    def make_hash(self):
        if self.hash is None:
            self.hash = sha256(b'\x02' + self.place +
                               struct.pack('>Q32sQ32sB', self.seq, self.entry, self.versions,
                                           self.chain, self.flags))
        return self.hash


class MapNode:
    __slots__ = ('bit', 'children', 'hash')

    def __init__(self, bit, children):
        self.bit = bit
        self.children = children
        self.hash = None

    def make_hash(self):
        if self.hash is None:
            self.hash = sha256(bytes((3, self.bit)) + self.children[0].make_hash() +
                               self.children[1].make_hash())
        return self.hash


class Map:
    """The compressed trie in memory, changed entry by entry, hashed when a root is asked for."""

    def __init__(self):
        self.top = None
        self.leaves = {}

    def touch(self, leaf):
        """Forgets the hashes above a leaf."""
        leaf.hash = None
        at = self.top
        while at is not leaf:
            at.hash = None
            at = at.children[leaf.bits >> 255 - at.bit & 1]

    def insert(self, leaf):
        at = self.top
        if at is None:
            self.top = leaf
            return
        while isinstance(at, MapNode):
            at = at.children[leaf.bits >> 255 - at.bit & 1]
        bit = 256 - (at.bits ^ leaf.bits).bit_length()
        above, at = None, self.top
        while isinstance(at, MapNode) and at.bit < bit:
            above, at = at, at.children[leaf.bits >> 255 - at.bit & 1]
        side = leaf.bits >> 255 - bit & 1
        node = MapNode(bit, [at, leaf] if side else [leaf, at])
        if above is None:
            self.top = node
        else:
            above.children[leaf.bits >> 255 - above.bit & 1] = node

    def add(self, place, seq, entry, deleted):
        leaf = self.leaves.get(place)
        if leaf is None:
            leaf = self.leaves[place] = MapLeaf(place)
            self.insert(leaf)
        leaf.seq, leaf.entry, leaf.flags = seq, entry, 1 if deleted else 0
        leaf.versions += 1
        leaf.chain = map_chain(leaf.chain, seq, entry)
        self.touch(leaf)

    def redact(self, place, seq):
        leaf = self.leaves.get(place)
        if leaf is not None and leaf.seq == seq:
            leaf.flags |= 2
            self.touch(leaf)

    def root(self):
        return sha256(b'bdb:map0') if self.top is None else self.top.make_hash()
