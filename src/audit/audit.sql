-- audit: what happened, in tables that only grow.

CREATE TABLE steward.inference_log (
    seq             bigint GENERATED ALWAYS AS IDENTITY (MINVALUE 0 START WITH 0) PRIMARY KEY,
    logged_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    request_id      uuid NOT NULL,
    model           text NOT NULL CHECK (pg_catalog.length(model) BETWEEN 1 AND 200),
    version         text NOT NULL CHECK (pg_catalog.length(version) BETWEEN 1 AND 200),
    operation       text CHECK (pg_catalog.length(operation) BETWEEN 1 AND 200),
    subject         text NOT NULL CHECK (pg_catalog.length(subject) BETWEEN 1 AND 1000),
    purpose         text CHECK (pg_catalog.length(purpose) BETWEEN 1 AND 200),
    input           jsonb,
    output          jsonb,
    status_code     integer,
    latency_ms      double precision CHECK (latency_ms >= 0 AND latency_ms < 'Infinity'),
    input_tokens    bigint CHECK (input_tokens >= 0),
    output_tokens   bigint CHECK (output_tokens >= 0),
    finish_reasons  text[] CHECK (pg_catalog.cardinality(finish_reasons) <= 1000 AND
                                  pg_catalog.length(pg_catalog.array_to_string(finish_reasons, '')) <= 100000),
    conversation_id text CHECK (pg_catalog.length(conversation_id) BETWEEN 1 AND 1000),
    trace_id        text CHECK (pg_catalog.length(trace_id) BETWEEN 1 AND 200),
    span_id         text CHECK (pg_catalog.length(span_id) BETWEEN 1 AND 200),
    entities        text[] CHECK (pg_catalog.cardinality(entities) <= 1000 AND
                                  pg_catalog.length(pg_catalog.array_to_string(entities, '')) <= 100000 AND
                                  pg_catalog.array_position(entities, NULL) IS NULL),
    attributes      jsonb CHECK (pg_catalog.jsonb_typeof(attributes) = 'object')
);
CREATE INDEX inference_log_request_id_idx ON steward.inference_log (request_id);
CREATE INDEX inference_log_logged_at_idx ON steward.inference_log USING brin (logged_at);
COMMENT ON TABLE steward.inference_log IS 'one row an inference, append-only for everybody; written by log_inference(), read by steward_auditor';
COMMENT ON COLUMN steward.inference_log.seq IS 'number of the record, from 0 and rising';
COMMENT ON COLUMN steward.inference_log.logged_at IS 'when it was logged, by the wall clock of the database server';
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
COMMENT ON INDEX steward.inference_log_request_id_idx IS 'finds an inference by its request';
COMMENT ON INDEX steward.inference_log_logged_at_idx IS 'finds the inferences of a time';

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.inference_log
    FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change('Log a new record instead.');
CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.inference_log
    FOR EACH ROW EXECUTE FUNCTION steward.refuse_change('Log a new record instead.');
ALTER TABLE steward.inference_log ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE steward.inference_log ENABLE ALWAYS TRIGGER refuse_row_change;
COMMENT ON TRIGGER refuse_change ON steward.inference_log IS 'the log is append-only for everybody';
COMMENT ON TRIGGER refuse_row_change ON steward.inference_log IS 'the log is append-only for logical replication too, which fires no statement triggers';

GRANT SELECT ON steward.inference_log TO steward_auditor;

SELECT pg_catalog.pg_extension_config_dump('steward.inference_log', '');
SELECT pg_catalog.pg_extension_config_dump('steward.inference_log_seq_seq', '');

CREATE FUNCTION steward.log_inference(
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
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    actor text;
    found text;
BEGIN
    PERFORM steward.require_role('steward_service');

    actor := steward.subject();
    IF subject <> actor THEN
        RAISE EXCEPTION 'an inference cannot be logged in the name of "%"', pg_catalog."left"(subject, 200)
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Leave subject out: the log finds the acting person itself. Name the end user in attributes, as enduser.id.';
    END IF;

    -- The registry stands above this room: it answers through this one
    -- function, found when it is called.
    PERFORM steward.admit_inference(model, version);

    -- One expression for the many short texts: this function is called for
    -- every inference.
    IF NOT (coalesce(length(operation) BETWEEN 1 AND 200, true) AND coalesce(length(purpose) BETWEEN 1 AND 200, true)
            AND coalesce(length(conversation_id) BETWEEN 1 AND 1000, true)
            AND coalesce(length(trace_id) BETWEEN 1 AND 200, true) AND coalesce(length(span_id) BETWEEN 1 AND 200, true)) THEN
        PERFORM steward.check_text('operation', operation, 200, false);
        PERFORM steward.check_text('purpose', purpose, 200, false);
        PERFORM steward.check_text('conversation_id', conversation_id, 1000, false);
        PERFORM steward.check_text('trace_id', trace_id, 200, false);
        PERFORM steward.check_text('span_id', span_id, 200, false);
    END IF;
    found := CASE
        WHEN NOT (latency_ms >= 0 AND latency_ms < 'Infinity') THEN 'latency_ms must be a number of milliseconds, 0 or more'
        WHEN input_tokens < 0 THEN 'input_tokens must be 0 or more'
        WHEN output_tokens < 0 THEN 'output_tokens must be 0 or more'
        WHEN cardinality(finish_reasons) > 1000 OR length(array_to_string(finish_reasons, '')) > 100000 THEN 'finish_reasons are too many or too long'
        WHEN cardinality(entities) > 1000 OR length(array_to_string(entities, '')) > 100000 THEN 'entities are too many or too long'
        WHEN array_position(entities, NULL) IS NOT NULL THEN 'entities must not hold nulls'
        WHEN jsonb_typeof(attributes) <> 'object' THEN 'attributes must be a JSON object'
    END;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION '%', found
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Leave out what is not known; what fits no column belongs into attributes or the payloads. Arrays take 1000 elements and 100000 characters.';
    END IF;

    request_id := coalesce(request_id, gen_random_uuid());
    INSERT INTO steward.inference_log (request_id, model, version, operation, subject, purpose, input, output,
            status_code, latency_ms, input_tokens, output_tokens, finish_reasons,
            conversation_id, trace_id, span_id, entities, attributes)
        VALUES (request_id, model, version, operation, actor, coalesce(purpose, steward.current_purpose()), input, output,
            status_code, latency_ms, input_tokens, output_tokens, finish_reasons,
            conversation_id, trace_id, span_id, entities, attributes);
    RETURN request_id;
END
$$;
COMMENT ON FUNCTION steward.log_inference(text, text, jsonb, jsonb, uuid, text, text, text, integer, double precision, bigint, bigint, text[], text, text, text, text[], jsonb) IS
    'logs one inference of a registered model version and returns its request_id, made here unless given; for steward_service. latency_ms in milliseconds; subject may only repeat the acting person. Raises insufficient_privilege, undefined_object (model or version not registered), null_value_not_allowed, invalid_parameter_value, string_data_right_truncation';
