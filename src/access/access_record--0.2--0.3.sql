-- access: what the access log needs to know of the policies.

CREATE TABLE steward.policy_revision (
    transaction_id xid8 NOT NULL
);
COMMENT ON TABLE steward.policy_revision IS 'one row for each transaction that changed what governs; how many there are is the revision of the policies that each access is logged with';
COMMENT ON COLUMN steward.policy_revision.transaction_id IS 'the transaction that changed something';
REVOKE ALL ON steward.policy_revision FROM PUBLIC;
GRANT SELECT ON steward.policy_revision TO steward_admin, steward_officer, steward_auditor;
SELECT pg_catalog.pg_extension_config_dump('steward.policy_revision', '');
