# What would leave the access log with gaps is itself logged: a server that
# ran without the library, audit that is switched off, settings.  And reads on
# a standby, which has no log.
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

my $node = steward_server('audit_off');
my $db = 'regress_audit_off';

# from the first restart on
$node->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 5\nhot_standby = on");
$node->safe_psql('postgres', "CREATE DATABASE $db");
$node->safe_psql($db, q(
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_user LOGIN;
	CREATE TABLE regress_t (id integer);
	CREATE TABLE regress_sync (id integer);
	CREATE TABLE regress_quiet (id integer);
	INSERT INTO regress_t SELECT generate_series(1, 5);
	GRANT ALL ON regress_t, regress_sync, regress_quiet TO regress_user;
	SELECT steward.protect('regress_t'), steward.protect('regress_sync', audit => 'sync'), steward.protect('regress_quiet', audit => 'off');
	SELECT steward.create_row_policy('all', t, 'true') FROM unnest('{regress_t,regress_sync,regress_quiet}'::regclass[]) t));
$node->safe_psql($db, 'SELECT steward.flush()');

# Changes of one kind, oldest first.
sub changes
{
	my ($what) = @_;

	$node->safe_psql($db, 'SELECT steward.flush()');
	return $node->safe_psql($db, "SELECT object_name, action, before, after FROM steward.change_log WHERE $what ORDER BY seq");
}

my $absences = q(SELECT count(*) FROM steward.change_log WHERE action = 'library absent');

# Audit that is switched off, and on again.
$node->safe_psql($db, q(SELECT steward.protect('regress_t', audit => 'off')));
$node->safe_psql($db, 'SELECT * FROM regress_t');
$node->safe_psql($db, q(SELECT steward.protect('regress_t')));
$node->safe_psql($db, 'SELECT steward.flush()');
is($node->safe_psql($db, q(SELECT before ->> 'audit', after ->> 'audit' FROM steward.change_log
	WHERE object_kind = 'protection' AND before ->> 'audit' <> after ->> 'audit' ORDER BY seq)),
	"async|off\noff|async", 'audit that is switched off is logged');
is($node->safe_psql($db, q(SELECT count(*) FROM steward.access_log WHERE relation_name = 'public.regress_t')), '0', '... and nothing meanwhile');

# Settings of ours.
$node->safe_psql($db, q(SET steward.log_parameters = on));
$node->safe_psql($db, q(ALTER ROLE regress_user SET steward.log_parameters = on));
$node->safe_psql($db, q(ALTER ROLE regress_user RESET steward.log_parameters));
$node->safe_psql($db, q(SET steward.purpose = ''));
is(changes(q(object_kind = 'setting')), join("\n",
	'steward.log_parameters|set||{"for": "session", "value": "on"}',
	'steward.log_parameters|set||{"for": "role", "value": "on"}',
	'steward.log_parameters|reset||{"for": "role", "value": null}'), 'settings of superusers are logged');

# Restarts with the library leave nothing behind.
$node->restart;
$node->stop('immediate');
$node->start;
sleep 3;
is(changes(q(action = 'library absent')), '', 'restarts with the library are nothing to tell');

# A start without it does.
$node->stop;
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->start;
is($node->safe_psql($db, 'SELECT 1'), '1', 'the server runs without the library');
$node->stop;
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'pg_steward'");
$node->start;
ok($node->poll_query_until($db, $absences, '1'), 'a server that ran without the library is logged');
$node->restart;
sleep 2;
is($node->safe_psql($db, $absences), '1', '... once');

# A standby has no log.
$node->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('audit_off_standby');
$standby->init_from_backup($node, 'standby', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my $stderr;
my @user = (extra_params => [ '-U', 'regress_user' ]);
is($standby->safe_psql($db, 'SELECT count(*) FROM regress_quiet', @user), '0', 'tables without audit are readable on a standby');
$standby->psql($db, 'SELECT * FROM regress_t', @user, stderr => \$stderr);
like($stderr, qr/governed table "regress_t" cannot be used on a standby/, 'others are not');
$standby->append_conf('postgresql.conf', "steward.standby_reads = 'log'");
$standby->reload;
my $offset = -s $standby->logfile;
is($standby->safe_psql($db, 'SELECT count(*) FROM regress_t WHERE id < 4', @user), '3', 'unless they are logged to the server log');
$standby->psql($db, 'SELECT * FROM regress_sync', @user, stderr => \$stderr);
like($stderr, qr/governed table "regress_sync" cannot be used on a standby/, '... never those that are logged synchronously');
my $log = slurp_file($standby->logfile, $offset);
like($log, qr/LOG:  pg_steward access: \{"kind":"event".*"command":"select","relation_name":"public\.regress_t".*"decision":"allowed","outcome":"completed","rows_returned":1,.*"query_text":"SELECT count\(\*\) FROM regress_t WHERE id < \$1"/,
	'the line in the server log');
$standby->stop;
$node->stop;
done_testing();
