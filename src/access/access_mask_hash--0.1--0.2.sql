-- mask_hash() and its key.

CREATE TABLE steward.mask_key (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    wrapped bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.mask_key IS 'the key of mask_hash() in this database, made with the first mask or policy that hashes, wrapped under the master key. A dump and restore keeps it, so that hashes stay what they are. Only superusers read it';
COMMENT ON COLUMN steward.mask_key.single IS 'there is one row';
COMMENT ON COLUMN steward.mask_key.wrapped IS 'the key, wrapped under the master key';
COMMENT ON COLUMN steward.mask_key.made_at IS 'when it was made';

SELECT pg_catalog.pg_extension_config_dump('steward.mask_key', '');

CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.mask_key
    FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed();
ALTER TABLE steward.mask_key ENABLE ALWAYS TRIGGER governance_changed;

CREATE FUNCTION steward.new_mask_key() RETURNS bytea
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_new_mask_key';
REVOKE ALL ON FUNCTION steward.new_mask_key() FROM PUBLIC;
COMMENT ON FUNCTION steward.new_mask_key() IS 'internal: a random key for mask_hash(), wrapped under the master key';

CREATE FUNCTION steward.make_mask_key() RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- of two sessions at once the second waits for the first, and takes its key
    INSERT INTO steward.mask_key (wrapped) VALUES (steward.new_mask_key()) ON CONFLICT DO NOTHING;
END
$$;
REVOKE ALL ON FUNCTION steward.make_mask_key() FROM PUBLIC;
COMMENT ON FUNCTION steward.make_mask_key() IS 'internal: makes the key of mask_hash(), where there is none';

CREATE FUNCTION steward.mask_hash(value anyelement) RETURNS anyelement
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_mask_hash';
COMMENT ON FUNCTION steward.mask_hash(anyelement) IS
    'mask: a keyed pseudonym in place of the value, of its type; equal values have equal pseudonyms, throughout the database, after dump and restore, and on standbys. smallint, integer, bigint: a permutation of the type''s numbers (FF1 of NIST SP 800-38G), so that no two meet; text, varchar, char: 22 characters, equal for the three; bytea: 32 bytes; uuid: version 8; numeric: a whole number of up to 36 digits. Raises feature_not_supported for other types, and insufficient_privilege but in the expressions of masks and policies and for those who may write them';
