-- registry: gates, approvals, promotion, deployment, override.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_eva LOGIN IN ROLE steward_engineer;
CREATE ROLE regress_otto LOGIN IN ROLE steward_officer;
CREATE ROLE regress_both LOGIN IN ROLE steward_officer, steward_engineer;
CREATE ROLE regress_super LOGIN SUPERUSER;
CREATE ROLE regress_team IN ROLE steward_officer;
CREATE ROLE regress_aud LOGIN IN ROLE steward_auditor;
CREATE ROLE regress_dave LOGIN IN ROLE steward_engineer;
GRANT regress_team TO regress_eva;
CREATE TABLE threshold (model text, value double precision);
INSERT INTO threshold VALUES ('regress_m', 0.9);
GRANT SELECT ON threshold TO regress_otto;

\c - regress_eva
SET client_min_messages = warning;
SELECT steward.register_model('regress_m', 'x', 'me');
SELECT steward.register_version('regress_m', '1');
SELECT steward.register_version('regress_m', '2');
SELECT stage, changed_by FROM steward.model_stage ORDER BY version;

\c - regress_otto
SET client_min_messages = warning;
SELECT steward.create_gate('accuracy', 'approved',
    'SELECT * FROM steward.gate_evaluation($1, $2, ''holdout'', ''accuracy'', ''>='', (SELECT t.value FROM public.threshold t WHERE t.model = $1))',
    'good enough');
SELECT steward.create_gate('second person', 'production', 'SELECT * FROM steward.gate_approval($1, $2, ''production'')');
SELECT steward.create_gate('advice', 'production', 'SELECT false, ''nothing'', ''something''', required => false);
SELECT name, stage, required, timeout, created_by FROM steward.model_gate ORDER BY name COLLATE "C";
-- what is no gate
SELECT steward.create_gate('accuracy', 'approved', 'SELECT true');
SELECT steward.create_gate('bad', 'draft', 'SELECT true');
SELECT steward.create_gate('bad', 'nowhere', 'SELECT true');
SELECT steward.create_gate('bad', NULL, 'SELECT true');
SELECT steward.create_gate('bad', 'approved', NULL);
SELECT steward.create_gate('', 'approved', 'SELECT true');
SELECT steward.create_gate('bad', 'approved', 'SELECT true; SELECT true');
SELECT steward.create_gate('bad', 'approved', '');
SELECT steward.create_gate('bad', 'approved', 'DELETE FROM public.threshold RETURNING true');
SELECT steward.create_gate('bad', 'approved', 'SELECT 1');
SELECT steward.create_gate('bad', 'approved', 'SELECT true, 1');
SELECT steward.create_gate('bad', 'approved', 'SELECT true FROM threshold');
SELECT steward.create_gate('bad', 'approved', 'SELECT true', timeout => '0');
SELECT steward.create_gate('bad', 'approved', 'SELECT rolpassword IS NULL FROM pg_authid');
SELECT steward.drop_gate('bad', 'it may not read that');
CREATE TEMPORARY TABLE truth (t boolean);
SELECT steward.create_gate('bad', 'approved', 'SELECT t FROM pg_temp.truth');

-- promotion
\c - regress_eva
SET client_min_messages = warning;
SELECT * FROM steward.check_gates('regress_m', '1', 'approved');
SELECT steward.promote('regress_m', '1', 'approved');
SELECT stage FROM steward.model_stage WHERE version = '1';
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": 0.85, "f1": 0.7}') > 0 AS recorded;
SELECT steward.promote('regress_m', '1', 'approved');
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": 0.95}') > 0 AS recorded;
SELECT * FROM steward.check_gates('regress_m', '1', 'approved');
SELECT steward.promote('regress_m', '1', 'candidate');
SELECT steward.promote('regress_m', '1', 'approved');
SELECT steward.promote('regress_m', '1', 'approved');
SELECT steward.promote('regress_m', '1', 'candidate');
SELECT steward.promote('regress_m', '1', 'production');
SELECT steward.deploy('regress_m', '1', 'eu');
-- the registrant approves by no name
SELECT steward.approve('regress_m', '1', 'production', 'I am sure');
SET ROLE regress_team;
SELECT steward.subject(), session_user;
SELECT steward.approve('regress_m', '1', 'production', 'somebody else is sure');
SELECT steward.override_gate('regress_m', '1', 'production', 'now');
RESET ROLE;

\c - regress_otto
SET client_min_messages = warning;
SELECT steward.approve('regress_m', '1', 'production', 'looked at it');
SELECT steward.approve('regress_m', '1', 'draft');
SELECT steward.approve('regress_m', '9', 'production');
SELECT model, version, stage, reason, approved_by, session_role FROM steward.model_approval;
\c - regress_eva
SET client_min_messages = warning;
SELECT steward.promote('regress_m', '1', 'production');
SELECT number, version, stage, changed_by, gates, overridden FROM steward.model_stage_event ORDER BY number;
SELECT steward.production_at('regress_m', 'production'), steward.production_at('regress_m', 'eu'), steward.production_at('regress_m', 'production', '2020-01-01');
SELECT steward.deploy('regress_m', '1', 'eu', 'https://eu.example/score');
SELECT steward.deploy('regress_m', '2', 'eu');
SELECT steward.deploy('regress_m', '1', NULL);

-- what a gate may not do, and what becomes of it
\c - regress_super
SET client_min_messages = warning;
CREATE FUNCTION public.meddle() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM steward.promote('regress_m', '2', 'retired');
    RETURN true;
END $$;
CREATE FUNCTION public.write() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.threshold SET value = 0;
    RETURN true;
END $$;
CREATE FUNCTION public.leave() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('transaction_read_only', 'off', true);
    RETURN true;
END $$;
CREATE FUNCTION public.become() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE regress_super;
    RETURN true;
END $$;
CREATE FUNCTION public.stubborn() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM pg_catalog.pg_sleep(60);
    EXCEPTION WHEN query_canceled THEN NULL;
    END;
    RETURN true;
END $$;
SELECT steward.create_gate('g1 promotes', 'candidate', 'SELECT public.meddle()'),
       steward.create_gate('g2 writes', 'candidate', 'SELECT public.write()'),
       steward.create_gate('g3 leaves', 'candidate', 'SELECT public.leave()'),
       steward.create_gate('g4 becomes', 'candidate', 'SELECT public.become()'),
       steward.create_gate('g5 sleeps', 'candidate', 'SELECT pg_sleep(60) IS NOT NULL', timeout => '20 ms'),
       steward.create_gate('g6 sleeps on', 'candidate', 'SELECT public.stubborn()', timeout => '20 ms'),
       steward.create_gate('g7 fails', 'candidate', 'SELECT 1 / (length($1) - length($1)) > 0'),
       steward.create_gate('g8 nothing', 'candidate', 'SELECT true WHERE $1 = $2'),
       steward.create_gate('g9 two', 'candidate', 'SELECT true FROM generate_series(1, 2)'),
       steward.create_gate('h1 null', 'candidate', 'SELECT NULL::boolean'),
       steward.create_gate('h2 locks', 'candidate', 'SELECT true FROM public.threshold FOR UPDATE'),
       steward.create_gate('h3 who', 'candidate', 'SELECT true, current_user || '' '' || session_user, current_setting(''search_path'')');
SELECT gate, passed, measured, threshold, reason FROM steward.check_gates('regress_m', '2', 'candidate');
SELECT value FROM public.threshold;
SELECT count(steward.drop_gate(name, 'tried')) FROM steward.model_gate WHERE stage = 'candidate';
-- a dropped creator
CREATE ROLE regress_gone SUPERUSER;
SET ROLE regress_gone;
SELECT steward.create_gate('orphan', 'candidate', 'SELECT true');
RESET ROLE;
DROP ROLE regress_gone;
SELECT * FROM steward.check_gates('regress_m', '2', 'candidate');
SELECT steward.promote('regress_m', '2', 'candidate');
-- a superuser registers, and is not another person for having changed his role
SELECT steward.register_version('regress_m', '3');
SET ROLE regress_otto;
SELECT steward.approve('regress_m', '3', 'candidate');
RESET ROLE;
SET SESSION AUTHORIZATION regress_otto;
SELECT steward.approve('regress_m', '3', 'candidate');
RESET SESSION AUTHORIZATION;
-- nobody approves unasked: a view, a trigger
CREATE VIEW public.innocent AS SELECT steward.approve('regress_m', '3', 'candidate')::text AS x;
GRANT SELECT ON public.innocent TO regress_otto;

\c - regress_otto
SET client_min_messages = warning;
SELECT * FROM public.innocent;
-- the emergency
SELECT steward.override_gate('regress_m', '2', 'production', '');
SELECT steward.override_gate('regress_m', '2', 'production', 'the old one fails customers');
SELECT number, version, stage, overridden, reason FROM steward.model_stage_event ORDER BY number;
SELECT environment, version, ended_at IS NULL AS now FROM steward.deployment ORDER BY environment, deployed_at;
SELECT version, stage, overridden FROM steward.model_stage ORDER BY version;
-- swapped: the other one still serves eu; then nowhere
SELECT steward.deploy('regress_m', '2', 'eu');
SELECT version, stage FROM steward.model_stage ORDER BY version;
SELECT reason FROM steward.model_stage_event ORDER BY number DESC LIMIT 1;
SELECT steward.promote('regress_m', '2', 'retired');
SELECT steward.production_at('regress_m', 'eu') IS NULL AS nothing, steward.production_at('regress_m', 'production') IS NULL AS nowhere;
SELECT steward.promote('regress_m', '2', 'production');
SELECT steward.override_gate('regress_m', '2', 'production', 'again');
SELECT steward.drop_gate('orphan', NULL);
SELECT steward.drop_gate('orphan', 'its creator left');
SELECT steward.drop_gate('orphan', 'its creator left');

-- who may not
\c - regress_aud
SET client_min_messages = warning;
SELECT steward.promote('regress_m', '3', 'candidate');
SELECT steward.approve('regress_m', '3', 'candidate');
SELECT steward.override_gate('regress_m', '3', 'candidate', 'x');
SELECT steward.deploy('regress_m', '3', 'eu');
SELECT steward.drop_gate('advice', 'x');
SELECT count(*) FROM steward.check_gates('regress_m', '3', 'candidate');
\c - regress_dave
SET client_min_messages = warning;
SELECT steward.create_gate('mine', 'production', 'SELECT true');
SELECT steward.approve('regress_m', '3', 'candidate');
SELECT steward.override_gate('regress_m', '3', 'candidate', 'x');
SELECT steward.promote('regress_m', '3', 'nowhere');
SELECT steward.promote('regress_m', '3', NULL);
SELECT steward.promote(NULL, '3', 'candidate');
SELECT steward.promote('regress_m', '8', 'candidate');
BEGIN READ ONLY;
SELECT steward.promote('regress_m', '3', 'candidate');
ROLLBACK;
SELECT version, stage FROM steward.model_stage WHERE version = '3';
