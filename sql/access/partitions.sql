-- Partitions and inheritance children, queried through the parent and
-- directly, also attached later.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_part_reader;
CREATE ROLE regress_part_admin IN ROLE steward_admin;
RESET client_min_messages;

CREATE FUNCTION regress_plan_has(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ pattern THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
-- columns of the children stand elsewhere than those of the parent
CREATE TABLE regress_event (id int, kind text, at date, who text) PARTITION BY RANGE (at);
CREATE TABLE regress_event_1 PARTITION OF regress_event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE regress_event_2 (dropped int, who text, at date, extra int, kind text, id int);
ALTER TABLE regress_event_2 DROP COLUMN dropped, DROP COLUMN extra;
ALTER TABLE regress_event ATTACH PARTITION regress_event_2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE regress_event_3 PARTITION OF regress_event FOR VALUES FROM ('2022-01-01') TO ('2023-01-01') PARTITION BY LIST (kind);
CREATE TABLE regress_event_3a PARTITION OF regress_event_3 FOR VALUES IN ('a');
CREATE TABLE regress_event_3b PARTITION OF regress_event_3 DEFAULT;
INSERT INTO regress_event SELECT g, CASE g % 2 WHEN 0 THEN 'a' ELSE 'b' END, date '2020-01-01' + g * 100, CASE g % 3 WHEN 0 THEN 'hidden' ELSE 'shown' END FROM generate_series(0, 9) g;
GRANT ALL ON regress_event, regress_event_1, regress_event_2, regress_event_3, regress_event_3a, regress_event_3b TO regress_part_reader;
SET ROLE regress_part_admin;
SELECT steward.protect('regress_event_1');
SELECT steward.protect('regress_event');
SELECT steward.create_row_policy('shown', 'regress_event', 'who = ''shown'' AND regress_event.* IS NOT NULL', commands => '{all}', roles => '{regress_part_reader}');
SET ROLE regress_part_reader;
SELECT tableoid::regclass, * FROM regress_event ORDER BY id;
SELECT * FROM regress_event_1 ORDER BY id;
SELECT * FROM regress_event_2 ORDER BY id;
SELECT * FROM regress_event_3 ORDER BY id;
SELECT * FROM regress_event_3a ORDER BY id;
SELECT * FROM regress_event_3b ORDER BY id;
INSERT INTO regress_event_2 (id, kind, at, who) VALUES (20, 'a', '2021-03-03', 'hidden');
INSERT INTO regress_event (id, kind, at, who) VALUES (20, 'a', '2021-03-03', 'hidden');
INSERT INTO regress_event (id, kind, at, who) VALUES (20, 'a', '2021-03-03', 'shown');
UPDATE regress_event SET at = '2022-12-01' WHERE id = 20 RETURNING tableoid::regclass, id;
UPDATE regress_event SET at = '2020-12-01', who = 'hidden' WHERE id = 20;
UPDATE regress_event_3a SET id = 21 WHERE id = 20 RETURNING id;
DELETE FROM regress_event_1 WHERE who = 'hidden';
DELETE FROM regress_event_3a WHERE id = 21;
SELECT regress_plan_has($$SELECT * FROM regress_event WHERE at = '2020-05-05'$$, 'regress_event_2') AS not_pruned;
RESET ROLE;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname LIKE 'regress_event%' ORDER BY 1;

-- attached later
CREATE TABLE regress_event_4 (LIKE regress_event);
INSERT INTO regress_event_4 VALUES (40, 'a', '2023-02-02', 'hidden'), (41, 'a', '2023-02-02', 'shown');
GRANT SELECT ON regress_event_4 TO regress_part_reader;
SET ROLE regress_part_reader;
SELECT id FROM regress_event_4 ORDER BY id;
RESET ROLE;
ALTER TABLE regress_event ATTACH PARTITION regress_event_4 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
SET ROLE regress_part_reader;
SELECT id FROM regress_event_4 ORDER BY id;
RESET ROLE;

-- inheritance: children, with more columns, and children of children
CREATE TABLE regress_base (id int, who text);
CREATE TABLE regress_child (more text) INHERITS (regress_base);
CREATE TABLE regress_grandchild () INHERITS (regress_child);
INSERT INTO regress_base VALUES (1, 'hidden'), (2, 'shown');
INSERT INTO regress_child VALUES (3, 'hidden', 'x'), (4, 'shown', 'x');
INSERT INTO regress_grandchild VALUES (5, 'hidden', 'x'), (6, 'shown', 'x');
GRANT SELECT ON regress_base, regress_child, regress_grandchild TO regress_part_reader;
SET ROLE regress_part_admin;
SELECT steward.protect('regress_child');
SELECT steward.protect('regress_base');
SELECT steward.create_row_policy('shown', 'regress_base', 'who = ''shown''', roles => '{regress_part_reader}');
SET ROLE regress_part_reader;
SELECT id FROM regress_base ORDER BY id;
SELECT id FROM ONLY regress_base ORDER BY id;
SELECT id FROM regress_child ORDER BY id;
SELECT id FROM regress_grandchild ORDER BY id;
RESET ROLE;
SET ROLE regress_part_admin;
SELECT steward.unprotect('regress_base', 'test');
RESET ROLE;
SET ROLE regress_part_reader;
SELECT id FROM regress_base ORDER BY id;
RESET ROLE;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname IN ('regress_base', 'regress_child', 'regress_grandchild') ORDER BY 1;

-- a detached partition stays governed, and unprotecting one relation leaves
-- what is governed all the same
SET ROLE regress_part_admin;
SELECT steward.allow_ddl('regress_event', 'regress_part_admin', now() + interval '1 hour', 'test');
RESET ROLE;
ALTER TABLE regress_event DETACH PARTITION regress_event_1;
SELECT steward.create_mask('kind', 'regress_event', 'kind', '''masked''');
SELECT steward.create_tag_mask('who', 'who', '''tagged''');
SECURITY LABEL FOR steward ON COLUMN regress_event.who IS 'who';
ALTER TABLE regress_event DETACH PARTITION regress_event_2;
SET ROLE regress_part_reader;
SELECT * FROM regress_event_1 ORDER BY id;
SELECT * FROM regress_event_2 ORDER BY id;
RESET ROLE;
ALTER TABLE regress_event ATTACH PARTITION regress_event_2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
SELECT steward.unprotect('regress_event_2', 'attached again');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'regress_event_2';
SELECT polname FROM pg_policy WHERE polrelid = 'regress_event_2'::regclass;
SET ROLE regress_part_reader;
SELECT * FROM regress_event_2 ORDER BY id;
RESET ROLE;
