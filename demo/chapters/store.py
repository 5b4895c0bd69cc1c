"""The data becomes a governed feature store.

Copyright (c) 2026, the pg_steward authors
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import psycopg

import feast_format as feast
import german
from database import ALLOWED, APPLICANTS, DATABASE, FIRST, MARK, OFFLINE, ONLINE, START, connect, message, refusal, rows

HERE = Path(__file__).resolve().parent.parent



def the_data(demo):
    """Make the database, decode the data, fill the offline store."""
    s = demo.s
    s.step("Real data becomes a feature store")
    with connect(database=os.environ.get("PGDATABASE", "postgres")) as admin:
        found = rows(admin, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
                     (DATABASE,))
        if found and found[0][0] != MARK:
            sys.exit(f"demo: a database {DATABASE} exists that is not of the demonstration")
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
        admin.execute(f"COMMENT ON DATABASE {DATABASE} IS '{MARK}'")
    with connect() as admin:
        admin.execute("CREATE EXTENSION pg_steward")
        # what is so on this server already is not of the story
        demo.before = rows(admin, "SELECT severity, object, finding, remedy FROM steward.doctor()")
        admin.execute((HERE / "roles.sql").read_text())

    demo.applicants = list(german.read(HERE / "data" / "german.data"))
    with connect("feature_pipeline") as pipeline:
        pipeline.execute((HERE / "schema.sql").read_text())
        columns = ["applicant_id", "event_timestamp", "created"] + german.NAMES + ["outcome"]
        with pipeline.cursor().copy(f"COPY {OFFLINE} ({', '.join(columns)}) FROM STDIN") as copy:
            for i, (values, outcome) in enumerate(demo.applicants, FIRST):
                at = START + timedelta(hours=i - FIRST + 1)
                copy.write_row([i, at, at] + [values[n] for n in german.NAMES] + [outcome])
        pipeline.execute(feast.create_online_table(ONLINE))
        pipeline.execute(f'GRANT SELECT ON "{ONLINE}" TO risk_team, scoring_service, fairness_team, marketing, on_call')
        pipeline.execute(f'GRANT UPDATE ON "{ONLINE}" TO on_call')

        s.say("""Statlog German Credit: 1,000 people who asked a German bank for a credit, 20 features each,
            and how it went. Its codes are decoded into an offline store, one typed column a feature.""")
        s.gap()
        s.table(["id", "checking account", "amount (DM)", "sex and status", "age", "outcome"],
                rows(pipeline, f"""SELECT applicant_id, checking_account, credit_amount, sex_and_status, age_years,
                    outcome FROM {OFFLINE} ORDER BY applicant_id LIMIT 4"""))
        count, good = rows(pipeline, f"SELECT count(*), count(*) FILTER (WHERE outcome = 'good') FROM {OFFLINE}")[0]
    s.gap()
    s.check(f"{count:,} applicants, {good} credits went well, {count - good} did not",
            (count, good) == (APPLICANTS, 700), (count, good))


def the_rules(demo):
    """data_steward writes purposes, attributes and policies."""
    s = demo.s
    s.step("The rules: who may use which rows and values, and what for")
    s.say("""data_steward writes them in SQL (demo/policies.sql) and cannot read the data they are about.
        Nobody sees a row but by a rule; a deny beats every allow.""")
    s.gap()
    with connect("data_steward") as steward:
        steward.execute((HERE / "policies.sql").read_text())
        s.code("data_steward", """
            SELECT steward.create_row_policy('within_limit', 'credit_features',
                $$credit_amount <= steward.attr('credit_limit', 0)$$,
                roles => '{junior_analyst}', purposes => '{credit-scoring}');""")
        s.gap()
        number = 0
        for store, relation in (("offline", OFFLINE), ("online", ONLINE)):
            policies = rows(steward, """
                SELECT p.name, p.effect,
                       (SELECT string_agg(CASE r.role WHEN 0 THEN 'public' ELSE r.role::text END, ', '
                                          ORDER BY r.role::text)
                        FROM steward.row_policy_role r WHERE (r.relation, r.policy) = (p.relation, p.name)),
                       coalesce(array_to_string(p.purposes, ', '), 'any'), array_to_string(p.commands, '/')
                FROM steward.row_policy p WHERE p.relation = %s::regclass ORDER BY p.effect, p.name""", (relation,))
            s.table([f"policy ({store})", "effect", "for", "purpose", "commands"], policies)
            s.gap()
            number += len(policies)
        s.say("""Values are masked as well. The pipeline labelled the protected attributes of the offline table;
            what bears the label is masked for all but bias-audit, and the pipeline that carries it.""")
        s.gap()
        s.code("feature_pipeline", """
            SECURITY LABEL FOR steward ON COLUMN credit_features.age_years
                IS 'protected-attribute';""")
        s.code("data_steward", """
            SELECT steward.create_tag_mask('protected', 'protected-attribute', 'NULL', …);
            SELECT steward.create_mask('age', 'credit_features', 'age_years',
                'steward.mask_bucket(age_years, 20)::integer', …, priority => 10);""")
        s.gap()
        masks = rows(steward, f"""
            SELECT kind, name, regexp_substr(reason, 'column (\\w+)', 1, 1, '', 1), expression
            FROM steward.explain_access('{OFFLINE}', 'risk_team', 'credit-scoring') WHERE verdict = 'masks'""")
        s.table(["column (offline)", "kind", "name", "seen instead of the value"],
                [[column, kind, name, expression] for kind, name, column, expression in masks],
                wrap=("seen instead of the value",))
        s.gap()
        s.check(f"{number} policies on 2 tables, and {len(masks)} masked columns",
                (number, [m[2] for m in masks]) == (9, german.PROTECTED), (number, masks))
        error = refusal(steward, f"SELECT * FROM {OFFLINE}")
        s.check("their author is refused the data himself: " + message(error),
                error is not None and error.sqlstate == "42501", error)


def desk_of(values):
    """The desk of the bank that decides on an application."""
    return "cars" if values["credit_purpose"] in ("new car", "used car") else "household"


def materialize(demo):
    """Feast's materialization, with its own statements, under the rules."""
    s = demo.s
    s.step("Feast fills the online store, through the rules")
    s.say(f"""The table {ONLINE} is Feast's own: its schema, its key and value formats, its upsert.
        The pipeline owns both tables, and still writes only features that were declared.""")
    s.gap()
    demo.keys = {i: feast.entity_key("applicant_id", i) for i in range(FIRST, FIRST + APPLICANTS)}
    with connect("feature_pipeline") as pipeline:
        latest = rows(pipeline, feast.latest_rows(OFFLINE, "applicant_id", german.NAMES),
                      (START, START + timedelta(days=365)))
        s.check(f"Feast's read of the newest row of each applicant: {len(latest):,} rows",
                len(latest) == APPLICANTS, len(latest))
        batch = [feast.online_row(demo.keys[row[0]], name, german.KIND[name], value, row[-2], row[-1])
                 for row in latest for name, value in zip(german.NAMES, row[1:])]
        write = feast.online_write(ONLINE)
        with pipeline.transaction(), pipeline.cursor() as cursor:
            cursor.executemany(write, batch)
            cursor.executemany(write, batch[:200])      # once more: updates
        with pipeline.cursor().copy("COPY applicant_desk (applicant, desk) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["bytea", "text"])
            for i, key in demo.keys.items():
                copy.write_row([key, desk_of(demo.applicants[i - FIRST][0])])
        count, = rows(pipeline, f'SELECT count(*) FROM "{ONLINE}"')[0]
        s.check(f"Feast's upsert, 200 of them twice: {count:,} values", count == APPLICANTS * len(german.NAMES), count)
        error = refusal(pipeline, write, feast.online_row(demo.keys[FIRST], "postcode", "text", "20146", START, START))
        s.check("a feature that nobody declared is refused: " + message(error),
                error is not None and error.sqlstate == "42501", error)
        s.check("and the refusal shows no value", error is not None and "20146" not in str(error), str(error))


def who_sees_what(demo):
    """The same two statements for everybody."""
    s = demo.s
    s.step("The same two statements, and what each sees")
    offline = f"SELECT count(*) FROM {OFFLINE}"
    online = f"SELECT count(DISTINCT feature_name), count(*) FROM {ONLINE}"
    s.code("anybody", offline + ";")
    s.code("anybody", online + ";")
    s.gap()
    seen = {}
    for role, purpose in [("risk_team", "credit-scoring"), ("risk_team", None),
                          ("scoring_service", "credit-scoring"), ("fairness_team", "bias-audit"),
                          ("junior_analyst", "credit-scoring"), ("marketing", "marketing"),
                          ("data_steward", None)]:
        with connect(role, purpose) as person:
            cells = []
            for statement in (offline, online):
                try:
                    cells += rows(person, statement)[0]
                except psycopg.errors.InsufficientPrivilege:
                    cells += [None] * (1 if statement is offline else 2)
            seen[role, purpose] = tuple(cells)
    with connect() as admin:
        by_superuser = rows(admin, offline)[0] + rows(admin, online)[0]
    s.table(["connected as", "purpose", "credits", "features online", "values online"],
            [[role, purpose or "-"] + ["refused" if c is None else f"{c:,}" for c in cells]
             for (role, purpose), cells in seen.items()]
            + [["a superuser", "-"] + [f"{c:,}" for c in by_superuser]], right=("credits", "features online", "values online"))
    s.gap()
    everything = (APPLICANTS, len(german.NAMES), APPLICANTS * len(german.NAMES))
    allowed = (APPLICANTS, len(ALLOWED), APPLICANTS * len(ALLOWED))
    s.check("for credit-scoring 17 of 20 features exist", seen["risk_team", "credit-scoring"] == allowed,
            seen["risk_team", "credit-scoring"])
    s.check("for bias-audit all of them", seen["fairness_team", "bias-audit"] == everything,
            seen["fairness_team", "bias-audit"])
    s.check("without a purpose the same people see nothing", set(seen["risk_team", None]) == {None},
            seen["risk_team", None])
    s.check("only a superuser is beyond the rules", by_superuser == everything, by_superuser)
    demo.seen = seen


STEPS = (the_data, the_rules, materialize, who_sees_what)
