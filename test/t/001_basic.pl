# Preloading, and several databases of one cluster.
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

# Not preloaded.
my $node = steward_server('bare', preload => '');
fails_like($node, 'postgres', 'CREATE EXTENSION pg_steward',
	[ qr/ERROR:  pg_steward must be loaded via "shared_preload_libraries"/,
	  qr/HINT:  Add pg_steward to "shared_preload_libraries" in postgresql.conf and restart the server/ ],
	'CREATE EXTENSION without the library');
is( $node->safe_psql('postgres', q(SELECT count(*) FROM pg_roles WHERE rolname ~ '^steward_')),
	'0', 'the refused CREATE EXTENSION left no roles');
fails_like($node, 'postgres', q(LOAD 'pg_steward'; CREATE EXTENSION pg_steward),
	[qr/must be loaded via "shared_preload_libraries"/], 'CREATE EXTENSION after LOAD');

# Preloaded, in several databases at once.
$node->append_conf('postgresql.conf', q(shared_preload_libraries = 'pg_steward'));
$node->restart;
foreach my $db (qw(regress_one regress_two regress_none))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
}
load_governance($node, 'regress_one');
load_governance($node, 'regress_two');

my $strip = sub { (my $s = shift) =~ s/\d{4}-\d\d-\d\dT[\d:.+]+//g; $s =~ s/"(?:logged_at|change_sha256|wrapped)"[^,}]*//g; return $s; };
same_lines($strip->(answers($node, 'regress_two')), $strip->(answers($node, 'regress_one')),
	'two databases govern the same data alike');

# What is done in one database concerns that one alone.
$node->safe_psql('regress_one', q(SELECT steward.drop_row_policy('not the south', 'regress_store.credit')));
my $count = q(SET ROLE regress_analyst; SET steward.purpose = 'regress-scoring'; SELECT count(*) FROM regress_store.credit);
is($node->safe_psql('regress_one', $count), '15', 'a policy dropped in one database');
is($node->safe_psql('regress_two', $count), '10', '... holds in the other');

# A database without the extension knows nothing of it.
is($node->safe_psql('regress_none', 'CREATE TABLE t (a int); INSERT INTO t VALUES (1); SELECT * FROM t'),
	'1', 'a database without the extension works');
$node->safe_psql('regress_none', 'CREATE EXTENSION pg_steward');
is($node->safe_psql('regress_none', 'SELECT * FROM t'), '1', '... and with it, ungoverned');

# A server started without the library shows nothing of governed tables.
$node->append_conf('postgresql.conf', q(shared_preload_libraries = ''));
$node->restart;
foreach my $role (qw(regress_analyst regress_owner))
{
	is($node->safe_psql('regress_two', "SET ROLE $role; SELECT count(*) FROM regress_store.credit"),
		'0', "without the library, $role sees nothing");
}
$node->stop;

done_testing();
