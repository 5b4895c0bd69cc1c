# Governed tables go through pg_dump and pg_restore: what the guard refuses,
# a restore does not need.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('owner_roads');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_steward'\n");
$node->start;

$node->safe_psql(
	'postgres', q{
CREATE ROLE regress_owner;
CREATE ROLE regress_reader;
CREATE DATABASE source OWNER regress_owner;
CREATE DATABASE target OWNER regress_owner;
});
$node->safe_psql(
	'source', q{
CREATE EXTENSION pg_steward;
GRANT CREATE ON SCHEMA public TO regress_owner;
SET ROLE regress_owner;
CREATE TABLE event (id int, who text, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE event_3 PARTITION OF event FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
INSERT INTO event SELECT i, CASE i % 2 WHEN 0 THEN 'shown' ELSE 'hidden' END, make_date(2020 + i % 3, 1, 1)
	FROM generate_series(1, 30) i;
CREATE FUNCTION norm(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN lower($1); END';
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE INDEX ON event (norm(who)) WHERE id > 3;
CREATE TRIGGER noted BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE event ADD CHECK (norm(who) <> ''), ALTER who SET DEFAULT norm('Nobody');
CREATE STATISTICS st ON (norm(who)), id FROM event;
CREATE TABLE base (id int, who text);
CREATE TABLE child (more text) INHERITS (base);
INSERT INTO child VALUES (1, 'hidden', 'x'), (2, 'shown', 'x');
GRANT SELECT ON ALL TABLES IN SCHEMA public TO regress_reader;
RESET ROLE;
SELECT steward.protect('event');
SELECT steward.protect('base');
SELECT steward.create_row_policy('shown', 'event', $$who = 'shown'$$, roles => '{regress_owner,regress_reader}');
SELECT steward.create_row_policy('shown', 'base', $$who = 'shown'$$, roles => '{regress_owner,regress_reader}');
SELECT steward.allow_ddl('event', 'regress_owner', now() + interval '1 day', 'release');
SET ROLE regress_owner;
ALTER TABLE event DETACH PARTITION event_3;
});

my $dump = PostgreSQL::Test::Utils::tempdir . '/source.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('source') ], 'pg_dump');

my $seen = q{
SET ROLE regress_reader;
SELECT 'event', count(*), min(who), max(who) FROM event
UNION ALL SELECT 'event_1', count(*), min(who), max(who) FROM event_1
UNION ALL SELECT 'event_3', count(*), min(who), max(who) FROM event_3
UNION ALL SELECT 'child', count(*), min(who), max(who) FROM child;
};
my $governance = q{
SELECT p.relation, c.relrowsecurity, c.relforcerowsecurity, rp.name, pg_get_expr(pol.polqual, pol.polrelid)
FROM steward.protected_relation p
JOIN pg_class c ON c.oid = p.relation
LEFT JOIN steward.row_policy rp ON rp.relation = p.relation
LEFT JOIN pg_policy pol ON pol.polrelid = rp.relation AND pol.polname = rp.name
ORDER BY 1::text, 4;
SELECT relation, role, reason FROM steward.ddl_allowance ORDER BY relation::text;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
	WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1;
};
my ($source_seen, $source_governance) =
  ($node->safe_psql('source', $seen), $node->safe_psql('source', $governance));
like($source_seen, qr/^event\|10\|shown\|shown$/m, 'the reader sees what the policy shows');

$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('target'), $dump ],
	'pg_restore into a new database');
is($node->safe_psql('target', $seen), $source_seen, 'restored: the same rows are seen');
is($node->safe_psql('target', $governance), $source_governance, 'restored: the same governance');

$node->safe_psql('postgres', 'CREATE DATABASE once OWNER regress_owner');
$node->command_ok([ 'pg_restore', '--single-transaction', '-d', $node->connstr('once'), $dump ],
	'pg_restore in one transaction');
is($node->safe_psql('once', $seen), $source_seen, 'in one transaction: the same rows are seen');

# the owner's roads are closed there as well
my ($ret, $out, $err) = $node->psql('target',
	'SET ROLE regress_owner; CREATE INDEX ON base (norm(who))');
isnt($ret, 0, 'restored: an expression index is refused');
like($err, qr/may not create such an index on governed table "base"/, 'restored: with the reason');

# what would undo governance is refused whoever asks, and leaves all as it was
foreach my $sql (
	'DROP EXTENSION pg_steward CASCADE',
	'DROP POLICY shown ON base',
	'ALTER TABLE base DISABLE ROW LEVEL SECURITY',
	'ALTER TABLE base DROP COLUMN who CASCADE')
{
	($ret, $out, $err) = $node->psql('target', $sql);
	isnt($ret, 0, "refused: $sql");
}
is($node->safe_psql('target', $governance), $source_governance, 'and nothing has changed');

# a temporary child that the end of a session drops leaves nothing behind
$node->safe_psql(
	'target', q{
CREATE TEMP TABLE short () INHERITS (base);
CREATE TEMP TABLE shorter () INHERITS (base) ON COMMIT DROP;
ALTER TABLE short NO INHERIT base;
SELECT count(*) FROM steward.protected_relation WHERE relation = 'short'::regclass;
});
$node->poll_query_until('target',
	q{SELECT NOT EXISTS (SELECT FROM steward.protected_relation p
		WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation))})
  or die 'rows of a dropped temporary table stay';
is($node->safe_psql('target', $governance), $source_governance, 'a temporary child leaves nothing behind');

# when all tables are gone, so may the extension
$node->safe_psql(
	'target', q{
DROP TABLE event, event_3, base, child;
DROP EXTENSION pg_steward;
});
pass('without governed tables the extension can be dropped');

$node->stop;
done_testing();
