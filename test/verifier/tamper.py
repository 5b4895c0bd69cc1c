#!/usr/bin/env python3
#
# Tampers with exports and holds two verifiers against each other:
# tamper.py VERIFIER DIRECTORY [SEED [FLIPS]].
#
# Every export that make_export.py makes, and every variant of it made here, is
# shown to VERIFIER (pg_steward_verify) and to verify.py.  Both must say what is
# true: verified, not verified, cannot be read; and name the same first bad
# record where a record was altered.  FLIPS is the number of variants in which a
# random byte is altered.  Writes TAP.
#
# Copyright (c) 2026, the pg_steward authors

import base64
import contextlib
import functools
import hashlib
import io
import os
import random
import re
import shutil
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ed25519  # noqa: E402
import make_export as make  # noqa: E402
import verify  # noqa: E402

# The same signatures come again and again.
ed25519.verify = functools.lru_cache(None)(ed25519.verify)

GOOD, BAD, UNREADABLE = 0, 1, 2
RECORD = re.compile(r"first bad record is (\d+)")


class Test:
    def __init__(self, verifier, directory):
        self.verifier, self.directory = verifier, directory
        self.count = self.failed = 0
        self.files = None

    def write(self, files):
        """Writes the case into the folder, and only what differs from the last."""
        if self.files is None:
            shutil.rmtree(self.directory, ignore_errors=True)
            os.makedirs(self.directory)
            self.files = {}
        for path in [p for p, data in self.files.items() if p not in files or files[p] != data]:
            full = os.path.join(self.directory, path)
            if self.files[path] is None:
                os.rmdir(full)
            else:
                os.unlink(full)
            del self.files[path]
            while not os.listdir(os.path.dirname(full)) and full.count("/") > self.directory.count("/") + 1:
                full = os.path.dirname(full)
                os.rmdir(full)
        make.write(self.directory, {p: d for p, d in files.items() if p not in self.files})
        self.files = dict(files)

    def check(self, name, ok):
        self.count += 1
        self.failed += not ok
        print(f"{'' if ok else 'not '}ok {self.count} - {name}")

    def run(self, name, files, args, expected, record=None):
        """One variant; expected is a status, or a set of those that will do."""
        self.write(files)
        os.chdir(self.directory)
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            try:
                python = verify.run(args)
            except SystemExit as e:
                python = e.code
            except Exception as e:
                python = repr(e)
        c = subprocess.run([self.verifier, *args], capture_output=True, timeout=60)
        c_out = (c.stdout + c.stderr).decode("utf-8", "replace")
        wanted = expected if isinstance(expected, set) else {expected}
        said = [RECORD.search(text) for text in (c_out, out.getvalue())]
        said = [int(m.group(1)) if m else None for m in said]
        ok = c.returncode == python and python in wanted and (record is None or said == [record] * 2)
        self.check(name, ok)
        if not ok:
            print(f"# pg_steward_verify {c.returncode}, verify.py {python}, expected {sorted(wanted)};"
                  f" first bad record {said}, expected {record}")
            for text in ("C: " + c_out[:600], "Python: " + out.getvalue()[:600]):
                print("".join(f"#   {line}\n" for line in text.splitlines()), end="")
        sys.stdout.flush()


def flip(data, at, bit=0):
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1:]


def split(bundle, n):
    """The records of a bundle, each with its length of n bytes."""
    records = []
    while bundle:
        length = n + int.from_bytes(bundle[:n], "big")
        records.append(bundle[:length])
        bundle = bundle[length:]
    return records


class Variants:
    """What can be done to one case."""

    def __init__(self, test, case):
        self.test, self.case = test, case
        self.files = case.all_files()
        self.name = list(case.logs)[0]
        self.log = case.logs[self.name]
        self.changes = case.logs.get("change_log")
        self.size = len(self.log.records)

    def run(self, name, changed, expected=BAD, record=None, args=None, log=None):
        """One variant: files that differ; DELETED are not there; log: exported anew."""
        files = dict(self.files)
        for folder, other in (log or {}).items():
            files = {p: d for p, d in files.items() if not p.startswith(folder + "/")}
            exported = other if isinstance(other, dict) else other.export()
            files.update({f"{folder}/{p}": d for p, d in exported.items()})
        for path, data in changed.items():
            if data is DELETED:
                files.pop(path)
            else:
                files[path] = data
        self.test.run(f"{self.case.name}: {name}", files, self.case.args if args is None else args, expected, record)

    def path(self, name):
        return f"{self.name}/{name}"

    def bundle(self, kind, seq):
        n = seq // 256
        return self.path(verify.bundle_path(kind, n, min(256, self.size - n * 256)))

    def edit(self, kind, seq, change):
        """The bundle in which a list of records was changed."""
        path = self.bundle(kind, seq)
        records = split(self.files[path], 2 if kind == "tile/entries" else 4)
        change(records)
        return {path: b"".join(records)}

    def args_without(self, *options):
        args = list(self.case.args)
        for o in options:
            while o in args:
                del args[args.index(o):args.index(o) + 2]
        return args

    # Entries

    def entries(self):
        for seq in (0, 254, 255, 256, self.size - 1):
            for where in (2, 3, 4, 12, 20, -1):
                def change(r, where=where, seq=seq):
                    r[seq % 256] = flip(r[seq % 256], where)
                self.run(f"byte {where} of entry {seq} altered", self.edit("tile/entries", seq, change), record=seq)

        def swap(r):
            r[3], r[4] = r[4], r[3]
        entries, payloads = self.edit("tile/entries", 3, swap), self.edit("payload", 3, swap)
        self.run("two entries swapped", entries, record=3)
        self.run("two payloads swapped", payloads, record=3)
        self.run("two records swapped", {**entries, **payloads}, record=3)

        def remove(r):
            del r[7]
        both = {**self.edit("tile/entries", 7, remove), **self.edit("payload", 7, remove)}
        self.run("a record removed", both, record=7)
        self.run("an entry removed", self.edit("tile/entries", 7, remove), record=7)

        def insert(r):
            r.insert(7, r[7])
        both = {**self.edit("tile/entries", 7, insert), **self.edit("payload", 7, insert)}
        self.run("a record inserted", both, record=8)

        def pop(r):
            r.pop()
        last = self.size - 1
        both = {**self.edit("tile/entries", last, pop), **self.edit("payload", last, pop)}
        self.run("the last record cut off", both, record=last)
        self.run("entries and payloads missing", {self.bundle("tile/entries", 0): DELETED,
                                                  self.bundle("payload", 0): DELETED}, record=0)
        self.run("entries missing", {self.bundle("tile/entries", 0): DELETED}, record=0)
        self.run("payloads missing", {self.bundle("payload", 0): DELETED}, record=0)
        for kind in ("tile/entries", "payload"):
            path = self.bundle(kind, 0)
            self.run(f"{kind} goes on", {path: self.files[path] + b"\0"})

    # Payloads

    def payloads(self):
        def altered(seq, at):
            def change(r):
                r[seq % 256] = flip(r[seq % 256], at)
            return self.edit("payload", seq, change)
        for seq in (1, 257, self.size - 2):
            for what, at in (("flag", 4), ("salt", 5), ("length", 24), ("fields", 25), ("end", -1)):
                self.run(f"payload of {seq}: {what} altered", altered(seq, at), record=seq)
        for seq, groups in ((2, (1,)), (258, (2, 5)), (300, (3,))):
            log = self.log.copy()
            log.erase(seq, *groups)
            self.run(f"groups {groups} of {seq} erased and nothing said", {},
                     log={self.name: log.export(self.log.notes())}, record=seq)
        for what, args in (("another record", (self.log.name, 3, 1)), ("another group", (self.log.name, 2, 2)),
                           ("another log", ("access_event", 2, 1))):
            log, changes = self.log.copy(), self.changes.copy()
            log.erase(2, 1)
            make.redaction(changes, *args)
            changes.sign(len(changes.records))
            self.run(f"erased, and the redaction is of {what}", {},
                     log={self.name: log.export(self.log.notes()), "change_log": changes}, record=2)
        self.run("erased, and no change log given", {}, args=self.args_without("-g"), record=0)

        # whoever alters the change log is found there
        changes = self.changes.copy()
        make.redaction(changes, self.log.name, 2, 1)
        log = self.log.copy()
        log.erase(2, 1)
        self.run("erased, and the change log forged", {},
                 log={self.name: log.export(self.log.notes()), "change_log": changes.export(self.changes.notes())})
        changes = self.changes.copy()
        changes.signers = []
        make.redaction(changes, self.log.name, 2, 1)
        changes.signers = [make.Signer(self.changes.signers[0].name, 1, "somebody else")]
        changes.sign(len(changes.records))
        self.run("erased, and the change log signed by somebody else", {},
                 log={self.name: log.export(self.log.notes()), "change_log": changes})
        self.run("an older change log", {}, log={"change_log": self.older(self.changes, 2)}, record=255)
        self.run("another log as change log", {}, args=[a.replace("change_log", self.name) if a == "change_log" else a
                                                        for a in self.case.args])
        self.run("a change log that is not there", {}, UNREADABLE,
                 args=["nowhere" if a == "change_log" else a for a in self.case.args])

    def older(self, log, size):
        """The log as it was when it had that many records."""
        log = log.copy()
        log.records = log.records[:size]
        log.checkpoints = [c for c in log.checkpoints if c.size <= size] or [make.Checkpoint(size, log.signers[0])]
        if log.checkpoints[-1].size < size:
            log.checkpoints.append(make.Checkpoint(size, log.signers[0]))
        return log

    # Tiles

    def tiles(self):
        for path in sorted(p for p in self.files if re.match(re.escape(self.name) + r"/tile/\d", p)):
            level = int(path.split("/")[-2] if ".p" not in path else path.split("/")[-3])
            n = int(re.search(r"(\d{3})(\.p/\d+)?$", path).group(1))
            data = self.files[path]
            for i in sorted({0, len(data) // 64, len(data) // 32 - 1}):
                seq = (n * 256 + i) << (8 * level)
                self.run(f"{path[len(self.name) + 1:]}: hash {i} altered", {path: flip(data, 32 * i + 9)}, record=seq)
            self.run(f"{path} missing", {path: DELETED}, record=(n * 256) << (8 * level))
            self.run(f"{path} shorter", {path: data[:-32]})
            self.run(f"{path} longer", {path: data + data[-32:]})
        self.run("a partial tile where there is a full one", {self.path("tile/0/000.p/3"): b"x"}, GOOD)

    # Checkpoints

    def checkpoints(self):
        note = self.files[self.path("checkpoint")]
        lines = note.split(b"\n")
        names = ["origin", "size", "root", "installation", "timeline", "time"]
        for i, what in enumerate(names):
            altered = list(lines)
            altered[i] = altered[i].replace(b"1", b"2") if b"1" in altered[i] else altered[i][:-2] + b"7="
            if altered[i] == lines[i]:
                altered[i] = lines[i] + b"1"
            self.run(f"checkpoint: {what} altered", {self.path("checkpoint"): b"\n".join(altered)})
        self.run("checkpoint: a line more", {self.path("checkpoint"): b"\n".join(lines[:6] + [b"more"] + lines[6:])})
        self.run("checkpoint: a line less", {self.path("checkpoint"): b"\n".join(lines[:5] + lines[6:])})
        first = next(i for i, line in enumerate(lines) if line == b"") + 1
        for i in range(first, len(lines) - 1):
            head, name, payload = lines[i].split(b" ")
            raw = base64.b64decode(payload)
            known = b"stranger" not in name
            for what, at in (("key id", 0), ("signature", 5), ("signature's end", -1)):
                altered = list(lines)
                altered[i] = b" ".join((head, name, base64.b64encode(flip(raw, at))))
                expected = GOOD if not known or (at == 0 and i > first) else BAD
                self.run(f"checkpoint: {what} of {name.decode()} altered",
                         {self.path("checkpoint"): b"\n".join(altered)}, expected)
            self.run(f"checkpoint: {name.decode()} signs twice",
                     {self.path("checkpoint"): b"\n".join(lines[:i] + [lines[i]] + lines[i:])}, BAD if known else GOOD)
            self.run(f"checkpoint: signature of {name.decode()} gone",
                     {self.path("checkpoint"): b"\n".join(lines[:i] + lines[i + 1:])}, BAD if i == first else GOOD)
            altered = lines[:i] + [lines[i] + b" "] + lines[i + 1:]
            self.run(f"checkpoint: a space behind the signature of {name.decode()}",
                     {self.path("checkpoint"): b"\n".join(altered)})
        self.run("checkpoint: 100 signatures", {self.path("checkpoint"): note + self.strangers(100 - note.count(b"\xe2\x80\x94"))}, GOOD)
        self.run("checkpoint: 101 signatures", {self.path("checkpoint"): note + self.strangers(101 - note.count(b"\xe2\x80\x94"))})

        long = base64.b64encode(bytes(5000)).decode()
        self.run("checkpoint: a long signature of a kind to come",
                 {self.path("checkpoint"): note + f"\u2014 example.com {long}\n".encode()}, GOOD)

        # forgeries
        forger = make.Signer(self.log.signers[-1].name, 1, "forger")
        log = self.log.copy()
        log.checkpoints[-1] = make.Checkpoint(self.size, forger, log.checkpoints[-1].witnesses, self.size)
        self.run("checkpoint signed by another key of the same name", {}, log={self.name: log})
        log.signers.append(forger)
        self.run("... which the export lists", {}, log={self.name: log})
        forged = log.export()
        forged["witnesses"] += f"{forger.text()}\n".encode()
        self.run("... and lists among the witnesses", {}, UNREADABLE, log={self.name: forged}, args=self.args_without("-w"))
        self.run("... and taken on trust", {}, GOOD, log={self.name: log}, args=self.args_without("-k"))
        log = self.log.copy()
        log.checkpoints[-1] = make.Checkpoint(self.size, self.changes.signers[0], (), self.size)
        self.run("checkpoint under the origin of the change log", {}, log={self.name: log})
        for what, data in (("root", make.Checkpoint(256, self.log.signers[1]).note(bytes(32))),
                           ("size", make.Checkpoint(self.size + 1, self.log.signers[1]).note(bytes(32)))):
            notes = self.files[self.path("checkpoints")] + b"%d\n" % len(data) + data
            self.run(f"checkpoints: one more, of a wrong {what}", {self.path("checkpoints"): notes})
        log = self.log.copy()
        del log.checkpoints[3]
        self.run("one of the checkpoints gone", {}, GOOD, log={self.name: log})
        self.run("known checkpoint altered", {"known": flip(self.files["known"], 100)})
        self.run("known checkpoint signed by somebody else", {
            "known": make.Checkpoint(300, forger).note(bytes(32))})
        self.run("known checkpoint missing", {"known": DELETED}, UNREADABLE)
        self.run("known checkpoint empty", {"known": b""})
        stranger = make.Log("access_event", "stranger").sign(0)
        self.run("known checkpoint of another log", {"known": stranger.notes()[0]})
        self.run("a known one of each log", {"other": self.changes.notes()[0]}, GOOD, args=["-c", "other"] + self.case.args)
        self.run("a known one of the change log that is of another history", {
            "other": make.Checkpoint(5, self.changes.signers[0]).note(bytes(32))}, args=["-c", "other"] + self.case.args)

        # histories
        older = self.older(self.log, 500)
        self.run("an older export", {}, GOOD, log={self.name: older})
        self.run("an older export, and a newer known checkpoint", {"known": self.log.notes()[-1]},
                 log={self.name: older})
        log = self.log.copy()
        log.records = log.records[:500]
        self.run("the end cut off, tiles made anew", {}, log={self.name: log.export(self.log.notes())})
        log.records = self.log.copy().records
        log.records[17] = log.records[18]
        self.run("a record altered, tiles made anew", {}, log={self.name: log.export(self.log.notes())}, record=17)
        log = self.log.copy()
        log.records = log.records[:10]
        log.fill(self.size)
        self.run("all made anew and signed with the stolen key", {}, log={self.name: log})
        self.run("... and nothing known", {}, GOOD, log={self.name: log}, args=self.args_without("-c"))

    @staticmethod
    def strangers(n):
        line = "\u2014 example.com {}\n"
        return b"".join(line.format(base64.b64encode(bytes([0, 0, 0, i]) + bytes(64)).decode()).encode() for i in range(n))

    # Keys

    def keys(self):
        args = self.case.args
        self.run("keys on trust", {}, GOOD, args=self.args_without("-k", "-w"))
        self.run("a key twice", {}, GOOD, args=args[:2] + args)
        self.run("a witness twice", {}, GOOD, args=["-w", args[args.index("-w") + 1]] + args)
        self.run("a key is missing", {}, args=args[2:])
        self.run("a key is none", {}, UNREADABLE, args=["-k", "x" + args[1]] + args)
        self.run("the key of a witness as that of the log", {}, UNREADABLE, args=["-k", args[args.index("-w") + 1]] + args)
        self.run("no folder", {}, UNREADABLE, args=args[:-1])
        self.run("an unknown option", {}, UNREADABLE, args=["--nothing"] + args)
        self.run("another folder", {}, UNREADABLE, args=args[:-1] + ["nothing"])
        self.run("a folder without exports", {"empty/file": b""}, UNREADABLE, args=args[:-1] + ["empty"])
        self.run("a folder with exports, and the change log in it", {}, GOOD, args=self.args_without("-g")[:-1] + ["."])
        self.run("two folders", {}, GOOD, args=args + ["change_log"])
        self.run("the change log as its own evidence", {}, GOOD, args=self.args_without("-g", "-c")[:-1] + ["change_log"])

    # Files

    def plain_files(self):
        noise = random.Random("noise").randbytes(3000)
        needed = {"log.json", "checkpoint", "checkpoints", "keys", "witnesses"}
        for path in sorted(p for p in self.files if p.startswith(self.name)):
            name = path[len(self.name) + 1:]
            data = self.files[path]
            unused = name in ("keys", "witnesses")
            spoilt = GOOD if unused else UNREADABLE if name == "log.json" else BAD
            self.run(f"{name} cut short", {path: data[:-1]}, spoilt)
            self.run(f"{name} empty", {path: b""}, GOOD if name == "checkpoints" else spoilt)
            self.run(f"{name} is noise", {path: noise}, spoilt)
            self.run(f"{name} is a folder", {path: None}, GOOD if unused else UNREADABLE)
            if name in needed:
                self.run(f"{name} is not there", {path: DELETED}, GOOD if unused else UNREADABLE)
                self.run(f"{name} is noise, keys on trust", {path: noise},
                         BAD if name.startswith("checkpoint") else UNREADABLE, args=self.args_without("-k", "-w"))
                self.run(f"{name} is not there, keys on trust", {path: DELETED}, UNREADABLE,
                         args=self.args_without("-k", "-w"))
        text = self.files[self.path("log.json")].decode()
        for what, old, new in (
                ("a name", '"model"', '"modes"'), ("an encoding", '"int"', '"time"'), ("the log", "inference_log", "change_log"),
                ("the code", '"code": 2', '"code": 3'), ("an unlisted code", '"code": 2', '"code": 9'),
                ("the version", '"version": 1', '"version": 2'), ("the size", '"size": 600', '"size": 599'),
                ("a group", '"group": 5', '"group": 4'), ("an encoding that is none", '"json"', '"xml"'),
                ("a size that is text", '"size": 600', '"size": "600"'), ("a size with a fraction", '"size": 600', '"size": 600.0'),
                ("a size of exponents", '"size": 600', '"size": 6e2'), ("a leading zero", '"size": 600', '"size": 0600'),
                ("a member twice", '"size": 600', '"size": 600, "size": 600'), ("a size below 0", '"size": 600', '"size": -600'),
                ("a huge size", '"size": 600', '"size": 18446744073709552216'), ("nothing behind", '"group": 5}]}', '"group": 5}'),
                ("something behind", '"group": 5}]}', '"group": 5}]} x')):
            well_formed = what in ("a name", "an encoding", "the log", "the code", "an unlisted code", "the version", "the size",
                                   "a group")
            self.run(f"log.json: {what}", {self.path("log.json"): text.replace(old, new).encode()},
                     BAD if well_formed else UNREADABLE)
        two = text.replace('"trace_id"', "@").replace('"span_id"', '"trace_id"').replace("@", '"span_id"')
        self.run("log.json: two names swapped", {self.path("log.json"): two.encode()})
        for what, old, new in (("an escape", '"model"', '"\\u006dodel"'), ("a member more", '"code"', '"more": [1, {"a": null}], "code"'),
                               ("white space", '"code"', '\n\t "code"')):
            self.run(f"log.json: {what}", {self.path("log.json"): text.replace(old, new).encode()}, GOOD)
        self.run("log.json: deep", {self.path("log.json"): b'{"a": ' + b"[" * 100000}, UNREADABLE)

    def flips(self, n, seed):
        """Random bytes altered, files cut and joined, anywhere."""
        rng = random.Random(seed)
        paths = sorted(self.files)
        for i in range(n):
            path = rng.choice(paths)
            data = self.files[path]
            if not data:
                continue
            at = rng.randrange(len(data))
            kind = rng.choice(("bit", "bit", "byte", "cut", "double", "remove"))
            if kind == "bit":
                data = flip(data, at, rng.randrange(8))
            elif kind == "byte":
                data = data[:at] + rng.randbytes(1) + data[at + 1:]
            elif kind == "cut":
                data = data[:at]
            elif kind == "double":
                data = data[:at] + data[rng.randrange(len(data)):]
            else:
                data = data[:at] + data[at + rng.randrange(1, 9):]
            # what a stranger signed, and keys that were given otherwise, matter to nobody
            harmless = data == self.files[path] or path.endswith(("/keys", "/witnesses")) or "checkpoint" in path
            self.run(f"{kind} at {at} of {path}", {path: data}, {GOOD, BAD} if harmless else {GOOD, BAD, UNREADABLE} if
                     path.endswith("log.json") else BAD)


DELETED = object()


def dropped(test, case):
    """What retention may leave out, and what not."""
    v = Variants(test, case)
    v.run("as it is", {}, GOOD)
    v.run("dropped, and no change log given", {}, args=v.args_without()[:-2] + [v.name], record=0)
    v.run("one more dropped", {v.bundle("tile/entries", 600): DELETED, v.bundle("payload", 600): DELETED}, record=512)
    v.run("tiles missing too", {v.path("tile/0/000"): DELETED}, record=0)
    v.run("tiles altered", {v.path("tile/0/000"): flip(v.files[v.path("tile/0/000")], 50)}, record=0)
    changes = v.changes.copy()
    changes.records = []
    make.retention(changes, v.log.name, 0, 254)
    make.retention(changes, v.log.name, 256, 511)
    v.run("one record too many dropped", {}, log={"change_log": changes}, record=0)
    changes = v.changes.copy()
    changes.erase(1, 4)
    v.run("what was dropped is erased in the change log", {}, log={"change_log": changes.export(v.changes.notes())})


def proofs(test, case):
    """Offline proofs."""
    v = Variants(test, case)
    hashes = [verify.leaf_hash(e) for e, _ in v.log.records]
    note = v.files[v.path("checkpoint")]

    def path(m, leaves):
        if len(leaves) == 1:
            return []
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        if m < k:
            return path(m, leaves[:k]) + [verify.tree_root(leaves[k:])]
        return path(m - k, leaves[k:]) + [verify.tree_root(leaves[:k])]

    args = v.args_without("-c", "-g")[:-1] + ["-p", "proof", "-e", "entry"]
    for seq in (0, 1, 255, 256, 511, 512, 598, 599):
        lines = [f"index {seq}"] + [base64.b64encode(h).decode() for h in path(seq, hashes)]
        entry = v.log.records[seq][0]

        def run(what, expected, lines=lines, entry=entry, head="c2sp.org/tlog-proof@v1", note=note, args=args):
            proof = ("\n".join([head] + lines) + "\n\n").encode() + note
            v.run(f"proof of {seq}{what}", {"proof": proof, "entry": entry}, expected, args=args)
        run("", GOOD)
        run(" with extra", GOOD, ["extra aGVsbG8="] + lines)
        run(" with extra that is none", BAD, ["extra a"] + lines)
        run(": entry altered", BAD, entry=flip(entry, 20))
        run(": entry of another", BAD, entry=v.log.records[seq ^ 1][0])
        run(": another index", BAD, [f"index {seq ^ 1}"] + lines[1:])
        run(": index too great", BAD, ["index 600"] + lines[1:])
        run(": index with zero", BAD, [f"index 0{seq}"] + lines[1:])
        run(": a hash less", BAD, lines[:-1])
        run(": a hash more", BAD, lines + lines[-1:])
        run(": hashes swapped", BAD, [lines[0], lines[2], lines[1]] + lines[3:])
        run(": short hash", BAD, lines[:-1] + [lines[-1][4:]])
        run(": another head", BAD, head="c2sp.org/tlog-proof@v2")
        run(": older checkpoint", BAD, note=v.log.notes()[3])
        run(": checkpoint altered", BAD, note=flip(note, 90))
        run(": no entry", UNREADABLE, args=args[:-2])
        run(": no key", UNREADABLE, args=args[-4:])
        run(": another key", BAD, args=["-k", v.changes.signers[0].text()] + args[-4:])


def vectors(test):
    """The test vectors of the document."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/leaf-encoding.md")
    with open(path, encoding="utf-8") as f:
        text = f.read().partition("## Test vectors")[2]
    change_log = verify.Format(make.Log("change_log", "vectors").log_json())
    leaves = []
    for seq, (entry, leaf) in enumerate(re.findall(r"^ entry (\w+)\n.*?^ leaf (\w+)", text, re.S | re.M)):
        entry = bytes.fromhex(entry)
        commitments = change_log.read_entry(entry, seq)[1]
        leaves.append(verify.leaf_hash(entry))
        test.check(f"vector: leaf {seq}", leaves[-1].hex() == leaf)
        test.check(f"vector: commitments of {seq}", all(c.hex() in text.replace(entry.hex(), "") for c in commitments))
    for i, (g, salt, fields, commitment) in enumerate(
            re.findall(r"group (\d) salt (\w+) fields (\w+) commitment (\w+)", text)):
        g, seed = bytes([int(g)]), bytes(range(16 * (i // 4), 16 * (i // 4) + 16))
        made = hashlib.sha256(b"\x03" + seed + g).digest()[:16]
        test.check(f"vector: salt {i}", made.hex() == salt)
        made = hashlib.sha256(b"\x02" + made + g + bytes.fromhex(fields)).hexdigest()
        test.check(f"vector: commitment {i}", made == commitment)
    test.check("vector: root", len(leaves) == 3 and verify.tree_root(leaves).hex() in text)
    keys = verify.Keys(1)
    key = re.search(r"\S+\.pg-steward/change_log\+\w{8}\+\S+", text)
    note = re.search(r"^\S+\.pg-steward/change_log\n.*?\n\n\u2014 [^\n]*\n", text, re.S | re.M)
    ok = key and note and keys.add(key.group(0)) and verify.Note(note.group(0).encode(), keys, verify.Keys(4)).signed
    test.check("vector: checkpoint", ok)


def large(test, seed):
    """Trees of three levels."""
    for case in make.large_cases(seed):
        v = Variants(test, case)
        v.run("as it is", {}, GOOD)
    v = Variants(test, make.size_case("access_event", 65537, seed))
    for path in ("tile/0/007", "tile/0/256.p/1", "tile/1/000", "tile/1/001.p/1", "tile/2/000.p/1"):
        if v.path(path) in v.files:
            v.run(f"{path} altered", {v.path(path): flip(v.files[v.path(path)], 3)})
            v.run(f"{path} missing", {v.path(path): DELETED})


def main(verifier, directory, seed="1", flips="300"):
    directory = os.path.abspath(directory)
    test = Test(os.path.abspath(verifier), os.path.join(directory, "case"))
    vectors(test)
    for case in make.small_cases(seed):
        test.run(case.name, case.all_files(), case.args, GOOD)
        if case.name == "dropped-700":
            dropped(test, case)
        if case.name == "full":
            v = Variants(test, case)
            for part in (v.entries, v.payloads, v.tiles, v.checkpoints, v.keys, v.plain_files):
                part()
            proofs(test, case)
            v.flips(int(flips), seed)
    large(test, seed)
    shutil.rmtree(directory)
    print(f"1..{test.count}")
    return 1 if test.failed else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit("usage: tamper.py VERIFIER DIRECTORY [SEED [FLIPS]]")
    sys.exit(main(*sys.argv[1:]))
