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
RESET session_replication_role;
INSERT INTO steward.inference_log (seq, request_id, model, version, subject) VALUES (-1, gen_random_uuid(), 'regress_inf', '1', 'me');

SELECT steward.drop_purpose('regress inf scoring');
DROP ROLE regress_inf_service, regress_inf_auditor, regress_inf_nobody;
