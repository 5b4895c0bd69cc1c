-- ledger: from 0.2 to 0.3.  Logs that nobody can alter unnoticed.

CREATE FUNCTION steward.refuse_insert() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'steward_refuse_insert';
REVOKE ALL ON FUNCTION steward.refuse_insert() FROM PUBLIC;
COMMENT ON FUNCTION steward.refuse_insert() IS
    'trigger of tables that pg_steward alone fills: raises insufficient_privilege for everybody, superusers too, unless a dump is restored';

CREATE FUNCTION steward.log_format(log text)
    RETURNS TABLE (code integer, version integer, field integer, name text, encoding text, "group" integer, column_type regtype)
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_log_format';
COMMENT ON FUNCTION steward.log_format(text) IS
    'the fields of a log in the order of their encoding (docs/leaf-encoding.md): group 0 stands in the leaf itself, every other group as one salted hash. Raises undefined_object';

-- Makes a table that only grows, for everybody: pg_steward fills it below its triggers.
CREATE FUNCTION steward.make_append_only(append_only regclass, hint text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_change(%L)', append_only, hint);
    EXECUTE format('CREATE TRIGGER refuse_row_change BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION steward.refuse_change(%L)', append_only, hint);
    EXECUTE format('CREATE TRIGGER refuse_insert BEFORE INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION steward.refuse_insert()', append_only);
    EXECUTE format('CREATE TRIGGER refuse_row_insert BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION steward.refuse_insert()', append_only);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_change', append_only);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_row_change', append_only);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_insert', append_only);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER refuse_row_insert', append_only);
    EXECUTE format('COMMENT ON TRIGGER refuse_change ON %s IS ''append-only for everybody''', append_only);
    EXECUTE format('COMMENT ON TRIGGER refuse_row_change ON %s IS ''append-only for logical replication too, which fires no statement triggers''', append_only);
    EXECUTE format('COMMENT ON TRIGGER refuse_insert ON %s IS ''pg_steward alone adds rows''', append_only);
    EXECUTE format('COMMENT ON TRIGGER refuse_row_insert ON %s IS ''pg_steward alone adds rows, logical replication does not''', append_only);
    EXECUTE format('GRANT SELECT ON %s TO steward_auditor', append_only);
END
$$;
REVOKE ALL ON FUNCTION steward.make_append_only(regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.make_append_only(regclass, text) IS
    'puts the triggers onto a table that nobody but pg_steward adds to and nobody changes, and lets steward_auditor read it; for install scripts';

CREATE FUNCTION steward.create_log(log text, comment text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TABLE steward.%I (seq bigint NOT NULL, logged_at timestamptz NOT NULL, %s, salt bytea, erased bytea) PARTITION BY RANGE (seq)',
        log, (SELECT string_agg(format('%I %s', f.name, f.column_type), ', ' ORDER BY f.field) FROM steward.log_format(log) f));
    EXECUTE format('COMMENT ON TABLE steward.%I IS %L', log, comment);
    EXECUTE format('COMMENT ON COLUMN steward.%I.seq IS ''number of the record, from 0 without gap: the index of its leaf''', log);
    EXECUTE format('COMMENT ON COLUMN steward.%I.logged_at IS ''when it was logged, by the wall clock of the database server''', log);
    EXECUTE format('COMMENT ON COLUMN steward.%I.salt IS ''seed of the salts under which the leaf commits to what can be erased; NULL once something was erased''', log);
    EXECUTE format('COMMENT ON COLUMN steward.%I.erased IS ''what is left of erased groups: their commitments, and the salts of the groups that were kept; NULL: nothing was erased''', log);
    PERFORM steward.make_append_only(format('steward.%I', log)::regclass, 'Log a new record instead.');
    BEGIN
        PERFORM pg_extension_config_dump(format('steward.%I', log)::regclass, '');
    EXCEPTION WHEN feature_not_supported THEN
        NULL; -- not in a script of the extension: the table is dumped like any other
    END;
END
$$;
REVOKE ALL ON FUNCTION steward.create_log(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.create_log(text, text) IS
    'makes the table of a log by its format in the library; for install scripts, which comment its columns. Partitions are made at run time, with the indexes that the format names';

CREATE TABLE steward.ledger_tile (
    log    smallint NOT NULL,
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index  bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL,
    PRIMARY KEY (log, level, index)
);
ALTER TABLE steward.ledger_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE steward.ledger_tile IS 'full tiles of the logs'' trees (C2SP tlog-tiles): 256 hashes each, kept when the records below them are gone';
COMMENT ON COLUMN steward.ledger_tile.log IS 'code of the log, see log_format()';
COMMENT ON COLUMN steward.ledger_tile.level IS '0: hashes of leaves; above: hashes of full tiles of the level below';
COMMENT ON COLUMN steward.ledger_tile.index IS 'number of the tile in its level, from 0';
COMMENT ON COLUMN steward.ledger_tile.hashes IS '256 hashes of 32 bytes';
SELECT steward.make_append_only('steward.ledger_tile', 'Tiles never change; verify() finds one that did.');
SELECT pg_catalog.pg_extension_config_dump('steward.ledger_tile', '');

CREATE TABLE steward.ledger_leaf (
    log       smallint NOT NULL,
    first_seq bigint NOT NULL CHECK (first_seq >= 0),
    hashes    bytea NOT NULL,
    PRIMARY KEY (log, first_seq)
);
COMMENT ON TABLE steward.ledger_leaf IS 'hashes of the last records of each log, which fill no tile yet; gone when the tile is full';
COMMENT ON COLUMN steward.ledger_leaf.log IS 'code of the log, see log_format()';
COMMENT ON COLUMN steward.ledger_leaf.first_seq IS 'number of the record of the first hash';
COMMENT ON COLUMN steward.ledger_leaf.hashes IS 'hashes of 32 bytes, one a record';
SELECT steward.make_append_only('steward.ledger_leaf', 'Hashes never change; verify() finds one that did.');
SELECT pg_catalog.pg_extension_config_dump('steward.ledger_leaf', '');

CREATE TABLE steward.ledger_key (
    name       text COLLATE "C" NOT NULL,
    key_id     bytea NOT NULL,
    public_key bytea NOT NULL CHECK (pg_catalog.length(public_key) = 32),
    valid_from timestamptz NOT NULL,
    reason     text,
    PRIMARY KEY (name, valid_from)
);
COMMENT ON TABLE steward.ledger_key IS 'public keys under which checkpoints are signed; the latest of a name is in force, the others stay for what they signed. The private keys are files of steward.key_directory';
COMMENT ON COLUMN steward.ledger_key.name IS 'name of the key: the origin of the log that it signs';
COMMENT ON COLUMN steward.ledger_key.key_id IS 'as it stands in signatures, 4 bytes';
COMMENT ON COLUMN steward.ledger_key.public_key IS 'Ed25519, 32 bytes';
COMMENT ON COLUMN steward.ledger_key.valid_from IS 'when it was taken into use; the next one of the name ends that';
COMMENT ON COLUMN steward.ledger_key.reason IS 'why it took the place of another; NULL: the first of its name';
SELECT steward.make_append_only('steward.ledger_key', 'Use a new key with rotate_key(reason).');
SELECT pg_catalog.pg_extension_config_dump('steward.ledger_key', '');

CREATE TABLE steward.checkpoint_record (
    log       smallint NOT NULL,
    size      bigint NOT NULL CHECK (size >= 0),
    signed_at timestamptz NOT NULL,
    root      bytea NOT NULL CHECK (pg_catalog.length(root) = 32),
    origin    text NOT NULL,
    key_id    bytea NOT NULL,
    note      bytea NOT NULL,
    PRIMARY KEY (log, size, signed_at)
);
COMMENT ON TABLE steward.checkpoint_record IS 'checkpoints: what was signed of each log, as C2SP signed notes';
COMMENT ON COLUMN steward.checkpoint_record.log IS 'code of the log, see log_format()';
COMMENT ON COLUMN steward.checkpoint_record.size IS 'number of records that it covers';
COMMENT ON COLUMN steward.checkpoint_record.signed_at IS 'when it was signed';
COMMENT ON COLUMN steward.checkpoint_record.root IS 'root of the tree of these records';
COMMENT ON COLUMN steward.checkpoint_record.origin IS 'name of the log to the world: <installation>.pg-steward/<log>';
COMMENT ON COLUMN steward.checkpoint_record.key_id IS 'key that signed it, see ledger_key';
COMMENT ON COLUMN steward.checkpoint_record.note IS 'the signed note, in UTF-8 whatever the encoding of the database';
SELECT steward.make_append_only('steward.checkpoint_record', 'A checkpoint is signed once and for all.');
SELECT pg_catalog.pg_extension_config_dump('steward.checkpoint_record', '');

CREATE FUNCTION steward.verifier_key(name text, key_type integer, public_key bytea) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_verifier_key';
COMMENT ON FUNCTION steward.verifier_key(text, integer, bytea) IS
    'a public key as verifiers of signed notes are given it; type 1: Ed25519, 4: Ed25519 cosignatures. Raises invalid_parameter_value';

CREATE FUNCTION steward.checkpoint(log text) RETURNS text
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_checkpoint';
COMMENT ON FUNCTION steward.checkpoint(text) IS
    'signs what is committed in a log and returns the checkpoint, a C2SP signed note; where nothing was added since the last one, that one. For steward_auditor and steward_admin. Raises undefined_object, insufficient_privilege, data_corrupted, untranslatable_character';

CREATE FUNCTION steward.checkpoint_bytes(log text) RETURNS bytea
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_checkpoint_bytes';
COMMENT ON FUNCTION steward.checkpoint_bytes(text) IS
    'as checkpoint(), as the bytes of the note in UTF-8: for databases whose encoding has no U+2014, such as LATIN1. For steward_auditor and steward_admin. Raises undefined_object, insufficient_privilege, data_corrupted';

CREATE FUNCTION steward.rotate_key(reason text) RETURNS void
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_rotate_key';
COMMENT ON FUNCTION steward.rotate_key(text) IS
    'has the logs of this installation sign with a new key from now on; old checkpoints stay verifiable. For steward_admin, recorded in the change log';

CREATE FUNCTION steward.inclusion_proof(log text, seq bigint) RETURNS text
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_inclusion_proof';
COMMENT ON FUNCTION steward.inclusion_proof(text, bigint) IS
    'proves offline that a record is in a log: a C2SP tlog-proof with the newest checkpoint, signed where none covers the record. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege, untranslatable_character';

CREATE FUNCTION steward.inclusion_proof_bytes(log text, seq bigint) RETURNS bytea
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_inclusion_proof_bytes';
COMMENT ON FUNCTION steward.inclusion_proof_bytes(text, bigint) IS
    'as inclusion_proof(), as bytes: for databases whose encoding has no U+2014, such as LATIN1. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege';

CREATE FUNCTION steward.consistency_proof(log text, old_size bigint, new_size bigint) RETURNS bytea[]
    LANGUAGE c STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_consistency_proof';
COMMENT ON FUNCTION steward.consistency_proof(text, bigint, bigint) IS
    'proves that the log of old_size records is the beginning of that of new_size: the hashes of RFC 6962, section 2.1.2. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege';

CREATE FUNCTION steward.verify(log text DEFAULT NULL, known_checkpoint text DEFAULT NULL)
    RETURNS TABLE (log text, size bigint, root bytea, ok boolean, first_bad_seq bigint, problem text)
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_verify';
COMMENT ON FUNCTION steward.verify(text, text) IS
    'checks a log, or all of them, record by record against its tree and its checkpoints, and against a checkpoint that was kept elsewhere; first_bad_seq is the first record that is bad or that nothing vouches for any more. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege';

CREATE FUNCTION steward.verify(log text, known_checkpoint bytea)
    RETURNS TABLE (log text, size bigint, root bytea, ok boolean, first_bad_seq bigint, problem text)
    LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'steward_verify_bytes';
COMMENT ON FUNCTION steward.verify(text, bytea) IS
    'as verify(text, text), the checkpoint given as checkpoint_bytes() returned it. For steward_auditor and steward_admin. Raises undefined_object, invalid_parameter_value, insufficient_privilege';
