# mask_hash(): one key however many sessions need it first; the same hashes on
# a standby and after dump and restore; nothing without the master key.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub server
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1, extra => [ '--no-locale', '--encoding=UTF8' ]);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_steward'");
	$node->start;
	return $node;
}

# What the person sees, and with which errors.
sub seen
{
	my ($node, $db) = @_;
	my (undef, $out, $err) = $node->psql($db // 'postgres',
		'SET ROLE regress_reader; SELECT id, ssn, num, big FROM person ORDER BY id');

	return ($out, $err);
}

my $node = server('hashing');
my $keys = $node->data_dir . '/pg_steward_keys';

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION pg_steward;
CREATE ROLE regress_reader;
CREATE TABLE person (id int PRIMARY KEY, ssn text, num int, big bigint);
INSERT INTO person SELECT g, 'canary-' || g, 1000 + g, 1000 + g FROM generate_series(1, 3) g;
CREATE TABLE t0 (ssn text); CREATE TABLE t1 (ssn text); CREATE TABLE t2 (ssn text); CREATE TABLE t3 (ssn text);
CREATE TABLE t4 (ssn text); CREATE TABLE t5 (ssn text); CREATE TABLE t6 (ssn text); CREATE TABLE t7 (ssn text);
GRANT SELECT ON person TO regress_reader;
SELECT steward.protect(r::regclass) FROM unnest('{person,t0,t1,t2,t3,t4,t5,t6,t7}'::text[]) r;
SELECT steward.create_row_policy('all', 'person', 'true');
});
ok(!-e $keys, 'no master key before one is needed');

# eight at once, each of which stays in its transaction for a while
my @making = map {
	my $i = $_;
	my $pid = fork();
	if ($pid == 0)
	{
		# no exit: it would stop the node
		open(STDOUT, '>', '/dev/null');
		exec('psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c',
			"BEGIN; SELECT steward.create_mask('hash', 't$i', 'ssn', 'steward.mask_hash(ssn)'); SELECT pg_sleep(0.2); COMMIT");
	}
	$pid;
} 0 .. 7;
my $failed = 0;
foreach my $pid (@making)
{
	waitpid($pid, 0);
	$failed++ if $?;
}
is($failed, 0, 'eight sessions write the first masks that hash at once');
is($node->safe_psql('postgres', 'SELECT count(*), max(octet_length(wrapped)) FROM steward.mask_key'),
	'1|69', 'there is one key, wrapped');

# one that is rolled back leaves no key that hashes were made with
$node->safe_psql('postgres', 'DELETE FROM steward.mask_key');
$node->safe_psql('postgres',
	q{BEGIN; SELECT steward.create_mask('ssn', 'person', 'ssn', 'steward.mask_hash(ssn)'); ROLLBACK});
is($node->safe_psql('postgres', 'SELECT count(*) FROM steward.mask_key'), '0', 'a key is rolled back with the mask');

$node->safe_psql('postgres',
	qq{SELECT steward.create_mask('$_', 'person', '$_', 'steward.mask_hash($_)')})
  foreach qw(ssn num big);
my ($hashes, $err) = seen($node);
like($hashes, qr/^1\|[\w-]{22}\|-?\d+\|-?\d+\n2\|/, 'values are hashed') or diag $err;
unlike($hashes, qr/canary|100\d\|/, 'no value shows');

# read-only transactions need no key to be made
my (undef, $out) = $node->psql('postgres',
	'BEGIN READ ONLY; SET ROLE regress_reader; SELECT id, ssn, num, big FROM person ORDER BY id; COMMIT');
is($out, $hashes, 'the same in a read-only transaction');

# ----------------------------------------------------------------------
# A standby
# ----------------------------------------------------------------------

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('hashing_standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
chmod 0700, $standby->data_dir . '/pg_steward_keys';
chmod 0600, glob($standby->data_dir . '/pg_steward_keys/*');
# accesses to audited tables are told to the server log there
$standby->append_conf('postgresql.conf', "steward.standby_reads = 'log'");
$standby->start;
$node->wait_for_catchup($standby);
($out, $err) = seen($standby);
is($out, $hashes, 'a standby gives the same hashes') or diag $err;
$standby->stop;

# ----------------------------------------------------------------------
# Dump and restore
# ----------------------------------------------------------------------

my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--enable-row-security', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
my $text = slurp_file($dump);
my $master = slurp_file("$keys/master.key");
$master =~ s/^.*\n//;
chomp $master;
like($text, qr/^COPY steward\.mask_key .*\nt\t\\\\x01[0-9a-f]{136}\t/m, 'a dump holds the key, wrapped');
unlike($text, qr/$master/i, 'and not the master key');

$node->safe_psql('postgres', 'CREATE DATABASE regress_restored TEMPLATE template0');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('regress_restored'), '-f', $dump ], 'restore');
($out, $err) = seen($node, 'regress_restored');
is($out, $hashes, 'another database has the same hashes after a restore') or diag $err;

# a database of its own has a key of its own
$node->safe_psql('postgres', 'CREATE DATABASE regress_other TEMPLATE template0');
$node->safe_psql(
	'regress_other', q{
CREATE EXTENSION pg_steward;
CREATE TABLE person (id int PRIMARY KEY, ssn text, num int, big bigint);
INSERT INTO person SELECT g, 'canary-' || g, 1000 + g, 1000 + g FROM generate_series(1, 3) g;
GRANT SELECT ON person TO regress_reader;
SELECT steward.protect('person');
SELECT steward.create_row_policy('all', 'person', 'true');
SELECT steward.create_mask('ssn', 'person', 'ssn', 'steward.mask_hash(ssn)');
SELECT steward.create_mask('num', 'person', 'num', 'steward.mask_hash(num)');
});
($out, $err) = seen($node, 'regress_other');
my $first = (split /\|/, $hashes)[1];
unlike($out, qr/\Q$first\E/, 'another database has other hashes') or diag $err;

# ----------------------------------------------------------------------
# Another server, without the master key and with it
# ----------------------------------------------------------------------

my $other = server('hashing_elsewhere');
my $other_keys = $other->data_dir . '/pg_steward_keys';
$other->safe_psql('postgres', 'CREATE ROLE regress_reader');
$other->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $other->connstr('postgres'), '-f', $dump ], 'restore elsewhere');
($out, $err) = seen($other);
is($out, '', 'without the master key nothing shows');
like($err, qr/ERROR:  a secret was wrapped under another master key/, 'and an error says why');
like($err, qr/HINT:  Copy the key directory of the server that the data came from/, 'what to do');
like($err, qr/CONTEXT:  key of steward\.mask_hash\(\)/, 'and which key it is');
unlike($err, qr/canary|100[123]/, 'without a value');

unlink "$other_keys/master.key";
PostgreSQL::Test::Utils::system_or_bail('cp', '-p', "$keys/master.key", "$other_keys/master.key");
($out, $err) = seen($other);
is($out, $hashes, 'with the master key the hashes are the same') or diag $err;

# a key that was altered, or is another secret's
$other->safe_psql('postgres', 'UPDATE steward.mask_key SET wrapped = set_byte(wrapped, 40, get_byte(wrapped, 40) # 1)');
($out, $err) = seen($other);
is($out, '', 'a key that was altered shows nothing');
like($err, qr/ERROR:  a wrapped secret was altered, or belongs elsewhere/, 'and says so');

# a session notices that the key changed
$node->safe_psql('postgres', 'CREATE TABLE was AS SELECT steward.mask_hash(1) AS before');
is($node->safe_psql('postgres', q{
	SELECT steward.mask_hash(1) = before FROM was;
	DELETE FROM steward.mask_key;
	SELECT steward.create_mask('num', 'person', 'num', 'steward.mask_hash(num)', replace => true);
	SELECT steward.mask_hash(1) = before FROM was}),
	"t\n\nf", 'a key that is replaced counts at once');

$other->stop;
$node->stop;
done_testing();
