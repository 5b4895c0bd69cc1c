# The roles of the extension, and roles of their names that were there before.
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

my $node = steward_server('roles');
my $hint = qr/HINT:  Rename or drop the role, or set steward.adopt_roles = on/;

foreach my $case (
	[ 'can log in', 'CREATE ROLE steward_reader LOGIN' ],
	[ 'has an attribute', 'CREATE ROLE steward_reader BYPASSRLS' ],
	[ 'is a superuser', 'CREATE ROLE steward_reader SUPERUSER' ],
	[ 'has a member', 'CREATE ROLE steward_reader; CREATE ROLE regress_member; GRANT steward_reader TO regress_member' ])
{
	my ($what, $make) = @$case;

	$node->safe_psql('postgres', $make);
	fails_like($node, 'postgres', 'CREATE EXTENSION pg_steward',
		[ qr/ERROR:  role "steward_reader" exists already/, $hint ],
		"a role of our name that $what");
	is( $node->safe_psql('postgres', q(SELECT count(*) FROM pg_roles WHERE rolname ~ '^steward_')),
		'1', "a role that $what: nothing is half done");
	$node->safe_psql('postgres', 'DROP ROLE steward_reader; DROP ROLE IF EXISTS regress_member');
}

# A bare role of our name is as good as ours.
$node->safe_psql('postgres', 'CREATE ROLE steward_reader; CREATE EXTENSION pg_steward');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_roles WHERE rolname ~ '^steward_' AND NOT rolcanlogin)),
	'7', 'a bare role of our name is taken');

# Ours, with members, in a second database.
$node->safe_psql('postgres', q(
	CREATE ROLE regress_admin LOGIN;
	GRANT steward_admin, steward_auditor TO regress_admin;
	CREATE DATABASE regress_second));
$node->safe_psql('regress_second', 'CREATE EXTENSION pg_steward');
is($node->safe_psql('regress_second', q(SET ROLE regress_admin; SELECT steward.require_role('steward_admin'))),
	'', 'an administrator of one database is one in the next');

# The library gone and the roles left: CREATE EXTENSION finds its own.
$node->safe_psql('regress_second', 'DROP EXTENSION pg_steward');
$node->safe_psql('regress_second', 'CREATE EXTENSION pg_steward');
ok(1, 'dropped and created again while its roles have members');

# The globals of a cluster, restored into another before CREATE EXTENSION.
my $globals = $node->basedir . '/globals.sql';
$node->command_ok([ 'pg_dumpall', '--globals-only', '-f', $globals, '-d', $node->connstr('postgres') ], 'pg_dumpall --globals-only');
my $other = steward_server('restored');
$other->command_ok([ 'psql', '-Xq', '-d', $other->connstr('postgres'), '-f', $globals ], 'restoring the globals');
is( $other->safe_psql('postgres', q(SELECT count(*) FROM pg_shseclabel WHERE provider = 'steward' AND label = 'role of pg_steward')),
	'7', 'the labels of the roles travel');
$other->safe_psql('postgres', 'CREATE EXTENSION pg_steward');
is($other->safe_psql('postgres', q(SELECT pg_has_role('regress_admin', 'steward_admin', 'member'))),
	't', 'CREATE EXTENSION takes its restored roles with their members');

# Adoption, when asked for.
my $adopting = steward_server('adopting');
$adopting->safe_psql('postgres', q(
	CREATE ROLE steward_officer LOGIN; CREATE ROLE regress_boss; GRANT steward_officer TO regress_boss));
my ($status, undef, $err) = $adopting->psql('postgres', 'SET steward.adopt_roles = on; CREATE EXTENSION pg_steward');
is($status, 0, 'steward.adopt_roles takes the role over');
like($err, qr/WARNING:  pg_steward takes over role "steward_officer"/, '... and says so');
is($adopting->safe_psql('postgres', q(SELECT rolcanlogin, pg_has_role('regress_boss', 'steward_officer', 'member') FROM pg_roles WHERE rolname = 'steward_officer')),
	't|t', '... as it is');

# Nobody but a superuser makes a role ours.
fails_like($adopting, 'postgres', q(CREATE ROLE regress_creator CREATEROLE; SET ROLE regress_creator;
	CREATE ROLE regress_own; SECURITY LABEL FOR steward ON ROLE regress_own IS 'role of pg_steward'),
	[qr/ERROR/], 'a role creator labels a role as ours');

done_testing();
