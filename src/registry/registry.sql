-- registry: AI systems, their models, the models' versions.

-- ---------------------------------------------------------------------
-- Tables
--
-- Who registered a row, and when, comes from defaults: the right to insert
-- covers the other columns alone, so that nobody writes in another's name,
-- and a restore brings both back.
-- ---------------------------------------------------------------------

CREATE TABLE steward.ai_system (
    name           text PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    purpose_of_use text NOT NULL CHECK (pg_catalog.length(purpose_of_use) BETWEEN 1 AND 10000),
    risk_tier      text CHECK (pg_catalog.length(risk_tier) BETWEEN 1 AND 200),
    owner          text NOT NULL CHECK (pg_catalog.length(owner) BETWEEN 1 AND 200),
    registered_by  text NOT NULL DEFAULT steward.subject(),
    registered_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.ai_system IS 'AI systems, the unit that the law regulates; written by register_system(), or by INSERT and UPDATE of steward_engineer and steward_officer';
COMMENT ON COLUMN steward.ai_system.name IS 'name of the system; it never changes';
COMMENT ON COLUMN steward.ai_system.purpose_of_use IS 'what the system is put to use for';
COMMENT ON COLUMN steward.ai_system.risk_tier IS 'tier of regulation in the organisation''s own words, for instance high; NULL: not yet classified';
COMMENT ON COLUMN steward.ai_system.owner IS 'who answers for the system: a person, a team or a role';
COMMENT ON COLUMN steward.ai_system.registered_by IS 'subject that registered it';
COMMENT ON COLUMN steward.ai_system.registered_at IS 'when it was registered';

CREATE TABLE steward.model (
    name          text PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    intended_use  text NOT NULL CHECK (pg_catalog.length(intended_use) BETWEEN 1 AND 10000),
    owner         text NOT NULL CHECK (pg_catalog.length(owner) BETWEEN 1 AND 200),
    risk_tier     text CHECK (pg_catalog.length(risk_tier) BETWEEN 1 AND 200),
    system        text REFERENCES steward.ai_system,
    limitations   text CHECK (pg_catalog.length(limitations) BETWEEN 1 AND 10000),
    registered_by text NOT NULL DEFAULT steward.subject(),
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX model_system_idx ON steward.model (system);
COMMENT ON TABLE steward.model IS 'models; written by register_model(), or by INSERT and UPDATE of steward_engineer';
COMMENT ON COLUMN steward.model.name IS 'name of the model; it never changes';
COMMENT ON COLUMN steward.model.intended_use IS 'what the model is made for';
COMMENT ON COLUMN steward.model.owner IS 'who answers for the model: a person, a team or a role';
COMMENT ON COLUMN steward.model.risk_tier IS 'tier of risk in the organisation''s own words; NULL: that of the system, or not yet classified';
COMMENT ON COLUMN steward.model.system IS 'AI system of which the model is a part; NULL: none yet';
COMMENT ON COLUMN steward.model.limitations IS 'what the model is not to be used for, and where it fails';
COMMENT ON COLUMN steward.model.registered_by IS 'subject that registered it';
COMMENT ON COLUMN steward.model.registered_at IS 'when it was registered';
COMMENT ON INDEX steward.model_system_idx IS 'finds the models of a system';

CREATE TABLE steward.model_version (
    model           text NOT NULL REFERENCES steward.model,
    version         text NOT NULL CHECK (pg_catalog.length(version) BETWEEN 1 AND 200 AND pg_catalog.strpos(version, '/') = 0),
    artifact_uri    text CHECK (pg_catalog.length(artifact_uri) BETWEEN 1 AND 2000),
    artifact_sha256 bytea CHECK (pg_catalog.length(artifact_sha256) = 32),
    parameters      jsonb CHECK (pg_catalog.jsonb_typeof(parameters) = 'object'),
    registered_by   text NOT NULL DEFAULT steward.subject(),
    registered_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (model, version)
);
COMMENT ON TABLE steward.model_version IS 'versions of models, immutable for everybody once registered; written by register_version(), or by INSERT of steward_engineer';
COMMENT ON COLUMN steward.model_version.model IS 'the model';
COMMENT ON COLUMN steward.model_version.version IS 'name of the version, without "/"';
COMMENT ON COLUMN steward.model_version.artifact_uri IS 'where the artefact lies';
COMMENT ON COLUMN steward.model_version.artifact_sha256 IS 'SHA-256 of the artefact, 32 bytes';
COMMENT ON COLUMN steward.model_version.parameters IS 'parameters by name, an object: for instance coefficients, hyperparameters, a prompt';
COMMENT ON COLUMN steward.model_version.registered_by IS 'subject that registered it';
COMMENT ON COLUMN steward.model_version.registered_at IS 'when it was registered';

-- ---------------------------------------------------------------------
-- Checks, the same for functions and tables
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.check_ai_system() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.check_name('name of an AI system', NEW.name);
    PERFORM steward.check_text(format('purpose of use of AI system "%s"', NEW.name), NEW.purpose_of_use, 10000);
    PERFORM steward.check_text(format('risk tier of AI system "%s"', NEW.name), NEW.risk_tier, 200, false);
    PERFORM steward.check_text(format('owner of AI system "%s"', NEW.name), NEW.owner, 200);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_ai_system() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_ai_system() IS 'trigger: checks a row of ai_system, raising what check_name() and check_text() raise';

CREATE FUNCTION steward.check_model() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.check_name('name of a model', NEW.name);
    PERFORM steward.check_text(format('intended use of model "%s"', NEW.name), NEW.intended_use, 10000);
    PERFORM steward.check_text(format('owner of model "%s"', NEW.name), NEW.owner, 200);
    PERFORM steward.check_text(format('risk tier of model "%s"', NEW.name), NEW.risk_tier, 200, false);
    PERFORM steward.check_text(format('limitations of model "%s"', NEW.name), NEW.limitations, 10000, false);
    IF NEW.system IS NOT NULL AND NOT EXISTS (SELECT FROM steward.ai_system s WHERE s.name = NEW.system) THEN
        RAISE EXCEPTION 'AI system "%" is not registered', "left"(NEW.system, 200)
            USING ERRCODE = 'undefined_object',
                  HINT = 'Register it with steward.register_system().';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_model() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_model() IS
    'trigger: checks a row of model, raising undefined_object (system not registered) and what check_name() and check_text() raise';

CREATE FUNCTION steward.require_model(model text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION 'model must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a registered model.';
    END IF;
    IF NOT EXISTS (SELECT FROM steward.model m WHERE m.name = require_model.model) THEN
        RAISE EXCEPTION 'model "%" is not registered', "left"(model, 200)
            USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_model().';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_model(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_model(text) IS 'raises null_value_not_allowed or undefined_object unless the model is registered';

CREATE FUNCTION steward.check_model_version() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_model(NEW.model);
    PERFORM steward.check_name(format('version of model "%s"', NEW.model), NEW.version);
    IF strpos(NEW.version, '/') > 0 THEN
        RAISE EXCEPTION 'version "%" of model "%" holds a "/"', NEW.version, NEW.model
            USING ERRCODE = 'invalid_name', HINT = 'A version is written model:NAME/VERSION in lineage: choose another sign.';
    END IF;
    PERFORM steward.check_text(format('artifact_uri of model "%s" version "%s"', NEW.model, NEW.version), NEW.artifact_uri, 2000, false);
    IF length(NEW.artifact_sha256) <> 32 THEN
        RAISE EXCEPTION 'artifact_sha256 of model "%" version "%" has % bytes', NEW.model, NEW.version, length(NEW.artifact_sha256)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'A SHA-256 has 32 bytes; write its hexadecimal text after \x.';
    END IF;
    IF jsonb_typeof(NEW.parameters) <> 'object' THEN
        RAISE EXCEPTION 'parameters of model "%" version "%" are not a JSON object', NEW.model, NEW.version
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give each parameter its name: {"name": value}.';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_model_version() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_model_version() IS
    'trigger: checks a new row of model_version, raising undefined_object (model not registered), invalid_parameter_value and what check_name() and check_text() raise';

CREATE TRIGGER check_ai_system BEFORE INSERT OR UPDATE ON steward.ai_system
    FOR EACH ROW EXECUTE FUNCTION steward.check_ai_system();
CREATE TRIGGER check_model BEFORE INSERT OR UPDATE ON steward.model
    FOR EACH ROW EXECUTE FUNCTION steward.check_model();
CREATE TRIGGER check_model_version BEFORE INSERT ON steward.model_version
    FOR EACH ROW EXECUTE FUNCTION steward.check_model_version();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.model_version
    FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change('Register a new version instead.');
CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.model_version
    FOR EACH ROW EXECUTE FUNCTION steward.refuse_change('Register a new version instead.');
ALTER TABLE steward.ai_system ENABLE ALWAYS TRIGGER check_ai_system;
ALTER TABLE steward.model ENABLE ALWAYS TRIGGER check_model;
ALTER TABLE steward.model_version ENABLE ALWAYS TRIGGER check_model_version;
ALTER TABLE steward.model_version ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE steward.model_version ENABLE ALWAYS TRIGGER refuse_row_change;
COMMENT ON TRIGGER check_ai_system ON steward.ai_system IS 'checks rows, whoever writes them';
COMMENT ON TRIGGER check_model ON steward.model IS 'checks rows, whoever writes them';
COMMENT ON TRIGGER check_model_version ON steward.model_version IS 'checks rows, whoever writes them';
COMMENT ON TRIGGER refuse_change ON steward.model_version IS 'versions are immutable for everybody';
COMMENT ON TRIGGER refuse_row_change ON steward.model_version IS 'versions are immutable for logical replication too, which fires no statement triggers';

-- ---------------------------------------------------------------------
-- Rights, and what dumps keep
-- ---------------------------------------------------------------------

GRANT SELECT ON steward.ai_system, steward.model, steward.model_version
    TO steward_engineer, steward_officer, steward_auditor, steward_admin;
GRANT INSERT (name, purpose_of_use, risk_tier, owner), UPDATE (purpose_of_use, risk_tier, owner)
    ON steward.ai_system TO steward_engineer, steward_officer;
GRANT INSERT (name, intended_use, owner, risk_tier, system, limitations),
    UPDATE (intended_use, owner, risk_tier, system, limitations)
    ON steward.model TO steward_engineer;
GRANT INSERT (model, version, artifact_uri, artifact_sha256, parameters)
    ON steward.model_version TO steward_engineer;

SELECT pg_catalog.pg_extension_config_dump('steward.ai_system', '');
SELECT pg_catalog.pg_extension_config_dump('steward.model', '');
SELECT pg_catalog.pg_extension_config_dump('steward.model_version', '');

-- ---------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.register_system(name text, purpose_of_use text, risk_tier text DEFAULT NULL, owner text DEFAULT current_user) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer', 'steward_officer');
    INSERT INTO steward.ai_system (name, purpose_of_use, risk_tier, owner)
        VALUES (name, purpose_of_use, risk_tier, owner)
        ON CONFLICT ON CONSTRAINT ai_system_pkey DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'AI system "%" is registered already', name
            USING ERRCODE = 'unique_violation', HINT = 'Change it by UPDATE of steward.ai_system, or choose another name.';
    END IF;
END
$$;
COMMENT ON FUNCTION steward.register_system(text, text, text, text) IS
    'registers an AI system; for steward_engineer and steward_officer. Raises insufficient_privilege, unique_violation, null_value_not_allowed, invalid_name, invalid_parameter_value, string_data_right_truncation';

CREATE FUNCTION steward.register_model(name text, intended_use text, owner text DEFAULT current_user, risk_tier text DEFAULT NULL,
    system text DEFAULT NULL, limitations text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    INSERT INTO steward.model (name, intended_use, owner, risk_tier, system, limitations)
        VALUES (name, intended_use, owner, risk_tier, system, limitations)
        ON CONFLICT ON CONSTRAINT model_pkey DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'model "%" is registered already', name
            USING ERRCODE = 'unique_violation', HINT = 'Change it by UPDATE of steward.model, or choose another name.';
    END IF;
END
$$;
COMMENT ON FUNCTION steward.register_model(text, text, text, text, text, text) IS
    'registers a model, as part of an AI system where system is given; for steward_engineer. Raises insufficient_privilege, unique_violation, undefined_object (system not registered), null_value_not_allowed, invalid_name, invalid_parameter_value, string_data_right_truncation';

CREATE FUNCTION steward.register_version(model text, version text, artifact_uri text DEFAULT NULL, artifact_sha256 bytea DEFAULT NULL,
    parameters jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    INSERT INTO steward.model_version (model, version, artifact_uri, artifact_sha256, parameters)
        VALUES (model, version, artifact_uri, artifact_sha256, parameters)
        ON CONFLICT ON CONSTRAINT model_version_pkey DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'version "%" of model "%" is registered already', version, model
            USING ERRCODE = 'unique_violation', HINT = 'Versions are immutable: register another one.';
    END IF;
END
$$;
COMMENT ON FUNCTION steward.register_version(text, text, text, bytea, jsonb) IS
    'registers a version of a model, immutable from then on; for steward_engineer. Raises insufficient_privilege, unique_violation, undefined_object (model not registered), null_value_not_allowed, invalid_name, invalid_parameter_value, string_data_right_truncation';

CREATE FUNCTION steward.admit_inference(model text, version text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM steward.model_version v
               WHERE v.model = admit_inference.model AND v.version = admit_inference.version) THEN
        RETURN;
    END IF;
    PERFORM steward.require_model(model);
    IF version IS NULL THEN
        RAISE EXCEPTION 'version of model "%" must not be null', model
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a registered version of the model.';
    END IF;
    RAISE EXCEPTION 'version "%" of model "%" is not registered', "left"(version, 200), model
        USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_version().';
END
$$;
REVOKE ALL ON FUNCTION steward.admit_inference(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.admit_inference(text, text) IS
    'what log_inference() asks the registry: raises null_value_not_allowed or undefined_object unless the version is registered';
