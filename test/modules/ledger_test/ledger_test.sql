-- The logs of the tests, in a database with pg_steward.  :module is the path
-- of the library, without ending.

SELECT steward.create_log('regress_log', 'a field of every type');
SELECT steward.create_log('regress_access', 'like access_event');
CREATE FUNCTION regress_append(log text, n integer) RETURNS bigint
    LANGUAGE c STRICT AS :'module', 'ledger_test_append';
CREATE FUNCTION regress_partitions(log text, ahead bigint) RETURNS integer
    LANGUAGE c STRICT AS :'module', 'ledger_test_partitions';
