-- The extension goes when nothing is governed and no record must be kept, and
-- prepare_removal() tells the way there.
SET client_min_messages = warning;
CREATE ROLE regress_rm_owner SUPERUSER;
SET SESSION AUTHORIZATION regress_rm_owner;
CREATE EXTENSION pg_steward;
CREATE ROLE regress_rm_admin IN ROLE steward_admin;
CREATE ROLE regress_rm_second IN ROLE steward_admin;
CREATE ROLE regress_rm_auditor IN ROLE steward_auditor;
CREATE ROLE regress_rm_nobody;

CREATE TABLE regress_rm_a (id int, who text);
CREATE TABLE regress_rm_b (id int);
SELECT steward.protect('regress_rm_a', audit => 'sync');
SELECT steward.protect('regress_rm_b');
SELECT steward.create_row_policy('all', 'regress_rm_a', 'true');
SELECT steward.create_mask('who', 'regress_rm_a', 'who', 'steward.mask_redact(who)');
CREATE VIEW regress_rm_view AS SELECT log, size FROM steward.verify();
SELECT steward.register_model('regress model', 'tests');
SELECT steward.register_version('regress model', '1');
SELECT steward.log_inference('regress model', '1', '{}', '{}') IS NOT NULL;
SELECT steward.flush();

-- What is in the way, without the moments of this run.
CREATE FUNCTION regress_rm_steps(perform boolean DEFAULT false, reason text DEFAULT NULL)
    RETURNS TABLE (step int, object text, state text, hinders boolean, remedy text) LANGUAGE sql AS $$
    SELECT step, object, regexp_replace(state, 'until .*', 'until ...'), hinders, regexp_replace(remedy, 'until [^,;]*', 'until ...')
    FROM steward.prepare_removal(perform, reason)
$$;

-- ---------------------------------------------------------------------
-- While tables are governed
-- ---------------------------------------------------------------------

DROP EXTENSION pg_steward;
DROP EXTENSION pg_steward CASCADE;
DROP SCHEMA steward CASCADE;
DROP OWNED BY regress_rm_owner CASCADE;
DROP EXTENSION plpgsql CASCADE;
DO $$ BEGIN DROP EXTENSION pg_steward CASCADE; END $$;
SELECT * FROM regress_rm_steps();

SET ROLE regress_rm_auditor;
SELECT count(*), bool_or(hinders) FROM steward.prepare_removal();
SELECT * FROM steward.prepare_removal(true, 'by an auditor');
SET ROLE regress_rm_nobody;
SELECT * FROM steward.prepare_removal();
SET ROLE regress_rm_admin;
SELECT * FROM steward.prepare_removal(true);
SELECT * FROM steward.prepare_removal(true, ' ');
RESET ROLE;
SELECT count(*) AS still_governed FROM steward.protected_relation;

-- a second person is asked
SET steward.require_second_person = on;
SET ROLE regress_rm_admin;
SELECT count(*) AS governed FROM regress_rm_steps(true, 'moving away') WHERE object ~ '^table';
\set VERBOSITY terse
SELECT steward.unprotect('regress_rm_b', 'moving away');
\set VERBOSITY default
SELECT object, state, regexp_replace(remedy, '\\x[0-9a-f]*', '...') AS remedy FROM regress_rm_steps() WHERE object ~ '^table';
RESET ROLE;
SELECT steward.withdraw_change(change_sha256, 'another way') FROM steward.pending_change;
RESET steward.require_second_person;

SET ROLE regress_rm_admin;
SELECT * FROM steward.prepare_removal(true, 'moving away') WHERE object ~ '^(table|policy)';
RESET ROLE;
SELECT count(*) AS still_governed FROM steward.protected_relation;

-- ---------------------------------------------------------------------
-- While records must be kept
-- ---------------------------------------------------------------------

SELECT steward.flush();
SELECT * FROM regress_rm_steps();
DROP EXTENSION pg_steward CASCADE;
DROP OWNED BY regress_rm_owner CASCADE;
DROP EXTENSION plpgsql CASCADE;
DO $$ BEGIN DROP EXTENSION pg_steward CASCADE; END $$;
-- part of it
DROP TABLE steward.inference_log_p0;
DROP TABLE steward.inference_log CASCADE;
BEGIN;
ALTER TABLE steward.inference_log DETACH PARTITION steward.inference_log_p0;
DROP TABLE steward.inference_log_p0;
ROLLBACK;
BEGIN;
ALTER EXTENSION pg_steward DROP TABLE steward.inference_log;
DROP TABLE steward.inference_log CASCADE;
ROLLBACK;
BEGIN;
ALTER EXTENSION pg_steward DROP TABLE steward.log_retention;
DROP TABLE steward.log_retention CASCADE;
ROLLBACK;
-- the minimum is not for administrators to lower
SET ROLE regress_rm_admin;
SET steward.minimum_retention = 0;
INSERT INTO steward.log_retention (log, minimum) VALUES ('inference_log', '0');
SELECT steward.set_retention('inference_log', '1 second');
RESET ROLE;
SELECT count(*) FROM steward.inference_log;

-- the minimum of each log is data
INSERT INTO steward.log_retention (log, minimum, basis) VALUES ('inference_log', '1 microsecond', 'test'), ('change_log', '10 years', 'test');
SELECT object, state, hinders FROM regress_rm_steps() WHERE object ~ '^log';
DROP EXTENSION pg_steward CASCADE;
UPDATE steward.log_retention SET minimum = '1 microsecond';
-- the superuser's setting stands above
SET steward.minimum_retention = 1;
DROP EXTENSION pg_steward CASCADE;
SET steward.minimum_retention = 0;
SELECT object, state, hinders FROM regress_rm_steps() WHERE hinders;
DROP EXTENSION pg_steward;
RESET steward.minimum_retention;

-- ---------------------------------------------------------------------
-- Nothing is in the way
-- ---------------------------------------------------------------------

DROP VIEW regress_rm_view;
DROP FUNCTION regress_rm_steps;
SELECT object, state, hinders, remedy FROM steward.prepare_removal() ORDER BY step DESC LIMIT 1;
DROP EXTENSION pg_steward;
SELECT count(*) AS objects_left FROM pg_class WHERE relnamespace = to_regnamespace('steward');
CREATE EXTENSION pg_steward;
RESET SESSION AUTHORIZATION;
DROP OWNED BY regress_rm_owner CASCADE;
SELECT extname FROM pg_extension WHERE extname = 'pg_steward';
DROP ROLE regress_rm_owner, regress_rm_admin, regress_rm_second, regress_rm_auditor, regress_rm_nobody;
