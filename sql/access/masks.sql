-- Column masks hold wherever a column stands in a statement.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_mask_user;
CREATE ROLE regress_mask_officer;
CREATE ROLE regress_mask_admin IN ROLE steward_admin;
CREATE TABLE regress_person (dropped int, id int PRIMARY KEY, ssn text, salary int, mail text, city text);
ALTER TABLE regress_person DROP COLUMN dropped;
INSERT INTO regress_person VALUES (1, 'canary-1', 1001, 'ann@example.com', 'Bern'), (2, 'canary-2', 2002, 'bob@example.com', 'Rome'), (3, 'canary-3', 3003, NULL, 'Bern');
CREATE TABLE regress_visit (person int, what text);
INSERT INTO regress_visit VALUES (1, 'a'), (2, 'b'), (9, 'c');
GRANT ALL ON regress_person, regress_visit TO regress_mask_user, regress_mask_officer;
RESET client_min_messages;
SET ROLE regress_mask_admin;
SELECT steward.create_purpose('regress-care');
SELECT steward.grant_purpose('regress-care', 'regress_mask_user');
SELECT steward.protect('regress_person');
SELECT steward.create_row_policy('all', 'regress_person', 'true', commands => '{all}');
SELECT steward.create_mask('ssn', 'regress_person', 'ssn', '''hidden''', unless_roles => '{regress_mask_officer}');
SELECT steward.create_mask('salary', 'regress_person', 'salary', 'steward.mask_bucket(salary, 1000)::int', unless_roles => '{regress_mask_officer}', unless_purposes => '{regress-care}');
SELECT steward.create_mask('mail', 'regress_person', 'mail', 'steward.mask_email(mail)', when_expr => 'city = ''Bern''');

-- who sees what
SET ROLE regress_mask_officer;
SELECT * FROM regress_person ORDER BY id;
SET ROLE regress_mask_user;
SELECT * FROM regress_person ORDER BY id;
SET steward.purpose = 'regress-care';
SELECT * FROM regress_person ORDER BY id;
RESET steward.purpose;
RESET ROLE;
SELECT * FROM regress_person ORDER BY id;

-- everywhere in the statement
SET ROLE regress_mask_user;
SELECT id FROM regress_person WHERE ssn = 'canary-1';
SELECT id FROM regress_person WHERE ssn LIKE 'canary%' OR salary = 1001;
SELECT ssn, count(*) FROM regress_person GROUP BY ssn;
SELECT id FROM regress_person ORDER BY salary DESC, id;
SELECT max(ssn), min(salary), sum(salary), string_agg(ssn, ',') FROM regress_person;
SELECT p FROM regress_person p WHERE id = 1;
SELECT p.* FROM regress_person p WHERE id = 1;
SELECT row_to_json(p) FROM regress_person p WHERE id = 2;
SELECT (p).ssn FROM regress_person p WHERE id = 1;
SELECT p::text, p.ctid, p.tableoid::regclass, p.xmin IS NOT NULL AS x, p IS NOT NULL AS whole FROM regress_person p WHERE id = 1;
SELECT to_jsonb(p) ->> 'ssn' FROM regress_person p WHERE p.ctid = '(0,1)';
SELECT v.person, p.ssn, p.id IS NULL AS gone, p FROM regress_visit v LEFT JOIN regress_person p ON p.id = v.person ORDER BY 1;
SELECT v.person, p.tableoid IS NULL AS gone FROM regress_visit v LEFT JOIN regress_person p ON p.id = v.person ORDER BY 1;
SELECT a.id FROM regress_person a JOIN regress_person b USING (ssn) ORDER BY 1;
SELECT (SELECT p.ssn FROM regress_person p WHERE p.id = v.person) FROM regress_visit v ORDER BY person;
SELECT DISTINCT ssn FROM regress_person;
SELECT ssn FROM regress_person UNION SELECT 'x' ORDER BY 1;
SELECT id, rank() OVER (ORDER BY ssn) FROM regress_person ORDER BY 1;
SELECT ssn, grouping(ssn), count(*) FROM regress_person GROUP BY ROLLUP (ssn) ORDER BY 2;
SELECT id, count(*) FROM regress_person GROUP BY id HAVING max(ssn) = 'hidden' ORDER BY 1;
SELECT id, ssn FROM regress_person GROUP BY id ORDER BY 1;
SELECT ssn::int FROM regress_person;
SELECT id, ssn FROM regress_person TABLESAMPLE SYSTEM (100) ORDER BY id FOR UPDATE;
SELECT id, ssn, p FROM regress_person p WHERE id = 1 FOR UPDATE OF p;
WITH RECURSIVE r AS (SELECT id, ssn FROM regress_person WHERE id = 1 UNION ALL SELECT p.id, p.ssn FROM regress_person p, r WHERE p.id = r.id + 1) SELECT * FROM r;
SELECT * FROM regress_visit v, LATERAL (SELECT p.ssn FROM regress_person p WHERE p.id = v.person) x ORDER BY 1;
COPY regress_person TO stdout;
COPY (SELECT ssn FROM regress_person) TO stdout;
CREATE TEMP TABLE regress_stolen AS SELECT * FROM regress_person;
TABLE regress_stolen ORDER BY id;
PREPARE m (int) AS SELECT ssn, salary FROM regress_person WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE m (1);
SET steward.purpose = 'regress-care';
EXECUTE m (1);
SET ROLE regress_mask_officer;
EXECUTE m (1);
SET ROLE regress_mask_user;
RESET steward.purpose;
EXECUTE m (1);
-- a leaky function sees the mask
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SELECT id FROM regress_person WHERE pg_temp.leak(ssn) AND id = 1;

-- targets: conditions, values and what is returned
UPDATE regress_person SET city = 'Oslo' WHERE ssn = 'canary-1';
UPDATE regress_person p SET city = 'Oslo' WHERE id = 1 RETURNING *;
UPDATE regress_person p SET city = 'Bern' WHERE id = 1 RETURNING p, p.ssn, row_to_json(p), (SELECT p.ssn);
UPDATE regress_person p SET city = v.what FROM regress_visit v WHERE v.person = p.id AND p.salary = 2002;
UPDATE regress_person p SET city = o.ssn FROM regress_person o WHERE o.id = p.id;
DELETE FROM regress_person WHERE salary = 3003;
BEGIN;
DELETE FROM regress_person WHERE id = 3 RETURNING ssn, salary;
DELETE FROM regress_person USING regress_visit v WHERE v.person = id AND id = 2 RETURNING regress_person.*;
ROLLBACK;
INSERT INTO regress_person VALUES (4, 'mine', 4004, 'dan@example.com', 'Bern') RETURNING *;
INSERT INTO regress_person VALUES (2, 'x', 1, 'x', 'x') ON CONFLICT (id) DO UPDATE SET city = 'Paris' WHERE regress_person.ssn = 'canary-2' RETURNING *;
INSERT INTO regress_person VALUES (2, 'x', 1, 'x', 'x') ON CONFLICT (id) DO UPDATE SET city = 'Paris' RETURNING *;
MERGE INTO regress_person p USING regress_visit v ON p.id = v.person AND p.ssn = 'canary-1' WHEN MATCHED THEN UPDATE SET city = 'found';
MERGE INTO regress_person p USING regress_visit v ON p.id = v.person WHEN MATCHED AND p.salary = 1001 THEN UPDATE SET city = 'found' WHEN MATCHED AND p.salary = 1000 THEN UPDATE SET city = 'mask seen';
SELECT id, city FROM regress_person ORDER BY id;

-- masks are not written over what they hide
UPDATE regress_person SET ssn = ssn;
UPDATE regress_person SET ssn = 'new-' || ssn;
UPDATE regress_person SET city = ssn;
UPDATE regress_person SET salary = salary * 2;
UPDATE regress_person p SET ssn = s.x FROM (SELECT id, upper(ssn) AS x FROM regress_person) s WHERE s.id = p.id;
WITH c AS (SELECT id, ssn FROM regress_person) UPDATE regress_person p SET ssn = c.ssn FROM c WHERE c.id = p.id;
WITH c AS (SELECT id, ssn FROM regress_person), u AS (UPDATE regress_person p SET ssn = c.ssn FROM c WHERE c.id = p.id RETURNING 1) SELECT * FROM u;
UPDATE regress_person SET ssn = (SELECT max(ssn) FROM regress_person);
UPDATE regress_person p SET (ssn, city) = (SELECT ssn, city FROM regress_person o WHERE o.id = p.id);
UPDATE regress_person p SET mail = x.mail FROM (SELECT id, mail FROM regress_person UNION ALL SELECT 1, 'x') x WHERE x.id = p.id;
INSERT INTO regress_person SELECT id + 10, ssn, salary, mail, city FROM regress_person;
INSERT INTO regress_person (id, city) SELECT id + 10, city FROM regress_person WHERE id = 1;
INSERT INTO regress_person VALUES (1, 'x', 1, 'x', 'x') ON CONFLICT (id) DO UPDATE SET ssn = regress_person.ssn || 'y';
MERGE INTO regress_person p USING (SELECT id, ssn FROM regress_person) s ON p.id = s.id WHEN MATCHED THEN UPDATE SET ssn = s.ssn;
UPDATE regress_person SET ssn = 'my own' WHERE id = 11;
SET steward.purpose = 'regress-care';
UPDATE regress_person SET salary = salary + 1 WHERE id = 2 RETURNING salary;
RESET steward.purpose;
UPDATE regress_person SET salary = salary + 1 WHERE id = 2 RETURNING salary;
RESET ROLE;
SELECT * FROM regress_person ORDER BY id;

-- views, functions, materialized views of others
CREATE VIEW regress_v AS SELECT id, ssn || '!' AS s, salary FROM regress_person;
CREATE FUNCTION regress_f() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT ssn FROM public.regress_person ORDER BY id';
CREATE FUNCTION regress_g(int) RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT ssn FROM public.regress_person WHERE id = $1';
GRANT SELECT, UPDATE ON regress_v TO regress_mask_user;
SET ROLE regress_mask_user;
SELECT * FROM regress_v WHERE id < 3 ORDER BY id;
SELECT * FROM regress_f() LIMIT 1;
SELECT * FROM regress_g(1);
-- a view shows where a value comes from; what a function reads, and what another statement kept, does not
UPDATE regress_person p SET ssn = v.s FROM regress_v v WHERE v.id = p.id;
BEGIN;
UPDATE regress_person p SET ssn = g.g FROM regress_g(1) g WHERE p.id = 1;
CREATE TEMPORARY TABLE regress_kept AS SELECT id, ssn FROM regress_person;
UPDATE regress_person p SET ssn = k.ssn FROM regress_kept k WHERE k.id = p.id AND p.id = 2;
RESET ROLE;
SELECT id, ssn FROM regress_person WHERE id IN (1, 2) ORDER BY id;
ROLLBACK;
SET ROLE regress_mask_user;
UPDATE regress_v SET salary = 5 WHERE s = 'canary-1!';
UPDATE regress_v SET salary = 5 WHERE id = 1 RETURNING *;
-- statistics and plans
RESET ROLE;
ANALYZE regress_person;
SET ROLE regress_mask_user;
SELECT attname FROM pg_stats WHERE tablename = 'regress_person';
RESET ROLE;

-- indexes on unmasked columns stay in use
INSERT INTO regress_person SELECT g, 'canary-' || g, g, NULL, 'x' FROM generate_series(100, 5000) g;
ANALYZE regress_person;
SET ROLE regress_mask_user;
DO $$
DECLARE
    line text;
    found boolean := false;
BEGIN
    FOR line IN EXPLAIN (COSTS OFF) SELECT ssn FROM regress_person WHERE id = 2000 LOOP
        found := found OR line ~ 'Index';
    END LOOP;
    RAISE NOTICE 'index in use: %', found;
END $$;

-- generated columns tell no more than what they are made of
RESET ROLE;
CREATE TABLE regress_gen (id int, secret text, loud text GENERATED ALWAYS AS (upper(secret)) STORED);
INSERT INTO regress_gen VALUES (1, 'canary');
GRANT SELECT ON regress_gen TO regress_mask_user;
SET ROLE regress_mask_admin;
SELECT steward.protect('regress_gen');
SELECT steward.create_row_policy('all', 'regress_gen', 'true');
SELECT steward.create_mask('secret', 'regress_gen', 'secret', '''m''');
SET ROLE regress_mask_user;
SELECT * FROM regress_gen;

-- several masks on a column
SET ROLE regress_mask_admin;
SELECT steward.create_mask('city', 'regress_person', 'ssn', '''in '' || city', when_expr => 'city = ''Bern''', priority => 10);
SELECT steward.create_mask('again', 'regress_person', 'ssn', '''x''', priority => 10);
SET ROLE regress_mask_user;
SELECT id, ssn FROM regress_person WHERE id < 12 ORDER BY id;

-- errors
SET ROLE regress_mask_admin;
SELECT steward.create_mask('ssn', 'regress_person', 'ssn', '''x''');
SELECT steward.create_mask('e', 'regress_person', 'nope', '''x''');
SELECT steward.create_mask('e', 'regress_person', 'salary', 'city', priority => 50);
SELECT steward.create_mask('e', 'regress_person', 'ssn', 'pg_sleep(1)::text', priority => 50);
SELECT steward.create_mask('e', 'regress_person', 'ssn', 'nope', priority => 50);
SELECT steward.create_mask('e', 'regress_person', 'ssn', 'max(ssn)', priority => 50);
SELECT steward.create_mask('e', 'regress_person', 'ssn', '''x''', unless_roles => '{regress_none}');
SELECT steward.create_mask('e', 'regress_person', 'ssn', '''x''', unless_purposes => '{regress-none}');
SELECT steward.create_mask('e', 'regress_visit', 'what', '''x''');
SELECT steward.drop_mask('none', 'regress_person');
SET ROLE regress_mask_user;
SELECT steward.create_mask('e', 'regress_person', 'ssn', '''x''');
RESET ROLE;
ALTER TABLE regress_person DROP COLUMN ssn;
ALTER TABLE regress_person RENAME COLUMN ssn TO social;
SET ROLE regress_mask_user;
SELECT social FROM regress_person WHERE id = 1;
RESET ROLE;

-- partitions, also directly, and with columns in another order
CREATE TABLE regress_mp (id int, ssn text) PARTITION BY RANGE (id);
CREATE TABLE regress_mp1 (ssn text, id int);
ALTER TABLE regress_mp ATTACH PARTITION regress_mp1 FOR VALUES FROM (0) TO (10);
INSERT INTO regress_mp VALUES (1, 'canary');
GRANT ALL ON regress_mp, regress_mp1 TO regress_mask_user;
SET ROLE regress_mask_admin;
SELECT steward.protect('regress_mp');
SELECT steward.create_row_policy('all', 'regress_mp', 'true', commands => '{all}');
SELECT steward.create_mask('ssn', 'regress_mp', 'ssn', 'left(ssn, 1) || id');
SET ROLE regress_mask_user;
SELECT tableoid::regclass, * FROM regress_mp;
SELECT * FROM regress_mp1;
UPDATE regress_mp1 SET id = 2 WHERE ssn = 'canary';
UPDATE regress_mp SET id = 2 RETURNING *;
UPDATE regress_mp1 SET id = 3 RETURNING regress_mp1;
RESET ROLE;

-- masks by tag follow the labels
CREATE TABLE regress_tagged (id int, name text, mail text, born date);
INSERT INTO regress_tagged VALUES (1, 'canary', 'canary@example.com', '1980-05-05');
ALTER TABLE regress_tagged OWNER TO regress_mask_officer;
GRANT SELECT ON regress_tagged TO regress_mask_user;
SET ROLE regress_mask_admin;
SELECT steward.create_tag_mask('pii', 'pii', 'steward.mask_redact(value)');
SELECT steward.create_tag_mask('special', 'special', 'NULL', unless_purposes => '{regress-care}', priority => 10);
SELECT steward.create_tag_mask('twice', 'pii', '''x''');
SELECT steward.create_tag_mask('bad', 'p i i', '''x''');
SELECT steward.protect('regress_tagged');
SELECT steward.create_row_policy('all', 'regress_tagged', 'true');
SET ROLE regress_mask_officer;
SECURITY LABEL FOR steward ON COLUMN regress_tagged.name IS 'pii';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.mail IS 'pii, special';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.born IS 'pii';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.born IS 'special';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.born IS 'not a tag!';
SECURITY LABEL FOR steward ON TABLE regress_tagged IS 'pii';
SELECT * FROM regress_tagged;
SET ROLE regress_mask_user;
SELECT * FROM regress_tagged;
SET steward.purpose = 'regress-care';
SELECT * FROM regress_tagged;
RESET steward.purpose;
SET ROLE regress_mask_admin;
SELECT steward.create_tag_mask('bad', 'pii', 'pg_notify(value, value)::text', priority => 5);
SELECT steward.create_tag_mask('bad', 'special', 'upper(value)', priority => 5);
SELECT steward.create_tag_mask('bad', 'pii', 'name', priority => 5);
-- only an administrator weakens or removes a label
SET ROLE regress_mask_officer;
SECURITY LABEL FOR steward ON COLUMN regress_tagged.mail IS 'special';
SECURITY LABEL FOR steward ON COLUMN regress_tagged.mail IS NULL;
SECURITY LABEL FOR steward ON COLUMN regress_tagged.mail IS 'special,pii,more';
ALTER TABLE regress_tagged ADD COLUMN phone text;
SECURITY LABEL FOR steward ON COLUMN regress_tagged.phone IS 'pii';
RESET ROLE;
SECURITY LABEL FOR steward ON COLUMN regress_tagged.mail IS 'pii';
UPDATE regress_tagged SET phone = 'canary';
SET ROLE regress_mask_user;
SELECT * FROM regress_tagged;
RESET ROLE;
SELECT relation, column_name, tag FROM steward.column_tag ORDER BY 1, 2, 3;
SELECT steward.drop_tag_mask('pii');
SELECT steward.drop_tag_mask('pii');
SET ROLE regress_mask_user;
SELECT * FROM regress_tagged;
RESET ROLE;
SELECT steward.mask_partial('1234567890', 2, 2), steward.mask_partial('123', 2, 2), steward.mask_partial(NULL, 1, 1),
       steward.mask_email('a@b'), steward.mask_email('x'), steward.mask_email('@x'), steward.mask_bucket(17, 5), steward.mask_bucket(-1, 5),
       steward.mask_bucket(1, 0), steward.mask_redact(''), steward.mask_date('2020-05-06 07:08 UTC', 'year') < '2020-02-01' AS year;

-- whole rows and system columns of one relation in one statement
CREATE TABLE regress_both (gone int, id int PRIMARY KEY, ssn text);
ALTER TABLE regress_both DROP COLUMN gone;
INSERT INTO regress_both VALUES (1, 'canary'), (2, NULL);
GRANT SELECT ON regress_both TO regress_mask_user;
SELECT steward.protect('regress_both');
SELECT steward.create_row_policy('all', 'regress_both', 'true');
SELECT steward.create_mask('ssn', 'regress_both', 'ssn', '''m''');
SET ROLE regress_mask_user;
SELECT v.person, b, b IS NULL AS gone, b.ctid, (b).ssn, row_to_json(b), b.tableoid::regclass FROM regress_visit v LEFT JOIN regress_both b ON b.id = v.person ORDER BY 1;
SELECT b, b IS NOT NULL AS whole, b.xmin IS NULL AS x FROM regress_both b ORDER BY id;
SELECT b, b IS NOT NULL AS whole FROM regress_both b ORDER BY id;
SELECT count(b), max(b.ctid) FROM regress_both b;
RESET ROLE;
