# Base plus all deltas equals a fresh install, and the library of today runs
# the SQL of the version before.
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

my $node = steward_server('versions');
my $current = $node->safe_psql('postgres', q(SELECT default_version FROM pg_available_extensions WHERE name = 'pg_steward'));

$node->safe_psql('postgres', 'CREATE DATABASE regress_fresh');
$node->safe_psql('regress_fresh', 'CREATE EXTENSION pg_steward');
my $fresh = catalog_of($node, 'regress_fresh');
isnt($fresh, '', "version $current has objects");

# Installing twice is the same twice: the comparison sees no accident.
$node->safe_psql('postgres', 'CREATE DATABASE regress_again');
$node->safe_psql('regress_again', 'CREATE EXTENSION pg_steward');
same_lines(catalog_of($node, 'regress_again'), $fresh, 'a second fresh install is equal');

# ... and an object that differs is seen.
$node->safe_psql('regress_again', 'GRANT UPDATE ON steward.purpose TO PUBLIC');
isnt(catalog_of($node, 'regress_again'), $fresh, 'a right too many is seen');

# Every version that can be installed and updated.
my @before = split /\n/,
	$node->safe_psql('postgres',
		qq(SELECT version FROM pg_available_extension_versions v WHERE name = 'pg_steward' AND version <> '$current'
		   AND EXISTS (SELECT FROM pg_extension_update_paths('pg_steward') WHERE source = version AND target = '$current' AND path IS NOT NULL)
		   ORDER BY string_to_array(version, '.')::int[]));
foreach my $version (@before)
{
	(my $db = "regress_$version") =~ tr/./_/;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, "CREATE EXTENSION pg_steward VERSION '$version'");
	load_governance($node, $db);
	my $answers = answers($node, $db);
	like($answers, qr/analyst, scoring\n10\|8500\n/, "the library of today runs the SQL of $version");
	$node->safe_psql($db, 'ALTER EXTENSION pg_steward UPDATE');
	same_lines(catalog_of($node, $db), $fresh, "$version plus deltas equals $current");
	same_lines(answers($node, $db), $answers, "$version updated keeps its data");
}

done_testing();
