-- risk: the register, by function and by table.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_risk_officer;
CREATE ROLE regress_risk_engineer;
CREATE ROLE regress_risk_auditor;
GRANT steward_officer TO regress_risk_officer;
GRANT steward_engineer TO regress_risk_engineer;
GRANT steward_auditor TO regress_risk_auditor;
SELECT steward.register_model('regress_risk_a', 'x', 'me');
SELECT steward.register_model('regress_risk_b', 'x', 'me');

SET ROLE regress_risk_officer;
SELECT steward.register_risk('regress-1', 'unfair to women', 'fairness', 'Head of Credit Risk', 4, 5, 'past decisions were', '{regress_risk_b,regress_risk_a,regress_risk_b}');
SELECT steward.register_risk('regress-2', '<script>alert(1)</script>', 'security', 'CISO', 1, 1);
SELECT steward.register_risk('regress-3', 'no models', 'other', 'CISO', 5, 1, models => '{}');
SELECT ref, title, category, owner, inherent_likelihood, inherent_impact, description, registered_by, registered_at <= clock_timestamp() AS past
    FROM steward.risk WHERE ref LIKE 'regress%' ORDER BY ref;
SELECT * FROM steward.risk_model WHERE risk LIKE 'regress%' ORDER BY risk, model;

-- refused, and nothing is half done
SELECT steward.register_risk('regress-1', 'again', 'x', 'me', 1, 1);
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', 0, 1);
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', 1, 6);
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', NULL, 1);
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', 1, NULL);
SELECT steward.register_risk(NULL, 'x', 'x', 'me', 1, 1);
SELECT steward.register_risk('regress-4', NULL, 'x', 'me', 1, 1);
SELECT steward.register_risk('regress-4', 'x', NULL, 'me', 1, 1);
SELECT steward.register_risk('regress-4', 'x', 'x', NULL, 1, 1);
SELECT steward.register_risk('', 'x', 'x', 'me', 1, 1);
SELECT steward.register_risk(repeat('r', 1000000), 'x', 'x', 'me', 1, 1);
SELECT steward.register_risk('regress-4', repeat('r', 1000000), 'x', 'me', 1, 1);
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', 1, 1, description => repeat('r', 1000000));
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', 1, 1, models => '{regress_risk_a,regress_unknown}');
SELECT steward.register_risk('regress-4', 'x', 'x', 'me', 1, 1, models => '{regress_risk_a,NULL}');
SELECT count(*) FROM steward.risk WHERE ref = 'regress-4';

-- the tables are a face too, with the same checks
INSERT INTO steward.risk (ref, title, category, owner, inherent_likelihood, inherent_impact) VALUES ('regress-5', 'by table', 'x', 'me', 2, 2) RETURNING registered_by;
INSERT INTO steward.risk_model VALUES ('regress-5', 'regress_risk_a');
DELETE FROM steward.risk_model WHERE risk = 'regress-5' RETURNING model;
UPDATE steward.risk SET inherent_impact = 3 WHERE ref = 'regress-5' RETURNING inherent_impact;
INSERT INTO steward.risk (ref, title, category, owner, inherent_likelihood, inherent_impact) VALUES ('regress-6', 'by table', 'x', 'me', 2, 9);
INSERT INTO steward.risk (ref, title, category, owner, inherent_likelihood, inherent_impact) VALUES ('regress-5', 'taken', 'x', 'me', 2, 2);
INSERT INTO steward.risk (ref, title, category, owner, inherent_likelihood, inherent_impact, registered_by) VALUES ('regress-6', 'forged', 'x', 'me', 2, 2, 'you');
INSERT INTO steward.risk_model VALUES ('regress-unknown', 'regress_risk_a');
INSERT INTO steward.risk_model VALUES ('regress-5', 'regress_unknown');
INSERT INTO steward.risk_model VALUES (NULL, 'regress_risk_a');
INSERT INTO steward.risk_model VALUES ('regress-5', NULL);
UPDATE steward.risk SET inherent_likelihood = 6 WHERE ref = 'regress-5';
UPDATE steward.risk SET title = '' WHERE ref = 'regress-5';
UPDATE steward.risk SET ref = 'regress-7' WHERE ref = 'regress-5';
DELETE FROM steward.risk WHERE ref = 'regress-5';

-- without the right
SET ROLE regress_risk_engineer;
SELECT steward.register_risk('regress-8', 'x', 'x', 'me', 1, 1);
SELECT * FROM steward.risk;
INSERT INTO steward.risk_model VALUES ('regress-5', 'regress_risk_a');
SET ROLE regress_risk_auditor;
SELECT steward.register_risk('regress-8', 'x', 'x', 'me', 1, 1);
UPDATE steward.risk SET title = 'x';
SELECT count(*) FROM steward.risk WHERE ref LIKE 'regress%';
RESET ROLE;

DROP ROLE regress_risk_officer, regress_risk_engineer, regress_risk_auditor;
