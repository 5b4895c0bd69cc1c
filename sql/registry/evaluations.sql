-- registry: evaluations, recorded and imported.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_ev_engineer;
CREATE ROLE regress_ev_nobody;
GRANT steward_engineer TO regress_ev_engineer;
SET ROLE regress_ev_engineer;
SELECT steward.register_model('regress_m', 'x', 'me');
SELECT steward.register_version('regress_m', '1');

-- recorded
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": 0.91, "fair": true, "by age": {"tpr": 0.8, "fpr": 0.1}}', source => 'notebook 7') > 0 AS recorded;
SELECT task, metric, filter, value, error, higher_is_better FROM steward.evaluation_figure ORDER BY task, metric;
SELECT suite, source, format, facts, recorded_by FROM steward.evaluation;
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{}');
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '[1]');
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": "high"}');
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": {"deep": {"er": 1}}}');
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": 1e999}');
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": 1}', 'infinity');
SELECT steward.record_evaluation('regress_m', '1', '', '{"accuracy": 1}');
SELECT steward.record_evaluation('regress_m', '2', 'holdout', '{"accuracy": 1}');
SELECT steward.record_evaluation('regress_m', NULL, 'holdout', '{"accuracy": 1}');

-- the tables are a face too, and never change
BEGIN;
INSERT INTO steward.evaluation (model, version, suite) VALUES ('regress_m', '1', 'by table') RETURNING recorded_by;
INSERT INTO steward.evaluation_figure (evaluation, task, metric, value) SELECT max(id), '', 'auc', 0.7 FROM steward.evaluation;
COMMIT;
INSERT INTO steward.evaluation_figure (evaluation, task, metric, value) SELECT max(id), '', 'late', 0.7 FROM steward.evaluation;
INSERT INTO steward.evaluation (model, version, suite, recorded_by) VALUES ('regress_m', '1', 'by table', 'another');
INSERT INTO steward.evaluation (model, version, suite) VALUES ('regress_m', '7', 'by table');
UPDATE steward.evaluation SET suite = 'x';
RESET ROLE;
UPDATE steward.evaluation SET suite = 'x';
DELETE FROM steward.evaluation_figure;
SET session_replication_role = replica;
UPDATE steward.evaluation_figure SET value = 1;
RESET session_replication_role;
SET ROLE regress_ev_nobody;
SELECT steward.record_evaluation('regress_m', '1', 'holdout', '{"accuracy": 1}');
SELECT steward.import_evaluation('regress_m', '1', 'garak', '');
SET ROLE regress_ev_engineer;

-- imported: what the files of the projects hold
\set garak_quack `cat "$PG_ABS_SRCDIR/test/data/evaluations/garak-quack.jsonl"`
\set garak_test `cat "$PG_ABS_SRCDIR/test/data/evaluations/garak-test.jsonl"`
\set garak_ci `cat "$PG_ABS_SRCDIR/test/data/evaluations/garak-ci.jsonl"`
\set promptfoo_1 `cat "$PG_ABS_SRCDIR/test/data/evaluations/promptfoo-1.json"`
\set promptfoo_2 `cat "$PG_ABS_SRCDIR/test/data/evaluations/promptfoo-2.json"`
\set promptfoo_3 `cat "$PG_ABS_SRCDIR/test/data/evaluations/promptfoo-3.json"`
\set promptfoo_errors `cat "$PG_ABS_SRCDIR/test/data/evaluations/promptfoo-3-errors.json"`
\set lm_eval_bloom `cat "$PG_ABS_SRCDIR/test/data/evaluations/lm-eval-bloom.json"`
\set lm_eval_pythia `cat "$PG_ABS_SRCDIR/test/data/evaluations/lm-eval-pythia.json"`
CREATE TEMPORARY TABLE imported (name text, id bigint);
INSERT INTO imported VALUES
    ('garak quack', steward.import_evaluation('regress_m', '1', 'garak', :'garak_quack')),
    ('garak test', steward.import_evaluation('regress_m', '1', 'garak', :'garak_test')),
    ('garak ci', steward.import_evaluation('regress_m', '1', 'garak', :'garak_ci')),
    ('promptfoo 1', steward.import_evaluation('regress_m', '1', 'promptfoo', :'promptfoo_1')),
    ('promptfoo 2', steward.import_evaluation('regress_m', '1', 'promptfoo', :'promptfoo_2')),
    ('promptfoo 3', steward.import_evaluation('regress_m', '1', 'promptfoo', :'promptfoo_3')),
    ('promptfoo errors', steward.import_evaluation('regress_m', '1', 'promptfoo', :'promptfoo_errors')),
    ('lm-eval bloom', steward.import_evaluation('regress_m', '1', 'lm-eval', :'lm_eval_bloom')),
    ('lm-eval pythia', steward.import_evaluation('regress_m', '1', 'lm-eval', :'lm_eval_pythia'));
SELECT i.name, count(DISTINCT nullif(f.task, '')) AS tasks, count(f.value) + count(f.error) AS numbers,
       sum(f.value) FILTER (WHERE f.metric = 'passed') AS passed, sum(f.value) FILTER (WHERE f.metric = 'total') AS total,
       sum(f.value) FILTER (WHERE f.metric = 'successes') AS successes, sum(f.value) FILTER (WHERE f.metric = 'failures') AS failures
    FROM imported i JOIN steward.evaluation_figure f ON f.evaluation = i.id GROUP BY i.name ORDER BY i.name COLLATE "C";
SELECT f.* FROM imported i JOIN steward.evaluation_figure f ON f.evaluation = i.id WHERE i.name = 'garak ci' ORDER BY metric \g (format=unaligned)
SELECT task, metric, filter, value FROM imported i JOIN steward.evaluation_figure f ON f.evaluation = i.id WHERE i.name = 'promptfoo errors' ORDER BY 1, 2, 3;
SELECT task, metric, filter, value, error FROM imported i JOIN steward.evaluation_figure f ON f.evaluation = i.id WHERE i.name = 'lm-eval bloom' AND task = 'piqa' ORDER BY 1, 2, 3;
SELECT i.name, e.suite, e.format, CASE WHEN e.evaluated_at < '2026-06-01' THEN e.evaluated_at AT TIME ZONE 'UTC' END AS dated, e.facts ->> 'version' AS version, e.facts ->> 'garak_version' AS garak,
       length(e.report_sha256) AS bytes FROM imported i JOIN steward.evaluation e ON e.id = i.id ORDER BY i.name COLLATE "C";
SELECT i.name, sha256(convert_to(:'garak_ci', 'UTF8')) = e.report_sha256 AS same FROM imported i JOIN steward.evaluation e ON e.id = i.id WHERE i.name = 'garak ci';
-- later files of lm-eval: "metric,filter", what is better, and a date
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', '{"results": {"gsm8k": {"exact_match,strict-match": 0.5, "exact_match_stderr,strict-match": 0.01,
    "exact_match,flexible-extract": 0.6, "exact_match_stderr,flexible-extract": "N/A", "alias": "gsm8k"}},
    "versions": {"gsm8k": 3}, "higher_is_better": {"gsm8k": {"exact_match": true}}, "n-shot": {"gsm8k": 5}, "date": 1700000000}') AS id \gset
SELECT task, metric, filter, value, error, higher_is_better FROM steward.evaluation_figure WHERE evaluation = :id ORDER BY filter;
SELECT evaluated_at AT TIME ZONE 'UTC' AS evaluated_at, facts FROM steward.evaluation WHERE id = :id;

-- refused whole, with a position
SELECT count(*) AS before FROM steward.evaluation \gset
\set VERBOSITY terse
SELECT steward.import_evaluation('regress_m', '1', 'garak', "left"(:'garak_ci', -100));
SELECT steward.import_evaluation('regress_m', '1', 'garak', split_part(:'garak_ci', '{"entry_type": "completion"', 1));
SELECT steward.import_evaluation('regress_m', '1', 'garak', split_part(:'garak_ci', E'\n', 1));
SELECT steward.import_evaluation('regress_m', '1', 'garak', '');
SELECT steward.import_evaluation('regress_m', '1', 'garak', replace(:'garak_ci', '"passed": 37', '"passed": 51'));
SELECT steward.import_evaluation('regress_m', '1', 'garak', replace(:'garak_ci', '"passed": 37', '"passed": "37"'));
SELECT steward.import_evaluation('regress_m', '1', 'garak', replace(:'garak_ci', '"probe": "test.Test"', '"probe": 7'));
SELECT steward.import_evaluation('regress_m', '1', 'garak', :'lm_eval_bloom');
SELECT steward.import_evaluation('regress_m', '1', 'garak', :'garak_ci' || E'\n' || :'garak_ci');
SELECT steward.import_evaluation('regress_m', '1', 'promptfoo', "left"(:'promptfoo_3', 5000));
SELECT steward.import_evaluation('regress_m', '1', 'promptfoo', :'lm_eval_bloom');
SELECT steward.import_evaluation('regress_m', '1', 'promptfoo', '[]');
SELECT steward.import_evaluation('regress_m', '1', 'promptfoo', replace(:'promptfoo_3', '"successes": 8', '"successes": 9'));
SELECT steward.import_evaluation('regress_m', '1', 'promptfoo', replace(:'promptfoo_3', '"version": 3', '"version": 4'));
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', "left"(:'lm_eval_bloom', 5000));
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', :'promptfoo_3');
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', '{"results": {"a": 1}, "versions": {}}');
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', '{"results": {"a": {"alias": "x"}}, "versions": {}}');
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', '{"results": {"a": {"x": 1e400}}, "versions": {}}');
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', '{"results": {"a": {"\u0000": 1}}, "versions": {}}');
SELECT steward.import_evaluation('regress_m', '1', 'lm-eval', repeat('[', 100000));
SELECT steward.import_evaluation('regress_m', '1', 'junit', '<x/>');
SELECT steward.import_evaluation('regress_m', '1', 'garak', NULL);
SELECT steward.import_evaluation('regress_m', '9', 'garak', :'garak_ci');
SELECT count(*) = :before AS nothing_imported FROM steward.evaluation;
DROP TABLE imported;
RESET ROLE;
DROP ROLE regress_ev_engineer, regress_ev_nobody;
