-- registry: data sets, their snapshots, and what versions were made of.

CREATE TABLE steward.data_set (
    name          text PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    source        text NOT NULL CHECK (pg_catalog.length(source) BETWEEN 1 AND 2000),
    description   text CHECK (pg_catalog.length(description) BETWEEN 1 AND 10000),
    licence       text CHECK (pg_catalog.length(licence) BETWEEN 1 AND 200),
    owner         text NOT NULL CHECK (pg_catalog.length(owner) BETWEEN 1 AND 200),
    registered_by text NOT NULL DEFAULT steward.subject(),
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.data_set IS 'data sets of which models are made; written by register_data_set(), or by INSERT and UPDATE of steward_engineer';
COMMENT ON COLUMN steward.data_set.name IS 'name of the data set; it never changes';
COMMENT ON COLUMN steward.data_set.source IS 'where it lies: schema.table of this database, or a URI';
COMMENT ON COLUMN steward.data_set.description IS 'what it holds, how it came to be';
COMMENT ON COLUMN steward.data_set.licence IS 'licence or legal basis under which it is used, best as an SPDX identifier; NULL: not known';
COMMENT ON COLUMN steward.data_set.owner IS 'who answers for it';
COMMENT ON COLUMN steward.data_set.registered_by IS 'subject that registered it';
COMMENT ON COLUMN steward.data_set.registered_at IS 'when';

CREATE TABLE steward.data_set_snapshot (
    data_set      text NOT NULL REFERENCES steward.data_set,
    snapshot      text NOT NULL CHECK (pg_catalog.length(snapshot) BETWEEN 1 AND 200),
    taken_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    row_count     bigint CHECK (row_count >= 0),
    sha256        bytea CHECK (pg_catalog.length(sha256) = 32),
    uri           text CHECK (pg_catalog.length(uri) BETWEEN 1 AND 2000),
    registered_by text NOT NULL DEFAULT steward.subject(),
    registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (data_set, snapshot)
);
COMMENT ON TABLE steward.data_set_snapshot IS 'states of data sets, immutable once registered; written by register_snapshot(), or by INSERT of steward_engineer';
COMMENT ON COLUMN steward.data_set_snapshot.data_set IS 'the data set';
COMMENT ON COLUMN steward.data_set_snapshot.snapshot IS 'name of the state';
COMMENT ON COLUMN steward.data_set_snapshot.taken_at IS 'moment that it shows';
COMMENT ON COLUMN steward.data_set_snapshot.row_count IS 'rows or records; NULL: not counted';
COMMENT ON COLUMN steward.data_set_snapshot.sha256 IS 'SHA-256 of its content, 32 bytes';
COMMENT ON COLUMN steward.data_set_snapshot.uri IS 'where this state lies';
COMMENT ON COLUMN steward.data_set_snapshot.registered_by IS 'subject that registered it';
COMMENT ON COLUMN steward.data_set_snapshot.registered_at IS 'when';

CREATE TABLE steward.model_data_set (
    model       text NOT NULL,
    version     text NOT NULL,
    data_set    text NOT NULL REFERENCES steward.data_set,
    snapshot    text,
    used_for    text NOT NULL CHECK (used_for IN ('training', 'validation', 'test', 'evaluation', 'reference')),
    recorded_by text NOT NULL DEFAULT steward.subject(),
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE NULLS NOT DISTINCT (model, version, data_set, snapshot, used_for),
    FOREIGN KEY (model, version) REFERENCES steward.model_version,
    FOREIGN KEY (data_set, snapshot) REFERENCES steward.data_set_snapshot
);
CREATE INDEX model_data_set_data_set_idx ON steward.model_data_set (data_set, snapshot);
COMMENT ON TABLE steward.model_data_set IS 'which data sets a version was made of or tried on; written by use_data_set(), or by INSERT of steward_engineer';
COMMENT ON COLUMN steward.model_data_set.model IS 'the model';
COMMENT ON COLUMN steward.model_data_set.version IS 'the version';
COMMENT ON COLUMN steward.model_data_set.data_set IS 'the data set';
COMMENT ON COLUMN steward.model_data_set.snapshot IS 'its state; NULL: not known';
COMMENT ON COLUMN steward.model_data_set.used_for IS 'training | validation | test | evaluation | reference';
COMMENT ON COLUMN steward.model_data_set.recorded_by IS 'subject that recorded it';
COMMENT ON COLUMN steward.model_data_set.recorded_at IS 'when';
COMMENT ON INDEX steward.model_data_set_data_set_idx IS 'finds the versions that were made of a data set';

CREATE TABLE steward.model_feature (
    model       text NOT NULL,
    version     text NOT NULL,
    feature     text NOT NULL CHECK (pg_catalog.length(feature) BETWEEN 1 AND 1000),
    description text CHECK (pg_catalog.length(description) BETWEEN 1 AND 10000),
    recorded_by text NOT NULL DEFAULT steward.subject(),
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (model, version, feature),
    FOREIGN KEY (model, version) REFERENCES steward.model_version
);
COMMENT ON TABLE steward.model_feature IS 'features that a version takes; written by use_feature(), or by INSERT of steward_engineer';
COMMENT ON COLUMN steward.model_feature.model IS 'the model';
COMMENT ON COLUMN steward.model_feature.version IS 'the version';
COMMENT ON COLUMN steward.model_feature.feature IS 'schema.table.column of this database, or the name that it has elsewhere';
COMMENT ON COLUMN steward.model_feature.description IS 'what it means';
COMMENT ON COLUMN steward.model_feature.recorded_by IS 'subject that recorded it';
COMMENT ON COLUMN steward.model_feature.recorded_at IS 'when';

CREATE FUNCTION steward.check_data_set() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.check_name('name of a data set', NEW.name);
    PERFORM steward.check_text(format('source of data set "%s"', NEW.name), NEW.source, 2000);
    PERFORM steward.check_text(format('description of data set "%s"', NEW.name), NEW.description, 10000, false);
    PERFORM steward.check_text(format('licence of data set "%s"', NEW.name), NEW.licence, 200, false);
    PERFORM steward.check_text(format('owner of data set "%s"', NEW.name), NEW.owner, 200);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_data_set() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_data_set() IS 'trigger: checks a row of data_set, raising what check_name() and check_text() raise';

CREATE FUNCTION steward.require_data_set(data_set text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM steward.data_set d WHERE d.name = require_data_set.data_set) THEN
        RAISE EXCEPTION 'data set "%" is not registered', "left"(data_set, 200)
            USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_data_set().';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_data_set(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_data_set(text) IS 'raises undefined_object unless the data set is registered';

CREATE FUNCTION steward.check_data_set_snapshot() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_data_set(NEW.data_set);
    PERFORM steward.check_name(format('snapshot of data set "%s"', NEW.data_set), NEW.snapshot);
    PERFORM steward.check_text(format('uri of snapshot "%s"', NEW.snapshot), NEW.uri, 2000, false);
    IF length(NEW.sha256) <> 32 THEN
        RAISE EXCEPTION 'sha256 of snapshot "%" has % bytes', NEW.snapshot, length(NEW.sha256)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A SHA-256 has 32 bytes; write its hexadecimal text after \x.';
    END IF;
    IF NEW.row_count < 0 OR NOT isfinite(NEW.taken_at) THEN
        RAISE EXCEPTION 'snapshot "%" must have a moment, and 0 or more rows', NEW.snapshot USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_data_set_snapshot() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_data_set_snapshot() IS
    'trigger: checks a row of data_set_snapshot, raising undefined_object, invalid_parameter_value and what check_name() and check_text() raise';

CREATE FUNCTION steward.check_model_data_set() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_version(NEW.model, NEW.version);
    PERFORM steward.require_data_set(NEW.data_set);
    IF NEW.snapshot IS NOT NULL AND NOT EXISTS (SELECT FROM steward.data_set_snapshot s WHERE s.data_set = NEW.data_set AND s.snapshot = NEW.snapshot) THEN
        RAISE EXCEPTION 'snapshot "%" of data set "%" is not registered', "left"(NEW.snapshot, 200), NEW.data_set
            USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_snapshot().';
    END IF;
    IF NEW.used_for IS NULL OR NEW.used_for NOT IN ('training', 'validation', 'test', 'evaluation', 'reference') THEN
        RAISE EXCEPTION 'unknown use "%" of a data set', "left"(NEW.used_for, 200)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Uses are training, validation, test, evaluation and reference.';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_model_data_set() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_model_data_set() IS
    'trigger: checks a row of model_data_set, raising undefined_object and invalid_parameter_value';

CREATE FUNCTION steward.check_model_feature() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_version(NEW.model, NEW.version);
    PERFORM steward.check_text(format('feature of model "%s"', NEW.model), NEW.feature, 1000);
    PERFORM steward.check_text(format('description of feature "%s"', NEW.feature), NEW.description, 10000, false);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_model_feature() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_model_feature() IS 'trigger: checks a row of model_feature, raising undefined_object and what check_text() raises';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{data_set,data_set_snapshot,model_data_set,model_feature}'::text[] LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER check_%s BEFORE INSERT OR UPDATE ON steward.%I FOR EACH ROW EXECUTE FUNCTION steward.check_%s()', t, t, t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER check_%s', t, t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER check_%s ON steward.%I IS ''checks rows, whoever writes them''', t, t);
        EXECUTE pg_catalog.format('GRANT SELECT ON steward.%I TO steward_engineer, steward_officer, steward_auditor, steward_admin', t);
        PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('steward.%I', t)::regclass, '');
    END LOOP;
    FOREACH t IN ARRAY '{data_set_snapshot,model_data_set,model_feature}'::text[] LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.%I FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change(''Record another one instead.'')', t);
        EXECUTE pg_catalog.format('CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.%I FOR EACH ROW EXECUTE FUNCTION steward.refuse_change(''Record another one instead.'')', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_change', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_row_change', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_change ON steward.%I IS ''append-only for everybody''', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_row_change ON steward.%I IS ''append-only for logical replication too, which fires no statement triggers''', t);
    END LOOP;
END
$$;
GRANT INSERT (name, source, description, licence, owner), UPDATE (source, description, licence, owner) ON steward.data_set TO steward_engineer;
GRANT INSERT (data_set, snapshot, taken_at, row_count, sha256, uri) ON steward.data_set_snapshot TO steward_engineer;
GRANT INSERT (model, version, data_set, snapshot, used_for) ON steward.model_data_set TO steward_engineer;
GRANT INSERT (model, version, feature, description) ON steward.model_feature TO steward_engineer;
SELECT steward.log_changes_of('steward.data_set', 'data set', 'name'),
       steward.log_changes_of('steward.data_set_snapshot', 'snapshot of data set', 'data_set,snapshot'),
       steward.log_changes_of('steward.model_data_set', 'data set of version', 'model,version,data_set'),
       steward.log_changes_of('steward.model_feature', 'feature of version', 'model,version,feature');

CREATE FUNCTION steward.register_data_set(name text, source text, licence text DEFAULT NULL, description text DEFAULT NULL, owner text DEFAULT current_user) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    INSERT INTO steward.data_set (name, source, licence, description, owner) VALUES (name, source, licence, description, owner)
        ON CONFLICT ON CONSTRAINT data_set_pkey DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'data set "%" is registered already', name
            USING ERRCODE = 'unique_violation', HINT = 'Change it by UPDATE of steward.data_set, or choose another name.';
    END IF;
END
$$;
COMMENT ON FUNCTION steward.register_data_set(text, text, text, text, text) IS
    'registers a data set; for steward_engineer. Raises insufficient_privilege, unique_violation, null_value_not_allowed, invalid_name, invalid_parameter_value, string_data_right_truncation';

CREATE FUNCTION steward.register_snapshot(data_set text, snapshot text, row_count bigint DEFAULT NULL, sha256 bytea DEFAULT NULL, uri text DEFAULT NULL,
    taken_at timestamptz DEFAULT clock_timestamp()) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    INSERT INTO steward.data_set_snapshot (data_set, snapshot, taken_at, row_count, sha256, uri) VALUES (data_set, snapshot, taken_at, row_count, sha256, uri)
        ON CONFLICT ON CONSTRAINT data_set_snapshot_pkey DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'snapshot "%" of data set "%" is registered already', snapshot, data_set
            USING ERRCODE = 'unique_violation', HINT = 'Snapshots are immutable: register another one.';
    END IF;
END
$$;
COMMENT ON FUNCTION steward.register_snapshot(text, text, bigint, bytea, text, timestamptz) IS
    'registers a state of a data set, immutable from then on; for steward_engineer. Raises insufficient_privilege, unique_violation, undefined_object, null_value_not_allowed, invalid_name, invalid_parameter_value, string_data_right_truncation';

CREATE FUNCTION steward.use_data_set(model text, version text, data_set text, snapshot text DEFAULT NULL, used_for text DEFAULT 'training') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    INSERT INTO steward.model_data_set (model, version, data_set, snapshot, used_for) VALUES (model, version, data_set, snapshot, used_for)
        ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION steward.use_data_set(text, text, text, text, text) IS
    'records that a version was made of a data set (used_for training), or tried on it (validation, test, evaluation, reference); again: nothing. For steward_engineer. Raises insufficient_privilege, undefined_object, null_value_not_allowed, invalid_parameter_value';

CREATE FUNCTION steward.use_feature(model text, version text, feature text, description text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_engineer');
    INSERT INTO steward.model_feature (model, version, feature, description) VALUES (model, version, feature, description)
        ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION steward.use_feature(text, text, text, text) IS
    'records that a version takes a feature; again: nothing. For steward_engineer. Raises insufficient_privilege, undefined_object, null_value_not_allowed, invalid_parameter_value, string_data_right_truncation';
