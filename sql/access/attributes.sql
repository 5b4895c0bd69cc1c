-- access: attributes of roles in policies, and policies with sub-selects.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;

CREATE ROLE regress_at_admin;
CREATE ROLE regress_at_team;
CREATE ROLE regress_at_user;
CREATE ROLE regress_at_other;
GRANT steward_admin TO regress_at_admin;
GRANT regress_at_team TO regress_at_user;
CREATE TABLE regress_at (id integer, owner text, amount numeric, at timestamptz, day date, flag boolean, u uuid, f float8, tags text[], d interval, j jsonb);
INSERT INTO regress_at SELECT i, 'o' || i, i * 100, '2026-01-01 00:00Z'::timestamptz + i * '1 day'::interval, '2026-01-01'::date + i, i % 2 = 0,
	('00000000-0000-0000-0000-00000000000' || i)::uuid, i / 2.0, ARRAY['t' || i], i * '1 hour'::interval, pg_catalog.jsonb_build_object('k', i)
	FROM pg_catalog.generate_series(1, 5) AS i;
GRANT SELECT ON regress_at TO PUBLIC;
SELECT steward.protect('regress_at');

-- Types.
SET ROLE regress_at_admin;
SELECT steward.set_attribute('regress_at_user', 'text', '{o2}'), steward.set_attribute('regress_at_user', 'int', '{3}'), steward.set_attribute('regress_at_user', 'numeric', '{250.50}'),
	steward.set_attribute('regress_at_user', 'date', '{2026-01-03}'), steward.set_attribute('regress_at_user', 'at', '{2026-01-03 12:00+00}'), steward.set_attribute('regress_at_user', 'flag', '{true}'),
	steward.set_attribute('regress_at_user', 'u', '{00000000-0000-0000-0000-000000000004}'), steward.set_attribute('regress_at_user', 'f', '{1.5}'), steward.set_attribute('regress_at_user', 'ids', '{1,4,5}'),
	steward.set_attribute('regress_at_user', 'd', '{2 hours}'), steward.set_attribute('regress_at_user', 'array', '{"{t1,t5}"}'), steward.set_attribute('regress_at_user', 'empty', '{}'), steward.set_attribute('regress_at_user', 'bad', '{three}'),
	steward.set_attribute('regress_at_user', 'j', '{"{\"k\": 2}"}');
SET ROLE regress_at_user;
SELECT steward.attr('text') AS a, steward.attr('ids') AS b, steward.attr('empty') AS c, steward.attr('nowhere') AS d, pg_catalog.pg_typeof(steward.attr('ids')) AS e;
SELECT steward.attr('int', 0) AS int, steward.attr('numeric', 0::numeric) AS num, steward.attr('date', '1999-01-01'::date) AS date, steward.attr('at', 'epoch'::timestamptz) AS at,
	steward.attr('flag', false) AS flag, steward.attr('u', NULL::uuid) AS u, steward.attr('f', 0::float8) AS f, steward.attr('d', '0'::interval) AS d, steward.attr('array', '{}'::text[]) AS arr, steward.attr('ids', 0::smallint) AS first, steward.attr('j', '{}'::jsonb) AS j;
SELECT steward.attr('nowhere', 7) AS missing, steward.attr('empty', 8) AS empty, steward.attr('nowhere', NULL::text) IS NULL AS null, pg_catalog.pg_typeof(steward.attr('nowhere', 1::bigint)) AS type;
SELECT steward.attr('bad', 0);
SELECT steward.attr('int', ROW(1, 2));
SELECT steward.attr('int', '7');
-- Nobody inherits an attribute, nobody reads somebody else's.
SET ROLE regress_at_team;
SELECT steward.attr('int') IS NULL;
SET ROLE regress_at_user;
SELECT * FROM steward.role_attribute;

-- In policies.
SET ROLE regress_at_admin;
CREATE FUNCTION pg_temp.visible(expr text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM steward.create_row_policy('p', 'regress_at', expr, replace => true);
	SET LOCAL ROLE regress_at_user;
	SELECT pg_catalog.string_agg(id::text, ' ' ORDER BY id) INTO result FROM regress_at;
	RETURN COALESCE(result, 'none');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
\pset format unaligned
\pset tuples_only on
-- (a role that was set ends with the function's subtransaction only when it fails, so one transaction each)
SELECT pg_catalog.format('BEGIN; SELECT %L || E''\n    '' || pg_temp.visible(%1$L); ROLLBACK;', e) FROM pg_catalog.unnest(ARRAY[
	'owner = ANY (steward.attr(''text''))', 'owner = steward.attr(''text'', ''none''::text)',
	'id <= steward.attr(''int'', 0)', 'id = ANY (steward.attr(''ids'')::int[])', 'id = ANY ((steward.attr(''ids''))::bigint[])', 'amount < steward.attr(''numeric'', 0::numeric)',
	'at < steward.attr(''at'', ''-infinity''::timestamptz)', 'day = steward.attr(''date'', NULL::date)', 'flag = steward.attr(''flag'', false)', 'u = steward.attr(''u'', NULL::uuid)', 'f >= steward.attr(''f'', ''Infinity''::float8)',
	'd <= steward.attr(''d'', ''0''::interval)', 'tags && steward.attr(''array'', ''{}''::text[])', 'j @> steward.attr(''j'', ''{}''::jsonb)',
	'id <= steward.attr(''nowhere'', 0)', 'id <= steward.attr(''nowhere'', 2)', 'id = ANY (steward.attr(''nowhere'')::int[])', 'owner <> ALL (steward.attr(''nowhere''))', 'NOT (owner = ANY (steward.attr(''empty'')))', 'id = ANY (steward.attr(''empty'')::int[])',
	'id = steward.attr(''bad'', 0)', 'id = ANY (steward.attr(''text'')::int[])', 'id = steward.attr(''i'' || ''nt'', 0)', 'id = steward.attr(CASE WHEN id > 0 THEN ''int'' ELSE ''no'' END, 0)',
	'steward.subject() = ''regress_at_user'' AND id = 1', 'id = 2 AND steward.current_purpose() IS NULL', 'CASE WHEN steward.attr(''flag'', false) THEN id = 5 ELSE false END', 'id BETWEEN steward.attr(''nowhere'', 2) AND steward.attr(''int'', 0)', 'COALESCE(steward.attr(''nowhere'', NULL::integer), steward.attr(''int'', 0)) = id',
	'GREATEST(id, steward.attr(''int'', 0)) = id', '(steward.attr(''ids''))[2:3]::int[] @> ARRAY[id]', 'id IN (SELECT pg_catalog.unnest(steward.attr(''ids''))::integer)', 'EXISTS (SELECT FROM pg_catalog.unnest(steward.attr(''ids'')) AS a WHERE a::integer = id)']) AS e \gexec
\pset format aligned
\pset tuples_only off

-- A change is seen at the next execution, in prepared statements too.
SELECT steward.create_row_policy('p', 'regress_at', 'id <= steward.attr(''limit'', 0)');
SELECT steward.set_attribute('regress_at_user', 'limit', '{1}');
SET ROLE regress_at_user;
PREPARE q AS SELECT id FROM regress_at ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE q;
SET ROLE regress_at_admin;
SELECT steward.set_attribute('regress_at_user', 'limit', '{2}');
SET ROLE regress_at_user;
EXECUTE q;
SET ROLE regress_at_admin;
SELECT steward.set_attribute('regress_at_user', 'limit', NULL);
SET ROLE regress_at_user;
EXECUTE q;
BEGIN;
SET LOCAL ROLE regress_at_admin;
SELECT steward.set_attribute('regress_at_user', 'limit', '{5}');
SET LOCAL ROLE regress_at_user;
EXECUTE q;
ROLLBACK;
SET ROLE regress_at_user;
EXECUTE q;
DEALLOCATE q;
-- The role renamed keeps it; another of the old name has nothing.
RESET ROLE;
SELECT steward.set_attribute('regress_at_other', 'limit', '{3}');
ALTER ROLE regress_at_other RENAME TO "regress_at Renamed";
CREATE ROLE regress_at_other;
SET ROLE "regress_at Renamed";
SELECT id FROM regress_at ORDER BY id;
SET ROLE regress_at_other;
SELECT id FROM regress_at ORDER BY id;

-- Sub-selects: on a consent table, which the user may not read.
RESET ROLE;
CREATE TABLE regress_at_consent (customer integer, purpose text);
INSERT INTO regress_at_consent VALUES (1, 'a'), (3, 'a'), (4, 'b');
GRANT SELECT ON regress_at_consent TO regress_at_admin;
GRANT SELECT ON regress_at TO regress_at_admin;
SET ROLE regress_at_admin;
SELECT steward.create_row_policy('p', 'regress_at', 'EXISTS (SELECT FROM regress_at_consent c WHERE c.customer = regress_at.id)', replace => true);
SELECT steward.create_row_policy('p', 'regress_at', 'EXISTS (SELECT FROM public.regress_at_consent c WHERE c.customer = regress_at.id)', replace => true);
SET ROLE regress_at_user;
SELECT * FROM regress_at_consent;
SELECT id FROM regress_at ORDER BY id;
PREPARE q AS SELECT id FROM regress_at ORDER BY id;
EXECUTE q;
RESET ROLE;
UPDATE regress_at_consent SET customer = 5 WHERE customer = 4;
SET ROLE regress_at_user;
EXECUTE q;
-- The consent table governed as well: policies read it ungoverned.
RESET ROLE;
SELECT steward.protect('regress_at_consent');
SET ROLE regress_at_user;
EXECUTE q;
-- On the governed table itself, where native row security recurses.
SET ROLE regress_at_admin;
SELECT steward.create_row_policy('p', 'regress_at', 'amount >= (SELECT pg_catalog.avg(x.amount) FROM public.regress_at x) AND steward.subject() ~ ''user''', replace => true);
SET ROLE regress_at_user;
EXECUTE q;
-- On each other.
SET ROLE regress_at_admin;
SELECT steward.create_row_policy('p', 'regress_at_consent', 'customer IN (SELECT x.id FROM public.regress_at x)');
SELECT steward.create_row_policy('p', 'regress_at', 'id IN (SELECT c.customer FROM public.regress_at_consent c)', replace => true);
SET ROLE regress_at_user;
EXECUTE q;
RESET ROLE;
GRANT SELECT ON regress_at_consent TO regress_at_user;
SET ROLE regress_at_user;
SELECT * FROM regress_at_consent ORDER BY 1;
SELECT a.id, c.customer FROM regress_at a JOIN regress_at_consent c ON c.customer = a.id ORDER BY 1;
RESET ROLE;
-- What native row security does there.
CREATE TABLE regress_at_native (id integer);
ALTER TABLE regress_at_native ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON regress_at_native USING (id = (SELECT pg_catalog.max(x.id) FROM regress_at_native x));
GRANT SELECT ON regress_at_native TO regress_at_user;
SET ROLE regress_at_user;
SELECT * FROM regress_at_native;
-- A creator who loses his right takes the policy's with him, loudly.
RESET ROLE;
REVOKE SELECT ON regress_at_consent FROM regress_at_admin;
SET ROLE regress_at_user;
EXECUTE q;
RESET ROLE;
GRANT SELECT ON regress_at_consent TO regress_at_admin;
SET ROLE regress_at_user;
EXECUTE q;
-- What a policy uses is not dropped behind its back, and renames are followed.
RESET ROLE;
ALTER TABLE regress_at_consent DROP COLUMN customer;
DROP TABLE regress_at_consent;
ALTER TABLE regress_at_consent RENAME COLUMN customer TO client;
ALTER TABLE regress_at_consent RENAME TO regress_at_approval;
ALTER TABLE regress_at RENAME COLUMN id TO number;
DEALLOCATE q;
SET ROLE regress_at_user;
SELECT number FROM regress_at ORDER BY number;
RESET ROLE;
DROP TABLE regress_at, regress_at_approval, regress_at_native;
