-- Tokens: which are let in and which are refused, what an identity does, and
-- how long it lasts.
\set VERBOSITY terse
\getenv srcdir PG_ABS_SRCDIR
\set vectors :srcdir '/test/token/vectors.sql'
\set ECHO none
\i :vectors
\set ECHO all
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
CREATE ROLE regress_admin IN ROLE steward_admin;
CREATE ROLE regress_analyst;
CREATE ROLE regress_other;
CREATE ROLE regress_app IN ROLE regress_analyst, regress_other;
CREATE ROLE regress_plain;
RESET client_min_messages;

-- ----------------------------------------------------------------------
-- Issuers
-- ----------------------------------------------------------------------

SET ROLE regress_plain;
SELECT steward.create_issuer('i', 'x', secret => :'secret');
SELECT steward.wrap_issuer_secret('i', :'secret');
SELECT * FROM steward.issuer;
SET ROLE regress_admin;
SELECT steward.create_issuer('i', 'x');
SELECT steward.create_issuer('i', 'x', secret => :'secret', jwks => :'jwks');
SELECT steward.create_issuer('i', 'x', secret => 'short');
SELECT steward.create_issuer(NULL, 'x', secret => :'secret');
SELECT steward.create_issuer('i', NULL, secret => :'secret');
SELECT steward.create_issuer('i', 'x', secret => :'secret', leeway => '1 day');
SELECT steward.create_issuer('i', 'x', secret => :'secret', leeway => '-1 s');
SELECT steward.create_issuer('i', 'x', secret_uri => 'https://regress.example/');
SELECT steward.create_issuer('i', 'x', secret_uri => 'file:../postgresql.conf');
SELECT steward.create_issuer('i', 'x', secret_uri => 'file:///etc/passwd');
SELECT steward.create_issuer('i', 'x', secret_uri => 'file:master.key');
SELECT steward.create_issuer('i', 'x', secret_uri => 'file:');
SELECT steward.create_issuer('i', 'x', jwks => '[]');
SELECT steward.create_issuer('i', 'x', jwks => '{"keys": []}');
SELECT steward.create_issuer('i', 'x', jwks => '{"keys": [1]}');
SELECT steward.create_issuer('i', 'x', jwks => '{"keys": [{"kty": "RSA", "n": "AQ==", "e": "AQAB"}]}');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_short');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_private');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_octets');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_useless');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_same_kid');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_off_curve');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_confused');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_hs256');
SELECT steward.create_issuer('i', 'x', jwks => :'jwks_many');
SELECT steward.create_issuer('keys', 'https://keys.regress.example', 'regress-store', jwks => :'jwks', attribute_claims => '{region}');
SELECT steward.create_issuer('keys', 'x', secret => :'secret');
SELECT steward.create_issuer('same', 'https://keys.regress.example', 'regress-store', secret => :'secret');
SELECT steward.create_issuer('secret', 'https://secret.regress.example', secret => :'secret');
SELECT name, issuer, audience, leeway, created_by, attribute_claims FROM steward.issuer ORDER BY name;
SELECT secret FROM steward.issuer;
SELECT steward.set_issuer_keys('secret', :'jwks');
SELECT steward.set_issuer_keys('nobody', :'jwks');
SELECT steward.set_issuer_keys('keys', NULL);
SELECT steward.set_issuer_keys('keys', :'jwks_short');
SELECT steward.drop_issuer('nobody');
RESET ROLE;
-- the secret does not stand in the table as it is
SELECT position(:'secret'::bytea in secret) AS found, length(secret) - length(:'secret'::bytea) AS overhead
  FROM steward.issuer WHERE name = 'secret';

-- ----------------------------------------------------------------------
-- Tokens that are let in
-- ----------------------------------------------------------------------

SET SESSION AUTHORIZATION regress_plain;
SELECT steward.authenticate(:'good_rs256');
BEGIN;
SELECT steward.authenticate(:'good_rs256'), steward.authenticate(:'good_ps256') AS ps256, steward.authenticate(:'good_es256') AS es256,
       steward.authenticate(:'good_eddsa') AS eddsa, steward.authenticate(:'good_hs256') AS hs256,
       steward.authenticate(:'good_ps256_rsa_1') AS ps256_any, steward.authenticate(:'good_es256_no_kid') AS no_kid,
       steward.authenticate(:'good_aud_list') AS aud_list, steward.authenticate(:'good_fraction') AS fraction,
       steward.authenticate(:'good_unicode') AS unicode;
COMMIT;

-- ----------------------------------------------------------------------
-- Tokens that are refused, each for its own reason
-- ----------------------------------------------------------------------

SELECT steward.authenticate(NULL);
SELECT steward.authenticate('');
SELECT steward.authenticate('a.b');
SELECT steward.authenticate('a.b.c.d');
SELECT steward.authenticate('e30=.e30.');
SELECT steward.authenticate('e3 0.e30.');
SELECT steward.authenticate('e3+0.e30.');
SELECT steward.authenticate('e31.e30.');
SELECT steward.authenticate('e30.e30.');
SELECT steward.authenticate(:'good_rs256' || '=');
SELECT steward.authenticate(:'good_rs256' || ' ');
SELECT steward.authenticate(:'good_rs256' || 'AAAA');
SELECT steward.authenticate(:'good_rs256' || repeat('A', 16384));
SELECT steward.authenticate(:'good_rs256', 'forever');
SELECT steward.authenticate(:'good_rs256', NULL);
SELECT steward.authenticate(:'bad_none');
SELECT steward.authenticate(:'bad_none_case');
SELECT steward.authenticate(:'bad_no_alg');
SELECT steward.authenticate(:'bad_alg_number');
SELECT steward.authenticate(:'bad_alg_case');
SELECT steward.authenticate(:'bad_alg_unknown');
SELECT steward.authenticate(:'bad_confused_pem');
SELECT steward.authenticate(:'bad_confused_der');
SELECT steward.authenticate(:'bad_confused_n');
SELECT steward.authenticate(:'bad_rs256_for_secret');
SELECT steward.authenticate(:'bad_hs256_other_secret');
SELECT steward.authenticate(:'bad_key_alg');
SELECT steward.authenticate(:'bad_key_type');
SELECT steward.authenticate(:'bad_other_key');
SELECT steward.authenticate(:'bad_enc_key');
SELECT steward.authenticate(:'bad_kid');
SELECT steward.authenticate(:'bad_kid_number');
SELECT steward.authenticate(:'bad_no_kid');
SELECT steward.authenticate(:'bad_es256_der');
SELECT steward.authenticate(:'bad_es256_zero');
SELECT steward.authenticate(:'bad_altered_payload');
SELECT steward.authenticate(:'bad_no_signature');
SELECT steward.authenticate(:'bad_crit');
SELECT steward.authenticate(:'bad_crit_null');
SELECT steward.authenticate(:'bad_jwk');
SELECT steward.authenticate(:'bad_jku');
SELECT steward.authenticate(:'bad_x5u');
SELECT steward.authenticate(:'bad_x5c');
SELECT steward.authenticate(:'bad_typ');
SELECT steward.authenticate(:'bad_iss');
SELECT steward.authenticate(:'bad_no_iss');
SELECT steward.authenticate(:'bad_iss_list');
SELECT steward.authenticate(:'bad_iss_of_other');
SELECT steward.authenticate(:'bad_aud');
SELECT steward.authenticate(:'bad_aud_list');
SELECT steward.authenticate(:'bad_aud_object');
SELECT steward.authenticate(:'bad_no_aud');
SELECT steward.authenticate(:'bad_exp');
SELECT steward.authenticate(:'bad_no_exp');
SELECT steward.authenticate(:'bad_exp_text');
SELECT steward.authenticate(:'bad_exp_huge');
SELECT steward.authenticate(:'bad_exp_negative');
SELECT steward.authenticate(:'bad_nbf');
SELECT steward.authenticate(:'bad_iat');
SELECT steward.authenticate(:'bad_no_sub');
SELECT steward.authenticate(:'bad_sub_empty');
SELECT steward.authenticate(:'bad_sub_number');
SELECT steward.authenticate(:'bad_sub_long');
SELECT steward.authenticate(:'bad_sub_control');
SELECT steward.authenticate(:'bad_sub_zero');
SELECT steward.authenticate(:'bad_twice_header');
SELECT steward.authenticate(:'bad_twice_payload');
SELECT steward.authenticate(:'bad_twice_nested');
SELECT steward.authenticate(:'bad_payload_list');
SELECT steward.authenticate(:'bad_payload_tail');
SELECT steward.authenticate(:'bad_payload_utf8');
SELECT steward.authenticate(:'bad_payload_zero');
SELECT steward.authenticate(:'bad_payload_empty');
SELECT steward.authenticate(:'bad_header_empty');
SELECT steward.authenticate(:'bad_deep');
RESET SESSION AUTHORIZATION;

-- ----------------------------------------------------------------------
-- What an identity does, and how long it lasts
-- ----------------------------------------------------------------------

CREATE TABLE regress_data (id int PRIMARY KEY, person text, region text);
INSERT INTO regress_data VALUES (1, 'regress-alice', 'eu'), (2, 'regress-bob', 'us'), (3, 'nobody', 'eu'), (4, 'regress-alice', 'us');
GRANT SELECT, INSERT, DELETE ON regress_data TO regress_plain, regress_app, regress_analyst, regress_other;
SET ROLE regress_admin;
SELECT steward.protect('regress_data');
SELECT steward.create_row_policy('own', 'regress_data', 'person = steward.subject()', roles => '{regress_plain,regress_app}', commands => '{all}');
RESET ROLE;

SET SESSION AUTHORIZATION regress_plain;
SELECT steward.subject(), steward.subject_role(), steward.token_issuer();
SELECT count(*) FROM regress_data;
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
SELECT steward.subject(), steward.subject_role(), steward.token_issuer(), steward.attr('region'), steward.attr('level');
SELECT id FROM regress_data ORDER BY id;
INSERT INTO regress_data VALUES (10, 'regress-bob', 'eu');
ROLLBACK;
SELECT steward.subject(), steward.token_issuer(), steward.attr('region');

-- savepoints
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
SAVEPOINT s;
SELECT steward.authenticate(:'good_as_bob');
SELECT id FROM regress_data ORDER BY id;
ROLLBACK TO SAVEPOINT s;
SELECT id FROM regress_data ORDER BY id;
SELECT steward.authenticate(:'bad_exp');
ROLLBACK TO SAVEPOINT s;
SELECT id FROM regress_data ORDER BY id;
SELECT steward.authenticate(:'good_as_bob');
RELEASE SAVEPOINT s;
SELECT id FROM regress_data ORDER BY id;
COMMIT;
SELECT id FROM regress_data ORDER BY id;

-- one prepared statement for several identities, with a generic plan
SET plan_cache_mode = force_generic_plan;
PREPARE q AS SELECT id FROM regress_data ORDER BY id;
EXECUTE q;
BEGIN; SELECT steward.authenticate(:'good_as_alice'); EXECUTE q; COMMIT;
BEGIN; SELECT steward.authenticate(:'good_as_bob'); EXECUTE q; COMMIT;
EXECUTE q;
RESET plan_cache_mode;

-- scope session, and what ends it
SELECT steward.authenticate(:'good_as_alice', 'session');
EXECUTE q;
BEGIN;
SELECT steward.authenticate(:'good_as_bob');
EXECUTE q;
COMMIT;
EXECUTE q;
BEGIN;
SELECT steward.authenticate(:'good_as_bob', 'session');
EXECUTE q;
ROLLBACK;
EXECUTE q;
RESET ALL;
EXECUTE q;
SELECT steward.authenticate(:'good_as_alice', scope => 'session');
SELECT id FROM regress_data ORDER BY id;
DISCARD ALL;
SET SESSION AUTHORIZATION regress_plain;
SELECT id FROM regress_data ORDER BY id;
SELECT steward.subject();

-- in a function with savepoints of its own
DO $$
BEGIN
    BEGIN
        PERFORM steward.authenticate('a.b.c');
    EXCEPTION WHEN invalid_authorization_specification THEN
        RAISE NOTICE '%', sqlerrm;
    END;
    RAISE NOTICE '%', steward.subject();
END $$;

-- in parallel workers
SELECT steward.authenticate(:'good_as_alice', 'session');
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
DO $$ BEGIN PERFORM set_config(CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END, 'on', false); END $$;
SELECT count(*), min(person), max(steward.subject()), max((steward.attr('region'))[1]) FROM regress_data;
DISCARD ALL;
SET SESSION AUTHORIZATION regress_plain;

-- nobody but authenticate() sets it
SET steward.identity = '1:a,';
SET LOCAL steward.identity = '';
SELECT set_config('steward.identity', '1:a,', false);
RESET steward.identity;
DO $$ BEGIN PERFORM current_setting('steward.identity'); EXCEPTION WHEN insufficient_privilege THEN RAISE NOTICE 'not shown'; END $$;
RESET SESSION AUTHORIZATION;
SET steward.identity = '1:a,';
SELECT set_config('steward.identity', '1:a,', false);
ALTER ROLE regress_plain SET steward.identity = '1:a,';
UPDATE pg_settings SET setting = '1:a,' WHERE name = 'steward.identity';
SELECT count(*) FROM pg_settings WHERE name = 'steward.identity';
GRANT SET ON PARAMETER steward.identity TO regress_plain;
CREATE FUNCTION regress_forge() RETURNS text LANGUAGE sql SECURITY DEFINER SET steward.identity = '1:a,' AS 'SELECT steward.subject()';
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
CREATE FUNCTION regress_replay() RETURNS text LANGUAGE sql SET steward.identity FROM CURRENT AS 'SELECT steward.subject()';
COMMIT;
SELECT regress_replay();
SET SESSION AUTHORIZATION regress_plain;
SET steward.identity = '1:a,';
SELECT regress_replay();
RESET SESSION AUTHORIZATION;
REVOKE SET ON PARAMETER steward.identity FROM regress_plain;

-- another session role does not take it over
SELECT steward.authenticate(:'good_as_alice', 'session');
SET SESSION AUTHORIZATION regress_plain;
SELECT steward.subject();
SELECT id FROM regress_data ORDER BY id;
RESET SESSION AUTHORIZATION;
SELECT steward.subject();
DISCARD ALL;

-- the name in a token is a name, and gives no rights of the role of that name
SET SESSION AUTHORIZATION regress_admin;
SELECT steward.authenticate(:'good_as_postgres', 'session');
SELECT steward.subject(), steward.subject_role();
SELECT steward.create_row_policy('sub', 'regress_data', 'person = ''regress-bob''', roles => '{regress_other}');
SELECT p.created_by, a.role FROM steward.row_policy p JOIN steward.row_policy_author a ON a.policy = p.name WHERE p.name = 'sub';
DISCARD ALL;
RESET SESSION AUTHORIZATION;
SELECT steward.drop_row_policy('sub', 'regress_data');

-- a trusted function's owner is the subject, without the attributes of the token
GRANT CREATE ON SCHEMA public TO regress_other;
SET SESSION AUTHORIZATION regress_other;
CREATE FUNCTION public.regress_who() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN steward.subject() || coalesce(steward.attr('region')::text, ''); END $$;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_plain;
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
SELECT regress_who();
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT steward.trust('public.regress_who()', 'test');
SET SESSION AUTHORIZATION regress_plain;
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
SELECT regress_who();
SELECT steward.subject();
COMMIT;
RESET SESSION AUTHORIZATION;

-- ----------------------------------------------------------------------
-- Roles that need a token
-- ----------------------------------------------------------------------

SET ROLE regress_plain;
SELECT steward.require_token('regress_plain');
SET ROLE regress_admin;
SELECT steward.require_token('nobody');
SELECT steward.require_token('regress_plain', NULL);
SELECT steward.require_token('regress_analyst');
SELECT steward.require_token('regress_analyst');
SELECT steward.require_token('regress_plain');
SELECT role, required_by FROM steward.token_requirement ORDER BY role::text;
RESET ROLE;
\set VERBOSITY default
SET SESSION AUTHORIZATION regress_plain;
SELECT id FROM regress_data ORDER BY id;
\set VERBOSITY terse
COPY regress_data TO stdout;
\copy regress_data FROM /dev/null
INSERT INTO regress_data VALUES (20, 'regress_plain', 'eu');
DELETE FROM regress_data;
EXPLAIN (COSTS OFF) SELECT id FROM regress_data;
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
SELECT id FROM regress_data ORDER BY id;
COPY regress_data (id) TO stdout;
COPY regress_data FROM stdin;
20	regress-alice	eu
\.
PREPARE r AS SELECT id FROM regress_data ORDER BY id;
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM regress_data ORDER BY id;
ROLLBACK;
-- nothing is left for the next client of a pooler
EXECUTE r;
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
DECLARE c CURSOR FOR SELECT id FROM regress_data ORDER BY id;
FETCH 1 FROM c;
COMMIT;
FETCH 1 FROM c;
SELECT steward.authenticate(:'good_as_alice', 'session');
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM regress_data ORDER BY id;
FETCH 1 FROM c;
DISCARD ALL;
FETCH 1 FROM c;
RESET SESSION AUTHORIZATION;
-- a member of a role that needs a token needs one, whatever role it acts as
SET SESSION AUTHORIZATION regress_app;
SELECT id FROM regress_data ORDER BY id;
SET ROLE regress_other;
SELECT id FROM regress_data ORDER BY id;
RESET ROLE;
RESET SESSION AUTHORIZATION;
-- everybody, but those beyond governance
SELECT steward.require_token('regress_analyst', false);
SELECT steward.require_token('regress_plain', false);
SELECT steward.require_token('public');
SELECT count(*) FROM regress_data;
SET ROLE regress_plain;
SELECT count(*) FROM regress_data;
RESET ROLE;
SET SESSION AUTHORIZATION regress_app;
SELECT count(*) FROM regress_data;
RESET SESSION AUTHORIZATION;
SELECT steward.require_token('public', false);
SET SESSION AUTHORIZATION regress_app;
SELECT count(*) FROM regress_data;
RESET SESSION AUTHORIZATION;

-- ----------------------------------------------------------------------
-- Claims: roles, purposes, attributes
-- ----------------------------------------------------------------------

SELECT steward.drop_issuer('secret');
SELECT steward.create_issuer('claims', 'https://secret.regress.example', secret => :'secret',
    attribute_claims => '{region,level,admin,nothing,absent,region}', roles_claim => 'roles', purposes_claim => 'purposes');
SELECT steward.create_purpose('training');
SELECT steward.create_purpose('scoring');
SELECT steward.grant_purpose('training', 'public');
SELECT steward.grant_purpose('scoring', 'public');
SELECT steward.create_row_policy('analyst', 'regress_data', 'region = ANY (steward.attr(''region''))', roles => '{regress_analyst}', purposes => '{training}');
SELECT steward.create_row_policy('other', 'regress_data', 'region = ''eu''', roles => '{regress_other}');
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT steward.authenticate(:'good_claims', purpose => 'training');
SELECT steward.subject(), steward.subject_role(), current_user, steward.current_purpose(), steward.token_issuer();
SELECT steward.attr('region') AS region, steward.attr('level', 0) AS level, steward.attr('admin', false) AS admin,
       steward.attr('nothing') AS nothing, steward.attr('absent') AS absent, steward.attr('role') AS not_chosen;
SELECT id FROM regress_data ORDER BY id;
-- another role that the token names, the session's own, which it does not
SET LOCAL ROLE regress_other;
SELECT id FROM regress_data ORDER BY id;
SAVEPOINT s;
SET LOCAL ROLE none;
SELECT id FROM regress_data ORDER BY id;
ROLLBACK TO s;
-- a purpose that the token does not name, though it is granted
SET steward.purpose = 'scoring';
ROLLBACK TO s;
SET LOCAL steward.purpose = 'training';
COMMIT;
SELECT current_user, steward.current_purpose(), steward.subject();
-- what was set before, by another client, is gone
SET steward.purpose = 'scoring';
SET ROLE regress_other;
BEGIN;
SELECT steward.authenticate(:'good_no_purpose');
SELECT current_user, steward.current_purpose(), steward.attr('region');
SELECT id FROM regress_data ORDER BY id;
ROLLBACK;
SELECT current_user, steward.current_purpose();
BEGIN;
SELECT steward.authenticate(:'good_as_bob');
SELECT current_user, steward.current_purpose(), steward.attr('region');
COMMIT;
BEGIN;
SELECT steward.authenticate(:'good_no_purpose', 'transaction', 'training');
ROLLBACK;
SELECT steward.authenticate(:'good_one_role', 'session', 'scoring');
SELECT current_user, steward.current_purpose(), steward.subject();
SELECT steward.authenticate(:'good_one_role', 'session', 'nothing of the kind');
SELECT steward.authenticate(:'bad_role', 'session');
SELECT steward.authenticate(:'bad_role_unknown', 'session');
SELECT steward.authenticate(:'bad_role_none', 'session');
SELECT steward.authenticate(:'bad_role_nested', 'session');
SELECT steward.authenticate(:'bad_attribute_nested', 'session');
SELECT steward.authenticate(:'bad_attribute_many', 'session');
SELECT current_user, steward.current_purpose(), steward.subject();
DISCARD ALL;
RESET SESSION AUTHORIZATION;
-- masks go by the purpose and the role of the token, too
SELECT steward.create_mask('name', 'regress_data', 'person', $$'hidden'$$, unless_purposes => '{training,scoring}', unless_roles => '{regress_other}');
SET SESSION AUTHORIZATION regress_plain;
BEGIN;
SELECT steward.authenticate(:'good_as_alice');
SELECT id, person FROM regress_data ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT steward.authenticate(:'good_claims', purpose => 'training');
SELECT id, person FROM regress_data WHERE id <= 2 ORDER BY id;
COMMIT;
BEGIN;
SELECT steward.authenticate(:'good_one_role');
SELECT id, person FROM regress_data WHERE id <= 2 ORDER BY id;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT steward.drop_mask('name', 'regress_data');
-- attributes of the role go first
SELECT steward.set_attribute('regress_analyst', 'region', '{cn}');
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT steward.authenticate(:'good_claims');
SELECT steward.attr('region'), steward.attr('level');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT steward.set_attribute('regress_analyst', 'region', NULL);
-- within a function of another's rights the role cannot be set
CREATE FUNCTION regress_login(t text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT steward.authenticate(t)';
SET SESSION AUTHORIZATION regress_app;
BEGIN;
SELECT regress_login(:'good_claims');
ROLLBACK;
BEGIN;
SELECT regress_login(:'good_as_alice');
SELECT steward.subject(), current_user;
COMMIT;
RESET SESSION AUTHORIZATION;

-- ----------------------------------------------------------------------
-- Keys that go
-- ----------------------------------------------------------------------

SET SESSION AUTHORIZATION regress_plain;
SELECT steward.authenticate(:'good_as_alice', 'session');
PREPARE k AS SELECT id FROM regress_data ORDER BY id;
EXECUTE k;
\c -
SELECT steward.set_issuer_keys('keys', :'jwks_rotated');
SET SESSION AUTHORIZATION regress_plain;
SELECT steward.authenticate(:'good_rs256', 'session');
SELECT steward.authenticate(:'good_ps256', 'session');
SELECT steward.subject();
RESET SESSION AUTHORIZATION;
BEGIN;
SET LOCAL SESSION AUTHORIZATION regress_plain;
SELECT steward.authenticate(:'good_as_bob');
ROLLBACK;
-- the key goes, the session notices
SET SESSION AUTHORIZATION regress_plain;
SELECT steward.authenticate(:'good_ps256', 'session');
PREPARE k AS SELECT count(*) FROM regress_data;
EXECUTE k;
RESET SESSION AUTHORIZATION;
SELECT steward.set_issuer_keys('keys', :'jwks');
SET SESSION AUTHORIZATION regress_plain;
EXECUTE k;
RESET SESSION AUTHORIZATION;
SELECT steward.set_issuer_keys('keys', :'jwks_one');
SET SESSION AUTHORIZATION regress_plain;
SELECT steward.subject();
EXECUTE k;
RESET ALL;
EXECUTE k;
SELECT steward.authenticate(:'good_rs256', 'session');
SELECT steward.authenticate(:'bad_no_kid', 'session');
RESET SESSION AUTHORIZATION;
SELECT steward.drop_issuer('keys');
SET SESSION AUTHORIZATION regress_plain;
SELECT steward.authenticate(:'bad_no_kid', 'session');
EXECUTE k;
RESET SESSION AUTHORIZATION;
DISCARD ALL;

-- ----------------------------------------------------------------------
-- Tokens in the text of statements
-- ----------------------------------------------------------------------

SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid() AND 'eyJhbGciOiAiUlMyNTYiLCAi.eyJpc3MiO.c2ln' <> 'eyJ.eyJ.x';
SELECT 'eyJhbGciOiAiUlMyNTYiLCAi.eyJpc3MiO.c2ln'::int;

-- doctor() knows of keys and of tokens that nobody can have
SELECT steward.require_token('regress_app');
SELECT steward.require_token('public');
SELECT severity, object, finding FROM steward.doctor() WHERE finding ~ 'token|key';
SELECT steward.drop_issuer('claims');
SELECT severity, object, finding, remedy FROM steward.doctor() WHERE finding ~ 'token|key';
SET SESSION AUTHORIZATION regress_admin;
SELECT count(*) FROM steward.doctor() WHERE finding ~ 'token|key';
RESET SESSION AUTHORIZATION;

DROP TABLE regress_data;
DROP OWNED BY regress_other, regress_plain;
DROP FUNCTION regress_login;
DROP EXTENSION pg_steward CASCADE;
DROP ROLE regress_admin, regress_app, regress_analyst, regress_other, regress_plain;
