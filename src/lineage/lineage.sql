-- lineage: which data flowed where.

CREATE TABLE steward.lineage_edge (
    source_relation text NOT NULL CHECK (pg_catalog.octet_length(source_relation) BETWEEN 1 AND 1000),
    source_column   text CHECK (pg_catalog.octet_length(source_column) BETWEEN 1 AND 200),
    target_relation text NOT NULL CHECK (pg_catalog.octet_length(target_relation) BETWEEN 1 AND 1000),
    target_column   text CHECK (pg_catalog.octet_length(target_column) BETWEEN 1 AND 200),
    kind            text NOT NULL,
    subtype         text,
    first_seen      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    last_seen       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    observations    bigint NOT NULL DEFAULT 1 CHECK (observations >= 1),
    CONSTRAINT lineage_edge_key UNIQUE NULLS NOT DISTINCT
        (source_relation, source_column, target_relation, target_column, kind, subtype),
    CONSTRAINT lineage_edge_kind_check CHECK (kind IN ('direct', 'indirect', 'manual')),
    CONSTRAINT lineage_edge_subtype_check CHECK (subtype IS NULL OR
        (kind = 'direct' AND subtype IN ('identity', 'transformation', 'aggregation')) OR
        (kind = 'indirect' AND subtype IN ('join', 'filter', 'group_by', 'sort', 'window', 'conditional'))),
    CONSTRAINT lineage_edge_seen_check CHECK (first_seen <= last_seen)
);
CREATE INDEX lineage_edge_target_idx ON steward.lineage_edge (target_relation, target_column);
COMMENT ON TABLE steward.lineage_edge IS 'one row a way that data took, however often it took it; written by record_lineage()';
COMMENT ON COLUMN steward.lineage_edge.source_relation IS 'where it came from: schema.table (parts quoted where SQL needs it), model:NAME or model:NAME/VERSION, or a URI of what lies outside';
COMMENT ON COLUMN steward.lineage_edge.source_column IS 'column of the source, as it is called, unquoted; NULL: the whole';
COMMENT ON COLUMN steward.lineage_edge.target_relation IS 'where it went, written as source_relation';
COMMENT ON COLUMN steward.lineage_edge.target_column IS 'column of the target, as it is called, unquoted; NULL: the whole';
COMMENT ON COLUMN steward.lineage_edge.kind IS 'direct: values flowed; indirect: they decided what flowed; manual: somebody declared the edge without saying which';
COMMENT ON COLUMN steward.lineage_edge.subtype IS 'direct: identity | transformation | aggregation; indirect: join | filter | group_by | sort | window | conditional; NULL: the edge was declared, not seen';
COMMENT ON COLUMN steward.lineage_edge.first_seen IS 'when it was recorded first';
COMMENT ON COLUMN steward.lineage_edge.last_seen IS 'when it was recorded last';
COMMENT ON COLUMN steward.lineage_edge.observations IS 'how often it was recorded';
COMMENT ON INDEX steward.lineage_edge_target_idx IS 'finds what a target was made of; the key finds what a source went into';

GRANT SELECT ON steward.lineage_edge TO steward_engineer, steward_officer, steward_auditor, steward_admin;

SELECT pg_catalog.pg_extension_config_dump('steward.lineage_edge', '');

-- ---------------------------------------------------------------------
-- Names
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.lineage_relation(schema_name text, table_name text, path name[]) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid
        FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN unnest(path) WITH ORDINALITY AS p (schema_name, place) ON p.schema_name = n.nspname
        WHERE c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND (n.nspname = $1 OR ($1 IS NULL AND p.place IS NOT NULL))
        ORDER BY p.place
        LIMIT 1
$$;
REVOKE ALL ON FUNCTION steward.lineage_relation(text, text, name[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.lineage_relation(text, text, name[]) IS
    'OID of a table, view, materialized view or foreign table by its name, along a search path where no schema is given; NULL where there is none';

CREATE FUNCTION steward.lineage_object(what text, object text, path name[], OUT relation text, OUT column_name text) RETURNS record
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts   text[];
    n       integer;
    rel     oid;
    rest    text;
    slash   integer;
    held    text;
BEGIN
    PERFORM steward.check_text(what, object, 1000);

    -- model:NAME/VERSION, model:NAME; the last slash is the one that parts
    IF lower(substr(object, 1, 6)) = 'model:' THEN
        rest := substr(object, 7);
        slash := strpos(reverse(rest), '/');
        IF NOT (slash > 0 AND EXISTS (SELECT FROM steward.model_version v
                                      WHERE v.model = "left"(rest, -slash) AND v.version = "right"(rest, slash - 1)))
            AND NOT EXISTS (SELECT FROM steward.model m WHERE m.name = rest) THEN
            RAISE EXCEPTION '% "%" is not a registered model or version', what, "left"(object, 200)
                USING ERRCODE = 'undefined_object',
                      HINT = 'Write model:NAME or model:NAME/VERSION, and register it first with steward.register_model() and steward.register_version().';
        END IF;
        relation := 'model:' || rest;
        RETURN;
    END IF;

    -- a URI: outside of this database, taken as it stands
    IF object ~ '^[A-Za-z][A-Za-z0-9+.-]*:' THEN
        IF octet_length(object) > 1000 OR object ~ '[\x01-\x20\x7f]' THEN
            RAISE EXCEPTION '% "%" is no URI', what, "left"(object, 200)
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'A URI has no spaces or control characters and at most 1000 bytes.';
        END IF;
        relation := object;
        RETURN;
    END IF;

    BEGIN
        parts := parse_ident(object);
    EXCEPTION WHEN invalid_parameter_value THEN
        parts := NULL;
    END;
    n := cardinality(parts);
    IF n BETWEEN 1 AND 4 THEN
        NULL;
    ELSE
        RAISE EXCEPTION '% "%" is no name of a relation or column', what, "left"(object, 200)
            USING ERRCODE = 'invalid_name',
                  HINT = 'Write schema.table, schema.table.column, model:NAME/VERSION, or a URI for what lies outside of this database.';
    END IF;
    -- db.schema.table is another way to write schema.table
    IF n = 4 OR (n = 3 AND steward.lineage_relation(parts[1], parts[2], path) IS NULL) THEN
        IF parts[1] = current_database() THEN
            parts := parts[2:];
            n := n - 1;
        END IF;
    END IF;
    IF n = 1 THEN
        rel := steward.lineage_relation(NULL, parts[1], path);
    ELSIF n = 2 THEN
        rel := steward.lineage_relation(parts[1], parts[2], path);
        IF rel IS NULL THEN
            rel := steward.lineage_relation(NULL, parts[1], path);
            column_name := parts[2];
        END IF;
    ELSIF n = 3 THEN
        rel := steward.lineage_relation(parts[1], parts[2], path);
        column_name := parts[3];
    END IF;
    SELECT format('%I.%I', s.nspname, c.relname), c.relpersistence INTO relation, held
        FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = rel;
    IF relation IS NULL THEN
        RAISE EXCEPTION '% "%" does not exist', what, "left"(object, 200)
            USING ERRCODE = 'undefined_table',
                  HINT = 'Name a table or view of this database as schema.table or schema.table.column, or write a URI for what lies outside.';
    END IF;
    IF held = 't' THEN
        RAISE EXCEPTION '% "%" is a temporary table', what, "left"(object, 200)
            USING ERRCODE = 'wrong_object_type', HINT = 'Name what it was made of, or what was made of it.';
    END IF;
    IF column_name IS NOT NULL AND NOT EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = rel AND a.attname = lineage_object.column_name AND a.attnum > 0 AND NOT a.attisdropped) THEN
        RAISE EXCEPTION '% "%" does not exist: relation % has no column "%"', what, "left"(object, 200), relation, "left"(column_name, 200)
            USING ERRCODE = 'undefined_column', HINT = 'Write schema.table.column, with double quotes where SQL needs them.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.lineage_object(text, text, name[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.lineage_object(text, text, name[]) IS
    'the relation and column that a name written by a person means, as lineage_edge holds them; what names it in messages. Raises undefined_table, undefined_column, undefined_object (model), invalid_name, invalid_parameter_value (URI), wrong_object_type (temporary table) and what check_text() raises';

-- ---------------------------------------------------------------------
-- Edges that people declare
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.record_lineage_along(source text, target text, kind text, path name[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    from_object record;
    to_object   record;
BEGIN
    PERFORM steward.require_role('steward_engineer');
    PERFORM steward.check_text('kind of lineage', kind, 200);
    IF kind NOT IN ('direct', 'indirect', 'manual') THEN
        RAISE EXCEPTION 'unknown kind of lineage "%"', kind
            USING ERRCODE = 'invalid_parameter_value', HINT = 'The kinds are manual, direct and indirect.';
    END IF;
    from_object := steward.lineage_object('lineage source', source, path);
    to_object := steward.lineage_object('lineage target', target, path);
    IF from_object = to_object THEN
        RAISE EXCEPTION 'lineage source and target are the same: "%"', "left"(source, 200)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the columns, or leave the edge out.';
    END IF;
    INSERT INTO steward.lineage_edge AS e (source_relation, source_column, target_relation, target_column, kind)
        VALUES (from_object.relation, from_object.column_name, to_object.relation, to_object.column_name, kind)
        ON CONFLICT ON CONSTRAINT lineage_edge_key
        DO UPDATE SET observations = e.observations + 1, last_seen = greatest(e.last_seen, excluded.last_seen);
END
$$;
COMMENT ON FUNCTION steward.record_lineage_along(text, text, text, name[]) IS
    'record_lineage() with the search path along which names without a schema are found; for steward_engineer';

-- Without a pinned search_path, for the caller's is wanted; nothing else in it
-- is looked up by name.
CREATE FUNCTION steward.record_lineage(source text, target text, kind text DEFAULT 'manual') RETURNS void
    LANGUAGE sql AS $$
    SELECT steward.record_lineage_along(source, target, kind, pg_catalog.current_schemas(true))
$$;
COMMENT ON FUNCTION steward.record_lineage(text, text, text) IS
    'declares that data flowed from source to target, each schema.table, schema.table.column, model:NAME/VERSION, model:NAME or a URI; again: counts and moves last_seen. kind: manual | direct | indirect. For steward_engineer. Raises insufficient_privilege, undefined_table, undefined_column, undefined_object, invalid_name, invalid_parameter_value, null_value_not_allowed, string_data_right_truncation, wrong_object_type';
