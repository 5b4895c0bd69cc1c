-- What governance.sql made, and whether it is enforced: the answers are the
-- same before and after a dump, an upgrade or a new version.
--
-- Copyright (c) 2026, the pg_steward authors

\set ON_ERROR_STOP off
\pset format unaligned
\pset tuples_only on
SET search_path = pg_catalog;

-- Every row of every table of the extension.  An update begins the history, and
-- a restore may add to its events: history_of() asks for what they say.  The
-- logs go on, and what is asked here is logged, too: logs_of() asks for them.
-- A run has another id in each database.
SELECT pg_catalog.format('SELECT %L, t FROM (SELECT pg_catalog.to_jsonb(t) - %L::text[] AS t FROM %s AS t) AS t ORDER BY t',
           c.oid::regclass, CASE c.relname WHEN 'run' THEN '{id}' ELSE '{}' END, c.oid::regclass)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'steward' AND c.relkind IN ('r', 'p') 
   AND c.relname !~ '^(access_history|access_event|change_log|change_outbox|checkpoint|inference_|ledger_|policy_revision|writer_state|installation)'
 ORDER BY c.relname
\gexec

-- Inferences; those of versions before 0.3 stand in a table of their own.
SELECT pg_catalog.format('SELECT %L, model, version, subject, input, output FROM %s ORDER BY request_id', 'inference', c.oid::regclass)
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'steward'::regnamespace AND c.relname IN ('inference_log', 'inference_before_ledger')
\gexec

-- The native policies that carry ours, and row security.
SELECT tablename, policyname, roles, cmd, qual, with_check FROM pg_catalog.pg_policies
 WHERE schemaname IN ('regress_store', 'zone_regress') ORDER BY 1, 2;
SELECT oid::regclass::text, relrowsecurity, relforcerowsecurity FROM pg_catalog.pg_class
 WHERE relnamespace IN ('regress_store'::regnamespace, 'zone_regress'::regnamespace) AND relkind IN ('r', 'p') ORDER BY 1;
SELECT pg_catalog.pg_identify_object(l.classoid, l.objoid, l.objsubid), l.label
  FROM pg_catalog.pg_seclabel l WHERE l.provider = 'steward' ORDER BY 1;
SELECT r.rolname, l.label FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_shseclabel l ON l.objoid = r.oid AND l.provider = 'steward' ORDER BY 1;

-- Who sees what.
\echo analyst, no purpose
SET ROLE regress_analyst;
SELECT pg_catalog.count(*) FROM regress_store.credit;
\echo analyst, scoring
SET steward.purpose = 'regress-scoring';
SELECT pg_catalog.count(*), pg_catalog.sum(amount) FROM regress_store.credit;
\echo analyst, a purpose that he was not granted
SET steward.purpose = 'regress-audit';
RESET steward.purpose;
\echo auditor
SET ROLE regress_auditor;
SET steward.purpose = 'regress-audit';
SELECT pg_catalog.count(*), pg_catalog.sum(amount) FROM regress_store.credit;
RESET steward.purpose;
\echo odd role
SET ROLE "regress Odd ""Role""";
SELECT pg_catalog.count(*), pg_catalog.sum(amount) FROM regress_store.credit;
\echo owner
SET ROLE regress_owner;
SELECT pg_catalog.count(*) FROM regress_store.credit;
\echo partitions, by consent
SET ROLE regress_analyst;
SELECT entity FROM regress_store.event ORDER BY id;
SELECT entity FROM regress_store.event_2026 ORDER BY id;
SELECT pg_catalog.count(*), pg_catalog.sum(paid) FROM regress_store.payment;
SELECT pg_catalog.count(*) FROM zone_regress.late;
\echo superuser
RESET ROLE;
TABLE regress_store.total;
SELECT pg_catalog.count(*) FROM regress_store.credit;

-- Gates, stages and grants hold.
\echo registry
SELECT statement FROM pg_catalog.unnest(ARRAY[
    $$SELECT * FROM steward.check_gates('regress_model', '1', 'approved')$$,
    $$SELECT steward.promote('regress_model', '1', 'approved')$$,
    $$SELECT version, stage FROM steward.model_stage WHERE model = 'regress_model' ORDER BY version$$,
    $$SELECT steward.promote('regress_model', '2', 'candidate')$$,
    $$UPDATE steward.model_gate SET required = false$$,
    $$SELECT pg_catalog.md5(pg_catalog.regexp_replace(steward.model_card('regress_model', '1'),
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[ T][0-9:.]+(Z|[+-][0-9:]+)?', '', 'g'))$$]) AS statement
 WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = 'steward'::regnamespace AND c.relname = 'model_gate'
               AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
   -- governance.sql makes it where there are stages
   AND EXISTS (SELECT FROM steward.model_version v WHERE v.model = 'regress_model' AND v.version = '2')
   AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = 'steward'::regnamespace AND c.relname = 'model_gate') = 1
\gexec
