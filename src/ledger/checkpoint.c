/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  Signs the size and root of a log, and keeps what was signed.
 *
 * Only what is committed is signed.  Signers do not wait for one another: a
 * checkpoint is a fact, and two of the same size say the same.
 *
 * The last checkpoint is also kept as a file beside the key.  It tells a
 * database that was restored to an older state that it lacks something.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "ledger/note.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/snapmgr.h"

/* Columns of checkpoint_record. */
enum
{
	CHECKPOINT_LOG = 1,
	CHECKPOINT_SIZE,
	CHECKPOINT_SIGNED_AT,
	CHECKPOINT_ROOT,
	CHECKPOINT_ORIGIN,
	CHECKPOINT_KEY_ID,
	CHECKPOINT_NOTE,
	CHECKPOINT_NATTS = CHECKPOINT_NOTE
};

/* Columns of ledger_key. */
enum
{
	KEY_NAME = 1,
	KEY_KEY_ID,
	KEY_PUBLIC_KEY,
	KEY_VALID_FROM,
	KEY_REASON,
	KEY_NATTS = KEY_REASON
};

#define MAX_KEPT	100000		/* bytes of the file beside the key */

static Datum
bytes_datum(const void *bytes, Size len)
{
	return PointerGetDatum(cstring_to_text_with_len(bytes, len));
}

/* ------------------------------------------------------------------------
 * Keys
 * ------------------------------------------------------------------------
 */

/* All keys that ever signed here, of all origins, in no order. */
List *
ledger_keys(Snapshot snapshot)
{
	Relation	rel = table_open(ledger_table("ledger_key", false), AccessShareLock);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;
	List	   *keys = NIL;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Datum		values[KEY_NATTS];
		bool		nulls[KEY_NATTS];
		LedgerKey  *key = palloc(sizeof(LedgerKey));
		struct varlena *bytes;

		heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
		bytes = PG_DETOAST_DATUM_PACKED(values[KEY_PUBLIC_KEY - 1]);
		if (VARSIZE_ANY_EXHDR(bytes) != CRYPTO_PUBLIC_KEY_LENGTH)
			continue;
		key->name = TextDatumGetCString(values[KEY_NAME - 1]);
		memcpy(key->public_key, VARDATA_ANY(bytes), CRYPTO_PUBLIC_KEY_LENGTH);
		key->valid_from = DatumGetTimestampTz(values[KEY_VALID_FROM - 1]);
		keys = lappend(keys, key);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return keys;
}

/* Enters a key under a name. */
static void
enter_key(const char *name, const uint8 *public_key, const char *reason)
{
	Datum		values[KEY_NATTS];
	bool		nulls[KEY_NATTS] = {false};
	uint8		id[NOTE_KEY_ID_LENGTH];

	note_key_id(name, NOTE_ED25519, public_key, id);
	values[KEY_NAME - 1] = CStringGetTextDatum(name);
	values[KEY_KEY_ID - 1] = bytes_datum(id, sizeof(id));
	values[KEY_PUBLIC_KEY - 1] = bytes_datum(public_key, CRYPTO_PUBLIC_KEY_LENGTH);
	values[KEY_VALID_FROM - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[KEY_REASON - 1] = reason == NULL;
	if (reason != NULL)
		values[KEY_REASON - 1] = CStringGetTextDatum(reason);
	ledger_insert_row("ledger_key", values, nulls);
	CommandCounterIncrement();
}

static char *
origin_of(const LogFormat *format, const LedgerIdentity *identity)
{
	return psprintf("%s.pg-steward/%s", identity->installation, format->name);
}

/*
 * The key by which a log signs now.  An installation has one pair for all its
 * logs; it is made when the first of them signs.
 */
static void
signing_key(const LogFormat *format, const LedgerIdentity *identity, uint8 *public_key)
{
	char	   *origin = origin_of(format, identity);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	List	   *keys = ledger_keys(snapshot);
	LedgerKey  *own = NULL;
	LedgerKey  *shared = NULL;
	Size		prefix = strlen(identity->installation);
	ListCell   *lc;

	UnregisterSnapshot(snapshot);
	foreach(lc, keys)
	{
		LedgerKey  *key = lfirst(lc);

		if (strncmp(key->name, identity->installation, prefix) != 0)
			continue;
		if (shared == NULL || key->valid_from > shared->valid_from)
			shared = key;
		if (strcmp(key->name, origin) == 0 && (own == NULL || key->valid_from > own->valid_from))
			own = key;
	}
	if (own != NULL)
	{
		memcpy(public_key, own->public_key, CRYPTO_PUBLIC_KEY_LENGTH);
		return;
	}
	if (shared != NULL)
		memcpy(public_key, shared->public_key, CRYPTO_PUBLIC_KEY_LENGTH);
	else
		crypto_make_signing_key(public_key);
	enter_key(origin, public_key, NULL);
}

/* ------------------------------------------------------------------------
 * Records of checkpoints
 * ------------------------------------------------------------------------
 */

/* What a row of checkpoint_record says; a root of another length is zeroed. */
CheckpointRecord *
checkpoint_from_tuple(HeapTuple tuple, TupleDesc desc)
{
	CheckpointRecord *record = palloc0(sizeof(CheckpointRecord));
	Datum		values[CHECKPOINT_NATTS];
	bool		nulls[CHECKPOINT_NATTS];
	struct varlena *root;

	heap_deform_tuple(tuple, desc, values, nulls);
	record->size = DatumGetInt64(values[CHECKPOINT_SIZE - 1]);
	record->signed_at = DatumGetTimestampTz(values[CHECKPOINT_SIGNED_AT - 1]);
	record->origin = TextDatumGetCString(values[CHECKPOINT_ORIGIN - 1]);
	record->note = TextDatumGetCString(values[CHECKPOINT_NOTE - 1]);
	root = PG_DETOAST_DATUM_PACKED(values[CHECKPOINT_ROOT - 1]);
	if (VARSIZE_ANY_EXHDR(root) == LEDGER_HASH_LENGTH)
		memcpy(record->root, VARDATA_ANY(root), LEDGER_HASH_LENGTH);
	return record;
}

/*
 * The checkpoints of a log of one size, or where that is -1, only the greatest.
 */
static List *
read_checkpoints(const LogFormat *format, Snapshot snapshot, int64 size)
{
	Relation	rel = table_open(ledger_table("checkpoint_record", false), AccessShareLock);
	Relation	index = index_open(STEWARD_PRIMARY_KEY(rel), AccessShareLock);
	ScanDirection direction = size < 0 ? BackwardScanDirection : ForwardScanDirection;
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *records = NIL;

	ScanKeyInit(&key[0], CHECKPOINT_LOG, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(format->code));
	ScanKeyInit(&key[1], CHECKPOINT_SIZE, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(size));
	scan = systable_beginscan_ordered(rel, index, snapshot, size < 0 ? 1 : 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, direction)))
	{
		records = lappend(records, checkpoint_from_tuple(tuple, RelationGetDescr(rel)));
		if (size < 0)
			break;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return records;
}

CheckpointRecord *
checkpoint_last(const LogFormat *format, Snapshot snapshot)
{
	List	   *records = read_checkpoints(format, snapshot, -1);

	return records == NIL ? NULL : linitial(records);
}

/* The checkpoints of a log of that size, in the order in which they were signed. */
List *
checkpoints_of_size(const LogFormat *format, uint64 size, Snapshot snapshot)
{
	return read_checkpoints(format, snapshot, (int64) size);
}

/* The name of the file beside the key. */
static char *
kept_name(const LogFormat *format)
{
	return psprintf("checkpoint-%s-%u", format->name, MyDatabaseId);
}

/* Reads the checkpoint that is kept beside the key; false where none is. */
static bool
kept_checkpoint(const LogFormat *format, Checkpoint *checkpoint)
{
	Size		len;
	uint8	   *data = crypto_kept_file(kept_name(format), MAX_KEPT, &len);
	Note		note;
	const char *problem;

	if (data == NULL)
		return false;
	problem = note_parse((char *) data, len, &note);
	if (problem == NULL)
		problem = checkpoint_parse(&note, checkpoint);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s/%s\" is no checkpoint: %s",
						crypto_key_directory(), kept_name(format), problem)));
	return true;
}

/* Is the log shorter than the checkpoint that is kept beside the key? */
bool
ledger_is_behind(const LogFormat *format)
{
	Checkpoint	kept;
	LedgerIdentity identity;
	Relation	log;
	Snapshot	snapshot;
	uint64		size;

	if (!OidIsValid(ledger_table(format->name, true)) || !kept_checkpoint(format, &kept))
		return false;
	ledger_identity(&identity);
	if (strcmp(kept.origin, origin_of(format, &identity)) != 0)
		return false;			/* of an installation that was adopted since */
	log = table_open(ledger_table(format->name, false), AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	size = Max(ledger_rows_end(log, snapshot),
			   tile_count(format, 0, snapshot) * LEDGER_TILE_WIDTH);
	UnregisterSnapshot(snapshot);
	table_close(log, AccessShareLock);
	return size < kept.size;
}

/* ------------------------------------------------------------------------
 * Signing
 * ------------------------------------------------------------------------
 */

/*
 * Signs the state of a log.  Where the last checkpoint says the same, *fresh is
 * false and that one is returned.
 */
static char *
sign(const LogFormat *format, const TreeEnds *ends, bool *fresh)
{
	LedgerIdentity identity;
	uint8		public_key[CRYPTO_PUBLIC_KEY_LENGTH];
	uint8		id[NOTE_KEY_ID_LENGTH];
	uint8		root[LEDGER_HASH_LENGTH];
	uint8		signature[CRYPTO_SIGNATURE_LENGTH];
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[CHECKPOINT_NATTS];
	bool		nulls[CHECKPOINT_NATTS] = {false};
	Snapshot	snapshot;
	CheckpointRecord *last;
	Checkpoint	kept;
	Note		parsed;
	StringInfoData note;
	char	   *origin;
	char	   *extension;

	ledger_identity(&identity);
	origin = origin_of(format, &identity);
	signing_key(format, &identity, public_key);
	note_key_id(origin, NOTE_ED25519, public_key, id);
	tree_root(ends, root);
	extension = psprintf("\ninstallation %s\ntimeline %u\n", identity.installation, identity.timeline);

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	last = checkpoint_last(format, snapshot);
	UnregisterSnapshot(snapshot);
	*fresh = true;
	if (last != NULL && last->size == ends->size && strcmp(last->origin, origin) == 0 &&
		memcmp(last->root, root, sizeof(root)) == 0 && strstr(last->note, extension) != NULL &&
		note_parse(last->note, strlen(last->note), &parsed) == NULL &&
		memcmp(((NoteSignature *) linitial(parsed.signatures))->id, id, sizeof(id)) == 0)
	{
		*fresh = false;
		return last->note;
	}
	if (last != NULL && last->size > ends->size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("log \"%s\" has " UINT64_FORMAT " records, and a checkpoint of " UINT64_FORMAT,
						format->name, ends->size, last->size),
				 errhint("verify() tells more.")));

	initStringInfo(&note);
	appendStringInfo(&note, "%s\n" UINT64_FORMAT "\n%s%stime " INT64_FORMAT "\n",
					 origin, ends->size, base64_encode(root, sizeof(root)), extension,
					 (now + LOG_EPOCH_OFFSET) / USECS_PER_SEC);
	crypto_sign(public_key, note.data, note.len, signature);
	appendStringInfo(&note, "\n%s", note_signature_line(origin, id, signature, sizeof(signature)));

	values[CHECKPOINT_LOG - 1] = Int16GetDatum(format->code);
	values[CHECKPOINT_SIZE - 1] = Int64GetDatum(ends->size);
	values[CHECKPOINT_SIGNED_AT - 1] = TimestampTzGetDatum(now);
	values[CHECKPOINT_ROOT - 1] = bytes_datum(root, sizeof(root));
	values[CHECKPOINT_ORIGIN - 1] = CStringGetTextDatum(origin);
	values[CHECKPOINT_KEY_ID - 1] = bytes_datum(id, sizeof(id));
	values[CHECKPOINT_NOTE - 1] = bytes_datum(note.data, note.len);
	ledger_insert_row("checkpoint_record", values, nulls);
	CommandCounterIncrement();

	/* what is kept never goes back, whoever is slow to write */
	if (!kept_checkpoint(format, &kept) || kept.size <= ends->size || strcmp(kept.origin, origin) != 0)
		crypto_keep_file(kept_name(format), note.data, note.len);
	return note.data;
}

/* Signs the state of the writer's log; NULL where the last checkpoint says it. */
char *
ledger_sign_checkpoint(Ledger *ledger)
{
	bool		fresh;
	char	   *note = sign(ledger_format_of(ledger), ledger_ends(ledger), &fresh);

	return fresh ? note : NULL;
}

/* The checkpoint of what is committed now; signed unless it is there. */
char *
checkpoint_now(const LogFormat *format)
{
	TreeEnds   *ends = palloc(sizeof(TreeEnds));
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		fresh;

	ledger_read_ends(format, snapshot, ends);
	UnregisterSnapshot(snapshot);
	return sign(format, ends, &fresh);
}

static char *
checkpoint_asked(FunctionCallInfo fcinfo, const char *function)
{
	ledger_require_role(STEWARD_AUDITOR, STEWARD_ADMIN);
	PreventCommandIfReadOnly(function);
	return checkpoint_now(ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false));
}

STEWARD_FUNCTION(steward_checkpoint);

/* checkpoint(log) */
Datum
steward_checkpoint(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(note_to_text(checkpoint_asked(fcinfo, "checkpoint()")));
}

STEWARD_FUNCTION(steward_checkpoint_bytes);

/* checkpoint_bytes(log): the same, for databases whose encoding lacks the dash. */
Datum
steward_checkpoint_bytes(PG_FUNCTION_ARGS)
{
	char	   *note = checkpoint_asked(fcinfo, "checkpoint_bytes()");

	return bytes_datum(note, strlen(note));
}

STEWARD_FUNCTION(steward_rotate_key);

/* rotate_key(reason): all logs of this installation sign with a new key. */
Datum
steward_rotate_key(PG_FUNCTION_ARGS)
{
	char	   *reason;
	LedgerIdentity identity;
	uint8		public_key[CRYPTO_PUBLIC_KEY_LENGTH];
	StringInfoData after;
	const LogFormat *format;

	ledger_require_role(STEWARD_ADMIN, STEWARD_ADMIN);
	PreventCommandIfReadOnly("rotate_key()");
	reason = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ledger_identity(&identity);
	crypto_make_signing_key(public_key);
	initStringInfo(&after);
	appendStringInfoString(&after, "{\"reason\": ");
	escape_json(&after, reason);
	appendStringInfoString(&after, ", \"keys\": [");
	for (int i = 0; (format = ledger_format_at(i)) != NULL; i++)
	{
		char	   *origin = origin_of(format, &identity);

		enter_key(origin, public_key, reason);
		appendStringInfoString(&after, i == 0 ? "" : ", ");
		escape_json(&after, note_verifier_key(origin, NOTE_ED25519, public_key));
	}
	appendStringInfoString(&after, "]}");
	ledger_record_change("signing key", identity.installation, "rotate", after.data);
	PG_RETURN_VOID();
}

STEWARD_FUNCTION(steward_verifier_key);

/* verifier_key(name, type, public key): the text that verifiers are given. */
Datum
steward_verifier_key(PG_FUNCTION_ARGS)
{
	bytea	   *key = PG_GETARG_BYTEA_PP(2);

	if (VARSIZE_ANY_EXHDR(key) != CRYPTO_PUBLIC_KEY_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a public key has %d bytes", CRYPTO_PUBLIC_KEY_LENGTH)));
	PG_RETURN_TEXT_P(cstring_to_text(note_verifier_key(text_to_cstring(PG_GETARG_TEXT_PP(0)),
													   (uint8) PG_GETARG_INT32(1),
													   (uint8 *) VARDATA_ANY(key))));
}
