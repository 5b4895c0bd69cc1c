# A dump that drops what is there first (--clean), over the database it came
# from: native policies of ours go with their tables, and all is as it was.
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

my $node = steward_server('clean');
my $dir = $node->basedir;

$node->safe_psql('postgres', 'CREATE DATABASE regress_source');
load_governance($node, 'regress_source');
my $before = answers($node, 'regress_source');
my $history = history_of($node, 'regress_source');

my @dump = ('pg_dump', '--clean', '--if-exists', '--enable-row-security');
$node->command_ok([ @dump, '-f', "$dir/plain.sql", '-d', $node->connstr('regress_source') ], 'pg_dump --clean');
$node->command_ok([ 'pg_dump', '--enable-row-security', '-Fc', '-f', "$dir/custom", '-d', $node->connstr('regress_source') ], 'pg_dump -Fc');

# Stopped at the first error, in one transaction: nothing has changed.
my (undef, $err) = ('', '');
ok(!$node->run_log([ 'psql', '-Xq', '-1', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('regress_source'), '-f', "$dir/plain.sql" ], '>' => \my $none, '2>' => \$err),
	'in one transaction it is refused');
like($err, qr/belongs to pg_steward/, '... because of the policies that carry ours');
same_lines(answers($node, 'regress_source'), $before, '... and nothing has changed');

# Told to go on, both programs arrive, where a superuser takes it upon himself to
# drop logs whose records must be kept: those of the dump come in their place.
fails_like($node, 'regress_source', 'DROP TABLE steward.inference_log_p0', [ qr/records must be kept/, qr/HINT/ ], 'the logs that are there');
local $ENV{PGOPTIONS} = '-c steward.minimum_retention=0';
$node->run_log([ 'psql', '-Xq', '-d', $node->connstr('regress_source'), '-f', "$dir/plain.sql" ], '>' => \$none, '2>' => \$err);
is(join("\n", grep { /ERROR/ && !/belongs to pg_steward/ } split /\n/, $err), '', 'psql: no other errors');
same_lines(answers($node, 'regress_source'), $before, 'psql: all data is there and enforced');
same_lines(history_of($node, 'regress_source'), $history, '... with its history');

$node->run_log([ 'pg_restore', '--clean', '--if-exists', '--enable-row-security', '-d', $node->connstr('regress_source'), "$dir/custom" ], '>' => \$none, '2>' => \$err);
is(join("\n", grep { /ERROR/ && !/belongs to pg_steward/ } split /\n/, $err), '', 'pg_restore: no other errors');
same_lines(answers($node, 'regress_source'), $before, 'pg_restore: all data is there and enforced');
same_lines(history_of($node, 'regress_source'), $history, '... with its history');

$node->stop;
done_testing();
