-- access: policy as code.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_pc_user;
CREATE ROLE regress_pc_other;
CREATE ROLE "regress_pc ""Ödd"" Röle";
CREATE ROLE regress_pc_auditor IN ROLE steward_auditor;
CREATE ROLE regress_pc_admin IN ROLE steward_admin, regress_pc_user;
CREATE SCHEMA "regress Pc";
GRANT USAGE ON SCHEMA "regress Pc" TO PUBLIC;
CREATE TABLE "regress Pc"."Tä.ble" (gone int, id int PRIMARY KEY, "Region ""x""" text, ssn varchar(11), amount numeric(10,2), made timestamptz, "E" text);
ALTER TABLE "regress Pc"."Tä.ble" DROP COLUMN gone;
INSERT INTO "regress Pc"."Tä.ble" SELECT i, CASE WHEN i % 2 = 0 THEN 'nørd' ELSE 'south' END, '123-45-' || i, i, '2026-01-01', 'e' || i FROM generate_series(1, 10) i;
CREATE TABLE "regress Pc".part (id int, k text) PARTITION BY RANGE (id);
CREATE TABLE "regress Pc".part_1 PARTITION OF "regress Pc".part FOR VALUES FROM (0) TO (10);
CREATE TABLE "regress Pc".consent (id int);
INSERT INTO "regress Pc".consent VALUES (1), (2);
CREATE VIEW "regress Pc"."View" AS SELECT 1 AS one;
CREATE FUNCTION "regress Pc"."Even"(integer, text DEFAULT 'a,b') RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 % 2 = 0;
GRANT SELECT ON ALL TABLES IN SCHEMA "regress Pc" TO PUBLIC;
RESET client_min_messages;

-- everything that a document can hold, made by functions
SELECT steward.create_purpose('pc "care"', E'line\nand \\ ünïcode 🔒', 'GDPR 6(1)(b)');
SELECT steward.create_purpose('pc-audit');
SELECT steward.grant_purpose('pc "care"', 'regress_pc "Ödd" Röle', '2026-01-01 12:00:00.123456+02', 'infinity');
SELECT steward.grant_purpose('pc "care"', 'public', valid_until => '2999-12-31');
SELECT steward.grant_purpose('pc-audit', 'regress_pc_user');
SELECT steward.set_attribute('regress_pc_user', 'Régions', ARRAY['b', 'a', '', 'b', '"', 'x,y']);
SELECT steward.set_attribute('regress_pc_other', 'none', '{}');
SELECT steward.set_attribute('regress_pc_other', 'long', ARRAY[repeat('é', 150)]);
SELECT steward.trust('"regress Pc"."View"', 'test');
SELECT steward.trust('"regress Pc"."Even"(integer,text)', 'test');
SELECT steward.protect('"regress Pc"."Tä.ble"', audit => 'sync', entity_column => 'E');
SELECT steward.protect('"regress Pc".part', 'observe', 'off');
SELECT steward.create_row_policy('Plain', '"regress Pc"."Tä.ble"', '"Region ""x""" IN (''nørd'', ''it''''s'') and ssn in (''123-45-2'', ''123-45-4'')', roles => ARRAY['regress_pc "Ödd" Röle', 'regress_pc_user']);
SELECT steward.create_row_policy('all of it', '"regress Pc"."Tä.ble"', '"regress Pc"."Even"(id)', roles => '{regress_pc_user}', purposes => '{pc-audit,"pc \"care\""}', commands => '{update,select,insert}', check_expr => 'amount < 1000', valid_from => '2020-01-01', valid_until => 'infinity');
SELECT steward.create_row_policy('deny', '"regress Pc"."Tä.ble"', 'made > ''2030-01-01'' OR id = ANY (ARRAY[77, 78]) OR made - interval ''1 day 2 hours'' > ''2031-01-01''', effect => 'deny', commands => '{all}');
SELECT steward.create_row_policy('sub', '"regress Pc"."Tä.ble"', 'EXISTS (SELECT FROM "regress Pc".consent c WHERE c.id = "Tä.ble".id) AND "E" = ANY (steward.attr(''k'')) AND ssn BETWEEN ''a'' AND ''b'' AND id::text LIKE ''%x'' COLLATE "C"', roles => '{regress_pc_other}');
SELECT steward.create_mask('ssn', '"regress Pc"."Tä.ble"', 'ssn', '''***'' || right(ssn, 2)', unless_roles => '{regress_pc_other}', unless_purposes => '{"pc \"care\""}', when_expr => '"Region ""x""" <> ''south''', priority => -5);
SELECT steward.create_mask('amount', '"regress Pc"."Tä.ble"', 'amount', 'steward.mask_bucket(amount, 100)');
SELECT steward.create_mask('second', '"regress Pc"."Tä.ble"', 'ssn', '''x''');
SECURITY LABEL FOR steward ON COLUMN "regress Pc"."Tä.ble"."Region ""x""" IS 'pii, Geo:1 ,a/b';
SECURITY LABEL FOR steward ON COLUMN "regress Pc"."Tä.ble"."E" IS 'pii';
SELECT steward.create_tag_mask('by Tag', 'pii', 'left(value, 1) || ''…''', unless_roles => '{public,regress_pc_other}', priority => 7);
SELECT steward.create_tag_mask('geo', 'Geo:1', 'steward.mask_redact(value)', unless_purposes => '{pc-audit}');

CREATE TABLE pc_document AS SELECT steward.export_policies() AS d;
\pset format unaligned
SELECT jsonb_pretty(d) FROM pc_document;
\pset format aligned
-- stable, whatever the settings
SET timezone = 'Asia/Tokyo';
SET datestyle = 'German';
SET intervalstyle = 'iso_8601';
SET quote_all_identifiers = on;
SET search_path = "regress Pc", public;
SELECT steward.export_policies() = d AS same FROM pc_document;
SELECT * FROM steward.plan_policies(steward.export_policies());
RESET ALL;
\set VERBOSITY terse
\set SHOW_CONTEXT never

-- Nothing at all: everything would go, in this order.
SELECT action, kind, name FROM steward.plan_policies('{"version": 1, "purposes": [], "grants": [], "attributes": [], "relations": [], "tag_masks": [], "trusted": [], "tests": []}');
SELECT steward.export_policies() = d AS untouched FROM pc_document;
SELECT count(*) FROM steward.apply_policies('{"version": 1, "purposes": [], "grants": [], "attributes": [], "relations": [], "tag_masks": [], "trusted": [], "tests": []}');
SELECT steward.export_policies();
SELECT count(*) FROM pg_policy WHERE polname !~ '^regress';
-- and back: the same again
SELECT action, kind, name, before FROM steward.apply_policies((SELECT d FROM pc_document));
SELECT steward.export_policies() = d AS same FROM pc_document;
SELECT * FROM steward.apply_policies((SELECT d FROM pc_document));
SET ROLE regress_pc_user;
SET steward.purpose = 'pc-audit';
SELECT id, ssn, amount, "Region ""x""" FROM "regress Pc"."Tä.ble" ORDER BY id;
RESET steward.purpose;
RESET ROLE;

-- A section that is absent is left alone; what a purpose takes with it is told.
SELECT action, kind, name FROM steward.plan_policies('{"version": 1}');
SELECT action, kind, name, before, after FROM steward.plan_policies('{"version": 1, "tag_masks": [{"name": "by Tag", "tag": "pii", "mask_expr": "value"}]}');
SELECT action, kind, name FROM steward.plan_policies('{"version": 1, "purposes": [{"name": "new"}, {"name": "pc-audit"}]}');
SELECT * FROM steward.apply_policies('{"version": 1, "purposes": [{"name": "new"}, {"name": "pc-audit"}]}');
-- written by hand: the defaults, other spellings of the same
SELECT action, kind, name FROM steward.plan_policies(jsonb_set((SELECT jsonb_build_object('version', 1, 'relations', d -> 'relations') FROM pc_document), '{relations,0,row_policies,0,using_expr}', '"  \"Region \"\"x\"\"\" in (''nørd'',''it''''s'') AND (ssn IN (''123-45-2'',''123-45-4''))  "'));
SELECT action, kind, name, after FROM steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "id>1", "commands": ["update", "select", "select"]}], "masks": [{"name": "m", "column_name": "k", "mask_expr": "null"}], "tags": {"k": ["b", "a", "b"]}}]}') WHERE action <> 'drop';
-- two masks that change places
SELECT action, kind, name FROM steward.apply_policies(jsonb_set(jsonb_set((SELECT jsonb_build_object('version', 1, 'relations', d -> 'relations') FROM pc_document), '{relations,0,masks,1,priority}', '-5'), '{relations,0,masks,2,priority}', '100')) WHERE action <> 'x';
SELECT name, priority FROM steward.column_mask ORDER BY 1;
SELECT count(*) FROM steward.apply_policies((SELECT d FROM pc_document));

-- Bad documents.
SELECT steward.plan_policies(NULL);
SELECT steward.plan_policies('[]');
SELECT steward.plan_policies('{}');
SELECT steward.plan_policies('{"version": 2}');
SELECT steward.plan_policies('{"version": 1, "policies": []}');
SELECT steward.plan_policies('{"version": 1, "purposes": null}');
SELECT steward.plan_policies('{"version": 1, "purposes": [1]}');
SELECT steward.plan_policies('{"version": 1, "purposes": [{"name": 1}]}');
SELECT steward.plan_policies('{"version": 1, "purposes": [{"name": null}]}');
SELECT steward.plan_policies('{"version": 1, "purposes": [{"name": "a", "Name": "b"}]}');
SELECT steward.plan_policies('{"version": 1, "purposes": [{"name": "a"}, {"name": "a"}]}');
SELECT steward.plan_policies(jsonb_build_object('version', 1, 'purposes', jsonb_build_array(jsonb_build_object('name', repeat('é', 101)))));
SELECT steward.plan_policies(jsonb_build_object('version', 1, 'purposes', (SELECT jsonb_agg(i) FROM generate_series(1, 10001) i)));
SELECT steward.plan_policies('{"version": 1, "grants": [{"purpose": "a", "role": "regress_pc_nobody"}]}');
SELECT steward.plan_policies('{"version": 1, "grants": [{"purpose": "a", "role": "public", "valid_from": "tomorrow"}]}');
SELECT steward.plan_policies('{"version": 1, "grants": [{"purpose": "a", "role": "public", "valid_from": "2026-13-01"}]}');
SELECT steward.plan_policies('{"version": 1, "attributes": [{"role": "regress_pc_user", "key": "k", "value": "v"}]}');
SELECT steward.plan_policies('{"version": 1, "attributes": [{"role": "regress_pc_user", "key": "k", "value": ["v", null]}]}');
SELECT steward.plan_policies('{"version": 1, "attributes": [{"role": "public", "key": "k", "value": ["v"]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "part"}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "a b.c"}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "mode": "off"}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "entity_column": "none"}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p"}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "id = nothing"}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "true; DROP TABLE x"}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "true", "commands": ["truncate"]}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "true", "purposes": []}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "true", "roles": ["public", "regress_pc_nobody"]}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "masks": [{"name": "m", "column_name": "id", "mask_expr": "''a''", "priority": 1.5}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "masks": [{"name": "m", "column_name": "id", "mask_expr": "now()"}]}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "tags": {"k": ["a b"]}}]}');
SELECT steward.plan_policies('{"version": 1, "relations": [{"relation": "\"regress Pc\".part", "tags": {"z": ["a"]}}]}');
SELECT steward.plan_policies('{"version": 1, "trusted": [{"object": "no.such"}]}');
SELECT steward.plan_policies('{"version": 1, "tests": [{"name": "t", "role": "regress_pc_user", "query": "SELECT 1"}]}');
SELECT steward.plan_policies('{"version": 1, "tests": [{"name": "t", "role": "regress_pc_user", "query": "SELECT 1", "rows": 1, "refused": true}]}');
SELECT steward.plan_policies('{"version": 1, "tests": [{"name": "t", "role": "regress_pc_user", "masked": true}]}');
SELECT steward.plan_policies('{"version": 1, "tests": [{"name": "t", "role": "regress_pc_user", "query": "SELECT 1", "rows": -1}]}');
-- what is refused only when it is applied: nothing is half done
SELECT steward.apply_policies('{"version": 1, "purposes": [], "relations": [{"relation": "\"regress Pc\".part", "row_policies": [{"name": "p", "using_expr": "random() < 1"}]}]}');
SELECT steward.apply_policies('{"version": 1, "grants": [{"purpose": "unknown", "role": "public"}]}');
SELECT steward.apply_policies('{"version": 1, "purposes": [{"name": " "}]}');
SELECT steward.export_policies() = d AS untouched FROM pc_document;

-- Who may.
SET ROLE regress_pc_user;
SELECT steward.export_policies();
SELECT steward.plan_policies('{"version": 1}');
SELECT steward.apply_policies('{"version": 1}');
SELECT steward.run_policy_tests();
SELECT steward.policy_document();
SET ROLE regress_pc_auditor;
SELECT steward.export_policies() = '{}';
SELECT count(*) FROM steward.plan_policies('{"version": 1}');
SELECT count(*) FROM steward.run_policy_tests();
SELECT steward.apply_policies('{"version": 1}');
SET ROLE regress_pc_admin;
SELECT count(*) FROM steward.apply_policies('{"version": 1}');
-- an administrator cannot let functions into policies
SELECT action, kind, name FROM steward.apply_policies('{"version": 1, "trusted": []}');
SELECT steward.apply_policies('{"version": 1, "trusted": [{"object": "\"regress Pc\".\"Even\"(integer,text)", "in_policies": true}]}');
RESET ROLE;
SELECT count(*) FROM steward.apply_policies((SELECT d FROM pc_document));
SELECT steward.export_policies() = d AS same FROM pc_document;

DROP TABLE pc_document;
SELECT count(*) FROM steward.apply_policies('{"version": 1, "purposes": [], "grants": [], "attributes": [], "relations": [], "tag_masks": [], "trusted": [], "tests": []}');
DROP SCHEMA "regress Pc" CASCADE;
DROP ROLE regress_pc_user, regress_pc_other, "regress_pc ""Ödd"" Röle", regress_pc_auditor, regress_pc_admin;
