--
-- Roads on which hidden rows would be reached through another table: parents,
-- partitions, publications; and what becomes of partitions that leave.
--
\set SHOW_CONTEXT never
CREATE EXTENSION pg_steward;
CREATE ROLE regress_owner;
CREATE ROLE regress_reader;
CREATE ROLE regress_admin IN ROLE steward_admin;
GRANT CREATE ON DATABASE regression TO regress_owner;
GRANT CREATE ON SCHEMA public TO regress_owner;

SET ROLE regress_owner;
CREATE FUNCTION regress_leak(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'LEAK %', $1;
    RETURN true;
END $$;
CREATE FUNCTION regress_leak_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE 'LEAK %', new;
    RETURN new;
END $$;
CREATE TABLE regress_event (id int, who text, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE regress_event_1 PARTITION OF regress_event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE regress_base (id int, who text);
INSERT INTO regress_event VALUES (1, 'hidden', '2020-02-02'), (2, 'shown', '2020-02-03');
INSERT INTO regress_base VALUES (1, 'hidden'), (2, 'shown');
GRANT SELECT, INSERT ON regress_event, regress_event_1, regress_base TO regress_reader;
SET ROLE regress_admin;
SELECT steward.protect('regress_event');
SELECT steward.protect('regress_base');
SELECT steward.create_row_policy('shown', 'regress_event', $$who = 'shown'$$, roles => '{regress_owner,regress_reader}', commands => '{all}');
SELECT steward.create_row_policy('shown', 'regress_base', $$who = 'shown'$$, roles => '{regress_owner,regress_reader}', commands => '{all}');
-- governed too, by a policy that hides nothing
RESET ROLE;
SET ROLE regress_owner;
CREATE TABLE regress_open (id int, who text);
SET ROLE regress_admin;
SELECT steward.protect('regress_open');
SELECT steward.create_row_policy('all', 'regress_open', 'true', roles => '{public}', commands => '{all}');

-- a parent that sees more
SET ROLE regress_owner;
CREATE TABLE regress_mine (id int, who text);
ALTER TABLE regress_base INHERIT regress_mine;
ALTER TABLE regress_base INHERIT regress_open;
CREATE TABLE regress_mine_parts (id int, who text, at date NOT NULL) PARTITION BY RANGE (at);
CREATE INDEX ON regress_mine_parts (regress_leak(who));
ALTER TABLE regress_mine_parts ATTACH PARTITION regress_event DEFAULT;
ALTER TABLE regress_mine_parts ATTACH PARTITION regress_event_1 DEFAULT;
BEGIN;
ALTER TABLE regress_event DETACH PARTITION regress_event_1;
ALTER TABLE regress_mine_parts ATTACH PARTITION regress_event_1 DEFAULT;
ROLLBACK;
-- by a child with two parents
CREATE TABLE regress_both () INHERITS (regress_mine, regress_base);
CREATE TABLE regress_both () INHERITS (regress_base, regress_open);
CREATE TABLE regress_both () INHERITS (regress_base);
ALTER TABLE regress_both INHERIT regress_mine;
DROP TABLE regress_both;
-- a child for a moment is governed for good
ALTER TABLE regress_mine INHERIT regress_base;
ALTER TABLE regress_mine NO INHERIT regress_base;
RESET ROLE;
SELECT mode, protected_by FROM steward.protected_relation WHERE relation = 'regress_mine'::regclass;
SET ROLE regress_owner;
DROP TABLE regress_mine;
CREATE TABLE regress_mine (id int, who text);

-- one governed parent more, and at once a look at the rows
CREATE TABLE regress_mid () INHERITS (regress_base);
CREATE TABLE regress_low () INHERITS (regress_base);
ALTER TABLE regress_low ADD CONSTRAINT regress_probe CHECK (who <> 'hidden') NOT VALID;
ALTER TABLE regress_low INHERIT regress_mid, VALIDATE CONSTRAINT regress_probe;
ALTER TABLE regress_low INHERIT regress_mid, ADD CONSTRAINT regress_probe2 CHECK (regress_leak(who));
ALTER TABLE regress_low INHERIT regress_mid;
DROP TABLE regress_mid, regress_low;

-- partitions that listen
CREATE TABLE regress_bad PARTITION OF regress_event (CHECK (regress_leak(who))) FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE regress_bad PARTITION OF regress_event (who DEFAULT regress_leak(1)::text) FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE regress_bad PARTITION OF regress_event FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (regress_leak(who));
CREATE TABLE regress_bad (id int, who text, at date NOT NULL);
CREATE TRIGGER regress_listen BEFORE INSERT ON regress_bad FOR EACH ROW EXECUTE FUNCTION regress_leak_row();
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
DROP TRIGGER regress_listen ON regress_bad;
CREATE RULE regress_listen AS ON INSERT TO regress_bad DO ALSO SELECT regress_leak(new.who);
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
DROP RULE regress_listen ON regress_bad;
CREATE POLICY regress_listen ON regress_bad USING (regress_leak(who));
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
DROP POLICY regress_listen ON regress_bad;
CREATE INDEX regress_listen ON regress_bad (regress_leak(who));
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
DROP INDEX regress_listen;
ALTER TABLE regress_bad ADD CONSTRAINT regress_listen CHECK (regress_leak(who));
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
ALTER TABLE regress_bad DROP CONSTRAINT regress_listen;
ALTER TABLE regress_bad ALTER who SET DEFAULT regress_leak(1)::text;
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
ALTER TABLE regress_bad ALTER who DROP DEFAULT;
CREATE STATISTICS regress_listen ON (regress_leak(who)), id FROM regress_bad;
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
DROP STATISTICS regress_listen;
SET client_min_messages = error;
CREATE PUBLICATION regress_pub FOR TABLE regress_bad;
RESET client_min_messages;
ALTER TABLE regress_event ATTACH PARTITION regress_bad DEFAULT;
DROP PUBLICATION regress_pub;
-- below it
CREATE TABLE regress_bad_parts (id int, who text, at date NOT NULL) PARTITION BY RANGE (at);
ALTER TABLE regress_bad_parts ATTACH PARTITION regress_bad DEFAULT;
CREATE TRIGGER regress_listen BEFORE INSERT ON regress_bad FOR EACH ROW EXECUTE FUNCTION regress_leak_row();
ALTER TABLE regress_event ATTACH PARTITION regress_bad_parts DEFAULT;
DROP TRIGGER regress_listen ON regress_bad;
ALTER TABLE regress_event ATTACH PARTITION regress_bad_parts DEFAULT;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
    WHERE relname IN ('regress_bad', 'regress_bad_parts') ORDER BY 1;
-- and now it is too late
CREATE TRIGGER regress_listen BEFORE INSERT ON regress_bad FOR EACH ROW EXECUTE FUNCTION regress_leak_row();
CREATE INDEX ON regress_bad (regress_leak(who));
TRUNCATE regress_bad;
ALTER TABLE regress_bad DISABLE ROW LEVEL SECURITY;
-- foreign tables keep rows elsewhere
RESET ROLE;
CREATE FOREIGN DATA WRAPPER regress_fdw;
CREATE SERVER regress_server FOREIGN DATA WRAPPER regress_fdw;
GRANT USAGE ON FOREIGN SERVER regress_server TO regress_owner;
SET ROLE regress_owner;
CREATE FOREIGN TABLE regress_far PARTITION OF regress_event FOR VALUES FROM ('2030-01-01') TO ('2031-01-01') SERVER regress_server;
CREATE FOREIGN TABLE regress_far () INHERITS (regress_base) SERVER regress_server;

-- what is the parent's, approved, comes along
RESET ROLE;
CREATE FUNCTION regress_note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE FUNCTION regress_norm(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN lower($1); END';
CREATE TRIGGER regress_noted AFTER INSERT ON regress_event FOR EACH ROW EXECUTE FUNCTION regress_note();
CREATE INDEX regress_event_norm ON regress_event (regress_norm(who));
ALTER TABLE regress_event ADD CONSTRAINT regress_normal CHECK (regress_norm(who) <> '');
ALTER TABLE regress_event ALTER who SET DEFAULT regress_norm('NOBODY');
ALTER TABLE regress_base ADD CONSTRAINT regress_normal CHECK (regress_norm(who) <> '');
ALTER TABLE regress_base ALTER who SET DEFAULT regress_norm('NOBODY');
SET ROLE regress_owner;
CREATE TABLE regress_event_2 PARTITION OF regress_event FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE regress_event_3 (LIKE regress_event INCLUDING ALL);
ALTER TABLE regress_event ATTACH PARTITION regress_event_3 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE regress_child (more text) INHERITS (regress_base);
CREATE TEMP TABLE regress_child_temp () INHERITS (regress_base);
CREATE FUNCTION regress_make(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE regress_event_%s PARTITION OF regress_event FOR VALUES FROM (%L) TO (%L)',
        n, make_date(2020 + n, 1, 1), make_date(2021 + n, 1, 1));
END $$;
SELECT regress_make(4);
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
    WHERE relname ~ '^regress_(event|child)' AND relkind IN ('r', 'p') ORDER BY 1;
INSERT INTO regress_event VALUES (3, 'shown', '2024-02-02');
INSERT INTO regress_event VALUES (4, 'hidden', '2024-02-02');
SELECT id FROM regress_event_4;
GRANT SELECT ON regress_event_4 TO regress_reader;
SET ROLE regress_reader;
SELECT id FROM regress_event ORDER BY id;
SELECT id FROM regress_event_4;
RESET ROLE;
INSERT INTO regress_event VALUES (4, 'hidden', '2024-02-02');
INSERT INTO regress_child VALUES (5, 'hidden', 'x'), (6, 'shown', 'x');

-- a partition that leaves stays governed
SET ROLE regress_owner;
ALTER TABLE regress_event DETACH PARTITION regress_event_4;
SELECT id FROM regress_event_4 ORDER BY id;
CREATE INDEX ON regress_event_4 (regress_leak(who));
ALTER TABLE regress_event DETACH PARTITION regress_event_1 CONCURRENTLY;
ALTER TABLE regress_event DETACH PARTITION regress_bad_parts;
ALTER TABLE regress_event DETACH PARTITION regress_event_1 CONCURRENTLY;
SELECT id FROM regress_event_1 ORDER BY id;
SELECT id FROM ONLY regress_event_1 ORDER BY id;
ALTER TABLE regress_base RENAME COLUMN who TO whom;
ALTER TABLE regress_child NO INHERIT regress_base;
SELECT id FROM regress_child ORDER BY id;
CREATE TABLE regress_whom (id int, whom text);
ALTER TABLE regress_child INHERIT regress_whom;
CREATE TABLE regress_copy AS SELECT * FROM regress_event_4;
RESET ROLE;
SELECT p.relation, p.mode, rp.name, rp.commands, pol.polroles::regrole[], pg_get_expr(pol.polqual, pol.polrelid),
       c.relrowsecurity, c.relforcerowsecurity
FROM steward.protected_relation p
JOIN pg_class c ON c.oid = p.relation
LEFT JOIN steward.row_policy rp ON rp.relation = p.relation
LEFT JOIN pg_policy pol ON pol.polrelid = rp.relation AND pol.polname = rp.name
ORDER BY p.relation::text;
SELECT relation, policy, role FROM steward.row_policy_role WHERE relation = 'regress_event_4'::regclass ORDER BY role::text;
-- and comes back by an administrator's leave
SET ROLE regress_owner;
ALTER TABLE regress_event ATTACH PARTITION regress_event_4 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
RESET ROLE;
SELECT steward.allow_ddl('regress_event_4', 'regress_owner', now() + interval '1 hour', 'back');
SET ROLE regress_owner;
ALTER TABLE regress_event ATTACH PARTITION regress_event_4 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
SELECT id FROM regress_event ORDER BY id;
SELECT id FROM regress_event_4 ORDER BY id;

-- a partition that foreign keys refer to
RESET ROLE;
SET client_min_messages = warning;
CREATE TABLE regress_pk (id int PRIMARY KEY, who text) PARTITION BY LIST (id);
CREATE TABLE regress_pk_1 PARTITION OF regress_pk FOR VALUES IN (1);
CREATE TABLE regress_pk_2 PARTITION OF regress_pk FOR VALUES IN (2);
CREATE TABLE regress_fk (id int REFERENCES regress_pk);
ALTER TABLE regress_pk OWNER TO regress_owner;
ALTER TABLE regress_pk_1 OWNER TO regress_owner;
ALTER TABLE regress_pk_2 OWNER TO regress_owner;
ALTER TABLE regress_fk OWNER TO regress_owner;
INSERT INTO regress_pk VALUES (1, 'hidden'), (2, 'shown');
INSERT INTO regress_fk VALUES (1);
SELECT steward.protect('regress_pk');
SELECT steward.create_row_policy('shown', 'regress_pk', $$who = 'shown'$$, roles => '{regress_owner}');
SET ROLE regress_owner;
\set VERBOSITY sqlstate
ALTER TABLE regress_pk DETACH PARTITION regress_pk_1;
\set VERBOSITY default
ALTER TABLE regress_pk DETACH PARTITION regress_pk_2;
-- an error in between leaves enforcement as it was
SELECT id FROM regress_pk;
DO $$
BEGIN
    ALTER TABLE regress_pk DETACH PARTITION regress_pk_1;
EXCEPTION WHEN foreign_key_violation THEN
    RAISE WARNING 'still referenced; rows seen: %', (SELECT count(*) FROM regress_pk);
END $$;
RESET ROLE;
RESET client_min_messages;

-- publications
SET ROLE regress_owner;
DROP TABLE regress_child_temp;
CREATE PUBLICATION regress_pub FOR TABLE regress_base;
CREATE PUBLICATION regress_pub FOR TABLE regress_mine, regress_event;
CREATE PUBLICATION regress_pub FOR TABLE regress_event_2;
CREATE PUBLICATION regress_pub FOR TABLE regress_base WHERE (id = 1);
SET client_min_messages = error;
CREATE PUBLICATION regress_pub FOR TABLE regress_mine;
RESET client_min_messages;
ALTER PUBLICATION regress_pub ADD TABLE regress_base;
ALTER PUBLICATION regress_pub SET TABLE regress_mine, regress_base;
ALTER PUBLICATION regress_pub SET TABLE regress_mine;
-- by a superuser's function
RESET ROLE;
CREATE FUNCTION regress_run(command text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    EXECUTE command;
END $$;
CREATE SCHEMA regress_published;
GRANT CREATE, USAGE ON SCHEMA regress_published TO regress_owner;
SET client_min_messages = error;
CREATE PUBLICATION regress_schema FOR TABLES IN SCHEMA regress_published;
RESET client_min_messages;
SET ROLE regress_owner;
SELECT regress_run('CREATE PUBLICATION regress_all FOR ALL TABLES');
SELECT regress_run('CREATE PUBLICATION regress_public FOR TABLES IN SCHEMA public');
SELECT regress_run('ALTER PUBLICATION regress_pub ADD TABLES IN SCHEMA public');
-- moving into a schema that is published
ALTER TABLE regress_base SET SCHEMA regress_published;
CREATE TABLE regress_published.regress_event_5 PARTITION OF regress_event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- a dropped table leaves nothing behind
DROP TABLE regress_event;
CREATE SCHEMA regress_gone;
ALTER TABLE regress_base SET SCHEMA regress_gone;
DROP SCHEMA regress_gone CASCADE;
DO $$ BEGIN DROP TABLE regress_open; END $$;
SET client_min_messages = warning;
BEGIN;
DROP TABLE regress_pk CASCADE;
ROLLBACK;
RESET ROLE;
SELECT relation FROM steward.protected_relation ORDER BY relation::text;
SELECT relation, name FROM steward.row_policy ORDER BY relation::text;
SELECT relation FROM steward.ddl_allowance;
SET client_min_messages = warning;
DROP OWNED BY regress_owner CASCADE;
SELECT relation FROM steward.protected_relation;
SELECT relation FROM steward.row_policy_role;
DROP PUBLICATION regress_schema;
DROP FUNCTION regress_run(text), regress_note(), regress_norm(text);
DROP SCHEMA regress_published;
DROP FOREIGN DATA WRAPPER regress_fdw CASCADE;
DROP EXTENSION pg_steward;
DROP ROLE regress_owner, regress_reader, regress_admin;
