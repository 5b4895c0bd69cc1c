-- audit: the change log, through an outbox that is part of each transaction.

CREATE TABLE steward.change_outbox (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    transaction_id bigint NOT NULL,
    object_kind    text NOT NULL CHECK (pg_catalog.length(object_kind) BETWEEN 1 AND 100),
    action         text NOT NULL CHECK (pg_catalog.length(action) BETWEEN 1 AND 100),
    session_role   text NOT NULL,
    subject        text NOT NULL,
    object_name    text NOT NULL,
    before         jsonb,
    after          jsonb
);
COMMENT ON TABLE steward.change_outbox IS 'changes of governance data on their way into change_log: each transaction leaves its own here, and the writer takes them out after the commit';
COMMENT ON COLUMN steward.change_outbox.id IS 'the order in which they go into the log';
COMMENT ON COLUMN steward.change_outbox.changed_at IS 'when the change was made, by the wall clock';
COMMENT ON COLUMN steward.change_outbox.transaction_id IS 'the transaction that made it (xid8)';
COMMENT ON COLUMN steward.change_outbox.object_kind IS 'what was changed: for instance row policy, model version, risk';
COMMENT ON COLUMN steward.change_outbox.action IS 'insert | update | delete | truncate, or what a function calls it';
COMMENT ON COLUMN steward.change_outbox.session_role IS 'role that opened the session';
COMMENT ON COLUMN steward.change_outbox.subject IS 'the acting person or service';
COMMENT ON COLUMN steward.change_outbox.object_name IS 'which one';
COMMENT ON COLUMN steward.change_outbox.before IS 'the row before, without secrets';
COMMENT ON COLUMN steward.change_outbox.after IS 'the row afterwards, without secrets';
SELECT pg_catalog.pg_extension_config_dump('steward.change_outbox', '');
SELECT pg_catalog.pg_extension_config_dump('steward.change_outbox_id_seq', '');

CREATE FUNCTION steward.changes_are_noted() RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_changes_are_noted';
REVOKE ALL ON FUNCTION steward.changes_are_noted() FROM PUBLIC;
COMMENT ON FUNCTION steward.changes_are_noted() IS
    'shall a change of governance data be noted: not in a copy of the database that was not adopted, and not while a dump is restored';

-- Rows of the outbox come from these two functions alone.
CREATE FUNCTION steward.record_change(object_kind text, object_name text, action text, before jsonb DEFAULT NULL, after jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    IF steward.changes_are_noted() THEN
        INSERT INTO steward.change_outbox (transaction_id, object_kind, action, session_role, subject, object_name, before, after)
        VALUES (pg_current_xact_id()::text::bigint, object_kind, action, session_user, steward.subject(), object_name, before, after);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.record_change(text, text, text, jsonb, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION steward.record_change(text, text, text, jsonb, jsonb) IS
    'notes a change of governance data for the change log, as part of the transaction; for the functions of the extension';

CREATE FUNCTION steward.note_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- arguments: kind of object; columns that name it; columns that are not told
    keys text[] := string_to_array(TG_ARGV[1], ',');
    untold text[] := coalesce(string_to_array(TG_ARGV[2], ','), '{}');
    before jsonb;
    after jsonb;
    named jsonb;
BEGIN
    IF NOT steward.changes_are_noted() THEN
        RETURN NULL;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        before := to_jsonb(OLD) - untold;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        after := to_jsonb(NEW) - untold;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) = to_jsonb(NEW) THEN
        RETURN NULL;
    END IF;
    named := coalesce(after, before);
    INSERT INTO steward.change_outbox (transaction_id, object_kind, action, session_role, subject, object_name, before, after)
    VALUES (pg_current_xact_id()::text::bigint, TG_ARGV[0], lower(TG_OP), session_user, steward.subject(),
            CASE WHEN TG_OP = 'TRUNCATE' THEN TG_RELID::regclass::text
                 ELSE (SELECT string_agg(coalesce(named ->> k, ''), '/' ORDER BY n) FROM unnest(keys) WITH ORDINALITY AS u (k, n)) END,
            before, after);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION steward.note_change() FROM PUBLIC;
COMMENT ON FUNCTION steward.note_change() IS
    'trigger of governance tables, AFTER and ALWAYS: notes each changed row for the change log. Arguments: kind of object, names of the columns that name it, names of columns that are not told (secrets)';

-- Puts a table's changes into the change log.
CREATE FUNCTION steward.log_changes_of(governed regclass, object_kind text, name_columns text, untold text DEFAULT '') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON %s
        FOR EACH ROW EXECUTE FUNCTION steward.note_change(%L, %L, %L)', governed, object_kind, name_columns, untold);
    EXECUTE format('CREATE TRIGGER note_truncate AFTER TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION steward.note_change(%L, %L, %L)', governed, object_kind, name_columns, untold);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER note_change', governed);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER note_truncate', governed);
    EXECUTE format('COMMENT ON TRIGGER note_change ON %s IS %L', governed, 'its changes go into the change log');
    EXECUTE format('COMMENT ON TRIGGER note_truncate ON %s IS %L', governed, 'that it is emptied goes into the change log');
END
$$;
REVOKE ALL ON FUNCTION steward.log_changes_of(regclass, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION steward.log_changes_of(regclass, text, text, text) IS
    'makes the triggers that put the changes of a table into the change log; for the scripts of the extension';

SELECT steward.create_log('change_log', 'changes of governance data, one row each, append-only for everybody and proven by its ledger; filled from what transactions left in change_outbox, read by steward_auditor');
COMMENT ON COLUMN steward.change_log.transaction_id IS 'the transaction that made the change (xid8); it committed';
COMMENT ON COLUMN steward.change_log.object_kind IS 'what was changed: for instance row policy, model version, risk';
COMMENT ON COLUMN steward.change_log.action IS 'insert | update | delete | truncate, or what a function calls it';
COMMENT ON COLUMN steward.change_log.session_role IS 'role that opened the session';
COMMENT ON COLUMN steward.change_log.subject IS 'the acting person or service';
COMMENT ON COLUMN steward.change_log.object_name IS 'which one';
COMMENT ON COLUMN steward.change_log.before IS 'the row before, without secrets';
COMMENT ON COLUMN steward.change_log.after IS 'the row afterwards, without secrets';
