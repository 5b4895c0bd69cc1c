-- registry: runs, what they read and wrote.

CREATE TABLE steward.run (
    id            uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    model         text NOT NULL REFERENCES steward.model,
    version       text,
    purpose       text CHECK (pg_catalog.length(purpose) BETWEEN 1 AND 200),
    kind          text NOT NULL CHECK (pg_catalog.length(kind) BETWEEN 1 AND 200),
    code_revision text CHECK (pg_catalog.length(code_revision) BETWEEN 1 AND 1000),
    environment   jsonb CHECK (pg_catalog.jsonb_typeof(environment) = 'object'),
    started_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    started_by    text NOT NULL DEFAULT steward.subject(),
    session_role  text NOT NULL DEFAULT session_user,
    ended_at      timestamptz,
    status        text NOT NULL DEFAULT 'running' CHECK (pg_catalog.length(status) BETWEEN 1 AND 200),
    metrics       jsonb CHECK (pg_catalog.jsonb_typeof(metrics) = 'object'),
    FOREIGN KEY (model, version) REFERENCES steward.model_version,
    CHECK ((ended_at IS NULL) = (status = 'running'))
);
CREATE INDEX run_model_idx ON steward.run (model, version);
COMMENT ON TABLE steward.run IS 'training runs and the like; written by begin_run() and end_run()';
COMMENT ON COLUMN steward.run.id IS 'the run; SET steward.run makes a further session part of it';
COMMENT ON COLUMN steward.run.model IS 'the model that it makes or uses';
COMMENT ON COLUMN steward.run.version IS 'the version; NULL: none yet';
COMMENT ON COLUMN steward.run.purpose IS 'purpose of all that the run reads; it never changes; NULL: none';
COMMENT ON COLUMN steward.run.kind IS 'for instance training, evaluation, scoring, preparation';
COMMENT ON COLUMN steward.run.code_revision IS 'revision of the code that runs';
COMMENT ON COLUMN steward.run.environment IS 'where it runs, by name: packages, images, hardware';
COMMENT ON COLUMN steward.run.started_at IS 'when it began';
COMMENT ON COLUMN steward.run.started_by IS 'subject that began it';
COMMENT ON COLUMN steward.run.session_role IS 'role of the session in which it began';
COMMENT ON COLUMN steward.run.ended_at IS 'when it ended; NULL: it goes on';
COMMENT ON COLUMN steward.run.status IS 'running, then what end_run() says: for instance completed, failed';
COMMENT ON COLUMN steward.run.metrics IS 'what came out, by name';
COMMENT ON INDEX steward.run_model_idx IS 'finds the runs of a version';

CREATE TABLE steward.run_input (
    run          uuid NOT NULL REFERENCES steward.run,
    relation     text NOT NULL CHECK (pg_catalog.length(relation) BETWEEN 1 AND 2000),
    first_read   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    snapshot_at  timestamptz NOT NULL,
    row_count    bigint CHECK (row_count >= 0),
    filtered     boolean NOT NULL,
    masked       boolean NOT NULL,
    observations bigint NOT NULL DEFAULT 1 CHECK (observations >= 1),
    PRIMARY KEY (run, relation)
);
CREATE INDEX run_input_relation_idx ON steward.run_input (relation);
COMMENT ON TABLE steward.run_input IS 'what runs read, noted by the database itself';
COMMENT ON COLUMN steward.run_input.run IS 'the run';
COMMENT ON COLUMN steward.run_input.relation IS 'what was read: schema.table, or a URI';
COMMENT ON COLUMN steward.run_input.first_read IS 'when it was read first';
COMMENT ON COLUMN steward.run_input.snapshot_at IS 'the moment that the last reading showed';
COMMENT ON COLUMN steward.run_input.row_count IS 'rows that the largest reading delivered; NULL: not known';
COMMENT ON COLUMN steward.run_input.filtered IS 'a row policy hid rows, at least once';
COMMENT ON COLUMN steward.run_input.masked IS 'a mask hid values, at least once';
COMMENT ON COLUMN steward.run_input.observations IS 'how many statements read it';
COMMENT ON INDEX steward.run_input_relation_idx IS 'finds the runs that read a relation';

CREATE TABLE steward.run_output (
    run           uuid NOT NULL REFERENCES steward.run,
    relation      text NOT NULL CHECK (pg_catalog.length(relation) BETWEEN 1 AND 2000),
    first_written timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    last_written  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    row_count     bigint NOT NULL DEFAULT 0 CHECK (row_count >= 0),
    observations  bigint NOT NULL DEFAULT 1 CHECK (observations >= 1),
    PRIMARY KEY (run, relation)
);
CREATE INDEX run_output_relation_idx ON steward.run_output (relation);
COMMENT ON TABLE steward.run_output IS 'what runs wrote, noted by the database itself';
COMMENT ON COLUMN steward.run_output.run IS 'the run';
COMMENT ON COLUMN steward.run_output.relation IS 'what was written: schema.table, or a URI';
COMMENT ON COLUMN steward.run_output.first_written IS 'when it was written first';
COMMENT ON COLUMN steward.run_output.last_written IS 'when it was written last';
COMMENT ON COLUMN steward.run_output.row_count IS 'rows that were written in all';
COMMENT ON COLUMN steward.run_output.observations IS 'how many statements wrote it';
COMMENT ON INDEX steward.run_output_relation_idx IS 'finds the runs that wrote a relation';

CREATE FUNCTION steward.check_run() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.ended_at IS NOT NULL OR to_jsonb(OLD) - '{ended_at,status,metrics}'::text[] <> to_jsonb(NEW) - '{ended_at,status,metrics}'::text[] THEN
            RAISE EXCEPTION 'run % cannot be changed', OLD.id
                USING ERRCODE = 'insufficient_privilege', HINT = 'A run ends once, with steward.end_run(); its purpose never changes.';
        END IF;
    ELSE
        IF NEW.version IS NULL THEN
            PERFORM steward.require_model(NEW.model);
        ELSE
            PERFORM steward.require_version(NEW.model, NEW.version);
        END IF;
        PERFORM steward.check_text('kind of a run', NEW.kind, 200);
        PERFORM steward.check_text('code_revision of a run', NEW.code_revision, 1000, false);
    END IF;
    PERFORM steward.check_text('status of a run', NEW.status, 200);
    IF jsonb_typeof(NEW.environment) <> 'object' OR jsonb_typeof(NEW.metrics) <> 'object' THEN
        RAISE EXCEPTION 'environment and metrics of a run must be JSON objects'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give each value its name: {"name": value}.';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_run() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_run() IS 'trigger: checks a row of run, raising insufficient_privilege, undefined_object, invalid_parameter_value and what check_text() raises';

CREATE TRIGGER check_run BEFORE INSERT OR UPDATE ON steward.run FOR EACH ROW EXECUTE FUNCTION steward.check_run();
ALTER TABLE steward.run ENABLE ALWAYS TRIGGER check_run;
COMMENT ON TRIGGER check_run ON steward.run IS 'checks rows, whoever writes them';
CREATE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON steward.run FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change('What ran cannot be undone.');
CREATE TRIGGER refuse_row_change BEFORE DELETE ON steward.run FOR EACH ROW EXECUTE FUNCTION steward.refuse_change('What ran cannot be undone.');
ALTER TABLE steward.run ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE steward.run ENABLE ALWAYS TRIGGER refuse_row_change;
COMMENT ON TRIGGER refuse_change ON steward.run IS 'runs stay';
COMMENT ON TRIGGER refuse_row_change ON steward.run IS 'runs stay, for logical replication too, which fires no statement triggers';
GRANT SELECT ON steward.run TO steward_engineer, steward_officer, steward_auditor, steward_admin;
SELECT pg_catalog.pg_extension_config_dump('steward.run', '');
SELECT steward.seal('steward.run_input', NULL, NULL, 'The database notes what runs read.'),
       steward.seal('steward.run_output', NULL, NULL, 'The database notes what runs write.');
SELECT steward.log_changes_of('steward.run', 'run', 'id');

CREATE FUNCTION steward.current_run() RETURNS uuid
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_current_run';
COMMENT ON FUNCTION steward.current_run() IS 'the run of which this session is part; NULL: none';

CREATE FUNCTION steward.begin_run(model text, version text DEFAULT NULL, purpose text DEFAULT NULL, kind text DEFAULT 'training',
    code_revision text DEFAULT NULL, environment jsonb DEFAULT NULL) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    run uuid := gen_random_uuid();
BEGIN
    PERFORM steward.require_role('steward_engineer');
    IF steward.current_run() IS NOT NULL THEN
        RAISE EXCEPTION 'this session is part of run %', steward.current_run()
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'End it with steward.end_run(), or leave it with RESET steward.run.';
    END IF;
    purpose := coalesce(purpose, steward.current_purpose());
    IF purpose IS NOT NULL AND NOT steward.may_use_purpose(purpose) THEN
        RAISE EXCEPTION 'purpose "%" is not known or not granted to role "%"', "left"(purpose, 200), steward.subject_role()
            USING ERRCODE = 'insufficient_privilege', HINT = 'A member of steward_admin grants it with steward.grant_purpose().';
    END IF;
    INSERT INTO steward.run (id, model, version, purpose, kind, code_revision, environment)
        VALUES (run, model, version, purpose, kind, code_revision, environment);
    PERFORM set_config('steward.purpose', coalesce(purpose, ''), false);
    PERFORM set_config('steward.run', run::text, false);
    RETURN run;
END
$$;
COMMENT ON FUNCTION steward.begin_run(text, text, text, text, text, jsonb) IS
    'begins a run and makes this session part of it; the purpose (by default that of the session) is then fixed until the run ends or the session leaves it. For steward_engineer. Raises insufficient_privilege (purpose not granted), undefined_object, null_value_not_allowed, invalid_parameter_value, object_not_in_prerequisite_state (a run goes on in this session)';

CREATE FUNCTION steward.may_use_purpose(purpose text) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'steward_may_use_purpose';
REVOKE ALL ON FUNCTION steward.may_use_purpose(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.may_use_purpose(text) IS 'internal: may the subject use the purpose now, by grant and token?';

CREATE FUNCTION steward.end_run(status text DEFAULT 'completed', metrics jsonb DEFAULT NULL, run uuid DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    run := coalesce(run, steward.current_run());
    IF run IS NULL THEN
        RAISE EXCEPTION 'this session is part of no run'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Name the run, or begin one with steward.begin_run().';
    END IF;
    IF status = 'running' THEN
        RAISE EXCEPTION 'a run does not end "running"' USING ERRCODE = 'invalid_parameter_value', HINT = 'Say completed, failed, or what it was.';
    END IF;
    UPDATE steward.run AS r SET ended_at = clock_timestamp(), status = end_run.status, metrics = end_run.metrics WHERE r.id = end_run.run AND r.ended_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run % is not running', run USING ERRCODE = 'undefined_object', HINT = 'It ended already, or never began.';
    END IF;
    IF run = steward.current_run() THEN
        PERFORM set_config('steward.run', '', false);
    END IF;
END
$$;
COMMENT ON FUNCTION steward.end_run(text, jsonb, uuid) IS
    'ends a run, by default that of this session, which may then use other purposes again. For steward_engineer. Raises insufficient_privilege, undefined_object, object_not_in_prerequisite_state, null_value_not_allowed, invalid_parameter_value';
