-- registry: evaluations of versions, recorded or imported.

CREATE TABLE steward.evaluation (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text NOT NULL,
    version       text NOT NULL,
    suite         text NOT NULL CHECK (pg_catalog.length(suite) BETWEEN 1 AND 200),
    evaluated_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    source        text CHECK (pg_catalog.length(source) BETWEEN 1 AND 2000),
    format        text NOT NULL DEFAULT 'recorded' CHECK (format IN ('recorded', 'garak', 'promptfoo', 'lm-eval')),
    report_sha256 bytea,
    facts         jsonb NOT NULL DEFAULT '{}',
    recorded_by   text NOT NULL DEFAULT steward.subject(),
    recorded_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
CREATE INDEX evaluation_version_idx ON steward.evaluation (model, version, suite, evaluated_at);
COMMENT ON TABLE steward.evaluation IS 'evaluations of versions, append-only; written by record_evaluation() and import_evaluation()';
COMMENT ON COLUMN steward.evaluation.id IS 'number of the evaluation';
COMMENT ON COLUMN steward.evaluation.model IS 'the model';
COMMENT ON COLUMN steward.evaluation.version IS 'the version';
COMMENT ON COLUMN steward.evaluation.suite IS 'what was tried: a suite of tests, a red-team run';
COMMENT ON COLUMN steward.evaluation.evaluated_at IS 'when it was evaluated';
COMMENT ON COLUMN steward.evaluation.source IS 'who or what says so';
COMMENT ON COLUMN steward.evaluation.format IS 'recorded | garak | promptfoo | lm-eval';
COMMENT ON COLUMN steward.evaluation.report_sha256 IS 'SHA-256 of the report that was imported, in UTF-8; NULL: none was';
COMMENT ON COLUMN steward.evaluation.facts IS 'what the report says of itself: version of the format, run, configuration';
COMMENT ON COLUMN steward.evaluation.recorded_by IS 'subject that recorded it';
COMMENT ON COLUMN steward.evaluation.recorded_at IS 'when it was recorded';
COMMENT ON INDEX steward.evaluation_version_idx IS 'finds the newest evaluation of a version';

CREATE TABLE steward.evaluation_figure (
    evaluation       bigint NOT NULL REFERENCES steward.evaluation,
    task             text NOT NULL,
    metric           text NOT NULL,
    filter           text NOT NULL DEFAULT '',
    value            double precision NOT NULL,
    error            double precision,
    higher_is_better boolean,
    PRIMARY KEY (evaluation, task, metric, filter)
);
COMMENT ON TABLE steward.evaluation_figure IS 'figures of evaluations, one row each; written with the evaluation';
COMMENT ON COLUMN steward.evaluation_figure.evaluation IS 'the evaluation';
COMMENT ON COLUMN steward.evaluation_figure.task IS 'task, probe or test; empty: the whole';
COMMENT ON COLUMN steward.evaluation_figure.metric IS 'what was measured';
COMMENT ON COLUMN steward.evaluation_figure.filter IS 'filter or detector under which; empty: none';
COMMENT ON COLUMN steward.evaluation_figure.value IS 'what came out';
COMMENT ON COLUMN steward.evaluation_figure.error IS 'standard error; NULL: not given';
COMMENT ON COLUMN steward.evaluation_figure.higher_is_better IS 'as the report says; NULL: it does not';

CREATE FUNCTION steward.check_evaluation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_version(NEW.model, NEW.version);
    PERFORM steward.check_name('suite of an evaluation', NEW.suite);
    PERFORM steward.check_text('source of an evaluation', NEW.source, 2000, false);
    IF NEW.evaluated_at IS NULL OR NOT isfinite(NEW.evaluated_at) OR NEW.evaluated_at > clock_timestamp() + interval '1 day' THEN
        RAISE EXCEPTION 'evaluated_at must be a moment that is not in the future'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out for now.';
    END IF;
    IF NOT steward.is_restoring() THEN
        NEW.recorded_by := steward.subject();
        NEW.recorded_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_evaluation() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_evaluation() IS 'trigger: checks a row of evaluation, raising undefined_object, invalid_parameter_value and what check_name() and check_text() raise';

CREATE FUNCTION steward.check_evaluation_figure() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF length(NEW.task) > 1000 OR length(NEW.metric) > 1000 OR length(NEW.filter) > 1000 THEN
        RAISE EXCEPTION 'task, metric or filter of a figure is longer than 1000 characters'
            USING ERRCODE = 'string_data_right_truncation';
    END IF;
    PERFORM steward.check_text('metric of a figure', NEW.metric, 1000);
    -- figures belong to the evaluation with which they were recorded
    IF NOT steward.is_restoring() AND NOT EXISTS (SELECT FROM steward.evaluation e WHERE e.id = NEW.evaluation AND e.recorded_at >= now() AND e.recorded_by = steward.subject()) THEN
        RAISE EXCEPTION 'figures cannot be added to an evaluation that was recorded before'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Record another evaluation.';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_evaluation_figure() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_evaluation_figure() IS 'trigger: checks a row of evaluation_figure, raising object_not_in_prerequisite_state, string_data_right_truncation and what check_text() raises';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{evaluation,evaluation_figure}'::text[] LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER check_%s BEFORE INSERT ON steward.%I FOR EACH ROW EXECUTE FUNCTION steward.check_%s()', t, t, t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER check_%s', t, t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER check_%s ON steward.%I IS ''checks rows, whoever writes them''', t, t);
        EXECUTE pg_catalog.format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.%I FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change(''Record another evaluation.'')', t);
        EXECUTE pg_catalog.format('CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.%I FOR EACH ROW EXECUTE FUNCTION steward.refuse_change(''Record another evaluation.'')', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_change', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_row_change', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_change ON steward.%I IS ''append-only for everybody''', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_row_change ON steward.%I IS ''append-only for logical replication too, which fires no statement triggers''', t);
        EXECUTE pg_catalog.format('GRANT SELECT ON steward.%I TO steward_engineer, steward_officer, steward_auditor, steward_admin', t);
        PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('steward.%I', t)::regclass, '');
    END LOOP;
END
$$;
GRANT INSERT (model, version, suite, evaluated_at, source, facts) ON steward.evaluation TO steward_engineer;
GRANT INSERT ON steward.evaluation_figure TO steward_engineer;
SELECT pg_catalog.pg_extension_config_dump('steward.evaluation_id_seq', '');
SELECT steward.log_changes_of('steward.evaluation', 'evaluation', 'model,version,suite'),
       steward.log_changes_of('steward.evaluation_figure', 'figure of evaluation', 'evaluation,task,metric');

-- Metrics as people write them: {"accuracy": 0.9, "task": {"f1": 0.8}}.
CREATE FUNCTION steward.record_evaluation(model text, version text, suite text, metrics jsonb, evaluated_at timestamptz DEFAULT now(), source text DEFAULT NULL) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    evaluation bigint;
    bad text;
BEGIN
    PERFORM steward.require_role('steward_engineer');
    IF metrics IS NULL OR jsonb_typeof(metrics) <> 'object' OR metrics = '{}' THEN
        RAISE EXCEPTION 'metrics must be an object of figures'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {"metric": figure} or {"task": {"metric": figure}}.';
    END IF;
    SELECT f.name INTO bad FROM (
        SELECT m.key AS name, m.value FROM jsonb_each(metrics) m WHERE jsonb_typeof(m.value) <> 'object'
        UNION ALL
        SELECT m.key || '.' || i.key, i.value FROM jsonb_each(metrics) m, jsonb_each(CASE WHEN jsonb_typeof(m.value) = 'object' THEN m.value ELSE '{}' END) i) f
        WHERE jsonb_typeof(f.value) NOT IN ('number', 'boolean') OR (jsonb_typeof(f.value) = 'number' AND abs(f.value::numeric) NOT BETWEEN 1e-300 AND 1e300 AND f.value::numeric <> 0) LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'metric "%" is not a number, or none that a double precision holds', "left"(bad, 200)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Write {"metric": figure} or {"task": {"metric": figure}}.';
    END IF;
    INSERT INTO steward.evaluation (model, version, suite, evaluated_at, source) VALUES (model, version, suite, evaluated_at, source)
        RETURNING id INTO evaluation;
    INSERT INTO steward.evaluation_figure (evaluation, task, metric, value)
        SELECT evaluation, f.task, f.metric, CASE jsonb_typeof(f.value) WHEN 'boolean' THEN f.value::boolean::integer ELSE f.value::numeric END
        FROM (SELECT '' AS task, m.key AS metric, m.value FROM jsonb_each(metrics) m WHERE jsonb_typeof(m.value) <> 'object'
              UNION ALL
              SELECT m.key, i.key, i.value FROM jsonb_each(metrics) m, jsonb_each(CASE WHEN jsonb_typeof(m.value) = 'object' THEN m.value ELSE '{}' END) i) f;
    RETURN evaluation;
END
$$;
COMMENT ON FUNCTION steward.record_evaluation(text, text, text, jsonb, timestamptz, text) IS
    'records an evaluation of a version, metrics as {"metric": figure} or {"task": {"metric": figure}}, and returns its number. For steward_engineer. Raises insufficient_privilege, undefined_object, null_value_not_allowed, invalid_parameter_value';

-- ---------------------------------------------------------------------
-- Reports of other programs
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.report_error(format text, place text, problem text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'report is not one of %: %, %', format, place, problem
        USING ERRCODE = 'invalid_parameter_value', HINT = 'Nothing was imported. Import the whole file, as the program wrote it.';
END
$$;
REVOKE ALL ON FUNCTION steward.report_error(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.report_error(text, text, text) IS 'internal: refuses a report';

CREATE FUNCTION steward.report_json(format text, document text, first_line integer DEFAULT 1) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_messages = 'C' AS $$
DECLARE
    problem text;
    context text;
    ended boolean;
BEGIN
    RETURN document::jsonb;
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN
        GET STACKED DIAGNOSTICS problem = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
        ended := problem = 'The input string ended unexpectedly.';
        PERFORM steward.report_error(format,
            format('line %s', first_line - 1 + CASE WHEN ended THEN length(document) - length(replace(document, E'\n', '')) + 1
                                                    ELSE coalesce(substring(context FROM 'JSON data, line ([0-9]+)')::integer, 1) END),
            CASE WHEN coalesce(problem, '') = '' THEN 'it is nested too deeply or too large'
                 WHEN ended THEN format('it ends unexpectedly after %s characters', length(document))
                 ELSE lower("left"(problem, 1)) || rtrim(substr("left"(problem, 200), 2), '.') END);
        RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION steward.report_json(text, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION steward.report_json(text, text, integer) IS 'internal: a report, or a line of one, as JSON; refuses it with the line where it is none';

CREATE FUNCTION steward.report_count(value jsonb, format text, place text) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(value) IS DISTINCT FROM 'number' OR value::numeric < 0 OR value::numeric <> trunc(value::numeric) OR value::numeric > 1e15 THEN
        PERFORM steward.report_error(format, place, 'not a count');
    END IF;
    RETURN value::numeric::bigint;
END
$$;
REVOKE ALL ON FUNCTION steward.report_count(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.report_count(jsonb, text, text) IS 'internal: a whole number of 0 or more';

CREATE FUNCTION steward.garak_figures(report text, OUT facts jsonb, OUT evaluated_at timestamptz, OUT figures jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    line text;
    number integer := 0;
    entry jsonb;
    kind text;
    place text;
    passed bigint;
    total bigint;
    begun boolean := false;
    completed boolean := false;
    list jsonb[] := '{}';
BEGIN
    facts := '{}';
    FOREACH line IN ARRAY string_to_array(replace(report, E'\r\n', E'\n'), E'\n') LOOP
        number := number + 1;
        CONTINUE WHEN btrim(line, E' \t\r') = '';
        place := format('line %s', number);
        entry := steward.report_json('garak', line, number);
        kind := CASE WHEN jsonb_typeof(entry) = 'object' THEN entry ->> 'entry_type' END;
        IF kind IS NULL THEN
            PERFORM steward.report_error('garak', place, 'no entry_type');
        END IF;
        IF NOT begun AND kind NOT IN ('start_run setup', 'init', 'config') THEN
            PERFORM steward.report_error('garak', place, format('the run begins with "%s"', "left"(kind, 100)));
        END IF;
        begun := true;
        CASE kind
            WHEN 'start_run setup' THEN
                facts := facts || jsonb_strip_nulls(jsonb_build_object('garak_version', entry -> '_config.version', 'run', entry -> 'transient.run_id',
                    'target_type', coalesce(entry -> 'plugins.target_type', entry -> 'plugins.model_type'),
                    'target_name', coalesce(entry -> 'plugins.target_name', entry -> 'plugins.model_name'),
                    'probes', entry -> 'plugins.probe_spec', 'started', entry -> 'transient.starttime_iso'));
            WHEN 'init' THEN
                facts := facts || jsonb_strip_nulls(jsonb_build_object('garak_version', entry -> 'garak_version', 'run', entry -> 'run', 'started', entry -> 'start_time'));
            WHEN 'eval' THEN
                IF jsonb_typeof(entry -> 'probe') IS DISTINCT FROM 'string' OR jsonb_typeof(entry -> 'detector') IS DISTINCT FROM 'string' THEN
                    PERFORM steward.report_error('garak', place, 'an eval without probe or detector');
                END IF;
                passed := steward.report_count(entry -> 'passed', 'garak', place || ', passed');
                total := steward.report_count(coalesce(entry -> 'total_evaluated', entry -> 'total'), 'garak', place || ', total_evaluated');
                IF passed > total THEN
                    PERFORM steward.report_error('garak', place, 'more passed than were evaluated');
                END IF;
                list := list || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'passed', 'value', passed)
                             || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'total', 'value', total);
                IF total > 0 THEN
                    list := list || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'pass_rate',
                        'value', passed::double precision / total, 'higher_is_better', true);
                END IF;
                IF entry ? 'fails' THEN
                    list := list || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'fails',
                        'value', steward.report_count(entry -> 'fails', 'garak', place || ', fails'), 'higher_is_better', false);
                END IF;
                IF entry ? 'nones' THEN
                    list := list || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'nones',
                        'value', steward.report_count(entry -> 'nones', 'garak', place || ', nones'));
                END IF;
                IF jsonb_typeof(entry -> 'confidence_lower') = 'number' AND jsonb_typeof(entry -> 'confidence_upper') = 'number' THEN
                    list := list || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'fail_rate_lower', 'value', entry -> 'confidence_lower', 'higher_is_better', false)
                                 || jsonb_build_object('task', entry -> 'probe', 'filter', entry -> 'detector', 'metric', 'fail_rate_upper', 'value', entry -> 'confidence_upper', 'higher_is_better', false);
                END IF;
            WHEN 'completion' THEN
                completed := true;
                facts := facts || jsonb_strip_nulls(jsonb_build_object('ended', entry -> 'end_time'));
                BEGIN
                    evaluated_at := (entry ->> 'end_time')::timestamptz;
                EXCEPTION WHEN data_exception THEN
                    PERFORM steward.report_error('garak', place, 'end_time is no moment');
                END;
            ELSE
                NULL; -- attempts, digests, and what later versions add
        END CASE;
    END LOOP;
    IF NOT begun THEN
        PERFORM steward.report_error('garak', 'line 1', 'it is empty');
    ELSIF NOT completed THEN
        PERFORM steward.report_error('garak', format('line %s', number), 'it ends before the run was complete');
    ELSIF list = '{}' THEN
        PERFORM steward.report_error('garak', format('line %s', number), 'it holds no eval');
    END IF;
    figures := to_jsonb(list);
END
$$;
REVOKE ALL ON FUNCTION steward.garak_figures(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.garak_figures(text) IS 'internal: the figures of a report of garak (JSON lines)';

CREATE FUNCTION steward.promptfoo_figures(report text, OUT facts jsonb, OUT evaluated_at timestamptz, OUT figures jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    document jsonb := steward.report_json('promptfoo', report);
    body jsonb;
    results jsonb;
    r jsonb;
    i integer;
    n bigint;
    successes bigint := 0;
    counts bigint[3];
    list jsonb[] := '{}';
    score record;
BEGIN
    IF jsonb_typeof(document) <> 'object' THEN
        PERFORM steward.report_error('promptfoo', 'line 1', 'it is no object');
    END IF;
    -- from version 2 on, results wraps what stood at the top
    body := CASE WHEN jsonb_typeof(document -> 'results') = 'object' THEN document -> 'results' ELSE document END;
    results := body -> 'results';
    IF jsonb_typeof(body -> 'version') IS DISTINCT FROM 'number' OR body ->> 'version' NOT IN ('1', '2', '3') THEN
        PERFORM steward.report_error('promptfoo', 'version', coalesce("left"(body ->> 'version', 100) || ' is not 1, 2 or 3', 'it has none'));
    END IF;
    IF jsonb_typeof(results) IS DISTINCT FROM 'array' THEN
        PERFORM steward.report_error('promptfoo', 'results', 'it is no array');
    END IF;
    counts[1] := steward.report_count(body #> '{stats,successes}', 'promptfoo', 'stats.successes');
    counts[2] := steward.report_count(body #> '{stats,failures}', 'promptfoo', 'stats.failures');
    counts[3] := steward.report_count(coalesce(body #> '{stats,errors}', '0'), 'promptfoo', 'stats.errors');
    FOR r, i IN SELECT e.value, e.ordinality - 1 FROM jsonb_array_elements(results) WITH ORDINALITY e LOOP
        IF jsonb_typeof(r) <> 'object' OR jsonb_typeof(r -> 'success') IS DISTINCT FROM 'boolean' THEN
            PERFORM steward.report_error('promptfoo', format('results[%s]', i), 'it does not tell its success');
        END IF;
        successes := successes + (r ->> 'success')::boolean::integer;
        list := list || jsonb_build_object('task', format('results[%s]', i), 'metric', 'success', 'value', (r ->> 'success')::boolean::integer, 'higher_is_better', true);
        IF jsonb_typeof(r -> 'score') = 'number' THEN
            list := list || jsonb_build_object('task', format('results[%s]', i), 'metric', 'score', 'value', r -> 'score', 'higher_is_better', true);
        END IF;
        IF jsonb_typeof(r -> 'latencyMs') = 'number' THEN
            list := list || jsonb_build_object('task', format('results[%s]', i), 'metric', 'latency_ms', 'value', r -> 'latencyMs', 'higher_is_better', false);
        END IF;
        FOR score IN SELECT s.key, s.value FROM jsonb_each(CASE WHEN jsonb_typeof(r -> 'namedScores') = 'object' THEN r -> 'namedScores' ELSE '{}' END) s
                     WHERE jsonb_typeof(s.value) = 'number' LOOP
            list := list || jsonb_build_object('task', format('results[%s]', i), 'metric', 'score', 'filter', score.key, 'value', score.value, 'higher_is_better', true);
        END LOOP;
    END LOOP;
    n := jsonb_array_length(results);
    IF n <> counts[1] + counts[2] + counts[3] OR successes <> counts[1] THEN
        PERFORM steward.report_error('promptfoo', 'stats', format('they tell of %s results of which %s succeeded; there are %s of which %s did',
            counts[1] + counts[2] + counts[3], counts[1], n, successes));
    END IF;
    IF n = 0 THEN
        PERFORM steward.report_error('promptfoo', 'results', 'it is empty');
    END IF;
    list := list || jsonb_build_object('metric', 'successes', 'value', counts[1], 'higher_is_better', true)
                 || jsonb_build_object('metric', 'failures', 'value', counts[2], 'higher_is_better', false)
                 || jsonb_build_object('metric', 'errors', 'value', counts[3], 'higher_is_better', false)
                 || jsonb_build_object('metric', 'success_rate', 'value', counts[1]::double precision / n, 'higher_is_better', true);
    facts := jsonb_strip_nulls(jsonb_build_object('version', body -> 'version', 'evalId', document -> 'evalId', 'timestamp', body -> 'timestamp'));
    BEGIN
        evaluated_at := (body ->> 'timestamp')::timestamptz;
    EXCEPTION WHEN data_exception THEN
        PERFORM steward.report_error('promptfoo', 'timestamp', 'it is no moment');
    END;
    figures := to_jsonb(list);
END
$$;
REVOKE ALL ON FUNCTION steward.promptfoo_figures(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.promptfoo_figures(text) IS 'internal: the figures of a report of promptfoo (JSON)';

CREATE FUNCTION steward.lm_eval_figures(report text, OUT facts jsonb, OUT evaluated_at timestamptz, OUT figures jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    document jsonb := steward.report_json('lm-eval', report);
    task record;
    m record;
    name text;
    filter text;
    list jsonb[] := '{}';
BEGIN
    IF jsonb_typeof(document) <> 'object' THEN
        PERFORM steward.report_error('lm-eval', 'line 1', 'it is no object');
    END IF;
    IF jsonb_typeof(document -> 'results') IS DISTINCT FROM 'object' OR document -> 'results' = '{}' THEN
        PERFORM steward.report_error('lm-eval', 'results', 'it holds no tasks');
    END IF;
    IF jsonb_typeof(document -> 'versions') IS DISTINCT FROM 'object' AND jsonb_typeof(document -> 'config') IS DISTINCT FROM 'object' THEN
        PERFORM steward.report_error('lm-eval', 'versions', 'neither versions nor config is there');
    END IF;
    FOR task IN SELECT t.key, t.value FROM jsonb_each(document -> 'results') t LOOP
        IF jsonb_typeof(task.value) <> 'object' THEN
            PERFORM steward.report_error('lm-eval', format('results.%s', task.key), 'it is no object');
        END IF;
        FOR m IN SELECT e.key, e.value FROM jsonb_each(task.value) e WHERE jsonb_typeof(e.value) IN ('number', 'boolean') LOOP
            -- "metric,filter" from 0.4 on, before that the bare metric
            name := split_part(m.key, ',', 1);
            filter := CASE WHEN strpos(m.key, ',') > 0 THEN substr(m.key, strpos(m.key, ',') + 1) ELSE '' END;
            -- the standard error stands beside its figure
            CONTINUE WHEN name LIKE '%\_stderr' AND task.value ? ("left"(name, -7) || CASE WHEN filter = '' THEN '' ELSE ',' || filter END);
            list := list || jsonb_strip_nulls(jsonb_build_object('task', task.key, 'metric', name, 'filter', filter,
                'value', CASE jsonb_typeof(m.value) WHEN 'boolean' THEN to_jsonb(m.value::boolean::integer) ELSE m.value END,
                'error', CASE WHEN jsonb_typeof(task.value -> (name || '_stderr' || CASE WHEN filter = '' THEN '' ELSE ',' || filter END)) = 'number'
                              THEN task.value -> (name || '_stderr' || CASE WHEN filter = '' THEN '' ELSE ',' || filter END) END,
                'higher_is_better', CASE WHEN jsonb_typeof(document #> ARRAY['higher_is_better', task.key, name]) = 'boolean'
                                         THEN document #> ARRAY['higher_is_better', task.key, name] END));
        END LOOP;
    END LOOP;
    IF list = '{}' THEN
        PERFORM steward.report_error('lm-eval', 'results', 'it holds no figures');
    END IF;
    facts := jsonb_strip_nulls(jsonb_build_object('versions', document -> 'versions', 'config', document -> 'config', 'n-shot', document -> 'n-shot',
        'git_hash', document -> 'git_hash', 'model_name', document -> 'model_name'));
    IF jsonb_typeof(document -> 'date') = 'number' AND (document ->> 'date')::numeric BETWEEN 0 AND 1e11 THEN
        evaluated_at := to_timestamp((document ->> 'date')::double precision);
    END IF;
    figures := to_jsonb(list);
END
$$;
REVOKE ALL ON FUNCTION steward.lm_eval_figures(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.lm_eval_figures(text) IS 'internal: the figures of a report of lm-eval (JSON)';

CREATE FUNCTION steward.import_evaluation(model text, version text, format text, report text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    found record;
    evaluation bigint;
    sum bytea;
BEGIN
    PERFORM steward.require_role('steward_engineer');
    PERFORM steward.require_version(model, version);
    IF format IS NULL OR format NOT IN ('garak', 'promptfoo', 'lm-eval') THEN
        RAISE EXCEPTION 'unknown format "%" of an evaluation', "left"(format, 200)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Formats are garak, promptfoo and lm-eval.';
    END IF;
    IF report IS NULL THEN
        RAISE EXCEPTION 'report must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the text of the file.';
    END IF;
    CASE format
        WHEN 'garak' THEN SELECT * INTO found FROM steward.garak_figures(report);
        WHEN 'promptfoo' THEN SELECT * INTO found FROM steward.promptfoo_figures(report);
        ELSE SELECT * INTO found FROM steward.lm_eval_figures(report);
    END CASE;
    sum := sha256(convert_to(report, 'UTF8'));
    INSERT INTO steward.evaluation (model, version, suite, evaluated_at, format, report_sha256, facts)
        VALUES (model, version, format, coalesce(found.evaluated_at, now()), format, sum, found.facts) RETURNING id INTO evaluation;
    INSERT INTO steward.evaluation_figure (evaluation, task, metric, filter, value, error, higher_is_better)
        SELECT evaluation, coalesce(f ->> 'task', ''), f ->> 'metric', coalesce(f ->> 'filter', ''), (f ->> 'value')::double precision,
               (f ->> 'error')::double precision, (f ->> 'higher_is_better')::boolean
        FROM jsonb_array_elements(found.figures) f;
    RETURN evaluation;
EXCEPTION
    WHEN unique_violation THEN
        PERFORM steward.report_error(format, 'figures', 'a figure stands there twice');
        RETURN NULL;
    WHEN numeric_value_out_of_range THEN
        PERFORM steward.report_error(format, 'figures', 'a figure is out of range');
        RETURN NULL;
END
$$;
COMMENT ON FUNCTION steward.import_evaluation(text, text, text, text) IS
    'imports the text of a report of garak (JSON lines), promptfoo (JSON, versions 1 to 3) or lm-eval (JSON) as an evaluation of suite = format, and returns its number; a truncated or foreign report is refused whole, with a position. For steward_engineer. Raises insufficient_privilege, undefined_object, null_value_not_allowed, invalid_parameter_value';
