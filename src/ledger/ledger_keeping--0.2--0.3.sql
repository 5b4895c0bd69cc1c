-- ledger: from 0.2 to 0.3.  Witnesses, erasure, retention, exports.

CREATE TABLE steward.witness (
    name         text COLLATE "C" PRIMARY KEY CHECK (pg_catalog.length(name) BETWEEN 1 AND 200),
    verifier_key text NOT NULL UNIQUE,
    added_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.witness IS 'outside witnesses whose cosignatures of checkpoints are taken';
COMMENT ON COLUMN steward.witness.name IS 'what it is called here';
COMMENT ON COLUMN steward.witness.verifier_key IS 'its key as it publishes it, NAME+ID+KEY, of type 4';
COMMENT ON COLUMN steward.witness.added_at IS 'when it was made known';
GRANT SELECT ON steward.witness TO steward_admin, steward_auditor;
SELECT pg_catalog.pg_extension_config_dump('steward.witness', '');

CREATE TABLE steward.cosignature (
    log         smallint NOT NULL,
    size        bigint NOT NULL,
    signed_at   timestamptz NOT NULL,
    witness     text COLLATE "C" NOT NULL,
    cosigned_at timestamptz NOT NULL,
    line        bytea NOT NULL,
    PRIMARY KEY (log, size, signed_at, witness)
);
COMMENT ON TABLE steward.cosignature IS 'cosignatures of checkpoints by witnesses, verified before they were stored';
COMMENT ON COLUMN steward.cosignature.log IS 'code of the log, see log_format()';
COMMENT ON COLUMN steward.cosignature.size IS 'of the checkpoint';
COMMENT ON COLUMN steward.cosignature.signed_at IS 'of the checkpoint';
COMMENT ON COLUMN steward.cosignature.witness IS 'who cosigned';
COMMENT ON COLUMN steward.cosignature.cosigned_at IS 'when, by the witness'' own clock';
COMMENT ON COLUMN steward.cosignature.line IS 'the line of the signed note, with its line feed, in UTF-8';
SELECT steward.make_append_only('steward.cosignature', 'A cosignature is given once and for all.');
SELECT pg_catalog.pg_extension_config_dump('steward.cosignature', '');

CREATE FUNCTION steward.check_witness_key(verifier_key text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_check_witness_key';
REVOKE ALL ON FUNCTION steward.check_witness_key(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.check_witness_key(text) IS 'raises invalid_parameter_value for what is no verifier key of a witness';

CREATE FUNCTION steward.add_witness(name text, verifier_key text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.check_name('name', name);
    PERFORM steward.check_text('verifier_key', verifier_key, 2000);
    PERFORM steward.check_witness_key(verifier_key);
    INSERT INTO steward.witness (name, verifier_key) VALUES (add_witness.name, add_witness.verifier_key);
    PERFORM steward.record_change('witness', name, 'create', NULL, jsonb_build_object('verifier_key', verifier_key));
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'witness "%" or its key is known already', name
        USING ERRCODE = 'duplicate_object', HINT = 'Drop the other one with drop_witness(name).';
END
$$;
COMMENT ON FUNCTION steward.add_witness(text, text) IS
    'makes a witness known, whose cosignatures are taken from now on; for steward_admin, recorded in the change log. Raises insufficient_privilege, invalid_parameter_value, duplicate_object';

CREATE FUNCTION steward.drop_witness(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped text;
BEGIN
    PERFORM steward.require_role('steward_admin');
    DELETE FROM steward.witness w WHERE w.name = drop_witness.name RETURNING w.verifier_key INTO dropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'witness "%" does not exist', "left"(name, 200)
            USING ERRCODE = 'undefined_object', HINT = 'Table steward.witness lists the witnesses.';
    END IF;
    PERFORM steward.record_change('witness', name, 'drop', jsonb_build_object('verifier_key', dropped), NULL);
END
$$;
COMMENT ON FUNCTION steward.drop_witness(text) IS
    'takes no more cosignatures of a witness; those that were taken stay. For steward_admin, recorded in the change log. Raises insufficient_privilege, undefined_object';

CREATE FUNCTION steward.add_cosignature(log text, note text) RETURNS void
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_add_cosignature';
COMMENT ON FUNCTION steward.add_cosignature(text, text) IS
    'verifies and keeps the cosignatures that known witnesses put under a checkpoint; note is the checkpoint with their lines. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege';

CREATE FUNCTION steward.add_cosignature(log text, note bytea) RETURNS void
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_add_cosignature_bytes';
COMMENT ON FUNCTION steward.add_cosignature(text, bytea) IS
    'as add_cosignature(text, text), the note given as bytes. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege';

CREATE FUNCTION steward.redact(log text, seq bigint, reason text, groups integer[] DEFAULT NULL) RETURNS boolean
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_redact';
COMMENT ON FUNCTION steward.redact(text, bigint, text, integer[]) IS
    'erases what a record holds of persons and payloads, or only the groups of fields that are named (log_format() lists them); proofs still hold. False where all that was erased already. VACUUM frees the place. For steward_admin, recorded in the change log. Raises undefined_object, invalid_parameter_value, insufficient_privilege';

-- Retention.  How long a log must be kept at least is a fact of the law: data.
CREATE TABLE steward.log_retention (
    log     text COLLATE "C" PRIMARY KEY,
    minimum interval CHECK (minimum >= '0'),
    keep    interval CHECK (keep > '0'),
    basis   text
);
COMMENT ON TABLE steward.log_retention IS 'how long the records of each log are kept';
COMMENT ON COLUMN steward.log_retention.log IS 'name of the log';
COMMENT ON COLUMN steward.log_retention.minimum IS 'the least that may be set; NULL: 6 months for inference_log (EU AI Act, Articles 19 and 26(6)), nothing for the others. steward.minimum_retention, where it is not -1, stands in its place';
COMMENT ON COLUMN steward.log_retention.keep IS 'what is older is dropped by apply_retention(), whole partitions at a time; NULL: kept for ever';
COMMENT ON COLUMN steward.log_retention.basis IS 'where the minimum comes from';
GRANT SELECT ON steward.log_retention TO steward_admin, steward_officer, steward_auditor;
SELECT pg_catalog.pg_extension_config_dump('steward.log_retention', '');

CREATE FUNCTION steward.minimum_retention_of(log text) RETURNS interval
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('steward.minimum_retention') <> '-1' THEN
        RETURN make_interval(days => current_setting('steward.minimum_retention')::integer);
    END IF;
    RETURN coalesce((SELECT r.minimum FROM steward.log_retention r WHERE r.log = minimum_retention_of.log),
        CASE log WHEN 'inference_log' THEN '6 months' ELSE '0' END::interval);
END
$$;
REVOKE ALL ON FUNCTION steward.minimum_retention_of(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.minimum_retention_of(text) IS 'how long the records of a log must be kept at least';

CREATE FUNCTION steward.log_partitions(log text)
    RETURNS TABLE (partition regclass, first_seq bigint, last_seq bigint)
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'steward_log_partitions';
COMMENT ON FUNCTION steward.log_partitions(text) IS 'the partitions of a log in order, with the numbers of the records that they take. Raises undefined_object';

CREATE FUNCTION steward.set_retention(log text, keep interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    least_time interval;
    old interval;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM FROM steward.log_format(log);
    least_time := steward.minimum_retention_of(log);
    IF keep <= '0' OR keep < least_time THEN
        RAISE EXCEPTION 'log "%" is kept for % at least', log, least_time
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Give a longer time, or NULL to keep it for ever.';
    END IF;
    SELECT r.keep INTO old FROM steward.log_retention r WHERE r.log = set_retention.log FOR UPDATE;
    INSERT INTO steward.log_retention AS r (log, keep) VALUES (set_retention.log, set_retention.keep)
        ON CONFLICT ON CONSTRAINT log_retention_pkey DO UPDATE SET keep = excluded.keep;
    PERFORM steward.record_change('log', log, 'set retention', jsonb_build_object('keep', old), jsonb_build_object('keep', keep));
END
$$;
COMMENT ON FUNCTION steward.set_retention(text, interval) IS
    'keeps the records of a log for that long, NULL: for ever; apply_retention() drops what is older. For steward_admin, recorded in the change log. Raises undefined_object, invalid_parameter_value (less than the minimum of the log), insufficient_privilege';

CREATE FUNCTION steward.apply_retention(at_most integer DEFAULT NULL) RETURNS TABLE (log text, from_seq bigint, to_seq bigint)
    -- whoever waits for a lock on a log makes its writer wait
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_column
DECLARE
    r record;
    p record;
    last_seq bigint;
    newest timestamptz;
    too_young timestamptz;
    dropped integer := 0;
BEGIN
    PERFORM steward.require_role('steward_admin');
    FOR r IN SELECT l.log, l.keep FROM steward.log_retention l
             WHERE l.keep IS NOT NULL AND to_regclass(format('steward.%I', l.log)) IS NOT NULL ORDER BY 1
    LOOP
        FOR p IN SELECT * FROM steward.log_partitions(r.log) ORDER BY 2
        LOOP
            too_young := clock_timestamp() - greatest(r.keep, steward.minimum_retention_of(r.log));
            -- the last record mostly tells; only where it does not, all are looked at
            EXECUTE format('SELECT seq, logged_at FROM %s ORDER BY seq DESC LIMIT 1', p.partition) INTO last_seq, newest;
            EXIT WHEN last_seq IS DISTINCT FROM p.last_seq OR newest > too_young;
            EXECUTE format('SELECT max(logged_at) FROM %s', p.partition) INTO newest;
            EXIT WHEN newest > too_young;
            BEGIN
                EXECUTE format('DROP TABLE %s', p.partition);
            EXCEPTION WHEN lock_not_available THEN
                RAISE NOTICE 'log "%" is in use: its old records are dropped later', r.log;
                EXIT;
            END;
            PERFORM steward.record_change('log', r.log, 'drop records', NULL,
                jsonb_build_object('from_seq', p.first_seq, 'to_seq', p.last_seq, 'keep', r.keep));
            log := r.log;
            from_seq := p.first_seq;
            to_seq := p.last_seq;
            RETURN NEXT;
            dropped := dropped + 1;
            IF dropped >= at_most THEN
                RETURN;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION steward.apply_retention(integer) IS
    'drops partitions of logs in which every record is older than set_retention() says, at_most so many; their tiles stay, so the rest can be proven. The keeper does so by itself, a partition at a time. For steward_admin, recorded in the change log. Raises insufficient_privilege';

CREATE FUNCTION steward.export_entries(log text, from_seq bigint DEFAULT NULL, to_seq bigint DEFAULT NULL)
    RETURNS TABLE (path text, content bytea)
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_export_entries';
COMMENT ON FUNCTION steward.export_entries(text, bigint, bigint) IS
    'the files of export_log(), as rows; with a range, only the tiles and entries of these records. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege, data_corrupted';

CREATE FUNCTION steward.export_log(log text, directory text) RETURNS void
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_export_log';
COMMENT ON FUNCTION steward.export_log(text, text) IS
    'writes a log into a new directory of the server, so that pg_steward_verify, or anybody, can verify it (docs/leaf-encoding.md). For steward_auditor and steward_admin with the rights of pg_write_server_files. Raises undefined_object, insufficient_privilege, duplicate_file, data_corrupted';
