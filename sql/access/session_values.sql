--
-- What policies and masks ask of the session is evaluated once an execution,
-- as parameters of the plan, beside those that the client gives
--
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_seller;
CREATE TABLE sale (id int PRIMARY KEY, region text, price int, note text);
INSERT INTO sale SELECT i, CASE i % 3 WHEN 0 THEN 'north' WHEN 1 THEN 'south' ELSE 'east' END, i, 'n' || i
FROM generate_series(1, 300) i;
ANALYZE sale;
GRANT ALL ON sale TO regress_seller;
SELECT steward.protect('sale');
SELECT steward.create_purpose('selling'), steward.create_purpose('resting'), steward.create_purpose('limits');
SELECT steward.grant_purpose('selling', 'regress_seller'), steward.grant_purpose('resting', 'regress_seller'),
	steward.grant_purpose('limits', 'regress_seller');
SELECT steward.set_attribute('regress_seller', 'region', '{north}'), steward.set_attribute('regress_seller', 'limit', '{30}');
SELECT steward.create_row_policy('region', 'sale', 'region = steward.attr(''region'', ''none''::text)', '{regress_seller}', '{selling}', '{select,update}');
SELECT steward.create_row_policy('limit', 'sale', 'price > 290 AND price - steward.attr(''limit'', 0) < steward.attr(''limit'', 0) * 10',
	'{regress_seller}', '{limits}');
SELECT steward.create_mask('note', 'sale', 'note', 'steward.mask_redact(note) || steward.attr(''region'', ''?''::text)', unless_purposes => '{limits}');

-- No sub-plan is left for it, and none is run for each row.
SET ROLE regress_seller;
SET steward.purpose = 'selling';
EXPLAIN (COSTS off) SELECT id FROM sale WHERE id = 3;
SELECT count(*), min(note) FROM sale;

-- The client's parameters, in a generic plan that follows purposes and attributes
SET plan_cache_mode = force_generic_plan;
PREPARE sold (int, int, int, text) AS SELECT id, price + $2 AS more, $4 AS given, note FROM sale WHERE id BETWEEN $1 AND $3 ORDER BY id;
EXECUTE sold (1, 1000, 9, 'a');
SET steward.purpose = 'limits';
EXECUTE sold (291, 2000, 293, 'b');
SET steward.purpose = 'selling';
RESET ROLE;
SELECT steward.set_attribute('regress_seller', 'region', '{south,north}');
SET ROLE regress_seller;
EXECUTE sold (1, 3000, 5, NULL);
SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'sold';
RESET plan_cache_mode;

-- The variables of PL/pgSQL and of SQL functions are parameters, too.
CREATE FUNCTION pg_temp.total(wanted int[], lowest int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	price int := 0;
	sold record;
	seen text := '';
BEGIN
	FOR sold IN SELECT s.id, s.price AS p FROM sale s WHERE s.id = ANY (wanted) AND s.price >= lowest ORDER BY s.id LOOP
		price := price + sold.p;
		seen := seen || ' ' || sold.id;
		PERFORM FROM sale s WHERE s.id = sold.id AND s.price = sold.p;
		IF NOT FOUND THEN
			RAISE 'it has gone';
		END IF;
	END LOOP;
	RETURN price || ':' || seen;
END
$$;
CREATE FUNCTION pg_temp.price_of(wanted int) RETURNS int LANGUAGE sql STABLE AS $$
	SELECT price FROM sale WHERE id = wanted ORDER BY id LIMIT 1
$$;
SELECT pg_temp.total('{1,2,3,4,5,6,7}', 2);
SELECT pg_temp.total('{1,2,3,4,5,6,7}', 5);
SELECT sum(pg_temp.price_of(i)), count(pg_temp.price_of(i)) FROM generate_series(1, 300) i;

-- Parallel workers get the values from their leader.
RESET ROLE;
ALTER TABLE sale SET (parallel_workers = 2);
SET ROLE regress_seller;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS off) SELECT count(*) FROM sale WHERE price > 10;
SELECT count(*), min(note) FROM sale WHERE price > 10;
SET parallel_leader_participation = off;
SELECT count(*), min(note) FROM sale WHERE price > 10;
PREPARE parallel (int, text) AS SELECT count(*), min(note), max($2) FROM sale WHERE price > $1;
EXPLAIN (COSTS off) EXECUTE parallel (10, 'x');
EXECUTE parallel (10, 'x');
SET steward.purpose = 'limits';
EXECUTE parallel (295, 'y');
SET steward.purpose = 'selling';
EXECUTE parallel (298, 'z');
RESET parallel_leader_participation;
RESET plan_cache_mode;
SET max_parallel_workers_per_gather = 0;
RESET enable_indexscan;
RESET enable_bitmapscan;

-- An open cursor keeps what it has asked for.
BEGIN;
DECLARE sales CURSOR FOR SELECT id FROM sale WHERE id < 10 ORDER BY id;
FETCH 1 FROM sales;
SET LOCAL steward.purpose = 'resting';
FETCH ALL FROM sales;
COMMIT;

-- What cannot be read fails only where it is needed.
RESET ROLE;
SELECT steward.set_attribute('regress_seller', 'limit', '{many}');
SET ROLE regress_seller;
SELECT count(*) FROM sale;
UPDATE sale SET price = price + 1 WHERE id = 1 RETURNING id, price, note;
SET steward.purpose = 'limits';
SELECT count(*) FROM sale WHERE id > 290;
SET steward.purpose = 'resting';
SELECT count(*) FROM sale;

-- Lists of VALUES are compiled apart from their plan.
SET steward.purpose = 'selling';
SELECT count(*), count(v.price), min(v.price) FROM sale s CROSS JOIN LATERAL (VALUES (s.price), (s.price + 1)) v (price);

-- Nobody can name these parameters himself.
PREPARE own (int) AS SELECT count(*) FROM sale WHERE id > $1 AND $1025;

RESET ROLE;
DROP TABLE sale;
SELECT steward.drop_purpose('selling'), steward.drop_purpose('resting'), steward.drop_purpose('limits');
DROP OWNED BY regress_seller;
DROP ROLE regress_seller;
