# Copyright (c) 2026, the pg_steward authors

# The examples in docs/ run: every block of SQL, in the order of the page, in
# one session of a fresh database; a block marked "fails" must fail.  Every
# promise of the threat model names tests that exist, and links lead somewhere.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @pages = sort glob('docs/*.md');
ok(@pages > 0, 'there are pages');

my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'pg_steward'");
$node->start;

# Splits a page into its blocks of SQL.
sub blocks
{
	my ($page) = @_;
	my @blocks;
	my $block;

	open my $in, '<', $page or die "$page: $!";
	while (my $line = <$in>)
	{
		if (!defined $block)
		{
			$block = { line => $., fails => $1 eq 'fails', sql => '' }
			  if $line =~ /^```sql\s*(\w*)\s*$/;
		}
		elsif ($line =~ /^```\s*$/)
		{
			push @blocks, $block;
			$block = undef;
		}
		else
		{
			$block->{sql} .= $line;
		}
	}
	close $in;
	return @blocks;
}

my $n = 0;
foreach my $page (@pages)
{
	my @blocks = blocks($page) or next;
	my $db = 'docs_' . ++$n;
	my $script = '';

	foreach my $block (@blocks)
	{
		$script .= "\\set ON_ERROR_STOP " . ($block->{fails} ? 0 : 1) . "\n";
		$script .= $block->{sql};
		$script .= "\\if :ERROR\n\\echo block $block->{line} failed\n\\else\n"
		  . "\\echo block $block->{line} ran\n\\endif\n";
	}
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	my ($rc, $out, $err) = $node->psql($db, $script, on_error_stop => 0);
	foreach my $block (@blocks)
	{
		my $expected = $block->{fails} ? 'failed' : 'ran';
		like($out, qr/^block $block->{line} $expected$/m,
			"$page, line $block->{line}: $expected")
		  or diag($err);
	}

	# The roles of one page are not there for the next.
	$node->safe_psql('postgres', "DROP DATABASE $db");
	my $roles = $node->safe_psql('postgres',
		q{SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles
		  WHERE NOT rolsuper AND rolname !~ '^(pg|steward)_'});
	$node->safe_psql('postgres', "DROP ROLE $roles") if $roles;
}

# Promises and their tests.
my %suffix = ('sql' => 'sql', 'test/isolation/specs' => 'spec', 'test/t' => 'pl');
my $promises = 0;
my $in_table = 0;
foreach my $line (split /\n/, slurp_file('docs/threat-model.md'))
{
	$in_table = 1 if $line eq '| promise | held by |';
	$in_table = 0 if $line eq '';
	next if !$in_table || $line eq '| promise | held by |' || $line eq '|---|---|';
	my ($promise, $held) = $line =~ /^\| (.*) \| (.*) \|$/;
	BAIL_OUT("docs/threat-model.md: not a promise with its tests: $line") if !defined $held;
	$promise = substr($promise, 0, 60);
	my @named = $held =~ m{\b((?:sql|test)(?:/\w+)*)}g;
	my @missing = grep { !m{^(sql|test/isolation/specs|test/t)/.} || !-f "$_.$suffix{$1}" } @named;
	ok(@named > 0, "a test holds: $promise");
	is_deeply(\@missing, [], "and it exists: $promise");
	$promises++;
}
cmp_ok($promises, '>', 20, "$promises promises were looked at");

# Links from page to page.
foreach my $page (@pages, glob('{README,demo/README,test/fuzz/README,src/*/README}.md'))
{
	my ($folder) = $page =~ m{^(.*/)?[^/]+$};
	my $text = slurp_file($page);
	my @broken = grep { !/^https?:/ && !-e(($folder // '') . $_) } $text =~ /\]\(([^)#]+)(?:#[^)]*)?\)/g;
	is_deeply(\@broken, [], "$page: every link leads to a file");
}

# The index knows every page.
my $index = slurp_file('docs/README.md');
foreach my $page (grep { $_ ne 'docs/README.md' } @pages)
{
	my ($name) = $page =~ m{([^/]+)$};
	like($index, qr/\]\(\Q$name\E\)/, "docs/README.md leads to $name");
}

$node->stop;
done_testing();
