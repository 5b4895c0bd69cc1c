# Exports of logs, made and tampered with in Python, before both verifiers:
# pg_steward_verify and test/verifier/verify.py.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Utils;
use Steward;
use Test::More;

plan skip_all => 'the programs are the same whatever the server is' if $ENV{STEWARD_SHORT};
my $python = python3() or plan skip_all => 'python3 is not installed';
my ($verifier) = grep { -x } map { "$_/pg_steward_verify" } split /:/, $ENV{PATH};
my $dir = PostgreSQL::Test::Utils::tempdir();

# STEWARD_SEED and STEWARD_FLIPS: other random bytes, and more of them
my @command = ($python, "$FindBin::RealBin/../verifier/tamper.py", $verifier, "$dir/cases",
	$ENV{STEWARD_SEED} // 1, $ENV{STEWARD_FLIPS} // 200);

open my $out, '-|', @command or die "$python: $!";
my $plan;
while (my $line = <$out>)
{
	chomp $line;
	if ($line =~ /^(not )?ok \d+ - (.*)/)
	{
		ok(!$1, $2);
	}
	elsif ($line =~ /^1\.\.(\d+)$/)
	{
		$plan = $1;
	}
	else
	{
		diag($line);
	}
}
close $out;
is($plan, Test::More->builder->current_test, 'all variants were tried');

# The worked example of the guide, without any program of ours: what a block
# prints stands in its last line.
my $page = slurp_file("$FindBin::RealBin/../../docs/verify-it-yourself.md");
my $script = join "\n", "cd '$dir'", $page =~ /^```sh\n(.*?)^```$/msg;
my @expected = $script =~ /^# (.+)$/mg;
my $file = "$dir/example.sh";
append_to_file($file, $script);
is(scalar `bash '$file' 2>&1`, join('', map { "$_\n" } @expected), 'the example of the guide');
like($page, qr/^\Q$expected[0]\E$/m, '... with the root in the checkpoint');

done_testing();
