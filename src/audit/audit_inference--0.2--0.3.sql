-- audit: the inference log in its ledger, and what later turned out to be true.

-- Records of versions before 0.3 have no ledger: they stay where they are.
ALTER TABLE steward.inference_log RENAME TO inference_before_ledger;
ALTER INDEX steward.inference_log_pkey RENAME TO inference_before_ledger_pkey;
ALTER INDEX steward.inference_log_request_id_idx RENAME TO inference_before_ledger_request_id_idx;
ALTER INDEX steward.inference_log_logged_at_idx RENAME TO inference_before_ledger_logged_at_idx;
COMMENT ON TABLE steward.inference_before_ledger IS 'inferences that were logged before version 0.3, append-only for everybody, without proof; read by steward_auditor';

SELECT steward.create_log('inference_log', 'one row an inference, append-only for everybody and proven by its ledger; written by log_inference() and inference_insert, read by steward_auditor');
COMMENT ON COLUMN steward.inference_log.request_id IS 'the caller''s identifier of the request, else one made here; a request that is logged again stands here again';
COMMENT ON COLUMN steward.inference_log.model IS 'name of the model that answered, as registered';
COMMENT ON COLUMN steward.inference_log.version IS 'version of the model that answered, as registered';
COMMENT ON COLUMN steward.inference_log.operation IS 'what was asked of it (gen_ai.operation.name): for instance chat, embeddings, predict';
COMMENT ON COLUMN steward.inference_log.subject IS 'the person or service that logged it';
COMMENT ON COLUMN steward.inference_log.purpose IS 'purpose for which it was made: as given, else the subject''s purpose at that moment; NULL: none';
COMMENT ON COLUMN steward.inference_log.input IS 'features or messages that went in; NULL: not kept';
COMMENT ON COLUMN steward.inference_log.output IS 'score or messages that came out; NULL: none, or not kept';
COMMENT ON COLUMN steward.inference_log.status_code IS 'status of the answer in the caller''s protocol (200 in HTTP, 0 in gRPC)';
COMMENT ON COLUMN steward.inference_log.latency_ms IS 'time from request to answer, milliseconds';
COMMENT ON COLUMN steward.inference_log.input_tokens IS 'tokens read (gen_ai.usage.input_tokens)';
COMMENT ON COLUMN steward.inference_log.output_tokens IS 'tokens written (gen_ai.usage.output_tokens)';
COMMENT ON COLUMN steward.inference_log.finish_reasons IS 'why the model stopped, one for each answer (gen_ai.response.finish_reasons)';
COMMENT ON COLUMN steward.inference_log.conversation_id IS 'conversation or session it belongs to (gen_ai.conversation.id)';
COMMENT ON COLUMN steward.inference_log.trace_id IS 'trace it belongs to (W3C: 32 hexadecimal digits)';
COMMENT ON COLUMN steward.inference_log.span_id IS 'span of that trace (W3C: 16 hexadecimal digits)';
COMMENT ON COLUMN steward.inference_log.entities IS 'persons whom the inference is about, by the keys under which their data is kept';
COMMENT ON COLUMN steward.inference_log.attributes IS 'further facts by name, an object: for instance OpenTelemetry attributes, enduser.id';

CREATE OR REPLACE FUNCTION steward.log_inference(
    model           text,
    version         text,
    input           jsonb,
    output          jsonb,
    request_id      uuid DEFAULT NULL,
    operation       text DEFAULT NULL,
    subject         text DEFAULT NULL,
    purpose         text DEFAULT NULL,
    status_code     integer DEFAULT NULL,
    latency_ms      double precision DEFAULT NULL,
    input_tokens    bigint DEFAULT NULL,
    output_tokens   bigint DEFAULT NULL,
    finish_reasons  text[] DEFAULT NULL,
    conversation_id text DEFAULT NULL,
    trace_id        text DEFAULT NULL,
    span_id         text DEFAULT NULL,
    entities        text[] DEFAULT NULL,
    attributes      jsonb DEFAULT NULL) RETURNS uuid
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_log_inference';
COMMENT ON FUNCTION steward.log_inference(text, text, jsonb, jsonb, uuid, text, text, text, integer, double precision, bigint, bigint, text[], text, text, text, text[], jsonb) IS
    'logs one inference of a registered model version (see steward.inference_registry) and returns its request_id, made here unless given; for steward_service. The record is kept whatever becomes of the transaction; it is in the queue when the function returns, or on disk, as steward.inference_durability says. latency_ms in milliseconds; subject may only repeat the acting person. Raises insufficient_privilege, undefined_object (model or version not registered), null_value_not_allowed, invalid_parameter_value, string_data_right_truncation, object_not_in_prerequisite_state (the database does not log: see steward.status)';

-- What log_inference() and the registry now ask each other in C.
DROP FUNCTION steward.admit_inference(text, text);

-- For batches and drivers.
CREATE VIEW steward.inference_insert AS
    SELECT NULL::text AS model, NULL::text AS version, NULL::jsonb AS input, NULL::jsonb AS output, NULL::uuid AS request_id,
           NULL::text AS operation, NULL::text AS subject, NULL::text AS purpose, NULL::integer AS status_code,
           NULL::double precision AS latency_ms, NULL::bigint AS input_tokens, NULL::bigint AS output_tokens,
           NULL::text[] AS finish_reasons, NULL::text AS conversation_id, NULL::text AS trace_id, NULL::text AS span_id,
           NULL::text[] AS entities, NULL::jsonb AS attributes
    WHERE false;
COMMENT ON VIEW steward.inference_insert IS
    'INSERT, INSERT ... SELECT and COPY into it log one inference a row, as log_inference() does; RETURNING request_id tells the identifiers that were made. A row that was taken is kept, also where a later one of the statement fails. It holds no rows itself; for steward_service';
COMMENT ON COLUMN steward.inference_insert.model IS 'name of the model that answered, as registered';
COMMENT ON COLUMN steward.inference_insert.version IS 'version of the model that answered, as registered';
COMMENT ON COLUMN steward.inference_insert.input IS 'features or messages that went in; NULL: not kept';
COMMENT ON COLUMN steward.inference_insert.output IS 'score or messages that came out; NULL: none, or not kept';
COMMENT ON COLUMN steward.inference_insert.request_id IS 'the caller''s identifier of the request; NULL: one is made';
COMMENT ON COLUMN steward.inference_insert.operation IS 'what was asked of it (gen_ai.operation.name): for instance chat, embeddings, predict';
COMMENT ON COLUMN steward.inference_insert.subject IS 'may only repeat the acting person; NULL: found by itself';
COMMENT ON COLUMN steward.inference_insert.purpose IS 'purpose for which it was made: as given, else the subject''s purpose at that moment; NULL: none';
COMMENT ON COLUMN steward.inference_insert.status_code IS 'status of the answer in the caller''s protocol (200 in HTTP, 0 in gRPC)';
COMMENT ON COLUMN steward.inference_insert.latency_ms IS 'time from request to answer, milliseconds';
COMMENT ON COLUMN steward.inference_insert.input_tokens IS 'tokens read (gen_ai.usage.input_tokens)';
COMMENT ON COLUMN steward.inference_insert.output_tokens IS 'tokens written (gen_ai.usage.output_tokens)';
COMMENT ON COLUMN steward.inference_insert.finish_reasons IS 'why the model stopped, one for each answer (gen_ai.response.finish_reasons)';
COMMENT ON COLUMN steward.inference_insert.conversation_id IS 'conversation or session it belongs to (gen_ai.conversation.id)';
COMMENT ON COLUMN steward.inference_insert.trace_id IS 'trace it belongs to (W3C: 32 hexadecimal digits)';
COMMENT ON COLUMN steward.inference_insert.span_id IS 'span of that trace (W3C: 16 hexadecimal digits)';
COMMENT ON COLUMN steward.inference_insert.entities IS 'persons whom the inference is about, by the keys under which their data is kept';
COMMENT ON COLUMN steward.inference_insert.attributes IS 'further facts by name, an object: for instance OpenTelemetry attributes, enduser.id';
REVOKE ALL ON steward.inference_insert FROM PUBLIC;
GRANT INSERT, SELECT ON steward.inference_insert TO steward_service;

CREATE FUNCTION steward.inference_insert_row() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_inference_insert_row';
REVOKE ALL ON FUNCTION steward.inference_insert_row() FROM PUBLIC;
COMMENT ON FUNCTION steward.inference_insert_row() IS 'trigger of inference_insert: logs the row; raises what log_inference() raises';
CREATE FUNCTION steward.inference_insert_end() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_inference_insert_end';
REVOKE ALL ON FUNCTION steward.inference_insert_end() FROM PUBLIC;
COMMENT ON FUNCTION steward.inference_insert_end() IS 'trigger of inference_insert: with steward.inference_durability = sync, waits until the rows of the statement are on disk';
CREATE TRIGGER log_row INSTEAD OF INSERT ON steward.inference_insert
    FOR EACH ROW EXECUTE FUNCTION steward.inference_insert_row();
CREATE TRIGGER log_end AFTER INSERT ON steward.inference_insert
    FOR EACH STATEMENT EXECUTE FUNCTION steward.inference_insert_end();
COMMENT ON TRIGGER log_row ON steward.inference_insert IS 'each row is one inference';
COMMENT ON TRIGGER log_end ON steward.inference_insert IS 'durability, once a statement';

-- ---------------------------------------------------------------------
-- The truth comes later
-- ---------------------------------------------------------------------

CREATE TABLE steward.inference_outcome (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id  uuid NOT NULL,
    outcome     jsonb NOT NULL,
    observed_at timestamptz NOT NULL CHECK (pg_catalog.isfinite(observed_at)),
    source      text CHECK (pg_catalog.length(source) BETWEEN 1 AND 1000),
    recorded_by text NOT NULL DEFAULT steward.subject(),
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX inference_outcome_request_id_idx ON steward.inference_outcome (request_id);
COMMENT ON TABLE steward.inference_outcome IS 'what turned out to be true after an inference, append-only; written by record_outcome(); a later row of a request corrects the earlier ones';
COMMENT ON COLUMN steward.inference_outcome.id IS 'the order in which they were recorded';
COMMENT ON COLUMN steward.inference_outcome.request_id IS 'the inference that it belongs to; it may be recorded before the inference is in its log';
COMMENT ON COLUMN steward.inference_outcome.outcome IS 'the truth: a label, an amount, a verdict of a person';
COMMENT ON COLUMN steward.inference_outcome.observed_at IS 'when it was observed';
COMMENT ON COLUMN steward.inference_outcome.source IS 'who or what says so';
COMMENT ON COLUMN steward.inference_outcome.recorded_by IS 'subject that recorded it';
COMMENT ON COLUMN steward.inference_outcome.recorded_at IS 'when it was recorded';
COMMENT ON INDEX steward.inference_outcome_request_id_idx IS 'finds what became of an inference';
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.inference_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change('Record a new outcome instead: the latest one counts.');
CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.inference_outcome
    FOR EACH ROW EXECUTE FUNCTION steward.refuse_change('Record a new outcome instead: the latest one counts.');
ALTER TABLE steward.inference_outcome ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE steward.inference_outcome ENABLE ALWAYS TRIGGER refuse_row_change;
COMMENT ON TRIGGER refuse_change ON steward.inference_outcome IS 'append-only for everybody';
COMMENT ON TRIGGER refuse_row_change ON steward.inference_outcome IS 'append-only for logical replication too, which fires no statement triggers';
REVOKE ALL ON steward.inference_outcome FROM PUBLIC;
GRANT SELECT ON steward.inference_outcome TO steward_auditor;
SELECT pg_catalog.pg_extension_config_dump('steward.inference_outcome', '');
SELECT pg_catalog.pg_extension_config_dump('steward.inference_outcome_id_seq', '');
SELECT steward.log_changes_of('steward.inference_outcome', 'inference outcome', 'request_id', 'outcome');

CREATE FUNCTION steward.record_outcome(request_id uuid, outcome jsonb, observed_at timestamptz DEFAULT now(), source text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_service', 'steward_engineer');
    IF request_id IS NULL OR outcome IS NULL OR observed_at IS NULL THEN
        RAISE EXCEPTION '% must not be null', CASE WHEN request_id IS NULL THEN 'request_id' WHEN outcome IS NULL THEN 'outcome' ELSE 'observed_at' END
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the request_id that log_inference() returned, and what turned out to be true.';
    END IF;
    IF NOT isfinite(observed_at) THEN
        RAISE EXCEPTION 'observed_at must be a moment'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out for now.';
    END IF;
    PERFORM steward.check_text('source', source, 1000, false);
    INSERT INTO steward.inference_outcome (request_id, outcome, observed_at, source) VALUES (request_id, outcome, observed_at, source);
END
$$;
COMMENT ON FUNCTION steward.record_outcome(uuid, jsonb, timestamptz, text) IS
    'records what turned out to be true after an inference, as part of the transaction; the latest one of a request counts. For steward_service and steward_engineer. Raises insufficient_privilege, null_value_not_allowed, invalid_parameter_value, string_data_right_truncation';

CREATE VIEW steward.inference_with_outcome AS
    SELECT l.seq, l.logged_at, l.request_id, l.model, l.version, l.operation, l.purpose, l.status_code, l.latency_ms, l.input_tokens, l.output_tokens, l.trace_id, l.span_id, l.subject, l.input, l.output, l.conversation_id, l.entities, l.finish_reasons, l.attributes,
           o.outcome, o.observed_at, o.source AS outcome_source
    FROM steward.inference_log l
    LEFT JOIN LATERAL (SELECT i.outcome, i.observed_at, i.source FROM steward.inference_outcome i
                       WHERE i.request_id = l.request_id ORDER BY i.id DESC LIMIT 1) AS o ON true;
COMMENT ON VIEW steward.inference_with_outcome IS 'each inference beside the latest outcome that was recorded for it; for steward_auditor';
COMMENT ON COLUMN steward.inference_with_outcome.seq IS 'number of the record';
COMMENT ON COLUMN steward.inference_with_outcome.logged_at IS 'when it was logged';
COMMENT ON COLUMN steward.inference_with_outcome.request_id IS 'the caller''s identifier of the request, else one made here; a request that is logged again stands here again';
COMMENT ON COLUMN steward.inference_with_outcome.model IS 'name of the model that answered, as registered';
COMMENT ON COLUMN steward.inference_with_outcome.version IS 'version of the model that answered, as registered';
COMMENT ON COLUMN steward.inference_with_outcome.operation IS 'what was asked of it (gen_ai.operation.name): for instance chat, embeddings, predict';
COMMENT ON COLUMN steward.inference_with_outcome.purpose IS 'purpose for which it was made: as given, else the subject''s purpose at that moment; NULL: none';
COMMENT ON COLUMN steward.inference_with_outcome.status_code IS 'status of the answer in the caller''s protocol (200 in HTTP, 0 in gRPC)';
COMMENT ON COLUMN steward.inference_with_outcome.latency_ms IS 'time from request to answer, milliseconds';
COMMENT ON COLUMN steward.inference_with_outcome.input_tokens IS 'tokens read (gen_ai.usage.input_tokens)';
COMMENT ON COLUMN steward.inference_with_outcome.output_tokens IS 'tokens written (gen_ai.usage.output_tokens)';
COMMENT ON COLUMN steward.inference_with_outcome.trace_id IS 'trace it belongs to (W3C: 32 hexadecimal digits)';
COMMENT ON COLUMN steward.inference_with_outcome.span_id IS 'span of that trace (W3C: 16 hexadecimal digits)';
COMMENT ON COLUMN steward.inference_with_outcome.subject IS 'the person or service that logged it';
COMMENT ON COLUMN steward.inference_with_outcome.input IS 'features or messages that went in; NULL: not kept';
COMMENT ON COLUMN steward.inference_with_outcome.output IS 'score or messages that came out; NULL: none, or not kept';
COMMENT ON COLUMN steward.inference_with_outcome.conversation_id IS 'conversation or session it belongs to (gen_ai.conversation.id)';
COMMENT ON COLUMN steward.inference_with_outcome.entities IS 'persons whom the inference is about, by the keys under which their data is kept';
COMMENT ON COLUMN steward.inference_with_outcome.finish_reasons IS 'why the model stopped, one for each answer (gen_ai.response.finish_reasons)';
COMMENT ON COLUMN steward.inference_with_outcome.attributes IS 'further facts by name, an object: for instance OpenTelemetry attributes, enduser.id';
COMMENT ON COLUMN steward.inference_with_outcome.outcome IS 'what turned out to be true; NULL: not known yet';
COMMENT ON COLUMN steward.inference_with_outcome.observed_at IS 'when that was observed';
COMMENT ON COLUMN steward.inference_with_outcome.outcome_source IS 'who or what says so';
REVOKE ALL ON steward.inference_with_outcome FROM PUBLIC;
GRANT SELECT ON steward.inference_with_outcome TO steward_auditor;
