"""The database of the demonstration: its names, connections and refusals.

Copyright (c) 2026, the pg_steward authors
"""

from datetime import datetime, timezone

import psycopg

import german

DATABASE = "credit_demo"
MARK = "pg_steward demonstration: dropped and made anew by demo/run"
OFFLINE = "credit_features"
VIEW = "applicant_features"
ONLINE = f"credit_{VIEW}"           # Feast: {project}_{feature_view}
MODEL, VERSION = "german-credit", "1.0.0"
APPLICANTS = 1000
FIRST = 4001                        # their numbers, made up, begin here
START = datetime(2025, 1, 1, tzinfo=timezone.utc)
ALLOWED = [f for f in german.NAMES if f not in german.PROTECTED]


def connect(user=None, purpose=None, database=DATABASE, **kwargs):
    """Connect as an ordinary driver does; the purpose goes along as a
    connection option, so that the statements need not know of it.  The
    encoding does, too: a database of encoding SQL_ASCII would answer bytes."""
    if purpose:
        kwargs["options"] = f"-c steward.purpose={purpose}"
    if user:
        kwargs["user"] = user
    return psycopg.connect(dbname=database, autocommit=True, application_name="credit_demo", client_encoding="utf8",
                           **kwargs)


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


def message(error):
    """What the server said first."""
    return error.diag.message_primary if error else "NOT REFUSED"


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
