# Exports of all three logs of a real server, before both verifiers, and what an
# outsider does with them: keys, checkpoints, cosignatures, offline proofs.
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

my $python = python3() or plan skip_all => 'python3 is not installed';
my @verifiers = ([ 'pg_steward_verify' ], [ $python, "$FindBin::RealBin/../verifier/verify.py" ]);
my @logs = qw(access_event inference_log change_log);
my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = steward_server('export');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub write_file
{
	my ($path, $content) = @_;

	open my $file, '>:raw', $path or die "$path: $!";
	print $file $content;
	close $file;
	return $path;
}

# What both verifiers must say: 0 verified, 1 not, 2 unreadable; and print.
sub both_say
{
	my ($status, $name, $pattern, @arguments) = @_;

	foreach my $verifier (@verifiers)
	{
		my $out = '';

		IPC::Run::run([ @$verifier, @arguments ], '>&', \$out);
		is($? >> 8, $status, "$name ($verifier->[-1])") or diag($out);
		like($out, $pattern, '... and how it says so') if defined $pattern;
	}
	return;
}

# ---------------------------------------------------------------------
# Three logs with values that a careless reader takes for others
# ---------------------------------------------------------------------

sql(q{
	CREATE EXTENSION pg_steward;
	CREATE ROLE regress_scientist;
	CREATE TABLE credit (id int, person text);
	INSERT INTO credit SELECT g, 'person ' || g FROM generate_series(1, 10) g;
	GRANT SELECT ON credit TO regress_scientist;
	SELECT steward.protect('credit');
	SELECT steward.create_purpose('regress-scoring', description => E'h\u00e4\u00df\u0301lich \U0001f600');
	SELECT steward.grant_purpose('regress-scoring', 'regress_scientist');
	SELECT steward.create_row_policy('all', 'credit', 'true', purposes => '{regress-scoring}');
	SELECT steward.register_model('regress-model', 'is tested', 'nobody');
	SELECT steward.register_version('regress-model', '1.0');
});

sub use_it
{
	sql(q{
		SET ROLE regress_scientist;
		SET steward.purpose = 'regress-scoring';
		SELECT count(*) FROM credit WHERE person <> E'h\u00e4\u00df\u0301lich';
		SELECT * FROM credit LIMIT 3;
	});
	$node->psql('postgres', 'SET ROLE regress_scientist; SELECT * FROM credit');
	sql(q{
		SELECT count(steward.log_inference('regress-model', '1.0', '{}', '{"score": 1e-300, "a": [null, "\u2028"]}',
			entities => CASE g % 3 WHEN 0 THEN '{}'::text[] WHEN 1 THEN ARRAY['a', 'ö'] END,
			latency_ms => (ARRAY['0', '-0', '1.7976931348623157e308', '5e-324', NULL])[1 + g % 5]::float8))
		FROM generate_series(1, 150) g});
	sql('SELECT steward.flush()');
	return;
}

use_it();

# an auditor takes a checkpoint with him, a witness puts its name under it
my %kept = map { $_ => write_file("$dir/kept-$_", sql("SELECT steward.checkpoint('$_')")) } @logs;
my $witness = "import sys; sys.path.insert(0, '$FindBin::RealBin/../verifier'); import make_export as m; "
  . "w = m.Signer('witness.example', 4, 'test'); ";
my $witness_key = `$python -c "${witness}print(w.text())"`;
chomp $witness_key;
sql("SELECT steward.add_witness('example', '$witness_key')");
my $signed = `$python -c "${witness}n = open('$kept{inference_log}').read(); t = n.rpartition('\\n\\n')[0] + '\\n'; sys.stdout.write(n + w.line(t.encode(), 1800000000).decode())"`;
$node->safe_psql('postgres', "SELECT steward.add_cosignature('inference_log', \$n\$$signed\$n\$)");

sql("SELECT steward.rotate_key('a test of it')");
use_it();
sql("SELECT steward.redact('inference_log', 3, 'asked for', '{2,3}'), steward.redact('access_event', 0, 'asked for')");
sql('SELECT steward.flush()');
use_it();

my @keys = map { ('-k', $_) } split /\n/, sql('SELECT steward.verifier_key(name, 1, public_key) FROM steward.ledger_key');

# ---------------------------------------------------------------------
# Exports
# ---------------------------------------------------------------------

sub export_all
{
	my ($to) = @_;

	mkdir $to;
	# the redactions must be in the change log that goes with the others
	sql("SELECT steward.export_log('$_', '$to/$_')") foreach @logs;
	return $to;
}

my $export = export_all("$dir/one");
both_say(0, 'a folder with all three logs', qr/^inference_log: verified$/m, @keys, $export);
both_say(0, 'keys on trust', qr/^access_event: its keys are /m, $export);
foreach my $log (@logs)
{
	both_say(0, "$log, with what was kept", qr/^$log: verified$/m, @keys, '-c', $kept{$log}, '-g', "$export/change_log", "$export/$log");
}
both_say(0, 'a witness', qr/witness\.example has cosigned the first \d+ records$/m, @keys, '-w', $witness_key, $export);
both_say(1, 'one key is missing', undef, @keys[2 .. $#keys], $export);
both_say(1, 'without the change log', qr/the first bad record is 3$/m, @keys, "$export/inference_log");

my $bundle = slurp_file("$export/inference_log/tile/entries/000");
my $altered = $bundle;
substr($altered, 2 + 11, 1) ^= "\x01";
write_file("$export/inference_log/tile/entries/000", $altered);
both_say(1, 'an altered export', qr/the first bad record is 0$/m, @keys, $export);
write_file("$export/inference_log/tile/entries/000", $bundle);
both_say(0, 'and as it was', undef, @keys, $export);

# ---------------------------------------------------------------------
# Offline proofs
# ---------------------------------------------------------------------

my @entries = unpack '(n/a*)*', $bundle;
foreach my $seq (0, 255)
{
	my $proof = write_file("$dir/proof", sql("SELECT steward.inclusion_proof('inference_log', $seq)"));
	my $entry = write_file("$dir/entry", $entries[$seq]);

	both_say(0, "the proof of record $seq", qr/^record $seq is in \S+\/inference_log of \d+ records/m, @keys, '-p', $proof, '-e', $entry);
	write_file($entry, $entries[$seq] ^ "\x00" x 30 . "\x01");
	both_say(1, '... is of that record', undef, @keys, '-p', $proof, '-e', $entry);
}

# ---------------------------------------------------------------------
# Altered in the database
# ---------------------------------------------------------------------

my $partition = sql("SELECT partition FROM steward.log_partitions('inference_log') ORDER BY first_seq LIMIT 1");
sql("SET session_replication_role = replica; ALTER TABLE $partition DISABLE TRIGGER ALL; "
	  . "UPDATE $partition SET model = 'another' WHERE seq = 7");
my ($status) = $node->psql('postgres', "SELECT steward.export_log('inference_log', '$dir/altered')");
if ($status == 0)
{
	both_say(1, 'a record that was altered in the table', qr/the first bad record is 7$/m, @keys, '-g', "$export/change_log", "$dir/altered");
}
else
{
	pass('a record that was altered in the table is not exported');
}

# ---------------------------------------------------------------------
# The test vectors of docs/leaf-encoding.md, as the server computes them
# ---------------------------------------------------------------------

my ($vectors) = slurp_file("$FindBin::RealBin/../../docs/leaf-encoding.md") =~ /^## Test vectors\n(.*)/ms;
my ($vector_key) = $vectors =~ /^vkey (\S+)$/m;
my ($public) = $vectors =~ /^pub (\w+)$/m;
my ($note) = $vectors =~ /^(\S+\.pg-steward\/change_log\n3\n.*?\n\n\xe2\x80\x94 [^\n]*\n)/ms;
my ($origin, undef, $note_root) = split /\n/, $note;
my ($vector_root) = $vectors =~ /^root (\w+)$/m;
my @vector_leaves = $vectors =~ /^ leaf (\w+)$/mg;
my @vector_entries = $vectors =~ /^ entry (\w+)$/mg;
my @rows;

while ($vectors =~ /^\| (\d+) \| (\d+) \| (.*) \| bytes (\w\w) to \w\w \|$/mg)
{
	my ($seq, $time, $fields, $first) = ($1, $2, $3, hex $4);
	my @fields;

	push @fields, ($1 // $2) eq '-' ? 'NULL' : "\$f\$" . ($1 // $2) . "\$f\$" while $fields =~ /`([^`]*)`|([^,` ][^,`]*)/g;
	push @rows, "($seq, '1970-01-01Z'::timestamptz + $time * interval '1 us', " . join(', ', @fields)
	  . ", '\\x" . unpack('H*', pack('C*', $first .. $first + 15)) . "')";
}
is(@rows . @vector_leaves . @vector_entries, '333', 'three vectors are read');

$node->safe_psql('postgres', 'CREATE DATABASE vectors');
$node->safe_psql('vectors', "CREATE EXTENSION pg_steward; SELECT steward.create_purpose('regress-first'); SELECT steward.flush(), steward.checkpoint('change_log')");
my $told = $node->safe_psql('vectors', qq(
	SELECT partition AS part FROM steward.log_partitions('change_log') ORDER BY first_seq LIMIT 1 \\gset
	BEGIN;
	ALTER TABLE :part DISABLE TRIGGER ALL; ALTER TABLE steward.ledger_leaf DISABLE TRIGGER ALL;
	ALTER TABLE steward.checkpoint_record DISABLE TRIGGER ALL; ALTER TABLE steward.ledger_key DISABLE TRIGGER ALL;
	DELETE FROM :part; DELETE FROM steward.ledger_leaf WHERE log = 3; DELETE FROM steward.checkpoint_record WHERE log = 3; DELETE FROM steward.ledger_key;
	INSERT INTO :part (seq, logged_at, transaction_id, object_kind, action, session_role, subject, object_name, before, after, salt) VALUES
	@{[ join(",\n", @rows) ]};
	INSERT INTO steward.ledger_leaf VALUES (3, 0, '\\x@{[ join('', @vector_leaves) ]}');
	INSERT INTO steward.ledger_key (name, key_id, public_key, valid_from)
		SELECT '$origin', decode(split_part('$vector_key', '+', 2), 'hex'), '\\x$public', '2020-01-01';
	INSERT INTO steward.checkpoint_record VALUES (3, 3, '2030-01-01', decode('$note_root', 'base64'), '$origin',
		decode(split_part('$vector_key', '+', 2), 'hex'), '\\x@{[ unpack('H*', $note) ]}');
	SELECT 'verified', ok, size, encode(root, 'hex'), problem FROM steward.verify('change_log');
	SELECT 'file', path, encode(content, 'hex') FROM steward.export_entries('change_log');
	SELECT 'key', steward.verifier_key(name, 1, public_key) FROM steward.ledger_key;
	ROLLBACK;));
like($told, qr/^verified\|t\|3\|\Q$vector_root\E\|$/m, 'the server computes their leaves and their root, and takes their checkpoint');
like($told, qr/^key\|\Q$vector_key\E$/m, '... and their key');
mkdir "$dir/vectors";
while ($told =~ /^file\|(\S+)\|(\w*)$/mg)
{
	my ($path, $content) = ("$dir/vectors/$1", $2);

	system_or_bail('mkdir', '-p', $path =~ s,/[^/]*$,,r);
	write_file($path, pack 'H*', $content);
}
is_deeply([ map { unpack 'H*', $_ } unpack '(n/a*)*', slurp_file("$dir/vectors/tile/entries/000.p/3") ], \@vector_entries, '... and exports their entries');
# it is not the installation of the vectors, and so signed once more by itself
both_say(0, 'the verifiers take the export of the vectors', qr/^change_log: verified$/m,
	(map { ('-k', $_) } $told =~ /^key\|(\S+)$/mg), "$dir/vectors");

$node->stop;
done_testing();
