-- access: roles, tables and other objects that are dropped while governance
-- names them: what is left concerns nobody, never everybody.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;

CREATE ROLE regress_dr_admin;
CREATE ROLE regress_dr_gone;
CREATE ROLE regress_dr_user;
CREATE ROLE regress_dr_writer;
GRANT steward_admin TO regress_dr_admin, regress_dr_writer;
CREATE SCHEMA regress_dr;
GRANT USAGE, CREATE ON SCHEMA regress_dr TO PUBLIC;
CREATE TABLE regress_dr.t (id integer, what text);
INSERT INTO regress_dr.t VALUES (1, 'gone'), (2, 'shared'), (3, 'purpose'), (4, 'denied');
CREATE TABLE regress_dr.consent (id integer);
INSERT INTO regress_dr.consent VALUES (2);
GRANT SELECT ON ALL TABLES IN SCHEMA regress_dr TO PUBLIC;
SET ROLE regress_dr_admin;
SELECT steward.protect('regress_dr.t');
SELECT steward.create_purpose('dropped');
SELECT steward.grant_purpose('dropped', 'regress_dr_gone');
SELECT steward.set_attribute('regress_dr_gone', 'k', '{1}');
SELECT steward.create_row_policy('gone', 'regress_dr.t', 'what = ''gone''', roles => '{regress_dr_gone}');
SELECT steward.create_row_policy('shared', 'regress_dr.t', 'what = ''shared''', roles => '{regress_dr_gone,regress_dr_user}');
SELECT steward.create_row_policy('purpose', 'regress_dr.t', 'what = ''purpose''', purposes => '{dropped}');
SELECT steward.create_row_policy('deny', 'regress_dr.t', 'what = ''shared''', roles => '{regress_dr_gone}', effect => 'deny');
RESET ROLE;
SELECT steward.allow_ddl('regress_dr.t', 'regress_dr_gone', '2100-01-01', 'migration');

-- The role goes.
DROP ROLE regress_dr_gone;
SET ROLE regress_dr_user;
SELECT * FROM regress_dr.t;
SET steward.purpose = 'dropped';
RESET ROLE;
SELECT policy, role = 0 AS public, EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role) AS known FROM steward.row_policy_role ORDER BY policy, known;
-- What a dump would hold.
CREATE FUNCTION regress_dr.dumped(rel regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	condition text := (SELECT c.cond FROM pg_catalog.pg_extension e, unnest(e.extconfig, e.extcondition) AS c (rel, cond)
		WHERE e.extname = 'pg_steward' AND c.rel = dumped.rel);
BEGIN
	IF condition IS NULL THEN
		RAISE EXCEPTION '% is not dumped', rel;
	END IF;
	RETURN QUERY EXECUTE pg_catalog.format('SELECT pg_catalog.row_to_json(t)::text FROM (SELECT * FROM %s %s) AS t ORDER BY 1', rel, condition);
END
$$;
SELECT r, pg_catalog.regexp_replace(d, '"(\w+_at|id|valid_from)":"?[^,}]*', '"\1":…', 'g') AS dumped
	FROM pg_catalog.unnest('{steward.purpose_grant,steward.role_attribute,steward.row_policy_role,steward.row_policy_author,steward.row_policy,steward.ddl_allowance}'::regclass[]) WITH ORDINALITY AS r (r, i), regress_dr.dumped(r) AS d ORDER BY i, d;
-- A role of the old name is another one.
CREATE ROLE regress_dr_gone;
SET ROLE regress_dr_gone;
SELECT * FROM regress_dr.t;
SET steward.purpose = 'dropped';
SELECT steward.attr('k');
RESET ROLE;

-- Who wrote a policy goes: only what reads with his rights suffers, and loudly.
SET ROLE regress_dr_writer;
SELECT steward.create_row_policy('plain', 'regress_dr.t', 'what = ''denied''', roles => '{regress_dr_user}');
SELECT steward.create_row_policy('sub', 'regress_dr.t', 'id IN (SELECT c.id FROM regress_dr.consent c)', roles => '{regress_dr_user}');
RESET ROLE;
DROP ROLE regress_dr_writer;
SET ROLE regress_dr_user;
SELECT * FROM regress_dr.t;
SET ROLE regress_dr_gone;
SELECT * FROM regress_dr.t;
RESET ROLE;
SELECT * FROM regress_dr.t ORDER BY id;
SELECT name, created_by FROM steward.row_policy ORDER BY 1;
SELECT d FROM regress_dr.dumped('steward.row_policy_author') AS d;
SELECT severity, object, pg_catalog.regexp_replace(finding, '\d+', 'N') AS finding FROM steward.doctor() WHERE severity = 'error';
SET ROLE regress_dr_admin;
SELECT steward.create_row_policy('sub', 'regress_dr.t', 'id IN (SELECT c.id FROM regress_dr.consent c)', roles => '{regress_dr_user}', replace => true);
SET ROLE regress_dr_user;
SELECT * FROM regress_dr.t ORDER BY id;
RESET ROLE;

-- DROP OWNED, REASSIGN OWNED: of the administrator, the carrier, a grantee.
REASSIGN OWNED BY regress_dr_admin TO regress_dr_user;
DROP OWNED BY regress_dr_user;
DROP OWNED BY steward_carrier;
DROP ROLE steward_carrier;
DROP ROLE steward_admin;
GRANT USAGE ON SCHEMA regress_dr TO regress_dr_user;
GRANT SELECT ON ALL TABLES IN SCHEMA regress_dr TO regress_dr_user;
SET ROLE regress_dr_user;
SELECT * FROM regress_dr.t ORDER BY id;
RESET ROLE;
-- What a sub-select reads goes with CASCADE: the policy that is left without
-- its expression stops those whom it concerns.
DROP TABLE regress_dr.consent;
DROP TABLE regress_dr.consent CASCADE;
SET ROLE regress_dr_user;
SELECT * FROM regress_dr.t ORDER BY id;
SET ROLE regress_dr_admin;
SELECT steward.drop_row_policy('sub', 'regress_dr.t');
SET ROLE regress_dr_user;
SELECT * FROM regress_dr.t ORDER BY id;
RESET ROLE;

-- A column that a policy uses; the entity column.
ALTER TABLE regress_dr.t DROP COLUMN what;
ALTER TABLE regress_dr.t ALTER COLUMN what TYPE varchar(10);
SELECT steward.protect('regress_dr.t', entity_column => 'id');
ALTER TABLE regress_dr.t RENAME COLUMN id TO number;
SELECT relation, entity_column FROM steward.protected_relation;
ALTER TABLE regress_dr.t RENAME TO "T ""2""";
ALTER SCHEMA regress_dr RENAME TO "Regress DR";
SELECT relation FROM steward.protected_relation;
SET ROLE regress_dr_user;
SELECT * FROM "Regress DR"."T ""2""";
RESET ROLE;

-- The table goes; another one of its name is not governed.
BEGIN;
DROP TABLE "Regress DR"."T ""2""";
SELECT (SELECT pg_catalog.count(*) FROM steward.protected_relation) AS relations, (SELECT pg_catalog.count(*) FROM steward.row_policy) AS policies,
	(SELECT pg_catalog.count(*) FROM steward.row_policy_role) AS roles, (SELECT pg_catalog.count(*) FROM steward.ddl_allowance) AS allowances;
ROLLBACK;
SET ROLE regress_dr_user;
SELECT * FROM "Regress DR"."T ""2""";
RESET ROLE;
DROP SCHEMA "Regress DR" CASCADE;
SELECT (SELECT pg_catalog.count(*) FROM steward.protected_relation) AS relations, (SELECT pg_catalog.count(*) FROM steward.row_policy) AS policies,
	(SELECT pg_catalog.count(*) FROM steward.row_policy_role) AS roles, (SELECT pg_catalog.count(*) FROM steward.ddl_allowance) AS allowances;
SELECT steward.drop_purpose('dropped');
