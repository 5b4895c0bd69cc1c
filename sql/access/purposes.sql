-- access: purposes, their grants, and the setting steward.purpose.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;

CREATE ROLE regress_pu_admin;
CREATE ROLE regress_pu_team;
CREATE ROLE regress_pu_user;
CREATE ROLE regress_pu_other;
CREATE ROLE regress_pu_noinherit NOINHERIT;
GRANT steward_admin TO regress_pu_admin;
GRANT regress_pu_team TO regress_pu_user, regress_pu_noinherit;
CREATE TABLE regress_pu (id integer, what text);
INSERT INTO regress_pu VALUES (1, 'credit'), (2, 'audit'), (3, 'any'), (4, 'marketing');
GRANT SELECT ON regress_pu TO PUBLIC;

SET ROLE regress_pu_admin;
SELECT steward.protect('regress_pu');
SELECT steward.create_purpose('credit', 'scores applications', 'contract');
SELECT steward.create_purpose('audit');
SELECT steward.create_purpose('Audit');
SELECT steward.create_purpose('marketing');
SELECT steward.create_purpose('über "quoted" purpose');
SELECT name, description, legal_basis, created_by FROM steward.purpose ORDER BY name;
SELECT steward.create_row_policy('credit', 'regress_pu', 'what = ''credit''', purposes => '{credit}');
SELECT steward.create_row_policy('audit', 'regress_pu', 'what = ''audit''', purposes => '{audit,"über \"quoted\" purpose"}');
SELECT steward.grant_purpose('credit', 'regress_pu_team');
SELECT steward.grant_purpose('über "quoted" purpose', 'public');

-- Without a purpose, with one, with one that is not granted.
SET ROLE regress_pu_user;
SELECT * FROM regress_pu;
SET steward.purpose = 'credit';
SELECT steward.current_purpose(), id FROM regress_pu;
SET steward.purpose = 'audit';
SET steward.purpose = 'Credit';
SET steward.purpose = 'nowhere';
SHOW steward.purpose;
SET steward.purpose = 'über "quoted" purpose';
SELECT steward.current_purpose(), id FROM regress_pu;
SET steward.purpose = '';
SELECT steward.current_purpose(), id FROM regress_pu;
SET steward.purpose TO DEFAULT;
-- Who has no privileges of the role has not its purposes.
SET ROLE regress_pu_noinherit;
SET steward.purpose = 'credit';
SET ROLE regress_pu_team;
SET steward.purpose = 'credit';
SELECT id FROM regress_pu;
-- The purpose stays set when the role changes, and does not count.
SET ROLE regress_pu_other;
SHOW steward.purpose;
SELECT steward.current_purpose();
SELECT id FROM regress_pu;
RESET steward.purpose;

-- Transactions, savepoints, SET LOCAL, RESET, DISCARD.
SET ROLE regress_pu_user;
BEGIN;
SET LOCAL steward.purpose = 'credit';
SELECT steward.current_purpose();
SAVEPOINT a;
SET LOCAL steward.purpose = 'über "quoted" purpose';
SELECT id FROM regress_pu;
ROLLBACK TO a;
SELECT id FROM regress_pu;
SET steward.purpose = 'über "quoted" purpose';
COMMIT;
SELECT id FROM regress_pu;
BEGIN;
SET steward.purpose = 'credit';
ROLLBACK;
SELECT id FROM regress_pu;
PREPARE q AS SELECT steward.current_purpose() AS purpose, id FROM regress_pu ORDER BY id;
EXECUTE q;
SET steward.purpose = 'credit';
EXECUTE q;
RESET steward.purpose;
EXECUTE q;
SELECT pg_catalog.set_config('steward.purpose', 'credit', true);
EXECUTE q;
DO $$
BEGIN
	PERFORM pg_catalog.set_config('steward.purpose', 'credit', true);
	RAISE WARNING 'inside: %', (SELECT pg_catalog.array_agg(id) FROM regress_pu);
	BEGIN
		PERFORM pg_catalog.set_config('steward.purpose', 'nowhere', true);
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE WARNING 'refused: %', SQLERRM;
	END;
	RAISE WARNING 'still: %', (SELECT pg_catalog.array_agg(id) FROM regress_pu);
END
$$;
SHOW steward.purpose;
SET steward.purpose = 'credit';
SET SESSION AUTHORIZATION DEFAULT;
SET ROLE regress_pu_user;
DISCARD ALL;
SELECT SESSION_USER = CURRENT_USER, pg_catalog.current_setting('steward.purpose') = '';
-- A setting of a function.
SET ROLE regress_pu_user;
CREATE FUNCTION pg_temp.rows() RETURNS integer[] LANGUAGE plpgsql SET steward.purpose = 'credit' AS 'BEGIN RETURN (SELECT pg_catalog.array_agg(id) FROM regress_pu); END';
SELECT pg_temp.rows();
SHOW steward.purpose;
SET check_function_bodies = off;
CREATE FUNCTION pg_temp.rows_audit() RETURNS integer[] LANGUAGE plpgsql SET steward.purpose = 'audit' AS 'BEGIN RETURN (SELECT pg_catalog.array_agg(id) FROM regress_pu); END';
SELECT pg_temp.rows_audit();

-- A definer function has the purpose of who calls, by his grants.
RESET ROLE;
CREATE FUNCTION regress_pu_definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS
	'BEGIN RETURN pg_catalog.format(''%s %s'', steward.current_purpose(), (SELECT pg_catalog.array_agg(id) FROM regress_pu)); END';
ALTER FUNCTION regress_pu_definer() OWNER TO regress_pu_other;
CREATE FUNCTION regress_pu_definer_sets() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET steward.purpose = 'marketing' AS
	'BEGIN RETURN steward.current_purpose(); END';
ALTER FUNCTION regress_pu_definer_sets() OWNER TO regress_pu_other;
RESET check_function_bodies;
SELECT steward.grant_purpose('marketing', 'regress_pu_other');
SET ROLE regress_pu_user;
SET steward.purpose = 'credit';
SELECT regress_pu_definer();
SELECT regress_pu_definer_sets();
RESET steward.purpose;

-- Windows of validity, by the wall clock.
RESET ROLE;
SELECT steward.grant_purpose('audit', 'regress_pu_user', valid_from => '2100-01-01');
SET ROLE regress_pu_user;
SET steward.purpose = 'audit';
RESET ROLE;
SELECT steward.grant_purpose('audit', 'regress_pu_user', valid_until => '2000-01-01');
SET ROLE regress_pu_user;
SET steward.purpose = 'audit';
RESET ROLE;
SELECT steward.grant_purpose('audit', 'regress_pu_user', '-infinity', 'infinity');
SELECT purpose, to_role, valid_from, valid_until, granted_by = 'postgres' AS by FROM steward.purpose_grant ORDER BY 1, 2::text;
SET ROLE regress_pu_user;
SET steward.purpose = 'audit';
EXECUTE q;
PREPARE q AS SELECT steward.current_purpose() AS purpose, id FROM regress_pu ORDER BY id;
EXECUTE q;
-- It ends in the middle of a transaction, whatever now() says; also in a
-- generic plan, in plpgsql, and under REPEATABLE READ.
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION pg_temp.count() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT pg_catalog.count(*) FROM regress_pu); END';
RESET ROLE;
SELECT steward.grant_purpose('audit', 'regress_pu_user', valid_until => pg_catalog.clock_timestamp() + '4 s');
SELECT valid_until AS ends FROM steward.purpose_grant WHERE to_role = 'regress_pu_user'::regrole \gset
SET ROLE regress_pu_user;
BEGIN ISOLATION LEVEL REPEATABLE READ;
EXECUTE q;
SELECT pg_temp.count();
DECLARE c CURSOR FOR SELECT id FROM regress_pu;
SELECT 'slept' FROM pg_catalog.pg_sleep_until(:'ends');
SELECT pg_catalog.now() < :'ends' AS transaction_began_before, steward.current_purpose() IS NULL AS none;
SAVEPOINT a;
EXECUTE q;
ROLLBACK TO a;
SELECT pg_temp.count();
ROLLBACK TO a;
SELECT id FROM regress_pu;
ROLLBACK TO a;
-- A cursor decides when its first row is fetched.
FETCH ALL FROM c;
COMMIT;
SHOW steward.purpose;
-- The same of a policy.
RESET ROLE;
SELECT steward.create_row_policy('short', 'regress_pu', 'what = ''any''', roles => '{regress_pu_other}', valid_until => pg_catalog.clock_timestamp() + '3 s');
SELECT valid_until AS ends FROM steward.row_policy WHERE name = 'short' \gset
SELECT steward.create_row_policy('later', 'regress_pu', 'what = ''marketing''', roles => '{regress_pu_other}', valid_from => :'ends');
SET ROLE regress_pu_other;
BEGIN;
PREPARE r AS SELECT id FROM regress_pu;
EXECUTE r;
SELECT 'slept' FROM pg_catalog.pg_sleep_until(:'ends');
EXECUTE r;
COMMIT;
RESET plan_cache_mode;

-- Revoked, dropped, granted anew: in the same session, at the next execution.
RESET ROLE;
SELECT steward.grant_purpose('audit', 'regress_pu_user');
SET ROLE regress_pu_user;
EXECUTE q;
RESET ROLE;
SELECT steward.revoke_purpose('audit', 'regress_pu_user');
SET ROLE regress_pu_user;
EXECUTE q;
RESET ROLE;
SELECT steward.revoke_purpose('audit', 'regress_pu_user');
SELECT steward.drop_purpose('audit');
SELECT steward.drop_row_policy('audit', 'regress_pu');
SELECT steward.drop_purpose('audit');
SELECT steward.drop_purpose('audit');
SELECT pg_catalog.count(*) FROM steward.purpose_grant WHERE purpose = 'audit';
-- ON_NO_POLICY empty shows nothing instead of an error.
SET steward.on_no_policy = 'empty';
SET ROLE regress_pu_user;
EXECUTE q;
SELECT * FROM regress_pu;
RESET ROLE;
RESET steward.on_no_policy;

-- ALTER ROLE SET warns, by the grants of who alters; it counts once granted.
ALTER ROLE regress_pu_user SET steward.purpose = 'nowhere';
ALTER ROLE regress_pu_user SET steward.purpose = 'credit';
ALTER ROLE regress_pu_user RESET steward.purpose;

-- Rolled back, a grant never was.
BEGIN;
SELECT steward.grant_purpose('marketing', 'regress_pu_user');
SET LOCAL ROLE regress_pu_user;
SET LOCAL steward.purpose = 'marketing';
SELECT steward.current_purpose();
ROLLBACK;
SET ROLE regress_pu_user;
SET steward.purpose = 'marketing';
RESET ROLE;
DROP FUNCTION regress_pu_definer(), regress_pu_definer_sets();
DROP TABLE regress_pu;
