-- access: predicates that must be refused when the policy is written, each
-- with its position in the expression, and predicates that try to break out.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;

CREATE ROLE regress_bx_admin;
CREATE ROLE regress_bx_user;
GRANT steward_admin TO regress_bx_admin;
CREATE SCHEMA regress_bx;
GRANT USAGE ON SCHEMA regress_bx TO PUBLIC;
CREATE TABLE regress_bx.t (id integer, owner text, amount numeric, tags text[], doc jsonb, at timestamptz);
INSERT INTO regress_bx.t SELECT i, 'o' || i, i * 10, ARRAY['a', i::text], '{"k": 1}', '2026-01-01' FROM pg_catalog.generate_series(1, 4) AS i;
CREATE TABLE regress_bx.secret (id integer);
CREATE TABLE regress_bx.consent (id integer, hidden integer);
INSERT INTO regress_bx.consent VALUES (2, 2), (3, 3);
GRANT SELECT (id) ON regress_bx.consent TO regress_bx_admin;
GRANT SELECT ON regress_bx.t TO regress_bx_user;
SELECT steward.protect('regress_bx.t');

-- Functions, operators, casts, domains and aggregates of a user.
CREATE FUNCTION regress_bx.leak(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS 'BEGIN RAISE NOTICE ''saw %'', $1; RETURN true; END';
CREATE FUNCTION regress_bx.leak2(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR regress_bx.=== (LEFTARG = integer, RIGHTARG = integer, FUNCTION = regress_bx.leak2);
CREATE TYPE regress_bx.wrapped AS (v integer);
CREATE FUNCTION regress_bx.wrap(integer) RETURNS regress_bx.wrapped LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1)::regress_bx.wrapped';
CREATE CAST (integer AS regress_bx.wrapped) WITH FUNCTION regress_bx.wrap(integer);
CREATE DOMAIN regress_bx.watched AS integer CHECK (regress_bx.leak(VALUE));
CREATE DOMAIN regress_bx.positive AS integer CHECK (VALUE > 0);
CREATE AGGREGATE regress_bx.agg(integer) (SFUNC = pg_catalog.int4pl, STYPE = integer, INITCOND = '0');
CREATE FUNCTION regress_bx.same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE VIEW regress_bx.leaky AS SELECT c.id FROM regress_bx.consent c WHERE regress_bx.leak(c.id);
GRANT SELECT ON regress_bx.leaky TO regress_bx_admin;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA regress_bx TO PUBLIC;
CREATE ROLE regress_bx_other;
ALTER DOMAIN regress_bx.watched OWNER TO regress_bx_other;
CREATE TYPE regress_bx.holder AS (v regress_bx.watched);

SET ROLE regress_bx_admin;
CREATE TEMP TABLE regress_bx_temp (id integer);
-- In each error the position is that of the expression.
\pset format unaligned
\pset tuples_only on
SELECT pg_catalog.format('SELECT steward.create_row_policy(%L, %L, %L);', 'p' || i, 'regress_bx.t', e) FROM pg_catalog.unnest(ARRAY[
	-- syntax
	'', '   ', E'\n\t', ';', 'id =', 'id = 1;', 'id = 1; DROP TABLE regress_bx.t', 'id = 1 id = 2', '(id = 1', 'id = 1)', 'SELECT true', '(SELECT true', '-- all', '/* all */', '/* open',
	'true) TO public --', 'true) WITH CHECK (true', 'true; GRANT steward_admin TO regress_bx_user', '1) OR (1=1', 'true UNION SELECT true', 'true FROM regress_bx.secret', 'true WHERE false', 'true AS x', 'true x', 'true, true', '*', 't.*', 'true ORDER BY 1', 'true LIMIT 1', 'true FOR UPDATE', 'DISTINCT true', 'true INTO x', 'true GROUP BY ()', 'true HAVING true', 'true WINDOW w AS ()',
	'id = $1', 'id = :x', 'id = %s', 'U&"\0069d" = ', E'id = \u0001', 'id ＝ 1', 'id = ''open', 'id = $x$open', 'x := true', 'DEFAULT',
	-- names and types
	'nowhere = 1', 'regress_bx.secret.id = 1', 'other.id = 1', 'id = nofunction(1)', 'id = ''text''', 'id', 'amount', 'owner', '1', 'NULL', 'id = owner', 'tags = 1', 'id::nowhere = 1', 'id = ANY (1)', 'row(id, owner)', 'ROW(id) = ROW(1, 2)', 'OLD.id = 1', 'NEW.id = 1', 'owner COLLATE "nowhere" = ''x''', 'ctid = 1', 'CURRENT OF c',
	-- what no predicate may be
	'pg_catalog.count(*) > 1', 'max(id) > 1', 'regress_bx.agg(id) > 1', 'row_number() OVER () = 1', 'sum(id) OVER () > 1', 'pg_catalog.generate_series(1, 3) = 1', 'unnest(tags) = ''a''', 'GROUPING(id) = 1',
	-- volatile functions
	'pg_notify(''c'', owner) IS NULL', 'set_config(''steward.purpose'', ''x'', false) = ''x''', 'query_to_xml(''SELECT 1'', true, true, '''') IS NULL', 'table_to_xml(''pg_authid'', true, true, '''') IS NULL',
	'lo_export(1, ''/tmp/x'') = 1', 'pg_sleep(1) IS NULL', 'random() < 0.5', 'clock_timestamp() > at', 'nextval(''s'') = 1', 'currval(''s'') = 1', 'pg_read_file(''/etc/passwd'') = ''x''', 'pg_terminate_backend(1)', 'pg_advisory_lock(1) IS NULL', 'lo_import(''/etc/passwd'') = 1', 'dblink(''x'') IS NULL', 'pg_reload_conf()', 'txid_current() = 1', 'cursor_to_xml(''c'', 1, true, true, '''') IS NULL', 'ts_stat(''SELECT 1'') IS NULL', 'setval(''s'', 1) = 1', 'gen_random_uuid() IS NULL',
	'CASE WHEN id > 0 THEN pg_sleep(1) IS NULL ELSE true END', 'id IN (SELECT 1 WHERE pg_sleep(1) IS NULL)', 'EXISTS (SELECT FROM pg_catalog.pg_ls_dir(''/''))',
	-- functions of a user, by every road
	'regress_bx.leak(id)', 'id OPERATOR(regress_bx.===) 1', 'CAST(id AS regress_bx.wrapped) IS NOT NULL', '(id::regress_bx.wrapped).v = 1', 'id::regress_bx.watched = 1', '''1''::regress_bx.watched = 1', '(ARRAY[id]::regress_bx.watched[]) IS NOT NULL', 'owner::regress_bx.watched[] IS NOT NULL', 'steward.attr(''k'')::regress_bx.watched[] IS NOT NULL', 'pg_catalog.jsonb_populate_record(NULL::regress_bx.holder, doc) IS NOT NULL', 'EXISTS (SELECT FROM pg_catalog.jsonb_to_record(doc) AS x (v regress_bx.watched))', 'EXISTS (SELECT FROM XMLTABLE(''/a'' PASSING ''<a/>'' COLUMNS v regress_bx.watched))', 'ROW(id)::regress_bx.holder IS NOT NULL', 'id::regress_bx.positive = 1', '(SELECT regress_bx.leak(c.id) FROM regress_bx.consent c LIMIT 1)', 'id IN (SELECT c.id FROM regress_bx.consent c ORDER BY regress_bx.leak(c.id))', 'id = (SELECT regress_bx.agg(c.id) FROM regress_bx.consent c)',
	'id = ANY (SELECT c.id FROM regress_bx.consent c WHERE c.id OPERATOR(regress_bx.===) 1)', 'EXISTS (SELECT FROM regress_bx.wrap(1))', 'EXISTS (SELECT FROM regress_bx.leaky)', 'id IN (WITH x AS (SELECT c.id FROM regress_bx.consent c WHERE regress_bx.leak(c.id)) SELECT id FROM x)', 'steward.require_role(''steward_admin'') IS NULL', 'steward.policy_gate(NULL, NULL, NULL, 10::oid)', 'steward.current_purpose_of(10::oid) = ''x''', 'steward.refuse_row(0::oid, 1)', 'steward.protect(''regress_bx.secret'') IS NULL',
	-- sub-selects
	'id IN (SELECT s.id FROM regress_bx.secret s)', 'EXISTS (SELECT FROM pg_catalog.pg_authid)', 'id = (SELECT c.hidden FROM regress_bx.consent c LIMIT 1)', 'EXISTS (SELECT FROM regress_bx.consent c WHERE c.hidden = t.id)', 'EXISTS (SELECT c FROM regress_bx.consent c)', 'EXISTS (SELECT FROM regress_bx.t x WHERE x.id = 1)', 'EXISTS (SELECT FROM regress_bx_temp)', 'EXISTS (SELECT FROM regress_bx.nowhere)', 'id = (SELECT 1, 2)', 'id IN (DELETE FROM regress_bx.consent RETURNING id)', 'id IN (WITH d AS (DELETE FROM regress_bx.consent RETURNING id) SELECT id FROM d)', 'id IN (SELECT c.id FROM regress_bx.consent c FOR UPDATE)', 'id = (VALUES (1), (2))', 'EXISTS (SELECT FROM regress_bx.consent c TABLESAMPLE BERNOULLI (10))'
]) WITH ORDINALITY AS e (e, i) \gexec
-- What was taken after all.
SELECT polname, pg_catalog.pg_get_expr(polqual, polrelid) FROM pg_catalog.pg_policy WHERE polrelid = 'regress_bx.t'::regclass ORDER BY pg_catalog.substr(polname, 2)::integer;
SELECT pg_catalog.count(*) FROM steward.row_policy;
SELECT pg_catalog.count(*) FROM regress_bx.consent WHERE id > 0;
-- A view whose functions are all known is as good as its tables.
RESET ROLE;
CREATE VIEW regress_bx.plain AS SELECT c.id FROM regress_bx.consent c WHERE c.id < 3;
GRANT SELECT ON regress_bx.plain TO regress_bx_admin;
SET ROLE regress_bx_admin;
SELECT steward.drop_row_policy(name, relation) FROM steward.row_policy;
SELECT steward.create_row_policy('p', 'regress_bx.t', 'EXISTS (SELECT FROM regress_bx.plain v WHERE v.id = t.id)');
-- The same checks hold for the check expression, which errors name.
SELECT steward.create_row_policy('q', 'regress_bx.t', 'true', commands => '{insert}', check_expr => 'random() < 0.5');
SELECT steward.create_row_policy('q', 'regress_bx.t', 'true', commands => '{insert}', check_expr => '');
SELECT steward.create_row_policy('q', 'regress_bx.t', 'true', commands => '{insert}', check_expr => 'true, true');
-- A position past characters of several bytes, and past lines.
SELECT steward.create_row_policy('q', 'regress_bx.t', 'owner = ''Übermut ist gut'' AND pg_sleep(1) IS NULL');
SELECT steward.create_row_policy('q', 'regress_bx.t', E'owner = ''Ü''\n\tAND nowhere = 1');
-- Names are read as in pg_catalog: nothing of the creator's path comes in.
RESET ROLE;
CREATE FUNCTION regress_bx.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''o1''::text';
CREATE FUNCTION pg_temp.upper(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''o1''::text';
SET ROLE regress_bx_admin;
SET search_path = regress_bx, pg_temp, pg_catalog;
SELECT steward.create_row_policy('path', 'regress_bx.t', 'lower(owner) = ''o4'' AND upper(owner) = ''O4''');
SELECT pg_catalog.pg_get_expr(polqual, polrelid) FROM pg_catalog.pg_policy WHERE polname = 'path';
RESET search_path;
SET ROLE regress_bx_user;
SELECT id FROM regress_bx.t ORDER BY id;

-- Large and deep.
SET ROLE regress_bx_admin;
\set VERBOSITY terse
SELECT steward.create_row_policy('big', 'regress_bx.t', pg_catalog.repeat('id = 1 OR ', 100000) || 'true');
SELECT steward.create_row_policy('big', 'regress_bx.t', 'owner = ''' || pg_catalog.repeat('x', 1048576) || '''');
SELECT steward.create_row_policy('big', 'regress_bx.t', pg_catalog.repeat(' ', 1048576) || 'true');
SELECT steward.create_row_policy('big', 'regress_bx.t', 'true', check_expr => pg_catalog.repeat('x', 1048576));
\set VERBOSITY sqlstate
-- Parentheses cost the parser a little; what is nested costs everybody.
SELECT steward.create_row_policy('deep1', 'regress_bx.t', pg_catalog.repeat('(', 4000) || 'true' || pg_catalog.repeat(')', 4000));
SELECT steward.create_row_policy('deep2', 'regress_bx.t', pg_catalog.repeat('(', 30000) || 'true' || pg_catalog.repeat(')', 30000));
SELECT steward.create_row_policy('deep3', 'regress_bx.t', pg_catalog.repeat('NOT ', 5000) || 'true');
SELECT steward.create_row_policy('deep4', 'regress_bx.t', pg_catalog.repeat('(SELECT ', 3000) || 'true' || pg_catalog.repeat(')', 3000));
SELECT steward.create_row_policy('deep5', 'regress_bx.t', '1' || pg_catalog.repeat('+1', 32000) || ' > 0');
SELECT steward.create_row_policy('wide', 'regress_bx.t', pg_catalog.repeat('id = 1 OR ', 6000) || 'id = 4');
\set VERBOSITY default
SELECT steward.create_row_policy('deep6', 'regress_bx.t', pg_catalog.repeat('(SELECT ', 150) || 'true' || pg_catalog.repeat(')', 150));
SELECT steward.create_row_policy('deep7', 'regress_bx.t', '1' || pg_catalog.repeat('+1', 150) || ' = id + 150');
SELECT name FROM steward.row_policy WHERE name ~ 'deep|wide' ORDER BY 1;
SET ROLE regress_bx_user;
SELECT id FROM regress_bx.t ORDER BY id;

-- A thousand policies a table, and no more.
SET ROLE regress_bx_admin;
SELECT pg_catalog.count(steward.drop_row_policy(name, relation)) FROM steward.row_policy;
SELECT pg_catalog.count(steward.create_row_policy('p' || i, 'regress_bx.t', 'id = ' || i, valid_until => CASE WHEN i % 2 = 0 THEN '2100-01-01'::timestamptz + i * '1 day'::interval END)) FROM pg_catalog.generate_series(1, 1000) AS i;
SELECT steward.create_row_policy('p1001', 'regress_bx.t', 'true');
SELECT steward.create_row_policy('p1000', 'regress_bx.t', 'id = 1000', replace => true);
SET ROLE regress_bx_user;
SELECT id FROM regress_bx.t ORDER BY id;
-- Among them many sub-selects.
SET ROLE regress_bx_admin;
SELECT pg_catalog.count(steward.create_row_policy('p' || i, 'regress_bx.t', 'id IN (SELECT c.id FROM regress_bx.consent c WHERE c.id <> ' || i || ')', replace => true)) FROM pg_catalog.generate_series(1, 50) AS i;
SET ROLE regress_bx_user;
SELECT id FROM regress_bx.t ORDER BY id;
RESET ROLE;
DROP SCHEMA regress_bx CASCADE;
