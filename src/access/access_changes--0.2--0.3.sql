-- access: changes of its tables go into the change log.

SELECT steward.log_changes_of('steward.protected_relation', 'protection', 'relation'),
       steward.log_changes_of('steward.purpose', 'purpose', 'name'),
       steward.log_changes_of('steward.purpose_grant', 'purpose grant', 'purpose,to_role'),
       steward.log_changes_of('steward.role_attribute', 'attribute', 'role,key'),
       steward.log_changes_of('steward.row_policy', 'row policy', 'relation,name'),
       steward.log_changes_of('steward.row_policy_role', 'role of row policy', 'relation,policy,role'),
       steward.log_changes_of('steward.row_policy_author', 'author of row policy', 'relation,policy'),
       steward.log_changes_of('steward.ddl_allowance', 'DDL allowance', 'relation,role'),
       steward.log_changes_of('steward.column_mask', 'mask', 'relation,name'),
       steward.log_changes_of('steward.column_mask_role', 'role of mask', 'relation,mask,role'),
       steward.log_changes_of('steward.column_mask_author', 'author of mask', 'relation,mask'),
       steward.log_changes_of('steward.tag_mask', 'tag mask', 'name'),
       steward.log_changes_of('steward.tag_mask_role', 'role of tag mask', 'mask,role'),
       steward.log_changes_of('steward.policy_test', 'policy test', 'name'),
       steward.log_changes_of('steward.policy_test_author', 'author of policy test', 'test'),
       steward.log_changes_of('steward.break_glass_grant', 'break-glass grant', 'to_role'),
       steward.log_changes_of('steward.break_glass_record', 'break-glass', 'id'),
       steward.log_changes_of('steward.break_glass_end', 'end of break-glass', 'event'),
       steward.log_changes_of('steward.issuer', 'issuer', 'name', 'secret'),
       steward.log_changes_of('steward.token_requirement', 'token requirement', 'role'),
       steward.log_changes_of('steward.change_request', 'request for a change', 'id', 'secret'),
       steward.log_changes_of('steward.change_requester', 'requester of a change', 'request'),
       steward.log_changes_of('steward.change_decision', 'decision on a change', 'request');

-- What stands in no table of ours, but in native policies and labels: expressions,
-- tags, trust.  The history has it.
CREATE TRIGGER note_change AFTER INSERT ON steward.access_history_event
    FOR EACH ROW WHEN (new.kind IN ('row_policy', 'column_mask', 'column_tag', 'native_policy', 'trusted_object'))
    EXECUTE FUNCTION steward.note_change('policy history', 'kind,object', '');
ALTER TABLE steward.access_history_event ENABLE ALWAYS TRIGGER note_change;
COMMENT ON TRIGGER note_change ON steward.access_history_event IS 'expressions, tags and trust go into the change log';
