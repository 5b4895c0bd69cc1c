/*-------------------------------------------------------------------------
 *
 * status.c
 *	  What queue, writer and keeper of this database are doing.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "audit/audit_internal.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

/* Columns of audit_status(), in the order of the SQL. */
typedef enum StatusColumn
{
	STATUS_STATE,
	STATUS_REASON,
	STATUS_WRITER,
	STATUS_WRITER_PID,
	STATUS_KEEPER,
	STATUS_KEEPER_PID,
	STATUS_QUEUE_SIZE,
	STATUS_QUEUE_BYTES,
	STATUS_QUEUE_DEPTH,
	STATUS_RESERVED_BYTES,
	STATUS_WAITING_SESSIONS,
	STATUS_WRITTEN,
	STATUS_OVERFLOWED,
	STATUS_LAG,
	STATUS_LAST_CHECKPOINT,
	STATUS_LAST_ERROR,
	STATUS_LAST_ERROR_AT,
	STATUS_COLUMNS
} StatusColumn;

/* When was the oldest queued record made?  Under the slot's lock. */
static TimestampTz
oldest_record(const AuditSlot *slot)
{
	AuditFrame	frame;
	uint64		logged_at;

	audit_ring_read(slot, slot->tail, &frame, sizeof(frame));
	if (frame.flags & AUDIT_FRAME_LARGE)
	{
		AuditLarge	large;

		audit_ring_read(slot, slot->tail + sizeof(frame), &large, sizeof(large));
		logged_at = large.logged_at;
	}
	else if (frame.length >= sizeof(logged_at))
		audit_ring_read(slot, slot->tail + sizeof(frame), &logged_at, sizeof(logged_at));
	else
		return GetCurrentTimestamp();
	return (TimestampTz) pg_ntoh64(logged_at) -
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* Does this database log, and if not, why not? */
static const char *
describe_state(const AuditSlot *slot, const char **reason)
{
	Installation installation;

	*reason = NULL;
	switch (audit_state())
	{
		case AUDIT_STANDBY:
			*reason = "the server is in recovery";
			return "standby";
		case AUDIT_DORMANT:
			*reason = "the logs belong to another cluster or database, or to a later state of this one; adopt(reason) begins new ones";
			return "dormant";
		case AUDIT_ABSENT:
			*reason = "the transaction that created the extension has not committed";
			return "absent";
		case AUDIT_ACTIVE:
			break;
	}
	if (installation_read(&installation) && installation.timeline != (int32) GetWALInsertionTimeLine())
		*reason = psprintf("the timeline changed from %d to %u; adopt(reason) acknowledges it",
						   installation.timeline, GetWALInsertionTimeLine());
	for (int code = 0; slot != NULL && code < AUDIT_MAX_FORMATS; code++)
		if (slot->refused[code])
			*reason = psprintf("log \"%s\" is damaged: what must be logged there is refused; verify() tells more",
							   ledger_format_by_code(code)->name);
	return "active";
}

/* What does the writer do, and if nothing, why? */
static const char *
describe_writer(const AuditSlot *slot)
{
	bool		no_worker_slot;
	pid_t		by = 0;

	if (RecoveryInProgress())
		return "none";
	if (slot != NULL && slot->writer_pid != 0)
		return slot->sleep == WRITER_IDLE ? "idle" : "writing";
	if (audit_is_paused(MyDatabaseId, &by))
		return psprintf("held off by process %d", (int) by);
	LWLockAcquire(audit_control_lock(), LW_SHARED);
	no_worker_slot = audit_control->no_worker_slot;
	LWLockRelease(audit_control_lock());
	if (no_worker_slot)
		return "waits for a worker slot: raise max_worker_processes";
	return slot != NULL ? "starting" : "none";
}

STEWARD_FUNCTION(steward_audit_status);

/* audit_status() */
Datum
steward_audit_status(PG_FUNCTION_ARGS)
{
	AuditSlot  *slot = audit_control != NULL ? audit_slot_of(MyDatabaseId, false) : NULL;
	Datum		values[STATUS_COLUMNS] = {0};
	bool		nulls[STATUS_COLUMNS];
	TupleDesc	desc;
	const char *reason;

	steward_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "audit_status() returns a row");
	memset(nulls, true, sizeof(nulls));

#define SET(column, value) \
	(values[column] = (value), nulls[column] = false)

	SET(STATUS_STATE, CStringGetTextDatum(describe_state(slot, &reason)));
	if (reason != NULL)
		SET(STATUS_REASON, CStringGetTextDatum(reason));
	SET(STATUS_WRITER, CStringGetTextDatum(describe_writer(slot)));
	SET(STATUS_QUEUE_SIZE, Int64GetDatum((int64) audit_ring_size()));
	if (slot != NULL)
	{
		uint64		queued;
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz oldest = now;
		char		last_error[AUDIT_ERROR_LENGTH];

		LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
		queued = slot->head - slot->tail;
		if (slot->writer_pid != 0)
			SET(STATUS_WRITER_PID, Int32GetDatum(slot->writer_pid));
		if (slot->keeper_pid != 0)
			SET(STATUS_KEEPER_PID, Int32GetDatum(slot->keeper_pid));
		SET(STATUS_QUEUE_BYTES, Int64GetDatum((int64) (queued + slot->large_bytes)));
		SET(STATUS_QUEUE_DEPTH, Int64GetDatum((int64) (slot->records_in - slot->records_out)));
		SET(STATUS_RESERVED_BYTES, Int64GetDatum((int64) slot->reserved));
		SET(STATUS_WAITING_SESSIONS, Int32GetDatum((int32) (pg_atomic_read_u32(&slot->durable_waiters) +
															pg_atomic_read_u32(&slot->room_waiters))));
		SET(STATUS_WRITTEN, Int64GetDatum((int64) slot->records_out));
		SET(STATUS_OVERFLOWED, Int64GetDatum((int64) slot->overflowed));
		if (queued > 0)
			oldest = oldest_record(slot);
		if (slot->last_checkpoint_at != 0)
			SET(STATUS_LAST_CHECKPOINT, TimestampTzGetDatum(slot->last_checkpoint_at));
		if (slot->last_error_at != 0)
			SET(STATUS_LAST_ERROR_AT, TimestampTzGetDatum(slot->last_error_at));
		strlcpy(last_error, slot->last_error, sizeof(last_error));
		LWLockRelease(audit_slot_lock(slot));

		SET(STATUS_KEEPER, CStringGetTextDatum(nulls[STATUS_KEEPER_PID] ? "rests" : "running"));
		SET(STATUS_LAG, DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(now),
											TimestampTzGetDatum(Min(oldest, now))));
		if (!nulls[STATUS_LAST_ERROR_AT])
			SET(STATUS_LAST_ERROR, CStringGetTextDatum(last_error));
	}
#undef SET
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

STEWARD_FUNCTION(steward_flush);

/* flush(): returns when everything queued, and every change committed, so far is durable */
Datum
steward_flush(PG_FUNCTION_ARGS)
{
	steward_require_preload();
	audit_require_active("flush()");
	audit_wait_durable(audit_signal_changes());
	PG_RETURN_VOID();
}
