-- audit: the inference log.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_inf_service;
CREATE ROLE regress_inf_auditor;
CREATE ROLE regress_inf_nobody;
GRANT steward_service TO regress_inf_service;
GRANT steward_auditor TO regress_inf_auditor;
SELECT steward.register_model('regress_inf', 'tests the log', 'me');
SELECT steward.register_version('regress_inf', '1');

SELECT steward.create_purpose('regress inf scoring');
SELECT steward.grant_purpose('regress inf scoring', 'regress_inf_service');
SET ROLE regress_inf_service;
SELECT steward.log_inference('regress_inf', '1', '{"amount": 1000}', '{"score": 0.7}', '00000000-0000-0000-0000-000000000001');
SELECT steward.log_inference('regress_inf', '1', '{"amount": 2000}', '{"score": 0.2}') IS NOT NULL AS made;
-- every column by its name
SELECT steward.log_inference(model => 'regress_inf', version => '1', input => '[]', output => NULL,
    request_id => '00000000-0000-0000-0000-000000000002', operation => 'chat', subject => 'regress_inf_service', purpose => 'credit-scoring',
    status_code => 503, latency_ms => 12.5, input_tokens => 10, output_tokens => 0, finish_reasons => '{stop,length}',
    conversation_id => 'c1', trace_id => '0af7651916cd43dd8448eb211c80319c', span_id => 'b7ad6b7169203331',
    entities => '{4711}', attributes => '{"enduser.id": "anna"}');
-- a payload may be large, and a request may come again
SELECT steward.log_inference('regress_inf', '1', to_jsonb(repeat('x', 1000000)), NULL, '00000000-0000-0000-0000-000000000001');
-- the purpose that is in force is kept
SET steward.purpose = 'regress inf scoring';
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', '00000000-0000-0000-0000-000000000003');
RESET steward.purpose;
-- it cannot read what it logged
SELECT * FROM steward.inference_log;

-- refused
SELECT steward.log_inference('regress_unknown', '1', '{}', '{}');
SELECT steward.log_inference('regress_inf', '2', '{}', '{}');
SELECT steward.log_inference(NULL, '1', '{}', '{}');
SELECT steward.log_inference('regress_inf', NULL, '{}', '{}');
SELECT steward.log_inference(repeat('m', 1000000), '1', '{}', '{}');
SELECT steward.log_inference('regress_inf', repeat('1', 1000000), '{}', '{}');
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', subject => 'postgres');
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', operation => repeat('x', 1000000));
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', operation => '');
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', trace_id => repeat('x', 1000000));
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', latency_ms => -1);
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', latency_ms => 'NaN');
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', input_tokens => -1);
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', output_tokens => -1);
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', entities => '{a,NULL}');
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', entities => array_fill('x'::text, '{1001}'));
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', finish_reasons => ARRAY[repeat('x', 1000000)]);
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', attributes => '[1]');
SELECT steward.log_inference('regress_inf', '1', '{}', '{}', 'not a uuid');
INSERT INTO steward.inference_log (request_id, model, version, subject) VALUES (gen_random_uuid(), 'regress_inf', '1', 'me');
SET ROLE regress_inf_nobody;
SELECT steward.log_inference('regress_inf', '1', '{}', '{}');
SELECT count(*) FROM steward.inference_log;

SET ROLE regress_inf_auditor;
SELECT steward.log_inference('regress_inf', '1', '{}', '{}');
SELECT steward.flush();
SELECT right(request_id::text, 1) AS request, version, operation, subject, purpose, length(input::text) AS input, output, status_code, latency_ms,
        input_tokens, output_tokens, finish_reasons, conversation_id, trace_id, span_id, entities, attributes
    FROM steward.inference_log WHERE model = 'regress_inf' AND request_id < '00000000-0000-0000-0000-00000000000f' ORDER BY seq;
SELECT count(*), count(DISTINCT seq), bool_and(seq >= 0) AS from_zero, bool_and(logged_at BETWEEN now() - interval '1 hour' AND clock_timestamp()) AS recent
    FROM steward.inference_log WHERE model = 'regress_inf';
DELETE FROM steward.inference_log;
RESET ROLE;

-- append-only, for a superuser too
UPDATE steward.inference_log SET output = '{"score": 1}' WHERE model = 'regress_inf';
DELETE FROM steward.inference_log WHERE model = 'regress_inf';
DELETE FROM steward.inference_log WHERE false;
TRUNCATE steward.inference_log;
SET session_replication_role = replica;
DELETE FROM steward.inference_log;
INSERT INTO steward.inference_log (seq, logged_at, request_id, model, version, subject) VALUES (100, now(), gen_random_uuid(), 'regress_inf', '1', 'me');
RESET session_replication_role;
INSERT INTO steward.inference_log (seq, logged_at, request_id, model, version, subject) VALUES (100, now(), gen_random_uuid(), 'regress_inf', '1', 'me');
COPY steward.inference_log (seq, logged_at, request_id, model, version, subject) FROM STDIN;
100	2026-01-01 00:00:00+00	00000000-0000-0000-0000-000000000009	regress_inf	1	me
\.

-- batches
SET ROLE regress_inf_service;
INSERT INTO steward.inference_insert (model, version, input, output, request_id)
    SELECT 'regress_inf', '1', jsonb_build_object('n', n), to_jsonb(n * 2), format('00000000-0000-0000-0001-%s', lpad(n::text, 12, '0'))::uuid
    FROM generate_series(1, 1000) n;
INSERT INTO steward.inference_insert (model, version, entities) VALUES ('regress_inf', '1', '{4711}'), ('regress_inf', '1', '{4712}')
    RETURNING request_id IS NOT NULL AS made, model, entities;
COPY steward.inference_insert (model, version, request_id, input) FROM STDIN;
regress_inf	1	00000000-0000-0000-0002-000000000001	{"from": "copy"}
regress_inf	1	00000000-0000-0000-0002-000000000002	{"from": "copy"}
\.
-- what was taken before a row that is refused is kept
INSERT INTO steward.inference_insert (model, version, request_id, latency_ms)
    SELECT 'regress_inf', '1', format('00000000-0000-0000-0003-%s', lpad(n::text, 12, '0'))::uuid, 3 - n FROM generate_series(1, 5) n;
INSERT INTO steward.inference_insert (model, version) VALUES ('regress_inf', '3');
UPDATE steward.inference_insert SET model = 'x';
DELETE FROM steward.inference_insert;
SELECT count(*) FROM steward.inference_insert;
-- a rollback takes nothing back
BEGIN;
SELECT steward.log_inference('regress_inf', '1', '"rolled back"', NULL, '00000000-0000-0000-0004-000000000001');
SAVEPOINT s;
INSERT INTO steward.inference_insert (model, version, request_id) VALUES ('regress_inf', '1', '00000000-0000-0000-0004-000000000002');
ROLLBACK TO s;
ROLLBACK;
-- nor does it need a transaction that may write
BEGIN READ ONLY;
SELECT steward.log_inference('regress_inf', '1', NULL, NULL, '00000000-0000-0000-0004-000000000003');
COMMIT;
SET ROLE regress_inf_nobody;
INSERT INTO steward.inference_insert (model, version) VALUES ('regress_inf', '1');
SET ROLE regress_inf_service;
-- the service cannot choose to be lax, nor what the registry is asked
SET steward.inference_durability = 'async';
SET steward.inference_registry = 'off';
RESET ROLE;
SELECT steward.flush();
SELECT substr(request_id::text, 20, 4) AS batch, count(*), min(input::text) AS input, min(entities::text) AS entities
    FROM steward.inference_log WHERE request_id < '00000000-0000-0000-0009-000000000000' AND request_id > '00000000-0000-0000-0001-000000000000'
    GROUP BY 1 ORDER BY 1;
SELECT count(*) = max(seq) + 1 AS gapless FROM steward.inference_log;

-- sync, and a registry that is not asked
SET steward.inference_durability = 'sync';
SET steward.inference_registry = 'warn';
SELECT steward.log_inference('regress_inf', 'unknown', NULL, NULL, '00000000-0000-0000-0005-000000000001');
SELECT steward.log_inference('regress_unknown', '1', NULL, NULL, '00000000-0000-0000-0005-000000000002');
SET steward.inference_registry = 'off';
SELECT steward.log_inference('regress_unknown', '1', NULL, NULL, '00000000-0000-0000-0005-000000000003');
SELECT steward.log_inference(NULL, '1', NULL, NULL);
SELECT steward.log_inference(repeat('m', 1000), '1', NULL, NULL);
INSERT INTO steward.inference_insert (model, version, request_id)
    SELECT 'x', 'y', format('00000000-0000-0000-0006-%s', lpad(n::text, 12, '0'))::uuid FROM generate_series(1, 100) n;
RESET steward.inference_registry;
-- on disk when the call returns, without flush()
SELECT substr(request_id::text, 20, 4) AS batch, count(*) FROM steward.inference_log
    WHERE request_id BETWEEN '00000000-0000-0000-0005-000000000000' AND '00000000-0000-0000-0007-000000000000' GROUP BY 1 ORDER BY 1;
RESET steward.inference_durability;
SET steward.inference_durability = 'sometimes';
-- registered in a transaction that is rolled back: not known afterwards
BEGIN;
SELECT steward.register_version('regress_inf', 'brief');
SELECT steward.log_inference('regress_inf', 'brief', NULL, NULL, '00000000-0000-0000-0007-000000000001');
ROLLBACK;
SELECT steward.log_inference('regress_inf', 'brief', NULL, NULL);

-- the truth comes later
SET ROLE regress_inf_service;
SELECT steward.record_outcome('00000000-0000-0000-0001-000000000001', '"bad"', '2026-01-01', 'the ledger of loans');
SELECT steward.record_outcome('00000000-0000-0000-0001-000000000001', '"good"', '2026-02-01');
SELECT steward.record_outcome(NULL, '1');
SELECT steward.record_outcome('00000000-0000-0000-0001-000000000001', NULL);
SELECT steward.record_outcome('00000000-0000-0000-0001-000000000001', '1', 'infinity');
SELECT steward.record_outcome('00000000-0000-0000-0001-000000000001', '1', source => repeat('x', 1001));
SET ROLE regress_inf_nobody;
SELECT steward.record_outcome('00000000-0000-0000-0001-000000000001', '1');
SET ROLE regress_inf_auditor;
SELECT output, outcome, observed_at AT TIME ZONE 'UTC' AS observed_at, outcome_source
    FROM steward.inference_with_outcome WHERE request_id IN ('00000000-0000-0000-0001-000000000001', '00000000-0000-0000-0001-000000000002') ORDER BY request_id;
RESET ROLE;
UPDATE steward.inference_outcome SET outcome = '1';
DELETE FROM steward.inference_outcome;

SELECT steward.drop_purpose('regress inf scoring');
DROP OWNED BY regress_inf_service, regress_inf_auditor, regress_inf_nobody;
DROP ROLE regress_inf_service, regress_inf_auditor, regress_inf_nobody;
