-- registry: model cards.

CREATE FUNCTION steward.markdown(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN replace(regexp_replace(regexp_replace(value, '[\x01-\x20\x7f]+', ' ', 'g'), '([\\`*_\[\]<>|&#~!{}])', '\\\1', 'g'), '://', ':\//');
REVOKE ALL ON FUNCTION steward.markdown(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.markdown(text) IS 'internal: a text that Markdown shows as it is, on one line';

CREATE FUNCTION steward.model_card(model text, version text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
#variable_conflict use_variable
DECLARE
    m record;
    v record;
    card text;
BEGIN
    PERFORM steward.require_role('steward_engineer', 'steward_officer', 'steward_auditor', 'steward_admin');
    PERFORM steward.require_version(model, version);
    SELECT x.*, s.purpose_of_use, s.risk_tier AS system_tier, s.owner AS system_owner, p.operator_role, p.endpoints, p.users, p.oversight INTO m
        FROM steward.model x LEFT JOIN steward.ai_system s ON s.name = x.system LEFT JOIN steward.system_profile p ON p.system = s.name
        WHERE x.name = model;
    SELECT x.*, st.stage, st.since, st.overridden INTO v
        FROM ONLY steward.model_version x JOIN steward.model_stage st ON st.model = x.model AND st.version = x.version
        WHERE x.model = model_card.model AND x.version = model_card.version;

    card := format(E'# %s, version %s\n\n', steward.markdown(model), steward.markdown(version))
        || format(E'- **Stage:** %s since %s%s\n', v.stage, v.since, CASE WHEN v.overridden THEN ', past a gate that did not pass' ELSE '' END)
        || coalesce((SELECT format(E'- **Quarantined:** since %s: %s\n', q.quarantined_at, steward.markdown(q.reason))
                     FROM ONLY steward.model_quarantine q WHERE q.model = m.name AND (q.version IS NULL OR q.version = v.version)
                     ORDER BY q.quarantined_at LIMIT 1), '')
        || format(E'- **Owner:** %s\n', steward.markdown(m.owner))
        || format(E'- **Risk tier:** %s\n', coalesce(steward.markdown(coalesce(m.risk_tier, m.system_tier)), 'not classified'))
        || format(E'- **Registered:** by %s at %s\n', steward.markdown(v.registered_by), v.registered_at)
        || coalesce(format(E'- **Artefact:** %s\n', steward.markdown(v.artifact_uri)), '')
        || coalesce(format(E'- **SHA-256 of the artefact:** %s\n', encode(v.artifact_sha256, 'hex')), '')
        || E'\n## Intended use\n\n' || steward.markdown(m.intended_use) || E'\n'
        || E'\n## Limitations\n\n' || coalesce(steward.markdown(m.limitations), 'None recorded.') || E'\n';
    IF m.system IS NOT NULL THEN
        card := card || format(E'\n## AI system\n\n- **Name:** %s\n- **Purpose of use:** %s\n- **Owner:** %s\n', steward.markdown(m.system), steward.markdown(m.purpose_of_use), steward.markdown(m.system_owner))
            || coalesce(format(E'- **The organisation is its:** %s\n', m.operator_role), '')
            || coalesce(format(E'- **Endpoints:** %s\n', steward.markdown(nullif(array_to_string(m.endpoints, ', '), ''))), '')
            || coalesce(format(E'- **Users:** %s\n', steward.markdown(m.users)), '')
            || coalesce(format(E'- **Oversight:** %s\n', steward.markdown(m.oversight)), '');
    END IF;
    IF v.parameters IS NOT NULL AND v.parameters <> '{}' THEN
        card := card || E'\n## Parameters\n\n| name | value |\n|---|---|\n'
            || (SELECT string_agg(format(E'| %s | %s |\n', steward.markdown(p.key), steward.markdown("left"(p.value::text, 1000))), '' ORDER BY p.key)
                FROM jsonb_each(v.parameters) p);
    END IF;
    card := card || E'\n## Data\n\n' || coalesce(E'| data set | snapshot | used for | source | licence |\n|---|---|---|---|---|\n'
        || (SELECT string_agg(format(E'| %s | %s | %s | %s | %s |\n', steward.markdown(d.name), coalesce(steward.markdown(u.snapshot), ''), u.used_for,
                                     steward.markdown(d.source), coalesce(steward.markdown(d.licence), 'not known')), '' ORDER BY u.used_for, d.name, u.snapshot)
            FROM steward.model_data_set u JOIN steward.data_set d ON d.name = u.data_set
            WHERE u.model = m.name AND u.version = v.version), E'None recorded.\n');
    card := card || coalesce(E'\n## Features\n\n'
        || (SELECT string_agg(format(E'- %s%s\n', steward.markdown(f.feature), coalesce(': ' || steward.markdown(f.description), '')), '' ORDER BY f.feature)
            FROM steward.model_feature f WHERE f.model = m.name AND f.version = v.version), '');
    card := card || E'\n## Evaluations\n\n' || coalesce(E'| suite | when | task | metric | filter | value | error |\n|---|---|---|---|---|---|---|\n'
        || (SELECT string_agg(format(E'| %s | %s | %s | %s | %s | %s | %s |\n', steward.markdown(x.suite), x.evaluated_at::date, steward.markdown(x.task),
                                     steward.markdown(x.metric), steward.markdown(x.filter), x.value, coalesce(x.error::text, '')), ''
                              ORDER BY x.suite, x.evaluation, x.task, x.metric, x.filter)
            FROM (SELECT e.suite, e.evaluated_at, f.* FROM steward.evaluation e JOIN steward.evaluation_figure f ON f.evaluation = e.id
                  WHERE e.model = m.name AND e.version = v.version
                  ORDER BY e.evaluated_at DESC, f.evaluation, f.task, f.metric, f.filter LIMIT 200) x), E'None recorded.\n');
    card := card || E'\n## Approvals\n\n' || coalesce((
        SELECT string_agg(format(E'- for %s by %s at %s%s\n', a.stage, steward.markdown(a.approved_by), a.approved_at, coalesce(': ' || steward.markdown(a.reason), '')), '' ORDER BY a.id)
        FROM ONLY steward.model_approval a WHERE a.model = m.name AND a.version = v.version), E'None recorded.\n');
    card := card || coalesce(E'\n## Stages\n\n' || (
        SELECT string_agg(format(E'- %s at %s by %s%s%s\n', e.stage, e.changed_at, steward.markdown(e.changed_by),
                                 CASE WHEN e.overridden THEN ', gates overridden' ELSE '' END, coalesce(': ' || steward.markdown(e.reason), '')), '' ORDER BY e.number)
        FROM ONLY steward.model_stage_event e WHERE e.model = m.name AND e.version = v.version), '');
    card := card || coalesce(E'\n## Deployments\n\n' || (
        SELECT string_agg(format(E'- %s from %s%s%s\n', steward.markdown(d.environment), d.deployed_at, coalesce(' to ' || d.ended_at, ''),
                                 coalesce(' at ' || steward.markdown(d.endpoint), '')), '' ORDER BY d.deployed_at, d.environment)
        FROM steward.deployment d WHERE d.model = m.name AND d.version = v.version), '');
    card := card || coalesce(E'\n## Runs\n\n' || (
        SELECT string_agg(format(E'- %s, %s, from %s%s%s%s\n', steward.markdown(r.kind), steward.markdown(r.status), r.started_at, coalesce(' to ' || r.ended_at, ''),
                                 coalesce(', purpose ' || steward.markdown(r.purpose), ''), coalesce(', code ' || steward.markdown(r.code_revision), '')), '' ORDER BY r.started_at, r.id)
        FROM (SELECT * FROM steward.run r WHERE r.model = m.name AND r.version = v.version ORDER BY r.started_at DESC LIMIT 100) r), '');
    RETURN card;
END
$$;
COMMENT ON FUNCTION steward.model_card(text, text) IS
    'a Markdown page of what is recorded of a version; values are escaped. For steward_engineer, steward_officer, steward_auditor and steward_admin. Raises insufficient_privilege, undefined_object, null_value_not_allowed';
