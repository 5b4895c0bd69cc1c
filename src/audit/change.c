/*-------------------------------------------------------------------------
 *
 * change.c
 *	  The change log: what became of governance data, who changed it, before
 *	  and after.
 *
 * A change is part of its transaction: a trigger (note_change()) or
 * record_change() puts a row into the table change_outbox, which a rollback
 * takes back.  The writer moves committed rows into the log, each batch in one
 * transaction, in the order of their ids.  An id is taken when the change is
 * made; so what began after something else had committed has the larger id,
 * and is seen by no snapshot that does not see the other: it comes later in
 * the log, too.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "audit/audit.h"
#include "audit/audit_internal.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define CHANGES_PER_BATCH	1000

typedef enum ChangeField
{
	FIELD_TRANSACTION_ID,
	FIELD_OBJECT_KIND,
	FIELD_ACTION,
	FIELD_SESSION_ROLE,
	FIELD_SUBJECT,
	FIELD_OBJECT_NAME,
	FIELD_BEFORE,
	FIELD_AFTER
} ChangeField;

static const LogField change_fields[] = {
	[FIELD_TRANSACTION_ID] = {"transaction_id", LOG_INT, 0},
	[FIELD_OBJECT_KIND] = {"object_kind", LOG_TEXT, 0},
	[FIELD_ACTION] = {"action", LOG_TEXT, 0},
	/* 1: who changed it */
	[FIELD_SESSION_ROLE] = {"session_role", LOG_TEXT, 1},
	[FIELD_SUBJECT] = {"subject", LOG_TEXT, 1},
	/* 2: what */
	[FIELD_OBJECT_NAME] = {"object_name", LOG_TEXT, 2},
	/* 3 and 4: from what to what */
	[FIELD_BEFORE] = {"before", LOG_JSON, 3},
	[FIELD_AFTER] = {"after", LOG_JSON, 4},
};

static const char *const change_indexes[] = {"btree (object_kind, object_name)", NULL};

const LogFormat change_log_format = {
	.name = "change_log",
	.code = 3,
	.version = 1,
	.ngroups = 4,
	.nfields = lengthof(change_fields),
	.fields = change_fields,
	.indexes = change_indexes,
};

/* A frame of the queue that holds no record: the writer looks into the outbox. */
static const LogFormat outbox_signal = {.name = "change_outbox", .code = AUDIT_OUTBOX_SIGNAL};
static const LogRecord nothing = {(const uint8 *) "", 0};

/* Room for that frame, in a transaction that put something into the outbox. */
static AuditReservation signal_room;

static void
change_xact_callback(XactEvent event, void *arg)
{
	if (signal_room.bytes == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			(void) audit_put_reserved(&signal_room, &outbox_signal, &nothing);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			audit_release(&signal_room);
			break;
		default:
			break;
	}
}

/*
 * Has the writer look into the outbox; what was committed before stands in the
 * log when the position that is returned is durable.
 */
AuditPosition
audit_signal_changes(void)
{
	return audit_put(&outbox_signal, &nothing);
}

/* What a prepared transaction put into the outbox is committed by another session. */
void
audit_after_commit_prepared(PlannedStmt *pstmt)
{
	if (IsA(pstmt->utilityStmt, TransactionStmt) &&
		castNode(TransactionStmt, pstmt->utilityStmt)->kind == TRANS_STMT_COMMIT_PREPARED &&
		audit_state() == AUDIT_ACTIVE)
		(void) audit_signal_changes();
}

/* Called once, while libraries are preloaded. */
void
change_init(void)
{
	ledger_register(&change_log_format);
	RegisterXactCallback(change_xact_callback, NULL);
}

STEWARD_FUNCTION(steward_changes_are_noted);

/*
 * changes_are_noted(): shall a change of governance data be noted?  Not where
 * the database does not log, and not while a dump is restored into a database
 * that has logged nothing yet: its change log comes with it.
 */
Datum
steward_changes_are_noted(PG_FUNCTION_ARGS)
{
	steward_require_preload();
	if (audit_state() != AUDIT_ACTIVE || audit_is_restoring())
		PG_RETURN_BOOL(false);
	if (signal_room.bytes == 0)
		audit_reserve(&signal_room, nothing.len);
	PG_RETURN_BOOL(true);
}

/* A column of the outbox' row as text, or NULL. */
static void
add_text(LogRecordBuilder *record, ChangeField field, HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	if (!isnull)
	{
		text	   *t = DatumGetTextPP(value);

		log_record_text(record, field, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	}
}

static void
add_json(LogRecordBuilder *record, ChangeField field, HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, column, &isnull);

	if (!isnull)
		log_record_json(record, field, value);
}

/*
 * Takes committed changes out of the outbox, the oldest first, and appends them
 * to the change log.  For the writer, in its transaction, whose snapshot says
 * what is committed.
 */
void
change_append(Ledger *ledger)
{
	static SPIPlanPtr plan = NULL;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "changes", ALLOCSET_DEFAULT_SIZES);
	MemoryContext spi;
	LogRecord  *records;
	int			n;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (plan == NULL)
	{
		plan = SPI_prepare("WITH taken AS (DELETE FROM steward.change_outbox o "
						   "USING (SELECT id FROM steward.change_outbox ORDER BY id LIMIT $1) AS first "
						   "WHERE o.id OPERATOR(pg_catalog.=) first.id RETURNING o.*) "
						   "SELECT id, changed_at, transaction_id, object_kind, action, session_role, "
						   "subject, object_name, before, after FROM taken ORDER BY id",
						   1, (Oid[]) {INT4OID});
		if (plan == NULL)
			elog(ERROR, "the outbox of changes cannot be read: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
	}

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (SPI_execute_plan(plan, (Datum[]) {Int32GetDatum(CHANGES_PER_BATCH)}, NULL, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "the outbox of changes cannot be read");
		n = (int) SPI_processed;

		spi = MemoryContextSwitchTo(context);
		records = palloc(sizeof(LogRecord) * Max(n, 1));
		for (int i = 0; i < n; i++)
		{
			HeapTuple	row = SPI_tuptable->vals[i];
			TupleDesc	desc = SPI_tuptable->tupdesc;
			LogRecordBuilder builder;
			bool		isnull;

			log_record_begin(&builder, &change_log_format,
							 DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &isnull)));
			log_record_int(&builder, FIELD_TRANSACTION_ID,
						   DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull)));
			add_text(&builder, FIELD_OBJECT_KIND, row, desc, 4);
			add_text(&builder, FIELD_ACTION, row, desc, 5);
			add_text(&builder, FIELD_SESSION_ROLE, row, desc, 6);
			add_text(&builder, FIELD_SUBJECT, row, desc, 7);
			add_text(&builder, FIELD_OBJECT_NAME, row, desc, 8);
			add_json(&builder, FIELD_BEFORE, row, desc, 9);
			add_json(&builder, FIELD_AFTER, row, desc, 10);
			log_record_end(&builder);
			records[i].data = (uint8 *) builder.data.data;
			records[i].len = builder.data.len;
		}
		if (n > 0)
			(void) ledger_append(ledger, n, records);
		MemoryContextSwitchTo(spi);
		MemoryContextReset(context);
		SPI_freetuptable(SPI_tuptable);
	} while (n == CHANGES_PER_BATCH);

	SPI_finish();
	MemoryContextDelete(context);
}
