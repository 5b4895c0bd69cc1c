-- access: masks of partitions and of their parents, when they part.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_det_reader;
CREATE ROLE regress_det_other;
CREATE TABLE regress_det (id int, secret text, note text) PARTITION BY RANGE (id);
CREATE TABLE regress_det_1 (LIKE regress_det);
INSERT INTO regress_det_1 VALUES (1, 'canary', 'remark');
GRANT SELECT ON regress_det, regress_det_1 TO regress_det_reader, regress_det_other;
SELECT steward.protect('regress_det'), steward.protect('regress_det_1');
SELECT steward.create_row_policy('all', 'regress_det', 'true'), steward.create_row_policy('all', 'regress_det_1', 'true');
SELECT steward.create_mask('hide', 'regress_det', 'secret', '''hidden''', unless_roles => '{regress_det_other}');

ALTER TABLE regress_det ATTACH PARTITION regress_det_1 FOR VALUES FROM (0) TO (10);

-- Its own mask spares the reader, whom the parent's does not.
SELECT steward.create_mask('own', 'regress_det_1', 'secret', '''own''', unless_roles => '{regress_det_reader}', priority => 10);
SET ROLE regress_det_reader;
SELECT secret FROM regress_det_1;
RESET ROLE;
ALTER TABLE regress_det DETACH PARTITION regress_det_1;
SELECT steward.drop_mask('own', 'regress_det_1');
SELECT steward.create_mask('own', 'regress_det_1', 'secret', '''own''', unless_roles => '{regress_det_reader}', priority => 100);
ALTER TABLE regress_det DETACH PARTITION regress_det_1;
SELECT steward.drop_mask('own', 'regress_det_1');

-- A mask of that name on another column is no obstacle.
SELECT steward.create_mask('hide', 'regress_det_1', 'note', '''own''');
ALTER TABLE regress_det DETACH PARTITION regress_det_1;
SELECT attnum, name ~ '^hide ' AS renamed, priority FROM steward.column_mask WHERE relation = 'regress_det_1'::regclass ORDER BY attnum;
SET ROLE regress_det_reader;
SELECT secret, note FROM regress_det_1;
SET ROLE regress_det_other;
SELECT secret, note FROM regress_det_1;
RESET ROLE;

-- It may come and go again, with the masks that it took along.
ALTER TABLE regress_det ATTACH PARTITION regress_det_1 FOR VALUES FROM (0) TO (10);
ALTER TABLE regress_det DETACH PARTITION regress_det_1;
SELECT attnum, name ~ '^hide ' AS renamed, priority FROM steward.column_mask WHERE relation = 'regress_det_1'::regclass ORDER BY attnum;
SET ROLE regress_det_reader;
SELECT secret, note FROM regress_det_1;
RESET ROLE;

DROP TABLE regress_det, regress_det_1;
DROP ROLE regress_det_reader, regress_det_other;
