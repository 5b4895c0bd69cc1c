-- The log of the tests, in a database with pg_steward.  :module is the path of
-- the library, without ending.

SELECT steward.create_log('regress_queue', 'a log of the tests');
CREATE FUNCTION regress_put(client bigint, number bigint, word text DEFAULT 'x', bytes bigint DEFAULT 10, durable boolean DEFAULT false) RETURNS bigint
    LANGUAGE c STRICT AS :'module', 'steward_test_put';
CREATE FUNCTION regress_put_bad() RETURNS bigint
    LANGUAGE c STRICT AS :'module', 'steward_test_put_bad';
CREATE FUNCTION regress_reserve(client bigint, number bigint, bytes bigint) RETURNS bigint
    LANGUAGE c STRICT AS :'module', 'steward_test_reserve';
CREATE FUNCTION regress_wait() RETURNS void
    LANGUAGE c STRICT AS :'module', 'steward_test_wait';
