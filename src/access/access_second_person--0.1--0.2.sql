-- Second person: changes that widen wait until somebody else approves them.

-- ---------------------------------------------------------------------
-- The record
-- ---------------------------------------------------------------------

CREATE TABLE steward.change_request (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_sha256 bytea NOT NULL UNIQUE,
    change        jsonb NOT NULL,
    secret        bytea,
    relations     regclass[] NOT NULL,
    requested_at  timestamptz NOT NULL,
    valid_until   timestamptz NOT NULL,
    CHECK (requested_at < valid_until)
);
COMMENT ON TABLE steward.change_request IS 'policy changes that widen and were asked for while steward.require_second_person was on; view policy_change shows them';
COMMENT ON COLUMN steward.change_request.id IS 'number of the request';
COMMENT ON COLUMN steward.change_request.change_sha256 IS 'SHA-256 of the text of change, in UTF-8: what is approved';
COMMENT ON COLUMN steward.change_request.change IS 'the function, its arguments, the settings by which they are read, the effect as it was found (plan), who asked and when';
COMMENT ON COLUMN steward.change_request.secret IS 'the secret of an issuer, encrypted under the master key; change holds its hash';
COMMENT ON COLUMN steward.change_request.relations IS 'the tables that change names under "relations", in its order';
COMMENT ON COLUMN steward.change_request.requested_at IS 'when it was asked for';
COMMENT ON COLUMN steward.change_request.valid_until IS 'until when it can be approved';

CREATE TABLE steward.change_requester (
    request      bigint PRIMARY KEY REFERENCES steward.change_request,
    role         regrole NOT NULL,
    login_role   regrole NOT NULL,
    session_role regrole NOT NULL
);
COMMENT ON TABLE steward.change_requester IS 'roles that asked for changes, whatever they are called now; in a table of its own so that a dump can leave out roles that were dropped';
COMMENT ON COLUMN steward.change_requester.request IS 'number of the request';
COMMENT ON COLUMN steward.change_requester.role IS 'the role that acted: with its rights the change is carried out';
COMMENT ON COLUMN steward.change_requester.login_role IS 'the role that logged in';
COMMENT ON COLUMN steward.change_requester.session_role IS 'the role of the session';

CREATE TABLE steward.change_decision (
    request      bigint PRIMARY KEY REFERENCES steward.change_request,
    decision     text NOT NULL CHECK (decision IN ('approved', 'rejected', 'withdrawn')),
    reason       text NOT NULL CHECK (reason ~ '\S'),
    decided_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    login_role   text NOT NULL,
    session_role text NOT NULL,
    subject      text NOT NULL,
    token_issuer text
);
COMMENT ON TABLE steward.change_decision IS 'what became of changes that were asked for; view policy_change shows it';
COMMENT ON COLUMN steward.change_decision.request IS 'number of the request';
COMMENT ON COLUMN steward.change_decision.decision IS 'approved (and carried out) | rejected (by somebody else) | withdrawn (by who asked)';
COMMENT ON COLUMN steward.change_decision.reason IS 'why';
COMMENT ON COLUMN steward.change_decision.decided_at IS 'when';
COMMENT ON COLUMN steward.change_decision.login_role IS 'role that logged in';
COMMENT ON COLUMN steward.change_decision.session_role IS 'role of the session';
COMMENT ON COLUMN steward.change_decision.subject IS 'person or service that decided';
COMMENT ON COLUMN steward.change_decision.token_issuer IS 'issuer of the token that named the subject; NULL: no token';

SELECT pg_catalog.pg_extension_config_dump('steward.change_request', '');
SELECT pg_catalog.pg_extension_config_dump('steward.change_request_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('steward.change_requester',
    'WHERE (SELECT pg_catalog.count(*) FROM pg_catalog.pg_roles r WHERE r.oid IN (role, login_role, session_role))
         = (SELECT pg_catalog.count(DISTINCT o) FROM pg_catalog.unnest(ARRAY[role::oid, login_role::oid, session_role::oid]) o)');
SELECT pg_catalog.pg_extension_config_dump('steward.change_decision', '');

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{change_request,change_requester,change_decision}'::text[]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change(''What happened cannot be undone.'')', t);
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.%I
                 FOR EACH ROW EXECUTE FUNCTION steward.refuse_change(''What happened cannot be undone.'')', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_change', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_row_change', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_change ON steward.%I IS ''the record is append-only for everybody''', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_row_change ON steward.%I IS ''the record is append-only for logical replication too, which fires no statement triggers''', t);
    END LOOP;
END
$$;

CREATE VIEW steward.policy_change AS
    SELECT r.change_sha256,
           CASE WHEN d.decision IS NOT NULL THEN d.decision
                WHEN r.valid_until <= pg_catalog.clock_timestamp() THEN 'expired' ELSE 'pending' END AS status,
           r.change ->> 'function' AS function, r.change -> 'arguments' AS arguments, r.change -> 'plan' AS plan,
           r.change -> 'requester' ->> 'subject' AS requested_by, r.change -> 'requester' ->> 'role' AS requested_as,
           r.change -> 'requester' ->> 'session_role' AS session_role, r.change -> 'requester' ->> 'token_issuer' AS token_issuer,
           r.requested_at, r.valid_until,
           d.subject AS decided_by, d.session_role AS decided_in_session_of, d.token_issuer AS decided_by_token_of, d.decided_at, d.reason
    FROM steward.change_request r LEFT JOIN steward.change_decision d ON d.request = r.id;
REVOKE ALL ON steward.policy_change FROM PUBLIC;
GRANT SELECT ON steward.policy_change TO steward_admin, steward_officer, steward_auditor;
COMMENT ON VIEW steward.policy_change IS 'policy changes that widen and were asked for while steward.require_second_person was on, and what became of them; nothing ever leaves it';
COMMENT ON COLUMN steward.policy_change.change_sha256 IS 'what approve_policies() and withdraw_change() take';
COMMENT ON COLUMN steward.policy_change.status IS 'pending | approved | rejected | withdrawn | expired';
COMMENT ON COLUMN steward.policy_change.function IS 'the function that was called';
COMMENT ON COLUMN steward.policy_change.arguments IS 'its arguments; of a secret only the hash of what is kept';
COMMENT ON COLUMN steward.policy_change.plan IS 'its whole effect, an array: action, kind, name, before, after, and whether this part of it widens';
COMMENT ON COLUMN steward.policy_change.requested_by IS 'person or service that asked';
COMMENT ON COLUMN steward.policy_change.requested_as IS 'role as which it was asked for; the change is carried out with its rights';
COMMENT ON COLUMN steward.policy_change.session_role IS 'role of the session in which it was asked for';
COMMENT ON COLUMN steward.policy_change.token_issuer IS 'issuer of the token that named who asked; NULL: no token';
COMMENT ON COLUMN steward.policy_change.requested_at IS 'when it was asked for';
COMMENT ON COLUMN steward.policy_change.valid_until IS 'until when it can be approved';
COMMENT ON COLUMN steward.policy_change.decided_by IS 'person or service that approved, rejected or withdrew it';
COMMENT ON COLUMN steward.policy_change.decided_in_session_of IS 'role of the session in which that happened';
COMMENT ON COLUMN steward.policy_change.decided_by_token_of IS 'issuer of the token that named who decided; NULL: no token';
COMMENT ON COLUMN steward.policy_change.decided_at IS 'when that happened';
COMMENT ON COLUMN steward.policy_change.reason IS 'why';

CREATE VIEW steward.pending_change AS
    SELECT c.change_sha256, c.function, c.arguments, c.plan, c.requested_by, c.requested_as, c.session_role, c.token_issuer,
           c.requested_at, c.valid_until
    FROM steward.policy_change c WHERE c.status = 'pending';
REVOKE ALL ON steward.pending_change FROM PUBLIC;
GRANT SELECT ON steward.pending_change TO steward_admin, steward_officer, steward_auditor;
COMMENT ON VIEW steward.pending_change IS 'policy changes that wait for a second person, see approve_policies()';
COMMENT ON COLUMN steward.pending_change.change_sha256 IS 'what approve_policies() and withdraw_change() take';
COMMENT ON COLUMN steward.pending_change.function IS 'the function that was called';
COMMENT ON COLUMN steward.pending_change.arguments IS 'its arguments; of a secret only the hash of what is kept';
COMMENT ON COLUMN steward.pending_change.plan IS 'its whole effect, an array: action, kind, name, before, after, and whether this part of it widens';
COMMENT ON COLUMN steward.pending_change.requested_by IS 'person or service that asked';
COMMENT ON COLUMN steward.pending_change.requested_as IS 'role as which it was asked for; the change is carried out with its rights';
COMMENT ON COLUMN steward.pending_change.session_role IS 'role of the session in which it was asked for';
COMMENT ON COLUMN steward.pending_change.token_issuer IS 'issuer of the token that named who asked; NULL: no token';
COMMENT ON COLUMN steward.pending_change.requested_at IS 'when it was asked for';
COMMENT ON COLUMN steward.pending_change.valid_until IS 'until when it can be approved';

-- ---------------------------------------------------------------------
-- Helpers of the functions below; for nobody else
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.second_person_is_asked() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_second_person_is_asked';
REVOKE ALL ON FUNCTION steward.second_person_is_asked() FROM PUBLIC;
COMMENT ON FUNCTION steward.second_person_is_asked() IS 'internal: must changes that widen wait, and is none tried or carried out?';

CREATE FUNCTION steward.second_person_within() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_second_person_within';
REVOKE ALL ON FUNCTION steward.second_person_within() FROM PUBLIC;
COMMENT ON FUNCTION steward.second_person_within() IS 'internal: is a change tried or carried out by second_person() or approve_policies()?';

CREATE FUNCTION steward.second_person_tries() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_second_person_tries';
REVOKE ALL ON FUNCTION steward.second_person_tries() FROM PUBLIC;
COMMENT ON FUNCTION steward.second_person_tries() IS 'internal: is a change tried by second_person(), which may take it back?';

CREATE FUNCTION steward.current_person(OUT login_role text, OUT session_role text, OUT role oid, OUT subject text, OUT token_subject text, OUT token_issuer text)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_current_person';
REVOKE ALL ON FUNCTION steward.current_person() FROM PUBLIC;
COMMENT ON FUNCTION steward.current_person() IS 'internal: who is in front of the session; raises insufficient_privilege where a token is missing or a trusted object acts';

CREATE FUNCTION steward.require_own_statement(function text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_require_own_statement';
REVOKE ALL ON FUNCTION steward.require_own_statement(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_own_statement(text) IS 'internal: raises insufficient_privilege unless the statement that the client sent calls the function';

CREATE FUNCTION steward.run_change(function text, arguments jsonb, secret bytea, author oid, author_name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_run_change';
REVOKE ALL ON FUNCTION steward.run_change(text, jsonb, bytea, oid, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.run_change(text, jsonb, bytea, oid, text) IS 'internal: carries a change out, with an author in his name and with his rights';

CREATE FUNCTION steward.same_person(requester jsonb, person jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN coalesce(requester ->> 'token_subject', requester ->> 'session_role') = coalesce(person ->> 'token_subject', person ->> 'session_role')
        -- behind a pooler the roles are everybody's: the tokens tell
        OR ((NOT requester ? 'token_subject' OR NOT person ? 'token_subject')
            AND (requester ->> 'login_role' = person ->> 'login_role' OR requester ->> 'session_role' = person ->> 'session_role'
                 OR requester ->> 'login_role' = person ->> 'session_role' OR requester ->> 'session_role' = person ->> 'login_role'));
REVOKE ALL ON FUNCTION steward.same_person(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.same_person(jsonb, jsonb) IS 'internal: could the two be one person? By tokens where both have one, else by the roles that logged in and those of the sessions; never by the current role';

-- ---------------------------------------------------------------------
-- What counts as policy, and what of a change widens
-- ---------------------------------------------------------------------

-- What decides who may see or do what: under "items" kind, name and what it
-- is; under "reads" what the expressions of policies and masks look at.
CREATE FUNCTION steward.policy_state(at timestamptz) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' AS $$
DECLARE
    items jsonb;
    reads jsonb;
BEGIN
    WITH item AS (
        SELECT i.kind, i.name,
               CASE i.kind
               WHEN 'row_policy' THEN i.spec || jsonb_strip_nulls(jsonb_build_object('author', (
                   SELECT w.rolname FROM steward.row_policy_author a JOIN pg_roles w ON w.oid = a.role
                   WHERE a.relation = to_regclass(i.spec ->> 'relation') AND a.policy::text = i.spec ->> 'name')))
               WHEN 'mask' THEN i.spec || jsonb_strip_nulls(jsonb_build_object('author', (
                   SELECT w.rolname FROM steward.column_mask_author a JOIN pg_roles w ON w.oid = a.role
                   WHERE a.relation = to_regclass(i.spec ->> 'relation') AND a.mask::text = i.spec ->> 'name')))
               WHEN 'trust' THEN i.spec || (
                   SELECT jsonb_build_object('owner', pg_get_userbyid(coalesce(c.relowner, f.proowner)), 'definition_sha256',
                              encode(sha256(convert_to(coalesce(pg_get_viewdef(c.oid), pg_get_functiondef(f.oid)), 'UTF8')), 'hex'))
                   FROM steward.trusted_object t
                   LEFT JOIN pg_class c ON t.classoid = 'pg_class'::regclass AND c.oid = t.objoid
                   LEFT JOIN pg_proc f ON t.classoid = 'pg_proc'::regclass AND f.oid = t.objoid
                   WHERE t.identity = i.spec ->> 'object' LIMIT 1)
               ELSE i.spec END AS spec
        FROM steward.policy_items(steward.policy_document()) i
        UNION ALL
        SELECT 'issuer', quote_ident(s.name), jsonb_strip_nulls(jsonb_build_object('name', s.name, 'issuer', s.issuer, 'audience', s.audience,
                   'secret_sha256', encode(sha256(s.secret), 'hex'), 'secret_uri', s.secret_uri, 'attribute_claims', s.attribute_claims,
                   'roles_claim', s.roles_claim, 'purposes_claim', s.purposes_claim, 'leeway', s.leeway))
               || jsonb_build_object('jwks', s.jwks)
        FROM steward.issuer s
        UNION ALL
        SELECT 'token_requirement', quote_ident(n.names ->> 0), jsonb_build_object('role', n.names -> 0)
        FROM steward.token_requirement t, LATERAL (SELECT steward.role_names(ARRAY[t.role::oid])) n (names) WHERE n.names IS NOT NULL
        UNION ALL
        SELECT 'break_glass', quote_ident(n.names ->> 0), jsonb_build_object('role', n.names -> 0, 'max_duration', g.max_duration)
        FROM steward.break_glass_grant g, LATERAL (SELECT steward.role_names(ARRAY[g.to_role::oid])) n (names) WHERE n.names IS NOT NULL
        UNION ALL
        SELECT 'ddl_allowance', format('%I on %s', n.names ->> 0, steward.qualified_name(a.relation)),
               jsonb_build_object('role', n.names -> 0, 'relation', steward.qualified_name(a.relation), 'valid_until', max(a.valid_until), 'reason', max(a.reason))
        FROM steward.ddl_allowance a, LATERAL (SELECT steward.role_names(ARRAY[a.role::oid])) n (names)
        WHERE a.valid_until > policy_state.at AND n.names IS NOT NULL AND steward.qualified_name(a.relation) IS NOT NULL
        GROUP BY n.names, a.relation
    )
    SELECT coalesce(jsonb_object_agg(k.kind, k.specs), '{}') INTO items
    FROM (SELECT i.kind, jsonb_object_agg(i.name, i.spec) AS specs FROM item i GROUP BY i.kind) k;

    SELECT coalesce(jsonb_object_agg(format('%I on %s', pol.polname, steward.qualified_name(pol.polrelid)), jsonb_build_object(
               'sub_select', coalesce(pol.polqual::text LIKE '%{SUBLINK %' OR pol.polwithcheck::text LIKE '%{SUBLINK %', false),
               'tree', md5(regexp_replace(concat_ws('|', pol.polqual::text, pol.polwithcheck::text), ':location -?\d+', '', 'g')),
               'expression', steward.columns_read(pol.polrelid, pol.polqual::text),
               'check', steward.columns_read(pol.polrelid, pol.polwithcheck::text))), '{}')
    INTO reads
    FROM pg_policy pol
    WHERE pol.polroles = ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier')
      AND EXISTS (SELECT FROM steward.protected_relation p WHERE p.relation = pol.polrelid);
    RETURN jsonb_build_object('items', items, 'reads', reads);
END
$$;
REVOKE ALL ON FUNCTION steward.policy_state(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION steward.policy_state(timestamptz) IS 'internal: all that decides who may see or do what';

-- The columns of a table that an expression looks at; "*" for a whole row.
CREATE FUNCTION steward.columns_read(relation oid, expression text) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN coalesce((
        SELECT jsonb_agg(DISTINCT CASE WHEN v.match[1]::integer = 0 THEN '*' ELSE a.attname::text END)
        FROM regexp_matches(expression, '\{VAR :varno \d+ :varattno (-?\d+) ', 'g') v (match)
        LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = v.match[1]::integer), '[]');
REVOKE ALL ON FUNCTION steward.columns_read(oid, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.columns_read(oid, text) IS 'internal: names of the columns that a stored expression reads';

-- Masks of a column, in the order in which they are asked.
CREATE FUNCTION steward.masks_of(state jsonb, relation text, column_name text) RETURNS TABLE (kind text, name text, by_tag boolean, priority integer)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'mask', m.key, false, (m.value ->> 'priority')::integer
    FROM jsonb_each(state #> '{items,mask}') m
    WHERE m.value ->> 'relation' = masks_of.relation AND (m.value ->> 'column_name' = masks_of.column_name OR masks_of.column_name = '*')
    UNION ALL
    SELECT 'tag_mask', m.key, true, (m.value ->> 'priority')::integer
    FROM jsonb_each(state #> '{items,tag_mask}') m, jsonb_each(state #> '{items,tags}') t
    WHERE t.value ->> 'relation' = masks_of.relation AND (t.value ->> 'column_name' = masks_of.column_name OR masks_of.column_name = '*')
      AND t.value -> 'tags' ? (m.value ->> 'tag')
$$;
REVOKE ALL ON FUNCTION steward.masks_of(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.masks_of(jsonb, text, text) IS 'internal: the masks of a column, also by tag';

-- A mask that comes before another can take the place of a stronger one.
CREATE FUNCTION steward.precedes_a_mask(state jsonb, relation text, column_name text, by_tag boolean, priority integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN EXISTS (SELECT FROM steward.masks_of(state, relation, column_name) m
                   WHERE (m.by_tag, m.priority) > (precedes_a_mask.by_tag, precedes_a_mask.priority));
REVOKE ALL ON FUNCTION steward.precedes_a_mask(jsonb, text, text, boolean, integer) FROM PUBLIC;
COMMENT ON FUNCTION steward.precedes_a_mask(jsonb, text, text, boolean, integer) IS 'internal: does the column have a mask that is asked after one of this priority?';

-- What hides rows by a hidden value tells that value, and a sub-select reads
-- with its author's rights.
CREATE FUNCTION steward.tells_nothing(reads jsonb, columns jsonb, state jsonb, relation text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN NOT coalesce((reads ->> 'sub_select')::boolean, true)
       AND NOT EXISTS (SELECT FROM jsonb_array_elements_text(columns) c WHERE EXISTS (SELECT FROM steward.masks_of(state, relation, c)));
REVOKE ALL ON FUNCTION steward.tells_nothing(jsonb, jsonb, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.tells_nothing(jsonb, jsonb, jsonb, text) IS 'internal: an expression has no sub-select and reads no masked column';

CREATE FUNCTION steward.is_within_set(inner_set jsonb, outer_set jsonb, everything text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    RETURN coalesce(outer_set ? everything, false) OR coalesce(inner_set, '[]') <@ coalesce(outer_set, '[]');
REVOKE ALL ON FUNCTION steward.is_within_set(jsonb, jsonb, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.is_within_set(jsonb, jsonb, text) IS 'internal: is every string of the first in the second, or in the second the one that stands for all?';

CREATE FUNCTION steward.is_within_time(inner_time jsonb, outer_time jsonb) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN coalesce((inner_time ->> 'valid_from')::timestamptz, '-infinity') >= coalesce((outer_time ->> 'valid_from')::timestamptz, '-infinity')
       AND coalesce((inner_time ->> 'valid_until')::timestamptz, 'infinity') <= coalesce((outer_time ->> 'valid_until')::timestamptz, 'infinity');
REVOKE ALL ON FUNCTION steward.is_within_time(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.is_within_time(jsonb, jsonb) IS 'internal: is the validity of the first within that of the second?';

-- Applies the first policy only where the second does?
CREATE FUNCTION steward.is_within_policy(inner_policy jsonb, outer_policy jsonb) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN steward.is_within_set(inner_policy -> 'roles', outer_policy -> 'roles', 'public')
       AND steward.is_within_set(inner_policy -> 'commands', outer_policy -> 'commands', 'all')
       AND (NOT outer_policy ? 'purposes' OR (inner_policy ? 'purposes' AND inner_policy -> 'purposes' <@ (outer_policy -> 'purposes')))
       AND steward.is_within_time(inner_policy, outer_policy);
REVOKE ALL ON FUNCTION steward.is_within_policy(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.is_within_policy(jsonb, jsonb) IS 'internal: do roles, commands, purposes and validity of the first lie within those of the second?';

CREATE FUNCTION steward.row_policy_widens(was jsonb, now jsonb, reads_before jsonb, reads_after jsonb, after jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    same_rows boolean := coalesce(reads_before -> 'tree' = reads_after -> 'tree', false)
        AND was -> 'using_expr' = now -> 'using_expr' AND was -> 'check_expr' IS NOT DISTINCT FROM now -> 'check_expr'
        AND (was -> 'author' IS NOT DISTINCT FROM now -> 'author'
             OR NOT (coalesce((reads_before ->> 'sub_select')::boolean, true) OR coalesce((reads_after ->> 'sub_select')::boolean, true)));
BEGIN
    IF now IS NULL THEN
        RETURN was ->> 'effect' = 'deny';
    ELSIF now ->> 'effect' = 'allow' THEN
        RETURN was IS NULL OR was ->> 'effect' = 'deny' OR NOT (same_rows AND steward.is_within_policy(now, was));
    END IF;
    RETURN NOT (
        ((was IS NULL OR was ->> 'effect' = 'allow')
         AND steward.tells_nothing(reads_after, (reads_after -> 'expression') || (reads_after -> 'check'), after, now ->> 'relation'))
        OR (was ->> 'effect' = 'deny' AND same_rows AND steward.is_within_policy(was, now)));
END
$$;
REVOKE ALL ON FUNCTION steward.row_policy_widens(jsonb, jsonb, jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.row_policy_widens(jsonb, jsonb, jsonb, jsonb, jsonb) IS 'internal: could a change of a row policy show or allow more?';

CREATE FUNCTION steward.mask_widens(was jsonb, now jsonb, reads_before jsonb, reads_after jsonb, before jsonb, after jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF now IS NULL OR steward.precedes_a_mask(after, now ->> 'relation', now ->> 'column_name', false, (now ->> 'priority')::integer) THEN
        RETURN true;
    ELSIF was IS NULL THEN
        -- It shows the column's own value at most, and its condition nothing.
        RETURN NOT (steward.tells_nothing(reads_after, reads_after -> 'check', before, now ->> 'relation')
                    AND reads_after -> 'expression' <@ jsonb_build_array(now ->> 'column_name'));
    END IF;
    RETURN NOT (
        coalesce(reads_before -> 'tree' = reads_after -> 'tree', false)
        AND was - '{unless_roles,unless_purposes,author}'::text[] = now - '{unless_roles,unless_purposes,author}'::text[]
        AND (was -> 'author' IS NOT DISTINCT FROM now -> 'author'
             OR NOT (coalesce((reads_before ->> 'sub_select')::boolean, true) OR coalesce((reads_after ->> 'sub_select')::boolean, true)))
        AND steward.is_within_set(now -> 'unless_roles', was -> 'unless_roles', 'public')
        AND steward.is_within_set(now -> 'unless_purposes', was -> 'unless_purposes', NULL));
END
$$;
REVOKE ALL ON FUNCTION steward.mask_widens(jsonb, jsonb, jsonb, jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.mask_widens(jsonb, jsonb, jsonb, jsonb, jsonb, jsonb) IS 'internal: could a change of a mask show more?';

CREATE FUNCTION steward.tag_mask_widens(was jsonb, now jsonb, after jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF now IS NULL OR EXISTS (
        SELECT FROM jsonb_each(after #> '{items,tags}') t
        WHERE t.value -> 'tags' ? (now ->> 'tag')
          AND steward.precedes_a_mask(after, t.value ->> 'relation', t.value ->> 'column_name', true, (now ->> 'priority')::integer))
    THEN
        RETURN true;
    END IF;
    RETURN was IS NOT NULL
        AND NOT (was - '{unless_roles,unless_purposes}'::text[] = now - '{unless_roles,unless_purposes}'::text[]
                 AND steward.is_within_set(now -> 'unless_roles', was -> 'unless_roles', 'public')
                 AND steward.is_within_set(now -> 'unless_purposes', was -> 'unless_purposes', NULL));
END
$$;
REVOKE ALL ON FUNCTION steward.tag_mask_widens(jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.tag_mask_widens(jsonb, jsonb, jsonb) IS 'internal: could a change of a mask by tag show more?';

CREATE FUNCTION steward.tags_widen(was jsonb, now jsonb, after jsonb) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN NOT coalesce(was -> 'tags', '[]') <@ coalesce(now -> 'tags', '[]')
        OR EXISTS (SELECT FROM jsonb_each(after #> '{items,tag_mask}') m
                   WHERE now -> 'tags' ? (m.value ->> 'tag') AND NOT coalesce(was -> 'tags' ? (m.value ->> 'tag'), false)
                     AND steward.precedes_a_mask(after, now ->> 'relation', now ->> 'column_name', true, (m.value ->> 'priority')::integer));
REVOKE ALL ON FUNCTION steward.tags_widen(jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.tags_widen(jsonb, jsonb, jsonb) IS 'internal: could a change of the tags of a column show more?';

-- What is not known to narrow, widens.
CREATE FUNCTION steward.item_widens(kind text, name text, was jsonb, now jsonb, before jsonb, after jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    carrier text := CASE kind WHEN 'row_policy' THEN name
        WHEN 'mask' THEN format('%I on %s', 'mask.' || (coalesce(was, now) ->> 'name'), coalesce(was, now) ->> 'relation') END;
    reads_before jsonb := before -> 'reads' -> carrier;
    reads_after jsonb := after -> 'reads' -> carrier;
BEGIN
    RETURN coalesce(CASE kind
        -- without a grant a purpose is of no use, and its grants go with it
        WHEN 'purpose' THEN false
        WHEN 'grant' THEN now IS NOT NULL AND (was IS NULL OR NOT steward.is_within_time(now, was))
        WHEN 'trust' THEN now IS NOT NULL AND (was IS NULL OR was - 'in_policies' <> now - 'in_policies' OR now -> 'in_policies' = 'true')
        WHEN 'relation' THEN now IS NULL OR (was IS NOT NULL AND (
            (was ->> 'mode' = 'enforce' AND now ->> 'mode' <> 'enforce')
            OR array_position('{off,async,sync}', was ->> 'audit') > array_position('{off,async,sync}', now ->> 'audit')
            OR (was ? 'entity_column' AND was -> 'entity_column' IS DISTINCT FROM now -> 'entity_column')))
        WHEN 'tags' THEN steward.tags_widen(was, now, after)
        WHEN 'tag_mask' THEN steward.tag_mask_widens(was, now, after)
        WHEN 'row_policy' THEN steward.row_policy_widens(was, now, reads_before, reads_after, after)
        WHEN 'mask' THEN steward.mask_widens(was, now, reads_before, reads_after, before, after)
        -- a test is what others rely on
        WHEN 'test' THEN was IS NOT NULL
        WHEN 'issuer' THEN now IS NOT NULL AND (was IS NULL OR was - 'jwks' <> now - 'jwks'
            OR EXISTS (SELECT FROM jsonb_array_elements(now -> 'jwks' -> 'keys') k
                       WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(was -> 'jwks' -> 'keys') o WHERE o = k)))
        WHEN 'token_requirement' THEN now IS NULL
        WHEN 'break_glass' THEN now IS NOT NULL AND (was IS NULL OR (now ->> 'max_duration')::interval > (was ->> 'max_duration')::interval)
        WHEN 'ddl_allowance' THEN now IS NOT NULL AND (was IS NULL OR NOT steward.is_within_time(now, was))
        END, true);
END
$$;
REVOKE ALL ON FUNCTION steward.item_widens(text, text, jsonb, jsonb, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.item_widens(text, text, jsonb, jsonb, jsonb, jsonb) IS 'internal: could a change of one item let somebody see or do more? True where it is not known';

CREATE FUNCTION steward.state_changes(before jsonb, after jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN coalesce((
        SELECT jsonb_agg(jsonb_build_object('action', CASE WHEN n.spec IS NULL THEN 'drop' WHEN w.spec IS NULL THEN 'create' ELSE 'change' END,
                             'kind', kind, 'name', name, 'before', w.spec, 'after', n.spec,
                             'widens', steward.item_widens(kind, name, w.spec, n.spec, before, after)) ORDER BY kind, name COLLATE "C")
        FROM (SELECT k.key AS kind, i.key AS name, i.value AS spec FROM jsonb_each(before -> 'items') k, jsonb_each(k.value) i) w
        FULL JOIN (SELECT k.key AS kind, i.key AS name, i.value AS spec FROM jsonb_each(after -> 'items') k, jsonb_each(k.value) i) n USING (kind, name)
        WHERE w.spec IS DISTINCT FROM n.spec), '[]');
REVOKE ALL ON FUNCTION steward.state_changes(jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.state_changes(jsonb, jsonb) IS 'internal: what differs between two policy_state(), and whether it widens';

CREATE FUNCTION steward.lock_policies() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- An older snapshot would compare with what is no longer so.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'policies cannot be changed in a transaction of isolation level %', current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported', DETAIL = 'The setting steward.require_second_person, and approve_policies(), compare the policies of this moment.',
                  HINT = 'Use a transaction of isolation level read committed.';
    END IF;
    LOCK TABLE steward.protected_relation, steward.purpose, steward.purpose_grant, steward.role_attribute, steward.row_policy,
        steward.column_mask, steward.tag_mask, steward.policy_test, steward.issuer, steward.token_requirement, steward.break_glass_grant,
        steward.ddl_allowance, steward.change_request, steward.change_decision IN SHARE ROW EXCLUSIVE MODE;
END
$$;
REVOKE ALL ON FUNCTION steward.lock_policies() FROM PUBLIC;
COMMENT ON FUNCTION steward.lock_policies() IS 'internal: until the transaction ends nobody else changes policies, nor asks for or decides about changes';

-- ---------------------------------------------------------------------
-- Asking
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.call_change(function text, a jsonb, secret bytea) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE function
    WHEN 'protect' THEN
        PERFORM steward.protect((a ->> 'relation')::regclass, a ->> 'mode', a ->> 'audit', (a ->> 'entity_column')::name);
    WHEN 'unprotect' THEN
        PERFORM steward.unprotect((a ->> 'relation')::regclass, a ->> 'reason');
    WHEN 'grant_purpose' THEN
        PERFORM steward.grant_purpose(a ->> 'purpose', a ->> 'to_role', (a ->> 'valid_from')::timestamptz, (a ->> 'valid_until')::timestamptz);
    WHEN 'set_attribute' THEN
        PERFORM steward.set_attribute(a ->> 'role', a ->> 'key', steward.texts(a -> 'value'));
    WHEN 'create_row_policy' THEN
        PERFORM steward.create_row_policy(a ->> 'name', (a ->> 'relation')::regclass, a ->> 'using_expr', steward.texts(a -> 'roles'),
            steward.texts(a -> 'purposes'), steward.texts(a -> 'commands'), a ->> 'check_expr', a ->> 'effect',
            (a ->> 'valid_from')::timestamptz, (a ->> 'valid_until')::timestamptz, (a ->> 'replace')::boolean);
    WHEN 'drop_row_policy' THEN
        PERFORM steward.drop_row_policy(a ->> 'name', (a ->> 'relation')::regclass);
    WHEN 'create_mask' THEN
        PERFORM steward.create_mask(a ->> 'name', (a ->> 'relation')::regclass, (a ->> 'column_name')::name, a ->> 'mask_expr',
            steward.texts(a -> 'unless_roles'), steward.texts(a -> 'unless_purposes'), a ->> 'when_expr',
            (a ->> 'priority')::integer, (a ->> 'replace')::boolean);
    WHEN 'drop_mask' THEN
        PERFORM steward.drop_mask(a ->> 'name', (a ->> 'relation')::regclass);
    WHEN 'create_tag_mask' THEN
        PERFORM steward.create_tag_mask(a ->> 'name', a ->> 'tag', a ->> 'mask_expr', steward.texts(a -> 'unless_roles'),
            steward.texts(a -> 'unless_purposes'), (a ->> 'priority')::integer, (a ->> 'replace')::boolean);
    WHEN 'drop_tag_mask' THEN
        PERFORM steward.drop_tag_mask(a ->> 'name');
    WHEN 'set_tags' THEN
        PERFORM steward.set_tags((a ->> 'relation')::regclass, (a ->> 'column_name')::name, steward.texts(a -> 'tags'));
    WHEN 'create_issuer' THEN
        PERFORM steward.create_issuer(a ->> 'name', a ->> 'issuer', a ->> 'audience', nullif(a -> 'jwks', 'null'), secret, a ->> 'secret_uri',
            steward.texts(a -> 'attribute_claims'), a ->> 'roles_claim', a ->> 'purposes_claim', (a ->> 'leeway')::interval);
    WHEN 'set_issuer_keys' THEN
        PERFORM steward.set_issuer_keys(a ->> 'name', nullif(a -> 'jwks', 'null'));
    WHEN 'require_token' THEN
        PERFORM steward.require_token(a ->> 'role', (a ->> 'required')::boolean);
    WHEN 'grant_break_glass' THEN
        PERFORM steward.grant_break_glass(a ->> 'to_role', (a ->> 'max_duration')::interval);
    WHEN 'allow_ddl' THEN
        PERFORM steward.allow_ddl((a ->> 'relation')::regclass, a ->> 'role', (a ->> 'valid_until')::timestamptz, a ->> 'reason');
    WHEN 'trust' THEN
        PERFORM steward.trust(a ->> 'object', a ->> 'reason');
    WHEN 'apply_policies' THEN
        PERFORM pg_catalog.count(*) FROM steward.apply_policies(a -> 'document', (a ->> 'test')::boolean);
    END CASE;
END
$$;
REVOKE ALL ON FUNCTION steward.call_change(text, jsonb, bytea) FROM PUBLIC;
COMMENT ON FUNCTION steward.call_change(text, jsonb, bytea) IS 'internal: calls a function that changes policies, with its arguments as jsonb';

CREATE FUNCTION steward.record_request(function text, arguments jsonb, secret bytea, plan jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person record;
    requester jsonb;
    names text[];
    change jsonb;
    asked_at timestamptz := clock_timestamp();
    until timestamptz;
    request bigint;
    hash bytea;
BEGIN
    PERFORM steward.require_own_statement(function);
    SELECT * INTO person FROM steward.current_person();
    requester := steward.person_document();

    -- What waits already is not asked for twice.
    SELECT r.change_sha256, r.valid_until INTO hash, until
    FROM steward.change_request r
    WHERE r.change ->> 'function' = record_request.function AND r.change -> 'arguments' = record_request.arguments
      AND r.change -> 'plan' = record_request.plan AND r.change -> 'requester' = requester
      AND r.valid_until > asked_at AND NOT EXISTS (SELECT FROM steward.change_decision d WHERE d.request = r.id)
    LIMIT 1;
    IF NOT FOUND THEN
        IF (SELECT count(*) FROM steward.pending_change) >= 1000 THEN
            RAISE EXCEPTION '1000 policy changes wait for a second person already'
                USING ERRCODE = 'program_limit_exceeded', HINT = 'Approve or withdraw some of those in steward.pending_change.';
        END IF;
        until := asked_at + make_interval(secs => (SELECT s.setting::integer FROM pg_settings s WHERE s.name = 'steward.second_person_window'));
        names := ARRAY(SELECT DISTINCT r.name FROM (
                SELECT coalesce(nullif(p -> 'after', 'null'), p -> 'before') ->> 'relation' FROM jsonb_array_elements(plan) p) r (name)
            WHERE r.name IS NOT NULL ORDER BY r.name);
        change := jsonb_build_object('function', function, 'arguments', arguments, 'plan', plan, 'relations', to_jsonb(names), 'requester', requester,
            'settings', jsonb_build_object('timezone', current_setting('timezone'), 'datestyle', current_setting('datestyle'),
                                           'intervalstyle', current_setting('intervalstyle')),
            'requested_at', to_char(asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'valid_until', to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
        hash := sha256(convert_to(change::text, 'UTF8'));
        INSERT INTO steward.change_request (change_sha256, change, secret, relations, requested_at, valid_until)
        VALUES (hash, change, record_request.secret, ARRAY(SELECT to_regclass(n) FROM unnest(names) WITH ORDINALITY u (n, i) ORDER BY u.i), asked_at, until)
        RETURNING id INTO request;
        INSERT INTO steward.change_requester (request, role, login_role, session_role)
        VALUES (request, person.role::regrole, quote_ident(person.login_role)::regrole, quote_ident(person.session_role)::regrole);
    END IF;
    RAISE WARNING '%() waits for a second person: nothing has changed yet', function
        USING DETAIL = format('It could let somebody see or do more. The change is %s; it can be approved until %s.', encode(hash, 'hex'), until),
              HINT = format('Another administrator or officer approves it: SELECT steward.approve_policies(''\x%s'', ''reason''). The view steward.pending_change shows it.', encode(hash, 'hex'));
END
$$;
REVOKE ALL ON FUNCTION steward.record_request(text, jsonb, bytea, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.record_request(text, jsonb, bytea, jsonb) IS 'internal: records a change that waits for a second person, and says so';

CREATE FUNCTION steward.second_person(function text, arguments jsonb, secret bytea DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at constant timestamptz := clock_timestamp();
    before jsonb;
    plan jsonb;
BEGIN
    IF NOT steward.second_person_is_asked() THEN
        RETURN NULL;
    END IF;
    PERFORM steward.lock_policies();
    before := steward.policy_state(at);
    BEGIN
        PERFORM steward.run_change(function, arguments, secret, NULL, NULL);
        plan := steward.state_changes(before, steward.policy_state(at));
        IF plan @> '[{"widens": true}]' THEN
            RAISE EXCEPTION 'the change widens' USING ERRCODE = 'STW02';
        END IF;
        RETURN 'done';
    EXCEPTION
        WHEN SQLSTATE 'STW02' THEN
            IF plan IS NULL THEN
                RAISE;
            END IF;
    END;
    PERFORM steward.record_request(function, arguments, secret, plan);
    RETURN 'pending';
END
$$;
REVOKE ALL ON FUNCTION steward.second_person(text, jsonb, bytea) FROM PUBLIC;
COMMENT ON FUNCTION steward.second_person(text, jsonb, bytea) IS
    'internal: with steward.require_second_person, tries a change; where nothing of it widens it is made (done), else taken back and recorded (pending). NULL: nobody needs be asked, the caller goes on';

-- ---------------------------------------------------------------------
-- Approving, rejecting, withdrawing
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.find_change(change_sha256 bytea, reason text) RETURNS steward.change_request
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_request steward.change_request;
    decided steward.change_decision;
BEGIN
    IF change_sha256 IS NULL THEN
        RAISE EXCEPTION 'parameter "change_sha256" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM steward.require_value('reason', reason);
    PERFORM steward.check_text('reason', reason, 10000);
    PERFORM steward.lock_policies();
    SELECT r.* INTO found_request FROM steward.change_request r WHERE r.change_sha256 = find_change.change_sha256;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no policy change has the hash %', encode(change_sha256, 'hex')
            USING ERRCODE = 'undefined_object', HINT = 'The view steward.pending_change shows those that wait.';
    END IF;
    SELECT d.* INTO decided FROM steward.change_decision d WHERE d.request = found_request.id;
    IF FOUND THEN
        RAISE EXCEPTION 'this policy change was % already', decided.decision
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('By %s, on %s.', decided.subject, decided.decided_at);
    END IF;
    IF found_request.valid_until <= clock_timestamp() THEN
        RAISE EXCEPTION 'this policy change could be approved until %', found_request.valid_until
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Who wants it asks for it anew.';
    END IF;
    RETURN found_request;
END
$$;
REVOKE ALL ON FUNCTION steward.find_change(bytea, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.find_change(bytea, text) IS 'internal: the change of this hash that waits, locked; raises where there is none';

CREATE FUNCTION steward.decide_change(request steward.change_request, decision text, reason text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who text;
BEGIN
    INSERT INTO steward.change_decision (request, decision, reason, login_role, session_role, subject, token_issuer)
    SELECT request.id, decide_change.decision, decide_change.reason, p.login_role, p.session_role, p.subject, p.token_issuer
    FROM steward.current_person() p
    RETURNING subject INTO who;
    RAISE LOG 'pg_steward: % % policy change %: %', who, decision, encode(request.change_sha256, 'hex'), reason;
END
$$;
REVOKE ALL ON FUNCTION steward.decide_change(steward.change_request, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.decide_change(steward.change_request, text, text) IS 'internal: records what became of a change';

-- Who asked may have got another name since.
CREATE FUNCTION steward.asked_by(request steward.change_request, person jsonb) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN steward.same_person(request.change -> 'requester', person)
        OR EXISTS (SELECT FROM steward.change_requester q
                   JOIN pg_roles l ON l.oid = q.login_role
                   JOIN pg_roles s ON s.oid = q.session_role
                   WHERE q.request = request.id
                     AND steward.same_person(request.change -> 'requester' || jsonb_build_object('login_role', l.rolname, 'session_role', s.rolname), person));
REVOKE ALL ON FUNCTION steward.asked_by(steward.change_request, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.asked_by(steward.change_request, jsonb) IS 'internal: could it be the person who asked for the change?';

CREATE FUNCTION steward.person_document() RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    RETURN (SELECT jsonb_strip_nulls(jsonb_build_object('login_role', p.login_role, 'session_role', p.session_role,
                'role', (SELECT r.rolname FROM pg_roles r WHERE r.oid = p.role), 'subject', p.subject,
                'token_subject', p.token_subject, 'token_issuer', p.token_issuer))
            FROM steward.current_person() p);
REVOKE ALL ON FUNCTION steward.person_document() FROM PUBLIC;
COMMENT ON FUNCTION steward.person_document() IS 'internal: current_person() as jsonb';

CREATE FUNCTION steward.approve_policies(change_sha256 bytea, reason text) RETURNS TABLE (action text, kind text, name text, before jsonb, after jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' AS $$
DECLARE
    request steward.change_request;
    author oid;
    stack text;
    setting record;
    at timestamptz;
    was jsonb;
    plan jsonb;
    problem text;
    hint text;
    detail text;
BEGIN
    PERFORM steward.require_role('steward_officer', 'steward_admin');
    PERFORM steward.require_own_statement('approve_policies');
    GET DIAGNOSTICS stack = PG_CONTEXT;
    IF stack ~ '\n' OR steward.second_person_within() THEN
        RAISE EXCEPTION 'steward.approve_policies() was not called by the statement that the client sent'
            USING ERRCODE = 'insufficient_privilege', DETAIL = 'A function or a DO block called it.',
                  HINT = 'Write the call into the statement itself.';
    END IF;
    request := steward.find_change(change_sha256, reason);
    IF steward.asked_by(request, steward.person_document()) THEN
        RAISE EXCEPTION 'who asked for a policy change cannot approve it'
            USING ERRCODE = 'insufficient_privilege', DETAIL = 'SET ROLE, another session or another token of the same subject make no second person.',
                  HINT = 'Another administrator or officer approves it; steward.withdraw_change() takes it back.';
    END IF;
    SELECT q.role INTO author FROM steward.change_requester q JOIN pg_roles r ON r.oid = q.role
    JOIN pg_roles l ON l.oid = q.login_role JOIN pg_roles s ON s.oid = q.session_role WHERE q.request = request.id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the role that asked for this policy change was dropped'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Withdraw it, and have somebody ask for it anew.';
    END IF;
    IF request.change_sha256 <> sha256(convert_to(request.change::text, 'UTF8'))
       OR request.change -> 'arguments' ->> 'secret_sha256' IS DISTINCT FROM encode(sha256(request.secret), 'hex') THEN
        RAISE EXCEPTION 'the record of this policy change does not match its hash' USING ERRCODE = 'data_corrupted';
    END IF;
    IF EXISTS (SELECT FROM jsonb_array_elements_text(request.change -> 'relations') WITH ORDINALITY n (name, i)
               WHERE steward.qualified_name(request.relations[n.i]) IS DISTINCT FROM n.name) THEN
        RAISE EXCEPTION 'a table of this policy change was dropped or renamed since it was asked for'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Withdraw it, and have somebody ask for it anew.';
    END IF;

    PERFORM steward.decide_change(request, 'approved', reason);
    at := clock_timestamp();
    was := steward.policy_state(at);
    BEGIN
        -- expressions and moments are read as they were written
        FOR setting IN SELECT * FROM jsonb_each_text(request.change -> 'settings') LOOP
            PERFORM set_config(setting.key, setting.value, true);
        END LOOP;
        PERFORM steward.run_change(request.change ->> 'function', request.change -> 'arguments', request.secret, author,
                                   request.change -> 'requester' ->> 'subject');
    EXCEPTION
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
            PERFORM steward.document_error('the policy change cannot be made any more', problem,
                coalesce(nullif(hint, ''), 'Withdraw it, and have somebody ask for it anew.'), sqlstate, detail);
    END;
    plan := steward.state_changes(was, steward.policy_state(at));
    IF plan IS DISTINCT FROM request.change -> 'plan' THEN
        RAISE EXCEPTION 'the policies have changed since this change was asked for, nothing was changed'
            USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It would do something else now than what was asked for.',
                  HINT = 'Withdraw it, and have somebody ask for it anew.';
    END IF;
    RETURN QUERY
        SELECT e ->> 'action', e ->> 'kind', e ->> 'name', nullif(e -> 'before', 'null'), nullif(e -> 'after', 'null')
        FROM jsonb_array_elements(plan) WITH ORDINALITY l (e, i) ORDER BY i;
END
$$;
REVOKE ALL ON FUNCTION steward.approve_policies(bytea, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.approve_policies(bytea, text) TO steward_admin, steward_officer;
COMMENT ON FUNCTION steward.approve_policies(bytea, text) IS
    'approves a policy change that waits (view pending_change) and carries it out in the name and with the rights of who asked for it; returns what was done. For steward_admin and steward_officer, and never for who asked: by the subjects of tokens where both sessions have one, else by the roles that logged in and those of the sessions. Called directly by the statement of the client. Raises insufficient_privilege; undefined_object for an unknown hash; object_not_in_prerequisite_state where the change was decided or has expired, where its table or who asked is gone, or where it would do something else by now';

CREATE FUNCTION steward.withdraw_change(change_sha256 bytea, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    request steward.change_request;
BEGIN
    PERFORM steward.require_role('steward_admin', 'steward_officer');
    request := steward.find_change(change_sha256, reason);
    PERFORM steward.decide_change(request, CASE WHEN steward.asked_by(request, steward.person_document()) THEN 'withdrawn' ELSE 'rejected' END, reason);
END
$$;
REVOKE ALL ON FUNCTION steward.withdraw_change(bytea, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.withdraw_change(bytea, text) TO steward_admin, steward_officer;
COMMENT ON FUNCTION steward.withdraw_change(bytea, text) IS
    'ends a policy change that waits: withdrawn by who asked for it, rejected by any other administrator or officer. Raises undefined_object, object_not_in_prerequisite_state';

-- ---------------------------------------------------------------------
-- doctor()
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.second_person_findings() RETURNS TABLE (severity text, object text, finding text, remedy text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    persons text[];
BEGIN
    IF current_setting('steward.require_second_person')::boolean THEN
        persons := ARRAY(SELECT quote_ident(r.rolname) FROM pg_roles r
                         WHERE r.rolcanlogin AND NOT r.rolsuper
                           AND (pg_has_role(r.oid, 'steward_admin', 'usage') OR pg_has_role(r.oid, 'steward_officer', 'usage'))
                         ORDER BY r.rolname);
        IF cardinality(persons) < 2 THEN
            RETURN QUERY SELECT 'warning', 'setting steward.require_second_person',
                format('policy changes that widen wait for a second person, and, superusers aside, %s: %s',
                       CASE cardinality(persons) WHEN 0 THEN 'no role that can log in may approve them' ELSE 'only one role that can log in may approve them' END,
                       coalesce(nullif(array_to_string(persons, ', '), ''), 'none')),
                'GRANT steward_officer to the role of another person';
        END IF;
    END IF;
    RETURN QUERY
        SELECT 'info', format('policy change %s', encode(p.change_sha256, 'hex')),
               format('it waits for a second person until %s: %s(), asked for by %s', p.valid_until, p.function, p.requested_by),
               format('SELECT steward.approve_policies(%L, ''reason''), or steward.withdraw_change()', p.change_sha256::text)
        FROM steward.pending_change p ORDER BY p.requested_at;
END
$$;
REVOKE ALL ON FUNCTION steward.second_person_findings() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.second_person_findings() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.second_person_findings() IS 'what doctor() finds about second persons';
