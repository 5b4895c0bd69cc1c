-- access: mode "observe" filters nothing and counts what would be denied.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
\pset null (null)
CREATE ROLE regress_obs_admin;
CREATE ROLE regress_obs_auditor;
CREATE ROLE regress_obs_ann;
CREATE ROLE regress_obs_bob;
GRANT steward_admin TO regress_obs_admin;
GRANT steward_auditor TO regress_obs_auditor;
CREATE SCHEMA regress_obs;
GRANT USAGE ON SCHEMA regress_obs TO public;
CREATE TABLE regress_obs.fact (id int, region text);
INSERT INTO regress_obs.fact SELECT i, CASE WHEN i % 10 = 0 THEN 'south' ELSE 'north' END FROM generate_series(1, 100) i;
CREATE INDEX ON regress_obs.fact (id);
GRANT ALL ON regress_obs.fact TO public;

SELECT steward.reset_observed_denials();
SELECT steward.protect('regress_obs.fact', 'observe');
SELECT steward.create_purpose('regress obs scoring');
SELECT steward.grant_purpose('regress obs scoring', 'regress_obs_ann');
CREATE VIEW regress_obs.seen AS
    SELECT subject, purpose, command, policy, denials, first_seen <= last_seen AND last_seen <= clock_timestamp() AS times
    FROM steward.observed_denial WHERE relation = 'regress_obs.fact'::regclass ORDER BY 1, 2, 3, 4;

CREATE FUNCTION regress_obs.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan;
END
$$;

-- without any policy, every row would be denied
SET ROLE regress_obs_ann;
SELECT count(*) FROM regress_obs.fact;
RESET ROLE;
TABLE regress_obs.seen;
SELECT steward.reset_observed_denials();
TABLE regress_obs.seen;

-- allowed rows are not counted; a denial is counted for its policy
SELECT steward.create_row_policy('north', 'regress_obs.fact', 'region = ''north''', purposes => '{regress obs scoring}', commands => '{all}');
SELECT steward.create_row_policy('first ten', 'regress_obs.fact', 'id <= 10', '{regress_obs_ann}', effect => 'deny');
SET ROLE regress_obs_ann;
SELECT count(*) FROM regress_obs.fact;
SET steward.purpose = 'regress obs scoring';
SELECT count(*) FROM regress_obs.fact;
RESET steward.purpose;
SET ROLE regress_obs_bob;
SELECT count(*) FROM regress_obs.fact;
RESET ROLE;
TABLE regress_obs.seen;
SELECT steward.reset_observed_denials();

-- what the statement itself discards is not counted, nor is EXPLAIN
SET ROLE regress_obs_ann;
SET steward.purpose = 'regress obs scoring';
SELECT id FROM regress_obs.fact WHERE id = 50;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM regress_obs.fact WHERE region = 'south' AND id < 35;
RESET enable_indexscan;
RESET enable_bitmapscan;
SELECT plan ~ 'note_denial' AS noted FROM regress_obs.plan_of('SELECT id FROM regress_obs.fact WHERE id = 50') plan;
RESET ROLE;
TABLE regress_obs.seen;
SELECT steward.reset_observed_denials();

-- an aborted transaction has seen its rows; prepared statements, plpgsql, cursors
SET ROLE regress_obs_ann;
BEGIN;
SELECT count(*) FROM regress_obs.fact WHERE id BETWEEN 11 AND 20;
ROLLBACK;
PREPARE obs AS SELECT count(*) FROM regress_obs.fact WHERE id BETWEEN 11 AND 30;
SET plan_cache_mode = force_generic_plan;
EXECUTE obs;
EXECUTE obs;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM regress_obs.fact WHERE id IN (10, 20, 30) ORDER BY id;
FETCH 2 FROM c;
COMMIT;
DO $$
BEGIN
    PERFORM id FROM regress_obs.fact WHERE id = 40;
    COMMIT;
    PERFORM id FROM regress_obs.fact WHERE id = 40;
END
$$;
RESET plan_cache_mode;
RESET ROLE;
TABLE regress_obs.seen;
SELECT steward.reset_observed_denials();

-- other commands
SET ROLE regress_obs_ann;
INSERT INTO regress_obs.fact VALUES (201, 'north'), (202, 'south');
UPDATE regress_obs.fact SET region = 'south' WHERE id = 201;
DELETE FROM regress_obs.fact WHERE id IN (201, 202);
RESET ROLE;
TABLE regress_obs.seen;
SELECT steward.reset_observed_denials();

-- parallel workers count for themselves
INSERT INTO regress_obs.fact SELECT i, 'south' FROM generate_series(1001, 11000) i;
ANALYZE regress_obs.fact;
SET ROLE regress_obs_bob;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
SELECT plan ~ '"Workers Planned": 2' AS parallel FROM regress_obs.plan_of('SELECT count(*) FROM regress_obs.fact WHERE region > ''a''') plan;
SELECT count(*) FROM regress_obs.fact WHERE region > 'a';
RESET parallel_leader_participation;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
RESET ROLE;
TABLE regress_obs.seen;
DELETE FROM regress_obs.fact WHERE id > 1000;

-- who may look, who may reset, who may count
SET ROLE regress_obs_ann;
SELECT * FROM steward.observed_denial;
SELECT * FROM steward.observed_denials();
SELECT steward.reset_observed_denials();
SELECT steward.observed_denials_lost();
SELECT steward.note_denial('regress_obs.fact'::regclass, NULL, 1, 'regress_obs_bob'::regrole);
RESET ROLE;
SET ROLE regress_obs_auditor;
SELECT subject, denials FROM steward.observed_denial WHERE relation = 'regress_obs.fact'::regclass;
SELECT steward.reset_observed_denials();
RESET ROLE;
SET ROLE regress_obs_admin;
SELECT steward.reset_observed_denials();
SELECT count(*) FROM steward.observed_denial WHERE relation = 'regress_obs.fact'::regclass;
RESET ROLE;

-- explained, and switched on
SELECT verdict, reason, expression FROM steward.explain_access('regress_obs.fact', 'regress_obs_ann', 'regress obs scoring') WHERE kind = 'decision';
SELECT name, verdict, reason FROM steward.explain_access('regress_obs.fact', 'regress_obs_bob') WHERE kind = 'row policy';
SELECT steward.protect('regress_obs.fact', 'enforce');
SET ROLE regress_obs_ann;
SET steward.purpose = 'regress obs scoring';
SELECT count(*) FROM regress_obs.fact;
EXECUTE obs;
RESET ROLE;
TABLE regress_obs.seen;

SELECT steward.unprotect('regress_obs.fact', 'end of test');
RESET steward.purpose;
SELECT steward.drop_purpose('regress obs scoring');
SET client_min_messages = warning;
DROP SCHEMA regress_obs CASCADE;
DROP ROLE regress_obs_admin, regress_obs_auditor, regress_obs_ann, regress_obs_bob;
