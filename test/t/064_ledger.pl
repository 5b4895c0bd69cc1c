# The ledger: leaves, trees, proofs and checkpoints against a second
# implementation in this file, every kind of tampering, erasure, retention.
#
# Copyright (c) 2026, the pg_steward authors

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256 sha256_hex);
use FindBin;
use lib $FindBin::RealBin;
use MIME::Base64;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Steward;
use Test::More;

# ---------------------------------------------------------------------
# A log of the tests, and a way to append to it
# ---------------------------------------------------------------------

my $module = abs_path("$FindBin::RealBin/../modules/ledger_test");
my $built = "${PostgreSQL::Test::Utils::tmp_check}/ledger_test";

# a copy of a server, as ./dev makes it, has no headers: the original has them
my ($major) = `$ENV{PG_CONFIG} --version` =~ /(\d+)/;
my ($pg_config) = grep { -x && -e (`$_ --includedir-server` =~ s/\n//r) . '/postgres.h' }
  ($ENV{PG_CONFIG}, "/usr/lib/postgresql/$major/bin/pg_config");
system("mkdir -p '$built' && cp '$module'/*.c '$module'/Makefile '$built' && "
	  . "make -s -C '$built' with_llvm=no PG_CONFIG='$pg_config' "
	  . "PG_CPPFLAGS='-I$FindBin::RealBin/../../src' > '$built/log' 2>&1") == 0
  or BAIL_OUT("the test module could not be built: " . slurp_file("$built/log"));

my $node = steward_server('ledger', preload => "pg_steward, $built/ledger_test.so");
my $log = 'regress_log';

$node->append_conf('postgresql.conf', 'steward.partition_records = 65536');
$node->reload;

sub sql { return $node->safe_psql('postgres', $_[0]); }

$node->safe_psql('postgres', 'CREATE EXTENSION pg_steward');
$node->command_ok(
	[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-v', "module=$built/ledger_test",
	  '-d', $node->connstr('postgres'), '-f', "$module/ledger_test.sql" ],
	'logs of the tests');

# the first record makes the installation
sql("SELECT steward.create_purpose('regress_first'); SELECT steward.flush()");

sub append { return sql("SELECT regress_append('$log', $_[0])"); }
sub size { return sql("SELECT coalesce(max(seq) + 1, 0) FROM steward.$log"); }

# ---------------------------------------------------------------------
# The second implementation: RFC 6962 as its text has it
# ---------------------------------------------------------------------

sub leaf_hash { return sha256("\x00$_[0]"); }
sub node_hash { return sha256("\x01$_[0]$_[1]"); }

sub split_at
{
	my ($n) = @_;
	my $k = 1;

	$k *= 2 while $k * 2 < $n;
	return $k;
}

# The root over the leaves from $from to $to (exclusively), remembered.
my @leaves;
my %roots;

sub root
{
	my ($from, $to) = @_;

	return sha256('') if $to == $from;
	return $leaves[$from] if $to - $from == 1;
	return $roots{"$from $to"} //= do
	{
		my $k = split_at($to - $from);
		node_hash(root($from, $from + $k), root($from + $k, $to));
	};
}

# RFC 9162, 2.1.3.2: does the path lead from the leaf to the root?
sub inclusion_holds
{
	my ($index, $size, $hash, $path, $root) = @_;
	my ($fn, $sn) = ($index, $size - 1);

	return 0 if $index >= $size;
	foreach my $p (@$path)
	{
		return 0 if $sn == 0;
		if (($fn & 1) || $fn == $sn)
		{
			$hash = node_hash($p, $hash);
			while (!($fn & 1) && $fn != 0) { $fn >>= 1; $sn >>= 1; }
		}
		else
		{
			$hash = node_hash($hash, $p);
		}
		$fn >>= 1;
		$sn >>= 1;
	}
	return $sn == 0 && $hash eq $root;
}

# RFC 9162, 2.1.4.2: is the old tree the beginning of the new one?
sub consistency_holds
{
	my ($old, $new, $old_root, $new_root, $path) = @_;
	my @path = @$path;

	return !@path && $old_root eq $new_root if $old == $new;
	return !@path if $old == 0;
	return 0 unless @path;
	unshift @path, $old_root if ($old & ($old - 1)) == 0;
	my ($fn, $sn) = ($old - 1, $new - 1);
	while ($fn & 1) { $fn >>= 1; $sn >>= 1; }
	my $fr = my $sr = shift @path;
	foreach my $c (@path)
	{
		return 0 if $sn == 0;
		if (($fn & 1) || $fn == $sn)
		{
			$fr = node_hash($c, $fr);
			$sr = node_hash($c, $sr);
			while (!($fn & 1) && $fn != 0) { $fn >>= 1; $sn >>= 1; }
		}
		else
		{
			$sr = node_hash($sr, $c);
		}
		$fn >>= 1;
		$sn >>= 1;
	}
	return $sn == 0 && $fr eq $old_root && $sr eq $new_root;
}

# Published vectors: the empty tree, [a, b, c], and those of Certificate
# Transparency's reference implementation.
is(sha256_hex(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'root of no leaf');
@leaves = map { leaf_hash($_) } qw(a b c);
is(unpack('H*', root(0, 3)), '36642e73c2540ab121e3a6bf9545b0a24982cd830eb13d3cd19de3ce6c021ec1', 'root of [a, b, c]');
@leaves = map { leaf_hash(pack('H*', $_)) }
  ('', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f');
%roots = ();
is(unpack('H*', root(0, 8)), '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
	'root of the eight leaves of Certificate Transparency');

# ---------------------------------------------------------------------
# Entries, by the columns and the document
# ---------------------------------------------------------------------

my @format = map { [ split /\|/ ] } split /\n/,
  sql("SELECT name, encoding, \"group\" FROM steward.log_format('$log') ORDER BY field");

# The document lists the fields of each log as the library has them.
my $document = slurp_file("$FindBin::RealBin/../../docs/leaf-encoding.md");
foreach my $known (qw(access_event inference_log change_log))
{
	my ($table) = $document =~ /^### $known: code \d+, version \d+\n\n\|.*\n\|.*\n((?:\|.*\n)+)/m;

	is(join("\n", map { join '|', /\| (\S+) \| (\S+) \| (\d) \|/ } split /\n/, $table // ''),
		sql("SELECT name, encoding, \"group\" FROM steward.log_format('$known') ORDER BY field"),
		"the document has the fields of $known");
}

# One field of a row in hexadecimal, asked from the server by type: bytes for
# numbers come from its own send functions, which are those of the wire.
my %bytes_of = (
	bool => 'boolsend(%s)',
	int => 'int8send(%s)',
	float => q(CASE WHEN %1$s = 'NaN' THEN '\x7ff8000000000000' ELSE float8send(%1$s) END),
	time => q(CASE %1$s WHEN 'infinity' THEN int8send(9223372036854775807) WHEN '-infinity' THEN int8send((-9223372036854775808)::bigint)
		ELSE int8send((extract(epoch FROM %1$s) * 1000000)::bigint) END),
	uuid => 'uuid_send(%s)',
	text => 'int4send(octet_length(%1$s)) || convert_to(%1$s, \'UTF8\')',
	bytes => 'int4send(octet_length(%1$s)) || %1$s',
	json => 'int4send(octet_length(%1$s::text)) || convert_to(%1$s::text, \'UTF8\')',
	texts => q(int4send(cardinality(%1$s)) || coalesce((SELECT string_agg(CASE WHEN e IS NULL THEN '\x00'
		ELSE '\x01'::bytea || int4send(octet_length(e)) || convert_to(e, 'UTF8') END, '' ORDER BY n) FROM unnest(%1$s) WITH ORDINALITY u (e, n)), '')),
	ints => q(int4send(cardinality(%1$s)) || coalesce((SELECT string_agg(int8send(e), '' ORDER BY n) FROM unnest(%1$s) WITH ORDINALITY u (e, n)), '')),
);

sub group_expression
{
	my ($group) = @_;

	return join ' || ', map {
		my ($name, $encoding) = @$_;
		"CASE WHEN $name IS NULL THEN '\\x00'::bytea ELSE '\\x01'::bytea || (" . sprintf($bytes_of{$encoding}, $name) . ") END"
	} grep { $_->[2] == $group } @format;
}

# Reads the leaves from the rows anew; erased rows are left as they were.
sub read_leaves
{
	my ($from) = @_;

	%roots = ();
	foreach (split /\n/, sql(
			"SELECT seq, encode(int8send((extract(epoch FROM logged_at) * 1000000)::bigint), 'hex'), encode(salt, 'hex'), "
			  . join(', ', map { "encode(" . group_expression($_) . ", 'hex')" } 0 .. 3)
			  . " FROM steward.$log WHERE seq >= $from AND erased IS NULL ORDER BY seq"))
	{
		my ($seq, $at, $salt, @groups) = split /\|/;
		my $entry = "\x01\xc8\x01" . pack('Q>', $seq) . pack('H*', $at) . pack('H*', $groups[0]);

		foreach my $g (1 .. 3)
		{
			my $s = substr(sha256("\x03" . pack('H*', $salt) . chr($g)), 0, 16);
			$entry .= sha256("\x02$s" . chr($g) . pack('H*', $groups[$g]));
		}
		$leaves[$seq] = leaf_hash($entry);
	}
	return;
}

# The size and root that a checkpoint states.
sub checkpoint
{
	my $note = sql("SELECT steward.checkpoint('$log')");
	my (undef, $size, $root) = split /\n/, $note;

	return ($note, $size, decode_base64($root));
}

sub verified { return sql("SELECT ok, first_bad_seq, problem FROM steward.verify('$log')"); }

@leaves = ();
my ($note0) = checkpoint();
is((split /\n/, $note0)[2], encode_base64(sha256(''), ''), 'an empty log has a checkpoint');
is(verified(), 't||', 'an empty log is good');

# ---------------------------------------------------------------------
# Sizes around tiles; proofs of random records and sizes; restarts between
# ---------------------------------------------------------------------

srand($ENV{STEWARD_SEED} // 4711);
my @notes = ([ 0, $note0 ]);

foreach my $target (1, 2, 3, 255, 256, 257, 300, 511, 512, 1000, 65535, 65536, 65537)
{
	my $from = size();

	is(append($target - $from), $from, "records up to $target begin where the others ended");
	$node->restart if $target == 257 || $target == 65536;
	read_leaves($from);
	my ($note, $size, $root) = checkpoint();

	push @notes, [ $size, $note ];
	is($size, $target, "checkpoint of $target records");
	ok($root eq root(0, $target), '... with the root that the document says');
	is(verified(), 't||', '... and good');

	my @seqs = map { int(rand($target)) } 1 .. 5;
	my $bad = 0;
	foreach my $seq (0, $target - 1, @seqs)
	{
		my $proof = sql("SELECT steward.inclusion_proof('$log', $seq)");
		my ($head, @path) = split /\n/, (split /\n\n/, $proof)[0];
		my $index = shift @path;

		$bad++ unless $head eq 'c2sp.org/tlog-proof@v1' && $index eq "index $seq"
		  && inclusion_holds($seq, $target, $leaves[$seq], [ map { decode_base64($_) } @path ], $root)
		  && $proof =~ /\n\n\Q$note\E\z/;
	}
	is($bad, 0, '... and proofs of inclusion that hold');

	$bad = 0;
	foreach (1 .. 6)
	{
		my $new = 1 + int(rand($target));
		my $old = int(rand($new + 1));
		my @path = map { pack('H*', $_) } split /,/,
		  sql("SELECT array_to_string(ARRAY(SELECT encode(h, 'hex') FROM unnest(steward.consistency_proof('$log', $old, $new)) h), ',')");

		$bad++ unless consistency_holds($old, $new, root(0, $old), root(0, $new), \@path);
	}
	is($bad, 0, '... and proofs of consistency that hold');
}

fails_like($node, 'postgres', "SELECT steward.inclusion_proof('$log', 65537)", [qr/has no record 65537/], 'a proof of what is not there');
fails_like($node, 'postgres', "SELECT steward.inclusion_proof('$log', -1)", [qr/has no record -1/], 'a proof before the first');
fails_like($node, 'postgres', "SELECT steward.consistency_proof('$log', 5, 65538)", [qr/sizes must be/], 'a proof of sizes to come');
fails_like($node, 'postgres', "SELECT steward.checkpoint('regress_nothing')", [ qr/log "regress_nothing" does not exist/, qr/HINT/ ], 'a log that there is not');

# ---------------------------------------------------------------------
# Tampering by a superuser
# ---------------------------------------------------------------------

append(700);
my ($note) = checkpoint();
append(20);
is(verified(), 't||', 'before the tampering all is good');

foreach my $statement (
	"INSERT INTO steward.$log (seq, logged_at) VALUES (99999, now())", "UPDATE steward.$log SET a_int = 1 WHERE seq = 5",
	"DELETE FROM steward.$log WHERE seq = 5", "TRUNCATE steward.$log", "INSERT INTO steward.${log}_p0 (seq, logged_at) VALUES (99999, now())",
	"UPDATE steward.${log}_p0 SET a_int = 1", "DELETE FROM steward.${log}_p0", "TRUNCATE steward.${log}_p0",
	map { ("UPDATE steward.$_ SET log = log", "DELETE FROM steward.$_", "TRUNCATE steward.$_", "INSERT INTO steward.$_ SELECT * FROM steward.$_") }
	qw(ledger_tile ledger_leaf checkpoint_record))
{
	my $replica = "SET session_replication_role = replica; $statement";

	fails_like($node, 'postgres', $_, [ qr/is refused/, qr/HINT/ ], $_) foreach ($statement, $replica);
}

# A finding of verify() after statements with triggers off; all is undone.
sub tampered
{
	my ($name, $statements, $expected, $known) = @_;
	my $argument = defined $known ? ', ' . "'$known'" : '';
	my $tables = join ' ', map { "ALTER TABLE steward.$_ DISABLE TRIGGER ALL;" } $log, "${log}_p0", "${log}_p65536",
	  qw(ledger_tile ledger_leaf checkpoint_record ledger_key);
	my $got = sql("BEGIN; $tables $statements; "
		  . "SELECT ok, first_bad_seq, problem FROM steward.verify('$log'$argument); ROLLBACK");

	like($got, $expected, $name);
	return;
}

my $tail = size() - 1;
tampered('a changed cell', "UPDATE steward.$log SET a_int = 4 WHERE seq = 400", qr/^f\|400\|record 400 was changed$/);
tampered('a changed cell of a group', "UPDATE steward.$log SET payload = '{}' WHERE seq = 66000", qr/^f\|66000\|record 66000 was changed$/);
tampered('a changed cell in the open end', "UPDATE steward.$log SET a_text = 'x' WHERE seq = $tail", qr/^f\|$tail\|record $tail does not fit/);
tampered('a changed time', "UPDATE steward.$log SET logged_at = logged_at + '1us' WHERE seq = 0", qr/^f\|0\|/);
tampered('another salt', "UPDATE steward.$log SET salt = sha256('')::bytea WHERE seq = 9", qr/^f\|9\|.*salt/);
tampered('NULL made empty', "UPDATE steward.$log SET words = '{}' WHERE seq = 600", qr/^f\|600\|/);
tampered('an array that begins elsewhere', "UPDATE steward.$log SET words = ('[0:3]={x,NULL,\"\",\"y 601\"}')::text[] WHERE seq = 601", qr/^f\|601\|/);
tampered('a deleted row', "DELETE FROM steward.$log WHERE seq = 300", qr/^f\|300\|record 300 is missing$/);
tampered('the first row deleted', "DELETE FROM steward.$log WHERE seq = 0", qr/^f\|0\|record 0 is missing$/);
tampered('an inserted row', "INSERT INTO steward.$log SELECT (jsonb_populate_record(l, '{\"seq\": 66257}')).* FROM steward.$log l WHERE seq = 1",
	qr/^f\|66257\|record 66257 was not written by pg_steward$/);
tampered('swapped rows', "UPDATE steward.$log SET seq = CASE seq WHEN 5 THEN 130005 ELSE 130009 END WHERE seq IN (5, 9);"
	  . "UPDATE steward.$log SET seq = CASE seq WHEN 130005 THEN 9 ELSE 5 END WHERE seq > 130000", qr/^f\|5\|record 5 was changed$/);
tampered('a truncated tail', "DELETE FROM steward.$log WHERE seq >= 66250", qr/^f\|66250\|record 66250 is missing$/);
tampered('a truncated tail with its hashes', "DELETE FROM steward.$log WHERE seq >= 66048; DELETE FROM steward.ledger_leaf",
	qr/^f\|66048\|the log has 66048 records, and a checkpoint of 66237$/);
tampered('an altered tile', "UPDATE steward.ledger_tile SET hashes = overlay(hashes PLACING '\\x0000' FROM 321) WHERE level = 0 AND index = 3",
	qr/^f\|778\|the hash of record 778 in tile 3 of level 0 was altered$/);
tampered('an altered tile above', "UPDATE steward.ledger_tile SET hashes = overlay(hashes PLACING '\\x0000' FROM 65) WHERE level = 1",
	qr/^f\|512\|tile 0 of level 1 was altered$/);
tampered('a tile that is gone', "DELETE FROM steward.ledger_tile WHERE level = 0 AND index = 7", qr/^f\|1792\|tile 7 of level 0 is missing$/);
tampered('the last tile gone', "DELETE FROM steward.ledger_tile WHERE level = 0 AND index = 257", qr/^f\|65792\|tile 257 of level 0 is missing$/);
tampered('an altered row of a checkpoint', "UPDATE steward.checkpoint_record SET root = sha256('x') WHERE size = 300",
	qr/^f\|257\|the checkpoint of size 300 does not say what its row says$/);
tampered('an altered note', "UPDATE steward.checkpoint_record SET note = convert_to(replace(convert_from(note, 'UTF8'), E'\\ntimeline ', E'\\ntimeline 1'), 'UTF8') WHERE size = 300",
	qr/^f\|257\|the checkpoint of size 300 has a wrong signature$/);
tampered('a note that is none', "UPDATE steward.checkpoint_record SET note = 'x' WHERE size = 300", qr/^f\|257\|the checkpoint of size 300 is damaged/);
tampered('a key that is gone', "DELETE FROM steward.ledger_key", qr/^f\|0\|the checkpoint of size 0 is signed by no key of the log$/);
tampered('an erasure that was not logged',
	"UPDATE steward.$log SET salt = NULL, person = NULL, secret = NULL, erased = '\\x01'::bytea || sha256('x') || '\\x00'::bytea || substr(sha256('a'), 1, 16) || '\\x00' || substr(sha256('b'), 1, 16) WHERE seq = 8",
	qr/^f\|8\|record 8 was erased, and no redaction of it was logged$/);
tampered('a dropped partition', "ALTER TABLE steward.$log DETACH PARTITION steward.${log}_p0",
	qr/^f\|0\|records 0 to 65535 are gone, and no retention of them was logged$/);

# ... against a checkpoint that was kept elsewhere
is(sql("SELECT ok FROM steward.verify('$log', '$note')"), 't', 'the log contains the known checkpoint');
tampered('an older state', "DELETE FROM steward.$log WHERE seq >= 66048; DELETE FROM steward.ledger_leaf; DELETE FROM steward.checkpoint_record WHERE size > 66048",
	qr/^f\|66048\|the log has 66048 records, and the known checkpoint says 66237$/, $note);
(my $forged = $note) =~ s/\n66237\n/\n66236\n/;
tampered('a forged known checkpoint', 'SELECT', qr/^f\|0\|the known checkpoint has a wrong signature$/, $forged);
fails_like($node, 'postgres', "SELECT * FROM steward.verify(NULL, 'x')", [ qr/known_checkpoint is no checkpoint/, qr/HINT/ ], 'a known checkpoint that is none');
is(verified(), 't||', 'all of it was undone');

# A history that was written anew and signed with the stolen key is good by
# itself; only a checkpoint from before tells.
$node->safe_psql('postgres', "CREATE DATABASE again");
{
	my $again = sub { return $node->safe_psql('again', $_[0]); };

	$again->('CREATE EXTENSION pg_steward');
	$node->run_log([ 'psql', '-XqAt', '-v', "module=$built/ledger_test", '-d', $node->connstr('again'), '-f', "$module/ledger_test.sql" ]);
	$again->("SELECT regress_append('$log', 66300)");
	my $keys = sql("SELECT string_agg(format('(%L, %L, %L, %L)', name, key_id, public_key, valid_from), ', ') FROM steward.ledger_key WHERE name ~ '/$log\$'");
	my $id = sql('SELECT id FROM steward.installation');
	$again->("INSERT INTO steward.installation (id, system_identifier, database, timeline, created_at, extension) "
		  . "SELECT '$id', system_identifier, (SELECT oid FROM pg_database WHERE datname = 'again'), 1, now(), (SELECT oid FROM pg_extension WHERE extname = 'pg_steward') FROM pg_control_system()");
	$again->("ALTER TABLE steward.ledger_key DISABLE TRIGGER ALL; INSERT INTO steward.ledger_key (name, key_id, public_key, valid_from) VALUES $keys");
	$again->("SELECT steward.checkpoint('$log')");
	is($again->("SELECT ok FROM steward.verify('$log')"), 't', 'a history signed anew is good by itself');
	is( $again->("SELECT ok, first_bad_seq, problem FROM steward.verify('$log', '$note')"),
		'f|0|the records before 66237 are not those of the known checkpoint', '... and not against the known checkpoint');
}

# ---------------------------------------------------------------------
# Rights
# ---------------------------------------------------------------------

sql('CREATE ROLE regress_auditor IN ROLE steward_auditor; CREATE ROLE regress_nobody; CREATE ROLE regress_admin IN ROLE steward_admin');
is(sql("SET ROLE regress_auditor; SELECT ok FROM steward.verify('$log'); SELECT count(*) > 0 FROM steward.$log; SELECT length(steward.checkpoint('$log')) > 0"),
	"t\nt\nt", 'an auditor reads and verifies');
foreach my $call ("verify('$log')", "checkpoint('$log')", "inclusion_proof('$log', 0)", "consistency_proof('$log', 0, 1)", "export_entries('$log')",
	"export_log('$log', '/tmp/regress_no')", "redact('$log', 1, 'x')", "rotate_key('x')", "add_cosignature('$log', 'x')", "set_retention('$log', '1 day')",
	'apply_retention()', "add_witness('x', 'y')", "drop_witness('x')")
{
	fails_like($node, 'postgres', "SET ROLE regress_nobody; SELECT steward.$call", [qr/may not do this/], "$call by nobody");
}
foreach my $call ("redact('$log', 1, 'x')", "rotate_key('x')", "set_retention('$log', '1 day')", 'apply_retention()')
{
	fails_like($node, 'postgres', "SET ROLE regress_auditor; SELECT steward.$call", [qr/may not do this/], "$call by an auditor");
}
fails_like($node, 'postgres', "SET ROLE regress_auditor; SELECT steward.export_log('$log', '/tmp/regress_no')",
	[ qr/may not write files/, qr/pg_write_server_files/ ], 'an export into the server by an auditor');

# ---------------------------------------------------------------------
# Erasure
# ---------------------------------------------------------------------

foreach my $g (1 .. 3)
{
	is(sql("SET ROLE regress_admin; SELECT steward.redact('$log', 100 + $g, 'asked for', '{$g}')"), 't', "group $g is erased");
}
is(sql("SELECT steward.redact('$log', 101, 'asked for')"), 't', 'the rest of a record is erased');
is(sql("SELECT steward.redact('$log', 101, 'asked for')"), 'f', '... and then nothing is left to erase');
is(sql("SELECT steward.redact('$log', 66256, 'asked for')"), 't', 'the last record is erased');
is( sql("SELECT count(*) FROM steward.$log WHERE seq IN (101, 66256) AND person IS NULL AND secret IS NULL AND payload IS NULL AND words IS NULL AND numbers IS NULL AND salt IS NULL"),
	2, 'nothing is left of them');
is(sql("SELECT payload IS NOT NULL OR words IS NOT NULL FROM steward.$log WHERE seq = 103"), 't', 'other groups are left');
is(verified(), 't||', 'erased records are good where that was logged');
sql("BEGIN; SELECT steward.redact('$log', 200, 'x'); ROLLBACK");
is(sql("SELECT salt IS NOT NULL FROM steward.$log WHERE seq = 200"), 't', 'an erasure that was rolled back');
append(5);
$node->restart;
append(5);
is(verified(), 't||', 'appending goes on after that, and after a restart');
fails_like($node, 'postgres', "SELECT steward.redact('$log', 1, ' ')", [ qr/reason must not be empty/, qr/HINT/ ], 'erasing without a reason');
fails_like($node, 'postgres', "SELECT steward.redact('$log', 1, 'x', '{4}')", [qr/has no group 4/], 'a group that there is not');
fails_like($node, 'postgres', "SELECT steward.redact('$log', 9999999, 'x')", [qr/has no record 9999999/], 'a record that there is not');

# ---------------------------------------------------------------------
# Exports, judged by the stand-alone verifier
# ---------------------------------------------------------------------

my $out = "${PostgreSQL::Test::Utils::tmp_check}/export";
my $exports = 0;

sub export_is_good
{
	my ($name) = @_;

	$exports++;
	sql('SELECT steward.flush()');
	sql("SELECT steward.export_log('$_', '$out$exports/$_')") foreach ($log, 'change_log');
	$node->command_ok([ 'pg_steward_verify', '-q', '-g', "$out$exports/change_log", "$out$exports/$log" ], $name);
	return;
}

export_is_good('an export is verified outside');
fails_like($node, 'postgres', "SELECT steward.export_log('$log', '$out$exports/$log')", [qr/is not empty/], 'an export onto another');
fails_like($node, 'postgres', "SELECT steward.export_log('$log', 'relative')", [qr/no absolute path/], 'an export to nowhere');
fails_like($node, 'postgres', "SELECT steward.export_log('$log', current_setting('data_directory') || '/x')", [qr/outside of the data directory/], 'an export into the data');
is( sql("SELECT string_agg(path, ' ' ORDER BY path) FROM steward.export_entries('$log', 300, 600) WHERE path ~ '^(tile|payload)/'"),
	'payload/001 payload/002 tile/0/001 tile/0/002 tile/1/000 tile/2/000.p/1 tile/entries/001 tile/entries/002', 'a part of the log over the wire');
is( sql("SELECT encode(sha256(content), 'hex') FROM steward.export_entries('$log') WHERE path = 'tile/entries/001'"),
	sha256_hex(slurp_file("$out$exports/$log/tile/entries/001")), 'over the wire comes what the files have');

# ---------------------------------------------------------------------
# Keys and witnesses
# ---------------------------------------------------------------------

sql("SELECT steward.rotate_key('it was on a laptop')");
my ($after) = checkpoint();
isnt((split ' ', $after)[-1], (split ' ', $note)[-1], 'another key signs');
is(sql("SELECT count(DISTINCT key_id) FROM steward.checkpoint_record r WHERE r.log = 200"), 2, 'checkpoints of both keys');
is(verified(), 't||', 'checkpoints of the old key stay good');
export_is_good('... in exports, too');

my $here = ${PostgreSQL::Test::Utils::tmp_check};
sub openssl { system('openssl', @_) == 0 or BAIL_OUT("openssl @_"); return; }
openssl('genpkey', '-algorithm', 'ed25519', '-out', "$here/witness.pem");
openssl('pkey', '-in', "$here/witness.pem", '-pubout', '-outform', 'DER', '-out', "$here/witness.der");
my $public = substr(slurp_file("$here/witness.der"), -32);
my $id = substr(sha256("witness.example\n\x04$public"), 0, 4);
my $verifier_key = 'witness.example+' . unpack('H*', $id) . '+' . encode_base64("\x04$public", '');

sub cosigned
{
	my ($of, $time) = @_;
	my ($body) = $of =~ /^(.*?\n)\n/s;

	append_to_file("$here/message.$time", "cosignature/v1\ntime $time\n$body");
	openssl('pkeyutl', '-sign', '-rawin', '-inkey', "$here/witness.pem", '-in', "$here/message.$time", '-out', "$here/signature.$time");
	return $of . "\xe2\x80\x94 witness.example " . encode_base64($id . pack('Q>', $time) . slurp_file("$here/signature.$time"), '') . "\n";
}

my $cosigned = cosigned($after, 1800000000);
fails_like($node, 'postgres', "SELECT steward.add_cosignature('$log', '$cosigned')", [ qr/no signature of a known witness/, qr/add_witness/ ], 'a witness that is not known');
foreach my $bad ('x', 'a+b+c', $verifier_key . 'A', 'witness.example+00000000+' . encode_base64("\x04$public", ''),
	'witness.example+' . substr(sha256_hex("witness.example\n\x01$public"), 0, 8) . '+' . encode_base64("\x01$public", ''))
{
	fails_like($node, 'postgres', "SELECT steward.add_witness('w', '$bad')", [qr/no verifier key of a witness/], "key $bad");
}
sql("SET ROLE regress_admin; SELECT steward.add_witness('w', '$verifier_key')");
fails_like($node, 'postgres', "SELECT steward.add_witness('w', '$verifier_key')", [qr/known already/], 'a witness twice');
(my $wrong = $cosigned) =~ s/(witness\.example \S{20})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/e;
fails_like($node, 'postgres', "SELECT steward.add_cosignature('$log', '$wrong')", [qr/cosignature of witness "w" is wrong/], 'a wrong cosignature');
(my $other = cosigned($after =~ s/\ntimeline 1\n/\ntimeline 9\n/r, 1800000001));
fails_like($node, 'postgres', "SELECT steward.add_cosignature('$log', '$other')", [qr/has no such checkpoint/], 'a cosignature of something else');
sql("SELECT steward.add_cosignature('$log', '$cosigned'); SELECT steward.add_cosignature('$log', '$cosigned')");
is(sql("SELECT count(*), min(cosigned_at) = to_timestamp(1800000000) FROM steward.cosignature"), '1|t', 'a cosignature is kept once');
export_is_good('... and exported');
like(slurp_file("$out$exports/$log/checkpoint"), qr/ witness\.example /, '... under the checkpoint');

# ---------------------------------------------------------------------
# Retention
# ---------------------------------------------------------------------

fails_like($node, 'postgres', "SELECT steward.set_retention('inference_log', '1 month')", [ qr/kept for 6 mons at least/, qr/HINT/ ], 'less than the law asks for');
fails_like($node, 'postgres', "SET ROLE regress_admin; SET steward.minimum_retention = 0", [qr/permission denied/], 'the minimum by an administrator');
fails_like($node, 'postgres', "SET steward.minimum_retention = 100; SELECT steward.set_retention('$log', '99 days')", [qr/kept for 100 days at least/], 'less than the setting asks for');

my $second = 'regress_access';
sql("SELECT regress_partitions('$second', 200000); SELECT regress_append('$second', 140000)");
my $before = sql("SELECT steward.checkpoint('$second')");
# in one transaction, before the keeper sees to it
is(sql(qq(BEGIN; DO \$\$ BEGIN PERFORM steward.set_retention('$second', '1 day'); END \$\$;
	SET LOCAL steward.minimum_retention = 36500; SELECT count(*) FROM steward.apply_retention();
	SET LOCAL steward.minimum_retention = -1; SELECT * FROM steward.apply_retention(1);
	SELECT * FROM steward.apply_retention(); COMMIT)),
	"0\n$second|0|65535\n$second|65536|131071", 'old partitions are dropped, the last one is not; and none where the minimum says so');
is(sql("SELECT ok, size FROM steward.verify('$second')"), 't|140000', 'what is left is good');
is(sql("SELECT min(seq), count(*) FROM steward.$second"), '131072|8928', 'the records are gone');
like(sql("SELECT steward.inclusion_proof('$second', 5)"), qr/^c2sp/, 'also a record that is gone can be proven');
sql("SELECT regress_append('$second', 10)");
is(sql("SELECT ok FROM steward.verify('$second', '$before')"), 't', 'and the log grows on');
sql('SELECT steward.flush()');
sql("SELECT steward.export_log('$_', '$out.r/$_')") foreach ($second, 'change_log');
$node->command_ok([ 'pg_steward_verify', '-q', '-g', "$out.r/change_log", "$out.r/$second" ], 'the export of it is verified outside');
ok(!-e "$out.r/$second/tile/entries/000" && -e "$out.r/$second/tile/0/000", 'it has the tiles and not the records');

$node->stop;
done_testing();
