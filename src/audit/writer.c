/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  The one process that writes the logs of a database.
 *
 * It takes what is queued in batches.  A batch is one transaction: the records
 * go to their logs, and the position in the queue up to which they stand goes
 * to steward.writer_state.  Only then does the tail of the queue move.  After
 * an error, and when it starts, the writer reads that position: whatever
 * happened between commit and moving the tail, no record is written twice and
 * none is skipped.
 *
 * An error that may pass (no disk space, a lock, a cancel) is waited out.  For
 * any other the batch is halved until the record at fault stands alone; it is
 * set aside (steward.set_aside_record), and the rest goes on.
 *
 * A log that does not open is damaged.  It is refused: whoever is about to do
 * what must be logged there gets an error (audit_require_log()), what was queued
 * for it before is set aside, the other logs go on.  The writer tries it again
 * from time to time.  It opens all logs when it begins, so that damage is found
 * before the next record.
 *
 * It runs no user's SQL, fires no trigger and waits for no standby.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "audit/audit_internal.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#define MAX_BATCH		8192	/* records of a transaction */
#define MAX_BATCH_BYTES (16 * 1024 * 1024)
#define KEEPER_UNIT		65536	/* records after which the keeper looks */
#define NAP_MS			50		/* for which records gather that nobody waits
								 * for */
#define IDLE_MS			10000
#define FIRST_DELAY_MS	50		/* after an error */
#define MAX_DELAY_MS	5000
#define STOP_RETRY_MS	60000	/* while the server shuts down */
#define REOPEN_MS		2000	/* before a refused log is tried again */

/* One record of the batch. */
typedef struct BatchItem
{
	uint8		code;
	bool		large;
	dsm_handle	handle;
	uint64		end;			/* position behind it */
	LogRecord	record;
} BatchItem;

PGDLLEXPORT void steward_writer_main(Datum arg);

/* Until room ledger signs. */
#pragma weak ledger_sign_checkpoint

static Ledger *ledgers[AUDIT_MAX_FORMATS];
static bool grew[AUDIT_MAX_FORMATS];	/* since its last checkpoint */
static MemoryContext ledger_context;
static MemoryContext batch_context;

static BatchItem *items;
static int	nitems;
static int	batch_limit = MAX_BATCH;

static int	opening = -1;		/* code of the log that is being opened */
static bool untried[AUDIT_MAX_FORMATS]; /* is to be opened soon */
static bool any_untried = false;
static TimestampTz tried_at[AUDIT_MAX_FORMATS];
static char *refusals[AUDIT_MAX_FORMATS];	/* why they did not open */
static bool outbox_waits = false;	/* may it hold changes of before? */

static bool position_known = false; /* was steward.writer_state read since the
									 * last error? */
static int	failures = 0;		/* since a batch succeeded */
static TimestampTz failing_since = 0;
static TimestampTz last_checkpoint = 0;

static int	checkpoint_interval = 10;	/* seconds */

/* ------------------------------------------------------------------------
 * Transactions
 * ------------------------------------------------------------------------
 */

/*
 * Begins a transaction.  Ends the process where the extension is gone.
 */
static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!OidIsValid(audit_table("writer_state")))
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
		audit_slot_give_up(MyDatabaseId);
		proc_exit(0);
	}
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
}

static void
close_ledgers(void)
{
	for (int i = 0; i < AUDIT_MAX_FORMATS; i++)
	{
		if (ledgers[i] != NULL)
			ledger_close(ledgers[i]);
		ledgers[i] = NULL;
	}
	MemoryContextReset(ledger_context);
}

/* The open log of that code. */
static Ledger *
ledger_of(uint8 code)
{
	if (ledgers[code] == NULL)
	{
		const LogFormat *format = ledger_format_by_code(code);
		MemoryContext old;

		if (format == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("no audit log has the code %d", code)));
		old = MemoryContextSwitchTo(ledger_context);
		opening = code;
		ledgers[code] = ledger_open(format);
		opening = -1;
		MemoryContextSwitchTo(old);
		if (worker_slot->refused[code])
		{
			ereport(LOG, (errmsg("log \"%s\" takes records again", format->name)));
			worker_slot->refused[code] = false;
			outbox_waits |= code == change_log_format.code;
		}
	}
	return ledgers[code];
}

/* The log does not open: it takes no records until it does. */
static void
refuse(int code, const ErrorData *error)
{
	if (refusals[code] != NULL)
		pfree(refusals[code]);
	refusals[code] = MemoryContextStrdup(TopMemoryContext, error->message != NULL ? error->message : "");
	worker_slot->refused[code] = true;
	tried_at[code] = GetCurrentTimestamp();
}

/* All logs are to be opened soon. */
static void
try_all(void)
{
	memset(untried, true, sizeof(untried));
	any_untried = outbox_waits = true;
}

/*
 * Opens the logs that were not tried yet, and those that are refused where it
 * is time for that, each in a transaction.  Where the database has no
 * installation of its own (yet), a restore may be filling them.
 */
static void
try_logs(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int code = 0; code < AUDIT_MAX_FORMATS; code++)
	{
		const LogFormat *format;

		if (!untried[code] &&
			(!worker_slot->refused[code] || !TimestampDifferenceExceeds(tried_at[code], now, REOPEN_MS)))
			continue;
		untried[code] = false;
		tried_at[code] = now;
		format = ledger_format_by_code(code);
		if (format == NULL)
			continue;
		begin();
		if (installation_is_own() && OidIsValid(audit_table(format->name)))
			(void) ledger_of(code);
		commit();
	}
	any_untried = false;
}

/*
 * Moves what is left in the outbox although nobody tells of it any more: the
 * server crashed, the change log was refused, a copy was adopted.
 */
static void
empty_outbox(void)
{
	uint8		code = change_log_format.code;

	if (!outbox_waits || worker_slot->refused[code])
		return;
	outbox_waits = false;
	begin();
	if (installation_is_own() && OidIsValid(audit_table(change_log_format.name)))
	{
		uint64		size = ledger_size(ledger_of(code));

		change_append(ledgers[code]);
		grew[code] |= ledger_size(ledgers[code]) != size;
	}
	commit();
	if (ledgers[code] != NULL)
		ledger_after_commit(ledgers[code]);
}

/* ------------------------------------------------------------------------
 * steward.writer_state
 * ------------------------------------------------------------------------
 */

/* Reads the one row, NULL where there is none. */
static HeapTuple
read_state(Relation rel)
{
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	HeapTuple	tup = heap_getnext(scan, ForwardScanDirection);

	if (HeapTupleIsValid(tup))
		tup = heap_copytuple(tup);
	table_endscan(scan);
	return tup;
}

/* Position up to which this queue's records stand in the logs; 0: unknown. */
static uint64
read_position(void)
{
	Relation	rel = table_open(audit_table("writer_state"), AccessShareLock);
	HeapTuple	tup = read_state(rel);
	uint64		position = 0;

	if (HeapTupleIsValid(tup))
	{
		Datum		values[2];
		bool		nulls[2];

		heap_deform_tuple(tup, RelationGetDescr(rel), values, nulls);
		if ((uint64) DatumGetInt64(values[0]) == worker_slot->epoch)
			position = (uint64) DatumGetInt64(values[1]);
	}
	table_close(rel, AccessShareLock);
	return position;
}

/* The position becomes part of the transaction. */
static void
store_position(uint64 position)
{
	Relation	rel = table_open(audit_table("writer_state"), RowExclusiveLock);
	HeapTuple	old = read_state(rel);
	Datum		values[2] = {Int64GetDatum((int64) worker_slot->epoch), Int64GetDatum((int64) position)};
	bool		nulls[2] = {false, false};
	HeapTuple	tup = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	if (HeapTupleIsValid(old))
		CatalogTupleUpdate(rel, &old->t_self, tup);
	else
		CatalogTupleInsert(rel, tup);
	table_close(rel, RowExclusiveLock);
}

/* ------------------------------------------------------------------------
 * Batches
 * ------------------------------------------------------------------------
 */

/* Reads frames from the tail on, at most so many records. */
static void
read_batch(uint64 tail, uint64 head, int limit)
{
	Size		bytes = 0;
	uint64		at = tail;

	MemoryContextReset(batch_context);
	items = MemoryContextAlloc(batch_context, sizeof(BatchItem) * limit);
	nitems = 0;
	while (at < head && nitems < limit && bytes < MAX_BATCH_BYTES)
	{
		BatchItem  *item = &items[nitems];
		AuditFrame	frame;

		audit_ring_read(worker_slot, at, &frame, sizeof(frame));
		item->code = frame.code;
		item->large = (frame.flags & AUDIT_FRAME_LARGE) != 0;
		if (item->large)
		{
			AuditLarge	large;
			dsm_segment *segment;
			uint8	   *data;

			audit_ring_read(worker_slot, at + sizeof(frame), &large, sizeof(large));
			/* what does not fit any more comes with the next batch */
			if (nitems > 0 && bytes + large.length > MAX_BATCH_BYTES)
				break;
			item->handle = large.handle;
			item->record.len = large.length;
			data = MemoryContextAllocHuge(batch_context, large.length);
			segment = dsm_attach(large.handle);
			if (segment == NULL)
				elog(ERROR, "segment of an audit record is gone");
			memcpy(data, dsm_segment_address(segment), large.length);
			dsm_detach(segment);
			item->record.data = data;
		}
		else
		{
			/* what stands there stays there until the tail moves */
			item->record.len = frame.length;
			item->record.data = audit_ring_bytes(worker_slot, at + sizeof(frame), frame.length);
			if (item->record.data == NULL)
			{
				uint8	   *data = MemoryContextAlloc(batch_context, Max(frame.length, 1));

				audit_ring_read(worker_slot, at + sizeof(frame), data, frame.length);
				item->record.data = data;
			}
		}
		bytes += item->record.len;
		at += MAXALIGN(sizeof(frame) + frame.length);
		item->end = at;
		nitems++;
	}
}

/* Keeps a record where it does no harm. */
static void
set_aside(const BatchItem *item, const ErrorData *error)
{
	Relation	rel = table_open(audit_table("set_aside_record"), RowExclusiveLock);
	const LogFormat *format = ledger_format_by_code(item->code);
	Datum		values[6];
	bool		nulls[6] = {false};
	pg_uuid_t	id;
	bytea	   *raw = MemoryContextAllocHuge(batch_context, VARHDRSZ + item->record.len);

	SET_VARSIZE(raw, VARHDRSZ + item->record.len);
	memcpy(VARDATA(raw), item->record.data, item->record.len);
	crypto_random_uuid(&id);
	values[0] = UUIDPGetDatum(&id);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[2] = CStringGetTextDatum(format != NULL ? format->name : psprintf("%d", item->code));
	values[3] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[4] = CStringGetTextDatum(error->message != NULL ? error->message : "");
	values[5] = PointerGetDatum(raw);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, RowExclusiveLock);
}

/* The log is refused: its records of the batch are set aside. */
static void
set_aside_refused(uint8 code)
{
	ErrorData	error = {.sqlerrcode = ERRCODE_DATA_CORRUPTED,.message = refusals[code]};

	for (int i = 0; i < nitems; i++)
		if (items[i].code == code)
			set_aside(&items[i], &error);
}

/* Appends the batch's records to their logs, each log's in their order. */
static void
append_batch(void)
{
	LogRecord  *records = MemoryContextAlloc(batch_context, sizeof(LogRecord) * nitems);
	bool		done[AUDIT_MAX_FORMATS] = {false};

	for (int i = 0; i < nitems; i++)
	{
		uint8		code = items[i].code;
		int			n = 0;
		uint64		first;

		if (done[code])
			continue;
		done[code] = true;
		if (code == AUDIT_OUTBOX_SIGNAL && worker_slot->refused[change_log_format.code])
			continue;			/* the outbox keeps them */
		if (worker_slot->refused[code])
		{
			set_aside_refused(code);
			continue;
		}
		if (code == AUDIT_OUTBOX_SIGNAL)
		{
			change_append(ledger_of(change_log_format.code));
			grew[change_log_format.code] = true;
			continue;
		}
		for (int j = i; j < nitems; j++)
			if (items[j].code == code)
				records[n++] = items[j].record;
		first = ledger_append(ledger_of(code), n, records);
		grew[code] = true;
		if (first / KEEPER_UNIT != (first + n) / KEEPER_UNIT)
			keeper_wake();
	}
}

/*
 * The first n records of the batch are committed: gives their room back and
 * wakes who waits for that.
 */
static void
publish(uint64 position, int n, XLogRecPtr lsn)
{
	AuditSlot  *slot = worker_slot;
	uint64		large = 0;

	for (int i = 0; i < n; i++)
		if (items[i].large)
			large += items[i].record.len;

	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	slot->tail = Max(slot->tail, position);
	slot->large_bytes -= Min(large, slot->large_bytes);
	slot->records_out += n;
	if (!XLogRecPtrIsInvalid(lsn))
		pg_atomic_write_u64(&slot->durable_lsn, lsn);
	pg_write_barrier();
	pg_atomic_write_u64(&slot->durable, slot->tail);
	LWLockRelease(audit_slot_lock(slot));
	ConditionVariableBroadcast(&slot->durable_cv);
	ConditionVariableBroadcast(&slot->room_cv);

	for (int i = 0; i < n; i++)
		if (items[i].large)
			dsm_unpin_segment(items[i].handle);
}

/* What was committed by a writer that ended before it could say so. */
static void
catch_up(uint64 head)
{
	uint64		position;
	int			n = 0;

	begin();
	position = read_position();
	commit();
	if (position > worker_slot->tail)
	{
		read_batch(worker_slot->tail, Min(position, head), INT_MAX / sizeof(BatchItem));
		while (n < nitems && items[n].end <= position)
			n++;
		publish(position, n, GetXLogInsertRecPtr());
	}
	position_known = true;
}

/* Writes one batch; false where nothing is queued. */
static bool
write_batch(const ErrorData *error)
{
	AuditSlot  *slot = worker_slot;
	uint64		head;

	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	head = slot->head;
	LWLockRelease(audit_slot_lock(slot));
	if (!position_known)
		catch_up(head);
	if (head == slot->tail)
		return false;

	begin();
	slot->state = installation_check(true);
	if (slot->state != SLOT_ACTIVE)
	{
		commit();
		return false;
	}
	read_batch(slot->tail, head, error != NULL ? 1 : batch_limit);
	if (error != NULL)
		set_aside(&items[0], error);
	else
		append_batch();
	store_position(items[nitems - 1].end);
	commit();
	publish(items[nitems - 1].end, nitems, XactLastCommitEnd);
	for (int i = 0; i < AUDIT_MAX_FORMATS; i++)
		if (ledgers[i] != NULL)
			ledger_after_commit(ledgers[i]);
	batch_limit = Min(batch_limit * 2, MAX_BATCH);
	return true;
}

/* Signs checkpoints of the logs that grew, when it is time. */
static void
sign_checkpoints(bool now)
{
	TimestampTz at = GetCurrentTimestamp();
	bool		signed_any = false;

	if (ledger_sign_checkpoint == NULL)
		return;
	if (!now && (checkpoint_interval == 0 ||
				 !TimestampDifferenceExceeds(last_checkpoint, at, checkpoint_interval * 1000)))
		return;
	last_checkpoint = at;
	for (int code = 0; code < AUDIT_MAX_FORMATS; code++)
	{
		if (!grew[code] || worker_slot->refused[code])
			continue;
		begin();
		(void) ledger_sign_checkpoint(ledger_of(code));
		commit();
		ledger_after_commit(ledgers[code]);
		grew[code] = false;
		signed_any = true;
		LWLockAcquire(audit_slot_lock(worker_slot), LW_EXCLUSIVE);
		worker_slot->last_checkpoint_at = at;
		LWLockRelease(audit_slot_lock(worker_slot));
	}
	if (signed_any && ship_wanted())
		keeper_wake();
}

/* ------------------------------------------------------------------------
 * Errors
 * ------------------------------------------------------------------------
 */

/* May the same batch succeed later? */
static bool
may_pass(const ErrorData *error)
{
	/* PostgreSQL has no code of its own for some faults of the file system */
	switch (error->saved_errno)
	{
		case EDQUOT:
		case EFBIG:
		case EIO:
		case EMFILE:
		case ENFILE:
		case ENOSPC:
		case EROFS:
			if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
				return true;
			break;
	}
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			return true;
		default:
			return error->sqlerrcode == ERRCODE_OUT_OF_MEMORY || error->sqlerrcode == ERRCODE_IO_ERROR;
	}
}

/*
 * Cleans up after an error, and decides what the next attempt does: NULL, the
 * same again, or with a smaller batch; else the error for which the record
 * that caused it is to be set aside.
 */
static ErrorData *
recover(bool in_batch)
{
	ErrorData  *error;
	int			code = opening;
	int			delay;

	opening = -1;
	HOLD_INTERRUPTS();
	/* a log that is refused already is not told of each time */
	if (code < 0 || !worker_slot->refused[code])
		EmitErrorReport();
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	LWLockReleaseAll();
	close_ledgers();
	RESUME_INTERRUPTS();

	position_known = false;
	worker_note_error(error);
	if (code >= 0 && !may_pass(error))
	{
		refuse(code, error);
		FreeErrorData(error);
		return NULL;
	}
	if (failures++ == 0)
		failing_since = GetCurrentTimestamp();
	if (in_batch && !may_pass(error) && failures > 1)
	{
		if (nitems <= 1 && batch_limit == 1)
			return error;
		batch_limit = Max(1, Min(batch_limit, nitems) / 2);
		FreeErrorData(error);
		return NULL;
	}
	delay = Min(FIRST_DELAY_MS << Min(failures, 8), MAX_DELAY_MS);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 worker_terminated() ? Min(delay, 200) : delay,
					 audit_wait_event(AUDIT_WAIT_WRITER));
	ResetLatch(MyLatch);
	FreeErrorData(error);
	return NULL;
}

/* ------------------------------------------------------------------------
 * The process
 * ------------------------------------------------------------------------
 */

/* Sleeps until there is something to write, or somebody asks for it. */
static void
wait_for_work(void)
{
	AuditSlot  *slot = worker_slot;
	long		timeout = 0;

	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	slot->sleep = WRITER_AWAKE;
	if (worker_terminated() || slot->state == SLOT_WANTED ||
		(slot->state == SLOT_ACTIVE && any_untried))
		;
	else if (slot->head == slot->tail || slot->state == SLOT_DORMANT)
	{
		slot->sleep = WRITER_IDLE;
		timeout = IDLE_MS;
		for (int i = 0; i < AUDIT_MAX_FORMATS; i++)
		{
			if (grew[i] && checkpoint_interval > 0)
				timeout = Min(timeout, checkpoint_interval * 1000);
			if (slot->refused[i])
				timeout = Min(timeout, REOPEN_MS);
		}
	}
	else if (slot->head - slot->tail < audit_ring_size() / 4 &&
			 pg_atomic_read_u32(&slot->durable_waiters) == 0 &&
			 pg_atomic_read_u32(&slot->room_waiters) == 0)
	{
		slot->sleep = WRITER_NAPS;
		timeout = NAP_MS;
	}
	LWLockRelease(audit_slot_lock(slot));
	if (timeout > 0)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout, audit_wait_event(AUDIT_WAIT_WRITER));
	ResetLatch(MyLatch);
}

/* Is everything written, and will nobody come any more? */
static bool
is_drained(void)
{
	AuditSlot  *slot = worker_slot;
	bool		drained;

	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	drained = slot->head == slot->tail && slot->producers == 0;
	LWLockRelease(audit_slot_lock(slot));
	return drained;
}

/*
 * The server shuts down: what its sessions still have to say is written
 * before the writer goes.  True: it may go.
 */
static bool
may_go(void)
{
	AuditSlot  *slot = worker_slot;

	if (is_drained() || slot->state == SLOT_DORMANT)
		return true;
	if (failures > 0 &&
		TimestampDifferenceExceeds(failing_since, GetCurrentTimestamp(), STOP_RETRY_MS))
	{
		ereport(WARNING,
				(errmsg("audit records are lost at shutdown, for they could not be written: " UINT64_FORMAT,
						slot->records_in - slot->records_out),
				 errdetail("The last error was: %s", slot->last_error)));
		return true;
	}
	if (slot->head == slot->tail)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 50, audit_wait_event(AUDIT_WAIT_WRITER));
		ResetLatch(MyLatch);
	}
	return false;
}

/* The writer's main function. */
void
steward_writer_main(Datum arg)
{
	ErrorData  *volatile error = NULL;

	worker_connect();
	if (!worker_attach(false))
		proc_exit(0);
	ledger_context = AllocSetContextCreate(TopMemoryContext, "pg_steward ledgers", ALLOCSET_DEFAULT_SIZES);
	batch_context = AllocSetContextCreate(TopMemoryContext, "pg_steward batch", ALLOCSET_DEFAULT_SIZES);
	last_checkpoint = GetCurrentTimestamp();
	try_all();
	pgstat_report_activity(STATE_IDLE, NULL);

	for (;;)
	{
		volatile bool in_batch = false;

		CHECK_FOR_INTERRUPTS();
		worker_reload();
		if (worker_slot->stop)
			break;
		wait_for_work();
		PG_TRY();
		{
			bool		wrote;

			if (worker_slot->state == SLOT_WANTED)
			{
				begin();
				worker_slot->state = installation_check(false);
				commit();
				audit_wake_launcher();
				try_all();
			}
			if (worker_slot->state == SLOT_ACTIVE && error == NULL)
			{
				try_logs();
				empty_outbox();
			}
			in_batch = true;
			wrote = write_batch(error);
			if (wrote || worker_slot->head == worker_slot->tail)
				failures = 0;
			if (error != NULL)
				FreeErrorData(error);
			error = NULL;
			in_batch = false;
			sign_checkpoints(worker_terminated());
		}
		PG_CATCH();
		{
			if (error != NULL)
				FreeErrorData(error);
			error = recover(in_batch);
		}
		PG_END_TRY();
		if (worker_terminated() && (!worker_server_stops() || may_go()))
			break;
	}
	proc_exit(0);
}

/* Defines the settings of the writer. */
void
writer_init(void)
{
	DefineCustomIntVariable("steward.checkpoint_interval",
							"Time after which the writer signs a checkpoint of each log that grew.",
							"0: on demand only, by checkpoint().",
							&checkpoint_interval,
							10, 0, 86400,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
}
