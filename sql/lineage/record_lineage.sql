-- lineage: edges that people declare.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_lin_engineer;
CREATE ROLE regress_lin_nobody;
GRANT steward_engineer TO regress_lin_engineer;
CREATE SCHEMA regress_lin;
CREATE SCHEMA "regress Lin";
CREATE TABLE regress_lin.raw (id int, amount numeric, "Sex" text, gone int);
ALTER TABLE regress_lin.raw DROP COLUMN gone;
CREATE TABLE "regress Lin"."Fea.ture" (id int, amount numeric);
CREATE VIEW regress_lin.seen AS SELECT id FROM regress_lin.raw;
CREATE INDEX raw_idx ON regress_lin.raw (id);
CREATE TABLE regress_lin.regress_lin (raw int);
GRANT USAGE ON SCHEMA regress_lin, "regress Lin" TO regress_lin_engineer;
SELECT steward.register_model('regress_lin', 'tests lineage', 'me');
SELECT steward.register_version('regress_lin', '1');
SELECT steward.register_model('regress_lin/sub', 'has a slash', 'me');
SELECT steward.register_version('regress_lin/sub', '1');

SET ROLE regress_lin_engineer;
-- tables, columns, models, what lies outside
SELECT steward.record_lineage('regress_lin.raw', 'model:regress_lin/1');
SELECT steward.record_lineage('regress_lin.raw.amount', '"regress Lin"."Fea.ture".amount', 'direct');
SELECT steward.record_lineage('regress_lin.raw."Sex"', '"regress Lin"."Fea.ture"', 'indirect');
SELECT steward.record_lineage('s3://regress/raw.csv', 'regress_lin.raw');
SELECT steward.record_lineage('regress_lin.seen.id', 'model:regress_lin/sub/1');
SELECT steward.record_lineage('model:regress_lin/sub', 'model:regress_lin');
-- one edge, however it is written
SELECT steward.record_lineage('REGRESS_LIN.Raw', 'model:regress_lin/1', 'manual');
SET search_path = regress_lin, "regress Lin";
SELECT steward.record_lineage('raw', 'model:regress_lin/1');
SELECT steward.record_lineage(current_database() || '.regress_lin.raw', 'model:regress_lin/1');
SELECT steward.record_lineage('raw.amount', '"Fea.ture".amount', 'direct');
SELECT steward.record_lineage(current_database() || '.regress_lin.raw.amount', '"Fea.ture".amount', 'direct');
SELECT steward.record_lineage('raw', 'Model:regress_lin/1');
-- schema.table comes before table.column
SELECT steward.record_lineage('regress_lin.raw', 'model:regress_lin/1');
RESET search_path;
SELECT source_relation, source_column, target_relation, target_column, kind, subtype, observations,
        CASE WHEN observations > 1 THEN last_seen > first_seen ELSE last_seen >= first_seen END AS seen
    FROM steward.lineage_edge WHERE source_relation ~ 'regress.lin|regress/raw' ORDER BY source_relation COLLATE "C", source_column COLLATE "C";

-- refused
SELECT steward.record_lineage(NULL, 'regress_lin.raw');
SELECT steward.record_lineage('regress_lin.raw', NULL);
SELECT steward.record_lineage('regress_lin.raw', 'regress_lin.seen', NULL);
SELECT steward.record_lineage('regress_lin.raw', 'regress_lin.seen', 'guessed');
SELECT steward.record_lineage('', 'regress_lin.raw');
SELECT steward.record_lineage(repeat('x', 1000000), 'regress_lin.raw');
SELECT steward.record_lineage('s3://' || repeat('ü', 900), 'regress_lin.raw');
SELECT steward.record_lineage('s3://with space', 'regress_lin.raw');
SELECT steward.record_lineage('regress_lin.unknown', 'regress_lin.raw');
SELECT steward.record_lineage('regress_lin.raw.unknown', 'regress_lin.seen');
SELECT steward.record_lineage('regress_lin.raw.gone', 'regress_lin.seen');
SELECT steward.record_lineage('regress_lin.raw.ctid', 'regress_lin.seen');
SELECT steward.record_lineage('elsewhere.regress_lin.raw', 'regress_lin.seen');
SELECT steward.record_lineage('a.b.c.d.e', 'regress_lin.seen');
SELECT steward.record_lineage('no name!', 'regress_lin.seen');
SELECT steward.record_lineage('raw', 'regress_lin.seen');
SELECT steward.record_lineage('regress_lin.raw_idx', 'regress_lin.seen');
SELECT steward.record_lineage('model:', 'regress_lin.seen');
SELECT steward.record_lineage('model:regress_lin/', 'regress_lin.seen');
SELECT steward.record_lineage('model:regress_lin/2', 'regress_lin.seen');
SELECT steward.record_lineage('model:regress_unknown', 'regress_lin.seen');
SELECT steward.record_lineage('regress_lin.raw', 'regress_lin."raw"');
INSERT INTO steward.lineage_edge (source_relation, target_relation, kind) VALUES ('a', 'b', 'manual');
DELETE FROM steward.lineage_edge;
RESET ROLE;
GRANT TEMPORARY ON DATABASE :"DBNAME" TO regress_lin_engineer;
SET ROLE regress_lin_engineer;
CREATE TEMP TABLE regress_temp (id int);
SELECT steward.record_lineage('regress_temp', 'regress_lin.raw');
DROP TABLE regress_temp;
SET ROLE regress_lin_nobody;
SELECT steward.record_lineage('regress_lin.raw', 'regress_lin.seen');
SELECT steward.record_lineage_along('regress_lin.raw', 'regress_lin.seen', 'manual', '{}');
SELECT count(*) FROM steward.lineage_edge;
RESET ROLE;

-- what an edge may say
\set VERBOSITY terse
INSERT INTO steward.lineage_edge (source_relation, target_relation, kind, subtype, first_seen, last_seen) VALUES ('a', 'b', 'direct', 'join', 'epoch', 'epoch');
INSERT INTO steward.lineage_edge (source_relation, target_relation, kind, subtype, first_seen, last_seen) VALUES ('a', 'b', 'manual', 'identity', 'epoch', 'epoch');

REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM regress_lin_engineer;
SET client_min_messages = warning;
DROP SCHEMA regress_lin, "regress Lin" CASCADE;
DROP ROLE regress_lin_engineer, regress_lin_nobody;
