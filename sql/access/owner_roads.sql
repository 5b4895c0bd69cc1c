--
-- Roads on which the owner of a governed table tries to see hidden rows:
-- code of his own that PostgreSQL would run for every row.
--
-- Whatever regress_leak() is given ends up in a NOTICE: there must be none
-- with a secret in it.
--
\set SHOW_CONTEXT never
CREATE EXTENSION pg_steward;
CREATE ROLE regress_owner;
CREATE ROLE regress_admin;
GRANT steward_admin TO regress_admin;
GRANT CREATE ON DATABASE regression TO regress_owner;
GRANT CREATE ON SCHEMA public TO regress_owner;

SET ROLE regress_owner;
CREATE TABLE regress_gov (id int PRIMARY KEY, region text NOT NULL, secret text, amount float8, span int4range);
INSERT INTO regress_gov SELECT i, CASE i % 2 WHEN 0 THEN 'eu' ELSE 'us' END, 'secret ' || i, i * 100, int4range(i, i + 2)
    FROM generate_series(1, 6) i;
CREATE FUNCTION regress_leak(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK %', $1;
    RETURN true;
END $$;
CREATE FUNCTION regress_leak_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'LEAK %', new;
    RETURN new;
END $$;
-- what a careless superuser may have left lying about
RESET ROLE;
CREATE FUNCTION regress_run(command text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    EXECUTE command;
END $$;

-- ungoverned, everything works, and leaks
SET ROLE regress_owner;
BEGIN;
CREATE INDEX ON regress_gov (regress_leak(secret));
ROLLBACK;

RESET ROLE;
SELECT steward.protect('regress_gov');
SELECT steward.create_row_policy('eu', 'regress_gov', $$region = 'eu'$$, roles => '{regress_owner}', commands => '{all}');
SET ROLE regress_owner;
SELECT id FROM regress_gov ORDER BY id;

-- indexes
CREATE INDEX ON regress_gov (regress_leak(secret));
CREATE INDEX CONCURRENTLY ON regress_gov (regress_leak(secret));
CREATE INDEX ON regress_gov ((secret || 'x'));
CREATE INDEX ON regress_gov ((secret::int));
CREATE INDEX ON regress_gov (id) WHERE regress_leak(secret);
-- its size would be an answer
CREATE INDEX ON regress_gov (id) WHERE id = 5 AND amount > 400;
-- its failure would be one
CREATE UNIQUE INDEX ON regress_gov ((CASE WHEN id = 5 AND amount > 400 THEN 1 ELSE id END));
ALTER TABLE regress_gov ADD EXCLUDE USING btree ((regress_leak(secret)) WITH =);
ALTER TABLE regress_gov ADD EXCLUDE USING btree (id WITH =) WHERE (amount > 400);
-- an operator of his own
CREATE FUNCTION regress_leak_op(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK %', $1;
    RETURN true;
END $$;
CREATE OPERATOR === (FUNCTION = regress_leak_op, LEFTARG = text, RIGHTARG = text);
CREATE INDEX ON regress_gov ((secret === 'x'));
-- a cast of his own
CREATE TYPE regress_pair AS (v text);
CREATE FUNCTION regress_leak_cast(text) RETURNS regress_pair LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK %', $1;
    RETURN ROW($1)::regress_pair;
END $$;
CREATE CAST (text AS regress_pair) WITH FUNCTION regress_leak_cast(text) AS ASSIGNMENT;
CREATE INDEX ON regress_gov ((secret::regress_pair));
-- those that show nothing are fine
CREATE INDEX regress_gov_secret ON regress_gov (secret);
CREATE INDEX regress_gov_region ON regress_gov ((region = 'eu'));
CREATE UNIQUE INDEX regress_gov_unique ON regress_gov (id, region);
REINDEX TABLE regress_gov;
REINDEX TABLE CONCURRENTLY regress_gov;
DROP INDEX regress_gov_secret, regress_gov_region, regress_gov_unique;
-- a duplicate among hidden rows is not shown
CREATE UNIQUE INDEX ON regress_gov (region);

-- constraints
ALTER TABLE regress_gov ADD CHECK (regress_leak(secret));
ALTER TABLE regress_gov ADD CHECK (regress_leak(secret)) NOT VALID;
ALTER TABLE regress_gov ADD CHECK (secret <> 'secret 5');
ALTER TABLE regress_gov ADD CHECK (secret::int > 0) NOT VALID;
ALTER TABLE regress_gov ADD COLUMN checked int CHECK (regress_leak(checked));
ALTER TABLE regress_gov ADD CONSTRAINT regress_positive CHECK (id > 0) NOT VALID;
ALTER TABLE regress_gov RENAME CONSTRAINT regress_positive TO regress_id_positive;
ALTER TABLE regress_gov VALIDATE CONSTRAINT regress_id_positive;
ALTER TABLE regress_gov DROP CONSTRAINT regress_id_positive;

-- domains
CREATE DOMAIN regress_word AS text;
CREATE DOMAIN regress_short AS regress_word;
ALTER TABLE regress_gov ADD COLUMN word regress_short;
ALTER TABLE regress_gov ADD COLUMN words regress_short[];
ALTER DOMAIN regress_word ADD CHECK (regress_leak(VALUE));
ALTER DOMAIN regress_word ADD CHECK (regress_leak(VALUE)) NOT VALID;
ALTER DOMAIN regress_word ADD CHECK (VALUE <> 'secret 5');
ALTER DOMAIN regress_word SET DEFAULT regress_leak('default'::text)::text;
ALTER DOMAIN regress_word SET DEFAULT 'none';
CREATE DOMAIN regress_bad AS text CONSTRAINT regress_bad_check CHECK (regress_leak(VALUE));
CREATE TYPE regress_wrapped AS (v regress_bad);
ALTER TABLE regress_gov ADD COLUMN bad regress_bad;
ALTER TABLE regress_gov ADD COLUMN bad regress_bad[];
ALTER TABLE regress_gov ADD COLUMN bad regress_wrapped;
ALTER TABLE regress_gov ALTER COLUMN secret TYPE regress_bad;
ALTER TABLE regress_gov ALTER COLUMN secret TYPE regress_word;
ALTER TABLE regress_gov DROP COLUMN word, DROP COLUMN words;
ALTER DOMAIN regress_word ADD CONSTRAINT regress_word_check CHECK (VALUE <> '') NOT VALID;
ALTER DOMAIN regress_word VALIDATE CONSTRAINT regress_word_check;
-- one that was constrained before it is used
RESET ROLE;
ALTER TABLE regress_gov ADD COLUMN bad regress_bad;
UPDATE regress_gov SET bad = 'bad';
SET ROLE regress_owner;
ALTER DOMAIN regress_bad DROP CONSTRAINT regress_bad_check;
ALTER DOMAIN regress_bad ADD CONSTRAINT regress_bad_check CHECK (regress_leak(VALUE)) NOT VALID;
RESET ROLE;
ALTER DOMAIN regress_bad ADD CONSTRAINT regress_bad_check CHECK (regress_leak(VALUE)) NOT VALID;
SET ROLE regress_owner;
ALTER DOMAIN regress_bad VALIDATE CONSTRAINT regress_bad_check;
ALTER TABLE regress_gov DROP COLUMN bad;

-- other types with code of his
CREATE FUNCTION regress_leak_diff(float8, float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK % %', $1, $2;
    RETURN $1 - $2;
END $$;
CREATE TYPE regress_range AS RANGE (subtype = float8, subtype_diff = regress_leak_diff);
ALTER TABLE regress_gov ADD COLUMN r regress_range;
ALTER TABLE regress_gov ADD COLUMN r regress_multirange;
CREATE TYPE regress_mood AS ENUM ('good', 'bad');
ALTER TABLE regress_gov ADD COLUMN mood regress_mood DEFAULT 'good';

-- changing a type
ALTER TABLE regress_gov ALTER COLUMN secret TYPE boolean USING regress_leak(secret);
ALTER TABLE regress_gov ALTER COLUMN secret TYPE int USING secret::int;
ALTER TABLE regress_gov ALTER COLUMN secret TYPE regress_pair;
ALTER TABLE regress_gov ALTER COLUMN amount TYPE numeric;
ALTER TABLE regress_gov ALTER COLUMN amount TYPE float8;

-- defaults run with the rights of whoever inserts
ALTER TABLE regress_gov ALTER COLUMN amount SET DEFAULT regress_leak(1)::int;
ALTER TABLE regress_gov ADD COLUMN d boolean DEFAULT regress_leak(1);
ALTER TABLE regress_gov ALTER COLUMN secret SET DEFAULT query_to_xml('SELECT 1', true, true, '')::text;
ALTER TABLE regress_gov ALTER COLUMN secret SET DEFAULT gen_random_uuid()::text;
ALTER TABLE regress_gov ALTER COLUMN secret DROP DEFAULT;
-- computed columns copy others
ALTER TABLE regress_gov ADD COLUMN g boolean GENERATED ALWAYS AS (regress_leak(secret)) STORED;
ALTER TABLE regress_gov ADD COLUMN g text GENERATED ALWAYS AS (secret) STORED;
ALTER TABLE regress_gov ADD COLUMN g int GENERATED ALWAYS AS IDENTITY;

-- statistics
CREATE STATISTICS regress_stats ON (regress_leak(secret)), id FROM regress_gov;
CREATE STATISTICS regress_stats ON id, region FROM regress_gov;
ANALYZE regress_gov;
SELECT count(*) FROM pg_stats WHERE tablename = 'regress_gov';
SELECT count(*) FROM pg_stats_ext WHERE tablename = 'regress_gov';

-- triggers and rules see what others write
CREATE TRIGGER regress_trigger BEFORE INSERT ON regress_gov FOR EACH ROW EXECUTE FUNCTION regress_leak_row();
CREATE TRIGGER regress_trigger AFTER UPDATE ON regress_gov REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION regress_leak_row();
CREATE CONSTRAINT TRIGGER regress_trigger AFTER INSERT ON regress_gov FOR EACH ROW EXECUTE FUNCTION regress_leak_row();
CREATE RULE regress_rule AS ON INSERT TO regress_gov DO ALSO SELECT regress_leak(new.secret);
-- those that are there cannot be altered
RESET ROLE;
CREATE FUNCTION regress_note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER regress_noted BEFORE INSERT ON regress_gov FOR EACH ROW EXECUTE FUNCTION regress_note();
CREATE RULE regress_ruled AS ON INSERT TO regress_gov WHERE false DO INSTEAD NOTHING;
SET ROLE regress_owner;
ALTER TABLE regress_gov DISABLE TRIGGER regress_noted;
ALTER TABLE regress_gov DISABLE TRIGGER USER;
ALTER TABLE regress_gov DISABLE RULE regress_ruled;
CREATE OR REPLACE TRIGGER regress_noted BEFORE INSERT ON regress_gov FOR EACH ROW EXECUTE FUNCTION regress_leak_row();
CREATE OR REPLACE RULE regress_ruled AS ON INSERT TO regress_gov DO ALSO SELECT regress_leak(new.secret);
DROP TRIGGER regress_noted ON regress_gov;
DROP RULE regress_ruled ON regress_gov;

-- native policies are asked about rows before ours
CREATE POLICY regress_native ON regress_gov USING (regress_leak(secret));
ALTER POLICY eu ON regress_gov USING (regress_leak(secret));
ALTER POLICY eu ON regress_gov RENAME TO us;
DROP POLICY eu ON regress_gov;
CREATE POLICY regress_native ON regress_gov TO steward_carrier USING (true);

-- functions that a governed table calls already
RESET ROLE;
CREATE FUNCTION regress_fine(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
ALTER FUNCTION regress_fine(text) OWNER TO regress_owner;
CREATE INDEX regress_approved ON regress_gov (regress_fine(secret));
SET ROLE regress_owner;
CREATE OR REPLACE FUNCTION regress_fine(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK %', $1;
    RETURN $1;
END $$;
ALTER FUNCTION regress_fine(text) SET search_path = public;
REINDEX INDEX regress_approved;
REINDEX INDEX CONCURRENTLY regress_approved;
CREATE INDEX ON regress_gov (regress_fine(secret));
DROP INDEX regress_approved;
CREATE OR REPLACE FUNCTION regress_fine(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';

-- truncation; also by reference
CREATE TABLE regress_top (id int PRIMARY KEY);
ALTER TABLE regress_gov ADD FOREIGN KEY (id) REFERENCES regress_top NOT VALID;
TRUNCATE regress_gov;
TRUNCATE regress_top CASCADE;
ALTER TABLE regress_gov DROP CONSTRAINT regress_gov_id_fkey;
TRUNCATE regress_top;

-- row security stays on, for everybody
ALTER TABLE regress_gov DISABLE ROW LEVEL SECURITY;
ALTER TABLE regress_gov NO FORCE ROW LEVEL SECURITY;
ALTER TABLE regress_gov ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;
ALTER TABLE regress_gov DISABLE ROW LEVEL SECURITY;
ALTER TABLE ONLY regress_gov ADD COLUMN x int, NO FORCE ROW LEVEL SECURITY;
SET ROLE regress_owner;

-- the same roads by way of others: DO, a function, a superuser's function,
-- a view of the catalog's name resolution
DO $$
BEGIN
    EXECUTE 'CREATE INDEX ON regress_gov (regress_leak(secret))';
END $$;
CREATE FUNCTION regress_self() RETURNS void LANGUAGE sql AS 'ALTER TABLE regress_gov ADD CHECK (regress_leak(secret))';
SELECT regress_self();
SELECT regress_run('CREATE INDEX ON public.regress_gov (public.regress_leak(secret))');
SELECT regress_run('ALTER TABLE public.regress_gov ADD CHECK (public.regress_leak(secret))');
SELECT regress_run('TRUNCATE public.regress_gov');
SELECT regress_run('CREATE TRIGGER t BEFORE INSERT ON public.regress_gov FOR EACH ROW EXECUTE FUNCTION public.regress_leak_row()');
SELECT regress_run('ALTER POLICY eu ON public.regress_gov USING (true)');
CREATE SCHEMA regress_other CREATE TABLE regress_inner (a int);
ALTER TABLE regress_gov SET SCHEMA regress_other;
ALTER TABLE regress_other.regress_gov RENAME TO regress_moved;
CREATE INDEX ON regress_other.regress_moved (regress_leak(secret));
ALTER TABLE regress_other.regress_moved RENAME TO regress_gov;
ALTER TABLE regress_other.regress_gov SET SCHEMA public;

-- a function called in the middle of another statement
CREATE TABLE regress_mine (a int);
INSERT INTO regress_mine VALUES (1);
CREATE FUNCTION regress_try(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '%: %', sqlstate, sqlerrm;
END $$;
CREATE FUNCTION regress_nested(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM public.regress_try('CREATE INDEX ON public.regress_gov (public.regress_leak(secret))');
    PERFORM public.regress_try('CREATE TRIGGER t BEFORE INSERT ON public.regress_gov FOR EACH ROW EXECUTE FUNCTION public.regress_leak_row()');
    PERFORM public.regress_try('CREATE OR REPLACE RULE r AS ON INSERT TO public.regress_gov DO ALSO SELECT public.regress_leak(new.secret)');
    PERFORM public.regress_try('SELECT steward.unprotect(''public.regress_gov'', ''mine'')');
    RETURN $1;
END $$;
CREATE INDEX regress_nested ON regress_mine (regress_nested(a));
REINDEX TABLE regress_mine;
ALTER TABLE regress_mine ALTER COLUMN a TYPE int USING regress_nested(a);
-- the owner's code runs as the owner also where a superuser makes it run
RESET ROLE;
REINDEX TABLE regress_mine;
ANALYZE regress_mine;
CREATE INDEX ON regress_mine (regress_nested((a + 1)::int));
SET ROLE regress_owner;

-- what is refused leaves nothing behind
SELECT conname FROM pg_constraint WHERE conrelid = 'regress_gov'::regclass AND contype <> 'n' ORDER BY 1;
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'regress_gov'::regclass ORDER BY 1;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'regress_gov'::regclass;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'regress_gov'::regclass;
SELECT id FROM regress_gov ORDER BY id;

-- an administrator may
SET ROLE regress_admin;
SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() + interval '1 hour', 'a migration');
SET ROLE regress_owner;
BEGIN;
CREATE INDEX ON regress_gov (regress_leak(id));
ROLLBACK;
-- but the policies stay ours
ALTER POLICY eu ON regress_gov USING (true);
DROP POLICY eu ON regress_gov;
ALTER TABLE regress_gov DROP COLUMN region CASCADE;

RESET ROLE;
SELECT steward.unprotect('regress_gov', 'over');
SET ROLE regress_owner;
CREATE INDEX ON regress_gov (id) WHERE amount > 100;
RESET ROLE;
DROP FUNCTION regress_run(text), regress_note() CASCADE;
DROP CAST (text AS regress_pair);
DROP OWNED BY regress_owner, regress_admin;
DROP EXTENSION pg_steward;
DROP ROLE regress_owner, regress_admin;
