# pg_dump | restore keeps all governance data, and it is enforced.
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

my $node = steward_server('dumped');
my $dir = $node->basedir;

$node->safe_psql('postgres', 'CREATE DATABASE regress_source');
load_governance($node, 'regress_source');

# A role that is gone leaves nothing that a restore would stumble over.
$node->safe_psql('regress_source', q(
	CREATE ROLE regress_gone;
	SELECT steward.grant_purpose('regress-scoring', 'regress_gone');
	SELECT steward.set_attribute('regress_gone', 'limit', '{1}');
	DROP ROLE regress_gone));
my $before = answers($node, 'regress_source');
my $history = history_of($node, 'regress_source');
like($history, qr/"relation_name": "zone_regress.late"/, 'there is a history');
like($before, qr/analyst, scoring\n10\|8500\n/, 'the policies are enforced');
# A dump reads governed tables, and that is logged: the logs are those of the
# last dump that was made.
sub logs_when_dumped
{
	flush_logs($node, 'regress_source');
	return logs_of($node, 'regress_source');
}

# The rows that named the dropped role are not dumped.
(my $expected = $before) =~ s/^.*"(?:role|to_role)": "\d+".*\n//mg;

# Into a new database of the same cluster, in each of the formats.  Row
# security stays on, so that materialized views are filled for their owners.
foreach my $format (qw(plain custom directory))
{
	my $db = "regress_$format";
	my $file = "$dir/dump_$format";

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	my $logs = logs_when_dumped();
	$node->command_ok([ 'pg_dump', '--enable-row-security', '-F', $format, '-f', $file, '-d', $node->connstr('regress_source') ], "pg_dump: $format");
	if ($format eq 'plain')
	{
		$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', $file ], "restore: $format");
	}
	else
	{
		$node->command_ok([ 'pg_restore', '--enable-row-security', '--exit-on-error', '-d', $node->connstr($db), $file ], "restore: $format");
	}
	same_lines(answers($node, $db), $expected, "$format: all data is there and enforced");
	same_lines(logs_of($node, $db), $logs, "$format: ... with its logs, proven, to which nothing was added");
	same_lines(history_of($node, $db), $history, "$format: ... with its history, to which nothing was added");
}

# In parallel, as docs/backup.md says: pg_restore --jobs does not know the
# order of the tables of an extension, so that these go first, one by one.
$node->safe_psql('postgres', 'CREATE DATABASE regress_parallel TEMPLATE template0');
foreach my $step (
	[ '--section=pre-data' ],
	[ '--section=data', '--schema=steward' ],
	[ '--section=data', '--exclude-schema=steward', '--jobs=2' ],
	[ '--section=post-data', '--jobs=2' ])
{
	$node->command_ok([ 'pg_restore', '--enable-row-security', '--exit-on-error', @$step, '-d', $node->connstr('regress_parallel'), "$dir/dump_directory" ],
		"restore in parallel: @$step");
}
same_lines(answers($node, 'regress_parallel'), $expected, 'in parallel: all data is there and enforced');
same_lines(history_of($node, 'regress_parallel'), $history, 'in parallel: ... with its history, to which nothing was added');

# Into another cluster, the globals first.
my $other = steward_server('elsewhere');
$node->command_ok([ 'pg_dumpall', '--globals-only', '-f', "$dir/globals.sql", '-d', $node->connstr('postgres') ], 'pg_dumpall --globals-only');
$other->command_ok([ 'psql', '-Xq', '-d', $other->connstr('postgres'), '-f', "$dir/globals.sql" ], 'restoring the globals');
$other->safe_psql('postgres', 'CREATE DATABASE regress_source TEMPLATE template0');
$other->command_ok([ 'pg_restore', '--enable-row-security', '--exit-on-error', '-d', $other->connstr('regress_source'), "$dir/dump_custom" ], 'restore elsewhere');
my $elsewhere = answers($other, 'regress_source');
same_lines($elsewhere, $expected, 'elsewhere: all data is there and enforced');
same_lines(history_of($other, 'regress_source'), $history, 'elsewhere: ... with its history, to which nothing was added');

# What was restored keeps no logs until somebody adopts it.
fails_like($other, 'regress_source', q(SELECT steward.log_inference('regress_model', '1', '{}', '{}')),
	[ qr/this database is a copy that keeps no audit logs/, qr/steward\.adopt\(reason\)/ ], 'a restored database is dormant');
like($other->safe_psql('regress_source', 'SELECT severity, object, finding, remedy FROM steward.doctor()'),
	qr/^error\|database regress_source\|it is a copy that keeps no audit logs.*\|SELECT steward\.adopt\(/m, '... and doctor() says so');
$other->safe_psql('regress_source', q(SELECT steward.adopt('restored for the test')));
unlike($other->safe_psql('regress_source', 'SELECT finding FROM steward.doctor()'), qr/copy that keeps no/, '... until it is adopted');

# What was restored can be worked with.
$other->safe_psql('regress_source', q(
	SELECT steward.create_row_policy('more', 'regress_store.credit', 'id = 30', roles => '{regress_analyst}');
	SELECT steward.drop_row_policy('not the south', 'regress_store.credit');
	SELECT steward.register_model('regress_another', 'another', 'me');
	SELECT steward.log_inference('regress_model', '1', '{}', '{}');));
is($other->safe_psql('regress_source',
		q(SET ROLE regress_analyst; SET steward.purpose = 'regress-scoring'; SELECT count(*) FROM regress_store.credit)),
	'16', 'policies of a restored database can be changed');
flush_logs($other, 'regress_source');
is($other->safe_psql('regress_source', q(SELECT bool_and(ok), (SELECT count(*) = max(seq) + 1 FROM steward.inference_log) FROM steward.verify())),
	't|t', 'its logs go on where those of the original stood, and hold');
is($other->safe_psql('regress_source', q(SELECT count(*) FROM steward.access_history WHERE name = 'not the south' AND in_force_until IS NULL)),
	'0', '... and their history goes on');

# A dump of the schema alone brings the extension, without the users' data.
$node->safe_psql('postgres', 'CREATE DATABASE regress_schema TEMPLATE template0');
$node->command_ok([ 'pg_restore', '--enable-row-security', '--exit-on-error', '--schema-only', '-d', $node->connstr('regress_schema'), "$dir/dump_custom" ], 'restore of the schema alone');
is($node->safe_psql('regress_schema', 'SET ROLE regress_owner; SELECT count(*) FROM regress_store.credit'), '0',
	'governed tables of a schema-only restore show nothing');

done_testing();
