-- The people and services of the demonstration, each with a login of its own.
-- Roles belong to the whole cluster: those of an earlier run are used again,
-- a role of somebody else's is left alone.
-- Copyright (c) 2026, the pg_steward authors

DO $$
DECLARE
    mark constant text := 'pg_steward demonstration';
    who text;
    oid oid;
BEGIN
    FOREACH who IN ARRAY '{data_steward,feature_pipeline,risk_team,scoring_service,fairness_team,marketing,junior_analyst,on_call}'::text[]
    LOOP
        oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = who);
        IF oid IS NULL THEN
            EXECUTE format('CREATE ROLE %I LOGIN', who);
            EXECUTE format('COMMENT ON ROLE %I IS %L', who, mark);
        ELSIF shobj_description(oid, 'pg_authid') IS DISTINCT FROM mark THEN
            RAISE EXCEPTION 'role "%" exists and is not of the demonstration', who
                USING HINT = 'Run the demonstration on a server of its own.';
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION', who);
    END LOOP;
END
$$;

-- Whoever writes the rules gets no right to read the data.
GRANT steward_admin, steward_officer TO data_steward;
GRANT steward_engineer TO risk_team;
GRANT steward_service TO scoring_service;
GRANT steward_auditor TO fairness_team;
-- The service loads its model from the registry.
GRANT SELECT ON steward.model_version TO scoring_service;

-- The pipeline owns the feature store, the risk team has a schema to work in.
GRANT CREATE ON SCHEMA public TO feature_pipeline;
CREATE SCHEMA AUTHORIZATION risk_team;
