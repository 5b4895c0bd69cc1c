-- registry: systems, models and versions, by function and by table.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_steward;
RESET client_min_messages;
CREATE ROLE regress_reg_engineer;
CREATE ROLE regress_reg_officer;
CREATE ROLE "regress Reg ""Nobody""";
GRANT steward_engineer TO regress_reg_engineer;
GRANT steward_officer TO regress_reg_officer;

SET ROLE regress_reg_officer;
SELECT steward.register_system('regress_reg lending', 'consumer credit', 'high', 'Head of Lending');
SET ROLE regress_reg_engineer;
SELECT steward.register_system('regress_reg support', purpose_of_use => 'answers customers');
SELECT steward.register_model('regress_reg_credit', 'scores applications', risk_tier => 'high', system => 'regress_reg lending', limitations => 'not for companies');
SELECT steward.register_model('regress_reg/llm', 'writes letters', 'The Letters Team');
SELECT steward.register_version('regress_reg_credit', '1.0', 's3://models/credit-1.0', sha256('x'), '{"intercept": -1.5}');
SELECT steward.register_version('regress_reg/llm', '2026-11');
SELECT name, purpose_of_use, risk_tier, owner, registered_by, registered_at <= clock_timestamp() AS past
    FROM steward.ai_system WHERE name LIKE 'regress\_reg%' ORDER BY name COLLATE "C";
SELECT name, intended_use, owner, risk_tier, system, limitations, registered_by FROM steward.model WHERE name LIKE 'regress\_reg%' ORDER BY name COLLATE "C";
SELECT model, version, artifact_uri, length(artifact_sha256) AS bytes, parameters, registered_by FROM steward.model_version WHERE model LIKE 'regress\_reg%' ORDER BY model COLLATE "C";

-- taken, unknown, missing
SELECT steward.register_system('regress_reg lending', 'again');
SELECT steward.register_model('regress_reg_credit', 'again');
SELECT steward.register_version('regress_reg_credit', '1.0', 's3://elsewhere');
SELECT steward.register_model('regress_m2', 'x', system => 'regress unknown');
SELECT steward.register_version('regress_unknown', '1');
SELECT steward.register_system(NULL, 'x');
SELECT steward.register_system('regress s2', NULL);
SELECT steward.register_model(NULL, 'x');
SELECT steward.register_model('regress_m2', NULL);
SELECT steward.register_model('regress_m2', 'x', owner => NULL);
SELECT steward.register_version(NULL, '1');
SELECT steward.register_version('regress_reg_credit', NULL);

-- values out of bounds
SELECT steward.register_model('', 'x');
SELECT steward.register_model(' regress_m2', 'x');
SELECT steward.register_model(E'regress\nm2', 'x');
SELECT steward.register_model('regress_m2', '   ');
SELECT steward.register_model(repeat('m', 1000000), 'x');
SELECT steward.register_model('regress_m2', repeat('x', 1000000));
SELECT steward.register_model('regress_m2', 'x', limitations => repeat('x', 1000000));
SELECT steward.register_model('regress_m2', 'x', system => repeat('x', 1000000));
SELECT steward.register_version('regress_reg_credit', repeat('1', 1000000));
SELECT steward.register_version(repeat('m', 1000000), '1');
SELECT steward.register_version('regress_reg_credit', '1/2');
SELECT steward.register_version('regress_reg_credit', '2', artifact_sha256 => 'abc');
SELECT steward.register_version('regress_reg_credit', '2', parameters => '[1]');
SELECT steward.register_version('regress_reg_credit', '2', artifact_uri => '');
SELECT count(*) FROM steward.model_version WHERE model = 'regress_reg_credit';

-- the tables are a face too, with the same checks
INSERT INTO steward.model (name, intended_use, owner) VALUES ('regress_reg_direct', 'by table', 'me') RETURNING registered_by;
INSERT INTO steward.model_version (model, version) VALUES ('regress_reg_direct', '1') RETURNING registered_by;
UPDATE steward.model SET limitations = 'none known', system = 'regress_reg support' WHERE name = 'regress_reg_direct' RETURNING name, system;
COPY steward.model (name, intended_use, owner) FROM STDIN;
regress_reg_copied	by COPY	me
\.
COPY steward.model (name, intended_use, owner) FROM STDIN;
regress_reg_copied2	by COPY	
\.
SELECT name, registered_by FROM steward.model WHERE name ~ 'regress_reg_copied';
INSERT INTO steward.model (name, intended_use, owner) VALUES ('regress_reg_direct ', 'by table', 'me');
INSERT INTO steward.model (name, intended_use, owner) VALUES ('regress_reg_direct', 'by table', 'me');
INSERT INTO steward.model (name, intended_use, owner, registered_by) VALUES ('regress_forged', 'x', 'me', 'somebody else');
UPDATE steward.model SET intended_use = repeat('x', 1000000) WHERE name = 'regress_reg_direct';
UPDATE steward.model SET system = 'regress unknown' WHERE name = 'regress_reg_direct';
UPDATE steward.model SET name = 'regress_renamed' WHERE name = 'regress_reg_direct';
UPDATE steward.model SET registered_at = now() WHERE name = 'regress_reg_direct';
DELETE FROM steward.model WHERE name = 'regress_reg_direct';
INSERT INTO steward.model_version (model, version) VALUES ('regress_unknown', '1');
UPDATE steward.model_version SET parameters = '{}' WHERE model = 'regress_reg_direct';

-- without the right
SET ROLE regress_reg_officer;
SELECT steward.register_model('regress_m2', 'x');
SELECT steward.register_version('regress_reg_credit', '2');
UPDATE steward.ai_system SET risk_tier = 'limited' WHERE name = 'regress_reg support' RETURNING risk_tier;
UPDATE steward.model SET owner = 'me' WHERE name = 'regress_reg_direct';
SET ROLE "regress Reg ""Nobody""";
SELECT steward.register_system('regress s2', 'x');
SELECT * FROM steward.model;
RESET ROLE;

-- a definer function of an engineer lends nobody his rights
CREATE FUNCTION regress_lend() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$SELECT steward.register_model('regress_lent', 'x')$$;
ALTER FUNCTION regress_lend() OWNER TO regress_reg_engineer;
SET ROLE regress_reg_officer;
SELECT regress_lend();
RESET ROLE;
DROP FUNCTION regress_lend();

-- versions never change, for a superuser neither
UPDATE steward.model_version SET parameters = '{}' WHERE model = 'regress_reg_credit';
DELETE FROM steward.model_version WHERE model = 'regress_reg_credit';
SET client_min_messages = warning;
TRUNCATE steward.model_version CASCADE;
RESET client_min_messages;
INSERT INTO steward.model_version (model, version) VALUES ('regress_reg_credit', '1.0')
    ON CONFLICT (model, version) DO UPDATE SET artifact_uri = 'moved';
MERGE INTO steward.model_version v USING (VALUES ('regress_reg_credit')) AS s (m) ON v.model = s.m WHEN MATCHED THEN DELETE;
SET session_replication_role = replica;
UPDATE steward.model_version SET parameters = '{}' WHERE model = 'regress_reg_credit';
INSERT INTO steward.model (name, intended_use, owner) VALUES ('', 'x', 'x');
RESET session_replication_role;
UPDATE steward.model SET name = 'regress_renamed' WHERE name = 'regress_reg_credit';
DELETE FROM steward.model WHERE name = 'regress_reg_credit';
SELECT parameters FROM steward.model_version WHERE model = 'regress_reg_credit';

DROP ROLE regress_reg_engineer, regress_reg_officer, "regress Reg ""Nobody""";
