package Steward;

# What the TAP tests share: servers with pg_steward, and their questions.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use Exporter 'import';
use File::Basename qw(dirname);
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(steward_server steward_module audit_database check_indexes load_governance answers flush_logs logs_of history_of same_lines fails_like catalog_of python3);

my $sql = File::Spec->rel2abs(dirname(__FILE__)) . '/sql';

# A server that preloads pg_steward, running; streaming => 1: it can have
# standbys; archiving => 1: it keeps its write-ahead log; further arguments go to PostgreSQL::Test::Cluster->new().
sub steward_server
{
	my ($name, %args) = @_;
	my $preload = delete $args{preload} // 'pg_steward';
	my $streaming = delete $args{streaming} // 0;
	my $archiving = delete $args{archiving} // 0;
	my $node = PostgreSQL::Test::Cluster->new($name, %args);

	$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => $streaming, has_archiving => $archiving);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->append_conf('postgresql.conf', 'max_prepared_transactions = 4');
	$node->start;
	return $node;
}

# Path of the library that test/run built from test/modules/NAME, without
# ending: for shared_preload_libraries and CREATE FUNCTION.
sub steward_module
{
	my ($name) = @_;

	return "$ENV{STEWARD_MODULES}/$name/$name";
}

# The path of a Python that has what the scripts in test/ need; undef: none.
sub python3
{
	my ($python) = grep { -x && system("$_ -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2> /dev/null") == 0 }
	  map { "$_/python3" } '/usr/bin', split /:/, $ENV{PATH};

	return $python;
}

# Creates a database with pg_steward and the log of module steward_test.
sub audit_database
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db") if $db ne 'postgres';
	$node->safe_psql($db, 'CREATE EXTENSION pg_steward');
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-v', 'module=' . steward_module('steward_test'), '-d', $node->connstr($db),
		  '-o', File::Spec->devnull, '-f', 'test/modules/steward_test/steward_test.sql' ],
		"database $db has a log");
	return;
}

# The btrees of the logs, into which rows are entered by pages, are what core
# would have made of them.  amcheck comes with the server's packages, not with
# each server that is built from source.
sub check_indexes
{
	my ($node, $database, $name) = @_;

  SKIP:
	{
		skip 'no amcheck', 1 if !$node->safe_psql('postgres', q(SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'));
		$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS amcheck') if $node->safe_psql($database, 'SELECT NOT pg_is_in_recovery()') eq 't';
		is($node->safe_psql($database, q(SELECT count(*) > 0, bool_and(bt_index_check(c.oid, true)::text = '') FROM pg_class c
			WHERE c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND c.relkind = 'i' AND c.relnamespace = 'steward'::regnamespace
			AND c.oid IN (SELECT i.indexrelid FROM pg_index i JOIN pg_inherits p ON p.inhrelid = i.indrelid))), 't|t', $name);
	}
	return;
}

# Fills a database with governed data and every kind of governance data.
sub load_governance
{
	my ($node, $db) = @_;

	$node->safe_psql($db, 'CREATE EXTENSION IF NOT EXISTS pg_steward');
	$node->command_ok(
		[ 'psql', '-XqAt', '-o', File::Spec->devnull, '-d', $node->connstr($db), '-f', "$sql/governance.sql" ],
		"governance data in database $db of " . $node->name);
	flush_logs($node, $db);
	return;
}

# Has everything logged that was queued, where the version has logs.
sub flush_logs
{
	my ($node, $db) = @_;

	$node->safe_psql($db, q(SELECT 'SELECT steward.flush()' FROM pg_proc WHERE proname = 'flush' AND pronamespace = 'steward'::regnamespace
\gexec));
	return;
}

# The records of the logs, proven by the state of their trees.
sub logs_of
{
	my ($node, $db) = @_;

	return join("\n", map { $node->safe_psql($db, "SELECT l FROM steward.$_ l ORDER BY seq") }
		  qw(access_event inference_log change_log)) . "\n"
	  . $node->safe_psql($db, 'SELECT log, size, root, ok, problem FROM steward.verify()');
}

# What governance.sql made and what each role sees, with the errors.
sub answers
{
	my ($node, $db) = @_;
	my ($out, $err);

	# places in the file are of no interest, messages are
	$node->run_log(
		[ 'psql', '-Xq', '-v', 'VERBOSITY=terse', '-d', $node->connstr($db), '-f', "$sql/questions.sql" ],
		'>' => \$out, '2>' => \$err);
	return "$out\n$err";
}

# Every version of what governs access, with the time it was in force.
sub history_of
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q(SET timezone = 'UTC'; SELECT to_jsonb(h) FROM steward.policy_history() h));
}

# Two texts are equal; where not, the lines that differ are shown.
sub same_lines
{
	my ($got, $expected, $name) = @_;
	my ($status, $here) = ($got eq $expected, $PostgreSQL::Test::Utils::tmp_check);

	ok($status, $name);
	return $status if $status;
	PostgreSQL::Test::Utils::append_to_file("$here/$_->[0]", $_->[1])
	  foreach ([ 'got', $got ], [ 'expected', $expected ]);
	diag(scalar qx(diff '$here/expected' '$here/got' | head -40));
	unlink("$here/got", "$here/expected");
	return $status;
}

# A statement fails with an error message (and hint) like these patterns.
sub fails_like
{
	my ($node, $db, $statement, $patterns, $name) = @_;
	my ($status, undef, $err) = $node->psql($db, $statement);

	isnt($status, 0, "$name: fails");
	like($err, $_, $name) for @$patterns;
	return;
}

# The objects of the extension as a database has them, one a line, without
# OIDs: definitions, rights, comments, and what is marked for pg_dump.
sub catalog_of
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, PostgreSQL::Test::Utils::slurp_file("$sql/catalog.sql"));
}

1;
