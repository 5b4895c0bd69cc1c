# Copies of a database: restored to a point in time, cloned.  They write into no
# log that is not their own, and a checkpoint kept elsewhere tells them apart.
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

my $dir = PostgreSQL::Test::Utils::tempdir();
my $primary = steward_server('primary', archiving => 1, streaming => 1);
mkdir "$dir/keys", 0700;
$primary->append_conf('postgresql.conf', "steward.key_directory = '$dir/keys'");
$primary->restart;

sub sql { my ($node, $query, $db) = @_; return $node->safe_psql($db // 'postgres', $query); }

# A copy of the key directory as it is now.
sub copy_keys
{
	my ($name) = @_;

	system('cp', '-a', "$dir/keys", "$dir/$name") == 0 or die 'cannot copy';
	return "$dir/$name";
}

my $reads = 'SELECT count(*) FROM sync; SELECT count(*) FROM async';
sql($primary, qq(
CREATE EXTENSION pg_steward;
CREATE TABLE sync (id int); CREATE TABLE async (id int);
SELECT steward.protect('sync', audit => 'sync');
SELECT steward.protect('async');
SELECT steward.register_model('m', 'tests');
SELECT steward.register_version('m', '1');
$reads; SELECT steward.log_inference('m', '1', '{}', '{}'); SELECT steward.flush();
SELECT steward.checkpoint('access_event')));
my $keys_then = copy_keys('keys_then');
$primary->backup('base');

sql($primary, "$reads; SELECT steward.flush()");
my $known_then = sql($primary, q(SELECT steward.checkpoint('access_event')));
my $size_then = sql($primary, q(SELECT size FROM steward.verify('access_event')));
sql($primary, q(SELECT pg_create_restore_point('past')));
sql($primary, "$reads; $reads; SELECT steward.flush()");
my $known_later = sql($primary, q(SELECT steward.checkpoint('access_event')));
my $size_later = sql($primary, q(SELECT size FROM steward.verify('access_event')));
cmp_ok($size_later, '>', $size_then, 'the log grew');
my $keys_later = copy_keys('keys_later');
my $wal = sql($primary, 'SELECT pg_walfile_name(pg_switch_wal())');
$primary->poll_query_until('postgres', "SELECT last_archived_wal >= '$wal' FROM pg_stat_archiver") or die 'WAL is not archived';

# The primary set back to the restore point, with that key directory.
sub restore
{
	my ($name, $keys) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
	$node->append_conf('postgresql.conf', <<"END");
archive_mode = off
recovery_target_name = 'past'
recovery_target_action = 'promote'
steward.key_directory = '$keys'
END
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die "$name does not come up";
	return $node;
}

# ---------------------------------------------------------------------
# Restored to a point in time; the key directory knows of a later state
# ---------------------------------------------------------------------

my $restored = restore('restored', $keys_later);
ok($restored->poll_query_until('postgres', q(SELECT state = 'dormant' FROM steward.status)), 'the restored database is dormant');
like(sql($restored, 'SELECT reason FROM steward.status'), qr/later state of this one; adopt\(reason\)/, '... as status says');
fails_like($restored, 'postgres', 'SELECT count(*) FROM sync', [ qr/this database is a copy that keeps no audit logs/, qr/adopt/ ], 'a sync read of it');
fails_like($restored, 'postgres', q(SELECT steward.log_inference('m', '1', '{}', '{}')), [qr/a copy that keeps no audit logs/], 'an inference in it');
is(sql($restored, q(SELECT size, ok FROM steward.verify('access_event'))), "$size_then|t", 'its log verifies by itself');
is(sql($restored, "SELECT ok FROM steward.verify('access_event', '$known_then')"), 't', '... and against the checkpoint of then');
is(sql($restored, "SELECT ok, problem FROM steward.verify('access_event', '$known_later')"),
	"f|the log has $size_then records, and the known checkpoint says $size_later", 'a later checkpoint that was kept elsewhere tells that it is an older state');
is(sql($restored, q(SELECT log, ok, problem FROM steward.adopt('restored to the restore point') ORDER BY 1)),
	"access_event|t|\nchange_log|t|\ninference_log|t|", 'adopt() verifies the logs and tells what it found');
is(sql($restored, 'SELECT state, reason FROM steward.status'), 'active|', '... and the database logs again');
sql($restored, "$reads; SELECT steward.flush()");
is(sql($restored, q(SELECT count(*) > 0, bool_and(size > 0) FROM steward.verify() WHERE ok)), 't|t', '... into logs that verify');
is(sql($restored, q(SELECT after ->> 'reason', after ->> 'damage', jsonb_array_length(after -> 'logs') FROM steward.change_log WHERE object_kind = 'installation' AND action = 'adopt')),
	'restored to the restore point||3', '... and its change log tells of it');
isnt(sql($restored, q(SELECT split_part(steward.checkpoint('access_event'), E'\n', 1))), (split /\n/, $known_then)[0], '... under another origin');
$restored->stop;

# ---------------------------------------------------------------------
# The same with the key directory of then: shown as a fork
# ---------------------------------------------------------------------

my $fork = restore('fork', $keys_then);
ok($fork->poll_query_until('postgres', q(SELECT state = 'active' AND reason ~ '^the timeline changed from 1 to 2; adopt' FROM steward.status)),
	'with an older key directory the fork is shown');
sql($fork, "$reads; $reads; $reads; SELECT steward.flush()");
is(sql($fork, "SELECT ok, problem FROM steward.verify('access_event', '$known_later')"),
	"f|the records before $size_later are not those of the known checkpoint", 'grown as far, its log is not the one of the known checkpoint');
is(sql($fork, "SELECT ok FROM steward.verify('access_event', '$known_then')"), 't', '... that of the common past is');
is(sql($fork, q(SELECT bool_and(ok) FROM steward.adopt('a fork'))), 't', 'adopt() acknowledges it');
is(sql($fork, 'SELECT state, reason FROM steward.status'), 'active|', '... and nothing more is shown');
$fork->stop;

# ---------------------------------------------------------------------
# A cloned database, and a damaged one
# ---------------------------------------------------------------------

sql($primary, 'CREATE DATABASE regress_clone TEMPLATE postgres');
sql($primary, 'CREATE DATABASE regress_damaged TEMPLATE postgres');
is(sql($primary, 'SELECT state FROM steward.status', 'regress_clone'), 'dormant', 'a clone is dormant');
fails_like($primary, 'regress_clone', 'SELECT count(*) FROM sync', [qr/a copy that keeps no audit logs/], 'a sync read of it');
sql($primary, 'SELECT count(*) FROM async', 'regress_clone');
is(sql($primary, q(SELECT size, ok FROM steward.verify('access_event')), 'regress_clone'), "$size_later|t", 'nothing is logged there');
is(sql($primary, "SELECT ok FROM steward.verify('access_event', '$known_later')", 'regress_clone'), 't', '... and its log verifies');
fails_like($primary, 'regress_clone', q(SET ROLE pg_monitor; SELECT steward.adopt('x')), [qr/permission denied/], 'adopt() by an ordinary role');
foreach my $bad ('NULL', "' '")
{
	fails_like($primary, 'regress_clone', "SELECT steward.adopt($bad)", [qr/reason must not be/], "adopt($bad)");
}
is(sql($primary, q(SELECT bool_and(ok) FROM steward.adopt('a clone')), 'regress_clone'), 't', 'adopted');
sql($primary, "$reads; SELECT steward.flush()", 'regress_clone');
is(sql($primary, q(SELECT count(*) FROM steward.verify() WHERE NOT ok), 'regress_clone'), '0', '... it goes on');
is(sql($primary, "SELECT ok, size FROM steward.verify('access_event', '$known_later')"), "t|$size_later", 'the log of its template is what it was');

my $partition = sql($primary, q(SELECT partition FROM steward.log_partitions('access_event') LIMIT 1), 'regress_damaged');
sql($primary, "ALTER TABLE $partition DISABLE TRIGGER ALL; UPDATE $partition SET decision = 'denied' WHERE seq = 1", 'regress_damaged');
fails_like($primary, 'regress_damaged', q(SELECT steward.adopt('damaged')),
	[ qr/ERROR:  the logs of this database are damaged/, qr/DETAIL:.*"access_event": record 1/, qr/HINT:.*accept_damage => true/ ], 'adopt() of a damaged copy');
is(sql($primary, 'SELECT state FROM steward.status', 'regress_damaged'), 'dormant', '... which stays dormant');
is(sql($primary, q(SELECT ok, problem ~ 'record 1' FROM steward.adopt('what is left', accept_damage => true) WHERE log = 'access_event'), 'regress_damaged'),
	'f|t', 'with accept_damage it goes on');
sql($primary, "$reads; SELECT steward.flush()", 'regress_damaged');
is(sql($primary, q(SELECT after ->> 'damage' ~ 'record 1' FROM steward.change_log WHERE action = 'adopt'), 'regress_damaged'), 't', '... and the change log tells of the damage');
is(sql($primary, q(SELECT ok FROM steward.verify('access_event')), 'regress_damaged'), 'f', '... which verify() does not forget');
fails_like($primary, 'regress_damaged', q(SELECT steward.adopt('again', true)), [qr/there is nothing to adopt/], 'adopting twice');

$primary->stop;
done_testing();
