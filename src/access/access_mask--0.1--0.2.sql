-- Column masks, and the tags that carry them.

CREATE TABLE steward.column_mask (
    relation        regclass NOT NULL REFERENCES steward.protected_relation ON DELETE CASCADE,
    name            name NOT NULL,
    attnum          smallint NOT NULL CHECK (attnum > 0),
    priority        integer NOT NULL,
    unless_purposes text[] CHECK (pg_catalog.cardinality(unless_purposes) > 0),
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (relation, name),
    UNIQUE (relation, attnum, priority)
);
COMMENT ON TABLE steward.column_mask IS 'masks on columns: what PostgreSQL''s native policy "mask.NAME" (TO steward_carrier) does not hold; written by create_mask() and drop_mask()';
COMMENT ON COLUMN steward.column_mask.relation IS 'the governed table';
COMMENT ON COLUMN steward.column_mask.name IS 'name of the mask';
COMMENT ON COLUMN steward.column_mask.attnum IS 'number of the masked column in pg_attribute';
COMMENT ON COLUMN steward.column_mask.priority IS 'of several masks on a column, the one with the lowest priority that applies wins';
COMMENT ON COLUMN steward.column_mask.unless_purposes IS 'who works for one of these, granted to him, sees through the mask';
COMMENT ON COLUMN steward.column_mask.created_by IS 'subject that wrote the mask; column_mask_author knows the role after it was renamed';
COMMENT ON COLUMN steward.column_mask.created_at IS 'when it was written';

CREATE TABLE steward.column_mask_role (
    relation regclass NOT NULL,
    mask     name NOT NULL,
    role     regrole NOT NULL,
    PRIMARY KEY (relation, mask, role),
    FOREIGN KEY (relation, mask) REFERENCES steward.column_mask (relation, name) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE steward.column_mask_role IS 'roles that see through a mask';
COMMENT ON COLUMN steward.column_mask_role.relation IS 'the governed table';
COMMENT ON COLUMN steward.column_mask_role.mask IS 'the mask';
COMMENT ON COLUMN steward.column_mask_role.role IS 'the role; 0 (-) stands for public';

CREATE TABLE steward.column_mask_author (
    relation regclass NOT NULL,
    mask     name NOT NULL,
    role     regrole NOT NULL,
    PRIMARY KEY (relation, mask),
    FOREIGN KEY (relation, mask) REFERENCES steward.column_mask (relation, name) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE steward.column_mask_author IS 'roles with whose rights the sub-selects of masks read; in a table of its own so that a dump can leave out roles that were dropped';
COMMENT ON COLUMN steward.column_mask_author.relation IS 'the governed table';
COMMENT ON COLUMN steward.column_mask_author.mask IS 'the mask';
COMMENT ON COLUMN steward.column_mask_author.role IS 'the role that wrote it';

CREATE TABLE steward.tag_mask (
    name            name PRIMARY KEY,
    tag             text COLLATE "C" NOT NULL CHECK (tag ~ '^[A-Za-z0-9_.:/-]{1,63}$'),
    mask_expr       text NOT NULL,
    priority        integer NOT NULL,
    unless_purposes text[] CHECK (pg_catalog.cardinality(unless_purposes) > 0),
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    UNIQUE (tag, priority)
);
COMMENT ON TABLE steward.tag_mask IS 'masks on every column that bears a tag; written by create_tag_mask() and drop_tag_mask()';
COMMENT ON COLUMN steward.tag_mask.name IS 'name of the mask';
COMMENT ON COLUMN steward.tag_mask.tag IS 'columns labelled with this tag (SECURITY LABEL FOR steward) are masked';
COMMENT ON COLUMN steward.tag_mask.mask_expr IS 'the mask; "value" stands for the column';
COMMENT ON COLUMN steward.tag_mask.priority IS 'of several masks on a column, the one with the lowest priority wins';
COMMENT ON COLUMN steward.tag_mask.unless_purposes IS 'who works for one of these, granted to him, sees through the mask';
COMMENT ON COLUMN steward.tag_mask.created_by IS 'subject that wrote the mask';
COMMENT ON COLUMN steward.tag_mask.created_at IS 'when it was written';

CREATE TABLE steward.tag_mask_role (
    mask name NOT NULL REFERENCES steward.tag_mask ON UPDATE CASCADE ON DELETE CASCADE,
    role regrole NOT NULL,
    PRIMARY KEY (mask, role)
);
COMMENT ON TABLE steward.tag_mask_role IS 'roles that see through a mask by tag';
COMMENT ON COLUMN steward.tag_mask_role.mask IS 'the mask';
COMMENT ON COLUMN steward.tag_mask_role.role IS 'the role; 0 (-) stands for public';

SELECT pg_catalog.pg_extension_config_dump('steward.column_mask', '');
SELECT pg_catalog.pg_extension_config_dump('steward.column_mask_role',
    'WHERE role = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.column_mask_author',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');
SELECT pg_catalog.pg_extension_config_dump('steward.tag_mask', '');
SELECT pg_catalog.pg_extension_config_dump('steward.tag_mask_role',
    'WHERE role = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');

GRANT SELECT ON steward.column_mask, steward.column_mask_role, steward.column_mask_author, steward.tag_mask, steward.tag_mask_role
    TO steward_admin, steward_officer, steward_auditor;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{column_mask,column_mask_role,column_mask_author,tag_mask,tag_mask_role}'::text[]
    LOOP
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.%I
                 FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed()', t);
        EXECUTE pg_catalog.format('ALTER TABLE steward.%I ENABLE ALWAYS TRIGGER governance_changed', t);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------
-- Functions to mask with
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.mask_redact(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN value IS NOT NULL THEN '[redacted]' END;
COMMENT ON FUNCTION steward.mask_redact(text) IS 'mask: "[redacted]" in place of every text, NULL stays NULL';

CREATE FUNCTION steward.mask_partial(value text, keep_left integer, keep_right integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN value IS NULL THEN NULL
        WHEN pg_catalog.length(value) <= GREATEST(COALESCE(keep_left, 0), 0) + GREATEST(COALESCE(keep_right, 0), 0)
            THEN '***'
        ELSE pg_catalog.left(value, GREATEST(COALESCE(keep_left, 0), 0)) || '***'
             || CASE WHEN COALESCE(keep_right, 0) > 0 THEN pg_catalog.right(value, keep_right) ELSE '' END
    END;
COMMENT ON FUNCTION steward.mask_partial(text, integer, integer) IS
    'mask: keeps so many characters at the left and at the right, with *** between them; a text that is not longer than what would be kept becomes ***, so neither short values nor lengths are shown';

CREATE FUNCTION steward.mask_email(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN value IS NULL THEN NULL
        WHEN pg_catalog.strpos(value, '@') > 1
            THEN pg_catalog.left(value, 1) || '***@' || pg_catalog.split_part(value, '@', -1)
        ELSE '***'
    END;
COMMENT ON FUNCTION steward.mask_email(text) IS
    'mask: the first character and the domain of an e-mail address; *** for what is none';

CREATE FUNCTION steward.mask_bucket(value numeric, width numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN width > 0 THEN pg_catalog.floor(value / width) * width END;
COMMENT ON FUNCTION steward.mask_bucket(numeric, numeric) IS
    'mask: the lower end of the interval of this width in which the number lies; NULL where the width is not positive';

CREATE FUNCTION steward.mask_date(value timestamptz, unit text) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN pg_catalog.date_trunc(unit, value);
COMMENT ON FUNCTION steward.mask_date(timestamptz, text) IS
    'mask: the moment cut to a unit of date_trunc() (year, month, …) in the time zone of the session';

-- ---------------------------------------------------------------------
-- Internal
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.refuse_masked_write(relation oid, attnum smallint, value anyelement) RETURNS anyelement
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_refuse_masked_write';
COMMENT ON FUNCTION steward.refuse_masked_write(oid, smallint, anyelement) IS
    'in plans: raises insufficient_privilege where a masked value would be written over a real one';

CREATE FUNCTION steward.masked_column(relation oid, mask name) RETURNS smallint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- the last column in ROW(mask, column), which is what the carrier's USING tests
    SELECT coalesce((
        SELECT v.match[1]::smallint
        FROM pg_policy pol, regexp_matches(pol.polqual::text, '\{VAR :varno 1 :varattno (\d+) ', 'g') WITH ORDINALITY AS v (match, n)
        WHERE pol.polrelid = m.relation AND pol.polname::text = 'mask.' || m.name
          AND pol.polroles = ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier')
        ORDER BY v.n DESC LIMIT 1), m.attnum)
    FROM steward.column_mask m
    WHERE m.relation = masked_column.relation AND m.name = masked_column.mask
$$;
REVOKE ALL ON FUNCTION steward.masked_column(oid, name) FROM PUBLIC;
COMMENT ON FUNCTION steward.masked_column(oid, name) IS
    'internal: the number of the column that a mask masks, by its carrier: a restore numbers columns anew, column_mask.attnum keeps the number of the database that was dumped';

CREATE FUNCTION steward.renumber_masks(relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mask record;
BEGIN
    -- numbers only become smaller: in this order none is taken
    FOR mask IN
        SELECT m.name, steward.masked_column(m.relation, m.name) AS attnum FROM steward.column_mask m
        WHERE m.relation = renumber_masks.relation AND m.attnum <> steward.masked_column(m.relation, m.name)
        ORDER BY 2
    LOOP
        UPDATE steward.column_mask m SET attnum = mask.attnum WHERE m.relation = renumber_masks.relation AND m.name = mask.name;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.renumber_masks(regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.renumber_masks(regclass) IS 'internal: puts the numbers of columns that a restore has changed right in column_mask';

CREATE FUNCTION steward.create_mask_carrier(relation regclass, name name, attnum smallint, mask_expr text, when_expr text, creator oid) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_create_mask_carrier';
REVOKE ALL ON FUNCTION steward.create_mask_carrier(regclass, name, smallint, text, text, oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.create_mask_carrier(regclass, name, smallint, text, text, oid) IS 'internal: makes the native policy that carries a mask';

CREATE FUNCTION steward.check_tag_mask(mask_expr text, relation regclass, attnum smallint) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_check_tag_mask';
REVOKE ALL ON FUNCTION steward.check_tag_mask(text, regclass, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.check_tag_mask(text, regclass, smallint) TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.check_tag_mask(text, regclass, smallint) IS 'internal: raises where a mask by tag does not fit a column';

CREATE FUNCTION steward.named_roles(roles text[]) RETURNS regrole[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result regrole[] := '{}';
    item text;
BEGIN
    IF roles IS NULL THEN
        RETURN result;
    END IF;
    IF pg_catalog.cardinality(roles) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'unless_roles must name between 1 and 1000 roles'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out where the mask spares no role.';
    END IF;
    FOREACH item IN ARRAY roles LOOP
        result := result || steward.role_named(item);
    END LOOP;
    RETURN result;
END
$$;
REVOKE ALL ON FUNCTION steward.named_roles(text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.named_roles(text[]) IS 'internal: roles by their names; raises undefined_object';

CREATE FUNCTION steward.check_purposes(purposes text[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item text;
BEGIN
    IF purposes IS NULL THEN
        RETURN;
    END IF;
    IF pg_catalog.cardinality(purposes) NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'unless_purposes must name between 1 and 1000 purposes'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out where the mask spares no purpose.';
    END IF;
    FOREACH item IN ARRAY purposes LOOP
        PERFORM steward.require_purpose(item);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.check_purposes(text[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.check_purposes(text[]) IS 'internal: raises undefined_object for an unknown purpose';

-- ---------------------------------------------------------------------
-- Masks on columns
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.create_mask(name text, relation regclass, column_name name, mask_expr text, unless_roles text[] DEFAULT NULL, unless_purposes text[] DEFAULT NULL,
    when_expr text DEFAULT NULL, priority integer DEFAULT 100, replace boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role_oids regrole[];
    creator oid;
    number smallint;
    other name;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    PERFORM steward.require_protected(relation);
    PERFORM steward.require_value('column_name', column_name::text);
    PERFORM steward.require_value('mask_expr', mask_expr);
    IF priority IS NULL OR replace IS NULL THEN
        RAISE EXCEPTION 'priority and replace must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF pg_catalog.octet_length(name) > 58 THEN
        RAISE EXCEPTION 'name of a mask is longer than 58 bytes' USING ERRCODE = 'name_too_long';
    END IF;
    IF steward.second_person('create_mask', pg_catalog.jsonb_build_object('name', name, 'relation', relation, 'column_name', column_name, 'mask_expr', mask_expr,
        'unless_roles', unless_roles, 'unless_purposes', unless_purposes, 'when_expr', when_expr, 'priority', priority, 'replace', replace)) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT a.attnum INTO number FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of table "%" does not exist', column_name, relation USING ERRCODE = 'undefined_column';
    END IF;
    role_oids := steward.named_roles(unless_roles);
    PERFORM steward.check_purposes(unless_purposes);
    SELECT r.oid INTO creator FROM pg_catalog.pg_roles r WHERE r.rolname::text = steward.subject_role();
    PERFORM steward.renumber_masks(relation);

    IF EXISTS (SELECT FROM steward.column_mask m WHERE m.relation = create_mask.relation AND m.name::text = create_mask.name) THEN
        IF NOT replace THEN
            RAISE EXCEPTION 'mask "%" of table "%" exists already', name, relation
                USING ERRCODE = 'duplicate_object', HINT = 'Use replace => true to put this one in its place.';
        END IF;
        PERFORM steward.drop_carrier(relation, ('mask.' || name)::name);
        DELETE FROM steward.column_mask m WHERE m.relation = create_mask.relation AND m.name::text = create_mask.name;
    ELSIF EXISTS (SELECT FROM pg_catalog.pg_policy pol WHERE pol.polrelid = relation AND pol.polname::text = 'mask.' || create_mask.name) THEN
        RAISE EXCEPTION 'table "%" has a native policy named "mask.%"', relation, name
            USING ERRCODE = 'duplicate_object', HINT = 'Choose another name.';
    END IF;
    SELECT m.name INTO other FROM steward.column_mask m
    WHERE m.relation = create_mask.relation AND m.attnum = number AND m.priority = create_mask.priority;
    IF FOUND THEN
        RAISE EXCEPTION 'mask "%" on column "%" has priority % already', other, column_name, priority
            USING ERRCODE = 'duplicate_object', HINT = 'The mask with the lowest priority wins: give this one another.';
    END IF;
    SELECT t.name INTO other FROM steward.tag_mask t
    JOIN steward.column_tag c ON c.tag = t.tag AND c.relation = create_mask.relation AND c.attnum = number
    WHERE t.priority = create_mask.priority;
    IF FOUND THEN
        RAISE EXCEPTION 'mask "%" by a tag of column "%" has priority % already', other, column_name, priority
            USING ERRCODE = 'duplicate_object', HINT = 'The mask with the lowest priority wins: give this one another.';
    END IF;
    IF (SELECT pg_catalog.count(*) FROM steward.column_mask m WHERE m.relation = create_mask.relation) >= 1000 THEN
        RAISE EXCEPTION 'table "%" has 1000 masks already', relation
            USING ERRCODE = 'program_limit_exceeded', HINT = 'Tag the columns and mask them by tag.';
    END IF;

    PERFORM steward.create_mask_carrier(relation, name::name, number, mask_expr, when_expr, creator);
    INSERT INTO steward.column_mask (relation, name, attnum, priority, unless_purposes, created_by)
    VALUES (create_mask.relation, create_mask.name, number, create_mask.priority, create_mask.unless_purposes, steward.subject());
    INSERT INTO steward.column_mask_author (relation, mask, role)
    VALUES (create_mask.relation, create_mask.name, creator::regrole);
    INSERT INTO steward.column_mask_role (relation, mask, role)
    SELECT DISTINCT create_mask.relation, create_mask.name::name, r.role FROM pg_catalog.unnest(role_oids) AS r (role);
END
$$;
REVOKE ALL ON FUNCTION steward.create_mask(text, regclass, name, text, text[], text[], text, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.create_mask(text, regclass, name, text, text[], text[], text, integer, boolean) TO steward_admin;
COMMENT ON FUNCTION steward.create_mask(text, regclass, name, text, text[], text[], text, integer, boolean) IS
    'masks a column of a governed table: everybody but the roles and the purposes named sees the value of mask_expr in its place, everywhere in a statement; with when_expr only in the cells where it holds (or is NULL). The mask is of the column''s type. Of several masks on a column the one with the lowest priority that applies wins; equal priorities raise duplicate_object. Raises datatype_mismatch, undefined_column, and what create_row_policy() raises for expressions';

CREATE FUNCTION steward.drop_mask(name text, relation regclass) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    PERFORM steward.require_protected(relation);
    IF NOT EXISTS (SELECT FROM steward.column_mask m WHERE m.relation = drop_mask.relation AND m.name::text = drop_mask.name) THEN
        RAISE EXCEPTION 'mask "%" of table "%" does not exist', name, relation USING ERRCODE = 'undefined_object';
    END IF;
    IF steward.second_person('drop_mask', pg_catalog.jsonb_build_object('name', name, 'relation', relation)) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM steward.drop_carrier(relation, ('mask.' || name)::name);
    DELETE FROM steward.column_mask m WHERE m.relation = drop_mask.relation AND m.name::text = drop_mask.name;
END
$$;
REVOKE ALL ON FUNCTION steward.drop_mask(text, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.drop_mask(text, regclass) TO steward_admin;
COMMENT ON FUNCTION steward.drop_mask(text, regclass) IS 'drops a mask; raises undefined_object where there is none';

-- ---------------------------------------------------------------------
-- Masks by tag
-- ---------------------------------------------------------------------

CREATE VIEW steward.column_tag AS
    SELECT l.objoid::regclass AS relation, a.attname AS column_name, pg_catalog.btrim(t.tag) AS tag, a.attnum
    FROM pg_catalog.pg_seclabel l
    JOIN pg_catalog.pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND NOT a.attisdropped,
    LATERAL pg_catalog.string_to_table(l.label, ',') AS t (tag)
    WHERE l.provider = 'steward' AND l.classoid = 'pg_catalog.pg_class'::regclass AND l.objsubid > 0;
REVOKE ALL ON steward.column_tag FROM PUBLIC;
GRANT SELECT ON steward.column_tag TO steward_admin, steward_officer, steward_auditor;
COMMENT ON VIEW steward.column_tag IS 'the tags of columns, one a row; set with SECURITY LABEL FOR steward ON COLUMN';
COMMENT ON COLUMN steward.column_tag.relation IS 'the table';
COMMENT ON COLUMN steward.column_tag.column_name IS 'the column';
COMMENT ON COLUMN steward.column_tag.tag IS 'the tag';
COMMENT ON COLUMN steward.column_tag.attnum IS 'number of the column';

CREATE FUNCTION steward.create_tag_mask(name text, tag text, mask_expr text, unless_roles text[] DEFAULT NULL, unless_purposes text[] DEFAULT NULL, priority integer DEFAULT 100, replace boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role_oids regrole[];
    bearer record;
    other name;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    PERFORM steward.require_value('tag', tag);
    PERFORM steward.require_value('mask_expr', mask_expr);
    IF priority IS NULL OR replace IS NULL THEN
        RAISE EXCEPTION 'priority and replace must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF pg_catalog.octet_length(name) > 63 THEN
        RAISE EXCEPTION 'name of a mask is longer than 63 bytes' USING ERRCODE = 'name_too_long';
    END IF;
    IF steward.second_person('create_tag_mask', pg_catalog.jsonb_build_object('name', name, 'tag', tag, 'mask_expr', mask_expr,
        'unless_roles', unless_roles, 'unless_purposes', unless_purposes, 'priority', priority, 'replace', replace)) IS NOT NULL THEN
        RETURN;
    END IF;
    IF tag !~ '^[A-Za-z0-9_.:/-]{1,63}$' THEN
        RAISE EXCEPTION '"%" is not a tag', tag
            USING ERRCODE = 'invalid_parameter_value', HINT = 'A tag is made of letters, digits and -_.:/, at most 63 of them.';
    END IF;
    role_oids := steward.named_roles(unless_roles);
    PERFORM steward.check_purposes(unless_purposes);

    IF EXISTS (SELECT FROM steward.tag_mask m WHERE m.name::text = create_tag_mask.name) THEN
        IF NOT replace THEN
            RAISE EXCEPTION 'mask "%" exists already', name
                USING ERRCODE = 'duplicate_object', HINT = 'Use replace => true to put this one in its place.';
        END IF;
        DELETE FROM steward.tag_mask m WHERE m.name::text = create_tag_mask.name;
    END IF;
    SELECT m.name INTO other FROM steward.tag_mask m
    WHERE m.tag = create_tag_mask.tag AND m.priority = create_tag_mask.priority;
    IF FOUND THEN
        RAISE EXCEPTION 'mask "%" by tag "%" has priority % already', other, tag, priority
            USING ERRCODE = 'duplicate_object', HINT = 'The mask with the lowest priority wins: give this one another.';
    END IF;
    SELECT m.name, c.relation, c.column_name INTO bearer
    FROM steward.column_tag c,
    LATERAL (SELECT t.name FROM steward.column_tag o JOIN steward.tag_mask t ON t.tag = o.tag
             WHERE o.relation = c.relation AND o.attnum = c.attnum AND o.tag <> c.tag AND t.priority = create_tag_mask.priority
             UNION ALL
             SELECT k.name FROM steward.column_mask k
             WHERE k.relation = c.relation AND steward.masked_column(k.relation, k.name) = c.attnum AND k.priority = create_tag_mask.priority) AS m
    WHERE c.tag = create_tag_mask.tag
    ORDER BY c.relation::text, c.attnum, m.name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'mask "%" on column "%" of table "%" has priority % already', bearer.name, bearer.column_name, bearer.relation, priority
            USING ERRCODE = 'duplicate_object', HINT = 'The mask with the lowest priority wins: give this one another.';
    END IF;
    IF (SELECT pg_catalog.count(*) FROM steward.tag_mask) >= 1000 THEN
        RAISE EXCEPTION 'there are 1000 masks by tag already' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    PERFORM steward.check_tag_mask(mask_expr, 0::regclass, 0::smallint);
    FOR bearer IN SELECT t.relation, t.attnum FROM steward.column_tag t WHERE t.tag = create_tag_mask.tag LOOP
        PERFORM steward.check_tag_mask(mask_expr, bearer.relation, bearer.attnum);
    END LOOP;
    INSERT INTO steward.tag_mask (name, tag, mask_expr, priority, unless_purposes, created_by)
    VALUES (create_tag_mask.name, create_tag_mask.tag, create_tag_mask.mask_expr, create_tag_mask.priority,
            create_tag_mask.unless_purposes, steward.subject());
    INSERT INTO steward.tag_mask_role (mask, role)
    SELECT DISTINCT create_tag_mask.name::name, r.role FROM pg_catalog.unnest(role_oids) AS r (role);
END
$$;
REVOKE ALL ON FUNCTION steward.create_tag_mask(text, text, text, text[], text[], integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.create_tag_mask(text, text, text, text[], text[], integer, boolean) TO steward_admin;
COMMENT ON FUNCTION steward.create_tag_mask(text, text, text, text[], text[], integer, boolean) IS
    'masks every column of a governed table that bears the tag, now or later; mask_expr sees the column as "value" and fits every type that bears the tag. Else as create_mask()';

CREATE FUNCTION steward.drop_tag_mask(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('name', name);
    IF steward.second_person('drop_tag_mask', pg_catalog.jsonb_build_object('name', name)) IS NOT NULL THEN
        RETURN;
    END IF;
    DELETE FROM steward.tag_mask m WHERE m.name::text = drop_tag_mask.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'mask "%" by tag does not exist', name USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.drop_tag_mask(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.drop_tag_mask(text) TO steward_admin;
COMMENT ON FUNCTION steward.drop_tag_mask(text) IS 'drops a mask by tag; raises undefined_object where there is none';

-- ---------------------------------------------------------------------
-- A partition or child that leaves its governed parent
-- ---------------------------------------------------------------------

ALTER FUNCTION steward.copy_protection(regclass, regclass) RENAME TO copy_row_policies;
COMMENT ON FUNCTION steward.copy_row_policies(regclass, regclass) IS
    'internal: gives a table the protection and the row policies of another';

CREATE FUNCTION steward.copy_masks(from_relation regclass, to_relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mask record;
    label record;
    kept name;
    new_name name;
BEGIN
    PERFORM steward.renumber_masks(from_relation), steward.renumber_masks(to_relation);
    FOR mask IN
        SELECT m.*, a.attname, t.attnum AS to_attnum,
               steward.carried_expression(from_relation, pol.polname, to_relation, false) AS qual,
               steward.carried_expression(from_relation, pol.polname, to_relation, true) AS condition
        FROM steward.column_mask m
        JOIN pg_catalog.pg_policy pol ON pol.polrelid = m.relation AND pol.polname::text = 'mask.' || m.name
        JOIN pg_catalog.pg_attribute a ON a.attrelid = m.relation AND a.attnum = m.attnum
        JOIN pg_catalog.pg_attribute t ON t.attrelid = to_relation AND t.attname = a.attname AND NOT t.attisdropped
        WHERE m.relation = from_relation
        ORDER BY m.name
    LOOP
        -- The same mask is there from an earlier time as a table of its own.
        CONTINUE WHEN EXISTS (
            SELECT FROM steward.column_mask o
            WHERE o.relation = to_relation AND o.attnum = mask.to_attnum AND o.priority = mask.priority
              AND o.unless_purposes IS NOT DISTINCT FROM mask.unless_purposes
              AND steward.carried_expression(to_relation, ('mask.' || o.name)::name, to_relation, false) IS NOT DISTINCT FROM mask.qual
              AND steward.carried_expression(to_relation, ('mask.' || o.name)::name, to_relation, true) IS NOT DISTINCT FROM mask.condition
              AND ARRAY(SELECT r.role::oid FROM steward.column_mask_role r WHERE r.relation = to_relation AND r.mask = o.name ORDER BY 1)
                = ARRAY(SELECT r.role::oid FROM steward.column_mask_role r WHERE r.relation = from_relation AND r.mask = mask.name ORDER BY 1));
        -- Until now both held.  On one table one of them would: whom it spares
        -- would see what the other hid.
        SELECT o.name INTO kept FROM steward.column_mask o
        WHERE o.relation = to_relation AND o.attnum = mask.to_attnum
          AND (o.priority = mask.priority
               OR NOT EXISTS (SELECT FROM steward.column_mask p
                              WHERE p.relation = from_relation AND p.attnum = mask.attnum AND p.priority = o.priority))
        ORDER BY o.name LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'column "%" of "%" has mask "%" beside mask "%" of the table that it leaves', mask.attname, to_relation, kept, mask.name
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      HINT = format('Drop or change it first, with steward.drop_mask(%L, %L): until then that of the parent holds, too.', kept, to_relation);
        END IF;
        new_name := mask.name;
        IF EXISTS (SELECT FROM steward.column_mask o WHERE o.relation = to_relation AND o.name = new_name) THEN
            new_name := left(mask.name::text, 40) || ' ' || left(md5(from_relation::oid::text || mask.name), 8);
        END IF;
        PERFORM steward.create_carrier(to_relation, ('mask.' || new_name)::name, mask.qual, mask.condition, NULL);
        INSERT INTO steward.column_mask (relation, name, attnum, priority, unless_purposes, created_by, created_at)
        VALUES (to_relation, new_name, mask.to_attnum, mask.priority, mask.unless_purposes, mask.created_by, mask.created_at);
        INSERT INTO steward.column_mask_role (relation, mask, role)
        SELECT to_relation, new_name, r.role FROM steward.column_mask_role r
        WHERE r.relation = from_relation AND r.mask = mask.name;
        INSERT INTO steward.column_mask_author (relation, mask, role)
        SELECT to_relation, new_name, a.role FROM steward.column_mask_author a
        WHERE a.relation = from_relation AND a.mask = mask.name;
    END LOOP;
    FOR label IN
        SELECT t.column_name, pg_catalog.string_agg(DISTINCT t.tag, ',') AS tags
        FROM steward.column_tag t
        JOIN pg_catalog.pg_attribute a ON a.attrelid = to_relation AND a.attname = t.column_name AND NOT a.attisdropped
        WHERE t.relation IN (from_relation, to_relation)
        GROUP BY t.column_name
    LOOP
        EXECUTE pg_catalog.format('SECURITY LABEL FOR steward ON COLUMN %s.%I IS %L', to_relation, label.column_name, label.tags);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.copy_masks(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.copy_masks(regclass, regclass) IS 'internal: gives a table the masks and tags of another, by the names of its columns';

CREATE FUNCTION steward.copy_protection(from_relation regclass, to_relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.copy_row_policies(from_relation, to_relation);
    PERFORM steward.copy_masks(from_relation, to_relation);
END
$$;
REVOKE ALL ON FUNCTION steward.copy_protection(regclass, regclass) FROM PUBLIC;
COMMENT ON FUNCTION steward.copy_protection(regclass, regclass) IS
    'internal: gives a partition or child that leaves its governed parent the protection, the policies, the masks and the tags of that parent';
