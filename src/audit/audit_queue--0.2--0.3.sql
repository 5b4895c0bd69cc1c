-- audit: which installation this is, and how far the writer has come.

CREATE TABLE steward.installation (
    id                uuid PRIMARY KEY,
    system_identifier bigint NOT NULL,
    database          oid NOT NULL,
    timeline          integer NOT NULL,
    created_at        timestamptz NOT NULL,
    adopted_at        timestamptz,
    reason            text
);
COMMENT ON TABLE steward.installation IS 'whose logs these are; the latest row is in force. Where it names another cluster or database, this database is a copy and logs nothing until adopt()';
COMMENT ON COLUMN steward.installation.id IS 'name of the installation, part of the origin of its checkpoints';
COMMENT ON COLUMN steward.installation.system_identifier IS 'of the cluster, as pg_control_system() tells it';
COMMENT ON COLUMN steward.installation.database IS 'OID of the database';
COMMENT ON COLUMN steward.installation.timeline IS 'timeline of the write-ahead log on which it began';
COMMENT ON COLUMN steward.installation.created_at IS 'when it began';
COMMENT ON COLUMN steward.installation.adopted_at IS 'when a copy was adopted; NULL: it began with its first record';
COMMENT ON COLUMN steward.installation.reason IS 'why the copy was adopted';

CREATE FUNCTION steward.installation_changed() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'steward_installation_changed';
REVOKE ALL ON FUNCTION steward.installation_changed() FROM PUBLIC;
COMMENT ON FUNCTION steward.installation_changed() IS 'trigger of steward.installation: sessions and workers look again';
CREATE TRIGGER installation_changed AFTER INSERT OR UPDATE OR DELETE ON steward.installation
    FOR EACH ROW EXECUTE FUNCTION steward.installation_changed();
ALTER TABLE steward.installation ENABLE ALWAYS TRIGGER installation_changed;
COMMENT ON TRIGGER installation_changed ON steward.installation IS 'sessions and workers look again';

CREATE TABLE steward.writer_state (
    epoch    bigint NOT NULL,
    position bigint NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE steward.writer_state IS 'one row: how much of the queue in shared memory stands in the logs';
COMMENT ON COLUMN steward.writer_state.epoch IS 'life of the queue; another one: position says nothing';
COMMENT ON COLUMN steward.writer_state.position IS 'bytes of the queue that are written';

CREATE TABLE steward.set_aside_record (
    id         uuid PRIMARY KEY,
    set_aside_at timestamptz NOT NULL,
    log        text NOT NULL,
    error_code text NOT NULL,
    error      text NOT NULL,
    record     bytea NOT NULL
);
COMMENT ON TABLE steward.set_aside_record IS 'records that their log refused; the writer put them here and went on';
COMMENT ON COLUMN steward.set_aside_record.id IS 'identifies it';
COMMENT ON COLUMN steward.set_aside_record.set_aside_at IS 'when that was';
COMMENT ON COLUMN steward.set_aside_record.log IS 'log that it was meant for';
COMMENT ON COLUMN steward.set_aside_record.error_code IS 'SQLSTATE of the refusal';
COMMENT ON COLUMN steward.set_aside_record.error IS 'message of the refusal';
COMMENT ON COLUMN steward.set_aside_record.record IS 'the record, encoded as docs/leaf-encoding.md says';

SELECT pg_catalog.pg_extension_config_dump('steward.installation', '');
SELECT pg_catalog.pg_extension_config_dump('steward.writer_state', '');
SELECT pg_catalog.pg_extension_config_dump('steward.set_aside_record', '');

CREATE FUNCTION steward.adopt(reason text) RETURNS void
    LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'steward_adopt';
REVOKE ALL ON FUNCTION steward.adopt(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.adopt(text) IS 'lets a database that was restored, copied or promoted begin an origin of its own for its logs; for superusers';
