-- audit: the access log.

SELECT steward.create_log('access_event',
    'accesses to governed tables, as they are chained: whole ones, or intents and outcomes; read access_log instead');
COMMENT ON COLUMN steward.access_event.kind IS 'event: a whole access; intent: one that was about to begin, of a table that is logged synchronously; outcome: how that ended';
COMMENT ON COLUMN steward.access_event.statement_id IS 'the statement of the client: all that it touched has the same, nested queries and cursors too';
COMMENT ON COLUMN steward.access_event.access_no IS 'number of the access within the statement; intent and outcome have the same';
COMMENT ON COLUMN steward.access_event.purpose IS 'the purpose that counted; NULL: none';
COMMENT ON COLUMN steward.access_event.command IS 'select | insert | update | delete | merge | copy to | copy from | truncate, or the command that its owner tried';
COMMENT ON COLUMN steward.access_event.relation_name IS 'the governed table, with its schema, as it was named then';
COMMENT ON COLUMN steward.access_event.relation_oid IS 'its OID';
COMMENT ON COLUMN steward.access_event.decision IS 'allowed | denied | bypassed (a superuser, or BYPASSRLS) | break-glass | observed (mode observe)';
COMMENT ON COLUMN steward.access_event.outcome IS 'completed | failed (an error) | aborted (the transaction ended before a cursor did) | disconnected; NULL: not known yet';
COMMENT ON COLUMN steward.access_event.rows_returned IS 'rows that the queries on this table delivered, or handed on to another table; NULL: none could be';
COMMENT ON COLUMN steward.access_event.rows_affected IS 'rows of this table that were written; NULL: none could be, or it is not known (a CTE, TRUNCATE)';
COMMENT ON COLUMN steward.access_event.duration_ms IS 'from the first access of the statement to its end';
COMMENT ON COLUMN steward.access_event.query_id IS 'identifier of the statement as pg_stat_statements has it; 0: none';
COMMENT ON COLUMN steward.access_event.transaction_id IS 'the transaction, where it has written by then';
COMMENT ON COLUMN steward.access_event.run_id IS 'the run that the session belongs to; NULL: none';
COMMENT ON COLUMN steward.access_event.policy_revision IS 'how many transactions had changed policies, grants, masks and the like by then';
COMMENT ON COLUMN steward.access_event.backend_pid IS 'process of the session';
COMMENT ON COLUMN steward.access_event.error_code IS 'SQLSTATE of the error that ended it; NULL: none, or not known';
COMMENT ON COLUMN steward.access_event.session_role IS 'role that opened the session';
COMMENT ON COLUMN steward.access_event.subject_role IS 'role that acted';
COMMENT ON COLUMN steward.access_event.subject IS 'person or service that acted: the name in the token, else the role';
COMMENT ON COLUMN steward.access_event.token_issuer IS 'issuer of the token that named the subject; NULL: no token';
COMMENT ON COLUMN steward.access_event.application_name IS 'application_name of the session; NULL: none';
COMMENT ON COLUMN steward.access_event.client_addr IS 'address of the client; NULL: a Unix socket, or no client';
COMMENT ON COLUMN steward.access_event.columns IS 'columns that were named in reading or writing, in the order of the table';
COMMENT ON COLUMN steward.access_event.query_text IS 'the statement, with $n for each constant, without comments, at most 6 kB; as it was sent under steward.log_parameters';
COMMENT ON COLUMN steward.access_event.parameters IS 'values of its parameters under steward.log_parameters, at most 1 kB each; NULL: not kept';
COMMENT ON COLUMN steward.access_event.reason IS 'why, where the glass was broken';
COMMENT ON COLUMN steward.access_event.entities IS 'keyed hashes of the persons whose rows the access met, ascending; NULL: of nobody, or not kept';
COMMENT ON COLUMN steward.access_event.entity_scope IS 'rows: entities has all of them; scan: it may have been anybody (more than steward.entity_limit, or it could not be told, or an intent); NULL: the table names no entity column';

CREATE VIEW steward.access_log AS
    SELECT e.seq, e.logged_at, e.session_role, e.subject_role, e.subject, e.token_issuer, e.purpose, e.command,
           e.relation_name, e.relation_oid::oid AS relation_oid, e.columns,
           coalesce(o.decision, e.decision) AS decision,
           CASE WHEN e.kind = 'event' THEN e.outcome ELSE coalesce(o.outcome, 'unknown') END AS outcome,
           coalesce(o.rows_returned, e.rows_returned) AS rows_returned,
           coalesce(o.rows_affected, e.rows_affected) AS rows_affected,
           coalesce(o.duration_ms, e.duration_ms) AS duration_ms,
           e.query_id, e.query_text, e.statement_id,
           coalesce(o.transaction_id, e.transaction_id) AS transaction_id,
           e.run_id, e.policy_revision, e.application_name, e.client_addr, e.backend_pid::integer AS backend_pid,
           coalesce(o.error_code, e.error_code) AS error_code, e.reason,
           coalesce(o.entity_scope, e.entity_scope) AS entity_scope
    FROM steward.access_event e
        LEFT JOIN steward.access_event o
            ON e.kind = 'intent' AND o.kind = 'outcome' AND o.statement_id = e.statement_id AND o.access_no = e.access_no
    WHERE e.kind <> 'outcome';
COMMENT ON VIEW steward.access_log IS
    'who did what to which governed table, for which purpose, and how it ended: one row for each table and command of a statement, denied ones, superusers and what functions run included. Rows outlive the ROLLBACK of what they tell of. For steward_auditor';
COMMENT ON COLUMN steward.access_log.seq IS 'number of the record in access_event';
COMMENT ON COLUMN steward.access_log.logged_at IS 'when it was logged: at its end, and for tables that are logged synchronously before its first row';
COMMENT ON COLUMN steward.access_log.session_role IS 'role that opened the session';
COMMENT ON COLUMN steward.access_log.subject_role IS 'role that acted';
COMMENT ON COLUMN steward.access_log.subject IS 'person or service that acted: the name in the token, else the role';
COMMENT ON COLUMN steward.access_log.token_issuer IS 'issuer of the token that named the subject; NULL: no token';
COMMENT ON COLUMN steward.access_log.purpose IS 'the purpose that counted; NULL: none';
COMMENT ON COLUMN steward.access_log.command IS 'select | insert | update | delete | merge | copy to | copy from | truncate, or the command that its owner tried';
COMMENT ON COLUMN steward.access_log.relation_name IS 'the governed table, with its schema, as it was named then';
COMMENT ON COLUMN steward.access_log.relation_oid IS 'its OID';
COMMENT ON COLUMN steward.access_log.columns IS 'columns that were named in reading or writing, in the order of the table';
COMMENT ON COLUMN steward.access_log.decision IS 'allowed | denied | bypassed (a superuser, or BYPASSRLS) | break-glass | observed (mode observe)';
COMMENT ON COLUMN steward.access_log.outcome IS 'completed | failed (an error) | aborted (the transaction ended before a cursor did) | disconnected | unknown (no outcome was logged: it still runs, or the server crashed)';
COMMENT ON COLUMN steward.access_log.rows_returned IS 'rows that the queries on this table delivered, or handed on to another table; NULL: none could be';
COMMENT ON COLUMN steward.access_log.rows_affected IS 'rows of this table that were written; NULL: none could be, or it is not known (a CTE, TRUNCATE)';
COMMENT ON COLUMN steward.access_log.duration_ms IS 'from the first access of the statement to its end';
COMMENT ON COLUMN steward.access_log.query_id IS 'identifier of the statement as pg_stat_statements has it; 0: none';
COMMENT ON COLUMN steward.access_log.query_text IS 'the statement, with $n for each constant, without comments, at most 6 kB; as it was sent under steward.log_parameters';
COMMENT ON COLUMN steward.access_log.statement_id IS 'the statement of the client: all that it touched has the same, nested queries and cursors too';
COMMENT ON COLUMN steward.access_log.transaction_id IS 'the transaction, where it has written by then';
COMMENT ON COLUMN steward.access_log.run_id IS 'the run that the session belongs to; NULL: none';
COMMENT ON COLUMN steward.access_log.policy_revision IS 'how many transactions had changed policies, grants, masks and the like by then';
COMMENT ON COLUMN steward.access_log.application_name IS 'application_name of the session; NULL: none';
COMMENT ON COLUMN steward.access_log.client_addr IS 'address of the client; NULL: a Unix socket, or no client';
COMMENT ON COLUMN steward.access_log.backend_pid IS 'process of the session';
COMMENT ON COLUMN steward.access_log.error_code IS 'SQLSTATE of the error that ended it; NULL: none, or not known';
COMMENT ON COLUMN steward.access_log.reason IS 'why, where the glass was broken';
COMMENT ON COLUMN steward.access_log.entity_scope IS 'whose rows it met: rows, it is known; scan, it may have been anybody''s; NULL, the table names no entity column, or it was erased. See who_saw()';
REVOKE ALL ON steward.access_log FROM PUBLIC;
GRANT SELECT ON steward.access_log TO steward_auditor;
