-- registry: runs, and the purpose that cannot change within one.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_trainer IN ROLE steward_engineer;
CREATE ROLE regress_friend IN ROLE steward_engineer;
CREATE ROLE regress_user;
CREATE TABLE credit (id int, amount int);
CREATE TABLE clicks (id int);
INSERT INTO credit VALUES (1, 10), (2, 20);
INSERT INTO clicks VALUES (1);
GRANT SELECT ON credit, clicks TO regress_trainer, regress_friend;
SELECT steward.create_purpose('scoring');
SELECT steward.create_purpose('marketing');
SELECT steward.grant_purpose('scoring', 'regress_trainer');
SELECT steward.grant_purpose('marketing', 'regress_trainer');
SELECT steward.protect('credit');
SELECT steward.protect('clicks');
SELECT steward.create_row_policy('scoring', 'credit', 'true', purposes => '{scoring}');
SELECT steward.create_row_policy('marketing', 'clicks', 'true', purposes => '{marketing}');
SET ROLE regress_trainer;
SET steward.purpose = 'marketing';
RESET ROLE;
CREATE FUNCTION other() RETURNS bigint LANGUAGE sql SET steward.purpose = 'marketing' AS 'SELECT count(*) FROM clicks';
SET ROLE regress_trainer;
SELECT other();
RESET steward.purpose;
SELECT steward.register_model('regress_m', 'x', 'me');
SELECT steward.register_version('regress_m', '1');

SELECT steward.current_run() IS NULL AS none;
SELECT steward.begin_run('regress_m', '1', 'scoring', code_revision => 'abc123', environment => '{"python": "3.12"}') AS run \gset
SELECT steward.current_run() = :'run' AS same, steward.current_purpose();
SELECT model, version, purpose, kind, code_revision, environment, started_by, status FROM steward.run;
-- what purpose scoring may read, and what not
SELECT count(*) FROM credit;
SELECT count(*) FROM clicks;
-- the purpose stays
SET steward.purpose = 'marketing';
SET LOCAL steward.purpose = 'marketing';
SELECT set_config('steward.purpose', 'marketing', false);
SELECT set_config('steward.purpose', '', false);
RESET steward.purpose;
SET steward.purpose TO DEFAULT;
SELECT set_config('steward.purpose', NULL, false);
SELECT steward.current_purpose();
SELECT count(*) FROM credit;
SELECT other();
SET steward.purpose = 'scoring';
\set VERBOSITY sqlstate
SELECT steward.begin_run('regress_m', '1', 'marketing');
\set VERBOSITY default
-- a savepoint brings nothing back
BEGIN;
SAVEPOINT s;
SELECT steward.end_run();
ROLLBACK TO s;
SELECT steward.current_run() = :'run' AS same;
SET steward.purpose = 'marketing';
ROLLBACK;
-- RESET ALL leaves the run, with its purpose
RESET ALL;
SELECT steward.current_run() IS NULL AS left_it, steward.current_purpose() IS NULL AS without;
SET steward.run = :'run';
SELECT steward.current_purpose();
DISCARD ALL;
SET ROLE regress_trainer;
SELECT steward.current_run() IS NULL AS left_it, steward.current_purpose() IS NULL AS without;
SELECT count(*) FROM credit;
-- others join it with its purpose, or not
SET ROLE regress_friend;
\set VERBOSITY sqlstate
SET steward.run = :'run';
\set VERBOSITY default
SET ROLE regress_user;
SET steward.run = :'run';
SET ROLE regress_trainer;
SET steward.run = '00000000-0000-0000-0000-000000000000';
SET steward.run = 'x';
SET steward.run = :'run';
-- in the run of another subject the purpose is that of nobody
SET ROLE regress_friend;
SELECT steward.current_purpose() IS NULL AS none;
SELECT count(*) FROM credit;
SET ROLE regress_trainer;
-- gates and tests have purposes of their own
SELECT steward.end_run('running');
SELECT steward.end_run('completed', '[1]');
SELECT steward.end_run('completed', '{"auc": 0.8}');
SELECT status, metrics, ended_at >= started_at AS ended FROM steward.run;
SET steward.purpose = 'marketing';
SELECT count(*) FROM clicks;
SELECT steward.end_run();
\set VERBOSITY sqlstate
SELECT steward.end_run(run => :'run');
SET steward.run = :'run';
\set VERBOSITY default
-- a run without a purpose has none
RESET steward.purpose;
SELECT steward.begin_run('regress_m') IS NOT NULL AS begun;
SET steward.purpose = 'scoring';
SELECT steward.current_purpose() IS NULL AS none;
SELECT steward.end_run('failed');
-- an aborted beginning leaves nothing
BEGIN;
SELECT steward.begin_run('regress_m', purpose => 'scoring') IS NOT NULL AS begun;
SELECT steward.current_purpose();
ROLLBACK;
SELECT steward.current_run() IS NULL AS none;
SELECT count(*) FROM steward.run;
-- refused
SELECT steward.begin_run('regress_unknown');
SELECT steward.begin_run('regress_m', '9');
SELECT steward.begin_run('regress_m', purpose => 'unknown');
SELECT steward.begin_run('regress_m', kind => '');
SELECT steward.begin_run('regress_m', environment => '[]');
SET ROLE regress_user;
SELECT steward.begin_run('regress_m');
SELECT steward.end_run(run => :'run');
INSERT INTO steward.run (model, kind) VALUES ('regress_m', 'x');
RESET ROLE;
\set VERBOSITY sqlstate
UPDATE steward.run SET purpose = 'marketing';
\set VERBOSITY default
DELETE FROM steward.run;
SET client_min_messages = warning;
TRUNCATE steward.run CASCADE;
RESET client_min_messages;
SET session_replication_role = replica;
\set VERBOSITY sqlstate
UPDATE steward.run SET purpose = 'marketing';
\set VERBOSITY default
DELETE FROM steward.run;
RESET session_replication_role;
-- what it read and wrote is noted by the database alone
INSERT INTO steward.run_input (run, relation, snapshot_at, filtered, masked) SELECT id, 'public.credit', now(), false, false FROM steward.run LIMIT 1;
DELETE FROM steward.run_output;
