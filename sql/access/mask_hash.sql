-- mask_hash(): keyed pseudonyms, for masks and for those who write them.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_hash_user;
CREATE ROLE regress_hash_owner;
CREATE ROLE regress_hash_admin IN ROLE steward_admin;
CREATE SCHEMA regress_hash;
GRANT ALL ON SCHEMA regress_hash TO regress_hash_user;
RESET client_min_messages;

-- no key before it is needed, and then one
SELECT count(*) FROM steward.mask_key;
SELECT steward.mask_hash(1);
CREATE TABLE regress_patient (id int PRIMARY KEY, ssn text, short smallint, num int, big bigint, code varchar(30), fixed char(24), raw bytea, guid uuid, amount numeric, city text);
INSERT INTO regress_patient
    SELECT g, 'canary-' || g, g, g, g, 'canary-' || g, 'canary-' || g, convert_to('canary-' || g, 'UTF8'), ('00000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid, g * 1.0, 'Bern'
    FROM generate_series(1, 3) g;
INSERT INTO regress_patient (id) VALUES (4);
CREATE TABLE regress_visit (patient text, num int, reason text);
INSERT INTO regress_visit VALUES ('canary-2', 2, 'canary reason');
GRANT ALL ON regress_patient, regress_visit TO regress_hash_user;
SET ROLE regress_hash_admin;
SELECT steward.protect('regress_patient'), steward.protect('regress_visit');
SELECT steward.create_row_policy('all', r, 'true', commands => '{all}') FROM unnest('{regress_patient,regress_visit}'::regclass[]) r;
SELECT steward.create_mask(c, 'regress_patient', c::name, format('steward.mask_hash(%I)', c))
    FROM unnest('{ssn,short,num,big,code,fixed,raw,guid,amount}'::text[]) c;
SELECT steward.create_mask('patient', 'regress_visit', 'patient', 'steward.mask_hash(patient)');
SELECT steward.create_mask('num', 'regress_visit', 'num', 'CASE WHEN reason IS NOT NULL THEN steward.mask_hash(num) END');
RESET ROLE;
SELECT count(*), bool_and(position('pg_steward' in encode(wrapped, 'escape')) = 0) AS wrapped FROM steward.mask_key;

-- typed as the columns are, equal where the values are, for texts of every type
SET ROLE regress_hash_user;
SELECT count(*), count(ssn) AS ssn, count(num) AS num, count(DISTINCT ssn) AS different FROM regress_patient;
SELECT pg_typeof(ssn), pg_typeof(short), pg_typeof(num), pg_typeof(big), pg_typeof(code), pg_typeof(fixed), pg_typeof(raw), pg_typeof(guid), pg_typeof(amount) FROM regress_patient WHERE id = 1;
SELECT length(ssn), length(code), length(fixed), octet_length(fixed), length(raw), ssn = code AS varchar, ssn = fixed::text AS char, ssn ~ '^[A-Za-z0-9_-]{22}$' AS digits,
       guid::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS version_8,
       amount = trunc(amount) AND amount BETWEEN 0 AND 1e36 AS whole FROM regress_patient WHERE id < 4;
SELECT p.id, v.reason FROM regress_patient p JOIN regress_visit v ON v.patient = p.ssn AND v.num = p.num;
SELECT count(*) FROM regress_patient WHERE ssn LIKE 'canary%' OR num = id OR big = id OR raw::text LIKE '%canary%' OR amount < 1000 OR guid::text LIKE '00000000%';
SELECT count(*) FROM regress_patient WHERE num::bigint = big OR ssn = encode(raw, 'escape');
UPDATE regress_patient SET city = 'Rome' WHERE ssn = 'canary-1';
SELECT ssn AS seen FROM regress_patient WHERE id = 1 \gset
UPDATE regress_patient SET city = 'Rome' WHERE ssn = :'seen' RETURNING id, ssn = :'seen' AS same;
UPDATE regress_patient SET ssn = ssn;
-- ... in every session
\c -
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET ROLE regress_hash_user;
SELECT id FROM regress_patient WHERE ssn = :'seen';
EXPLAIN (VERBOSE, COSTS OFF) SELECT ssn FROM regress_patient WHERE id = 1;
RESET ROLE;
-- 1.0 and 1.00 are equal, and so are values that differ in blanks at the end of a char
SELECT steward.mask_hash(1.0) = steward.mask_hash(1.00) AS numeric, steward.mask_hash('x'::char(3)) = steward.mask_hash('x'::char(9)) AS char,
       steward.mask_hash('x'::text) <> steward.mask_hash('x '::text) AS text, steward.mask_hash('x'::text) <> steward.mask_hash('X'::text) AS letters,
       steward.mask_hash(NULL::text) IS NULL AS null, length(steward.mask_hash(''::text)) AS empty, steward.mask_hash('NaN'::numeric) IS NOT NULL AS nan;

-- integers: a permutation
SELECT count(DISTINCT steward.mask_hash(g::smallint)) FROM generate_series(-32768, 32767) g;
SELECT count(DISTINCT steward.mask_hash(g)) AS int, count(DISTINCT steward.mask_hash(g::bigint)) AS bigint, count(DISTINCT steward.mask_hash(g * 4294967296)) AS high,
       count(*) FILTER (WHERE steward.mask_hash(g) = g) < 3 AS moved, count(*) FILTER (WHERE steward.mask_hash(g) < 0) BETWEEN 48000 AND 52000 AS even FROM generate_series(-50000, 49999) g;
SELECT pg_typeof(steward.mask_hash((-9223372036854775808)::bigint)), pg_typeof(steward.mask_hash(2147483647));

-- nobody asks it about values of his choice: not directly, not through anything
SET ROLE regress_hash_user;
SELECT steward.mask_hash('canary-1'::text);
SELECT steward.mask_hash(NULL::text);
SELECT * FROM steward.mask_hash(1);
SELECT id FROM regress_patient WHERE ssn = steward.mask_hash('canary-1'::text);
PREPARE guess (text) AS SELECT id FROM regress_patient WHERE ssn = steward.mask_hash($1);
EXECUTE guess ('canary-1');
CREATE VIEW regress_hash.v AS SELECT steward.mask_hash(g::text) AS h FROM generate_series(1, 2) g;
SELECT * FROM regress_hash.v;
CREATE FUNCTION regress_hash.f(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT steward.mask_hash($1)';
SELECT regress_hash.f('canary-1');
CREATE FUNCTION regress_hash.b(text) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC SELECT steward.mask_hash($1); END;
SELECT regress_hash.b('canary-1');
CREATE FUNCTION regress_hash.d(text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN steward.mask_hash($1); END $$;
SELECT regress_hash.d('canary-1');
CREATE TABLE regress_hash.t (a text, b text GENERATED ALWAYS AS (steward.mask_hash(a)) STORED);
CREATE TABLE regress_hash.t (a text DEFAULT steward.mask_hash('canary-1'::text), b text CHECK (b <> steward.mask_hash(b)));
INSERT INTO regress_hash.t DEFAULT VALUES;
INSERT INTO regress_hash.t VALUES ('a', 'b');
CREATE INDEX ON regress_hash.t (steward.mask_hash(a));
CREATE OPERATOR regress_hash.### (FUNCTION = steward.mask_hash, RIGHTARG = anyelement);
CREATE AGGREGATE regress_hash.a (*) (SFUNC = steward.mask_hash, STYPE = text, INITCOND = 'canary-1');
SELECT regress_hash.a(*);
SELECT max(x) FROM (SELECT OPERATOR(regress_hash.###) 1 AS x) s;
CREATE AGGREGATE regress_hash.fin (text) (SFUNC = textcat, STYPE = text, FINALFUNC = steward.mask_hash);
SELECT regress_hash.fin('x');
COPY (SELECT steward.mask_hash(1)) TO stdout;
DO $$ BEGIN PERFORM steward.mask_hash(1); END $$;
SELECT steward.create_mask('mine', 'regress_hash.t', 'a', 'steward.mask_hash(a)');
SELECT steward.new_mask_key();
SELECT steward.make_mask_key();
SELECT * FROM steward.mask_key;
SELECT OVERLAY(steward.mask_hash('a'::text) PLACING '' FROM 1);
SELECT steward.mask_hash(VARIADIC ARRAY[1]);
-- a definer function or view of an administrator lends nobody his rights
RESET ROLE;
CREATE FUNCTION regress_hash.admins(text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN steward.mask_hash($1); END $$;
ALTER FUNCTION regress_hash.admins OWNER TO regress_hash_admin;
CREATE VIEW regress_hash.roots AS SELECT steward.mask_hash('canary-1'::text);
GRANT SELECT ON regress_hash.roots TO regress_hash_user;
SET ROLE regress_hash_user;
SELECT regress_hash.admins('canary-1');
SELECT * FROM regress_hash.roots;
-- a view of somebody in an administrator's policy is not the administrator's
SET ROLE regress_hash_admin;
RESET ROLE;
GRANT USAGE ON SCHEMA regress_hash TO regress_hash_admin;
GRANT SELECT ON regress_hash.v TO regress_hash_admin;
SET ROLE regress_hash_admin;
SELECT steward.create_row_policy('hashed', 'regress_visit', 'EXISTS (SELECT FROM regress_hash.v WHERE h = patient)', effect => 'deny');
SET ROLE regress_hash_user;
SELECT count(*) FROM regress_visit;
SET ROLE regress_hash_admin;
SELECT steward.drop_row_policy('hashed', 'regress_visit');
-- those who may write masks call it, and hash in policies
SELECT steward.mask_hash('canary-1'::text) = :'seen' AS same;
SELECT steward.create_row_policy('two', 'regress_visit', 'steward.mask_hash(num) <> steward.mask_hash(2)', effect => 'deny');
SELECT steward.create_mask('reason', 'regress_visit', 'reason', '(SELECT string_agg(steward.mask_hash(x), '' '') FROM unnest(ARRAY[reason, ''b'']) x)');
SET ROLE regress_hash_user;
SELECT count(*), bool_and(reason ~ '^.{22} .{22}$') AS hashed FROM regress_visit;


-- masks by tag, on columns that come later and by owners who hold no key
RESET ROLE;
DELETE FROM steward.mask_key;
SET ROLE regress_hash_user;
SELECT ssn FROM regress_patient;
SET ROLE regress_hash_admin;
SELECT steward.create_tag_mask('id', 'id', 'steward.U&"mask\005fhash"(value)');
RESET ROLE;
SELECT count(*) FROM steward.mask_key;
CREATE TABLE regress_tagged (id int, name text);
ALTER TABLE regress_tagged OWNER TO regress_hash_owner;
GRANT SELECT ON regress_tagged TO regress_hash_user;
SELECT steward.protect('regress_tagged');
SELECT steward.create_row_policy('all', 'regress_tagged', 'true', commands => '{all}');
SET ROLE regress_hash_owner;
ALTER TABLE regress_tagged ADD COLUMN ssn text;
SECURITY LABEL FOR steward ON COLUMN regress_tagged.ssn IS 'id';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.id IS 'id';
ALTER TABLE regress_tagged ADD COLUMN born date, ADD COLUMN short varchar(10);
SECURITY LABEL FOR steward ON COLUMN regress_tagged.born IS 'id';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.short IS 'id';
INSERT INTO regress_tagged (id, ssn) VALUES (1, 'canary-1');
SET ROLE regress_hash_user;
SELECT t.ssn = p.ssn AS joined, t.ssn <> :'seen' AS another_key FROM regress_tagged t JOIN regress_patient p ON t.id = p.num;

-- what does not fit is refused when the mask is written
RESET ROLE;
CREATE DOMAIN regress_email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN regress_plain AS text;
CREATE TABLE regress_types (id int, born date, at timestamptz, ratio float8, yes boolean, doc jsonb, v10 varchar(10), c21 char(21), c22 char(22), n numeric(10, 2), n36 numeric(38, 2), n19 numeric(19), mail regress_email, plain regress_plain, letter "char", ids int[], small smallint, big bigint);
INSERT INTO regress_types (c22, plain, n36, n19, big) VALUES ('canary', 'canary', 1, 1, 1);
GRANT SELECT ON regress_types TO regress_hash_user;
SELECT steward.protect('regress_types');
SELECT steward.create_row_policy('all', 'regress_types', 'true', commands => '{all}');
\set VERBOSITY default
SELECT steward.create_mask('e', 'regress_types', 'born', 'steward.mask_hash(born)');
SELECT steward.create_mask('e', 'regress_types', 'v10', 'steward.mask_hash(v10)');
\set VERBOSITY terse
DO $$
DECLARE
    t text[];
    hint text;
BEGIN
    FOREACH t SLICE 1 IN ARRAY ARRAY[['at', 'steward.mask_hash(at)'], ['ratio', 'steward.mask_hash(ratio)'], ['yes', 'steward.mask_hash(yes)'], ['doc', 'steward.mask_hash(doc)'],
        ['doc', 'to_jsonb(steward.mask_hash(born))'], ['letter', 'steward.mask_hash(letter)'], ['ids', 'steward.mask_hash(ids)'], ['mail', 'steward.mask_hash(mail)'],
        ['mail', 'steward.mask_hash(mail::text)'], ['plain', 'steward.mask_hash(plain)'], ['c21', 'steward.mask_hash(c21)'], ['v10', 'coalesce(steward.mask_hash(v10), ''x'')'],
        ['v10', 'CASE WHEN id > 1 THEN ''x'' ELSE steward.mask_hash(plain::text) COLLATE "C" END'], ['n', 'steward.mask_hash(n)'], ['n', 'steward.mask_hash(id)'], ['small', 'steward.mask_hash(id)'],
        ['id', 'steward.mask_hash(big)'], ['id', 'steward.mask_hash(n)'], ['v10', 'steward.mask_hash(id)'], ['plain', 'steward.mask_hash(ARRAY[1])::text'], ['plain', 'steward.mask_hash(''x'')']]
    LOOP
        BEGIN
            PERFORM steward.create_mask('e', 'regress_types', t[1]::name, t[2]);
            RAISE WARNING '% was let in', t;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
            RAISE NOTICE '%: % % %', t[1], SQLSTATE, SQLERRM, hint;
        END;
    END LOOP;
END $$;
SELECT steward.create_row_policy('e', 'regress_types', 'steward.mask_hash(born) IS NULL');
SELECT steward.mask_hash(date '2020-01-01');
SELECT steward.mask_hash('x'::regress_plain);
-- and what does fit works
SELECT steward.create_mask(c, 'regress_types', c::name, e) FROM (VALUES ('c22', 'steward.mask_hash(c22)'), ('plain', 'steward.mask_hash(plain::text)'), ('v10', 'left(steward.mask_hash(plain::text), 10)'),
    ('n36', 'steward.mask_hash(n36)'), ('n19', 'steward.mask_hash(big)'), ('big', 'steward.mask_hash(id)')) AS m (c, e);
SET ROLE regress_hash_user;
SELECT length(c22), c22::text = plain AS same, left(plain, 10) = v10 AS cut, n36 > 1000 AS n36, n19 IS NOT NULL AS n19, big FROM regress_types;

-- partitions, also one that leaves
RESET ROLE;
CREATE TABLE regress_hp (id int, ssn text) PARTITION BY RANGE (id);
CREATE TABLE regress_hp1 PARTITION OF regress_hp FOR VALUES FROM (0) TO (10);
INSERT INTO regress_hp VALUES (1, 'canary-1');
GRANT SELECT ON regress_hp, regress_hp1 TO regress_hash_user;
SELECT steward.protect('regress_hp');
SELECT steward.create_row_policy('all', 'regress_hp', 'true');
SELECT steward.create_mask('ssn', 'regress_hp', 'ssn', 'steward.mask_hash(ssn)');
SET ROLE regress_hash_user;
SELECT h.id FROM regress_hp h JOIN regress_hp1 USING (ssn) JOIN regress_patient p USING (ssn);
RESET ROLE;
ALTER TABLE regress_hp DETACH PARTITION regress_hp1;
SET ROLE regress_hash_user;
SELECT h.id FROM regress_hp1 h JOIN regress_patient p USING (ssn);

-- parallel workers
RESET ROLE;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET ROLE regress_hash_user;
SELECT count(ssn), count(DISTINCT ssn) FROM regress_patient;
RESET ROLE;
