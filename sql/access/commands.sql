-- Every command, every form in which a governed table stands in a statement.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_clerk1;
CREATE ROLE regress_reader1;
CREATE ROLE regress_admin1 IN ROLE steward_admin;
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
CREATE TABLE regress_loan (id int PRIMARY KEY, branch text, amount int, note text DEFAULT 'secret', UNIQUE (branch, id));
INSERT INTO regress_loan SELECT g, CASE g % 2 WHEN 0 THEN 'north' ELSE 'south' END, g * 10 FROM generate_series(1, 20) g;
CREATE TABLE regress_source (id int, branch text, amount int);
INSERT INTO regress_source VALUES (2, 'north', 1), (3, 'south', 1), (100, 'north', 1);
GRANT ALL ON regress_loan, regress_source TO regress_clerk1, regress_reader1;

SET ROLE regress_admin1;
SELECT steward.protect('regress_loan');
SELECT steward.create_row_policy('see', 'regress_loan', 'branch = ''north''', roles => '{regress_clerk1,regress_reader1}');
SELECT steward.create_row_policy('add', 'regress_loan', 'branch = ''north'' AND amount < 1000', roles => '{regress_clerk1}', commands => '{insert}');
SELECT steward.create_row_policy('change', 'regress_loan', 'branch = ''north'' AND id <> 4', roles => '{regress_clerk1}', commands => '{update}', check_expr => 'branch = ''north'' AND amount < 500');
SELECT steward.create_row_policy('remove', 'regress_loan', 'branch = ''north'' AND amount < 100', roles => '{regress_clerk1}', commands => '{delete}');

-- reading
SET ROLE regress_clerk1;
SELECT count(*), min(branch), max(branch) FROM regress_loan;
SELECT count(*) FROM (SELECT * FROM regress_loan OFFSET 0) s;
WITH c AS MATERIALIZED (SELECT * FROM regress_loan) SELECT count(*) FROM c;
WITH RECURSIVE r AS (SELECT id FROM regress_loan WHERE id = 2 UNION SELECT l.id FROM regress_loan l, r WHERE l.id <= r.id + 2) SELECT count(*) FROM r;
SELECT count(*) FROM regress_source s WHERE EXISTS (SELECT FROM regress_loan l WHERE l.id = s.id);
SELECT s.id, (SELECT l.amount FROM regress_loan l WHERE l.id = s.id) AS amount FROM regress_source s ORDER BY 1;
SELECT count(*) FROM regress_loan a FULL JOIN regress_loan b ON a.id = b.id;
SELECT count(*) FROM regress_source s LEFT JOIN LATERAL (SELECT * FROM regress_loan l WHERE l.id = s.id) x ON true WHERE x.id IS NULL;
SELECT id FROM regress_source UNION SELECT id FROM regress_loan WHERE id < 6 ORDER BY 1;
SELECT id FROM regress_loan EXCEPT SELECT id FROM regress_loan WHERE id > 4 ORDER BY 1;
SELECT count(*) FROM ONLY regress_loan;
SELECT count(*) FROM regress_loan TABLESAMPLE SYSTEM (100);
SELECT count(*) FROM regress_loan WHERE ctid IS NOT NULL AND tableoid = 'regress_loan'::regclass;
SELECT l FROM regress_loan l WHERE id = 2;
SELECT row_to_json(l) FROM regress_loan l WHERE id = 2;
SELECT branch, sum(amount), rank() OVER (ORDER BY branch) FROM regress_loan GROUP BY ROLLUP (branch) ORDER BY 1;
SELECT id FROM regress_loan WHERE id < 6 ORDER BY id FOR UPDATE;
SELECT id FROM regress_loan WHERE id < 6 ORDER BY id FOR SHARE;
VALUES ((SELECT count(*) FROM regress_loan));
TABLE regress_loan ORDER BY id LIMIT 1;
SELECT query_to_xml('SELECT count(*) FROM regress_loan', false, false, '') IS NOT NULL AS xml_ok;
SELECT count(*) FROM unnest(xpath('//id', table_to_xml('regress_loan', false, false, ''))) id;
CREATE TEMP TABLE regress_copy AS SELECT * FROM regress_loan;
SELECT count(*) FROM regress_copy;
SELECT count(*) INTO TEMP regress_count FROM regress_loan;
TABLE regress_count;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM regress_loan ORDER BY id;
FETCH 2 FROM c;
FETCH LAST FROM c;
MOVE ABSOLUTE 0 IN c;
FETCH 1 FROM c;
COMMIT;
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM regress_loan ORDER BY id;
COMMIT;
FETCH 1 FROM h;
CLOSE h;
-- a leaky function sees only what the policies let through
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN IF $1 <> 'north' THEN RAISE NOTICE 'leaked %', $1; END IF; RETURN true; END $$;
SELECT count(*) FROM regress_loan WHERE pg_temp.leak(branch);
SELECT count(*) FROM regress_source s JOIN regress_loan l ON pg_temp.leak(l.branch);
SELECT count(*) FROM regress_loan WHERE 1 / (amount - 30) IS NOT NULL;

-- inserting
INSERT INTO regress_loan VALUES (30, 'north', 10) RETURNING id;
INSERT INTO regress_loan VALUES (31, 'south', 10);
INSERT INTO regress_loan VALUES (31, 'north', 5000);
INSERT INTO regress_loan SELECT id + 1000, branch, amount FROM regress_source;
INSERT INTO regress_loan SELECT id + 1000, branch, amount FROM regress_source WHERE branch = 'north';
INSERT INTO regress_loan (id) VALUES (40);
INSERT INTO regress_loan VALUES (2, 'north', 77) ON CONFLICT (id) DO NOTHING;
INSERT INTO regress_loan VALUES (3, 'north', 77) ON CONFLICT (id) DO NOTHING RETURNING *;
INSERT INTO regress_loan VALUES (2, 'north', 77) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount RETURNING id, amount;
INSERT INTO regress_loan VALUES (3, 'north', 77) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount;
INSERT INTO regress_loan VALUES (4, 'north', 77) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount;
INSERT INTO regress_loan VALUES (2, 'north', 77) ON CONFLICT (id) DO UPDATE SET amount = 900;
INSERT INTO regress_loan VALUES (2, 'north', 77) ON CONFLICT (id) DO UPDATE SET branch = 'south';
WITH i AS (INSERT INTO regress_loan VALUES (50, 'north', 1) RETURNING *) SELECT id, branch FROM i;

-- updating and deleting
UPDATE regress_loan SET amount = 33 WHERE id = 2 RETURNING id, amount;
UPDATE regress_loan SET amount = 33 WHERE id IN (3, 4);
UPDATE regress_loan SET amount = 700 WHERE id = 2;
UPDATE regress_loan SET branch = 'south' WHERE id = 2;
UPDATE regress_loan l SET amount = s.amount FROM regress_source s WHERE s.id = l.id RETURNING l.id;
UPDATE regress_source s SET amount = l.amount FROM regress_loan l WHERE s.id = l.id RETURNING s.id;
UPDATE regress_loan SET note = 'seen';
DELETE FROM regress_loan WHERE id IN (6, 7, 18) RETURNING id;
DELETE FROM regress_loan l USING regress_source s WHERE l.id = s.id AND l.id = 3;
WITH d AS (DELETE FROM regress_loan WHERE id = 50 RETURNING id) SELECT * FROM d;

-- merging
MERGE INTO regress_loan l USING regress_source s ON l.id = s.id
    WHEN MATCHED THEN UPDATE SET amount = s.amount + 1
    WHEN NOT MATCHED AND s.branch = 'north' THEN INSERT VALUES (s.id, s.branch, s.amount);
SELECT id, amount FROM regress_loan WHERE id IN (2, 3, 100) ORDER BY id;
MERGE INTO regress_loan l USING (VALUES (4)) s (id) ON l.id = s.id WHEN MATCHED THEN UPDATE SET amount = 1;
MERGE INTO regress_loan l USING (VALUES (20)) s (id) ON l.id = s.id WHEN MATCHED THEN DELETE;
MERGE INTO regress_loan l USING (VALUES (2)) s (id) ON l.id = s.id WHEN MATCHED THEN UPDATE SET branch = 'south';
MERGE INTO regress_loan l USING (VALUES (3)) s (id) ON l.id = s.id WHEN MATCHED THEN UPDATE SET amount = 1 WHEN NOT MATCHED THEN INSERT VALUES (s.id + 5000, 'south', 1);
MERGE INTO regress_loan l USING (VALUES (2)) s (id) ON l.id = s.id WHEN MATCHED THEN DELETE;

-- what no policy speaks of is refused
SET ROLE regress_reader1;
INSERT INTO regress_loan VALUES (60, 'north', 1);
UPDATE regress_loan SET amount = 1;
DELETE FROM regress_loan;
SELECT id FROM regress_loan FOR UPDATE;
MERGE INTO regress_loan l USING (VALUES (4)) s (id) ON l.id = s.id WHEN MATCHED THEN UPDATE SET amount = 1;
SELECT count(*) FROM regress_loan;
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE note = 'seen') AS seen, count(*) FILTER (WHERE branch = 'south') AS south FROM regress_loan;

-- 'empty' instead of an error
CREATE ROLE regress_nobody1;
GRANT ALL ON regress_loan TO regress_nobody1;
SET ROLE regress_nobody1;
SELECT count(*) FROM regress_loan;
RESET ROLE;
SET steward.on_no_policy = 'empty';
SET ROLE regress_nobody1;
SELECT count(*) FROM regress_loan;
UPDATE regress_loan SET amount = 0;
DELETE FROM regress_loan;
INSERT INTO regress_loan VALUES (70, 'north', 1);
SET steward.on_no_policy = 'error';
RESET ROLE;
RESET steward.on_no_policy;

-- triggers, rules and functions of the statement are governed as well
CREATE VIEW regress_updatable AS SELECT id, branch, amount FROM regress_loan WHERE amount < 10000;
CREATE VIEW regress_invoker WITH (security_invoker) AS SELECT id, branch, amount FROM regress_loan;
GRANT ALL ON regress_updatable, regress_invoker TO regress_clerk1;
SET ROLE regress_clerk1;
SELECT count(*) FROM regress_updatable;
SELECT count(*) FROM regress_invoker;
UPDATE regress_updatable SET amount = 1 WHERE id IN (8, 9);
INSERT INTO regress_updatable VALUES (80, 'south', 1);
DELETE FROM regress_updatable WHERE id = 9;
INSERT INTO regress_updatable VALUES (80, 'north', 1);
RESET ROLE;

-- foreign keys work over hidden rows, and validation looks at all of them
CREATE TABLE regress_payment (id int, loan int REFERENCES regress_loan ON DELETE CASCADE ON UPDATE CASCADE);
GRANT ALL ON regress_payment TO regress_clerk1;
SET ROLE regress_clerk1;
INSERT INTO regress_payment VALUES (1, 1);
INSERT INTO regress_payment VALUES (2, 8);
INSERT INTO regress_payment VALUES (3, 999);
DELETE FROM regress_loan WHERE id = 8;
SELECT * FROM regress_payment;
RESET ROLE;
-- a BEFORE trigger that such a check fires is no back door
CREATE TABLE regress_p (id int PRIMARY KEY);
CREATE TABLE regress_c (id int REFERENCES regress_p ON DELETE CASCADE);
ALTER TABLE regress_p OWNER TO regress_reader1;
ALTER TABLE regress_c OWNER TO regress_reader1;
ALTER TABLE regress_loan OWNER TO regress_reader1;
GRANT CREATE ON SCHEMA public TO regress_reader1;
SET ROLE regress_reader1;
CREATE FUNCTION regress_look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'south rows: %', (SELECT count(*) FROM regress_loan WHERE branch = 'south'); RETURN old; END $$;
CREATE TRIGGER look BEFORE DELETE ON regress_c FOR EACH ROW EXECUTE FUNCTION regress_look();
INSERT INTO regress_p VALUES (1);
INSERT INTO regress_c VALUES (1);
DELETE FROM regress_p;
RESET ROLE;
-- the constraint is validated over rows that its creator does not see
CREATE TABLE regress_orphan (id int PRIMARY KEY);
INSERT INTO regress_orphan VALUES (2), (4);
GRANT REFERENCES ON regress_orphan TO regress_reader1;
GRANT SELECT ON regress_orphan TO regress_reader1;
SET ROLE regress_reader1;
ALTER TABLE regress_loan ADD FOREIGN KEY (id) REFERENCES regress_orphan;
RESET ROLE;

-- sub-selects in policies: a consent table, and the table itself
CREATE TABLE regress_consent (loan int PRIMARY KEY, given boolean);
INSERT INTO regress_consent VALUES (2, true), (10, false), (12, true), (11, true);
CREATE TABLE regress_tree (id int PRIMARY KEY, parent int, tag text);
INSERT INTO regress_tree VALUES (1, NULL, 'open'), (2, 1, 'x'), (3, 2, 'x'), (4, NULL, 'closed'), (5, 4, 'x');
GRANT SELECT ON regress_tree TO regress_reader1;
GRANT SELECT ON regress_tree, regress_consent TO regress_admin1;
SET ROLE regress_admin1;
SELECT steward.drop_row_policy('see', 'regress_loan');
SELECT steward.create_row_policy('consented', 'regress_loan', 'EXISTS (SELECT FROM public.regress_consent c WHERE c.loan = id AND c.given)', roles => '{regress_reader1}');
SELECT steward.protect('regress_tree');
SELECT steward.create_row_policy('children', 'regress_tree', 'tag = ''open'' OR EXISTS (SELECT FROM public.regress_tree p WHERE p.id = regress_tree.parent AND p.tag = ''open'')');
SET ROLE regress_reader1;
SELECT id FROM regress_loan ORDER BY id;
SELECT id FROM regress_tree ORDER BY id;
SELECT loan FROM regress_consent;
RESET ROLE;
REVOKE SELECT ON regress_consent FROM regress_admin1;
SET ROLE regress_reader1;
SELECT id FROM regress_loan ORDER BY id;
RESET ROLE;

-- parallel plans
CREATE TABLE regress_big AS SELECT g AS id, g % 10 AS part FROM generate_series(1, 20000) g;
ANALYZE regress_big;
GRANT SELECT ON regress_big TO regress_reader1;
SET ROLE regress_admin1;
SELECT steward.create_purpose('regress-parallel');
SELECT steward.grant_purpose('regress-parallel', 'regress_reader1');
SELECT steward.set_attribute('regress_reader1', 'part', '{3}');
SELECT steward.protect('regress_big');
SELECT steward.create_row_policy('part', 'regress_big', 'part = steward.attr(''part'', 0)', purposes => '{regress-parallel}');
SET ROLE regress_reader1;
SET steward.purpose = 'regress-parallel';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT regress_plan_has('SELECT count(*) FROM regress_big', 'Gather') AS parallel;
SELECT count(*) FROM regress_big;
RESET ROLE;

-- nor does such a trigger change rows that its owner may not change
CREATE TABLE regress_hit (id int PRIMARY KEY, done boolean DEFAULT false);
INSERT INTO regress_hit VALUES (1);
GRANT SELECT, UPDATE ON regress_hit TO regress_reader1;
SET ROLE regress_admin1;
SELECT steward.protect('regress_hit');
SELECT steward.create_row_policy('none', 'regress_hit', 'id > 1', commands => '{all}');
SET ROLE regress_reader1;
CREATE OR REPLACE FUNCTION regress_look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE ONLY regress_hit SET done = true WHERE id = 1; RETURN old; END $$;
INSERT INTO regress_p VALUES (1);
INSERT INTO regress_c VALUES (1);
DELETE FROM regress_p;
RESET ROLE;
SELECT * FROM regress_hit;

-- the WHERE of DO UPDATE is not asked about a row that may not be seen
SET ROLE regress_admin1;
SELECT steward.create_row_policy('conflict', 'regress_hit', 'id > 1', commands => '{all}', check_expr => 'true');
SET ROLE regress_reader1;
CREATE FUNCTION regress_saw(regress_hit) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
RESET ROLE;
GRANT INSERT ON regress_hit TO regress_reader1;
SET ROLE regress_reader1;
INSERT INTO regress_hit VALUES (2) ON CONFLICT DO NOTHING;
INSERT INTO regress_hit AS h VALUES (2) ON CONFLICT (id) DO UPDATE SET done = true WHERE regress_saw(h);
INSERT INTO regress_hit AS h VALUES (1) ON CONFLICT (id) DO UPDATE SET done = true WHERE regress_saw(h);
RESET ROLE;
