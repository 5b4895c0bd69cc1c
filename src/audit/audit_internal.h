/*-------------------------------------------------------------------------
 *
 * audit_internal.h
 *	  What the files of the room "audit" share.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_AUDIT_INTERNAL_H
#define STEWARD_AUDIT_INTERNAL_H

#include "audit/audit.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/uuid.h"

#define AUDIT_MAX_PAUSES	64	/* sessions that hold workers off at once */
#define AUDIT_MAX_PROBES	64	/* databases to look into; more: all of them */
#define AUDIT_MAX_FORMATS	256 /* codes of logs are one byte */
#define AUDIT_ERROR_LENGTH	256 /* of the last error, as shown by status */

/* ------------------------------------------------------------------------
 * Shared memory; queue.c states the locking contract
 * ------------------------------------------------------------------------
 */

/* What stands before each record in a ring; frames are 8-byte aligned. */
typedef struct AuditFrame
{
	uint32		length;			/* of what follows */
	uint8		code;			/* of the log */
	uint8		flags;
	uint16		unused;
} AuditFrame;

#define AUDIT_FRAME_LARGE	0x01	/* an AuditLarge follows */

/* A record that is too large for the ring stands in a segment of its own. */
typedef struct AuditLarge
{
	uint64		length;
	uint64		logged_at;		/* as the record begins */
	dsm_handle	handle;
	uint32		unused;
} AuditLarge;

typedef enum AuditSlotState
{
	SLOT_FREE,					/* of no database */
	SLOT_WANTED,				/* the writer has not looked yet */
	SLOT_ACTIVE,				/* records are written */
	SLOT_DORMANT,				/* a copy that was not adopted */
	SLOT_ABSENT					/* the extension is gone */
} AuditSlotState;

typedef enum AuditSleep
{
	WRITER_AWAKE,
	WRITER_NAPS,				/* gathers a batch; somebody in need wakes it */
	WRITER_IDLE					/* nothing is queued; any record wakes it */
} AuditSleep;

/* The queue of one database. */
typedef struct AuditSlot
{
	/* under the control lock */
	Oid			dboid;
	uint64		epoch;			/* made anew whenever a database gets the slot */

	/* under the slot's lock */
	AuditSlotState state;
	uint64		head;			/* where the next frame goes */
	uint64		tail;			/* where the oldest frame stands */
	uint64		large_bytes;	/* in segments of their own */
	Size		reserved;		/* promised to producers */
	int			producers;		/* processes that may still put */
	uint64		records_in;
	uint64		records_out;
	pid_t		writer_pid;		/* 0: none runs */
	Latch	   *writer_latch;
	AuditSleep	sleep;
	pid_t		keeper_pid;
	Latch	   *keeper_latch;
	TimestampTz keeper_due;		/* when the keeper has something to do */
	bool		stop;			/* workers are asked to go */
	uint64		overflowed;		/* records for which too little was reserved */
	TimestampTz last_error_at;	/* 0: never */
	char		last_error[AUDIT_ERROR_LENGTH];
	TimestampTz last_checkpoint_at;

	/*
	 * By code: the log is damaged and does not open.  Written by the writer
	 * alone, read without a lock.
	 */
	volatile bool refused[AUDIT_MAX_FORMATS];

	/* without a lock; see "Memory ordering" in queue.c */
	pg_atomic_uint64 durable;	/* all before it is committed and on disk */
	pg_atomic_uint64 durable_lsn;	/* end of the commit that made it so */
	pg_atomic_uint32 durable_waiters;
	pg_atomic_uint32 room_waiters;
	ConditionVariable durable_cv;
	ConditionVariable room_cv;
} AuditSlot;

/* A session that needs a database, or the extension, for itself. */
typedef struct AuditPauseEntry
{
	Oid			dboid;
	pid_t		pid;			/* 0: unused */
} AuditPauseEntry;

typedef struct AuditControl
{
	/* all under the control lock */
	pid_t		launcher_pid;
	Latch	   *launcher_latch;
	bool		no_worker_slot; /* the last worker could not be started */
	bool		probe_all;
	int			nprobes;
	Oid			probes[AUDIT_MAX_PROBES];
	AuditPauseEntry pauses[AUDIT_MAX_PAUSES];
	AuditSlot	slots[FLEXIBLE_ARRAY_MEMBER];
} AuditControl;

extern AuditControl *audit_control;
extern int	audit_max_databases;
extern int	audit_queue_size;	/* kB */

extern LWLock *audit_control_lock(void);
extern LWLock *audit_slot_lock(const AuditSlot *slot);
extern Size audit_ring_size(void);
extern const uint8 *audit_ring_bytes(const AuditSlot *slot, uint64 position, Size len);
extern void audit_ring_read(const AuditSlot *slot, uint64 position, void *to, Size len);

/* ------------------------------------------------------------------------
 * The files
 * ------------------------------------------------------------------------
 */

/* access_format.c */
extern void access_format_init(void);

/* presence.c */
extern void presence_init(void);

/* queue.c */
extern void queue_init(void);
extern AuditSlot *audit_slot_of(Oid dboid, bool claim);
extern void audit_slot_give_up(Oid dboid);
extern AuditSlot *audit_my_slot(bool claim);
extern uint32 audit_wait_event(int which);

#define AUDIT_WAIT_ROOM		0
#define AUDIT_WAIT_DURABLE	1
#define AUDIT_WAIT_WRITER	2
#define AUDIT_WAIT_KEEPER	3
#define AUDIT_WAIT_LAUNCHER	4

/* wait.c */
extern void audit_check_wait(AuditSlot *slot, const char *what);

/* launcher.c */
extern void launcher_init(void);
extern void audit_wake_launcher(void);
extern void audit_request_probe(Oid dboid);

/* worker.c */
extern AuditSlot *worker_slot;
extern void worker_connect(void);
extern bool worker_attach(bool keeper);
extern bool worker_terminated(void);
extern bool worker_server_stops(void);
extern void worker_reload(void);
extern void worker_note_error(const ErrorData *error);

/* writer.c */
extern void writer_init(void);

/* keeper.c */
extern void keeper_init(void);
extern void keeper_commit(void);

/* ship.c */
extern void ship_init(void);
extern bool ship_wanted(void);

/* database.c */
extern void database_init(void);
extern bool audit_is_paused(Oid dboid, pid_t *by);

/* audit.c: what rooms above answer */
extern AuditQuestions audit_questions;

/* inference.c */
extern void inference_init(void);

/* change.c */
#define AUDIT_OUTBOX_SIGNAL 0	/* code of a frame: look into the outbox */

extern void change_init(void);
extern void change_append(Ledger *ledger);

/* installation.c */
typedef struct Installation
{
	pg_uuid_t	id;
	uint64		system_identifier;
	Oid			database;
	Oid			extension;		/* OID of pg_steward in pg_extension */
	int32		timeline;
	TimestampTz created_at;
	bool		damaged;		/* adopted although its logs were */
} Installation;

extern void installation_init(void);
extern bool installation_read(Installation *installation);
extern bool installation_matches(const Installation *installation);
extern bool installation_is_own(void);
extern void installation_insert(const char *reason, const char *damage);
extern Oid	audit_table(const char *name);
extern AuditSlotState installation_check(bool activate);
extern bool audit_is_restoring(void);

#endif							/* STEWARD_AUDIT_INTERNAL_H */
