--
-- Roads on which the owner of a governed table, who sees all of its rows, tries
-- to see the values of masked columns.  There must be no "canary" in what
-- follows the line of dashes.
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
RESET client_min_messages;
CREATE ROLE regress_owner;
CREATE ROLE regress_admin IN ROLE steward_admin;
GRANT CREATE ON SCHEMA public TO regress_owner;
SET ROLE regress_owner;
CREATE FUNCTION regress_leak(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK %', $1;
    RETURN true;
END $$;
CREATE TABLE regress_cell (id int PRIMARY KEY, grp int, secret text, tagged text);
CREATE TABLE regress_part (id int, at int, secret text, tagged text) PARTITION BY RANGE (at);
CREATE TABLE regress_part_1 (tagged text, secret text, at int, id int);
ALTER TABLE regress_part ATTACH PARTITION regress_part_1 FOR VALUES FROM (0) TO (10);
CREATE TABLE regress_part_2 PARTITION OF regress_part FOR VALUES FROM (10) TO (20);
CREATE TABLE regress_animal (id int, secret text, tagged text);
CREATE TABLE regress_dog () INHERITS (regress_animal);
CREATE TABLE regress_laxer (id int, at int, secret text, tagged text) PARTITION BY RANGE (at);
CREATE TABLE regress_strict (id int, at int, secret text, tagged text);
CREATE TABLE regress_key (k text PRIMARY KEY);
RESET ROLE;
-- rows that the owner himself never saw
INSERT INTO regress_cell SELECT g, 1, 'canary', 'canary' || g FROM generate_series(1, 2) g;
INSERT INTO regress_part SELECT g, g * 10, 'canary' || g, 'canary' || g FROM generate_series(0, 1) g;
INSERT INTO regress_animal VALUES (1, 'canary', 'canary');
INSERT INTO regress_dog VALUES (2, 'canary', 'canary');
INSERT INTO regress_strict VALUES (1, 1, 'canary', 'canary');
SET ROLE regress_admin;
SELECT steward.protect(r::regclass) FROM unnest('{public.regress_cell,public.regress_part,public.regress_animal,public.regress_laxer,public.regress_strict}'::text[]) r \g /dev/null
SELECT steward.create_row_policy('all', r::regclass, 'true', commands => '{all}')
    FROM unnest('{public.regress_cell,public.regress_part,public.regress_animal,public.regress_laxer,public.regress_strict}'::text[]) r \g /dev/null
SELECT steward.create_mask('secret', r::regclass, 'secret', '''***''')
    FROM unnest('{public.regress_cell,public.regress_part,public.regress_animal,public.regress_strict}'::text[]) r \g /dev/null
SELECT steward.create_tag_mask('pii', 'pii', '''###''');
SET ROLE regress_owner;
SECURITY LABEL FOR steward ON COLUMN regress_cell.tagged IS 'pii';
SECURITY LABEL FOR steward ON COLUMN regress_part.tagged IS 'pii';
SECURITY LABEL FOR steward ON COLUMN regress_animal.tagged IS 'pii';
\echo ----------------------------------------------------------------------
TABLE regress_cell;
TABLE regress_part;
TABLE regress_part_1;
TABLE regress_animal;
TABLE regress_dog;

-- constraints and indexes whose violation would show a value
ALTER TABLE regress_cell ADD UNIQUE (secret);
CREATE UNIQUE INDEX ON regress_cell (grp, secret);
ALTER TABLE regress_cell ADD EXCLUDE (secret WITH =);
ALTER TABLE regress_cell ADD FOREIGN KEY (secret) REFERENCES regress_key;
ALTER TABLE regress_cell ADD FOREIGN KEY (secret) REFERENCES regress_key NOT VALID;
ALTER TABLE regress_cell ADD CHECK (secret <> 'guess');
ALTER TABLE regress_cell ADD CHECK (length(tagged) < 3) NOT VALID;
ALTER TABLE regress_cell ALTER secret TYPE varchar(3);
ALTER TABLE regress_cell ALTER tagged TYPE varchar(3);
ALTER TABLE regress_cell ALTER tagged TYPE int USING tagged::int;
CREATE INDEX ON regress_cell ((tagged::int));
-- a column that takes the value over
ALTER TABLE regress_cell ADD COLUMN taken text GENERATED ALWAYS AS (secret) STORED;
ALTER TABLE regress_cell ADD COLUMN taken text;
UPDATE regress_cell SET taken = secret;
UPDATE regress_cell SET taken = tagged WHERE id = 1 RETURNING taken;
INSERT INTO regress_key SELECT secret FROM regress_cell LIMIT 1;
TABLE regress_key;
-- another name, another place
ALTER TABLE regress_cell RENAME secret TO s;
ALTER TABLE regress_cell RENAME tagged TO secret;
SELECT s, secret FROM regress_cell;
CREATE TABLE regress_like (LIKE regress_cell INCLUDING ALL);
COPY regress_cell (id, s, secret) TO STDOUT;
-- statistics, once the values are in them
CREATE STATISTICS regress_stats (mcv) ON s, secret FROM regress_cell;
ANALYZE regress_cell;
SELECT attname, most_common_vals FROM pg_stats WHERE tablename = 'regress_cell' AND attname IN ('s', 'secret') AND (most_common_vals::text ~ 'canary' OR histogram_bounds::text ~ 'canary');
SELECT most_common_vals FROM pg_stats_ext WHERE tablename = 'regress_cell' AND most_common_vals IS NOT NULL;

-- a partition that leaves stays masked, by tag too
ALTER TABLE regress_part DETACH PARTITION regress_part_1;
TABLE regress_part_1;
SELECT regress_leak(p) FROM regress_part_1 p;
ALTER TABLE regress_part DETACH PARTITION regress_part_2 CONCURRENTLY;
TABLE regress_part_2;
ALTER TABLE regress_dog NO INHERIT regress_animal;
TABLE regress_dog;
-- and so does one whose parent is dropped
BEGIN;
CREATE TABLE regress_puppy () INHERITS (regress_dog);
DROP TABLE regress_animal;
TABLE regress_dog;
ROLLBACK;
-- nor does it come under a governed parent that masks less
ALTER TABLE regress_laxer ATTACH PARTITION regress_strict FOR VALUES FROM (0) TO (10);
ALTER TABLE regress_laxer ATTACH PARTITION regress_part_1 FOR VALUES FROM (10) TO (20);
SELECT * FROM regress_laxer;
-- tags go with an administrator only
SECURITY LABEL FOR steward ON COLUMN regress_part_1.tagged IS NULL;
TABLE regress_part_1;
RESET ROLE;
DROP TABLE regress_cell, regress_part, regress_part_1, regress_part_2, regress_animal, regress_dog, regress_laxer, regress_strict, regress_key, regress_like;
