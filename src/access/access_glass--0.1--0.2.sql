-- Break-glass: for a time, on the record, somebody reads without row policies
-- and masks.

CREATE TABLE steward.break_glass_grant (
    to_role      regrole PRIMARY KEY CHECK (to_role <> 0),
    max_duration interval NOT NULL CHECK (max_duration > '0' AND max_duration <= '7 days'),
    granted_by   text NOT NULL,
    granted_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE steward.break_glass_grant IS 'roles that may break the glass; written by grant_break_glass() and revoke_break_glass()';
COMMENT ON COLUMN steward.break_glass_grant.to_role IS 'the role; who has its rights may break the glass';
COMMENT ON COLUMN steward.break_glass_grant.max_duration IS 'for how long at most, 7 days or less';
COMMENT ON COLUMN steward.break_glass_grant.granted_by IS 'subject that granted it';
COMMENT ON COLUMN steward.break_glass_grant.granted_at IS 'when it was granted, or the duration changed';

CREATE TABLE steward.break_glass_record (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_role     text NOT NULL,
    subject_role     text NOT NULL,
    subject          text NOT NULL,
    token_issuer     text,
    reason           text NOT NULL CHECK (reason ~ '\S'),
    ticket           text,
    relations        text[],
    broken_at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    valid_until      timestamptz NOT NULL,
    application_name text,
    client_addr      inet,
    backend_pid      integer NOT NULL,
    CHECK (broken_at < valid_until)
);
COMMENT ON TABLE steward.break_glass_record IS 'who broke the glass; view break_glass_event shows it';
COMMENT ON COLUMN steward.break_glass_record.id IS 'number of the event';
COMMENT ON COLUMN steward.break_glass_record.session_role IS 'role that opened the session';
COMMENT ON COLUMN steward.break_glass_record.subject_role IS 'role that acted';
COMMENT ON COLUMN steward.break_glass_record.subject IS 'person or service that acted';
COMMENT ON COLUMN steward.break_glass_record.token_issuer IS 'issuer of the token that named the subject; NULL: no token';
COMMENT ON COLUMN steward.break_glass_record.reason IS 'why';
COMMENT ON COLUMN steward.break_glass_record.ticket IS 'number of the incident or the like; NULL: none';
COMMENT ON COLUMN steward.break_glass_record.relations IS 'names at that moment of the relations that were meant, with their partitions and children; NULL: all';
COMMENT ON COLUMN steward.break_glass_record.broken_at IS 'when it was broken; it counts from the commit on';
COMMENT ON COLUMN steward.break_glass_record.valid_until IS 'when it ends by itself, by the wall clock';
COMMENT ON COLUMN steward.break_glass_record.application_name IS 'application_name of the session; NULL: none';
COMMENT ON COLUMN steward.break_glass_record.client_addr IS 'address of the client; NULL: a Unix socket';
COMMENT ON COLUMN steward.break_glass_record.backend_pid IS 'process of the session';

CREATE TABLE steward.break_glass_end (
    event    bigint PRIMARY KEY REFERENCES steward.break_glass_record,
    ended_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    ended_by text NOT NULL
);
COMMENT ON TABLE steward.break_glass_end IS 'which broken glasses were ended before their time; view break_glass_event shows it';
COMMENT ON COLUMN steward.break_glass_end.event IS 'number of the event';
COMMENT ON COLUMN steward.break_glass_end.ended_at IS 'when it was ended';
COMMENT ON COLUMN steward.break_glass_end.ended_by IS 'subject that ended it';

CREATE VIEW steward.break_glass_event AS
    SELECT r.id, r.session_role, r.subject_role, r.subject, r.token_issuer, r.reason, r.ticket, r.relations,
           r.broken_at, r.valid_until, e.ended_at, r.application_name, r.client_addr, r.backend_pid
    FROM steward.break_glass_record r LEFT JOIN steward.break_glass_end e ON e.event = r.id;
COMMENT ON VIEW steward.break_glass_event IS
    'who broke the glass, why, and for how long. An event that was rolled back is not here and had no effect; the server log has a line of it';
COMMENT ON COLUMN steward.break_glass_event.id IS 'number of the event; the notification on channel steward_break_glass tells it';
COMMENT ON COLUMN steward.break_glass_event.session_role IS 'role that opened the session';
COMMENT ON COLUMN steward.break_glass_event.subject_role IS 'role that acted';
COMMENT ON COLUMN steward.break_glass_event.subject IS 'person or service that acted';
COMMENT ON COLUMN steward.break_glass_event.token_issuer IS 'issuer of the token that named the subject; NULL: no token';
COMMENT ON COLUMN steward.break_glass_event.reason IS 'why';
COMMENT ON COLUMN steward.break_glass_event.ticket IS 'number of the incident or the like; NULL: none';
COMMENT ON COLUMN steward.break_glass_event.relations IS 'names at that moment of the relations that were meant, with their partitions and children; NULL: all';
COMMENT ON COLUMN steward.break_glass_event.broken_at IS 'when it was broken; it counts from the commit on';
COMMENT ON COLUMN steward.break_glass_event.valid_until IS 'when it ends by itself, by the wall clock';
COMMENT ON COLUMN steward.break_glass_event.ended_at IS 'when it was ended before its time; NULL: not by end_break_glass(), but perhaps by the end of the session, by RESET ALL or DISCARD ALL, or because the grant was taken back or changed';
COMMENT ON COLUMN steward.break_glass_event.application_name IS 'application_name of the session; NULL: none';
COMMENT ON COLUMN steward.break_glass_event.client_addr IS 'address of the client; NULL: a Unix socket';
COMMENT ON COLUMN steward.break_glass_event.backend_pid IS 'process of the session';

SELECT pg_catalog.pg_extension_config_dump('steward.break_glass_grant',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = to_role)');
SELECT pg_catalog.pg_extension_config_dump('steward.break_glass_record', '');
SELECT pg_catalog.pg_extension_config_dump('steward.break_glass_record_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('steward.break_glass_end', '');

GRANT SELECT ON steward.break_glass_grant, steward.break_glass_event TO steward_admin, steward_officer, steward_auditor;

-- Plans of who holds a grant differ from those of others.
CREATE TRIGGER governance_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON steward.break_glass_grant
    FOR EACH STATEMENT EXECUTE FUNCTION steward.governance_changed();
ALTER TABLE steward.break_glass_grant ENABLE ALWAYS TRIGGER governance_changed;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{break_glass_record,break_glass_end}'::text[]
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

-- ---------------------------------------------------------------------
-- What plans call, and helpers of the functions below
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.glass_is_broken(relation oid, subject_oid oid) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_glass_is_broken';
COMMENT ON FUNCTION steward.glass_is_broken(oid, oid) IS
    'in plans of roles that may break the glass: whether it is broken in this session for the relation and the acting role; evaluated once an execution';

CREATE FUNCTION steward.prepare_glass(relations regclass[]) RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_prepare_glass';
REVOKE ALL ON FUNCTION steward.prepare_glass(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION steward.prepare_glass(regclass[]) IS
    'internal: raises where the glass cannot be broken now; the number of an event of this session (another person''s, or of a grant that is gone) that is about to be replaced';

CREATE FUNCTION steward.hold_glass(event bigint, broken_at timestamptz, valid_until timestamptz, relations regclass[], reason text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_hold_glass';
REVOKE ALL ON FUNCTION steward.hold_glass(bigint, timestamptz, timestamptz, regclass[], text) FROM PUBLIC;
COMMENT ON FUNCTION steward.hold_glass(bigint, timestamptz, timestamptz, regclass[], text) IS 'internal: breaks the glass of the session';

CREATE FUNCTION steward.release_glass() RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_release_glass';
REVOKE ALL ON FUNCTION steward.release_glass() FROM PUBLIC;
COMMENT ON FUNCTION steward.release_glass() IS 'internal: ends what hold_glass() began; the number of the event, NULL where there is none';

-- ---------------------------------------------------------------------
-- The functions that people call
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.grant_break_glass(to_role text, max_duration interval DEFAULT '1 hour') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder regrole;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('to_role', to_role);
    holder := steward.role_named(to_role, public_allowed => false);
    IF max_duration IS NULL THEN
        RAISE EXCEPTION 'parameter "max_duration" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    IF max_duration <= '0' OR max_duration > '7 days' THEN
        RAISE EXCEPTION 'parameter "max_duration" is out of range: %', max_duration
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is more than 0 and at most 7 days.';
    END IF;
    IF steward.second_person('grant_break_glass', pg_catalog.jsonb_build_object('to_role', to_role, 'max_duration', max_duration)) IS NOT NULL THEN
        RETURN;
    END IF;
    INSERT INTO steward.break_glass_grant AS g (to_role, max_duration, granted_by)
    VALUES (holder, grant_break_glass.max_duration, steward.subject())
    ON CONFLICT ON CONSTRAINT break_glass_grant_pkey DO UPDATE
        SET max_duration = EXCLUDED.max_duration, granted_by = EXCLUDED.granted_by, granted_at = pg_catalog.clock_timestamp();
END
$$;
REVOKE ALL ON FUNCTION steward.grant_break_glass(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.grant_break_glass(text, interval) TO steward_admin;
COMMENT ON FUNCTION steward.grant_break_glass(text, interval) IS
    'lets whoever has the rights of a role break the glass, for max_duration (more than 0, at most 7 days) at a time; a grant that is there gets the new duration, and what is broken by it ends. Raises undefined_object, invalid_parameter_value';

CREATE FUNCTION steward.revoke_break_glass(from_role text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holder regrole;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('from_role', from_role);
    holder := steward.role_named(from_role, public_allowed => false);
    DELETE FROM steward.break_glass_grant g WHERE g.to_role = holder;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role "%" has no grant to break the glass', from_role USING ERRCODE = 'undefined_object';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.revoke_break_glass(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.revoke_break_glass(text) TO steward_admin;
COMMENT ON FUNCTION steward.revoke_break_glass(text) IS
    'takes the grant back; a glass that is broken by it is whole again from the commit on, in every session, and stays so when the grant comes again. Raises undefined_object';

CREATE FUNCTION steward.break_glass(reason text, ticket text DEFAULT NULL, duration interval DEFAULT '15 minutes', relations regclass[] DEFAULT NULL) RETURNS timestamptz
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    longest  interval;
    replaced bigint;
    event    bigint;
    start    timestamptz;
    until    timestamptz;
BEGIN
    PERFORM steward.require_value('reason', reason);
    PERFORM steward.check_text('reason', reason, 10000);
    PERFORM steward.check_text('ticket', ticket, 200, false);
    IF duration IS NULL THEN
        RAISE EXCEPTION 'parameter "duration" must not be empty' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    replaced := steward.prepare_glass(relations);
    SELECT pg_catalog.max(g.max_duration) INTO longest
    FROM steward.break_glass_grant g
    WHERE pg_catalog.pg_has_role(steward.subject_role()::name, g.to_role, 'USAGE');
    IF duration <= '0' OR duration > longest THEN
        RAISE EXCEPTION 'parameter "duration" is out of range: %', duration
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = pg_catalog.format('It is more than 0 and, for role "%s", at most %s.', steward.subject_role(), longest);
    END IF;
    IF replaced IS NOT NULL THEN
        INSERT INTO steward.break_glass_end (event, ended_by) VALUES (replaced, steward.subject())
        ON CONFLICT DO NOTHING;
    END IF;

    -- an interval of hours and below, which does not depend on the calendar
    start := pg_catalog.clock_timestamp();
    until := start + pg_catalog.make_interval(secs => pg_catalog.date_part('epoch', duration));
    INSERT INTO steward.break_glass_record (session_role, subject_role, subject, token_issuer, reason, ticket, relations,
                                            broken_at, valid_until, application_name, client_addr, backend_pid)
    VALUES (SESSION_USER, steward.subject_role(), steward.subject(), steward.token_issuer(), break_glass.reason, break_glass.ticket,
            (SELECT pg_catalog.array_agg(DISTINCT r::text) FROM pg_catalog.unnest(break_glass.relations) r),
            start, until, nullif(pg_catalog.current_setting('application_name'), ''),
            pg_catalog.inet_client_addr(), pg_catalog.pg_backend_pid())
    RETURNING id INTO event;
    PERFORM steward.hold_glass(event, start, until, relations, reason);
    PERFORM pg_catalog.pg_notify('steward_break_glass', event::text);
    RETURN until;
END
$$;
COMMENT ON FUNCTION steward.break_glass(text, text, interval, regclass[]) IS
    'breaks the glass: from the end of this transaction on, if it commits, the acting role reads in this session without row policies (also denying ones) and masks, all relations or those named with their partitions and children, until duration has passed by the wall clock, end_break_glass(), RESET ALL, DISCARD ALL or the end of the session. What it writes stays governed, and row security of PostgreSQL''s own holds. It counts for the role and the token that broke it, not after SET ROLE to another. It is recorded in break_glass_event and in the server log, and channel steward_break_glass is notified of the event''s number. The result is the end. Raises insufficient_privilege without grant_break_glass(), null_value_not_allowed or invalid_parameter_value for a bad reason or duration, object_not_in_prerequisite_state for a relation that is not governed and where the glass is broken already';

CREATE FUNCTION steward.end_break_glass() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    released bigint := steward.release_glass();
BEGIN
    IF released IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO steward.break_glass_end (event, ended_by) VALUES (released, steward.subject())
    ON CONFLICT DO NOTHING;
    RETURN true;
END
$$;
COMMENT ON FUNCTION steward.end_break_glass() IS
    'ends the acting role''s break_glass() in this session, at once; false where it had ended already';
