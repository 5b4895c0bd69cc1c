-- access: explain_access() tells what is decided, and why.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
SET timezone = 'UTC';
\pset null (null)

CREATE ROLE regress_exp_admin;
CREATE ROLE regress_exp_auditor;
CREATE ROLE regress_exp_group;
CREATE ROLE regress_exp_ann IN ROLE regress_exp_group;
CREATE ROLE "regress exp 'Bob'" NOINHERIT IN ROLE regress_exp_group;
CREATE ROLE regress_exp_eve;
CREATE ROLE regress_exp_free BYPASSRLS;
CREATE ROLE regress_exp_gone;
GRANT steward_admin TO regress_exp_admin;
GRANT steward_auditor TO regress_exp_auditor;

CREATE SCHEMA regress_exp;
GRANT USAGE ON SCHEMA regress_exp TO public;
CREATE TABLE regress_exp.credit (id int PRIMARY KEY, owner text, region text, amount numeric, taken date);
INSERT INTO regress_exp.credit
    SELECT i, (ARRAY['regress_exp_ann', 'regress exp ''Bob''', NULL])[1 + i % 3],
           (ARRAY['north', 'south', NULL])[1 + i % 4], i * 100, date '2026-01-01' + i
    FROM generate_series(1, 12) i;
CREATE TABLE regress_exp.consent (credit int, given boolean);
INSERT INTO regress_exp.consent SELECT i, i % 2 = 0 FROM generate_series(1, 12) i;
GRANT ALL ON ALL TABLES IN SCHEMA regress_exp TO public;

-- before it is protected
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann');
CREATE VIEW regress_exp.credit_view AS TABLE regress_exp.credit;
SELECT * FROM steward.explain_access('regress_exp.credit_view', 'regress_exp_ann');
SELECT * FROM steward.explain_access('pg_catalog.pg_class', 'regress_exp_ann');

SELECT steward.protect('regress_exp.credit');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann');

SELECT steward.create_purpose('regress exp scoring'), steward.create_purpose('regress exp audit'),
       steward.create_purpose('regress exp old'), steward.create_purpose('regress exp new');
SELECT steward.grant_purpose('regress exp scoring', 'regress_exp_group'),
       steward.grant_purpose('regress exp old', 'regress_exp_group', '2080-01-01', '2081-01-01'),
       steward.grant_purpose('regress exp new', 'public', '2090-01-01');
SELECT steward.set_attribute('regress_exp_ann', 'regions', '{north,west}'),
       steward.set_attribute('regress_exp_ann', 'limit', '{700}'),
       steward.set_attribute('regress exp ''Bob''', 'limit', '{not a number}');

SELECT steward.create_row_policy('attributes', 'regress_exp.credit',
    'region = ANY (steward.attr(''regions'')) AND amount <= steward.attr(''limit'', 150.0)', '{regress_exp_group}');
SELECT steward.create_row_policy('by column', 'regress_exp.credit',
    'region = (steward.attr(region))[1] OR amount = steward.attr(region, amount + 1)', '{regress_exp_ann}');
SELECT steward.create_row_policy('consent', 'regress_exp.credit',
    'EXISTS (SELECT FROM regress_exp.consent c WHERE c.credit = credit.id AND c.given)', purposes => '{regress exp scoring,regress exp audit}');
SELECT steward.create_row_policy('expired', 'regress_exp.credit', 'true', valid_from => '2080-01-01', valid_until => '2081-01-01');
SELECT steward.create_row_policy('future', 'regress_exp.credit', 'true', valid_from => '2090-01-01');
SELECT steward.create_row_policy('gone', 'regress_exp.credit', 'true', '{regress_exp_gone}');
DROP ROLE regress_exp_gone;
SELECT steward.create_row_policy('new', 'regress_exp.credit', 'true', purposes => '{regress exp new}');
SELECT steward.create_row_policy('old', 'regress_exp.credit', 'id = 1', purposes => '{regress exp old}');
SELECT steward.create_row_policy('own', 'regress_exp.credit', 'owner = CURRENT_USER OR owner = steward.subject()');
SELECT steward.create_row_policy('session', 'regress_exp.credit',
    'id = 7 AND session_user = ''regress_exp_ann'' AND pg_has_role(''regress_exp_group'', ''usage'') AND taken < current_date AND now() > ''2026-01-01Z''');
SELECT steward.create_row_policy('stop', 'regress_exp.credit', 'id = 6', '{regress_exp_group}', effect => 'deny', commands => '{all}');
SELECT steward.create_row_policy('who asks', 'regress_exp.credit', 'steward.current_purpose() = ''regress exp audit'' AND id < 3');
SELECT steward.create_row_policy('write', 'regress_exp.credit', 'region = ''south''', '{regress_exp_group}',
    commands => '{insert,update}', check_expr => 'amount < 1000');

\x
\a
\set at '2089-06-01 12:00Z'
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', at => :'at');
-- only what differs from here on
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp scoring', at => :'at')
    WHERE name IN ('consent', 'new', 'old') OR kind = 'decision';
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp audit', at => :'at')
    WHERE name IN ('consent', 'who asks');
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp old', at => :'at') WHERE name = 'old';
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp old', at => '2080-06-01Z')
    WHERE name IN ('old', 'expired') OR kind = 'decision';
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp new', at => :'at') WHERE name = 'new';
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp new', at => '2091-01-01Z')
    WHERE name IN ('new', 'future') OR kind = 'decision';
-- does not inherit: no allow, but the deny; an attribute that cannot be read does no harm where its policy does not apply
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress exp ''Bob''', at => :'at')
    WHERE name IN ('attributes', 'by column', 'stop', 'own') OR kind = 'decision';
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve', at => :'at')
    WHERE name IN ('attributes', 'stop') OR kind = 'decision';
-- other commands
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => 'insert', at => :'at')
    WHERE name IN ('own', 'write', 'stop') OR kind = 'decision';
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => 'update', at => :'at')
    WHERE name IN ('own', 'write', 'stop') OR kind = 'decision';
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => 'delete', at => :'at')
    WHERE kind = 'decision';
SET steward.on_no_policy = 'empty';
SELECT name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => 'delete', at => :'at')
    WHERE kind = 'decision';
RESET steward.on_no_policy;
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_free', at => :'at') WHERE kind = 'decision';
SELECT verdict, reason FROM steward.explain_access('regress_exp.credit') WHERE kind = 'decision';
\x
\a

-- the predicate shows a superuser the rows that the role sees
CREATE FUNCTION regress_exp.compare(role text, purpose text DEFAULT NULL) RETURNS TABLE (seen int[], same boolean)
    LANGUAGE plpgsql AS $$
DECLARE
    predicate text := (SELECT expression FROM steward.explain_access('regress_exp.credit', role, purpose) WHERE kind = 'decision');
    told int[];
BEGIN
    EXECUTE 'SELECT array_agg(id ORDER BY id) FROM regress_exp.credit WHERE ' || predicate INTO told;
    PERFORM set_config('session_authorization', role, true);
    PERFORM set_config('steward.purpose', coalesce(purpose, ''), true);
    SELECT array_agg(id ORDER BY id) INTO seen FROM regress_exp.credit;
    RESET session_authorization;
    PERFORM set_config('steward.purpose', '', true);
    same := seen IS NOT DISTINCT FROM told;
    RETURN NEXT;
END
$$;
SELECT * FROM regress_exp.compare('regress_exp_ann');
SELECT * FROM regress_exp.compare('regress_exp_ann', 'regress exp scoring');
SELECT * FROM regress_exp.compare('regress exp ''Bob''');
SELECT * FROM regress_exp.compare('regress_exp_eve');

-- every row, no row
SELECT steward.create_row_policy('all', 'regress_exp.credit', 'true', '{regress_exp_eve}');
SELECT verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve') WHERE kind = 'decision';
SELECT steward.create_row_policy('none', 'regress_exp.credit', 'true', '{regress_exp_eve}', effect => 'deny');
SELECT verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve') WHERE kind = 'decision';
SELECT steward.drop_row_policy('none', 'regress_exp.credit'), steward.drop_row_policy('all', 'regress_exp.credit');

-- native policies of users are AND-ed
CREATE POLICY "users' own" ON regress_exp.credit USING (id % 2 = 1);
CREATE POLICY "users' limit" ON regress_exp.credit AS RESTRICTIVE FOR SELECT TO regress_exp_group USING (amount < 900);
CREATE POLICY "users' other" ON regress_exp.credit FOR DELETE USING (false);
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', at => :'at')
    WHERE kind = 'native policy' ORDER BY name;
SELECT * FROM regress_exp.compare('regress_exp_ann');
SELECT * FROM regress_exp.compare('regress exp ''Bob''');
SELECT * FROM regress_exp.compare('regress_exp_eve');
DROP POLICY "users' own" ON regress_exp.credit;
SELECT verdict, expression FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', at => :'at') WHERE kind = 'decision';
DROP POLICY "users' limit" ON regress_exp.credit;
DROP POLICY "users' other" ON regress_exp.credit;

-- a partition is governed with its parent
CREATE TABLE regress_exp.parted (kind text, id int, secret boolean) PARTITION BY LIST (kind);
CREATE TABLE regress_exp.part_a (secret boolean, gap int, id int, kind text);
ALTER TABLE regress_exp.part_a DROP COLUMN gap;
ALTER TABLE regress_exp.parted ATTACH PARTITION regress_exp.part_a FOR VALUES IN ('a');
SELECT steward.protect('regress_exp.parted');
SELECT steward.create_row_policy('open', 'regress_exp.parted', 'NOT secret AND id < 10');
SELECT * FROM steward.explain_access('regress_exp.part_a', 'regress_exp_eve');

-- one's own access, and that of others
SET ROLE regress_exp_ann;
SET steward.purpose = 'regress exp scoring';
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit') WHERE name = 'consent';
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit', purpose => '') WHERE name = 'consent';
SELECT name, verdict, reason FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp audit') WHERE name = 'consent';
RESET steward.purpose;
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_nobody');
RESET ROLE;
SET ROLE regress_exp_auditor;
SELECT verdict FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve') WHERE kind = 'decision';
RESET ROLE;
SET ROLE regress_exp_admin;
SELECT verdict FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve') WHERE kind = 'decision';
RESET ROLE;

-- what cannot be answered
SELECT * FROM steward.explain_access('regress_exp.nothing');
SELECT * FROM steward.explain_access(1::oid::regclass);
SELECT * FROM steward.explain_access(NULL);
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_nobody');
SELECT * FROM steward.explain_access('regress_exp.credit', 'public');
SELECT * FROM steward.explain_access('regress_exp.credit', NULL);
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', 'regress exp unknown');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_eve', 'regress exp unknown');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => 'truncate');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => 'all');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', command => NULL);
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress_exp_ann', at => NULL);
SELECT steward.create_row_policy('unreadable', 'regress_exp.credit', 'amount < steward.attr(''limit'', 0)', '{"regress exp ''Bob''"}');
SELECT * FROM steward.explain_access('regress_exp.credit', 'regress exp ''Bob''');

SELECT steward.unprotect('regress_exp.credit', 'end of test'), steward.unprotect('regress_exp.parted', 'end of test');
SELECT steward.drop_purpose(name) FROM steward.purpose WHERE name LIKE 'regress exp%';
SELECT steward.set_attribute('regress_exp_ann', 'regions', NULL), steward.set_attribute('regress_exp_ann', 'limit', NULL),
       steward.set_attribute('regress exp ''Bob''', 'limit', NULL);
SET client_min_messages = warning;
DROP SCHEMA regress_exp CASCADE;
DROP ROLE regress_exp_admin, regress_exp_auditor, regress_exp_ann, "regress exp 'Bob'", regress_exp_eve, regress_exp_free, regress_exp_group;
