/*-------------------------------------------------------------------------
 *
 * record_write.c
 *	  From an access to the record in the log.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/record.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Bytes of the fields that are no RecordBytes, at most. */
#define FIXED_BYTES		512

/* entity_scope: is the list of entities complete, or were there too many? */
#define SCOPE_ROWS		"rows"
#define SCOPE_SCAN		"scan"

typedef enum StandbyReads
{
	STANDBY_READS_DENY,
	STANDBY_READS_LOG
} StandbyReads;

static const struct config_enum_entry standby_reads_options[] = {
	{"deny", STANDBY_READS_DENY, false},
	{"log", STANDBY_READS_LOG, false},
	{NULL, 0, false}
};

bool		steward_log_parameters = false;
static int	standby_reads = STANDBY_READS_DENY;

/*
 * Records are put together here, one after the other.  It is made large enough
 * when room is reserved.
 */
static uint8 *buffer = NULL;
static Size buffer_size = 0;

/* A record that is put together: no more than record_size() said. */
typedef struct Draft
{
	uint8	   *next;
	int			field;			/* that is put next */
} Draft;

static const char *const decisions[] = {
	[DECISION_ALLOWED] = "allowed",
	[DECISION_DENIED] = "denied",
	[DECISION_BYPASSED] = "bypassed",
	[DECISION_BREAK_GLASS] = "break-glass",
	[DECISION_OBSERVED] = "observed",
};

static const char *const outcomes[] = {
	[OUTCOME_COMPLETED] = "completed",
	[OUTCOME_FAILED] = "failed",
	[OUTCOME_ABORTED] = "aborted",
	[OUTCOME_DISCONNECTED] = "disconnected",
};

/*
 * Is an access to be logged?  Raises where it must be, and cannot, unless it
 * is refused anyway.
 */
bool
record_is_due(Oid relid, AuditLevel level, bool denial)
{
	AuditState	state;

	if (level == AUDIT_LEVEL_OFF)
		return false;
	state = audit_state();
	if (likely(state == AUDIT_ACTIVE))
		return true;
	if (state == AUDIT_STANDBY)
	{
		if (level != AUDIT_LEVEL_SYNC && standby_reads == STANDBY_READS_LOG)
			return true;
		if (denial)
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("governed table \"%s\" cannot be used on a standby", get_rel_name(relid)),
				 errdetail("Accesses to it are logged, and a standby cannot write the log."),
				 level == AUDIT_LEVEL_SYNC ?
				 errhint("Use the primary server, or tables whose audit is \"async\" or \"off\".") :
				 errhint("Use the primary server; or a superuser sets steward.standby_reads = 'log' to have lines in the server log instead.")));
	}
	if (state == AUDIT_DORMANT && level == AUDIT_LEVEL_SYNC && !denial)
		audit_require_active("use of synchronously logged tables");
	return false;
}

/* Makes the buffer as large as a record. */
static void
enlarge_buffer(Size bytes)
{
	uint8	   *larger;

	if (likely(bytes <= buffer_size))
		return;
	larger = MemoryContextAlloc(TopMemoryContext, 2 * bytes);
	if (buffer != NULL)
		pfree(buffer);
	buffer = larger;
	buffer_size = 2 * bytes;
}

/* Sees to it that so many bytes more can be written without waiting. */
void
record_reserve(Statement *statement, Size bytes)
{
	if (RecoveryInProgress())
		enlarge_buffer(bytes);
	else
	{
		audit_require_log(&access_event_format);
		enlarge_buffer(bytes);
		audit_reserve(&statement->reservation, bytes);
	}
}

static Size
bytes_length(const RecordBytes *bytes)
{
	return bytes == NULL ? 1 : bytes->len;
}

/* How long a record of the access is, at most. */
Size
record_size(const Statement *statement, const Access *access)
{
	return FIXED_BYTES + bytes_length(access->purpose) + bytes_length(access->reason) +
		bytes_length(access->relation) + bytes_length(access->column_names) +
		bytes_length(access->person) + bytes_length(statement->text) +
		bytes_length(statement->parameters) +
		(access->entities == NULL ? 0 : access->entities->limit * sizeof(int64));
}

/*
 * Fields, in order; what is left out is NULL.  Text is given as it stands in
 * the record, for it is also written when nothing can be converted.
 */
static inline void
begin_field(Draft *draft, int field, int nfields)
{
	for (; draft->field < field; draft->field++)
		*draft->next++ = 0;
	draft->field += nfields;
}

static inline void
put_ascii(Draft *draft, int field, const char *value, uint32 len)
{
	uint32		head = pg_hton32(len);

	begin_field(draft, field, 1);
	*draft->next++ = 1;
	memcpy(draft->next, &head, sizeof(head));
	memcpy(draft->next + sizeof(head), value, len);
	draft->next += sizeof(head) + len;
}

static inline void
put_int(Draft *draft, int field, int64 value)
{
	uint64		bytes = pg_hton64((uint64) value);

	begin_field(draft, field, 1);
	*draft->next++ = 1;
	memcpy(draft->next, &bytes, sizeof(bytes));
	draft->next += sizeof(bytes);
}

static inline void
put_bytes(Draft *draft, int field, int nfields, const RecordBytes *bytes)
{
	if (bytes == NULL)
		return;
	begin_field(draft, field, nfields);
	memcpy(draft->next, bytes->data, bytes->len);
	draft->next += bytes->len;
}

/* Identifier of the statement, one of a kind in the cluster. */
static void
put_statement_id(Draft *draft, uint64 number)
{
	static char prefix[60];
	static int	prefix_len = 0;
	static int	prefix_pid = 0;

	if (prefix_pid != MyProcPid)
	{
		prefix_len = snprintf(prefix, 40, "%llx.%x.",
							  (unsigned long long) MyStartTimestamp, MyProcPid);
		prefix_pid = MyProcPid;
	}
	put_ascii(draft, ACCESS_STATEMENT_ID, prefix,
			  prefix_len + pg_ulltoa_n(number, prefix + prefix_len));
}

/* The same, read back. */
static int64
get_int64(const uint8 *p)
{
	uint64		value;

	memcpy(&value, p, sizeof(value));
	return (int64) pg_ntoh64(value);
}

static double
get_float(const uint8 *p)
{
	int64		bits = get_int64(p);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint32
get_uint32(const uint8 *p)
{
	uint32		value;

	memcpy(&value, p, sizeof(value));
	return pg_ntoh32(value);
}

/* What is known when the access begins. */
static void
put_access(Draft *draft, const Access *access)
{
	put_bytes(draft, ACCESS_PURPOSE, 1, access->purpose);
	put_ascii(draft, ACCESS_COMMAND, access->command, strlen(access->command));
	put_bytes(draft, ACCESS_RELATION_NAME, 1, access->relation);
}

/* How it ended. */
static void
put_outcome(Draft *draft, const Statement *statement, Outcome outcome, const Tally *tally)
{
	instr_time	duration;
	double		milliseconds;
	int64		bits;

	put_ascii(draft, ACCESS_OUTCOME, outcomes[outcome], strlen(outcomes[outcome]));
	if (tally->has_returned)
		put_int(draft, ACCESS_ROWS_RETURNED, tally->returned);
	if (tally->has_affected)
		put_int(draft, ACCESS_ROWS_AFFECTED, tally->affected);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, statement->started);
	milliseconds = INSTR_TIME_GET_MILLISEC(duration);
	memcpy(&bits, &milliseconds, sizeof(bits));
	put_int(draft, ACCESS_DURATION_MS, bits);
}

/*
 * Whom the rows were about.  Before the access begins, it might be anybody:
 * that stands until there is an outcome.
 */
static void
put_entities(Draft *draft, const Access *access, bool is_known)
{
	const Entities *entities = access->entities;

	if (!access->has_entities)
		return;
	if (!is_known || entities == NULL || entities->beyond)
	{
		put_ascii(draft, ACCESS_ENTITY_SCOPE, SCOPE_SCAN, strlen(SCOPE_SCAN));
		return;
	}
	if (entities->n > 0)
	{
		uint32		n = pg_hton32(entities->n);

		begin_field(draft, ACCESS_ENTITIES, 1);
		*draft->next++ = 1;
		memcpy(draft->next, &n, sizeof(n));
		draft->next += sizeof(n);
		for (int i = 0; i < entities->n; i++)
		{
			uint64		hash = pg_hton64((uint64) entities->hashes[i]);

			memcpy(draft->next, &hash, sizeof(hash));
			draft->next += sizeof(hash);
		}
	}
	put_ascii(draft, ACCESS_ENTITY_SCOPE, SCOPE_ROWS, strlen(SCOPE_ROWS));
}

/* Appends the value of a field of the record as JSON. */
static const uint8 *
put_json(StringInfo json, LogFieldType type, const uint8 *p)
{
	switch (type)
	{
		case LOG_INT:
			appendStringInfo(json, INT64_FORMAT, get_int64(p));
			return p + 8;
		case LOG_FLOAT:
			appendStringInfo(json, "%.3f", get_float(p));
			return p + 8;
		case LOG_TEXT:
			{
				uint32		len = get_uint32(p);
				char	   *text = pnstrdup((const char *) p + 4, len);

				escape_json(json, text);
				pfree(text);
				return p + 4 + len;
			}
		case LOG_INTS:
			{
				uint32		n = get_uint32(p);

				p += 4;
				appendStringInfoChar(json, '[');
				for (uint32 i = 0; i < n; i++, p += 8)
					appendStringInfo(json, "%s" INT64_FORMAT, i > 0 ? "," : "", get_int64(p));
				appendStringInfoChar(json, ']');
				return p;
			}
		case LOG_TEXTS:
			{
				uint32		n = get_uint32(p);

				p += 4;
				appendStringInfoChar(json, '[');
				for (uint32 i = 0; i < n; i++)
				{
					appendStringInfoString(json, i > 0 ? "," : "");
					if (*p++ == 0)
						appendStringInfoString(json, "null");
					else
						p = put_json(json, LOG_TEXT, p);
				}
				appendStringInfoChar(json, ']');
				return p;
			}
		default:
			elog(ERROR, "unexpected type %d of a field", (int) type);
			return NULL;
	}
}

/* On a standby: the record as a line of JSON in the server log. */
static void
log_to_server(const LogRecord *record)
{
	const uint8 *p = record->data + 8;
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < access_event_format.nfields; i++)
	{
		if (*p++ == 0)
			continue;
		appendStringInfo(&json, "%c\"%s\":", json.len == 0 ? '{' : ',', access_event_format.fields[i].name);
		p = put_json(&json, access_event_format.fields[i].type, p);
	}
	appendStringInfoChar(&json, '}');
	ereport(LOG,
			(errmsg_internal("pg_steward access: %s", json.data),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * Writes a record of the access: an "intent" before it, an "outcome" after
 * that, or one "event" for both.  With the room that was reserved it neither
 * waits nor fails.
 */
AuditPosition
record_write(Statement *statement, Access *access, const char *kind, const Outcome *outcome,
			 const Tally *tally, bool reserved)
{
	Draft		draft = {0};
	LogRecord	record;
	FullTransactionId transaction = GetTopFullTransactionIdIfAny();
	bool		is_outcome = strcmp(kind, "outcome") == 0;
	uint64		logged_at = pg_hton64((uint64) (GetCurrentTimestamp() + LOG_EPOCH_OFFSET));

	enlarge_buffer(record_size(statement, access));
	memcpy(buffer, &logged_at, sizeof(logged_at));
	draft.next = buffer + sizeof(logged_at);
	put_ascii(&draft, ACCESS_KIND, kind, strlen(kind));
	put_statement_id(&draft, statement->number);
	put_int(&draft, ACCESS_ACCESS_NO, access->number);
	if (!is_outcome)
		put_access(&draft, access);
	put_int(&draft, ACCESS_RELATION_OID, access->relid);
	put_ascii(&draft, ACCESS_DECISION, decisions[access->decision],
			  strlen(decisions[access->decision]));
	if (outcome != NULL)
		put_outcome(&draft, statement, *outcome, tally);
	if (!is_outcome)
		put_int(&draft, ACCESS_QUERY_ID, (int64) statement->query_id);
	if (FullTransactionIdIsValid(transaction))
		put_int(&draft, ACCESS_TRANSACTION_ID, U64FromFullTransactionId(transaction));
	if (!is_outcome)
		put_int(&draft, ACCESS_POLICY_REVISION, statement->revision);
	put_int(&draft, ACCESS_BACKEND_PID, MyProcPid);
	if (tally != NULL && tally->error != 0)
		put_ascii(&draft, ACCESS_ERROR_CODE, unpack_sql_state(tally->error), 5);
	if (!is_outcome)
	{
		put_bytes(&draft, ACCESS_SESSION_ROLE, ACCESS_COLUMNS - ACCESS_SESSION_ROLE, access->person);
		put_bytes(&draft, ACCESS_COLUMNS, 1, access->column_names);
		put_bytes(&draft, ACCESS_QUERY_TEXT, 1, statement->text);
		put_bytes(&draft, ACCESS_PARAMETERS, 1, statement->parameters);
		put_bytes(&draft, ACCESS_REASON, 1, access->reason);
	}
	put_entities(&draft, access, outcome != NULL);
	begin_field(&draft, ACCESS_FIELD_COUNT, 0);

	record.data = buffer;
	record.len = draft.next - buffer;
	Assert(record.len <= record_size(statement, access));
	if (unlikely(RecoveryInProgress()))
		log_to_server(&record);
	else if (reserved)
		return audit_put_reserved(&statement->reservation, &access_event_format, &record);
	else
		return audit_put(&access_event_format, &record);
	return 0;
}

/* Defines the settings.  Called once, while libraries are preloaded. */
void
record_write_init(void)
{
	DefineCustomBoolVariable("steward.log_parameters",
							 "The access log keeps the constants and parameters of statements.",
							 "They may be personal data. Without it, constants are replaced by $n.",
							 &steward_log_parameters,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomEnumVariable("steward.standby_reads",
							 "What use of a table whose accesses are logged meets on a standby.",
							 "\"deny\" refuses it, \"log\" writes a line of JSON to the server log; tables "
							 "that are logged synchronously are always refused.",
							 &standby_reads,
							 STANDBY_READS_DENY, standby_reads_options,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
}
