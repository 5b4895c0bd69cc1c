-- The history of who may see what: every version of policies, masks, tags,
-- purposes, grants, attributes and trust, with the time it was in force.
--
-- What was is written at the end of the transaction that changed it (history.c),
-- as events that are only ever added: from this moment on an object is so, or
-- is gone.  Tables and roles have numbers of their own, for OIDs differ after a
-- restore, and what was dropped has none.  The names of these tables sort before
-- those of the tables whose history they keep: so a restore brings them first.

CREATE TABLE steward.access_history_event (
    kind       text COLLATE "C" NOT NULL,
    object     text[] COLLATE "C" NOT NULL,
    at         timestamptz NOT NULL,
    content    jsonb,
    beside     jsonb,
    changed_by text NOT NULL,
    PRIMARY KEY (kind, object, at)
);
COMMENT ON TABLE steward.access_history_event IS 'what came into force, and when; append-only for everybody; view access_history shows it';
COMMENT ON COLUMN steward.access_history_event.kind IS 'the table or catalog that holds the object';
COMMENT ON COLUMN steward.access_history_event.object IS 'what names the object within its kind; tables and roles by their numbers in access_history_relation and access_history_role';
COMMENT ON COLUMN steward.access_history_event.at IS 'from this moment on: read from the clock when the transaction committed';
COMMENT ON COLUMN steward.access_history_event.content IS 'the object; NULL: it is gone';
COMMENT ON COLUMN steward.access_history_event.beside IS 'expressions as they were written, before PostgreSQL parsed them; NULL: not known';
COMMENT ON COLUMN steward.access_history_event.changed_by IS 'subject that changed it';

CREATE TABLE steward.access_history_relation (
    id       uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    relation regclass NOT NULL UNIQUE
);
COMMENT ON TABLE steward.access_history_relation IS 'tables of which the history speaks';
COMMENT ON COLUMN steward.access_history_relation.id IS 'number of the table in the history';
COMMENT ON COLUMN steward.access_history_relation.relation IS 'the table; those that were dropped are not dumped';

CREATE TABLE steward.access_history_role (
    id   uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    role regrole NOT NULL UNIQUE
);
COMMENT ON TABLE steward.access_history_role IS 'roles of which the history speaks';
COMMENT ON COLUMN steward.access_history_role.id IS 'number of the role in the history';
COMMENT ON COLUMN steward.access_history_role.role IS 'the role; those that were dropped are not dumped';

SELECT pg_catalog.pg_extension_config_dump('steward.access_history_event', '');
SELECT pg_catalog.pg_extension_config_dump('steward.access_history_relation',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = relation)');
SELECT pg_catalog.pg_extension_config_dump('steward.access_history_role',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');

GRANT SELECT ON steward.access_history_event, steward.access_history_relation, steward.access_history_role
    TO steward_admin, steward_officer, steward_auditor;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{access_history_event,access_history_relation,access_history_role}'::text[]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON steward.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change(''What was in force cannot be undone.'')', t);
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON steward.%I
                 FOR EACH ROW EXECUTE FUNCTION steward.refuse_change(''What was in force cannot be undone.'')', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_change', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER refuse_row_change', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_change ON steward.%I IS ''the history is append-only for everybody''', t);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER refuse_row_change ON steward.%I IS ''the history is append-only for logical replication too, which fires no statement triggers''', t);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------
-- What is in force now, as the history writes it
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.history_number(role oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 = 0 THEN 'public' ELSE (SELECT r.id::text FROM steward.access_history_role r WHERE r.role = $1) END
$$;
REVOKE ALL ON FUNCTION steward.history_number(oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.history_number(oid) IS 'internal: the number of a role in the history, or public';

CREATE FUNCTION steward.history_expression(policy oid, of_check boolean) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'steward_history_expression';
REVOKE ALL ON FUNCTION steward.history_expression(oid, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.history_expression(oid, boolean) IS
    'internal: the using or check expression of a policy of PostgreSQL; NULL: it has none, or the policy has gone while the transaction could still see it';

CREATE FUNCTION steward.history_state(kinds text[], policy_relations oid[], policy_names text[]) RETURNS TABLE (kind text, object text[], content jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    carrier oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier');
BEGIN
    RETURN QUERY
        SELECT 'relation', ARRAY[r.id::text], jsonb_build_object('name', format('%I.%I', n.nspname, c.relname))
        FROM steward.access_history_relation r JOIN pg_class c ON c.oid = r.relation JOIN pg_namespace n ON n.oid = c.relnamespace
        UNION ALL
        SELECT 'role', ARRAY[r.id::text], jsonb_build_object('name', o.rolname)
        FROM steward.access_history_role r JOIN pg_roles o ON o.oid = r.role;
    RETURN QUERY
        SELECT 'row_policy', ARRAY[r.id::text, p.name::text],
               to_jsonb(p) - '{relation,name}'::text[]
               || jsonb_build_object(
                   'roles', ARRAY(SELECT steward.history_number(o.role) FROM steward.row_policy_role o
                                  WHERE o.relation = p.relation AND o.policy = p.name ORDER BY 1),
                   'author', (SELECT steward.history_number(a.role) FROM steward.row_policy_author a
                              WHERE a.relation = p.relation AND a.policy = p.name),
                   'using', steward.history_expression(pol.oid, false), 'check', steward.history_expression(pol.oid, true))
        FROM steward.row_policy p
        JOIN steward.access_history_relation r ON r.relation = p.relation
        LEFT JOIN pg_policy pol ON pol.polrelid = p.relation AND pol.polname = p.name AND pol.polroles = ARRAY[carrier]
        WHERE 'row_policy' = ANY (kinds)
           OR (p.relation::oid, p.name::text) IN (SELECT * FROM unnest(policy_relations, policy_names));
    RETURN QUERY
        SELECT 'column_mask', ARRAY[r.id::text, m.name::text],
               to_jsonb(m) - '{relation,name,attnum}'::text[]
               || jsonb_build_object(
                   'column', a.attname,
                   'roles', ARRAY(SELECT steward.history_number(o.role) FROM steward.column_mask_role o
                                  WHERE o.relation = m.relation AND o.mask = m.name ORDER BY 1),
                   'author', (SELECT steward.history_number(o.role) FROM steward.column_mask_author o
                              WHERE o.relation = m.relation AND o.mask = m.name),
                   'using', steward.history_expression(pol.oid, false), 'check', steward.history_expression(pol.oid, true))
        FROM steward.column_mask m
        JOIN steward.access_history_relation r ON r.relation = m.relation
        LEFT JOIN pg_policy pol ON pol.polrelid = m.relation AND pol.polname::text = 'mask.' || m.name AND pol.polroles = ARRAY[carrier]
        -- A restore numbers columns anew: what counts is the column in ROW(mask, column).
        LEFT JOIN LATERAL (
            SELECT v.match[1]::int FROM regexp_matches(pol.polqual::text, '\{VAR :varno 1 :varattno (\d+) ', 'g') WITH ORDINALITY AS v (match, n)
            ORDER BY v.n DESC LIMIT 1) c (attnum) ON true
        LEFT JOIN pg_attribute a ON a.attrelid = m.relation AND a.attnum = coalesce(c.attnum, m.attnum) AND NOT a.attisdropped
        WHERE 'column_mask' = ANY (kinds)
           OR (m.relation::oid, 'mask.' || m.name) IN (SELECT * FROM unnest(policy_relations, policy_names));
    RETURN QUERY
        SELECT 'native_policy', ARRAY[r.id::text, pol.polname::text],
               jsonb_build_object(
                   'command', pol.polcmd, 'permissive', pol.polpermissive,
                   'roles', ARRAY(SELECT steward.history_number(o.role) FROM unnest(pol.polroles) o (role) ORDER BY 1),
                   'using', steward.history_expression(pol.oid, false), 'check', steward.history_expression(pol.oid, true))
        FROM pg_policy pol
        JOIN steward.protected_relation p ON p.relation = pol.polrelid
        JOIN steward.access_history_relation r ON r.relation = pol.polrelid
        WHERE pol.polroles <> ARRAY[carrier] AND pol.polname <> 'steward.net'
          AND ('native_policy' = ANY (kinds)
               OR (pol.polrelid, pol.polname::text) IN (SELECT * FROM unnest(policy_relations, policy_names)));

    IF 'protected_relation' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'protected_relation', ARRAY[r.id::text], to_jsonb(p) - 'relation'
            FROM steward.protected_relation p JOIN steward.access_history_relation r ON r.relation = p.relation;
    END IF;
    IF 'column_tag' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'column_tag', ARRAY[r.id::text, a.attname::text], jsonb_build_object('label', l.label)
            FROM steward.protected_relation p
            JOIN steward.access_history_relation r ON r.relation = p.relation
            JOIN pg_seclabel l ON l.objoid = p.relation AND l.classoid = 'pg_class'::regclass AND l.provider = 'steward' AND l.objsubid > 0
            JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND NOT a.attisdropped;
    END IF;
    IF 'tag_mask' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'tag_mask', ARRAY[m.name::text],
                   to_jsonb(m) - 'name'
                   || jsonb_build_object('roles', ARRAY(SELECT steward.history_number(o.role) FROM steward.tag_mask_role o WHERE o.mask = m.name ORDER BY 1))
            FROM steward.tag_mask m;
    END IF;
    IF 'purpose' = ANY (kinds) THEN
        RETURN QUERY SELECT 'purpose', ARRAY[p.name::text], to_jsonb(p) - 'name' FROM steward.purpose p;
    END IF;
    IF 'purpose_grant' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'purpose_grant', ARRAY[g.purpose::text, steward.history_number(g.to_role)], to_jsonb(g) - '{purpose,to_role}'::text[]
            FROM steward.purpose_grant g;
    END IF;
    IF 'role_attribute' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'role_attribute', ARRAY[steward.history_number(a.role), a.key::text], to_jsonb(a) - '{role,key}'::text[]
            FROM steward.role_attribute a;
    END IF;
    IF 'break_glass_grant' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'break_glass_grant', ARRAY[steward.history_number(g.to_role)], to_jsonb(g) - 'to_role'
            FROM steward.break_glass_grant g;
    END IF;
    IF 'trusted_object' = ANY (kinds) THEN
        RETURN QUERY
            SELECT 'trusted_object', ARRAY[t.type, t.identity], jsonb_build_object('label', t.label)
            FROM steward.trusted_object t WHERE t.identity IS NOT NULL;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.history_state(text[], oid[], text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.history_state(text[], oid[], text[]) IS
    'internal: what is in force now, as the history writes it: all objects of these kinds, and these policies of PostgreSQL with what they carry';

-- ---------------------------------------------------------------------
-- Keeping
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.keep_history(kinds text[], policy_relations oid[], policy_names text[], columns jsonb, written jsonb, at timestamptz, changed_by text, restored_since timestamptz) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
    SET quote_all_identifiers = off SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
BEGIN
    INSERT INTO steward.access_history_relation (relation)
    SELECT p.relation FROM steward.protected_relation p
    WHERE NOT EXISTS (SELECT FROM steward.access_history_relation r WHERE r.relation = p.relation)
    ORDER BY 1
    ON CONFLICT DO NOTHING;
    INSERT INTO steward.access_history_role (role)
    SELECT DISTINCT o.role::regrole FROM (
        SELECT r.role::oid FROM steward.row_policy_role r
        UNION ALL SELECT r.role FROM steward.row_policy_author r
        UNION ALL SELECT r.role FROM steward.column_mask_role r
        UNION ALL SELECT r.role FROM steward.column_mask_author r
        UNION ALL SELECT r.role FROM steward.tag_mask_role r
        UNION ALL SELECT r.role FROM steward.role_attribute r
        UNION ALL SELECT g.to_role FROM steward.purpose_grant g
        UNION ALL SELECT g.to_role FROM steward.break_glass_grant g
        UNION ALL SELECT unnest(pol.polroles) FROM pg_policy pol JOIN steward.protected_relation p ON p.relation = pol.polrelid
        WHERE pol.polroles <> ARRAY(SELECT c.oid FROM pg_roles c WHERE c.rolname = 'steward_carrier')) o
    WHERE o.role <> 0 AND NOT EXISTS (SELECT FROM steward.access_history_role h WHERE h.role = o.role)
    ORDER BY 1
    ON CONFLICT DO NOTHING;

    INSERT INTO steward.access_history_event (kind, object, at, content, changed_by)
    SELECT 'column', ARRAY[r.id::text, c.ordinality::text], keep_history.at, jsonb_build_object('old', c.item -> 'old', 'new', c.item -> 'new'), keep_history.changed_by
    FROM jsonb_array_elements(columns) WITH ORDINALITY c (item, ordinality)
    JOIN steward.access_history_relation r ON r.relation = (c.item ->> 'relation')::oid;

    -- A policy that has lost its carrier keeps the expressions that it had: a
    -- restore brings the carriers last.
    INSERT INTO steward.access_history_event AS e (kind, object, at, content, beside, changed_by)
    SELECT c.kind, c.object, GREATEST(keep_history.at, c.since + interval '1 microsecond'), c.content,
           (SELECT w.item - '{relation,name}'::text[] FROM jsonb_array_elements(written) w (item)
            JOIN steward.access_history_relation r ON r.relation = (w.item ->> 'relation')::oid
            WHERE c.content IS NOT NULL AND c.object[1] = r.id::text
              AND w.item ->> 'name' = CASE c.kind WHEN 'row_policy' THEN c.object[2] WHEN 'column_mask' THEN 'mask.' || c.object[2] END
            LIMIT 1),
           keep_history.changed_by
    FROM (
        SELECT coalesce(s.kind, l.kind) AS kind, coalesce(s.object, l.object) AS object, l.at AS since, l.content AS before,
               CASE WHEN s.kind IN ('row_policy', 'column_mask') AND s.content ->> 'using' IS NULL AND l.content ->> 'using' IS NOT NULL
                    THEN s.content || jsonb_build_object('using', l.content -> 'using', 'check', l.content -> 'check')
                         || CASE WHEN s.kind = 'column_mask' THEN jsonb_build_object('column', l.content -> 'column') ELSE '{}' END
                    ELSE s.content END AS content
        FROM steward.history_state(kinds, policy_relations, policy_names) s
        FULL JOIN (
            SELECT DISTINCT ON (e.kind, e.object) e.kind, e.object, e.at, e.content
            FROM steward.access_history_event e
            WHERE e.kind = ANY (kinds || '{relation,role}'::text[])
               OR (e.kind IN ('row_policy', 'column_mask', 'native_policy')
                   AND (e.object[1], CASE e.kind WHEN 'column_mask' THEN 'mask.' || e.object[2] ELSE e.object[2] END) IN
                       (SELECT r.id::text, u.name FROM unnest(policy_relations, policy_names) u (relation, name)
                        JOIN steward.access_history_relation r ON r.relation = u.relation))
            ORDER BY e.kind, e.object, e.at DESC) l
        ON l.kind = s.kind AND l.object = s.object) c
    WHERE c.content IS DISTINCT FROM c.before
      -- What a restore brings has its history with it.
      AND NOT (restored_since IS NOT NULL AND c.before IS NOT NULL AND c.since < restored_since
               AND NOT (c.kind IN ('row_policy', 'column_mask') AND c.before ->> 'using' IS NULL));
END
$$;
REVOKE ALL ON FUNCTION steward.keep_history(text[], oid[], text[], jsonb, jsonb, timestamptz, text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION steward.keep_history(text[], oid[], text[], jsonb, jsonb, timestamptz, text, timestamptz) IS
    'internal: writes what has changed since the last event of each object; called when a transaction commits that touched one. restored_since: a restore touched them, events from before that moment came with it';

CREATE FUNCTION steward.history_touched() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_history_touched';
REVOKE ALL ON FUNCTION steward.history_touched() FROM PUBLIC;
COMMENT ON FUNCTION steward.history_touched() IS 'trigger: has the history of the kind that is its argument kept when the transaction commits';

DO $$
DECLARE
    t text[];
BEGIN
    FOREACH t SLICE 1 IN ARRAY '{{protected_relation,protected_relation},{row_policy,row_policy},{row_policy_role,row_policy},{row_policy_author,row_policy},
        {column_mask,column_mask},{column_mask_role,column_mask},{column_mask_author,column_mask},{tag_mask,tag_mask},{tag_mask_role,tag_mask},
        {purpose,purpose},{purpose_grant,purpose_grant},{role_attribute,role_attribute},{break_glass_grant,break_glass_grant}}'::text[]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER access_history AFTER INSERT OR UPDATE OR DELETE ON steward.%I
                 FOR EACH ROW EXECUTE FUNCTION steward.history_touched(%L)', t[1], t[2]);
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER access_history_truncate AFTER TRUNCATE ON steward.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION steward.history_touched(%L)', t[1], t[2]);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER access_history', t[1]);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER access_history_truncate', t[1]);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER access_history ON steward.%I IS ''keeps the history, whoever changes the table''', t[1]);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER access_history_truncate ON steward.%I IS ''keeps the history, whoever empties the table''', t[1]);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------
-- Reading
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.history_at(of_kind text, at timestamptz) RETURNS TABLE (object text[], since timestamptz, content jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT v.object, v.at, v.content
    FROM (SELECT DISTINCT ON (e.object) e.object, e.at, e.content
          FROM steward.access_history_event e
          WHERE e.kind = of_kind AND e.at <= history_at.at
          ORDER BY e.object, e.at DESC) v
    WHERE v.content IS NOT NULL
$$;
REVOKE ALL ON FUNCTION steward.history_at(text, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION steward.history_at(text, timestamptz) IS 'internal: the objects of a kind that were in force at a moment';

CREATE FUNCTION steward.history_role_oid(number text) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 = 'public' THEN 0
                ELSE coalesce((SELECT r.role::oid FROM steward.access_history_role r WHERE r.id = $1::uuid),
                              (4000000000 + (hashtext($1) & 16777215))::oid) END
$$;
REVOKE ALL ON FUNCTION steward.history_role_oid(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.history_role_oid(text) IS
    'internal: the OID of a role by its number in the history; for one that a restore did not bring, an OID that nobody has';

CREATE FUNCTION steward.columns_then(relation oid, at timestamptz) RETURNS TABLE (attnum smallint, name_then name)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    changes jsonb[] := ARRAY(SELECT e.content FROM steward.access_history_event e
                             JOIN steward.access_history_relation r ON e.object[1] = r.id::text
                             WHERE e.kind = 'column' AND r.relation = columns_then.relation AND e.at > columns_then.at
                             ORDER BY e.at DESC, e.object[2]::int DESC);
    change jsonb;
BEGIN
    FOR attnum, name_then IN
        SELECT a.attnum, a.attname FROM pg_attribute a
        WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    LOOP
        FOREACH change IN ARRAY changes LOOP
            IF change ->> 'new' = name_then::text THEN
                name_then := change ->> 'old';
            ELSIF change ->> 'old' = name_then::text THEN
                name_then := NULL;      -- it is younger
            END IF;
            EXIT WHEN name_then IS NULL;
        END LOOP;
        IF name_then IS NOT NULL THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.columns_then(oid, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION steward.columns_then(oid, timestamptz) IS
    'internal: what the columns that a table has now were called at a moment; those that are younger are left out where their name had another meaning';

CREATE FUNCTION steward.history_role_name(number text, at timestamptz) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN $1 = 'public' THEN $1
                ELSE (SELECT e.content ->> 'name' FROM steward.access_history_event e
                      WHERE e.kind = 'role' AND e.object = ARRAY[$1] AND e.content IS NOT NULL
                      ORDER BY e.at > $2, CASE WHEN e.at <= $2 THEN $2 - e.at ELSE e.at - $2 END LIMIT 1) END
$$;
REVOKE ALL ON FUNCTION steward.history_role_name(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.history_role_name(text, timestamptz) TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.history_role_name(text, timestamptz) IS 'the name that a role, by its number in the history, had at a moment';

CREATE VIEW steward.access_history AS
    WITH change AS (
        SELECT e.kind, e.object, e.at, e.content, e.beside, e.changed_by,
               pg_catalog.lag(e.content) OVER w AS before
        FROM steward.access_history_event e
        WHERE e.kind NOT IN ('relation', 'role', 'column')
        WINDOW w AS (PARTITION BY e.kind, e.object ORDER BY e.at)
    ), version AS (
        SELECT c.kind, c.object, c.at, c.content, c.beside, c.changed_by,
               pg_catalog.lead(c.at) OVER (PARTITION BY c.kind, c.object ORDER BY c.at) AS until
        FROM change c
        WHERE c.content IS DISTINCT FROM c.before
    )
    SELECT v.kind, r.relation,
           CASE WHEN v.kind IN ('protected_relation', 'row_policy', 'column_mask', 'column_tag', 'native_policy') THEN
               (SELECT n.content ->> 'name' FROM steward.access_history_event n
                WHERE n.kind = 'relation' AND n.object = v.object[1:1] AND n.content IS NOT NULL
                ORDER BY n.at > v.at, CASE WHEN n.at <= v.at THEN v.at - n.at ELSE n.at - v.at END LIMIT 1) END AS relation_name,
           CASE v.kind
               WHEN 'purpose_grant' THEN steward.history_role_name(v.object[2], v.at)
               WHEN 'role_attribute' THEN steward.history_role_name(v.object[1], v.at)
               WHEN 'break_glass_grant' THEN steward.history_role_name(v.object[1], v.at)
           END AS role,
           CASE WHEN v.kind IN ('row_policy', 'column_mask', 'column_tag', 'native_policy', 'role_attribute', 'trusted_object') THEN v.object[2]
                WHEN v.kind IN ('purpose', 'purpose_grant', 'tag_mask') THEN v.object[1] END AS name,
           v.at AS in_force_from, v.until AS in_force_until, v.changed_by,
           CASE WHEN v.content ? 'author' THEN v.content || pg_catalog.jsonb_build_object('author', steward.history_role_name(v.content ->> 'author', v.at))
                ELSE v.content END
           || CASE WHEN v.content ? 'roles' THEN pg_catalog.jsonb_build_object('roles',
                  ARRAY(SELECT steward.history_role_name(o.number, v.at) FROM pg_catalog.jsonb_array_elements_text(v.content -> 'roles') o (number) ORDER BY 1))
                ELSE '{}' END AS definition,
           v.beside AS written
    FROM version v
    LEFT JOIN steward.access_history_relation r
        ON v.kind IN ('protected_relation', 'row_policy', 'column_mask', 'column_tag', 'native_policy') AND r.id::text = v.object[1]
    WHERE v.content IS NOT NULL AND v.kind <> 'installation';
REVOKE ALL ON steward.access_history FROM PUBLIC;
GRANT SELECT ON steward.access_history TO steward_admin, steward_officer, steward_auditor;
COMMENT ON VIEW steward.access_history IS
    'every version of what decides who sees what, one row each, with the time it was in force (half-open: from its first moment to the first moment of what came after), what was dropped too. For steward_admin, steward_officer and steward_auditor';
COMMENT ON COLUMN steward.access_history.kind IS 'protected_relation | row_policy | column_mask | tag_mask | column_tag | native_policy (row security of PostgreSQL itself, on governed tables) | purpose | purpose_grant | role_attribute | break_glass_grant | trusted_object';
COMMENT ON COLUMN steward.access_history.relation IS 'the table as it is called now; the number of its OID where it was dropped, NULL where it was dropped before a restore';
COMMENT ON COLUMN steward.access_history.relation_name IS 'the table as it was called then';
COMMENT ON COLUMN steward.access_history.role IS 'the role that has the grant or the attribute, as it was called then';
COMMENT ON COLUMN steward.access_history.name IS 'name of the policy, mask, purpose, column, attribute or trusted object';
COMMENT ON COLUMN steward.access_history.in_force_from IS 'first moment: when the transaction that made it committed';
COMMENT ON COLUMN steward.access_history.in_force_until IS 'first moment at which it was no longer so; NULL: it is in force';
COMMENT ON COLUMN steward.access_history.changed_by IS 'subject that made this version';
COMMENT ON COLUMN steward.access_history.definition IS 'the object: the columns of its table, its roles by the names they had, its expressions as PostgreSQL shows them';
COMMENT ON COLUMN steward.access_history.written IS 'its expressions as they were written; NULL: not known';

CREATE FUNCTION steward.policy_history(relation regclass DEFAULT NULL) RETURNS SETOF steward.access_history
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.* FROM steward.access_history h
    WHERE policy_history.relation IS NULL OR h.relation = policy_history.relation
    ORDER BY h.in_force_from, h.kind, h.relation_name, h.role, h.name
$$;
REVOKE ALL ON FUNCTION steward.policy_history(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.policy_history(regclass) TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.policy_history(regclass) IS
    'access_history in the order of time, of one table or (NULL) of everything';

-- ---------------------------------------------------------------------
-- The first moment: what is in force when the history begins
-- ---------------------------------------------------------------------

DO $$
DECLARE
    start timestamptz := pg_catalog.clock_timestamp();
BEGIN
    INSERT INTO steward.access_history_event (kind, object, at, content, changed_by)
    VALUES ('installation', '{}', start, '{}', CURRENT_USER);
    PERFORM steward.keep_history('{protected_relation,row_policy,column_mask,tag_mask,column_tag,native_policy,purpose,purpose_grant,role_attribute,break_glass_grant,trusted_object}',
                                 '{}', '{}', '[]', '[]', start, CURRENT_USER, NULL);
END
$$;
