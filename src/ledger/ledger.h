/*-------------------------------------------------------------------------
 *
 * ledger.h
 *	  Public face of the room "ledger": logs that nobody can alter unnoticed.
 *
 * A log is a partitioned table of typed columns in which one process, the
 * writer, gives every record the next number.  The number is the index of the
 * record's leaf in a Merkle tree (RFC 6962, section 2.1), whose size and root
 * are signed as checkpoints (C2SP signed-note and tlog-checkpoint).
 * docs/leaf-encoding.md is the specification of every byte.
 *
 * Rooms above describe their logs (LogFormat), register them while libraries
 * are preloaded, and build records with a LogRecordBuilder; only the writer
 * (room audit) appends.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_LEDGER_H
#define STEWARD_LEDGER_H

#include "catalog/objectaccess.h"
#include "common/common.h"
#include "crypto/crypto.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#define LEDGER_HASH_LENGTH		CRYPTO_SHA256_LENGTH
#define LEDGER_TILE_WIDTH		256 /* hashes of a full tile */
#define LEDGER_MAX_ENTRY		65535	/* bytes of a leaf's data (C2SP
										 * tlog-tiles) */
#define LEDGER_MAX_FIELDS		40
#define LEDGER_MAX_GROUPS		8
#define LEDGER_MAX_LOGS			16

/* Between PostgreSQL's epoch and that of Unix, microseconds. */
#define LOG_EPOCH_OFFSET \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/*
 * Other libraries of the server can see these functions: the tests have a
 * module that appends records of its own format.
 */
#define LEDGER_API PGDLLEXPORT extern

/* How a field is stored and encoded; see docs/leaf-encoding.md. */
typedef enum LogFieldType
{
	LOG_BOOL,
	LOG_INT,					/* bigint */
	LOG_FLOAT,					/* double precision */
	LOG_TIME,					/* timestamptz */
	LOG_UUID,
	LOG_TEXT,
	LOG_BYTES,					/* bytea */
	LOG_JSON,					/* jsonb, committed to as its text */
	LOG_TEXTS,					/* text[] of one dimension */
	LOG_INTS					/* bigint[] of one dimension */
} LogFieldType;

typedef struct LogField
{
	const char *name;			/* of the column */
	LogFieldType type;

	/*
	 * 0: the leaf holds the value itself (bounded in length).  1 and up: the
	 * leaf holds one salted hash of all fields of that group, which can be
	 * erased together while every proof still holds.
	 */
	int			group;
} LogField;

/* A log: its name is that of its table in schema steward. */
typedef struct LogFormat
{
	const char *name;
	uint8		code;			/* 1 access_event, 2 inference_log, 3
								 * change_log; never reused */
	uint8		version;		/* of the list of fields */
	int			ngroups;
	int			nfields;
	const LogField *fields;		/* plain fields first, then by group */

	/*
	 * What each partition is indexed by besides seq and logged_at, as CREATE
	 * INDEX takes it behind USING; NULL ends the list, which may be NULL.
	 */
	const char *const *indexes;
} LogFormat;

/*
 * Every log table has these columns before those of its format: seq bigint,
 * logged_at timestamptz, and after them: salt bytea (16 bytes; NULL once
 * something was erased), erased bytea (NULL until something is erased).
 */

/* format.c: called while libraries are preloaded, by the room that owns the log */
LEDGER_API void ledger_register(const LogFormat *format);
LEDGER_API const LogFormat *ledger_format(const char *name, bool missing_ok);
extern const LogFormat *ledger_format_by_code(uint8 code);

/*
 * format.c: a record on its way to the log, as bytes: logged_at, then the
 * fields in the order of the format, each as docs/leaf-encoding.md says.
 * Fields are added in order; what is left out is NULL.  Text is given in the
 * server's encoding and kept in UTF-8.
 */
typedef struct LogRecordBuilder
{
	const LogFormat *format;
	int			next;			/* index of the field that is added next */
	StringInfoData data;
} LogRecordBuilder;

LEDGER_API void log_record_begin(LogRecordBuilder *builder, const LogFormat *format, TimestampTz logged_at);
LEDGER_API void log_record_bool(LogRecordBuilder *builder, int field, bool value);
LEDGER_API void log_record_int(LogRecordBuilder *builder, int field, int64 value);
LEDGER_API void log_record_float(LogRecordBuilder *builder, int field, double value);
LEDGER_API void log_record_time(LogRecordBuilder *builder, int field, TimestampTz value);
LEDGER_API void log_record_uuid(LogRecordBuilder *builder, int field, const void *value);
LEDGER_API void log_record_text(LogRecordBuilder *builder, int field, const char *value, int len);
LEDGER_API void log_record_bytes(LogRecordBuilder *builder, int field, const void *value, Size len);
LEDGER_API void log_record_json(LogRecordBuilder *builder, int field, Datum jsonb);
LEDGER_API void log_record_texts(LogRecordBuilder *builder, int field, Datum array);
LEDGER_API void log_record_ints(LogRecordBuilder *builder, int field, const int64 *values, int n);
LEDGER_API void log_record_end(LogRecordBuilder *builder);	/* the rest is NULL */

/* A finished record. */
typedef struct LogRecord
{
	const uint8 *data;
	Size		len;
} LogRecord;

/*
 * append.c: for the one process that writes.  ledger_open() reads the size and
 * the open ends of the tree; after an error or abort the handle is closed and
 * opened again.  ledger_append() needs a transaction and gives the records the
 * numbers first, first + 1, ...; it raises an error for a record that cannot
 * be stored, and then nothing of the batch is in the log.
 */
typedef struct Ledger Ledger;

LEDGER_API Ledger *ledger_open(const LogFormat *format);
LEDGER_API void ledger_close(Ledger *ledger);
LEDGER_API uint64 ledger_append(Ledger *ledger, int n, const LogRecord *records);
LEDGER_API uint64 ledger_size(const Ledger *ledger);
LEDGER_API void ledger_after_commit(Ledger *ledger);

/*
 * partition.c: for the keeper.  Makes partitions ahead so that "ahead" more
 * records fit; never blocks readers.  Returns how many were made.
 */
LEDGER_API int ledger_make_partitions(const LogFormat *format, uint64 ahead);

/* keep.c: logs that must be kept are not dropped; asked about each object */
extern void ledger_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId);

/*
 * checkpoint.c: signs size and root as they stand; NULL where nothing was
 * added since the last one.  In a transaction of the writer.
 */
LEDGER_API char *ledger_sign_checkpoint(Ledger *ledger);

/*
 * checkpoint.c: the last checkpoint of this database is kept beside the key.
 * Is the log shorter than that says, or of another origin's making?  Then it
 * was restored to an older state.
 */
LEDGER_API bool ledger_is_behind(const LogFormat *format);

/*
 * ledger.c: what only room audit knows, which keeps the installation's
 * identity.  Set once, while libraries are preloaded.
 */
typedef struct LedgerIdentity
{
	char		installation[37];	/* uuid of the installation in force */
	uint32		timeline;
} LedgerIdentity;

typedef struct LedgerHost
{
	/* Who we are; raises where nothing may be signed (a dormant copy). */
	void		(*identity) (LedgerIdentity *identity);

	/* Does this session restore a dump, so that it may fill our tables? */
	bool		(*restoring) (void);

	/* Did somebody accept that the logs are damaged? */
	bool		(*damage_accepted) (void);
} LedgerHost;

/* Does a superuser restore a dump, into a database that has logged nothing yet? */
extern bool ledger_restoring(void);

LEDGER_API void ledger_set_host(const LedgerHost *host);
extern void ledger_init(void);

#endif							/* STEWARD_LEDGER_H */
