"""The rules change, are broken on the record, and are looked after.

Copyright (c) 2026, the pg_steward authors
"""

import json
from datetime import timedelta

import feast_format as feast
import german
from database import FIRST, OFFLINE, ONLINE, START, connect, message, refusal, rows

# what a server as it was installed leaves open
SETTINGS = ("setting steward.key_directory", "setting steward.checkpoint_command")
APPLICANT = 4711                    # about whom somebody asks in the end


def _offline(document):
    """The offline table in a document of policies."""
    return next(r for r in document["relations"] if r["relation"] == f"public.{OFFLINE}")


def _named(things, name):
    return next(thing for thing in things if thing["name"] == name)


def _difference(before, after):
    """What of an object changes, as a reviewer reads it."""
    if before is None:
        return "new"

    def text(value):
        return value if isinstance(value, str) else json.dumps(value)
    return "\n".join(f"{key}:\n- {text(before.get(key))}\n+ {text(after[key])}"
                     for key in after if before.get(key) != after[key])


def _show(story, planned):
    story.table(["action", "kind", "name", "difference"],
                [[action, kind, name.replace(" on ", "\non ").replace('"', ""), _difference(before, after)]
                 for action, kind, name, before, after in planned], wrap=("difference",))
    story.gap()


def as_code(demo):
    """All rules as one document: reviewed, tested, applied or refused."""
    s = demo.s
    s.step("The rules are code: a change is reviewed, tested, and only then applied")
    plan = "SELECT action, kind, name, before, after FROM steward.plan_policies(%s::jsonb)"
    apply = "SELECT * FROM steward.apply_policies(%s::jsonb)"
    statement = f"SELECT count(*), max(duration_months) FROM {OFFLINE}"
    with connect("data_steward") as steward, connect("junior_analyst", "credit-scoring") as junior:
        document, = rows(steward, "SELECT steward.export_policies()")[0]
        policies = sum(len(r["row_policies"]) for r in document["relations"])
        s.say(f"""export_policies() writes all of them as one JSON document for version control: {len(document['purposes'])}
            purposes, {len(document['grants'])} grants, {policies} row policies, their masks. The author changes one
            policy there, juniors shall decide on credits of two years at most, and adds tests that every change has
            to pass.""")
        s.gap()
        _named(_offline(document)["row_policies"], "within_limit")["using_expr"] += " AND duration_months <= 24"
        document["tests"] = [
            {"name": f"risk_team sees no {column}", "role": "risk_team", "purpose": "credit-scoring",
             "relation": f"public.{OFFLINE}", "column_name": column, "masked": True} for column in german.PROTECTED]
        s.code("data_steward", "SELECT action, kind, name, before, after FROM steward.plan_policies($1);")
        s.gap()
        planned = rows(steward, plan, (json.dumps(document),))
        _show(s, planned)
        changes = [p for p in planned if p[0] != "create"]
        s.check("the plan shows that one policy and the tests, and has changed nothing",
                len(changes) == 1 and changes[0][2].startswith("within_limit") and len(planned) == 1 + len(document["tests"])
                and rows(steward, plan, (json.dumps(document),)) == planned, planned)
        before, _ = rows(junior, statement, prepare=True)[0]
        rows(steward, apply, (json.dumps(document),))
        after, longest = rows(junior, statement, prepare=True)[0]
        expected = sum(v["credit_amount"] <= 2500 and v["duration_months"] <= 24 for v, _ in demo.applicants)
        s.check(f"applied: the junior analyst's open session sees {after} credits now, not {before}",
                (after, longest) == (expected, 24) and after < before, (before, after, longest))
        s.gap()

        s.say("""Somebody would like to train on whether an applicant is a foreign worker, and lifts the mask of the
            label for credit-scoring in the document:""")
        s.gap()
        known, = rows(steward, "SELECT steward.export_policies()")[0]
        bad = json.loads(json.dumps(known))
        _named(bad["tag_masks"], "protected")["unless_purposes"].append("credit-scoring")
        planned = rows(steward, plan, (json.dumps(bad),))
        _show(s, planned)
        s.code("data_steward", "SELECT * FROM steward.apply_policies($1);")
        s.gap()
        error = refusal(steward, apply, (json.dumps(bad),))
        s.table(["answer"], [[message(error)], *([line] for line in (error.diag.message_detail or "").split("\n"))]
                if error else [], wrap=("answer",))
        s.gap()
        s.check("the tests refuse it", error is not None and len(planned) == 1
                and "risk_team sees no foreign_worker" in (error.diag.message_detail or ""), (error, planned))
        s.check("nothing was changed", rows(steward, "SELECT steward.export_policies()")[0][0] == known)


def break_glass(demo):
    """At three in the morning: refused, then allowed for a while, on record."""
    s = demo.s
    s.step("At three in the morning the glass is broken, on the record")
    with connect("feature_pipeline") as pipeline:
        pipeline.execute(feast.online_write(ONLINE),
                         feast.online_row(demo.keys[APPLICANT], "duration_months", "integer", 240, START, START))
    s.say("""A faulty load has spoilt a value of the online store, and credits that were granted yesterday are refused.
        Whoever is on call has no right to see any of the data, but may break the glass.""")
    s.gap()
    look = f"""
        SELECT o.feature_name, to_jsonb(f) ->> o.feature_name, o.value_text
        FROM {ONLINE} o JOIN {OFFLINE} f ON o.entity_key = %s AND f.applicant_id = {APPLICANT}"""
    begin = f"SELECT steward.break_glass('scores of applicant 4711 are wrong', 'INC-4711', '15 minutes', '{{{OFFLINE},{ONLINE}}}')"
    tried = []
    with connect("risk_team", "credit-scoring") as other:
        tried.append(("risk_team", "without a grant", refusal(other, begin)))
    with connect("on_call") as person, connect("fairness_team") as auditor:
        tried.append(("on_call", "reads at once", refusal(person, look, (demo.keys[APPLICANT],))))
        tried.append(("on_call", "gives no reason", refusal(person, "SELECT steward.break_glass('')")))
        tried.append(("on_call", "wants a whole night",
                      refusal(person, "SELECT steward.break_glass('scores are wrong', duration => '8 hours')")))
        s.table(["who", "tries", "answer"], [[who, what, message(e)] for who, what, e in tried], wrap=("answer",))
        s.gap()
        s.check("refused without a grant, without a reason, or for too long", all(e is not None for _, _, e in tried), tried)
        s.check("and no such attempt broke anything", rows(auditor, "SELECT count(*) FROM steward.break_glass_event") == [(0,)])
        s.gap()

        s.code("on_call", f"""
            SELECT steward.break_glass('scores of applicant 4711 are wrong', 'INC-4711',
                '15 minutes', '{{{OFFLINE},{ONLINE}}}');
            SELECT o.feature_name, to_jsonb(f) ->> o.feature_name, o.value_text
            FROM {ONLINE} o JOIN {OFFLINE} f ON …;""")
        s.gap()
        person.execute(begin)
        features = rows(person, look, (demo.keys[APPLICANT],))
        values, _ = demo.applicants[APPLICANT - FIRST]
        wrong = [row for row in features if row[1].lower() != row[2].lower()]
        shown = wrong + [row for row in features if row[0] in german.PROTECTED]
        s.table(["feature of applicant 4711", "offline", "online", ""],
                [[*row, "differs" if row in wrong else ""] for row in shown])
        s.gap()
        s.check(f"all {len(features)} features are seen, unmasked, and one of them is wrong",
                len(features) == len(german.NAMES) and [w[0] for w in wrong] == ["duration_months"]
                and all(offline.lower() == str(values[name]).lower() for name, offline, _ in features), features)
        error = refusal(person, f"UPDATE {ONLINE} SET value_text = '18' WHERE feature_name = 'duration_months'")
        s.check("to read, not to write: " + message(error), error is not None and error.sqlstate == "42501", error)
        person.execute("SELECT steward.end_break_glass()")
        error = refusal(person, look, (demo.keys[APPLICANT],))
        s.check("ended, and at once there is nothing to see: " + message(error),
                error is not None and error.sqlstate == "42501", error)
        s.gap()
        s.code("fairness_team", "SELECT * FROM steward.break_glass_event;   -- as a steward_auditor")
        s.gap()
        record = rows(auditor, """SELECT id::int, subject, reason, ticket, relations, valid_until - broken_at, ended_at
            FROM steward.break_glass_event""")
        s.table(["id", "subject", "reason", "ticket", "relations", "for", "ended"],
                [[i, who, reason, ticket, relations, length, ended is not None]
                 for i, who, reason, ticket, relations, length, ended in record], wrap=("reason", "relations"))
        s.gap()
        s.check("it is on record: who, why, what, how long, and that it was ended",
                len(record) == 1 and record[0][1:4] == ("on_call", "scores of applicant 4711 are wrong", "INC-4711")
                and sorted(record[0][4]) == sorted([f"public.{OFFLINE}", f"public.{ONLINE}"])
                and record[0][5] == timedelta(minutes=15) and record[0][6] is not None, record)
    with connect() as admin:
        error = refusal(admin, "DELETE FROM steward.break_glass_record")
        s.check("and nobody takes it off, a superuser neither: " + message(error), error is not None, error)
    with connect("feature_pipeline") as pipeline:
        pipeline.execute(feast.online_write(ONLINE), feast.online_row(
            demo.keys[APPLICANT], "duration_months", "integer", values["duration_months"], START, START))
        repaired = rows(pipeline, look, (demo.keys[APPLICANT],))
    s.check("the pipeline has repaired the value", all(a.lower() == b.lower() for _, a, b in repaired), repaired)


def doctor(demo):
    """What is weaker than it looks."""
    s = demo.s
    s.step("Is everything in order? doctor() looks")
    statement = "SELECT severity, object, finding, remedy FROM steward.doctor()"
    with connect("data_steward") as steward, connect() as admin:
        s.code("data_steward", "SELECT * FROM steward.doctor();")
        s.gap()
        known = rows(steward, statement)
        if known:
            s.table(["severity", "object", "finding", "remedy"], known, wrap=("object", "finding", "remedy"))
            s.gap()
        told = [f for f in known if f not in demo.before and f[1] not in SETTINGS]
        s.check("it finds nothing amiss in all that was told here, but what was so on this server before, and settings "
                "that wait for production", not told, known)
        s.gap()
        s.say("A superuser is in a hurry and takes shortcuts; then it looks again:")
        s.gap()
        shortcuts = ["BEGIN;", "ALTER ROLE marketing BYPASSRLS;",
                     f"CREATE MATERIALIZED VIEW fast AS SELECT * FROM {OFFLINE};", "GRANT SELECT ON fast TO marketing;"]
        s.code("superuser", "\n".join(shortcuts))
        s.code("data_steward", "SELECT * FROM steward.doctor();")
        s.gap()
        for shortcut in shortcuts:
            admin.execute(shortcut)
        admin.execute("SET LOCAL SESSION AUTHORIZATION data_steward")
        found = [f for f in rows(admin, statement) if f not in known]
        admin.execute("ROLLBACK")
        s.table(["severity", "object", "finding", "remedy"], found, wrap=("object", "finding", "remedy"))
        s.gap()
        s.check("both roads past the rules are found, each with a remedy",
                {"role marketing", "materialized view public.fast"} <= {f[1] for f in found}
                and all(f[3] for f in found), found)
        error = refusal(admin, f"ALTER TABLE {OFFLINE} DISABLE ROW LEVEL SECURITY")
        s.check("some shortcuts are not there to be taken: " + message(error), error is not None, error)
        again = rows(steward, statement)
        s.check("rolled back, there is nothing new to report", not [f for f in again if f not in known], again)


STEPS = (as_code, break_glass, doctor)
