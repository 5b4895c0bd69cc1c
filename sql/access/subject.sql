-- Governance follows the person: definer views and functions, cached plans,
-- changes of role by every road.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION pg_steward;
CREATE ROLE regress_owner;
CREATE ROLE regress_alice;
CREATE ROLE regress_bob;
CREATE ROLE regress_colleague;
CREATE ROLE regress_stranger;
CREATE ROLE regress_admin IN ROLE steward_admin;
GRANT CREATE ON SCHEMA public TO regress_owner, regress_colleague;
RESET client_min_messages;

SET ROLE regress_owner;
CREATE TABLE regress_credit (id int PRIMARY KEY, person text, amount int);
INSERT INTO regress_credit VALUES (1, 'regress_alice', 100), (2, 'regress_bob', 200), (3, 'regress_bob', 300), (4, 'nobody', 400);
GRANT SELECT, INSERT, UPDATE, DELETE ON regress_credit TO regress_alice, regress_bob, regress_colleague, regress_stranger;
RESET ROLE;
SET ROLE regress_admin;
SELECT steward.protect('regress_credit');
SELECT steward.create_row_policy('own', 'regress_credit', 'person = steward.subject()', roles => '{regress_alice,regress_bob}');
SELECT steward.create_row_policy('all', 'regress_credit', 'true', roles => '{regress_colleague}');
RESET ROLE;

-- the owner sees nothing by right of being the owner
SET ROLE regress_owner;
SELECT count(*) FROM regress_credit;
CREATE VIEW regress_v_owner AS SELECT * FROM regress_credit;
CREATE FUNCTION regress_f_owner() RETURNS SETOF regress_credit LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM public.regress_credit';
CREATE FUNCTION regress_p_owner() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM public.regress_credit); END $$;
GRANT SELECT ON regress_v_owner TO PUBLIC;
RESET ROLE;
CREATE FUNCTION regress_plan_has(query text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ pattern THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
CREATE VIEW regress_v_super AS SELECT * FROM regress_credit;
CREATE FUNCTION regress_f_super() RETURNS SETOF regress_credit LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM public.regress_credit';
CREATE FUNCTION regress_p_super() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM public.regress_credit); END $$;
CREATE FUNCTION regress_atomic() RETURNS bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM public.regress_credit; END;
CREATE FUNCTION regress_inline() RETURNS SETOF regress_credit LANGUAGE sql STABLE AS 'SELECT * FROM public.regress_credit';
CREATE FUNCTION regress_inline2(int) RETURNS SETOF regress_credit LANGUAGE sql STABLE AS 'SELECT * FROM regress_inline() WHERE amount > $1';
CREATE FUNCTION regress_inline_atomic() RETURNS SETOF regress_credit LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM public.regress_credit; END;
CREATE FUNCTION regress_copy(path text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE format('COPY public.regress_credit TO %L', path); END $$;
GRANT SELECT ON regress_v_super TO PUBLIC;
SET ROLE regress_colleague;
CREATE VIEW regress_v_colleague AS SELECT * FROM regress_credit;
CREATE FUNCTION regress_p_colleague() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM public.regress_credit); END $$;
GRANT SELECT ON regress_v_colleague TO PUBLIC;
SELECT count(*) FROM regress_credit;

-- alice and bob see their own through everybody's view and function
SET ROLE regress_alice;
SELECT (SELECT count(*) FROM regress_v_owner) AS v_owner, (SELECT count(*) FROM regress_v_super) AS v_super,
       (SELECT count(*) FROM regress_v_colleague) AS v_colleague, (SELECT count(*) FROM regress_f_owner()) AS f_owner,
       (SELECT count(*) FROM regress_f_super()) AS f_super, regress_p_owner(), regress_p_super(), regress_p_colleague(),
       regress_atomic(), (SELECT count(*) FROM regress_inline()) AS inline, (SELECT count(*) FROM regress_inline2(0)) AS inline2,
       (SELECT count(*) FROM regress_inline_atomic()) AS inline_atomic;
SET ROLE regress_bob;
SELECT (SELECT count(*) FROM regress_v_owner) AS v_owner, (SELECT count(*) FROM regress_v_super) AS v_super,
       (SELECT count(*) FROM regress_v_colleague) AS v_colleague, (SELECT count(*) FROM regress_f_owner()) AS f_owner,
       (SELECT count(*) FROM regress_f_super()) AS f_super, regress_p_owner(), regress_p_super(), regress_p_colleague(),
       regress_atomic(), (SELECT count(*) FROM regress_inline()) AS inline, (SELECT count(*) FROM regress_inline2(0)) AS inline2,
       (SELECT count(*) FROM regress_inline_atomic()) AS inline_atomic;
SELECT regress_plan_has('SELECT * FROM regress_inline2(7)', 'Scan on regress_credit') AS inlined;
-- and a stranger is refused through all of them
SET ROLE regress_stranger;
SELECT count(*) FROM regress_v_owner;
SELECT count(*) FROM regress_v_super;
SELECT count(*) FROM regress_v_colleague;
SELECT count(*) FROM regress_f_super();
SELECT regress_p_super();
SELECT regress_atomic();
SELECT count(*) FROM regress_inline2(0);

-- cached plans of one definer function for two subjects in one session
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_alice; SELECT regress_p_super(), regress_p_owner();
SET ROLE regress_bob; SELECT regress_p_super(), regress_p_owner();
SET ROLE regress_colleague; SELECT regress_p_super(), regress_p_owner();
SELECT set_config('role', 'regress_alice', false);
SELECT regress_p_super(), regress_p_owner();
BEGIN;
SELECT regress_p_super();
SAVEPOINT s;
SELECT set_config('role', 'none', true);
SET LOCAL ROLE regress_bob;
SELECT regress_p_super();
ROLLBACK TO SAVEPOINT s;
SELECT regress_p_super();
SELECT set_config('role', 'regress_bob', true);
SELECT regress_p_super();
COMMIT;
SELECT regress_p_super();
RESET ROLE;
SELECT regress_p_super();
SET SESSION AUTHORIZATION regress_bob;
SELECT regress_p_super();
RESET SESSION AUTHORIZATION;
SET ROLE regress_bob;
PREPARE q AS SELECT count(*) FROM regress_credit;
EXECUTE q;
SET ROLE regress_alice;
EXECUTE q;
SET ROLE regress_stranger;
EXECUTE q;
RESET ROLE;
EXECUTE q;
SET ROLE regress_alice;
EXECUTE q;
DISCARD ALL;
SELECT regress_p_super();
SET ROLE regress_alice;
SELECT regress_p_super();

-- a plpgsql function that changes the role in the middle
RESET ROLE;
CREATE FUNCTION regress_switch() RETURNS TABLE (who text, n bigint) LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
    FOREACH r IN ARRAY '{regress_alice,regress_bob,regress_colleague,none}'::text[] LOOP
        PERFORM set_config('role', r, true);
        RETURN QUERY SELECT steward.subject(), count(*) FROM public.regress_credit;
    END LOOP;
END $$;
SELECT * FROM regress_switch();
-- an SQL function plans its statements before it runs them (until 18): the
-- statement is refused, or planned again, but never shows another's rows
CREATE FUNCTION regress_switch_sql() RETURNS bigint LANGUAGE sql AS $$
    SELECT set_config('role', 'regress_alice', true);
    SELECT count(*) FROM public.regress_credit;
$$;
DO $$
BEGIN
    RAISE NOTICE 'never more than one row: %', regress_switch_sql() <= 1;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE 'never more than one row: t';
END $$;

-- an open cursor keeps its decision
BEGIN;
SET LOCAL ROLE regress_bob;
DECLARE c CURSOR FOR SELECT id FROM regress_credit ORDER BY id;
FETCH 1 FROM c;
SET LOCAL ROLE regress_alice;
FETCH ALL FROM c;
COMMIT;

-- somebody else's definer function does not inherit a superuser's sight
CREATE ROLE regress_thief;
GRANT SELECT ON regress_credit TO regress_thief;
GRANT CREATE ON SCHEMA public TO regress_thief;
SET ROLE regress_thief;
CREATE FUNCTION regress_steal() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN (SELECT count(*) FROM public.regress_credit); END $$;
RESET ROLE;
SELECT regress_steal();
SET ROLE regress_owner;
CREATE MATERIALIZED VIEW regress_mv AS SELECT * FROM regress_credit WITH NO DATA;
RESET ROLE;
REFRESH MATERIALIZED VIEW regress_mv;
SET ROLE regress_colleague;
CREATE MATERIALIZED VIEW regress_mv2 AS SELECT * FROM regress_credit;
SELECT count(*) FROM regress_mv2;
RESET ROLE;
REFRESH MATERIALIZED VIEW regress_mv2;
SELECT count(*) FROM regress_mv2;

-- denies see the session role and memberships that are not inherited
CREATE ROLE regress_blocked NOLOGIN;
CREATE ROLE regress_clerk NOINHERIT IN ROLE regress_blocked;
GRANT regress_colleague TO regress_clerk;
SET ROLE regress_admin;
SELECT steward.create_row_policy('blocked', 'regress_credit', 'amount >= 300', roles => '{regress_blocked}', effect => 'deny');
RESET ROLE;
SET SESSION AUTHORIZATION regress_clerk;
SELECT count(*) FROM regress_credit;
SET ROLE regress_colleague;
SELECT count(*) FROM regress_credit;
RESET SESSION AUTHORIZATION;
SET ROLE regress_colleague;
SELECT count(*) FROM regress_credit;
RESET ROLE;

-- row security that users defined themselves is AND-ed
SET ROLE regress_owner;
CREATE POLICY regress_open ON regress_credit USING (true);
RESET ROLE;
CREATE POLICY regress_open ON regress_credit USING (true);
SET ROLE regress_alice;
SELECT * FROM regress_credit;
SET ROLE regress_owner;
SELECT * FROM regress_credit;
RESET ROLE;
DROP POLICY regress_open ON regress_credit;
CREATE POLICY regress_small ON regress_credit USING (amount < 250);
SET ROLE regress_bob;
SELECT * FROM regress_credit;
RESET ROLE;
DROP POLICY regress_small ON regress_credit;
SET ROLE regress_bob;
SELECT * FROM regress_credit;
RESET ROLE;
