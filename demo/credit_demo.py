"""The story: a credit-scoring feature store on real data, governed.

Every step asserts what it shows, so that the demonstration is a test as well;
see README.md in this folder.  The steps stand in chapters/.

Copyright (c) 2026, the pg_steward authors
"""

import logging
import os
import signal
import sys
import time

# what is missing is told at once, not in the middle of the story
try:
    import cryptography
    import psycopg
    import sklearn
except ImportError as e:
    sys.exit(f"demo: {e}; install the packages listed in demo/packages")
from chapters import evidence, oversight, people, scoring, store, training
from database import DATABASE, ONLINE
from present import Failed, Story

CHAPTERS = (store, training, scoring, people, oversight, evidence)


class Demo:
    """What one step leaves to those after it."""

    def __init__(self, story):
        self.s = story


def further(story):
    """How to connect and go on."""
    story.gap()
    story.say("Look further: the server is still running.")
    story.gap()
    story.table(["connect as", "with"], [
        ["the risk team", f"./dev psql -U risk_team {DATABASE}"],
        ["the author of the rules", f"./dev psql -U data_steward {DATABASE}"],
        ["an auditor", f"./dev psql -U fairness_team {DATABASE}"],
        ["who may break the glass", f"./dev psql -U on_call {DATABASE}"],
        ["the superuser", f"./dev psql {DATABASE}"],
    ])
    story.gap()
    story.table(["then try", "to see"], [
        ["SET steward.purpose = 'credit-scoring';", "(say what for)"],
        ["SELECT applicant_id, sex_and_status, age_years FROM credit_features LIMIT 5;", "masks"],
        [f"SELECT feature_name, value_text FROM {ONLINE} LIMIT 20;", "the online store"],
        ["SELECT * FROM steward.last_access();", "what was masked"],
        ["SELECT * FROM steward.inference_log LIMIT 5;", "what was scored"],
        ["SELECT * FROM steward.access_log ORDER BY seq DESC LIMIT 5;", "who read what"],
        ["SELECT jsonb_pretty(steward.export_policies());", "all the rules"],
        ["\\dx+ pg_steward", "all there is"],
    ])


def end(*_):
    """End half-way; what psycopg cannot roll back then ends with its connection."""
    logging.disable()
    sys.exit(143)


def main(arguments):
    """Run the demonstration; returns the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: demo/run [--check]", file=sys.stderr)
        return 2
    out = os.environ.get("DEMO_OUT")
    story = Story(quiet=arguments == ["--check"],
                  copy_to=os.path.join(out, "credit_demo.txt") if out else None)
    # whoever ends it ends its pooler with it
    signal.signal(signal.SIGTERM, end)
    began = time.monotonic()
    try:
        story.title("pg_steward: a governed feature store",
                    "Statlog German Credit, H. Hofmann 1994 (UCI, doi 10.24432/C5NC77, CC BY 4.0)")
        demo = Demo(story)
        for chapter in CHAPTERS:
            for step in chapter.STEPS:
                step(demo)
        further(story)
    except Failed as e:
        print(f"demo: FAILED at {e}", file=sys.stderr)
        return 1
    except psycopg.Error as e:
        print(f"demo: FAILED at step {story.steps} ({story.headline}): {str(e).strip()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
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
