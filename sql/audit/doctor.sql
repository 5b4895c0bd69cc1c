-- audit: doctor() finds what is wrong, or weaker than it looks, with the audit.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
\pset format unaligned

CREATE ROLE regress_adoc_admin LOGIN IN ROLE steward_admin;
CREATE ROLE regress_adoc_officer LOGIN IN ROLE steward_officer;
CREATE ROLE regress_adoc_auditor LOGIN IN ROLE steward_auditor;
CREATE ROLE regress_adoc_other LOGIN;
CREATE SCHEMA regress_adoc;
CREATE VIEW regress_adoc.finding AS
    SELECT severity, object, finding, remedy FROM steward.doctor() WITH ORDINALITY AS d (severity, object, finding, remedy, place)
    WHERE object ~ 'regress_adoc|^setting steward|^database|set_aside|status' AND object !~ 'require_second_person' ORDER BY place;

-- nothing is governed, no key is made: nothing to say
SELECT * FROM regress_adoc.finding;

-- the first records make the key that signs; without a road for checkpoints they stay here
CREATE TABLE regress_adoc.person (id int, mail text, name text);
CREATE TABLE regress_adoc.quiet (id int);
SELECT steward.protect('regress_adoc.person', audit => 'sync', entity_column => 'mail');
SELECT steward.protect('regress_adoc.quiet', 'observe', audit => 'off');
SELECT steward.flush();
SELECT count(steward.checkpoint(l)) FROM unnest('{access_event,change_log}'::text[]) l;
SELECT * FROM regress_adoc.finding;

-- masks that hash and shared secrets of issuers use the master key as well
SELECT steward.create_mask('m', 'regress_adoc.person', 'name', 'steward.mask_hash(name)');
SELECT steward.create_issuer('i', 'https://i.example', secret => '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
SELECT finding FROM regress_adoc.finding WHERE object ~ 'key_directory';
SELECT steward.drop_issuer('i');

-- a column that names the person is followed when it is renamed; one that was
-- renamed on a server without the library is not
SELECT steward.protect('regress_adoc.quiet', 'observe', audit => 'async');
ALTER TABLE regress_adoc.person RENAME mail TO email;
SELECT * FROM regress_adoc.finding WHERE object ~ 'table' AND finding !~ 'policy|observed';
UPDATE steward.protected_relation SET entity_column = 'mail' WHERE relation = 'regress_adoc.person'::regclass;
SELECT * FROM regress_adoc.finding WHERE object ~ 'table' AND finding !~ 'policy|observed';
SELECT steward.protect('regress_adoc.person', audit => 'sync', entity_column => 'email');
SELECT * FROM regress_adoc.finding WHERE object ~ 'table' AND finding !~ 'policy|observed';

-- a record was set aside
BEGIN;
INSERT INTO steward.set_aside_record VALUES (gen_random_uuid(), now(), 'access_event', '22000', 'test', '');
SELECT * FROM regress_adoc.finding WHERE object ~ 'set_aside';
ROLLBACK;

-- for those who may ask doctor()
SET ROLE regress_adoc_admin;
SELECT count(*) > 2 FROM steward.doctor();
SET ROLE regress_adoc_officer;
SELECT count(*) > 2 FROM steward.doctor();
SET ROLE regress_adoc_auditor;
SELECT count(*) > 2 FROM steward.doctor();
SET ROLE regress_adoc_other;
SELECT * FROM steward.audit_findings();
RESET ROLE;
