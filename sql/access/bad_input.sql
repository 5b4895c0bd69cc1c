-- access: what people type wrongly, by accident or on purpose.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;

CREATE ROLE regress_bi_admin;
CREATE ROLE regress_bi_user;
CREATE ROLE regress_bi_owner;
CREATE ROLE regress_bi_super SUPERUSER;
GRANT steward_admin TO regress_bi_admin;
CREATE SCHEMA regress_bi AUTHORIZATION regress_bi_owner;
SET ROLE regress_bi_owner;
CREATE TABLE regress_bi.t (id integer, owner text, amount numeric, tags text[]);
INSERT INTO regress_bi.t SELECT i, 'regress_bi_user', i * 10, ARRAY['a', i::text] FROM pg_catalog.generate_series(1, 4) AS i;
CREATE TABLE regress_bi.bare (id integer);
CREATE TABLE regress_bi.parted (id integer) PARTITION BY LIST (id);
CREATE TABLE regress_bi.part1 PARTITION OF regress_bi.parted FOR VALUES IN (1);
CREATE VIEW regress_bi.v AS SELECT * FROM regress_bi.t;
CREATE MATERIALIZED VIEW regress_bi.m AS SELECT 1 AS id;
CREATE SEQUENCE regress_bi.s;
CREATE INDEX t_idx ON regress_bi.t (id);
CREATE TYPE regress_bi.composite AS (a integer);
CREATE POLICY native ON regress_bi.t USING (true);
GRANT USAGE ON SCHEMA regress_bi TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA regress_bi TO regress_bi_user;
RESET ROLE;
CREATE FOREIGN DATA WRAPPER regress_bi_fdw;
CREATE SERVER regress_bi_server FOREIGN DATA WRAPPER regress_bi_fdw;
CREATE FOREIGN TABLE regress_bi.f (id integer) SERVER regress_bi_server;

-- What a statement raises, on one line.
CREATE FUNCTION regress_bi.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	d text;
	h text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || SQLERRM || COALESCE(' | ' || NULLIF(d, ''), '') || COALESCE(' | ' || NULLIF(h, ''), '');
END
$$;
\pset format unaligned
\pset tuples_only on

-- Who may not.
SET ROLE regress_bi_owner;
SELECT s || E'\n    ' || regress_bi.try('SELECT steward.' || s) FROM pg_catalog.unnest(ARRAY[
	$$protect('regress_bi.t')$$,
	$$unprotect('regress_bi.t', 'r')$$,
	$$create_purpose('p')$$,
	$$drop_purpose('p')$$,
	$$grant_purpose('p', 'public')$$,
	$$revoke_purpose('p', 'public')$$,
	$$set_attribute('regress_bi_user', 'k', '{1}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true')$$,
	$$drop_row_policy('p', 'regress_bi.t')$$,
	$$trust('regress_bi.v', 'r')$$,
	$$distrust('regress_bi.v')$$,
	$$create_carrier('regress_bi.t', 'x', 'true', NULL, NULL)$$,
	$$drop_carrier('regress_bi.t', 'x')$$,
	$$set_row_security('regress_bi.t', false, false)$$,
	$$set_trust(1259, 0, 'trusted')$$,
	$$copy_protection('regress_bi.t', 'regress_bi.bare')$$,
	$$governance_changed()$$,
	$$role_named('public')$$,
	$$require_value('a', 'b')$$]) AS s;
SELECT t || E'\n    ' || regress_bi.try('SELECT * FROM steward.' || t) FROM pg_catalog.unnest(ARRAY[
	'protected_relation', 'purpose', 'purpose_grant', 'role_attribute', 'row_policy', 'row_policy_role', 'row_policy_author', 'ddl_allowance', 'trusted_object']) AS t;
-- Administrators write through functions only.
SET ROLE regress_bi_admin;
SELECT t || ' ' || v || E'\n    ' || regress_bi.try(v || ' steward.' || t || CASE v WHEN 'UPDATE' THEN ' SET ' || c || ' = NULL' WHEN 'INSERT INTO' THEN ' DEFAULT VALUES' ELSE '' END)
	FROM (VALUES ('protected_relation', 'mode'), ('purpose', 'name'), ('purpose_grant', 'purpose'), ('role_attribute', 'key'),
		('row_policy', 'effect'), ('row_policy_role', 'role'), ('row_policy_author', 'role'), ('ddl_allowance', 'reason')) AS t (t, c),
		pg_catalog.unnest('{INSERT INTO,UPDATE,DELETE FROM,TRUNCATE}'::text[]) AS v;

-- Relations.
SELECT r || E'\n    ' || regress_bi.try(pg_catalog.format('SELECT steward.protect(%L)', r)) FROM pg_catalog.unnest(ARRAY[
	'regress_bi.nowhere', '', '"', 'a.b.c.d', '0', '-', '1', '4294967295', '4294967296', '-1',
	'pg_catalog.pg_class', 'pg_catalog.pg_authid', 'information_schema.tables', 'information_schema.sql_features',
	'pg_toast.pg_toast_1255', 'regress_bi.v', 'regress_bi.m', 'regress_bi.f', 'regress_bi.s', 'regress_bi.t_idx',
	'regress_bi.composite', 'regress_bi.part1', 'steward.purpose', 'steward.row_policy', 'steward.trusted_object', 'steward.risk',
	'regress_bi.t; DROP TABLE regress_bi.t', 'regress_bi.t) --']) AS r;
CREATE TEMP TABLE regress_bi_temp (id integer);
SELECT steward.protect('regress_bi_temp');
SELECT steward.protect('regress_bi.t', 'Enforce');
SELECT steward.protect('regress_bi.t', '');
SELECT steward.protect('regress_bi.t', 'enforce; --');
SELECT steward.protect('regress_bi.t', audit => 'always');
SELECT steward.protect('regress_bi.t', entity_column => 'nowhere');
SELECT steward.protect('regress_bi.t', entity_column => 'ctid');
SELECT steward.protect('regress_bi.t', entity_column => '');
-- Nothing of it was done.
SELECT pg_catalog.count(*) FROM steward.protected_relation;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_catalog.pg_class WHERE relnamespace = 'regress_bi'::regnamespace AND relrowsecurity;
SELECT steward.unprotect('regress_bi.t', 'never was');
SELECT steward.unprotect('regress_bi.v', 'never was');
SELECT steward.create_row_policy('p', 'regress_bi.bare', 'true');
SELECT steward.drop_row_policy('p', 'regress_bi.bare');

SELECT steward.protect('regress_bi.t');
SELECT steward.protect('regress_bi.parted');
-- A partition is governed through the top alone.
SELECT steward.protect('regress_bi.part1');
SELECT steward.create_row_policy('p', 'regress_bi.part1', 'true');

-- NULL where none is meant, for each parameter of each function.
SELECT steward.create_purpose('credit');
SELECT s || E'\n    ' || regress_bi.try('SELECT steward.' || s) FROM pg_catalog.unnest(ARRAY[
	$$protect(NULL)$$, $$protect('regress_bi.t', NULL)$$, $$protect('regress_bi.t', audit => NULL)$$,
	$$unprotect(NULL, 'r')$$, $$unprotect('regress_bi.t', NULL)$$, $$unprotect('regress_bi.t', ' ')$$,
	$$create_purpose(NULL)$$, $$create_purpose('')$$, $$create_purpose(E' \t\n')$$,
	$$drop_purpose(NULL)$$,
	$$grant_purpose(NULL, 'public')$$, $$grant_purpose('credit', NULL)$$, $$grant_purpose('credit', '')$$,
	$$revoke_purpose(NULL, 'public')$$, $$revoke_purpose('credit', NULL)$$,
	$$set_attribute(NULL, 'k', '{1}')$$, $$set_attribute('regress_bi_user', NULL, '{1}')$$, $$set_attribute('regress_bi_user', '', '{1}')$$,
	$$set_attribute('regress_bi_user', 'k', '{1,NULL}')$$, $$set_attribute('regress_bi_user', 'k', '{{1,2},{3,4}}')$$,
	$$create_row_policy(NULL, 'regress_bi.t', 'true')$$, $$create_row_policy('', 'regress_bi.t', 'true')$$,
	$$create_row_policy('p', NULL, 'true')$$, $$create_row_policy('p', 'regress_bi.t', NULL)$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', roles => '{NULL}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', roles => '{public,NULL}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', roles => '{}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', roles => '{""}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', purposes => '{NULL}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', purposes => '{credit,NULL}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', purposes => '{}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', commands => NULL)$$, $$create_row_policy('p', 'regress_bi.t', 'true', commands => '{}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', commands => '{NULL}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', commands => '{select,NULL}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', effect => NULL)$$, $$create_row_policy('p', 'regress_bi.t', 'true', replace => NULL)$$,
	$$drop_row_policy(NULL, 'regress_bi.t')$$, $$drop_row_policy('p', NULL)$$,
	$$trust(NULL, 'r')$$, $$trust('regress_bi.v', NULL)$$, $$trust('regress_bi.v', '')$$, $$distrust(NULL)$$]) AS s;
-- and where it means nothing
SELECT steward.attr(NULL) IS NULL, steward.attr(NULL, 1) IS NULL, steward.attr('k', NULL::integer) IS NULL, steward.attr('') IS NULL;
SELECT steward.current_purpose_of(NULL) IS NULL, steward.current_purpose_of(0) IS NULL, steward.current_purpose_of(4294967295) IS NULL;
SELECT steward.policy_gate(NULL, NULL, NULL, NULL), steward.policy_gate('{credit}', NULL, NULL, NULL), steward.policy_gate('{{a,b},{c,NULL}}', 'infinity', '-infinity', 0);
SELECT steward.refuse_row(NULL, NULL) IS NULL;
SELECT steward.refuse_row(0, 2);
SELECT steward.refuse_row('regress_bi.t'::regclass, 99);
-- The helpers, called by a superuser as nobody should.
RESET ROLE;
SELECT s || E'\n    ' || regress_bi.try('SELECT steward.' || s) FROM pg_catalog.unnest(ARRAY[
	$$create_carrier(NULL, NULL, NULL, NULL, NULL)$$,
	$$create_carrier('regress_bi.t', NULL, 'true', NULL, NULL)$$,
	$$create_carrier('regress_bi.t', 'x', NULL, NULL, NULL)$$,
	$$create_carrier('regress_bi.v', 'x', 'true', NULL, NULL)$$,
	$$create_carrier(0, 'x', 'true', NULL, NULL)$$,
	$$drop_carrier(NULL, NULL)$$, $$drop_carrier(0, 'x')$$,
	$$set_row_security(NULL, true, true)$$, $$set_row_security(0, true, true)$$, $$set_row_security('pg_class', true, true)$$, $$set_row_security('regress_bi.v', true, true)$$,
	$$set_trust(NULL, NULL, NULL)$$, $$set_trust(0, 0, 'trusted')$$, $$set_trust(1259, 0, 'trusted')$$, $$set_trust(1255, 0, NULL)$$,
	$$copy_protection(NULL, NULL)$$,
	$$find_object(NULL)$$,
	$$governance_changed()$$,
	$$require_role(VARIADIC NULL)$$, $$require_role(VARIADIC '{NULL}')$$]) AS s;
SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = 'pg_catalog.pg_class'::regclass;
SELECT polname FROM pg_catalog.pg_policy WHERE polrelid = 'regress_bi.t'::regclass ORDER BY 1;
SET ROLE regress_bi_user;
SELECT steward.require_role(VARIADIC '{}'), 'never shown';
SELECT steward.require_role(VARIADIC '{NULL,nobody}'), 'never shown';
SET ROLE regress_bi_admin;

-- Names that do not exist, are taken, or are too long.
SELECT s || E'\n    ' || regress_bi.try('SELECT steward.' || s) FROM pg_catalog.unnest(ARRAY[
	$$create_purpose('credit')$$, $$create_purpose(pg_catalog.repeat('x', 201))$$, $$create_purpose(pg_catalog.repeat('ü', 101))$$,
	$$create_purpose('p', pg_catalog.repeat('x', 10001))$$, $$create_purpose('p', legal_basis => pg_catalog.repeat('x', 10001))$$,
	$$create_purpose(' credit')$$, $$create_purpose(E'cre\ndit')$$,
	$$drop_purpose('Credit')$$, $$drop_purpose('x''; DROP TABLE steward.purpose; --')$$,
	$$grant_purpose('nowhere', 'public')$$, $$grant_purpose('credit', 'regress_bi_nobody')$$, $$grant_purpose('credit', 'PUBLIC')$$,
	$$grant_purpose('credit', 'current_user')$$, $$grant_purpose('credit', '10')$$, $$grant_purpose('credit', '"regress_bi_user"')$$, $$grant_purpose('credit', 'public, regress_bi_user')$$,
	$$grant_purpose('credit', 'regress_bi_user', 'tomorrow', 'today')$$, $$grant_purpose('credit', 'regress_bi_user', 'infinity', 'infinity')$$,
	$$grant_purpose('credit', 'regress_bi_user', 'nonsense')$$,
	$$revoke_purpose('credit', 'regress_bi_user')$$, $$revoke_purpose('credit', 'regress_bi_nobody')$$, $$revoke_purpose('nowhere', 'regress_bi_user')$$,
	$$set_attribute('public', 'k', '{1}')$$, $$set_attribute('regress_bi_nobody', 'k', '{1}')$$, $$set_attribute('regress_bi_user', pg_catalog.repeat('k', 201), '{1}')$$,
	$$set_attribute('regress_bi_user', 'k', pg_catalog.array_fill('v'::text, ARRAY[1001]))$$,
	$$set_attribute('regress_bi_user', 'nowhere', NULL)$$,
	$$create_row_policy('p', 'regress_bi.nowhere', 'true')$$, $$create_row_policy('p', 'regress_bi.v', 'true')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', roles => '{regress_bi_nobody}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', roles => '{"public) USING (true"}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', purposes => '{nowhere}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', purposes => '{CREDIT}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', commands => '{SELECT}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', commands => '{truncate}')$$, $$create_row_policy('p', 'regress_bi.t', 'true', commands => '{merge}')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', effect => 'permit')$$, $$create_row_policy('p', 'regress_bi.t', 'true', effect => 'ALLOW')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', valid_from => 'tomorrow', valid_until => 'today')$$,
	$$create_row_policy('native', 'regress_bi.t', 'true')$$, $$create_row_policy('native', 'regress_bi.t', 'true', replace => true)$$,
	$$create_row_policy(pg_catalog.repeat('x', 64), 'regress_bi.t', 'true')$$, $$create_row_policy(pg_catalog.repeat('ü', 32), 'regress_bi.t', 'true')$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', roles => pg_catalog.array_fill('public'::text, ARRAY[1001]))$$,
	$$create_row_policy('p', 'regress_bi.t', 'true', purposes => pg_catalog.array_fill('credit'::text, ARRAY[1001]))$$,
	$$drop_row_policy('nowhere', 'regress_bi.t')$$, $$drop_row_policy('native', 'regress_bi.t')$$,
	$$trust('nowhere.at_all', 'r')$$, $$trust('regress_bi.t', 'r')$$, $$trust('regress_bi.m', 'r')$$, $$trust('regress_bi.s', 'r')$$, $$trust('regress_bi.try(integer)', 'r')$$, $$trust('regress_bi.try', 'r')$$, $$trust(')', 'r')$$, $$trust('(', 'r')$$, $$trust('a.b.c.d', 'r')$$,
	$$distrust('regress_bi.v')$$, $$distrust('regress_bi.try(text)')$$]) AS s;
-- The longest name that fits, and names that are odd.
SELECT steward.create_row_policy(pg_catalog.repeat('x', 63), 'regress_bi.t', 'false');
SELECT steward.create_row_policy('p', 'regress_bi.t', 'true');
SELECT steward.create_row_policy('p', 'regress_bi.t', 'false');
SELECT steward.create_row_policy('Ein "Name"; DROP TABLE t --', 'regress_bi.t', 'false');
SELECT steward.create_row_policy('Ünïcode 政策', 'regress_bi.t', 'false');
SELECT name FROM steward.row_policy WHERE relation = 'regress_bi.t'::regclass AND pg_catalog.length(name::text) < 63 ORDER BY name;
SELECT steward.drop_row_policy('Ein "Name"; DROP TABLE t --', 'regress_bi.t');
SELECT steward.drop_row_policy('Ünïcode 政策', 'regress_bi.t');
SELECT steward.drop_row_policy(pg_catalog.repeat('x', 63), 'regress_bi.t');
SELECT steward.drop_row_policy('p', 'regress_bi.t');
-- A failed replacement leaves what was there.
SELECT steward.create_row_policy('p', 'regress_bi.t', 'id = 1');
SELECT steward.create_row_policy('p', 'regress_bi.t', 'id = nowhere', replace => true);
SELECT steward.create_row_policy('p', 'regress_bi.t', 'id = 2', check_expr => 'id = nowhere', replace => true);
SET ROLE regress_bi_user;
SELECT id FROM regress_bi.t;
SET ROLE regress_bi_admin;
SELECT steward.drop_row_policy('p', 'regress_bi.t');

-- Role names with capitals, quotes, spaces, and the name of everybody.
RESET ROLE;
CREATE ROLE "regress BI ""Quoted"" Übermensch";
CREATE ROLE "regress_bi_user) TO public --";
GRANT SELECT ON regress_bi.t TO "regress BI ""Quoted"" Übermensch", "regress_bi_user) TO public --";
GRANT USAGE ON SCHEMA regress_bi TO "regress BI ""Quoted"" Übermensch", "regress_bi_user) TO public --";
SET ROLE regress_bi_admin;
SELECT steward.create_row_policy('odd', 'regress_bi.t', 'id = (steward.attr(''i''))[1]::integer AND steward.subject() ~ ''^regress''',
	roles => ARRAY['regress BI "Quoted" Übermensch', 'regress_bi_user) TO public --']);
SELECT steward.set_attribute('regress BI "Quoted" Übermensch', 'i', '{3}');
SELECT steward.set_attribute('regress_bi_user) TO public --', 'i', '{4}');
SELECT steward.grant_purpose('credit', 'regress BI "Quoted" Übermensch');
SELECT role, key, value FROM steward.role_attribute ORDER BY value;
SET ROLE "regress BI ""Quoted"" Übermensch";
SET steward.purpose = 'credit';
SELECT id, steward.subject(), steward.current_purpose() FROM regress_bi.t;
RESET steward.purpose;
SET ROLE "regress_bi_user) TO public --";
SELECT id FROM regress_bi.t;
SET ROLE regress_bi_user;
SELECT id FROM regress_bi.t;
-- Settings: what is no purpose.
SET steward.purpose = 'nowhere';
SELECT pg_catalog.set_config('steward.purpose', pg_catalog.repeat('x', 201), false);
SET steward.purpose = 'credit; DROP TABLE x', 'more';
SET steward.purpose = 'x''; DROP TABLE steward.purpose; --';
SET steward.on_no_policy = 'empty';
SET steward.adopt_roles = on;
SET steward.unknown = 1;
SELECT steward.current_purpose() IS NULL, steward.subject();

RESET ROLE;
DROP SCHEMA regress_bi CASCADE;
DROP SERVER regress_bi_server;
DROP FOREIGN DATA WRAPPER regress_bi_fdw;
