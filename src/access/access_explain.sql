-- access: what is decided, and what would be.

-- ---------------------------------------------------------------------
-- Explanation
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.explain_access(relation regclass, role text DEFAULT current_user, purpose text DEFAULT NULL, command text DEFAULT 'select', at timestamptz DEFAULT now())
    RETURNS TABLE (kind text, name text, verdict text, reason text, expression text)
    LANGUAGE c STABLE
    SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
    AS 'MODULE_PATHNAME', 'steward_explain_access';
COMMENT ON FUNCTION steward.explain_access(regclass, text, text, text, timestamptz) IS
    'why a role may or may not use rows of a table for a purpose (NULL: one''s own session''s purpose, for another role none; '''': none) and a command (select | insert | update | delete) at a moment: one row a policy (kind row policy or native policy; verdict applies | does not apply; expression as it was written), and last the decision: allowed (every row) | filtered | denied (no row) | bypassed (superuser or BYPASSRLS) | observed (mode observe: nothing is filtered) | not governed. The expression of the decision is the predicate with everything that depends on person and moment put in: a superuser who filters the table by it gets the rows that the role gets; for insert it is what new rows must fulfil, for update and delete it includes what select demands of rows that a statement reads. Other roles than one''s own: steward_admin, steward_officer, steward_auditor, else insufficient_privilege. Raises undefined_object for an unknown role or purpose, invalid_parameter_value for an unknown command';

-- ---------------------------------------------------------------------
-- Mode "observe"
-- ---------------------------------------------------------------------

CREATE FUNCTION steward.note_denial(relation oid, policy text, command integer, subject_oid oid) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'steward_note_denial';
COMMENT ON FUNCTION steward.note_denial(oid, text, integer, oid) IS
    'in plans: counts a row of an observed table that its policies would not allow, and returns true; raises insufficient_privilege where a statement calls it';

CREATE FUNCTION steward.observed_denials(OUT relation oid, OUT subject oid, OUT purpose text, OUT command text, OUT policy text, OUT denials bigint, OUT first_seen timestamptz, OUT last_seen timestamptz)
    RETURNS SETOF record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_observed_denials';
REVOKE ALL ON FUNCTION steward.observed_denials() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.observed_denials() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.observed_denials() IS 'what view observed_denial shows, with OIDs';

CREATE FUNCTION steward.observed_denials_lost() RETURNS bigint
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_observed_denials_lost';
REVOKE ALL ON FUNCTION steward.observed_denials_lost() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.observed_denials_lost() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.observed_denials_lost() IS
    'rows, in all databases, that could not be counted because steward.observed_denials_max different denials were counted already';

CREATE FUNCTION steward.reset_observed_denials() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'steward_reset_observed_denials';
REVOKE ALL ON FUNCTION steward.reset_observed_denials() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.reset_observed_denials() TO steward_admin;
COMMENT ON FUNCTION steward.reset_observed_denials() IS
    'forgets what was counted in this database (and in databases that are gone), and the count of what was lost';

CREATE VIEW steward.observed_denial AS
    SELECT d.relation::regclass AS relation, pg_catalog.pg_get_userbyid(d.subject)::text AS subject,
           d.purpose, d.command, d.policy, d.denials, d.first_seen, d.last_seen
    FROM steward.observed_denials() d;
REVOKE ALL ON steward.observed_denial FROM PUBLIC;
GRANT SELECT ON steward.observed_denial TO steward_admin, steward_officer, steward_auditor;
COMMENT ON VIEW steward.observed_denial IS
    'what the policies of tables in mode observe would have denied, since the last reset_observed_denials(); survives a clean restart, not a crash. Counted are rows that a statement met and that the policies would not let it have; rows that simple conditions of its own (leakproof comparisons) discard are not among them, rows that its joins or other conditions discard later may be';
COMMENT ON COLUMN steward.observed_denial.relation IS 'the table, or the parent whose policies govern it';
COMMENT ON COLUMN steward.observed_denial.subject IS 'who acted';
COMMENT ON COLUMN steward.observed_denial.purpose IS 'for which purpose; NULL: none that was granted';
COMMENT ON COLUMN steward.observed_denial.command IS 'select | insert | update | delete';
COMMENT ON COLUMN steward.observed_denial.policy IS 'the denying policy; NULL: no allowing policy held';
COMMENT ON COLUMN steward.observed_denial.denials IS 'how many rows';
COMMENT ON COLUMN steward.observed_denial.first_seen IS 'when the first one was met';
COMMENT ON COLUMN steward.observed_denial.last_seen IS 'start of the last statement that met one';
