"""The record is tampered with, taken outside, and asked.

Copyright (c) 2026, the pg_steward authors
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from chapters.oversight import APPLICANT
from database import OFFLINE, connect, message, refusal, rows

LOGS = ("access_event", "inference_log", "change_log")
VERIFIER = "pg_steward_verify"


def _altered(admin, partition, triggers, seq, subject):
    """A superuser changes who it was, with the triggers off, and puts them on
    again as they were."""
    with admin.transaction():
        admin.execute(f"ALTER TABLE {partition} DISABLE TRIGGER ALL")
        admin.execute(f"UPDATE {partition} SET subject = %s WHERE seq = %s", (subject, seq))
        for trigger in triggers:
            admin.execute(f"ALTER TABLE {partition} ENABLE ALWAYS TRIGGER {trigger}")


def tampered_row(demo):
    """A superuser rewrites a record, and verify() names it."""
    s = demo.s
    s.step("A superuser rewrites a record of the log, and is found")
    s.say("""Whoever broke the glass has a friend who is a superuser. The record of it shall name somebody else.""")
    s.gap()
    asked = "SELECT log, size, ok, first_bad_seq, problem FROM steward.verify('access_event')"
    with connect() as admin, connect("fairness_team") as auditor:
        auditor.execute("SELECT steward.flush()")
        demo.kept = {log: rows(auditor, "SELECT steward.checkpoint(%s)", (log,))[0][0] for log in LOGS}
        seq, who = rows(auditor, f"""SELECT seq, subject FROM steward.access_log
            WHERE decision = 'break-glass' AND relation_name = 'public.{OFFLINE}' ORDER BY seq LIMIT 1""")[0]
        demo.broken = seq
        partition, triggers = rows(admin, """
            SELECT p.partition::text, (SELECT array_agg(t.tgname::text) FROM pg_trigger t
                                       WHERE t.tgrelid = p.partition AND t.tgenabled = 'A')
            FROM steward.log_partitions('access_event') p WHERE %s BETWEEN p.first_seq AND p.last_seq""", (seq,))[0]
        change = f"UPDATE steward.access_event SET subject = 'risk_team' WHERE seq = {seq};"
        s.code("superuser", change)
        s.gap()
        error = refusal(admin, change)
        s.check("refused: " + message(error), error is not None, error)
        s.gap()
        s.code("superuser", f"""
            ALTER TABLE {partition} DISABLE TRIGGER ALL;
            UPDATE {partition} SET subject = 'risk_team' WHERE seq = {seq};""")
        s.code("fairness_team", asked + ";")
        s.gap()
        before = rows(auditor, asked)
        _altered(admin, partition, triggers, seq, "risk_team")
        said = rows(auditor, f"SELECT subject, reason FROM steward.access_log WHERE seq = {seq}")
        found = rows(auditor, asked)
        _altered(admin, partition, triggers, seq, who)
        after = rows(auditor, asked)
        s.table(["when", "log", "size", "ok", "first_bad_seq", "problem"],
                [["before", *before[0]], ["rewritten", *found[0]], ["put right again", *after[0]]], wrap=("problem",))
        s.gap()
        s.check(f"the log says {said[0][0]} where it said {who}", said[0][0] == "risk_team" != who, said)
        s.check(f"verify() names the record: {seq}", [row[2:4] for row in (*before, *found, *after)] ==
                [(True, None), (False, seq), (True, None)], (before, found, after))
        error = refusal(admin, change)
        s.check("put right, and its triggers are on again", error is not None
                and rows(auditor, f"SELECT subject FROM steward.access_log WHERE seq = {seq}") == [(who,)], error)


def _entry(export, seq):
    """The entry of a record in an export: bundles of 256 of them, each behind
    its length."""
    bundle = seq // 256
    name = f"{bundle % 1000:03d}" if bundle < 1000 else f"x{bundle // 1000:03d}/{bundle % 1000:03d}"
    folder = Path(export, "tile", "entries")
    path = folder / name
    if not path.is_file():
        path, = Path(f"{path}.p").iterdir()
    content, at = path.read_bytes(), 0
    for _ in range(seq % 256):
        at += 2 + int.from_bytes(content[at:at + 2], "big")
    return path, at + 2, content[at + 2:at + 2 + int.from_bytes(content[at:at + 2], "big")]


def offline_proof(demo):
    """The logs are checked outside, by a program that knows no database."""
    s = demo.s
    s.step("The logs leave the server, and prove themselves without it")
    program = shutil.which(VERIFIER) or shutil.which(VERIFIER, path=str(Path(__file__).resolve().parents[2] / "verifier"))
    if not program:
        sys.exit(f"demo: {VERIFIER} is not there; make and make install put it beside the server's programs")
    s.say(f"""An auditor outside has the logs as files, over an ordinary connection, the public keys, and the
        checkpoints that he kept before. {VERIFIER} needs neither the server nor the extension.""")
    s.gap()
    s.code("fairness_team", "SELECT path, content FROM steward.export_entries('access_event');")
    folder = tempfile.mkdtemp(prefix="credit_demo-")
    try:
        with connect("fairness_team") as auditor:
            for log in LOGS:
                for path, content in rows(auditor, "SELECT path, content FROM steward.export_entries(%s)", (log,)):
                    target = Path(folder, "export", log, path)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                Path(folder, f"kept.{log}").write_bytes(demo.kept[log].encode())
            keys = [f"--key={key}" for key, in rows(auditor, """
                SELECT steward.verifier_key(name, 1, public_key) FROM steward.ledger_key ORDER BY name""")]
            proof, = rows(auditor, "SELECT steward.inclusion_proof('access_event', %s)", (demo.broken,))[0]
        Path(folder, "proof").write_bytes(proof.encode())
        bundle, at, entry = _entry(Path(folder, "export", "access_event"), demo.broken)
        Path(folder, "entry").write_bytes(entry)

        def verify(*arguments):
            ran = subprocess.run([program, *keys, *arguments], cwd=folder, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, check=False, env={**os.environ, "LC_ALL": "C"})
            return ran.returncode, ran.stdout.decode()

        def show(command, said):
            s.code("auditor", command)
            s.gap()
            for line in said.splitlines():
                if ", root " not in line:       # sizes and hashes, a line a log
                    s.say(line)
            s.gap()

        known = [f"--known=kept.{log}" for log in LOGS]
        status, said = verify(*known, "export")
        show(f"{VERIFIER} --key=… --known=kept.access_event … export", said)
        s.check("every record of three logs is what it was, and they continue what the auditor kept",
                (status, [f"{log}: verified" in said for log in LOGS]) == (0, [True] * 3), (status, said))
        s.gap()

        shutil.copytree(Path(folder, "export"), Path(folder, "copy"))
        forged = Path(folder, "copy", bundle.relative_to(Path(folder, "export")))
        content = bytearray(forged.read_bytes())
        content[at + len(entry) - 1] ^= 1
        forged.write_bytes(content)
        s.say("In a copy, one bit of that record is turned over:")
        s.gap()
        status, said = verify(*known, "copy")
        show(f"{VERIFIER} --key=… --known=kept.access_event … copy", said)
        s.check("found, and named", status == 1
                and f"access_event: NOT verified: 2 problems, the first bad record is {demo.broken}\n" in said, (status, said))
        s.gap()
        s.say("A single record needs no export, only a proof of some hundred bytes and what it proves:")
        s.gap()
        s.code("fairness_team", f"SELECT steward.inclusion_proof('access_event', {demo.broken});")
        status, said = verify("--proof=proof", "--entry=entry")
        show(f"{VERIFIER} --key=… --proof=proof --entry=entry", said)
        Path(folder, "entry").write_bytes(bytes(entry[:-1]) + bytes([entry[-1] ^ 1]))
        refused, why = verify("--proof=proof", "--entry=entry")
        s.check(f"{len(proof):,} bytes prove that the broken glass is in the log, and prove nothing of another record",
                (status, refused) == (0, 1) and said.endswith(": verified\n"), (status, said, refused, why))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def who_saw(demo):
    """Who has met the data of one person."""
    s = demo.s
    s.step(f"Who saw applicant {APPLICANT}?")
    look = f"SELECT credit_amount FROM {OFFLINE} WHERE applicant_id = %s"
    with connect("junior_analyst", "credit-scoring") as junior, connect("risk_team", "credit-scoring") as risk:
        seen = rows(junior, look, (APPLICANT,))
        other = rows(risk, look, (APPLICANT + 1,))
    s.say("The table says which column is the person, so the log knows, by a keyed hash, whose rows an access met.")
    s.gap()
    s.code("data_steward", f"SELECT steward.protect('{OFFLINE}', entity_column => 'applicant_id');")
    s.code("fairness_team", f"""
        SELECT seq, subject, purpose, command, decision, rows_returned, reason
        FROM steward.who_saw('{OFFLINE}', '{APPLICANT}') WHERE entity_scope = 'rows';""")
    s.gap()
    with connect("fairness_team") as auditor:
        auditor.execute("SELECT steward.flush()")
        found = rows(auditor, f"""
            SELECT seq, subject, purpose, command, decision, rows_returned, reason
            FROM steward.who_saw('{OFFLINE}', '{APPLICANT}') WHERE entity_scope = 'rows'""")
        neighbour = rows(auditor, f"""SELECT DISTINCT subject
            FROM steward.who_saw('{OFFLINE}', '{APPLICANT + 1}') WHERE entity_scope = 'rows'""")
        report = rows(auditor, """SELECT source, object, subject, purpose, result, times
            FROM steward.entity_report(%s)""", (str(APPLICANT),))
        s.table(["seq", "subject", "purpose", "command", "decision", "rows", "reason"], found, wrap=("reason",))
        s.gap()
        s.check("three have met this applicant's row: on call, the pipeline that repaired it, and the junior analyst just now",
                len(seen) == 1 and [row[1] for row in found] == ["on_call", "feature_pipeline", "junior_analyst"]
                and found[0][4] == "break-glass" and found[0][6] == f"scores of applicant {APPLICANT} are wrong", found)
        s.check("who looked up the next applicant is not among them, and is told of that one",
                len(other) == 1 and neighbour == [("risk_team",)], neighbour)
        s.gap()
        s.code("fairness_team", f"SELECT * FROM steward.entity_report('{APPLICANT}');")
        s.gap()
        s.table(["source", "object", "subject", "purpose", "result", "times"], report)
        s.gap()
        inferences = [row for row in report if row[0] == "inference"]
        possible = {row[2] for row in report if row[0] == "possible access"}
        s.check("the one inference about this applicant is found with them, and who read the table as a whole is told apart",
                len(inferences) == 1 and inferences[0][2] == "household-scorer" and inferences[0][5] == 1
                and {"risk_team", "fairness_team"} <= possible, report)


STEPS = (tampered_row, offline_proof, who_saw)
