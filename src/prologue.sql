-- prologue: the ground on which the rooms stand.

CREATE SCHEMA steward;
COMMENT ON SCHEMA steward IS 'pg_steward: AI governance enforced and proven in the database';
GRANT USAGE ON SCHEMA steward TO PUBLIC;

CREATE FUNCTION steward.require_preload() RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_require_preload_sql';
REVOKE ALL ON FUNCTION steward.require_preload() FROM PUBLIC;
COMMENT ON FUNCTION steward.require_preload() IS
    'raises object_not_in_prerequisite_state unless pg_steward is in shared_preload_libraries';
SELECT steward.require_preload();

CREATE FUNCTION steward.library_version() RETURNS text
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'steward_library_version';
COMMENT ON FUNCTION steward.library_version() IS 'version of the library that the server has loaded; extversion in pg_extension is that of the SQL';

CREATE FUNCTION steward.prepare_roles() RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'steward_prepare_roles';
REVOKE ALL ON FUNCTION steward.prepare_roles() FROM PUBLIC;
COMMENT ON FUNCTION steward.prepare_roles() IS
    'makes the roles of pg_steward; raises duplicate_object where one exists that is not as pg_steward made it (see steward.adopt_roles)';
SELECT steward.prepare_roles();

CREATE FUNCTION steward.require_role(VARIADIC roles text[]) RETURNS void
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'steward_require_role';
COMMENT ON FUNCTION steward.require_role(text[]) IS
    'raises insufficient_privilege unless the acting person (the role outside of any SECURITY DEFINER function) is a superuser or has the rights of one of the roles';

CREATE SCHEMA steward_bi;
COMMENT ON SCHEMA steward_bi IS 'pg_steward: stable views for BI dashboards (role steward_reader)';
GRANT USAGE ON SCHEMA steward_bi TO steward_reader, steward_auditor;
