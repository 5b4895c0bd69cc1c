-- guard: an administrator opens a governed table for changes that are refused otherwise.

CREATE FUNCTION steward.allow_ddl(relation regclass, role text, valid_until timestamptz, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    allowed regrole;
    ended bigint;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('role', role);
    PERFORM steward.require_value('reason', reason);
    IF relation IS NULL THEN
        RAISE EXCEPTION 'parameter "relation" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF valid_until IS NULL THEN
        RAISE EXCEPTION 'parameter "valid_until" must not be empty'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the moment at which the allowance ends.';
    END IF;
    IF valid_until = 'infinity' THEN
        RAISE EXCEPTION 'an allowance must end'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give the moment at which the migration will be over.';
    END IF;
    IF pg_catalog.length(reason) > 10000 THEN
        RAISE EXCEPTION 'reason is longer than 10000 characters' USING ERRCODE = 'string_data_right_truncation';
    END IF;
    allowed := steward.role_named(role, false);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = allow_ddl.relation) THEN
        RAISE EXCEPTION 'relation with OID % does not exist', relation::oid USING ERRCODE = 'undefined_table';
    END IF;
    IF NOT EXISTS (
        WITH RECURSIVE above (relid) AS (
            SELECT allow_ddl.relation::oid
            UNION
            SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN above ON i.inhrelid = above.relid)
        SELECT FROM above JOIN steward.protected_relation p ON p.relation = above.relid)
    THEN
        RAISE EXCEPTION 'table "%" is not governed', relation
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Nothing of it is refused; steward.protect() would govern it.';
    END IF;

    -- The latest word counts: what runs for this table and role ends now.
    UPDATE steward.ddl_allowance a
    SET valid_until = GREATEST(pg_catalog.clock_timestamp(), a.valid_from + interval '1 microsecond')
    WHERE a.relation = allow_ddl.relation AND a.role = allowed AND a.valid_until > pg_catalog.clock_timestamp();
    GET DIAGNOSTICS ended = ROW_COUNT;
    IF valid_until > pg_catalog.clock_timestamp() THEN
        INSERT INTO steward.ddl_allowance (relation, role, valid_until, reason, allowed_by)
        VALUES (allow_ddl.relation, allowed, allow_ddl.valid_until, allow_ddl.reason, steward.subject());
    ELSIF ended = 0 THEN
        RAISE EXCEPTION 'valid_until is in the past, and no allowance runs that it could end'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = pg_catalog.format('Role %s has no allowance for table %s.', allowed, relation);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.allow_ddl(regclass, text, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.allow_ddl(regclass, text, timestamptz, text) TO steward_admin;
COMMENT ON FUNCTION steward.allow_ddl(regclass, text, timestamptz, text) IS
    'lets a role, until the moment valid_until of the wall clock, change a governed table (its partitions and children too) in ways that could show hidden rows: user functions in indexes, constraints, defaults and triggers, validation, TRUNCATE, publications, attaching elsewhere. The latest call for a table and role replaces those before; a valid_until that has passed ends them. Raises object_not_in_prerequisite_state for a table that is not governed, undefined_object for an unknown role';

CREATE FUNCTION steward.code_of_users(relation regclass) RETURNS TABLE (object text, routine regprocedure, owner regrole)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH part (classid, objid) AS (
        SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t
            WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgparentid = 0
        UNION ALL
        SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c WHERE c.conrelid = relation AND c.conislocal
        UNION ALL
        SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i
            WHERE i.indrelid = relation AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
        UNION ALL
        SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d WHERE d.adrelid = relation
        UNION ALL
        SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite r WHERE r.ev_class = relation
        UNION ALL
        SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p WHERE p.polrelid = relation
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s WHERE s.stxrelid = relation
        UNION ALL
        -- constraints of the domains of its columns
        SELECT 'pg_constraint'::regclass, c.oid
        FROM pg_attribute a JOIN pg_constraint c ON c.contypid = a.atttypid
        WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND c.contypid <> 0
    )
    SELECT DISTINCT pg_describe_object(part.classid, part.objid, 0), f.oid::regprocedure, f.proowner::regrole
    FROM part
    JOIN pg_depend d ON d.classid = part.classid AND d.objid = part.objid AND d.refclassid = 'pg_proc'::regclass
    JOIN pg_proc f ON f.oid = d.refobjid
    JOIN pg_roles o ON o.oid = f.proowner AND NOT o.rolsuper
    ORDER BY 1, 2
$$;
REVOKE ALL ON FUNCTION steward.code_of_users(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.code_of_users(regclass) TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.code_of_users(regclass) IS
    'functions of roles that are no superusers which a table calls for its rows: the trigger, constraint, index, default, rule, policy, statistics object or domain constraint, the function, its owner. None can be added to a governed table without an allowance, but those that are there when protect() is called stay, and what they call in turn is their owner''s to change';
