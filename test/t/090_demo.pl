# The demonstration asserts every step of its story: it must pass, pass again
# on the same server, and fail where there is nothing to show.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = $ENV{PYTHON} || '/usr/bin/python3';
plan skip_all => 'the packages of demo/packages are not installed'
  if system("$python -c 'import psycopg, sklearn' > /dev/null 2>&1") != 0;

# Runs the demonstration on a node, returns its exit status and what it said.
sub demo
{
	my ($node, @arguments) = @_;
	local %ENV = %ENV;
	delete @ENV{qw(PGUSER DEMO_OUT)};
	@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'demo/run', @arguments ], '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

my $node = PostgreSQL::Test::Cluster->new('demo');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_steward'");
$node->start;

my ($status, $out, $err) = demo($node, '--check');
is($status, 0, 'every step shows what the story says');
is($err, '', 'without a word of complaint');
like($out, qr/\Ademo: \d+ checks passed in \d+ steps, [\d.]+ s\n\z/, 'one line is printed');

($status, $out, $err) = demo($node);
is($status, 0, 'the story can be told again on the same server');
is($err, '', 'again without complaint');
unlike($out, qr/✗|NOT REFUSED/, 'nothing in it failed');
my ($longest) = sort { $b <=> $a } map { my $l = $_; utf8::decode($l); length $l } split /\n/, $out;
cmp_ok($longest, '<=', 96, 'no line is wider than a terminal');
unlike($out, qr{(?<![\w.])/(?:home|root|tmp|var|usr)/}, 'no path of this machine is shown');

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
