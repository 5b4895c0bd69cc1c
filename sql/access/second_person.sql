-- Second-person approval: what waits, what does not, who can approve, when an
-- approval is refused.

\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
CREATE ROLE regress_alice LOGIN IN ROLE steward_admin;
CREATE ROLE regress_carol LOGIN IN ROLE steward_admin;
CREATE ROLE regress_bob LOGIN IN ROLE steward_officer;
CREATE ROLE regress_shared LOGIN IN ROLE steward_admin;
CREATE ROLE regress_super LOGIN SUPERUSER;
CREATE ROLE regress_auditor LOGIN IN ROLE steward_auditor;
CREATE ROLE regress_reader LOGIN;
CREATE ROLE regress_intern LOGIN;
GRANT regress_carol TO regress_alice;
GRANT CREATE ON SCHEMA public TO regress_alice, regress_carol;
CREATE TABLE loan (id int PRIMARY KEY, region text, ssn text, note text);
INSERT INTO loan VALUES (1, 'north', '111', 'a'), (2, 'south', '222', 'b');
CREATE TABLE salary (id int, amount int);
INSERT INTO salary VALUES (1, 1000);
GRANT SELECT ON loan TO regress_reader, regress_intern;
ALTER TABLE salary OWNER TO regress_alice;
GRANT SELECT ON salary TO regress_carol;
CREATE TABLE visit (id int, ward int) PARTITION BY LIST (id);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES IN (1);
ALTER TABLE visit OWNER TO regress_alice;
ALTER TABLE visit_1 OWNER TO regress_alice;
SELECT steward.protect('visit');
SELECT steward.create_mask('id', 'visit', 'id', '0');
SELECT steward.protect('loan');
SELECT steward.create_row_policy('north', 'loan', 'region = ''north''', roles => '{regress_reader}');
SELECT steward.create_row_policy('never 2', 'loan', 'id = 2', effect => 'deny');
SELECT steward.create_mask('ssn', 'loan', 'ssn', '''***''', unless_roles => '{regress_intern}', unless_purposes => NULL);
SELECT steward.create_purpose('scoring');
SELECT steward.grant_purpose('scoring', 'regress_reader', valid_until => '2999-01-01 00:00+00');
SELECT format('ALTER DATABASE %I SET steward.require_second_person = on', current_database()) \gexec

-- The setting is a superuser's.
\c - regress_alice
SHOW steward.require_second_person;
SET steward.require_second_person = off;
SET steward.second_person_window = '1 s';
SELECT set_config('steward.require_second_person', 'off', false);
ALTER ROLE regress_alice SET steward.require_second_person = off;
RESET steward.require_second_person;
SHOW steward.require_second_person;

-- What narrows goes through at once.
SELECT steward.create_row_policy('not 3', 'loan', 'id = 3', effect => 'deny');
SELECT steward.create_row_policy('not 3', 'loan', 'id = 3', effect => 'deny', commands => '{all}', replace => true);
SELECT steward.create_row_policy('north', 'loan', 'region = ''north''', roles => '{regress_reader}', purposes => '{scoring}', replace => true);
SELECT steward.create_row_policy('north', 'loan', '(region) = ''north''::text', roles => '{regress_reader}', purposes => '{scoring}', valid_until => '2999-01-01', replace => true);
SELECT steward.create_mask('note', 'loan', 'note', 'upper(note)');
SELECT steward.create_mask('ssn', 'loan', 'ssn', '''***''', replace => true);
SELECT steward.create_purpose('audit');
SELECT steward.drop_purpose('audit');
SELECT steward.grant_purpose('scoring', 'regress_reader', valid_until => '2998-01-01 00:00+00');
SELECT steward.protect('loan', audit => 'sync');
SELECT steward.require_token('regress_intern');
SELECT steward.protect('salary');
SELECT steward.set_tags('salary', 'amount', '{pay}');
SELECT steward.create_tag_mask('pay', 'pay', '0');
SELECT purposes, valid_until > '2998-12-01' AS until FROM steward.row_policy WHERE name = 'north';
SELECT function, requested_by FROM steward.pending_change ORDER BY requested_at;

-- What widens waits; nothing of it is in force.
CREATE VIEW open_loan AS SELECT id FROM loan;
SELECT md5(steward.export_policies()::text) AS before \gset
SELECT steward.create_row_policy('all', 'loan', 'true', roles => '{regress_intern}');
SELECT steward.create_row_policy('north', 'loan', 'region <> ''south''', roles => '{regress_reader}', purposes => '{scoring}', valid_until => '2999-01-01', replace => true);
SELECT steward.create_row_policy('north', 'loan', 'region = ''north''', roles => '{regress_reader,regress_intern}', purposes => '{scoring}', valid_until => '2999-01-01', replace => true);
SELECT steward.create_row_policy('north', 'loan', 'region = ''north''', roles => '{regress_reader}', valid_until => '2999-01-01', replace => true);
SELECT steward.create_row_policy('north', 'loan', 'region = ''north''', roles => '{regress_reader}', purposes => '{scoring}', valid_until => '2999-01-02', replace => true);
SELECT steward.create_row_policy('north', 'loan', 'region = ''north''', roles => '{regress_reader}', purposes => '{scoring}', valid_until => '2999-01-01', commands => '{select,update}', replace => true);
SELECT steward.create_row_policy('never 2', 'loan', 'id = 2', effect => 'deny', roles => '{regress_reader}', replace => true);
SELECT steward.create_row_policy('never 2', 'loan', 'id = 2', effect => 'allow', replace => true);
SELECT steward.create_row_policy('oracle', 'loan', 'ssn < ''2''', effect => 'deny');
SELECT steward.create_row_policy('oracle', 'loan', 'EXISTS (SELECT FROM public.salary s WHERE s.amount > 900)', effect => 'deny');
SELECT steward.drop_row_policy('never 2', 'loan');
SELECT steward.drop_mask('ssn', 'loan');
SELECT steward.create_mask('first', 'loan', 'ssn', 'ssn', priority => 1);
SELECT steward.create_mask('ssn', 'loan', 'ssn', '''***''', unless_purposes => '{scoring}', replace => true);
SELECT steward.create_mask('ssn', 'loan', 'ssn', '''***''', when_expr => 'id = 1', replace => true);
SELECT steward.create_mask('ssn', 'loan', 'ssn', 'left(ssn, 1)', replace => true);
SELECT steward.create_mask('region', 'loan', 'region', 'ssn');
SELECT steward.create_mask('region', 'loan', 'region', '(SELECT s.amount::text FROM public.salary s)');
SELECT steward.create_mask('region', 'loan', 'region', '''x''', when_expr => 'ssn < ''2''');
SELECT steward.drop_tag_mask('pay');
SELECT steward.create_tag_mask('pay', 'pay', 'value', replace => true);
SELECT steward.create_tag_mask('earlier', 'pay', 'value', priority => 1);
SELECT steward.set_tags('salary', 'amount', '{}');
SELECT steward.grant_purpose('scoring', 'regress_intern');
SELECT steward.grant_purpose('scoring', 'regress_reader');
SELECT steward.set_attribute('regress_intern', 'region', '{north}');
SELECT steward.unprotect('loan', 'no reason');
SELECT steward.protect('loan', 'observe', audit => 'sync');
SELECT steward.protect('loan', audit => 'off');
SELECT steward.grant_break_glass('regress_intern', '1 hour');
SELECT steward.require_token('regress_intern', false);
SELECT steward.allow_ddl('loan', 'regress_reader', now() + interval '1 hour', 'a migration');
SELECT steward.trust('public.open_loan', 'no reason');
SELECT steward.create_issuer('idp', 'https://idp.example', secret => 'very secret, very secret, very secret');
SELECT count(*) AS rows, array_agg(DISTINCT action) AS actions FROM steward.apply_policies('{"version": 1, "grants": [{"purpose": "scoring", "role": "public"}], "attributes": []}');
SELECT :'before' = md5(steward.export_policies()::text) AS unchanged;
SELECT count(*) FROM steward.break_glass_grant;
SELECT count(*) FROM steward.ddl_allowance;
SELECT count(*) FROM steward.issuer;
SELECT role FROM steward.token_requirement;
SELECT function, count(*) FROM steward.pending_change GROUP BY 1 ORDER BY 1;
-- the secret is nowhere
SELECT count(*) AS told FROM steward.policy_change c WHERE c::text LIKE '%very secret%' OR c::text LIKE '%' || encode('very secret', 'hex') || '%';
-- asked twice, it waits once
SELECT count(*) AS waiting FROM steward.pending_change \gset
SELECT steward.unprotect('loan', 'no reason');
SELECT count(*) - :waiting AS more FROM steward.pending_change;
-- the statement that could not wait is refused, but for what only narrows
SECURITY LABEL FOR steward ON COLUMN salary.amount IS NULL;
SECURITY LABEL FOR steward ON COLUMN salary.amount IS 'pay, more';
SECURITY LABEL FOR steward ON COLUMN salary.id IS 'more';
SECURITY LABEL FOR steward ON VIEW open_loan IS 'trusted';
-- a partition that leaves takes masks and tags along
SECURITY LABEL FOR steward ON COLUMN visit.ward IS 'pay';
ALTER TABLE visit DETACH PARTITION visit_1;
SELECT relation, column_name, tag FROM steward.column_tag ORDER BY 1::text, 2, 3;
-- an older snapshot is no ground
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT steward.drop_row_policy('not 3', 'loan');
ROLLBACK;
-- nor can the tables be written
INSERT INTO steward.purpose_grant (purpose, to_role, granted_by) VALUES ('scoring', 'regress_alice', 'me');
DELETE FROM steward.row_policy;
INSERT INTO steward.change_decision (request, decision, reason, login_role, session_role, subject) SELECT 1, 'approved', 'x', 'x', 'x', 'x';
SELECT steward.run_change('drop_mask', '{}', NULL, NULL, NULL);
SELECT steward.create_row_policy('all', 'loan', 'true', roles => '{regress_nobody}');
SELECT steward.create_row_policy('all', 'loan', 'nosuch', roles => '{regress_intern}');
-- another's view or function does not ask in one's name
CREATE FUNCTION ask() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM steward.drop_mask('ssn', 'loan'); RETURN 'hello'; END $$;
CREATE VIEW hello AS SELECT public.ask();
GRANT SELECT ON hello TO regress_carol;
\c - regress_carol
SELECT * FROM hello;
SELECT ask AS drop_mask, 'not_drop_mask()' FROM hello;

-- Who asked cannot approve.
\c - regress_alice
SELECT change_sha256 AS change FROM steward.pending_change WHERE function = 'grant_purpose' AND arguments ->> 'to_role' = 'regress_intern' \gset
SELECT action FROM steward.approve_policies(:'change', 'I am fine');
SET ROLE regress_carol;
SELECT action FROM steward.approve_policies(:'change', 'I am Carol');
RESET ROLE;
CREATE FUNCTION own_approval(text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN count(*) FROM steward.approve_policies($1::bytea, 'by my own function'); END $$;
CREATE FUNCTION carols_approval(text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT count(*) FROM steward.approve_policies($1::bytea, 'as Carol'); $$;
SELECT own_approval(:'change');
SELECT own_approval(:'change') AS approve_policies;
ALTER FUNCTION carols_approval(text) OWNER TO regress_carol;
SELECT carols_approval(:'change') AS approve_policies;
GRANT EXECUTE ON FUNCTION own_approval(text) TO PUBLIC;
CREATE FUNCTION own_sql_approval(text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM steward.approve_policies($1::bytea, 'by my own function') $$;
\c - regress_carol
-- nor can code of who asked approve in another's name
SELECT own_approval(:'change');
SELECT own_approval(:'change') AS approve_policies;
SELECT own_sql_approval(:'change');
-- who has no such role, cannot either, nor without a reason
\c - regress_auditor
SELECT action FROM steward.approve_policies(:'change', 'why not');
SELECT steward.withdraw_change(:'change', 'why not');
SELECT count(*) > 30 AS seen FROM steward.pending_change;
\c - regress_reader
SELECT action FROM steward.approve_policies(:'change', 'why not');
SELECT count(*) FROM steward.pending_change;
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', ' ');
SELECT action FROM steward.approve_policies(NULL, 'why not');
SELECT action FROM steward.approve_policies('\x00', 'why not');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT action FROM steward.approve_policies(:'change', 'seen');
ROLLBACK;

-- An officer approves, once.
SELECT action, kind, name, before, after FROM steward.approve_policies(:'change', 'discussed on Monday');
SELECT action FROM steward.approve_policies(:'change', 'once more');
SELECT steward.withdraw_change(:'change', 'too late');
SELECT status, function, requested_by, requested_as, decided_by, decided_in_session_of, reason FROM steward.policy_change WHERE change_sha256 = :'change';
SELECT purpose, to_role, granted_by FROM steward.purpose_grant ORDER BY to_role::text;
-- the hash is that of the text
\c - regress_super
SELECT bool_and(change_sha256 = sha256(convert_to(change::text, 'UTF8'))) AS hashes FROM steward.change_request;
-- the record never changes
DELETE FROM steward.change_request;
UPDATE steward.change_decision SET reason = 'another';
TRUNCATE steward.change_decision;

-- No shortcut for superusers, nor by SET SESSION AUTHORIZATION.
SELECT steward.drop_mask('note', 'loan');
SELECT change_sha256 AS change FROM steward.pending_change WHERE requested_by = 'regress_super' \gset
SELECT action FROM steward.approve_policies(:'change', 'I am root');
SET SESSION AUTHORIZATION regress_carol;
SELECT action FROM steward.approve_policies(:'change', 'I am Carol');
RESET SESSION AUTHORIZATION;
SELECT steward.withdraw_change(:'change', 'not needed');
SELECT status, decided_by FROM steward.policy_change WHERE change_sha256 = :'change';

-- What was asked for is what is made: with the author's rights and settings.
\c - regress_carol
SET timezone = 'Asia/Tokyo';
SELECT steward.create_row_policy('paid', 'loan', 'EXISTS (SELECT FROM public.salary s WHERE s.id = loan.id) AND ''2026-01-01 00:00''::timestamptz < now()', roles => '{regress_reader}');
SELECT change_sha256 AS change FROM steward.pending_change WHERE arguments ->> 'name' = 'paid' \gset
\c - regress_bob
SET timezone = 'America/New_York';
SELECT action, kind, name, after ->> 'author' AS author, after ->> 'using_expr' AS using_expr FROM steward.approve_policies(:'change', 'needed');
SHOW timezone;
SELECT p.created_by, a.role FROM steward.row_policy p JOIN steward.row_policy_author a ON a.relation = p.relation AND a.policy = p.name WHERE p.name = 'paid';
-- replaced by the same words of another author: other rights
\c - regress_alice
SET timezone = 'Asia/Tokyo';
SELECT steward.create_row_policy('paid', 'loan', 'EXISTS (SELECT FROM public.salary s WHERE s.id = loan.id) AND ''2026-01-01 00:00''::timestamptz < now()', roles => '{regress_reader}', replace => true);

-- The policies have changed since.
SELECT steward.create_row_policy('north', 'loan', 'region = ''west''', roles => '{regress_reader}', replace => true);
SELECT steward.drop_row_policy('north', 'loan');
SELECT change_sha256 AS change FROM steward.pending_change WHERE arguments ->> 'using_expr' = 'region = ''west''' \gset
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', 'stale');
SELECT count(*) FROM steward.row_policy WHERE name = 'north';
SELECT status FROM steward.policy_change WHERE change_sha256 = :'change';
SELECT steward.withdraw_change(:'change', 'stale');
SELECT status FROM steward.policy_change WHERE change_sha256 = :'change';
-- … or would no longer be possible
\c - regress_alice
SELECT steward.create_row_policy('again', 'loan', 'id = 1', roles => '{regress_reader}');
SELECT change_sha256 AS change FROM steward.pending_change WHERE arguments ->> 'name' = 'again' \gset
SELECT steward.create_row_policy('again', 'loan', 'id = 9', effect => 'deny');
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', 'stale');

-- The table was dropped, or another bears its name.
\c - regress_super
CREATE TABLE gone (id int);
SET steward.require_second_person = off;
SELECT steward.protect('gone');
\c - regress_alice
SELECT steward.unprotect('gone', 'of no use');
SELECT change_sha256 AS change FROM steward.pending_change WHERE arguments ->> 'relation' = 'public.gone' \gset
\c - regress_super
ALTER TABLE gone RENAME TO gone_away;
CREATE TABLE gone (id int);
SET steward.require_second_person = off;
SELECT steward.protect('gone');
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', 'renamed');
\c - regress_super
DROP TABLE gone, gone_away;
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', 'dropped');

-- Who asked was renamed, lost the role, was dropped.
\c - regress_super
CREATE ROLE regress_dave LOGIN IN ROLE steward_admin;
\c - regress_dave
SELECT steward.grant_purpose('scoring', 'regress_dave');
SELECT change_sha256 AS change FROM steward.pending_change WHERE arguments ->> 'to_role' = 'regress_dave' \gset
\c - regress_super
ALTER ROLE regress_dave RENAME TO regress_david;
\c - regress_david
SELECT action FROM steward.approve_policies(:'change', 'I am David');
\c - regress_super
ALTER ROLE regress_david RENAME TO regress_dave;
REVOKE steward_admin FROM regress_dave;
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', 'no admin any more');
\c - regress_super
DROP ROLE regress_dave;
CREATE ROLE regress_dave LOGIN IN ROLE steward_admin;
\c - regress_bob
SELECT action FROM steward.approve_policies(:'change', 'dropped');
SELECT steward.withdraw_change(:'change', 'dropped');

-- It waits for a bounded time.
\c - regress_super
SET steward.second_person_window = '1 s';
SELECT steward.set_attribute('regress_intern', 'region', '{south}');
SELECT change_sha256 AS change FROM steward.pending_change WHERE arguments @> '{"key": "region", "value": ["south"]}' \gset
SELECT pg_sleep(1.1);
\c - regress_bob
SELECT count(*) FROM steward.pending_change WHERE change_sha256 = :'change';
\set VERBOSITY sqlstate
SELECT action FROM steward.approve_policies(:'change', 'late');
SELECT steward.withdraw_change(:'change', 'late');
\set VERBOSITY terse
SELECT status FROM steward.policy_change WHERE change_sha256 = :'change';

-- A document waits as a whole, and its tests are run when it is asked for and
-- when it is approved.
\c - regress_alice
SELECT action, kind, name FROM steward.apply_policies('{"version": 1, "grants": [{"purpose": "scoring", "role": "regress_reader"}], "tests": [
    {"name": "numbers are masked", "role": "regress_reader", "relation": "public.loan", "column_name": "ssn", "masked": false}]}');
SELECT action, kind, name FROM steward.apply_policies('{"version": 1, "grants": [{"purpose": "scoring", "role": "regress_reader"}], "tests": [
    {"name": "numbers are masked", "role": "regress_reader", "relation": "public.loan", "column_name": "ssn", "masked": true}]}');
SELECT change_sha256 AS change FROM steward.pending_change WHERE function = 'apply_policies' ORDER BY requested_at DESC LIMIT 1 \gset
\c - regress_carol
SELECT action, kind, name FROM steward.approve_policies(:'change', 'reviewed');
SELECT * FROM steward.run_policy_tests();
SELECT * FROM steward.plan_policies('{"version": 1, "grants": [{"purpose": "scoring", "role": "regress_reader"}]}');
-- a document that narrows is applied at once; a test that goes is a guard less
SELECT action, kind, name FROM steward.apply_policies('{"version": 1, "grants": [], "attributes": []}');
SELECT action, kind, name FROM steward.apply_policies('{"version": 1, "tests": []}');

-- An issuer and its keys: the secret waits wrapped.
\c - regress_bob
SELECT change_sha256 AS change FROM steward.pending_change WHERE function = 'create_issuer' \gset
SELECT action, kind, name FROM steward.approve_policies(:'change', 'our identity provider');
\c - regress_super
SELECT name, issuer, octet_length(secret) > 37 AS wrapped FROM steward.issuer;

-- Keys go at once, but come with approval.
\set key '{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
SET steward.require_second_person = off;
SELECT steward.create_issuer('keys', 'https://keys.example', jwks => jsonb_build_object('keys', jsonb_build_array(:'key'::jsonb || '{"kid": "1"}', :'key'::jsonb || '{"kid": "2"}')));
\c - regress_alice
SELECT steward.set_issuer_keys('keys', jsonb_build_object('keys', jsonb_build_array(:'key'::jsonb || '{"kid": "2"}')));
SELECT steward.set_issuer_keys('keys', jsonb_build_object('keys', jsonb_build_array(:'key'::jsonb || '{"kid": "2"}', :'key'::jsonb || '{"kid": "3"}')));
SELECT jsonb_path_query_array(jwks, '$.keys.kid') FROM steward.issuer WHERE name = 'keys';
SELECT steward.drop_issuer('keys');

-- Behind a pooler the tokens tell persons apart.
\c - regress_super
CREATE FUNCTION hmac(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    ipad bytea := decode(repeat('36', 64), 'hex');
    opad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
    FOR i IN 0 .. octet_length(key) - 1 LOOP
        ipad := set_byte(ipad, i, get_byte(ipad, i) # get_byte(key, i));
        opad := set_byte(opad, i, get_byte(opad, i) # get_byte(key, i));
    END LOOP;
    RETURN sha256(opad || sha256(ipad || message));
END
$$;
CREATE FUNCTION base64url(bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT translate(encode($1, 'base64'), E'+/=\n', '-_') $$;
CREATE FUNCTION token(sub text, jti text DEFAULT '1') RETURNS text LANGUAGE sql AS $$
    SELECT t.head || '.' || base64url(hmac('very secret, very secret, very secret', convert_to(t.head, 'UTF8')))
    FROM (SELECT base64url('{"alg":"HS256","typ":"JWT"}') || '.' || base64url(convert_to(jsonb_build_object('iss', 'https://idp.example',
              'sub', sub, 'jti', jti, 'exp', extract(epoch FROM now())::bigint + 600)::text, 'UTF8')) AS head) t
$$;
SELECT token('regress_eve') AS eve, token('regress_eve', '2') AS eve_again, token('regress_frank') AS frank \gset
\c - regress_shared
SELECT steward.authenticate(:'eve', 'session');
SELECT steward.set_attribute('regress_intern', 'level', '{1}');
SELECT requested_by, requested_as, session_role, token_issuer, change_sha256 AS change FROM steward.pending_change WHERE arguments ->> 'key' = 'level' \gset
SELECT :'requested_by' AS requested_by, :'requested_as' AS requested_as, :'token_issuer' AS token_issuer;
SELECT action FROM steward.approve_policies(:'change', 'I am Eve');
SELECT steward.authenticate(:'eve_again', 'session');
SELECT action FROM steward.approve_policies(:'change', 'I am Eve, again');
RESET ALL;
SELECT action FROM steward.approve_policies(:'change', 'I am the pooler');
\c - regress_super
CREATE ROLE regress_eve LOGIN IN ROLE steward_admin;
\c - regress_eve
SELECT action FROM steward.approve_policies(:'change', 'I am Eve, directly');
\c - regress_super
DROP ROLE regress_eve;
\c - regress_shared
SELECT steward.authenticate(:'frank', 'session');
SELECT action, kind, name, after FROM steward.approve_policies(:'change', 'I am Frank');
SELECT requested_by, decided_by, decided_in_session_of, decided_by_token_of FROM steward.policy_change WHERE change_sha256 = :'change';
RESET ALL;
SELECT set_by FROM steward.role_attribute WHERE key = 'level';
-- a role that needs a token neither asks nor approves without
\c - regress_super
SELECT steward.require_token('regress_shared');
\c - regress_shared
SELECT steward.set_attribute('regress_intern', 'level', '{2}');

-- doctor()
\c - regress_alice
SELECT severity, finding FROM steward.doctor() WHERE object = 'setting steward.require_second_person';
SELECT count(*) > 0 AS waiting FROM steward.doctor() WHERE object LIKE 'policy change %';
\c - regress_super
REVOKE steward_admin FROM regress_carol, regress_shared, regress_dave;
REVOKE steward_officer FROM regress_bob;
SELECT severity, finding, remedy FROM steward.doctor() WHERE object = 'setting steward.require_second_person';

-- Every function that an administrator may call has been decided about.
SELECT p.oid::regprocedure AS function,
       CASE WHEN strpos(p.prosrc, 'steward.second_person(''' || p.proname || '''') > 0 THEN 'asks' ELSE 'does not ask' END AS decision
FROM pg_proc p
WHERE p.pronamespace = 'steward'::regnamespace AND p.provolatile = 'v'
  AND has_function_privilege('regress_alice', p.oid, 'EXECUTE') AND NOT has_function_privilege('regress_reader', p.oid, 'EXECUTE')
ORDER BY 2, p.oid::regprocedure::text COLLATE "C";

-- Switched off, nothing waits.
SET steward.require_second_person = off;
SELECT steward.drop_mask('note', 'loan');
