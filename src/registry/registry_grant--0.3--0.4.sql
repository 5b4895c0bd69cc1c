-- registry: who may use a model, and models that are stopped.

CREATE TABLE steward.model_grant (
    model      text NOT NULL REFERENCES steward.model,
    to_role    regrole NOT NULL,
    purposes   text[] CHECK (pg_catalog.cardinality(purposes) BETWEEN 1 AND 1000),
    operations text[] NOT NULL CHECK (pg_catalog.cardinality(operations) >= 1 AND operations <@ '{infer,read}'),
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (model, to_role)
);
COMMENT ON TABLE steward.model_grant IS 'who may use which model: a model that has grants may be used by nobody else; written by grant_model() and revoke_model()';
COMMENT ON COLUMN steward.model_grant.model IS 'the model, with all its versions';
COMMENT ON COLUMN steward.model_grant.to_role IS 'role that may use it, with its members; - stands for everybody';
COMMENT ON COLUMN steward.model_grant.purposes IS 'purposes for which it may; NULL: whatever the purpose';
COMMENT ON COLUMN steward.model_grant.operations IS 'infer: log inferences; read: read its artefacts';
COMMENT ON COLUMN steward.model_grant.granted_by IS 'subject that granted it';
COMMENT ON COLUMN steward.model_grant.granted_at IS 'when';

CREATE TABLE steward.model_restriction (
    model         text PRIMARY KEY REFERENCES steward.model,
    restricted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.model_restriction IS 'models that were ever granted: without a grant that is left, nobody may use them; unrestrict_model() opens one to everybody again';
COMMENT ON COLUMN steward.model_restriction.model IS 'the model';
COMMENT ON COLUMN steward.model_restriction.restricted_at IS 'when it was granted first';

CREATE TABLE steward.model_quarantine (
    model          text NOT NULL REFERENCES steward.model,
    version        text,
    reason         text NOT NULL CHECK (pg_catalog.length(reason) BETWEEN 1 AND 10000),
    quarantined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    quarantined_by text NOT NULL,
    session_role   text NOT NULL,
    UNIQUE NULLS NOT DISTINCT (model, version),
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
COMMENT ON TABLE steward.model_quarantine IS 'versions that are stopped: no inference, no reading of artefacts, no promotion, for anybody; written by quarantine() and release(), its past stands in the change log';
COMMENT ON COLUMN steward.model_quarantine.model IS 'the model';
COMMENT ON COLUMN steward.model_quarantine.version IS 'the version; NULL: all of them';
COMMENT ON COLUMN steward.model_quarantine.reason IS 'why';
COMMENT ON COLUMN steward.model_quarantine.quarantined_at IS 'since when';
COMMENT ON COLUMN steward.model_quarantine.quarantined_by IS 'subject that stopped it';
COMMENT ON COLUMN steward.model_quarantine.session_role IS 'role of the session';

SELECT steward.seal('steward.model_grant', 'grant of model', 'model,to_role', 'Use steward.grant_model() and steward.revoke_model().'),
       steward.seal('steward.model_restriction', 'restriction of model', 'model', 'Use steward.grant_model() and steward.unrestrict_model().'),
       steward.seal('steward.model_quarantine', 'quarantine', 'model,version', 'Use steward.quarantine() and steward.release().');
SELECT pg_catalog.pg_extension_config_dump('steward.model_grant', 'WHERE to_role::pg_catalog.oid OPERATOR(pg_catalog.=) 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = to_role)');

-- Every backend forgets what it knows of who may use a model.
CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.model_restriction
    FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed();
CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.model_grant
    FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed();
CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.model_quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed();
ALTER TABLE steward.model_restriction ENABLE ALWAYS TRIGGER governance_changed;
ALTER TABLE steward.model_grant ENABLE ALWAYS TRIGGER governance_changed;
ALTER TABLE steward.model_quarantine ENABLE ALWAYS TRIGGER governance_changed;
COMMENT ON TRIGGER governance_changed ON steward.model_restriction IS 'every backend forgets what it knows';
COMMENT ON TRIGGER governance_changed ON steward.model_grant IS 'every backend forgets what it knows';
COMMENT ON TRIGGER governance_changed ON steward.model_quarantine IS 'every backend forgets what it knows';

CREATE FUNCTION steward.grant_model(model text, to_role text, purposes text[] DEFAULT NULL, operations text[] DEFAULT '{infer}') RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_grant_model';
COMMENT ON FUNCTION steward.grant_model(text, text, text[], text[]) IS
    'lets a role (or public) use a model: log inferences (infer), read its artefacts (read), for these purposes alone; again: replaces what it was granted. From the first grant on nobody else may use the model. For steward_officer and steward_admin. Raises insufficient_privilege, undefined_object, invalid_parameter_value, null_value_not_allowed';

CREATE FUNCTION steward.revoke_model(model text, from_role text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_revoke_model';
COMMENT ON FUNCTION steward.revoke_model(text, text) IS
    'takes back what grant_model() granted; a model without grants may then be used by nobody, until unrestrict_model(). For steward_officer and steward_admin. Raises insufficient_privilege, undefined_object';

CREATE FUNCTION steward.unrestrict_model(model text, reason text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_unrestrict_model';
COMMENT ON FUNCTION steward.unrestrict_model(text, text) IS
    'takes all grants of a model back and opens it to everybody again. For steward_officer and steward_admin. Raises insufficient_privilege, undefined_object, null_value_not_allowed';

CREATE FUNCTION steward.quarantine(model text, version text, reason text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_quarantine';
COMMENT ON FUNCTION steward.quarantine(text, text, text) IS
    'stops a version (NULL: all of the model): no inference is logged, no artefact read, no promotion made, by anybody. For steward_officer, steward_engineer and steward_admin. Raises insufficient_privilege, undefined_object, null_value_not_allowed, object_not_in_prerequisite_state (it is stopped already)';

CREATE FUNCTION steward.release(model text, version text, reason text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_release';
COMMENT ON FUNCTION steward.release(text, text, text) IS
    'ends a quarantine; the reason goes into the change log. For steward_officer. Raises insufficient_privilege, undefined_object, null_value_not_allowed, object_not_in_prerequisite_state (it is not stopped)';

CREATE FUNCTION steward.admit_use(model text, version text, operation text) RETURNS void
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_admit_use';
REVOKE ALL ON FUNCTION steward.admit_use(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.admit_use(text, text, text) IS 'internal: raises insufficient_privilege unless the subject may use the version now';

CREATE FUNCTION steward.model_artifact(model text, version text, OUT artifact_uri text, OUT artifact_sha256 bytea, OUT parameters jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_version(model, version);
    PERFORM steward.admit_use(model, version, 'read');
    SELECT v.artifact_uri, v.artifact_sha256, v.parameters INTO artifact_uri, artifact_sha256, parameters
        FROM ONLY steward.model_version v WHERE v.model = model_artifact.model AND v.version = model_artifact.version;
END
$$;
COMMENT ON FUNCTION steward.model_artifact(text, text) IS
    'where the artefact of a version lies, its SHA-256 and its parameters, for whom grant_model() lets read the model, and for the roles of pg_steward where it has no grants. Raises insufficient_privilege (not granted, not for this purpose, quarantined), undefined_object';
