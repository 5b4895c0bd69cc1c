# Standby and promotion: no worker in recovery, all of them afterwards; a
# durable record waits for standbys as its session asks, the writer does not.
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

my $primary = steward_server('primary', preload => 'pg_steward, ' . steward_module('steward_test'), streaming => 1);
audit_database($primary, 'postgres');
$primary->safe_psql('postgres', q(SELECT regress_put(1, i, 'x', 10) FROM generate_series(1, 100) i; SELECT steward.flush()));
$primary->backup('base');
check_indexes($primary, 'postgres', 'indexes of the primary');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "primary_conninfo = '" . $primary->connstr . " application_name=standby'");
$standby->start;
$primary->safe_psql('postgres', q(SELECT regress_put(1, i, 'x', 10) FROM generate_series(1, 1000) i; SELECT steward.flush()));
$primary->wait_for_catchup('standby');
check_indexes($standby, 'postgres', 'indexes of the standby, which replayed what was entered by pages');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM steward.regress_queue'), '1100', 'the standby has the log');
is($standby->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^pg_steward')), '0', '... and no worker');
is($standby->safe_psql('postgres', 'SELECT state, writer FROM steward.status'), 'standby|none', '... as status says');
fails_like($standby, 'postgres', 'SELECT steward.flush()', [qr/ERROR:  flush\(\) is not available on a standby/], 'flush on a standby');
fails_like($standby, 'postgres', q(SELECT steward.adopt('no')), [qr/read-only|recovery/], 'adopt on a standby');

# A synchronous standby.
$primary->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");
$primary->reload;
$primary->poll_query_until('postgres', q(SELECT sync_state = 'sync' FROM pg_stat_replication));
$primary->safe_psql('postgres', q(SELECT regress_put(1, 101, 'x', 10, true)));
ok(1, 'a durable record with a synchronous standby');
$standby->stop;
my ($status, $out, $err) = $primary->psql('postgres', q(SET statement_timeout = '1s'; SELECT regress_put(1, 102, 'x', 10, true)));
like($err, qr/canceling wait for synchronous replication of an audit record/, '... is an error where the standby is gone');
$primary->safe_psql('postgres', q(SET synchronous_commit = local; SELECT regress_put(1, 103, 'x', 10, true)));
ok(1, '... but not for a session that does not ask for it: the writer waits for no standby');
is($primary->safe_psql('postgres', 'SELECT count(*) FROM steward.regress_queue'), '1103', '... and everything is in the log');
$primary->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$primary->reload;

# Promotion.
$standby->start;
$primary->wait_for_catchup('standby');
$primary->stop;
$standby->promote;
ok($standby->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_steward writer')), 'promotion starts the writer');
$standby->safe_psql('postgres', q(SELECT regress_put(1, 104, 'x', 10, true)));
is($standby->safe_psql('postgres', 'SELECT count(*), max(seq) FROM steward.regress_queue'), '1104|1103', '... which goes on with the log');
is($standby->safe_psql('postgres', 'SELECT state, reason FROM steward.status'),
	'active|the timeline changed from 1 to 2; adopt(reason) acknowledges it', 'the change of timeline is shown');
like($standby->safe_psql('postgres', 'SELECT severity, finding, remedy FROM steward.doctor()'),
	qr/^warning\|the timeline changed from 1 to 2; .*\|SELECT steward\.adopt\(.*as a superuser/m, '... by doctor(), too');
$standby->safe_psql('postgres', q(SELECT steward.adopt('failover')));
is($standby->safe_psql('postgres', 'SELECT state, reason FROM steward.status'), 'active|', '... until it is acknowledged');
unlike($standby->safe_psql('postgres', 'SELECT finding FROM steward.doctor()'), qr/timeline/, '... and then by nobody');
fails_like($standby, 'postgres', q(SELECT steward.adopt('again')), [qr/ERROR:  there is nothing to adopt/], 'adopting twice');
$standby->stop;

done_testing();
