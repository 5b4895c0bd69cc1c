-- Who sees what and why: masks in explain_access(), who_can_access(), last_access(), doctor() on masks.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
SET timezone = 'UTC';
\pset null (null)
\pset format unaligned
\pset fieldsep ' | '

CREATE ROLE regress_ans_group;
CREATE ROLE regress_ans_ann LOGIN;
CREATE ROLE regress_ans_bob LOGIN IN ROLE regress_ans_group;
CREATE ROLE regress_ans_free LOGIN BYPASSRLS;
CREATE ROLE regress_ans_none LOGIN;
CREATE ROLE regress_ans_auditor LOGIN IN ROLE steward_auditor;
CREATE SCHEMA regress_ans;
GRANT USAGE ON SCHEMA regress_ans TO public;
CREATE TABLE regress_ans.person (id int PRIMARY KEY, ssn text, mail text, salary int, city text,
    contact text GENERATED ALWAYS AS (ssn || mail) STORED);
INSERT INTO regress_ans.person VALUES (1, 'secret-1', 'a@example.com', 10, 'Bern'), (2, 'secret-2', 'b@example.com', 20, 'Rome');
GRANT ALL ON regress_ans.person TO regress_ans_ann, regress_ans_bob, regress_ans_free;
SELECT steward.create_purpose('regress ans care'), steward.create_purpose('regress ans audit');
SELECT steward.grant_purpose('regress ans care', 'regress_ans_ann'),
       steward.grant_purpose('regress ans audit', 'regress_ans_ann', '2020-01-01', '2021-01-01'),
       steward.grant_purpose('regress ans audit', 'regress_ans_bob', '2090-01-01');
SELECT steward.set_attribute('regress_ans_ann', 'city', '{Bern}');
SELECT steward.protect('regress_ans.person');
SELECT steward.create_row_policy('own city', 'regress_ans.person', 'city = ANY (steward.attr(''city''))');
SELECT steward.create_row_policy('care', 'regress_ans.person', 'true', '{regress_ans_ann}', purposes => '{regress ans care}');
SELECT steward.create_row_policy('change', 'regress_ans.person', 'id > 1', '{regress_ans_ann}', commands => '{update}');
SELECT steward.create_row_policy('group', 'regress_ans.person', 'true', '{regress_ans_group}');

-- masks in explain_access()
SELECT steward.create_mask('ssn', 'regress_ans.person', 'ssn', '''x'' || steward.current_purpose()', unless_roles => '{regress_ans_group}');
SELECT steward.create_mask('mail first', 'regress_ans.person', 'mail', '''m''', when_expr => 'city = ANY (steward.attr(''city''))', priority => 10);
SELECT steward.create_mask('mail second', 'regress_ans.person', 'mail', 'steward.mask_email(mail)', unless_purposes => '{regress ans care,regress ans audit}', priority => 20);
SELECT steward.create_mask('mail third', 'regress_ans.person', 'mail', '''never''', priority => 30);
SELECT steward.create_mask('salary', 'regress_ans.person', 'salary', '0', unless_roles => '{public}');
SECURITY LABEL FOR steward ON COLUMN regress_ans.person.city IS 'place';
SELECT steward.create_tag_mask('regress places', 'place', 'upper(value)');
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_ann');
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_ann', 'regress ans care') WHERE kind <> 'row policy';
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_ann', 'regress ans audit') WHERE name = 'mail second';
SELECT steward.grant_purpose('regress ans audit', 'regress_ans_ann', '2080-01-01', '2081-01-01');
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_ann', 'regress ans audit', at => '2080-06-01') WHERE name LIKE 'mail %';
SELECT steward.grant_purpose('regress ans audit', 'regress_ans_ann', '2020-01-01', '2021-01-01');
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_bob') WHERE kind <> 'row policy';
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_free') WHERE kind <> 'row policy';
SELECT * FROM steward.explain_access('regress_ans.person', 'regress_ans_ann', command => 'update') WHERE kind = 'decision';

-- who_can_access()
CREATE VIEW regress_ans.who AS
    SELECT * FROM steward.who_can_access('regress_ans.person') WHERE role LIKE 'regress\_ans%';
SELECT * FROM regress_ans.who;
SELECT * FROM steward.who_can_access('regress_ans.person', '2091-01-01') WHERE role = 'regress_ans_bob' AND command = 'select';
SELECT steward.set_attribute('regress_ans_bob', 'limit', '{none}');
SELECT steward.create_row_policy('unreadable', 'regress_ans.person', 'salary < steward.attr(''limit'', 5)', commands => '{delete}');
SELECT * FROM regress_ans.who WHERE command = 'delete';
SELECT steward.drop_row_policy('unreadable', 'regress_ans.person');
SELECT steward.set_attribute('regress_ans_bob', 'limit', NULL);
REVOKE ALL ON regress_ans.person FROM regress_ans_bob;
GRANT SELECT (id) ON regress_ans.person TO regress_ans_bob;
SELECT role, purpose, command FROM regress_ans.who WHERE role = 'regress_ans_bob';
GRANT ALL ON regress_ans.person TO regress_ans_bob;
SELECT bool_and(rows = 'all' AND masked_columns = '{}' AND purpose IS NULL), count(*) FROM steward.who_can_access('regress_ans.person') WHERE role = current_user;
CREATE TABLE regress_ans.free (a int);
GRANT SELECT ON regress_ans.free TO regress_ans_ann;
SELECT * FROM steward.who_can_access('regress_ans.free') WHERE role LIKE 'regress\_ans%';
SET ROLE regress_ans_auditor;
SELECT count(*) > 0 AS some FROM steward.who_can_access('regress_ans.person');
SET ROLE regress_ans_ann;
SELECT * FROM steward.who_can_access('regress_ans.person');
RESET ROLE;
SELECT * FROM steward.who_can_access('regress_ans.who');
SELECT * FROM steward.who_can_access(NULL);
SELECT * FROM steward.who_can_access('regress_ans.person', NULL);
SELECT * FROM steward.who_can_access(1::oid::regclass);

-- last_access()
CREATE FUNCTION regress_ans.count_it() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM regress_ans.person); END';
CREATE FUNCTION regress_ans.count_for(purpose text) RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN PERFORM set_config(''steward.purpose'', purpose, true); RETURN (SELECT count(ssn) FROM regress_ans.person); END';
CREATE VIEW regress_ans.mails AS SELECT id, mail FROM regress_ans.person;
GRANT SELECT ON regress_ans.mails TO public;
CREATE TABLE regress_ans.visit (person int, what text);
INSERT INTO regress_ans.visit VALUES (1, 'a'), (2, 'b');
GRANT ALL ON regress_ans.visit TO public;
SELECT steward.protect('regress_ans.visit');
SELECT steward.grant_break_glass('regress_ans_ann');
SELECT steward.create_row_policy('every', 'regress_ans.visit', 'true', commands => '{all}');
\c
SET timezone = 'UTC';
\set SHOW_CONTEXT never
SELECT * FROM steward.last_access();
SELECT count(*) FROM regress_ans.person;
SELECT * FROM steward.last_access();
SET ROLE regress_ans_ann;
SELECT id, ssn FROM regress_ans.person;
SELECT * FROM steward.last_access();
-- neither what reads nothing governed nor what fails or is only explained
SELECT 1;
SELECT a FROM regress_ans.free;
DO 'BEGIN EXECUTE ''EXPLAIN SELECT city FROM regress_ans.visit, regress_ans.person''; END';
DELETE FROM regress_ans.person;
SELECT * FROM steward.last_access();
SELECT id FROM regress_ans.person;
SELECT * FROM steward.last_access();
SELECT count(*) FROM regress_ans.person p WHERE p IS NOT NULL;
SELECT * FROM steward.last_access();
SELECT what, salary FROM regress_ans.visit JOIN regress_ans.person ON id = person;
SELECT * FROM steward.last_access();
SELECT * FROM regress_ans.mails;
SELECT * FROM steward.last_access();
UPDATE regress_ans.person SET salary = 11 WHERE id = 1;
SELECT * FROM steward.last_access();
UPDATE regress_ans.person SET salary = 11 WHERE id = 1 RETURNING contact;
SELECT * FROM steward.last_access();
INSERT INTO regress_ans.visit VALUES (3, 'c');
SELECT * FROM steward.last_access();
-- a cached plan, whose purpose changes
PREPARE p AS SELECT mail, salary FROM regress_ans.person WHERE id = 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE p;
SELECT * FROM steward.last_access();
SET steward.purpose = 'regress ans care';
SELECT what FROM regress_ans.visit;
EXECUTE p;
SELECT * FROM steward.last_access();
RESET steward.purpose;
EXECUTE p;
SELECT * FROM steward.last_access();
-- within functions, cursors, DO, COPY
SELECT regress_ans.count_it(), count(*) FROM regress_ans.visit;
SELECT * FROM steward.last_access();
SELECT regress_ans.count_it();
SELECT * FROM steward.last_access();
BEGIN;
SELECT regress_ans.count_it(), regress_ans.count_for('regress ans care');
COMMIT;
SELECT * FROM steward.last_access();
BEGIN;
DECLARE c CURSOR FOR SELECT ssn FROM regress_ans.person;
SELECT * FROM steward.last_access();
FETCH c;
COMMIT;
SELECT * FROM steward.last_access();
DO 'BEGIN PERFORM what FROM regress_ans.visit; FOR i IN 1 .. 100 LOOP PERFORM ssn FROM regress_ans.person WHERE id = i; END LOOP; END';
SELECT * FROM steward.last_access();
COPY regress_ans.person (id, mail) TO stdout;
SELECT * FROM steward.last_access();
CREATE TEMP TABLE kept AS SELECT ssn FROM regress_ans.person;
SELECT * FROM steward.last_access();
DROP TABLE kept;
-- an error within
DO 'BEGIN PERFORM 1 / (id - id) FROM regress_ans.person; END';
SELECT count(*) FROM regress_ans.visit;
SELECT * FROM steward.last_access();
-- the glass is broken
SELECT steward.break_glass('test') IS NOT NULL AS broken;
SELECT id, ssn FROM regress_ans.person;
SELECT kind, name, verdict, reason FROM steward.explain_access('regress_ans.person') WHERE name = 'ssn' OR kind = 'decision';
SELECT * FROM steward.last_access();
SELECT steward.end_break_glass();
SELECT * FROM steward.last_access();
RESET ROLE;
-- changed since
SET ROLE regress_ans_ann;
SET steward.purpose = 'regress ans care';
SELECT mail FROM regress_ans.person;
RESET ROLE;
SELECT steward.create_row_policy('later', 'regress_ans.person', 'true', '{regress_ans_ann}');
SELECT * FROM steward.last_access();
SELECT steward.drop_row_policy('later', 'regress_ans.person');
RESET steward.purpose;
SELECT steward.revoke_break_glass('regress_ans_ann');
SELECT steward.unprotect('regress_ans.visit', 'end of test');
SELECT count(*) FROM regress_ans.visit;
\c
SET timezone = 'UTC';

-- doctor() on masks
CREATE VIEW regress_ans.finding AS
    SELECT severity, object, finding, remedy FROM steward.doctor() WITH ORDINALITY AS d (severity, object, finding, remedy, place)
    WHERE concat_ws(' ', object, finding, remedy) ~ 'regress[_. ](ans|places|nothing)' AND object !~ '^role' ORDER BY place;
SELECT * FROM regress_ans.finding;
SELECT steward.create_row_policy('change too', 'regress_ans.person', 'true', '{regress_ans_group}', commands => '{all}');
SELECT steward.create_tag_mask('regress nothing', 'regress-nothing', '''x''');
SELECT steward.drop_row_policy('own city', 'regress_ans.person'), steward.drop_mask('mail first', 'regress_ans.person');
SELECT steward.create_mask('mail first', 'regress_ans.person', 'mail', '''m''', when_expr => 'id = 1', priority => 10);
ALTER TABLE regress_ans.person ALTER COLUMN city TYPE int USING 1;
CREATE TABLE regress_ans.tagged (a text, b text);
SECURITY LABEL FOR steward ON COLUMN regress_ans.tagged.a IS 'place,other';
SECURITY LABEL FOR steward ON COLUMN regress_ans.tagged.b IS 'other';
CREATE TABLE regress_ans.parted (a text) PARTITION BY LIST (a);
CREATE TABLE regress_ans.part PARTITION OF regress_ans.parted DEFAULT;
SELECT steward.protect('regress_ans.parted');
SELECT steward.create_row_policy('all', 'regress_ans.parted', 'true');
SECURITY LABEL FOR steward ON COLUMN regress_ans.part.a IS 'other';
SELECT steward.drop_purpose('regress ans audit');
-- a carrier renamed while the library was not loaded
UPDATE pg_policy SET polname = 'mask.gone' WHERE polrelid = 'regress_ans.person'::regclass AND polname = 'mask.salary';
UPDATE pg_class SET relname = relname WHERE oid = 'regress_ans.person'::regclass;
SELECT * FROM regress_ans.finding;
SELECT steward.create_tag_mask('regress places', 'place', 'value', replace => true);
SELECT steward.create_tag_mask('regress others', 'other', 'value', priority => 101);
SELECT * FROM regress_ans.finding WHERE object LIKE 'table%';
SELECT kind, name, verdict, reason, expression FROM steward.explain_access('regress_ans.person', 'regress_ans_ann') WHERE name = 'salary';
UPDATE pg_policy SET polname = 'mask.salary' WHERE polrelid = 'regress_ans.person'::regclass AND polname = 'mask.gone';

SELECT steward.drop_tag_mask('regress places'), steward.drop_tag_mask('regress others'), steward.drop_tag_mask('regress nothing');
SELECT steward.unprotect('regress_ans.person', 'end of test'), steward.unprotect('regress_ans.parted', 'end of test');
SELECT steward.drop_purpose('regress ans care');
SELECT steward.set_attribute('regress_ans_ann', 'city', NULL);
SET client_min_messages = warning;
DROP SCHEMA regress_ans CASCADE;
DROP ROLE regress_ans_ann, regress_ans_bob, regress_ans_free, regress_ans_none, regress_ans_auditor, regress_ans_group;
