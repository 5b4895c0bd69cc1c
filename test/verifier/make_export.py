#!/usr/bin/env python3
#
# Makes exports of logs as docs/leaf-encoding.md describes them, for testing
# verifiers: make_export.py DIRECTORY [SEED].
#
# Each case is a folder: the exports, and the arguments (file "args", one a line)
# with which a verifier started in that folder must say "verified".  The same
# seed gives the same bytes.
#
# Copyright (c) 2026, the pg_steward authors

import base64
import copy
import hashlib
import json
import os
import random
import struct
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ed25519  # noqa: E402
import verify  # noqa: E402

START = 1767225600		# 2026-01-01 UTC, in seconds
MIN, MAX = -2**63, 2**63 - 1
CODES = {groups[0]: code for (code, version), groups in verify.FORMATS.items()}

# Values that a careless reader takes for others.
UNUSUAL = {
    "bool": [None, False, True],
    "int": [None, 0, -1, MIN, MAX],
    "float": [None, 0.0, -0.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308],
    "time": [None, 0, MIN, MAX],
    "uuid": [None, bytes(16), b"\xff" * 16],
    "text": [None, "", " ", "\n", "häß\u0301lich", "\U0001f600", "\ufeff", "a" * 1000, "\u2014 name sig"],
    "bytes": [None, b"", b"\x00", bytes(range(256))],
    "json": [None, "null", "{}", '{"a": 1e400, "b": [null, "\\u2028"]}', '"x"'],
    "texts": [None, [], [None], [""], ["a", None, "ö"], ["x"] * 300],
    "ints": [None, [], [0], [MIN, MAX], list(range(100))],
}


def put_text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">I", len(data)) + data


def put_field(encoding, value):
    """The encoding of a field."""
    if value is None:
        return b"\x00"
    if encoding == "bool":
        data = bytes([value])
    elif encoding in ("int", "time"):
        data = struct.pack(">q", value)
    elif encoding == "float":
        data = b"\x7f\xf8" + bytes(6) if value != value else struct.pack(">d", value)
    elif encoding == "uuid":
        data = value
    elif encoding in ("text", "bytes", "json"):
        data = put_text(value)
    elif encoding == "ints":
        data = struct.pack(f">I{len(value)}q", len(value), *value)
    else:
        data = struct.pack(">I", len(value))
        data += b"".join(b"\x00" if v is None else b"\x01" + put_text(v) for v in value)
    return b"\x01" + data


class Signer:
    """A key of a log or of a witness."""

    def __init__(self, name, type_, seed):
        self.name, self.type = name, type_
        self.secret = hashlib.sha256(seed.encode()).digest()
        self.public = ed25519.public_key(self.secret)
        self.id = verify.key_id(name, type_, self.public)

    def text(self):
        data = base64.b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{data}"

    def line(self, text, time):
        """The signature line under a text."""
        if self.type == verify.WITNESS_KEY:
            head = f"cosignature/v1\ntime {time}\n".encode()
            payload = struct.pack(">Q", time) + ed25519.sign(self.secret, head + text)
        else:
            payload = ed25519.sign(self.secret, text)
        return f"\u2014 {self.name} {base64.b64encode(self.id + payload).decode()}\n".encode()


class Checkpoint:
    """When and by whom a checkpoint is signed."""

    def __init__(self, size, signer, witnesses=(), time=0, more=()):
        self.size, self.signer, self.witnesses, self.time = size, signer, witnesses, START + time
        self.more = more		# what stands in lines of its own, after those of today

    def note(self, root):
        installation = self.signer.name.partition(".")[0]
        lines = [self.signer.name, str(self.size), base64.b64encode(root).decode(),
                 f"installation {installation}", "timeline 1", f"time {self.time}", *self.more]
        text = ("\n".join(lines) + "\n").encode()
        return text + b"\n" + b"".join(s.line(text, self.time) for s in (self.signer, *self.witnesses))


class Log:
    """A log, and the export of it."""

    def __init__(self, name, seed, installation=None):
        self.name, self.code = name, CODES[name]
        self.random = random.Random(f"{seed}/{name}")
        self.seed = f"{seed}/{name}"
        self.installation = installation or str(uuid.UUID(bytes=self.random.randbytes(16), version=4))
        self.fields = verify.known_fields(verify.FORMATS[self.code, 1][1])
        self.ngroups = self.fields[-1][2]
        self.records = []		# entry, and of each group its salt and fields or None
        self.checkpoints = []
        self.missing = []		# numbers of bundles that were dropped
        self.signers = []
        self.witnesses = []

    def key(self, installation=None):
        """A new key, under the same origin or a new one."""
        name = f"{installation or self.installation}.pg-steward/{self.name}"
        signer = Signer(name, verify.LOG_KEY, f"{self.seed}/key {len(self.signers)}")
        self.signers.append(signer)
        return signer

    def add(self, values=None, **given):
        """Appends a record; fields that are not given are unusual ones."""
        seq = len(self.records)
        if values is None:
            values = {n: self.random.choice(UNUSUAL[e]) for n, e, _ in self.fields}
        values = {**values, **given}
        groups = [b"".join(put_field(e, values.get(n)) for n, e, g in self.fields if g == group)
                  for group in range(self.ngroups + 1)]
        seed = self.random.randbytes(16)
        salts = [hashlib.sha256(b"\x03" + seed + bytes([g])).digest()[:16] for g in range(self.ngroups + 1)]
        entry = bytes([1, self.code, 1]) + struct.pack(">Qq", seq, (START + seq) * 1000000 + seq) + groups[0]
        for g in range(1, self.ngroups + 1):
            entry += hashlib.sha256(b"\x02" + salts[g] + bytes([g]) + groups[g]).digest()
        self.records.append([entry, [(salts[g], groups[g]) for g in range(1, self.ngroups + 1)]])

    def fill(self, size, usual=False):
        while len(self.records) < size:
            self.add({} if usual and len(self.records) % 1000 else None)
        return self

    def sign(self, size, signer=None, witnesses=(), **options):
        """Has a checkpoint of the first records signed."""
        signer = signer or (self.signers or [self.key()])[-1]
        for w in witnesses:
            if w not in self.witnesses:
                self.witnesses.append(w)
        self.checkpoints.append(Checkpoint(size, signer, witnesses, size, **options))
        return self

    def erase(self, seq, *groups):
        for g in groups:
            self.records[seq][1][g - 1] = None

    def copy(self):
        other = copy.copy(self)
        other.records = [[e, list(g)] for e, g in self.records]
        other.checkpoints = list(self.checkpoints)
        other.missing = list(self.missing)
        other.signers = list(self.signers)
        return other

    def notes(self):
        """The checkpoints, smallest first."""
        tree = verify.Tree()
        roots = {0: tree.root()}
        wanted = {c.size for c in self.checkpoints}
        for entry, _ in self.records:
            tree.add(verify.leaf_hash(entry))
            if tree.size in wanted:
                roots[tree.size] = tree.root()
        return [c.note(roots[c.size]) for c in self.checkpoints]

    def log_json(self):
        fields = [{"name": n, "encoding": e, "group": g} for n, e, g in self.fields]
        return json.dumps({"log": self.name, "code": self.code, "version": 1, "size": len(self.records),
                           "fields": fields}).encode()

    def export(self, notes=None):
        """The files of the export, with the checkpoints given or signed anew."""
        notes = notes or self.notes()
        files = {"log.json": self.log_json(), "checkpoint": notes[-1]}
        files["checkpoints"] = b"".join(b"%d\n" % len(n) + n for n in notes)
        files["keys"] = "".join(
            f"{s.text()} {START} {'-' if s is self.signers[-1] else START + 1}\n" for s in self.signers).encode()
        files["witnesses"] = "".join(f"{w.text()}\n" for w in self.witnesses).encode()
        for n in range(0, (len(self.records) + 255) // 256):
            if n not in self.missing:
                files.update(self.bundle(n))
        hashes = [verify.leaf_hash(entry) for entry, _ in self.records]
        level = 0
        while hashes:
            above = []
            for n in range(0, (len(hashes) + 255) // 256):
                tile = hashes[n * 256:n * 256 + 256]
                files[verify.bundle_path(f"tile/{level}", n, len(tile))] = b"".join(tile)
                if len(tile) == 256:
                    above.append(verify.tree_root(tile))
            hashes = above
            level += 1
        return files

    def bundle(self, n):
        """The entries and payloads of a tile of level 0."""
        records = self.records[n * 256:n * 256 + 256]
        entries, payloads = b"", b""
        for entry, groups in records:
            payload = b"".join(b"\x01" if g is None else b"\x00" + g[0] + put_text(g[1]) for g in groups)
            entries += struct.pack(">H", len(entry)) + entry
            payloads += put_text(payload)
        return {verify.bundle_path("tile/entries", n, len(records)): entries,
                verify.bundle_path("payload", n, len(records)): payloads}


def redaction(changes, log, seq, *groups):
    """Logs that groups of a record were erased."""
    after = json.dumps({"groups": list(groups), "reason": "asked for"})
    changes.add({}, object_kind="log record", action="redact", object_name=f"{log}/{seq}", after=after)


def retention(changes, log, low, high):
    """Logs that records were dropped."""
    after = json.dumps({"keep": "1 year", "to_seq": high, "from_seq": low})
    changes.add({}, object_kind="log", action="drop records", object_name=log, after=after)


class Case:
    """Exports, other files, and the arguments for a verifier."""

    def __init__(self, name, logs, args, files=None):
        self.name, self.logs, self.args, self.files = name, logs, args, files or {}

    def all_files(self):
        """Every file by its path."""
        files = dict(self.files)
        for folder, log in self.logs.items():
            files.update({f"{folder}/{path}": data for path, data in log.export().items()})
        return files


def key_args(log):
    return [a for s in log.signers for a in ("-k", s.text())]


def size_case(name, size, seed):
    log = Log(name, f"{seed}/{size}")
    log.fill(size, usual=size > 1000)
    for s in sorted({0, 1, size // 2, size - 1, size} & set(range(size + 1))):
        log.sign(s)
    return Case(f"{name}-{size}", {name: log}, key_args(log) + [name])


def full_case(seed, size=600):
    """All at once: rotated keys, a new origin, witnesses, erased groups."""
    log = Log("inference_log", f"{seed}/full").fill(size)
    changes = Log("change_log", f"{seed}/full", log.installation)
    witnesses = [Signer(f"witness.example/{i}", verify.WITNESS_KEY, f"{seed}/witness {i}") for i in range(2)]
    stranger = Signer("stranger.example", verify.WITNESS_KEY, f"{seed}/stranger")
    log.key()
    log.sign(0).sign(1).sign(200, witnesses=witnesses[:1])
    log.key()
    log.sign(200).sign(256).sign(size // 2, witnesses=witnesses)
    log.key("0189aaaa-0000-4000-8000-123456789abc")
    log.sign(size - 100, more=("colour blue",)).sign(size, witnesses=witnesses + [stranger])
    log.witnesses = witnesses
    changes.add({}, object_kind="purpose", action="insert", object_name="häß\u0301lich", after='{"name": "x"}')
    for seq, groups in ((0, [1]), (255, [2, 3]), (256, [1, 2, 3, 4, 5]), (size - 1, [5])):
        log.erase(seq, *groups)
        redaction(changes, log.name, seq, *groups)
    redaction(changes, log.name, 300, 1)
    redaction(changes, log.name, 300, 2)
    log.erase(300, 1, 2)
    changes.fill(9)
    changes.add({}, object_kind="purpose", action="delete", object_name="x", before='{"name": "x"}')
    changes.erase(9, 1)
    redaction(changes, changes.name, 9, 1)
    changes.sign(5).sign(len(changes.records))
    args = key_args(log) + key_args(changes) + ["-w", witnesses[0].text(), "-w", witnesses[1].text(),
                                                "-c", "known", "-g", "change_log", "inference_log"]
    return Case("full", {"inference_log": log, "change_log": changes}, args, {"known": log.notes()[5]})


def dropped_case(seed, size=700, dropped=2):
    """Records gone by retention, in two steps."""
    log = Log("access_event", f"{seed}/dropped {size}").fill(size, usual=size > 1000).sign(size // 2).sign(size)
    changes = Log("change_log", f"{seed}/dropped {size}", log.installation)
    log.missing = list(range(dropped))
    retention(changes, log.name, 0, 255)
    retention(changes, log.name, 256, dropped * 256 - 1)
    changes.sign(2)
    return Case(f"dropped-{size}", {"access_event": log, "change_log": changes},
                key_args(log) + key_args(changes) + ["--changes=change_log", "access_event"])


def together_case(seed):
    """A folder with the three logs, keys on trust, evidence in the folder."""
    logs = {}
    for name in CODES:
        logs[f"all/{name}"] = log = Log(name, f"{seed}/together").fill(40)
        log.sign(40)
    return Case("together", logs, ["all"])


def large_cases(seed):
    """Trees of two and three levels."""
    return [size_case("access_event", 65537, seed), size_case("change_log", 65535, seed),
            size_case("inference_log", 65536, seed), dropped_case(seed, 66000, 256)]


def small_cases(seed):
    sizes = (0, 1, 2, 255, 256, 257, 511)
    return ([size_case(name, size, seed) for name in CODES for size in sizes]
            + [full_case(seed), dropped_case(seed), together_case(seed)])


def write(directory, files):
    """Writes files below a folder; None stands for a folder in place of a file."""
    for path, data in files.items():
        path = os.path.join(directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if data is None:
            os.makedirs(path)
            continue
        with open(path, "wb") as f:
            f.write(data)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: make_export.py DIRECTORY [SEED]")
    seed = sys.argv[2] if len(sys.argv) == 3 else "1"
    for case in small_cases(seed) + large_cases(seed):
        write(os.path.join(sys.argv[1], case.name),
              {**case.all_files(), "args": "".join(a + "\n" for a in case.args).encode()})
