# The demonstration asserts every step of its story: it must pass, pass again
# on the same server, and fail where there is nothing to show.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $python = $ENV{PYTHON} || '/usr/bin/python3';
plan skip_all => 'the packages of demo/packages are not installed'
  if system("$python -c 'import cryptography, psycopg, sklearn' > /dev/null 2>&1") != 0;

# where the demonstration makes the folder of its pooler
my $private = PostgreSQL::Test::Utils::tempdir_short;

# Runs the demonstration on a node, returns its exit status and what it said.
sub demo
{
	my ($node, @arguments) = @_;
	local %ENV = %ENV;
	delete @ENV{qw(PGUSER DEMO_OUT)};
	@ENV{qw(PGHOST PGPORT PGDATABASE TMPDIR)} = ($node->host, $node->port, 'postgres', $private);
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'demo/run', @arguments ], '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

my $node = PostgreSQL::Test::Cluster->new('demo');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_steward'\nlog_statement = 'all'");
$node->start;

my ($status, $out, $err) = demo($node, '--check');
is($status, 0, 'every step shows what the story says');
is($err, '', 'without a word of complaint');
like($out, qr/\Ademo: \d+ checks passed in \d+ steps, [\d.]+ s\n\z/, 'one line is printed');

# doctor() tells of what was so on the server before, and the story goes on
$node->safe_psql('postgres', 'CREATE ROLE regress_beyond LOGIN BYPASSRLS');
($status, $out, $err) = demo($node);
like($out, qr/role regress_beyond +it has BYPASSRLS/, 'what was so before is shown');
$node->safe_psql('postgres', 'DROP ROLE regress_beyond');
is($status, 0, 'the story can be told again on the same server');
is($err, '', 'again without complaint');
unlike($out, qr/✗|NOT REFUSED/, 'nothing in it failed');
my ($longest) = sort { $b <=> $a } map { my $l = $_; utf8::decode($l); length $l } split /\n/, $out;
cmp_ok($longest, '<=', 96, 'no line is wider than a terminal');
unlike($out, qr{(?<![\w.])/(?:home|root|tmp|var|usr)/}, 'no path of this machine is shown');

# What the story told has happened in the database.
sub asked { my ($sql) = @_; return $node->safe_psql('credit_demo', $sql) }

is(asked(q{SET SESSION AUTHORIZATION risk_team; SET steward.purpose = 'credit-scoring';
SELECT DISTINCT sex_and_status, foreign_worker, age_years % 20 FROM credit_features}),
	'[redacted]||0', 'the protected attributes are masked for the risk team');
is(asked(q{SELECT count(DISTINCT sex_and_status), count(DISTINCT age_years), count(DISTINCT foreign_worker) FROM credit_features}),
	'4|53|2', 'and are there');
is(asked('SELECT count(*) FROM information_schema.column_privileges c JOIN pg_roles r ON r.rolname = c.grantee
	WHERE shobj_description(r.oid, \'pg_authid\') ~ \'demonstration\'
	  AND NOT has_table_privilege(r.oid, \'credit_features\', privilege_type) AND table_name = \'credit_features\''),
	'0', 'not by privileges on columns');
is(asked('SELECT name, issuer, jwks IS NOT NULL, secret IS NULL FROM steward.issuer'),
	'bank|https://login.bank.example|t|t', 'tokens are verified with a public key');
is(asked('SELECT subject, count(*) FROM steward.inference_log GROUP BY 1 ORDER BY 1'),
	"cars-scorer|337\nhousehold-scorer|663", 'each service logged in its own name');
like(asked(q{SELECT steward.export_policies()}), qr/duration_months <= 24/, 'the change of the policies was applied');
is(asked('SELECT test, ok FROM steward.run_policy_tests() ORDER BY 1'),
	join("\n", map { "risk_team sees no $_|t" } qw(age_years foreign_worker sex_and_status)), 'their tests hold');
is(asked('SELECT subject, ticket, reason, ended_at IS NOT NULL FROM steward.break_glass_event'),
	'on_call|INC-4711|scores of applicant 4711 are wrong|t', 'the glass was broken once, and the record is there');
is(asked(q{SELECT value_text FROM credit_applicant_features WHERE feature_name = 'duration_months' AND value_text = '240'}),
	'', 'what was wrong is repaired');
is(asked('SELECT object FROM steward.doctor()'), "setting steward.key_directory\nsetting steward.checkpoint_command",
	'nothing is amiss at the end but what the server has by default');
like($out, qr/rewritten +access_event +[\d,]+ +no +([\d,]+) +record \d+ was changed\n/, 'a record that was rewritten is named');
my ($rewritten) = $out =~ /rewritten .* no +([\d,]+) /;
is(asked(q{SELECT min(seq) FROM steward.access_log WHERE decision = 'break-glass' AND relation_name = 'public.credit_features'}),
	$rewritten =~ s/,//gr, '... that of the broken glass');
is(asked('SELECT log, ok, problem FROM steward.verify() ORDER BY 1'), "access_event|t|\nchange_log|t|\ninference_log|t|", 'it was put right again');
is(asked(q{SELECT count(*) FROM steward.log_partitions('access_event') p, pg_trigger t WHERE t.tgrelid = p.partition AND t.tgenabled <> 'A'}),
	'0', '... and the triggers are on');
is(() = $out =~ /^(?:access_event|inference_log|change_log): verified$/mg, 5, 'the verifier saw three logs, and then two');
like($out, qr/^access_event: NOT verified: 2 problems, the first bad record is \d+$/m, 'it saw the altered copy');
like($out, qr/^record \d+ is in \S+\/access_event of \d+\s+records: verified$/m, 'and the proof of one record');
is(asked(q{SELECT subject, decision FROM steward.who_saw('credit_features', '4711') WHERE entity_scope = 'rows' ORDER BY seq}),
	"on_call|break-glass\nfeature_pipeline|allowed\njunior_analyst|allowed", 'who saw applicant 4711 is known');
is(asked(q{SELECT subject FROM steward.entity_report('4711') WHERE source = 'inference'}), 'household-scorer', '... and who scored them');
is($node->safe_psql('postgres', q{SELECT rolname FROM pg_roles WHERE rolbypassrls AND NOT rolsuper}),
	'', 'and nobody is beyond the rules');

# The pooler, and the key and the tokens of its clients, are gone.
is_deeply([ glob("$private/*") ], [], 'the folders of the pooler and of the export are gone');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'scoring_service'}),
	'0', 'and so are its connections');
my $log = slurp_file($node->logfile);
like($log, qr/steward\.authenticate\(\$1/, 'the tokens were bind parameters');
unlike($out . $log, qr/eyJ/, 'no token was shown or logged');

# Whoever ends it half-way ends its pooler as well.
{
	local %ENV = %ENV;
	delete @ENV{qw(PGUSER DEMO_OUT)};
	@ENV{qw(PGHOST PGPORT PGDATABASE TMPDIR)} = ($node->host, $node->port, 'postgres', $private);
	my ($said, $blamed) = ('', '');
	my $told = IPC::Run::start([ 'demo/run', '--check' ], '>', \$said, '2>', \$blamed);
	my $there = 0;
	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if $there = () = glob("$private/*/.s.PGSQL.6432");
		sleep 0.05;
	}
	ok($there, 'a pooler serves while the services are told of');
	$told->signal('TERM');
	$told->finish;
	is_deeply([ glob("$private/*") ], [], 'it does not outlive the demonstration');
	is($said . $blamed, '', 'which ends without a word');
}

# What is somebody else's is left alone.
$node->safe_psql('postgres', 'DROP DATABASE credit_demo');
$node->safe_psql('postgres', 'CREATE DATABASE credit_demo');
($status, $out, $err) = demo($node, '--check');
isnt($status, 0, 'a database of somebody else stops it');
like($err, qr/credit_demo exists that is not of the demonstration/, 'and is named');
$node->safe_psql('postgres', 'DROP DATABASE credit_demo');
$node->safe_psql('postgres', q(COMMENT ON ROLE marketing IS 'of somebody else'));
($status, $out, $err) = demo($node, '--check');
isnt($status, 0, 'a role of somebody else stops it');
like($err, qr/role "marketing" exists and is not of the demonstration/, 'and is named');

# Without the library there is nothing to show.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
($status, $out, $err) = demo($node, '--check');
isnt($status, 0, 'a server without the library makes it fail');
like($err, qr/FAILED at step 1 .*shared_preload_libraries/s, 'and it says why');

($status, $out, $err) = demo($node, '--nonsense');
is($status, 2, 'an unknown argument is refused');
like($err, qr/usage: demo\/run/, 'with the usage');

$node->stop;
done_testing();
