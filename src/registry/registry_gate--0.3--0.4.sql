-- registry: gates, and ready-made conditions for them.

CREATE TABLE steward.model_gate (
    name        text PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    stage       text NOT NULL CHECK (stage IN ('candidate', 'approved', 'production', 'retired')),
    check_sql   text NOT NULL CHECK (pg_catalog.octet_length(check_sql) BETWEEN 1 AND 65536),
    description text CHECK (pg_catalog.length(description) BETWEEN 1 AND 10000),
    required    boolean NOT NULL,
    timeout     interval NOT NULL CHECK (timeout > '0' AND timeout <= '1 day'),
    purpose     text,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.model_gate IS 'gates: what must hold before a version reaches a stage; written by create_gate() and drop_gate()';
COMMENT ON COLUMN steward.model_gate.name IS 'name of the gate';
COMMENT ON COLUMN steward.model_gate.stage IS 'stage that it guards: candidate | approved | production | retired';
COMMENT ON COLUMN steward.model_gate.check_sql IS 'a SELECT: $1 is the model, $2 the version; one row of a boolean, or of passed, measured, threshold';
COMMENT ON COLUMN steward.model_gate.description IS 'what it is for';
COMMENT ON COLUMN steward.model_gate.required IS 'false: it is asked and recorded, and stops nothing';
COMMENT ON COLUMN steward.model_gate.timeout IS 'how long it may take';
COMMENT ON COLUMN steward.model_gate.purpose IS 'purpose for which it reads governed data: that of its creator when it was created; NULL: none';
COMMENT ON COLUMN steward.model_gate.created_by IS 'subject that created it';
COMMENT ON COLUMN steward.model_gate.created_at IS 'when';
SELECT steward.seal('steward.model_gate', 'gate', 'name', 'Use steward.create_gate() and steward.drop_gate().');

CREATE TABLE steward.model_gate_author (
    gate text PRIMARY KEY REFERENCES steward.model_gate ON DELETE CASCADE,
    role regrole NOT NULL
);
COMMENT ON TABLE steward.model_gate_author IS 'roles that created gates: a gate runs with the rights of its role, and passes no more when that was dropped; in a table of its own so that a dump can leave out roles that were dropped';
COMMENT ON COLUMN steward.model_gate_author.gate IS 'the gate';
COMMENT ON COLUMN steward.model_gate_author.role IS 'the role that created it';
SELECT steward.seal('steward.model_gate_author', 'author of gate', 'gate', 'Use steward.create_gate() and steward.drop_gate().');
SELECT pg_catalog.pg_extension_config_dump('steward.model_gate_author', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');

CREATE FUNCTION steward.create_gate(name text, stage text, check_sql text, description text DEFAULT NULL, required boolean DEFAULT true, timeout interval DEFAULT '30 s') RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_create_gate';
COMMENT ON FUNCTION steward.create_gate(text, text, text, text, boolean, interval) IS
    'creates a gate of a stage. check_sql is a SELECT in which $1 is the model and $2 the version; it returns one row of a boolean, or of passed, measured and threshold, and runs with the rights of the role that creates the gate, read-only, with names found in pg_catalog alone, for at most timeout. For steward_officer and steward_admin. Raises insufficient_privilege, duplicate_object, null_value_not_allowed, invalid_parameter_value, invalid_name, and what PostgreSQL says of check_sql';

CREATE FUNCTION steward.drop_gate(name text, reason text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_drop_gate';
COMMENT ON FUNCTION steward.drop_gate(text, text) IS
    'drops a gate; the reason goes into the change log. For steward_officer and steward_admin. Raises insufficient_privilege, undefined_object, null_value_not_allowed';

CREATE FUNCTION steward.check_gates(model text, version text, stage text)
    RETURNS TABLE (gate text, required boolean, passed boolean, measured text, threshold text, reason text)
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_check_gates';
COMMENT ON FUNCTION steward.check_gates(text, text, text) IS
    'asks the gates of a stage about a version and changes nothing; reason says why one could not be asked. For steward_engineer, steward_officer, steward_auditor and steward_admin. Raises insufficient_privilege, undefined_object, invalid_parameter_value';

-- ---------------------------------------------------------------------
-- Conditions to make gates of: SELECT * FROM steward.gate_...($1, $2, ...)
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.gate_evaluation(model text, version text, suite text, metric text, comparison text, threshold double precision,
    task text DEFAULT NULL, max_age interval DEFAULT NULL, OUT passed boolean, OUT measured text, OUT threshold_text text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    worst double precision;
    figures bigint;
    newest bigint;
BEGIN
    IF comparison IS NULL OR comparison NOT IN ('>=', '>', '<=', '<') THEN
        RAISE EXCEPTION 'unknown comparison "%"', comparison
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Comparisons are >=, >, <= and <.';
    END IF;
    threshold_text := format('%s %s', comparison, threshold);
    SELECT e.id INTO newest FROM steward.evaluation e
        WHERE e.model = gate_evaluation.model AND e.version = gate_evaluation.version AND e.suite = gate_evaluation.suite
            AND (max_age IS NULL OR e.evaluated_at >= clock_timestamp() - max_age)
        ORDER BY e.evaluated_at DESC, e.id DESC LIMIT 1;
    -- the worst figure of the newest evaluation counts
    SELECT CASE WHEN comparison IN ('>=', '>') THEN min(f.value) ELSE max(f.value) END, count(*) INTO worst, figures
        FROM steward.evaluation_figure f
        WHERE f.evaluation = newest AND f.metric = gate_evaluation.metric AND (gate_evaluation.task IS NULL OR f.task = gate_evaluation.task);
    measured := CASE WHEN newest IS NULL THEN 'no evaluation' WHEN figures = 0 THEN 'no such figure' ELSE worst::text END;
    passed := coalesce(figures > 0 AND worst <> 'NaN' AND CASE comparison
        WHEN '>=' THEN worst >= threshold WHEN '>' THEN worst > threshold WHEN '<=' THEN worst <= threshold ELSE worst < threshold END, false);
END
$$;
COMMENT ON FUNCTION steward.gate_evaluation(text, text, text, text, text, double precision, text, interval) IS
    'for gates: does every figure of the metric (of the task) in the newest evaluation by the suite compare (>=, >, <=, <) with the threshold?';

CREATE FUNCTION steward.gate_approval(model text, version text, stage text, approvals integer DEFAULT 1, max_age interval DEFAULT NULL,
    OUT passed boolean, OUT measured text, OUT threshold_text text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- behind a pooler the roles are everybody's: the tokens tell
    SELECT count(DISTINCT coalesce(a.token_issuer || ' ' || a.token_subject, a.session_role)) >= greatest(approvals, 1),
           count(DISTINCT coalesce(a.token_issuer || ' ' || a.token_subject, a.session_role)) || ' approved',
           '>= ' || greatest(approvals, 1)
        INTO passed, measured, threshold_text
        FROM ONLY steward.model_approval a
        WHERE a.model = gate_approval.model AND a.version = gate_approval.version AND a.stage = gate_approval.stage
            AND (max_age IS NULL OR a.approved_at >= clock_timestamp() - max_age);
END
$$;
COMMENT ON FUNCTION steward.gate_approval(text, text, text, integer, interval) IS
    'for gates: did so many persons approve the version for the stage, none of whom registered it? approve() sees to the latter';

CREATE FUNCTION steward.gate_licence(model text, version text, licences text[], OUT passed boolean, OUT measured text, OUT threshold_text text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT count(*) > 0 AND bool_and(d.licence IS NOT NULL AND d.licence = ANY (licences)) IS TRUE,
           coalesce(string_agg(DISTINCT format('%s: %s', d.name, coalesce(d.licence, 'no licence')), ', '), 'no data set'),
           array_to_string(licences, ', ')
        INTO passed, measured, threshold_text
        FROM steward.model_data_set m JOIN steward.data_set d ON d.name = m.data_set
        WHERE m.model = gate_licence.model AND m.version = gate_licence.version;
END
$$;
COMMENT ON FUNCTION steward.gate_licence(text, text, text[]) IS
    'for gates: is every data set of the version under one of the licences? One without data sets does not pass';

CREATE FUNCTION steward.gate_freshness(model text, version text, max_age interval, OUT passed boolean, OUT measured text, OUT threshold_text text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT count(*) > 0 AND bool_and(coalesce(s.taken_at >= clock_timestamp() - max_age, false)) IS TRUE,
           coalesce('oldest snapshot: ' || min(s.taken_at), 'no snapshot'),
           'not older than ' || max_age
        INTO passed, measured, threshold_text
        FROM steward.model_data_set m
        LEFT JOIN steward.data_set_snapshot s ON s.data_set = m.data_set AND s.snapshot = m.snapshot
        WHERE m.model = gate_freshness.model AND m.version = gate_freshness.version AND m.used_for = 'training';
END
$$;
COMMENT ON FUNCTION steward.gate_freshness(text, text, interval) IS
    'for gates: was every snapshot that the version was trained on taken within max_age?';

CREATE FUNCTION steward.gate_lineage_free(model text, version text, tag text, OUT passed boolean, OUT measured text, OUT threshold_text text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tagged text;
BEGIN
    threshold_text := format('no column tagged "%s"', tag);
    -- Room lineage stands above this one: it is found when the gate is asked.
    IF to_regprocedure('steward.upstream(text, text, integer)') IS NULL THEN
        passed := false;
        measured := 'lineage cannot be asked';
        RETURN;
    END IF;
    EXECUTE $q$
        SELECT string_agg(DISTINCT format('%s.%s', u.object, u.column_name), ', ')
        FROM (SELECT * FROM steward.upstream('model:' || $1 || '/' || $2, NULL, NULL)
              UNION ALL SELECT * FROM steward.upstream('model:' || $1, NULL, NULL)) u
        JOIN steward.column_tag t ON t.relation = CASE WHEN u.object !~ '^[A-Za-z][A-Za-z0-9+.-]*:' THEN to_regclass(u.object) END AND (t.column_name = u.column_name OR u.column_name IS NULL)
        WHERE t.tag = $3 $q$ INTO tagged USING model, version, tag;
    passed := tagged IS NULL;
    measured := coalesce(tagged, 'none');
END
$$;
COMMENT ON FUNCTION steward.gate_lineage_free(text, text, text) IS
    'for gates: was the version made of no column that bears the tag, at any distance?';

CREATE FUNCTION steward.gate_risk_accepted(model text, version text, max_score integer DEFAULT 0, OUT passed boolean, OUT measured text, OUT threshold_text text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    open_risks text;
BEGIN
    threshold_text := CASE WHEN max_score > 0 THEN format('accepted, or a score of at most %s', max_score) ELSE 'every risk accepted' END;
    -- Room risk stands above this one: it is found when the gate is asked.
    IF to_regclass('steward.risk_acceptance') IS NOT NULL THEN
        EXECUTE $q$
            SELECT string_agg(r.ref, ', ' ORDER BY r.ref) FROM steward.risk r JOIN steward.risk_model m ON m.risk = r.ref
            WHERE m.model = $1 AND r.inherent_likelihood * r.inherent_impact > $2
                AND NOT EXISTS (SELECT FROM steward.risk_acceptance a WHERE a.risk = r.ref AND a.valid_until > clock_timestamp()
                                    AND to_jsonb(a) ->> 'state' = 'accepted') $q$
            INTO open_risks USING model, max_score;
    ELSE
        EXECUTE $q$
            SELECT string_agg(r.ref, ', ' ORDER BY r.ref) FROM steward.risk r JOIN steward.risk_model m ON m.risk = r.ref
            WHERE m.model = $1 AND r.inherent_likelihood * r.inherent_impact > $2 $q$
            INTO open_risks USING model, max_score;
    END IF;
    passed := open_risks IS NULL;
    measured := coalesce('not accepted: ' || open_risks, 'none open');
END
$$;
COMMENT ON FUNCTION steward.gate_risk_accepted(text, text, integer) IS
    'for gates: is every risk of the model that scores more than max_score (likelihood times impact) accepted for now?';
