-- access: what is wrong, or weaker than it looks, with the audit.

CREATE FUNCTION steward.audit_findings() RETURNS TABLE (severity text, object text, finding text, remedy text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    status record;
    uses text[];
    shipping boolean := current_setting('steward.checkpoint_command') <> '';
BEGIN
    SELECT s.state, s.reason, s.set_aside, s.overflowed INTO status FROM steward.status s;
    IF status.state = 'dormant' THEN
        RETURN QUERY SELECT 'error', 'database ' || quote_ident(current_database()),
            'it is a copy that keeps no audit logs, and tables with audit sync cannot be read: ' || status.reason,
            'SELECT steward.adopt(''why there is a copy'') (as a superuser), or drop the copy';
    ELSIF status.state = 'active' AND status.reason IS NOT NULL THEN
        RETURN QUERY SELECT 'warning', 'database ' || quote_ident(current_database()), status.reason,
            'SELECT steward.adopt(''which failover it was'') (as a superuser), once it is known that no other server goes on with the same logs';
    END IF;
    IF status.set_aside > 0 THEN
        RETURN QUERY SELECT 'error', 'table steward.set_aside_record',
            format('%s records that their log refused are kept there, unproven', status.set_aside),
            'SELECT set_aside_at, log, error FROM steward.set_aside_record, and report the error';
    END IF;
    IF status.overflowed > 0 THEN
        RETURN QUERY SELECT 'error', 'view steward.status', format('%s outcomes found no room and are lost', status.overflowed), 'report it: a fault of pg_steward';
    END IF;

    -- Tables.
    RETURN QUERY
        SELECT 'warning', format('table %s', p.relation), 'it is governed, and nobody logs who uses it',
               format('SELECT steward.protect(%L, %L, audit => ''async''%s)', p.relation::text, p.mode,
                      CASE WHEN p.entity_column IS NULL THEN '' ELSE format(', entity_column => %L', p.entity_column) END)
        FROM steward.protected_relation p
        WHERE p.audit = 'off'
        ORDER BY p.relation::text;
    RETURN QUERY
        SELECT 'warning', format('table %s', p.relation),
               format('it has no column %I, which named the person whom a row is about: each access may have met anybody', p.entity_column),
               format('SELECT steward.protect(%L, %L, audit => %L, entity_column => ...) with its name of today', p.relation::text, p.mode, p.audit)
        FROM steward.protected_relation p
        WHERE p.entity_column IS NOT NULL
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p.relation AND a.attname = p.entity_column AND a.attnum > 0 AND NOT a.attisdropped)
        ORDER BY p.relation::text;

    -- Keys and checkpoints.
    uses := array_remove(ARRAY[
        CASE WHEN EXISTS (SELECT FROM steward.issuer i WHERE i.jwks IS NULL) THEN 'secrets of issuers' END,
        CASE WHEN EXISTS (SELECT FROM steward.mask_key) THEN 'the key of mask_hash()' END,
        CASE WHEN EXISTS (SELECT FROM steward.entity_key) THEN 'the key of persons in the access log' END,
        CASE WHEN EXISTS (SELECT FROM steward.ledger_key) THEN 'the key that signs the logs' END], NULL);
    IF cardinality(uses) > 0 AND NOT steward.key_directory_is_apart() THEN
        RETURN QUERY SELECT 'warning', 'setting steward.key_directory',
            'the key directory lies in the data directory, so every base backup holds the keys beside what they open or sign: ' || array_to_string(uses, ', '),
            'move the directory elsewhere, set steward.key_directory to that place and restart the server';
    END IF;
    IF NOT shipping AND EXISTS (SELECT FROM steward.checkpoint_record) AND EXISTS (SELECT FROM steward.protected_relation) THEN
        RETURN QUERY SELECT 'info', 'setting steward.checkpoint_command',
            'no checkpoint leaves the machine: who holds its key can write the logs anew',
            'set steward.checkpoint_command, or have an auditor keep what SELECT steward.checkpoint(...) returns';
    END IF;
    RETURN QUERY
        SELECT 'warning', 'setting steward.checkpoint_command',
               format('checkpoints of log %s have not been taken since %s', l.log, date_trunc('second', min(c.signed_at))),
               'SELECT last_error FROM steward.status; what the command does not acknowledge with exit status 0 is sent again'
        FROM steward.checkpoint_record c
        JOIN (VALUES (1, 'access_event'), (2, 'inference_log'), (3, 'change_log')) AS l (code, log) ON l.code = c.log
        LEFT JOIN steward.checkpoint_shipment s ON s.log = c.log
        WHERE shipping AND c.size > coalesce(s.size, -1) AND c.signed_at < clock_timestamp() - interval '1 hour'
        GROUP BY l.log
        ORDER BY l.log;
END
$$;
REVOKE ALL ON FUNCTION steward.audit_findings() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.audit_findings() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.audit_findings() IS 'what doctor() finds about the audit: copies, records set aside, tables without it, keys, checkpoints';
