-- registry: stages of versions, approvals, deployments.  The functions are C
-- (stage.c), so that no SQL that somebody replaced stands between a gate and
-- the stage that it guards.

CREATE TABLE steward.model_stage_event (
    model        text NOT NULL REFERENCES steward.model,
    number       bigint NOT NULL CHECK (number >= 1),
    version      text NOT NULL,
    stage        text NOT NULL CHECK (stage IN ('candidate', 'approved', 'production', 'retired')),
    changed_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    changed_by   text NOT NULL,
    session_role text NOT NULL,
    gates        jsonb NOT NULL,
    overridden   boolean NOT NULL DEFAULT false,
    reason       text,
    PRIMARY KEY (model, number),
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
CREATE INDEX model_stage_event_version_idx ON steward.model_stage_event (model, version, number);
COMMENT ON TABLE steward.model_stage_event IS 'every change of a version''s stage; written by promote(), override_gate() and deploy(), on no other road';
COMMENT ON COLUMN steward.model_stage_event.model IS 'the model';
COMMENT ON COLUMN steward.model_stage_event.number IS 'number of the change among those of the model';
COMMENT ON COLUMN steward.model_stage_event.version IS 'the version';
COMMENT ON COLUMN steward.model_stage_event.stage IS 'the stage that it has from then on: candidate | approved | production | retired';
COMMENT ON COLUMN steward.model_stage_event.changed_at IS 'when';
COMMENT ON COLUMN steward.model_stage_event.changed_by IS 'subject that changed it';
COMMENT ON COLUMN steward.model_stage_event.session_role IS 'role of the session';
COMMENT ON COLUMN steward.model_stage_event.gates IS 'what its gates said: gate, required, passed, measured, threshold, reason of each';
COMMENT ON COLUMN steward.model_stage_event.overridden IS 'a required gate did not pass, and override_gate() was used';
COMMENT ON COLUMN steward.model_stage_event.reason IS 'why it was overridden, or what else changed the stage';
COMMENT ON INDEX steward.model_stage_event_version_idx IS 'finds the stage of a version';
SELECT steward.seal('steward.model_stage_event', 'stage', 'model,version', 'Use steward.promote(model, version, stage): it asks the gates.');

CREATE TABLE steward.deployment_event (
    model        text NOT NULL REFERENCES steward.model,
    environment  text NOT NULL CHECK (pg_catalog.length(environment) BETWEEN 1 AND 200),
    number       bigint NOT NULL CHECK (number >= 1),
    version      text,
    endpoint     text CHECK (pg_catalog.length(endpoint) BETWEEN 1 AND 2000),
    deployed_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    deployed_by  text NOT NULL,
    session_role text NOT NULL,
    PRIMARY KEY (model, environment, number),
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
COMMENT ON TABLE steward.deployment_event IS 'which version of a model each environment has had, since when; written by promote() and deploy()';
COMMENT ON COLUMN steward.deployment_event.model IS 'the model';
COMMENT ON COLUMN steward.deployment_event.environment IS 'the environment';
COMMENT ON COLUMN steward.deployment_event.number IS 'number of the change among those of the model in the environment';
COMMENT ON COLUMN steward.deployment_event.version IS 'the version that is in production there from then on; NULL: none';
COMMENT ON COLUMN steward.deployment_event.endpoint IS 'where it answers';
COMMENT ON COLUMN steward.deployment_event.deployed_at IS 'when';
COMMENT ON COLUMN steward.deployment_event.deployed_by IS 'subject that deployed it';
COMMENT ON COLUMN steward.deployment_event.session_role IS 'role of the session';
SELECT steward.seal('steward.deployment_event', 'deployment', 'model,environment', 'Use steward.deploy(model, version, environment).');

CREATE TABLE steward.model_approval (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model         text NOT NULL,
    version       text NOT NULL,
    stage         text NOT NULL CHECK (stage IN ('candidate', 'approved', 'production', 'retired')),
    reason        text CHECK (pg_catalog.length(reason) BETWEEN 1 AND 10000),
    approved_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    approved_by   text NOT NULL,
    login_role    text NOT NULL,
    session_role  text NOT NULL,
    token_subject text,
    token_issuer  text,
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
CREATE INDEX model_approval_version_idx ON steward.model_approval (model, version, stage);
COMMENT ON TABLE steward.model_approval IS 'approvals of versions for stages, each by another person than the one who registered the version; written by approve()';
COMMENT ON COLUMN steward.model_approval.id IS 'number of the approval';
COMMENT ON COLUMN steward.model_approval.model IS 'the model';
COMMENT ON COLUMN steward.model_approval.version IS 'the version';
COMMENT ON COLUMN steward.model_approval.stage IS 'the stage for which it is approved';
COMMENT ON COLUMN steward.model_approval.reason IS 'why';
COMMENT ON COLUMN steward.model_approval.approved_at IS 'when';
COMMENT ON COLUMN steward.model_approval.approved_by IS 'subject that approved';
COMMENT ON COLUMN steward.model_approval.login_role IS 'role that logged in';
COMMENT ON COLUMN steward.model_approval.session_role IS 'role of the session';
COMMENT ON COLUMN steward.model_approval.token_subject IS 'person or service that a token named; NULL: no token';
COMMENT ON COLUMN steward.model_approval.token_issuer IS 'issuer of that token';
COMMENT ON INDEX steward.model_approval_version_idx IS 'finds the approvals of a version';
SELECT steward.seal('steward.model_approval', 'approval', 'model,version,stage', 'Use steward.approve(model, version, stage, reason).');
SELECT pg_catalog.pg_extension_config_dump('steward.model_approval_id_seq', '');

CREATE VIEW steward.model_stage AS
    SELECT v.model, v.version, coalesce(e.stage, 'draft') AS stage, coalesce(e.changed_at, v.registered_at) AS since,
           coalesce(e.changed_by, v.registered_by) AS changed_by, coalesce(e.overridden, false) AS overridden
    FROM ONLY steward.model_version v
    LEFT JOIN LATERAL (SELECT s.stage, s.changed_at, s.changed_by, s.overridden FROM ONLY steward.model_stage_event s
                       WHERE s.model = v.model AND s.version = v.version ORDER BY s.number DESC LIMIT 1) AS e ON true;
COMMENT ON VIEW steward.model_stage IS 'the stage of each version: draft until it is promoted';
COMMENT ON COLUMN steward.model_stage.model IS 'the model';
COMMENT ON COLUMN steward.model_stage.version IS 'the version';
COMMENT ON COLUMN steward.model_stage.stage IS 'draft | candidate | approved | production | retired';
COMMENT ON COLUMN steward.model_stage.since IS 'since when';
COMMENT ON COLUMN steward.model_stage.changed_by IS 'subject that promoted it; of a draft, that registered it';
COMMENT ON COLUMN steward.model_stage.overridden IS 'it reached the stage past a gate that did not pass';
GRANT SELECT ON steward.model_stage TO steward_engineer, steward_officer, steward_auditor, steward_admin;

CREATE VIEW steward.deployment AS
    SELECT e.model, e.environment, e.version, e.endpoint, e.deployed_by, e.deployed_at,
           (SELECT n.deployed_at FROM ONLY steward.deployment_event n
            WHERE n.model = e.model AND n.environment = e.environment AND n.number = e.number + 1) AS ended_at
    FROM ONLY steward.deployment_event e WHERE e.version IS NOT NULL;
COMMENT ON VIEW steward.deployment IS 'which version of a model was in production in an environment, from when to when';
COMMENT ON COLUMN steward.deployment.model IS 'the model';
COMMENT ON COLUMN steward.deployment.environment IS 'the environment';
COMMENT ON COLUMN steward.deployment.version IS 'the version';
COMMENT ON COLUMN steward.deployment.endpoint IS 'where it answers';
COMMENT ON COLUMN steward.deployment.deployed_by IS 'subject that deployed it';
COMMENT ON COLUMN steward.deployment.deployed_at IS 'since when';
COMMENT ON COLUMN steward.deployment.ended_at IS 'until when; NULL: it is in production there now';
GRANT SELECT ON steward.deployment TO steward_engineer, steward_officer, steward_auditor, steward_admin;

CREATE FUNCTION steward.promote(model text, version text, stage text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_promote';
COMMENT ON FUNCTION steward.promote(text, text, text) IS
    'gives a version a later stage (candidate, approved, production, retired) where every required gate of it and of the stages on the way passes; production also deploys it in environment "production", and the version that it replaces everywhere is approved again. For steward_engineer and steward_officer. Raises insufficient_privilege, undefined_object, invalid_parameter_value, object_not_in_prerequisite_state (a gate did not pass, with what was measured; no later stage; quarantined), serialization_failure';

CREATE FUNCTION steward.override_gate(model text, version text, stage text, reason text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_override_gate';
COMMENT ON FUNCTION steward.override_gate(text, text, text, text) IS
    'promotes a version in an emergency though gates do not pass; what they said and the reason are recorded. For steward_officer, never for the person who registered the version. Raises as promote() does';

CREATE FUNCTION steward.approve(model text, version text, stage text, reason text DEFAULT NULL) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_approve';
COMMENT ON FUNCTION steward.approve(text, text, text, text) IS
    'approves a version for a stage; for steward_officer, never for the person who registered the version: persons are known by token subject or session role, not by the current role. Raises insufficient_privilege, undefined_object, invalid_parameter_value, string_data_right_truncation';

CREATE FUNCTION steward.deploy(model text, version text, environment text, endpoint text DEFAULT NULL) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_deploy';
COMMENT ON FUNCTION steward.deploy(text, text, text, text) IS
    'puts a version that has stage production into an environment, in place of the one that was there. For steward_engineer and steward_officer. Raises insufficient_privilege, undefined_object, invalid_parameter_value, object_not_in_prerequisite_state, serialization_failure';

CREATE FUNCTION steward.production_at(model text, environment text, at timestamptz DEFAULT now()) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_engineer', 'steward_officer', 'steward_auditor', 'steward_admin', 'steward_service', 'steward_reader');
    PERFORM steward.require_model(model);
    RETURN (SELECT e.version FROM ONLY steward.deployment_event e
            WHERE e.model = production_at.model AND e.environment = production_at.environment AND e.deployed_at <= production_at.at
            ORDER BY e.number DESC LIMIT 1);
END
$$;
COMMENT ON FUNCTION steward.production_at(text, text, timestamptz) IS
    'the version of a model that was in production in an environment at a moment; NULL: none. For every role of pg_steward. Raises insufficient_privilege, undefined_object, null_value_not_allowed';
