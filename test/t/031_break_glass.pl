# Break-glass: the record outlives a crash although commits are asynchronous,
# the server log tells of each attempt, one person's broken glass is of no use
# to the next client of a pooled connection, and dumps keep grants and record.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A key of this test, for nothing else.
my $secret = 'regress test secret of break-glass, for nothing else';

# A token for the subject.
sub token
{
	my ($subject) = @_;
	my $payload = sprintf('{"iss": "https://regress.example", "sub": "%s", "exp": %d}', $subject, time() + 3600);
	my $signed = encode_base64url('{"alg": "HS256", "typ": "JWT"}') . '.' . encode_base64url($payload);
	return $signed . '.' . encode_base64url(hmac_sha256($signed, $secret));
}

my $node = PostgreSQL::Test::Cluster->new('glass');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_steward'
synchronous_commit = off
wal_writer_delay = 10s
log_statement = 'none'
});
$node->start;
my $hex = unpack('H*', $secret);
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION pg_steward;
CREATE ROLE regress_oncall LOGIN;
CREATE TABLE feature (id integer PRIMARY KEY, what text);
INSERT INTO feature VALUES (1, 'seen'), (2, 'canary-secret');
GRANT SELECT ON feature TO regress_oncall;
SELECT steward.protect('feature');
SELECT steward.create_row_policy('seen', 'feature', 'id = 1');
SELECT steward.create_mask('what', 'feature', 'what', '''***''');
SELECT steward.grant_break_glass('regress_oncall', '30 minutes');
SELECT steward.create_issuer('regress', 'https://regress.example', secret => '\\x$hex');
});

# Runs statements in one session of the role; what they show.
sub oncall
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		on_error_stop => 0, extra_params => [ '-U', 'regress_oncall' ]);
	return wantarray ? ($out, $err) : $out;
}

my $read = q{SELECT coalesce(string_agg(what, ' ' ORDER BY id), '') FROM feature;};

# A crash right after the first row: nothing else flushes the record.
is(oncall(qq{SELECT 'until' FROM steward.break_glass(E'a reason\nin two lines', 'INC-7'); $read}),
	"until\nseen canary-secret", 'what is lifted');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT subject, ticket, ended_at IS NULL FROM steward.break_glass_event'),
	'regress_oncall|INC-7|t', 'the record outlives a crash');
is(oncall($read), '***', 'the session that broke it has gone');

# The log.
oncall(q{BEGIN; SELECT steward.break_glass('rolled back', relations => '{feature}'); ROLLBACK;} . $read);
is($node->safe_psql('postgres', 'SELECT count(*) FROM steward.break_glass_event'), '1', 'a record that is rolled back');
my $log = slurp_file($node->logfile);
like($log, qr/LOG:  break-glass \d+: "regress_oncall" as role "regress_oncall", session role "regress_oncall", reads all relations without/,
	'the log tells who');
like($log, qr/DETAIL:  Reason: a reason\n\tin two lines/, 'the log tells why');
like($log, qr/reads public\.feature without policies .*\n.*DETAIL:  Reason: rolled back/, 'the log tells what was rolled back, too');
unlike($log, qr/canary-secret/, 'the log shows no value');

# A pooled connection: whoever authenticates next has broken nothing.
my ($ann, $bob) = (token('ann'), token('bob'));
is(oncall(
		qq{
SELECT steward.authenticate('$ann', 'session');
SELECT 'broken' FROM steward.break_glass('as ann');
$read
SELECT steward.authenticate('$bob', 'session');
$read
SELECT steward.end_break_glass();
SELECT steward.authenticate('$ann', 'session');
$read
SELECT steward.end_break_glass();
$read
}),
	"ann\nbroken\nseen canary-secret\nbob\n***\nf\nann\nseen canary-secret\nt\n***",
	'a token that another client presents');
is(oncall(
		qq{
SELECT 'broken' FROM steward.break_glass('without a token');
SELECT steward.authenticate('$ann', 'session');
$read
SELECT 'broken' FROM steward.break_glass('as ann');
SELECT steward.authenticate('$bob', 'session');
$read
DISCARD ALL;
$read
}),
	"broken\nann\n***\nbroken\nbob\n***\n***", 'what was broken without a token');
is($node->safe_psql('postgres',
		q{SELECT subject, token_issuer, ended_at IS NOT NULL FROM steward.break_glass_event WHERE id > 1 ORDER BY id}),
	"ann|regress|t\nregress_oncall||t\nann|regress|f", 'the record names the subject of the token');

# Dump and restore.
my $dump = $node->backup_dir . '/dump.sql';
my $events = 'SELECT * FROM steward.break_glass_event ORDER BY id';
my $grants = 'SELECT * FROM steward.break_glass_grant';
$node->run_log([ 'pg_dump', '-f', $dump, '-h', $node->host, '-p', $node->port, '-U', $node->safe_psql('postgres', 'SELECT current_user'), 'postgres' ]);
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'the dump is restored');
is($node->safe_psql('restored', $events), $node->safe_psql('postgres', $events), 'the record is restored');
is($node->safe_psql('restored', $grants), $node->safe_psql('postgres', $grants), 'the grants are restored');
is($node->safe_psql('restored', q{SELECT nextval('steward.break_glass_record_id_seq') > max(id) FROM steward.break_glass_record}),
	't', 'the numbers go on');

$node->stop;
done_testing();
