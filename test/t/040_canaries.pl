# A short run of the canary test (test/fuzz): our own generator finds no canary,
# and finds one where a mask is switched off.
#
# SEED repeats a run.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;

# What a random run finds, no other run repeats: not in every run of the tests.
plan skip_all => 'set FUZZ=1 for the canary test, or run ./dev fuzz'
  unless $ENV{FUZZ};

my $seed = $ENV{SEED} || int(rand(2**31));
my $run = dirname(__FILE__) . '/../fuzz/run';

# Runs test/fuzz/run; its output is shown where it fails.
sub fuzz
{
	my ($name, @options) = @_;
	my $out;

	local $ENV{OUT} = $PostgreSQL::Test::Utils::tmp_check . '/fuzz';
	my $ok = IPC::Run::run([ $run, '--seed', $seed, @options ], '>&', \$out);
	ok($ok, "$name (SEED=$seed)") or diag $out;
	note $out;
	return;
}

fuzz('no canary is seen', '--seconds', 12, '--no-sqlsmith');
fuzz('broken paths are found', '--seconds', 30, '--broken', 'whole-row,on-conflict');

done_testing();
