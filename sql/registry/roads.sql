-- registry: no other road to a stage, for a superuser neither.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_engineer IN ROLE steward_engineer;
CREATE ROLE regress_officer IN ROLE steward_officer;
SET ROLE regress_engineer;
SELECT steward.register_model('regress_m', 'x', 'me');
SELECT steward.register_version('regress_m', '1');
SELECT steward.register_version('regress_m', '2');
SELECT steward.promote('regress_m', '1', 'candidate');
RESET ROLE;
SELECT steward.create_gate('never', 'approved', 'SELECT false');
SELECT steward.grant_model('regress_m', 'regress_engineer');
SELECT steward.quarantine('regress_m', '2', 'leaks');

-- as an engineer, an officer: no rights to the tables
SET ROLE regress_engineer;
INSERT INTO steward.model_stage_event (model, number, version, stage, changed_by, session_role, gates) VALUES ('regress_m', 2, '1', 'production', 'me', 'me', '[]');
UPDATE steward.model_stage_event SET stage = 'production';
UPDATE steward.model_stage SET stage = 'production';
DELETE FROM steward.model_gate;
\copy steward.model_stage_event FROM '/dev/null'
TRUNCATE steward.model_gate CASCADE;
ALTER TABLE steward.model_stage_event DISABLE TRIGGER ALL;
SET ROLE regress_officer;
INSERT INTO steward.model_approval (model, version, stage, approved_by, login_role, session_role) VALUES ('regress_m', '1', 'production', 'me', 'me', 'me');
DELETE FROM steward.model_quarantine;
RESET ROLE;

-- as a superuser, who owns them
INSERT INTO steward.model_stage_event (model, number, version, stage, changed_by, session_role, gates) VALUES ('regress_m', 2, '1', 'production', 'me', 'me', '[]');
UPDATE steward.model_stage_event SET stage = 'production';
DELETE FROM steward.model_stage_event;
MERGE INTO steward.model_stage_event e USING (VALUES (1)) v (x) ON e.number = v.x WHEN MATCHED THEN UPDATE SET stage = 'production';
WITH w AS (UPDATE steward.model_stage_event SET stage = 'production' RETURNING 1) SELECT count(*) FROM w;
TRUNCATE steward.model_stage_event;
TRUNCATE steward.model CASCADE;
\copy steward.model_stage_event (model, number, version, stage, changed_by, session_role, gates) FROM '/dev/null'
INSERT INTO steward.model_approval (model, version, stage, approved_by, login_role, session_role) VALUES ('regress_m', '1', 'production', 'me', 'me', 'me');
INSERT INTO steward.deployment_event (model, environment, number, version, deployed_by, session_role) VALUES ('regress_m', 'production', 1, '1', 'me', 'me');
DELETE FROM steward.model_gate_author;
UPDATE steward.model_gate SET check_sql = 'SELECT true';
UPDATE steward.model_gate SET required = false;
DELETE FROM steward.model_gate;
DELETE FROM steward.model_grant;
DELETE FROM steward.model_restriction;
DELETE FROM steward.model_quarantine;
UPDATE steward.version_registrant SET login_role = 'x', session_role = 'x';
-- replication's role
SET session_replication_role = replica;
INSERT INTO steward.model_stage_event (model, number, version, stage, changed_by, session_role, gates) VALUES ('regress_m', 2, '1', 'production', 'me', 'me', '[]');
UPDATE steward.model_gate SET required = false;
DELETE FROM steward.model_quarantine;
RESET session_replication_role;
-- without what guards them
ALTER TABLE steward.model_stage_event DISABLE TRIGGER ALL;
ALTER TABLE steward.model_stage_event DISABLE TRIGGER refuse_other_roads;
ALTER TABLE steward.model_stage_event ENABLE REPLICA TRIGGER refuse_other_roads;
ALTER TABLE ONLY steward.model_stage_event OWNER TO regress_engineer;
ALTER TABLE steward.model_gate ALTER COLUMN required SET DEFAULT false;
ALTER TABLE steward.model_gate RENAME TO gates;
ALTER TABLE steward.model_gate RENAME COLUMN required TO optional;
ALTER TABLE steward.model_gate SET SCHEMA public;
ALTER TRIGGER refuse_other_roads ON steward.model_gate RENAME TO x;
DROP TRIGGER refuse_other_roads ON steward.model_stage_event;
DROP TRIGGER IF EXISTS refuse_other_roads ON steward.model_gate CASCADE;
DROP TABLE steward.model_gate;
DROP VIEW steward.model_stage;
CREATE RULE r AS ON INSERT TO steward.model_stage_event DO INSTEAD NOTHING;
CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.stage := ''production''; RETURN NEW; END';
CREATE TRIGGER a BEFORE INSERT ON steward.model_stage_event FOR EACH ROW EXECUTE FUNCTION public.t();
CREATE TABLE public.child () INHERITS (steward.model_stage_event);
INSERT INTO public.child SELECT model, number + 1, version, 'production', changed_at, changed_by, session_role, gates, overridden, reason FROM ONLY steward.model_stage_event;
SELECT stage FROM steward.model_stage WHERE version = '1';
DROP TABLE public.child;
DO $$BEGIN EXECUTE 'ALTER TABLE steward.model_stage_event DISABLE TRIGGER ALL'; END$$;
-- what calls itself a restore, once the database has logs of its own
SELECT steward.flush();
SET check_function_bodies = off;
UPDATE steward.model_gate SET required = false;
RESET check_function_bodies;
-- who writes the catalogs by hand is seen, and statements stay refused
SET allow_system_table_mods = on;
UPDATE pg_catalog.pg_trigger SET tgenabled = 'D' WHERE tgrelid = 'steward.model_stage_event'::regclass AND tgname = 'refuse_other_roads';
UPDATE steward.model_stage_event SET stage = 'production';
UPDATE pg_catalog.pg_trigger SET tgenabled = 'A' WHERE tgrelid = 'steward.model_stage_event'::regclass AND tgname = 'refuse_other_roads';
RESET allow_system_table_mods;
SELECT version, stage FROM steward.model_stage ORDER BY version;
SELECT steward.flush();
SELECT object_kind, action, object_name, subject FROM steward.change_log WHERE object_kind = 'system catalog' ORDER BY seq;
-- all is as it was
SELECT gate, required, passed FROM steward.check_gates('regress_m', '1', 'approved');
SELECT count(*) FROM steward.model_quarantine;
DROP FUNCTION public.t();
