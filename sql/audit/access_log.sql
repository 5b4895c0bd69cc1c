-- The access log: every way to touch a governed table leaves its record.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
\pset null (null)
\pset format unaligned
\pset fieldsep ' | '

CREATE ROLE regress_log_ann LOGIN;
CREATE ROLE regress_log_bob LOGIN;
CREATE ROLE regress_log_free LOGIN BYPASSRLS;
CREATE ROLE regress_log_none LOGIN;
CREATE ROLE regress_log_auditor LOGIN IN ROLE steward_auditor;
CREATE ROLE regress_log_admin LOGIN IN ROLE steward_admin;
CREATE SCHEMA regress_log;
GRANT USAGE, CREATE ON SCHEMA regress_log TO public;
SET search_path = regress_log;
CREATE TABLE person (id int PRIMARY KEY, name text, secret text);
INSERT INTO person SELECT g, 'n' || g, 's' || g FROM generate_series(1, 100) g;
CREATE TABLE part (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
INSERT INTO part SELECT g, 'v' || g FROM generate_series(1, 50) g;
CREATE TABLE watched (id int);
INSERT INTO watched VALUES (1), (2);
CREATE TABLE quiet (id int);
INSERT INTO quiet VALUES (1);
CREATE TABLE careful (id int, v text);
INSERT INTO careful SELECT g, 'c' || g FROM generate_series(1, 30) g;
CREATE TABLE free_table (id int, name text);
GRANT ALL ON ALL TABLES IN SCHEMA regress_log TO regress_log_ann, regress_log_free;
GRANT SELECT ON person TO regress_log_none;
SELECT steward.protect('person'), steward.protect('part'), steward.protect('watched', mode => 'observe'),
       steward.protect('quiet', audit => 'off'), steward.protect('careful', audit => 'sync');
SELECT steward.create_purpose('regress care'), steward.grant_purpose('regress care', 'regress_log_ann');
SELECT steward.create_row_policy('half', 'person', 'id <= 50', '{regress_log_ann,regress_log_bob}', commands => '{select,insert,update,delete}');
SELECT steward.create_row_policy('all', 'part', 'true', '{regress_log_ann}');
SELECT steward.create_row_policy('all', 'quiet', 'true', '{regress_log_ann}');
SELECT steward.create_row_policy('all', 'careful', 'true', '{regress_log_ann}', commands => '{select,insert}', check_expr => 'id < 1000');

-- What was logged since the last time; what differs from run to run is left out.
CREATE TABLE regress_log.seen (seq bigint);
INSERT INTO seen VALUES (-1);
CREATE FUNCTION news() RETURNS TABLE (relation text, command text, columns text[], decision text, outcome text, returned bigint, affected bigint, error text, query text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM steward.flush();
    RETURN QUERY SELECT regexp_replace(l.relation_name, '^regress_log\.', ''), l.command, l.columns, l.decision, l.outcome, l.rows_returned, l.rows_affected, l.error_code, l.query_text
        FROM steward.access_log l WHERE l.seq > (SELECT max(s.seq) FROM regress_log.seen s) ORDER BY l.seq;
    INSERT INTO regress_log.seen SELECT max(l.seq) FROM steward.access_event l;
END
$$;
GRANT EXECUTE ON FUNCTION news() TO public;
SELECT count(*) FROM news();

SET ROLE regress_log_ann;

-- Constants and comments are not kept.
SELECT count(*) FROM person WHERE name <> 'it''s' AND id > 4 AND secret <> E'a\'b' /* a comment */ AND secret <> $x$ y $x$; -- another
SELECT * FROM news();

-- Cursors: what FETCH delivered; MOVE delivers nothing.
\o /dev/null
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM person;
FETCH 20 FROM c;
MOVE 10 FROM c;
FETCH BACKWARD 3 FROM c;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM person;
FETCH 20 FROM c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM person;
FETCH 7 FROM c;
CLOSE c;
SAVEPOINT s;
DECLARE d CURSOR FOR SELECT id, name FROM person;
FETCH 4 FROM d;
ROLLBACK TO s;
COMMIT;
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM person WHERE id < 11;
FETCH 2 FROM h;
COMMIT;
FETCH 3 FROM h;
CLOSE h;
\o
SELECT * FROM news();

-- A cursor that outlives the function that opened it.
CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS $$
DECLARE c refcursor := 'opened';
BEGIN
    OPEN c FOR SELECT id FROM regress_log.person;
    RETURN c;
END
$$;
\o /dev/null
BEGIN;
SELECT opens();
FETCH 5 FROM opened;
COMMIT;
\o
SELECT * FROM news();

-- Errors in mid-query: the rows that were delivered are counted.
\o /dev/null
SELECT id, 1 / (id - 40) FROM person;
\o
SELECT * FROM news();

-- COPY.
\o /dev/null
COPY person TO stdout;
COPY (SELECT name FROM person WHERE id < 4) TO stdout;
COPY part_1 TO stdout;
\o
COPY person FROM stdin;
-1	a	b
-2	c	d
\.
COPY person (id, name) FROM stdin;
-3	a
77	b
\.
SELECT * FROM news();

-- Writing, and what RETURNING shows.
INSERT INTO person VALUES (0, 'a', 'b'), (-10, 'c', 'd') RETURNING id;
INSERT INTO person VALUES (0, 'a', 'b') ON CONFLICT (id) DO UPDATE SET name = 'e';
INSERT INTO person VALUES (99, 'a', 'b');
UPDATE person SET name = 'z' WHERE id < 1;
UPDATE person SET id = 77 WHERE id = 0;
MERGE INTO person p USING (VALUES (0), (-50)) v (id) ON p.id = v.id
    WHEN MATCHED THEN UPDATE SET secret = 'm' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'new', 'row');
DELETE FROM person WHERE id < 1 RETURNING id, name;
WITH d AS (DELETE FROM person WHERE id = 50 RETURNING id) SELECT count(*) FROM d;
INSERT INTO free_table SELECT id, name FROM person WHERE id < 6;
CREATE TABLE copied AS SELECT id FROM person WHERE id < 8;
SELECT * FROM news();

-- Functions, and what is called by them, belong to the statement of the client.
RESET ROLE;
CREATE FUNCTION definer() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    n bigint := 0;
    r record;
BEGIN
    FOR i IN 1 .. 1000 LOOP
        PERFORM name FROM regress_log.person WHERE id = 1;
    END LOOP;
    FOR r IN SELECT secret FROM regress_log.person WHERE id < 11 LOOP
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;
CREATE VIEW seen_by_all AS SELECT id, name FROM person;
CREATE MATERIALIZED VIEW kept AS SELECT id FROM person;
GRANT SELECT ON seen_by_all TO regress_log_ann;
SELECT * FROM news();
SET ROLE regress_log_ann;
SELECT definer();
SELECT count(*) FROM seen_by_all;
SELECT id FROM part_1 WHERE id < 3;
SELECT count(*) FROM part;
SELECT length(query_to_xml('SELECT id FROM regress_log.person WHERE id < 4', true, false, '')::text) > 0;
\o /dev/null
EXPLAIN (COSTS off) SELECT id FROM person;
\o
DO $$
BEGIN
    PERFORM id FROM regress_log.person WHERE id < 3;
    BEGIN
        PERFORM 1 / (id - 10) FROM regress_log.person;
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
END
$$;
SELECT * FROM news();
\o /dev/null
EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT id FROM person;
\o
PREPARE p (int) AS SELECT name FROM person WHERE id = $1 AND name <> 'constant';
EXECUTE p (3);
EXECUTE p (4);
DEALLOCATE p;
SELECT * FROM news();

-- A function that fails after it has read.
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM id FROM regress_log.person WHERE id < 5;
    RAISE EXCEPTION 'no';
END
$$;
SELECT fails();
SELECT * FROM news();

-- A procedure that commits, and a transaction that rolls back.
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT id FROM regress_log.person WHERE id < 4 LOOP
        PERFORM name FROM regress_log.person WHERE id = r.id;
        COMMIT;
    END LOOP;
    PERFORM secret FROM regress_log.person WHERE id = 5;
    ROLLBACK;
END
$$;
CALL commits();
BEGIN;
SELECT count(*) FROM person;
UPDATE person SET name = 'y' WHERE id = 1;
ROLLBACK;
SELECT * FROM news();

-- Refusals.
TRUNCATE person;
RESET ROLE;
REVOKE UPDATE ON person FROM regress_log_ann;
ALTER TABLE part OWNER TO regress_log_bob;
SET ROLE regress_log_ann;
UPDATE person SET name = 'no';
UPDATE part SET v = 'no';
SET ROLE regress_log_none;
SELECT * FROM person;
SELECT * FROM part;
COPY person TO stdout;
\copy person FROM '/dev/null'
DO $$
BEGIN
    FOR i IN 1 .. 3 LOOP
        BEGIN
            PERFORM * FROM regress_log.person;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END LOOP;
END
$$;
SET ROLE regress_log_bob;
CREATE FUNCTION leak(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END';
ALTER TABLE part ADD CHECK (leak(id));
CREATE INDEX ON part (leak(id));
ALTER TABLE part DISABLE ROW LEVEL SECURITY;
TRUNCATE part;
SET ROLE regress_log_admin;
SELECT steward.allow_ddl('part', 'regress_log_bob', now() + interval '1 hour', 'migration');
SET ROLE regress_log_bob;
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE INDEX part_leak ON part (leak(id));
RESET client_min_messages;
TRUNCATE part;
SELECT * FROM news();

-- Who is beyond governance is seen, too; mode observe; audit off.
RESET ROLE;
SELECT id FROM person WHERE id = 1;
\o /dev/null
COPY person TO stdout;
\o
COPY person FROM stdin;
200	x	y
\.
SET ROLE regress_log_free;
SELECT id FROM person WHERE id = 2;
SET ROLE regress_log_ann;
SELECT count(*) FROM watched;
SELECT count(*) FROM quiet;
SELECT * FROM news();

-- Synchronously: one row, made of intent and outcome.
SELECT count(*) FROM careful;
SELECT 1 / (id - 3) IS NULL FROM careful;
INSERT INTO careful VALUES (2000, 'x');
INSERT INTO careful VALUES (31, 'x');
SELECT * FROM news();
RESET ROLE;
SELECT kind, access_no, decision, outcome, columns FROM steward.access_event WHERE relation_name = 'regress_log.careful' OR kind = 'outcome' ORDER BY seq;

-- Who, and for what.
SET ROLE regress_log_ann;
SET steward.purpose = 'regress care';
SELECT count(*) FROM part;
RESET steward.purpose;
RESET ROLE;
SELECT steward.flush();
SELECT session_role = session_user AS session, subject_role, subject, token_issuer, purpose, application_name, client_addr, backend_pid = pg_backend_pid() AS pid,
       query_id IS NOT NULL AS query_id, duration_ms >= 0 AS duration, transaction_id, run_id, reason
    FROM steward.access_log ORDER BY seq DESC LIMIT 1;

-- Break-glass, with its reason.
SELECT steward.grant_break_glass('regress_log_ann');
SET SESSION AUTHORIZATION regress_log_ann;
SET client_min_messages = error;
SELECT steward.break_glass('a patient in danger') IS NULL AS broken;
RESET client_min_messages;
SELECT count(*) FROM person;
SELECT steward.end_break_glass() IS NULL AS ended;
SELECT count(*) FROM person;
RESET SESSION AUTHORIZATION;
SELECT steward.flush();
SELECT decision, reason, rows_returned FROM steward.access_log WHERE subject_role = 'regress_log_ann' ORDER BY seq DESC LIMIT 2;

-- The revision rises with each commit that changes policies, and with nothing else.
CREATE TEMP TABLE revisions AS SELECT max(policy_revision) AS before FROM steward.access_log;
BEGIN;
SELECT steward.create_purpose('regress taken back');
ROLLBACK;
SELECT id FROM person WHERE id = 1;
BEGIN;
SELECT steward.create_purpose('regress one');
SELECT steward.create_purpose('regress two');
COMMIT;
SELECT id FROM person WHERE id = 1;
SELECT steward.flush();
SELECT policy_revision - before AS risen FROM (SELECT policy_revision, seq FROM steward.access_log ORDER BY seq DESC LIMIT 2) l, revisions ORDER BY seq;

-- Constants and parameters, where a superuser wants them; tokens never.
SET steward.log_parameters = on;
SELECT name FROM person WHERE id = 3 AND name <> 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
PREPARE p (int, text) AS SELECT name FROM person WHERE id = $1 AND name <> $2;
EXECUTE p (3, 'it');
RESET steward.log_parameters;
SELECT steward.flush();
SELECT query_text, parameters FROM steward.access_event ORDER BY seq DESC LIMIT 2;
SET ROLE regress_log_ann;
SET steward.log_parameters = on;
RESET ROLE;

-- Who may read it.
SET ROLE regress_log_auditor;
SELECT count(*) > 0 FROM steward.access_log;
SET ROLE regress_log_admin;
SELECT count(*) FROM steward.access_log;
SET ROLE regress_log_ann;
SELECT count(*) FROM steward.access_event;
SELECT count(*) FROM steward.policy_revision;
RESET ROLE;

-- Statistics show no values of governed tables, so they are no way round.
ANALYZE person;
SET ROLE regress_log_ann;
SELECT count(*) FROM pg_stats WHERE schemaname = 'regress_log' AND tablename = 'person' AND histogram_bounds IS NOT NULL;
RESET ROLE;

-- Foreign-key checks are not accesses; triggers' queries are.
CREATE TABLE child (id int REFERENCES person (id));
GRANT ALL ON child TO regress_log_ann;
SELECT count(*) > 0 AS owner_reads FROM news();
SET ROLE regress_log_ann;
INSERT INTO child VALUES (3);
SELECT * FROM news();
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA regress_log CASCADE;
SELECT steward.drop_purpose(p) FROM unnest('{regress care,regress one,regress two}'::text[]) p;
