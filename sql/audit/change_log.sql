-- audit: the change log.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_chg_admin;
CREATE ROLE regress_chg_auditor;
CREATE ROLE regress_chg_nobody;
GRANT steward_admin TO regress_chg_admin;
GRANT steward_auditor TO regress_chg_auditor;
CREATE FUNCTION changes(since bigint DEFAULT 0) RETURNS TABLE (kind text, action text, session_role text, subject text, object text, before text, after text)
    LANGUAGE sql AS $$
    SELECT object_kind, action, session_role, subject, object_name,
           (before - '{created_at,granted_at,protected_at,set_at,registered_at,recorded_at}'::text[])::text,
           (after - '{created_at,granted_at,protected_at,set_at,registered_at,recorded_at}'::text[])::text
    FROM steward.change_log WHERE seq >= since ORDER BY seq $$;
SELECT steward.flush();
SELECT coalesce(max(seq) + 1, 0) AS start FROM steward.change_log \gset

-- who, what, before and after
SET ROLE regress_chg_admin;
SELECT steward.create_purpose('regress-chg', description => 'one');
RESET ROLE;
UPDATE steward.purpose SET description = 'two' WHERE name = 'regress-chg';
UPDATE steward.purpose SET description = description WHERE name = 'regress-chg';
SELECT steward.grant_purpose('regress-chg', 'regress_chg_nobody');
-- what is rolled back never was
BEGIN;
SELECT steward.create_purpose('regress-chg-not');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT steward.create_purpose('regress-chg-not');
ROLLBACK TO s;
SELECT steward.create_purpose('regress-chg-second');
COMMIT;
SELECT steward.drop_purpose('regress-chg'), steward.drop_purpose('regress-chg-second');
SELECT steward.flush();
SELECT * FROM changes(:start);
SELECT count(*) FROM steward.change_outbox;

-- under session_replication_role too
SELECT coalesce(max(seq) + 1, 0) AS start FROM steward.change_log \gset
SET session_replication_role = replica;
INSERT INTO steward.purpose (name, created_by) VALUES ('regress-chg-replica', 'me');
DELETE FROM steward.purpose WHERE name = 'regress-chg-replica';
RESET session_replication_role;
-- secrets are not told
SELECT steward.create_issuer('regress_chg', 'https://issuer.example', secret => decode(repeat('5e', 32), 'hex'));
SELECT steward.drop_issuer('regress_chg');
SELECT steward.flush();
SELECT kind, action, object, after::jsonb ? 'secret' AS tells_secret, before::jsonb ? 'secret' AS told_secret FROM changes(:start);

-- every table of the extension that holds what people decided is watched
SELECT c.relname FROM pg_class c
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_steward'
    WHERE c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'note_change' AND t.tgenabled = 'A')
    ORDER BY 1;

-- nobody writes into it, nor into the outbox, and readers are few
INSERT INTO steward.change_log (seq, logged_at) VALUES (0, now());
UPDATE steward.change_log SET action = 'x';
DELETE FROM steward.change_log;
TRUNCATE steward.change_log;
SET ROLE regress_chg_admin;
SELECT * FROM steward.change_outbox;
DELETE FROM steward.change_outbox;
SELECT steward.record_change('x', 'y', 'z');
SET ROLE regress_chg_auditor;
SELECT count(*) > 0 AS some FROM steward.change_log;
SET ROLE regress_chg_nobody;
SELECT count(*) FROM steward.change_log;
RESET ROLE;
DROP FUNCTION changes(bigint);
DROP ROLE regress_chg_admin, regress_chg_auditor, regress_chg_nobody;
