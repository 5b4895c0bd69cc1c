-- access: who may see which rows, for which purpose.

-- ---------------------------------------------------------------------
-- Tables
-- ---------------------------------------------------------------------

CREATE TABLE steward.protected_relation (
    relation            regclass PRIMARY KEY,
    mode                text NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce', 'observe')),
    audit               text NOT NULL DEFAULT 'async' CHECK (audit IN ('off', 'async', 'sync')),
    entity_column       name,
    row_security_before boolean NOT NULL,
    forced_before       boolean NOT NULL,
    protected_by        text NOT NULL,
    protected_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.protected_relation IS 'governed tables; written by protect() and unprotect()';
COMMENT ON COLUMN steward.protected_relation.relation IS 'the governed table or partitioned table; its partitions and inheritance children are governed with it';
COMMENT ON COLUMN steward.protected_relation.mode IS 'enforce: rows are filtered; observe: nothing is filtered, what would have been denied is counted in observed_denial';
COMMENT ON COLUMN steward.protected_relation.audit IS 'off | async | sync: durability of the access log of this table';
COMMENT ON COLUMN steward.protected_relation.entity_column IS 'column that names the person whom a row is about';
COMMENT ON COLUMN steward.protected_relation.row_security_before IS 'whether row security was enabled before protect(); unprotect() restores it';
COMMENT ON COLUMN steward.protected_relation.forced_before IS 'whether row security was forced on the owner before protect()';
COMMENT ON COLUMN steward.protected_relation.protected_by IS 'subject that called protect()';
COMMENT ON COLUMN steward.protected_relation.protected_at IS 'when protect() was called';

CREATE TABLE steward.purpose (
    name        text COLLATE "C" PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    description text CHECK (pg_catalog.length(description) <= 10000),
    legal_basis text CHECK (pg_catalog.length(legal_basis) <= 10000),
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.purpose IS 'purposes for which governed data may be used; written by create_purpose() and drop_purpose()';
COMMENT ON COLUMN steward.purpose.name IS 'name, as in SET steward.purpose';
COMMENT ON COLUMN steward.purpose.description IS 'what is done for this purpose';
COMMENT ON COLUMN steward.purpose.legal_basis IS 'what makes it lawful, for instance an article of the GDPR';
COMMENT ON COLUMN steward.purpose.created_by IS 'subject that created the purpose';
COMMENT ON COLUMN steward.purpose.created_at IS 'when the purpose was created';

CREATE TABLE steward.purpose_grant (
    purpose     text COLLATE "C" NOT NULL REFERENCES steward.purpose ON UPDATE CASCADE ON DELETE CASCADE,
    to_role     regrole NOT NULL,
    valid_from  timestamptz,
    valid_until timestamptz,
    granted_by  text NOT NULL,
    granted_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (purpose, to_role),
    CHECK (valid_from < valid_until)
);
COMMENT ON TABLE steward.purpose_grant IS 'who may act for which purpose, and when; written by grant_purpose() and revoke_purpose()';
COMMENT ON COLUMN steward.purpose_grant.purpose IS 'the purpose';
COMMENT ON COLUMN steward.purpose_grant.to_role IS 'role whose rights are needed to use the grant; 0 (-) stands for public';
COMMENT ON COLUMN steward.purpose_grant.valid_from IS 'the grant holds from this moment of the wall clock; NULL: at once';
COMMENT ON COLUMN steward.purpose_grant.valid_until IS 'the grant ends at this moment of the wall clock; NULL: never';
COMMENT ON COLUMN steward.purpose_grant.granted_by IS 'subject that granted it';
COMMENT ON COLUMN steward.purpose_grant.granted_at IS 'when it was granted';

CREATE TABLE steward.role_attribute (
    role   regrole NOT NULL,
    key    text COLLATE "C" NOT NULL CHECK (pg_catalog.length(key) BETWEEN 1 AND 200),
    value  text[] NOT NULL CHECK (pg_catalog.cardinality(value) <= 1000),
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (role, key)
);
COMMENT ON TABLE steward.role_attribute IS 'attributes of roles that policies read with attr(); written by set_attribute()';
COMMENT ON COLUMN steward.role_attribute.role IS 'the role that has the attribute (members do not inherit it)';
COMMENT ON COLUMN steward.role_attribute.key IS 'name of the attribute';
COMMENT ON COLUMN steward.role_attribute.value IS 'its values';
COMMENT ON COLUMN steward.role_attribute.set_by IS 'subject that set it';
COMMENT ON COLUMN steward.role_attribute.set_at IS 'when it was set';

CREATE TABLE steward.row_policy (
    relation    regclass NOT NULL REFERENCES steward.protected_relation ON DELETE CASCADE,
    name        name NOT NULL,
    effect      text NOT NULL CHECK (effect IN ('allow', 'deny')),
    commands    text[] NOT NULL CHECK (commands <@ '{select,insert,update,delete,all}' AND pg_catalog.cardinality(commands) > 0),
    purposes    text[] CHECK (pg_catalog.cardinality(purposes) > 0),
    valid_from  timestamptz,
    valid_until timestamptz,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (relation, name),
    CHECK (valid_from < valid_until)
);
COMMENT ON TABLE steward.row_policy IS 'row policies: what PostgreSQL''s native policy of the same name (TO steward_carrier) does not hold; written by create_row_policy() and drop_row_policy()';
COMMENT ON COLUMN steward.row_policy.relation IS 'the governed table';
COMMENT ON COLUMN steward.row_policy.name IS 'name of the policy and of the native policy that carries its expressions';
COMMENT ON COLUMN steward.row_policy.effect IS 'allow | deny; a deny beats every allow';
COMMENT ON COLUMN steward.row_policy.commands IS 'select | insert | update | delete | all';
COMMENT ON COLUMN steward.row_policy.purposes IS 'the policy applies only while one of these is the purpose and granted; NULL: always';
COMMENT ON COLUMN steward.row_policy.valid_from IS 'the policy applies from this moment of the wall clock; NULL: at once';
COMMENT ON COLUMN steward.row_policy.valid_until IS 'the policy ends at this moment of the wall clock; NULL: never';
COMMENT ON COLUMN steward.row_policy.created_by IS 'subject that wrote the policy; row_policy_author knows the role after it was renamed';
COMMENT ON COLUMN steward.row_policy.created_at IS 'when it was written';

CREATE TABLE steward.row_policy_role (
    relation regclass NOT NULL,
    policy   name NOT NULL,
    role     regrole NOT NULL,
    PRIMARY KEY (relation, policy, role),
    FOREIGN KEY (relation, policy) REFERENCES steward.row_policy (relation, name) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE steward.row_policy_role IS 'roles whom a row policy concerns; a policy without any concerns nobody';
COMMENT ON COLUMN steward.row_policy_role.relation IS 'the governed table';
COMMENT ON COLUMN steward.row_policy_role.policy IS 'the policy';
COMMENT ON COLUMN steward.row_policy_role.role IS 'the role; 0 (-) stands for public';

CREATE TABLE steward.row_policy_author (
    relation regclass NOT NULL,
    policy   name NOT NULL,
    role     regrole NOT NULL,
    PRIMARY KEY (relation, policy),
    FOREIGN KEY (relation, policy) REFERENCES steward.row_policy (relation, name) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE steward.row_policy_author IS 'roles with whose rights the sub-selects of row policies read; in a table of its own so that a dump can leave out roles that were dropped';
COMMENT ON COLUMN steward.row_policy_author.relation IS 'the governed table';
COMMENT ON COLUMN steward.row_policy_author.policy IS 'the policy';
COMMENT ON COLUMN steward.row_policy_author.role IS 'the role that wrote it';

CREATE TABLE steward.ddl_allowance (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation    regclass NOT NULL,
    role        regrole NOT NULL,
    valid_from  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    valid_until timestamptz NOT NULL,
    reason      text NOT NULL CHECK (pg_catalog.length(reason) BETWEEN 1 AND 10000),
    allowed_by  text NOT NULL,
    CHECK (valid_from < valid_until)
);
CREATE INDEX ddl_allowance_relation_idx ON steward.ddl_allowance (relation);
COMMENT ON TABLE steward.ddl_allowance IS 'who may, for how long, change governed tables in ways that could show hidden rows; written by allow_ddl()';
COMMENT ON COLUMN steward.ddl_allowance.id IS 'number of the allowance';
COMMENT ON COLUMN steward.ddl_allowance.relation IS 'the governed table; its partitions and children are meant too';
COMMENT ON COLUMN steward.ddl_allowance.role IS 'role whose rights are needed to use the allowance';
COMMENT ON COLUMN steward.ddl_allowance.valid_from IS 'it holds from this moment of the wall clock';
COMMENT ON COLUMN steward.ddl_allowance.valid_until IS 'it ends at this moment of the wall clock';
COMMENT ON COLUMN steward.ddl_allowance.reason IS 'why it was given';
COMMENT ON COLUMN steward.ddl_allowance.allowed_by IS 'subject that gave it';

-- Dumps keep the governance data; rows of roles that were dropped stay behind,
-- for their OIDs would mean somebody else elsewhere.
SELECT pg_catalog.pg_extension_config_dump('steward.protected_relation', '');
SELECT pg_catalog.pg_extension_config_dump('steward.purpose', '');
SELECT pg_catalog.pg_extension_config_dump('steward.purpose_grant',
    'WHERE to_role = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = to_role)');
SELECT pg_catalog.pg_extension_config_dump('steward.role_attribute',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.row_policy', '');
SELECT pg_catalog.pg_extension_config_dump('steward.row_policy_role',
    'WHERE role = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.row_policy_author',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.ddl_allowance',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.ddl_allowance_id_seq', '');

GRANT SELECT ON steward.protected_relation, steward.purpose, steward.purpose_grant,
    steward.role_attribute, steward.row_policy, steward.row_policy_role, steward.row_policy_author, steward.ddl_allowance
    TO steward_admin, steward_officer, steward_auditor;

-- Every change of these tables, whoever makes it and however, reaches every
-- backend when it commits.
CREATE FUNCTION steward.governance_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_governance_changed';
REVOKE ALL ON FUNCTION steward.governance_changed() FROM PUBLIC;
COMMENT ON FUNCTION steward.governance_changed() IS 'trigger: makes every backend forget what it knows of the table''s contents';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{protected_relation,purpose,purpose_grant,role_attribute,row_policy,row_policy_role,row_policy_author,ddl_allowance}'::text[]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed()', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER governance_changed', t);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------
-- The subject
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.subject() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_subject';
COMMENT ON FUNCTION steward.subject() IS
    'the acting person or service: the subject of the session''s token (see authenticate()), else subject_role()';

CREATE FUNCTION steward.subject_role() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_subject_role';
COMMENT ON FUNCTION steward.subject_role() IS
    'the acting role, by which policies go: the role outside of any SECURITY DEFINER function, or the owner of the trusted object through which it acts';

CREATE FUNCTION steward.token_issuer() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_token_issuer';
COMMENT ON FUNCTION steward.token_issuer() IS
    'the issuer (its name in steward.issuer) of the token by which the subject acts, NULL without a token';

CREATE FUNCTION steward.current_purpose() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_current_purpose';
COMMENT ON FUNCTION steward.current_purpose() IS
    'the purpose of steward.purpose where it is granted to the subject and valid at this moment of the wall clock, else NULL';

CREATE FUNCTION steward.attr(key text) RETURNS text[]
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_attr';
COMMENT ON FUNCTION steward.attr(text) IS 'values of an attribute of the subject: of its role (set_attribute()), else of its token (create_issuer(), attribute_claims); NULL where it has none';

CREATE FUNCTION steward.attr(key text, fallback anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_attr_typed';
COMMENT ON FUNCTION steward.attr(text, anyelement) IS
    'first value of an attribute of the subject, read as the type of fallback; fallback where the subject has no such attribute. Raises invalid_text_representation (or what the type raises) where the value is not of that type';

-- ---------------------------------------------------------------------
-- What plans call
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.current_purpose_of(subject_oid oid) RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_current_purpose_of';
COMMENT ON FUNCTION steward.current_purpose_of(oid) IS
    'in plans below a trusted view or function: current_purpose() of its owner';

CREATE FUNCTION steward.policy_gate(purposes text[], valid_from timestamptz, valid_until timestamptz, subject_oid oid) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_policy_gate';
COMMENT ON FUNCTION steward.policy_gate(text[], timestamptz, timestamptz, oid) IS
    'in plans: whether a policy of these purposes and this validity applies to the subject now; evaluated once an execution';

CREATE FUNCTION steward.library_enforces() RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'steward_library_enforces';
COMMENT ON FUNCTION steward.library_enforces() IS
    'whether the library was loaded at server start; the native policy "steward.net" of governed tables that have permissive native policies asks it, so that without the library they show nothing';

CREATE FUNCTION steward.refuse_row(relation oid, command integer) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_refuse_row';
COMMENT ON FUNCTION steward.refuse_row(oid, integer) IS
    'in plans: raises insufficient_privilege for a row that the policies do not allow, without showing it';

-- ---------------------------------------------------------------------
-- Helpers of the functions below; for nobody else
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.create_carrier(relation regclass, name name, using_expr text, check_expr text, creator oid) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_create_carrier';
REVOKE ALL ON FUNCTION steward.create_carrier(regclass, name, text, text, oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.create_carrier(regclass, name, text, text, oid) IS 'internal: makes the native policy that carries a row policy';

CREATE FUNCTION steward.drop_carrier(relation regclass, name name) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_drop_carrier';
REVOKE ALL ON FUNCTION steward.drop_carrier(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION steward.drop_carrier(regclass, name) IS 'internal: drops the native policy that carries a row policy';

CREATE FUNCTION steward.carried_expression(from_relation regclass, name name, to_relation regclass, with_check boolean) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_carried_expression';
REVOKE ALL ON FUNCTION steward.carried_expression(regclass, name, regclass, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.carried_expression(regclass, name, regclass, boolean) IS 'internal: an expression of a row policy in terms of another table that has columns of the same names';

CREATE FUNCTION steward.set_row_security(relation regclass, enabled boolean, forced boolean) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_set_row_security';
REVOKE ALL ON FUNCTION steward.set_row_security(regclass, boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.set_row_security(regclass, boolean, boolean) IS 'internal: switches row security of a table and its partitions and children';

CREATE FUNCTION steward.set_trust(classid oid, objid oid, label text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_set_trust';
REVOKE ALL ON FUNCTION steward.set_trust(oid, oid, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.set_trust(oid, oid, text) IS 'internal: sets or removes the label of a trusted object';

CREATE FUNCTION steward.require_value(parameter text, value text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL OR value !~ '\S' THEN
        RAISE EXCEPTION 'parameter "%" must not be empty', parameter
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_value(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_value(text, text) IS 'internal: raises null_value_not_allowed where a parameter is NULL or blank';

CREATE FUNCTION steward.role_named(role text, public_allowed boolean DEFAULT true) RETURNS regrole
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role_oid oid;
BEGIN
    PERFORM steward.require_value('role', role);
    IF role = 'public' AND public_allowed THEN
        RETURN 0::oid::regrole;
    END IF;
    SELECT r.oid INTO role_oid FROM pg_catalog.pg_roles r WHERE r.rolname::text = role;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role "%" does not exist', role
            USING ERRCODE = 'undefined_object',
                  HINT = 'Write the name as it is stored, without quotes'
                      || CASE WHEN public_allowed THEN ', or public for everybody.' ELSE '.' END;
    END IF;
    RETURN role_oid::regrole;
END
$$;
REVOKE ALL ON FUNCTION steward.role_named(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.role_named(text, boolean) IS 'internal: a role by its name, 0 for public; raises undefined_object';

CREATE FUNCTION steward.require_protected(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF relation IS NULL THEN
        RAISE EXCEPTION 'parameter "relation" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF NOT EXISTS (SELECT FROM steward.protected_relation p WHERE p.relation = require_protected.relation) THEN
        RAISE EXCEPTION 'table "%" is not protected', relation
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = pg_catalog.format('Protect it first: SELECT steward.protect(%L).', relation::text);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_protected(regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_protected(regclass) IS 'internal: raises object_not_in_prerequisite_state where a table is not protected';

-- ---------------------------------------------------------------------
-- Protection
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.protect(relation regclass, mode text DEFAULT 'enforce', audit text DEFAULT 'async', entity_column name DEFAULT NULL) RETURNS void
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
REVOKE ALL ON FUNCTION steward.protect(regclass, text, text, name) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.protect(regclass, text, text, name) TO steward_admin;
COMMENT ON FUNCTION steward.protect(regclass, text, text, name) IS
    'governs a table or partitioned table, with its partitions and children: from now on row policies decide, and where none applies nobody sees a row (superusers and BYPASSRLS roles excepted). Called again, it changes mode, audit and entity column. Takes an ACCESS EXCLUSIVE lock. Raises wrong_object_type for what is not an ordinary table';

CREATE FUNCTION steward.unprotect(relation regclass, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was steward.protected_relation;
    policy name;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('reason', reason);
    PERFORM steward.require_protected(relation);
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
    RAISE LOG 'pg_steward: % unprotected table %: %', steward.subject(), relation, reason;
END
$$;
REVOKE ALL ON FUNCTION steward.unprotect(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.unprotect(regclass, text) TO steward_admin;
COMMENT ON FUNCTION steward.unprotect(regclass, text) IS
    'ends the governance of a table: drops its row policies and puts row security back to what it was before protect(). The reason goes to the server log';

CREATE FUNCTION steward.copy_protection(from_relation regclass, to_relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    policy record;
    new_name name;
BEGIN
    INSERT INTO steward.protected_relation
        (relation, mode, audit, entity_column, row_security_before, forced_before, protected_by)
    SELECT to_relation, p.mode, p.audit, p.entity_column, false, false, steward.subject()
    FROM steward.protected_relation p WHERE p.relation = from_relation
    ON CONFLICT ON CONSTRAINT protected_relation_pkey DO NOTHING;
    PERFORM steward.set_row_security(to_relation, true, true);
    FOR policy IN
        SELECT rp.*, steward.carried_expression(from_relation, rp.name, to_relation, false) AS qual,
               steward.carried_expression(from_relation, rp.name, to_relation, true) AS with_check
        FROM steward.row_policy rp
        JOIN pg_catalog.pg_policy pol ON pol.polrelid = rp.relation AND pol.polname = rp.name
        WHERE rp.relation = from_relation
        ORDER BY rp.name
    LOOP
        new_name := policy.name;
        IF EXISTS (SELECT FROM pg_catalog.pg_policy pol WHERE pol.polrelid = to_relation AND pol.polname = new_name) THEN
            new_name := pg_catalog.left(policy.name::text, 40) || ' ' || pg_catalog.left(pg_catalog.md5(from_relation::oid::text || policy.name), 8);
            CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_policy pol WHERE pol.polrelid = to_relation AND pol.polname = new_name);
        END IF;
        PERFORM steward.create_carrier(to_relation, new_name, policy.qual, policy.with_check, NULL);
        INSERT INTO steward.row_policy (relation, name, effect, commands, purposes, valid_from, valid_until, created_by, created_at)
        VALUES (to_relation, new_name, policy.effect, policy.commands, policy.purposes, policy.valid_from, policy.valid_until, policy.created_by, policy.created_at);
        INSERT INTO steward.row_policy_role (relation, policy, role)
        SELECT to_relation, new_name, r.role FROM steward.row_policy_role r
        WHERE r.relation = from_relation AND r.policy = policy.name;
        INSERT INTO steward.row_policy_author (relation, policy, role)
        SELECT to_relation, new_name, a.role FROM steward.row_policy_author a
        WHERE a.relation = from_relation AND a.policy = policy.name;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.copy_protection(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.copy_protection(regclass, regclass) IS
    'internal: gives a partition or child that leaves its governed parent the protection and the policies of that parent';

-- ---------------------------------------------------------------------
-- Purposes and attributes
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.create_purpose(name text, description text DEFAULT NULL, legal_basis text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.check_name('name of a purpose', name);
    IF pg_catalog.octet_length(name) > 200 THEN
        RAISE EXCEPTION 'name of a purpose is longer than 200 bytes' USING ERRCODE = 'string_data_right_truncation';
    END IF;
    PERFORM steward.check_text('description', description, 10000, false);
    PERFORM steward.check_text('legal_basis', legal_basis, 10000, false);
    INSERT INTO steward.purpose (name, description, legal_basis, created_by)
    VALUES (create_purpose.name, create_purpose.description, create_purpose.legal_basis, steward.subject());
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'purpose "%" exists already', name USING ERRCODE = 'duplicate_object';
END
$$;
REVOKE ALL ON FUNCTION steward.create_purpose(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.create_purpose(text, text, text) TO steward_admin;
COMMENT ON FUNCTION steward.create_purpose(text, text, text) IS
    'creates a purpose for which governed data may be used; raises duplicate_object';

CREATE FUNCTION steward.require_purpose(purpose text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_value('purpose', purpose);
    IF NOT EXISTS (SELECT FROM steward.purpose p WHERE p.name = require_purpose.purpose) THEN
        RAISE EXCEPTION 'purpose "%" does not exist', purpose
            USING ERRCODE = 'undefined_object',
                  HINT = 'Create it with steward.create_purpose(); the table steward.purpose lists those that exist.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_purpose(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_purpose(text) IS 'internal: raises undefined_object where a purpose does not exist';

CREATE FUNCTION steward.drop_purpose(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    users text;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_purpose(name);
    SELECT pg_catalog.string_agg(pg_catalog.format('policy %I of table %s', rp.name, rp.relation), ', ' ORDER BY rp.relation::text, rp.name)
    INTO users FROM steward.row_policy rp WHERE drop_purpose.name = ANY (rp.purposes);
    IF users IS NOT NULL THEN
        RAISE EXCEPTION 'purpose "%" is in use', name
            USING ERRCODE = 'dependent_objects_still_exist', DETAIL = users,
                  HINT = 'Drop these policies first, or replace them by policies without the purpose.';
    END IF;
    DELETE FROM steward.purpose p WHERE p.name = drop_purpose.name;
END
$$;
REVOKE ALL ON FUNCTION steward.drop_purpose(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.drop_purpose(text) TO steward_admin;
COMMENT ON FUNCTION steward.drop_purpose(text) IS
    'drops a purpose and its grants; raises dependent_objects_still_exist while a policy names it';

CREATE FUNCTION steward.grant_purpose(purpose text, to_role text, valid_from timestamptz DEFAULT NULL, valid_until timestamptz DEFAULT NULL) RETURNS void
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
    INSERT INTO steward.purpose_grant AS g (purpose, to_role, valid_from, valid_until, granted_by)
    VALUES (grant_purpose.purpose, grantee, grant_purpose.valid_from, grant_purpose.valid_until, steward.subject())
    ON CONFLICT ON CONSTRAINT purpose_grant_pkey DO UPDATE
        SET valid_from = excluded.valid_from, valid_until = excluded.valid_until,
            granted_by = excluded.granted_by, granted_at = excluded.granted_at;
END
$$;
REVOKE ALL ON FUNCTION steward.grant_purpose(text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.grant_purpose(text, text, timestamptz, timestamptz) TO steward_admin;
COMMENT ON FUNCTION steward.grant_purpose(text, text, timestamptz, timestamptz) IS
    'lets a role (or public) act for a purpose, from and until moments of the wall clock; a grant that exists is replaced. Raises undefined_object for an unknown purpose or role';

CREATE FUNCTION steward.revoke_purpose(purpose text, from_role text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    grantee regrole;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_purpose(purpose);
    grantee := steward.role_named(from_role);
    DELETE FROM steward.purpose_grant g WHERE g.purpose = revoke_purpose.purpose AND g.to_role = grantee;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'purpose "%" is not granted to role "%"', purpose, from_role
            USING ERRCODE = 'undefined_object', HINT = 'A role may have the purpose through a role of which it is a member, or through public.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.revoke_purpose(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.revoke_purpose(text, text) TO steward_admin;
COMMENT ON FUNCTION steward.revoke_purpose(text, text) IS
    'takes a purpose from a role; it counts in every session from its next statement on. Raises undefined_object where it is not granted';

CREATE FUNCTION steward.set_attribute(role text, key text, value text[]) RETURNS void
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
    IF value IS NULL THEN
        DELETE FROM steward.role_attribute a WHERE a.role = holder AND a.key = set_attribute.key;
        RETURN;
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
    INSERT INTO steward.role_attribute AS a (role, key, value, set_by)
    VALUES (holder, set_attribute.key, set_attribute.value, steward.subject())
    ON CONFLICT ON CONSTRAINT role_attribute_pkey DO UPDATE
        SET value = excluded.value, set_by = excluded.set_by, set_at = excluded.set_at;
END
$$;
REVOKE ALL ON FUNCTION steward.set_attribute(text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.set_attribute(text, text, text[]) TO steward_admin;
COMMENT ON FUNCTION steward.set_attribute(text, text, text[]) IS
    'gives a role an attribute that policies read with attr(), or with NULL removes it; members of the role do not inherit it';

-- ---------------------------------------------------------------------
-- Row policies
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.create_row_policy(name text, relation regclass, using_expr text, roles text[] DEFAULT NULL, purposes text[] DEFAULT NULL, commands text[] DEFAULT '{select}',
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
REVOKE ALL ON FUNCTION steward.create_row_policy(text, regclass, text, text[], text[], text[], text, text, timestamptz, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.create_row_policy(text, regclass, text, text[], text[], text[], text, text, timestamptz, timestamptz, boolean) TO steward_admin;
COMMENT ON FUNCTION steward.create_row_policy(text, regclass, text, text[], text[], text[], text, text, timestamptz, timestamptz, boolean) IS
    'writes a row policy: whom it concerns (roles; NULL: everybody), for which purposes (NULL: whatever the purpose), for which commands, when, and which rows (using_expr; check_expr for new rows, where it differs). Allowing policies are OR-ed; a denying one beats them all. The expression uses functions of pg_catalog that are not volatile, attr(), current_purpose(), subject() and trusted functions; names of others'' objects are schema-qualified; sub-selects read with the rights of who writes the policy. Errors show the position in the expression';

CREATE FUNCTION steward.drop_row_policy(name text, relation regclass) RETURNS void
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
    PERFORM steward.drop_carrier(relation, name::name);
    DELETE FROM steward.row_policy rp WHERE rp.relation = drop_row_policy.relation AND rp.name::text = drop_row_policy.name;
END
$$;
REVOKE ALL ON FUNCTION steward.drop_row_policy(text, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.drop_row_policy(text, regclass) TO steward_admin;
COMMENT ON FUNCTION steward.drop_row_policy(text, regclass) IS 'drops a row policy; raises undefined_object where there is none';
