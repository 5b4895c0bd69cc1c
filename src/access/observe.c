/*-------------------------------------------------------------------------
 *
 * observe.c
 *	  Counts what mode "observe" would have denied.
 *
 * In mode "observe" a predicate becomes "predicate OR note_denial(…)": the
 * function is called only for rows that the predicate would not let pass,
 * counts, and returns true.  It is volatile, so that nobody folds it away or
 * evaluates it while planning, and parallel safe: each worker counts for
 * itself.  Its cost is above that of simple leakproof conditions, which the
 * planner therefore evaluates before it: rows that a statement's own WHERE
 * discards by such conditions are not counted.
 *
 * Shared memory and its locking: one hash table of fixed size and one header
 * with counters, both protected by one LWLock.  Counting goes to a table of
 * the backend's own, without any lock, and is added to the shared one
 * (exclusive lock, once a transaction) when the transaction ends, however it
 * ends: the rows were seen all the same.  Readers take the lock shared and
 * copy; resetting takes it exclusive.  Nothing is looked up, and no memory
 * allocated, under the lock.  A full table takes no new entries; what it
 * could not take is counted in the header.
 *
 * The table survives a clean restart in a file, written by the postmaster
 * when it stops and removed when it has been read; a crash loses it.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/access_internal.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define OBSERVE_FILE		PGSTAT_STAT_PERMANENT_DIRECTORY "/pg_steward_observed.stat"
#define OBSERVE_MAGIC		0x53544f31	/* changes with ObservedEntry */
#define MAX_PURPOSE_BYTES	200

/*
 * Marks a call that a plan makes.  Users must be able to execute the function
 * for their plans to run, but no statement that is parsed has a call of it in
 * this form, so that nobody counts in another's name.
 */
#define CALL_BY_PLAN		COERCE_SQL_SYNTAX

/* What is counted; compared as bytes, so everything is zeroed before use. */
typedef struct ObservedKey
{
	Oid			database;
	Oid			relid;
	Oid			subject;
	int32		command;
	NameData	policy;			/* empty: no allowing policy held */
	char		purpose[MAX_PURPOSE_BYTES + 4]; /* empty: none */
} ObservedKey;

typedef struct ObservedEntry
{
	ObservedKey key;			/* hash key */
	int64		denials;
	TimestampTz first_seen;
	TimestampTz last_seen;
} ObservedEntry;

typedef struct ObservedHeader
{
	LWLock		lock;
	int64		lost;			/* denials for which the table had no room */
} ObservedHeader;

/* An answer of note_denial() prepared for one execution. */
typedef struct NoteCache
{
	uint64		generation;
	ObservedEntry *entry;
} NoteCache;

static int	observed_denials_max = 1000;

static ObservedHeader *header = NULL;
static HTAB *shared_table = NULL;

/* This backend's counts since its last transaction ended. */
static HTAB *local_table = NULL;
static uint64 local_generation = 0;
static bool callbacks_registered = false;

/* ------------------------------------------------------------------------
 * Shared memory
 * ------------------------------------------------------------------------
 */

/* Defines the setting.  Called at server start. */
void
observe_init(void)
{
	DefineCustomIntVariable("steward.observed_denials_max",
							"How many different would-be denials are counted.",
							"Each combination of database, table, subject, purpose, command and policy takes one entry.",
							&observed_denials_max,
							1000, 10, 1000000,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
}

Size
observe_shmem_size(void)
{
	return add_size(MAXALIGN(sizeof(ObservedHeader)),
					hash_estimate_size(observed_denials_max, sizeof(ObservedEntry)));
}

/* Adds to an entry of a hash table; false where the table is full. */
static bool
add_to_table(HTAB *table, const ObservedEntry *more, bool may_grow)
{
	ObservedEntry *entry;
	bool		found;

	if (!may_grow && hash_get_num_entries(table) >= observed_denials_max)
	{
		entry = hash_search(table, &more->key, HASH_FIND, NULL);
		found = true;
	}
	else
		entry = hash_search(table, &more->key,
							may_grow ? HASH_ENTER : HASH_ENTER_NULL, &found);
	if (entry == NULL)
		return false;
	if (!found)
	{
		entry->denials = 0;
		entry->first_seen = more->first_seen;
		entry->last_seen = more->last_seen;
	}
	entry->denials += more->denials;
	entry->first_seen = Min(entry->first_seen, more->first_seen);
	entry->last_seen = Max(entry->last_seen, more->last_seen);
	return true;
}

/* Reads the file of the last clean stop.  Nobody else runs yet: no lock. */
static void
load_counts(void)
{
	FILE	   *file = AllocateFile(OBSERVE_FILE, PG_BINARY_R);
	uint32		magic;
	int32		count;
	ObservedEntry entry;

	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not open file \"%s\": %m", OBSERVE_FILE)));
		return;
	}
	if (fread(&magic, sizeof(magic), 1, file) != 1 || magic != OBSERVE_MAGIC ||
		fread(&header->lost, sizeof(header->lost), 1, file) != 1 ||
		fread(&count, sizeof(count), 1, file) != 1)
		goto bad;
	for (int32 i = 0; i < count; i++)
	{
		if (fread(&entry, sizeof(entry), 1, file) != 1)
			goto bad;
		entry.key.purpose[MAX_PURPOSE_BYTES] = '\0';
		if (!add_to_table(shared_table, &entry, false))
			header->lost += entry.denials;
	}
	FreeFile(file);
	unlink(OBSERVE_FILE);
	return;

bad:
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("ignoring invalid data in file \"%s\"", OBSERVE_FILE)));
	FreeFile(file);
	unlink(OBSERVE_FILE);
}

/*
 * Writes the file.  Run by the postmaster when it stops, after everybody else
 * has: no lock.  code is not 0 where something crashed.
 */
static void
save_counts(int code, Datum arg)
{
	FILE	   *file;
	uint32		magic = OBSERVE_MAGIC;
	int32		count;
	HASH_SEQ_STATUS status;
	ObservedEntry *entry;

	if (code != 0 || header == NULL || shared_table == NULL)
		return;
	file = AllocateFile(OBSERVE_FILE ".tmp", PG_BINARY_W);
	if (file == NULL)
		goto failed;
	count = hash_get_num_entries(shared_table);
	if (fwrite(&magic, sizeof(magic), 1, file) != 1 ||
		fwrite(&header->lost, sizeof(header->lost), 1, file) != 1 ||
		fwrite(&count, sizeof(count), 1, file) != 1)
		goto failed;
	hash_seq_init(&status, shared_table);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (fwrite(entry, sizeof(ObservedEntry), 1, file) != 1)
		{
			hash_seq_term(&status);
			goto failed;
		}
	}
	if (FreeFile(file) != 0)
	{
		file = NULL;
		goto failed;
	}
	(void) durable_rename(OBSERVE_FILE ".tmp", OBSERVE_FILE, LOG);
	return;

failed:
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", OBSERVE_FILE ".tmp")));
	if (file != NULL)
		FreeFile(file);
	unlink(OBSERVE_FILE ".tmp");
}

/* Makes or finds the shared table.  Called under AddinShmemInitLock. */
void
observe_shmem_init(void)
{
	HASHCTL		ctl = {0};
	bool		found;

	header = ShmemInitStruct("pg_steward observed denials", sizeof(ObservedHeader), &found);
	if (!found)
	{
		LWLockInitialize(&header->lock, LWLockNewTrancheId());
		header->lost = 0;
	}
	LWLockRegisterTranche(header->lock.tranche, "pg_steward_observe");
	ctl.keysize = sizeof(ObservedKey);
	ctl.entrysize = sizeof(ObservedEntry);
	shared_table = ShmemInitHash("pg_steward observed denials table",
								 observed_denials_max, observed_denials_max,
								 &ctl, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	if (!IsUnderPostmaster)
	{
		on_shmem_exit(save_counts, (Datum) 0);
		if (!found)
			load_counts();
	}
}

/* ------------------------------------------------------------------------
 * Counting
 * ------------------------------------------------------------------------
 */

/* Adds this backend's counts to the shared ones and begins anew. */
static void
flush_counts(void)
{
	HASH_SEQ_STATUS status;
	ObservedEntry *entry;

	if (local_table == NULL)
		return;
	if (shared_table != NULL)
	{
		LWLockAcquire(&header->lock, LW_EXCLUSIVE);
		hash_seq_init(&status, local_table);
		while ((entry = hash_seq_search(&status)) != NULL)
		{
			if (!add_to_table(shared_table, entry, false))
				header->lost += entry->denials;
		}
		LWLockRelease(&header->lock);
	}
	hash_destroy(local_table);
	local_table = NULL;
	local_generation++;
}

static void
flush_at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			flush_counts();
			break;
		default:
			break;
	}
}

/* A backend that is told to stop has not always ended its transaction. */
static void
flush_at_exit(int code, Datum arg)
{
	flush_counts();
}

/* The backend's entry for this denial, made where it is missing. */
static ObservedEntry *
local_entry(Oid relid, const char *policy, int command, Oid subject, const char *purpose)
{
	ObservedKey key;
	ObservedEntry *entry;
	bool		found;

	if (!callbacks_registered)
	{
		RegisterXactCallback(flush_at_transaction_end, NULL);
		before_shmem_exit(flush_at_exit, (Datum) 0);
		callbacks_registered = true;
	}
	if (local_table == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(ObservedKey);
		ctl.entrysize = sizeof(ObservedEntry);
		ctl.hcxt = TopMemoryContext;
		local_table = hash_create("pg_steward observed denials of this backend", 16,
								  &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.relid = relid;
	key.subject = subject;
	key.command = command;
	if (policy != NULL)
		namestrcpy(&key.policy, policy);
	if (purpose != NULL)
		strlcpy(key.purpose, purpose, MAX_PURPOSE_BYTES + 1);
	entry = hash_search(local_table, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->denials = 0;
		entry->first_seen = GetCurrentTimestamp();
	}
	return entry;
}

/*
 * Counts one row that would have been denied; policy is the denying one, or
 * NULL where no allowing policy held.
 */
void
observe_count(Oid relid, const char *policy, int command, Oid subject, const char *purpose)
{
	ObservedEntry *entry = local_entry(relid, policy, command, subject, purpose);

	entry->denials++;
	entry->last_seen = GetCurrentTimestamp();
}

/*
 * "condition OR note_denial(…)": true for every row, and counts those for
 * which the condition is not true.  The subject is that of the plan.
 */
Expr *
observe_expression(Expr *condition, Oid relid, const char *policy, int command)
{
	Oid			types[] = {OIDOID, TEXTOID, INT4OID, OIDOID};
	List	   *args;
	FuncExpr   *call;

	args = list_make4(makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
								ObjectIdGetDatum(relid), false, true),
					  makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
								policy == NULL ? (Datum) 0 : CStringGetTextDatum(policy),
								policy == NULL, false),
					  makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
								Int32GetDatum(command), false, true),
					  makeConst(OIDOID, -1, InvalidOid, sizeof(Oid),
								ObjectIdGetDatum(access_subject()), false, true));
	call = makeFuncExpr(steward_function("note_denial", lengthof(types), types),
						BOOLOID, args, InvalidOid, DEFAULT_COLLATION_OID, CALL_BY_PLAN);
	return makeBoolExpr(OR_EXPR, list_make2(condition, call), -1);
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

STEWARD_FUNCTION(steward_note_denial);
STEWARD_FUNCTION(steward_observed_denials);
STEWARD_FUNCTION(steward_observed_denials_lost);
STEWARD_FUNCTION(steward_reset_observed_denials);

/*
 * note_denial(relation, policy, command, subject): counts one row, returns
 * true.  For plans alone.
 */
Datum
steward_note_denial(PG_FUNCTION_ARGS)
{
	NoteCache  *cache = fcinfo->flinfo->fn_extra;

	if (cache == NULL)
	{
		FuncExpr   *call = (FuncExpr *) fcinfo->flinfo->fn_expr;

		if (call == NULL || !IsA(call, FuncExpr) || call->funcformat != CALL_BY_PLAN)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("steward.note_denial() is called by plans only")));
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(NoteCache));
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->entry == NULL || cache->generation != local_generation)
	{
		Oid			subject = PG_GETARG_OID(3);
		char	   *policy = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

		cache->entry = local_entry(PG_GETARG_OID(0), policy, PG_GETARG_INT32(2),
								   subject, purpose_effective(subject));
		cache->generation = local_generation;
		cache->entry->last_seen = GetCurrentTimestamp();
	}
	cache->entry->denials++;
	PG_RETURN_BOOL(true);
}

static void
require_shared_table(void)
{
	steward_require_preload();
	if (shared_table == NULL)
		elog(ERROR, "pg_steward's shared memory is missing");
}

/* A copy of all shared entries, taken under the lock. */
static ObservedEntry *
copy_entries(int *count)
{
	ObservedEntry *copy = MemoryContextAllocHuge(CurrentMemoryContext,
												 mul_size(observed_denials_max, sizeof(ObservedEntry)));
	HASH_SEQ_STATUS status;
	ObservedEntry *entry;

	*count = 0;
	LWLockAcquire(&header->lock, LW_SHARED);
	hash_seq_init(&status, shared_table);
	while ((entry = hash_seq_search(&status)) != NULL)
		copy[(*count)++] = *entry;
	LWLockRelease(&header->lock);
	return copy;
}

/* observed_denials(): the entries of this database. */
Datum
steward_observed_denials(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *out;
	ObservedEntry *entries;
	int			count;

	require_shared_table();
	flush_counts();
	InitMaterializedSRF(fcinfo, 0);
	out = (ReturnSetInfo *) fcinfo->resultinfo;
	entries = copy_entries(&count);
	for (int i = 0; i < count; i++)
	{
		ObservedEntry *entry = &entries[i];
		Datum		values[8];
		bool		nulls[8] = {false};

		if (entry->key.database != MyDatabaseId)
			continue;
		values[0] = ObjectIdGetDatum(entry->key.relid);
		values[1] = ObjectIdGetDatum(entry->key.subject);
		values[2] = CStringGetTextDatum(entry->key.purpose);
		nulls[2] = entry->key.purpose[0] == '\0';
		values[3] = CStringGetTextDatum(command_name(entry->key.command));
		values[4] = CStringGetTextDatum(NameStr(entry->key.policy));
		nulls[4] = NameStr(entry->key.policy)[0] == '\0';
		values[5] = Int64GetDatum(entry->denials);
		values[6] = TimestampTzGetDatum(entry->first_seen);
		values[7] = TimestampTzGetDatum(entry->last_seen);
		tuplestore_putvalues(out->setResult, out->setDesc, values, nulls);
	}
	pfree(entries);
	PG_RETURN_NULL();
}

/* observed_denials_lost(): denials that no entry could be had for. */
Datum
steward_observed_denials_lost(PG_FUNCTION_ARGS)
{
	int64		lost;

	require_shared_table();
	LWLockAcquire(&header->lock, LW_SHARED);
	lost = header->lost;
	LWLockRelease(&header->lock);
	PG_RETURN_INT64(lost);
}

/*
 * reset_observed_denials(): forgets the entries of this database, and those
 * of databases that are gone.
 */
Datum
steward_reset_observed_denials(PG_FUNCTION_ARGS)
{
	ObservedEntry *entries;
	int			count;
	int			kept = 0;

	require_shared_table();
	flush_counts();
	entries = copy_entries(&count);
	for (int i = 0; i < count; i++)
	{
		Oid			database = entries[i].key.database;

		if (database == MyDatabaseId ||
			!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)))
			entries[kept++] = entries[i];
	}
	LWLockAcquire(&header->lock, LW_EXCLUSIVE);
	for (int i = 0; i < kept; i++)
		(void) hash_search(shared_table, &entries[i].key, HASH_REMOVE, NULL);
	header->lost = 0;
	LWLockRelease(&header->lock);
	pfree(entries);
	PG_RETURN_VOID();
}
