--
-- Many, large and odd: ten thousand policies, a thousand masks, expressions of
-- a megabyte, names with capitals, quotes and spaces.
--
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
RESET client_min_messages;
CREATE ROLE regress_sz_admin IN ROLE steward_admin;
CREATE ROLE regress_sz_user;
CREATE ROLE regress_sz_other;
CREATE ROLE "regress_sz Übermensch, ""the"" 'quoted'";
CREATE TABLE public."Odd Table" (id int PRIMARY KEY, secret text, n int, "Sp a""ce" text, "value" text);
INSERT INTO public."Odd Table" SELECT g, 'secret ' || g, g, 'canary', 'canary' FROM generate_series(1, 3) g;
GRANT SELECT ON public."Odd Table" TO regress_sz_user, regress_sz_other, "regress_sz Übermensch, ""the"" 'quoted'";
SELECT steward.protect('public."Odd Table"');
SELECT steward.create_row_policy('all', 'public."Odd Table"', 'true');

-- Masks that are too long, too deep, or nothing that can be read; by tag also
-- where no column bears the tag yet.
SET ROLE regress_sz_admin;
\set VERBOSITY terse
SELECT steward.create_mask('big', 'public."Odd Table"', 'secret', repeat(' ', 1048576) || '''x''');
SELECT steward.create_mask('big', 'public."Odd Table"', 'secret', '''' || repeat('x', 1048576) || '''');
SELECT steward.create_mask('big', 'public."Odd Table"', 'secret', '''x''', when_expr => repeat('id = 1 OR ', 100000) || 'true');
SELECT steward.create_tag_mask('big', 'unborn', '''' || repeat('x', 1048576) || '''');
SELECT steward.create_tag_mask('big', 'unborn', 'not ( an expression');
SELECT steward.create_tag_mask('big', 'unborn', '1, 2');
SELECT steward.create_tag_mask('big', 'unborn', '1) OR (1 = 1; DROP TABLE x');
SELECT steward.create_tag_mask('big', 'unborn', ' ');
\set VERBOSITY sqlstate
SELECT steward.create_mask('deep', 'public."Odd Table"', 'n', '1' || repeat('+1', 32000));
SELECT steward.create_mask('deep', 'public."Odd Table"', 'n', '1', when_expr => repeat('(', 30000) || 'true' || repeat(')', 30000));
SELECT steward.create_mask('deep', 'public."Odd Table"', 'n', '1', when_expr => repeat('NOT ', 5000) || 'true');
-- nothing bears the tag, nothing can
SELECT steward.create_tag_mask('deep', 'unborn', '1' || repeat('+1', 32000));
RESET ROLE;
SECURITY LABEL FOR steward ON COLUMN public."Odd Table".n IS 'unborn';
SET ROLE regress_sz_admin;
SELECT steward.drop_tag_mask('deep');
\set VERBOSITY default
SELECT count(*) FROM steward.column_mask;
SELECT count(*) FROM steward.tag_mask;
-- what fits
SELECT steward.create_mask('long', 'public."Odd Table"', 'secret', '''' || repeat('x', 65000) || '''');
SET ROLE regress_sz_user;
SELECT length(secret) FROM public."Odd Table" WHERE id = 1;

-- Names.
SET ROLE regress_sz_admin;
SELECT steward.create_mask('a "mask", it''s odd', 'public."Odd Table"', 'Sp a"ce', '''veil''',
	unless_roles => ARRAY['regress_sz Übermensch, "the" ''quoted''']);
-- the column and what stands for the column in a mask by tag have one name
SELECT steward.create_tag_mask('Übermensch "tag"', 'odd:tag/1.0', 'left(value, 3)',
	unless_roles => ARRAY['regress_sz Übermensch, "the" ''quoted''']);
RESET ROLE;
SECURITY LABEL FOR steward ON COLUMN public."Odd Table"."value" IS 'odd:tag/1.0';
SET ROLE "regress_sz Übermensch, ""the"" 'quoted'";
SELECT "Sp a""ce", "value" FROM public."Odd Table" WHERE id = 1;
SET ROLE regress_sz_user;
SELECT "Sp a""ce", "value" FROM public."Odd Table" WHERE id = 1;
SET ROLE regress_sz_admin;
SELECT steward.grant_break_glass('regress_sz Übermensch, "the" ''quoted''');
SET ROLE "regress_sz Übermensch, ""the"" 'quoted'";
SELECT steward.break_glass('it''s "odd" – 100% %s\n') IS NOT NULL AS broken;
SELECT secret FROM public."Odd Table" WHERE id = 1;
SELECT steward.end_break_glass();
RESET ROLE;
SELECT subject_role, reason FROM steward.break_glass_event;
SET ROLE regress_sz_admin;
SELECT role, command, rows, masked_columns FROM steward.who_can_access('public."Odd Table"') WHERE role ~ 'regress_sz' ORDER BY role;
SELECT count(*) FROM steward.plan_policies(steward.export_policies());

-- A thousand masks on a column, of which one is shown; and no more.
SELECT count(steward.create_mask('m' || i, 'public."Odd Table"', 'n', (-i)::text, priority => i,
	unless_roles => CASE WHEN i < 900 THEN '{regress_sz_user}'::text[] END)) FROM generate_series(1, 998) i;
\set SHOW_CONTEXT never
SELECT steward.create_mask('m999', 'public."Odd Table"', 'n', '0', priority => 999);
SET ROLE regress_sz_user;
SELECT n FROM public."Odd Table" WHERE id = 1;
SET ROLE regress_sz_other;
SELECT n FROM public."Odd Table" WHERE id = 1;
RESET ROLE;

-- Ten thousand policies, each of which lets one row through; every third is
-- for somebody else.
DO $$
BEGIN
    FOR i IN 0 .. 99 LOOP
        EXECUTE format('CREATE TABLE regress_sz_%s AS SELECT g AS id FROM generate_series(0, 99) g', i);
        EXECUTE format('GRANT SELECT ON regress_sz_%s TO regress_sz_user', i);
    END LOOP;
END
$$;
SET ROLE regress_sz_admin;
SELECT count(steward.protect(format('public.regress_sz_%s', i)::regclass)) FROM generate_series(0, 99) i;
SELECT count(steward.create_row_policy('p' || i, format('public.regress_sz_%s', i % 100)::regclass, 'id = ' || i / 100,
	roles => CASE WHEN i / 100 % 3 = 0 THEN '{regress_sz_other}'::text[] END)) FROM generate_series(0, 9999) i;
SELECT count(*) FROM steward.row_policy;
SET ROLE regress_sz_user;
SELECT count(*), count(*) FILTER (WHERE id % 3 = 0) AS of_others FROM public.regress_sz_0;
SELECT count(*) FROM public.regress_sz_0 NATURAL JOIN public.regress_sz_1 NATURAL JOIN public.regress_sz_98 NATURAL JOIN public.regress_sz_99;
PREPARE q AS SELECT count(*) FROM public.regress_sz_7;
EXECUTE q;
SET ROLE regress_sz_admin;
SELECT steward.drop_row_policy('p107', 'public.regress_sz_7');
SELECT steward.create_row_policy('p207', 'public.regress_sz_7', 'id = 2', effect => 'deny', replace => true);
SET ROLE regress_sz_user;
EXECUTE q;
DEALLOCATE q;
SET ROLE regress_sz_admin;
SELECT role, command, length(rows) > 500 AS has_predicate FROM steward.who_can_access('public.regress_sz_99') WHERE role ~ 'regress_sz';
SELECT count(*) FROM steward.plan_policies(steward.export_policies());
RESET ROLE;
SELECT severity, finding FROM steward.doctor() WHERE object ~ 'regress_sz_[0-9]';
DROP TABLE public."Odd Table";
DO $$ BEGIN FOR i IN 0 .. 99 LOOP EXECUTE format('DROP TABLE regress_sz_%s', i); END LOOP; END $$;
SELECT count(*) FROM steward.row_policy;
