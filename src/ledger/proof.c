/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  Proofs: that a record is in a log, that a log only grew.
 *
 * They are made from the tiles and the open ends of the tree, which the
 * reader here joins; so they cost a few tiles, however long the log is, and
 * outlive the records.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "ledger/note.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#define PROOF_HEADER	"c2sp.org/tlog-proof@v1\n"

/* Opens the tree of a log as the snapshot sees it. */
TileReader *
tile_reader_open(const LogFormat *format, Snapshot snapshot)
{
	TileReader *reader = palloc(sizeof(TileReader));

	reader->format = format;
	reader->snapshot = snapshot;
	reader->level = -1;
	ledger_read_ends(format, snapshot, &reader->ends);
	return reader;
}

/* Gives hashes to the functions of tree.c. */
void
tile_reader_read(void *arg, int level, uint64 first, int n, uint8 *hashes)
{
	TileReader *reader = arg;
	uint64		tile = first / LEDGER_TILE_WIDTH;
	int			offset = first % LEDGER_TILE_WIDTH;

	CHECK_FOR_INTERRUPTS();
	if (tile == reader->ends.size >> (8 * level) >> 8)
	{
		memcpy(hashes, reader->ends.hash[level][offset], n * LEDGER_HASH_LENGTH);
		return;
	}
	if (reader->level != level || reader->tile != tile)
	{
		reader->level = -1;
		if (!tile_read(reader->format, level, tile, reader->snapshot, reader->hashes))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("tile " UINT64_FORMAT " of level %d of log \"%s\" is missing",
							tile, level, reader->format->name),
					 errhint("verify() tells more.")));
		reader->level = level;
		reader->tile = tile;
	}
	memcpy(hashes, reader->hashes + offset * LEDGER_HASH_LENGTH, n * LEDGER_HASH_LENGTH);
}

/* A C2SP tlog-proof, with the newest checkpoint. */
static char *
inclusion_proof_asked(FunctionCallInfo fcinfo)
{
	const LogFormat *format;
	int64		seq = PG_GETARG_INT64(1);
	Snapshot	snapshot;
	TileReader *reader;
	CheckpointRecord *checkpoint;
	StringInfoData proof;
	ListCell   *lc;

	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	reader = tile_reader_open(format, snapshot);
	if (seq < 0 || seq >= reader->ends.size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("log \"%s\" has no record " INT64_FORMAT, format->name, seq),
				 errdetail("It has " UINT64_FORMAT " records.", reader->ends.size)));
	checkpoint = checkpoint_last(format, snapshot);
	if (checkpoint == NULL || checkpoint->size <= seq)
	{
		if (RecoveryInProgress() || XactReadOnly)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("log \"%s\" has no checkpoint yet that covers record " INT64_FORMAT, format->name, seq),
					 errhint("Sign one with checkpoint(log) on the primary server.")));
		UnregisterSnapshot(snapshot);
		(void) checkpoint_now(format);
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		reader = tile_reader_open(format, snapshot);
		checkpoint = checkpoint_last(format, snapshot);
	}
	if (checkpoint == NULL || checkpoint->size <= seq || checkpoint->size > reader->ends.size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("log \"%s\" does not fit its last checkpoint", format->name),
				 errhint("verify() tells more.")));

	initStringInfo(&proof);
	appendStringInfo(&proof, PROOF_HEADER "index " INT64_FORMAT "\n", seq);
	foreach(lc, tree_inclusion(tile_reader_read, reader, seq, checkpoint->size))
		appendStringInfo(&proof, "%s\n", base64_encode(lfirst(lc), LEDGER_HASH_LENGTH));
	appendStringInfo(&proof, "\n%s", checkpoint->note);
	UnregisterSnapshot(snapshot);
	return proof.data;
}

STEWARD_FUNCTION(steward_inclusion_proof);

/* inclusion_proof(log, seq) */
Datum
steward_inclusion_proof(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(note_to_text(inclusion_proof_asked(fcinfo)));
}

STEWARD_FUNCTION(steward_inclusion_proof_bytes);

/* inclusion_proof_bytes(log, seq): the same, for databases whose encoding lacks the dash. */
Datum
steward_inclusion_proof_bytes(PG_FUNCTION_ARGS)
{
	char	   *proof = inclusion_proof_asked(fcinfo);

	PG_RETURN_BYTEA_P((bytea *) cstring_to_text(proof));
}

STEWARD_FUNCTION(steward_consistency_proof);

/* consistency_proof(log, old_size, new_size): the hashes of RFC 6962. */
Datum
steward_consistency_proof(PG_FUNCTION_ARGS)
{
	const LogFormat *format;
	int64		old_size = PG_GETARG_INT64(1);
	int64		new_size = PG_GETARG_INT64(2);
	Snapshot	snapshot;
	TileReader *reader;
	List	   *path;
	Datum	   *hashes;
	int			n = 0;
	ListCell   *lc;

	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	reader = tile_reader_open(format, snapshot);
	if (old_size < 0 || old_size > new_size || new_size > reader->ends.size)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sizes must be 0 <= old_size <= new_size <= " UINT64_FORMAT, reader->ends.size),
				 errdetail("Log \"%s\" has " UINT64_FORMAT " records.", format->name, reader->ends.size)));
	path = tree_consistency(tile_reader_read, reader, old_size, new_size);
	UnregisterSnapshot(snapshot);
	if (path == NIL)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(BYTEAOID));
	hashes = palloc(list_length(path) * sizeof(Datum));
	foreach(lc, path)
		hashes[n++] = PointerGetDatum(cstring_to_text_with_len(lfirst(lc), LEDGER_HASH_LENGTH));
	PG_RETURN_ARRAYTYPE_P(construct_array(hashes, n, BYTEAOID, -1, false, TYPALIGN_INT));
}
