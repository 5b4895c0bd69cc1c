-- access: doctor() finds what is wrong with the protection of rows.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
SET timezone = 'UTC';
CREATE ROLE regress_doc_admin;
CREATE ROLE regress_doc_owner;
CREATE ROLE regress_doc_ann;
CREATE ROLE regress_doc_gone;
CREATE ROLE regress_doc_bypass LOGIN BYPASSRLS;
CREATE ROLE regress_doc_replica REPLICATION;
CREATE ROLE regress_doc_files;
GRANT steward_admin TO regress_doc_admin, regress_doc_gone;
GRANT pg_read_server_files TO regress_doc_files;
CREATE SCHEMA regress_doc;
GRANT ALL ON SCHEMA regress_doc TO public;

-- what concerns this test; numbers of dropped roles differ
CREATE VIEW regress_doc.finding AS
    SELECT severity, regexp_replace(object, '\m\d{5,}\M', 'N') AS object,
           regexp_replace(finding, '\m\d{5,}\M', 'N') AS finding, regexp_replace(remedy, '\m\d{5,}\M', 'N') AS remedy
    FROM steward.doctor() WITH ORDINALITY AS d (severity, object, finding, remedy, place)
    WHERE concat_ws(' ', object, finding, remedy) ~ 'regress[_ ]doc|\m\d{5,}\M|steward_carrier|on_no_policy|observed_denial |version'
    ORDER BY place;
\pset format unaligned
\pset fieldsep ' | '

-- sound
SELECT * FROM regress_doc.finding WHERE object !~ 'role regress_doc';

-- roles; as if done while the library was not loaded
GRANT regress_doc_gone TO regress_doc_ann;
UPDATE pg_auth_members SET roleid = 'steward_carrier'::regrole WHERE roleid = 'regress_doc_gone'::regrole;
UPDATE pg_authid SET rolcanlogin = true WHERE rolname = 'steward_carrier';
SET steward.on_no_policy = 'empty';
SELECT * FROM regress_doc.finding;
RESET steward.on_no_policy;
REVOKE steward_carrier FROM regress_doc_ann;
ALTER ROLE steward_carrier NOLOGIN;
ALTER ROLE regress_doc_bypass NOBYPASSRLS;
ALTER ROLE regress_doc_replica NOREPLICATION;
REVOKE pg_read_server_files FROM regress_doc_files;
SELECT * FROM regress_doc.finding;

-- tables
GRANT steward_admin TO regress_doc_owner;
SET ROLE regress_doc_owner;
CREATE TABLE regress_doc.fact (id int, region text) PARTITION BY LIST (region);
CREATE TABLE regress_doc."Fact north" PARTITION OF regress_doc.fact FOR VALUES IN ('north');
CREATE TABLE regress_doc.watched (id int);
RESET ROLE;
REVOKE steward_admin FROM regress_doc_owner;
CREATE MATERIALIZED VIEW regress_doc.copied AS SELECT * FROM regress_doc.fact;
SELECT steward.protect('regress_doc.fact'), steward.protect('regress_doc.watched', 'observe');
SELECT * FROM regress_doc.finding;
SELECT steward.create_row_policy('old', 'regress_doc.fact', 'true', valid_until => '2020-01-01');
SELECT * FROM regress_doc.finding WHERE object ~ 'fact';
SELECT steward.create_row_policy('north', 'regress_doc.fact', 'region = ''north''');
SELECT steward.drop_row_policy('old', 'regress_doc.fact');
DROP MATERIALIZED VIEW regress_doc.copied;
SELECT steward.unprotect('regress_doc.watched', 'enough');
SELECT * FROM regress_doc.finding;
-- again behind the library's back
UPDATE pg_class SET relforcerowsecurity = false WHERE oid = 'regress_doc."Fact north"'::regclass;
UPDATE pg_class SET relrowsecurity = false WHERE oid = 'regress_doc.fact'::regclass;
GRANT steward_admin TO regress_doc_owner;
SELECT * FROM regress_doc.finding;
UPDATE pg_class SET relrowsecurity = true, relforcerowsecurity = true WHERE relnamespace = 'regress_doc'::regnamespace AND relkind IN ('r', 'p') AND relname ~* 'fact';
REVOKE steward_admin FROM regress_doc_owner;
SET client_min_messages = error;
CREATE PUBLICATION regress_doc_all FOR TABLE regress_doc.fact;
RESET client_min_messages;
SELECT * FROM regress_doc.finding;
DROP PUBLICATION regress_doc_all;

-- policies
SELECT steward.create_purpose('regress doc gone'), steward.create_purpose('regress doc old');
SELECT steward.create_row_policy('allow gone', 'regress_doc.fact', 'true', '{regress_doc_gone,regress_doc_ann}');
SELECT steward.create_row_policy('deny gone', 'regress_doc.fact', 'id = 1', '{regress_doc_gone}', effect => 'deny');
SELECT steward.create_row_policy('for gone', 'regress_doc.fact', 'true', purposes => '{regress doc gone,regress doc old}');
SELECT steward.create_row_policy('nobody', 'regress_doc.fact', 'true');
CREATE TABLE regress_doc.consent (id int);
GRANT SELECT ON regress_doc.consent TO regress_doc_gone;
SET ROLE regress_doc_gone;
SELECT steward.create_row_policy('reads', 'regress_doc.fact', 'id IN (SELECT c.id FROM regress_doc.consent c)');
RESET ROLE;
SELECT steward.grant_purpose('regress doc old', 'regress_doc_ann', valid_until => '2020-01-01');
SELECT steward.grant_purpose('regress doc old', 'public', valid_until => '2020-01-01');
SELECT steward.grant_purpose('regress doc old', 'regress_doc_gone');
SELECT steward.set_attribute('regress_doc_gone', 'a', '{1}');
SELECT * FROM regress_doc.finding;
DELETE FROM steward.row_policy_role WHERE policy = 'nobody';
DELETE FROM steward.purpose WHERE name = 'regress doc gone';
SET client_min_messages = warning;
DROP OWNED BY regress_doc_gone;
DROP ROLE regress_doc_gone;
RESET client_min_messages;
SELECT * FROM regress_doc.finding;
-- the remedies help
DELETE FROM steward.purpose_grant g WHERE g.to_role <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = g.to_role);
DELETE FROM steward.role_attribute a WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.role);
SELECT steward.revoke_purpose('regress doc old', 'public'), steward.revoke_purpose('regress doc old', 'regress_doc_ann');
SELECT steward.drop_row_policy('allow gone', 'regress_doc.fact'), steward.drop_row_policy('deny gone', 'regress_doc.fact'),
       steward.drop_row_policy('for gone', 'regress_doc.fact'), steward.drop_row_policy('nobody', 'regress_doc.fact'),
       steward.drop_row_policy('reads', 'regress_doc.fact');
SELECT * FROM regress_doc.finding;
-- carriers
UPDATE pg_policy SET polroles = '{0}' WHERE polrelid = 'regress_doc.fact'::regclass AND polname = 'north';
SELECT * FROM regress_doc.finding;
COMMENT ON TABLE regress_doc.fact IS 'its cached policies are read again';
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_doc.fact', 'regress_doc_ann', command => 'update') WHERE kind = 'row policy';
SELECT * FROM steward.explain_access('regress_doc.fact', 'regress_doc_ann');
UPDATE pg_policy SET polroles = ARRAY['steward_carrier'::regrole::oid] WHERE polrelid = 'regress_doc.fact'::regclass AND polname = 'north';
SET session_replication_role = replica;
DELETE FROM steward.row_policy WHERE name = 'north';
DELETE FROM steward.row_policy_role WHERE policy = 'north';
DELETE FROM steward.row_policy_author WHERE policy = 'north';
RESET session_replication_role;
SELECT * FROM regress_doc.finding;

-- allowances and trust
INSERT INTO steward.ddl_allowance (relation, role, valid_from, valid_until, reason, allowed_by)
    VALUES ('regress_doc.fact', 'regress_doc_owner', '2020-01-01', '2021-01-01', 'migration', 'test'),
           ('regress_doc.fact', 'regress_doc_owner', '2020-01-01', '2100-01-01', 'migration', 'test');
CREATE VIEW regress_doc.trusted AS TABLE regress_doc.fact;
CREATE FUNCTION regress_doc.trusted() RETURNS int LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION regress_doc.trusted() OWNER TO regress_doc_owner;
ALTER VIEW regress_doc.trusted OWNER TO regress_doc_ann;
SELECT steward.trust('regress_doc.trusted', 'test'), steward.trust('regress_doc.trusted()', 'test');
ALTER ROLE regress_doc_ann BYPASSRLS;
SELECT regexp_replace(remedy, 'id = \d+', 'id = N') AS remedy, severity, object, finding FROM regress_doc.finding WHERE object !~ '^native';
SELECT steward.distrust('regress_doc.trusted'), steward.distrust('regress_doc.trusted()');
ALTER ROLE regress_doc_ann NOBYPASSRLS;

-- who may ask
SET ROLE regress_doc_admin;
SELECT count(*) > 0 AS findings FROM steward.doctor();
SET ROLE regress_doc_ann;
SELECT * FROM steward.doctor();
RESET ROLE;

SELECT steward.unprotect('regress_doc.fact', 'end of test');
SELECT steward.drop_purpose('regress doc old');
SET client_min_messages = warning;
DROP SCHEMA regress_doc CASCADE;
DROP ROLE regress_doc_admin, regress_doc_owner, regress_doc_ann, regress_doc_bypass, regress_doc_replica, regress_doc_files;
