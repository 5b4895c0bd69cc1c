# The disk on which the access log lies is really full: nobody reads what is
# not logged, nothing is lost, and it goes on when there is room.
#
# The test mounts a small file system, which takes a user namespace of its own
# where it does not run as root.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Test::More;

BEGIN
{
	my @own_mounts = qw(unshare --user --map-current-user --keep-caps --mount);

	if (!$ENV{STEWARD_OWN_MOUNTS})
	{
		plan skip_all => 'this machine lets nobody but root mount a file system'
		  if system("@own_mounts mount -t tmpfs none /mnt > /dev/null 2>&1") != 0;
		$ENV{STEWARD_OWN_MOUNTS} = 1;
		exec @own_mounts, $^X, (map { "-I$_" } @INC), $0 or die "cannot run unshare: $!";
	}
}

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Steward;

my $node = steward_server('full');
$node->append_conf('postgresql.conf', 'steward.queue_size = 64kB');
$node->restart;

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $mount = PostgreSQL::Test::Utils::tempdir();
system('mount', '-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'none', $mount) == 0 or die 'cannot mount';
mkdir "$mount/space", 0700;

sql(qq(
CREATE EXTENSION pg_steward;
CREATE TABLE sync (id int); INSERT INTO sync VALUES (1); CREATE TABLE async (id int);
SELECT steward.protect('sync', audit => 'sync');
SELECT steward.protect('async');
SELECT steward.register_model('m', 'tests');
SELECT steward.register_version('m', '1');
SELECT count(*) FROM sync;
SELECT steward.flush()));
sql("CREATE TABLESPACE regress_small LOCATION '$mount/space'");
sql('ALTER TABLE steward.access_event_p0 SET TABLESPACE regress_small');
my $before = sql('SELECT count(*) FROM steward.access_log');
my $writer = sql('SELECT writer_pid FROM steward.status');

# All that is left goes to another file.
open(my $filler, '>', "$mount/filler") or die $!;
binmode $filler;
while (1)
{
	last if !defined syswrite($filler, 'x' x 4096);
}
close $filler;
like($!, qr/No space left/, 'the disk is full');

my $statements = 2000;
my $script = "$mount.sql";
PostgreSQL::Test::Utils::append_to_file($script, "SELECT count(*) FROM async;\n" x $statements);
my $load = IPC::Run::start([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('postgres'), '-f', $script ],
	'>', \my $out, '2>', \my $err);
ok($node->poll_query_until('postgres', q(SELECT last_error ~ 'No space left on device' AND waiting_sessions > 0 FROM steward.status)),
	'status shows that the disk is full and that somebody waits');
fails_like($node, 'postgres', q(SET statement_timeout = '1s'; SELECT id FROM sync), [qr/canceling statement due to statement timeout/], 'a sync read waits');
is(sql('SELECT set_aside, overflowed, writer_pid FROM steward.status'), "0|0|$writer", 'nothing is set aside, nothing is lost, the writer is there');
ok($load->pumpable, 'the load waits');

unlink "$mount/filler";
$load->finish;
is($err, '', 'there is room again: the load came to its end');
sql('SELECT steward.flush()');
is(sql(q(SELECT count(*) FROM steward.access_log WHERE relation_name = 'public.async')), $statements, 'every access is in the log, once');
is(sql(q(SELECT count(*) FROM steward.access_log WHERE relation_name = 'public.sync' AND outcome = 'completed')), $before, '... the read that was given up did not see a row');
is(sql('SELECT set_aside, overflowed, queue_depth, writer_pid FROM steward.status'), "0|0|0|$writer", '... and the writer never went');
is(sql('SELECT bool_and(ok) FROM steward.verify()'), 't', '... and all logs verify');

$node->stop;
system('umount', $mount);
done_testing();
