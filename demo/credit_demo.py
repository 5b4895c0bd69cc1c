"""The story: a credit-scoring feature store on real data, governed.

Every step asserts what it shows, so that the demonstration is a test as well;
see README.md in this folder.

Copyright (c) 2026, the pg_steward authors
"""

import hashlib
import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

try:
    import psycopg
    import model
except ImportError as e:
    sys.exit(f"demo: {e}; install the packages listed in demo/packages")
import feast_format as feast
import german
from present import Failed, Story

HERE = Path(__file__).resolve().parent
DATABASE = "credit_demo"
MARK = "pg_steward demonstration: dropped and made anew by demo/run"
OFFLINE = "credit_features"
VIEW = "applicant_features"
ONLINE = f"credit_{VIEW}"           # Feast: {project}_{feature_view}
MODEL, VERSION = "german-credit", "1.0.0"
APPLICANTS = 1000
START = datetime(2025, 1, 1, tzinfo=timezone.utc)
ALLOWED = [f for f in german.NAMES if f not in german.PROTECTED]


def connect(user=None, purpose=None, database=DATABASE):
    """Connect as an ordinary driver does; the purpose goes along as a
    connection option, so that the statements need not know of it.  The
    encoding does, too: a database of encoding SQL_ASCII would answer bytes."""
    options = f"-c steward.purpose={purpose}" if purpose else ""
    return psycopg.connect(dbname=database, autocommit=True, options=options,
                           application_name="credit_demo", client_encoding="utf8", **({"user": user} if user else {}))


def rows(connection, statement, parameters=None, **kwargs):
    """All rows of a statement."""
    return connection.execute(statement, parameters, **kwargs).fetchall()


def refusal(connection, statement, parameters=None):
    """The error that a statement must raise, or None where it was not refused."""
    try:
        connection.execute(statement, parameters)
    except psycopg.Error as e:
        return e
    return None


def answer(error, hints=None):
    """What the server said: the message, and the hint below it unless it is
    among those told already."""
    if error is None:
        return "NOT REFUSED"
    hint = error.diag.message_hint
    if not hint or hints is not None and hint in hints:
        return error.diag.message_primary
    if hints is not None:
        hints.append(hint)
    return f"{error.diag.message_primary}\nHint: {hint}"


class Demo:
    """The steps, in the order in which they are told."""

    def __init__(self, story):
        self.s = story

    # ---------------------------------------------------------------- 1

    def the_data(self):
        """Make the database, decode the data, fill the offline store."""
        s = self.s
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
            admin.execute((HERE / "roles.sql").read_text())

        self.applicants = list(german.read(HERE / "data" / "german.data"))
        with connect("feature_pipeline") as pipeline:
            pipeline.execute((HERE / "schema.sql").read_text())
            columns = ["applicant_id", "event_timestamp", "created"] + german.NAMES + ["outcome"]
            with pipeline.cursor().copy(f"COPY {OFFLINE} ({', '.join(columns)}) FROM STDIN") as copy:
                for i, (values, outcome) in enumerate(self.applicants, 1):
                    at = START + timedelta(hours=i)
                    copy.write_row([i, at, at] + [values[n] for n in german.NAMES] + [outcome])
            pipeline.execute(feast.create_online_table(ONLINE))
            pipeline.execute(f'GRANT SELECT ON "{ONLINE}" TO risk_team, scoring_service, fairness_team, marketing')

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

    # ---------------------------------------------------------------- 2

    def the_rules(self):
        """data_steward writes purposes, attributes and policies."""
        s = self.s
        s.step("The rules: who may use which rows, and what for")
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
            s.check(f"{number} policies on 2 tables", number == 8, number)
            error = refusal(steward, f"SELECT * FROM {OFFLINE}")
            s.check("their author is refused the data himself: " + (error.diag.message_primary if error else ""),
                    error is not None and error.sqlstate == "42501", error)

    # ---------------------------------------------------------------- 3

    def materialize(self):
        """Feast's materialization, with its own statements, under the rules."""
        s = self.s
        s.step("Feast fills the online store, through the rules")
        s.say(f"""The table {ONLINE} is Feast's own: its schema, its key and value formats, its upsert.
            The pipeline owns both tables, and still writes only features that were declared.""")
        s.gap()
        self.keys = {i: feast.entity_key("applicant_id", i) for i in range(1, APPLICANTS + 1)}
        with connect("feature_pipeline") as pipeline:
            latest = rows(pipeline, feast.latest_rows(OFFLINE, "applicant_id", german.NAMES),
                          (START, START + timedelta(days=365)))
            s.check(f"Feast's read of the newest row of each applicant: {len(latest):,} rows",
                    len(latest) == APPLICANTS, len(latest))
            batch = [feast.online_row(self.keys[row[0]], name, german.KIND[name], value, row[-2], row[-1])
                     for row in latest for name, value in zip(german.NAMES, row[1:])]
            write = feast.online_write(ONLINE)
            with pipeline.transaction(), pipeline.cursor() as cursor:
                cursor.executemany(write, batch)
                cursor.executemany(write, batch[:200])      # once more: updates
            count, = rows(pipeline, f'SELECT count(*) FROM "{ONLINE}"')[0]
            s.check(f"Feast's upsert, 200 of them twice: {count:,} values", count == APPLICANTS * len(german.NAMES), count)
            error = refusal(pipeline, write, feast.online_row(self.keys[1], "postcode", "text", "20146", START, START))
            s.check("a feature that nobody declared is refused: " + (error.diag.message_primary if error else ""),
                    error is not None and error.sqlstate == "42501", error)
            s.check("and the refusal shows no value", error is not None and "20146" not in str(error), str(error))

    # ---------------------------------------------------------------- 4

    def who_sees_what(self):
        """The same two statements for everybody."""
        s = self.s
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
        self.seen = seen

    # ---------------------------------------------------------------- 5

    def train(self):
        """The risk team reads online and offline as Feast does, and trains."""
        s = self.s
        s.step("The risk team trains a model on what it may see")
        with connect("risk_team", "credit-scoring") as risk:
            read = feast.online_read(ONLINE, some_features=True)
            asked = ["credit_amount", "housing"] + german.PROTECTED
            s.code("risk_team", """
                -- Feast's online read: applicant 1, these features please
                SELECT entity_key, feature_name, value, event_ts FROM "credit_applicant_features"
                WHERE entity_key = ANY($1) AND feature_name = ANY($2);""")
            s.gap()
            got = {name: feast.parse_value(value)
                   for _, name, value, _ in rows(risk, read, ([self.keys[1]], asked), prepare=True)}
            s.table(["feature asked for"] + asked,
                    [["answer"] + [s.format(got[a]) if a in got else "(none)" for a in asked]])
            s.gap()
            s.check("the protected attributes are invisible: " + ", ".join(german.PROTECTED),
                    not set(got) & set(german.PROTECTED) and len(got) == 2, sorted(got))
            everything = rows(risk, feast.online_read(ONLINE, False), ([self.keys[1], self.keys[1000]],))
            s.check("Feast's read of all features of two applicants finds 2 x 17 values",
                    len(everything) == 2 * len(ALLOWED), len(everything))
            hidden = rows(risk, f"SELECT count(*) FROM {ONLINE} WHERE feature_name = 'age_years' OR value_text ~ 'male'")[0][0]
            s.check("nor does a search for them find any", hidden == 0, hidden)
            error = refusal(risk, f"SELECT age_years FROM {OFFLINE}")
            s.check("offline their columns are not granted: " + (error.diag.message_primary if error else ""),
                    error is not None and error.sqlstate == "42501", error)

            # what exists for this team is what the model is made of
            features = [f for f, in rows(risk, f"SELECT DISTINCT feature_name FROM {ONLINE}")]
            features.sort(key=german.NAMES.index)
            self.entity_df = "feast_entity_df_" + hashlib.md5(b"training").hexdigest()
            risk.execute(f"""CREATE TABLE {self.entity_df} AS (
                SELECT applicant_id, event_timestamp + interval '1 hour' AS event_timestamp, outcome FROM {OFFLINE})""")
            query = feast.point_in_time(VIEW, OFFLINE, "applicant_id", features, self.entity_df,
                                        ["applicant_id", "event_timestamp", "outcome"], 365 * 86400)
            training = sorted(rows(risk, query))
            complete = [r for r in training if None not in r]
            risk.execute(f"UPDATE {self.entity_df} SET event_timestamp = event_timestamp - interval '1 day'")
            early = rows(risk, query)
            risk.execute(f"DROP TABLE {self.entity_df}")
        s.check(f"Feast's point-in-time join: {len(complete):,} training rows, each as known at its moment",
                len(complete) == APPLICANTS, len(complete))
        s.check("asked for the day before, it gives none of their features: nothing leaks from the future",
                len(early) == APPLICANTS and all(set(r[3:]) == {None} for r in early))

        self.parameters, figures, said = model.train([r[3:] for r in complete], [r[2] for r in complete],
                                                     features, german.KIND)
        again = [model.score(self.parameters, dict(zip(features, r[3:]))) for r in complete]
        difference = max(abs(a - b) for a, b in zip(said, again))
        s.gap()
        s.say(f"""A logistic regression (scikit-learn, five-fold cross-validation). It grants a credit where the chance of a good outcome is at
            least {model.THRESHOLD:.3f}: by the data set's cost matrix a bad credit costs five good ones.""")
        s.gap()
        weights = [("%s = %s" % (f, v), w) for f, vs in self.parameters["category"].items() for v, w in vs.items()]
        weights.sort(key=lambda x: x[1])
        top = weights[:3] + weights[-3:]
        facts = list(figures.items()) + [("coefficients", len(weights) + len(self.parameters["numeric"])),
                                         ("features", len(features))]
        s.table(["cross-validation", "figure", "strongest coefficients", "weight"],
                [[facts[i][0], s.format(facts[i][1]).rjust(6), top[i][0], f"{top[i][1]:+.3f}".rjust(6)]
                 for i in range(len(top))])
        s.gap()
        s.check(f"its stored coefficients say what scikit-learn says (largest difference {difference:.0e})",
                difference < 1e-9, difference)
        s.check("it ranks well: a good credit above a bad one in 3 of 4 pairs",
                figures["area under the curve"] > 0.75, figures)
        s.check("and knows no protected attribute", not set(self.parameters["features"]) & set(german.PROTECTED)
                and not (set(self.parameters["numeric"]) | set(self.parameters["category"])) & set(german.PROTECTED))

    # ---------------------------------------------------------------- 6

    def register(self):
        """The model, its version and its lineage."""
        s = self.s
        s.step("The model stands in the registry, with its lineage")
        text = json.dumps(self.parameters, sort_keys=True)
        with connect("risk_team") as risk:
            risk.execute("SELECT steward.register_system(%s, %s, risk_tier => 'high')",
                         ("consumer credit", "decides on credits to private persons (AI Act, annex III 5b)"))
            risk.execute("SELECT steward.register_model(%s, %s, risk_tier => 'high', system => 'consumer credit', limitations => %s)",
                         (MODEL, "grant or refuse a credit to a private person",
                          "trained on 1,000 German credits of the 1970s; a demonstration"))
            risk.execute("SELECT steward.register_version(%s, %s, artifact_sha256 => %s, parameters => %s::jsonb)",
                         (MODEL, VERSION, hashlib.sha256(text.encode()).digest(), text))
            risk.execute("SELECT steward.record_lineage(%s, %s)", (f"public.{OFFLINE}", f"public.{ONLINE}"))
            for feature in self.parameters["features"]:
                risk.execute("SELECT steward.record_lineage(%s, %s)",
                             (f"public.{OFFLINE}.{feature}", f"model:{MODEL}/{VERSION}"))
            risk.execute("SELECT steward.record_lineage(%s, %s)",
                         (f"public.{OFFLINE}.outcome", f"model:{MODEL}/{VERSION}"))

            s.code("risk_team", "SELECT steward.register_version('german-credit', '1.0.0', parameters => …);")
            s.gap()
            version = rows(risk, """
                SELECT v.model, v.version, m.risk_tier, v.registered_by, v.parameters ->> 'kind',
                       round((v.parameters ->> 'intercept')::numeric, 3)::text, encode(v.artifact_sha256, 'hex')
                FROM steward.model_version v JOIN steward.model m ON m.name = v.model""")
            s.table(["model", "version", "risk tier", "registered by", "kind", "intercept", "sha256"],
                    [list(v[:-1]) + [v[-1][:8] + "…"] for v in version])
            s.gap()
            edges = rows(risk, """
                SELECT source_relation, count(source_column), target_relation, kind FROM steward.lineage_edge
                GROUP BY 1, 3, 4 ORDER BY 2""")
            s.table(["lineage from", "columns", "to", "kind"],
                    [[a, n or "all", b, k] for a, n, b, k in edges])
            s.gap()
            s.check("one version, its coefficients with it",
                    len(version) == 1 and json.loads(text) == rows(risk, "SELECT parameters FROM steward.model_version")[0][0])
            protected = rows(risk, "SELECT count(*) FROM steward.lineage_edge WHERE source_column = ANY(%s)",
                             (german.PROTECTED,))[0][0]
            s.check("17 features and the outcome lead to it, no protected attribute does",
                    protected == 0 and ("public." + OFFLINE, 18, f"model:{MODEL}/{VERSION}", "manual") in edges, edges)
            error = refusal(risk, "UPDATE steward.model_version SET parameters = '{}'")
            s.check("a version never changes: " + (error.diag.message_primary if error else ""), error is not None)

    # ---------------------------------------------------------------- 7

    def score(self):
        """A service scores every applicant with that very model and logs it."""
        s = self.s
        s.step("A service scores 1,000 applicants with that very model, and each is logged")
        with connect("scoring_service", "credit-scoring") as service:
            parameters, = rows(service, "SELECT parameters FROM steward.model_version WHERE (model, version) = (%s, %s)",
                               (MODEL, VERSION))[0]
            read = feast.online_read(ONLINE, True)
            began = time.monotonic()
            with service.transaction(), service.cursor() as cursor:
                calls = []
                for first in range(1, APPLICANTS + 1, 50):
                    wanted = {self.keys[i]: i for i in range(first, first + 50)}
                    vectors = {}
                    for key, name, value, _ in cursor.execute(
                            read, (list(wanted), parameters["features"]), prepare=True).fetchall():
                        vectors.setdefault(bytes(key), {})[name] = feast.parse_value(value)
                    for key, i in wanted.items():
                        probability = model.score(parameters, vectors[key])
                        calls.append((MODEL, VERSION, json.dumps(vectors[key]),
                                      json.dumps({"probability": probability,
                                                  "granted": probability >= parameters["threshold"]}),
                                      [str(i)], json.dumps({"feast.entity_key": key.hex()})))
                cursor.executemany("""SELECT steward.log_inference(%s, %s, %s::jsonb, %s::jsonb,
                    operation => 'predict', entities => %s, attributes => %s::jsonb)""", calls)
            took = time.monotonic() - began
        with connect("fairness_team") as auditor:
            s.code("fairness_team", "SELECT … FROM steward.inference_log;   -- as a steward_auditor")
            s.gap()
            s.table(["seq", "applicant", "subject", "purpose", "model", "probability", "granted"],
                    rows(auditor, """
                        SELECT seq, entities[1], subject, purpose, model || '/' || version,
                               (output ->> 'probability')::float8, (output ->> 'granted')::boolean
                        FROM steward.inference_log ORDER BY seq LIMIT 4"""))
            count, granted, inputs = rows(auditor, """
                SELECT count(*), count(*) FILTER (WHERE (output ->> 'granted')::boolean),
                       count(*) FILTER (WHERE input ?| %s) FROM steward.inference_log WHERE subject = 'scoring_service'
                """, (german.PROTECTED,))[0]
            s.gap()
            s.check(f"{count:,} inferences ({count / took:,.0f} a second), {granted} credits granted",
                    count == APPLICANTS and 0 < granted < APPLICANTS, (count, granted))
            s.check("no protected attribute went into any of them", inputs == 0, inputs)
            s.gap()
            s.say("The scores are recomputed, in SQL, from the stored coefficients and the logged inputs:")
            s.gap()
            statement = """
                SELECT count(*),
                    max(abs((l.output ->> 'probability')::float8 - 1 / (1 + exp(-z))))
                FROM steward.inference_log l
                    JOIN steward.model_version v USING (model, version)
                    CROSS JOIN LATERAL (
                        SELECT (v.parameters -> 'intercept')::float8 + sum(
                            CASE WHEN v.parameters -> 'category' ? key
                                 THEN (v.parameters -> 'category' -> key -> value)::float8
                                 ELSE (v.parameters -> 'numeric' -> key)::float8
                                      * CASE value WHEN 'true' THEN 1 WHEN 'false' THEN 0
                                                   ELSE value::float8 END
                            END) AS z
                        FROM jsonb_each_text(l.input)) AS linear"""
            s.code("fairness_team", statement + ";")
            count, difference = rows(auditor, statement)[0]
            s.gap()
            s.check(f"{count:,} scores agree; largest difference {difference:.1e}",
                    count == APPLICANTS and difference < 1e-9, (count, difference))
            agree, = rows(auditor, """
                SELECT count(*) FROM steward.inference_log l JOIN steward.model_version v USING (model, version)
                WHERE (output -> 'granted')::boolean
                    = ((output -> 'probability')::float8 >= (parameters -> 'threshold')::float8)""")[0]
            s.check(f"{agree:,} decisions follow from score and stored threshold", agree == APPLICANTS, agree)
            error = refusal(auditor, "DELETE FROM steward.inference_log")
            s.check("nobody edits the log: " + (error.diag.message_primary if error else ""), error is not None)

    # ---------------------------------------------------------------- 8

    def fairness(self):
        """Approval rates per group, for those who may see the groups."""
        s = self.s
        s.step("The fairness team sees the protected attributes, for bias-audit")
        s.say("The model knows none of them. Does it treat the groups alike all the same?")
        s.gap()
        s.code("fairness_team", "SET steward.purpose = 'bias-audit';")
        s.code("fairness_team", """
            SELECT … FROM credit_applicant_features o JOIN steward.inference_log l ON …
            WHERE o.feature_name IN ('sex_and_status', 'age_years', 'foreign_worker')
            GROUP BY …;""")
        s.gap()
        with connect("fairness_team") as fair:
            fair.execute("SET steward.purpose = 'bias-audit'")
            groups = rows(fair, f"""
                SELECT o.feature_name,
                       CASE o.feature_name
                           WHEN 'sex_and_status' THEN split_part(o.value_text, ',', 1)
                           WHEN 'age_years' THEN CASE WHEN o.value_text::int < 25 THEN 'below 25' ELSE '25 and above' END
                           WHEN 'foreign_worker' THEN CASE o.value_text WHEN 'True' THEN 'yes' ELSE 'no' END
                       END AS grp,
                       count(*),
                       avg((f.outcome = 'good')::int)::float8,
                       avg((l.output ->> 'granted')::boolean::int)::float8
                FROM {ONLINE} o
                    JOIN steward.inference_log l ON o.entity_key = decode(l.attributes ->> 'feast.entity_key', 'hex')
                    JOIN {OFFLINE} f ON f.applicant_id = l.entities[1]::bigint
                WHERE o.feature_name = ANY(%s)
                GROUP BY 1, 2 ORDER BY 1, 5 DESC""", (german.PROTECTED,))
        best = {}
        for feature, _, _, _, rate in groups:
            best[feature] = max(rate, best.get(feature, 0))
        ratios = {(f, g): rate / best[f] for f, g, _, _, rate in groups}
        s.table(["attribute", "group", "applicants", "went well", "granted", "ratio", "four-fifths rule"],
                [[f, g, n, f"{good:6.1%}".rjust(9), f"{rate:6.1%}".rjust(7), f"{ratios[f, g]:.2f}",
                  "below" if ratios[f, g] < 0.8 else "kept"] for f, g, n, good, rate in groups])
        s.gap()
        s.check("3 attributes in 2 groups each, all applicants in every attribute",
                len(groups) == 6 and all(sum(n for f, _, n, _, _ in groups if f == p) == APPLICANTS for p in german.PROTECTED),
                groups)
        self.finding = ratios["age_years", "below 25"]
        s.check(f"a finding: applicants below 25 are granted credits at {self.finding:.2f} of the others' rate",
                self.finding < 0.8, self.finding)

    # ---------------------------------------------------------------- 9

    def risk(self):
        """The finding becomes a risk."""
        s = self.s
        s.step("The finding becomes an entry of the risk register")
        with connect("data_steward") as officer:
            officer.execute("SELECT steward.register_risk(%s, %s, 'fairness', 'risk_team', 4, 4, %s, %s)",
                            ("R-1", "young applicants are granted fewer credits",
                             f"Approval rate below 25 years is {self.finding:.2f} of the others', without age as a feature.",
                             [MODEL]))
            s.code("data_steward", "SELECT steward.register_risk('R-1', …);")
            s.gap()
            entries = rows(officer, """
                SELECT r.ref, r.title, r.category, r.owner, r.inherent_likelihood, r.inherent_impact,
                       (SELECT string_agg(model, ', ') FROM steward.risk_model WHERE risk = r.ref)
                FROM steward.risk r""")
            s.table(["ref", "title", "category", "owner", "likelihood", "impact", "model"], entries, wrap=("title",))
            s.gap()
            s.check("one risk, tied to the model", len(entries) == 1 and entries[0][-1] == MODEL, entries)

    # ---------------------------------------------------------------- 10

    def marketing(self):
        """Refused, with the reason, by every road."""
        s = self.s
        s.step("Marketing is refused, and told why")
        s.say("It holds SELECT on both tables. GRANT opens the door; without a rule there is nothing behind it.")
        s.gap()
        with connect() as admin:
            admin.execute(f"CREATE VIEW campaign AS SELECT * FROM {OFFLINE}")
            admin.execute("GRANT SELECT ON campaign TO marketing")
        tried = []
        with connect("marketing") as person:
            statements = [
                ("no purpose", f"SELECT * FROM {OFFLINE};"),
                ("a borrowed purpose", "SET steward.purpose = 'credit-scoring';"),
                ("its own purpose", f"SELECT * FROM {ONLINE};"),
                ("a superuser's view", "SELECT * FROM campaign;"),
                ("a bulk export", f"COPY {OFFLINE} TO STDOUT;"),
            ]
            for label, statement in statements:
                if label == "its own purpose":
                    person.execute("SET steward.purpose = 'marketing'")
                if statement.startswith("COPY"):
                    error = None
                    try:
                        with person.cursor().copy(statement) as copy:
                            list(copy)
                    except psycopg.Error as e:
                        error = e
                else:
                    error = refusal(person, statement)
                tried.append((label, statement, error))
        hints = []
        s.table(["by way of", "statement and answer"],
                [[label, f"{statement}\n{answer(error, hints)}\n "] for label, statement, error in tried],
                wrap=("statement and answer",))
        missed = [label for label, _, error in tried if error is None or error.sqlstate not in ("42501", "22023")]
        s.check(f"refused on all {len(tried)} ways, also through what a superuser owns", not missed, missed)
        message = answer(tried[2][2])
        s.check("the reason names table, person and purpose",
                all(word in message for word in (ONLINE, "marketing")), message)

    # ---------------------------------------------------------------- 11

    def junior(self):
        """An attribute decides, at the next execution of a prepared statement."""
        s = self.s
        s.step("A junior analyst sees credits up to his limit, and the limit moves")
        statement = f"SELECT count(*), max(credit_amount) FROM {OFFLINE}"
        s.code("junior_analyst", f"PREPARE mine AS {statement};")
        s.gap()
        with connect("junior_analyst", "credit-scoring") as junior, connect("data_steward") as steward:
            seen = []
            for limit in ("2500", "5000", None):
                steward.execute("SELECT steward.set_attribute('junior_analyst', 'credit_limit', %s::text[])",
                                ([limit] if limit else None,))
                count, largest = rows(junior, statement, prepare=True)[0]
                expected = sum(1 for v, _ in self.applicants if v["credit_amount"] <= int(limit or 0))
                seen.append((f"{int(limit):,} DM" if limit else "taken away", count,
                             f"{largest:,} DM" if largest else "-", expected, int(limit or 0), largest or 0))
            steward.execute("SELECT steward.set_attribute('junior_analyst', 'credit_limit', '{2500}')")
        s.table(["attribute credit_limit", "credits he sees", "the largest of them"], [row[:3] for row in seen])
        s.gap()
        s.check("the open session followed at its next statement, and saw exactly the credits within the limit",
                all(count == expected and largest <= limit for _, count, _, expected, limit, largest in seen), seen)

    # ---------------------------------------------------------------- 12

    def why(self):
        """explain_access answers from what the planner enforces; its predicate
        in a superuser's hands finds the very rows that the role saw."""
        s = self.s
        s.step("Why? explain_access says, from the very rules that are enforced")
        told = [(ONLINE, "risk_team", "credit-scoring", "filtered"),
                (OFFLINE, "junior_analyst", "credit-scoring", "filtered"),
                (OFFLINE, "marketing", "marketing", "denied")]
        for relation, role, purpose, verdict in told:
            s.code("data_steward", f"""
                SELECT * FROM steward.explain_access(
                    '{relation}', '{role}', '{purpose}');""")
            s.gap()
            with connect("data_steward") as steward:
                found = rows(steward, """SELECT kind, name, verdict, reason, expression
                    FROM steward.explain_access(%s::regclass, role => %s, purpose => %s)""", (relation, role, purpose))
            s.table(["policy", "verdict", "reason", "expression"],
                    [["= decision" if kind == "decision" else name] + rest for kind, name, *rest in found],
                    wrap=("reason", "expression"))
            s.gap()
            kind, _, decided, _, predicate = found[-1]
            with connect() as admin:
                there, = rows(admin, f"SELECT count(*) FROM {relation} WHERE {predicate or 'true'}")[0]
            cells = self.seen[role, purpose]
            saw = cells[2] if relation == ONLINE else cells[0]
            s.check(f"{decided}: a superuser who filters by that expression finds {there:,} rows, "
                    + (f"as {role} did" if saw else f"{role} was refused"),
                    (kind, decided, there) == ("decision", verdict, saw or 0), (found[-1], there, saw))
            if role != told[-1][1]:
                s.gap()

    # ---------------------------------------------------------------- end

    def further(self):
        """How to connect and go on."""
        s = self.s
        s.gap()
        s.say("Look further: the server is still running.")
        s.gap()
        s.table(["connect as", "with"], [
            ["the risk team", f"./dev psql -U risk_team {DATABASE}"],
            ["the author of the rules", f"./dev psql -U data_steward {DATABASE}"],
            ["an auditor", f"./dev psql -U fairness_team {DATABASE}"],
            ["the superuser", f"./dev psql {DATABASE}"],
        ])
        s.gap()
        s.table(["then try", "to see"], [
            ["SET steward.purpose = 'credit-scoring';", "(say what for)"],
            [f"SELECT feature_name, value_text FROM {ONLINE} LIMIT 20;", "the online store"],
            ["SELECT * FROM steward.inference_log LIMIT 5;", "what was scored"],
            ["SELECT * FROM steward.lineage_edge;", "what it was made of"],
            ["SELECT * FROM steward.doctor();", "what is amiss"],
            ["\\dx+ pg_steward", "all there is"],
        ])

    def run(self):
        """Tell it all."""
        self.s.title("pg_steward: a governed feature store",
                     "Statlog German Credit, H. Hofmann 1994 (UCI, doi 10.24432/C5NC77, CC BY 4.0)")
        for step in (self.the_data, self.the_rules, self.materialize, self.who_sees_what, self.train, self.register,
                     self.score, self.fairness, self.risk, self.marketing, self.junior, self.why):
            step()
        self.further()


def main(arguments):
    """Run the demonstration; returns the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: demo/run [--check]", file=sys.stderr)
        return 2
    out = os.environ.get("DEMO_OUT")
    story = Story(quiet=arguments == ["--check"],
                  copy_to=os.path.join(out, "credit_demo.txt") if out else None)
    began = time.monotonic()
    try:
        Demo(story).run()
    except Failed as e:
        print(f"demo: FAILED at {e}", file=sys.stderr)
        return 1
    except psycopg.Error as e:
        print(f"demo: FAILED at step {story.steps} ({story.headline}): {str(e).strip()}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader has gone; nothing more to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    line = f"demo: {story.checks} checks passed in {story.steps} steps, {time.monotonic() - began:.1f} s"
    if story.quiet:
        print(line)
    else:
        story.gap()
        story.say(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
