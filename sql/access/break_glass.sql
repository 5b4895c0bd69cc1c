-- Break-glass: who may, what it lifts, when it counts, when it ends, what is
-- recorded.

\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
CREATE ROLE regress_oncall;
CREATE ROLE regress_nurse IN ROLE regress_oncall;
CREATE ROLE regress_reader;
CREATE ROLE regress_noinherit NOINHERIT IN ROLE regress_oncall;
CREATE ROLE regress_steward IN ROLE steward_admin;
CREATE ROLE regress_auditor IN ROLE steward_auditor;
CREATE TABLE patient (id integer PRIMARY KEY, name text, ward text, name_length integer GENERATED ALWAYS AS (length(name)) STORED);
CREATE TABLE visit (id integer, day date, what text) PARTITION BY RANGE (day);
CREATE TABLE visit_2025 PARTITION OF visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE visit_2026 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE plain (id integer);
INSERT INTO patient VALUES (1, 'Ada', 'a'), (2, 'Bob', 'b'), (3, 'Cleo', 'vip');
INSERT INTO visit VALUES (1, '2025-05-05', 'x'), (2, '2026-05-05', 'y');
CREATE VIEW patient_view AS SELECT * FROM patient;
GRANT SELECT, INSERT, UPDATE, DELETE ON patient, visit, visit_2025, visit_2026, patient_view TO PUBLIC;
GRANT SELECT ON plain TO PUBLIC;
SELECT steward.protect('patient');
SELECT steward.protect('visit');
SELECT steward.create_purpose('care');
SELECT steward.grant_purpose('care', 'regress_reader');
SELECT steward.create_row_policy('ward', 'patient', 'ward IN (''a'', ''vip'')', roles => '{public}', commands => '{select,update}');
SELECT steward.create_row_policy('vip', 'patient', 'ward = ''vip''', roles => '{public}', effect => 'deny', commands => '{select}');
SELECT steward.create_mask('name', 'patient', 'name', '''***''');
RESET client_min_messages;

-- Granting.
SELECT steward.grant_break_glass(NULL);
SELECT steward.grant_break_glass('public');
SELECT steward.grant_break_glass('regress_nobody');
SELECT steward.grant_break_glass('regress_oncall', NULL);
SELECT steward.grant_break_glass('regress_oncall', '0');
SELECT steward.grant_break_glass('regress_oncall', '8 days');
SET ROLE regress_oncall;
SELECT steward.grant_break_glass('regress_oncall');
SELECT steward.break_glass('not granted');
SET ROLE regress_steward;
SELECT steward.grant_break_glass('regress_oncall');
SELECT steward.grant_break_glass('regress_oncall', '2 hours');
SELECT to_role, max_duration FROM steward.break_glass_grant;
SELECT steward.revoke_break_glass('regress_reader');

-- Asking badly.
SET ROLE regress_reader;
SELECT steward.break_glass('not granted');
SET ROLE regress_noinherit;
SELECT steward.break_glass('the rights are not inherited');
SET ROLE regress_nurse;
SELECT steward.break_glass(NULL);
SELECT steward.break_glass(E' \n');
SELECT steward.break_glass(repeat('x', 10001));
SELECT steward.break_glass('x', ticket => '');
SELECT steward.break_glass('x', duration => NULL);
SELECT steward.break_glass('x', duration => '0');
SELECT steward.break_glass('x', duration => '-1 hour');
SELECT steward.break_glass('x', duration => '2 hours 1 second');
SELECT steward.break_glass('x', relations => '{}');
SELECT steward.break_glass('x', relations => '{NULL}');
SELECT steward.break_glass('x', relations => '{nothing}');
SELECT steward.break_glass('x', relations => '{4294967295}');
SELECT steward.break_glass('x', relations => '{patient,plain}');
SELECT steward.break_glass('x', relations => '{patient_view}');
SELECT steward.end_break_glass();
SET steward.glass = '1 1 1 9223372036854775807 0 -1|';
SELECT set_config('steward.glass', '1 1 1 1 1 -1|', false);
SELECT steward.hold_glass(1, now(), 'infinity', NULL, 'x');
RESET ROLE;
SET steward.glass = '1 1 1 9223372036854775807 0 -1|';
SELECT steward.break_glass('a superuser is not governed');
TABLE steward.break_glass_event;

-- What it lifts; the same plans follow.
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_nurse;
PREPARE patients AS SELECT id, name, name_length FROM patient ORDER BY id;
PREPARE visits AS SELECT id FROM visit ORDER BY id;
EXECUTE patients;
EXECUTE visits;
SELECT kind, name, verdict, reason FROM steward.explain_access('patient') WHERE kind IN ('break-glass', 'decision');
SELECT generic_plans + custom_plans AS plans FROM pg_prepared_statements WHERE name = 'patients';
SELECT steward.break_glass('night shift', 'INC-1', '10 minutes') - now() > '9 minutes' AS until;
EXECUTE patients;
EXECUTE visits;
SELECT id, name FROM patient_view p ORDER BY id;
SELECT p FROM patient p ORDER BY id;
SELECT tableoid::regclass, id, what FROM visit_2025;
COPY patient (id, name) TO stdout;
CREATE FUNCTION pg_temp.names() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN (SELECT string_agg(name, '' '' ORDER BY id) FROM patient); END';
SELECT pg_temp.names();
SELECT kind, name, verdict, regexp_replace(reason, 'until [-0-9 :.A-Z]+,', 'until …,') AS reason, expression
  FROM steward.explain_access('patient') WHERE kind IN ('break-glass', 'decision');
SELECT kind, name, verdict, reason FROM steward.explain_access('patient', at => now() + interval '1 day') WHERE kind IN ('break-glass', 'decision');
SELECT kind, name, verdict, reason FROM steward.explain_access('patient', command => 'update') WHERE kind IN ('break-glass', 'decision');
SELECT steward.break_glass('twice');

-- Writing stays governed.
INSERT INTO patient VALUES (4, 'Dan', 'a');
DELETE FROM patient;
UPDATE patient SET ward = ward RETURNING id, name;
UPDATE patient SET name = name;
UPDATE visit SET what = 'z';
SELECT id FROM patient ORDER BY id FOR UPDATE;

-- Another role of the session does not have it.
SET ROLE regress_reader;
SELECT id, name FROM patient ORDER BY id;
SELECT steward.end_break_glass();
SET ROLE regress_oncall;
SELECT id, name FROM patient ORDER BY id;
SET ROLE regress_nurse;
SELECT id, name FROM patient ORDER BY id;

-- Ending it.
SELECT steward.end_break_glass();
SELECT steward.end_break_glass();
EXECUTE patients;
EXECUTE visits;

-- Nothing is lifted before the record is committed, nor where it is not.
BEGIN;
SELECT steward.break_glass('in a block') IS NOT NULL AS broken;
EXECUTE patients;
SELECT steward.break_glass('in a block, twice');
ROLLBACK;
EXECUTE patients;
BEGIN;
SAVEPOINT a;
SELECT steward.break_glass('rolled back to a savepoint') IS NOT NULL AS broken;
ROLLBACK TO a;
SELECT steward.break_glass('committed', relations => '{visit}') IS NOT NULL AS broken;
EXECUTE visits;
SELECT steward.end_break_glass();
COMMIT;
EXECUTE visits;
BEGIN;
SELECT steward.break_glass('not to be prepared') IS NOT NULL AS broken;
PREPARE TRANSACTION 'regress_glass';
SELECT id, name FROM patient ORDER BY id;
EXECUTE patients;
BEGIN READ ONLY;
SELECT steward.break_glass('read only');
ROLLBACK;
DO $$
BEGIN
	PERFORM steward.break_glass('in an exception block');
	RAISE EXCEPTION 'no';
EXCEPTION WHEN raise_exception THEN
	NULL;
END
$$;
EXECUTE patients;
SELECT steward.break_glass('read in the same statement') IS NOT NULL AS broken, id, name FROM patient ORDER BY id LIMIT 1;
EXECUTE patients;
SELECT steward.end_break_glass();

-- Named relations, with their partitions.
SELECT steward.break_glass('one table', relations => '{patient,patient}') IS NOT NULL AS broken;
EXECUTE patients;
EXECUTE visits;
SELECT steward.end_break_glass();
SELECT steward.break_glass('a parent', relations => '{visit}') IS NOT NULL AS broken;
EXECUTE patients;
EXECUTE visits;
SELECT id FROM visit_2026;
SELECT steward.end_break_glass();
SELECT steward.break_glass('a partition', relations => '{visit_2025}') IS NOT NULL AS broken;
SELECT id FROM visit_2025;
SELECT id FROM visit_2026;
EXECUTE visits;
SELECT steward.end_break_glass();

-- RESET ALL and DISCARD ALL end it.
SELECT steward.break_glass('reset') IS NOT NULL AS broken;
RESET ALL;
EXECUTE patients;
SELECT steward.break_glass('discarded') IS NOT NULL AS broken;
DISCARD ALL;
SET ROLE regress_nurse;
SELECT id, name FROM patient ORDER BY id;

-- The wall clock ends it, inside one transaction, too.
SET plan_cache_mode = force_generic_plan;
PREPARE patients AS SELECT id, name FROM patient ORDER BY id;
EXECUTE patients;
SELECT steward.break_glass('short', duration => '1.5 s') IS NOT NULL AS broken;
BEGIN ISOLATION LEVEL REPEATABLE READ;
EXECUTE patients;
SELECT pg_sleep(1.6);
EXECUTE patients;
COMMIT;
SELECT steward.end_break_glass();

-- What is asked at the start and what is asked when rows are read: a cursor
-- that is opened in time and read too late shows what its policies allow.
RESET ROLE;
SELECT steward.create_row_policy('care', 'visit', 'true', purposes => '{care}');
SET ROLE regress_nurse;
SELECT steward.break_glass('cursor', duration => '1.5 s') IS NOT NULL AS broken;
BEGIN;
DECLARE late CURSOR FOR SELECT id FROM visit;
DECLARE early CURSOR FOR SELECT id FROM visit ORDER BY id;
FETCH 1 FROM early;
SELECT pg_sleep(1.6);
FETCH ALL FROM late;
FETCH ALL FROM early;
COMMIT;
SELECT id FROM visit;

-- One who breaks it after another of this session ends the other's.
SELECT steward.break_glass('first') IS NOT NULL AS broken;
SET ROLE regress_oncall;
SELECT steward.break_glass('second') IS NOT NULL AS broken;
SET ROLE regress_nurse;
EXECUTE patients;
SET ROLE regress_oncall;
SELECT steward.end_break_glass();

-- The grant that is taken back.
SET ROLE regress_nurse;
SELECT steward.break_glass('to be revoked') IS NOT NULL AS broken;
EXECUTE patients;
RESET ROLE;
SELECT steward.revoke_break_glass('regress_oncall');
SET ROLE regress_nurse;
EXECUTE patients;
RESET ROLE;
SELECT steward.grant_break_glass('regress_oncall', '1 day');
SET ROLE regress_nurse;
EXECUTE patients;
SELECT steward.end_break_glass();

-- Who has no grant has no gate in his plans.
CREATE FUNCTION pg_temp.has_gate(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json, VERBOSE) ' || query INTO plan;
	RETURN plan::text LIKE '%($1025 OR %';
END
$$;
SELECT pg_temp.has_gate('SELECT id FROM patient');
SET ROLE regress_reader;
SELECT pg_temp.has_gate('SELECT id FROM patient');

-- Trusted objects: their owner acts, and has broken nothing.
RESET ROLE;
SET client_min_messages = warning;
CREATE VIEW nurse_view AS SELECT id, name FROM patient;
ALTER VIEW nurse_view OWNER TO regress_noinherit;
GRANT SELECT ON nurse_view TO regress_nurse;
SELECT steward.trust('public.nurse_view', 'test');
RESET client_min_messages;
SET ROLE regress_nurse;
SELECT steward.break_glass('a trusted view') IS NOT NULL AS broken;
SELECT * FROM nurse_view ORDER BY id;
SELECT id, name FROM patient ORDER BY id;
SELECT steward.end_break_glass();

RESET ROLE;
CREATE FUNCTION trojan() RETURNS timestamptz LANGUAGE sql AS $$ SELECT steward.break_glass('not by himself') $$;
ALTER FUNCTION trojan() OWNER TO regress_nurse;
SELECT steward.trust('public.trojan()', 'test');
SET ROLE regress_oncall;
SELECT trojan();

-- A savepoint brings it back; parallel workers know of it.
SET ROLE regress_nurse;
SELECT steward.break_glass('savepoint') IS NOT NULL AS broken;
BEGIN;
SAVEPOINT a;
SELECT steward.end_break_glass();
SELECT count(*) FROM patient;
ROLLBACK TO a;
SELECT count(*) FROM patient;
COMMIT;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*), max(name) FROM patient;
BEGIN;
SELECT steward.end_break_glass();
SELECT steward.break_glass('not yet') IS NOT NULL AS broken;
SELECT count(*), max(name) FROM patient;
ROLLBACK;
SELECT count(*), max(name) FROM patient;

-- What a statement returns of new rows is reading, too.
RESET ROLE;
SELECT steward.create_row_policy('in', 'patient', 'ward <> ''x''', commands => '{insert}');
SET ROLE regress_nurse;
INSERT INTO patient VALUES (5, 'Eve', 'vip') RETURNING id, name;
INSERT INTO patient VALUES (6, 'Fay', 'x') RETURNING id, name;
SELECT steward.end_break_glass();
INSERT INTO patient VALUES (7, 'Gus', 'vip') RETURNING id, name;
INSERT INTO patient VALUES (8, 'Hal', 'a') RETURNING id, name;
RESET ROLE;
DELETE FROM patient WHERE id > 3;
SELECT steward.drop_row_policy('in', 'patient');

-- Row security of a user's own is not lifted.
RESET ROLE;
CREATE POLICY own ON patient USING (id < 3);
SET ROLE regress_nurse;
SELECT steward.break_glass('native policies') IS NOT NULL AS broken;
SELECT id, name FROM patient ORDER BY id;
SELECT kind, verdict, reason, expression FROM steward.explain_access('patient') WHERE kind IN ('decision');
SELECT steward.end_break_glass();
RESET ROLE;
DROP POLICY own ON patient;

-- The record.
SET ROLE regress_auditor;
SELECT session_role <> subject_role AS acts, subject_role, subject, reason, ticket, relations,
       valid_until - broken_at AS lasts, ended_at IS NOT NULL AS ended, backend_pid = pg_backend_pid() AS here
  FROM steward.break_glass_event ORDER BY id;
SET ROLE regress_nurse;
SELECT count(*) FROM steward.break_glass_event;
RESET ROLE;
UPDATE steward.break_glass_record SET reason = 'x';
DELETE FROM steward.break_glass_end;
TRUNCATE steward.break_glass_record, steward.break_glass_end;
SELECT extconfig @> ARRAY['steward.break_glass_grant', 'steward.break_glass_record', 'steward.break_glass_end']::regclass[]::oid[] AS dumped
  FROM pg_extension WHERE extname = 'pg_steward';
