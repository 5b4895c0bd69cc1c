-- What is in the way of removing pg_steward from a database, and the steps there.

CREATE FUNCTION steward.keeps_until(log text) RETURNS timestamptz
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest timestamptz;
BEGIN
    -- records stand in the order of their numbers, and nearly in that of time
    EXECUTE format('SELECT max(l.logged_at) FROM (SELECT logged_at FROM steward.%I ORDER BY seq DESC LIMIT 1000) l', log) INTO newest;
    RETURN newest + steward.minimum_retention_of(log);
END
$$;
REVOKE ALL ON FUNCTION steward.keeps_until(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.keeps_until(text) IS 'internal: until when the youngest records of a log must be kept; NULL where it has none';

CREATE FUNCTION steward.users_of_extension() RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH member AS (
        SELECT d.classid, d.objid FROM pg_depend d
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
            AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'pg_steward'))
    SELECT DISTINCT CASE WHEN v.ev_class IS NULL THEN pg_describe_object(d.classid, d.objid, 0)
        ELSE pg_describe_object('pg_class'::regclass, v.ev_class, 0) END
    FROM member m
        JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype = 'n'
        LEFT JOIN pg_rewrite v ON d.classid = 'pg_rewrite'::regclass AND v.oid = d.objid,
        LATERAL pg_identify_object(d.classid, d.objid, 0) i
    WHERE NOT EXISTS (SELECT FROM member o WHERE o.classid = d.classid AND o.objid = d.objid)
        -- partitions of logs, and what hangs on them, go with their logs
        AND coalesce(i.schema, '') NOT IN ('steward', 'steward_bi')
        AND i.identity !~ ' on steward(_bi)?\.' AND i.identity !~ '^for steward\.'
        -- row policies go with their tables' governance
        AND NOT (d.classid = 'pg_policy'::regclass AND EXISTS (
            SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polroles = ARRAY['steward_carrier'::regrole::oid]))
    ORDER BY 1
$$;
REVOKE ALL ON FUNCTION steward.users_of_extension() FROM PUBLIC;
COMMENT ON FUNCTION steward.users_of_extension() IS 'internal: objects of users that depend on the extension';

CREATE FUNCTION steward.end_governance(reason text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT p.relation FROM steward.protected_relation p ORDER BY p.relation::text LOOP
        BEGIN
            PERFORM steward.unprotect(r.relation, reason);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'table "%" is still governed: %', r.relation, SQLERRM;
        END;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION steward.end_governance(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.end_governance(text) IS 'internal: unprotect() for every governed table; one that fails does not hold up the others';

CREATE FUNCTION steward.prepare_removal(perform boolean DEFAULT false, reason text DEFAULT NULL)
    RETURNS TABLE (step integer, object text, state text, hinders boolean, remedy text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    obstacles bigint := 0;
BEGIN
    IF perform THEN
        PERFORM steward.require_role('steward_admin');
        PERFORM steward.require_value('reason', reason);
        PERFORM steward.check_text('reason', reason, 10000);
        PERFORM steward.end_governance(reason);
    ELSE
        PERFORM steward.require_role('steward_admin', 'steward_auditor');
    END IF;

    step := 0;
    FOR object, state, hinders, remedy IN
        -- tables
        SELECT format('table %s', p.relation),
            format('governed: %s, audit %s; %s row policies, %s masks%s', p.mode, p.audit,
                (SELECT count(*) FROM steward.row_policy r WHERE r.relation = p.relation),
                (SELECT count(*) FROM steward.column_mask m WHERE m.relation = p.relation),
                CASE WHEN c.change_sha256 IS NOT NULL THEN '; its end waits for a second person' ELSE '' END),
            true,
            CASE WHEN c.change_sha256 IS NULL THEN format('SELECT steward.unprotect(%L, reason)', p.relation)
                 ELSE format('SELECT steward.approve_policies(''%s'', reason)', c.change_sha256) END
        FROM (SELECT * FROM steward.protected_relation ORDER BY relation::text) p
            LEFT JOIN LATERAL (
                SELECT w.change_sha256 FROM steward.pending_change w
                WHERE w.function = 'unprotect' AND w.arguments ->> 'relation' = p.relation::text LIMIT 1) c ON true
        UNION ALL
        -- native policies that a restore that failed may have left
        SELECT format('policy %I on table %s', p.polname, p.polrelid::regclass), 'carries a row policy that there is not', false,
            format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass)
        FROM pg_policy p
        WHERE p.polroles = ARRAY['steward_carrier'::regrole::oid]
            AND NOT EXISTS (SELECT FROM steward.protected_relation r WHERE r.relation = p.polrelid)
        UNION ALL
        -- what has not come to its end
        SELECT format('change %s', c.change_sha256), format('%s waits for a second person', c.function), false,
            format('SELECT steward.withdraw_change(''%s'', reason), or let it expire', c.change_sha256)
        FROM steward.pending_change c
        WHERE c.function <> 'unprotect'
        UNION ALL
        SELECT format('broken glass %s', b.id), format('%s reads without policies until %s', b.subject, b.valid_until), false,
            'SELECT steward.end_break_glass() in that session, or wait'
        FROM steward.break_glass_event b
        WHERE b.ended_at IS NULL AND b.valid_until > clock_timestamp()
        UNION ALL
        SELECT 'queue', format('%s records are on their way into the logs', s.queue_depth), false, 'SELECT steward.flush()'
        FROM steward.audit_status() s
        WHERE s.queue_depth > 0
        UNION ALL
        SELECT format('set-aside records of log %I', r.log), format('%s records that their log refused', count(*)), false,
            'keep a copy of steward.set_aside_record'
        FROM steward.set_aside_record r
        GROUP BY r.log
        UNION ALL
        -- logs
        SELECT format('log %I', l.name),
            CASE WHEN l.until > clock_timestamp()
                THEN format('its records must be kept for %s, the youngest until %s', steward.minimum_retention_of(l.name), l.until)
                ELSE 'no record must be kept any more' END,
            l.until > clock_timestamp(),
            format('SELECT steward.export_log(%L, directory) keeps a copy that can be proven%s', l.name,
                CASE WHEN l.until > clock_timestamp()
                    THEN format('; then wait until %s, or a superuser takes it upon himself: SET steward.minimum_retention = 0', l.until)
                    ELSE '' END)
        FROM (SELECT c.relname::text AS name, steward.keeps_until(c.relname) AS until
              FROM pg_class c WHERE c.relnamespace = 'steward'::regnamespace AND c.relkind = 'p' ORDER BY 1) l
        WHERE l.until IS NOT NULL
        UNION ALL
        -- what depends on the extension
        SELECT u, 'depends on pg_steward', true, 'drop or change it, or DROP EXTENSION pg_steward CASCADE takes it along'
        FROM steward.users_of_extension() u
        UNION ALL
        SELECT 'security labels', format('%s labels of provider steward stay behind', count(*)), false,
            'SECURITY LABEL FOR steward ON ... IS NULL, steward.distrust(object): a server without the library cannot restore a dump of them'
        FROM pg_seclabel s
        WHERE s.provider = 'steward'
        HAVING count(*) > 0
    LOOP
        step := step + 1;
        obstacles := obstacles + hinders::integer;
        RETURN NEXT;
    END LOOP;

    step := step + 1;
    object := 'extension pg_steward';
    hinders := false;
    IF obstacles > 0 THEN
        state := format('%s of these hinder its removal', obstacles);
        remedy := 'SELECT * FROM steward.prepare_removal(perform => true, reason => ...) ends the governance of tables; the rest is yours';
    ELSE
        state := 'can be removed';
        remedy := 'DROP EXTENSION pg_steward';
    END IF;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION steward.prepare_removal(boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.prepare_removal(boolean, text) TO steward_admin, steward_auditor;
COMMENT ON FUNCTION steward.prepare_removal(boolean, text) IS
    'what must be done before DROP EXTENSION pg_steward, in order: what, how it stands, whether it hinders the removal, what to do. With perform it first ends the governance of every table, for that reason (under steward.require_second_person each unprotect() is asked for by itself). For steward_admin, and without perform for steward_auditor. Raises insufficient_privilege, null_value_not_allowed';
