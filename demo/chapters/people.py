"""Those who are refused, those who see a part, and why.

Copyright (c) 2026, the pg_steward authors
"""

import psycopg

import german
from database import OFFLINE, ONLINE, answer, connect, refusal, rows


def marketing(demo):
    """Refused, with the reason, by every road."""
    s = demo.s
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


def junior(demo):
    """An attribute decides, at the next execution of a prepared statement."""
    s = demo.s
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
            expected = sum(1 for v, _ in demo.applicants if v["credit_amount"] <= int(limit or 0))
            seen.append((f"{int(limit):,} DM" if limit else "taken away", count,
                         f"{largest:,} DM" if largest else "-", expected, int(limit or 0), largest or 0))
        steward.execute("SELECT steward.set_attribute('junior_analyst', 'credit_limit', '{2500}')")
    s.table(["attribute credit_limit", "credits he sees", "the largest of them"], [row[:3] for row in seen])
    s.gap()
    s.check("the open session followed at its next statement, and saw exactly the credits within the limit",
            all(count == expected and largest <= limit for _, count, _, expected, limit, largest in seen), seen)


def why(demo):
    """explain_access answers from what the planner enforces; its predicate
    in a superuser's hands finds the very rows that the role saw."""
    s = demo.s
    s.step("Why? The database says, from the very rules that it enforces")
    told = [(ONLINE, "risk_team", "credit-scoring", "filtered"),
            (OFFLINE, "junior_analyst", "credit-scoring", "filtered"),
            (OFFLINE, "marketing", "marketing", "denied")]
    for relation, role, purpose, verdict in told:
        s.code("data_steward", f"""
            SELECT name, verdict, reason, expression
            FROM steward.explain_access('{relation}',
                '{role}', '{purpose}')
            WHERE kind !~ 'mask' AND verdict <> 'does not apply';""")
        s.gap()
        with connect("data_steward") as steward:
            found = rows(steward, """SELECT kind, name, verdict, reason, expression
                FROM steward.explain_access(%s::regclass, role => %s, purpose => %s)
                WHERE kind !~ 'mask' AND verdict <> 'does not apply'""", (relation, role, purpose))
        s.table(["policy", "verdict", "reason", "expression"],
                [["= decision" if kind == "decision" else name] + rest for kind, name, *rest in found],
                wrap=("reason", "expression"))
        s.gap()
        kind, _, decided, _, predicate = found[-1]
        with connect() as admin:
            there, = rows(admin, f"SELECT count(*) FROM {relation} WHERE {predicate or 'true'}")[0]
        cells = demo.seen[role, purpose]
        saw = cells[2] if relation == ONLINE else cells[0]
        s.check(f"{decided}: a superuser who filters by that expression finds {there:,} rows, "
                + (f"as {role} did" if saw else f"{role} was refused"),
                (kind, decided, there) == ("decision", verdict, saw or 0), (found[-1], there, saw))
        s.gap()
    s.say("The same for everybody at once:")
    s.gap()
    s.code("data_steward", f"""
        SELECT role, purpose, rows, masked_columns
        FROM steward.who_can_access('{OFFLINE}') WHERE command = 'select';""")
    s.gap()
    with connect("data_steward") as steward, connect() as admin:
        everybody = rows(steward, f"""
            SELECT role, purpose, rows, masked_columns FROM steward.who_can_access('{OFFLINE}')
            WHERE command = 'select'""")
        beyond = [r for r, in rows(admin, "SELECT rolname FROM pg_roles WHERE rolsuper OR rolbypassrls")]
    s.table(["role", "purpose", "rows", "masked columns"],
            [[role + (" (superuser)" if role in beyond else ""), purpose or "any", which, ", ".join(masked) or "none"]
             for role, purpose, which, masked in everybody], wrap=("masked columns",))
    s.gap()
    can = {(role, purpose): masked for role, purpose, _, masked in everybody if role not in beyond}
    glass = [(role, which) for role, _, which, _ in everybody if which.startswith("by break-glass")]
    can.pop(("on_call", None), None)
    s.check("four roles can read the offline store, two of them without the protected attributes; one more may break the glass",
            glass == [("on_call", "by break-glass: all")] and can == {("fairness_team", "bias-audit"): [], ("feature_pipeline", None): [],
                    ("junior_analyst", "credit-scoring"): german.PROTECTED,
                    ("risk_team", "credit-scoring"): german.PROTECTED}, everybody)


STEPS = (marketing, junior, why)
