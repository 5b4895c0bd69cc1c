/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  What a session that waits for the writer looks at now and then: can what
 *	  it waits for still happen?
 *
 * The writer may wait for a lock that the waiting session holds, directly or
 * through others; PostgreSQL's deadlock detector knows nothing of our queue.
 * Every waiter looks along the chain of lock waits from the writer and gives
 * up when it finds itself.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit_internal.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* Longer chains of waiting sessions are not followed. */
#define MAX_CHAIN	256

/* Does the process wait, directly or through others, for a lock of ours? */
static bool
waits_for_me(pid_t first)
{
	pid_t		seen[MAX_CHAIN];
	int			nseen = 0;

	if (first == 0)
		return false;
	seen[nseen++] = first;
	for (int i = 0; i < nseen; i++)
	{
		ArrayType  *blockers = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(seen[i])));
		int32	   *pids = (int32 *) ARR_DATA_PTR(blockers);
		int			n = ArrayGetNItems(ARR_NDIM(blockers), ARR_DIMS(blockers));

		for (int j = 0; j < n; j++)
		{
			bool		known = false;

			if (pids[j] == MyProcPid)
				return true;
			for (int k = 0; k < nseen && !known; k++)
				known = seen[k] == pids[j];
			/* 0: a prepared transaction, which waits for nobody */
			if (!known && pids[j] != 0 && nseen < MAX_CHAIN)
				seen[nseen++] = pids[j];
		}
	}
	return false;
}

/*
 * Raises an error where the wait of this process is in vain; wakes the
 * launcher where nobody is there who could end it.
 */
void
audit_check_wait(AuditSlot *slot, const char *what)
{
	AuditSlotState state;
	pid_t		writer;
	pid_t		paused_by = 0;

	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	state = slot->state;
	writer = slot->writer_pid;
	LWLockRelease(audit_slot_lock(slot));

	if (state == SLOT_ABSENT || state == SLOT_FREE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"pg_steward\" was dropped while waiting for %s", what)));
	if (state == SLOT_DORMANT)
		audit_require_active(what);

	(void) audit_is_paused(MyDatabaseId, &paused_by);
	if (paused_by == MyProcPid || waits_for_me(writer))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_DEADLOCK_DETECTED),
				 errmsg("deadlock detected while waiting for %s", what),
				 errdetail("The writer of the audit log waits for a lock that this session holds, or through other sessions for this one."),
				 errhint("End the transaction that locks the log's tables before reading relations that are audited.")));
	if (writer == 0)
		audit_wake_launcher();
}
