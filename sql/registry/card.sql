-- registry: data sets, features, ready-made gates, the model card.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_engineer IN ROLE steward_engineer;
CREATE ROLE regress_officer IN ROLE steward_officer;
CREATE ROLE regress_nobody;
SET ROLE regress_engineer;
SELECT steward.register_system('regress lending', 'consumer *credit*', 'high', 'Head | Lending');
SELECT steward.describe_system('regress lending', 'deployer', '{https://score.example/v1}', 'clerks', 'a clerk looks at each refusal');
SELECT steward.describe_system('regress lending', 'owner');
SELECT steward.describe_system('regress unknown', 'deployer');
SELECT steward.register_model('regress_m', E'scores <b>applications</b>\n# not a heading', 'me', system => 'regress lending', limitations => '[not](http://evil.example) for | companies');
SELECT steward.register_version('regress_m', '1', 's3://m/1', sha256('x'), '{"depth": 3, "name|x": "a_b"}');
SELECT steward.register_data_set('regress loans', 'public.loan', 'CC-BY-4.0');
SELECT steward.register_data_set('regress clicks', 's3://clicks', 'proprietary', owner => 'marketing');
SELECT steward.register_data_set('regress loans', 'again');
SELECT steward.register_snapshot('regress loans', '2026-10', 1000, sha256('y'), taken_at => now() - interval '40 days');
SELECT steward.register_snapshot('regress loans', '2026-10');
SELECT steward.register_snapshot('regress unknown', '1');
SELECT steward.register_snapshot('regress loans', '2026-11', -1);
SELECT steward.use_data_set('regress_m', '1', 'regress loans', '2026-10');
SELECT steward.use_data_set('regress_m', '1', 'regress loans', '2026-10');
SELECT steward.use_data_set('regress_m', '1', 'regress loans', '2020');
SELECT steward.use_data_set('regress_m', '1', 'regress loans', used_for => 'fun');
SELECT steward.use_data_set('regress_m', '2', 'regress loans');
SELECT steward.use_feature('regress_m', '1', 'public.loan.amount', 'in euro');
UPDATE steward.data_set SET description = 'all loans' WHERE name = 'regress loans' RETURNING name;
UPDATE steward.data_set SET name = 'x' WHERE name = 'regress loans';
UPDATE steward.data_set_snapshot SET row_count = 1;
DELETE FROM steward.model_data_set;
INSERT INTO steward.model_feature (model, version, feature) VALUES ('regress_m', '1', 'by table') RETURNING recorded_by;
RESET ROLE;
UPDATE steward.data_set_snapshot SET row_count = 1;
DELETE FROM steward.model_data_set;
SELECT count(*) FROM steward.model_data_set;

-- ready-made gates
SET ROLE regress_officer;
SELECT steward.create_gate('a licence', 'candidate', 'SELECT * FROM steward.gate_licence($1, $2, ''{CC-BY-4.0,CC0-1.0}'')'),
       steward.create_gate('b fresh', 'candidate', 'SELECT * FROM steward.gate_freshness($1, $2, ''30 days'')'),
       steward.create_gate('c fresh enough', 'candidate', 'SELECT passed, NULL, threshold_text FROM steward.gate_freshness($1, $2, ''50 days'')'),
       steward.create_gate('d lineage', 'candidate', 'SELECT passed OR to_regprocedure(''steward.upstream(text, text, integer)'') IS NULL FROM steward.gate_lineage_free($1, $2, ''pii'')'),
       steward.create_gate('e risk', 'candidate', 'SELECT * FROM steward.gate_risk_accepted($1, $2)'),
       steward.create_gate('f evaluation', 'candidate', 'SELECT * FROM steward.gate_evaluation($1, $2, ''garak'', ''pass_rate'', ''>='', 0.9, max_age => ''30 days'')');
SELECT gate, passed, measured IS NOT NULL AS measures, threshold FROM steward.check_gates('regress_m', '1', 'candidate');
SELECT steward.register_risk('regress-1', 'unfair', 'fairness', 'me', 3, 4, models => '{regress_m}');
SET ROLE regress_engineer;
SELECT steward.use_data_set('regress_m', '1', 'regress clicks', used_for => 'test');
SELECT steward.record_evaluation('regress_m', '1', 'garak', '{"probe a": {"pass_rate": 0.99}, "probe b": {"pass_rate": 0.5}}') > 0 AS recorded;
SELECT gate, passed, measured, threshold FROM steward.check_gates('regress_m', '1', 'candidate') WHERE gate ~ '^[aef]';
SELECT * FROM steward.gate_evaluation('regress_m', '1', 'garak', 'pass_rate', '>=', 0.9, task => 'probe a');
SELECT * FROM steward.gate_evaluation('regress_m', '1', 'garak', 'pass_rate', '<', 0.9, task => 'probe a');
SELECT * FROM steward.gate_evaluation('regress_m', '1', 'garak', 'unknown', '<', 0.9);
SELECT * FROM steward.gate_evaluation('regress_m', '1', 'garak', 'pass_rate', '=', 0.9);

-- the card
SELECT regexp_replace(steward.model_card('regress_m', '1'), '\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d[.\d]*\+00)?', 'TIME', 'g') AS card \g (format=unaligned tuples_only=on)
SELECT steward.model_card('regress_m', '2');
SET ROLE regress_nobody;
SELECT steward.model_card('regress_m', '1');
SELECT * FROM steward.data_set;
