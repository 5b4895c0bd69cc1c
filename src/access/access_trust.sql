-- Trusted views and functions.

CREATE FUNCTION steward.find_object(object text, OUT classid oid, OUT objid oid)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM steward.require_value('object', object);
    BEGIN
        IF object LIKE '%)' THEN
            classid := 'pg_catalog.pg_proc'::regclass;
            objid := pg_catalog.to_regprocedure(object);
        ELSE
            classid := 'pg_catalog.pg_class'::regclass;
            SELECT c.oid INTO objid FROM pg_catalog.pg_class c
            WHERE c.oid = pg_catalog.to_regclass(object) AND c.relkind = 'v';
        END IF;
    EXCEPTION
        -- Before 16, what is no name at all raises; it is said below.
        WHEN syntax_error OR invalid_name OR invalid_text_representation OR undefined_object THEN
            NULL;
    END;
    IF objid IS NULL THEN
        RAISE EXCEPTION 'view or function "%" does not exist', object
            USING ERRCODE = 'undefined_object',
                  HINT = 'Write a view as schema.name and a function as schema.name(argument types), as pg_identify_object() prints them.';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION steward.find_object(text) FROM PUBLIC;
COMMENT ON FUNCTION steward.find_object(text) IS 'internal: finds a view or function by its identity; raises undefined_object';

CREATE FUNCTION steward.trust(object text, reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target record;
BEGIN
    PERFORM steward.require_role('steward_admin');
    PERFORM steward.require_value('reason', reason);
    SELECT * INTO target FROM steward.find_object(object);
    PERFORM steward.set_trust(target.classid, target.objid,
        CASE WHEN target.classid = 'pg_catalog.pg_proc'::regclass
                  AND (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname::text = steward.subject_role())
                  AND (SELECT r.rolsuper FROM pg_catalog.pg_roles r
                       JOIN pg_catalog.pg_proc p ON p.proowner = r.oid WHERE p.oid = target.objid)
             THEN 'trusted, in policies' ELSE 'trusted' END);
    RAISE LOG 'pg_steward: % trusts %: %', steward.subject(), object, reason;
END
$$;
REVOKE ALL ON FUNCTION steward.trust(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.trust(text, text) TO steward_admin;
COMMENT ON FUNCTION steward.trust(text, text) IS
    'trusts a view or function, named by its identity as pg_identify_object() prints it: through it, its owner is the subject. A function that a superuser owns and a superuser trusts may also stand in policies. The trust follows renames and ends with distrust() or the object. The reason goes to the server log';

CREATE FUNCTION steward.distrust(object text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target record;
BEGIN
    PERFORM steward.require_role('steward_admin');
    SELECT * INTO target FROM steward.find_object(object);
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_seclabel l
                   WHERE l.classoid = target.classid AND l.objoid = target.objid
                     AND l.objsubid = 0 AND l.provider = 'steward') THEN
        RAISE EXCEPTION '"%" is not trusted', object USING ERRCODE = 'undefined_object';
    END IF;
    PERFORM steward.set_trust(target.classid, target.objid, NULL);
    RAISE LOG 'pg_steward: % no longer trusts %', steward.subject(), object;
END
$$;
REVOKE ALL ON FUNCTION steward.distrust(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.distrust(text) TO steward_admin;
COMMENT ON FUNCTION steward.distrust(text) IS 'ends the trust in a view or function; raises undefined_object where it is not trusted';

CREATE VIEW steward.trusted_object AS
    SELECT i.type, i.identity, l.label, l.classoid, l.objoid
    FROM pg_catalog.pg_seclabel l,
         LATERAL pg_catalog.pg_identify_object(l.classoid, l.objoid, l.objsubid) i
    WHERE l.provider = 'steward' AND l.objsubid = 0 AND l.label LIKE 'trusted%';
REVOKE ALL ON steward.trusted_object FROM PUBLIC;
GRANT SELECT ON steward.trusted_object TO steward_admin, steward_officer, steward_auditor;
COMMENT ON VIEW steward.trusted_object IS 'views and functions through which their owner is the subject; see trust() and distrust()';
COMMENT ON COLUMN steward.trusted_object.type IS 'view or function';
COMMENT ON COLUMN steward.trusted_object.identity IS 'its identity, as trust() and distrust() take it';
COMMENT ON COLUMN steward.trusted_object.label IS '"trusted", or "trusted, in policies" where a superuser trusted a function';
COMMENT ON COLUMN steward.trusted_object.classoid IS 'catalog that holds it';
COMMENT ON COLUMN steward.trusted_object.objoid IS 'its OID in that catalog';
