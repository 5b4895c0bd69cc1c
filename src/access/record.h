/*-------------------------------------------------------------------------
 *
 * record.h
 *	  What the files of the access log (record*.c) share.
 *
 * record.c           statements, the queries in them, what they touch
 * record_hooks.c     where statements and queries begin and end
 * record_denied.c    what was refused
 * record_write.c     from an access to the record in the log
 * record_text.c      the text of a statement without its constants
 * record_entity.c    whom the rows are about (see entity.h)
 * record_names.c     names of relations and columns, and of who acts
 * record_revision.c  the revision of the policies
 *
 * A statement is what the client sent.  What functions and triggers run
 * belongs to it, and so does what a cursor delivers that it opened: the
 * statement is over when the last query in it is.  What it did to a relation
 * is one Access, however many queries did it: they are told apart by relation,
 * command, subject, purpose and decision, and a record is written for each way
 * in which they ended.
 *
 * All memory is the backend's own, and is kept for the next statement.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_RECORD_H
#define STEWARD_RECORD_H

#include "access/access_internal.h"
#include "access/entity.h"
#include "audit/audit.h"
#include "portability/instr_time.h"

typedef enum Decision
{
	DECISION_ALLOWED,
	DECISION_DENIED,
	DECISION_BYPASSED,
	DECISION_BREAK_GLASS,
	DECISION_OBSERVED
} Decision;

typedef enum Outcome
{
	OUTCOME_COMPLETED,
	OUTCOME_FAILED,
	OUTCOME_ABORTED,
	OUTCOME_DISCONNECTED
} Outcome;

#define OUTCOME_COUNT (OUTCOME_DISCONNECTED + 1)

/*
 * Fields as they stand in a record, shared by whoever needs them; made when
 * catalogs can be read, for records are also written when they cannot.
 */
typedef struct RecordBytes
{
	int			refs;
	int			len;
	char		data[FLEXIBLE_ARRAY_MEMBER];
} RecordBytes;

/* How an access ended, of those queries for which it ended so. */
typedef struct Tally
{
	bool		any;
	bool		has_returned;
	bool		has_affected;
	uint64		returned;
	uint64		affected;
	int			error;			/* SQLSTATE of the first; 0: none */
} Tally;

typedef struct Access
{
	Oid			relid;
	Oid			subject;
	const char *command;		/* lives as long as the statement */
	Decision	decision;
	AuditLevel	level;
	int			number;			/* access_no; 0: none yet */
	bool		has_intent;		/* is in the log, and its outcome is not */
	bool		is_written;		/* a denial that is in the log */
	int			nwords;			/* of columns */
	int			max_words;
	uint32	   *columns;
	RecordBytes *purpose;		/* NULL: none */
	RecordBytes *reason;		/* NULL: none */
	RecordBytes *relation;		/* relation_name */
	RecordBytes *column_names;
	RecordBytes *person;		/* group 1 */
	bool		has_entities;
	Entities   *entities;		/* NULL with has_entities: cannot be told */
	int			nopen;			/* queries that have not ended */
	int			nreserved;		/* records for which there is room */
	Tally		tally[OUTCOME_COUNT];
} Access;

typedef struct Statement
{
	struct Statement *next;		/* of those that are open, or free */
	MemoryContext context;
	uint64		number;
	instr_time	started;
	uint64		query_id;
	int64		revision;		/* of the policies */
	RecordBytes *text;
	RecordBytes *parameters;
	AuditReservation reservation;
	int			nqueries;		/* queries that have not ended */
	bool		runs;			/* what the client sent has not ended */
	Outcome		outcome;		/* of it as a whole */
	int			error;
	int			last_number;	/* access_no */
	int			naccesses;
	int			max_accesses;
	Access	   *accesses;
} Statement;

/* What a query does to one of the statement's accesses. */
typedef struct AccessUse
{
	int			access;			/* in Statement.accesses */
	bool		is_target;
	bool		counts_affected;
	bool		counts_returned;
	int			ordinal;		/* among the accesses of the plan */
} AccessUse;

/* A query that touches governed relations, from its start to its end. */
typedef struct TrackedQuery
{
	struct TrackedQuery *next;	/* of those that are open, or free */
	QueryDesc  *desc;
	Statement  *statement;
	MemoryContext memory;		/* of the executor; to compare, it may be gone */
	int			nest;			/* level of the transaction that began it */
	bool		running;		/* in ExecutorRun() */
	bool		refused;		/* a row that it writes is not allowed */
	uint64		rows;			/* until the last ExecutorRun() ended */
	int			nuses;
	int			max_uses;
	AccessUse  *uses;
	int			ntouched;
	int			max_touched;
	Entities  **touched;		/* by the ordinals of accesses of the plan */
} TrackedQuery;

/* What the client sent last. */
typedef struct TopStatement
{
	const char *text;			/* lives while it runs */
	int			location;
	int			len;
	uint64		query_id;
	ParamListInfo params;
	bool		executes;		/* EXECUTE: params are those of its plan */
	QueryDesc  *desc;			/* NULL: a utility statement, or not begun */
} TopStatement;

/* record.c */
extern Statement *current_statement;
extern Statement *open_statements;
extern TrackedQuery *open_queries;
extern TopStatement top_statement;

extern Statement *statement_current(void);
extern int	statement_access(Statement *statement, const Access *sought);
extern void statement_begin_access(Statement *statement, int access);
extern bool statement_is_open(const Statement *statement);
extern void statement_broken(Statement *statement, Outcome outcome, int error);
extern void statement_end_if_over(Statement *statement);
extern TrackedQuery *query_track(QueryDesc *desc, Statement *statement);
extern void query_use(TrackedQuery *query, AccessUse use);
extern TrackedQuery *query_tracked(QueryDesc *desc);
extern uint64 query_rows(TrackedQuery *query);
extern void query_end(TrackedQuery *query, Outcome outcome, int error);

/* record_write.c */
extern bool steward_log_parameters;

extern void record_write_init(void);
extern bool record_is_due(Oid relid, AuditLevel level, bool denial);
extern void record_reserve(Statement *statement, Size bytes);
extern Size record_size(const Statement *statement, const Access *access);
extern AuditPosition record_write(Statement *statement, Access *access, const char *kind,
								  const Outcome *outcome, const Tally *tally, bool reserved);

/* record_text.c */
extern RecordBytes *record_text(const char *text, int location, int len);
extern RecordBytes *record_raw_text(const char *text, int location, int len);
extern RecordBytes *record_parameters(ParamListInfo params);

/* record_names.c */
extern void record_names_init(void);
extern RecordBytes *record_bytes_keep(RecordBytes *bytes);
extern void record_bytes_release(RecordBytes **bytes);
extern RecordBytes *record_bytes_of_text(int field, const char *text, int len);
extern RecordBytes *record_bytes_of_texts(int field, List *texts);
extern bool record_bytes_equal(const RecordBytes *a, const RecordBytes *b);
extern void record_names(Oid relid, const uint32 *columns, int nwords,
						 RecordBytes **relation, RecordBytes **column_names);
extern RecordBytes *record_person(Oid subject);
extern RecordBytes *record_purpose(const char *purpose);

/* record_revision.c */
extern void record_revision_init(void);
extern int64 policy_revision(void);

/* record_denied.c */
extern bool record_denial_is_noted(void);
extern void record_refused_rows(TrackedQuery *query, int error);
extern Oid	record_copied_relation;
extern void record_copy_refused(Oid relid);

#endif							/* STEWARD_RECORD_H */
