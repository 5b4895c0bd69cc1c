-- risk: the risk register.

-- Who registered a risk, and when, comes from defaults; see room registry.
CREATE TABLE steward.risk (
    ref                 text PRIMARY KEY CHECK (pg_catalog.length(ref) BETWEEN 1 AND 200),
    title               text NOT NULL CHECK (pg_catalog.length(title) BETWEEN 1 AND 500),
    category            text NOT NULL CHECK (pg_catalog.length(category) BETWEEN 1 AND 200),
    owner               text NOT NULL CHECK (pg_catalog.length(owner) BETWEEN 1 AND 200),
    inherent_likelihood integer NOT NULL CHECK (inherent_likelihood BETWEEN 1 AND 5),
    inherent_impact     integer NOT NULL CHECK (inherent_impact BETWEEN 1 AND 5),
    description         text CHECK (pg_catalog.length(description) BETWEEN 1 AND 10000),
    registered_by       text NOT NULL DEFAULT steward.subject(),
    registered_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.risk IS 'the risk register; written by register_risk(), or by INSERT and UPDATE of steward_officer';
COMMENT ON COLUMN steward.risk.ref IS 'reference of the risk, for instance R-12; it never changes';
COMMENT ON COLUMN steward.risk.title IS 'the risk in one line';
COMMENT ON COLUMN steward.risk.category IS 'kind of risk in the organisation''s own words, for instance fairness';
COMMENT ON COLUMN steward.risk.owner IS 'who answers for the risk: a person, a team or a role';
COMMENT ON COLUMN steward.risk.inherent_likelihood IS 'likelihood before any measure, 1 (rare) to 5 (almost certain)';
COMMENT ON COLUMN steward.risk.inherent_impact IS 'impact before any measure, 1 (negligible) to 5 (severe)';
COMMENT ON COLUMN steward.risk.description IS 'cause, event and consequence';
COMMENT ON COLUMN steward.risk.registered_by IS 'subject that registered it';
COMMENT ON COLUMN steward.risk.registered_at IS 'when it was registered';

CREATE TABLE steward.risk_model (
    risk  text NOT NULL REFERENCES steward.risk,
    model text NOT NULL REFERENCES steward.model,
    PRIMARY KEY (risk, model)
);
CREATE INDEX risk_model_model_idx ON steward.risk_model (model);
COMMENT ON TABLE steward.risk_model IS 'which models a risk concerns; written by register_risk(), or by INSERT and DELETE of steward_officer';
COMMENT ON COLUMN steward.risk_model.risk IS 'the risk';
COMMENT ON COLUMN steward.risk_model.model IS 'the model, with all its versions';
COMMENT ON INDEX steward.risk_model_model_idx IS 'finds the risks of a model';

CREATE FUNCTION steward.check_risk() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found text;
BEGIN
    PERFORM steward.check_name('ref of a risk', NEW.ref);
    PERFORM steward.check_text(format('title of risk "%s"', NEW.ref), NEW.title, 500);
    PERFORM steward.check_name(format('category of risk "%s"', NEW.ref), NEW.category);
    PERFORM steward.check_text(format('owner of risk "%s"', NEW.ref), NEW.owner, 200);
    PERFORM steward.check_text(format('description of risk "%s"', NEW.ref), NEW.description, 10000, false);
    found := CASE
        WHEN NEW.inherent_likelihood IS NULL THEN 'inherent_likelihood'
        WHEN NEW.inherent_impact IS NULL THEN 'inherent_impact'
    END;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION '% of risk "%" must not be null', found, NEW.ref
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give a whole number from 1 to 5.';
    END IF;
    found := CASE
        WHEN NEW.inherent_likelihood NOT BETWEEN 1 AND 5 THEN format('inherent_likelihood of risk "%s" is out of range: %s', NEW.ref, NEW.inherent_likelihood)
        WHEN NEW.inherent_impact NOT BETWEEN 1 AND 5 THEN format('inherent_impact of risk "%s" is out of range: %s', NEW.ref, NEW.inherent_impact)
    END;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION '%', found
            USING ERRCODE = 'numeric_value_out_of_range', HINT = 'Give a whole number from 1 to 5.';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_risk() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_risk() IS
    'trigger: checks a row of risk, raising numeric_value_out_of_range (a score outside 1 to 5), null_value_not_allowed and what check_name() and check_text() raise';

CREATE FUNCTION steward.check_risk_model() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.risk IS NULL THEN
        RAISE EXCEPTION 'risk must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the ref of a registered risk.';
    END IF;
    IF NOT EXISTS (SELECT FROM steward.risk r WHERE r.ref = NEW.risk) THEN
        RAISE EXCEPTION 'risk "%" is not registered', "left"(NEW.risk, 200)
            USING ERRCODE = 'undefined_object', HINT = 'Register it with steward.register_risk().';
    END IF;
    PERFORM steward.require_model(NEW.model);
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION steward.check_risk_model() FROM PUBLIC;
COMMENT ON FUNCTION steward.check_risk_model() IS
    'trigger: raises undefined_object for a risk or model that is not registered, null_value_not_allowed for none';

CREATE TRIGGER check_risk BEFORE INSERT OR UPDATE ON steward.risk
    FOR EACH ROW EXECUTE FUNCTION steward.check_risk();
CREATE TRIGGER check_risk_model BEFORE INSERT OR UPDATE ON steward.risk_model
    FOR EACH ROW EXECUTE FUNCTION steward.check_risk_model();
ALTER TABLE steward.risk ENABLE ALWAYS TRIGGER check_risk;
ALTER TABLE steward.risk_model ENABLE ALWAYS TRIGGER check_risk_model;
COMMENT ON TRIGGER check_risk ON steward.risk IS 'checks rows, whoever writes them';
COMMENT ON TRIGGER check_risk_model ON steward.risk_model IS 'checks rows, whoever writes them';

GRANT SELECT ON steward.risk, steward.risk_model TO steward_officer, steward_auditor, steward_admin;
GRANT INSERT (ref, title, category, owner, inherent_likelihood, inherent_impact, description),
    UPDATE (title, category, owner, inherent_likelihood, inherent_impact, description)
    ON steward.risk TO steward_officer;
GRANT INSERT, DELETE ON steward.risk_model TO steward_officer;

SELECT pg_catalog.pg_extension_config_dump('steward.risk', '');
SELECT pg_catalog.pg_extension_config_dump('steward.risk_model', '');

CREATE FUNCTION steward.register_risk(ref text, title text, category text, owner text, inherent_likelihood integer, inherent_impact integer,
    description text DEFAULT NULL, models text[] DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    PERFORM steward.require_role('steward_officer');
    INSERT INTO steward.risk (ref, title, category, owner, inherent_likelihood, inherent_impact, description)
        VALUES (ref, title, category, owner, inherent_likelihood, inherent_impact, description)
        ON CONFLICT ON CONSTRAINT risk_pkey DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'risk "%" is registered already', ref
            USING ERRCODE = 'unique_violation', HINT = 'Change it by UPDATE of steward.risk, or choose another ref.';
    END IF;
    INSERT INTO steward.risk_model (risk, model)
        SELECT DISTINCT ref, m FROM unnest(models) AS m ORDER BY m;
END
$$;
COMMENT ON FUNCTION steward.register_risk(text, text, text, text, integer, integer, text, text[]) IS
    'registers a risk with its inherent scores (1 to 5) and the models it concerns; for steward_officer. Raises insufficient_privilege, unique_violation, undefined_object (model not registered), numeric_value_out_of_range, null_value_not_allowed, invalid_name, invalid_parameter_value, string_data_right_truncation';
