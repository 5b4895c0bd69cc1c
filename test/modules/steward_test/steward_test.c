/*-------------------------------------------------------------------------
 *
 * steward_test.c
 *	  A log of the tests of room "audit", and ways to put records into its queue
 *	  from SQL.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static const LogField queue_fields[] = {
	{"client", LOG_INT, 0},
	{"number", LOG_INT, 0},
	{"word", LOG_TEXT, 0},
	{"payload", LOG_TEXT, 1},
};

static const LogFormat queue_format = {
	"regress_queue", 210, 1, 1, lengthof(queue_fields), queue_fields
};

/* Of this session: what is put when its transaction or it itself ends. */
static AuditReservation reservation;
static int64 reserved_client;
static int64 reserved_number;

static LogRecord
make_record(int64 client, int64 number, const char *word, int64 bytes)
{
	LogRecordBuilder builder;
	LogRecord	record;
	char	   *payload = palloc_extended(bytes + 1, MCXT_ALLOC_HUGE);

	memset(payload, 'x', bytes);
	payload[bytes] = '\0';
	log_record_begin(&builder, &queue_format, GetCurrentTimestamp());
	log_record_int(&builder, 0, client);
	log_record_int(&builder, 1, number);
	log_record_text(&builder, 2, word, strlen(word));
	log_record_text(&builder, 3, payload, bytes);
	log_record_end(&builder);
	record.data = (const uint8 *) builder.data.data;
	record.len = builder.data.len;
	return record;
}

PG_FUNCTION_INFO_V1(steward_test_put);
PGDLLEXPORT Datum steward_test_put(PG_FUNCTION_ARGS);

/* put(client, number, word, bytes, durable): where the record ends in the queue */
Datum
steward_test_put(PG_FUNCTION_ARGS)
{
	char	   *word = text_to_cstring(PG_GETARG_TEXT_PP(2));
	LogRecord	record = make_record(PG_GETARG_INT64(0), PG_GETARG_INT64(1), word, PG_GETARG_INT64(3));
	AuditPosition position = audit_put(&queue_format, &record);

	if (PG_GETARG_BOOL(4))
		audit_wait_durable(position);
	PG_RETURN_INT64((int64) position);
}

PG_FUNCTION_INFO_V1(steward_test_put_bad);
PGDLLEXPORT Datum steward_test_put_bad(PG_FUNCTION_ARGS);

/* put_bad(): a record that no log can take */
Datum
steward_test_put_bad(PG_FUNCTION_ARGS)
{
	LogRecord	record = {(const uint8 *) "no record at all", 16};

	PG_RETURN_INT64((int64) audit_put(&queue_format, &record));
}

/* What the session reserved is put while its transaction ends. */
static void
put_outcome(const char *word)
{
	uint8		buffer[256];
	LogRecordBuilder builder;
	LogRecord	record;

	if (reservation.bytes == 0)
		return;
	log_record_begin(&builder, &queue_format, GetCurrentTimestamp());
	log_record_int(&builder, 0, reserved_client);
	log_record_int(&builder, 1, reserved_number);
	log_record_text(&builder, 2, word, strlen(word));
	log_record_end(&builder);
	record.len = Min((Size) builder.data.len, sizeof(buffer));
	memcpy(buffer, builder.data.data, record.len);
	record.data = buffer;
	(void) audit_put_reserved(&reservation, &queue_format, &record);
	audit_release(&reservation);
}

static void
at_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		put_outcome("committed");
	else if (event == XACT_EVENT_ABORT)
		put_outcome(proc_exit_inprogress ? "disconnected" : "aborted");
}

PG_FUNCTION_INFO_V1(steward_test_reserve);
PGDLLEXPORT Datum steward_test_reserve(PG_FUNCTION_ARGS);

/* reserve(client, number, bytes): the outcome is put when the transaction ends */
Datum
steward_test_reserve(PG_FUNCTION_ARGS)
{
	reserved_client = PG_GETARG_INT64(0);
	reserved_number = PG_GETARG_INT64(1);
	audit_reserve(&reservation, PG_GETARG_INT64(2));
	PG_RETURN_INT64((int64) reservation.bytes);
}

PG_FUNCTION_INFO_V1(steward_test_wait);
PGDLLEXPORT Datum steward_test_wait(PG_FUNCTION_ARGS);

/* wait(): until all that is queued is durable */
Datum
steward_test_wait(PG_FUNCTION_ARGS)
{
	audit_wait_durable(audit_position());
	PG_RETURN_VOID();
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	ledger_register(&queue_format);
	RegisterXactCallback(at_end, NULL);
}
