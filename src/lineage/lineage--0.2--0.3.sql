-- lineage: edges that somebody declared go into the change log.

SELECT steward.log_changes_of('steward.lineage_edge', 'lineage edge', 'source_relation,source_column,target_relation,target_column,kind');
