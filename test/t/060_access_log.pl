# The access log where no regression test can look: clients that go, sessions
# that are ended, statements that time out, parallel plans, a writer that
# stands still.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run qw(start finish pump timer);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Steward;
use Test::More;
use Time::HiRes qw(usleep);

my $node = steward_server('access_log');
my $db = 'regress_access_log';

$node->safe_psql('postgres', "CREATE DATABASE $db");
$node->safe_psql($db, q(
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_user LOGIN;
	CREATE TABLE regress_t (id integer, v text);
	INSERT INTO regress_t SELECT g, repeat('x', 2000) FROM generate_series(1, 200) g;
	CREATE TABLE regress_sync (id integer);
	INSERT INTO regress_sync VALUES (1), (2);
	GRANT ALL ON regress_t, regress_sync TO regress_user;
	SELECT steward.protect('regress_t'), steward.protect('regress_sync', audit => 'sync');
	SELECT steward.create_row_policy('all', 'regress_t', 'true'), steward.create_row_policy('all', 'regress_sync', 'true')));

# A psql session that goes on; its output grows in the second argument.
sub session
{
	my ($in, $out) = @_;

	return start([ 'psql', '-XAtq', '-U', 'regress_user', '-d', $node->connstr($db), '-f', '-' ],
		'<', $in, '>', $out, '2>', $out);
}

# Waits until the query is true.
sub wait_for
{
	my ($query, $what) = @_;

	ok($node->poll_query_until($db, $query), $what);
	return;
}

# The newest record about a table.
sub newest
{
	my ($table) = @_;

	$node->safe_psql($db, 'SELECT steward.flush()');
	return $node->safe_psql($db, qq(
		SELECT decision, outcome, rows_returned, error_code FROM steward.access_log
		WHERE relation_name = 'public.$table' ORDER BY seq DESC LIMIT 1));
}

my $nobody = q(SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'regress_user');

# A client that leaves with an open cursor.
$node->safe_psql($db, q(BEGIN; DECLARE c CURSOR FOR SELECT id FROM regress_t; FETCH 20 FROM c),
	extra_params => [ '-U', 'regress_user' ]);
wait_for($nobody, 'the session is over');
is(newest('regress_t'), 'allowed|disconnected|20|', 'a client that leaves with an open cursor');

# A session that is ended with an open cursor.
my ($in, $out) = ('', '');
my $h = session(\$in, \$out);
$in = "BEGIN; DECLARE c CURSOR FOR SELECT id FROM regress_t; FETCH 7 FROM c;\n\\echo fetched\n";
pump $h until $out =~ /fetched/;
$node->safe_psql($db, q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'regress_user'));
wait_for($nobody, 'the session was ended');
$in .= "\\q\n";
eval { finish $h };
is(newest('regress_t'), 'allowed|disconnected|7|57P01', 'a session that is ended with an open cursor');

# A session that is ended while rows flow.
($in, $out) = ("SELECT id, pg_sleep(0.02) FROM regress_t;\n", '');
$h = session(\$in, \$out);
pump_nb($h);
wait_for(q(SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'regress_user' AND wait_event = 'PgSleep'), 'rows flow');
usleep(300_000);
$node->safe_psql($db, q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'regress_user'));
wait_for($nobody, 'the session was ended');
eval { $in .= "\\q\n"; finish $h };
like(newest('regress_t'), qr/^allowed\|disconnected\|([1-9]\d?|1\d\d)\|57P01$/, 'rows that were delivered before are counted');

# A client that is killed while rows flow.
($in, $out) = ("SELECT id, v, pg_sleep(0.02) FROM regress_t;\n", '');
$h = session(\$in, \$out);
pump_nb($h);
wait_for(q(SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = 'regress_user' AND wait_event = 'PgSleep'), 'rows flow');
usleep(200_000);
$h->signal('KILL');
wait_for($nobody, 'the session is over');
eval { finish $h };
like(newest('regress_t'), qr/^allowed\|disconnected\|([1-9]\d?|1\d\d)\|/, 'a client that is killed while rows flow');

# statement_timeout
my ($ret, $stdout, $stderr) = $node->psql($db,
	q(SET statement_timeout = '400ms'; SELECT id, pg_sleep(0.02) FROM regress_t),
	extra_params => [ '-U', 'regress_user' ]);
like($stderr, qr/canceling statement due to statement timeout/, 'a statement times out');
like(newest('regress_t'), qr/^allowed\|failed\|[1-9]\d*\|57014$/, '... and the rows before are counted');

# A parallel plan is one access.
my $parallel = q(
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2;);
like($node->safe_psql($db, "$parallel EXPLAIN SELECT count(v) FROM regress_t"), qr/Gather/, 'the plan is parallel');
my $before = $node->safe_psql($db, 'SELECT steward.flush(); SELECT count(*) FROM steward.access_log');
is($node->safe_psql($db, "$parallel SELECT count(v) FROM regress_t"), '200', 'it runs');
$node->safe_psql($db, 'SELECT steward.flush()');
is($node->safe_psql($db, 'SELECT count(*) FROM steward.access_log') - trim($before), 1, 'a parallel plan is one access');
is(newest('regress_t'), 'bypassed|completed|1|', '... with its rows');

# Prepared statements of the protocol.
my $script = PostgreSQL::Test::Utils::tempdir() . '/read.sql';
append_to_file($script, "\\set i random(1, 200)\nSELECT v FROM regress_t WHERE id = :i;\n");
$before = $node->safe_psql($db, 'SELECT count(*) FROM steward.access_log');
$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-t', '20', '-c', '2', '-U', 'regress_user', '-f', $script,
	'-p', $node->port, '-h', $node->host, $db ], 'prepared statements run');
$node->safe_psql($db, 'SELECT steward.flush()');
is($node->safe_psql($db, 'SELECT count(*) FROM steward.access_log') - $before, 40, 'each execution is one access');
is($node->safe_psql($db, q(SELECT DISTINCT query_text, rows_returned FROM steward.access_log ORDER BY 1 DESC LIMIT 1)),
	'SELECT v FROM regress_t WHERE id = $1|1', '... of the same statement');

# Synchronously logged: while the writer stands still no row arrives.
my $writer = $node->safe_psql($db, q(SELECT pid FROM pg_stat_activity WHERE backend_type ~ 'steward.*writer' AND datname = current_database()));
like($writer, qr/^\d+$/, 'the writer runs');
is($node->safe_psql($db, 'SELECT id FROM regress_sync', extra_params => [ '-U', 'regress_user' ]), "1\n2", 'rows arrive');
kill 'STOP', $writer;
($ret, $stdout, $stderr) = $node->psql($db, q(SET statement_timeout = '1s'; SELECT id FROM regress_sync),
	extra_params => [ '-U', 'regress_user' ]);
is($stdout, '', 'no row arrives while the writer stands still');
like($stderr, qr/canceling statement due to statement timeout/, '... and waiting can be given up');
my $given_up = 'SELECT decision, outcome, rows_returned, error_code FROM steward.access_log ORDER BY seq DESC LIMIT 1';
kill 'CONT', $writer;
is($node->safe_psql($db, "SELECT steward.flush(); $given_up") =~ s/^\s+//r, 'allowed|failed||57014', '... which is logged');
kill 'STOP', $writer;
($in, $out) = ("SELECT id FROM regress_sync;\n\\echo done\n", '');
$h = session(\$in, \$out);
pump_nb($h);
usleep(500_000);
pump_nb($h);
is($out, '', 'nor after a while');
kill 'CONT', $writer;
pump $h until $out =~ /done/;
is($out, "1\n2\ndone\n", 'then they do');
$in .= "\\q\n";
finish $h;
is(newest('regress_sync'), 'allowed|completed|2|', 'and their record is complete');
is($node->safe_psql($db, q(
	SELECT count(*) FROM steward.access_event i JOIN steward.access_event o USING (statement_id, access_no)
	WHERE i.kind = 'intent' AND o.kind = 'outcome' AND i.seq < o.seq)), '3', 'an intent, then an outcome');

# A refusal is durable, too, before it is told.
kill 'STOP', $writer;
$node->psql($db, q(SET statement_timeout = '1s'; DELETE FROM regress_sync), extra_params => [ '-U', 'regress_user' ], stderr => \$stderr);
like($stderr, qr/canceling statement due to statement timeout/, 'a refusal waits for its record');
kill 'CONT', $writer;
$node->psql($db, q(DELETE FROM regress_sync), extra_params => [ '-U', 'regress_user' ], stderr => \$stderr);
like($stderr, qr/no row policy lets role/, 'a refusal');
is(newest('regress_sync'), 'denied|failed||42501', '... is logged');

$node->stop;
done_testing();

# As much as there is, without waiting.
sub pump_nb
{
	my ($handle) = @_;

	$handle->pump_nb for 1 .. 3;
	return;
}

sub trim
{
	my ($text) = @_;

	$text =~ s/^\s+|\s+$//g;
	return $text;
}
