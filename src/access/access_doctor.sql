-- access: what is wrong, or weaker than it looks, with the protection of rows.

CREATE FUNCTION steward.doctor() RETURNS TABLE (severity text, object text, finding text, remedy text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sql_version text := (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'pg_steward');
    library_version text := steward.library_version();
BEGIN
    PERFORM steward.require_role('steward_admin', 'steward_officer', 'steward_auditor');

    -- The house itself.
    IF current_setting('steward.on_no_policy', true) IS NULL THEN
        RETURN QUERY SELECT 'error', 'extension pg_steward',
            'the server was started without the library: governed tables show nothing to those who do not bypass row security, and nothing else is enforced',
            'add pg_steward to shared_preload_libraries and restart the server';
        RETURN;
    END IF;
    IF sql_version <> library_version THEN
        RETURN QUERY SELECT 'error', 'extension pg_steward',
            format('the library is of version %s, the SQL objects are of version %s', library_version, sql_version),
            format('ALTER EXTENSION pg_steward UPDATE TO %L, or restart the server where the library is the older one', library_version);
    END IF;
    RETURN QUERY
        SELECT 'error', format('role %I', n.name), 'the role is missing: rights that pg_steward gives through it reach nobody',
               format('CREATE ROLE %I, and grant it what the install script grants; or drop and create the extension', n.name)
        FROM unnest('{steward_admin,steward_officer,steward_engineer,steward_service,steward_auditor,steward_reader,steward_carrier}'::text[]) AS n (name)
        WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname::text = n.name);
    RETURN QUERY
        SELECT 'error', format('role %I', m.rolname),
               'it is a member of steward_carrier: PostgreSQL itself applies row policies to it, without purposes, denials and validity',
               format('REVOKE steward_carrier FROM %I', m.rolname)
        FROM pg_auth_members am
        JOIN pg_roles c ON c.oid = am.roleid AND c.rolname = 'steward_carrier'
        JOIN pg_roles m ON m.oid = am.member
        WHERE NOT m.rolsuper
        ORDER BY m.rolname;
    RETURN QUERY
        SELECT 'error', 'role steward_carrier', 'it can log in or has attributes; it should carry policies and nothing else',
               'ALTER ROLE steward_carrier NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS'
        FROM pg_roles r
        WHERE r.rolname = 'steward_carrier'
          AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls);
    IF current_setting('steward.on_no_policy') = 'empty' THEN
        RETURN QUERY SELECT 'info', 'setting steward.on_no_policy',
            'a statement to which no allowing policy applies shows no rows instead of failing: a missing policy looks like an empty table',
            'ALTER SYSTEM SET steward.on_no_policy = ''error''; SELECT pg_reload_conf()';
    END IF;

    -- What later versions look at; their SQL may not be there yet.
    IF to_regprocedure('steward.token_findings()') IS NOT NULL THEN
        RETURN QUERY SELECT * FROM steward.token_findings();
    END IF;

    -- Protected tables.
    RETURN QUERY
        WITH RECURSIVE governed (relation, top) AS (
            SELECT p.relation::oid, p.relation FROM steward.protected_relation p
            UNION
            SELECT i.inhrelid, g.top FROM governed g JOIN pg_inherits i ON i.inhparent = g.relation
        )
        SELECT DISTINCT 'error', format('table %s', c.oid::regclass),
               format('row security is not %s: a server without the library would show every row',
                      CASE WHEN NOT c.relrowsecurity THEN 'enabled' ELSE 'forced on the owner' END),
               format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', c.oid::regclass)
        FROM governed g JOIN pg_class c ON c.oid = g.relation
        WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        ORDER BY 2;
    RETURN QUERY
        WITH RECURSIVE governed (relation) AS (
            SELECT p.relation::oid FROM steward.protected_relation p
            UNION
            SELECT i.inhrelid FROM governed g JOIN pg_inherits i ON i.inhparent = g.relation
        )
        SELECT 'warning', format('native policy %I of table %s', pol.polname, pol.polrelid::regclass),
               'it is permissive: a server without the library would show the rows that it lets through',
               format('SELECT steward.create_row_policy(''name'', %L, ''what it hides'', effect => ''deny''); DROP POLICY %I ON %s', pol.polrelid::regclass::text, pol.polname, pol.polrelid::regclass)
        FROM governed g JOIN pg_policy pol ON pol.polrelid = g.relation
        WHERE pol.polpermissive
          AND pol.polroles <> ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier')
          AND NOT EXISTS (SELECT FROM pg_policy net WHERE net.polrelid = pol.polrelid
                          AND net.polname = 'steward.net' AND NOT net.polpermissive)
        ORDER BY 2;
    RETURN QUERY
        SELECT 'error', format('table with OID %s', p.relation::oid), 'it is protected, but does not exist',
               format('DELETE FROM steward.protected_relation WHERE relation = %s (as a superuser)', p.relation::oid)
        FROM steward.protected_relation p
        WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation)
        ORDER BY p.relation::oid;
    RETURN QUERY
        SELECT 'warning', format('table %s', p.relation),
               CASE WHEN EXISTS (SELECT FROM steward.row_policy rp WHERE rp.relation = p.relation AND rp.effect = 'allow')
                    THEN 'no allowing policy is valid now: nobody but superusers and BYPASSRLS roles sees a row'
                    ELSE 'it has no allowing policy: nobody but superusers and BYPASSRLS roles sees a row' END,
               format('SELECT steward.create_row_policy(''name'', %L, ''expression'')', p.relation::text)
        FROM steward.protected_relation p
        WHERE p.mode = 'enforce' AND NOT EXISTS (
            SELECT FROM steward.row_policy rp
            WHERE rp.relation = p.relation AND rp.effect = 'allow'
              AND (rp.valid_until IS NULL OR rp.valid_until > clock_timestamp()))
        ORDER BY p.relation::text;
    RETURN QUERY
        SELECT 'info', format('table %s', p.relation),
               format('it is only observed: nothing is filtered; %s rows would have been denied so far',
                      (SELECT coalesce(sum(d.denials), 0) FROM steward.observed_denials() d WHERE d.relation = p.relation)),
               format('look into steward.observed_denial, then SELECT steward.protect(%L, ''enforce'')', p.relation::text)
        FROM steward.protected_relation p
        WHERE p.mode = 'observe'
        ORDER BY p.relation::text;
    IF steward.observed_denials_lost() > 0 THEN
        RETURN QUERY SELECT 'warning', 'view steward.observed_denial',
            format('%s would-be denials found no room to be counted', steward.observed_denials_lost()),
            'raise steward.observed_denials_max and restart the server, or SELECT steward.reset_observed_denials()';
    END IF;
    RETURN QUERY
        SELECT 'warning', format('table %s', c.oid::regclass),
               format('it is published by %I: subscribers receive every row', pt.pubname),
               CASE WHEN pub.puballtables THEN format('DROP PUBLICATION %I, and publish chosen tables', pt.pubname)
                    WHEN EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = pub.oid AND r.prrelid = c.oid)
                    THEN format('ALTER PUBLICATION %I DROP TABLE %s', pt.pubname, c.oid::regclass)
                    ELSE format('take its schema or its parent out of publication %I', pt.pubname) END
        FROM pg_publication_tables pt
        JOIN pg_publication pub ON pub.pubname = pt.pubname
        JOIN pg_class c ON c.relname = pt.tablename AND c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = pt.schemaname)
        WHERE c.oid IN (
            WITH RECURSIVE governed (relation) AS (
                SELECT p.relation::oid FROM steward.protected_relation p
                UNION
                SELECT i.inhrelid FROM governed g JOIN pg_inherits i ON i.inhparent = g.relation
            )
            SELECT g.relation FROM governed g)
        ORDER BY 2, pt.pubname;
    RETURN QUERY
        SELECT 'info', format('table %s', p.relation),
               format('its owner %I has the rights of steward_admin: who owns the data writes its policies', r.rolname),
               format('ALTER TABLE %s OWNER TO somebody else, or REVOKE steward_admin FROM %I', p.relation, r.rolname)
        FROM steward.protected_relation p
        JOIN pg_class c ON c.oid = p.relation
        JOIN pg_roles r ON r.oid = c.relowner
        WHERE NOT r.rolsuper AND pg_has_role(r.oid, 'steward_admin', 'usage')
        ORDER BY p.relation::text;

    -- Row policies.
    RETURN QUERY
        SELECT 'error', format('row policy %I of table %s', rp.name, rp.relation),
               'the native policy that carries its expression is gone: statements on the table fail',
               format('SELECT steward.drop_row_policy(%L, %L), and create it again', rp.name, rp.relation::text)
        FROM steward.row_policy rp
        WHERE NOT EXISTS (
            SELECT FROM pg_policy pol
            WHERE pol.polrelid = rp.relation AND pol.polname = rp.name
              AND pol.polroles = ARRAY[(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier')])
        ORDER BY 2;
    RETURN QUERY
        SELECT 'warning', format('native policy %I of table %s', pol.polname, pol.polrelid::regclass),
               'it carries no row policy of pg_steward, and concerns nobody',
               format('DROP POLICY %I ON %s', pol.polname, pol.polrelid::regclass)
        FROM pg_policy pol
        WHERE pol.polroles = ARRAY[(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier')]
          AND NOT EXISTS (SELECT FROM steward.row_policy rp WHERE rp.relation = pol.polrelid AND rp.name = pol.polname)
        ORDER BY 2;
    RETURN QUERY
        SELECT CASE WHEN rp.effect = 'deny' THEN 'error' ELSE 'warning' END,
               format('row policy %I of table %s', rp.name, rp.relation),
               CASE WHEN rp.effect = 'deny' THEN 'it denies to roles that were dropped: '
                    ELSE 'it allows to roles that were dropped: ' END
               || string_agg(rr.role::oid::text, ', ' ORDER BY rr.role::oid),
               format('SELECT steward.create_row_policy(%L, %L, ..., replace => true) with the roles that are meant, or SELECT steward.drop_row_policy(%L, %L)',
                      rp.name, rp.relation::text, rp.name, rp.relation::text)
        FROM steward.row_policy rp
        JOIN steward.row_policy_role rr ON rr.relation = rp.relation AND rr.policy = rp.name
        WHERE rr.role <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = rr.role)
        GROUP BY rp.relation, rp.name, rp.effect
        ORDER BY 2;
    RETURN QUERY
        SELECT CASE WHEN rp.effect = 'deny' THEN 'error' ELSE 'warning' END,
               format('row policy %I of table %s', rp.name, rp.relation), 'it concerns no role',
               format('SELECT steward.create_row_policy(%L, %L, ..., replace => true) with the roles that are meant, or SELECT steward.drop_row_policy(%L, %L)',
                      rp.name, rp.relation::text, rp.name, rp.relation::text)
        FROM steward.row_policy rp
        WHERE NOT EXISTS (SELECT FROM steward.row_policy_role rr WHERE rr.relation = rp.relation AND rr.policy = rp.name)
        ORDER BY 2;
    RETURN QUERY
        SELECT CASE WHEN rp.effect = 'deny' THEN 'error' ELSE 'warning' END,
               format('row policy %I of table %s', rp.name, rp.relation),
               'it names purposes that were dropped: ' || string_agg(quote_literal(u.name), ', ' ORDER BY u.name),
               format('SELECT steward.create_row_policy(%L, %L, ..., replace => true) with the purposes that are meant, or SELECT steward.drop_row_policy(%L, %L)',
                      rp.name, rp.relation::text, rp.name, rp.relation::text)
        FROM steward.row_policy rp, unnest(rp.purposes) AS u (name)
        WHERE NOT EXISTS (SELECT FROM steward.purpose pu WHERE pu.name = u.name)
        GROUP BY rp.relation, rp.name, rp.effect
        ORDER BY 2;
    RETURN QUERY
        SELECT 'error', format('row policy %I of table %s', rp.name, rp.relation),
               'the role that wrote it was dropped, and its sub-select reads with that role''s rights: statements on the table fail',
               format('SELECT steward.create_row_policy(%L, %L, ..., replace => true)', rp.name, rp.relation::text)
        FROM steward.row_policy rp
        JOIN pg_policy pol ON pol.polrelid = rp.relation AND pol.polname = rp.name
        WHERE NOT EXISTS (SELECT FROM steward.row_policy_author a JOIN pg_roles r ON r.oid = a.role
                          WHERE a.relation = rp.relation AND a.policy = rp.name)
          AND (pol.polqual::text LIKE '%{SUBLINK %' OR pol.polwithcheck::text LIKE '%{SUBLINK %')
        ORDER BY 2;
    RETURN QUERY
        SELECT 'info', format('row policy %I of table %s', rp.name, rp.relation),
               format('it has expired at %s', rp.valid_until),
               format('SELECT steward.drop_row_policy(%L, %L)', rp.name, rp.relation::text)
        FROM steward.row_policy rp
        WHERE rp.valid_until <= clock_timestamp()
        ORDER BY 2;

    -- Grants, attributes, allowances.
    RETURN QUERY
        SELECT 'info', format('purpose %L', g.purpose),
               format('its grant to %s has expired at %s', CASE WHEN g.to_role = 0 THEN 'public' ELSE g.to_role::text END, g.valid_until),
               format('SELECT steward.revoke_purpose(%L, %L)', g.purpose,
                      CASE WHEN g.to_role = 0 THEN 'public' ELSE r.rolname::text END)
        FROM steward.purpose_grant g
        LEFT JOIN pg_roles r ON r.oid = g.to_role
        WHERE g.valid_until <= clock_timestamp() AND (g.to_role = 0 OR r.oid IS NOT NULL)
        ORDER BY g.purpose, g.to_role::oid;
    RETURN QUERY
        SELECT 'warning', format('purpose %L', g.purpose), format('it is granted to role %s, which was dropped', g.to_role::oid),
               format('DELETE FROM steward.purpose_grant WHERE to_role = %s (as a superuser)', g.to_role::oid)
        FROM steward.purpose_grant g
        WHERE g.to_role <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = g.to_role)
        ORDER BY g.purpose, g.to_role::oid;
    RETURN QUERY
        SELECT 'warning', format('attributes of role %s', a.role::oid), 'the role was dropped',
               format('DELETE FROM steward.role_attribute WHERE role = %s (as a superuser)', a.role::oid)
        FROM steward.role_attribute a
        WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.role)
        GROUP BY a.role
        ORDER BY a.role::oid;
    RETURN QUERY
        SELECT CASE WHEN a.valid_until > clock_timestamp() THEN 'warning' ELSE 'info' END,
               format('table %s', a.relation),
               CASE WHEN a.valid_until > clock_timestamp()
                    THEN format('%s may change it in ways that show hidden rows until %s: %s', a.role, a.valid_until, a.reason)
                    ELSE format('an allowance of %s to change it has expired at %s', a.role, a.valid_until) END,
               format('DELETE FROM steward.ddl_allowance WHERE id = %s (as a superuser)', a.id)
        FROM steward.ddl_allowance a
        ORDER BY a.id;

    -- Roads past the policies.
    RETURN QUERY
        SELECT CASE WHEN r.rolcanlogin THEN 'warning' ELSE 'info' END, format('role %I', r.rolname),
               'it has BYPASSRLS: no policy holds for it', format('ALTER ROLE %I NOBYPASSRLS', r.rolname)
        FROM pg_roles r
        WHERE r.rolbypassrls AND NOT r.rolsuper
        ORDER BY r.rolname;
    RETURN QUERY
        SELECT 'info', 'superusers',
               format('%s can log in, and no policy holds for them: %s', count(*), string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname)),
               'keep them few, and ALTER ROLE ... NOSUPERUSER the others'
        FROM pg_roles r
        WHERE r.rolsuper AND r.rolcanlogin
        HAVING count(*) > 1;
    RETURN QUERY
        SELECT 'warning', format('role %I', r.rolname),
               'it has REPLICATION: it can copy the whole cluster and decode every change',
               format('ALTER ROLE %I NOREPLICATION, or let it connect from standbys only', r.rolname)
        FROM pg_roles r
        WHERE r.rolreplication AND NOT r.rolsuper
        ORDER BY r.rolname;
    RETURN QUERY
        SELECT 'warning', format('role %I', m.rolname),
               format('it has the rights of %I: it can read or change the files of the server', p.rolname),
               format('REVOKE %I FROM %I', p.rolname, m.rolname)
        FROM pg_roles p
        JOIN pg_roles m ON m.oid <> p.oid AND NOT m.rolsuper AND m.rolname NOT LIKE 'pg\_%' AND pg_has_role(m.oid, p.oid, 'member')
        WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
        ORDER BY m.rolname, p.rolname;
    RETURN QUERY
        SELECT CASE WHEN o.rolsuper OR o.rolbypassrls THEN 'warning' ELSE 'info' END,
               format('%s %s', t.type, t.identity),
               format('it is trusted: whoever may use it sees what its owner %I sees%s', o.rolname,
                      CASE WHEN o.rolsuper OR o.rolbypassrls THEN ', which is everything' ELSE '' END),
               format('SELECT steward.distrust(%L), or give it to an owner of few rights', t.identity)
        FROM steward.trusted_object t
        LEFT JOIN pg_class c ON t.classoid = 'pg_class'::regclass AND c.oid = t.objoid
        LEFT JOIN pg_proc f ON t.classoid = 'pg_proc'::regclass AND f.oid = t.objoid
        JOIN pg_roles o ON o.oid = coalesce(c.relowner, f.proowner)
        ORDER BY t.identity;
    RETURN QUERY
        WITH RECURSIVE reads (relation) AS (
            SELECT DISTINCT g.relation FROM (
                WITH RECURSIVE governed (relation) AS (
                    SELECT p.relation::oid FROM steward.protected_relation p
                    UNION
                    SELECT i.inhrelid FROM governed g JOIN pg_inherits i ON i.inhparent = g.relation
                )
                SELECT governed.relation FROM governed) g
            UNION
            SELECT rw.ev_class
            FROM reads
            JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reads.relation AND d.classid = 'pg_rewrite'::regclass
            JOIN pg_rewrite rw ON rw.oid = d.objid
        )
        SELECT 'warning', format('materialized view %s', c.oid::regclass),
               format('it keeps rows of governed tables as %I saw them when it was refreshed, and shows them to whoever may read it', o.rolname),
               format('SELECT from the tables instead, or REVOKE SELECT ON %s and grant it to few', c.oid::regclass)
        FROM reads
        JOIN pg_class c ON c.oid = reads.relation AND c.relkind = 'm'
        JOIN pg_roles o ON o.oid = c.relowner
        ORDER BY 2;
    RETURN QUERY
        WITH RECURSIVE governed (relation) AS (
            SELECT p.relation::oid FROM steward.protected_relation p
            UNION
            SELECT i.inhrelid FROM governed g JOIN pg_inherits i ON i.inhparent = g.relation
        )
        SELECT 'warning', u.object,
               format('it calls function %s of role %s, which sees every row; what that function calls can be changed without an allowance', u.routine, u.owner),
               format('ALTER FUNCTION %s OWNER TO a superuser, or drop what calls it', u.routine)
        FROM governed g
        JOIN pg_class c ON c.oid = g.relation
        CROSS JOIN LATERAL steward.code_of_users(c.oid) u
        ORDER BY u.object, u.routine::text;
END
$$;
REVOKE ALL ON FUNCTION steward.doctor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.doctor() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.doctor() IS
    'what is wrong, or weaker than it looks: severity (error: protection is broken or statements fail; warning: probably not what was meant, or a road past the policies; info: good to know), the object, what was found, and what to do, mostly as a statement to run. For steward_admin, steward_officer and steward_auditor';
