-- RETURNING OLD and NEW (18 and later) show masks as well.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT current_setting('server_version_num')::int < 180000 AS before_18 \gset
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
CREATE ROLE regress_ret_user;
CREATE TABLE regress_ret (id int PRIMARY KEY, secret text, n int);
INSERT INTO regress_ret VALUES (1, 'canary', 1001), (2, 'canary', 2002);
GRANT ALL ON regress_ret TO regress_ret_user;
RESET client_min_messages;
SELECT steward.protect('regress_ret');
SELECT steward.create_row_policy('all', 'regress_ret', 'true', commands => '{all}');
SELECT steward.create_mask('secret', 'regress_ret', 'secret', '''hidden''');
SELECT steward.create_mask('n', 'regress_ret', 'n', 'steward.mask_bucket(n, 1000)::int');
\if :before_18
\quit
\endif
SET ROLE regress_ret_user;
UPDATE regress_ret SET n = 5005 WHERE id = 1 RETURNING old.secret, old.n, new.n, n, old, new;
INSERT INTO regress_ret VALUES (3, 'mine', 3003) RETURNING old.secret, old.n, old, new.secret, new.n, new;
DELETE FROM regress_ret WHERE id = 3 RETURNING old.secret, old.n, new.secret, new;
INSERT INTO regress_ret VALUES (2, 'x', 1) ON CONFLICT (id) DO UPDATE SET n = 7007 RETURNING WITH (OLD AS o, NEW AS w) o.secret, o.n, w.n, row_to_json(o);
MERGE INTO regress_ret r USING (VALUES (1), (9)) s (id) ON r.id = s.id
    WHEN MATCHED THEN UPDATE SET n = 8008 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'new', 9009)
    RETURNING merge_action(), old.secret, old.n, new.secret, new.n;
RESET ROLE;
