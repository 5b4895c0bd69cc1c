"""A model is trained and registered.

Copyright (c) 2026, the pg_steward authors
"""

import hashlib
import json

import feast_format as feast
import german
import model
from database import ALLOWED, APPLICANTS, FIRST, MODEL, OFFLINE, ONLINE, VERSION, VIEW, connect, message, refusal, rows


def masks(demo):
    """The same statements about the protected attributes, by two teams."""
    s = demo.s
    s.step("Where a row is seen, a value may still be masked")
    teams = (("risk_team", "credit-scoring"), ("fairness_team", "bias-audit"))
    lines = f"SELECT applicant_id, {', '.join(german.PROTECTED)} FROM {OFFLINE} WHERE applicant_id < {FIRST + 3} ORDER BY 1"
    asked = [
        f"SELECT count(*) FROM {OFFLINE}\n    WHERE sex_and_status LIKE 'female%'",
        f"SELECT count(*) FROM {OFFLINE} WHERE age_years = 67",
        f"SELECT count(*) FROM {OFFLINE} a\n    JOIN {OFFLINE} b USING (applicant_id, foreign_worker)",
        f"SELECT min(age_years) FROM {OFFLINE}",
    ]
    seen, answers, groups = {}, {}, {}
    for team, purpose in teams:
        with connect(team, purpose) as person:
            seen[team] = rows(person, lines)
            answers[team] = [rows(person, statement)[0][0] for statement in asked]
            groups[team] = rows(person, f"""SELECT sex_and_status, count(*), round(avg(credit_amount))::int
                FROM {OFFLINE} GROUP BY 1 ORDER BY 2 DESC""")
    s.code("anybody", """
        SELECT applicant_id, sex_and_status, age_years, foreign_worker
        FROM credit_features …;""")
    s.gap()
    s.table(["seen by", "id", "sex_and_status", "age_years", "foreign_worker"],
            [[team, i, sex, age, "NULL" if foreign is None else foreign]
             for team, _ in teams for i, sex, age, foreign in seen[team]])
    s.gap()
    s.table(["in WHERE, in a join, in an aggregate", *(team for team, _ in teams)],
            [[statement, *(answers[team][i] for team, _ in teams)] for i, statement in enumerate(asked)])
    s.gap()
    s.code("anybody", "SELECT sex_and_status, count(*), avg(credit_amount) FROM credit_features GROUP BY 1;")
    s.gap()
    s.table(["seen by", "group", "count", "average amount (DM)"],
            [[team, *group] for team, _ in teams for group in groups[team]])
    s.gap()
    truth = [v for v, _ in demo.applicants]
    real = [(i, *(v[p] for p in german.PROTECTED)) for i, v in enumerate(truth[:3], FIRST)]
    s.check("for bias-audit the fairness team sees the real values", seen["fairness_team"] == real, seen["fairness_team"])
    s.check("the risk team sees masks: a text redacted, an age in brackets of 20 years, nothing at all",
            seen["risk_team"] == [(i, "[redacted]", age // 20 * 20, None) for i, _, age, _ in real], seen["risk_team"])
    women = sum(v["sex_and_status"].startswith("female") for v in truth)
    aged_67 = sum(v["age_years"] == 67 for v in truth)
    s.check(f"the {women} women and the {aged_67} applicants of 67 years can be found by the fairness team alone",
            [answers[team][:2] for team, _ in teams] == [[0, 0], [women, aged_67]], answers)
    s.check("a join or an aggregate knows no more than the select list",
            [answers[team][2:] for team, _ in teams] == [[0, 0], [APPLICANTS, min(v["age_years"] for v in truth)]], answers)
    s.check("for the risk team there are no groups to compare", len(groups["risk_team"]) == 1
            and groups["risk_team"][0][:2] == ("[redacted]", APPLICANTS) and len(groups["fairness_team"]) == 4, groups)


def train(demo):
    """The risk team reads online and offline as Feast does, and trains."""
    s = demo.s
    s.step("The risk team trains a model on what it may see")
    with connect("risk_team", "credit-scoring") as risk:
        read = feast.online_read(ONLINE, some_features=True)
        asked = ["credit_amount", "housing"] + german.PROTECTED
        s.code("risk_team", """
            -- Feast's online read: one applicant, these features please
            SELECT entity_key, feature_name, value, event_ts FROM "credit_applicant_features"
            WHERE entity_key = ANY($1) AND feature_name = ANY($2);""")
        s.gap()
        got = {name: feast.parse_value(value)
               for _, name, value, _ in rows(risk, read, ([demo.keys[FIRST]], asked), prepare=True)}
        s.table(["feature asked for"] + asked,
                [["answer"] + [s.format(got[a]) if a in got else "(none)" for a in asked]])
        s.gap()
        s.check("online a feature is a row, and these are not there: " + ", ".join(german.PROTECTED),
                not set(got) & set(german.PROTECTED) and len(got) == 2, sorted(got))
        everything = rows(risk, feast.online_read(ONLINE, False), ([demo.keys[FIRST], demo.keys[FIRST + APPLICANTS - 1]],))
        s.check("Feast's read of all features of two applicants finds 2 x 17 values",
                len(everything) == 2 * len(ALLOWED), len(everything))
        hidden = rows(risk, f"SELECT count(*) FROM {ONLINE} WHERE feature_name = 'age_years' OR value_text ~ 'male'")[0][0]
        s.check("nor does a search for them find any", hidden == 0, hidden)

        # the team asks for all there is, and is told what of it was masked
        demo.entity_df = "feast_entity_df_" + hashlib.md5(b"training").hexdigest()
        risk.execute(f"""CREATE TABLE {demo.entity_df} AS (
            SELECT applicant_id, event_timestamp + interval '1 hour' AS event_timestamp, outcome FROM {OFFLINE})""")
        star = risk.execute(f"SELECT * FROM {OFFLINE}")
        names = [c.name for c in star.description]
        columns = dict(zip(names, map(set, zip(*star.fetchall()))))
        wanted = [n for n in names if n in german.KIND]
        query = feast.point_in_time(VIEW, OFFLINE, "applicant_id", wanted, demo.entity_df,
                                    ["applicant_id", "event_timestamp", "outcome"], 365 * 86400)
        training = sorted(rows(risk, query))
        access = rows(risk, "SELECT relation::text, filtered, masked_columns, purpose FROM steward.last_access()")
        risk.execute(f"UPDATE {demo.entity_df} SET event_timestamp = event_timestamp - interval '1 day'")
        early = rows(risk, query)
        risk.execute(f"DROP TABLE {demo.entity_df}")
    s.gap()
    s.say("""Offline the team reads all columns of the table, by Feast's point-in-time join,
        and asks what of it was real.""")
    s.gap()
    s.code("risk_team", "SELECT relation, filtered, masked_columns, purpose FROM steward.last_access();")
    s.gap()
    s.table(["relation", "filtered", "masked_columns", "purpose"], access)
    s.gap()
    known = [r for r in training if r[3 + wanted.index("credit_amount")] is not None]
    s.check(f"{len(known):,} training rows with {len(wanted)} features, each as known at its moment",
            (len(known), wanted) == (APPLICANTS, german.NAMES), (len(known), wanted))
    s.check("asked for the day before, it gives none of their features: nothing leaks from the future",
            len(early) == APPLICANTS and all(set(r[3:]) == {None} for r in early))
    masked = access[0][2]
    values = {name: {r[3 + wanted.index(name)] for r in training} for name in german.PROTECTED}
    s.check("no protected attribute reached it, by a plain SELECT * neither: one word, four brackets, nothing",
            values == {"sex_and_status": {"[redacted]"}, "age_years": {0, 20, 40, 60}, "foreign_worker": {None}}
            and values == {name: columns[name] for name in german.PROTECTED}, values)
    s.check("last_access() names them, so the model is made of the 17 that are real",
            sorted(masked) == sorted(german.PROTECTED), access)
    features = [f for f in wanted if f not in masked]
    places = [3 + wanted.index(f) for f in features]
    complete = [[r[p] for p in places] for r in training]

    demo.parameters, figures, said = model.train(complete, [r[2] for r in training], features, german.KIND)
    again = [model.score(demo.parameters, dict(zip(features, r))) for r in complete]
    difference = max(abs(a - b) for a, b in zip(said, again))
    s.gap()
    s.say(f"""A logistic regression (scikit-learn, five-fold cross-validation). It grants a credit where the
        chance of a good outcome is at least {model.THRESHOLD:.3f}: by the data set's cost matrix a bad credit costs five good ones.""")
    s.gap()
    weights = [("%s = %s" % (f, v), w) for f, vs in demo.parameters["category"].items() for v, w in vs.items()]
    weights.sort(key=lambda x: x[1])
    top = weights[:3] + weights[-3:]
    facts = list(figures.items()) + [("coefficients", len(weights) + len(demo.parameters["numeric"])),
                                     ("features", len(features))]
    s.table(["cross-validation", "figure", "strongest coefficients", "weight"],
            [[facts[i][0], s.format(facts[i][1]).rjust(6), top[i][0], f"{top[i][1]:+.3f}".rjust(6)]
             for i in range(len(top))])
    s.gap()
    s.check(f"its stored coefficients say what scikit-learn says (largest difference {difference:.0e})",
            difference < 1e-9, difference)
    s.check("it ranks well: a good credit above a bad one in 3 of 4 pairs",
            figures["area under the curve"] > 0.75, figures)
    s.check("and knows no protected attribute", not set(demo.parameters["features"]) & set(german.PROTECTED)
            and not (set(demo.parameters["numeric"]) | set(demo.parameters["category"])) & set(german.PROTECTED))


def register(demo):
    """The model, its version and its lineage."""
    s = demo.s
    s.step("The model stands in the registry, with its lineage")
    text = json.dumps(demo.parameters, sort_keys=True)
    with connect("risk_team") as risk:
        risk.execute("SELECT steward.register_system(%s, %s, risk_tier => 'high')",
                     ("consumer credit", "decides on credits to private persons (AI Act, annex III 5b)"))
        risk.execute("SELECT steward.register_model(%s, %s, risk_tier => 'high', system => 'consumer credit', limitations => %s)",
                     (MODEL, "grant or refuse a credit to a private person",
                      "trained on 1,000 German credits of the 1970s; a demonstration"))
        risk.execute("SELECT steward.register_version(%s, %s, artifact_sha256 => %s, parameters => %s::jsonb)",
                     (MODEL, VERSION, hashlib.sha256(text.encode()).digest(), text))
        risk.execute("SELECT steward.record_lineage(%s, %s)", (f"public.{OFFLINE}", f"public.{ONLINE}"))
        for feature in demo.parameters["features"]:
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
        s.check("a version never changes: " + message(error), error is not None)


STEPS = (masks, train, register)
