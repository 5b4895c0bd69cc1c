-- crypto: what may be asked about the keys.

CREATE FUNCTION steward.key_directory_is_apart() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'steward_key_directory_is_apart';
REVOKE ALL ON FUNCTION steward.key_directory_is_apart() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION steward.key_directory_is_apart() TO steward_admin, steward_officer, steward_auditor;
COMMENT ON FUNCTION steward.key_directory_is_apart() IS
    'whether steward.key_directory lies outside of the data directory, so that base backups hold no key';
