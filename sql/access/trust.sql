-- access: trusted views and functions, through which their owner is the subject.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;

CREATE ROLE regress_tr_admin;
CREATE ROLE regress_tr_owner;
CREATE ROLE regress_tr_user;
CREATE ROLE regress_tr_second;
GRANT steward_admin TO regress_tr_admin;
CREATE SCHEMA regress_tr;
GRANT USAGE, CREATE ON SCHEMA regress_tr TO PUBLIC;
CREATE TABLE regress_tr.t (id integer, who text);
INSERT INTO regress_tr.t VALUES (1, 'owner'), (2, 'user'), (3, 'public');
GRANT SELECT ON regress_tr.t TO PUBLIC;
SELECT steward.protect('regress_tr.t');
SELECT steward.create_purpose('serve');
SELECT steward.grant_purpose('serve', 'regress_tr_owner');
SELECT steward.create_row_policy('owner', 'regress_tr.t', 'who = ''owner''', roles => '{regress_tr_owner}');
SELECT steward.create_row_policy('user', 'regress_tr.t', 'who = ''user''', roles => '{regress_tr_user}');
SELECT steward.create_row_policy('attr', 'regress_tr.t', 'who = (steward.attr(''w''))[1]', purposes => '{serve}');
SELECT steward.set_attribute('regress_tr_owner', 'w', '{public}');

SET ROLE regress_tr_owner;
CREATE VIEW regress_tr.v AS SELECT id, who, steward.subject() AS subject FROM regress_tr.t;
CREATE VIEW regress_tr.over AS SELECT * FROM regress_tr.v;
CREATE FUNCTION regress_tr.rows() RETURNS TABLE (id integer, subject text) LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT t.id, steward.subject() FROM regress_tr.t; END';
CREATE FUNCTION regress_tr.rows_sql() RETURNS TABLE (id integer) LANGUAGE sql STABLE AS 'SELECT t.id FROM regress_tr.t';
CREATE FUNCTION regress_tr.rows_definer() RETURNS TABLE (id integer, subject text) LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN QUERY SELECT t.id, steward.subject() FROM regress_tr.t; END';
CREATE FUNCTION regress_tr.fails() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 1 / (SELECT pg_catalog.count(*) - pg_catalog.count(*) FROM regress_tr.t); END';
GRANT SELECT ON regress_tr.v, regress_tr.over TO PUBLIC;

-- Before.
SET ROLE regress_tr_user;
SELECT * FROM regress_tr.v;
SELECT * FROM regress_tr.rows();
SELECT * FROM regress_tr.rows_sql();
SELECT * FROM regress_tr.rows_definer();
-- Who may: not the owner, not by the label either.
SET ROLE regress_tr_owner;
SELECT steward.trust('regress_tr.v', 'mine');
SECURITY LABEL FOR steward ON VIEW regress_tr.v IS 'trusted';
SECURITY LABEL FOR steward ON FUNCTION regress_tr.rows() IS 'trusted';
SECURITY LABEL FOR steward ON FUNCTION regress_tr.rows() IS NULL;
SECURITY LABEL FOR steward ON TABLE regress_tr.t IS 'trusted';
RESET ROLE;
-- nor what is no label of ours
SECURITY LABEL FOR steward ON VIEW regress_tr.v IS 'Trusted';
SECURITY LABEL FOR steward ON VIEW regress_tr.v IS 'trusted, in policies';
SECURITY LABEL FOR steward ON TABLE regress_tr.t IS 'trusted';
SECURITY LABEL FOR steward ON TABLE regress_tr.t IS NULL;
SECURITY LABEL FOR steward ON COLUMN regress_tr.v.id IS 'trusted';
SECURITY LABEL FOR steward ON SCHEMA regress_tr IS 'trusted';
SECURITY LABEL FOR steward ON SCHEMA regress_tr IS NULL;
SECURITY LABEL FOR steward ON FUNCTION regress_tr.rows() IS '';
SELECT steward.trust('pg_catalog.pg_tables', 'system objects are not ours to trust');
SELECT steward.trust('pg_catalog.pg_sleep(double precision)', 'r');
SELECT steward.trust('pg_catalog.count(*)', 'r');

-- Trusted: the owner acts, with his policies, purposes and attributes.
SET ROLE regress_tr_admin;
SELECT steward.trust('regress_tr.v', 'publishes aggregates');
SELECT steward.trust('regress_tr.rows()', 'r'), steward.trust('regress_tr.rows_sql()', 'r'), steward.trust('regress_tr.rows_definer()', 'r'), steward.trust('regress_tr.fails()', 'r');
SELECT type, identity, label FROM steward.trusted_object ORDER BY 1, 2;
SET ROLE regress_tr_user;
SELECT * FROM regress_tr.v;
SELECT * FROM regress_tr.over;
SELECT * FROM regress_tr.rows();
SELECT * FROM regress_tr.rows_sql();
SELECT * FROM regress_tr.rows_definer();
-- Beside it, the user remains himself.
SELECT v.id AS through, t.id AS direct FROM regress_tr.v, regress_tr.t;
SELECT t.id, (SELECT pg_catalog.min(v.id) FROM regress_tr.v) FROM regress_tr.t;
SELECT r.id, t.id FROM regress_tr.rows() r, regress_tr.t;
WITH x AS MATERIALIZED (SELECT * FROM regress_tr.rows()) SELECT x.id, t.id FROM x, regress_tr.t;
SELECT r.id, t.id FROM regress_tr.t, LATERAL regress_tr.rows() r UNION ALL SELECT 0, id FROM regress_tr.t ORDER BY 1;
-- After an error within.
SELECT regress_tr.fails();
SELECT id, steward.subject() FROM regress_tr.t;
DO $$
BEGIN
	BEGIN
		PERFORM regress_tr.fails();
	EXCEPTION WHEN division_by_zero THEN
		RAISE WARNING '%: %', steward.subject(), (SELECT pg_catalog.array_agg(id) FROM regress_tr.t);
	END;
END
$$;
-- A result that is read row by row, and left half-way.
BEGIN;
DECLARE c CURSOR FOR SELECT id, subject FROM regress_tr.rows();
DECLARE d CURSOR FOR SELECT id FROM regress_tr.t;
FETCH 1 FROM c;
FETCH 1 FROM d;
SELECT steward.subject();
CLOSE c;
SELECT steward.subject();
COMMIT;
SELECT id FROM regress_tr.rows() LIMIT 1;
SELECT steward.subject();
-- Purposes and attributes: of the owner.
SET steward.purpose = 'serve';
RESET ROLE;
SET steward.purpose = 'serve';
SET ROLE regress_tr_user;
SELECT id, subject FROM regress_tr.v ORDER BY id;
SELECT * FROM regress_tr.rows() ORDER BY id;
SELECT id FROM regress_tr.t ORDER BY id;
RESET ROLE;
RESET steward.purpose;
-- Cached plans in a session of two.
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_tr_user;
PREPARE q AS SELECT v.id AS through, t.id AS direct FROM regress_tr.v, regress_tr.t;
EXECUTE q;
SET ROLE regress_tr_owner;
EXECUTE q;
SET ROLE regress_tr_second;
EXECUTE q;
SET ROLE regress_tr_user;
EXECUTE q;
-- Distrusted: at the next execution.
SET ROLE regress_tr_admin;
SELECT steward.distrust('regress_tr.v');
SELECT steward.distrust('regress_tr.v');
SELECT steward.distrust('regress_tr.rows()');
SET ROLE regress_tr_user;
EXECUTE q;
SELECT * FROM regress_tr.rows();
RESET plan_cache_mode;
-- The trust follows a rename, a change of owner and a replacement; it ends with the object.
SET ROLE regress_tr_admin;
SELECT steward.trust('regress_tr.v', 'r'), steward.trust('regress_tr.rows()', 'r');
RESET ROLE;
ALTER VIEW regress_tr.v RENAME TO renamed;
ALTER FUNCTION regress_tr.rows() RENAME TO rows_renamed;
SELECT type, identity, label FROM steward.trusted_object ORDER BY 1, 2;
SET ROLE regress_tr_user;
SELECT * FROM regress_tr.renamed;
SELECT * FROM regress_tr.rows_renamed();
RESET ROLE;
DROP VIEW regress_tr.over, regress_tr.renamed;
DROP FUNCTION regress_tr.rows_renamed();
SET ROLE regress_tr_owner;
CREATE VIEW regress_tr.v AS SELECT id FROM regress_tr.t;
CREATE FUNCTION regress_tr.rows() RETURNS TABLE (id integer, subject text) LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT t.id, steward.subject() FROM regress_tr.t; END';
GRANT SELECT ON regress_tr.v TO PUBLIC;
SET ROLE regress_tr_user;
SELECT * FROM regress_tr.v;
SELECT * FROM regress_tr.rows();
RESET ROLE;
SELECT type, identity, label FROM steward.trusted_object ORDER BY 1, 2;

-- A function in policies takes a superuser's trust.
SET ROLE regress_tr_owner;
CREATE FUNCTION regress_tr.rule(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = 3';
SET ROLE regress_tr_admin;
SELECT steward.create_row_policy('rule', 'regress_tr.t', 'regress_tr.rule(id)', roles => '{regress_tr_second}');
SELECT steward.trust('regress_tr.rule(integer)', 'an administrator is not enough');
SELECT steward.create_row_policy('rule', 'regress_tr.t', 'regress_tr.rule(id)', roles => '{regress_tr_second}');
SECURITY LABEL FOR steward ON FUNCTION regress_tr.rule(integer) IS 'trusted, in policies';
RESET ROLE;
SELECT steward.trust('regress_tr.rule(integer)', 'read and found harmless, but its owner can replace it');
SELECT label FROM steward.trusted_object WHERE identity = 'regress_tr.rule(integer)';
ALTER FUNCTION regress_tr.rule(integer) OWNER TO CURRENT_USER;
SELECT steward.trust('regress_tr.rule(integer)', 'read and found harmless');
SELECT label FROM steward.trusted_object WHERE identity = 'regress_tr.rule(integer)';
SET ROLE regress_tr_owner;
CREATE OR REPLACE FUNCTION regress_tr.rule(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
SET ROLE regress_tr_admin;
SELECT steward.create_row_policy('rule', 'regress_tr.t', 'regress_tr.rule(id)', roles => '{regress_tr_second}');
SET ROLE regress_tr_second;
SELECT id FROM regress_tr.t;
-- A policy depends on its functions, and follows their names.
RESET ROLE;
DROP FUNCTION regress_tr.rule(integer);
ALTER FUNCTION regress_tr.rule(integer) RENAME TO rule2;
SET ROLE regress_tr_second;
SELECT id FROM regress_tr.t;
-- An administrator's distrust of such a function leaves policies that stand.
SET ROLE regress_tr_admin;
SELECT steward.distrust('regress_tr.rule2(integer)');
SELECT steward.create_row_policy('rule2', 'regress_tr.t', 'regress_tr.rule2(id)', roles => '{regress_tr_second}');
SET ROLE regress_tr_second;
SELECT id FROM regress_tr.t;
-- Procedures, with transactions of their own.
SET ROLE regress_tr_owner;
CREATE PROCEDURE regress_tr.commits() LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING '%: %', steward.subject(), (SELECT pg_catalog.array_agg(id) FROM regress_tr.t);
	COMMIT;
	RAISE WARNING '%: %', steward.subject(), (SELECT pg_catalog.array_agg(id) FROM regress_tr.t);
	ROLLBACK;
	PERFORM 1 / 0;
END
$$;
SET ROLE regress_tr_admin;
SELECT steward.trust('regress_tr.commits()', 'r');
SET ROLE regress_tr_user;
CALL regress_tr.commits();
SELECT steward.subject();
SELECT id FROM regress_tr.t;
-- One trusted function in another, of different owners; recursion.
SET ROLE regress_tr_second;
CREATE FUNCTION regress_tr.nested(n integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF n > 0 THEN
		RETURN steward.subject() || ' ' || regress_tr.nested(n - 1) || ' ' || steward.subject();
	END IF;
	RETURN (SELECT subject FROM regress_tr.rows_definer() LIMIT 1);
END
$$;
SET ROLE regress_tr_admin;
SELECT steward.trust('regress_tr.nested(integer)', 'r');
SET ROLE regress_tr_user;
SELECT regress_tr.nested(2), steward.subject();
-- Aggregates call their parts.
RESET ROLE;
CREATE AGGREGATE regress_tr.agg(integer) (SFUNC = pg_catalog.int4pl, STYPE = integer);
SELECT steward.trust('regress_tr.agg(integer)', 'r');
DROP SCHEMA regress_tr CASCADE;
SELECT pg_catalog.count(*) FROM steward.trusted_object;
