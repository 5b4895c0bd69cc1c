-- registry: what pg_steward alone writes, who registered a version, more of a system.

CREATE FUNCTION steward.refuse_other_roads() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_refuse_other_roads';
REVOKE ALL ON FUNCTION steward.refuse_other_roads() FROM PUBLIC;
COMMENT ON FUNCTION steward.refuse_other_roads() IS
    'trigger of sealed tables: raises insufficient_privilege for everybody, superusers and logical replication too, unless a function of pg_steward writes or a dump is restored; its argument is the hint';

CREATE FUNCTION steward.seal(sealed regclass, object_kind text, name_columns text, hint text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER refuse_other_roads BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION steward.refuse_other_roads(%L)', sealed, hint);
    EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_other_roads(%L)', sealed, hint);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_other_roads', sealed);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_truncate', sealed);
    EXECUTE format('COMMENT ON TRIGGER refuse_other_roads ON %s IS ''pg_steward alone writes its rows''', sealed);
    EXECUTE format('COMMENT ON TRIGGER refuse_truncate ON %s IS ''nobody empties it''', sealed);
    EXECUTE format('GRANT SELECT ON %s TO steward_engineer, steward_officer, steward_auditor, steward_admin', sealed);
    -- what the database itself notes is no change that somebody made
    IF object_kind IS NOT NULL THEN
        PERFORM steward.log_changes_of(sealed, object_kind, name_columns);
    END IF;
    PERFORM pg_extension_config_dump(sealed, '');
END
$$;
REVOKE ALL ON FUNCTION steward.seal(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.seal(regclass, text, text, text) IS
    'makes a table one that pg_steward alone writes: triggers, change log, dumps, rights to read; for the scripts of the extension';

CREATE FUNCTION steward.is_restoring() RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_is_restoring';
REVOKE ALL ON FUNCTION steward.is_restoring() FROM PUBLIC;
COMMENT ON FUNCTION steward.is_restoring() IS 'internal: does a superuser restore a dump into a database that has logged nothing yet?';

-- ---------------------------------------------------------------------
-- Who registered a version
-- ---------------------------------------------------------------------

CREATE TABLE steward.version_registrant (
    model         text NOT NULL,
    version       text NOT NULL,
    login_role    text NOT NULL,
    session_role  text NOT NULL,
    token_subject text,
    token_issuer  text,
    PRIMARY KEY (model, version),
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
COMMENT ON TABLE steward.version_registrant IS 'who was in front of the session in which a version was registered, since 0.4: the current role says nothing, for SET ROLE changes it';
COMMENT ON COLUMN steward.version_registrant.model IS 'the model';
COMMENT ON COLUMN steward.version_registrant.version IS 'the version';
COMMENT ON COLUMN steward.version_registrant.login_role IS 'role that logged in';
COMMENT ON COLUMN steward.version_registrant.session_role IS 'role of the session';
COMMENT ON COLUMN steward.version_registrant.token_subject IS 'person or service that a token named; NULL: no token';
COMMENT ON COLUMN steward.version_registrant.token_issuer IS 'issuer of that token';
SELECT steward.seal('steward.version_registrant', 'registrant of a version', 'model,version', 'It is written when a version is registered.');

CREATE FUNCTION steward.note_registrant() RETURNS trigger
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_note_registrant';
REVOKE ALL ON FUNCTION steward.note_registrant() FROM PUBLIC;
COMMENT ON FUNCTION steward.note_registrant() IS 'trigger: notes who registered a version';
CREATE TRIGGER note_registrant AFTER INSERT ON steward.model_version
    FOR EACH ROW EXECUTE FUNCTION steward.note_registrant();
ALTER TABLE steward.model_version ENABLE ALWAYS TRIGGER note_registrant;
COMMENT ON TRIGGER note_registrant ON steward.model_version IS 'notes who registered it, whoever writes the row';

CREATE FUNCTION steward.registrant(model text, version text) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT coalesce(
                (SELECT jsonb_strip_nulls(jsonb_build_object('login_role', r.login_role, 'session_role', r.session_role,
                            'token_subject', r.token_subject, 'token_issuer', r.token_issuer))
                 FROM ONLY steward.version_registrant r WHERE r.model = v.model AND r.version = v.version),
                jsonb_build_object('login_role', v.registered_by, 'session_role', v.registered_by))
            FROM ONLY steward.model_version v WHERE v.model = registrant.model AND v.version = registrant.version);
REVOKE ALL ON FUNCTION steward.registrant(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.registrant(text, text) IS 'internal: who registered a version, as same_person() takes it; for versions registered before 0.4, the subject';

CREATE FUNCTION steward.require_version(model text, version text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_model(model);
    IF version IS NULL THEN
        RAISE EXCEPTION 'version of model "%" must not be null', model
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a registered version of the model.';
    END IF;
    IF NOT EXISTS (SELECT FROM steward.model_version v WHERE v.model = require_version.model AND v.version = require_version.version) THEN
        RAISE EXCEPTION 'version "%" of model "%" is not registered', "left"(version, 200), model
            USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_version().';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_version(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_version(text, text) IS 'raises null_value_not_allowed or undefined_object unless the version is registered';

-- ---------------------------------------------------------------------
-- More of a system
-- ---------------------------------------------------------------------

CREATE TABLE steward.system_profile (
    system        text PRIMARY KEY REFERENCES steward.ai_system,
    operator_role text CHECK (operator_role IN ('provider', 'deployer', 'importer', 'distributor', 'product manufacturer', 'authorised representative')),
    endpoints     text[] NOT NULL DEFAULT '{}',
    users         text CHECK (pg_catalog.length(users) BETWEEN 1 AND 10000),
    oversight     text CHECK (pg_catalog.length(oversight) BETWEEN 1 AND 10000),
    described_by  text NOT NULL DEFAULT steward.subject(),
    described_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.system_profile IS 'what else is to be said of an AI system; written by describe_system(), or by INSERT and UPDATE of steward_engineer and steward_officer';
COMMENT ON COLUMN steward.system_profile.system IS 'the AI system';
COMMENT ON COLUMN steward.system_profile.operator_role IS 'what the organisation is to the system: provider | deployer | importer | distributor | product manufacturer | authorised representative; NULL: not yet known';
COMMENT ON COLUMN steward.system_profile.endpoints IS 'where it is reached';
COMMENT ON COLUMN steward.system_profile.users IS 'who uses it, and whom it concerns';
COMMENT ON COLUMN steward.system_profile.oversight IS 'how people oversee it';
COMMENT ON COLUMN steward.system_profile.described_by IS 'subject that wrote the last description';
COMMENT ON COLUMN steward.system_profile.described_at IS 'when';

CREATE FUNCTION steward.check_system_profile() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    endpoint text;
BEGIN
    IF NOT EXISTS (SELECT FROM steward.ai_system s WHERE s.name = NEW.system) THEN
        RAISE EXCEPTION 'AI system "%" is not registered', "left"(NEW.system, 200)
            USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_system().';
    END IF;
    IF NEW.operator_role <> ALL ('{provider,deployer,importer,distributor,product manufacturer,authorised representative}'::text[]) THEN
        RAISE EXCEPTION 'unknown role "%" of an operator', "left"(NEW.operator_role, 200)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Roles are provider, deployer, importer, distributor, product manufacturer and authorised representative.';
    END IF;
    NEW.endpoints := coalesce(NEW.endpoints, '{}');
    IF cardinality(NEW.endpoints) > 1000 THEN
        RAISE EXCEPTION 'AI system "%" has more than 1000 endpoints', NEW.system USING ERRCODE = 'program_limit_exceeded';
    END IF;
    FOREACH endpoint IN ARRAY NEW.endpoints LOOP
        PERFORM steward.check_text(format('endpoint of AI system "%s"', NEW.system), endpoint, 2000);
    END LOOP;
    PERFORM steward.check_text(format('users of AI system "%s"', NEW.system), NEW.users, 10000, false);
    PERFORM steward.check_text(format('oversight of AI system "%s"', NEW.system), NEW.oversight, 10000, false);
    IF NOT steward.is_restoring() THEN
        NEW.described_by := steward.subject();
        NEW.described_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_system_profile() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_system_profile() IS
    'trigger: checks a row of system_profile, raising undefined_object, invalid_parameter_value, program_limit_exceeded and what check_text() raises';
CREATE TRIGGER check_system_profile BEFORE INSERT OR UPDATE ON steward.system_profile
    FOR EACH ROW EXECUTE FUNCTION steward.check_system_profile();
ALTER TABLE steward.system_profile ENABLE ALWAYS TRIGGER check_system_profile;
COMMENT ON TRIGGER check_system_profile ON steward.system_profile IS 'checks rows, whoever writes them';
GRANT SELECT ON steward.system_profile TO steward_engineer, steward_officer, steward_auditor, steward_admin;
GRANT INSERT (system, operator_role, endpoints, users, oversight), UPDATE (operator_role, endpoints, users, oversight)
    ON steward.system_profile TO steward_engineer, steward_officer;
SELECT pg_catalog.pg_extension_config_dump('steward.system_profile', '');
SELECT steward.log_changes_of('steward.system_profile', 'profile of AI system', 'system');

CREATE FUNCTION steward.describe_system(system text, operator_role text DEFAULT NULL, endpoints text[] DEFAULT '{}', users text DEFAULT NULL, oversight text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer', 'steward_officer');
    INSERT INTO steward.system_profile AS p (system, operator_role, endpoints, users, oversight)
        VALUES (system, operator_role, endpoints, users, oversight)
        ON CONFLICT ON CONSTRAINT system_profile_pkey
        DO UPDATE SET operator_role = excluded.operator_role, endpoints = excluded.endpoints, users = excluded.users, oversight = excluded.oversight;
END
$$;
COMMENT ON FUNCTION steward.describe_system(text, text, text[], text, text) IS
    'says what the organisation is to an AI system, where it is reached, who uses and who oversees it; again: replaces what was said. For steward_engineer and steward_officer. Raises insufficient_privilege, undefined_object, invalid_parameter_value, string_data_right_truncation';
