-- access: tests of policies, which see what their role would see.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_pt_user;
CREATE ROLE regress_pt_other;
CREATE ROLE regress_pt_admin IN ROLE steward_admin, regress_pt_user;
CREATE SCHEMA regress_pt;
GRANT USAGE ON SCHEMA regress_pt TO PUBLIC;
CREATE TABLE regress_pt.t (id int PRIMARY KEY, region text, ssn text, amount int);
INSERT INTO regress_pt.t SELECT i, CASE WHEN i % 2 = 0 THEN 'north' ELSE 'south' END, 'ssn-' || i, i FROM generate_series(1, 10) i;
CREATE TABLE regress_pt.secret (id int);
CREATE TABLE regress_pt.native (id int, who text);
INSERT INTO regress_pt.native VALUES (1, 'regress_pt_user'), (2, 'postgres');
ALTER TABLE regress_pt.native ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON regress_pt.native USING (who = current_user);
CREATE VIEW regress_pt.v AS SELECT * FROM regress_pt.t;
CREATE FUNCTION regress_pt.definer() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN QUERY SELECT region FROM regress_pt.t; END';
CREATE FUNCTION regress_pt.writes() RETURNS integer LANGUAGE plpgsql AS 'BEGIN INSERT INTO regress_pt.t VALUES (99); RETURN 1; END';
CREATE FUNCTION regress_pt.fails() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'value: %', (SELECT max(ssn) FROM regress_pt.t); END $$;
GRANT SELECT ON regress_pt.t, regress_pt.v, regress_pt.native TO regress_pt_user, regress_pt_other;
GRANT INSERT ON regress_pt.t TO regress_pt_user;
SELECT steward.create_purpose('pt-care');
SELECT steward.create_purpose('pt-audit');
SELECT steward.grant_purpose('pt-care', 'regress_pt_user');
SELECT steward.set_attribute('regress_pt_user', 'region', '{north}');
SELECT steward.protect('regress_pt.t');
SELECT steward.create_row_policy('region', 'regress_pt.t', 'region = steward.attr(''region'', ''none''::text)', roles => '{regress_pt_user}', commands => '{all}');
SELECT steward.create_row_policy('care', 'regress_pt.t', 'true', roles => '{regress_pt_user}', purposes => '{pt-care}');
SELECT steward.create_row_policy('not 4', 'regress_pt.t', 'id = 4', roles => '{regress_pt_admin}', effect => 'deny');
SELECT steward.create_mask('ssn', 'regress_pt.t', 'ssn', '''x''', unless_purposes => '{pt-care}');
SELECT steward.create_mask('amount', 'regress_pt.t', 'amount', '0', when_expr => 'id > 5');
SELECT steward.protect('regress_pt.native');
SELECT steward.create_row_policy('all', 'regress_pt.native', 'true', roles => '{regress_pt_user}');
RESET client_min_messages;

CREATE TABLE pt_document (d jsonb);
INSERT INTO pt_document VALUES ('{"version": 1, "tests": [
    {"name": "01 rows", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "rows": 5},
    {"name": "02 purpose", "role": "regress_pt_user", "purpose": "pt-care", "query": "SELECT FROM regress_pt.t", "rows": 10},
    {"name": "03 view", "role": "regress_pt_user", "query": "SELECT * FROM regress_pt.v WHERE region = ''south''", "rows": 0},
    {"name": "04 definer function", "role": "regress_pt_user", "query": "SELECT * FROM regress_pt.definer() d", "rows": 5},
    {"name": "05 no policy", "role": "regress_pt_other", "query": "SELECT FROM regress_pt.t", "refused": true},
    {"name": "06 no privilege", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.secret", "refused": true},
    {"name": "07 no grant of the purpose", "role": "regress_pt_user", "purpose": "pt-audit", "query": "SELECT FROM regress_pt.t", "refused": true},
    {"name": "08 native policies", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.native", "rows": 1},
    {"name": "09 masked", "role": "regress_pt_user", "relation": "regress_pt.t", "column_name": "ssn", "masked": true},
    {"name": "10 not masked", "role": "regress_pt_user", "purpose": "pt-care", "relation": "regress_pt.t", "column_name": "ssn", "masked": false},
    {"name": "11 masked in some cells", "role": "regress_pt_user", "relation": "regress_pt.t", "column_name": "amount", "masked": true},
    {"name": "12 never masked", "role": "regress_pt_user", "relation": "regress_pt.t", "column_name": "id", "masked": false},
    {"name": "13 what the mask shows", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t WHERE ssn = ''x''", "rows": 5},
    {"name": "14 superuser", "role": "postgres", "query": "SELECT FROM regress_pt.t WHERE ssn LIKE ''ssn%''", "rows": 10},
    {"name": "15 who acts", "role": "regress_pt_user", "query": "SELECT WHERE steward.subject() = ''regress_pt_user'' AND current_user = ''regress_pt_user'' AND steward.current_purpose() IS NULL", "rows": 1}
  ]}');
SELECT count(*) FROM steward.apply_policies((SELECT d FROM pt_document));
SELECT jsonb_array_length(steward.export_policies() -> 'tests'), (SELECT count(*) FROM steward.plan_policies((SELECT d FROM pt_document)));
SELECT * FROM steward.run_policy_tests();
-- whoever runs them: the purpose, the role and the token of the session are no matter
SELECT steward.require_token('regress_pt_user');
SET ROLE regress_pt_admin;
SET steward.purpose = 'pt-care';
SELECT count(*), count(*) FILTER (WHERE ok) FROM steward.run_policy_tests();
SHOW steward.purpose;
SELECT current_user, steward.subject();
RESET steward.purpose;
SET row_security = off;
SELECT count(*), count(*) FILTER (WHERE ok) FROM steward.run_policy_tests();
RESET row_security;
RESET ROLE;
SELECT steward.require_token('regress_pt_user', false);
SHOW transaction_read_only;

-- a glass that the session broke
SELECT steward.grant_break_glass('regress_pt_user');
SET SESSION AUTHORIZATION regress_pt_admin;
SET ROLE regress_pt_user;
SELECT steward.break_glass('a test') > now() AS broken;
SELECT count(*) FROM regress_pt.t;
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE ok) FROM steward.run_policy_tests();
RESET SESSION AUTHORIZATION;
SELECT steward.revoke_break_glass('regress_pt_user');

-- What fails, and how it is told.
CREATE TABLE pt_before AS SELECT steward.export_policies() AS d;
SELECT steward.apply_policies('{"version": 1, "tests": [
    {"name": "1", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "rows": 6},
    {"name": "2", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "rows": 5},
    {"name": "3", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "refused": true}]}');
\set VERBOSITY default
SELECT steward.apply_policies('{"version": 1, "tests": [
    {"name": "1", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "rows": 6},
    {"name": "3", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "refused": true}]}');
\set VERBOSITY terse
SELECT steward.export_policies() = d AS unchanged FROM pt_before;
-- a policy that would break a test is refused, too
SELECT steward.apply_policies('{"version": 1, "attributes": []}');
SELECT steward.export_policies() = d AS unchanged FROM pt_before;
SELECT action, name FROM steward.apply_policies('{"version": 1, "attributes": [], "tests": [
    {"name": "write", "role": "regress_pt_user", "query": "INSERT INTO regress_pt.t VALUES (98)", "rows": 1},
    {"name": "write in a function", "role": "regress_pt_user", "query": "SELECT regress_pt.writes()", "rows": 1},
    {"name": "value in an error", "role": "regress_pt_user", "query": "SELECT regress_pt.fails()", "rows": 1},
    {"name": "cast", "role": "regress_pt_user", "purpose": "pt-care", "query": "SELECT ssn::int FROM regress_pt.t", "rows": 1},
    {"name": "syntax", "role": "regress_pt_user", "query": "SELEC", "rows": 1},
    {"name": "two", "role": "regress_pt_user", "query": "SELECT 1; SELECT 2; RESET ROLE", "rows": 1},
    {"name": "nothing", "role": "regress_pt_user", "query": "", "rows": 0},
    {"name": "set role", "role": "regress_pt_user", "query": "SELECT set_config(''role'', ''postgres'', false)", "rows": 1},
    {"name": "session", "role": "regress_pt_user", "query": "SELECT set_config(''session_authorization'', ''postgres'', false)", "rows": 1},
    {"name": "read write", "role": "regress_pt_user", "query": "SELECT set_config(''transaction_read_only'', ''off'', false)", "rows": 1},
    {"name": "setting", "role": "regress_pt_user", "query": "SELECT set_config(''steward.purpose'', ''pt-care'', false) FROM regress_pt.t", "rows": 5},
    {"name": "temporary", "role": "regress_pt_user", "query": "CREATE TEMP TABLE x ()", "rows": 5},
    {"name": "office", "role": "regress_pt_user", "query": "SELECT steward.require_role(''steward_admin'')", "rows": 1},
    {"name": "tests in tests", "role": "postgres", "query": "SELECT FROM steward.run_policy_tests()", "rows": 13},
    {"name": "masked", "role": "regress_pt_user", "relation": "regress_pt.t", "column_name": "ssn", "masked": false}
  ]}', test => false);
SELECT * FROM steward.run_policy_tests();
SHOW steward.purpose;
SELECT current_user, count(*) FROM regress_pt.t;

-- Who may write a query for whom; what becomes of it.
SET ROLE regress_pt_admin;
SELECT steward.apply_policies('{"version": 1, "tests": [{"name": "x", "role": "regress_pt_other", "query": "SELECT 1", "rows": 1}]}');
SELECT steward.apply_policies('{"version": 1, "tests": [{"name": "x", "role": "postgres", "query": "SELECT 1", "rows": 1}]}');
SELECT action, name FROM steward.apply_policies('{"version": 1, "tests": [{"name": "mine", "role": "regress_pt_user", "query": "SELECT FROM regress_pt.t", "rows": 0}, {"name": "column", "role": "regress_pt_other", "relation": "regress_pt.t", "column_name": "ssn", "masked": true}]}') WHERE action = 'create';
RESET ROLE;
SELECT * FROM steward.run_policy_tests();
REVOKE regress_pt_user FROM regress_pt_admin;
SELECT * FROM steward.run_policy_tests();
ALTER TABLE regress_pt.t RENAME COLUMN ssn TO "SSN";
ALTER TABLE regress_pt.t RENAME TO "T";
SELECT steward.export_policies() -> 'tests' -> 0;
SELECT steward.drop_row_policy('not 4', 'regress_pt."T"');
DROP OWNED BY regress_pt_admin, regress_pt_other;
DROP ROLE regress_pt_admin;
DROP ROLE regress_pt_other;
SELECT * FROM steward.run_policy_tests();
SELECT * FROM steward.apply_policies('{"version": 1, "tests": []}');
SELECT * FROM steward.policy_test;

DROP TABLE pt_document, pt_before;
SELECT count(*) FROM steward.apply_policies('{"version": 1, "purposes": [], "grants": [], "attributes": [], "relations": [], "tag_masks": [], "trusted": [], "tests": []}');
SET client_min_messages = warning;
DROP SCHEMA regress_pt CASCADE;
DROP ROLE regress_pt_user;
