-- access: what COPY FROM of governed tables calls.

CREATE FUNCTION steward.copied_row_is_allowed(VARIADIC "any") RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_copied_row_is_allowed';
COMMENT ON FUNCTION steward.copied_row_is_allowed("any") IS
    'in COPY FROM: whether the check expressions with sub-selects allow the row of these columns. Raises object_not_in_prerequisite_state where anybody else calls it';
