/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  The queue of a database: many producers put records, one writer takes
 *	  them out.
 *
 * Locking contract
 *
 * A slot is the queue of one database: a ring of bytes in shared memory, in
 * which frames (a header and a record) follow each other.  Positions count
 * bytes and grow for ever; a position modulo the size is a place in the ring.
 * Frames stand between tail and head, and
 *
 *		(head - tail) + reserved <= size of the ring
 *
 * holds at any moment, so a frame for which room was reserved always fits.
 *
 * - Which logs are refused is told by the writer and read without a lock: who
 *	 sees it late has queued a record, which is set aside.
 * - The control lock guards which database has which slot, the pauses and the
 *	 requests to the launcher.  The slot's lock guards all else of the slot but
 *	 the atomics.  Whoever takes both takes the control lock first.
 * - Producers copy a frame and move the head under the slot's lock held
 *	 exclusively.  Nothing under it can raise an error or be interrupted: a
 *	 frame is there as a whole or not at all, whenever a producer ends.
 * - Only the writer moves the tail, and only after the records before it are
 *	 committed.  It reads the head under the lock and then reads the frames
 *	 before it without: producers write only behind the head, and what they
 *	 wrote before they released the lock is visible to whoever took it since.
 * - A slot is given to another database only when nothing is reserved, nobody
 *	 is attached and no worker runs.  A slot that a process is attached to
 *	 remains its database's; nobody needs to look twice.
 *
 * Memory ordering: the writer stores durable_lsn before durable; waiters read
 * them the other way round, with barriers.  A waiter counts itself (a full
 * barrier), then takes the lock and looks whether the writer sleeps; the writer
 * looks at the counters under the lock before it goes to sleep: one of them
 * sees the other.
 *
 * What an error or exit leaves behind, at each point
 *
 * - Producer, waiting for room or durability: it is counted as waiting;
 *	 leave_wait() takes that back in PG_FINALLY, and at exit (FATAL runs no
 *	 PG_FINALLY).  Nothing was reserved, nothing put.
 * - Producer, between reserving and putting: the reservation belongs to the
 *	 caller, who puts or releases at abort; what is left at exit is given back
 *	 by on_shmem_exit, which runs after all callbacks that may still put.
 * - Producer, large record: until its frame is put, the segment belongs to the
 *	 resource owner and goes with it.  Between pinning and putting nothing can
 *	 fail.
 * - Writer, before its commit: the tail stands where it stood; the next
 *	 attempt reads the same frames.
 * - Writer, between its commit and moving the tail: the position that it
 *	 committed along with the records (steward.writer_state) tells the next
 *	 attempt to skip them.  Segments are unpinned after the tail has moved; an
 *	 exit in between leaks one until the server restarts.
 * - Killed with SIGKILL, anybody: the postmaster restarts all and the queue
 *	 begins empty; what was acknowledged as durable is in the tables.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "audit/audit_internal.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/guc.h"

/* Room that a process keeps from one statement to the next, at most. */
#define MAX_STANDING	4096

/* Bytes of the ring that are mapped before they are written, at least. */
#define PAGES_AHEAD		8192

int			audit_max_databases = 8;
int			audit_queue_size = 8192;

AuditControl *audit_control = NULL;
static char *rings = NULL;
static LWLockPadded *locks = NULL;

static AuditSlot *my_slot = NULL;
static bool counted = false;	/* among the producers of my_slot */
static Size standing = 0;		/* reserved, for the next statement */
static Size held = 0;			/* reserved, in AuditReservations */
static pg_atomic_uint32 *waiting = NULL;	/* where this process is counted */

/* ------------------------------------------------------------------------
 * Shared memory
 * ------------------------------------------------------------------------
 */

static Size
control_size(void)
{
	return add_size(offsetof(AuditControl, slots),
					mul_size(audit_max_databases, sizeof(AuditSlot)));
}

/* Bytes of a ring. */
Size
audit_ring_size(void)
{
	return (Size) audit_queue_size * 1024;
}

/* Shared memory of the room. */
Size
audit_shmem_size(void)
{
	return add_size(MAXALIGN(control_size()), mul_size(audit_max_databases, audit_ring_size()));
}

/* Locks of the room; called in shmem_request_hook. */
void
audit_shmem_request(void)
{
	RequestNamedLWLockTranche("pg_steward", audit_max_databases + 1);
}

/* Called in shmem_startup_hook, under AddinShmemInitLock. */
void
audit_shmem_init(void)
{
	bool		found;

	audit_control = ShmemInitStruct("pg_steward audit", audit_shmem_size(), &found);
	rings = (char *) audit_control + MAXALIGN(control_size());
	locks = GetNamedLWLockTranche("pg_steward");
	if (found)
		return;
	memset(audit_control, 0, control_size());
	audit_control->probe_all = true;
	for (int i = 0; i < audit_max_databases; i++)
	{
		AuditSlot  *slot = &audit_control->slots[i];

		pg_atomic_init_u64(&slot->durable, 0);
		pg_atomic_init_u64(&slot->durable_lsn, 0);
		pg_atomic_init_u32(&slot->durable_waiters, 0);
		pg_atomic_init_u32(&slot->room_waiters, 0);
		ConditionVariableInit(&slot->durable_cv);
		ConditionVariableInit(&slot->room_cv);
	}
}

LWLock *
audit_control_lock(void)
{
	return &locks[0].lock;
}

LWLock *
audit_slot_lock(const AuditSlot *slot)
{
	return &locks[1 + (slot - audit_control->slots)].lock;
}

/* What a process of ours waits for, as pg_stat_activity shows it. */
uint32
audit_wait_event(int which)
{
	static const char *const names[] = {
		[AUDIT_WAIT_ROOM] = "StewardQueueRoom",
		[AUDIT_WAIT_DURABLE] = "StewardDurable",
		[AUDIT_WAIT_WRITER] = "StewardWriterMain",
		[AUDIT_WAIT_KEEPER] = "StewardKeeperMain",
		[AUDIT_WAIT_LAUNCHER] = "StewardLauncherMain"
	};
	static uint32 events[lengthof(names)];

	if (events[which] == 0)
		events[which] = steward_wait_event(names[which]);
	return events[which];
}

/* ------------------------------------------------------------------------
 * Which slot
 * ------------------------------------------------------------------------
 */

/* Nobody can have an interest in it; under both locks. */
static bool
slot_is_idle(const AuditSlot *slot)
{
	return slot->reserved == 0 && slot->producers == 0 &&
		slot->writer_pid == 0 && slot->keeper_pid == 0;
}

/* Drops what is queued; under the slot's lock, where no writer runs. */
static void
discard(AuditSlot *slot)
{
	while (slot->tail < slot->head)
	{
		AuditFrame	frame;
		AuditLarge	large;

		audit_ring_read(slot, slot->tail, &frame, sizeof(frame));
		if (frame.flags & AUDIT_FRAME_LARGE)
		{
			audit_ring_read(slot, slot->tail + sizeof(frame), &large, sizeof(large));
			dsm_unpin_segment(large.handle);
		}
		slot->tail += MAXALIGN(sizeof(frame) + frame.length);
	}
	slot->large_bytes = 0;
	slot->records_out = slot->records_in;
	pg_atomic_write_u64(&slot->durable, slot->tail);
}

/* Gives a slot to a database; under the control lock. */
static void
take(AuditSlot *slot, Oid dboid)
{
	uint64		epoch;

	crypto_random(&epoch, sizeof(epoch));
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	discard(slot);
	slot->dboid = dboid;
	slot->epoch = epoch;
	slot->state = SLOT_WANTED;
	slot->records_in = slot->records_out = slot->overflowed = 0;
	slot->keeper_due = 0;
	slot->stop = false;
	slot->last_error_at = slot->last_checkpoint_at = 0;
	slot->last_error[0] = '\0';
	for (int i = 0; i < AUDIT_MAX_FORMATS; i++)
		slot->refused[i] = false;
	LWLockRelease(audit_slot_lock(slot));
}

/* The slot of a database, NULL where it has none (and none is free). */
AuditSlot *
audit_slot_of(Oid dboid, bool claim)
{
	AuditSlot  *found = NULL;
	AuditSlot  *vacant = NULL;

	LWLockAcquire(audit_control_lock(), claim ? LW_EXCLUSIVE : LW_SHARED);
	for (int i = 0; i < audit_max_databases && found == NULL; i++)
	{
		AuditSlot  *slot = &audit_control->slots[i];

		if (slot->dboid == dboid)
			found = slot;
		else if (slot->state == SLOT_FREE)
			vacant = vacant != NULL && vacant->state == SLOT_FREE ? vacant : slot;
		else if (slot->state == SLOT_ABSENT && vacant == NULL && slot_is_idle(slot))
			vacant = slot;
	}
	if (found == NULL && claim && vacant != NULL)
		take(found = vacant, dboid);
	LWLockRelease(audit_control_lock());
	return found;
}

/*
 * The extension is gone from the database, or the database itself is.  What is
 * queued has no log any more.
 */
void
audit_slot_give_up(Oid dboid)
{
	LWLockAcquire(audit_control_lock(), LW_EXCLUSIVE);
	for (int i = 0; i < audit_max_databases; i++)
	{
		AuditSlot  *slot = &audit_control->slots[i];

		if (slot->dboid != dboid)
			continue;
		LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
		/* a writer that is still there reads what is queued */
		if (slot->writer_pid == 0 || slot->writer_pid == MyProcPid)
			discard(slot);
		if (slot_is_idle(slot))
		{
			slot->dboid = InvalidOid;
			slot->state = SLOT_FREE;
		}
		else
			slot->state = SLOT_ABSENT;
		LWLockRelease(audit_slot_lock(slot));
		ConditionVariableBroadcast(&slot->durable_cv);
		ConditionVariableBroadcast(&slot->room_cv);
	}
	LWLockRelease(audit_control_lock());
}

/* Ends being counted as waiting. */
static void
leave_wait(void)
{
	if (waiting != NULL)
		pg_atomic_fetch_sub_u32(waiting, 1);
	waiting = NULL;
}

/* At exit, after everything that may still put. */
static void
leave_slot(int code, Datum arg)
{
	leave_wait();
	if (my_slot == NULL)
		return;
	LWLockAcquire(audit_slot_lock(my_slot), LW_EXCLUSIVE);
	my_slot->reserved -= standing + held;
	if (counted)
		my_slot->producers--;
	if (my_slot->writer_latch != NULL)
		SetLatch(my_slot->writer_latch);
	LWLockRelease(audit_slot_lock(my_slot));
	ConditionVariableBroadcast(&my_slot->room_cv);
	my_slot = NULL;
	standing = held = 0;
}

/* The slot of this database; raises where it has none and none is free. */
AuditSlot *
audit_my_slot(bool claim)
{
	AuditSlot  *slot;
	bool		no_writer;

	if (likely(my_slot != NULL))
		return my_slot;
	slot = audit_slot_of(MyDatabaseId, claim);
	if (slot == NULL)
	{
		if (!claim)
			return NULL;
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no audit queue is free for this database"),
				 errdetail("All %d queues serve other databases.", audit_max_databases),
				 errhint("Raise steward.max_databases and restart the server.")));
	}
	on_shmem_exit(leave_slot, (Datum) 0);
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	my_slot = slot;

	/* A walsender outlives the writer at shutdown: it must not wait for one. */
	counted = !am_walsender;
	if (counted)
		slot->producers++;
	no_writer = slot->writer_pid == 0;
	LWLockRelease(audit_slot_lock(slot));
	if (no_writer)
		audit_wake_launcher();
	return slot;
}

/* ------------------------------------------------------------------------
 * The ring
 * ------------------------------------------------------------------------
 */

static char *
ring_of(const AuditSlot *slot)
{
	return rings + (slot - audit_control->slots) * audit_ring_size();
}

/* Copies bytes out of the ring. */
void
audit_ring_read(const AuditSlot *slot, uint64 position, void *to, Size len)
{
	Size		size = audit_ring_size();
	Size		at = position % size;
	Size		first = Min(len, size - at);

	memcpy(to, ring_of(slot) + at, first);
	memcpy((char *) to + first, ring_of(slot), len - first);
}

/* The bytes where they stand in the ring; NULL where they go over its end. */
const uint8 *
audit_ring_bytes(const AuditSlot *slot, uint64 position, Size len)
{
	Size		at = position % audit_ring_size();

	return at + len <= audit_ring_size() ? (const uint8 *) ring_of(slot) + at : NULL;
}

/* Copies bytes to a place in the ring; returns the place behind them. */
static inline Size
ring_write(AuditSlot *slot, Size at, const void *from, Size len)
{
	Size		size = audit_ring_size();
	char	   *ring = ring_of(slot);
	Size		first = size - at;

	if (likely(len < first))
	{
		memcpy(ring + at, from, len);
		return at + len;
	}
	memcpy(ring + at, from, first);
	memcpy(ring, (const char *) from + first, len - first);
	return len - first;
}

static inline Size
frame_size(Size len)
{
	return MAXALIGN(sizeof(AuditFrame) + len);
}

/* Room that is neither used nor promised; under the slot's lock. */
static inline Size
free_room(const AuditSlot *slot)
{
	return audit_ring_size() - (Size) (slot->head - slot->tail) - slot->reserved;
}

/*
 * Has the kernel map the pages of the ring that come next, should this process
 * not have met them: outside of the lock, and by reading, for that maps their
 * neighbours too.  Where the head stands is only guessed here.
 */
static inline void
meet_pages(const AuditSlot *slot)
{
	const volatile char *ring = ring_of(slot);
	Size		at = ((volatile const AuditSlot *) slot)->head % audit_ring_size();

	(void) ring[at];
	(void) ring[(at + PAGES_AHEAD) % audit_ring_size()];
}

/* Puts a frame into reserved room; under the slot's lock. */
static AuditPosition
put_frame(AuditSlot *slot, uint8 code, uint8 flags, const void *data, Size len)
{
	AuditFrame	frame = {(uint32) len, code, flags, 0};

	Assert(audit_ring_size() - (slot->head - slot->tail) >= frame_size(len));
	(void) ring_write(slot, ring_write(slot, slot->head % audit_ring_size(), &frame, sizeof(frame)),
					  data, len);
	slot->head += frame_size(len);
	slot->records_in++;
	return slot->head;
}

/*
 * Whose latch is to be set after something was queued or somebody waits; under
 * the slot's lock.
 */
static Latch *
writer_to_wake(AuditSlot *slot, bool urgent)
{
	if (slot->sleep == WRITER_AWAKE)
		return NULL;
	if (slot->sleep == WRITER_NAPS && !urgent &&
		slot->head - slot->tail < audit_ring_size() / 4)
		return NULL;
	slot->sleep = WRITER_AWAKE;
	return slot->writer_latch;
}

static void
wake_writer(AuditSlot *slot)
{
	Latch	   *latch;

	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	latch = writer_to_wake(slot, true);
	LWLockRelease(audit_slot_lock(slot));
	if (latch != NULL)
		SetLatch(latch);
}

/* ------------------------------------------------------------------------
 * Reserving and putting
 * ------------------------------------------------------------------------
 */

/*
 * Reserves room of the ring, and for a large record its share of the memory
 * outside, if it is there.
 */
static bool
try_reserve(AuditSlot *slot, Size room, Size large)
{
	bool		enough;

	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	enough = free_room(slot) >= room &&
		(large == 0 || slot->large_bytes == 0 || slot->large_bytes + large <= audit_ring_size());
	if (enough)
	{
		slot->reserved += room;
		slot->large_bytes += large;
	}
	LWLockRelease(audit_slot_lock(slot));
	return enough;
}

/*
 * Is the room taken by reservations alone, among them this process's own?
 * Then waiting for the writer is in vain.
 */
static void
check_reservations(AuditSlot *slot)
{
	bool		vain;

	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	vain = held > 0 && slot->head == slot->tail;
	LWLockRelease(audit_slot_lock(slot));
	if (vain)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the audit queue has no room for a further statement of this session"),
				 errdetail("The room is reserved by statements that have not ended."),
				 errhint("Close cursors, or raise steward.queue_size.")));
}

/* Waits until the room is there, and reserves it. */
static void
reserve_room(AuditSlot *slot, Size room, Size large)
{
	if (likely(try_reserve(slot, room, large)))
		return;

	waiting = &slot->room_waiters;
	pg_atomic_fetch_add_u32(waiting, 1);
	PG_TRY();
	{
		ConditionVariablePrepareToSleep(&slot->room_cv);
		while (!try_reserve(slot, room, large))
		{
			wake_writer(slot);
			if (ConditionVariableTimedSleep(&slot->room_cv, DeadlockTimeout,
											audit_wait_event(AUDIT_WAIT_ROOM)))
			{
				audit_check_wait(slot, "room in the audit queue");
				check_reservations(slot);
			}
		}
		ConditionVariableCancelSleep();
	}
	PG_FINALLY();
	{
		leave_wait();
	}
	PG_END_TRY();
}

/*
 * Raises where the log is damaged and takes no records.  Whoever is about to do
 * what must be logged asks first; what was queued before is set aside.
 */
void
audit_require_log(const LogFormat *format)
{
	AuditSlot  *slot = audit_my_slot(true);

	if (unlikely(slot->refused[format->code]))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("log \"%s\" is damaged and takes no records", format->name),
				 errdetail("What must be logged there is refused until the log is whole again."),
				 errhint("SELECT * FROM steward.verify() and the server log tell more.")));
}

/* Adds room for one record of that many bytes to the reservation. */
void
audit_reserve(AuditReservation *reservation, Size bytes)
{
	AuditSlot  *slot = audit_my_slot(true);
	Size		room = frame_size(bytes);

	if (room > audit_ring_size() / 4)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the audit queue is too small to reserve %zu bytes", bytes),
				 errhint("Raise steward.queue_size and restart the server.")));
	if (room <= standing)
		standing -= room;
	else
		reserve_room(slot, room, 0);
	held += room;
	reservation->bytes += room;
}

/* Gives back what is left of the reservation. */
void
audit_release(AuditReservation *reservation)
{
	AuditSlot  *slot = my_slot;
	Size		room = reservation->bytes;

	if (room == 0 || slot == NULL)
		return;
	reservation->bytes = 0;
	held -= room;
	if (standing + room <= Min(MAX_STANDING, audit_ring_size() / 64))
	{
		standing += room;
		return;
	}
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	slot->reserved -= room;
	LWLockRelease(audit_slot_lock(slot));
	if (pg_atomic_read_u32(&slot->room_waiters) > 0)
		ConditionVariableBroadcast(&slot->room_cv);
}

/*
 * Puts the record into room that was reserved; never waits, never raises.
 * Beyond the reservation it takes free room, where there is some; else the
 * record is lost, which is counted, and 0 is returned: the caller reserved too
 * little.
 */
AuditPosition
audit_put_reserved(AuditReservation *reservation, const LogFormat *format, const LogRecord *record)
{
	AuditSlot  *slot = my_slot;
	Size		room = frame_size(record->len);
	Size		promised = Min(room, reservation->bytes);
	Size		want;
	Latch	   *latch = NULL;
	AuditPosition position = 0;

	if (slot == NULL)
		return 0;

	meet_pages(slot);
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	if (slot->state == SLOT_ABSENT || slot->state == SLOT_FREE)
		slot->reserved -= promised; /* the log is gone */
	else if (room - promised <= free_room(slot))
	{
		slot->reserved -= promised;
		position = put_frame(slot, format->code, 0, record->data, record->len);
		latch = writer_to_wake(slot, false);

		/*
		 * For the next statement, so that it takes the lock once.  What this
		 * one does not need joins it.
		 */
		want = Min(MAX_STANDING, audit_ring_size() / 64);
		want -= Min(want, reservation->bytes - promised);
		if (standing < want && want - standing <= free_room(slot) &&
			slot->reserved + want - standing <= audit_ring_size() / 4 &&
			!am_walsender)
		{
			slot->reserved += want - standing;
			standing = want;
		}
	}
	else
	{
		promised = 0;
		slot->overflowed++;
	}
	LWLockRelease(audit_slot_lock(slot));
	reservation->bytes -= promised;
	held -= promised;
	if (latch != NULL)
		SetLatch(latch);
	return position;
}

/* A record that is too large for the ring goes in a segment of its own. */
static AuditPosition
put_large(AuditSlot *slot, const LogFormat *format, const LogRecord *record)
{
	Size		room = frame_size(sizeof(AuditLarge));
	dsm_segment *segment = dsm_create(record->len, 0);
	AuditLarge	large = {.length = record->len,.handle = dsm_segment_handle(segment)};
	AuditPosition position = 0;
	Latch	   *latch = NULL;

	memcpy(dsm_segment_address(segment), record->data, record->len);
	memcpy(&large.logged_at, record->data, sizeof(large.logged_at));
	reserve_room(slot, room, record->len);

	/* From here on nothing fails. */
	HOLD_INTERRUPTS();
	dsm_pin_segment(segment);
	LWLockAcquire(audit_slot_lock(slot), LW_EXCLUSIVE);
	slot->reserved -= room;
	if (slot->state != SLOT_ABSENT && slot->state != SLOT_FREE)
	{
		position = put_frame(slot, format->code, AUDIT_FRAME_LARGE, &large, sizeof(large));
		latch = writer_to_wake(slot, true);
	}
	else
		slot->large_bytes -= Min(slot->large_bytes, record->len);
	LWLockRelease(audit_slot_lock(slot));
	if (position == 0)
		dsm_unpin_segment(large.handle);	/* the log is gone */
	dsm_detach(segment);
	RESUME_INTERRUPTS();
	if (latch != NULL)
		SetLatch(latch);
	return position;
}

/* Puts the record, waiting for room. */
AuditPosition
audit_put(const LogFormat *format, const LogRecord *record)
{
	AuditSlot  *slot = audit_my_slot(true);
	AuditReservation reservation = {0};

	audit_require_log(format);
	if (frame_size(record->len) > audit_ring_size() / 4)
		return put_large(slot, format, record);
	audit_reserve(&reservation, record->len);
	return audit_put_reserved(&reservation, format, record);
}

/* ------------------------------------------------------------------------
 * Durability
 * ------------------------------------------------------------------------
 */

/*
 * Waits for the standbys as the session's synchronous_commit asks.  A wait
 * that is cancelled ends a commit with a warning; here it is an error, for
 * what is waited for has not happened.
 */
static void
wait_for_standbys(XLogRecPtr lsn)
{
	int			mode = steward_sync_rep_mode();
	bool		reached;

	if (mode < 0 || !SyncRepRequested() || XLogRecPtrIsInvalid(lsn))
		return;
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, true);
	RESUME_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	LWLockAcquire(SyncRepLock, LW_SHARED);
	reached = SyncRepStandbyNames[0] == '\0' || WalSndCtl->lsn[mode] >= lsn;
	LWLockRelease(SyncRepLock);
	if (!reached)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling wait for synchronous replication of an audit record"),
				 errdetail("The record is on disk here, but perhaps on no standby.")));
}

/* Returns when the record that ends at the position is committed and on disk. */
void
audit_wait_durable(AuditPosition position)
{
	AuditSlot  *slot = audit_my_slot(true);

	if (pg_atomic_read_u64(&slot->durable) < position)
	{
		waiting = &slot->durable_waiters;
		pg_atomic_fetch_add_u32(waiting, 1);
		PG_TRY();
		{
			ConditionVariablePrepareToSleep(&slot->durable_cv);
			while (pg_atomic_read_u64(&slot->durable) < position)
			{
				wake_writer(slot);
				if (ConditionVariableTimedSleep(&slot->durable_cv, DeadlockTimeout,
												audit_wait_event(AUDIT_WAIT_DURABLE)))
					audit_check_wait(slot, "the audit log");
			}
			ConditionVariableCancelSleep();
		}
		PG_FINALLY();
		{
			leave_wait();
		}
		PG_END_TRY();
	}
	pg_read_barrier();
	wait_for_standbys(pg_atomic_read_u64(&slot->durable_lsn));
}

/* Where the queue of this database ends now. */
AuditPosition
audit_position(void)
{
	AuditSlot  *slot = audit_my_slot(true);
	AuditPosition position;

	LWLockAcquire(audit_slot_lock(slot), LW_SHARED);
	position = slot->head;
	LWLockRelease(audit_slot_lock(slot));
	return position;
}

/* Defines the settings of the queue. */
void
queue_init(void)
{
	DefineCustomIntVariable("steward.max_databases",
							"Databases of this server that can keep audit logs at once.",
							"Each has a queue of steward.queue_size in shared memory.",
							&audit_max_databases,
							8, 1, 1000,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("steward.queue_size",
							"Shared memory for audit records on their way to the logs, for each database.",
							"Statements wait while it is full.",
							&audit_queue_size,
							8192, 64, 1024 * 1024,
							PGC_POSTMASTER, GUC_UNIT_KB,
							NULL, NULL, NULL);
}
