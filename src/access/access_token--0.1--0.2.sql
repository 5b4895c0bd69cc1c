-- Identity behind poolers: issuers of tokens, authenticate().

CREATE TABLE steward.issuer (
    name             text COLLATE "C" PRIMARY KEY,
    issuer           text NOT NULL,
    audience         text,
    jwks             jsonb,
    secret           bytea,
    secret_uri       text,
    attribute_claims text[],
    roles_claim      text,
    purposes_claim   text,
    leeway           interval NOT NULL CHECK (leeway BETWEEN '0' AND '10 minutes'),
    created_by       text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE NULLS NOT DISTINCT (issuer, audience),
    CHECK (pg_catalog.num_nonnulls(jwks, secret, secret_uri) = 1)
);
COMMENT ON TABLE steward.issuer IS 'who issues the tokens that authenticate() takes; written by create_issuer(), set_issuer_keys() and drop_issuer()';
COMMENT ON COLUMN steward.issuer.name IS 'name of the issuer, as token_issuer() and the logs show it';
COMMENT ON COLUMN steward.issuer.issuer IS 'claim iss of its tokens';
COMMENT ON COLUMN steward.issuer.audience IS 'what claim aud of its tokens is, or includes; NULL: whatever it is';
COMMENT ON COLUMN steward.issuer.jwks IS 'its public keys, a JSON Web Key Set';
COMMENT ON COLUMN steward.issuer.secret IS 'its secret for HS256, encrypted under the master key of the key directory';
COMMENT ON COLUMN steward.issuer.secret_uri IS 'file:NAME, a file of the key directory that holds its secret for HS256';
COMMENT ON COLUMN steward.issuer.attribute_claims IS 'claims that become attributes of the subject, beside those of the role';
COMMENT ON COLUMN steward.issuer.roles_claim IS 'claim that names the roles as which the subject acts; NULL: the session role';
COMMENT ON COLUMN steward.issuer.purposes_claim IS 'claim that names the purposes that the subject may use; NULL: those that are granted';
COMMENT ON COLUMN steward.issuer.leeway IS 'by how much clocks may differ, at most 10 minutes';
COMMENT ON COLUMN steward.issuer.created_by IS 'subject that created the issuer';
COMMENT ON COLUMN steward.issuer.created_at IS 'when it was created';

CREATE TABLE steward.token_requirement (
    role        regrole PRIMARY KEY,
    required_by text NOT NULL,
    required_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.token_requirement IS 'roles whose sessions see governed data only with a token; written by require_token()';
COMMENT ON COLUMN steward.token_requirement.role IS 'the role, members included; 0 (-) stands for public';
COMMENT ON COLUMN steward.token_requirement.required_by IS 'subject that required it';
COMMENT ON COLUMN steward.token_requirement.required_at IS 'when it was required';

SELECT pg_catalog.pg_extension_config_dump('steward.issuer', '');
SELECT pg_catalog.pg_extension_config_dump('steward.token_requirement',
    'WHERE role = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');

GRANT SELECT ON steward.token_requirement TO steward_admin, steward_officer, steward_auditor;
GRANT SELECT (name, issuer, audience, jwks, secret_uri, attribute_claims, roles_claim, purposes_claim, leeway, created_by, created_at)
    ON steward.issuer TO steward_admin, steward_officer, steward_auditor;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{issuer,token_requirement}'::text[]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed()', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER governance_changed', t);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------
-- Helpers of the functions below; for nobody else
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.wrap_issuer_secret(name text, secret bytea) RETURNS bytea
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_wrap_issuer_secret';
REVOKE ALL ON FUNCTION steward.wrap_issuer_secret(text, bytea) FROM PUBLIC;
COMMENT ON FUNCTION steward.wrap_issuer_secret(text, bytea) IS 'internal: encrypts the secret of an issuer under the master key; raises invalid_parameter_value for one of less than 32 bytes';

CREATE FUNCTION steward.check_issuer_keys(jwks text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_check_issuer_keys';
REVOKE ALL ON FUNCTION steward.check_issuer_keys(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.check_issuer_keys(text) IS 'internal: raises invalid_parameter_value where a JSON Web Key Set cannot be used';

CREATE FUNCTION steward.check_secret_uri(uri text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_check_secret_uri';
REVOKE ALL ON FUNCTION steward.check_secret_uri(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.check_secret_uri(text) IS 'internal: raises where a URI does not name a file of the key directory';

-- ---------------------------------------------------------------------
-- Issuers
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.create_issuer(name text, issuer text, audience text DEFAULT NULL, jwks jsonb DEFAULT NULL, secret bytea DEFAULT NULL,
    secret_uri text DEFAULT NULL, attribute_claims text[] DEFAULT NULL, roles_claim text DEFAULT NULL, purposes_claim text DEFAULT NULL,
    leeway interval DEFAULT '30 s') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item text;
    wrapped bytea;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.check_name('name', name);
    PERFORM steward.check_text('issuer', issuer, 2000);
    PERFORM steward.check_text('audience', audience, 2000, false);
    PERFORM steward.check_text('roles_claim', roles_claim, 200, false);
    PERFORM steward.check_text('purposes_claim', purposes_claim, 200, false);
    IF pg_catalog.num_nonnulls(jwks, secret, secret_uri) <> 1 THEN
        RAISE EXCEPTION 'an issuer has either public keys or one secret'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give exactly one of jwks, secret and secret_uri.';
    END IF;
    IF leeway IS NULL OR leeway < '0' OR leeway > '10 minutes' THEN
        RAISE EXCEPTION 'leeway must be between 0 and 10 minutes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF pg_catalog.cardinality(attribute_claims) > 100 THEN
        RAISE EXCEPTION 'an issuer has at most 100 attribute claims' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    FOREACH item IN ARRAY coalesce(attribute_claims, '{}') LOOP
        PERFORM steward.check_text('a name in attribute_claims', item, 200);
    END LOOP;
    IF EXISTS (SELECT FROM steward.issuer i WHERE i.name = create_issuer.name) THEN
        RAISE EXCEPTION 'issuer "%" exists already', name USING ERRCODE = 'duplicate_object';
    END IF;
    IF EXISTS (SELECT FROM steward.issuer i
               WHERE i.issuer = create_issuer.issuer AND i.audience IS NOT DISTINCT FROM create_issuer.audience) THEN
        RAISE EXCEPTION 'there is an issuer "%" for this audience already', issuer USING ERRCODE = 'duplicate_object';
    END IF;
    IF (SELECT pg_catalog.count(*) FROM steward.issuer) >= 1000 THEN
        RAISE EXCEPTION 'there are 1000 issuers already' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    PERFORM steward.check_issuer_keys(jwks::text);
    PERFORM steward.check_secret_uri(secret_uri);
    -- A secret that comes from the record of a change is wrapped already.
    wrapped := CASE WHEN steward.second_person_within() THEN secret ELSE steward.wrap_issuer_secret(name, secret) END;
    IF steward.second_person('create_issuer', pg_catalog.jsonb_build_object('name', name, 'issuer', issuer, 'audience', audience, 'jwks', jwks,
        'secret_sha256', pg_catalog.encode(pg_catalog.sha256(wrapped), 'hex'), 'secret_uri', secret_uri, 'attribute_claims', attribute_claims,
        'roles_claim', roles_claim, 'purposes_claim', purposes_claim, 'leeway', leeway), wrapped) IS NOT NULL THEN
        RETURN;
    END IF;

    INSERT INTO steward.issuer (name, issuer, audience, jwks, secret, secret_uri, attribute_claims, roles_claim, purposes_claim,
                                leeway, created_by)
    VALUES (create_issuer.name, create_issuer.issuer, create_issuer.audience, create_issuer.jwks, wrapped, create_issuer.secret_uri,
            (SELECT pg_catalog.array_agg(DISTINCT c) FROM pg_catalog.unnest(create_issuer.attribute_claims) c),
            create_issuer.roles_claim, create_issuer.purposes_claim,
            -- an interval of hours and below, which does not depend on the calendar
            pg_catalog.make_interval(secs => pg_catalog.date_part('epoch', create_issuer.leeway)), steward.subject());
END
$$;
REVOKE ALL ON FUNCTION steward.create_issuer(text, text, text, jsonb, bytea, text, text[], text, text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.create_issuer(text, text, text, jsonb, bytea, text, text[], text, text, interval) TO steward_admin;
COMMENT ON FUNCTION steward.create_issuer(text, text, text, jsonb, bytea, text, text[], text, text, interval) IS
    'lets tokens of an issuer (claim iss) for an audience (claim aud; NULL: any) in. They are verified with its public keys (jwks: RS256, PS256, ES256, EdDSA; kept as they are) or its secret for HS256 (secret: 32 bytes or more, kept encrypted; give it as a bind parameter. secret_uri: file:NAME, a file of steward.key_directory, read each time, without a line feed at its end). attribute_claims: claims that become attributes which attr() reads where the role has none of that name. roles_claim: claim that names the roles as which the subject may act, each of which the session role could SET ROLE to; the first is set. purposes_claim: claim that names the only purposes that the subject may use. leeway: by how much clocks may differ, 0 to 10 minutes. Raises duplicate_object, invalid_parameter_value';

CREATE FUNCTION steward.set_issuer_keys(name text, jwks jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    PERFORM steward.require_value('jwks', jwks::text);
    PERFORM steward.check_issuer_keys(jwks::text);
    IF steward.second_person('set_issuer_keys', pg_catalog.jsonb_build_object('name', name, 'jwks', jwks)) IS NOT NULL THEN
        RETURN;
    END IF;
    UPDATE steward.issuer i SET jwks = set_issuer_keys.jwks
    WHERE i.name = set_issuer_keys.name AND i.jwks IS NOT NULL;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM steward.issuer i WHERE i.name = set_issuer_keys.name) THEN
            RAISE EXCEPTION 'issuer "%" has a secret, not public keys', name
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = 'Drop the issuer and create it again; or keep the secret in a file (secret_uri) and replace the file.';
        END IF;
        RAISE EXCEPTION 'issuer "%" does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.set_issuer_keys(text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.set_issuer_keys(text, jsonb) TO steward_admin;
COMMENT ON FUNCTION steward.set_issuer_keys(text, jsonb) IS
    'replaces the public keys of an issuer. To rotate, publish old and new together, and drop the old when its last token has expired: sessions whose token was signed by a key that is gone see no governed data from the commit on. Raises undefined_object';

CREATE FUNCTION steward.drop_issuer(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    DELETE FROM steward.issuer i WHERE i.name = drop_issuer.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'issuer "%" does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.drop_issuer(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.drop_issuer(text) TO steward_admin;
COMMENT ON FUNCTION steward.drop_issuer(text) IS
    'lets no token of the issuer in any more, and ends those that sessions hold: they see no governed data from the commit on. Raises undefined_object';

CREATE FUNCTION steward.require_token(role text, required boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder regrole;
BEGIN
    PERFORM steward.require_role('steward_admin');
    holder := steward.role_named(role);
    IF required IS NULL THEN
        RAISE EXCEPTION 'parameter "required" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF steward.second_person('require_token', pg_catalog.jsonb_build_object('role', role, 'required', required)) IS NOT NULL THEN
        RETURN;
    END IF;
    IF required THEN
        INSERT INTO steward.token_requirement (role, required_by) VALUES (holder, steward.subject())
        ON CONFLICT DO NOTHING;
    ELSE
        DELETE FROM steward.token_requirement r WHERE r.role = holder;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.require_token(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.require_token(text, boolean) TO steward_admin;
COMMENT ON FUNCTION steward.require_token(text, boolean) IS
    'a session of the role, or of a member of it, inherited or not, sees governed data only after authenticate(); public: every session but those of superusers and BYPASSRLS roles. required => false ends it';

CREATE FUNCTION steward.authenticate(token text, scope text DEFAULT 'transaction', purpose text DEFAULT NULL) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'steward_authenticate';
COMMENT ON FUNCTION steward.authenticate(text, text, text) IS
    'presents a JSON Web Token; its subject (claim sub), which is returned, is the subject of the session from the next statement on: until the end of the transaction, or (scope session) of the session, RESET ALL or DISCARD ALL. It begins anew: the role becomes the first that the token names, else the session''s default; the purpose is the one given, else none. The token counts until it expires by the wall clock, at each execution. Give it as a bind parameter: SELECT steward.authenticate($1). Raises invalid_authorization_specification, naming the check that failed';

-- ---------------------------------------------------------------------
-- doctor()
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.token_findings() RETURNS TABLE (severity text, object text, finding text, remedy text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT 'warning', CASE WHEN t.role = 0 THEN 'public' ELSE format('role %s', t.role) END,
               'its sessions see governed data only with a token, and there is no issuer of tokens',
               format('SELECT steward.create_issuer(...), or SELECT steward.require_token(%L, false)',
                      CASE WHEN t.role = 0 THEN 'public' ELSE (SELECT r.rolname FROM pg_roles r WHERE r.oid = t.role) END)
        FROM steward.token_requirement t
        WHERE NOT EXISTS (SELECT FROM steward.issuer)
          AND (t.role = 0 OR EXISTS (SELECT FROM pg_roles r WHERE r.oid = t.role))
        ORDER BY t.role::text;
    RETURN QUERY
        SELECT 'info', format('role %s', t.role::oid), 'it needed a token, and was dropped',
               format('DELETE FROM steward.token_requirement WHERE role = %s (as a superuser)', t.role::oid)
        FROM steward.token_requirement t
        WHERE t.role <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = t.role)
        ORDER BY t.role::oid;
END
$$;
REVOKE ALL ON FUNCTION steward.token_findings() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.token_findings() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.token_findings() IS 'what doctor() finds about tokens';
