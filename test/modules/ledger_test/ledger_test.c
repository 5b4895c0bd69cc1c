/*-------------------------------------------------------------------------
 *
 * ledger_test.c
 *	  Logs of the tests of room "ledger", and a way to append to them without
 *	  queue and writer.
 *
 * regress_log has a field of every type; regress_access is like access_event.
 * What a record holds follows from its number.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "ledger/ledger.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static const LogField log_fields[] = {
	{"a_bool", LOG_BOOL, 0},
	{"a_int", LOG_INT, 0},
	{"a_float", LOG_FLOAT, 0},
	{"a_time", LOG_TIME, 0},
	{"a_uuid", LOG_UUID, 0},
	{"a_text", LOG_TEXT, 0},
	{"person", LOG_TEXT, 1},
	{"secret", LOG_BYTES, 1},
	{"payload", LOG_JSON, 2},
	{"words", LOG_TEXTS, 2},
	{"numbers", LOG_INTS, 3},
};

static const LogFormat log_format = {
	"regress_log", 200, 1, 3, lengthof(log_fields), log_fields
};

static const LogField access_fields[] = {
	{"kind", LOG_TEXT, 0},
	{"purpose", LOG_TEXT, 0},
	{"command", LOG_TEXT, 0},
	{"relation_name", LOG_TEXT, 0},
	{"relation_oid", LOG_INT, 0},
	{"decision", LOG_TEXT, 0},
	{"outcome", LOG_TEXT, 0},
	{"rows_returned", LOG_INT, 0},
	{"rows_affected", LOG_INT, 0},
	{"duration_ms", LOG_FLOAT, 0},
	{"query_id", LOG_INT, 0},
	{"statement_id", LOG_TEXT, 0},
	{"access_no", LOG_INT, 0},
	{"transaction_id", LOG_TEXT, 0},
	{"run_id", LOG_UUID, 0},
	{"policy_revision", LOG_INT, 0},
	{"backend_pid", LOG_INT, 0},
	{"error_code", LOG_TEXT, 0},
	{"session_role", LOG_TEXT, 1},
	{"subject_role", LOG_TEXT, 1},
	{"subject", LOG_TEXT, 1},
	{"token_issuer", LOG_TEXT, 1},
	{"application_name", LOG_TEXT, 1},
	{"client_addr", LOG_TEXT, 1},
	{"columns", LOG_TEXTS, 2},
	{"query_text", LOG_TEXT, 2},
	{"parameters", LOG_TEXT, 2},
	{"reason", LOG_TEXT, 3},
	{"entities", LOG_INTS, 4},
	{"entity_scope", LOG_TEXT, 4},
};

static const LogFormat access_format = {
	"regress_access", 201, 1, 4, lengthof(access_fields), access_fields
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	ledger_register(&log_format);
	ledger_register(&access_format);
}

/* A record of regress_log: every third field is NULL, another one each time. */
static void
build_log(LogRecordBuilder *b, int64 i)
{
	char		buf[64];
	int64		numbers[5] = {i, -i, PG_INT64_MAX, PG_INT64_MIN, 0};
	static const double floats[] = {0.0, -0.0, 1.5, -2.25e-300, INFINITY, -INFINITY, NAN, 3.141592653589793};
	int			field = 0;

#define PRESENT() ((i + field) % 3 != 0)
	log_record_begin(b, &log_format, INT64CONST(800000000000000) + i);
	if (PRESENT())
		log_record_bool(b, field, i % 2 == 0);
	field++;
	if (PRESENT())
		log_record_int(b, field, i % 7 == 0 ? PG_INT64_MIN : i * 1000003);
	field++;
	if (PRESENT())
		log_record_float(b, field, floats[i % lengthof(floats)]);
	field++;
	if (PRESENT())
		log_record_time(b, field, i % 11 == 0 ? DT_NOEND : i % 13 == 0 ? DT_NOBEGIN :
						(i - 1000) * INT64CONST(86400000000));
	field++;
	if (PRESENT())
		log_record_uuid(b, field, "0123456789abcdef");
	field++;
	if (PRESENT())
	{
		snprintf(buf, sizeof(buf), "record " INT64_FORMAT " \303\244\342\202\254\n", i);
		log_record_text(b, field, i % 5 == 0 ? "" : buf, -1);
	}
	field++;
	if (PRESENT())
	{
		snprintf(buf, sizeof(buf), "person " INT64_FORMAT, i);
		log_record_text(b, field, buf, -1);
	}
	field++;
	if (PRESENT())
		log_record_bytes(b, field, "\0\1\2\377", i % 5);
	field++;
	if (PRESENT())
	{
		snprintf(buf, sizeof(buf), "{\"b\": [1, 2.50, null, true], \"a\": " INT64_FORMAT "e2}", i);
		log_record_json(b, field, DirectFunctionCall1(jsonb_in, CStringGetDatum(buf)));
	}
	field++;
	if (PRESENT())
	{
		snprintf(buf, sizeof(buf), i % 4 == 0 ? "{}" : "{x,NULL,\"\",\"y " INT64_FORMAT "\"}", i);
		log_record_texts(b, field, OidInputFunctionCall(F_ARRAY_IN, buf, TEXTOID, -1));
	}
	field++;
	if (PRESENT())
		log_record_ints(b, field, numbers, i % 6);
	log_record_end(b);
}

static void
build_access(LogRecordBuilder *b, int64 i)
{
	char		buf[64];

	log_record_begin(b, &access_format, INT64CONST(800000000000000) + i);
	log_record_text(b, 0, "event", -1);
	log_record_text(b, 1, "credit-scoring", -1);
	log_record_text(b, 2, "select", -1);
	log_record_text(b, 3, "public.applicant", -1);
	log_record_int(b, 4, 16384);
	log_record_text(b, 5, "allowed", -1);
	log_record_text(b, 6, "completed", -1);
	log_record_int(b, 7, 1);
	log_record_float(b, 9, i * 0.001);
	log_record_int(b, 10, i * INT64CONST(7919));
	snprintf(buf, sizeof(buf), "%08x." INT64_FORMAT, 0x12345, i);
	log_record_text(b, 11, buf, -1);
	log_record_int(b, 12, 0);
	log_record_text(b, 13, "123456", -1);
	log_record_int(b, 15, 42);
	log_record_int(b, 16, 4711);
	log_record_text(b, 18, "scoring_service", -1);
	log_record_text(b, 19, "scoring_service", -1);
	log_record_text(b, 20, "scoring_service", -1);
	log_record_text(b, 22, "pgbench", -1);
	log_record_text(b, 23, "10.0.0.17", -1);
	log_record_texts(b, 24, OidInputFunctionCall(F_ARRAY_IN, "{id,income,age,region}", TEXTOID, -1));
	log_record_text(b, 25, "SELECT id, income, age, region FROM applicant WHERE id = $1", -1);
	log_record_ints(b, 28, &i, 1);
	log_record_text(b, 29, "rows", -1);
	log_record_end(b);
}

PG_FUNCTION_INFO_V1(ledger_test_append);
PGDLLEXPORT Datum ledger_test_append(PG_FUNCTION_ARGS);

/* append(log, n): appends n records in this transaction, returns the first number. */
Datum
ledger_test_append(PG_FUNCTION_ARGS)
{
	const LogFormat *format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	int			n = PG_GETARG_INT32(1);
	Ledger	   *ledger = ledger_open(format);
	uint64		first = ledger_size(ledger);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "test", ALLOCSET_DEFAULT_SIZES);
	LogRecord	records[1000];

	PG_TRY();
	{
		for (int done = 0; done < n;)
		{
			int			batch = Min(n - done, lengthof(records));
			MemoryContext old = MemoryContextSwitchTo(context);

			for (int i = 0; i < batch; i++)
			{
				LogRecordBuilder b;

				if (format == &log_format)
					build_log(&b, first + done + i);
				else
					build_access(&b, first + done + i);
				records[i].data = (uint8 *) b.data.data;
				records[i].len = b.data.len;
			}
			ledger_append(ledger, batch, records);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
			done += batch;
		}
	}
	PG_FINALLY();
	{
		ledger_close(ledger);
	}
	PG_END_TRY();
	PG_RETURN_INT64(first);
}

PG_FUNCTION_INFO_V1(ledger_test_partitions);
PGDLLEXPORT Datum ledger_test_partitions(PG_FUNCTION_ARGS);

/* partitions(log, ahead): what the keeper does. */
Datum
ledger_test_partitions(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(ledger_make_partitions(ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false),
										   PG_GETARG_INT64(1)));
}
