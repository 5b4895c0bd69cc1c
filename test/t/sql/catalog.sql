-- Every object of the extension with its definition, rights and comment, in an
-- order and form that does not depend on how it came to be.
--
-- Copyright (c) 2026, the pg_steward authors

SET search_path = pg_catalog;

WITH member AS (
    SELECT d.classid, d.objid, i.type, i.identity
      FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_steward',
           LATERAL pg_identify_object(d.classid, d.objid, 0) i
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), acl AS (
    SELECT 'pg_proc'::regclass::oid AS classid, oid AS objid, 0 AS objsubid, proacl AS acl FROM pg_proc
    UNION ALL SELECT 'pg_class'::regclass, oid, 0, relacl FROM pg_class
    UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum, attacl FROM pg_attribute WHERE attacl IS NOT NULL
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, nspacl FROM pg_namespace
), line AS (
    SELECT type, identity, 'function' AS what, pg_get_functiondef(objid) AS value FROM member
     WHERE type IN ('function', 'procedure')
    UNION ALL
    SELECT type, identity, 'view', pg_get_viewdef(objid) FROM member WHERE type = 'view'
    UNION ALL
    SELECT type, identity, 'column ' || a.attname,
           concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
                     a.attnotnull, a.attidentity, a.attgenerated, pg_get_expr(f.adbin, f.adrelid))
      FROM member JOIN pg_attribute a ON a.attrelid = objid AND a.attnum > 0 AND NOT a.attisdropped
           LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
     WHERE classid = 'pg_class'::regclass
    UNION ALL
    -- without parentheses: a dump flattens AND in AND
    SELECT type, identity, 'constraint ' || c.conname, translate(pg_get_constraintdef(c.oid), '()', '') FROM member JOIN pg_constraint c ON c.conrelid = objid
     WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT type, identity, 'index', pg_get_indexdef(x.indexrelid) FROM member JOIN pg_index x ON x.indrelid = objid
     WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT type, identity, 'trigger', concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) FROM member JOIN pg_trigger t ON t.tgrelid = objid
     WHERE classid = 'pg_class'::regclass AND NOT t.tgisinternal
    UNION ALL
    SELECT type, identity, 'rights ' || objsubid,
           string_agg(concat_ws(' ', CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END, privilege_type, is_grantable),
                      ', ' ORDER BY grantee::regrole::text, privilege_type)
      FROM member JOIN acl USING (classid, objid), LATERAL aclexplode(acl)
     GROUP BY type, identity, objsubid
    UNION ALL
    SELECT type, identity, 'comment ' || objsubid, description FROM member JOIN pg_description ON classoid = classid AND objoid = objid
    UNION ALL
    SELECT type, identity, 'relation', concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity, reloptions)
      FROM member JOIN pg_class c ON c.oid = objid WHERE classid = 'pg_class'::regclass
    UNION ALL
    SELECT type, identity, 'mark for pg_dump', extcondition[array_position(extconfig, objid)]
      FROM member, pg_extension WHERE extname = 'pg_steward' AND objid = ANY (extconfig)
       AND classid = 'pg_class'::regclass
    UNION ALL
    SELECT type, identity, 'is there', '' FROM member
)
SELECT * FROM line ORDER BY 1, 2, 3, 4;
