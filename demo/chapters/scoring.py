"""The model at work: services, their inferences, and whom they treat how.

Copyright (c) 2026, the pg_steward authors
"""

import json
import time
from itertools import zip_longest

import psycopg

import feast_format as feast
import german
import model
from chapters.store import desk_of
from database import APPLICANTS, FIRST, MODEL, OFFLINE, ONLINE, VERSION, connect, message, refusal, rows
from identity import AUDIENCE, ISSUER, IdentityProvider
from pooler import Pooler

AUTHENTICATE = "SELECT steward.authenticate(%s, purpose => 'credit-scoring')"
SEEN = f"SELECT count(DISTINCT entity_key) FROM {ONLINE}"


def through_the_pooler(demo):
    """Clients of one pooled connection are told apart by their tokens."""
    s = demo.s
    s.step("Two services come through one pooled connection, each by its token")
    demo.provider = IdentityProvider()
    with connect("data_steward") as steward:
        steward.execute("""SELECT steward.create_issuer('bank', issuer => %s, audience => %s, jwks => %s::jsonb,
            attribute_claims => '{desk}', purposes_claim => 'purposes')""",
                        (ISSUER, AUDIENCE, json.dumps(demo.provider.jwks())))
    s.say("""pgbouncer pools transactions: all its clients share one connection, as scoring_service. The bank's
        identity provider signs who is there (Ed25519); the database has its public key.""")
    s.gap()
    s.code("data_steward", "SELECT steward.create_issuer('bank', jwks => …, attribute_claims => '{desk}', …);")
    s.code("scoring_service", """
        BEGIN;
        SELECT steward.authenticate($1, purpose => 'credit-scoring');     -- the token
        SELECT count(DISTINCT entity_key) FROM credit_applicant_features;
        COMMIT;""")
    s.gap()
    purposes = ["credit-scoring"]
    expected = {desk: sum(desk_of(v) == desk for v, _ in demo.applicants) for desk in ("cars", "household")}
    clients = [("cars desk", demo.provider.token("cars-scorer", desk="cars", purposes=purposes)),
               ("household desk", demo.provider.token("household-scorer", desk="household", purposes=purposes)),
               ("somebody else", None),
               ("somebody else", IdentityProvider().token("cars-scorer", desk="cars", purposes=purposes)),
               ("the campaign", demo.provider.token("campaign", desk="cars", purposes=["marketing"]))]
    kinds = ["its own", "its own", "none", "signed by another key", "for another purpose"]
    seen, servers, activity = [], set(), []
    with Pooler("scoring_service") as pool, connect() as admin:
        client = {name: pool.connect() for name, _ in clients}
        for name, token in clients:
            subject = "-"
            try:
                with client[name].transaction():
                    server, = rows(client[name], "SELECT pg_backend_pid()")[0]
                    servers.add(server)
                    if token:
                        subject, = rows(client[name], AUTHENTICATE, (token,))[0]
                        activity += rows(admin, "SELECT query FROM pg_stat_activity WHERE pid = %s", (server,))
                    count, = rows(client[name], SEEN)[0]
                seen.append((subject, count, ""))
            except psycopg.Error as e:
                seen.append(("-", None, message(e)))
        for connection in client.values():
            connection.close()
    s.table(["client", "token", "subject", "applicants", "answer"],
            [[name, kind, subject, "" if count is None else f"{count:,}", said]
             for (name, _), kind, (subject, count, said) in zip(clients, kinds, seen)],
            wrap=("answer",), right=("applicants",))
    s.gap()
    s.check(f"{len(client)} clients over {len(servers)} connection to the server", len(servers) == 1, servers)
    s.check("each service sees the applicants of its desk", seen[:2] == [
        ("cars-scorer", expected["cars"], ""), ("household-scorer", expected["household"], "")], seen[:2])
    s.check("without a token of its own nobody sees anything, though the one before had one",
            all(count is None and said for _, count, said in seen[2:]), seen[2:])
    shown = AUTHENTICATE.replace("%s", "$1")
    s.check(f"the token was a bind parameter: pg_stat_activity shows {shown}", activity == [(shown,)] * 2, activity)


def score_batch(demo, service, read, applicants):
    """What a service does in a transaction: load the model, read the
    features of some applicants, score them, and log each inference."""
    parameters, = rows(service, "SELECT parameters FROM steward.model_version WHERE (model, version) = (%s, %s)",
                       (MODEL, VERSION))[0]
    wanted = {demo.keys[i]: i for i in applicants}
    vectors = {}
    for key, name, value, _ in rows(service, read, (list(wanted), parameters["features"])):
        vectors.setdefault(bytes(key), {})[name] = feast.parse_value(value)
    calls = []
    for key, i in wanted.items():
        probability = model.score(parameters, vectors[key])
        calls.append((MODEL, VERSION, json.dumps(vectors[key]),
                      json.dumps({"probability": probability, "granted": probability >= parameters["threshold"]}),
                      [str(i)], json.dumps({"feast.entity_key": key.hex()})))
    with service.cursor() as cursor:
        cursor.executemany("""SELECT steward.log_inference(%s, %s, %s::jsonb, %s::jsonb,
            operation => 'predict', entities => %s, attributes => %s::jsonb)""", calls)


def score(demo):
    """Two services score every applicant with that very model, batch by
    batch in turn, and log it."""
    s = demo.s
    s.step("They score 1,000 applicants with that very model, and each is logged")
    read = feast.online_read(ONLINE, True)
    batches = {}
    for i, (values, _) in enumerate(demo.applicants, FIRST):
        of_desk = batches.setdefault(desk_of(values), [[]])
        if len(of_desk[-1]) == 50:
            of_desk.append([])
        of_desk[-1].append(i)
    with Pooler("scoring_service") as pool:
        services = {desk: pool.connect() for desk in batches}
        tokens = {desk: demo.provider.token(f"{desk}-scorer", desk=desk, purposes=["credit-scoring"]) for desk in batches}
        servers = set()
        began = time.monotonic()
        for turn in zip_longest(*batches.values()):
            for (desk, service), batch in zip(services.items(), turn):
                if batch:
                    with service.transaction():
                        service.execute(AUTHENTICATE, (tokens[desk],))
                        score_batch(demo, service, read, batch)
                        servers.add(service.execute("SELECT pg_backend_pid()").fetchone())
        took = time.monotonic() - began
        for service in services.values():
            service.close()
    with connect("fairness_team") as auditor:
        s.code("fairness_team", "SELECT … FROM steward.inference_log;   -- as a steward_auditor")
        s.gap()
        s.table(["seq", "applicant", "subject", "purpose", "model", "probability", "granted"],
                rows(auditor, """
                    SELECT seq, entities[1], subject, purpose, model || '/' || version,
                           (output ->> 'probability')::float8, (output ->> 'granted')::boolean
                    FROM steward.inference_log WHERE seq % 50 = 0 ORDER BY seq LIMIT 4"""))
        by_service = dict(rows(auditor, "SELECT subject, count(*)::int FROM steward.inference_log GROUP BY 1"))
        desks = {f"{desk}-scorer": sum(map(len, of_desk)) for desk, of_desk in batches.items()}
        count, granted, inputs = rows(auditor, """
            SELECT count(*), count(*) FILTER (WHERE (output ->> 'granted')::boolean),
                   count(*) FILTER (WHERE input ?| %s) FROM steward.inference_log
            """, (german.PROTECTED,))[0]
        s.gap()
        s.check(f"{count:,} inferences ({count / took:,.0f} a second), {granted} credits granted",
                count == APPLICANTS and 0 < granted < APPLICANTS, (count, granted))
        s.check("each is logged in the name of the service that made it, over one connection: "
                + ", ".join(f"{n} by {who}" for who, n in sorted(by_service.items())), (by_service, len(servers)) == (desks, 1), (by_service, servers))
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
        s.check("nobody edits the log: " + message(error), error is not None)


def fairness(demo):
    """Approval rates per group, for those who may see the groups."""
    s = demo.s
    s.step("The fairness team sees the protected attributes, for bias-audit")
    s.say("The model knows none of them. Does it treat the groups alike all the same?")
    s.gap()
    s.code("fairness_team", "SET steward.purpose = 'bias-audit';")
    s.code("fairness_team", """
        SELECT attribute, grp, count(*), avg((f.outcome = 'good')::int), avg(…)
        FROM credit_features f JOIN steward.inference_log l ON …
            CROSS JOIN LATERAL (VALUES
                ('sex_and_status', split_part(f.sex_and_status, ',', 1)),
                ('age_years', CASE WHEN f.age_years < 25 THEN 'below 25' ELSE … END),
                ('foreign_worker', …)) g (attribute, grp)
        GROUP BY 1, 2;""")
    s.gap()
    with connect("fairness_team") as fair:
        fair.execute("SET steward.purpose = 'bias-audit'")
        groups = rows(fair, f"""
            SELECT attribute, grp, count(*), avg((f.outcome = 'good')::int)::float8,
                   avg((l.output ->> 'granted')::boolean::int)::float8
            FROM {OFFLINE} f JOIN steward.inference_log l ON f.applicant_id = l.entities[1]::bigint
                CROSS JOIN LATERAL (VALUES
                    ('sex_and_status', split_part(f.sex_and_status, ',', 1)),
                    ('age_years', CASE WHEN f.age_years < 25 THEN 'below 25' ELSE '25 and above' END),
                    ('foreign_worker', CASE WHEN f.foreign_worker THEN 'yes' ELSE 'no' END)) g (attribute, grp)
            GROUP BY 1, 2 ORDER BY 1, 5 DESC""")
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
    demo.finding = ratios["age_years", "below 25"]
    s.check(f"a finding: applicants below 25 are granted credits at {demo.finding:.2f} of the others' rate",
            demo.finding < 0.8, demo.finding)


def risk(demo):
    """The finding becomes a risk."""
    s = demo.s
    s.step("The finding becomes an entry of the risk register")
    with connect("data_steward") as officer:
        officer.execute("SELECT steward.register_risk(%s, %s, 'fairness', 'risk_team', 4, 4, %s, %s)",
                        ("R-1", "young applicants are granted fewer credits",
                         f"Approval rate below 25 years is {demo.finding:.2f} of the others', without age as a feature.",
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


STEPS = (through_the_pooler, score, fairness, risk)
