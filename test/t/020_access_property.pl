# Row policies against a model: for random policy sets, roles, purposes and
# commands, the rows that a role gets are those of an independent model of the
# rule of decision, and those of the predicate that explain_access() tells,
# run by a superuser; and the policies that explain_access() says apply are
# those of the model.
#
# SEED repeats a run, SETS changes how many policy sets are tried.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = defined $ENV{SEED} ? srand($ENV{SEED}) : srand();
my $sets = $ENV{SETS} || ($ENV{STEWARD_SHORT} ? 200 : 1000);
note "SEED=$seed SETS=$sets";

# ---------------------------------------------------------------------
# Chance
# ---------------------------------------------------------------------

sub any_of { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

sub some_of
{
	my ($most, @of) = @_;
	my %chosen = map { any_of(@of) => 1 } 1 .. 1 + int(rand($most));
	return sort keys %chosen;
}

# ---------------------------------------------------------------------
# Roles, purposes, rows
# ---------------------------------------------------------------------

# name => [inherits, roles it is a member of]
my %role = (
	g1 => [ 1 ],
	g2 => [ 1 ],
	g3 => [ 1, 'g2' ],
	a => [ 1, 'g1' ],
	b => [ 0, 'g1' ],
	c => [ 1, 'g3' ],
	d => [ 1 ],
	e => [ 0, 'g3' ],
	f => [ 1, 'b', 'g2' ]);
my @creation = qw(g1 g2 g3 a b c d e f);
my @persons = qw(a b c d e f);

# The roles of which somebody is a member, or whose rights he has.
sub memberships
{
	my ($name, $rights) = @_;
	my @todo = ($name);
	my %found;
	while (defined(my $r = shift @todo))
	{
		next if $found{$r}++;
		my ($inherits, @parents) = @{ $role{$r} };
		push @todo, @parents if $inherits || !$rights;
	}
	return \%found;
}
my %rights = map { $_ => memberships($_, 1) } keys %role;
my %member = map { $_ => memberships($_, 0) } keys %role;

my @purposes = qw(p1 p2 p3 p4);
my @regions = qw(north south west);
my @facts;
my @consents;
my %grants;		# purpose => list of [role or public, holds now]
my %attribute;	# role => {key => [values]}

sub make_rows
{
	for my $id (1 .. 14)
	{
		push @facts,
		  {
			id => $id,
			owner => chance(0.2) ? undef : 'regress_prop_' . any_of(@creation),
			region => chance(0.2) ? undef : any_of(@regions),
			n => chance(0.2) ? undef : int(rand(10)),
			flag => chance(0.2) ? undef : int(rand(2)) };
		push @consents, [ $id, int(rand(2)) ] if chance(0.7);
	}
}

sub literal { return defined $_[0] ? "'$_[0]'" : 'NULL'; }

# ---------------------------------------------------------------------
# Expressions: SQL, and the same in three-valued logic.  A value is 1, 0 or
# undef; the context knows the person.
# ---------------------------------------------------------------------

sub not3 { return defined $_[0] ? !$_[0] + 0 : undef; }

sub and3
{
	my ($x, $y) = @_;
	return 0 if (defined $x && !$x) || (defined $y && !$y);
	return defined $x && defined $y ? 1 : undef;
}
sub or3 { return not3(and3(not3($_[0]), not3($_[1]))); }
sub less { return defined $_[0] && defined $_[1] ? ($_[0] < $_[1]) + 0 : undef; }
sub same { return defined $_[0] && defined $_[1] ? ($_[0] eq $_[1]) + 0 : undef; }

# first value of an attribute, or the fallback; NULL for a NULL key
sub attr
{
	my ($c, $key, $fallback) = @_;
	return undef unless defined $key;
	my $values = $attribute{ $c->{subject} }{$key};
	return $values && @$values ? $values->[0] : $fallback;
}

# The templates, over a partitioned table whose partition has its columns in
# another order and is used directly, too; $k is a random number.
my @templates = (
	sub { return ('true', sub { 1 }); },
	sub { return ('false', sub { 0 }); },
	sub { my $k = int(rand(10)); return ("n < $k", sub { less($_[0]{n}, $k) }); },
	sub {
		my $k = int(rand(10));
		return ("n >= steward.attr('level', $k)",
			sub { not3(less($_[0]{n}, attr($_[1], 'level', $k))) });
	},
	sub {
		return ("region = ANY (steward.attr('regions'))",
			sub {
				my ($row, $c) = @_;
				my $values = $attribute{ $c->{subject} }{regions};
				return undef unless $values;
				return 0 unless @$values;
				return undef unless defined $row->{region};
				return (grep { $_ eq $row->{region} } @$values) ? 1 : 0;
			});
	},
	sub {
		my $k = int(rand(10));
		return ("n <= steward.attr(region, $k)",
			sub { not3(less(attr($_[1], $_[0]{region}, $k), $_[0]{n})) });
	},
	sub { return ('owner = CURRENT_USER', sub { same($_[0]{owner}, "regress_prop_$_[1]{subject}") }); },
	sub { return ('owner = steward.subject()', sub { same($_[0]{owner}, "regress_prop_$_[1]{subject}") }); },
	sub { return ('flag', sub { $_[0]{flag} }); },
	sub { return ('region IS NULL', sub { !defined $_[0]{region} || 0 }); },
	sub { my $r = any_of(@regions); return ("region = '$r'", sub { same($_[0]{region}, $r) }); },
	sub { return ('n IN (1, 4, NULL)', sub { defined $_[0]{n} && $_[0]{n} =~ /^[14]$/ ? 1 : undef }); },
	sub { my $p = any_of(@purposes); return ("steward.current_purpose() = '$p'", sub { same($_[1]{purpose}, $p) }); },
	sub { return ('steward.current_purpose() IS NULL', sub { !defined $_[1]{purpose} || 0 }); },
	sub {
		my $r = any_of(qw(g1 g2 g3));
		return ("pg_has_role('regress_prop_$r', 'member')", sub { $member{ $_[1]{subject} }{$r} ? 1 : 0 });
	},
	sub {
		return ('EXISTS (SELECT FROM regress_prop.consent c WHERE c.id = fact.id AND c.ok)',
			sub { my $row = shift; return (grep { $_->[0] == $row->{id} && $_->[1] } @consents) ? 1 : 0; });
	},
	sub {
		return ('id NOT IN (SELECT nullif(c.id, 3) FROM regress_prop.consent c WHERE NOT c.ok)',
			sub {
				my $row = shift;
				my @ids = map { $_->[0] == 3 ? undef : $_->[0] } grep { !$_->[1] } @consents;
				return 0 if grep { defined && $_ == $row->{id} } @ids;
				return (grep { !defined } @ids) ? undef : 1;
			});
	},
	sub {
		return ('(SELECT count(*) FROM regress_prop.fact x WHERE x.region = fact.region) > 3',
			sub {
				my $row = shift;
				my $n = grep { defined $row->{region} && defined $_->{region} && $_->{region} eq $row->{region} } @facts;
				return ($n > 3) + 0;
			});
	},
	sub {
		return ("EXISTS (SELECT FROM regress_prop.consent c WHERE c.id = fact.id AND fact.region = ANY (steward.attr('regions')))",
			sub {
				my ($row, $c) = @_;
				my $values = $attribute{ $c->{subject} }{regions} || [];
				return 0 unless defined $row->{region} && grep { $_ eq $row->{region} } @$values;
				return (grep { $_->[0] == $row->{id} } @consents) ? 1 : 0;
			});
	});

# Templates that tell the role of the session.
my @session_templates = (
	sub { my $r = any_of(@persons); return ("SESSION_USER = 'regress_prop_$r'", sub { same($_[1]{session}, $r) }); });

sub expression
{
	my ($depth, @from) = @_;
	my $pick = rand();
	return any_of(@from)->() if $depth == 0 || $pick < 0.5;
	my ($sql1, $eval1) = expression($depth - 1, @from);
	return ("NOT ($sql1)", sub { not3($eval1->(@_)) }) if $pick < 0.6;
	my ($sql2, $eval2) = expression($depth - 1, @from);
	return ("($sql1) AND ($sql2)", sub { and3($eval1->(@_), $eval2->(@_)) }) if $pick < 0.8;
	return ("($sql1) OR ($sql2)", sub { or3($eval1->(@_), $eval2->(@_)) });
}

# ---------------------------------------------------------------------
# Policies and the rule of decision
# ---------------------------------------------------------------------

# A window of validity: [from, until, holds now]
sub window
{
	return [ undef, undef, 1 ] if chance(0.7);
	return @{ [
			[ undef, '2020-01-01', 0 ], [ '2090-01-01', undef, 0 ],
			[ '2020-01-01', '2090-01-01', 1 ], [ undef, '2090-01-01', 1 ],
			[ '2020-01-01', undef, 1 ] ] }[ int(rand(5)) ];
}

sub make_policy
{
	my ($name, @from) = @_;
	my %policy = (
		name => $name,
		deny => chance(0.25),
		roles => chance(0.5) ? undef : [ some_of(2, 'public', @creation) ],
		purposes => chance(0.5) ? undef : [ some_of(2, @purposes) ],
		commands => any_of([qw(select)], [qw(select)], [qw(all)], [qw(all)], [qw(select update)],
			[qw(select delete)], [qw(insert update)], [qw(insert)], [qw(delete)]),
		window => window());
	@policy{qw(using_sql using)} = expression(2, @from);
	@policy{qw(check_sql check)} = chance(0.2) ? expression(1, @from) : (undef, $policy{using});
	return \%policy;
}

sub list_literal { return defined $_[0] ? "'{" . join(',', @{ $_[0] }) . "}'" : 'NULL'; }

sub policy_sql
{
	my ($p) = @_;
	my $roles = $p->{roles} && [ map { $_ eq 'public' ? $_ : "regress_prop_$_" } @{ $p->{roles} } ];
	return sprintf(
		"SELECT steward.create_row_policy(%s, 'regress_prop.fact', \$e\$%s\$e\$, %s, %s, %s, %s, %s, %s, %s);\n",
		literal($p->{name}), $p->{using_sql}, list_literal($roles),
		list_literal($p->{purposes}), list_literal($p->{commands}),
		defined $p->{check_sql} ? "\$e\$$p->{check_sql}\$e\$" : 'NULL',
		$p->{deny} ? "'deny'" : "'allow'", literal($p->{window}[0]), literal($p->{window}[1]));
}

sub applies
{
	my ($p, $command, $c) = @_;
	return 0 unless grep { $_ eq $command || $_ eq 'all' } @{ $p->{commands} };
	return 0 unless $p->{window}[2];
	if ($p->{roles})
	{
		my $fits = 0;
		for my $r (@{ $p->{roles} })
		{
			$fits ||= $r eq 'public'
			  || ($p->{deny}
				? $member{ $c->{subject} }{$r} || ($role{ $c->{session} } && $member{ $c->{session} }{$r})
				: $rights{ $c->{subject} }{$r});
		}
		return 0 unless $fits;
	}
	if ($p->{purposes})
	{
		return 0 unless defined $c->{purpose} && grep { $_ eq $c->{purpose} } @{ $p->{purposes} };
	}
	return 1;
}

# Whether any allowing policy applies, and the test of a row.
sub decide
{
	my ($policies, $command, $c, $which) = @_;
	my @applying = grep { applies($_, $command, $c) } @$policies;
	my @allow = grep { !$_->{deny} } @applying;
	my @deny = grep { $_->{deny} } @applying;
	return (
		scalar(@allow),
		sub {
			my $row = shift;
			return 0 unless grep { $_->{$which}->($row, $c) } @allow;
			# a deny that is not known not to hold, holds
			for (@deny)
			{
				my $holds = $_->{$which}->($row, $c);
				return 0 if !defined $holds || $holds;
			}
			return 1;
		},
		[ sort map { $_->{name} } @applying ]);
}

# What a case should come to: rows, or undef where the statement must fail;
# and the rows that explain_access() should tell.
sub expectation
{
	my ($policies, $command, $c) = @_;
	my ($admitted, $test, $applying) =
	  decide($policies, $command, $c, $command eq 'insert' ? 'check' : 'using');
	my @rows = $admitted ? grep { $test->($_) } @facts : ();
	my @told = @rows;
	my $fails = !$admitted && $command ne 'insert';

	if ($command eq 'update' || $command eq 'delete')
	{
		my ($reads, $readable) = decide($policies, 'select', $c, 'using');
		@rows = grep { $readable->($_) } @rows;
		@told = @rows if $reads;
		$fails ||= !$reads;
	}
	if ($command eq 'update')
	{
		my (undef, $makes) = decide($policies, 'update', $c, 'check');
		$fails ||= grep { !$makes->($_) } @rows;
	}
	return ($fails ? undef : [ map { $_->{id} } @rows ], [ map { $_->{id} } @told ], $applying, $admitted);
}

# ---------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('property');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'pg_steward'
autovacuum = off
});
$node->start;

make_rows();
my $setup = "CREATE EXTENSION pg_steward;\nCREATE SCHEMA regress_prop;\n";
for my $r (@creation)
{
	my ($inherits, @parents) = @{ $role{$r} };
	$setup .= "CREATE ROLE regress_prop_$r " . ($inherits ? 'INHERIT' : 'NOINHERIT') . ";\n";
	$setup .= "GRANT regress_prop_$_ TO regress_prop_$r;\n" for @parents;
}
$setup .= q{
CREATE ROLE regress_prop_any;
GRANT USAGE ON SCHEMA regress_prop TO public;
CREATE TABLE regress_prop.fact (id int, owner text, region text, n int, flag boolean) PARTITION BY LIST (id);
CREATE TABLE regress_prop.part (flag boolean, n int, gap point, region text, owner text, id int);
ALTER TABLE regress_prop.part DROP COLUMN gap;
ALTER TABLE regress_prop.fact ATTACH PARTITION regress_prop.part DEFAULT;
CREATE TABLE regress_prop.consent (id int, ok boolean);
CREATE TABLE regress_prop.mismatch (place text, problem text);
CREATE TABLE regress_prop.tried (command text, verdict text, refused boolean);
GRANT ALL ON regress_prop.fact, regress_prop.part TO public;
};
$setup .= sprintf("INSERT INTO regress_prop.fact VALUES (%s);\n",
	join ', ', map { literal($_) } @$_{qw(id owner region n flag)})
  for @facts;
$setup .= sprintf("INSERT INTO regress_prop.consent VALUES (%d, '%d');\n", @$_) for @consents;
$setup .= "SELECT steward.create_purpose('$_');\n" for @purposes;
$setup .= q{
-- one cached plan for whoever asks
CREATE FUNCTION regress_prop.seen_by_cached_plan(target text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    seen int[];
BEGIN
    IF target = 'fact' THEN
        SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO seen FROM regress_prop.fact;
    ELSE
        SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO seen FROM regress_prop.part;
    END IF;
    RETURN seen;
END
$$;

-- What the acting role gets; NULL where the statement is refused.
CREATE FUNCTION regress_prop.seen(target text, command text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
    seen int[] := '{}';
    again int[];
    row regress_prop.fact;
    relation text := 'regress_prop.' || target;
BEGIN
    IF command = 'insert' THEN
        FOR i IN 1..14 LOOP
            row := (SELECT f FROM pg_temp.candidate f WHERE f.id = i);
            BEGIN
                EXECUTE format('INSERT INTO %s (id, owner, region, n, flag) VALUES ($1.id, $1.owner, $1.region, $1.n, $1.flag)', relation)
                    USING row;
                seen := seen || i;
                RAISE EXCEPTION USING ERRCODE = 'ZZ000';
            EXCEPTION WHEN SQLSTATE 'ZZ000' OR insufficient_privilege THEN
            END;
        END LOOP;
        RETURN seen;
    END IF;
    BEGIN
        IF command = 'select' THEN
            EXECUTE format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM %s', relation) INTO seen;
            again := regress_prop.seen_by_cached_plan(target);
            IF again <> seen THEN
                RETURN ARRAY[-1] || again || -1 || seen;
            END IF;
        ELSIF command = 'update' THEN
            EXECUTE format('WITH changed AS (UPDATE %s SET id = id WHERE id > 0 RETURNING id)
                            SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM changed', relation) INTO seen;
        ELSE
            EXECUTE format('WITH gone AS (DELETE FROM %s WHERE id > 0 RETURNING id)
                            SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM gone', relation) INTO seen;
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'ZZ000';
    EXCEPTION
        WHEN SQLSTATE 'ZZ000' THEN
            RETURN seen;
        WHEN insufficient_privilege THEN
            RETURN NULL;
    END;
END
$$;

CREATE FUNCTION regress_prop.try(place text, target text, session text, subject text, for_purpose text, for_command text,
    expected int[], to_tell int[], to_apply text[], admitted boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    boss text := session_user;
    relation regclass := 'regress_prop.' || target;
    applying text[];
    decision record;
    told int[];
    seen int[];
BEGIN
    PERFORM set_config('steward.purpose', coalesce(for_purpose, ''), true);
    -- of a session of somebody else, only the subject himself can tell
    IF session <> subject THEN
        PERFORM set_config('session_authorization', session, true);
        PERFORM set_config('role', subject, true);
    END IF;
    SELECT coalesce(array_agg(e.name ORDER BY e.name) FILTER (WHERE e.verdict = 'applies'), '{}') INTO applying
    FROM steward.explain_access(relation, subject, coalesce(for_purpose, ''), for_command) e;
    SELECT * INTO decision
    FROM steward.explain_access(relation, subject, coalesce(for_purpose, ''), for_command) e
    WHERE e.kind = 'decision';
    IF session IS NOT NULL THEN
        PERFORM set_config('session_authorization', session, true);
    END IF;
    PERFORM set_config('role', subject, true);
    seen := regress_prop.seen(target, for_command);
    PERFORM set_config('role', 'none', true);
    PERFORM set_config('session_authorization', boss, true);
    PERFORM set_config('steward.purpose', '', true);
    EXECUTE 'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM regress_prop.' || target || ' WHERE ' || decision.expression INTO told;

    INSERT INTO regress_prop.tried VALUES (for_command, decision.verdict, seen IS NULL);
    INSERT INTO regress_prop.mismatch
    SELECT place, p || format(' [table %s, session %s, subject %s, purpose %s, command %s; %s: %s]', target, session, subject, for_purpose, for_command,
                              decision.verdict, decision.expression)
    FROM (VALUES
        (CASE WHEN seen IS DISTINCT FROM expected THEN format('model: seen %s, should be %s', seen, expected) END),
        (CASE WHEN told IS DISTINCT FROM to_tell THEN format('predicate: told %s, should be %s', told, to_tell) END),
        (CASE WHEN for_command = 'select' AND told <> coalesce(seen, '{}') THEN format('predicate: told %s, seen %s', told, seen) END),
        (CASE WHEN applying <> to_apply THEN format('verdicts: %s apply, should be %s', applying, to_apply) END),
        (CASE WHEN NOT admitted AND decision.verdict <> 'denied'
                OR decision.verdict = 'denied' AND told <> '{}'
                OR decision.verdict = 'allowed' AND cardinality(told) <> 14
                OR decision.verdict NOT IN ('denied', 'allowed', 'filtered') THEN 'decision' END)) AS v (p)
    WHERE p IS NOT NULL;
END
$$;
};
$node->safe_psql('postgres', $setup);

# ---------------------------------------------------------------------
# The cases
# ---------------------------------------------------------------------

# Other grants and other attributes.
sub change_persons
{
	my $sql = "DELETE FROM steward.purpose_grant;\nDELETE FROM steward.role_attribute;\n";
	%grants = ();
	%attribute = ();
	for my $p (@purposes)
	{
		# for the superuser, who sets the purpose for all others
		$sql .= "SELECT steward.grant_purpose('$p', 'regress_prop_any');\n";
		for my $to (some_of(3, 'public', @creation))
		{
			my $window = window();
			push @{ $grants{$p} }, [ $to, $window->[2] ];
			$sql .= sprintf("SELECT steward.grant_purpose('%s', '%s', %s, %s);\n",
				$p, $to eq 'public' ? $to : "regress_prop_$to",
				literal($window->[0]), literal($window->[1]));
		}
	}
	for my $r (@creation)
	{
		for my $key ('level', 'regions', @regions)
		{
			next if chance(0.5);
			my @values = $key eq 'regions' ? (chance(0.2) ? () : some_of(2, @regions)) : (int(rand(10)));
			$attribute{$r}{$key} = \@values;
			$sql .= "SELECT steward.set_attribute('regress_prop_$r', '$key', " . list_literal(\@values) . ");\n";
		}
	}
	return $sql;
}

sub granted
{
	my ($purpose, $subject) = @_;
	return scalar grep { $_->[1] && ($_->[0] eq 'public' || $rights{$subject}{ $_->[0] }) } @{ $grants{$purpose} };
}

sub array_literal { return defined $_[0] ? "'{" . join(',', @{ $_[0] }) . "}'" : 'NULL'; }

my $script = "SET client_min_messages = warning;\nCREATE TEMP TABLE candidate AS TABLE regress_prop.fact;\n"
  . "GRANT SELECT ON candidate TO public;\n";
my $cases = 0;
for my $set (1 .. $sets)
{
	$script .= "BEGIN;\n";
	$script .= change_persons() if $set % 20 == 1;

	my $with_session = chance(0.2);
	my @from = $with_session ? (@templates, @session_templates, @session_templates) : @templates;
	my @policies = map { make_policy("policy $_", @from) } 1 .. 1 + int(rand(8));
	$script .= "SELECT steward.protect('regress_prop.fact');\n";
	$script .= policy_sql($_) for @policies;
	$script .= "COMMIT;\nBEGIN;\n";

	for my $try (1 .. 7)
	{
		my ($session, $subject);
		if (!$with_session && chance(0.4))
		{
			$subject = any_of(@creation);
		}
		else
		{
			$session = any_of(@persons);
			$subject = chance(0.5) ? $session : any_of(sort keys %{ $member{$session} });
		}
		my $purpose = chance(0.3) ? undef : any_of(@purposes);
		my $command = any_of(qw(select select select update delete insert));
		my %c = (
			subject => $subject,
			session => defined $session ? $session : '',
			purpose => defined $purpose && granted($purpose, $subject) ? $purpose : undef);
		my ($seen, $told, $applying, $admitted) = expectation(\@policies, $command, \%c);

		$cases++;
		$script .= sprintf("SELECT regress_prop.try('set %d, try %d', '%s', %s, 'regress_prop_%s', %s, '%s', %s, %s, %s, '%d');\n",
			$set, $try, any_of('fact', 'part'), defined $session ? "'regress_prop_$session'" : 'NULL', $subject,
			literal($purpose), $command, array_literal($seen), array_literal($told),
			"'{" . join(',', map { "\"$_\"" } @$applying) . "}'", $admitted ? 1 : 0);
	}
	$script .= "SELECT steward.unprotect('regress_prop.fact', 'next');\nCOMMIT;\n";
}

my $file = PostgreSQL::Test::Utils::tempdir . '/script.sql';
append_to_file($file, $script);
my ($out, $err) = ('', '');
my $started = time;
$node->psql('postgres', "\\i $file", stdout => \$out, stderr => \$err, on_error_die => 0);
note sprintf('%d cases in %d s', $cases, time - $started);

my @errors = grep { /ERROR|FATAL|PANIC/ } split /\n/, $err;
is(scalar(@errors), 0, 'no statement fails that should not')
  or diag join("\n", @errors > 10 ? @errors[ 0 .. 9 ] : @errors);
is($node->safe_psql('postgres', 'SELECT count(*) FROM regress_prop.tried'), $cases, 'every case was tried');
note $node->safe_psql('postgres', q{
	SELECT format('%-7s %-9s %-8s %s', command, verdict, CASE WHEN refused THEN 'refused' ELSE '' END, count(*))
	FROM regress_prop.tried GROUP BY command, verdict, refused ORDER BY 1});
for my $what (qw(model predicate verdicts decision))
{
	is( $node->safe_psql('postgres',
			"SELECT string_agg(place || ': ' || problem, E'\\n') FROM (SELECT * FROM regress_prop.mismatch WHERE problem LIKE '$what%' LIMIT 10) m"),
		'', "$cases cases in $sets policy sets agree: $what (SEED=$seed)");
}

$node->stop;
done_testing();
