/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  Public face of the room "audit": what happened, in logs that outlive the
 *	  transactions that they tell of.
 *
 * Sessions put records into the queue of their database (queue.c); the one
 * writer of the database (writer.c) takes them out in batches and appends them
 * to the logs of room ledger.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_AUDIT_H
#define STEWARD_AUDIT_H

#include "catalog/objectaccess.h"
#include "common/common.h"
#include "ledger/ledger.h"
#include "tcop/utility.h"

/* The logs. */
extern const LogFormat access_event_format;
extern const LogFormat inference_log_format;
extern const LogFormat change_log_format;

/* access_format.c: the fields of access_event, in order */
typedef enum AccessField
{
	ACCESS_KIND,				/* "event" | "intent" | "outcome" */
	ACCESS_STATEMENT_ID,
	ACCESS_ACCESS_NO,			/* among the accesses of the statement; pairs
								 * intent and outcome */
	ACCESS_PURPOSE,
	ACCESS_COMMAND,
	ACCESS_RELATION_NAME,
	ACCESS_RELATION_OID,
	ACCESS_DECISION,
	ACCESS_OUTCOME,
	ACCESS_ROWS_RETURNED,
	ACCESS_ROWS_AFFECTED,
	ACCESS_DURATION_MS,
	ACCESS_QUERY_ID,
	ACCESS_TRANSACTION_ID,
	ACCESS_RUN_ID,
	ACCESS_POLICY_REVISION,
	ACCESS_BACKEND_PID,
	ACCESS_ERROR_CODE,
	ACCESS_SESSION_ROLE,		/* group 1: the person */
	ACCESS_SUBJECT_ROLE,
	ACCESS_SUBJECT,
	ACCESS_TOKEN_ISSUER,
	ACCESS_APPLICATION_NAME,
	ACCESS_CLIENT_ADDR,
	ACCESS_COLUMNS,				/* group 2: the query */
	ACCESS_QUERY_TEXT,
	ACCESS_PARAMETERS,
	ACCESS_REASON,				/* group 3 */
	ACCESS_ENTITIES,			/* group 4: whom the rows are about */
	ACCESS_ENTITY_SCOPE
} AccessField;

#define ACCESS_FIELD_COUNT (ACCESS_ENTITY_SCOPE + 1)

extern void audit_init(void);
extern Size audit_shmem_size(void);
extern void audit_shmem_request(void);
extern void audit_shmem_init(void);

/* presence.c: did the server run without the library? */
extern Size presence_shmem_size(void);
extern void presence_shmem_init(void);

/* setting_change.c: after a utility statement */
extern void audit_note_setting(PlannedStmt *pstmt);

/*
 * queue.c: producers.
 *
 * Room that is reserved is there when it is needed: audit_put_reserved() never
 * waits, never raises and may be called while a transaction aborts or the
 * process exits.  Reserving waits for room (interruptibly) and is the only
 * thing that waits, together with audit_put() and audit_wait_durable().
 * A wait in which the writer turns out to be blocked by the waiter's own locks
 * ends with deadlock_detected.
 */
typedef struct AuditReservation
{
	Size		bytes;			/* what is still reserved; 0: nothing */
} AuditReservation;

/* Where a record stands in the queue; grows for ever. */
typedef uint64 AuditPosition;

LEDGER_API void audit_require_log(const LogFormat *format);
LEDGER_API void audit_reserve(AuditReservation *reservation, Size bytes);
LEDGER_API void audit_release(AuditReservation *reservation);
LEDGER_API AuditPosition audit_put_reserved(AuditReservation *reservation,
											const LogFormat *format, const LogRecord *record);

/* Waits for room; a record that is larger than the queue goes in parts. */
LEDGER_API AuditPosition audit_put(const LogFormat *format, const LogRecord *record);

/*
 * Returns when the record is committed and on disk, and where the session's
 * synchronous_commit asks for it, on the standbys.
 */
LEDGER_API void audit_wait_durable(AuditPosition position);

/* Where the queue of this database ends now: what waits for it is a flush. */
LEDGER_API AuditPosition audit_position(void);

/*
 * keeper.c: tasks that may be slow or take locks.
 */
typedef void (*KeeperTask) (void);

LEDGER_API void keeper_add_task(const char *name, int every_ms, KeeperTask run);
LEDGER_API void keeper_wake(void);

/*
 * installation.c: does this database log?  Cheap; asked for every statement
 * that touches governed relations.
 */
typedef enum AuditState
{
	AUDIT_ABSENT,				/* no extension here (yet: it was created in
								 * this transaction) */
	AUDIT_ACTIVE,
	AUDIT_DORMANT,				/* a copy that was not adopted */
	AUDIT_STANDBY				/* in recovery: nothing can be written */
} AuditState;

LEDGER_API AuditState audit_state(void);

/* Raises object_not_in_prerequisite_state with a hint unless AUDIT_ACTIVE. */
extern void audit_require_active(const char *what);

/*
 * What this room asks of rooms above it; they answer through functions that
 * they hand over while libraries are preloaded (each leaves NULL what another
 * answers).
 */
typedef enum InferenceRegistry
{
	INFERENCE_REGISTRY_REQUIRE,
	INFERENCE_REGISTRY_WARN,
	INFERENCE_REGISTRY_OFF
} InferenceRegistry;

typedef struct AuditQuestions
{
	const char *(*subject) (void);	/* name of who acts */
	const char *(*purpose) (void);	/* for which purpose, or NULL */
	void		(*admit_inference) (const char *model, const char *version,
									const char *purpose, int mode);
} AuditQuestions;

extern void audit_ask(const AuditQuestions *questions);

/*
 * change.c: has the writer move committed changes into the change log; they
 * stand there when the position that is returned is durable.
 */
extern AuditPosition audit_signal_changes(void);
extern void audit_after_commit_prepared(PlannedStmt *pstmt);

/*
 * database.c: workers stand in nobody's way.  Called before and after utility
 * statements that need a database for themselves.
 */
typedef struct AuditPause AuditPause;

extern AuditPause *audit_before_utility(PlannedStmt *pstmt);
extern void audit_after_utility(AuditPause *pause);
extern void audit_object_access(ObjectAccessType access, Oid classId, Oid objectId);

#endif							/* STEWARD_AUDIT_H */
