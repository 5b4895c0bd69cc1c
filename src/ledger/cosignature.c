/*-------------------------------------------------------------------------
 *
 * cosignature.c
 *	  Cosignatures of outside witnesses (C2SP tlog-cosignature).
 *
 * They are verified before they are stored, by the keys in table witness.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "ledger/note.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Columns of cosignature. */
enum
{
	COSIGNATURE_LOG = 1,
	COSIGNATURE_SIZE,
	COSIGNATURE_SIGNED_AT,
	COSIGNATURE_WITNESS,
	COSIGNATURE_COSIGNED_AT,
	COSIGNATURE_LINE,
	COSIGNATURE_NATTS = COSIGNATURE_LINE
};

typedef struct Witness
{
	char	   *name;
	NoteKey		key;
} Witness;

/* Reads the key of a witness, a text of this database. */
static const char *
parse_witness_key(const char *text, NoteKey *key)
{
	Size		len = strlen(text);

	return note_parse_key(note_from_text(text, &len), key);
}

STEWARD_FUNCTION(steward_check_witness_key);

/* check_witness_key(verifier key): raises for one that is none. */
Datum
steward_check_witness_key(PG_FUNCTION_ARGS)
{
	NoteKey		key;
	const char *problem = parse_witness_key(text_to_cstring(PG_GETARG_TEXT_PP(0)), &key);

	if (problem == NULL && key.type != NOTE_COSIGNATURE)
		problem = "it is not of type 4, a key for cosignatures";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this is no verifier key of a witness: %s", problem),
				 errhint("Witnesses publish it as NAME+ID+KEY.")));
	PG_RETURN_VOID();
}

/* The witnesses that are known; within SPI, allocated outside of it. */
static List *
read_witnesses(MemoryContext context)
{
	List	   *witnesses = NIL;

	if (SPI_execute("SELECT name, verifier_key FROM steward.witness ORDER BY name", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the witnesses could not be read");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		char	   *key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2);
		MemoryContext old = MemoryContextSwitchTo(context);
		Witness    *witness = palloc(sizeof(Witness));

		witness->name = pstrdup(name);
		if (parse_witness_key(key, &witness->key) == NULL)
			witnesses = lappend(witnesses, witness);
		MemoryContextSwitchTo(old);
	}
	return witnesses;
}

/* The checkpoint of ours that the note is a copy of; NULL: none. */
static CheckpointRecord *
find_checkpoint(const LogFormat *format, const Note *note)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Checkpoint	checkpoint;
	const char *problem = checkpoint_parse(note, &checkpoint);
	CheckpointRecord *match = NULL;
	ListCell   *lc;

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the note is no checkpoint: %s", problem)));
	foreach(lc, checkpoints_of_size(format, checkpoint.size, snapshot))
	{
		CheckpointRecord *record = lfirst(lc);

		if (strlen(record->note) > note->len &&
			memcmp(record->note, note->text, note->len) == 0 && record->note[note->len] == '\n')
			match = record;
	}
	UnregisterSnapshot(snapshot);
	return match;
}

/* Has the checkpoint a cosignature of that witness? */
static bool
has_cosignature(const LogFormat *format, const CheckpointRecord *record, const char *witness)
{
	Oid			types[4] = {INT2OID, INT8OID, TIMESTAMPTZOID, TEXTOID};
	Datum		values[4] = {Int16GetDatum(format->code), Int64GetDatum(record->size),
	TimestampTzGetDatum(record->signed_at), CStringGetTextDatum(witness)};

	if (SPI_execute_with_args("SELECT FROM steward.cosignature WHERE log = $1 AND size = $2 AND signed_at = $3 AND witness = $4",
							  4, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "the cosignatures could not be read");
	return SPI_processed > 0;
}

static void
store(const LogFormat *format, const CheckpointRecord *record, const Witness *witness,
	  const Note *note, uint64 time)
{
	Datum		values[COSIGNATURE_NATTS];
	bool		nulls[COSIGNATURE_NATTS] = {false};
	ListCell   *lc;
	char	   *line = NULL;

	foreach(lc, note->signatures)
	{
		NoteSignature *signature = lfirst(lc);

		if (memcmp(signature->id, witness->key.id, NOTE_KEY_ID_LENGTH) == 0 &&
			strcmp(signature->name, witness->key.name) == 0)
			line = note_signature_line(signature->name, signature->id, signature->payload, signature->len);
	}
	values[COSIGNATURE_LOG - 1] = Int16GetDatum(format->code);
	values[COSIGNATURE_SIZE - 1] = Int64GetDatum(record->size);
	values[COSIGNATURE_SIGNED_AT - 1] = TimestampTzGetDatum(record->signed_at);
	values[COSIGNATURE_WITNESS - 1] = CStringGetTextDatum(witness->name);
	values[COSIGNATURE_COSIGNED_AT - 1] =
		TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) Min(time, UINT64CONST(253402300799))));
	values[COSIGNATURE_LINE - 1] = CStringGetTextDatum(line);	/* the same as bytes */
	ledger_insert_row("cosignature", values, nulls);
	CommandCounterIncrement();
}

/* Either add_cosignature(): the note is given as text or as bytes. */
static void
add_cosignature(FunctionCallInfo fcinfo, bool bytes)
{
	const LogFormat *format;
	struct varlena *varlena = PG_GETARG_VARLENA_PP(1);
	const char *given = VARDATA_ANY(varlena);
	Size		len = VARSIZE_ANY_EXHDR(varlena);
	MemoryContext context = CurrentMemoryContext;
	CheckpointRecord *record;
	Note		note;
	const char *problem;
	List	   *witnesses;
	ListCell   *lc;
	int			known = 0;

	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	PreventCommandIfReadOnly("add_cosignature()");
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	if (!bytes)
		given = note_from_text(given, &len);
	problem = note_parse(given, len, &note);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("this is no signed note: %s", problem)));
	record = find_checkpoint(format, &note);
	if (record == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("log \"%s\" has no such checkpoint", format->name),
				 errhint("A witness signs a checkpoint as checkpoint(log) returned it.")));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	witnesses = read_witnesses(context);
	foreach(lc, witnesses)
	{
		Witness    *witness = lfirst(lc);
		uint64		time = 0;

		switch (note_check(&note, &witness->key, &time))
		{
			case NOTE_UNSIGNED:
				break;
			case NOTE_FORGED:
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the cosignature of witness \"%s\" is wrong", witness->name)));
				break;
			case NOTE_GOOD:
				known++;
				if (!has_cosignature(format, record, witness->name))
					store(format, record, witness, &note, time);
				break;
		}
	}
	SPI_finish();
	if (known == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the note has no signature of a known witness"),
				 errhint("Make a witness known with add_witness(name, verifier_key).")));
}

STEWARD_FUNCTION(steward_add_cosignature);

/* add_cosignature(log, note) */
Datum
steward_add_cosignature(PG_FUNCTION_ARGS)
{
	add_cosignature(fcinfo, false);
	PG_RETURN_VOID();
}

STEWARD_FUNCTION(steward_add_cosignature_bytes);

/* add_cosignature(log, note) with the note's bytes */
Datum
steward_add_cosignature_bytes(PG_FUNCTION_ARGS)
{
	add_cosignature(fcinfo, true);
	PG_RETURN_VOID();
}

/* The signature lines of a checkpoint's cosignatures, in order of witnesses. */
char *
cosignature_lines(const LogFormat *format, const CheckpointRecord *record)
{
	Oid			types[3] = {INT2OID, INT8OID, TIMESTAMPTZOID};
	Datum		values[3] = {Int16GetDatum(format->code), Int64GetDatum(record->size),
	TimestampTzGetDatum(record->signed_at)};
	MemoryContext context = CurrentMemoryContext;
	char	   *lines;
	bool		isnull;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT coalesce(pg_catalog.string_agg(line, ''::pg_catalog.bytea ORDER BY witness), '') FROM steward.cosignature "
							  "WHERE log = $1 AND size = $2 AND signed_at = $3",
							  3, types, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "the cosignatures could not be read");
	lines = TextDatumGetCString(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	lines = MemoryContextStrdup(context, lines);
	SPI_finish();
	return lines;
}
