-- COPY of governed tables.  (Versions of psql differ in whether data follow a
-- COPY that is refused at once; \copy of an empty file stands for these.)
\set VERBOSITY default
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
CREATE ROLE regress_admin LOGIN;
CREATE ROLE regress_loader LOGIN;
CREATE ROLE regress_nobody LOGIN;
GRANT steward_admin TO regress_admin;
GRANT CREATE ON SCHEMA public TO regress_admin;
RESET client_min_messages;

CREATE TABLE reading (
    id integer,
    region text NOT NULL,
    amount numeric(8,2) DEFAULT 7,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
    note text
);
GRANT SELECT, INSERT ON reading TO regress_loader, regress_nobody;

SET ROLE regress_admin;
SELECT steward.protect('reading');
SELECT steward.create_purpose('loading');
SELECT steward.grant_purpose('loading', 'regress_loader');
SELECT steward.set_attribute('regress_loader', 'regions', '{eu,us}');
SELECT steward.create_row_policy('load', 'reading',
    'region = ANY (steward.attr(''regions''))', roles => '{regress_loader}',
    purposes => '{loading}', commands => '{insert}');
SELECT steward.create_row_policy('see', 'reading', 'region = ''eu''',
    roles => '{regress_loader}', commands => '{select}');
RESET ROLE;

-- COPY FROM is refused before input is asked for
SET ROLE regress_nobody;
\copy reading (id, region) FROM '/dev/null'
SET ROLE regress_loader;
\copy reading (id, region) FROM '/dev/null'

-- with the purpose, allowed rows come in
SET steward.purpose = 'loading';
COPY reading (id, region, note) FROM STDIN;
1	eu	a
2	us	b
\.
COPY reading (id, region, amount, note) FROM STDIN (FORMAT csv, HEADER, NULL 'none', FORCE_NOT_NULL (note));
id,region,amount,note
3,eu,1.239,"with
newline"
4,us,none,
\.

-- a refused row is named by its line, and shown nowhere
COPY reading (id, region, note) FROM STDIN;
5	eu	a
6	secret region	secret note
7	eu	a
\.
COPY reading (id, region, note) FROM STDIN (FORMAT csv, HEADER match);
id,region,note
5,eu,a
6,cn,secret
\.
-- other errors show the line as ever
COPY reading (id, region, note) FROM STDIN;
5	eu	a
six	eu	a
\.
COPY reading (id, region) FROM STDIN;
5	\N
\.
-- what the statement's own WHERE leaves out is not checked
COPY reading (id, region, note) FROM STDIN WHERE region <> 'cn';
8	eu	a
9	cn	secret
10	eu	b
\.
\copy reading (id, region) FROM '/dev/null' WHERE twice > 1
\copy reading (id, nosuch) FROM '/dev/null'
\copy reading (id, id) FROM '/dev/null'
\copy reading FROM '/dev/null' (FORMAT nosuch)

-- COPY TO: only what may be seen, generated columns as ever
COPY reading TO STDOUT;
COPY reading (twice, id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (id));
COPY reading (nosuch) TO STDOUT;
COPY (SELECT id FROM reading WHERE region = 'us') TO STDOUT;
SET ROLE regress_nobody;
COPY reading TO STDOUT;
RESET ROLE;
SELECT id, region, amount, twice, note FROM reading ORDER BY id;

-- everybody in a superuser's definer function is himself
CREATE FUNCTION copy_out(dest text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN EXECUTE format('COPY reading (id, region) TO %L', dest); END $$;
CREATE FUNCTION copy_in(source text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS
$$
DECLARE n bigint;
BEGIN
    EXECUTE format('COPY reading (id, region) FROM %L', source);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;
\getenv abs_builddir PG_ABS_BUILDDIR
\set file :abs_builddir '/results/access/copy.data'
\set file2 :abs_builddir '/results/access/copy2.data'
COPY (SELECT * FROM (VALUES (20, 'eu'), (21, 'us')) v) TO :'file';
COPY (SELECT * FROM (VALUES (22, 'eu'), (23, 'cn')) v) TO :'file2';
\set SHOW_CONTEXT never
SET ROLE regress_loader;
SELECT copy_in(:'file');
SELECT copy_in(:'file2');
SELECT copy_out(:'file');
SET ROLE regress_nobody;
SELECT copy_in(:'file');
SELECT copy_out(:'file2');
\set SHOW_CONTEXT errors
RESET ROLE;
CREATE TEMP TABLE seen (id integer, region text);
COPY seen FROM :'file';
SELECT * FROM seen ORDER BY id;
-- and a superuser in a function of the loader's is the loader
CREATE FUNCTION load_one(row_region text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN EXECUTE format('COPY reading (id, region) FROM PROGRAM ''echo "25,%s"'' (FORMAT csv)', row_region); END $$;
GRANT pg_execute_server_program TO regress_loader;
ALTER FUNCTION load_one OWNER TO regress_loader;
\set SHOW_CONTEXT never
SELECT load_one('cn');
SELECT load_one('us');
\set SHOW_CONTEXT errors
-- a superuser himself sees and loads everything
COPY reading (id, region) FROM STDIN;
30	cn
\.
COPY reading (id, region) TO STDOUT;
DELETE FROM reading WHERE id >= 20;

-- FREEZE, where the transaction emptied the table
BEGIN;
TRUNCATE reading;
SET LOCAL ROLE regress_loader;
COPY reading (id, region) FROM STDIN (FREEZE);
26	eu
\.
COPY reading (id, region) FROM STDIN (FREEZE);
27	cn
\.
ROLLBACK;

-- savepoints; read-only transactions
SET ROLE regress_loader;
BEGIN;
SAVEPOINT a;
COPY reading (id, region) FROM STDIN;
40	eu
41	cn
\.
ROLLBACK TO a;
COPY reading (id, region) FROM STDIN;
42	eu
\.
COMMIT;
BEGIN READ ONLY;
\copy reading (id, region) FROM '/dev/null'
ROLLBACK;
SELECT id FROM reading WHERE id >= 40;

-- column privileges
RESET ROLE;
REVOKE INSERT ON reading FROM regress_loader;
GRANT INSERT (id, region) ON reading TO regress_loader;
SET ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
43	us
\.
\copy reading (id, region, note) FROM '/dev/null'
RESET ROLE;
GRANT INSERT ON reading TO regress_loader;

-- row_security = off means: raise rather than filter
SET ROLE regress_loader;
SET row_security = off;
\copy reading (id, region) FROM '/dev/null'
RESET row_security;
RESET ROLE;

-- what is once in a statement is so from its start: the attribute
CREATE FUNCTION take_regions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
$$
BEGIN
    DELETE FROM steward.role_attribute WHERE role = 'regress_loader'::regrole;
    RETURN NULL;
END $$;
CREATE TRIGGER take AFTER INSERT ON reading FOR EACH ROW EXECUTE FUNCTION take_regions();
BEGIN;
SET LOCAL ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
50	us
51	us
\.
COPY reading (id, region) FROM STDIN;
52	us
\.
ROLLBACK;
DROP TRIGGER take ON reading;

-- sub-selects in checks: correlated, on the table itself, and a gate beside
CREATE TABLE consent (person integer PRIMARY KEY, given boolean);
INSERT INTO consent SELECT i, i % 2 = 0 FROM generate_series(100, 110) i;
GRANT SELECT ON consent TO regress_admin;
SET ROLE regress_admin;
SELECT steward.create_row_policy('load', 'reading',
    'region = ANY (steward.attr(''regions'')) AND
     EXISTS (SELECT FROM public.consent c WHERE c.person = id AND c.given)',
    roles => '{regress_loader}', purposes => '{loading}', commands => '{insert}', replace => true);
SET ROLE regress_loader;
SELECT has_table_privilege('consent', 'SELECT');
COPY reading (id, region) FROM STDIN;
100	eu
102	us
\.
COPY reading (id, region) FROM STDIN;
104	eu
105	us
\.
COPY reading (id, region) FROM STDIN;
106	cn
\.
RESET ROLE;
GRANT SELECT ON reading TO regress_admin;
SET ROLE regress_admin;
SELECT steward.create_row_policy('load', 'reading',
    'NOT EXISTS (SELECT FROM public.reading r WHERE r.id = reading.id)',
    roles => '{regress_loader}', commands => '{insert}', replace => true);
SET ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
110	eu
110	eu
\.
COPY reading (id, region) FROM STDIN;
111	eu
110	eu
\.
-- a sub-select without any column of the row
SET ROLE regress_admin;
SELECT steward.create_row_policy('load', 'reading',
    'EXISTS (SELECT FROM public.consent c WHERE c.person = 103 AND c.given)',
    roles => '{regress_loader}', commands => '{insert}', replace => true);
SET ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
112	eu
\.
RESET ROLE;
UPDATE consent SET given = true WHERE person = 103;
SET ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
112	eu
\.
-- nobody else asks what COPY asks
SELECT steward.copied_row_is_allowed(1, 'eu'::text);
SELECT steward.refuse_row('reading'::regclass, 2);
RESET ROLE;

-- behind a closed gate nothing is evaluated
SET ROLE regress_admin;
SELECT steward.create_purpose('odd');
SELECT steward.set_attribute('regress_loader', 'limit', '{many}');
SELECT steward.create_row_policy('odd', 'reading', 'amount < steward.attr(''limit'', 0)',
    roles => '{regress_loader}', purposes => '{odd}', commands => '{insert}');
SET ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
113	eu
\.
SET ROLE regress_admin;
SELECT steward.grant_purpose('odd', 'regress_loader');
SET ROLE regress_loader;
SET steward.purpose = 'odd';
\copy reading (id, region) FROM '/dev/null'
SET steward.purpose = 'loading';
SET ROLE regress_admin;
SELECT steward.drop_row_policy('odd', 'reading');
RESET ROLE;

-- generated columns in a check: the row that is stored counts
SET ROLE regress_admin;
SELECT steward.create_row_policy('load', 'reading', 'twice < 100 AND region <> ''cn''',
    roles => '{regress_loader}', commands => '{insert}', replace => true);
SET ROLE regress_loader;
COPY reading (id, region, amount) FROM STDIN;
120	eu	49
121	eu	\N
\.
COPY reading (id, region, amount) FROM STDIN (FORMAT csv);
120,eu,49
122,eu,51
\.
COPY reading (id, region, amount) FROM STDIN WHERE amount < 50;
120	eu	49
122	eu	51
123	cn	51
\.
-- other errors of this way show the line, too
COPY reading (id, region, amount) FROM STDIN;
124	eu	4x
\.
COPY reading (id, region, amount) FROM STDIN;
124	\N	4
\.
\copy reading (id, region, amount) FROM '/dev/null' (FREEZE)
\copy reading (id, region) FROM '/dev/null'
RESET ROLE;

-- a function that is immutable by its own account only: what is stored counts
CREATE SEQUENCE fickle;
CREATE FUNCTION fickle(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN nextval('fickle') % 2; END $$;
GRANT USAGE ON SEQUENCE fickle TO regress_loader;
CREATE TABLE fickle_row (id integer, odd integer GENERATED ALWAYS AS (fickle(id)) STORED);
GRANT INSERT ON fickle_row TO regress_loader;
SET ROLE regress_admin;
SELECT steward.protect('fickle_row');
SELECT steward.create_row_policy('p', 'fickle_row', 'odd = 0', roles => '{regress_loader}', commands => '{insert}');
SET ROLE regress_loader;
COPY fickle_row FROM STDIN;
1
\.
COPY fickle_row FROM STDIN;
2
\.
RESET ROLE;
SELECT * FROM fickle_row;
DROP TABLE fickle_row;

-- BEFORE ROW triggers: the row that they leave counts, what they drop does not
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF new.note = 'skip' THEN RETURN NULL; END IF;
    IF new.note = 'move' THEN new.region := 'cn'; END IF;
    RETURN new;
END $$;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    RAISE NOTICE '% % %', TG_WHEN, TG_LEVEL, (SELECT count(*) FROM inserted);
    RETURN NULL;
END $$;
CREATE TRIGGER change BEFORE INSERT ON reading FOR EACH ROW EXECUTE FUNCTION change();
CREATE TRIGGER tell AFTER INSERT ON reading REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION tell();
SET ROLE regress_admin;
SELECT steward.create_row_policy('load', 'reading', 'region = ''eu''',
    roles => '{regress_loader}', commands => '{insert}', replace => true);
SET ROLE regress_loader;
COPY reading (id, region, note) FROM STDIN;
130	eu	
131	eu	skip
132	cn	skip
\.
COPY reading (id, region, note) FROM STDIN;
133	eu	
134	eu	move
\.
\copy reading (id, region) FROM '/dev/null' (FREEZE)
RESET ROLE;
DROP TRIGGER change ON reading;
DROP TRIGGER tell ON reading;
SELECT id, region, note FROM reading WHERE id BETWEEN 100 AND 140 ORDER BY id;

-- native row security of the users counts beside ours
CREATE POLICY native ON reading FOR INSERT WITH CHECK (note IS DISTINCT FROM 'no');
SET ROLE regress_loader;
COPY reading (id, region, note) FROM STDIN;
140	eu	yes
\.
COPY reading (id, region, note) FROM STDIN;
141	eu	no
\.
COPY reading (id, region, note) FROM STDIN;
141	cn	yes
\.
RESET ROLE;
CREATE RULE also AS ON INSERT TO reading DO ALSO SELECT 1;
SET ROLE regress_loader;
\copy reading (id, region, note) FROM '/dev/null'
RESET ROLE;
DROP RULE also ON reading;
DROP POLICY native ON reading;

-- identity and sequences: values of the input count, defaults are taken once
CREATE TABLE numbered (
    n integer GENERATED ALWAYS AS IDENTITY,
    s serial,
    k text,
    twice integer GENERATED ALWAYS AS (n * 2) STORED
);
ALTER TABLE numbered ADD gone integer;
ALTER TABLE numbered DROP gone;
ALTER TABLE numbered ADD last text DEFAULT 'end';
GRANT INSERT, SELECT ON numbered TO regress_loader;
GRANT USAGE ON SEQUENCE numbered_s_seq TO regress_loader;
SET ROLE regress_admin;
SELECT steward.protect('numbered');
SELECT steward.create_row_policy('p', 'numbered', 'twice > 0', roles => '{regress_loader}', commands => '{insert}');
SELECT steward.create_row_policy('s', 'numbered', 'true', roles => '{regress_loader}', commands => '{select}');
SET ROLE regress_loader;
COPY numbered (n, k) FROM STDIN;
7	a
8	b
\.
COPY numbered (k) FROM STDIN;
c
d
\.
SELECT * FROM numbered;
RESET ROLE;

-- partitions: through the root, and each by itself
CREATE TABLE parted (id integer, region text, note text) PARTITION BY LIST (region);
CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
CREATE TABLE parted_us (note text, region text, id integer);
ALTER TABLE parted ATTACH PARTITION parted_us FOR VALUES IN ('us');
CREATE TABLE parted_cn PARTITION OF parted FOR VALUES IN ('cn');
GRANT SELECT, INSERT ON parted, parted_eu, parted_us, parted_cn TO regress_loader;
SET ROLE regress_admin;
SELECT steward.protect('parted');
SELECT steward.create_row_policy('p', 'parted', 'region <> ''cn'' AND id < 1000', roles => '{regress_loader}', commands => '{select,insert}');
SET ROLE regress_loader;
COPY parted FROM STDIN;
1	eu	a
2	us	b
3	eu	c
\.
COPY parted FROM STDIN;
4	eu	a
5	cn	secret
\.
COPY parted_us FROM STDIN;
d	us	6
\.
COPY parted_us FROM STDIN;
secret	us	6000
\.
COPY parted FROM STDIN;
7	xx	a
\.
COPY parted TO STDOUT;
COPY parted_us TO STDOUT;
RESET ROLE;
-- a partition's trigger changes rows after they were read
CREATE FUNCTION raise_id() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN new.id := new.id + 990; RETURN new; END $$;
CREATE TRIGGER raise_id BEFORE INSERT ON parted_us FOR EACH ROW EXECUTE FUNCTION raise_id();
SET ROLE regress_loader;
COPY parted FROM STDIN;
8	us	a
9	eu	b
\.
COPY parted FROM STDIN;
9	eu	b
10	us	secret
\.
SELECT * FROM parted ORDER BY id;
RESET ROLE;

-- mode observe refuses nothing
SET ROLE regress_admin;
SELECT steward.protect('reading', mode => 'observe');
SET ROLE regress_loader;
COPY reading (id, region) FROM STDIN;
200	cn
201	eu
202	cn
\.
COPY reading (id) TO STDOUT;
RESET ROLE;
SELECT relation, subject, command, policy, denials FROM steward.observed_denial ORDER BY command;

DROP TABLE reading, consent, numbered, parted, seen CASCADE;
