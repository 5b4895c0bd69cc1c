#!/usr/bin/env python3
#
# Checks exports of pg_steward's logs.
#
# The second verifier, written from docs/leaf-encoding.md alone, in Python's
# standard library.  It takes the options of pg_steward_verify and answers as
# that does; where the two differ, one of them or the document is wrong.
#
# Copyright (c) 2026, the pg_steward authors

import argparse
import base64
import collections
import hashlib
import json
import os
import re
import stat
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ed25519  # noqa: E402

MAX_ENTRY = 65535
MAX_NOTE = 1000000
MAX_SIGNATURES = 100
MAX_TEXT_FILE = 16 * 1024 * 1024
MAX_SIZE = 2**63 - 1
MAX_FIELDS = 100
MAX_GROUPS = 16
LOG_KEY = 1
WITNESS_KEY = 4

# The formats that the document lists: name, code, version, fields of each group.
FORMATS = {
    (1, 1): ("access_event", [
        "kind text, statement_id text, access_no int, purpose text, command text, relation_name text,"
        " relation_oid int, decision text, outcome text, rows_returned int, rows_affected int,"
        " duration_ms float, query_id int, transaction_id int, run_id uuid, policy_revision int,"
        " backend_pid int, error_code text",
        "session_role text, subject_role text, subject text, token_issuer text, application_name text,"
        " client_addr text",
        "columns texts, query_text text, parameters texts",
        "reason text",
        "entities ints, entity_scope text"]),
    (2, 1): ("inference_log", [
        "request_id uuid, model text, version text, operation text, purpose text, status_code int,"
        " latency_ms float, input_tokens int, output_tokens int, trace_id text, span_id text",
        "subject text",
        "input json",
        "output json",
        "conversation_id text, entities texts",
        "finish_reasons texts, attributes json"]),
    (3, 1): ("change_log", [
        "transaction_id int, object_kind text, action text",
        "session_role text, subject text",
        "object_name text",
        "before json",
        "after json"]),
}


def known_fields(groups):
    """The fields of a listed format as (name, encoding, group)."""
    return [tuple(field.split()) + (group,)
            for group, text in enumerate(groups) for field in text.split(",")]


class Unreadable(Exception):
    """There is no export, or no input, to judge."""


class Bad(Exception):
    """Something is not what it should be, beginning with record seq."""

    def __init__(self, text, seq=None):
        super().__init__(text)
        self.seq = seq


# ---------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------

def open_file(path):
    """Opens a plain file; None where there is none of that name."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise Unreadable(f"{path}: {e.strerror}")
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Unreadable(f"{path}: is no file")
    return os.fdopen(fd, "rb")


def read_file(path, limit=MAX_TEXT_FILE):
    """The content of a file, None where there is none; of a longer one, limit + 1 bytes."""
    f = open_file(path)
    if f is None:
        return None
    with f:
        return f.read(limit + 1)


def number_path(n):
    """A number as the path of a tile."""
    parts = [f"{n % 1000:03d}"]
    while n >= 1000:
        n //= 1000
        parts.insert(0, f"x{n % 1000:03d}")
    return "/".join(parts)


def bundle_path(kind, n, width):
    """The path of a full or partial tile or bundle."""
    path = f"{kind}/{number_path(n)}"
    return path if width == 256 else f"{path}.p/{width}"


def decimal(text, limit=MAX_SIZE):
    """A decimal number without leading zeros; None where it is none."""
    if not text.isascii() or not text.isdigit() or (len(text) > 1 and text[0] == "0") or len(text) > 19:
        return None
    value = int(text)
    return value if value <= limit else None


def unbase64(text):
    """The bytes of base64 with padding and nothing left over; None where it is none."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def parse_json(data, what):
    """The object that JSON holds, without members that stand there twice."""
    def members(pairs):
        times = collections.Counter(name for name, _ in pairs)
        return {name: value for name, value in pairs if times[name] == 1}

    def constant(name):
        raise ValueError(f"{name} is no JSON")

    try:
        value = json.loads(data.decode("utf-8", "surrogateescape"), object_pairs_hook=members,
                           parse_constant=constant, parse_int=decimal, parse_float=lambda text: None)
    except (ValueError, RecursionError) as e:
        raise Bad(f"{what} is no JSON: {e}")
    if not isinstance(value, dict):
        raise Bad(f"{what} is no JSON object")
    return value


def is_identifier(value):
    return isinstance(value, str) and re.fullmatch("[a-z0-9_]+", value) is not None


def is_number(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


# ---------------------------------------------------------------------
# Keys and signed notes
# ---------------------------------------------------------------------

def valid_name(name):
    return name != "" and not any(c in " +" or ord(c) < 32 or ord(c) == 127 for c in name)


def key_id(name, type_, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([type_]) + public).digest()[:4]


class Keys:
    """Verifier keys of one type, by name and id."""

    def __init__(self, type_):
        self.type = type_
        self.keys = {}

    def add(self, text):
        """Takes a verifier key; false where it is none."""
        parts = text.split("+", 2)
        if len(parts) != 3 or not valid_name(parts[0]):
            return False
        name, hex_id, rest = parts
        data = unbase64(rest)
        if data is None or len(data) != 33 or data[0] != self.type:
            return False
        if hex_id != key_id(name, self.type, data[1:]).hex():
            return False
        self.keys[name, bytes.fromhex(hex_id)] = data[1:]
        return True

    def names(self):
        return {name for name, _ in self.keys}


class Note:
    """A checkpoint: its fields, and who signed it."""

    def __init__(self, data, log_keys, witness_keys):
        """Parses and checks a note; raises Bad."""
        if len(data) > MAX_NOTE:
            raise Bad("it is longer than 1,000,000 bytes")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("it is not UTF-8")
        if any(ord(c) < 32 and c != "\n" for c in text):
            raise Bad("it has a control character")
        body, separator, tail = text.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise Bad("it is no signed note")
        self.text = body + "\n"
        self.data = data
        self.parse(body.split("\n"))
        self.check(tail[:-1].split("\n"), log_keys, witness_keys)

    def parse(self, lines):
        if len(lines) < 3 or "" in lines:
            raise Bad("its text is no checkpoint")
        self.origin = lines[0]
        self.size = decimal(lines[1])
        self.root = unbase64(lines[2])
        if not valid_name(self.origin) or self.size is None or self.root is None or len(self.root) != 32:
            raise Bad("its text is no checkpoint")

    def check(self, lines, log_keys, witness_keys):
        if len(lines) > MAX_SIGNATURES:
            raise Bad("it has more than 100 signatures")
        self.signed = False
        self.witnesses = set()
        seen = set()
        for line in lines:
            parts = line.split(" ")
            payload = unbase64(parts[2]) if len(parts) == 3 and parts[0] == "\u2014" else None
            if payload is None or len(payload) < 5 or not valid_name(parts[1]):
                raise Bad("a line of its signatures is none")
            key = (parts[1], payload[:4])
            for known in (log_keys, witness_keys):
                if key not in known.keys:
                    continue
                if key in seen:
                    raise Bad(f"{parts[1]} signed it twice")
                seen.add(key)
                if not self.signature_holds(known.type, known.keys[key], payload[4:]):
                    raise Bad(f"the signature of {parts[1]} is wrong")
                if known.type == WITNESS_KEY:
                    self.witnesses.add(parts[1])
                elif parts[1] == self.origin:
                    self.signed = True
        if not self.signed:
            raise Bad("no known key of its origin signed it")

    def signature_holds(self, type_, public, payload):
        message = self.text.encode()
        if type_ == WITNESS_KEY:
            if len(payload) != 72:
                return False
            time = int.from_bytes(payload[:8], "big")
            message = f"cosignature/v1\ntime {time}\n".encode() + message
            payload = payload[8:]
        return len(payload) == 64 and ed25519.verify(public, message, payload)


# ---------------------------------------------------------------------
# Entries and payloads
# ---------------------------------------------------------------------

class Reader:
    """Takes values from bytes, one after the other."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Bad("it ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def flag(self):
        value = self.take(1)[0]
        if value > 1:
            raise Bad("a flag is neither 0 nor 1")
        return value == 1

    def end(self):
        if self.at != len(self.data):
            raise Bad("it goes on behind its end")

    def text(self):
        return self.take(self.number(4))

    def field(self, encoding):
        """One field; None for NULL."""
        if not self.flag():
            return None
        if encoding == "bool":
            return self.flag()
        if encoding in ("int", "time"):
            return struct.unpack(">q", self.take(8))[0]
        if encoding == "float":
            data = self.take(8)
            value = struct.unpack(">d", data)[0]
            if value != value and data.hex() != "7ff8000000000000":
                raise Bad("a NaN is not the one NaN")
            return value
        if encoding == "uuid":
            return self.take(16)
        if encoding in ("text", "bytes", "json"):
            return self.text()
        count = self.number(4)
        if encoding == "ints":
            return self.take(8 * count)
        return [self.text() if self.flag() else None for _ in range(count)]


class Format:
    """What log.json says of a log."""

    ENCODINGS = ("bool", "int", "float", "time", "uuid", "text", "bytes", "json", "texts", "ints")

    def __init__(self, data):
        value = parse_json(data, "log.json")
        self.log = value.get("log")
        self.code = value.get("code")
        self.version = value.get("version")
        self.size = value.get("size")
        fields = value.get("fields")
        if (not is_identifier(self.log) or not is_number(self.code, 0, 255)
                or not is_number(self.version, 0, 255) or not is_number(self.size, 0, MAX_SIZE)
                or not isinstance(fields, list) or len(fields) > MAX_FIELDS):
            raise Bad("log.json does not describe a log")
        self.fields = []
        group = 0
        for f in fields:
            if (not isinstance(f, dict) or not is_identifier(f.get("name"))
                    or f.get("encoding") not in self.ENCODINGS
                    or not is_number(f.get("group"), group, min(group + 1, MAX_GROUPS))):
                raise Bad("log.json does not describe the fields of a log")
            group = f["group"]
            self.fields.append((f["name"], f["encoding"], group))
        self.groups = [[f for f in self.fields if f[2] == g] for g in range(group + 1)]
        listed = FORMATS.get((self.code, self.version))
        self.is_listed = listed is not None
        self.is_right = not listed or (self.log == listed[0] and self.fields == known_fields(listed[1]))

    def read_group(self, group, reader):
        return {name: reader.field(encoding) for name, encoding, _ in self.groups[group]}

    def read_entry(self, entry, seq):
        """The plain fields and the commitments of an entry."""
        r = Reader(entry)
        if r.number(1) != 1 or r.number(1) != self.code or r.number(1) != self.version:
            raise Bad("it is of another version, log or format")
        if r.number(8) != seq:
            raise Bad("it has another number")
        r.take(8)
        fields = self.read_group(0, r)
        commitments = [r.take(32) for _ in self.groups[1:]]
        r.end()
        return fields, commitments

    def read_payload(self, payload, commitments):
        """The fields of the groups that are there, and the groups that are not."""
        r = Reader(payload)
        fields = {}
        erased = set()
        for g, commitment in enumerate(commitments, 1):
            if r.flag():
                erased.add(g)
                continue
            salt = r.take(16)
            data = r.text()
            if hashlib.sha256(b"\x02" + salt + bytes([g]) + data).digest() != commitment:
                raise Bad(f"group {g} does not fit its commitment")
            group = Reader(data)
            fields.update(self.read_group(g, group))
            group.end()
        r.end()
        return fields, erased


# ---------------------------------------------------------------------
# Trees
# ---------------------------------------------------------------------

def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Roots of the full subtrees to the left, greatest first."""

    def __init__(self):
        self.size = 0
        self.roots = []

    def add(self, h):
        n = self.size
        while n & 1:
            h = node_hash(self.roots.pop(), h)
            n >>= 1
        self.roots.append(h)
        self.size += 1

    def root(self):
        if not self.roots:
            return hashlib.sha256(b"").digest()
        h = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            h = node_hash(left, h)
        return h


def tree_root(hashes):
    tree = Tree()
    for h in hashes:
        tree.add(h)
    return tree.root()


# ---------------------------------------------------------------------
# An export
# ---------------------------------------------------------------------

class Evidence:
    """What an export of the change log says was erased and dropped."""

    def __init__(self):
        self.redacted = {}
        self.dropped = {}

    def take(self, fields):
        """Learns from a record of the change log."""
        kind, action, name, after = (fields.get(f) for f in ("object_kind", "action", "object_name", "after"))
        if (kind, action) not in ((b"log record", b"redact"), (b"log", b"drop records")) or not name or not after:
            return
        try:
            name = name.decode("utf-8")
            after = parse_json(after, "after")
        except (UnicodeDecodeError, Bad):
            return
        if action == b"redact":
            log, separator, seq = name.rpartition("/")
            seq = decimal(seq) if separator else None
            groups = after.get("groups")
            if seq is not None and isinstance(groups, list):
                self.redacted.setdefault((log, seq), set()).update(g for g in groups if is_number(g, 1, 255))
        else:
            low, high = after.get("from_seq"), after.get("to_seq")
            if is_number(low, 0, MAX_SIZE) and is_number(high, 0, MAX_SIZE):
                self.dropped.setdefault(name, []).append((low, high))

    def is_dropped(self, log, low, high):
        """Whether all records from low to high are known to be dropped."""
        for first, last in sorted(self.dropped.get(log, [])):
            if first <= low <= last:
                low = last + 1
        return low > high


class Export:
    """An export, read and held against its checkpoints from the first record to the last."""

    def __init__(self, directory, options):
        self.dir = directory
        self.options = options
        self.problems = []
        self.doubtful = []
        self.evidence = Evidence()
        self.erased = {}
        self.missing = []
        self.full_tiles = {}
        self.root = None
        self.good = 0
        try:
            self.format = Format(self.read("log.json"))
        except Bad as e:
            raise Unreadable(f"{directory}: {e}")

    def problem(self, text, seq=None):
        """Something is wrong with a record, or with none in particular."""
        self.problems.append((seq, text))

    def doubt(self, text, seq):
        """Something is wrong with this record or a later one."""
        self.problems.append((None, text))
        self.doubtful.append(seq)

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        """A file that every export has."""
        data = read_file(self.path(name))
        if data is None:
            raise Unreadable(f"{self.path(name)}: is not there")
        if len(data) > MAX_TEXT_FILE:
            raise Unreadable(f"{self.path(name)}: is too long")
        return data

    def verify(self, known):
        """Checks all but what needs the change log."""
        try:
            self.read_keys()
            checkpoint = self.read("checkpoint")
            if not self.format.is_right:
                raise Bad("log.json differs from the format of its code and version")
            self.newest = self.note(checkpoint, "checkpoint")
            if self.format.size != self.newest.size:
                raise Bad(f"log.json is of {self.format.size} records, its checkpoint of {self.newest.size}")
            self.notes = [self.newest]
            self.read_notes()
            self.read_known(known)
            self.read_tree()
        except Bad as e:
            self.problem(str(e), e.seq)

    # Keys and checkpoints

    def read_keys(self):
        self.log_keys = self.options.keys
        self.witness_keys = self.options.witnesses
        if not self.log_keys.keys:
            self.log_keys = Keys(LOG_KEY)
            for line in self.lines("keys"):
                if " " not in line or not self.log_keys.add(line.partition(" ")[0]):
                    raise Unreadable(f"{self.path('keys')}: a line is no key")
        if not self.witness_keys.keys:
            self.witness_keys = Keys(WITNESS_KEY)
            for line in self.lines("witnesses"):
                if not self.witness_keys.add(line):
                    raise Unreadable(f"{self.path('witnesses')}: a line is no key")

    def lines(self, name):
        text = self.read(name).decode("utf-8", "surrogateescape")
        if text and not text.endswith("\n"):
            raise Unreadable(f"{self.path(name)}: is cut off")
        return text.split("\n")[:-1]

    def note(self, data, what):
        try:
            note = Note(data, self.log_keys, self.witness_keys)
            if note.origin.rpartition("/")[2] != self.format.log or "/" not in note.origin:
                raise Bad("it is of another log")
            return note
        except Bad as e:
            raise Bad(f"{what}: {e}")

    def take(self, data, what):
        """Takes a checkpoint into those that the tree is held against."""
        try:
            note = self.note(data, what)
        except Bad as e:
            self.problem(str(e))
            return
        if note.size > self.newest.size:
            self.doubt(f"{what} is of {note.size} records, the log has {self.newest.size}", self.newest.size)
        self.notes.append(note)

    def read_notes(self):
        f = open_file(self.path("checkpoints"))
        if f is None:
            raise Unreadable(f"{self.path('checkpoints')}: is not there")
        with f:
            while True:
                what = f"note {len(self.notes)} of checkpoints"
                line = f.readline(9)
                if line == b"":
                    break
                length = decimal(line[:-1].decode("latin-1"), MAX_NOTE) if line.endswith(b"\n") else None
                data = f.read(length) if length is not None else b""
                if length is None or len(data) != length:
                    self.problem(f"{what} is cut off")
                    break
                self.take(data, what)

    def read_known(self, known):
        for k in known:
            if k.log == self.format.log:
                k.used = True
                self.take(k.data, "the known checkpoint")

    # Entries, payloads, tiles

    def read_tree(self):
        tree = Tree()
        levels = []
        size = self.newest.size
        due = self.check_roots(tree, sorted(self.notes, key=lambda n: n.size))
        for n in range((size + 255) // 256):
            hashes = self.read_leaves(n, min(256, size - n * 256))
            for h in hashes:
                tree.add(h)
                if due and tree.size == due[0].size:
                    due = self.check_roots(tree, due)
            if len(hashes) == 256:
                self.add_root(levels, 1, tree_root(hashes))
        for level, hashes in enumerate(levels, 1):
            if hashes:
                self.check_tile(level, (size >> (8 * level)) // 256, hashes)
        self.root = tree.root()

    def check_roots(self, tree, notes):
        """Holds the tree against the checkpoints of its size; returns the others."""
        while notes and notes[0].size == tree.size:
            if notes[0].root == tree.root():
                self.good = tree.size
            else:
                self.doubt(f"the checkpoint of {tree.size} records has another root", self.good)
            notes = notes[1:]
        return notes

    def add_root(self, levels, level, h):
        """Adds the root of a full tile to the level above."""
        if len(levels) < level:
            levels.append([])
        hashes = levels[level - 1]
        hashes.append(h)
        if len(hashes) == 256:
            n = self.full_tiles.get(level, 0)
            self.full_tiles[level] = n + 1
            self.check_tile(level, n, hashes)
            levels[level - 1] = []
            self.add_root(levels, level + 1, tree_root(hashes))

    def read_tile(self, level, n, width):
        """The hashes of a tile; None, and what is wrong, where they cannot be had."""
        path = bundle_path(f"tile/{level}", n, width)
        data = read_file(self.path(path), 32 * width)
        if data is None:
            return None, f"{path} is missing"
        if len(data) != 32 * width:
            return None, f"{path} has not {width} hashes"
        return [data[i:i + 32] for i in range(0, len(data), 32)], None

    def check_tile(self, level, n, hashes):
        """Holds a tile of a higher level against the roots of those below."""
        stored, wrong = self.read_tile(level, n, len(hashes))
        if wrong:
            self.doubt(wrong, (n * 256) << (8 * level))
        for i, h in enumerate(stored or []):
            if h != hashes[i]:
                self.doubt(f"tile {n} of level {level} has not the roots of those below", (n * 256 + i) << (8 * level))
                break

    def read_leaves(self, n, width):
        """The hashes of the leaves of a tile, entries and payloads held against them."""
        first = n * 256
        hashes, wrong = self.read_tile(0, n, width)
        if wrong:
            self.problem(wrong, first)
        paths = [bundle_path(kind, n, width) for kind in ("tile/entries", "payload")]
        entries, payloads = open_file(self.path(paths[0])), open_file(self.path(paths[1]))
        if entries is None and payloads is None:
            self.missing.append((first, first + width - 1))
        elif entries is None or payloads is None:
            self.problem(f"{paths[0 if entries is None else 1]} is missing", first)
        computed = []
        if entries and payloads:
            with entries, payloads:
                try:
                    for seq in range(first, first + width):
                        h = self.read_record(entries, payloads, seq)
                        if hashes is not None and h != hashes[seq - first]:
                            self.problem("the record is not the one in the tree", seq)
                        computed.append(h)
                    if entries.read(1) or payloads.read(1):
                        self.problem("something stands behind the record", first + width - 1)
                except Bad as e:
                    self.problem(str(e), e.seq)
        if hashes is None and len(computed) < width:
            raise Bad(f"nothing tells the hashes of tile {n}", first + len(computed))
        return hashes or computed

    def take_bytes(self, f, n, what, seq):
        """A length of n bytes, and what follows."""
        data = f.read(n)
        length = int.from_bytes(data, "big")
        if len(data) == n and length <= os.fstat(f.fileno()).st_size - f.tell():
            data = f.read(length)
            if len(data) == length:
                return data
        raise Bad(f"its {what} is missing or cut off", seq)

    def read_record(self, entries, payloads, seq):
        """Checks a record; returns the hash of its leaf."""
        entry = self.take_bytes(entries, 2, "entry", seq)
        payload = self.take_bytes(payloads, 4, "payload", seq)
        try:
            fields, commitments = self.format.read_entry(entry, seq)
            more, erased = self.format.read_payload(payload, commitments)
            if erased:
                self.erased[seq] = erased
            if self.format.log == "change_log":
                self.evidence.take({**fields, **more})
        except Bad as e:
            self.problem(f"the record is not well formed or was altered: {e}", seq)
        return leaf_hash(entry)

    # What only the change log can tell

    def check_evidence(self, evidence):
        """Holds what is not there against what the change log says."""
        log = self.format.log
        for seq, groups in self.erased.items():
            for g in sorted(groups - evidence.redacted.get((log, seq), set())):
                self.problem(f"group {g} was erased, and no record of the change log says so", seq)
        for low, high in self.missing:
            if not evidence.is_dropped(log, low, high):
                self.problem(f"records {low} to {high} are missing, and no record of the change log says so", low)

    def report(self):
        """Prints what was found; returns whether all is well."""
        log = self.format.log
        for seq, text in self.problems[:20]:
            print(f"{log}: {text}" if seq is None else f"{log}: record {seq}: {text}")
        if self.problems:
            first = min((seq for seq, _ in self.problems if seq is not None), default=None)
            line = f"{log}: NOT verified: {len(self.problems)} problems"
            if first is not None:
                line += f", the first bad record is {first}"
            elif self.doubtful:
                line += f", the first bad record is {min(self.doubtful)} or a later one"
            print(line)
            return False
        if not self.options.quiet:
            print(f"{log}: {self.newest.origin}, {self.newest.size} records, {len(self.notes)} checkpoints,"
                  f" root {self.root.hex()}")
            for w in sorted(self.witness_keys.names()):
                cosigned = [n.size for n in self.notes if w in n.witnesses]
                print(f"{log}: {w} has cosigned " + (f"the first {max(cosigned)} records" if cosigned else "nothing"))
            if not self.format.is_listed:
                print(f"{log}: its format is not known to this program and taken from log.json on trust")
            if not self.options.key:
                print(f"{log}: its keys are taken on trust: {', '.join(sorted(self.log_keys.names()))}")
        print(f"{log}: verified")
        return True


# ---------------------------------------------------------------------
# Offline proofs
# ---------------------------------------------------------------------

def verify_proof(proof, entry, options):
    """Checks that an entry is in a log, by a tlog-proof; returns the line to print."""
    head, separator, note = proof.partition(b"\n\n")
    lines = head.decode("latin-1").split("\n")
    if not separator or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Bad("the proof is no tlog-proof")
    lines = lines[1:]
    if lines and lines[0].startswith("extra "):
        if unbase64(lines[0][6:]) is None:
            raise Bad("the proof is no tlog-proof")
        lines = lines[1:]
    index = decimal(lines[0][6:]) if lines and lines[0].startswith("index ") else None
    path = [unbase64(line) for line in lines[1:]]
    if index is None or any(h is None or len(h) != 32 for h in path):
        raise Bad("the proof is no tlog-proof")
    note = Note(note, options.keys, options.witnesses)
    if index >= note.size:
        raise Bad(f"the proof is of record {index}, its checkpoint of {note.size} records", index)
    if len(entry) < 19 or len(entry) > MAX_ENTRY or entry[0] != 1 or int.from_bytes(entry[3:11], "big") != index:
        raise Bad(f"the entry is not that of record {index}", index)

    # RFC 9162, section 2.1.3.2
    fn, sn, h = index, note.size - 1, leaf_hash(entry)
    for p in path:
        if sn == 0:
            raise Bad("the proof is too long", index)
        if fn & 1 or fn == sn:
            h = node_hash(p, h)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            h = node_hash(h, p)
        fn >>= 1
        sn >>= 1
    if sn or h != note.root:
        raise Bad("the entry is not in the tree of the checkpoint", index)
    return f"record {index} is in {note.origin} of {note.size} records"


# ---------------------------------------------------------------------
# The command
# ---------------------------------------------------------------------

def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Checks exports of pg_steward's logs; see docs/leaf-encoding.md.",
        epilog="Exit status: 0 verified, 1 not verified, 2 the export cannot be read.")
    parser.add_argument("-k", "--key", action="append", default=[], help="verifier key of the log")
    parser.add_argument("-w", "--witness", action="append", default=[], help="verifier key of a witness")
    parser.add_argument("-c", "--known", action="append", default=[], metavar="FILE", help="a checkpoint that was kept elsewhere")
    parser.add_argument("-g", "--changes", metavar="DIR", help="the export of change_log")
    parser.add_argument("-p", "--proof", metavar="FILE", help="an offline proof (tlog-proof), to check with --entry")
    parser.add_argument("-e", "--entry", metavar="FILE", help="the entry that the proof is of")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only what is wrong, and the verdict")
    parser.add_argument("dirs", nargs="*", metavar="DIR")
    options = parser.parse_args(argv)
    if (options.proof is None) != (options.entry is None) or (options.proof is None) == (not options.dirs):
        parser.error("it takes folders, or a proof and its entry")
    if options.proof is not None and not options.key:
        parser.error("a proof needs the key of the log")
    options.keys, options.witnesses = Keys(LOG_KEY), Keys(WITNESS_KEY)
    for texts, keys in ((options.key, options.keys), (options.witness, options.witnesses)):
        for text in texts:
            if not keys.add(text):
                raise Unreadable(f"{text}: is no verifier key of that type")
    return options


def needed(path, limit):
    """A file named on the command line."""
    data = read_file(path, limit)
    if data is None:
        raise Unreadable(f"{path}: is not there")
    return data


class Known:
    """A checkpoint that was kept elsewhere; its origin tells the log that it is of."""

    def __init__(self, path):
        self.path = path
        self.data = needed(path, MAX_NOTE)
        origin = self.data.partition(b"\n")[0].decode("utf-8", "replace")
        self.log = origin.rpartition("/")[2] if "/" in origin else None
        self.used = False


def folders(directory):
    """The exports in a folder: itself, or those right below."""
    if not os.path.isdir(directory):
        raise Unreadable(f"{directory}: is no folder")
    if os.path.isfile(os.path.join(directory, "log.json")):
        return [directory]
    found = [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name[0] != "."]
    found = [f for f in found if os.path.isfile(os.path.join(f, "log.json"))]
    if not found:
        raise Unreadable(f"{directory}: holds no export")
    return found


def main(argv):
    options = arguments(argv)
    known = [Known(path) for path in options.known]
    if options.proof is not None:
        proof, entry = needed(options.proof, 2 * MAX_NOTE), needed(options.entry, MAX_ENTRY)
        print(verify_proof(proof, entry, options) + ": verified")
        return 0
    exports = [Export(f, options) for d in options.dirs for f in folders(d)]
    if options.changes is not None:
        changes = next((e for e in exports if e.dir == options.changes), None) or Export(options.changes, options)
        exports += [changes] * (changes not in exports)
    else:
        changes = next((e for e in exports if e.format.log == "change_log"), None)
    for e in exports:
        e.verify(known)
    ok = True
    evidence = Evidence()
    if changes and changes.format.log == "change_log" and not changes.problems:
        evidence = changes.evidence
    elif changes:
        print(f"{changes.dir}: is no change log that can be trusted")
        ok = False
    for e in exports:
        e.check_evidence(evidence)
        ok = e.report() and ok
    for k in known:
        if not k.used:
            print(f"{k.path}: is no checkpoint of these logs")
            ok = False
    return 0 if ok else 1


def run(argv):
    """The command; returns its exit status."""
    try:
        return main(argv)
    except Unreadable as e:
        print(e, file=sys.stderr)
        return 2
    except Bad as e:
        print(f"not verified: {e}")
        return 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
