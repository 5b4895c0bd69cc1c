-- What the canary test (test/fuzz) found once.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_leak_user;
CREATE ROLE regress_leak_owner;
CREATE ROLE regress_leak_admin IN ROLE steward_admin;
CREATE TABLE regress_leak (id int PRIMARY KEY, grp int, ssn text NOT NULL CHECK (ssn <> ''), city text, UNIQUE (grp, ssn));
INSERT INTO regress_leak VALUES (1, 1, 'canary', 'Bern'), (2, 2, 'canary', 'Rome');
CREATE INDEX regress_leak_upper ON regress_leak (upper(ssn));
CREATE TABLE regress_leak_ref (id int, grp int, ssn text, FOREIGN KEY (grp, ssn) REFERENCES regress_leak (grp, ssn) DEFERRABLE);
INSERT INTO regress_leak_ref VALUES (1, 1, 'canary');
ALTER TABLE regress_leak OWNER TO regress_leak_owner;
GRANT ALL ON regress_leak, regress_leak_ref TO regress_leak_user;
CREATE FUNCTION regress_regroup(i int, g int) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN UPDATE public.regress_leak SET grp = g WHERE id = i; END';
CREATE FUNCTION regress_remove(i int) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.regress_leak WHERE id = i; END';
CREATE FUNCTION regress_detail(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL;
    RETURN SQLERRM || ': ' || told;
END $$;
ANALYZE regress_leak;
RESET client_min_messages;
SET ROLE regress_leak_admin;
SELECT steward.protect('regress_leak'), steward.protect('regress_leak_ref');
SELECT steward.create_row_policy('all', r::regclass, 'true', commands => '{all}') FROM unnest('{regress_leak,regress_leak_ref}'::text[]) r;
SELECT steward.create_mask('ssn', 'regress_leak', 'ssn', '''hidden''');

-- the detail of an error, by a function of somebody beyond governance, too
SET ROLE regress_leak_user;
SELECT regress_detail('UPDATE regress_leak SET grp = 2 WHERE id = 1');
SELECT regress_detail('SELECT regress_regroup(2, 1)');
SELECT regress_detail('SELECT regress_regroup(1, 3)');
SELECT regress_detail('SELECT regress_remove(1)');
RESET ROLE;
SELECT regress_detail('SELECT regress_regroup(2, 1)');

-- statistics of indexes on expressions
SELECT count(*) FROM pg_stats WHERE tablename = 'regress_leak_upper';
PREPARE s AS SELECT count(*) FROM pg_stats WHERE tablename = 'regress_leak_upper';
EXECUTE s;
SET ROLE regress_leak_owner;
SELECT count(*) FROM pg_stats WHERE tablename = 'regress_leak_upper';
EXECUTE s;

-- row locks beside system columns and the row as a whole
SET ROLE regress_leak_user;
SELECT id FROM regress_leak t WHERE ctid = '(0,1)' FOR UPDATE;
SELECT t FROM regress_leak t WHERE ctid IS NOT NULL AND id = 1 FOR UPDATE;
SELECT t, t.ctid, t.tableoid::regclass FROM regress_leak t ORDER BY id FOR SHARE;
SELECT r.id, t, t.ctid FROM regress_leak_ref r LEFT JOIN regress_leak t ON t.id = r.id + 1 WHERE r.ctid IS NOT NULL FOR UPDATE OF r;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM regress_leak FOR UPDATE;
FETCH 1 c;
UPDATE regress_leak SET city = 'Oslo' WHERE CURRENT OF c RETURNING *;
FETCH 1 c;
DELETE FROM regress_leak WHERE CURRENT OF c RETURNING regress_leak;
ROLLBACK;
EXPLAIN (COSTS OFF) SELECT t FROM regress_leak t WHERE ctid = '(0,1)' FOR UPDATE;
