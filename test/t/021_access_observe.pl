# What mode "observe" has counted: over a restart, a crash, a full table, the
# end of a backend, and in several databases.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('observe');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_steward'
steward.observed_denials_max = 10
restart_after_crash = on
});
$node->start;

for my $db ('postgres', 'other')
{
	$node->safe_psql('postgres', 'CREATE DATABASE other') if $db eq 'other';
	$node->safe_psql(
		$db, q{
CREATE EXTENSION pg_steward;
CREATE TABLE fact (id int);
INSERT INTO fact SELECT generate_series(1, 10);
GRANT ALL ON fact TO public;
SELECT steward.protect('fact', 'observe');
SELECT steward.create_row_policy('some', 'fact', 'id > 3');
});
}
$node->safe_psql('postgres', 'CREATE ROLE regress_obs_ann LOGIN; CREATE ROLE regress_obs_bob LOGIN');

my $counted = 'SELECT subject, command, denials FROM steward.observed_denial ORDER BY 1, 2';
sub look
{
	my ($db, $role) = @_;
	$node->safe_psql($db, 'SELECT count(*) FROM fact', extra_params => [ '-U', $role ]);
}
look('postgres', 'regress_obs_ann');
look('postgres', 'regress_obs_ann');
look('other', 'regress_obs_bob');

is($node->safe_psql('postgres', $counted), 'regress_obs_ann|select|6', 'counted');
is($node->safe_psql('other', $counted), 'regress_obs_bob|select|3', 'counted for each database by itself');

$node->restart;
is($node->safe_psql('postgres', $counted), 'regress_obs_ann|select|6', 'kept over a restart');
is($node->safe_psql('other', $counted), 'regress_obs_bob|select|3', 'kept over a restart, in each database');
ok(!-e $node->data_dir . '/pg_stat/pg_steward_observed.stat', 'the file is gone while the server runs');
look('postgres', 'regress_obs_ann');
is($node->safe_psql('postgres', $counted), 'regress_obs_ann|select|9', 'and counted on');

# a backend that is told to stop in the middle of a transaction
my ($in, $out, $err) = ('', '', '');
my $h = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-U', 'regress_obs_bob' ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timer(60));
$in = "BEGIN;\nSELECT count(*) FROM fact;\nSELECT 'pid', pg_backend_pid();\n";
$h->pump until $out =~ /pid\|(\d+)\n/;
my ($pid) = $out =~ /pid\|(\d+)\n/;
unlike($node->safe_psql('postgres', $counted), qr/regress_obs_bob/, 'not counted before the transaction ends');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
eval { $h->finish };
like($node->safe_psql('postgres', $counted), qr/regress_obs_bob\|select\|3/, 'counted when the backend is terminated');

# a full table takes no more, and says so
$node->safe_psql('postgres',
	join '', map { "CREATE ROLE regress_obs_$_;\nSET ROLE regress_obs_$_;\nSELECT count(*) FROM fact;\nRESET ROLE;\n" } 1 .. 9);
is($node->safe_psql('postgres', 'SELECT count(*) FROM steward.observed_denial'), '9', 'no more entries than there is room');
is($node->safe_psql('postgres', 'SELECT steward.observed_denials_lost()'), '6', 'what was lost is counted');
is($node->safe_psql('postgres', q{SELECT severity, object FROM steward.doctor() WHERE object LIKE '%observed_denial'}),
	'warning|view steward.observed_denial', 'the doctor tells');
look('postgres', 'regress_obs_ann');
like($node->safe_psql('postgres', $counted), qr/regress_obs_ann\|select\|12/, 'entries that are there go on counting');
$node->safe_psql('postgres', 'SELECT steward.reset_observed_denials()');
is($node->safe_psql('postgres', "$counted; SELECT steward.observed_denials_lost()"), '0', 'reset');
is($node->safe_psql('other', $counted), 'regress_obs_bob|select|3', 'other databases are left alone');

# a database that is dropped leaves its entries to the next reset
$node->safe_psql('postgres', 'DROP DATABASE other');
look('postgres', 'regress_obs_ann');
$node->safe_psql('postgres', 'SELECT steward.reset_observed_denials()');
$node->safe_psql('postgres',
	join '', map { "SET ROLE regress_obs_$_;\nSELECT count(*) FROM fact;\nRESET ROLE;\n" } 1 .. 9);
look('postgres', 'regress_obs_ann');
is($node->safe_psql('postgres', 'SELECT count(*), steward.observed_denials_lost() FROM steward.observed_denial'),
	'10|0', 'its room is free again');

# a file that is not ours, or cut short, is ignored
$node->stop;
my $file = $node->data_dir . '/pg_stat/pg_steward_observed.stat';
ok(-s $file, 'the file is there while the server does not run');
truncate $file, 1000;
$node->start;
like($node->safe_psql('postgres', 'SELECT count(*) < 10 FROM steward.observed_denial'), qr/^t$/, 'a file cut short does no harm');
$node->stop;
open my $f, '>', $file or die;
print $f 'something else entirely';
close $f;
$node->start;
is($node->safe_psql('postgres', $counted), '', 'a file that is not ours does no harm');

# a crash
look('postgres', 'regress_obs_ann');
$node->safe_psql('postgres',
	join '', map { "SET ROLE regress_obs_$_;\nSELECT count(*) FROM fact;\nRESET ROLE;\n" } 1 .. 9);
my $crash = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
	'<', \($in = "SELECT 'pid', pg_backend_pid();\n"), '>', \($out = ''), '2>', \$err, IPC::Run::timer(60));
$crash->pump until $out =~ /pid\|(\d+)\n/;
($pid) = $out =~ /pid\|(\d+)\n/;
PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $pid);
eval { $crash->finish };
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM steward.observed_denial')
  or die 'no restart after the crash';
is($node->safe_psql('postgres', $counted), '', 'a crash loses the counts, and nothing else');
look('postgres', 'regress_obs_ann');
is($node->safe_psql('postgres', $counted), 'regress_obs_ann|select|3', 'counted after a crash');

$node->stop;
done_testing();
