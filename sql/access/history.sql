-- The history of who may see what: every kind of object changed, dropped and
-- made again, by functions and by hand; answers for moments of the past;
-- append-only for everybody.

SET client_min_messages = warning;
\set VERBOSITY terse
CREATE EXTENSION pg_steward;
CREATE ROLE regress_hist_ann;
CREATE ROLE regress_hist_bob;
CREATE ROLE regress_hist_adam;
CREATE ROLE regress_hist_auditor;
GRANT steward_admin TO regress_hist_adam;
GRANT steward_auditor TO regress_hist_auditor;
CREATE SCHEMA regress_hist;
CREATE TABLE regress_hist.person (id integer, region text, mail text, score integer);
CREATE TABLE regress_hist.consent (id integer, ok boolean);
GRANT USAGE ON SCHEMA regress_hist TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA regress_hist TO regress_hist_ann, regress_hist_bob, regress_hist_adam;

-- Moments, by number: after each, somebody else sees what came into force.
CREATE TABLE regress_hist.moment (n integer PRIMARY KEY, at timestamptz);
GRANT SELECT ON regress_hist.moment TO PUBLIC;
CREATE FUNCTION regress_hist.at(integer) RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT m.at FROM regress_hist.moment m WHERE m.n = $1';
CREATE PROCEDURE regress_hist.moment(n integer) LANGUAGE sql AS 'INSERT INTO regress_hist.moment VALUES (n, clock_timestamp())';
-- The versions that began after a moment, and how many moments later they ended.
CREATE FUNCTION regress_hist.versions(of_kind text) RETURNS TABLE (relation text, role text, name text, since integer, until integer, changed_by text)
    LANGUAGE sql STABLE AS $$
    SELECT h.relation_name, h.role, h.name,
           (SELECT max(m.n) FROM regress_hist.moment m WHERE m.at < h.in_force_from),
           (SELECT max(m.n) FROM regress_hist.moment m WHERE m.at < h.in_force_until), h.changed_by
    FROM steward.access_history h WHERE h.kind = of_kind ORDER BY h.in_force_from, h.relation_name, h.role, h.name
$$;

CALL regress_hist.moment(0);
SET SESSION AUTHORIZATION regress_hist_adam;
SELECT steward.protect('regress_hist.person');
SELECT steward.create_purpose('regress hist care');
SELECT steward.grant_purpose('regress hist care', 'regress_hist_ann');
SELECT steward.create_row_policy('mine', 'regress_hist.person', 'score <= steward.attr(''limit'', 1) AND region IN (''north'', ''east'')',
    roles => '{regress_hist_ann}', purposes => '{regress hist care}');
SELECT steward.create_mask('mail', 'regress_hist.person', 'mail', 'steward.mask_email(mail)', unless_roles => '{regress_hist_bob}', when_expr => 'score > 0');
SELECT steward.create_tag_mask('pii', 'pii', 'left(value, 1)');
RESET SESSION AUTHORIZATION;
CALL regress_hist.moment(1);
SET SESSION AUTHORIZATION regress_hist_adam;
SELECT steward.set_attribute('regress_hist_ann', 'limit', '{7}');
SELECT steward.grant_break_glass('regress_hist_bob');
SELECT steward.grant_purpose('regress hist care', 'regress_hist_ann', valid_until => '2999-01-01Z');
SELECT steward.create_row_policy('mine', 'regress_hist.person', 'true', roles => '{regress_hist_bob,regress_hist_ann}', replace => true);
RESET SESSION AUTHORIZATION;
SECURITY LABEL FOR steward ON COLUMN regress_hist.person.region IS 'pii';
CALL regress_hist.moment(2);

-- By hand, also by replicated changes; and by what changes nothing.
UPDATE steward.protected_relation SET mode = 'observe';
SET session_replication_role = replica;
DELETE FROM steward.row_policy_role WHERE role = 'regress_hist_bob'::regrole;
RESET session_replication_role;
UPDATE steward.purpose_grant SET valid_until = valid_until;
BEGIN;
SELECT steward.drop_row_policy('mine', 'regress_hist.person');
ROLLBACK;
BEGIN;
SELECT steward.set_attribute('regress_hist_ann', 'limit', '{99}');
SELECT steward.set_attribute('regress_hist_ann', 'limit', NULL);
COMMIT;
CREATE POLICY own ON regress_hist.person USING (id > 0);
CALL regress_hist.moment(3);
SELECT steward.protect('regress_hist.person');
SELECT steward.drop_mask('mail', 'regress_hist.person');
SECURITY LABEL FOR steward ON COLUMN regress_hist.person.region IS NULL;
SELECT steward.drop_tag_mask('pii');
SELECT steward.revoke_break_glass('regress_hist_bob');
SELECT steward.drop_row_policy('mine', 'regress_hist.person');
SELECT steward.drop_purpose('regress hist care');
DROP POLICY own ON regress_hist.person;
CALL regress_hist.moment(4);
-- made again
SELECT steward.create_purpose('regress hist care');
SELECT steward.create_row_policy('mine', 'regress_hist.person', 'score > 5', roles => '{regress_hist_ann}');
CREATE VIEW regress_hist.board AS SELECT count(*) FROM regress_hist.person;
SELECT steward.trust('regress_hist.board', 'a count');
CALL regress_hist.moment(5);
DROP VIEW regress_hist.board;
CALL regress_hist.moment(6);

SELECT * FROM regress_hist.versions('protected_relation');
SELECT * FROM regress_hist.versions('row_policy');
SELECT * FROM regress_hist.versions('column_mask');
SELECT * FROM regress_hist.versions('tag_mask');
SELECT * FROM regress_hist.versions('column_tag');
SELECT * FROM regress_hist.versions('native_policy');
SELECT * FROM regress_hist.versions('purpose');
SELECT * FROM regress_hist.versions('purpose_grant');
SELECT * FROM regress_hist.versions('role_attribute');
SELECT * FROM regress_hist.versions('break_glass_grant');
SELECT * FROM regress_hist.versions('trusted_object');
SELECT name, definition -> 'roles' AS roles, definition ->> 'author' AS author, definition ->> 'using' AS using, definition -> 'purposes' AS purposes, written
FROM steward.policy_history('regress_hist.person') WHERE kind IN ('row_policy', 'column_mask') ORDER BY in_force_from;

-- The answers for each moment.
CREATE FUNCTION regress_hist.ask(n integer, role text DEFAULT 'regress_hist_ann', purpose text DEFAULT '', command text DEFAULT 'select')
    RETURNS TABLE (kind text, name text, verdict text, reason text, expression text)
    LANGUAGE sql AS $$ SELECT * FROM steward.explain_access('regress_hist.person', role, purpose, command, regress_hist.at(n)) e WHERE e.kind <> 'history' $$;
SELECT * FROM regress_hist.ask(0);
SELECT * FROM regress_hist.ask(1);
SELECT * FROM regress_hist.ask(1, purpose => 'regress hist care');
SELECT * FROM regress_hist.ask(1, purpose => 'regress hist care', command => 'update');
SELECT * FROM regress_hist.ask(2, purpose => 'regress hist care');
SELECT * FROM regress_hist.ask(2, role => 'regress_hist_bob');
SELECT * FROM regress_hist.ask(3);
SELECT * FROM regress_hist.ask(3, role => 'regress_hist_bob');
SELECT * FROM regress_hist.ask(4);
SELECT * FROM regress_hist.ask(4, purpose => 'regress hist care');
SELECT * FROM regress_hist.ask(5);
SELECT * FROM steward.explain_access('regress_hist.person', 'regress_hist_ann', at => regress_hist.at(5)) WHERE kind = 'history';
SELECT * FROM steward.who_can_access('regress_hist.person', regress_hist.at(0)) WHERE role LIKE 'regress%';
SELECT * FROM steward.who_can_access('regress_hist.person', regress_hist.at(1)) WHERE role LIKE 'regress%';
SELECT * FROM steward.who_can_access('regress_hist.person', regress_hist.at(2)) WHERE role LIKE 'regress%';
SELECT * FROM steward.who_can_access('regress_hist.person', regress_hist.at(5)) WHERE role LIKE 'regress%';

-- What this transaction has changed is now; the past is what others saw.
BEGIN;
SELECT steward.create_row_policy('mine', 'regress_hist.person', 'false', roles => '{regress_hist_ann}', replace => true);
SELECT verdict FROM steward.explain_access('regress_hist.person', 'regress_hist_ann') WHERE kind = 'decision';
SELECT verdict FROM steward.explain_access('regress_hist.person', 'regress_hist_ann', at => now() - interval '1 microsecond') WHERE kind = 'decision';
ROLLBACK;

-- Before the first moment.
\set VERBOSITY default
\set SHOW_CONTEXT never
DO $$
DECLARE
    begun text;
    hint text;
BEGIN
    PERFORM steward.explain_access('regress_hist.person', 'regress_hist_ann', at => '2001-01-01');
EXCEPTION WHEN invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    SELECT regexp_replace(hint, '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* ?\S*', 'MOMENT', 'g') INTO begun;
    RAISE WARNING '%, %', sqlerrm, begun;
END
$$;
DO $$
BEGIN
    PERFORM steward.who_can_access('regress_hist.person', '-infinity');
EXCEPTION WHEN invalid_parameter_value THEN
    RAISE WARNING '%', sqlerrm;
END
$$;
\set VERBOSITY terse

-- Names change, columns and tables go: names are those of then, expressions
-- follow the columns that are still there.
SELECT steward.create_row_policy('kept', 'regress_hist.person', 'EXISTS (SELECT FROM regress_hist.consent c WHERE c.id = person.id AND c.ok)', roles => '{regress_hist_bob}');
SELECT steward.create_mask('kept', 'regress_hist.person', 'mail', 'upper(mail)', when_expr => 'score = 1');
SELECT steward.create_mask('lost', 'regress_hist.person', 'region', 'upper(region)');
CALL regress_hist.moment(7);
ALTER TABLE regress_hist.person RENAME TO human;
ALTER TABLE regress_hist.human RENAME COLUMN id TO ident;
ALTER TABLE regress_hist.human RENAME COLUMN mail TO email;
BEGIN;
SAVEPOINT s;
ALTER TABLE regress_hist.human RENAME COLUMN ident TO something;
ROLLBACK TO s;
COMMIT;
ALTER ROLE regress_hist_bob RENAME TO regress_hist_rob;
SELECT steward.drop_mask('kept', 'regress_hist.human');
SELECT steward.drop_row_policy('mine', 'regress_hist.human');
SELECT steward.drop_mask('lost', 'regress_hist.human');
CALL regress_hist.moment(8);
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_hist.human', 'regress_hist_rob', at => regress_hist.at(7)) WHERE kind <> 'history';
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_hist.human', 'regress_hist_ann', at => regress_hist.at(7)) WHERE kind <> 'history';
ALTER TABLE regress_hist.human DROP COLUMN region;
ALTER TABLE regress_hist.human DROP COLUMN score;
ALTER TABLE regress_hist.human ADD COLUMN score text;
-- another column of that name is another column
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_hist.human', 'regress_hist_ann', at => regress_hist.at(7)) WHERE kind <> 'history';
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_hist.human', 'regress_hist_ann', 'regress hist care', at => regress_hist.at(1)) WHERE kind <> 'history';
SELECT role, purpose, command, rows, masked_columns FROM steward.who_can_access('regress_hist.human', regress_hist.at(7)) WHERE role LIKE 'regress%' AND command = 'select';
SELECT steward.drop_row_policy('kept', 'regress_hist.human');
DROP TABLE regress_hist.consent;
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_hist.human', 'regress_hist_rob', at => regress_hist.at(7)) WHERE kind = 'decision';
SELECT relation_name, name, definition -> 'roles' AS roles FROM steward.access_history WHERE kind = 'row_policy' AND name = 'kept';

-- A role that goes, and another of its name.
SELECT steward.set_attribute('regress_hist_rob', 'limit', '{1}');
SELECT steward.create_row_policy('gone', 'regress_hist.human', 'true', roles => '{regress_hist_rob}');
CALL regress_hist.moment(9);
REVOKE ALL ON SCHEMA regress_hist FROM regress_hist_rob;
REVOKE ALL ON regress_hist.human FROM regress_hist_rob;
DROP ROLE regress_hist_rob;
CREATE ROLE regress_hist_rob;
SELECT name, verdict, reason FROM steward.explain_access('regress_hist.human', 'regress_hist_rob', at => regress_hist.at(9)) WHERE kind = 'row policy';
SELECT role, name, definition -> 'value' AS value FROM steward.access_history WHERE kind = 'role_attribute' AND name = 'limit' AND role = 'regress_hist_rob';

-- A table that goes.
DROP TABLE regress_hist.human;
SELECT kind, relation_name, name FROM steward.access_history WHERE in_force_until IS NULL AND relation_name IS NOT NULL;
SELECT count(*) > 5 AS remembered FROM steward.access_history WHERE relation_name = 'regress_hist.person';

-- Append-only for everybody, and for whom it is.
DELETE FROM steward.access_history_event;
UPDATE steward.access_history_event SET at = at - interval '1 day';
TRUNCATE steward.access_history_event;
DELETE FROM steward.access_history_role;
UPDATE steward.access_history_relation SET relation = 0;
SET session_replication_role = replica;
DELETE FROM steward.access_history_event;
RESET session_replication_role;
SET ROLE regress_hist_auditor;
SELECT count(*) > 0 AS readable FROM steward.policy_history();
SELECT count(*) > 0 AS readable FROM steward.access_history;
SELECT steward.keep_history('{}', '{}', '{}', '[]', '[]', now(), 'me', NULL);
SET ROLE regress_hist_adam;
INSERT INTO steward.access_history_event (kind, object, at, content, changed_by) VALUES ('purpose', '{x}', now(), '{}', 'me');
-- A change cannot be hidden from it, not in a COPY, nor by a setting of a restore.
SET check_function_bodies = off;
COPY (SELECT steward.create_purpose('regress hist hidden')) TO STDOUT;
COPY (SELECT steward.drop_purpose('regress hist hidden')) TO STDOUT;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT steward.create_purpose('regress hist hidden');
SELECT pg_sleep(0.05), clock_timestamp() AS later \gset
COMMIT;
SELECT in_force_from > :'later' AS "when it came into force", changed_by, in_force_until FROM steward.access_history WHERE kind = 'purpose' AND name = 'regress hist hidden' ORDER BY in_force_from DESC LIMIT 1;
SELECT count(*) FROM steward.access_history WHERE kind = 'purpose' AND name = 'regress hist hidden';
-- Each commit of a procedure counts.
DO $$
BEGIN
    PERFORM steward.create_purpose('regress hist loop');
    COMMIT;
    PERFORM steward.drop_purpose('regress hist loop');
    COMMIT;
    PERFORM steward.create_purpose('regress hist loop');
    ROLLBACK;
END
$$;
SELECT count(*), bool_and(in_force_from < in_force_until) FROM steward.access_history WHERE kind = 'purpose' AND name = 'regress hist loop';
SET ROLE regress_hist_ann;
TABLE steward.access_history;
SELECT steward.policy_history();
TABLE steward.access_history_event;
RESET ROLE;

-- One's own past is everybody's to ask about.
CREATE TABLE regress_hist.own (id integer);
GRANT SELECT ON regress_hist.own TO regress_hist_ann;
SELECT steward.protect('regress_hist.own');
CREATE SCHEMA regress_hist_hidden;
CREATE TABLE regress_hist_hidden.list (id integer);
SELECT steward.create_row_policy('one', 'regress_hist.own', 'id = 1 OR id IN (SELECT l.id FROM regress_hist_hidden.list l)', roles => '{regress_hist_ann}');
CALL regress_hist.moment(10);
SELECT steward.drop_row_policy('one', 'regress_hist.own');
SET ROLE regress_hist_ann;
SELECT kind, name, verdict, expression FROM steward.explain_access('regress_hist.own', at => (SELECT at FROM regress_hist.moment WHERE n = 10));
SELECT kind, name, verdict, expression FROM steward.explain_access('regress_hist.own', 'regress_hist_adam', at => (SELECT at FROM regress_hist.moment WHERE n = 10));
SELECT count(*) FROM regress_hist.own;
RESET ROLE;

-- The extension goes, and all of it.
SELECT steward.unprotect('regress_hist.own', 'the end');
BEGIN;
SELECT steward.drop_purpose('regress hist hidden');
DROP EXTENSION pg_steward;
COMMIT;
DROP SCHEMA regress_hist, regress_hist_hidden CASCADE;
