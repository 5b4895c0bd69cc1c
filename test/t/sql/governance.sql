-- Governed data, and every kind of governance data beside it: what a dump, an
-- upgrade or a new version must keep.  questions.sql asks about it.
--
-- Copyright (c) 2026, the pg_steward authors

\set ON_ERROR_STOP on
SET client_min_messages = warning;

-- Roles are cluster-wide: another database may have made them.
SELECT pg_catalog.format('CREATE ROLE %I LOGIN', r)
  FROM pg_catalog.unnest(ARRAY['regress_analyst', 'regress_auditor', 'regress_owner', 'regress_maker', 'regress Odd "Role"']) r
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r)
\gexec

CREATE SCHEMA regress_store AUTHORIZATION regress_owner;
GRANT USAGE ON SCHEMA regress_store TO PUBLIC;
SET ROLE regress_owner;
CREATE TABLE regress_store.credit (id integer PRIMARY KEY, region text, amount integer);
INSERT INTO regress_store.credit
    SELECT i, (ARRAY['north', 'south', 'east'])[1 + i % 3], i * 100 FROM pg_catalog.generate_series(1, 30) i;
CREATE TABLE regress_store.event (id integer, day date, entity text) PARTITION BY RANGE (day);
CREATE TABLE regress_store.event_2025 PARTITION OF regress_store.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE regress_store.event_2026 PARTITION OF regress_store.event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO regress_store.event SELECT i, date '2025-01-01' + i * 30, 'p' || i FROM pg_catalog.generate_series(1, 20) i;
CREATE TABLE regress_store.consent (entity text PRIMARY KEY);
INSERT INTO regress_store.consent VALUES ('p1'), ('p2'), ('p15');
CREATE TABLE regress_store.payment (gone integer, credit integer REFERENCES regress_store.credit, paid integer);
-- A restore numbers the columns anew.
ALTER TABLE regress_store.payment DROP COLUMN gone;
INSERT INTO regress_store.payment SELECT i, i FROM pg_catalog.generate_series(1, 30) i;
GRANT SELECT ON ALL TABLES IN SCHEMA regress_store TO regress_analyst, regress_auditor, regress_maker, "regress Odd ""Role""";
GRANT CREATE ON SCHEMA regress_store TO regress_maker;
RESET ROLE;
-- Its data are restored after those of the extension: dumps go by name.
CREATE SCHEMA zone_regress;
GRANT USAGE ON SCHEMA zone_regress TO PUBLIC;
CREATE TABLE zone_regress.late (id integer PRIMARY KEY, credit integer REFERENCES regress_store.credit);
INSERT INTO zone_regress.late SELECT i, i FROM pg_catalog.generate_series(1, 30) i;
ALTER TABLE zone_regress.late OWNER TO regress_owner;
GRANT SELECT ON zone_regress.late TO regress_analyst;

-- access
SELECT steward.create_purpose('regress-scoring', 'a purpose', 'GDPR 6(1)(b)');
SELECT steward.create_purpose('regress-audit', NULL, NULL);
SELECT steward.grant_purpose('regress-scoring', 'regress_analyst');
SELECT steward.grant_purpose('regress-audit', 'regress_auditor', valid_until => '2999-01-01');
SELECT steward.grant_purpose('regress-audit', 'regress Odd "Role"', valid_from => '2998-01-01');
SELECT steward.set_attribute('regress_analyst', 'limit', ARRAY['1500']);
SELECT steward.set_attribute('regress Odd "Role"', 'regions', ARRAY['north', 'east']);
SELECT steward.protect('regress_store.credit');
SELECT steward.protect('regress_store.event', entity_column => 'entity');
SELECT steward.create_row_policy('scoring', 'regress_store.credit', 'amount <= steward.attr(''limit'', 0)',
    roles => '{regress_analyst}', purposes => '{regress-scoring}');
SELECT steward.create_row_policy('audit', 'regress_store.credit', 'true',
    roles => '{regress_auditor}', purposes => '{regress-audit}', valid_until => '2999-01-01');
SELECT steward.create_row_policy('odd', 'regress_store.credit', 'region = ANY (steward.attr(''regions''))',
    roles => ARRAY['regress Odd "Role"'], commands => '{select,insert}', check_expr => 'amount < 1000');
SELECT steward.create_row_policy('not the south', 'regress_store.credit', 'region = ''south''',
    roles => '{public}', commands => '{all}', effect => 'deny');
SELECT steward.create_row_policy('consented', 'regress_store.event',
    'EXISTS (SELECT FROM regress_store.consent c WHERE c.entity = event.entity)', roles => '{public}');
SELECT steward.protect('regress_store.payment');
SELECT steward.create_row_policy('paid', 'regress_store.payment',
    'EXISTS (SELECT FROM regress_store.credit c WHERE c.id = payment.credit AND c.region = ''north'')', roles => '{regress_analyst}');
SELECT steward.protect('zone_regress.late');
SELECT steward.create_row_policy('late', 'zone_regress.late', 'id <= 5', roles => '{regress_analyst}');
-- from version 0.2 on
SELECT statement FROM unnest(ARRAY[
    $$SELECT steward.create_issuer('regress issuer', 'https://regress.example', 'store', attribute_claims => '{region}', leeway => '5 s',
    jwks => '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}')$$,
    $$SELECT steward.require_token('regress_auditor')$$,
    $$SELECT steward.require_token('regress_auditor', false)$$,
    $$SELECT steward.require_token('regress Odd "Role"')$$]) AS statement
 WHERE pg_catalog.to_regclass('steward.issuer') IS NOT NULL
\gexec
SELECT steward.allow_ddl('regress_store.event', 'regress_owner', '2999-01-01', 'a migration');
-- From 0.2 on: masks, by column and by tag.
SELECT pg_catalog.to_regprocedure('steward.drop_tag_mask(text)') IS NOT NULL AS masks
\gset
SELECT statement FROM unnest(ARRAY[
    $$SELECT steward.grant_break_glass('regress_auditor', '2 hours')$$,
    $$SELECT steward.grant_break_glass('regress Odd "Role"')$$]) AS statement
 WHERE pg_catalog.to_regclass('steward.break_glass_grant') IS NOT NULL
\gexec
\if :masks
SELECT pg_catalog.count(*) FROM steward.apply_policies('{"version": 1, "tests": [
    {"name": "limit", "role": "regress_analyst", "purpose": "regress-scoring", "query": "SELECT FROM regress_store.credit", "rows": 10},
    {"name": "rounded", "role": "regress_analyst", "relation": "regress_store.payment", "column_name": "paid", "masked": true}]}', test => false);
SELECT steward.create_mask('rounded', 'regress_store.payment', 'paid', 'round(paid, -1)', unless_roles => '{regress_auditor}');
SECURITY LABEL FOR steward ON COLUMN regress_store.event.entity IS 'pii';
SELECT steward.create_tag_mask('pii', 'pii', 'steward.mask_redact(value)');
SELECT steward.create_tag_mask('hash', 'pseudonym', 'steward.mask_hash(value)');
SELECT statement FROM unnest(ARRAY[
    $$SET steward.require_second_person = on$$, $$SET client_min_messages = error$$,
    $$SELECT steward.set_attribute('regress_auditor', 'region', '{north}')$$,
    $$SELECT steward.drop_mask('rounded', 'regress_store.payment')$$,
    $$SELECT steward.withdraw_change(change_sha256, 'not needed') FROM steward.pending_change WHERE function = 'set_attribute'$$,
    $$RESET client_min_messages$$, $$RESET steward.require_second_person$$]) AS statement
 WHERE pg_catalog.to_regclass('steward.change_request') IS NOT NULL
\gexec
\endif

-- A materialized view holds what its owner may see.
SELECT steward.create_row_policy('small', 'regress_store.credit', 'amount <= 500', roles => '{regress_maker}');
SET ROLE regress_maker;
CREATE MATERIALIZED VIEW regress_store.total AS SELECT pg_catalog.count(*) FROM regress_store.credit;
RESET ROLE;

-- registry, lineage, risk, audit
SELECT steward.register_system('regress_credit', 'scores credits', 'high');
SELECT steward.register_model('regress_model', 'scores credits', 'me', system => 'regress_credit');
SELECT steward.register_version('regress_model', '1', parameters => '{"bias": -0.5}');
SELECT steward.record_lineage('regress_store.credit.amount', 'model:regress_model');
SELECT steward.register_risk('regress-1', 'unfair', 'fairness', 'me', 3, 4, models => '{regress_model}');
SELECT steward.log_inference('regress_model', '1', '{"amount": 100}', '{"score": 0.5}',
    request_id => '00000000-0000-0000-0000-000000000001') IS NOT NULL AS logged;

-- From 0.4 on: stages, gates, grants, data sets, evaluations, runs.
SELECT pg_catalog.to_regclass('steward.model_stage_event') IS NOT NULL AS stages
\gset
\if :stages
SELECT steward.describe_system('regress_credit', 'deployer', '{https://score.example}');
SELECT steward.register_data_set('regress loans', 'regress_store.credit', 'CC-BY-4.0', owner => 'me');
SELECT steward.register_snapshot('regress loans', '2026-11', 30);
SELECT steward.use_data_set('regress_model', '1', 'regress loans', '2026-11');
SELECT steward.use_feature('regress_model', '1', 'regress_store.credit.amount');
SELECT steward.record_evaluation('regress_model', '1', 'holdout', '{"accuracy": 0.9}') IS NOT NULL AS recorded;
SELECT steward.create_gate('regress accuracy', 'candidate',
    'SELECT * FROM steward.gate_evaluation($1, $2, ''holdout'', ''accuracy'', ''>='', 0.8)');
SELECT steward.create_gate('regress never', 'approved', 'SELECT false');
SELECT steward.promote('regress_model', '1', 'candidate');
SELECT steward.register_version('regress_model', '2');
SELECT steward.quarantine('regress_model', '2', 'leaks');
SELECT steward.grant_model('regress_model', 'regress_maker', '{regress-scoring}', '{infer,read}');
SELECT steward.begin_run('regress_model', '1', code_revision => 'abc') IS NOT NULL AS begun;
SELECT steward.end_run('completed', '{"auc": 0.7}');
\endif
