-- Whom the rows of an access are about: kept as keyed hashes, asked, erased.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
\pset null (null)
\pset format unaligned
\pset fieldsep ' | '

CREATE ROLE regress_ent_ann LOGIN;
CREATE ROLE regress_ent_free LOGIN BYPASSRLS;
CREATE ROLE regress_ent_auditor LOGIN IN ROLE steward_auditor;
CREATE ROLE regress_ent_officer LOGIN IN ROLE steward_officer;
CREATE SCHEMA regress_ent;
GRANT USAGE, CREATE ON SCHEMA regress_ent TO public;
SET search_path = regress_ent;
CREATE TABLE person (id int PRIMARY KEY, name text, email text UNIQUE, salary int);
INSERT INTO person SELECT g, 'n' || g, 'e' || g, g * 10 FROM generate_series(1, 1000) g;
CREATE TABLE visit (no int PRIMARY KEY, person text, day int, note text);
INSERT INTO visit SELECT g, g % 100, g, 'v' FROM generate_series(1, 500) g;
CREATE TABLE part (day int, person bigint, v text) PARTITION BY RANGE (day);
CREATE TABLE part_1 (v text, person bigint, day int);
ALTER TABLE part ATTACH PARTITION part_1 FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200);
INSERT INTO part SELECT g, g % 150, 'p' || g FROM generate_series(1, 199) g;
CREATE TABLE careful (id int, v text);
INSERT INTO careful VALUES (1, 'a'), (2, 'b');
CREATE TABLE plain (id int);
INSERT INTO plain VALUES (1), (2), (3);
ANALYZE person, visit, part, plain;
GRANT ALL ON ALL TABLES IN SCHEMA regress_ent TO regress_ent_ann, regress_ent_free;
CREATE TABLE estimate (n int, plan jsonb);
CREATE FUNCTION plan_of(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN jsonb_build_array(plan -> 0 -> 'Plan' -> 'Node Type', plan -> 0 -> 'Plan' -> 'Plan Rows');
END
$$;
CREATE TABLE asked (n int, query text);
INSERT INTO asked VALUES (1, 'SELECT * FROM person WHERE id < 40'), (2, 'SELECT * FROM person WHERE salary < 200 AND name LIKE ''n1%'''),
    (3, 'SELECT id FROM person WHERE id = 7'), (4, 'SELECT * FROM person p JOIN visit v ON v.no = p.id WHERE v.day < 50'),
    (5, 'SELECT * FROM visit v LEFT JOIN person p ON v.no = p.id AND p.salary > 100'), (6, 'SELECT count(*) FROM part WHERE day < 120'),
    (7, 'SELECT * FROM person WHERE EXISTS (SELECT FROM visit v WHERE v.no = person.id)');
INSERT INTO estimate SELECT a.n, plan_of(a.query) FROM asked a;
SELECT steward.protect('person', entity_column => 'id'), steward.protect('visit', entity_column => 'person'),
       steward.protect('part', entity_column => 'person'), steward.protect('careful', audit => 'sync', entity_column => 'id'), steward.protect('plain');

-- No row estimate and no choice of scan or join is another one than before.
SELECT a.query, e.plan, plan_of(a.query) FROM asked a JOIN estimate e USING (n) WHERE e.plan IS DISTINCT FROM plan_of(a.query);

SELECT steward.create_row_policy('half', 'person', 'id <= 500', '{regress_ent_ann}', commands => '{all}');
SELECT steward.create_row_policy('all', t, 'true', '{regress_ent_ann}', commands => '{all}') FROM unnest('{visit,part,careful,plain}'::regclass[]) t;

-- What was logged since the last time.
CREATE TABLE seen (seq bigint);
INSERT INTO seen VALUES (-1);
CREATE FUNCTION news() RETURNS TABLE (relation text, command text, kind text, scope text, persons text[], outcome text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM steward.flush();
    RETURN QUERY SELECT regexp_replace(e.relation_name, '^regress_ent\.', ''), e.command, e.kind, e.entity_scope,
            ARRAY(SELECT g::text FROM generate_series(0, 3000) g WHERE steward.entity_hash(g::text) = ANY (e.entities) ORDER BY g.g), e.outcome
        FROM steward.access_event e WHERE e.seq > (SELECT max(s.seq) FROM regress_ent.seen s) ORDER BY e.seq;
    INSERT INTO regress_ent.seen SELECT max(e.seq) FROM steward.access_event e;
END
$$;
SELECT count(*) > 0 FROM news();

SET ROLE regress_ent_ann;

-- Points, ranges, conditions, nothing, hidden rows, more than the limit.
\o /dev/null
SELECT * FROM person WHERE id = 7;
SELECT * FROM person WHERE id BETWEEN 8 AND 10;
SELECT count(*) FROM person WHERE salary IN (110, 120) AND name LIKE '%2';
SELECT * FROM person WHERE id = 4711;
SELECT * FROM person WHERE id = 600;
SELECT * FROM person WHERE id > 498;
SELECT count(*) FROM person;
SELECT * FROM person WHERE id > 20 ORDER BY id LIMIT 2;
\o
SELECT * FROM news();

-- Joins, sub-selects, CTEs, views, and the nullable side.
\o /dev/null
SELECT * FROM visit v JOIN person p ON p.id = v.no WHERE v.no IN (3, 4);
SELECT * FROM visit v LEFT JOIN person p ON p.id = v.no AND p.salary = 30 WHERE v.no IN (3, 4);
SELECT * FROM visit v FULL JOIN (SELECT * FROM person WHERE id = 9) p ON p.id = v.no WHERE v.no = 9;
SELECT * FROM plain WHERE EXISTS (SELECT FROM person p WHERE p.id = plain.id);
WITH w AS MATERIALIZED (SELECT * FROM person WHERE id = 13) SELECT * FROM w;
SELECT id FROM person WHERE id = 14 UNION ALL SELECT no FROM visit WHERE no = 15;
SELECT (SELECT name FROM person WHERE id = 16);
\o
SELECT * FROM news();

-- Partitions, by their parent and by themselves, whatever the order of columns.
\o /dev/null
SELECT * FROM part WHERE day IN (5, 105);
SELECT * FROM part_1 WHERE day = 6;
\o
SELECT * FROM news();

-- Writing.
\o /dev/null
UPDATE person SET name = 'x' WHERE id IN (17, 600);
DELETE FROM person WHERE id = 18 RETURNING *;
INSERT INTO person VALUES (19, 'x', 'e20') ON CONFLICT (email) DO UPDATE SET name = 'y' WHERE person.salary > 0;
INSERT INTO visit VALUES (2001, '21'), (2002, NULL);
UPDATE visit SET person = '23' WHERE no = 22;
MERGE INTO person t USING (VALUES (24), (25), (26)) s (i) ON t.id = s.i
    WHEN MATCHED AND t.salary > 240 AND t.id <> 26 THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN DO NOTHING;
UPDATE part SET day = 150 WHERE day = 27;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM person WHERE id = 28 FOR UPDATE;
FETCH c;
UPDATE person SET name = 'c' WHERE CURRENT OF c;
COMMIT;
\o
SELECT * FROM news();

-- Cursors (what was fetched), savepoints, errors in mid-query.
\o /dev/null
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM person WHERE id > 30 ORDER BY id;
FETCH 2 FROM c;
ROLLBACK;
BEGIN;
SAVEPOINT s;
DECLARE c CURSOR FOR SELECT * FROM person WHERE id = 33;
FETCH c;
ROLLBACK TO s;
COMMIT;
SELECT 1 / (id - 36) FROM person WHERE id BETWEEN 34 AND 38 ORDER BY id;
\o
SELECT * FROM news();

-- Functions belong to their statement; COPY; EXECUTE of a generic plan.
CREATE FUNCTION name_of(int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT p.name FROM regress_ent.person p WHERE p.id = $1); END $$;
PREPARE q AS SELECT name FROM person WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
\o /dev/null
SELECT name_of(g) FROM generate_series(40, 43) g;
COPY (SELECT * FROM person WHERE id = 44) TO STDOUT;
COPY person TO STDOUT;
COPY visit FROM STDIN;
3001	45	1	x
\.
EXECUTE q (46);
EXECUTE q (47);
\o
RESET plan_cache_mode;
SELECT * FROM news();

-- Whose accesses are logged synchronously: the list comes with the outcome.
\o /dev/null
SELECT * FROM careful WHERE id = 2;
\o
SELECT * FROM news();

-- Row locks are taken.
BEGIN;
SELECT id FROM person WHERE id = 50 FOR UPDATE;
SELECT mode FROM pg_locks WHERE relation = 'person'::regclass AND mode = 'RowShareLock' AND pid = pg_backend_pid();
COMMIT;
SELECT count(*) FROM news();
RESET ROLE;

-- Superusers, those with BYPASSRLS.
\o /dev/null
SELECT * FROM person WHERE id = 601;
COPY person (id) TO STDOUT;
SET ROLE regress_ent_free;
SELECT * FROM person WHERE id = 602;
RESET ROLE;
TRUNCATE careful;
\o
SELECT * FROM news();

-- The real value counts where the column is masked.
SELECT steward.create_mask('m', 'person', 'id', '0');
SET ROLE regress_ent_ann;
SELECT id, name FROM person WHERE salary = 510;
UPDATE person SET salary = 1 WHERE salary = 520 RETURNING id;
SELECT id FROM person WHERE salary = 530 FOR UPDATE;
SELECT * FROM news();
RESET ROLE;
SELECT steward.drop_mask('m', 'person');

-- Results are those of the same tables without any governance.
CREATE TABLE free_person AS SELECT * FROM person WHERE id <= 500;
CREATE TABLE free_visit AS SELECT * FROM visit;
GRANT SELECT ON free_person, free_visit TO regress_ent_ann;
CREATE FUNCTION result_of(query text, prefix text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT md5(coalesce(string_agg(r::text, '','' ORDER BY r::text), '''')) || count(*) FROM (%s) r',
        replace(replace(query, '#person', prefix || 'person'), '#visit', prefix || 'visit')) INTO result;
    RETURN result;
END
$$;
SET ROLE regress_ent_ann;
WITH query AS (
    SELECT format('SELECT %s FROM %s WHERE %s%s', w.what, f.source, c.condition, t.tail) AS query
    FROM (VALUES ('p.*'), ('p.id, p.salary'), ('p'), ('count(*), max(p.salary)'), ('DISTINCT p.salary % 7')) w (what),
        (VALUES ('#person p'), ('#person p JOIN #visit v ON v.no = p.id'), ('#visit v LEFT JOIN #person p ON p.id = v.no AND p.salary > 900'),
            ('#person p LEFT JOIN #visit v ON v.person = p.id::text'), ('#visit v FULL JOIN #person p ON p.id = v.no'),
            ('#visit v, LATERAL (SELECT * FROM #person x WHERE x.id = v.no OFFSET 0) p'), ('(SELECT * FROM #person UNION ALL SELECT * FROM #person) p'),
            ('(SELECT * FROM #person q WHERE q.id IN (SELECT no FROM #visit WHERE day % 3 = 0)) p')) f (source),
        (VALUES ('true'), ('p.id = 7'), ('p.id BETWEEN 40 AND 90'), ('p.name LIKE ''n1%'' AND p.salary % 20 = 0'), ('p.id IS NULL'), ('p IS NULL'),
            ('NOT EXISTS (SELECT FROM #visit y WHERE y.no = p.id AND y.day > 10)'), ('p.id = ANY (ARRAY(SELECT no FROM #visit WHERE day < 9))')) c (condition),
        (VALUES (''), (' ORDER BY 1 LIMIT 5')) t (tail))
SELECT count(*) AS queries, count(*) FILTER (WHERE result_of(query, '') IS DISTINCT FROM result_of(query, 'free_')) AS differ FROM query
    WHERE query NOT LIKE '%SELECT p.%, p.salary%LIMIT%';
SELECT count(*) > 0 FROM news();
RESET ROLE;

-- ---------------------------------------------------------------------
-- Hostile users
-- ---------------------------------------------------------------------
SET ROLE regress_ent_ann;
CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN false; END $$;

-- Whoever is shown to a function of theirs has been seen.
SELECT * FROM person WHERE id BETWEEN 60 AND 61 AND leak(name);
SELECT * FROM person WHERE id = 62 AND set_config('regress.leak', name, false) IS NULL;
SELECT * FROM visit v LEFT JOIN person p ON p.id = 63 AND leak(p.name) WHERE v.no = 1;
DELETE FROM person WHERE id = 64 AND leak(name);
MERGE INTO person t USING plain s ON t.id = 65 AND leak(t.name) WHEN MATCHED THEN DO NOTHING;
INSERT INTO person VALUES (66, 'x', 'e67') ON CONFLICT (email) DO UPDATE SET name = 'y' WHERE leak(person.name);
SELECT * FROM news();

-- Nobody is written into the log, and no hash is learnt.
SELECT steward.touch_entity(0, 'person'::regclass, 4711), id FROM person WHERE id = 70 AND steward.touch_entity(0, 'person'::regclass, 2999);
SELECT * FROM news();
SELECT steward.entity_hash('70');
SELECT * FROM steward.entity_key;
SELECT * FROM steward.who_saw('person', '70');
SELECT * FROM steward.entity_report('70');
SELECT steward.redact_entity('70', 'r');
SET steward.entity_limit = 0;
RESET ROLE;

-- ---------------------------------------------------------------------
-- Who saw it
-- ---------------------------------------------------------------------
SET ROLE regress_ent_auditor;
SELECT subject, command, relation_name, decision, outcome FROM steward.who_saw('person', '7') WHERE entity_scope = 'rows';
SELECT entity_scope, count(*) > 0 FROM steward.who_saw('person', '7') GROUP BY 1 ORDER BY 1;
SELECT subject, command, relation_name FROM steward.who_saw('part', '6') WHERE entity_scope = 'rows';
-- a partition is read by itself and through its parent, and does not answer for its sister
SELECT asked, who, w.command, w.relation_name FROM unnest('{part_1,part_2}'::regclass[]) asked, unnest('{5,6}'::text[]) who,
    steward.who_saw(asked, who) w WHERE w.entity_scope = 'rows' ORDER BY asked::text, who, w.seq;
SELECT subject, command, relation_name, outcome, rows_returned FROM steward.who_saw('careful', '2') WHERE entity_scope = 'rows';
SELECT steward.who_saw('person', '');
RESET ROLE;

-- An index answers, also where only the hashes of a list are asked.
CREATE FUNCTION scans_the_log(query text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE line text; scans boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
        scans := scans OR line ~ 'Seq Scan on (access_event|inference_log|entity_remainder)';
    END LOOP;
    RETURN scans;
END
$$;
SELECT f.name, scans_the_log(replace(replace(replace(p.prosrc, '[hash]', '[1::bigint]'), 'relations)', '''{1,2}'')'), 'ANY (relations', 'ANY (''{1}''::bigint[]')) AS scans
    FROM (VALUES ('records_of_entity'), ('records_of_anybody')) f (name) JOIN pg_proc p ON p.proname = f.name ORDER BY 1;
SELECT scans_the_log('SELECT * FROM steward.access_log WHERE seq = ANY (''{1,2}'')') AS scans,
       scans_the_log('SELECT * FROM steward.inference_log WHERE entities @> ''{a}''') AS scans_inferences,
       scans_the_log('SELECT * FROM steward.access_event WHERE entities IS NULL') AS does_when_no_index_can;

SET client_min_messages = error;
SET steward.inference_registry = 'off';
SELECT steward.log_inference('regress ent', '1', '{"x": 1}', '{"y": 2}', entities => '{7}') IS NOT NULL AS logged;
RESET client_min_messages;
SELECT steward.flush();
SELECT source, object, subject, operation, times, rows_returned FROM steward.entity_report('7') WHERE source <> 'possible access';

-- ---------------------------------------------------------------------
-- Erasure
-- ---------------------------------------------------------------------
SET ROLE regress_ent_officer;
SELECT steward.redact_entity('8', '');
SELECT steward.redact_entity('8', 'request of the person'), steward.redact_entity('7', 'request of the person');
SELECT steward.redact_entity('8', 'again');
RESET ROLE;
SELECT p.who, count(*) FROM unnest('{7,8,9,10}'::text[]) p (who), steward.who_saw('person', p.who) w
    WHERE w.entity_scope IS DISTINCT FROM 'scan' GROUP BY 1 ORDER BY 1;
SELECT input, output, entities FROM steward.inference_log WHERE model = 'regress ent';
SELECT count(*) FROM steward.entity_report('7') WHERE source <> 'possible access';
SELECT steward.redact_entity('9', 'third'), cardinality(entities) FROM steward.entity_remainder ORDER BY seq LIMIT 1;
SELECT cardinality(entities) FROM steward.entity_remainder ORDER BY seq LIMIT 1;
SELECT steward.flush();
SELECT log, ok FROM steward.verify() ORDER BY 1;

SET client_min_messages = warning;
DROP SCHEMA regress_ent CASCADE;
DROP ROLE regress_ent_ann, regress_ent_free, regress_ent_auditor, regress_ent_officer;
