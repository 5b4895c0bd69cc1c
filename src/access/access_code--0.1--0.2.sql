-- Policy as code: the policies of a database as one JSON document.

-- ---------------------------------------------------------------------
-- Checks of documents; for nobody else
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.document_error(path text, problem text, hint text DEFAULT NULL, state text DEFAULT '22023', detail text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(hint, '') = '' AND coalesce(detail, '') = '' THEN
        RAISE EXCEPTION '%: %', path, problem USING ERRCODE = state;
    ELSIF coalesce(detail, '') = '' THEN
        RAISE EXCEPTION '%: %', path, problem USING ERRCODE = state, HINT = hint;
    ELSIF coalesce(hint, '') = '' THEN
        RAISE EXCEPTION '%: %', path, problem USING ERRCODE = state, DETAIL = detail;
    ELSE
        RAISE EXCEPTION '%: %', path, problem USING ERRCODE = state, DETAIL = detail, HINT = hint;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.document_error(text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_error(text, text, text, text, text) IS 'internal: raises what is wrong at a path of a policy document';

CREATE FUNCTION steward.document_keys(value jsonb, path text, required text[], optional text[] DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key text;
BEGIN
    IF jsonb_typeof(value) IS DISTINCT FROM 'object' THEN
        PERFORM steward.document_error(path, 'must be an object');
    END IF;
    SELECT k INTO key FROM jsonb_object_keys(value) k WHERE k <> ALL (required || optional) ORDER BY k COLLATE "C" LIMIT 1;
    IF FOUND THEN
        PERFORM steward.document_error(path, format('unknown key "%s"', key),
            'Known keys: ' || array_to_string(required || optional, ', ') || '.');
    END IF;
    FOREACH key IN ARRAY required LOOP
        IF coalesce(value -> key, 'null') = 'null' THEN
            PERFORM steward.document_error(path, format('key "%s" is missing', key));
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.document_keys(jsonb, text, text[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_keys(jsonb, text, text[], text[]) IS 'internal: refuses what is no object of these keys';

CREATE FUNCTION steward.document_list(value jsonb, path text, max_length integer DEFAULT 10000) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF jsonb_typeof(value) IS DISTINCT FROM 'array' THEN
        PERFORM steward.document_error(path, 'must be an array');
    END IF;
    IF jsonb_array_length(value) > max_length THEN
        PERFORM steward.document_error(path, format('has more than %s elements', max_length), state => '54000');
    END IF;
    RETURN value;
END
$$;
REVOKE ALL ON FUNCTION steward.document_list(jsonb, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_list(jsonb, text, integer) IS 'internal: refuses what is no array, or a longer one';

CREATE FUNCTION steward.document_text(value jsonb, path text, max_bytes integer DEFAULT 200) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result text := value #>> '{}';
BEGIN
    IF result IS NULL THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(value) <> 'string' THEN
        PERFORM steward.document_error(path, 'must be a string');
    END IF;
    IF octet_length(result) > max_bytes THEN
        PERFORM steward.document_error(path, format('is longer than %s bytes', max_bytes), state => '22001');
    END IF;
    RETURN result;
END
$$;
REVOKE ALL ON FUNCTION steward.document_text(jsonb, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_text(jsonb, text, integer) IS 'internal: a string, NULL for null or nothing; refuses what is none, or a longer one';

CREATE FUNCTION steward.document_one_of(value jsonb, path text, choices text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result text := steward.document_text(value, path);
BEGIN
    IF result <> ALL (choices) THEN
        PERFORM steward.document_error(path, format('"%s" is not known', result), 'Known: ' || array_to_string(choices, ', ') || '.');
    END IF;
    RETURN result;
END
$$;
REVOKE ALL ON FUNCTION steward.document_one_of(jsonb, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_one_of(jsonb, text, text[]) IS 'internal: one of these strings';

CREATE FUNCTION steward.document_texts(value jsonb, path text, max_bytes integer DEFAULT 200) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(value, 'null') = 'null' THEN
        RETURN NULL;
    END IF;
    RETURN coalesce((SELECT array_agg(steward.document_text(e, format('%s[%s]', path, i - 1), max_bytes) ORDER BY i)
                     FROM jsonb_array_elements(steward.document_list(value, path, 1000)) WITH ORDINALITY AS l (e, i)), '{}');
END
$$;
REVOKE ALL ON FUNCTION steward.document_texts(jsonb, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_texts(jsonb, text, integer) IS 'internal: an array of at most 1000 strings';

CREATE FUNCTION steward.document_set(value jsonb, path text, choices text[] DEFAULT NULL) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    items text[] := steward.document_texts(value, path);
BEGIN
    FOR i IN 1 .. coalesce(cardinality(items), 0) LOOP
        IF items[i] IS NULL THEN
            PERFORM steward.document_error(format('%s[%s]', path, i - 1), 'must be a string');
        END IF;
        IF choices IS NOT NULL THEN
            PERFORM steward.document_one_of(to_jsonb(items[i]), format('%s[%s]', path, i - 1), choices);
        END IF;
    END LOOP;
    IF items IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN coalesce((SELECT array_agg(DISTINCT e COLLATE "C" ORDER BY e COLLATE "C") FROM unnest(items) e), '{}');
END
$$;
REVOKE ALL ON FUNCTION steward.document_set(jsonb, text, text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_set(jsonb, text, text[]) IS 'internal: an array of strings as a set, sorted';

CREATE FUNCTION steward.document_boolean(value jsonb, path text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(value, 'null') = 'null' THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(value) <> 'boolean' THEN
        PERFORM steward.document_error(path, 'must be true or false');
    END IF;
    RETURN value::boolean;
END
$$;
REVOKE ALL ON FUNCTION steward.document_boolean(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_boolean(jsonb, text) IS 'internal: true, false or NULL';

CREATE FUNCTION steward.document_integer(value jsonb, path text, lowest bigint, highest bigint) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(value, 'null') = 'null' THEN
        RETURN NULL;
    END IF;
    IF jsonb_typeof(value) <> 'number' OR value::numeric <> trunc(value::numeric) OR value::numeric NOT BETWEEN lowest AND highest THEN
        PERFORM steward.document_error(path, format('must be an integer between %s and %s', lowest, highest));
    END IF;
    RETURN value::numeric::bigint;
END
$$;
REVOKE ALL ON FUNCTION steward.document_integer(jsonb, text, bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_integer(jsonb, text, bigint, bigint) IS 'internal: an integer between two';

CREATE FUNCTION steward.document_time(value jsonb, path text) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    typed text := steward.document_text(value, path);
BEGIN
    IF typed ~ '^\d{4,6}-\d\d-\d\d' OR typed IN ('infinity', '-infinity') THEN
        RETURN typed::timestamptz;
    END IF;
    IF typed IS NOT NULL THEN
        PERFORM steward.document_error(path, format('"%s" is no moment', typed), 'Write it as in 2027-01-31T12:00:00+00:00.');
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN data_exception THEN
        IF sqlstate = '22023' THEN
            RAISE;
        END IF;
        PERFORM steward.document_error(path, format('"%s" is no moment', typed), 'Write it as in 2027-01-31T12:00:00+00:00.');
        RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION steward.document_time(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_time(jsonb, text) IS 'internal: a moment, without a time zone in UTC';

CREATE FUNCTION steward.document_role(value jsonb, path text, public_allowed boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role text := steward.document_text(value, path, 63);
BEGIN
    IF role IS NULL OR (role = 'public' AND public_allowed) OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname::text = role) THEN
        RETURN role;
    END IF;
    PERFORM steward.document_error(path, format('role "%s" does not exist', role),
        'Documents name roles, they do not make them.', '42704');
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION steward.document_role(jsonb, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_role(jsonb, text, boolean) IS 'internal: the name of a role that exists';

CREATE FUNCTION steward.document_roles(value jsonb, path text) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    roles text[] := steward.document_texts(value, path);
BEGIN
    FOR i IN 1 .. coalesce(cardinality(roles), 0) LOOP
        IF steward.document_role(to_jsonb(roles[i]), format('%s[%s]', path, i - 1), true) IS NULL THEN
            PERFORM steward.document_error(format('%s[%s]', path, i - 1), 'must be a string');
        END IF;
    END LOOP;
    RETURN steward.document_set(value, path);
END
$$;
REVOKE ALL ON FUNCTION steward.document_roles(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_roles(jsonb, text) IS 'internal: names of roles that exist, and public';

CREATE FUNCTION steward.document_relation(value jsonb, path text) RETURNS regclass
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    typed text := steward.document_text(value, path, 300);
    parts text[];
    found_oid oid;
BEGIN
    BEGIN
        parts := parse_ident(typed);
        -- as names for the index, as texts because names are cut
        SELECT c.oid INTO found_oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE cardinality(parts) = 2 AND c.relname = parts[2]::name AND n.nspname = parts[1]::name
          AND c.relname::text = parts[2] AND n.nspname::text = parts[1];
    EXCEPTION
        WHEN data_exception THEN
            found_oid := NULL;
    END;
    IF found_oid IS NULL THEN
        PERFORM steward.document_error(path, format('table "%s" does not exist', typed),
            'Write schema and name, quoted as in SQL.', '42P01');
    END IF;
    RETURN found_oid::regclass;
END
$$;
REVOKE ALL ON FUNCTION steward.document_relation(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_relation(jsonb, text) IS 'internal: a table by its schema-qualified name';

CREATE FUNCTION steward.document_column(value jsonb, path text, relation regclass) RETURNS smallint
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    typed text := steward.document_text(value, path, 63);
    number smallint;
BEGIN
    SELECT a.attnum INTO number FROM pg_attribute a
    WHERE a.attrelid = relation AND a.attname::text = typed AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        PERFORM steward.document_error(path, format('column "%s" of table "%s" does not exist', typed, relation), state => '42703');
    END IF;
    RETURN number;
END
$$;
REVOKE ALL ON FUNCTION steward.document_column(jsonb, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_column(jsonb, text, regclass) IS 'internal: number of a column';

CREATE FUNCTION steward.canonical_expression(relation regclass, attnum smallint, expression text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_canonical_expression';
REVOKE ALL ON FUNCTION steward.canonical_expression(regclass, smallint, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.canonical_expression(regclass, smallint, text) IS 'internal: an expression of a row policy (attnum 0) or a mask as PostgreSQL writes it';

CREATE FUNCTION steward.carried_mask(relation regclass, name name) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_carried_mask';
REVOKE ALL ON FUNCTION steward.carried_mask(regclass, name) FROM PUBLIC;
COMMENT ON FUNCTION steward.carried_mask(regclass, name) IS 'internal: the expression of a mask';

CREATE FUNCTION steward.document_expression(value jsonb, path text, relation regclass, attnum smallint DEFAULT 0::smallint) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    typed text := steward.document_text(value, path, 65536);
    problem text;
    hint text;
    detail text;
BEGIN
    RETURN steward.canonical_expression(relation, attnum, typed);
EXCEPTION
    WHEN OTHERS THEN
        IF typed IS NULL THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
        PERFORM steward.document_error(path, problem, hint, sqlstate, detail);
        RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION steward.document_expression(jsonb, text, regclass, smallint) FROM PUBLIC;
COMMENT ON FUNCTION steward.document_expression(jsonb, text, regclass, smallint) IS 'internal: an expression as PostgreSQL writes it';

-- ---------------------------------------------------------------------
-- Tests of policies
-- ---------------------------------------------------------------------

CREATE TABLE steward.policy_test (
    name     text COLLATE "C" PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    role     regrole NOT NULL,
    purpose  text,
    query    text,
    relation regclass,
    attnum   smallint,
    column_name name,
    rows     bigint CHECK (rows >= 0),
    refused  boolean CHECK (refused),
    masked   boolean,
    CHECK (pg_catalog.num_nonnulls(rows, refused, masked) = 1),
    CHECK ((masked IS NULL) = (query IS NOT NULL)),
    CHECK ((masked IS NOT NULL) = (relation IS NOT NULL) AND (relation IS NULL) = (attnum IS NULL))
);
COMMENT ON TABLE steward.policy_test IS 'what is expected of the policies; written by apply_policies(), run by run_policy_tests()';
COMMENT ON COLUMN steward.policy_test.name IS 'name of the test';
COMMENT ON COLUMN steward.policy_test.role IS 'as whom it runs';
COMMENT ON COLUMN steward.policy_test.purpose IS 'for which purpose; NULL: none';
COMMENT ON COLUMN steward.policy_test.query IS 'what is run, a SELECT';
COMMENT ON COLUMN steward.policy_test.relation IS 'the table of the column that is or is not masked';
COMMENT ON COLUMN steward.policy_test.attnum IS 'number of that column';
COMMENT ON COLUMN steward.policy_test.column_name IS 'its name when the test was written: after a restore the number may be another';
COMMENT ON COLUMN steward.policy_test.rows IS 'expected: so many rows';
COMMENT ON COLUMN steward.policy_test.refused IS 'expected: insufficient_privilege';
COMMENT ON COLUMN steward.policy_test.masked IS 'expected: the column is masked, at least in some cells, or is not';

CREATE FUNCTION steward.tested_column(test steward.policy_test) RETURNS smallint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT a.attnum FROM pg_attribute a
                     WHERE a.attrelid = test.relation AND a.attname = test.column_name AND a.attnum > 0 AND NOT a.attisdropped), test.attnum)
$$;
REVOKE ALL ON FUNCTION steward.tested_column(steward.policy_test) FROM PUBLIC;
COMMENT ON FUNCTION steward.tested_column(steward.policy_test) IS 'internal: the number of the column that a test is about';

CREATE TABLE steward.policy_test_author (
    test text COLLATE "C" PRIMARY KEY REFERENCES steward.policy_test ON UPDATE CASCADE ON DELETE CASCADE,
    role regrole NOT NULL
);
COMMENT ON TABLE steward.policy_test_author IS 'roles that wrote tests of policies: a query runs only while they may act as its role; in a table of its own so that a dump can leave out roles that were dropped';
COMMENT ON COLUMN steward.policy_test_author.test IS 'the test';
COMMENT ON COLUMN steward.policy_test_author.role IS 'the role that wrote it';

SELECT pg_catalog.pg_extension_config_dump('steward.policy_test',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.policy_test_author',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role) AND EXISTS (SELECT FROM steward.policy_test t JOIN pg_catalog.pg_roles r ON r.oid = t.role WHERE t.name = test)');
GRANT SELECT ON steward.policy_test, steward.policy_test_author TO steward_admin, steward_officer, steward_auditor;

CREATE FUNCTION steward.try_policy_test(role oid, purpose text, query text, relation oid, attnum smallint, OUT rows bigint, OUT masked boolean, OUT state text, OUT message text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_try_policy_test';
REVOKE ALL ON FUNCTION steward.try_policy_test(oid, text, text, oid, smallint) FROM PUBLIC;
COMMENT ON FUNCTION steward.try_policy_test(oid, text, text, oid, smallint) IS 'internal: runs a query as a role, or asks whether a column is masked for it; the caller has checked who asks';

CREATE FUNCTION steward.may_act_as(who oid, role oid) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- since 16, membership alone does not mean that one may SET ROLE
    RETURN pg_has_role(who, role, CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END);
END
$$;
REVOKE ALL ON FUNCTION steward.may_act_as(oid, oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.may_act_as(oid, oid) IS 'internal: may a role SET ROLE to another?';

CREATE FUNCTION steward.policy_test_results() RETURNS TABLE (test text, ok boolean, expected text, found text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t record;
    result record;
    as_expected boolean;
    expectation text;
    outcome text;
BEGIN
    FOR t IN
        SELECT p.*, a.role AS author, r.rolname, w.rolname AS author_name, col.attname AS tested, col.attnum AS tested_number
        FROM steward.policy_test p
        LEFT JOIN steward.policy_test_author a ON a.test = p.name
        LEFT JOIN pg_roles r ON r.oid = p.role
        LEFT JOIN pg_roles w ON w.oid = a.role
        LEFT JOIN pg_attribute col ON col.attrelid = p.relation AND col.attnum = steward.tested_column(p) AND NOT col.attisdropped
        ORDER BY p.name
    LOOP
        as_expected := false;
        expectation := CASE
            WHEN t.rows IS NOT NULL THEN t.rows || CASE t.rows WHEN 1 THEN ' row' ELSE ' rows' END
            WHEN t.refused THEN 'refused'
            WHEN t.masked THEN 'masked' ELSE 'not masked' END;
        IF t.rolname IS NULL THEN
            outcome := 'the role was dropped';
        ELSIF t.query IS NULL AND t.tested IS NULL THEN
            outcome := 'the column was dropped';
        ELSIF t.query IS NOT NULL AND t.author_name IS NULL THEN
            outcome := 'the role that wrote the test was dropped';
        ELSIF t.query IS NOT NULL AND NOT steward.may_act_as(t.author, t.role) THEN
            outcome := format('role "%s", which wrote the test, may no longer act as role "%s"', t.author_name, t.rolname);
        ELSE
            SELECT * INTO result FROM steward.try_policy_test(t.role, t.purpose, t.query, t.relation, t.tested_number);
            outcome := CASE
                WHEN result.state = '42501' THEN 'refused: ' || result.message
                -- messages of other classes may show values
                WHEN result.state LIKE '42%' OR result.state LIKE '0A%' THEN format('error %s: %s', result.state, result.message)
                WHEN result.state IS NOT NULL THEN format('error %s', result.state)
                WHEN t.query IS NOT NULL THEN result.rows || CASE result.rows WHEN 1 THEN ' row' ELSE ' rows' END
                WHEN result.masked THEN 'masked' ELSE 'not masked' END;
            as_expected := coalesce(CASE
                WHEN t.refused THEN result.state = '42501'
                WHEN t.rows IS NOT NULL THEN result.rows = t.rows
                ELSE result.masked = t.masked END, false);
        END IF;
        RETURN QUERY SELECT t.name::text, as_expected, expectation, outcome;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.policy_test_results() FROM PUBLIC;
COMMENT ON FUNCTION steward.policy_test_results() IS 'internal: what run_policy_tests() returns';

CREATE FUNCTION steward.run_policy_tests() RETURNS TABLE (test text, ok boolean, expected text, found text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin', 'steward_officer', 'steward_auditor');
    RETURN QUERY SELECT * FROM steward.policy_test_results();
END
$$;
REVOKE ALL ON FUNCTION steward.run_policy_tests() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.run_policy_tests() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.run_policy_tests() IS
    'runs the tests that came with apply_policies(), each as its role and for its purpose, as if that role had opened the session with no token and needed none: read-only, with search_path pg_catalog, and rolled back. found is the number of rows, "refused" (insufficient_privilege), "masked", "not masked" or an error. A query runs only while who wrote the test may act as its role';

-- ---------------------------------------------------------------------
-- What there is, as a document
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.qualified_name(relation oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
REVOKE ALL ON FUNCTION steward.qualified_name(oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.qualified_name(oid) IS 'internal: schema and name of a relation; NULL where there is none';

CREATE FUNCTION steward.role_names(roles oid[]) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT pg_catalog.jsonb_agg(x.n ORDER BY x.n COLLATE "C")
            FROM (SELECT CASE WHEN o = 0 THEN 'public' ELSE r.rolname::text END AS n
                  FROM pg_catalog.unnest(roles) o LEFT JOIN pg_catalog.pg_roles r ON r.oid = o) x WHERE x.n IS NOT NULL);
REVOKE ALL ON FUNCTION steward.role_names(oid[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.role_names(oid[]) IS 'internal: names of roles, sorted, without those that were dropped; NULL for none';

CREATE FUNCTION steward.text_set(items text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT pg_catalog.jsonb_agg(DISTINCT e COLLATE "C" ORDER BY e COLLATE "C") FROM pg_catalog.unnest(items) e);
REVOKE ALL ON FUNCTION steward.text_set(text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.text_set(text[]) IS 'internal: strings as a sorted set; NULL for none';

CREATE FUNCTION steward.relation_document(relation regclass) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN jsonb_build_object(
        'row_policies', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                'name', rp.name, 'effect', rp.effect, 'commands', steward.text_set(rp.commands),
                'purposes', steward.text_set(rp.purposes), 'valid_from', rp.valid_from, 'valid_until', rp.valid_until,
                'roles', coalesce(steward.role_names(ARRAY(SELECT r.role::oid FROM steward.row_policy_role r
                                                           WHERE r.relation = rp.relation AND r.policy = rp.name)), '[]'),
                'using_expr', steward.canonical_expression(rp.relation, 0::smallint, steward.carried_expression(rp.relation, rp.name, rp.relation, false)),
                'check_expr', steward.canonical_expression(rp.relation, 0::smallint, steward.carried_expression(rp.relation, rp.name, rp.relation, true))))
                ORDER BY rp.name::text COLLATE "C")
            FROM steward.row_policy rp WHERE rp.relation = relation_document.relation), '[]'),
        'masks', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                'name', m.name, 'column_name', a.attname, 'priority', m.priority,
                'unless_purposes', steward.text_set(m.unless_purposes),
                'unless_roles', steward.role_names(ARRAY(SELECT r.role::oid FROM steward.column_mask_role r
                                                         WHERE r.relation = m.relation AND r.mask = m.name)),
                'mask_expr', steward.canonical_expression(m.relation, a.attnum, steward.carried_mask(m.relation, m.name)),
                'when_expr', steward.canonical_expression(m.relation, 0::smallint, steward.carried_expression(m.relation, ('mask.' || m.name)::name, m.relation, true))))
                ORDER BY m.name::text COLLATE "C")
            FROM steward.column_mask m JOIN pg_attribute a ON a.attrelid = m.relation AND a.attnum = steward.masked_column(m.relation, m.name)
            WHERE m.relation = relation_document.relation), '[]'),
        'tags', coalesce((
            SELECT jsonb_object_agg(t.column_name, t.tags)
            FROM (SELECT column_name, steward.text_set(array_agg(tag)) AS tags
                  FROM steward.column_tag WHERE column_tag.relation = relation_document.relation GROUP BY column_name) t), '{}'));
END
$$;
REVOKE ALL ON FUNCTION steward.relation_document(regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.relation_document(regclass) IS 'internal: policies, masks and tags of a table';

-- What depends on settings is written as these say, also in expressions.
CREATE FUNCTION steward.policy_document() RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
    SET bytea_output = 'hex' SET extra_float_digits = 1 SET quote_all_identifiers = off AS $$
BEGIN
    RETURN jsonb_build_object('version', 1,
        'purposes', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', p.name, 'description', p.description, 'legal_basis', p.legal_basis)) ORDER BY p.name)
            FROM steward.purpose p), '[]'),
        'grants', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('purpose', g.purpose, 'role', n.names -> 0, 'valid_from', g.valid_from, 'valid_until', g.valid_until))
                             ORDER BY g.purpose, (n.names ->> 0) COLLATE "C")
            FROM steward.purpose_grant g, LATERAL (SELECT steward.role_names(ARRAY[g.to_role::oid]) AS names) n WHERE n.names IS NOT NULL), '[]'),
        'attributes', coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', r.rolname, 'key', a.key, 'value', a.value) ORDER BY r.rolname::text COLLATE "C", a.key)
            FROM steward.role_attribute a JOIN pg_roles r ON r.oid = a.role), '[]'),
        'relations', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('relation', n.name, 'mode', p.mode, 'audit', p.audit, 'entity_column', p.entity_column))
                             || steward.relation_document(p.relation) ORDER BY n.name COLLATE "C")
            FROM steward.protected_relation p, LATERAL (SELECT steward.qualified_name(p.relation) AS name) n WHERE n.name IS NOT NULL), '[]'),
        'tag_masks', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', m.name, 'tag', m.tag, 'mask_expr', m.mask_expr, 'priority', m.priority,
                'unless_purposes', steward.text_set(m.unless_purposes),
                'unless_roles', steward.role_names(ARRAY(SELECT r.role::oid FROM steward.tag_mask_role r WHERE r.mask = m.name)))) ORDER BY m.name::text COLLATE "C")
            FROM steward.tag_mask m), '[]'),
        'trusted', coalesce((
            SELECT jsonb_agg(jsonb_build_object('object', t.identity, 'in_policies', t.label = 'trusted, in policies') ORDER BY t.identity COLLATE "C")
            FROM steward.trusted_object t), '[]'),
        'tests', coalesce((
            SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', t.name, 'role', r.rolname, 'purpose', t.purpose, 'query', t.query,
                'relation', steward.qualified_name(t.relation), 'column_name', a.attname,
                'rows', t.rows, 'refused', t.refused, 'masked', t.masked)) ORDER BY t.name)
            FROM steward.policy_test t JOIN pg_roles r ON r.oid = t.role
            LEFT JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum = steward.tested_column(t) AND NOT a.attisdropped
            WHERE t.masked IS NULL OR a.attname IS NOT NULL), '[]'));
END
$$;
REVOKE ALL ON FUNCTION steward.policy_document() FROM PUBLIC;
COMMENT ON FUNCTION steward.policy_document() IS 'internal: what export_policies() returns';

CREATE FUNCTION steward.export_policies() RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin', 'steward_officer', 'steward_auditor');
    RETURN steward.policy_document();
END
$$;
REVOKE ALL ON FUNCTION steward.export_policies() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.export_policies() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.export_policies() IS
    'purposes, grants, attributes, protected relations with their row policies, masks and tags, masks by tag, trusted objects and tests as one document in a stable order; apply_policies() of it makes the same again. Moments are in UTC, expressions as PostgreSQL writes them. Not in it: issuers of tokens and their secrets, who wrote what and when, allow_ddl(), what names roles that were dropped. docs/policies.schema.json describes it';

-- ---------------------------------------------------------------------
-- A document that somebody wrote
-- ---------------------------------------------------------------------

-- The same document with every default written out, sets sorted and
-- expressions as PostgreSQL writes them; raises, with the path, for a bad one.
CREATE FUNCTION steward.normal_relation(item jsonb, path text) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
    number smallint;
    policies jsonb[] := '{}';
    masks jsonb[] := '{}';
    tags jsonb := '{}';
    part jsonb;
    place text;
    column_name text;
BEGIN
    PERFORM steward.document_keys(item, path, '{relation}', '{mode,audit,entity_column,row_policies,masks,tags}');
    relation := steward.document_relation(item -> 'relation', path || '.relation');
    IF coalesce(item -> 'entity_column', 'null') <> 'null' THEN
        PERFORM steward.document_column(item -> 'entity_column', path || '.entity_column', relation);
    END IF;
    FOR part, place IN
        SELECT e, format('%s.row_policies[%s]', path, i - 1)
        FROM jsonb_array_elements(steward.document_list(coalesce(item -> 'row_policies', '[]'), path || '.row_policies', 1000)) WITH ORDINALITY l (e, i)
    LOOP
        PERFORM steward.document_keys(part, place, '{name,using_expr}', '{effect,commands,roles,purposes,check_expr,valid_from,valid_until}');
        IF part -> 'purposes' = '[]' THEN
            PERFORM steward.document_error(place || '.purposes', 'must not be empty', 'Leave it out for a policy that holds whatever the purpose.');
        END IF;
        IF part -> 'commands' = '[]' THEN
            PERFORM steward.document_error(place || '.commands', 'must not be empty');
        END IF;
        policies := policies || jsonb_strip_nulls(jsonb_build_object(
            'name', steward.document_text(part -> 'name', place || '.name', 63),
            'effect', coalesce(steward.document_one_of(part -> 'effect', place || '.effect', '{allow,deny}'), 'allow'),
            'commands', coalesce(steward.document_set(part -> 'commands', place || '.commands', '{select,insert,update,delete,all}'), '{select}'),
            'roles', coalesce(steward.document_roles(part -> 'roles', place || '.roles'), '{public}'),
            'purposes', steward.document_set(part -> 'purposes', place || '.purposes'),
            'using_expr', steward.document_expression(part -> 'using_expr', place || '.using_expr', relation),
            'check_expr', steward.document_expression(part -> 'check_expr', place || '.check_expr', relation),
            'valid_from', steward.document_time(part -> 'valid_from', place || '.valid_from'),
            'valid_until', steward.document_time(part -> 'valid_until', place || '.valid_until')));
    END LOOP;
    FOR part, place IN
        SELECT e, format('%s.masks[%s]', path, i - 1)
        FROM jsonb_array_elements(steward.document_list(coalesce(item -> 'masks', '[]'), path || '.masks', 1000)) WITH ORDINALITY l (e, i)
    LOOP
        PERFORM steward.document_keys(part, place, '{name,column_name,mask_expr}', '{unless_roles,unless_purposes,when_expr,priority}');
        number := steward.document_column(part -> 'column_name', place || '.column_name', relation);
        masks := masks || jsonb_strip_nulls(jsonb_build_object(
            'name', steward.document_text(part -> 'name', place || '.name', 58),
            'column_name', part -> 'column_name',
            'mask_expr', steward.document_expression(part -> 'mask_expr', place || '.mask_expr', relation, number),
            'when_expr', steward.document_expression(part -> 'when_expr', place || '.when_expr', relation),
            'unless_roles', nullif(steward.document_roles(part -> 'unless_roles', place || '.unless_roles'), '{}'),
            'unless_purposes', nullif(steward.document_set(part -> 'unless_purposes', place || '.unless_purposes'), '{}'),
            'priority', coalesce(steward.document_integer(part -> 'priority', place || '.priority', -2147483648, 2147483647), 100)));
    END LOOP;
    IF jsonb_typeof(coalesce(item -> 'tags', '{}')) <> 'object' THEN
        PERFORM steward.document_error(path || '.tags', 'must be an object', 'Its keys are columns, its values arrays of tags.');
    END IF;
    FOR column_name, part IN SELECT k, v FROM jsonb_each(coalesce(item -> 'tags', '{}')) e (k, v) LOOP
        place := format('%s.tags.%I', path, column_name);
        PERFORM steward.document_column(to_jsonb(column_name), place, relation);
        FOREACH column_name IN ARRAY coalesce(steward.document_set(part, place), '{}') LOOP
            IF column_name !~ '^[A-Za-z0-9_.:/-]{1,63}$' THEN
                PERFORM steward.document_error(place, format('"%s" is not a tag', column_name),
                    'A tag is made of letters, digits and -_.:/, at most 63 of them.');
            END IF;
        END LOOP;
    END LOOP;
    SELECT coalesce(jsonb_object_agg(k, steward.document_set(v, path || '.tags')), '{}') INTO tags
    FROM jsonb_each(coalesce(item -> 'tags', '{}')) e (k, v) WHERE v NOT IN ('[]', 'null');

    RETURN jsonb_strip_nulls(jsonb_build_object(
            'relation', steward.qualified_name(relation),
            'mode', coalesce(steward.document_one_of(item -> 'mode', path || '.mode', '{enforce,observe}'), 'enforce'),
            'audit', coalesce(steward.document_one_of(item -> 'audit', path || '.audit', '{off,async,sync}'), 'async'),
            'entity_column', nullif(item -> 'entity_column', 'null')))
        || jsonb_build_object('row_policies', to_jsonb(policies), 'masks', to_jsonb(masks), 'tags', tags);
END
$$;
REVOKE ALL ON FUNCTION steward.normal_relation(jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.normal_relation(jsonb, text) IS 'internal: an element of relations with its defaults';

CREATE FUNCTION steward.normal_item(section text, item jsonb, path text) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
    found_object record;
    result jsonb;
BEGIN
    CASE section
    WHEN 'purposes' THEN
        PERFORM steward.document_keys(item, path, '{name}', '{description,legal_basis}');
        result := jsonb_build_object(
            'name', steward.document_text(item -> 'name', path || '.name'),
            'description', steward.document_text(item -> 'description', path || '.description', 40000),
            'legal_basis', steward.document_text(item -> 'legal_basis', path || '.legal_basis', 40000));
    WHEN 'grants' THEN
        PERFORM steward.document_keys(item, path, '{purpose,role}', '{valid_from,valid_until}');
        result := jsonb_build_object(
            'purpose', steward.document_text(item -> 'purpose', path || '.purpose'),
            'role', steward.document_role(item -> 'role', path || '.role', true),
            'valid_from', steward.document_time(item -> 'valid_from', path || '.valid_from'),
            'valid_until', steward.document_time(item -> 'valid_until', path || '.valid_until'));
    WHEN 'attributes' THEN
        PERFORM steward.document_keys(item, path, '{role,key,value}');
        IF array_position(steward.document_texts(item -> 'value', path || '.value', 1000000), NULL) IS NOT NULL THEN
            PERFORM steward.document_error(path || '.value', 'must be an array of strings');
        END IF;
        result := jsonb_build_object(
            'role', steward.document_role(item -> 'role', path || '.role'),
            'key', steward.document_text(item -> 'key', path || '.key', 800),
            'value', steward.document_texts(item -> 'value', path || '.value', 1000000));
    WHEN 'relations' THEN
        RETURN steward.normal_relation(item, path);
    WHEN 'tag_masks' THEN
        PERFORM steward.document_keys(item, path, '{name,tag,mask_expr}', '{unless_roles,unless_purposes,priority}');
        result := jsonb_build_object(
            'name', steward.document_text(item -> 'name', path || '.name', 63),
            'tag', steward.document_text(item -> 'tag', path || '.tag', 63),
            'mask_expr', steward.document_text(item -> 'mask_expr', path || '.mask_expr', 65536),
            'unless_roles', nullif(steward.document_roles(item -> 'unless_roles', path || '.unless_roles'), '{}'),
            'unless_purposes', nullif(steward.document_set(item -> 'unless_purposes', path || '.unless_purposes'), '{}'),
            'priority', coalesce(steward.document_integer(item -> 'priority', path || '.priority', -2147483648, 2147483647), 100));
    WHEN 'trusted' THEN
        PERFORM steward.document_keys(item, path, '{object}', '{in_policies}');
        BEGIN
            SELECT * INTO found_object FROM steward.find_object(steward.document_text(item -> 'object', path || '.object', 10000));
        EXCEPTION
            WHEN undefined_object OR null_value_not_allowed THEN
                PERFORM steward.document_error(path || '.object', SQLERRM,
                    'Write a view as schema.name and a function as schema.name(argument types), as pg_identify_object() prints them.', SQLSTATE);
        END;
        result := jsonb_build_object(
            'object', (SELECT i.identity FROM pg_identify_object(found_object.classid, found_object.objid, 0) i),
            'in_policies', coalesce(steward.document_boolean(item -> 'in_policies', path || '.in_policies'), false));
    WHEN 'tests' THEN
        PERFORM steward.document_keys(item, path, '{name,role}', '{purpose,query,relation,column_name,rows,refused,masked}');
        IF num_nonnulls(nullif(item -> 'rows', 'null'), nullif(item -> 'refused', 'null'), nullif(item -> 'masked', 'null')) <> 1 THEN
            PERFORM steward.document_error(path, 'must expect one of rows, refused and masked');
        END IF;
        PERFORM steward.document_keys(item, path, CASE WHEN coalesce(item -> 'masked', 'null') = 'null'
            THEN '{name,role,query}'::text[] ELSE '{name,role,relation,column_name}' END, '{purpose,rows,refused,masked}');
        IF item -> 'refused' = 'false' THEN
            PERFORM steward.document_error(path || '.refused', 'must be true', 'What is not refused returns rows.');
        END IF;
        IF coalesce(item -> 'relation', 'null') <> 'null' THEN
            relation := steward.document_relation(item -> 'relation', path || '.relation');
            PERFORM steward.document_column(item -> 'column_name', path || '.column_name', relation);
        END IF;
        result := jsonb_build_object(
            'name', steward.document_text(item -> 'name', path || '.name'),
            'role', steward.document_role(item -> 'role', path || '.role'),
            'purpose', steward.document_text(item -> 'purpose', path || '.purpose'),
            'query', steward.document_text(item -> 'query', path || '.query', 65536),
            'relation', steward.qualified_name(relation),
            'column_name', item -> 'column_name',
            'rows', steward.document_integer(item -> 'rows', path || '.rows', 0, 9223372036854775807),
            'refused', steward.document_boolean(item -> 'refused', path || '.refused'),
            'masked', steward.document_boolean(item -> 'masked', path || '.masked'));
    END CASE;
    RETURN jsonb_strip_nulls(result);
END
$$;
REVOKE ALL ON FUNCTION steward.normal_item(text, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.normal_item(text, jsonb, text) IS 'internal: an element of a section with its defaults';

CREATE FUNCTION steward.normal_policies(document jsonb) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
    SET bytea_output = 'hex' SET extra_float_digits = 1 SET quote_all_identifiers = off AS $$
DECLARE
    sections constant text[] := '{purposes,grants,attributes,relations,tag_masks,trusted,tests}';
    section text;
    item jsonb;
    place text;
    items jsonb[];
    result jsonb := '{"version": 1}';
    twice record;
BEGIN
    IF document IS NULL THEN
        RAISE EXCEPTION 'parameter "document" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF octet_length(document::text) > 67108864 THEN
        PERFORM steward.document_error('$', 'is larger than 64 MB', state => '54000');
    END IF;
    PERFORM steward.document_keys(document, '$', '{version}', sections);
    IF document -> 'version' <> '1' THEN
        PERFORM steward.document_error('$.version', format('version %s is not known', document -> 'version'), 'This version of pg_steward reads version 1.', '0A000');
    END IF;
    FOREACH section IN ARRAY sections LOOP
        CONTINUE WHEN NOT document ? section;
        items := '{}';
        FOR item, place IN
            SELECT e, format('$.%s[%s]', section, i - 1)
            FROM jsonb_array_elements(steward.document_list(document -> section, '$.' || section)) WITH ORDINALITY l (e, i)
        LOOP
            items := items || steward.normal_item(section, item, place);
        END LOOP;
        result := result || jsonb_build_object(section, to_jsonb(items));
    END LOOP;
    SELECT i.kind, i.name INTO twice FROM steward.policy_items(result) i GROUP BY i.kind, i.name HAVING count(*) > 1 ORDER BY 1, 2 LIMIT 1;
    IF FOUND THEN
        PERFORM steward.document_error('$', format('%s %s appears twice', replace(twice.kind, '_', ' '), twice.name), state => '42710');
    END IF;
    RETURN result;
END
$$;
REVOKE ALL ON FUNCTION steward.normal_policies(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.normal_policies(jsonb) IS 'internal: a document with its defaults written out; raises for a bad one, with the path';

-- Lowest rank first when things are made, last when they are dropped.
CREATE FUNCTION steward.policy_items(document jsonb) RETURNS TABLE (section text, rank integer, kind text, name text, spec jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'purposes', 1, 'purpose', quote_ident(e ->> 'name'), e FROM jsonb_array_elements(document -> 'purposes') e
    UNION ALL
    SELECT 'grants', 2, 'grant', format('%I to %I', e ->> 'purpose', e ->> 'role'), e FROM jsonb_array_elements(document -> 'grants') e
    UNION ALL
    SELECT 'attributes', 3, 'attribute', format('%I of %I', e ->> 'key', e ->> 'role'), e FROM jsonb_array_elements(document -> 'attributes') e
    UNION ALL
    SELECT 'trusted', 4, 'trust', e ->> 'object', e FROM jsonb_array_elements(document -> 'trusted') e
    UNION ALL
    SELECT 'relations', 5, 'relation', e ->> 'relation', e - '{row_policies,masks,tags}'::text[] FROM jsonb_array_elements(document -> 'relations') e
    UNION ALL
    SELECT 'relations', 6, 'tags', format('%s.%I', e ->> 'relation', t.key), jsonb_build_object('relation', e -> 'relation', 'column_name', t.key, 'tags', t.value)
    FROM jsonb_array_elements(document -> 'relations') e, jsonb_each(e -> 'tags') t
    UNION ALL
    SELECT 'tag_masks', 7, 'tag_mask', quote_ident(e ->> 'name'), e FROM jsonb_array_elements(document -> 'tag_masks') e
    UNION ALL
    SELECT 'relations', 8, 'row_policy', format('%I on %s', p ->> 'name', e ->> 'relation'), p || jsonb_build_object('relation', e -> 'relation')
    FROM jsonb_array_elements(document -> 'relations') e, jsonb_array_elements(e -> 'row_policies') p
    UNION ALL
    SELECT 'relations', 9, 'mask', format('%I on %s', m ->> 'name', e ->> 'relation'), m || jsonb_build_object('relation', e -> 'relation')
    FROM jsonb_array_elements(document -> 'relations') e, jsonb_array_elements(e -> 'masks') m
    UNION ALL
    SELECT 'tests', 10, 'test', quote_ident(e ->> 'name'), e FROM jsonb_array_elements(document -> 'tests') e
$$;
REVOKE ALL ON FUNCTION steward.policy_items(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.policy_items(jsonb) IS 'internal: what a document holds, one a row';

CREATE FUNCTION steward.policy_changes(document jsonb) RETURNS TABLE (action text, kind text, name text, before jsonb, after jsonb)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off AS $$
DECLARE
    wanted jsonb := steward.normal_policies(document);
    present jsonb := steward.policy_document();
BEGIN
    RETURN QUERY
        SELECT CASE WHEN w.name IS NULL THEN 'drop' WHEN c.name IS NULL THEN 'create' ELSE 'change' END,
               coalesce(w.kind, c.kind), coalesce(w.name, c.name), c.spec, w.spec
        FROM steward.policy_items(wanted) w
        FULL JOIN (SELECT i.* FROM steward.policy_items(present) i
                   WHERE wanted ? i.section
                      -- the grants of a purpose go with it
                      OR (i.kind = 'grant' AND wanted ? 'purposes'
                          AND NOT wanted -> 'purposes' @> jsonb_build_array(jsonb_build_object('name', i.spec -> 'purpose')))) c
            ON c.kind = w.kind AND c.name = w.name
        WHERE c.spec IS DISTINCT FROM w.spec
        ORDER BY w.name IS NULL DESC, CASE WHEN w.name IS NULL THEN - c.rank ELSE w.rank END, coalesce(w.name, c.name) COLLATE "C";
END
$$;
REVOKE ALL ON FUNCTION steward.policy_changes(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.policy_changes(jsonb) IS 'internal: what plan_policies() returns';

CREATE FUNCTION steward.plan_policies(document jsonb) RETURNS TABLE (action text, kind text, name text, before jsonb, after jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin', 'steward_officer', 'steward_auditor');
    RETURN QUERY SELECT * FROM steward.policy_changes(document);
END
$$;
REVOKE ALL ON FUNCTION steward.plan_policies(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.plan_policies(jsonb) TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.plan_policies(jsonb) IS
    'what apply_policies() of the document would create, change and drop, in that function''s order, and nothing is done: kind purpose | grant | attribute | trust | relation | tags | tag_mask | row_policy | mask | test, before and after as in the document. Raises for a bad document, naming the path';

-- ---------------------------------------------------------------------
-- Making it so
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.texts(value jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN CASE WHEN pg_catalog.jsonb_typeof(value) = 'array' THEN ARRAY(SELECT pg_catalog.jsonb_array_elements_text(value)) END;
REVOKE ALL ON FUNCTION steward.texts(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.texts(jsonb) IS 'internal: an array of strings; NULL for none';

CREATE FUNCTION steward.drop_item(kind text, spec jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass := CASE WHEN kind IN ('relation', 'tags', 'row_policy', 'mask')
        THEN steward.document_relation(spec -> 'relation', 'relation') END;
BEGIN
    CASE kind
    WHEN 'purpose' THEN PERFORM steward.drop_purpose(spec ->> 'name');
    WHEN 'grant' THEN PERFORM steward.revoke_purpose(spec ->> 'purpose', spec ->> 'role');
    WHEN 'attribute' THEN PERFORM steward.set_attribute(spec ->> 'role', spec ->> 'key', NULL);
    WHEN 'trust' THEN PERFORM steward.distrust(spec ->> 'object');
    WHEN 'relation' THEN PERFORM steward.unprotect(relation, 'apply_policies()');
    WHEN 'tags' THEN
        EXECUTE format('SECURITY LABEL FOR steward ON COLUMN %s.%I IS NULL', relation, spec ->> 'column_name');
    WHEN 'tag_mask' THEN PERFORM steward.drop_tag_mask(spec ->> 'name');
    WHEN 'row_policy' THEN PERFORM steward.drop_row_policy(spec ->> 'name', relation);
    WHEN 'mask' THEN PERFORM steward.drop_mask(spec ->> 'name', relation);
    WHEN 'test' THEN DELETE FROM steward.policy_test t WHERE t.name = spec ->> 'name';
    END CASE;
END
$$;
REVOKE ALL ON FUNCTION steward.drop_item(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.drop_item(text, jsonb) IS 'internal: drops what a row of a plan names';

CREATE FUNCTION steward.make_item(kind text, spec jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass := CASE WHEN spec ? 'relation' THEN steward.document_relation(spec -> 'relation', 'relation') END;
    target record;
    author oid;
    tester oid;
BEGIN
    CASE kind
    WHEN 'purpose' THEN
        UPDATE steward.purpose p SET description = spec ->> 'description', legal_basis = spec ->> 'legal_basis' WHERE p.name = spec ->> 'name';
        IF NOT FOUND THEN
            PERFORM steward.create_purpose(spec ->> 'name', spec ->> 'description', spec ->> 'legal_basis');
        END IF;
    WHEN 'grant' THEN
        PERFORM steward.grant_purpose(spec ->> 'purpose', spec ->> 'role', (spec ->> 'valid_from')::timestamptz, (spec ->> 'valid_until')::timestamptz);
    WHEN 'attribute' THEN
        PERFORM steward.set_attribute(spec ->> 'role', spec ->> 'key', steward.texts(spec -> 'value'));
    WHEN 'trust' THEN
        SELECT * INTO target FROM steward.find_object(spec ->> 'object');
        IF (spec ->> 'in_policies')::boolean AND NOT coalesce(
            (SELECT r.rolsuper FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
             WHERE target.classid = 'pg_proc'::regclass AND p.oid = target.objid), false)
        THEN
            RAISE EXCEPTION 'no superuser owns function "%"', spec ->> 'object'
                USING ERRCODE = 'insufficient_privilege', HINT = 'Policies use functions that a superuser owns and trusts.';
        END IF;
        PERFORM steward.set_trust(target.classid, target.objid,
            CASE WHEN (spec ->> 'in_policies')::boolean THEN 'trusted, in policies' ELSE 'trusted' END);
        IF NOT steward.second_person_tries() THEN
            RAISE LOG 'pg_steward: % trusts %: apply_policies()', steward.subject(), spec ->> 'object';
        END IF;
    WHEN 'relation' THEN
        PERFORM steward.protect(relation, spec ->> 'mode', spec ->> 'audit', (spec ->> 'entity_column')::name);
    WHEN 'tags' THEN
        EXECUTE format('SECURITY LABEL FOR steward ON COLUMN %s.%I IS %L', relation, spec ->> 'column_name',
                       array_to_string(steward.texts(spec -> 'tags'), ', '));
    WHEN 'tag_mask' THEN
        PERFORM steward.create_tag_mask(spec ->> 'name', spec ->> 'tag', spec ->> 'mask_expr', steward.texts(spec -> 'unless_roles'),
            steward.texts(spec -> 'unless_purposes'), (spec ->> 'priority')::integer);
    WHEN 'row_policy' THEN
        -- A policy whose roles were all dropped concerns nobody.
        PERFORM steward.create_row_policy(spec ->> 'name', relation, spec ->> 'using_expr',
            coalesce(nullif(steward.texts(spec -> 'roles'), '{}'), '{steward_carrier}'), steward.texts(spec -> 'purposes'),
            steward.texts(spec -> 'commands'), spec ->> 'check_expr', spec ->> 'effect',
            (spec ->> 'valid_from')::timestamptz, (spec ->> 'valid_until')::timestamptz);
        IF spec -> 'roles' = '[]' THEN
            DELETE FROM steward.row_policy_role r WHERE r.relation = make_item.relation AND r.policy::text = spec ->> 'name';
        END IF;
    WHEN 'mask' THEN
        PERFORM steward.create_mask(spec ->> 'name', relation, (spec ->> 'column_name')::name, spec ->> 'mask_expr', steward.texts(spec -> 'unless_roles'),
            steward.texts(spec -> 'unless_purposes'), spec ->> 'when_expr', (spec ->> 'priority')::integer);
    WHEN 'test' THEN
        PERFORM steward.check_name('name of a test', spec ->> 'name');
        SELECT r.oid INTO author FROM pg_roles r WHERE r.rolname::text = steward.subject_role();
        tester := steward.role_named(spec ->> 'role', false);
        IF spec ? 'query' AND NOT steward.may_act_as(author, tester) THEN
            RAISE EXCEPTION 'role "%" may not act as role "%"', steward.subject_role(), spec ->> 'role'
                USING ERRCODE = 'insufficient_privilege', HINT = 'The query of a test runs as its role: a member of it, or a superuser, writes it.';
        END IF;
        INSERT INTO steward.policy_test (name, role, purpose, query, relation, attnum, column_name, rows, refused, masked)
        VALUES (spec ->> 'name', tester, spec ->> 'purpose', spec ->> 'query', relation,
                (SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = relation AND a.attname::text = spec ->> 'column_name'), spec ->> 'column_name',
                (spec ->> 'rows')::bigint, (spec ->> 'refused')::boolean, (spec ->> 'masked')::boolean);
        INSERT INTO steward.policy_test_author (test, role) VALUES (spec ->> 'name', author);
    END CASE;
END
$$;
REVOKE ALL ON FUNCTION steward.make_item(text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.make_item(text, jsonb) IS 'internal: makes what a row of a plan names';

CREATE FUNCTION steward.apply_policies(document jsonb, test boolean DEFAULT true) RETURNS TABLE (action text, kind text, name text, before jsonb, after jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
    SET bytea_output = 'hex' SET extra_float_digits = 1 SET quote_all_identifiers = off AS $$
DECLARE
    -- what must be away before another of its kind comes with its priority
    remade constant text[] := '{tag_mask,row_policy,mask,test}';
    plan jsonb;
    step jsonb;
    asked text;
    place text;
    problem text;
    hint text;
    detail text;
    failed text;
    failures bigint;
BEGIN
    PERFORM steward.require_role('steward_admin');
    IF test IS NULL THEN
        RAISE EXCEPTION 'parameter "test" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- Nobody changes between plan and deed what the plan is about.
    LOCK TABLE steward.protected_relation, steward.purpose, steward.purpose_grant, steward.role_attribute, steward.row_policy,
        steward.column_mask, steward.tag_mask, steward.policy_test IN SHARE ROW EXCLUSIVE MODE;
    plan := coalesce((SELECT jsonb_agg(to_jsonb(c)) FROM steward.policy_changes(document) c), '[]');
    asked := steward.second_person('apply_policies', jsonb_build_object('document', document, 'test', test));
    IF asked IS NOT NULL THEN
        RETURN QUERY
            SELECT CASE asked WHEN 'pending' THEN 'pending' ELSE e ->> 'action' END, e ->> 'kind', e ->> 'name',
                   nullif(e -> 'before', 'null'), nullif(e -> 'after', 'null')
            FROM jsonb_array_elements(plan) WITH ORDINALITY l (e, i) ORDER BY i;
        RETURN;
    END IF;
    IF document ? 'tests' THEN
        -- what no document can name
        DELETE FROM steward.policy_test t
        WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = t.role)
           OR (t.masked IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.relation AND a.attnum = steward.tested_column(t) AND NOT a.attisdropped));
    END IF;
    BEGIN
        FOR step IN
            SELECT e FROM jsonb_array_elements(plan) WITH ORDINALITY l (e, i)
            WHERE e ->> 'action' = 'drop' OR (e ->> 'action' = 'change' AND e ->> 'kind' = ANY (remade))
            ORDER BY e ->> 'action' = 'drop', i
        LOOP
            place := format('%s %s', replace(step ->> 'kind', '_', ' '), step ->> 'name');
            PERFORM steward.drop_item(step ->> 'kind', step -> 'before');
        END LOOP;
        FOR step IN
            SELECT e FROM jsonb_array_elements(plan) WITH ORDINALITY l (e, i) WHERE e ->> 'action' <> 'drop' ORDER BY i
        LOOP
            place := format('%s %s', replace(step ->> 'kind', '_', ' '), step ->> 'name');
            PERFORM steward.make_item(step ->> 'kind', step -> 'after');
        END LOOP;
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
            PERFORM steward.document_error(place, problem, hint, sqlstate, detail);
    END;
    IF test THEN
        SELECT count(*), string_agg(format('%s: expected %s, found %s', r.test, r.expected, r.found), E'\n' ORDER BY r.test) FILTER (WHERE r.i <= 20)
        INTO failures, failed
        FROM (SELECT t.*, row_number() OVER (ORDER BY t.test) AS i FROM steward.policy_test_results() t WHERE NOT t.ok) r;
        IF failures > 0 THEN
            RAISE EXCEPTION '% of the tests of these policies failed, nothing was changed', failures
                USING ERRCODE = 'check_violation', DETAIL = failed,
                      HINT = 'apply_policies(document, test => false) applies it all the same; run_policy_tests() then shows them.';
        END IF;
    END IF;
    RETURN QUERY
        SELECT e ->> 'action', e ->> 'kind', e ->> 'name', nullif(e -> 'before', 'null'), nullif(e -> 'after', 'null')
        FROM jsonb_array_elements(plan) WITH ORDINALITY l (e, i) ORDER BY i;
END
$$;
REVOKE ALL ON FUNCTION steward.apply_policies(jsonb, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.apply_policies(jsonb, boolean) TO steward_admin;
COMMENT ON FUNCTION steward.apply_policies(jsonb, boolean) IS
    'makes the policies of the database those of the document, all or nothing, and returns what it did as plan_policies() shows it. In the sections that the document has, what it does not name is dropped; a section that it does not have is left alone. Then the tests run (test => false: they do not), and where one fails nothing is changed: check_violation, naming them. With steward.require_second_person, a document that widens anything changes nothing yet: action is pending in every row, see approve_policies(). Raises for a bad document, naming the path';
