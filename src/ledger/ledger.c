/*-------------------------------------------------------------------------
 *
 * ledger.c
 *	  Opens room "ledger": the tables of logs, who may fill them, who we are.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "ledger/ledger_internal.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

static const LedgerHost *ledger_host = NULL;

/* Called once, while libraries are preloaded, by the room that knows. */
void
ledger_set_host(const LedgerHost *host)
{
	ledger_host = host;
}

/* Who we are; raises where nothing may be signed. */
void
ledger_identity(LedgerIdentity *identity)
{
	if (ledger_host == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this installation of pg_steward has no identity")));
	ledger_host->identity(identity);
}

/*
 * Does this session restore a dump?  pg_restore switches function bodies'
 * checks off, and the tables that it fills are not yet in use.
 */
bool
ledger_restoring(void)
{
	return !check_function_bodies && superuser() &&
		(ledger_host == NULL || ledger_host->restoring());
}

/* Did somebody accept that the logs are damaged? */
bool
ledger_damage_accepted(void)
{
	return ledger_host != NULL && ledger_host->damage_accepted();
}

/* Adds a row to one of our tables, below its triggers. */
void
ledger_insert_row(const char *table, Datum *values, bool *nulls)
{
	Relation	rel = table_open(ledger_table(table, false), RowExclusiveLock);
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
}

/*
 * Has the change log tell of something, in this transaction.  after is the
 * text of a JSON value.
 */
void
ledger_record_change(const char *kind, const char *name, const char *action, const char *after)
{
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4] = {CStringGetTextDatum(kind), CStringGetTextDatum(name),
	CStringGetTextDatum(action), CStringGetTextDatum(after)};

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT steward.record_change($1, $2, $3, NULL, $4::pg_catalog.jsonb)",
							  4, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "the change could not be recorded");
	SPI_finish();
}

/* Raises unless the acting person has one of the two roles. */
void
ledger_require_role(StewardRole role, StewardRole other)
{
	steward_require_preload();
	if (!steward_subject_has(role) && !steward_subject_has(other))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not do this", GetUserNameFromId(steward_outer_user(), false)),
				 errhint("It takes the rights of role \"%s\".", steward_role_name(role))));
}

STEWARD_FUNCTION(steward_refuse_insert);

/* refuse_insert(): trigger of tables that pg_steward alone fills. */
Datum
steward_refuse_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("refuse_insert() is a trigger")));
	if (!ledger_restoring())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("INSERT of \"%s.%s\" is refused: pg_steward alone adds to it",
						get_namespace_name(RelationGetNamespace(trigger->tg_relation)),
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("A dump is restored by pg_restore or psql, into a database where the extension was not used yet.")));
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		PG_RETURN_POINTER(trigger->tg_trigtuple);
	PG_RETURN_POINTER(NULL);
}

STEWARD_FUNCTION(steward_log_format);

/* log_format(log): its fields in the order of the encoding. */
Datum
steward_log_format(PG_FUNCTION_ARGS)
{
	const LogFormat *format;
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	steward_require_preload();
	format = ledger_format(text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < format->nfields; i++)
	{
		const LogField *field = &format->fields[i];
		Datum		values[7];
		bool		nulls[7] = {false};

		values[0] = Int32GetDatum(format->code);
		values[1] = Int32GetDatum(format->version);
		values[2] = Int32GetDatum(i + 1);
		values[3] = CStringGetTextDatum(field->name);
		values[4] = CStringGetTextDatum(log_encoding_name(field->type));
		values[5] = Int32GetDatum(field->group);
		values[6] = ObjectIdGetDatum(log_field_type(field->type));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Opens the room.  Called once, while libraries are preloaded. */
void
ledger_init(void)
{
	partition_init();
}
