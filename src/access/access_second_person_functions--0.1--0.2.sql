-- Second person: functions of version 0.1 that may widen, now with the question.

CREATE OR REPLACE FUNCTION steward.protect(relation regclass, mode text DEFAULT 'enforce', audit text DEFAULT 'async', entity_column name DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    class pg_catalog.pg_class;
    parent regclass;
BEGIN
    PERFORM steward.require_role('steward_admin');
    IF relation IS NULL THEN
        RAISE EXCEPTION 'parameter "relation" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF mode IS NULL OR mode NOT IN ('enforce', 'observe') THEN
        RAISE EXCEPTION 'unknown mode "%"', mode
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes are enforce and observe.';
    END IF;
    IF audit IS NULL OR audit NOT IN ('off', 'async', 'sync') THEN
        RAISE EXCEPTION 'unknown audit "%"', audit
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Audit is off, async or sync.';
    END IF;
    SELECT c.* INTO class FROM pg_catalog.pg_class c WHERE c.oid = relation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'relation with OID % does not exist', relation::oid USING ERRCODE = 'undefined_table';
    END IF;
    IF class.oid < 16384 OR class.relnamespace IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace) THEN
        RAISE EXCEPTION 'system catalog "%" cannot be protected', relation USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF class.relnamespace IN ('steward'::regnamespace, 'steward_bi'::regnamespace) THEN
        RAISE EXCEPTION 'table "%" of pg_steward itself cannot be protected', relation
            USING ERRCODE = 'insufficient_privilege', HINT = 'Roles and grants decide who reads it.';
    END IF;
    IF class.relkind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '"%" is not a table', relation
            USING ERRCODE = 'wrong_object_type',
                  DETAIL = CASE class.relkind WHEN 'v' THEN 'It is a view.' WHEN 'm' THEN 'It is a materialized view.'
                      WHEN 'f' THEN 'It is a foreign table.' WHEN 'S' THEN 'It is a sequence.' WHEN 'i' THEN 'It is an index.'
                      WHEN 'I' THEN 'It is an index.' WHEN 'c' THEN 'It is a composite type.' ELSE 'It holds no rows of users.' END,
                  HINT = CASE WHEN class.relkind IN ('v', 'm', 'f') THEN 'Protect the tables from which it takes its rows.'
                      ELSE 'Tables and partitioned tables can be protected.' END;
    END IF;
    IF class.relpersistence = 't' THEN
        RAISE EXCEPTION 'temporary table "%" cannot be protected', relation USING ERRCODE = 'wrong_object_type';
    END IF;
    SELECT i.inhparent::regclass INTO parent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = relation LIMIT 1;
    IF FOUND AND NOT EXISTS (SELECT FROM steward.protected_relation p WHERE p.relation = protect.relation) THEN
        RAISE EXCEPTION 'table "%" is a partition or child of "%"', relation, parent
            USING ERRCODE = 'wrong_object_type',
                  DETAIL = 'Protected by itself, it would stay open through its parent.',
                  HINT = 'Protect the table at the top; its partitions and children are governed with it.';
    END IF;
    IF entity_column IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = relation AND a.attname = entity_column AND a.attnum > 0 AND NOT a.attisdropped)
    THEN
        RAISE EXCEPTION 'column "%" of table "%" does not exist', entity_column, relation
            USING ERRCODE = 'undefined_column';
    END IF;
    IF steward.second_person('protect', pg_catalog.jsonb_build_object('relation', relation, 'mode', mode, 'audit', audit, 'entity_column', entity_column)) IS NOT NULL THEN
        RETURN;
    END IF;

    INSERT INTO steward.protected_relation AS p
        (relation, mode, audit, entity_column, row_security_before, forced_before, protected_by)
    VALUES (protect.relation, protect.mode, protect.audit, protect.entity_column,
            class.relrowsecurity, class.relforcerowsecurity, steward.subject())
    ON CONFLICT ON CONSTRAINT protected_relation_pkey DO UPDATE
        SET mode = excluded.mode, audit = excluded.audit, entity_column = excluded.entity_column;
    PERFORM steward.set_row_security(relation, true, true);

    IF EXISTS (SELECT FROM pg_catalog.pg_publication_tables pt
               WHERE pt.schemaname = class.relnamespace::regnamespace::text AND pt.tablename = class.relname) THEN
        RAISE WARNING 'table "%" is published: subscribers receive every row', relation
            USING HINT = 'Take it out of the publication, or govern the subscriber as well.';
    END IF;
    IF NOT class.relrowsecurity AND EXISTS (
        SELECT FROM pg_catalog.pg_policy pol WHERE pol.polrelid = protect.relation) THEN
        RAISE WARNING 'native row policies of table "%" were dormant and count from now on', relation
            USING DETAIL = 'Row security of the table is enabled now; what native policies hide stays hidden.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION steward.unprotect(relation regclass, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was steward.protected_relation;
    policy name;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('reason', reason);
    PERFORM steward.require_protected(relation);
    IF steward.second_person('unprotect', pg_catalog.jsonb_build_object('relation', relation, 'reason', reason)) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT p.* INTO was FROM steward.protected_relation p WHERE p.relation = unprotect.relation;
    FOR policy IN
        SELECT pol.polname FROM pg_catalog.pg_policy pol
        WHERE pol.polrelid = unprotect.relation AND pol.polroles = ARRAY['steward_carrier'::regrole::oid]
    LOOP
        PERFORM steward.drop_carrier(relation, policy);
    END LOOP;
    DELETE FROM steward.protected_relation p WHERE p.relation = unprotect.relation;
    DELETE FROM steward.ddl_allowance a WHERE a.relation = unprotect.relation;
    PERFORM steward.set_row_security(relation, was.row_security_before, was.forced_before);
    IF NOT steward.second_person_tries() THEN
        RAISE LOG 'pg_steward: % unprotected table %: %', steward.subject(), relation, reason;
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION steward.grant_purpose(purpose text, to_role text, valid_from timestamptz DEFAULT NULL, valid_until timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    grantee regrole;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_purpose(purpose);
    grantee := steward.role_named(to_role);
    IF valid_from >= valid_until THEN
        RAISE EXCEPTION 'valid_from must be before valid_until' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF steward.second_person('grant_purpose', pg_catalog.jsonb_build_object('purpose', purpose, 'to_role', to_role, 'valid_from', valid_from, 'valid_until', valid_until)) IS NOT NULL THEN
        RETURN;
    END IF;
    INSERT INTO steward.purpose_grant AS g (purpose, to_role, valid_from, valid_until, granted_by)
    VALUES (grant_purpose.purpose, grantee, grant_purpose.valid_from, grant_purpose.valid_until, steward.subject())
    ON CONFLICT ON CONSTRAINT purpose_grant_pkey DO UPDATE
        SET valid_from = excluded.valid_from, valid_until = excluded.valid_until,
            granted_by = excluded.granted_by, granted_at = excluded.granted_at;
END
$$;

CREATE OR REPLACE FUNCTION steward.set_attribute(role text, key text, value text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder regrole;
BEGIN
    PERFORM steward.require_role('steward_admin');
    holder := steward.role_named(role, false);
    PERFORM steward.require_value('key', key);
    IF pg_catalog.length(key) > 200 THEN
        RAISE EXCEPTION 'name of an attribute is longer than 200 characters' USING ERRCODE = 'string_data_right_truncation';
    END IF;
    IF pg_catalog.array_ndims(value) > 1 THEN
        RAISE EXCEPTION 'value of attribute "%" has more than one dimension', key USING ERRCODE = 'array_subscript_error';
    END IF;
    IF pg_catalog.array_position(value, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'value of attribute "%" contains NULL', key USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF pg_catalog.cardinality(value) > 1000 THEN
        RAISE EXCEPTION 'attribute "%" has more than 1000 values', key
            USING ERRCODE = 'program_limit_exceeded',
                  HINT = 'Put long lists into a table and read it with a sub-select in the policy.';
    END IF;
    IF steward.second_person('set_attribute', pg_catalog.jsonb_build_object('role', role, 'key', key, 'value', value)) IS NOT NULL THEN
        RETURN;
    END IF;
    IF value IS NULL THEN
        DELETE FROM steward.role_attribute a WHERE a.role = holder AND a.key = set_attribute.key;
        RETURN;
    END IF;
    INSERT INTO steward.role_attribute AS a (role, key, value, set_by)
    VALUES (holder, set_attribute.key, set_attribute.value, steward.subject())
    ON CONFLICT ON CONSTRAINT role_attribute_pkey DO UPDATE
        SET value = excluded.value, set_by = excluded.set_by, set_at = excluded.set_at;
END
$$;

CREATE OR REPLACE FUNCTION steward.create_row_policy(name text, relation regclass, using_expr text, roles text[] DEFAULT NULL, purposes text[] DEFAULT NULL, commands text[] DEFAULT '{select}',
    check_expr text DEFAULT NULL, effect text DEFAULT 'allow', valid_from timestamptz DEFAULT NULL, valid_until timestamptz DEFAULT NULL, replace boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role_oids regrole[] := '{}';
    item text;
    existing boolean;
    creator oid;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    PERFORM steward.require_protected(relation);
    IF using_expr IS NULL THEN
        RAISE EXCEPTION 'parameter "using_expr" must not be empty'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Use true for a policy that concerns every row.';
    END IF;
    IF pg_catalog.octet_length(name) > 63 THEN
        RAISE EXCEPTION 'name of a row policy is longer than 63 bytes' USING ERRCODE = 'name_too_long';
    END IF;
    IF name LIKE 'mask.%' THEN
        RAISE EXCEPTION 'name "%" is reserved', name
            USING ERRCODE = 'reserved_name', HINT = 'Names that begin with "mask." belong to the carriers of masks.';
    END IF;
    IF effect IS NULL OR effect NOT IN ('allow', 'deny') THEN
        RAISE EXCEPTION 'unknown effect "%"', effect
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Effects are allow and deny.';
    END IF;
    IF valid_from >= valid_until THEN
        RAISE EXCEPTION 'valid_from must be before valid_until' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF replace IS NULL THEN
        RAISE EXCEPTION 'parameter "replace" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF steward.second_person('create_row_policy', pg_catalog.jsonb_build_object('name', name, 'relation', relation, 'using_expr', using_expr, 'roles', roles,
        'purposes', purposes, 'commands', commands, 'check_expr', check_expr, 'effect', effect, 'valid_from', valid_from, 'valid_until', valid_until,
        'replace', replace)) IS NOT NULL THEN
        RETURN;
    END IF;

    IF commands IS NULL OR pg_catalog.cardinality(commands) = 0 THEN
        RAISE EXCEPTION 'a row policy needs at least one command'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Commands are select, insert, update, delete and all.';
    END IF;
    FOREACH item IN ARRAY commands LOOP
        IF item IS NULL OR item NOT IN ('select', 'insert', 'update', 'delete', 'all') THEN
            RAISE EXCEPTION 'unknown command "%"', item
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Commands are select, insert, update, delete and all.';
        END IF;
    END LOOP;
    IF roles IS NULL THEN
        role_oids := ARRAY[0::oid::regrole];
    ELSIF pg_catalog.cardinality(roles) = 0 OR pg_catalog.cardinality(roles) > 1000 THEN
        RAISE EXCEPTION 'roles must name between 1 and 1000 roles'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave roles out for a policy that concerns everybody.';
    ELSE
        FOREACH item IN ARRAY roles LOOP
            role_oids := role_oids || steward.role_named(item);
        END LOOP;
    END IF;
    IF pg_catalog.cardinality(purposes) = 0 OR pg_catalog.cardinality(purposes) > 1000 THEN
        RAISE EXCEPTION 'purposes must name between 1 and 1000 purposes'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave purposes out for a policy that holds whatever the purpose.';
    END IF;
    IF purposes IS NOT NULL THEN
        FOREACH item IN ARRAY purposes LOOP
            PERFORM steward.require_purpose(item);
        END LOOP;
    END IF;

    SELECT r.oid INTO creator FROM pg_catalog.pg_roles r WHERE r.rolname::text = steward.subject_role();
    existing := EXISTS (SELECT FROM steward.row_policy rp
                        WHERE rp.relation = create_row_policy.relation AND rp.name::text = create_row_policy.name);
    IF existing AND NOT replace THEN
        RAISE EXCEPTION 'row policy "%" of table "%" exists already', name, relation
            USING ERRCODE = 'duplicate_object', HINT = 'Use replace => true to put this one in its place.';
    END IF;
    IF NOT existing AND EXISTS (SELECT FROM pg_catalog.pg_policy pol
                                WHERE pol.polrelid = relation AND pol.polname::text = create_row_policy.name) THEN
        RAISE EXCEPTION 'table "%" has a native policy named "%"', relation, name
            USING ERRCODE = 'duplicate_object', HINT = 'Choose another name.';
    END IF;
    IF NOT existing AND (SELECT pg_catalog.count(*) FROM steward.row_policy rp
                         WHERE rp.relation = create_row_policy.relation) >= 1000 THEN
        RAISE EXCEPTION 'table "%" has 1000 row policies already', relation
            USING ERRCODE = 'program_limit_exceeded',
                  HINT = 'Keep what differs from row to row or from role to role in a table, and read it with a sub-select or attr().';
    END IF;

    IF existing THEN
        PERFORM steward.drop_carrier(relation, name::name);
        DELETE FROM steward.row_policy rp WHERE rp.relation = create_row_policy.relation AND rp.name::text = create_row_policy.name;
    END IF;
    PERFORM steward.create_carrier(relation, name::name, using_expr, check_expr, creator);
    INSERT INTO steward.row_policy (relation, name, effect, commands, purposes, valid_from, valid_until, created_by)
    VALUES (create_row_policy.relation, create_row_policy.name, create_row_policy.effect, create_row_policy.commands,
            create_row_policy.purposes, create_row_policy.valid_from, create_row_policy.valid_until, steward.subject());
    INSERT INTO steward.row_policy_author (relation, policy, role)
    VALUES (create_row_policy.relation, create_row_policy.name, creator::regrole);
    INSERT INTO steward.row_policy_role (relation, policy, role)
    SELECT DISTINCT create_row_policy.relation, create_row_policy.name::name, r.role
    FROM pg_catalog.unnest(role_oids) AS r (role);
END
$$;

CREATE OR REPLACE FUNCTION steward.drop_row_policy(name text, relation regclass) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    PERFORM steward.require_protected(relation);
    IF NOT EXISTS (SELECT FROM steward.row_policy rp
                   WHERE rp.relation = drop_row_policy.relation AND rp.name::text = drop_row_policy.name) THEN
        RAISE EXCEPTION 'row policy "%" of table "%" does not exist', name, relation
            USING ERRCODE = 'undefined_object';
    END IF;
    IF steward.second_person('drop_row_policy', pg_catalog.jsonb_build_object('name', name, 'relation', relation)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM steward.drop_carrier(relation, name::name);
    DELETE FROM steward.row_policy rp WHERE rp.relation = drop_row_policy.relation AND rp.name::text = drop_row_policy.name;
END
$$;

CREATE OR REPLACE FUNCTION steward.allow_ddl(relation regclass, role text, valid_until timestamptz, reason text) RETURNS void
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
    IF steward.second_person('allow_ddl', pg_catalog.jsonb_build_object('relation', relation, 'role', role, 'valid_until', valid_until, 'reason', reason)) IS NOT NULL THEN
        RETURN;
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

CREATE OR REPLACE FUNCTION steward.trust(object text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target record;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('reason', reason);
    SELECT * INTO target FROM steward.find_object(object);
    IF steward.second_person('trust', pg_catalog.jsonb_build_object('object', object, 'reason', reason)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM steward.set_trust(target.classid, target.objid,
        CASE WHEN target.classid = 'pg_catalog.pg_proc'::regclass
                  AND (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname::text = steward.subject_role())
                  AND (SELECT r.rolsuper FROM pg_catalog.pg_roles r
                       JOIN pg_catalog.pg_proc p ON p.proowner = r.oid WHERE p.oid = target.objid)
             THEN 'trusted, in policies' ELSE 'trusted' END);
    IF NOT steward.second_person_tries() THEN
        RAISE LOG 'pg_steward: % trusts %: %', steward.subject(), object, reason;
    END IF;
END
$$;

-- SECURITY LABEL cannot wait; this can.
CREATE FUNCTION steward.set_tags(relation regclass, column_name name, tags text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item text;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_protected(relation);
    PERFORM steward.require_value('column_name', column_name::text);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped) THEN
        RAISE EXCEPTION 'column "%" of table "%" does not exist', column_name, relation USING ERRCODE = 'undefined_column';
    END IF;
    FOREACH item IN ARRAY coalesce(tags, '{}') LOOP
        IF item IS NULL OR item !~ '^[A-Za-z0-9_.:/-]{1,63}$' THEN
            RAISE EXCEPTION '"%" is not a tag', item
                USING ERRCODE = 'invalid_parameter_value', HINT = 'A tag is made of letters, digits and -_.:/, at most 63 of them.';
        END IF;
    END LOOP;
    IF steward.second_person('set_tags', pg_catalog.jsonb_build_object('relation', relation, 'column_name', column_name, 'tags', tags)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('SECURITY LABEL FOR steward ON COLUMN %s.%I IS %s', relation, column_name,
        CASE WHEN pg_catalog.cardinality(tags) > 0 THEN pg_catalog.quote_literal(pg_catalog.array_to_string(tags, ', ')) ELSE 'NULL' END);
END
$$;
REVOKE ALL ON FUNCTION steward.set_tags(regclass, name, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.set_tags(regclass, name, text[]) TO steward_admin;
COMMENT ON FUNCTION steward.set_tags(regclass, name, text[]) IS
    'sets the tags of a column of a protected table, as SECURITY LABEL FOR steward ON COLUMN does; NULL or an empty array takes them away. With steward.require_second_person it can wait for approval, which the statement cannot. Raises undefined_column, invalid_parameter_value';
