-- access: who sees what, and why.

COMMENT ON FUNCTION steward.explain_access(regclass, text, text, text, timestamptz) IS
    'why a role may or may not use rows of a table for a purpose (NULL: one''s own session''s purpose, for another role none; '''': none) and a command (select | insert | update | delete) at a moment: one row a policy (kind row policy or native policy; verdict applies | does not apply; expression as it was written), one row a mask and column (kind mask or tag mask; verdict masks | does not mask; expression what is seen in place of the column, with person and moment put in where it masks, else as it was written; none masks where the decision is denied), one row break-glass for who may break it, and last the decision: allowed (every row) | filtered | denied (no row) | bypassed (superuser or BYPASSRLS) | observed (mode observe: nothing is filtered) | not governed; its reason names the masked columns. The expression of the decision is the predicate with everything that depends on person and moment put in: a superuser who filters the table by it gets the rows that the role gets; for insert it is what new rows must fulfil, for update and delete it includes what select demands of rows that a statement reads. For a moment before this transaction the answer comes from access_history: policies, masks, tags, purposes, grants and attributes as they were in force; memberships, SUPERUSER and BYPASSRLS of roles, parents of tables and steward.on_no_policy are those of today, which a row of kind history says. Verdict cannot be told: what applied then names a column or an object that is gone. Raises invalid_parameter_value for a moment before the first one that is known; its hint names that. Other roles than one''s own: steward_admin, steward_officer, steward_auditor, else insufficient_privilege. Raises undefined_object for an unknown role or purpose, invalid_parameter_value for an unknown command';

CREATE FUNCTION steward.who_can_access(relation regclass, at timestamptz DEFAULT now())
    RETURNS TABLE (role text, purpose text, command text, rows text, masked_columns text[])
    LANGUAGE c STABLE
    SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
    AS 'MODULE_PATHNAME', 'steward_who_can_access';
REVOKE ALL ON FUNCTION steward.who_can_access(regclass, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.who_can_access(regclass, timestamptz) TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.who_can_access(regclass, timestamptz) IS
    'who sees or changes which rows of a table: every role that can log in or is named in a grant of the table or of a purpose, and has the privilege of PostgreSQL for the command on the table or on a column; with no purpose (NULL), and with each that is granted to it at the moment. rows: all, or the predicate of explain_access(); who gets no row is left out, but for those whose statements fail because a policy, a mask or an attribute cannot be read (none, statements fail: ...); for superusers and BYPASSRLS roles purposes make no difference. masked_columns: those that the role does not see as they are, in some cells at least. Who may break the glass has one row more, rows: by break-glass: all, or what row security of PostgreSQL leaves of them. Views and trusted objects open further roads. A moment before this transaction is answered from access_history, for the roles that there are today, with the memberships and the privileges of PostgreSQL that they have today (rows: cannot be told: ... where what applied then can no longer be read); for a moment to come, the validity of today''s policies and grants is looked at. For steward_admin, steward_officer and steward_auditor. Raises wrong_object_type where it is no table, invalid_parameter_value for a moment before the first one that is known';

-- ---------------------------------------------------------------------
-- What is wrong, or weaker than it looks, with masks
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.mask_findings() RETURNS TABLE (severity text, object text, finding text, remedy text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    carrier oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier');
    bearer record;
BEGIN
    -- Carriers and their masks.
    RETURN QUERY
        SELECT 'error', format('mask %I of table %s', m.name, m.relation),
               'the native policy that carries its expression is gone: statements of those whom it masks fail',
               format('SELECT steward.drop_mask(%L, %L), and create it again', m.name, m.relation::text)
        FROM steward.column_mask m
        WHERE NOT EXISTS (SELECT FROM pg_policy pol
                          WHERE pol.polrelid = m.relation AND pol.polname::text = 'mask.' || m.name AND pol.polroles = ARRAY[carrier])
        ORDER BY 2;
    RETURN QUERY
        SELECT 'warning', format('native policy %I of table %s', pol.polname, pol.polrelid::regclass),
               'it carries no mask of pg_steward, and concerns nobody',
               format('DROP POLICY %I ON %s', pol.polname, pol.polrelid::regclass)
        FROM pg_policy pol
        WHERE pol.polname::text LIKE 'mask.%' AND pol.polroles = ARRAY[carrier]
          AND NOT EXISTS (SELECT FROM steward.column_mask m WHERE m.relation = pol.polrelid AND 'mask.' || m.name = pol.polname::text)
        ORDER BY 2;
    RETURN QUERY
        SELECT 'error', format('mask %I of table %s', m.name, m.relation),
               'the role that wrote it was dropped, and its sub-select reads with that role''s rights: statements of those whom it masks fail',
               format('SELECT steward.create_mask(%L, %L, ..., replace => true)', m.name, m.relation::text)
        FROM steward.column_mask m
        JOIN pg_policy pol ON pol.polrelid = m.relation AND pol.polname::text = 'mask.' || m.name
        WHERE NOT EXISTS (SELECT FROM steward.column_mask_author a JOIN pg_roles r ON r.oid = a.role
                          WHERE a.relation = m.relation AND a.mask = m.name)
          AND (pol.polqual::text LIKE '%{SUBLINK %' OR pol.polwithcheck::text LIKE '%{SUBLINK %')
        ORDER BY 2;

    -- Tags.
    FOR bearer IN
        SELECT m.name, m.mask_expr, t.relation, t.column_name, t.attnum
        FROM steward.tag_mask m
        JOIN steward.column_tag t ON t.tag = m.tag
        ORDER BY m.name, t.relation::text, t.attnum
    LOOP
        BEGIN
            PERFORM steward.check_tag_mask(bearer.mask_expr, bearer.relation, bearer.attnum);
        EXCEPTION WHEN OTHERS THEN
            RETURN QUERY SELECT 'error', format('mask %I by tag', bearer.name),
                format('it does not fit column %I of table %s, which bears its tag (%s): statements of those whom it masks fail', bearer.column_name, bearer.relation, sqlerrm),
                format('SELECT steward.create_tag_mask(%L, ..., replace => true) with an expression that fits, or take the tag from the column', bearer.name);
        END;
    END LOOP;
    RETURN QUERY
        SELECT 'info', format('mask %I by tag', m.name), format('no column bears its tag %L: it masks nothing', m.tag),
               format('SECURITY LABEL FOR steward ON COLUMN ... IS %L, or SELECT steward.drop_tag_mask(%L)', m.tag, m.name)
        FROM steward.tag_mask m
        WHERE NOT EXISTS (SELECT FROM steward.column_tag t WHERE t.tag = m.tag)
        ORDER BY m.name;
    RETURN QUERY
        WITH RECURSIVE governed (relation, top) AS (
            SELECT p.relation::oid, p.relation::oid FROM steward.protected_relation p
            UNION
            SELECT i.inhrelid, g.top FROM governed g JOIN pg_inherits i ON i.inhparent = g.relation
        )
        SELECT CASE WHEN EXISTS (SELECT FROM steward.tag_mask m WHERE m.tag = ANY (array_agg(t.tag))) THEN 'warning' ELSE 'info' END,
               format('table %s', t.relation),
               CASE WHEN EXISTS (SELECT FROM governed g WHERE g.relation = t.relation)
                    THEN format('it is governed through its parent, whose columns do not bear the tags of its own, so no mask by these tags applies: %s',
                                string_agg(format('%I (%s)', t.column_name, t.tag), ', ' ORDER BY t.attnum, t.tag))
                    ELSE format('it is not protected, so no mask by tag applies to its tagged columns: %s',
                                string_agg(format('%I (%s)', t.column_name, t.tag), ', ' ORDER BY t.attnum, t.tag)) END,
               CASE WHEN EXISTS (SELECT FROM governed g WHERE g.relation = t.relation)
                    THEN 'SECURITY LABEL FOR steward ON the column of its parent'
                    ELSE format('SELECT steward.protect(%L)', t.relation::text) END
        FROM steward.column_tag t
        WHERE NOT EXISTS (SELECT FROM steward.protected_relation p WHERE p.relation = t.relation)
          AND NOT EXISTS (SELECT FROM governed g JOIN steward.column_tag o ON o.relation = g.top
                          WHERE g.relation = t.relation AND o.column_name = t.column_name AND o.tag = t.tag)
        GROUP BY t.relation
        ORDER BY t.relation::text;

    -- Purposes and conditions.
    RETURN QUERY
        SELECT 'warning', u.object,
               'it spares purposes that were dropped: ' || string_agg(quote_literal(u.purpose), ', ' ORDER BY u.purpose),
               u.remedy
        FROM (
            SELECT format('mask %I of table %s', m.name, m.relation), unnest(m.unless_purposes),
                   format('SELECT steward.create_mask(%L, %L, ..., replace => true) with the purposes that are meant', m.name, m.relation::text)
            FROM steward.column_mask m
            UNION ALL
            SELECT format('mask %I by tag', m.name), unnest(m.unless_purposes),
                   format('SELECT steward.create_tag_mask(%L, ..., replace => true) with the purposes that are meant', m.name)
            FROM steward.tag_mask m) AS u (object, purpose, remedy)
        WHERE NOT EXISTS (SELECT FROM steward.purpose p WHERE p.name = u.purpose)
        GROUP BY u.object, u.remedy
        ORDER BY u.object;
    RETURN QUERY
        SELECT 'warning', format('mask %I of table %s', m.name, m.relation),
               format('its condition reads column %I, which roles whom it masks may update, and so lift it: %s', a.attname,
                      string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname)),
               format('REVOKE UPDATE ON %s FROM them and grant it on other columns, or drop their row policies for update, or mask every cell', m.relation)
        FROM steward.column_mask m
        JOIN steward.protected_relation p ON p.relation = m.relation AND p.mode = 'enforce'
        JOIN pg_policy pol ON pol.polrelid = m.relation AND pol.polname::text = 'mask.' || m.name
        CROSS JOIN LATERAL (
            SELECT DISTINCT v.match[1]::int FROM regexp_matches(pol.polwithcheck::text, '\{VAR :varno 1 :varattno (-?\d+) ', 'g') AS v (match)) AS v (attnum)
        JOIN pg_attribute a ON a.attrelid = m.relation AND a.attnum > 0 AND NOT a.attisdropped AND v.attnum IN (a.attnum, 0)
        JOIN pg_roles r ON NOT r.rolsuper AND NOT r.rolbypassrls AND r.rolname NOT LIKE 'pg\_%'
        WHERE has_column_privilege(r.oid, m.relation, a.attnum, 'UPDATE')
          AND EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_policy'::regclass AND d.objid = pol.oid
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = m.relation AND d.refobjsubid IN (a.attnum, 0))
          AND NOT EXISTS (SELECT FROM steward.column_mask_role s
                          WHERE s.relation = m.relation AND s.mask = m.name AND (s.role = 0 OR pg_has_role(r.oid, s.role, 'usage')))
          AND EXISTS (SELECT FROM steward.row_policy rp
                      JOIN steward.row_policy_role rr ON rr.relation = rp.relation AND rr.policy = rp.name
                      WHERE rp.relation = m.relation AND rp.effect = 'allow' AND rp.commands && '{update,all}'
                        AND (rp.valid_until IS NULL OR rp.valid_until > clock_timestamp())
                        AND (rr.role = 0 OR EXISTS (SELECT FROM pg_roles o WHERE o.oid = rr.role AND pg_has_role(r.oid, o.oid, 'usage'))))
        GROUP BY m.relation, m.name, a.attname, a.attnum
        ORDER BY 2, a.attnum;
END
$$;
REVOKE ALL ON FUNCTION steward.mask_findings() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.mask_findings() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.mask_findings() IS 'what doctor() finds about masks and tags';

ALTER FUNCTION steward.doctor() RENAME TO row_findings;
COMMENT ON FUNCTION steward.row_findings() IS 'what doctor() finds, but for masks';

CREATE FUNCTION steward.doctor() RETURNS TABLE (severity text, object text, finding text, remedy text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The native policies that carry masks are looked at with the masks.
    RETURN QUERY
        SELECT f.severity, f.object, f.finding, f.remedy
        FROM steward.row_findings() WITH ORDINALITY AS f (severity, object, finding, remedy, place)
        WHERE f.object NOT IN (SELECT format('native policy %I of table %s', pol.polname, pol.polrelid::regclass)
                               FROM pg_policy pol
                               WHERE pol.polname::text LIKE 'mask.%'
                                 AND pol.polroles = ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'steward_carrier'))
        ORDER BY f.place;
    -- A server without the library has said all that there is to say.
    IF current_setting('steward.on_no_policy', true) IS NOT NULL THEN
        RETURN QUERY SELECT * FROM steward.mask_findings();
        RETURN QUERY SELECT * FROM steward.second_person_findings();
        IF to_regprocedure('steward.audit_findings()') IS NOT NULL THEN
            RETURN QUERY SELECT * FROM steward.audit_findings();
        END IF;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.doctor() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.doctor() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.doctor() IS
    'what is wrong, or weaker than it looks: severity (error: protection is broken or statements fail; warning: probably not what was meant, or a road past policies and masks; info: good to know), the object, what was found, and what to do, mostly as a statement to run. For steward_admin, steward_officer and steward_auditor';

-- ---------------------------------------------------------------------
-- What was done to one's last statement
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.last_access(OUT relation regclass, OUT filtered boolean, OUT masked_columns text[], OUT purpose text, OUT policies text[])
    RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'steward_last_access';
COMMENT ON FUNCTION steward.last_access() IS
    'what was done to the last statement of this session that reached governed tables, one row a table (and purpose): whether a row predicate was put into it, whether or not it removed a row; which of the columns that it read are masked for the session, in some cells at least; the purpose under which it ran; the row policies that applied, as they stand when asked, those of PostgreSQL itself too, or break-glass. What its functions and triggers ran is told with it; columns behind a view are all those that the view reads. Where policies were changed since, filtered and masked_columns tell what the statement was planned for, which may be more than what its purpose left. Statements without governed tables, and those that failed before they began, change nothing';
