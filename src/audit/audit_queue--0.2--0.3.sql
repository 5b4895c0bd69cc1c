-- audit: which installation this is, and how far the writer has come.

CREATE TABLE steward.installation (
    id                uuid PRIMARY KEY,
    system_identifier bigint NOT NULL,
    database          oid NOT NULL,
    timeline          integer NOT NULL,
    created_at        timestamptz NOT NULL,
    adopted_at        timestamptz,
    reason            text,
    extension         oid NOT NULL,
    damage            text
);
COMMENT ON TABLE steward.installation IS 'whose logs these are; the latest row is in force. Where it names another cluster or database, this database is a copy and logs nothing until adopt()';
COMMENT ON COLUMN steward.installation.id IS 'name of the installation, part of the origin of its checkpoints';
COMMENT ON COLUMN steward.installation.system_identifier IS 'of the cluster, as pg_control_system() tells it';
COMMENT ON COLUMN steward.installation.database IS 'OID of the database';
COMMENT ON COLUMN steward.installation.timeline IS 'timeline of the write-ahead log on which it began';
COMMENT ON COLUMN steward.installation.created_at IS 'when it began';
COMMENT ON COLUMN steward.installation.adopted_at IS 'when a copy was adopted; NULL: it began with its first record';
COMMENT ON COLUMN steward.installation.extension IS 'OID of the extension: restored over itself, a dump makes another';
COMMENT ON COLUMN steward.installation.reason IS 'why the copy was adopted';
COMMENT ON COLUMN steward.installation.damage IS 'what verify() found then, and was accepted: the logs go on from the hashes of their last records; NULL: nothing';

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

CREATE TABLE steward.checkpoint_shipment (
    log        integer PRIMARY KEY,
    size       bigint NOT NULL,
    shipped_at timestamptz NOT NULL
);
COMMENT ON TABLE steward.checkpoint_shipment IS 'how far the checkpoints of each log were sent by steward.checkpoint_command';
COMMENT ON COLUMN steward.checkpoint_shipment.log IS 'code of the log, see log_format()';
COMMENT ON COLUMN steward.checkpoint_shipment.size IS 'size of the last checkpoint that was sent';
COMMENT ON COLUMN steward.checkpoint_shipment.shipped_at IS 'when that was';
GRANT SELECT ON steward.checkpoint_shipment TO steward_auditor;

SELECT pg_catalog.pg_extension_config_dump('steward.checkpoint_shipment', '');
SELECT pg_catalog.pg_extension_config_dump('steward.installation', '');
SELECT pg_catalog.pg_extension_config_dump('steward.writer_state', '');
SELECT pg_catalog.pg_extension_config_dump('steward.set_aside_record', '');

CREATE FUNCTION steward.require_adoption() RETURNS void
    LANGUAGE C AS 'MODULE_PATHNAME', 'steward_require_adoption';
REVOKE ALL ON FUNCTION steward.require_adoption() FROM PUBLIC;
COMMENT ON FUNCTION steward.require_adoption() IS 'internal: raises unless a superuser calls, and there is something to adopt';

CREATE FUNCTION steward.begin_origin(reason text, damage text) RETURNS void
    LANGUAGE C AS 'MODULE_PATHNAME', 'steward_begin_origin';
REVOKE ALL ON FUNCTION steward.begin_origin(text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.begin_origin(text, text) IS 'internal: makes the logs of a copy those of this installation, see adopt()';

CREATE FUNCTION steward.adopt(reason text, accept_damage boolean DEFAULT false)
    RETURNS TABLE (log text, size bigint, ok boolean, problem text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    found jsonb;
    damage text;
BEGIN
    PERFORM steward.require_adoption();
    PERFORM steward.check_text('reason', reason, 10000);
    BEGIN
        SELECT jsonb_agg(jsonb_build_object('log', v.log, 'size', v.size, 'ok', v.ok, 'problem', v.problem)),
               string_agg(format('Log "%s": %s.', v.log, v.problem), ' ') FILTER (WHERE NOT v.ok)
        INTO found, damage FROM steward.verify() v;
    EXCEPTION WHEN OTHERS THEN
        found := '[]';
        damage := format('They cannot be verified: %s.', SQLERRM);
    END;
    IF damage IS NOT NULL AND accept_damage IS NOT TRUE THEN
        RAISE EXCEPTION 'the logs of this database are damaged'
            USING ERRCODE = 'data_corrupted', DETAIL = damage,
                  HINT = 'Restore another backup; or go on with what is there, which the change log will tell: SELECT * FROM steward.adopt(reason, accept_damage => true).';
    END IF;
    PERFORM steward.begin_origin(reason, damage);
    -- directly: until the commit, this database notes no changes
    INSERT INTO steward.change_outbox (transaction_id, object_kind, action, session_role, subject, object_name, after)
    SELECT pg_current_xact_id()::text::bigint, 'installation', 'adopt', session_user, steward.subject(), i.id::text,
           jsonb_build_object('reason', reason, 'logs', found, 'damage', damage)
    FROM steward.installation i ORDER BY i.created_at DESC LIMIT 1;
    RETURN QUERY SELECT v.log, v.size, v.ok, v.problem
        FROM jsonb_to_recordset(found) AS v (log text, size bigint, ok boolean, problem text);
END
$$;
REVOKE ALL ON FUNCTION steward.adopt(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION steward.adopt(text, boolean) IS
    'verifies the logs of a database that was restored, copied or promoted, or one log of which is damaged, and lets it begin an origin of its own for them; tells what verify() found. Damaged logs are refused, unless accept_damage says to go on with them. For superusers, recorded in the change log. Raises insufficient_privilege, object_not_in_prerequisite_state, data_corrupted, null_value_not_allowed';

CREATE FUNCTION steward.audit_status(
    OUT state text, OUT reason text, OUT writer text, OUT writer_pid integer, OUT keeper text, OUT keeper_pid integer,
    OUT queue_size bigint, OUT queue_bytes bigint, OUT queue_depth bigint, OUT reserved_bytes bigint, OUT waiting_sessions integer,
    OUT written bigint, OUT overflowed bigint, OUT lag interval,
    OUT last_checkpoint timestamptz, OUT last_error text, OUT last_error_at timestamptz)
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'steward_audit_status';
REVOKE ALL ON FUNCTION steward.audit_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.audit_status() TO steward_admin, steward_auditor;
COMMENT ON FUNCTION steward.audit_status() IS 'what stands in shared memory about queue and workers of this database; see the view status';

CREATE VIEW steward.status AS
    SELECT s.state, s.reason, s.writer, s.writer_pid, s.keeper, s.keeper_pid, s.queue_size, s.queue_bytes, s.queue_depth, s.reserved_bytes,
           s.waiting_sessions, s.written, s.overflowed, (SELECT pg_catalog.count(*) FROM steward.set_aside_record) AS set_aside,
           s.lag, s.last_checkpoint, s.last_error, s.last_error_at
      FROM steward.audit_status() s;
COMMENT ON VIEW steward.status IS 'one row: how the audit of this database is doing';
COMMENT ON COLUMN steward.status.state IS 'active | dormant (a copy that was not adopted) | standby | absent (not committed yet)';
COMMENT ON COLUMN steward.status.reason IS 'why it is not active, or what is to be acknowledged';
COMMENT ON COLUMN steward.status.writer IS 'writing | idle | starting | none, or what it waits for';
COMMENT ON COLUMN steward.status.writer_pid IS 'process of the writer; NULL: none runs';
COMMENT ON COLUMN steward.status.keeper IS 'running, or rests until something is due';
COMMENT ON COLUMN steward.status.keeper_pid IS 'process of the keeper; NULL: none runs';
COMMENT ON COLUMN steward.status.queue_size IS 'bytes of the queue (steward.queue_size)';
COMMENT ON COLUMN steward.status.queue_bytes IS 'bytes of records that are not written yet';
COMMENT ON COLUMN steward.status.queue_depth IS 'records that are not written yet';
COMMENT ON COLUMN steward.status.reserved_bytes IS 'bytes of the queue that are kept for the outcomes of running statements';
COMMENT ON COLUMN steward.status.waiting_sessions IS 'sessions that wait for room in the queue, or until their records are on disk';
COMMENT ON COLUMN steward.status.written IS 'records written since the server started';
COMMENT ON COLUMN steward.status.overflowed IS 'records lost since the server started because too little room was reserved for them; other than 0 is a fault of pg_steward';
COMMENT ON COLUMN steward.status.set_aside IS 'records that their log refused, in set_aside_record';
COMMENT ON COLUMN steward.status.lag IS 'age of the oldest record that is not written yet';
COMMENT ON COLUMN steward.status.last_checkpoint IS 'when the writer last signed a checkpoint, since the server started';
COMMENT ON COLUMN steward.status.last_error IS 'message of the last error of writer or keeper since the server started';
COMMENT ON COLUMN steward.status.last_error_at IS 'when that was';
GRANT SELECT ON steward.status TO steward_admin, steward_auditor;
GRANT SELECT ON steward.installation, steward.set_aside_record TO steward_auditor;

CREATE FUNCTION steward.flush() RETURNS void
    LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'steward_flush';
REVOKE ALL ON FUNCTION steward.flush() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.flush() TO steward_admin, steward_auditor, steward_officer, steward_engineer, steward_service;
COMMENT ON FUNCTION steward.flush() IS 'returns when every record queued so far is on disk. Raises object_not_in_prerequisite_state in a copy that was not adopted, deadlock_detected where the session itself blocks the writer';
