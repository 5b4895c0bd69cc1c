# The audit queue loses and doubles nothing, whatever ends the writer, and
# nobody waits for ever.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Steward;
use Test::More;
use Time::HiRes qw(time sleep);

my $node = steward_server('queue', preload => 'pg_steward, ' . steward_module('steward_test'));
$node->append_conf('postgresql.conf', <<'END');
steward.queue_size = 64kB
deadlock_timeout = 200ms
max_connections = 60
max_worker_processes = 16
END
$node->restart;
audit_database($node, 'postgres');

my $scripts = PostgreSQL::Test::Utils::tempdir();

# Clients that put numbered records, running; their errors are no failure.
sub load
{
	my ($script, $clients, $transactions) = @_;
	my $file = "$scripts/load" . int(rand(1e9)) . '.sql';

	PostgreSQL::Test::Utils::append_to_file($file, $script);
	my ($out, $err) = ('', '');
	return IPC::Run::start([ 'pgbench', '-n', '-f', $file, '-c', $clients, '-j', 2, '-t', $transactions, $node->connstr('postgres') ],
		'>', \$out, '2>', \$err);
}

# No gap in the numbers; every record once.
sub gapless
{
	my ($name, $expected) = @_;
	my $found = $node->safe_psql('postgres', q(SELECT count(*), count(*) - coalesce(max(seq) + 1, 0), min(seq) FROM steward.regress_queue));

	like($found, qr/^\d+\|0\|0?$/, "$name: seq has no gap");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT FROM steward.regress_queue GROUP BY client, number, word HAVING count(*) > 1) d'),
		'0', "$name: no record twice");
	is((split /\|/, $found)[0], $expected, "$name: every record") if defined $expected;
	return;
}

my $count = sub { return $node->safe_psql('postgres', 'SELECT count(*) FROM steward.regress_queue'); };
$node->safe_psql('postgres', 'CREATE SEQUENCE numbers');

# 16 clients at a queue of 64 KB, records of up to a fifth of it: nobody starves.
my $run = load(q(\set b random(1, 12000)
SELECT regress_put(:client_id, nextval('numbers'), 'load', :b, false);), 16, 200);
$run->finish;
$node->safe_psql('postgres', 'SELECT steward.flush()');
gapless('16 clients at a queue of 64 KB', 3200);

# Larger than the queue.
$node->safe_psql('postgres', q(SELECT regress_put(100, i, 'large', 300000, i % 2 = 0) FROM generate_series(1, 20) i; SELECT steward.flush()));
is($node->safe_psql('postgres', q(SELECT count(*), min(length(payload)), max(length(payload)) FROM steward.regress_queue WHERE word = 'large')),
	'20|300000|300000', 'records larger than the queue get through');
is($node->safe_psql('postgres', q(SELECT regress_put(100, 21, 'large', 100000000, true) > 0)), 't', '100 MB, too');
gapless('large records', 3221);

# The writer is terminated 50 times under load.
$run = load(q(\set b random(1, 3000)
SELECT regress_put(:client_id, nextval('numbers'), 'term', :b, (:b % 4) = 0);), 6, 500);
my $killed = 0;
while ($killed < 50)
{
	my $pid = $node->safe_psql('postgres', 'SELECT writer_pid FROM steward.status');
	if ($pid ne '')
	{
		kill 'TERM', $pid;
		$killed++;
	}
	sleep 0.02;
}
$run->finish;
$node->safe_psql('postgres', 'SELECT steward.flush()');
gapless('a writer that is terminated 50 times', 3221 + 3000);

# Cancelled in mid-batch, and terminated by SQL.
$run = load(q(SELECT regress_put(:client_id, nextval('numbers'), 'cancel', 100, false);), 4, 500);
foreach (1 .. 50)
{
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(writer_pid) FROM steward.status WHERE writer_pid IS NOT NULL');
	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(writer_pid) FROM steward.status WHERE writer_pid IS NOT NULL') if $_ % 10 == 0;
}
$run->finish;
$node->safe_psql('postgres', 'SELECT steward.flush()');
gapless('a writer that is cancelled', 3221 + 5000);

# Errors between commit and moving the tail cannot be had from outside; a
# position that is ahead of the tail is what they leave behind.
my $total = 3221 + 5000;

# A record that its log refuses.
$node->safe_psql('postgres', q(
	SELECT regress_put(1, nextval('numbers'), 'before') FROM generate_series(1, 100);
	SELECT regress_put_bad();
	SELECT regress_put(1, nextval('numbers'), 'after') FROM generate_series(1, 100);
	SELECT steward.flush()));
$total += 200;
gapless('a record that cannot be written', $total);
is($node->safe_psql('postgres', q(SELECT log, convert_from(record, 'UTF8') FROM steward.set_aside_record)),
	'regress_queue|no record at all', '... is set aside');
is($node->safe_psql('postgres', q(SELECT set_aside, queue_depth, last_error IS NOT NULL FROM steward.status)), '1|0|t', '... counted and shown');
like($node->safe_psql('postgres', q(SELECT severity, object, finding FROM steward.doctor())),
	qr/^error\|table steward\.set_aside_record\|1 records that their log refused/m, '... and doctor() tells of it');

# A session that holds the writer up, and another one that fills the queue.
my $holder = $node->background_psql('postgres', on_error_stop => 0);
$holder->set_query_timer_restart;
$holder->query_safe('BEGIN; LOCK TABLE steward.regress_queue, steward.writer_state IN ACCESS EXCLUSIVE MODE');
my ($status, $out, $err) = $node->psql('postgres', q(SET statement_timeout = '1s'; SELECT regress_put(9, 1, 'lost', 10, true)));
like($err, qr/canceling statement due to statement timeout/, 'statement_timeout ends a wait for durability');
($status, $out, $err) = $node->psql('postgres', q(SET statement_timeout = '1s'; SELECT regress_put(9, i, 'lost', 1000) FROM generate_series(2, 1000) i));
like($err, qr/canceling statement due to statement timeout/, '... and a wait for room in a full queue');
my $waiter = $node->background_psql('postgres', on_error_stop => 0);
my $waiter_pid = $waiter->query_safe('SELECT pg_backend_pid()');
foreach my $how (qw(pg_cancel_backend pg_terminate_backend))
{
	$waiter->{stdin} .= qq(SELECT count(regress_put(9, i, '$how', 1000)) FROM generate_series(1, 1000) i;\n);
	$waiter->{run}->pump_nb;
	ok($node->poll_query_until('postgres', q(SELECT waiting_sessions = 1 FROM steward.status)), 'status counts who waits');
	$node->safe_psql('postgres', "SELECT $how($waiter_pid)");
	ok($node->poll_query_until('postgres', q(SELECT waiting_sessions = 0 FROM steward.status)), "$how ends the wait");
}
eval { $waiter->quit; };

# The session that holds the lock waits itself.
my $start = time;
$holder->query(q(SELECT regress_put(9, 3000, 'lost', 20000, true)));
cmp_ok(time - $start, '<', 20, 'LOCK TABLE on a log by a session that then waits: no hang');
like($holder->{stderr}, qr/deadlock detected while waiting for/, '... but an error');
$holder->query('ROLLBACK');
$holder->{stderr} = '';
ok($node->poll_query_until('postgres', 'SELECT queue_depth = 0 FROM steward.status'), 'and the writer goes on');

# Through another session: A blocks the writer and waits for B's lock, B waits
# for the writer.
$node->safe_psql('postgres', 'CREATE TABLE regress_other (a int)');
my $second = $node->background_psql('postgres', on_error_stop => 0);
$holder->query('BEGIN; LOCK TABLE steward.regress_queue IN ACCESS EXCLUSIVE MODE');
$second->set_query_timer_restart;
$second->query('BEGIN; LOCK TABLE regress_other');
$holder->{stdin} .= "SELECT * FROM regress_other;\n";
$holder->{run}->pump_nb;
$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'regress_other'::regclass));
$second->query(q(SELECT regress_put(9, 4000, 'second', 10, true)));
like($second->{stderr}, qr/deadlock detected while waiting for/, 'a deadlock through another session is found');
eval { $second->quit; };
eval { $holder->quit; };
ok($node->poll_query_until('postgres', 'SELECT queue_depth = 0 FROM steward.status'), 'and the writer goes on');
gapless('after sessions that held the writer up');

# Settings of the database cannot weaken the writer.
my $before = $count->();
$node->safe_psql('postgres', <<'END');
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET synchronous_commit = off;
ALTER DATABASE postgres SET search_path = nowhere;
ALTER DATABASE postgres SET statement_timeout = 1;
ALTER DATABASE postgres SET lock_timeout = 1;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET session_replication_role = 'replica';
ALTER ROLE ALL SET idle_in_transaction_session_timeout = 1;
END
$node->restart;
{
	# the client's own options come before any statement runs under a millisecond
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } qw(statement_timeout=0 lock_timeout=0 default_transaction_read_only=off);

	$node->safe_psql('postgres', q(SELECT public.regress_put(10, i, 'settings', 100, i % 5 = 0) FROM generate_series(1, 20) i; SELECT steward.flush()));
}
$node->safe_psql('template1', 'ALTER DATABASE postgres RESET ALL');
$node->safe_psql('template1', 'ALTER ROLE ALL RESET ALL');
is($count->(), $before + 20, 'settings of database and role cannot weaken the writer');
$node->restart;

# Reservations: outcomes of commits, aborts, subtransactions, prepared
# transactions and sessions that are terminated.
$before = $count->();
$node->safe_psql('postgres', q(SELECT regress_reserve(20, 1, 200)));
$node->psql('postgres', q(BEGIN; SELECT regress_reserve(20, 2, 200); SELECT 1/0));
$node->safe_psql('postgres', q(BEGIN; SELECT regress_reserve(20, 3, 200); PREPARE TRANSACTION 'regress'));
$node->safe_psql('postgres', q(COMMIT PREPARED 'regress'));
$node->safe_psql('postgres', q(DO $$BEGIN FOR i IN 1 .. 500 LOOP
	BEGIN PERFORM regress_put(21, i, 'storm'); IF i % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END$$));
my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $victim_pid = $victim->query_safe('SELECT pg_backend_pid()');
$victim->query_safe(q(BEGIN; SELECT regress_reserve(20, 4, 200)));
$node->safe_psql('postgres', "SELECT pg_terminate_backend($victim_pid, 10000)");
eval { $victim->quit; };
$node->safe_psql('postgres', 'SELECT steward.flush()');
is($node->safe_psql('postgres', q(SELECT string_agg(number || ' ' || word, ', ' ORDER BY number) FROM steward.regress_queue WHERE client = 20)),
	'1 committed, 2 aborted, 3 committed, 4 disconnected', 'outcomes of every end');
is($node->safe_psql('postgres', q(SELECT count(*) FROM steward.regress_queue WHERE client = 21)), '500', 'a subtransaction storm');
is($node->safe_psql('postgres', q(SELECT overflowed, waiting_sessions FROM steward.status)), '0|0', 'nothing overflowed');

# Clean shutdown drains, also the outcomes of sessions that it ends.
foreach my $mode (qw(fast smart))
{
	my $client = $mode eq 'fast' ? 30 : 33;
	$before = $count->();
	my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 5;
	foreach my $i (0 .. 4)
	{
		$sessions[$i]->query_safe(qq(BEGIN; SELECT regress_reserve($client, $i, 200); SELECT regress_put(31, i, '$mode$i') FROM generate_series(1, 50) i));
	}
	my $stopping;
	if ($mode eq 'smart')
	{
		$stopping = IPC::Run::start([ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', '-w', 'stop' ], '>', \my $o, '2>', \my $e);
		sleep 1;
		$_->quit foreach @sessions;
		$stopping->finish;
		$node->{_pid} = undef;
	}
	else
	{
		$node->stop('fast');
		eval { $_->quit; } foreach @sessions;
	}
	$node->start;
	is($count->(), $before + 5 * 51, "a $mode shutdown drains");
	gapless("after a $mode shutdown");
	$node->safe_psql('postgres', qq(SELECT regress_put($client, 99, 'again', 1, true)));
}
$node->stop;

done_testing();
