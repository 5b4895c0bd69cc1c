# Logs in databases of other encodings than UTF-8: LATIN1, which lacks the dash
# of signed notes, WIN1252, which has it at another byte, and SQL_ASCII, which
# takes bytes as they are.  Accesses, inferences, checkpoints, cosignatures,
# proofs, verification, exports, dump and restore.
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
my $dir = PostgreSQL::Test::Utils::tempdir();
my $shipped = PostgreSQL::Test::Utils::tempdir();
my $node = steward_server('encodings');
my $witness = "import sys; sys.path.insert(0, '$FindBin::RealBin/../verifier'); import make_export as m; "
  . "w = m.Signer('witn\\u00e9ss.example', 4, 'test'); ";
my $witness_key = `$python -c "${witness}sys.stdout.buffer.write(w.text().encode())"`;
$node->append_conf('postgresql.conf', "steward.checkpoint_command = 'cat %p >> $shipped/%l'");
$node->reload;
$ENV{PGCLIENTENCODING} = 'UTF8';

sub write_file
{
	my ($path, $content) = @_;

	open my $file, '>:raw', $path or die "$path: $!";
	print $file $content;
	close $file;
	return $path;
}

# What both verifiers must say: 0 verified, 1 not.
sub both_say
{
	my ($status, $name, @arguments) = @_;

	foreach my $verifier (@verifiers)
	{
		my $out = '';

		IPC::Run::run([ @$verifier, @arguments ], '>&', \$out);
		is($? >> 8, $status, "$name ($verifier->[-1])") or diag($out);
	}
	return;
}

foreach my $encoding ($ENV{STEWARD_SHORT} ? 'LATIN1' : qw(LATIN1 WIN1252 SQL_ASCII))
{
	my $db = 'regress_' . lc $encoding;
	my $here = "$dir/$encoding";
	my $sql = sub { return $node->safe_psql($db, $_[0]) };
	my $bytes = sub { return pack 'H*', $sql->("SELECT encode($_[0], 'hex')") };

	mkdir $here;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$sql->(q{
		CREATE EXTENSION pg_steward;
		CREATE TABLE "größe" (id int, "straße" text);
		INSERT INTO "größe" SELECT g, 'Müller ' || g FROM generate_series(1, 5) g;
		SELECT steward.protect('"größe"', entity_column => 'straße');
		SELECT steward.create_purpose('zählen', 'für Prüfer');
		SELECT steward.register_model('modell', 'schätzt', 'niemand'), steward.register_version('modell', '1');
		SELECT count(*) FROM "größe" WHERE "straße" = 'Müller 3';
		SELECT steward.log_inference('modell', '1', '{"straße": "Süd"}', '{"größe": 1}', entities => '{Müller 3}');
		SELECT steward.flush()});

	# the logs hold what was said, and find the person
	is($sql->(q{SELECT relation_name, columns FROM steward.who_saw('"größe"', 'Müller 3') WHERE entity_scope = 'rows'}),
		'public."größe"|{straße}', "$encoding: who saw a person");
	is($sql->(q{SELECT input ->> 'straße', entities FROM steward.inference_log}), 'Süd|{"Müller 3"}', "$encoding: an inference");

	# checkpoints, as text where the encoding has the dash
	my $note = $bytes->("steward.checkpoint_bytes('inference_log')");
	like($note, qr/\n\n\xe2\x80\x94 \S+\.pg-steward\/inference_log \S+\n\z/, "$encoding: a checkpoint is a signed note");
	if ($encoding eq 'LATIN1')
	{
		fails_like($node, $db, $_, [ qr/signed note cannot be text in encoding "LATIN1"/, qr/U\+2014/, qr/HINT: .*checkpoint_bytes\(log\)/ ], $_)
		  foreach ("SELECT steward.checkpoint('inference_log')", "SELECT steward.inclusion_proof('inference_log', 0)");
		fails_like($node, $db, "SELECT steward.verify('inference_log', E'a\\n')", [ qr/no checkpoint/, qr/HINT: .*checkpoint_bytes.*"LATIN1"/ ], 'not as text');
	}
	else
	{
		is($sql->("SELECT steward.checkpoint('inference_log')"), $note, "$encoding: the same as text");
		is($sql->("SELECT ok FROM steward.verify('inference_log', \$n\$$note\$n\$)"), 't', '... which verify() takes');
		like($sql->("SELECT steward.inclusion_proof('inference_log', 0)"), qr/\n\xe2\x80\x94 /, '... and a proof');
	}
	my $hex = unpack 'H*', $note;
	is($sql->("SELECT ok FROM steward.verify('inference_log', '\\x$hex'::bytea)"), 't', "$encoding: verify() takes a checkpoint's bytes");
	is($sql->('SELECT count(*), count(*) FILTER (WHERE ok) FROM steward.verify()'), '3|3', "$encoding: all logs are in order");

	# a witness whose name is not ASCII
	write_file("$here/note", $note);
	my $signed = `$python -c "${witness}n = open('$here/note', 'rb').read(); t = n.rpartition(b'\\n\\n')[0] + b'\\n'; sys.stdout.buffer.write(n + w.line(t, 1800000000))"`;
	$sql->("SELECT steward.add_witness('e', '$witness_key')");
	$sql->("SELECT steward.add_cosignature('inference_log', '\\x" . unpack('H*', $signed) . "'::bytea)");

	# the same by its export, its proof, and what was shipped
	mkdir "$here/export";
	$sql->("SELECT steward.export_log('$_', '$here/export/$_')") foreach qw(access_event inference_log change_log);
	my @keys = map { ('-k', $_) } split /\n/, $sql->('SELECT steward.verifier_key(name, 1, public_key) FROM steward.ledger_key');
	both_say(0, "$encoding: an export", @keys, '-c', "$here/note", '-w', $witness_key, "$here/export");
	like(slurp_file("$here/export/inference_log/checkpoint"), qr/\n\xe2\x80\x94 witn\xc3\xa9ss\.example /, '... with the cosignature');
	write_file("$here/proof", $bytes->("steward.inclusion_proof_bytes('inference_log', 0)"));
	write_file("$here/entry", substr(slurp_file("$here/export/inference_log/tile/entries/000.p/1"), 2));
	both_say(0, "$encoding: a proof", @keys, '-p', "$here/proof", '-e', "$here/entry");
	$node->poll_query_until($db, q{SELECT EXISTS (SELECT FROM steward.checkpoint_shipment s JOIN steward.ledger_key k ON true WHERE s.log = 2)})
	  or die 'nothing was shipped';
	like(slurp_file("$shipped/inference_log"), qr/^\Q$note\E/m, "$encoding: it was shipped as it is");

	# what is altered is found
	my $partition = $sql->("SELECT partition FROM steward.log_partitions('inference_log') ORDER BY first_seq LIMIT 1");
	is($sql->(qq{BEGIN; ALTER TABLE $partition DISABLE TRIGGER ALL; UPDATE $partition SET input = '{"straße": "Nord"}'
		WHERE seq = 0; SELECT ok, first_bad_seq FROM steward.verify('inference_log'); ROLLBACK}), 'f|0', "$encoding: an altered umlaut is found");

	# a dump and restore keeps them
	$node->command_ok([ 'pg_dump', '--enable-row-security', '-Fc', '-f', "$here/dump", '-d', $node->connstr($db) ], "$encoding: dump");
	$node->safe_psql('postgres', "CREATE DATABASE ${db}_2 TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$node->command_ok([ 'pg_restore', '--enable-row-security', '--exit-on-error', '-d', $node->connstr("${db}_2"), "$here/dump" ], '... and restore');
	is($node->safe_psql("${db}_2", "SELECT ok FROM steward.verify('inference_log', '\\x$hex'::bytea)"), 't', '... keeps what was signed');
}

$node->stop;
done_testing();
