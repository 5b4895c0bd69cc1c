--
-- What is refused to everybody, what opens the owner's roads, and a migration
-- that takes them.
--
\set SHOW_CONTEXT never
CREATE EXTENSION pg_steward;
CREATE ROLE regress_owner;
CREATE ROLE "Regress ""Team""";
GRANT "Regress ""Team""" TO regress_owner;
CREATE ROLE regress_creator CREATEROLE;
CREATE ROLE regress_admin IN ROLE steward_admin;
GRANT CREATE ON SCHEMA public TO regress_owner;

-- ---------------------------------------------------------------------
-- pg_steward's roles
-- ---------------------------------------------------------------------

GRANT steward_carrier TO regress_owner;
CREATE ROLE regress_member IN ROLE steward_carrier;
ALTER GROUP steward_carrier ADD USER regress_owner;
CREATE ROLE regress_member ROLE regress_owner IN GROUP steward_reader, steward_carrier;
ALTER ROLE steward_carrier LOGIN;
ALTER ROLE steward_carrier BYPASSRLS;
ALTER ROLE steward_carrier PASSWORD 'x';
ALTER ROLE steward_carrier RENAME TO regress_carrier;
ALTER ROLE steward_admin RENAME TO regress_carrier;
DROP ROLE steward_carrier;
DROP ROLE IF EXISTS regress_nobody, steward_auditor;
-- as pg_dumpall writes it
ALTER ROLE steward_carrier WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
-- CREATEROLE is not enough
SET ROLE regress_creator;
GRANT steward_admin TO regress_creator;
CREATE ROLE regress_member IN ROLE steward_auditor;
ALTER ROLE steward_admin LOGIN;
GRANT steward_carrier TO regress_creator;
CREATE ROLE regress_other;
DROP ROLE regress_other;
RESET ROLE;
GRANT steward_reader TO regress_owner;
REVOKE steward_reader FROM regress_owner;

-- ---------------------------------------------------------------------
-- Allowances
-- ---------------------------------------------------------------------

SET ROLE regress_owner;
CREATE TABLE regress_gov (id int, person text, region text, amount int, at date NOT NULL DEFAULT '2020-05-05') PARTITION BY RANGE (at);
CREATE TABLE regress_gov_1 PARTITION OF regress_gov FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE regress_plain (id int);
INSERT INTO regress_gov SELECT i, 'p' || i, CASE i % 2 WHEN 0 THEN 'eu' ELSE 'us' END, i FROM generate_series(1, 6) i;
CREATE FUNCTION regress_fine(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
RESET ROLE;
SELECT steward.protect('regress_gov', entity_column => 'person');
SELECT steward.create_row_policy('eu', 'regress_gov', $$region = 'eu'$$, roles => '{regress_owner}', commands => '{all}');

-- bad input
SELECT steward.allow_ddl(NULL, 'regress_owner', now() + interval '1 hour', 'why');
SELECT steward.allow_ddl('regress_gov', NULL, now() + interval '1 hour', 'why');
SELECT steward.allow_ddl('regress_gov', 'regress_owner', NULL, 'why');
SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() + interval '1 hour', NULL);
SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() + interval '1 hour', '  ');
SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() + interval '1 hour', repeat('x', 10001));
SELECT steward.allow_ddl('regress_gov', 'regress_nobody', now() + interval '1 hour', 'why');
SELECT steward.allow_ddl('regress_gov', 'public', now() + interval '1 hour', 'why');
SELECT steward.allow_ddl('regress_gov', 'regress_owner', 'infinity', 'why');
SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() - interval '1 hour', 'why');
SELECT steward.allow_ddl('regress_plain', 'regress_owner', now() + interval '1 hour', 'why');
SELECT steward.allow_ddl('pg_class', 'regress_owner', now() + interval '1 hour', 'why');
SELECT steward.allow_ddl(0, 'regress_owner', now() + interval '1 hour', 'why');
SET ROLE regress_owner;
SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() + interval '1 hour', 'why');

-- for a role whose rights the subject has, for the table and what is below
SET ROLE regress_admin;
SELECT steward.allow_ddl('regress_gov', 'Regress "Team"', now() + interval '1 hour', 'a migration');
SET ROLE regress_owner;
BEGIN;
TRUNCATE regress_gov_1;
ROLLBACK;
BEGIN;
TRUNCATE regress_gov;
CREATE INDEX ON regress_gov_1 (regress_fine(region));
ROLLBACK;
-- the latest word counts
SET ROLE regress_admin;
SELECT steward.allow_ddl('regress_gov', 'Regress "Team"', now() - interval '1 hour', 'over');
SET ROLE regress_owner;
TRUNCATE regress_gov;
SET ROLE regress_admin;
SELECT steward.allow_ddl('regress_gov_1', 'regress_owner', now() + interval '1 hour', 'one partition');
SET ROLE regress_owner;
BEGIN;
TRUNCATE regress_gov_1;
TRUNCATE regress_gov;
ROLLBACK;
SET ROLE regress_admin;
SELECT steward.allow_ddl('regress_gov_1', 'regress_owner', '-infinity', 'over');
-- it ends by the wall clock, also within a transaction
BEGIN;
SELECT steward.allow_ddl('regress_gov', 'regress_owner', clock_timestamp() + interval '200 ms', 'quick');
SET LOCAL ROLE regress_owner;
CREATE INDEX ON regress_gov (regress_fine(region));
SELECT pg_sleep(0.25);
CREATE INDEX ON regress_gov (regress_fine(region));
ROLLBACK;
RESET ROLE;
SELECT relation, role, reason, allowed_by, valid_until <= clock_timestamp() AS over FROM steward.ddl_allowance ORDER BY id;

-- ---------------------------------------------------------------------
-- A migration, unmodified
-- ---------------------------------------------------------------------

SELECT steward.allow_ddl('regress_gov', 'regress_owner', now() + interval '1 hour', 'release 7');
SET ROLE regress_owner;
CREATE INDEX regress_gov_fine ON regress_gov (regress_fine(region)) WHERE amount > 2;
ALTER TABLE regress_gov ADD COLUMN score float8 DEFAULT 0.5;
ALTER TABLE regress_gov ADD COLUMN twice int GENERATED ALWAYS AS (amount * 2) STORED;
ALTER TABLE regress_gov ADD CONSTRAINT regress_amount CHECK (amount > 0);
ALTER TABLE regress_gov DROP COLUMN twice;
ALTER TABLE regress_gov ALTER COLUMN amount TYPE numeric USING amount * 1.0;
CREATE TABLE regress_gov_2 (LIKE regress_gov INCLUDING ALL);
INSERT INTO regress_gov_2 (id, person, region, amount, at) VALUES (7, 'p7', 'us', 7, '2021-02-02');
CREATE FUNCTION regress_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER regress_touch BEFORE UPDATE ON regress_gov_2 FOR EACH ROW EXECUTE FUNCTION regress_touch();
ALTER TABLE regress_gov ATTACH PARTITION regress_gov_2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
ALTER TABLE regress_gov DETACH PARTITION regress_gov_1;
ALTER TABLE regress_gov_1 ADD CONSTRAINT regress_old CHECK (regress_fine(region) <> '');
ALTER TABLE regress_gov ATTACH PARTITION regress_gov_1 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
ALTER TABLE regress_gov RENAME COLUMN region TO area;
ALTER TABLE regress_gov RENAME COLUMN person TO subject;
ALTER TABLE regress_gov RENAME TO regress_credit;
ALTER TABLE regress_credit RENAME CONSTRAINT regress_amount TO regress_credit_amount;
SELECT id, area FROM regress_credit ORDER BY id;
SELECT id, area FROM regress_gov_1 ORDER BY id;
SELECT id, area FROM regress_gov_2 ORDER BY id;
RESET ROLE;
SELECT p.relation, p.entity_column, c.relrowsecurity, c.relforcerowsecurity
    FROM steward.protected_relation p JOIN pg_class c ON c.oid = p.relation ORDER BY 1;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'regress_gov_2';
SELECT pol.polrelid::regclass, polname, pg_get_expr(polqual, polrelid) FROM pg_policy pol ORDER BY 1;

-- what came with it is told
SELECT object, routine, owner FROM steward.code_of_users('regress_credit');
SELECT severity, object, finding, remedy FROM steward.doctor() WHERE finding ~ 'sees every row;';

-- ---------------------------------------------------------------------
-- Refused to everybody
-- ---------------------------------------------------------------------

ALTER POLICY eu ON regress_credit USING (true);
ALTER POLICY eu ON regress_credit TO public;
ALTER POLICY eu ON regress_credit RENAME TO us;
DROP POLICY eu ON regress_credit;
DROP OWNED BY steward_carrier;
ALTER TABLE regress_credit DROP COLUMN area;
ALTER TABLE regress_credit DROP COLUMN area CASCADE;
ALTER TABLE regress_credit DROP COLUMN subject;
CREATE FUNCTION regress_trusted(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1;
SELECT steward.trust('public.regress_trusted(pg_catalog.text)', 'test');
SELECT steward.create_row_policy('fine', 'regress_credit', $$public.regress_trusted(area) = 'eu'$$, roles => '{regress_owner}');
SELECT steward.allow_ddl('regress_credit', 'regress_owner', now() - interval '1 hour', 'over');
SELECT steward.allow_ddl('regress_gov_1', 'regress_owner', now() - interval '1 hour', 'over');
SET ROLE regress_owner;
CREATE OR REPLACE FUNCTION regress_fine(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'eu'; END$$;
RESET ROLE;
DROP FUNCTION regress_trusted(text) CASCADE;
ALTER TABLE regress_credit DISABLE ROW LEVEL SECURITY;
DROP EXTENSION pg_steward;
DROP EXTENSION pg_steward CASCADE;
DROP SCHEMA steward CASCADE;
DROP TABLE steward.protected_relation CASCADE;
DO $$ BEGIN DROP EXTENSION pg_steward; END $$;
-- what a superuser may, as restoring a dump takes
CREATE POLICY regress_carried ON regress_plain TO steward_carrier USING (true);
DROP POLICY regress_carried ON regress_plain;
CREATE POLICY regress_carried ON regress_plain TO steward_carrier USING (true);
ALTER TABLE regress_plain DROP COLUMN id;
DROP TABLE regress_plain;
-- a native policy that users defined is theirs, with an allowance
CREATE POLICY regress_native ON regress_credit AS RESTRICTIVE USING (true);
SELECT steward.unprotect('regress_gov_1', 'a copy of the parent''s');
SET ROLE regress_owner;
DROP POLICY regress_native ON regress_credit;
ALTER POLICY regress_native ON regress_credit USING (false);
RESET ROLE;
SELECT steward.allow_ddl('regress_credit', 'regress_owner', now() + interval '1 hour', 'again');
SET ROLE regress_owner;
ALTER POLICY regress_native ON regress_credit USING (id > 0);
DROP POLICY regress_native ON regress_credit;
RESET ROLE;

-- the extension goes when nothing is governed any more
SELECT steward.unprotect('regress_credit', 'over');
DROP EXTENSION pg_steward;
DROP FUNCTION regress_trusted(text);
DROP OWNED BY regress_owner, regress_creator, regress_admin;
DROP ROLE regress_owner, regress_creator, regress_admin, "Regress ""Team""";
DROP ROLE steward_carrier;
