# Crashes, a full disk, no free worker slot: what was acknowledged as durable
# is there, and the numbers have no gap.
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
use Time::HiRes qw(sleep);

my $node = steward_server('crash', preload => 'pg_steward, ' . steward_module('steward_test'));
$node->append_conf('postgresql.conf', <<'END');
max_worker_processes = 8
restart_after_crash = off
END
$node->restart;
audit_database($node, 'postgres');
my $scratch = PostgreSQL::Test::Utils::tempdir();

# The whole server is killed at random moments, 20 times.  Each client writes
# down what was acknowledged, and only that.
my @clients = (1 .. 4);
my $round = 0;
my ($missing, $gaps, $twice) = (0, 0, 0);
my $rounds = $ENV{STEWARD_SHORT} ? 4 : 20;
foreach (1 .. $rounds)
{
	my @runs;

	$round++;
	foreach my $client (@clients)
	{
		my $script = join('', map { "SELECT regress_put($client, ${round}0000 + $_, 'crash', 100, " . ($_ % 3 ? 'true' : 'false') . ') IS NOT NULL AND ' . ($_ % 3 ? 'true' : 'NULL') . ", ${round}0000 + $_;\n" } 1 .. 3000);
		PostgreSQL::Test::Utils::append_to_file("$scratch/$client.$round.sql", $script);
		push @runs, IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$scratch/$client.$round.sql" ],
			'>', "$scratch/$client.$round.out", '2>', File::Spec->devnull);
	}
	sleep(0.3 + rand(1.2));
	my $postmaster = (split /\n/, PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @children = split /\n/, `ps -o pid= --ppid $postmaster`;
	kill 'KILL', $postmaster, @children;
	$_->finish foreach @runs;
	$node->{_pid} = undef;
	# the last of the killed have to be gone before the socket and memory are free
	foreach (1 .. 100)
	{
		last if !grep { kill 0, $_ } $postmaster, @children;
		sleep 0.05;
	}
	unlink $node->data_dir . '/postmaster.pid';
	$node->start;

	my @acknowledged = map { my $c = $_; map { /^t\|(\d+)$/ ? "$c|$1" : () } split /\n/, PostgreSQL::Test::Utils::slurp_file("$scratch/$c.$round.out") } @clients;
	my %there = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', "SELECT client, number FROM steward.regress_queue WHERE number / 10000 = $round");
	my @lost = grep { !$there{$_} } @acknowledged;
	$missing += @lost;
	diag("round $round: " . @lost . ' of ' . @acknowledged . ' are missing') if @lost;
	my ($gap, $double) = split /\|/, $node->safe_psql('postgres', q(SELECT count(*) - coalesce(max(seq) + 1, 0), count(*) - count(DISTINCT (client, number)) FROM steward.regress_queue));
	$gaps++ if $gap;
	$twice += $double;
}
is($missing, 0, "$rounds crashes: every acknowledged record is there");
is($gaps, 0, '... the numbers have no gap');
is($twice, 0, '... no record is there twice');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM steward.regress_queue'), '>', 20, '... and there were records');
check_indexes($node, 'postgres', '... and the indexes hold them all');

# One backend is killed: the postmaster restarts all, the workers come back.
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->restart;
my $pid = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_steward writer'));
kill 'KILL', $pid if $pid;
$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_steward writer'));
ok($node->poll_query_until('postgres', q(SELECT regress_put(5, 1, 'killed', 10, true) > 0)), 'after SIGKILL of the writer it comes back');

# No worker slot is free: sessions wait, status says why, and it goes on.
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_parallel_workers = 0");
$node->restart;	# the launchers of pg_steward and of logical replication take both
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_activity WHERE backend_type = $$pg_steward writer$$'), '0', 'no slot for the writer');
my ($status, $out, $err) = $node->psql('postgres', q(SET statement_timeout = '2s'; SELECT regress_put(6, 1, 'slots', 10, true)));
like($err, qr/canceling statement due to statement timeout/, 'sessions wait');
ok($node->poll_query_until('postgres', q(SELECT writer ~ 'worker slot.*max_worker_processes' FROM steward.status)), 'status says why');
# ... a slot that becomes free while the server runs
$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;
audit_database($node, 'regress_more');
audit_database($node, 'regress_third');
my $waits = $node->background_psql('regress_third');
$waits->query_until(qr/start/, "\\echo start\nSELECT regress_put(6, 3, 'slots', 10, true);\n\\echo done\n");
ok($node->poll_query_until('regress_third', q(SELECT waiting_sessions = 1 AND writer ~ 'worker slot' FROM steward.status)),
	'no slot for the third database');
$node->safe_psql('postgres', 'DROP DATABASE regress_more');
$waits->query_until(qr/done/, "\n");
ok(1, '... until the writer of another one goes');
$waits->quit;
is($node->safe_psql('regress_third', 'SELECT count(*) FROM steward.regress_queue'), '1', '... and nothing was lost');
$node->safe_psql('postgres', 'DROP DATABASE regress_third');

# The log's files cannot grow: the disk is full where this test may mount a
# small file system; else the writer may write no larger files.
my $mount = "$scratch/small";
mkdir $mount;
my $mounted = system("mount -t tmpfs -o size=4m,mode=0777 tmpfs '$mount' 2> /dev/null || sudo -n mount -t tmpfs -o size=4m,mode=0777 tmpfs '$mount' 2> /dev/null") == 0;
$node->safe_psql('postgres', 'SELECT steward.flush()');
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM steward.regress_queue');
my $writer = $node->safe_psql('postgres', 'SELECT writer_pid FROM steward.status');
if ($mounted)
{
	mkdir "$mount/space";
	$node->safe_psql('postgres', "CREATE TABLESPACE regress_small LOCATION '$mount/space'");
	$node->safe_psql('postgres', 'ALTER TABLE steward.regress_queue_p0 SET TABLESPACE regress_small');
}
else
{
	# more than a segment of WAL
	is(system('prlimit', '--pid', $writer, '--fsize=20000000:'), 0, 'the writer may write files of 20 MB');
}
my $load = IPC::Run::start([ 'psql', '-Xq', '-o', File::Spec->devnull, '-d', $node->connstr('postgres'),
	'-c', q(SELECT regress_put(7, i, 'full', 1500) FROM generate_series(1, 20000) i) ], '>', \my $o, '2>', \my $e);
ok($node->poll_query_until('postgres', q(SELECT last_error ~ 'No space left|could not extend' AND queue_depth > 0 FROM steward.status)), 'status shows that the disk is full');
is($node->safe_psql('postgres', 'SELECT set_aside FROM steward.status'), '0', '... nothing is set aside for that');
sleep 1;
is($node->safe_psql('postgres', 'SELECT queue_depth > 0, writer_pid FROM steward.status'), "t|$writer", '... and the writer tries again');
if ($mounted)
{
	system("mount -o remount,size=64m '$mount' 2> /dev/null || sudo -n mount -o remount,size=64m '$mount'");
}
else
{
	system('prlimit', '--pid', $writer, '--fsize=unlimited:');
}
$load->finish;
$node->safe_psql('postgres', 'SELECT steward.flush()');
is($node->safe_psql('postgres', q(SELECT count(*), count(*) - max(seq), count(*) FILTER (WHERE word = 'full'), count(DISTINCT number) FILTER (WHERE word = 'full') FROM steward.regress_queue)),
	$before + 20000 . '|1|20000|20000', '... and nothing is lost');
check_indexes($node, 'postgres', 'after attempts that failed, core and pages together hold all rows');
$node->stop;
system("umount '$mount' 2> /dev/null || sudo -n umount '$mount'") if $mounted;

done_testing();
