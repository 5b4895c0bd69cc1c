-- Views and native policies under a policy's sub-select run functions with the
-- rights of the person who asks: they are checked again whenever they change.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_pol_writer IN ROLE steward_admin;
CREATE ROLE regress_pol_victim;
GRANT CREATE ON SCHEMA public TO regress_pol_writer;
CREATE TABLE regress_secret (id int, name text, tags text[]);
INSERT INTO regress_secret VALUES (1, 'secret', '{a}');
GRANT SELECT ON regress_secret TO regress_pol_victim;
RESET client_min_messages;
SET ROLE regress_pol_writer;
SELECT steward.protect('regress_secret');

CREATE FUNCTION regress_leak(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.1 AS $$ BEGIN RAISE NOTICE 'leaked % to %', $1, current_user; RETURN true; END $$;
CREATE TABLE regress_list (name text);
INSERT INTO regress_list VALUES ('secret');
CREATE VIEW regress_list_view AS SELECT * FROM regress_list;

-- a view that was harmless is replaced
SET ROLE regress_pol_writer;
SELECT steward.create_row_policy('listed', 'regress_secret', 'EXISTS (SELECT FROM public.regress_list_view v WHERE v.name = regress_secret.name)');
SET ROLE regress_pol_victim;
SELECT * FROM regress_secret;
SET ROLE regress_pol_writer;
CREATE OR REPLACE VIEW regress_list_view AS SELECT name FROM regress_list WHERE regress_leak(name);
SET ROLE regress_pol_victim;
SELECT * FROM regress_secret;
SET ROLE regress_pol_writer;
CREATE OR REPLACE VIEW regress_list_view AS SELECT * FROM regress_list;
-- or its table is given a native policy
ALTER TABLE regress_list ENABLE ROW LEVEL SECURITY;
ALTER TABLE regress_list FORCE ROW LEVEL SECURITY;
CREATE POLICY regress_trap ON regress_list USING (regress_leak(name));
SET ROLE regress_pol_victim;
SELECT * FROM regress_secret;
RESET ROLE;
-- a superuser may take a function over and vouch for it
ALTER FUNCTION regress_leak(text) OWNER TO CURRENT_USER;
SELECT steward.trust('public.regress_leak(text)', 'tested');
SET ROLE regress_pol_victim;
SELECT * FROM regress_secret;
RESET ROLE;
SELECT steward.distrust('public.regress_leak(text)');
SET ROLE regress_pol_victim;
SELECT * FROM regress_secret;
RESET ROLE;
