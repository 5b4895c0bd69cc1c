-- The database that the canary test searches: governed tables of every kind,
-- and what reads them.  What regress_fuzz and the tables' owner may not see
-- holds canaries: text with "cnry", and numbers of 13 digits that begin with
-- 7391.  What they may see holds "mark"; what masks show holds "veil"; cells
-- that the purpose regress-fuzz-care unmasks hold "care".
--
-- Run by test/fuzz/run as a superuser with the variable seed.

\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SELECT setseed(:seed / 4294967296.0) \g /dev/null
CREATE EXTENSION pg_steward;
CREATE ROLE regress_fuzz_owner LOGIN;
CREATE ROLE regress_fuzz LOGIN;
CREATE ROLE regress_fuzz_colleague LOGIN;
CREATE ROLE regress_fuzz_other NOLOGIN;
CREATE ROLE regress_fuzz_officer NOLOGIN;
CREATE ROLE regress_fuzz_beyond LOGIN BYPASSRLS;
CREATE ROLE regress_fuzz_admin LOGIN IN ROLE steward_admin;
GRANT regress_fuzz_other TO regress_fuzz;
CREATE SCHEMA fuzz AUTHORIZATION regress_fuzz_owner;
CREATE SCHEMA own AUTHORIZATION regress_fuzz;
GRANT USAGE, CREATE ON SCHEMA fuzz, own TO public;

-- every canary is new, so that none is shown by being known
CREATE SCHEMA making;
CREATE TABLE making.number (n bigint);
CREATE FUNCTION making.num() RETURNS bigint VOLATILE LANGUAGE sql AS
    $$ INSERT INTO making.number SELECT 7391000000000 + floor(random() * 1000000000)::bigint RETURNING n $$;
CREATE FUNCTION making.txt() RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT 'cnry' || substr(md5(random()::text), 1, 16) $$;
CREATE FUNCTION making.mark(prefix text DEFAULT 'mark') RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT prefix || substr(translate(md5(random()::text), '0123456789', 'ghijklmnop'), 1, 8) $$;
-- what a role may see: a mark, or where not, a canary
CREATE FUNCTION making.t(shown boolean) RETURNS text VOLATILE LANGUAGE sql AS
    $$ SELECT CASE WHEN shown THEN making.mark() ELSE making.txt() END $$;
CREATE FUNCTION making.n(shown boolean) RETURNS bigint VOLATILE LANGUAGE sql AS
    $$ SELECT CASE WHEN shown THEN floor(random() * 1000)::bigint ELSE making.num() END $$;

SET ROLE regress_fuzz_owner;

-- a plain table with generated columns, constraints, indexes, a dropped column
CREATE TABLE fuzz.person (
    dropped int,
    id int PRIMARY KEY,
    shown boolean NOT NULL,
    grp int,
    name text,
    code text UNIQUE,
    ssn text UNIQUE,
    pay bigint CONSTRAINT pay_positive CHECK (pay >= 0),
    city text,
    note text,
    mail text,
    tags text[],
    doc jsonb,
    purp text,
    score numeric(20,2),
    loud text GENERATED ALWAYS AS (upper(ssn)) STORED,
    twice bigint GENERATED ALWAYS AS (pay * 2 + 1) STORED,
    CONSTRAINT ssn_long CHECK (length(ssn) < 300),
    UNIQUE (grp, pay),
    UNIQUE (grp, ssn)
);
ALTER TABLE fuzz.person DROP COLUMN dropped;
CREATE INDEX ON fuzz.person (upper(ssn));
CREATE INDEX ON fuzz.person (grp, city);
CREATE INDEX ON fuzz.person (name) WHERE shown;
CREATE INDEX ON fuzz.person USING gin (doc);
-- computed when it is read, since 18
SELECT current_setting('server_version_num')::int >= 180000 AS has_virtual \gset
\if :has_virtual
ALTER TABLE fuzz.person ADD COLUMN quiet text GENERATED ALWAYS AS (lower(ssn)) VIRTUAL;
\endif
CREATE STATISTICS fuzz.person_stat (mcv, dependencies) ON grp, ssn, pay FROM fuzz.person;
CREATE STATISTICS fuzz.person_expr ON (pay + 1), (lower(ssn)) FROM fuzz.person;

-- partitions with the columns in another order, a dropped one, two levels
CREATE TABLE fuzz.event (id int, day int, ssn text, amount bigint, what text, shown boolean, loud text GENERATED ALWAYS AS (ssn || '!') STORED) PARTITION BY RANGE (day);
CREATE TABLE fuzz.event_1 (shown boolean, gone int, amount bigint, what text, loud text GENERATED ALWAYS AS (ssn || '!') STORED, ssn text, day int, id int);
ALTER TABLE fuzz.event_1 DROP COLUMN gone;
ALTER TABLE fuzz.event ATTACH PARTITION fuzz.event_1 FOR VALUES FROM (0) TO (10);
CREATE TABLE fuzz.event_2 PARTITION OF fuzz.event FOR VALUES FROM (10) TO (20);
CREATE TABLE fuzz.event_3 PARTITION OF fuzz.event FOR VALUES FROM (20) TO (30) PARTITION BY LIST (id);
CREATE TABLE fuzz.event_3a PARTITION OF fuzz.event_3 DEFAULT;
CREATE UNIQUE INDEX ON fuzz.event (day, id);
CREATE UNIQUE INDEX ON fuzz.event_1 (ssn);

-- inheritance
CREATE TABLE fuzz.animal (id int PRIMARY KEY, shown boolean, ssn text, weight bigint, name text);
CREATE TABLE fuzz.dog (barks text, extra text) INHERITS (fuzz.animal);
CREATE TABLE fuzz.puppy (toy text) INHERITS (fuzz.dog);

-- foreign keys: to a key that all see, and to one that is masked
CREATE TABLE fuzz.visit (
    id int PRIMARY KEY,
    person int REFERENCES fuzz.person ON DELETE SET NULL ON UPDATE CASCADE,
    ssn text REFERENCES fuzz.person (ssn) ON UPDATE CASCADE ON DELETE CASCADE,
    shown boolean,
    what text,
    during int4range,
    EXCLUDE USING gist (during WITH &&)
);
-- masked in every row that can be seen, and no row hidden
CREATE TABLE fuzz.vault (id int PRIMARY KEY, secret text, pin bigint, label text, UNIQUE (secret), UNIQUE (pin));
RESET ROLE;

INSERT INTO fuzz.person (id, shown, grp, name, code, ssn, pay, city, note, mail, tags, doc, purp, score)
SELECT g, s, g % 4, making.t(s), making.t(s), making.txt(), making.num(), CASE WHEN g % 2 = 0 THEN 'Bern' ELSE 'Rome' END,
       making.t(s AND g % 2 = 1), making.txt() || '@example.com', ARRAY[making.txt(), making.num()::text],
       jsonb_build_object('k', making.txt(), 'n', making.num(), 'a', jsonb_build_array(making.num())),
       CASE WHEN s THEN making.mark('care') ELSE making.txt() END, making.n(s)
FROM (SELECT g, g % 3 <> 0 AS s FROM generate_series(1, 40) g) x;
-- pairs that a change of the group alone brings to collide in a masked column
UPDATE fuzz.person p SET pay = o.pay, grp = p.id FROM fuzz.person o WHERE o.id = p.id - 3 AND p.id % 6 = 5;
INSERT INTO fuzz.event (id, day, ssn, amount, what, shown)
SELECT g, g % 30, making.txt(), making.num(), making.t(s), s FROM (SELECT g, g % 3 <> 1 AS s FROM generate_series(1, 60) g) x;
INSERT INTO fuzz.animal SELECT g, g % 2 = 0, making.txt(), making.num(), making.t(g % 2 = 0) FROM generate_series(1, 8) g;
INSERT INTO fuzz.dog SELECT g, s, making.txt(), making.num(), making.t(s), making.t(s), making.t(s) FROM (SELECT g, g % 2 = 0 AS s FROM generate_series(11, 18) g) x;
INSERT INTO fuzz.puppy SELECT g, s, making.txt(), making.num(), making.t(s), making.t(s), making.t(s), making.t(s) FROM (SELECT g, g % 2 = 0 AS s FROM generate_series(21, 28) g) x;
INSERT INTO fuzz.visit SELECT g, p.id, p.ssn, p.shown, making.t(p.shown), int4range(g * 10, g * 10 + 5) FROM generate_series(1, 30) g JOIN fuzz.person p ON p.id = g;
INSERT INTO fuzz.vault SELECT g, making.txt(), making.num(), making.mark() FROM generate_series(1, 20) g;

-- not governed
CREATE TABLE fuzz.open (id int PRIMARY KEY, txt text, n bigint, tags text[], doc jsonb);
INSERT INTO fuzz.open SELECT g, making.mark(), g * 7, ARRAY[making.mark()], jsonb_build_object('k', making.mark()) FROM generate_series(1, 30) g;
CREATE TABLE own.ref (id int, person int, txt text);
ALTER TABLE own.ref OWNER TO regress_fuzz;
INSERT INTO own.ref SELECT g, g, making.mark() FROM generate_series(1, 10) g;
GRANT ALL ON ALL TABLES IN SCHEMA fuzz, own TO regress_fuzz, regress_fuzz_owner, regress_fuzz_colleague, regress_fuzz_other, regress_fuzz_beyond;
ANALYZE;

-- views and functions of the owner, of a colleague, of a superuser
SET ROLE regress_fuzz_owner;
CREATE VIEW fuzz.v_owner AS SELECT id, shown, ssn || '?' AS ssn, pay + 1 AS pay, p AS whole, note, loud FROM fuzz.person p;
CREATE VIEW fuzz.v_simple AS SELECT id, shown, grp, name, code, ssn, pay, city, note FROM fuzz.person;
CREATE VIEW fuzz.v_check AS SELECT id, shown, name, ssn, pay FROM fuzz.person WHERE pay > 0 WITH CASCADED CHECK OPTION;
CREATE FUNCTION fuzz.f_inline(int) RETURNS SETOF text STABLE LANGUAGE sql AS 'SELECT ssn FROM fuzz.person WHERE id >= $1';
CREATE FUNCTION fuzz.f_rows() RETURNS SETOF fuzz.event STABLE LANGUAGE sql AS 'SELECT * FROM fuzz.event';
CREATE FUNCTION fuzz.f_atomic(a int) RETURNS SETOF bigint STABLE LANGUAGE sql BEGIN ATOMIC SELECT pay FROM fuzz.person WHERE id >= a; END;
CREATE FUNCTION fuzz.f_scalar(int) RETURNS text STABLE LANGUAGE sql AS 'SELECT max(ssn) FROM fuzz.person WHERE id = $1';
CREATE FUNCTION fuzz.f_definer() RETURNS SETOF fuzz.person STABLE SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT * FROM fuzz.person; END';
CREATE FUNCTION fuzz.f_field(p fuzz.person) RETURNS text STABLE LANGUAGE sql AS 'SELECT $1.ssn || $1.loud';
CREATE FUNCTION fuzz.f_ref(c refcursor) RETURNS refcursor LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN OPEN c FOR SELECT * FROM fuzz.vault; RETURN c; END';
CREATE MATERIALIZED VIEW fuzz.mv AS SELECT id, ssn, pay, name FROM fuzz.person;
RESET ROLE;
SET ROLE regress_fuzz_colleague;
CREATE VIEW fuzz.v_colleague AS SELECT p.id, p.ssn, v.what, p.pay, p.tableoid::regclass::text AS t, p.ctid::text AS c FROM fuzz.person p LEFT JOIN fuzz.visit v ON v.person = p.id;
CREATE VIEW fuzz.v_barrier WITH (security_barrier) AS SELECT * FROM fuzz.vault WHERE pin > 0;
CREATE FUNCTION fuzz.f_colleague() RETURNS TABLE (a text, b bigint) SECURITY DEFINER LANGUAGE sql AS 'SELECT secret, pin FROM fuzz.vault';
RESET ROLE;
CREATE VIEW fuzz.v_super AS SELECT e.id, e.ssn, e.amount, e.what, to_jsonb(e) AS j FROM fuzz.event e;
CREATE VIEW fuzz.v_invoker WITH (security_invoker) AS SELECT a.*, a.tableoid AS o FROM fuzz.animal a;
CREATE VIEW fuzz.v_union AS SELECT id, ssn FROM fuzz.person UNION ALL SELECT id, secret FROM fuzz.vault UNION ALL SELECT id, ssn FROM fuzz.animal;
CREATE FUNCTION fuzz.f_super(q int) RETURNS TABLE (a int, b text, c bigint) STABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT id, ssn, pay FROM fuzz.person WHERE id > q';
CREATE FUNCTION fuzz.f_change(i int, c text) RETURNS SETOF fuzz.person SECURITY DEFINER LANGUAGE plpgsql AS
    'BEGIN RETURN QUERY UPDATE fuzz.person SET city = c WHERE id = i RETURNING *; END';
CREATE FUNCTION fuzz.f_regroup(i int, g int) RETURNS void SECURITY DEFINER LANGUAGE plpgsql AS
    'BEGIN UPDATE fuzz.person SET grp = g WHERE id = i; END';
CREATE FUNCTION fuzz.f_put(i int, t text) RETURNS fuzz.vault SECURITY DEFINER LANGUAGE plpgsql AS
    'DECLARE r fuzz.vault; BEGIN INSERT INTO fuzz.vault VALUES (i, t, i, t) ON CONFLICT (id) DO UPDATE SET label = excluded.label RETURNING * INTO r; RETURN r; END';
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fuzz TO regress_fuzz, regress_fuzz_owner, regress_fuzz_colleague, regress_fuzz_other, regress_fuzz_beyond;

-- what leaks wherever it is let near
SET ROLE regress_fuzz;
CREATE FUNCTION own.leak(anyelement) RETURNS boolean IMMUTABLE COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
CREATE FUNCTION own.fail(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'failed at %', $1 USING DETAIL = $1, HINT = $1; END $$;
CREATE FUNCTION own.step(text, text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'step %, %', $1, $2; RETURN $2; END $$;
CREATE AGGREGATE own.pile(text) (SFUNC = own.step, STYPE = text, INITCOND = '');
CREATE FUNCTION own.same(text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'same % %', $1, $2; RETURN $1 = $2; END $$;
CREATE OPERATOR own.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = own.same, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE FUNCTION own.trig() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'trigger % %', OLD, NEW; RETURN coalesce(NEW, OLD); END $$;
CREATE DOMAIN own.small AS text CHECK (length(VALUE) < 4);
CREATE TYPE own.colour AS ENUM ('mark', 'veil');
CREATE TYPE own.pair AS (a text, b text);
GRANT USAGE ON SCHEMA own TO public;
RESET ROLE;

GRANT SELECT ON fuzz.open TO regress_fuzz_admin;
SET ROLE regress_fuzz_admin;
SELECT steward.create_purpose('regress-fuzz-care'), steward.create_purpose('regress-fuzz-never') \g /dev/null
SELECT steward.grant_purpose('regress-fuzz-care', r) FROM unnest('{regress_fuzz,regress_fuzz_owner,regress_fuzz_other}'::text[]) r \g /dev/null
SELECT steward.protect(r::regclass) FROM unnest('{fuzz.person,fuzz.event,fuzz.animal,fuzz.visit,fuzz.vault}'::text[]) r \g /dev/null
SELECT steward.create_row_policy('shown', r::regclass, 'shown', commands => '{all}', check_expr => 'true') FROM unnest('{fuzz.person,fuzz.event,fuzz.animal,fuzz.visit}'::text[]) r \g /dev/null
SELECT steward.create_row_policy('all', 'fuzz.vault', 'true', commands => '{all}') \g /dev/null
SELECT steward.create_mask('ssn', 'fuzz.person', 'ssn', $$'veil' || id$$, unless_roles => '{regress_fuzz_officer}'),
       steward.create_mask('pay', 'fuzz.person', 'pay', 'steward.mask_bucket(id, 10)::bigint', unless_purposes => '{regress-fuzz-never}'),
       steward.create_mask('note', 'fuzz.person', 'note', $$'veil ' || city$$, when_expr => $$note !~ '^mark'$$),
       steward.create_mask('tags', 'fuzz.person', 'tags', $$ARRAY['veil']$$),
       steward.create_mask('doc', 'fuzz.person', 'doc', $$'{"k": "veil"}'::jsonb$$),
       steward.create_mask('purp', 'fuzz.person', 'purp', 'steward.mask_redact(purp)', unless_purposes => '{regress-fuzz-care}'),
       steward.create_mask('ssn', 'fuzz.event', 'ssn', $$'veil' || (SELECT max(o.id) FROM fuzz.open o WHERE o.id <= event.id)$$),
       steward.create_mask('amount', 'fuzz.event', 'amount', '0'),
       steward.create_mask('ssn', 'fuzz.animal', 'ssn', 'NULL'),
       steward.create_mask('weight', 'fuzz.animal', 'weight', 'id'),
       steward.create_mask('ssn', 'fuzz.visit', 'ssn', $$'veil'$$),
       steward.create_mask('secret', 'fuzz.vault', 'secret', 'left(label, 3)', priority => 50, when_expr => 'id < 10'),
       steward.create_mask('secret2', 'fuzz.vault', 'secret', 'steward.mask_redact(secret)'),
       steward.create_mask('pin', 'fuzz.vault', 'pin', 'steward.mask_bucket(pin, 1000000000000)::bigint') \g /dev/null
SELECT steward.create_tag_mask('pii', 'pii', $$'veil@' || length(value)$$) \g /dev/null
RESET ROLE;
SECURITY LABEL FOR steward ON COLUMN fuzz.person.mail IS 'pii';
REFRESH MATERIALIZED VIEW fuzz.mv;
ANALYZE;
