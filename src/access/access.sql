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
    name        text PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
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
    purpose     text NOT NULL REFERENCES steward.purpose ON UPDATE CASCADE ON DELETE CASCADE,
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
    key    text NOT NULL CHECK (pg_catalog.length(key) BETWEEN 1 AND 200),
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
    created_by  regrole NOT NULL,
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
COMMENT ON COLUMN steward.row_policy.created_by IS 'role that wrote the policy; sub-selects in it read with this role''s rights';
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
SELECT pg_catalog.pg_extension_config_dump('steward.ddl_allowance',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.ddl_allowance_id_seq', '');

GRANT SELECT ON steward.protected_relation, steward.purpose, steward.purpose_grant,
    steward.role_attribute, steward.row_policy, steward.row_policy_role, steward.ddl_allowance
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
    FOREACH t IN ARRAY '{protected_relation,purpose,purpose_grant,role_attribute,row_policy,row_policy_role,ddl_allowance}'::text[]
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
    'the acting person or service: the role outside of any SECURITY DEFINER function, or the owner of the trusted object through which it acts';

CREATE FUNCTION steward.current_purpose() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_current_purpose';
COMMENT ON FUNCTION steward.current_purpose() IS
    'the purpose of steward.purpose where it is granted to the subject and valid at this moment of the wall clock, else NULL';

CREATE FUNCTION steward.attr(key text) RETURNS text[]
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_attr';
COMMENT ON FUNCTION steward.attr(text) IS 'values of an attribute of the subject, NULL where it has none';

CREATE FUNCTION steward.attr(key text, fallback anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_attr_typed';
COMMENT ON FUNCTION steward.attr(text, anyelement) IS
    'first value of an attribute of the subject, read as the type of fallback; fallback where the subject has no such attribute. Raises invalid_text_representation (or what the type raises) where the value is not of that type';

-- ---------------------------------------------------------------------
-- What plans call
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.policy_gate(purposes text[], valid_from timestamptz, valid_until timestamptz, subject_oid oid) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_policy_gate';
COMMENT ON FUNCTION steward.policy_gate(text[], timestamptz, timestamptz, oid) IS
    'in plans: whether a policy of these purposes and this validity applies to the subject now; evaluated once an execution';

CREATE FUNCTION steward.refuse_row(relation oid, command integer) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_refuse_row';
COMMENT ON FUNCTION steward.refuse_row(oid, integer) IS
    'in plans: raises insufficient_privilege for a row that the policies do not allow, without showing it';
