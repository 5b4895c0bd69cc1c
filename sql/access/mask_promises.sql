-- What is promised of masks, and has no test elsewhere.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_promise_user;
CREATE ROLE regress_promise_owner;
CREATE SCHEMA regress_promise;
GRANT ALL ON SCHEMA regress_promise TO regress_promise_user, regress_promise_owner;
SET search_path = regress_promise, public;
CREATE FUNCTION told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    context text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
    RETURN format('%s: %s (%s)%s', SQLSTATE, SQLERRM, detail, CASE WHEN context ~ 'canary' THEN ' and tells in its context' END);
END $$;
CREATE TABLE secret (id int PRIMARY KEY, ssn text NOT NULL, age text, born text, zone text, rel text, doc text, city text NOT NULL CHECK (city <> 'bad'), grp int, during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO secret VALUES (1, 'canary-1', 'canary', 'canary', 'canary', 'canary', '{canary', 'Bern', 1, '[1,5)'), (2, 'canary-2', '42', '1980-05-05', 'UTC', 'pg_class', '{}', 'Rome', 2, '[5,9)');
CREATE TABLE child (id int, secret int REFERENCES secret ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO child VALUES (1, 1);
ALTER TABLE secret OWNER TO regress_promise_owner;
SET ROLE regress_promise_owner;
CREATE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION on_statement() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER on_row BEFORE UPDATE ON secret FOR EACH ROW EXECUTE FUNCTION on_row();
CREATE TRIGGER on_statement AFTER UPDATE ON secret REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION on_statement();
CREATE STATISTICS secret_mcv (mcv) ON ssn, city FROM secret;
CREATE STATISTICS secret_expr ON upper(ssn), city FROM secret;
RESET ROLE;
INSERT INTO secret (id, ssn, city) SELECT g, 'canary-' || g % 7, 'Oslo' FROM generate_series(100, 400) g;
ANALYZE secret;
GRANT ALL ON secret, child TO regress_promise_user;
SELECT steward.protect('secret'), steward.protect('child');
SELECT steward.create_row_policy('all', r, 'true', commands => '{all}') FROM unnest('{secret,child}'::regclass[]) r;
SELECT steward.create_mask('ssn', 'secret', 'ssn', '''hidden''');
RESET client_min_messages;

-- an error of a mask or of a policy quotes no value
SELECT steward.create_mask('age', 'secret', 'age', '(age::int / 10 * 10)::text');
SET ROLE regress_promise_user;
SELECT age FROM secret WHERE id = 2;
SELECT age FROM secret WHERE id = 1;
SELECT id FROM secret WHERE age = '40';
SELECT told('SELECT max(age) FROM secret');
SELECT told('UPDATE secret SET grp = 3 WHERE id = 1 RETURNING age');
DO $$ BEGIN PERFORM age FROM regress_promise.secret; EXCEPTION WHEN data_exception THEN RAISE NOTICE '%', SQLERRM; END $$;
RESET ROLE;
DO $$
DECLARE
    expr text;
BEGIN
    FOREACH expr IN ARRAY ARRAY['date_trunc(''year'', born::timestamp)::text', 'to_date(born, ''YYYY-MM-DD'')::text', '(now() AT TIME ZONE zone)::text', 'rel::regclass::text', 'rel::regtype::text',
        'rel::regnamespace::text', 'make_date(1980, 5, born::int)::text', 'steward.mask_bucket(born::numeric, 5)::text', 'decode(born, ''hex'')::text', 'chr(born::int)', '(born::int[])[1]::text',
        'CASE WHEN id = 1 THEN (SELECT born::int)::text END']
    LOOP
        PERFORM steward.create_mask('born', 'secret', 'born', expr, replace => true);
        SET ROLE regress_promise_user;
        RAISE NOTICE '%: %', expr, told('SELECT born FROM regress_promise.secret WHERE id = 1');
        RESET ROLE;
    END LOOP;
    PERFORM steward.drop_mask('born', 'secret');
    PERFORM steward.create_row_policy('odd', 'secret', 'born::int > 5', effect => 'deny');
    SET ROLE regress_promise_user;
    RAISE NOTICE 'policy: %', told('SELECT id FROM regress_promise.secret WHERE id = 1');
    RESET ROLE;
    PERFORM steward.drop_row_policy('odd', 'secret');
END $$;
SELECT steward.create_mask('doc', 'secret', 'doc', '(doc::jsonb ->> ''a'')');
-- what converts nothing leaves the errors of the statement as they are, and those beyond governance see all
SELECT steward.drop_mask('age', 'secret');
SET ROLE regress_promise_user;
SELECT ssn::int FROM secret WHERE id = 1;
RESET ROLE;
SELECT age::int FROM secret WHERE id = 1;
-- what constraints tell of a row
SET ROLE regress_promise_user;
SELECT told($$UPDATE secret SET city = 'bad' WHERE id = 1$$);
SELECT told($$UPDATE secret SET city = NULL WHERE id = 1$$);
SELECT told($$UPDATE secret SET during = '[5,9)' WHERE id = 1$$);
SELECT told($$UPDATE secret SET id = 2 WHERE id = 1$$);

-- statistics, extended ones too, also for the table's owner
SELECT (SELECT count(*) FROM pg_stats WHERE tablename = 'secret'), (SELECT count(*) FROM pg_stats_ext WHERE tablename = 'secret'), (SELECT count(*) FROM pg_stats_ext_exprs WHERE tablename = 'secret');
SET ROLE regress_promise_owner;
SELECT (SELECT count(*) FROM pg_stats WHERE tablename = 'secret'), (SELECT count(*) FROM pg_stats_ext WHERE tablename = 'secret'), (SELECT count(*) FROM pg_stats_ext_exprs WHERE tablename = 'secret');
RESET ROLE;
SELECT (SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'secret') AS stats, (SELECT count(*) FROM pg_stats_ext WHERE tablename = 'secret') AS ext, (SELECT count(*) FROM pg_stats_ext_exprs WHERE tablename = 'secret') AS exprs;

-- triggers from before keep what they do
SET ROLE regress_promise_owner;
CREATE OR REPLACE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', OLD.ssn; RETURN NEW; END $$;
CREATE OR REPLACE FUNCTION on_statement() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', (SELECT max(ssn) FROM o); RETURN NULL; END $$;
CREATE TRIGGER another AFTER UPDATE ON secret REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION on_statement();

-- functions that the planner inlines
SET ROLE regress_promise_user;
CREATE FUNCTION by_text(int) RETURNS SETOF secret LANGUAGE sql STABLE AS 'SELECT * FROM regress_promise.secret WHERE id = $1';
CREATE FUNCTION by_body(int) RETURNS TABLE (s text) LANGUAGE sql STABLE BEGIN ATOMIC SELECT ssn FROM secret WHERE id = $1; END;
CREATE FUNCTION of_row(secret) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.ssn';
SELECT ssn, city FROM by_text(1);
SELECT * FROM by_body(1);
SELECT by_body(2);
SELECT c.id, t.ssn FROM child c, LATERAL by_text(c.secret) t;
SELECT of_row(s), s.of_row FROM secret s WHERE id = 1;

-- materialized views, also when somebody beyond governance refreshes them; SELECT INTO
CREATE MATERIALIZED VIEW kept AS SELECT id, ssn FROM secret WHERE id < 3;
TABLE kept;
RESET ROLE;
REFRESH MATERIALIZED VIEW kept;
SET ROLE regress_promise_user;
TABLE kept;
SELECT id, ssn INTO TEMP taken FROM secret WHERE id = 1;
TABLE taken;
-- foreign keys work on the rows as they are
BEGIN;
INSERT INTO child VALUES (2, 2);
INSERT INTO child VALUES (2, 99);
ROLLBACK;
BEGIN;
UPDATE secret SET id = 20 WHERE id = 1;
TABLE child;
DELETE FROM secret WHERE id = 20;
TABLE child;
ROLLBACK;

-- tags of a partitioned table hold on its partitions, and on columns that come later
RESET ROLE;
CREATE TABLE tagged (id int, ssn text) PARTITION BY LIST (id);
CREATE TABLE tagged_1 PARTITION OF tagged FOR VALUES IN (1);
INSERT INTO tagged VALUES (1, 'canary');
GRANT ALL ON tagged, tagged_1 TO regress_promise_user;
SELECT steward.protect('tagged');
SELECT steward.create_row_policy('all', 'tagged', 'true', commands => '{all}');
SELECT steward.create_tag_mask('p', 'p', 'steward.mask_redact(value)');
SECURITY LABEL FOR steward ON COLUMN tagged.ssn IS 'p';
ALTER TABLE tagged ADD COLUMN more text;
UPDATE tagged SET more = 'canary';
SECURITY LABEL FOR steward ON COLUMN tagged.more IS 'p';
SET ROLE regress_promise_user;
TABLE tagged;
TABLE tagged_1;
SELECT told('UPDATE tagged SET id = 5'), told('UPDATE tagged_1 SET id = 5');
RESET ROLE;

-- equal priorities are refused whichever way they meet in a column
SELECT steward.create_mask('e', 'tagged', 'ssn', '''e''');
SELECT steward.create_tag_mask('q', 'q', '''q''');
SECURITY LABEL FOR steward ON COLUMN tagged.ssn IS 'p, q';
SELECT steward.create_tag_mask('q', 'q', '''q''', priority => 101, replace => true);
SECURITY LABEL FOR steward ON COLUMN tagged.ssn IS 'p, q';
SELECT steward.create_tag_mask('q', 'q', '''q''', priority => 100, replace => true);
SELECT steward.create_tag_mask('p', 'p', '''p''', priority => 101, replace => true);
SELECT steward.create_mask('e', 'tagged', 'ssn', '''e''', priority => 50);
SELECT steward.create_tag_mask('p', 'p', '''p''', priority => 50, replace => true);
SELECT steward.create_mask('f', 'tagged', 'id', '0');
SECURITY LABEL FOR steward ON COLUMN tagged.id IS 'p';
SELECT name, priority FROM steward.tag_mask ORDER BY name;
