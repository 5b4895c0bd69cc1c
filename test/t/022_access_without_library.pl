# A server started without the library shows nothing of governed tables to
# roles that do not bypass row security, by whatever road; started with it
# again, everything is as it was.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Steward;
use Test::More;

my $node = steward_server('without');

$node->safe_psql('postgres', q(
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_owner;
	CREATE ROLE regress_user;
	CREATE SCHEMA regress_s AUTHORIZATION regress_owner;
	SET ROLE regress_owner;
	GRANT USAGE ON SCHEMA regress_s TO regress_user;
	CREATE TABLE regress_s.plain (id integer PRIMARY KEY, secret text);
	CREATE TABLE regress_s.parted (id integer, secret text) PARTITION BY RANGE (id);
	CREATE TABLE regress_s.part_1 PARTITION OF regress_s.parted FOR VALUES FROM (0) TO (2);
	CREATE TABLE regress_s.part_2 PARTITION OF regress_s.parted FOR VALUES FROM (2) TO (9) PARTITION BY LIST (id);
	CREATE TABLE regress_s.part_2_2 PARTITION OF regress_s.part_2 FOR VALUES IN (2, 3);
	CREATE TABLE regress_s.parent (id integer, secret text);
	CREATE TABLE regress_s.child (more integer) INHERITS (regress_s.parent);
	CREATE TABLE regress_s.referrer (id integer REFERENCES regress_s.plain);
	CREATE TABLE regress_s.free (id integer, secret text);
	CREATE VIEW regress_s.v AS SELECT * FROM regress_s.plain;
	CREATE FUNCTION regress_s.f() RETURNS SETOF integer LANGUAGE sql SECURITY DEFINER AS 'SELECT id FROM regress_s.plain';
	CREATE FUNCTION regress_s.g() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT pg_catalog.count(*) FROM regress_s.plain); END';
	INSERT INTO regress_s.plain VALUES (1, 'a'), (2, 'b');
	INSERT INTO regress_s.parted VALUES (1, 'a'), (2, 'b');
	INSERT INTO regress_s.parent VALUES (1, 'a');
	INSERT INTO regress_s.child VALUES (2, 'b', 0);
	INSERT INTO regress_s.free VALUES (1, 'a');
	GRANT ALL ON ALL TABLES IN SCHEMA regress_s TO regress_user;
	CREATE POLICY regress_open ON regress_s.plain USING (true);
	CREATE POLICY regress_open ON regress_s.part_2_2 USING (true);
	RESET ROLE;
	SELECT steward.protect(r) FROM pg_catalog.unnest('{regress_s.plain,regress_s.parted,regress_s.parent}'::regclass[]) AS r;
	SELECT steward.create_row_policy('all', r, 'id > 0', commands => '{all}') FROM pg_catalog.unnest('{regress_s.plain,regress_s.parted,regress_s.parent}'::regclass[]) AS r;
	CREATE POLICY regress_open ON regress_s.parent USING (true);
	CREATE TABLE regress_s.part_3 PARTITION OF regress_s.parted FOR VALUES FROM (20) TO (30);
	CREATE TABLE regress_s.later (id integer, secret text);
	INSERT INTO regress_s.later VALUES (40, 'c');
	ALTER TABLE regress_s.parted ATTACH PARTITION regress_s.later FOR VALUES FROM (40) TO (50);
	CREATE TABLE regress_s.child_2 () INHERITS (regress_s.parent);
	INSERT INTO regress_s.part_3 VALUES (20, 'c');
	INSERT INTO regress_s.child_2 VALUES (3, 'c');
	GRANT ALL ON ALL TABLES IN SCHEMA regress_s TO regress_user, regress_owner;
	SELECT steward.trust('regress_s.v', 'tested');
	SELECT steward.trust('regress_s.f()', 'tested');
	ALTER TABLE regress_s.parted DETACH PARTITION regress_s.part_1));

my @tables = qw(plain parted part_1 part_2 part_2_2 part_3 later parent child child_2);
my @roads = (map({ "SELECT id FROM regress_s.$_" } @tables),
	'SELECT id FROM ONLY regress_s.parent', 'SELECT id FROM regress_s.v', 'SELECT * FROM regress_s.f()',
	'COPY regress_s.plain TO STDOUT', 'COPY (SELECT * FROM regress_s.later) TO STDOUT',
	'SELECT id FROM regress_s.plain WHERE id = 1', 'SELECT id FROM regress_s.plain FOR UPDATE',
	'UPDATE regress_s.plain SET secret = secret RETURNING id', 'DELETE FROM regress_s.child RETURNING id',
	'SELECT pg_catalog.min(id) FROM regress_s.later HAVING count(*) > 0');

# With the library, the policies let everybody in.
my $rows = sub { my ($role, $sql) = @_; $node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE $role; $sql; ROLLBACK") };
isnt($rows->('regress_user', $_), '', "with the library: $_") foreach @roads;

# Without.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', q(''));
$node->restart;
foreach my $role (qw(regress_owner regress_user))
{
	is($rows->($role, $_), '', "without the library, $role: $_") foreach @roads;
	is($rows->($role, 'SELECT regress_s.g()'), '0', "without the library, $role: a definer function of the owner");
	is($rows->($role, 'SELECT id FROM regress_s.free'), '1', "without the library, $role: what is not governed");
	my ($status, undef, $err) = $node->psql('postgres', "SET ROLE $role; INSERT INTO regress_s.plain VALUES (9)");
	like($err, qr/new row violates row-level security policy (?:"steward.net" )?for table "plain"/, "without the library, $role inserts nothing");
	($status, undef, $err) = $node->psql('postgres', "SET ROLE $role; SET row_security = off; SELECT * FROM regress_s.plain");
	like($err, qr/would be affected by row-level security policy/, "without the library, $role cannot switch row security off");
	($status, undef, $err) = $node->psql('postgres', "SET ROLE $role; LOAD 'pg_steward'; SELECT count(*) FROM regress_s.plain");
	unlike($err, qr/FATAL|terminated/, "without the library, $role loads it");
	is($rows->($role, q(SELECT steward.subject() WHERE EXISTS (SELECT FROM regress_s.plain))), '', "without the library, $role calls its functions");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM regress_s.plain'), '2', 'without the library, a superuser sees all');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM steward.row_policy) > 0'), 't', '... and the tables of governance');

like($node->safe_psql('postgres', 'SELECT finding FROM steward.doctor()'), qr/^the server was started without the library[^\n]*$/, '... and doctor() says what is wrong');

# Functions of the extension, called without it, crash nothing.
foreach my $call (
	q(steward.subject()), q(steward.current_purpose()), q(steward.attr('k')), q(steward.attr('k', 1)),
	q(steward.create_purpose('regress-p')), q(steward.grant_purpose('regress-p', 'public')),
	q(steward.create_row_policy('p', 'regress_s.plain', 'id = 1')), q(steward.drop_row_policy('p', 'regress_s.plain')),
	q(steward.protect('regress_s.free')), q(steward.unprotect('regress_s.free', 'tested')),
	q(steward.trust('regress_s.g()', 'tested')), q(steward.distrust('regress_s.g()')),
	q(steward.explain_access('regress_s.plain')), q(steward.doctor()),
	q(steward.set_attribute('regress_user', 'k', '{1}')), q(steward.policy_gate(NULL, NULL, NULL, 10::oid)), q(steward.refuse_row(0, 1)))
{
	my ($status, undef, $err) = $node->psql('postgres', "BEGIN; SELECT $call; ROLLBACK");
	unlike($err, qr/terminated|server closed|FATAL/, "without the library: $call");
	note("$call: $err") if $err ne '';
}
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is alive');

# With it again.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', q('pg_steward'));
$node->restart;
isnt($rows->('regress_user', $_), '', "with the library again: $_") foreach @roads;

$node->stop;
done_testing();
