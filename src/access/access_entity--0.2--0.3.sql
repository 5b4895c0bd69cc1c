-- access: who saw the data of a person.

CREATE TABLE steward.entity_key (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.entity_key IS 'the key under which the access log knows persons, made when a table first names an entity column, wrapped under the master key. A dump and restore keeps it: with another key, nobody would be found in the log again. Only superusers read it';
COMMENT ON COLUMN steward.entity_key.single IS 'there is one row';
COMMENT ON COLUMN steward.entity_key.wrapped IS 'the key, wrapped under the master key';
COMMENT ON COLUMN steward.entity_key.made_at IS 'when it was made';
SELECT pg_catalog.pg_extension_config_dump('steward.entity_key', '');

CREATE FUNCTION steward.new_entity_key() RETURNS bytea
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_new_entity_key';
REVOKE ALL ON FUNCTION steward.new_entity_key() FROM PUBLIC;
COMMENT ON FUNCTION steward.new_entity_key() IS 'internal: a random key for entities, wrapped under the master key';

CREATE FUNCTION steward.make_entity_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- a restore brings its key along
    IF current_setting('check_function_bodies')::boolean
        AND EXISTS (SELECT FROM steward.protected_relation p WHERE p.entity_column IS NOT NULL)
    THEN
        INSERT INTO steward.entity_key (wrapped) SELECT steward.new_entity_key()
            WHERE NOT EXISTS (SELECT FROM steward.entity_key) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION steward.make_entity_key() FROM PUBLIC;
COMMENT ON FUNCTION steward.make_entity_key() IS 'trigger of protected_relation: makes the key for entities, where it is needed and there is none';
CREATE TRIGGER make_entity_key AFTER INSERT OR UPDATE ON steward.protected_relation
    FOR EACH STATEMENT EXECUTE FUNCTION steward.make_entity_key();
COMMENT ON TRIGGER make_entity_key ON steward.protected_relation IS 'a table that names an entity column needs a key';
-- tables that were protected before
UPDATE steward.protected_relation SET entity_column = entity_column WHERE entity_column IS NOT NULL;

CREATE FUNCTION steward.touch_entity_support(internal) RETURNS internal
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_touch_entity_support';
REVOKE ALL ON FUNCTION steward.touch_entity_support(internal) FROM PUBLIC;
COMMENT ON FUNCTION steward.touch_entity_support(internal) IS 'internal: tells the planner of touch_entity()';

CREATE FUNCTION steward.touch_entity(ordinal integer, relation oid, value "any") RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED SUPPORT steward.touch_entity_support
    AS 'MODULE_PATHNAME', 'steward_touch_entity';
COMMENT ON FUNCTION steward.touch_entity(integer, oid, "any") IS
    'internal: stands in plans over governed tables with an entity column, is always true and notes for the access log whom a row is about. Called by anybody else, it does nothing';

CREATE FUNCTION steward.entity_hash(entity text) RETURNS bigint
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'steward_entity_hash';
REVOKE ALL ON FUNCTION steward.entity_hash(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.entity_hash(text) IS 'internal: the hash by which the access log knows a person. Raises object_not_in_prerequisite_state';

-- Of records from which one person was erased: the others.
CREATE TABLE steward.entity_remainder (
    seq          bigint PRIMARY KEY,
    relation_oid bigint NOT NULL,
    entities     bigint[] NOT NULL
);
CREATE INDEX entity_remainder_entities_idx ON steward.entity_remainder USING gin (entities);
REVOKE ALL ON steward.entity_remainder FROM PUBLIC;
GRANT SELECT ON steward.entity_remainder TO steward_auditor;
COMMENT ON TABLE steward.entity_remainder IS 'records of access_event from which redact_entity() erased a person, with the other persons whom the access met. Those are no longer proven: the record''s proof is of the whole list';
COMMENT ON COLUMN steward.entity_remainder.seq IS 'number of the record in access_event';
COMMENT ON COLUMN steward.entity_remainder.relation_oid IS 'OID of the governed table';
COMMENT ON COLUMN steward.entity_remainder.entities IS 'keyed hashes of the other persons';
COMMENT ON INDEX steward.entity_remainder_entities_idx IS 'finds the accesses that met a person';
SELECT pg_catalog.pg_extension_config_dump('steward.entity_remainder', '');

-- ---------------------------------------------------------------------
-- Questions
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.require_entity_question(entity text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_auditor');
    PERFORM steward.check_text('entity', entity, 10000);
END
$$;
REVOKE ALL ON FUNCTION steward.require_entity_question(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.require_entity_question(text) IS 'internal: raises unless an auditor asks about somebody';

CREATE FUNCTION steward.relations_below(relation oid) RETURNS bigint[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE below (relid) AS (
        SELECT relation
        UNION
        SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.relid)
    SELECT array_agg(b.relid::bigint) FROM below b
$$;
REVOKE ALL ON FUNCTION steward.relations_below(oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.relations_below(oid) IS 'internal: a table, its partitions and its inheritance children, at any depth';

CREATE FUNCTION steward.relations_above(relation oid) RETURNS bigint[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE above (relid) AS (
        SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = relation
        UNION
        SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.relid)
    SELECT coalesce(array_agg(a.relid::bigint), '{}') FROM above a
$$;
REVOKE ALL ON FUNCTION steward.relations_above(oid) FROM PUBLIC;
COMMENT ON FUNCTION steward.relations_above(oid) IS 'internal: the tables through which a partition or an inheritance child is read, at any depth';

-- The numbers are those of events and intents, as access_log has them.
CREATE FUNCTION steward.records_of_entity(hash bigint) RETURNS TABLE (seq bigint, relation_oid bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH met AS (
        SELECT e.seq, e.kind, e.statement_id, e.access_no, e.relation_oid
        FROM steward.access_event e WHERE e.entities @> ARRAY[hash]
        UNION ALL
        SELECT e.seq, e.kind, e.statement_id, e.access_no, e.relation_oid
        FROM steward.entity_remainder r JOIN steward.access_event e ON e.seq = r.seq WHERE r.entities @> ARRAY[hash])
    SELECT coalesce(i.seq, m.seq), m.relation_oid
    FROM met m
        LEFT JOIN steward.access_event i
            ON m.kind = 'outcome' AND i.kind = 'intent' AND i.statement_id = m.statement_id AND i.access_no = m.access_no
$$;
REVOKE ALL ON FUNCTION steward.records_of_entity(bigint) FROM PUBLIC;
COMMENT ON FUNCTION steward.records_of_entity(bigint) IS 'internal: the accesses that met a person';

CREATE FUNCTION steward.records_of_anybody(relations bigint[]) RETURNS TABLE (seq bigint, relation_oid bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(i.seq, e.seq), e.relation_oid
    FROM steward.access_event e
        LEFT JOIN steward.access_event i
            ON e.kind = 'outcome' AND i.kind = 'intent' AND i.statement_id = e.statement_id AND i.access_no = e.access_no
    WHERE e.entity_scope = 'scan' AND e.relation_oid = ANY (relations)
        AND (e.kind <> 'intent' OR NOT EXISTS (
            SELECT FROM steward.access_event o
            WHERE o.kind = 'outcome' AND o.statement_id = e.statement_id AND o.access_no = e.access_no))
$$;
REVOKE ALL ON FUNCTION steward.records_of_anybody(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.records_of_anybody(bigint[]) IS 'internal: the accesses to these tables that may have met anybody';

CREATE FUNCTION steward.who_saw(relation regclass, entity text) RETURNS SETOF steward.access_log
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    relations bigint[] := steward.relations_below(relation) || steward.relations_above(relation);
    found bigint[];
    anybody bigint[];
BEGIN
    PERFORM steward.require_entity_question(entity);
    found := ARRAY(SELECT r.seq FROM steward.records_of_entity(steward.entity_hash(entity)) r WHERE r.relation_oid = ANY (relations));
    anybody := ARRAY(SELECT r.seq FROM steward.records_of_anybody(relations) r);
    RETURN QUERY SELECT l.* FROM steward.access_log l WHERE l.seq = ANY (found || anybody) ORDER BY l.seq;
END
$$;
COMMENT ON FUNCTION steward.who_saw(regclass, text) IS
    'the accesses to a table in which rows about this person were met (entity_scope rows), also those to its partitions and children, and to tables whose partition or child it is (the log does not tell from which partition a row came), and those that may have met anybody (entity_scope scan), by time; entity is the text of the entity column. An index answers. For steward_auditor. Raises insufficient_privilege, null_value_not_allowed, object_not_in_prerequisite_state';

CREATE FUNCTION steward.entity_report(entity text) RETURNS TABLE (
    source text, object text, subject text, purpose text, operation text, result text,
    times bigint, rows_returned bigint, rows_affected bigint, first_at timestamptz, last_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    found bigint[];
    anybody bigint[];
BEGIN
    PERFORM steward.require_entity_question(entity);
    IF EXISTS (SELECT FROM steward.entity_key) THEN
        found := ARRAY(SELECT r.seq FROM steward.records_of_entity(steward.entity_hash(entity)) r);
        anybody := ARRAY(SELECT r.seq FROM steward.records_of_anybody(ARRAY(
            SELECT DISTINCT b FROM steward.protected_relation p, unnest(steward.relations_below(p.relation)) b
            WHERE p.entity_column IS NOT NULL)) r);
    END IF;
    RETURN QUERY
        SELECT 'access', l.relation_name, l.subject, l.purpose, l.command, l.decision,
            count(*), sum(l.rows_returned)::bigint, sum(l.rows_affected)::bigint, min(l.logged_at), max(l.logged_at)
        FROM steward.access_log l WHERE l.seq = ANY (found) GROUP BY 2, 3, 4, 5, 6
        UNION ALL
        SELECT 'possible access', l.relation_name, l.subject, l.purpose, l.command, l.decision,
            count(*), sum(l.rows_returned)::bigint, sum(l.rows_affected)::bigint, min(l.logged_at), max(l.logged_at)
        FROM steward.access_log l WHERE l.seq = ANY (anybody) GROUP BY 2, 3, 4, 5, 6
        UNION ALL
        SELECT 'inference', i.model || ' ' || i.version, i.subject, i.purpose, i.operation, NULL,
            count(*), NULL, NULL, min(i.logged_at), max(i.logged_at)
        FROM steward.inference_log i WHERE i.entities @> ARRAY[entity_report.entity] GROUP BY 2, 3, 4, 5
        ORDER BY 1, 2, 3, 4, 5, 6;
END
$$;
COMMENT ON FUNCTION steward.entity_report(text) IS
    'what was done with the data of a person: accesses that met rows about them, accesses that may have, and inferences about them, by table or model, by who, for which purpose and how, with how often, how many rows in all, and when first and last. An index answers. For steward_auditor. Raises insufficient_privilege, null_value_not_allowed';

-- ---------------------------------------------------------------------
-- Erasure
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.redact_record(log text, seq bigint, reason text, groups integer[]) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_redact_record';
REVOKE ALL ON FUNCTION steward.redact_record(text, bigint, text, integer[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.redact_record(text, bigint, text, integer[]) IS 'internal: redact() for functions that have asked who calls';

CREATE FUNCTION steward.redact_entity(entity text, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    erased bigint := 0;
    hash bigint;
    others bigint[];
    r record;
BEGIN
    PERFORM steward.require_role('steward_admin', 'steward_officer');
    PERFORM steward.check_text('entity', entity, 10000);
    PERFORM steward.check_text('reason', reason, 10000);

    FOR r IN SELECT i.seq FROM steward.inference_log i WHERE i.entities @> ARRAY[entity] LOOP
        PERFORM steward.redact_record('inference_log', r.seq, reason, '{2,3,4,5}');
        erased := erased + 1;
        IF erased % 1000 = 0 THEN
            RAISE NOTICE '% records erased', erased;
        END IF;
    END LOOP;

    IF NOT EXISTS (SELECT FROM steward.entity_key) THEN
        RETURN erased;
    END IF;
    hash := steward.entity_hash(entity);
    FOR r IN
        SELECT e.seq, e.relation_oid, e.entities,
            strpos(e.query_text, entity) > 0 OR EXISTS (SELECT FROM unnest(e.parameters) p WHERE strpos(p, entity) > 0) AS named
        FROM steward.access_event e WHERE e.entities @> ARRAY[hash]
    LOOP
        PERFORM steward.redact_record('access_event', r.seq, reason, CASE WHEN r.named THEN '{2,4}' ELSE '{4}' END::integer[]);
        others := array_remove(r.entities, hash);
        IF cardinality(others) > 0 THEN
            INSERT INTO steward.entity_remainder (seq, relation_oid, entities) VALUES (r.seq, r.relation_oid, others);
        END IF;
        erased := erased + 1;
        IF erased % 1000 = 0 THEN
            RAISE NOTICE '% records erased', erased;
        END IF;
    END LOOP;
    FOR r IN SELECT e.seq, array_remove(e.entities, hash) AS others FROM steward.entity_remainder e WHERE e.entities @> ARRAY[hash] LOOP
        UPDATE steward.entity_remainder e SET entities = r.others WHERE e.seq = r.seq;
        PERFORM steward.record_change('entity remainder', r.seq::text, 'redact', NULL, jsonb_build_object('reason', reason));
        erased := erased + 1;
    END LOOP;
    DELETE FROM steward.entity_remainder e WHERE e.entities = '{}';
    RETURN erased;
END
$$;
COMMENT ON FUNCTION steward.redact_entity(text, text) IS
    'erases whom it was about from the accesses that met this person''s rows, with the text and parameters of statements in which they stand, and what the inferences about them hold (input, output, conversation, attributes): proofs still hold, and each record is told to the change log with the reason. Other persons of the same accesses are kept in entity_remainder, no longer proven. Returns how many records; VACUUM frees the place. For steward_admin and steward_officer. Raises insufficient_privilege, null_value_not_allowed, invalid_parameter_value';
