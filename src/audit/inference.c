/*-------------------------------------------------------------------------
 *
 * inference.c
 *	  The inference log: log_inference(), and the view inference_insert for
 *	  batches and drivers.
 *
 * A record goes into the queue when the function is called, or when the row
 * reaches the view: what the transaction does afterwards does not take it
 * back.  Whether the model's version is registered is asked of the registry,
 * who acts and for which purpose of room access, both above this room: see
 * audit_ask().
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "audit/audit.h"
#include "audit/audit_internal.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define MAX_LIST_ITEMS		1000
#define MAX_LIST_LENGTH		100000	/* characters in all */
#define MAX_SHORT_TEXT		200 /* characters */
#define MAX_LONG_TEXT		1000

typedef enum InferenceField
{
	FIELD_REQUEST_ID,
	FIELD_MODEL,
	FIELD_VERSION,
	FIELD_OPERATION,
	FIELD_PURPOSE,
	FIELD_STATUS_CODE,
	FIELD_LATENCY_MS,
	FIELD_INPUT_TOKENS,
	FIELD_OUTPUT_TOKENS,
	FIELD_TRACE_ID,
	FIELD_SPAN_ID,
	FIELD_SUBJECT,
	FIELD_INPUT,
	FIELD_OUTPUT,
	FIELD_CONVERSATION_ID,
	FIELD_ENTITIES,
	FIELD_FINISH_REASONS,
	FIELD_ATTRIBUTES
} InferenceField;

static const LogField inference_fields[] = {
	[FIELD_REQUEST_ID] = {"request_id", LOG_UUID, 0},
	[FIELD_MODEL] = {"model", LOG_TEXT, 0},
	[FIELD_VERSION] = {"version", LOG_TEXT, 0},
	[FIELD_OPERATION] = {"operation", LOG_TEXT, 0},
	[FIELD_PURPOSE] = {"purpose", LOG_TEXT, 0},
	[FIELD_STATUS_CODE] = {"status_code", LOG_INT, 0},
	[FIELD_LATENCY_MS] = {"latency_ms", LOG_FLOAT, 0},
	[FIELD_INPUT_TOKENS] = {"input_tokens", LOG_INT, 0},
	[FIELD_OUTPUT_TOKENS] = {"output_tokens", LOG_INT, 0},
	[FIELD_TRACE_ID] = {"trace_id", LOG_TEXT, 0},
	[FIELD_SPAN_ID] = {"span_id", LOG_TEXT, 0},
	/* 1: who logged it */
	[FIELD_SUBJECT] = {"subject", LOG_TEXT, 1},
	/* 2 and 3: the payloads */
	[FIELD_INPUT] = {"input", LOG_JSON, 2},
	[FIELD_OUTPUT] = {"output", LOG_JSON, 3},
	/* 4: whom it is about */
	[FIELD_CONVERSATION_ID] = {"conversation_id", LOG_TEXT, 4},
	[FIELD_ENTITIES] = {"entities", LOG_TEXTS, 4},
	/* 5: the rest */
	[FIELD_FINISH_REASONS] = {"finish_reasons", LOG_TEXTS, 5},
	[FIELD_ATTRIBUTES] = {"attributes", LOG_JSON, 5},
};

static const char *const inference_indexes[] = {"btree (request_id)", "gin (entities)", NULL};

const LogFormat inference_log_format = {
	.name = "inference_log",
	.code = 2,
	.version = 1,
	.ngroups = 5,
	.nfields = lengthof(inference_fields),
	.fields = inference_fields,
	.indexes = inference_indexes,
};

/* In the order of log_inference()'s parameters and of the view's columns. */
typedef enum InferenceArgument
{
	ARG_MODEL,
	ARG_VERSION,
	ARG_INPUT,
	ARG_OUTPUT,
	ARG_REQUEST_ID,
	ARG_OPERATION,
	ARG_SUBJECT,
	ARG_PURPOSE,
	ARG_STATUS_CODE,
	ARG_LATENCY_MS,
	ARG_INPUT_TOKENS,
	ARG_OUTPUT_TOKENS,
	ARG_FINISH_REASONS,
	ARG_CONVERSATION_ID,
	ARG_TRACE_ID,
	ARG_SPAN_ID,
	ARG_ENTITIES,
	ARG_ATTRIBUTES
} InferenceArgument;

#define ARGUMENT_COUNT (ARG_ATTRIBUTES + 1)

typedef enum InferenceDurability
{
	INFERENCE_ASYNC,
	INFERENCE_SYNC
} InferenceDurability;

static const struct config_enum_entry durability_options[] = {
	{"async", INFERENCE_ASYNC, false},
	{"sync", INFERENCE_SYNC, false},
	{NULL, 0, false}
};

static const struct config_enum_entry registry_options[] = {
	{"require", INFERENCE_REGISTRY_REQUIRE, false},
	{"warn", INFERENCE_REGISTRY_WARN, false},
	{"off", INFERENCE_REGISTRY_OFF, false},
	{NULL, 0, false}
};

static int	inference_durability = INFERENCE_ASYNC;
static int	inference_registry = INFERENCE_REGISTRY_REQUIRE;

/* The last record that a statement on inference_insert put into the queue. */
static AuditPosition batch_position = 0;

/* Called once, while libraries are preloaded. */
void
inference_init(void)
{
	ledger_register(&inference_log_format);

	DefineCustomEnumVariable("steward.inference_durability",
							 "When log_inference() and an INSERT into inference_insert return.",
							 "\"async\": when the record is in the queue, from which a crash of the server can lose it; "
							 "\"sync\": when it is on disk (and on standbys, as synchronous_commit says).",
							 &inference_durability,
							 INFERENCE_ASYNC, durability_options,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomEnumVariable("steward.inference_registry",
							 "What becomes of inferences of a model's version that is not registered.",
							 "\"require\" refuses them, \"warn\" warns, \"off\" takes them; "
							 "quarantine and grants of models hold whatever it says.",
							 &inference_registry,
							 INFERENCE_REGISTRY_REQUIRE, registry_options,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
}

/* Raises unless a text is NULL or of 1 to max characters that are not all spaces. */
static void
check_text(const char *what, const NullableDatum *value, int max)
{
	text	   *t;
	const char *chars;
	int			len;

	if (value->isnull)
		return;
	t = DatumGetTextPP(value->value);
	chars = VARDATA_ANY(t);
	len = VARSIZE_ANY_EXHDR(t);
	if (len > 0 && chars[0] != ' ' && (len <= max || pg_mbstrlen_with_len(chars, len) <= max))
		return;
	/* words for it stand in room common */
	OidFunctionCall4(steward_function("check_text", 4, (Oid[]) {TEXTOID, TEXTOID, INT4OID, BOOLOID}),
					 CStringGetTextDatum(what), PointerGetDatum(t), Int32GetDatum(max), BoolGetDatum(false));
}

pg_noreturn static void
refuse(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem),
			 errhint("Leave out what is not known; what fits no column belongs into attributes or the payloads. "
					 "Arrays take %d elements and %d characters.", MAX_LIST_ITEMS, MAX_LIST_LENGTH)));
}

/* Raises where a list is too long; with no_nulls, where it holds a NULL. */
static void
check_list(const char *what, const NullableDatum *value, bool no_nulls)
{
	ArrayType  *array;
	Datum	   *elems;
	bool	   *nulls;
	int			n;
	Size		length = 0;

	if (value->isnull)
		return;
	array = DatumGetArrayTypeP(value->value);
	if (ARR_NDIM(array) > 1)
		refuse(psprintf("%s must be an array of one dimension", what));
	n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (n <= MAX_LIST_ITEMS)
	{
		deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
		for (int i = 0; i < n; i++)
		{
			text	   *t = nulls[i] ? NULL : DatumGetTextPP(elems[i]);

			if (t != NULL)
				length += pg_mbstrlen_with_len(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			else if (no_nulls)
				refuse(psprintf("%s must not hold nulls", what));
		}
	}
	if (n > MAX_LIST_ITEMS || length > MAX_LIST_LENGTH)
		refuse(psprintf("%s are too many or too long", what));
}

/* Raises where what was given is not what an inference can be. */
static void
check_arguments(const NullableDatum *args)
{
	check_text("operation", &args[ARG_OPERATION], MAX_SHORT_TEXT);
	check_text("purpose", &args[ARG_PURPOSE], MAX_SHORT_TEXT);
	check_text("conversation_id", &args[ARG_CONVERSATION_ID], MAX_LONG_TEXT);
	check_text("trace_id", &args[ARG_TRACE_ID], MAX_SHORT_TEXT);
	check_text("span_id", &args[ARG_SPAN_ID], MAX_SHORT_TEXT);
	if (!args[ARG_LATENCY_MS].isnull)
	{
		double		latency = DatumGetFloat8(args[ARG_LATENCY_MS].value);

		if (!(latency >= 0) || isinf(latency))
			refuse("latency_ms must be a number of milliseconds, 0 or more");
	}
	if (!args[ARG_INPUT_TOKENS].isnull && DatumGetInt64(args[ARG_INPUT_TOKENS].value) < 0)
		refuse("input_tokens must be 0 or more");
	if (!args[ARG_OUTPUT_TOKENS].isnull && DatumGetInt64(args[ARG_OUTPUT_TOKENS].value) < 0)
		refuse("output_tokens must be 0 or more");
	check_list("finish_reasons", &args[ARG_FINISH_REASONS], false);
	check_list("entities", &args[ARG_ENTITIES], true);
	if (!args[ARG_ATTRIBUTES].isnull && !JB_ROOT_IS_OBJECT(DatumGetJsonbP(args[ARG_ATTRIBUTES].value)))
		refuse("attributes must be a JSON object");
}

/* A text argument as a string, or NULL. */
static char *
argument_string(const NullableDatum *arg)
{
	return arg->isnull ? NULL : TextDatumGetCString(arg->value);
}

/* Asks the registry, as steward.inference_registry says. */
static void
admit(const NullableDatum *args)
{
	char	   *model = argument_string(&args[ARG_MODEL]);
	char	   *version = argument_string(&args[ARG_VERSION]);

	audit_questions.admit_inference(model, version, argument_string(&args[ARG_PURPOSE]), inference_registry);
	if (model == NULL || version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", model == NULL ? "model" : "version"),
				 errhint("Name the model and its version.")));
	check_text("model", &args[ARG_MODEL], MAX_SHORT_TEXT);
	check_text("version", &args[ARG_VERSION], MAX_SHORT_TEXT);
}

static void
add_text(LogRecordBuilder *record, int field, const NullableDatum *arg)
{
	if (!arg->isnull)
	{
		text	   *t = DatumGetTextPP(arg->value);

		log_record_text(record, field, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	}
}

/*
 * Checks one inference and puts it into the queue.  Fills in its request_id
 * where none was given.
 */
static AuditPosition
put_inference(NullableDatum *args)
{
	LogRecordBuilder builder;
	LogRecord	record;
	AuditPosition position;
	const char *subject;
	const char *purpose;

	audit_require_active("log_inference");
	if (!steward_subject_has(STEWARD_SERVICE))
		OidFunctionCall1(steward_function("require_role", 1, (Oid[]) {TEXTARRAYOID}),
						 PointerGetDatum(construct_array((Datum[]) {CStringGetTextDatum(steward_role_name(STEWARD_SERVICE))},
														 1, TEXTOID, -1, false, TYPALIGN_INT)));

	subject = audit_questions.subject();
	if (!args[ARG_SUBJECT].isnull)
	{
		char	   *given = TextDatumGetCString(args[ARG_SUBJECT].value);

		if (strcmp(given, subject) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("an inference cannot be logged in the name of \"%.*s\"",
							pg_mbcharcliplen(given, strlen(given), MAX_SHORT_TEXT), given),
					 errhint("Leave subject out: the log finds the acting person itself. "
							 "Name the end user in attributes, as enduser.id.")));
	}
	admit(args);
	check_arguments(args);
	if (args[ARG_REQUEST_ID].isnull)
	{
		args[ARG_REQUEST_ID].value = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
		args[ARG_REQUEST_ID].isnull = false;
	}

	log_record_begin(&builder, &inference_log_format, GetCurrentTimestamp());
	log_record_uuid(&builder, FIELD_REQUEST_ID, DatumGetUUIDP(args[ARG_REQUEST_ID].value));
	add_text(&builder, FIELD_MODEL, &args[ARG_MODEL]);
	add_text(&builder, FIELD_VERSION, &args[ARG_VERSION]);
	add_text(&builder, FIELD_OPERATION, &args[ARG_OPERATION]);
	if (!args[ARG_PURPOSE].isnull)
		add_text(&builder, FIELD_PURPOSE, &args[ARG_PURPOSE]);
	else if ((purpose = audit_questions.purpose()) != NULL)
		log_record_text(&builder, FIELD_PURPOSE, purpose, strlen(purpose));
	if (!args[ARG_STATUS_CODE].isnull)
		log_record_int(&builder, FIELD_STATUS_CODE, DatumGetInt32(args[ARG_STATUS_CODE].value));
	if (!args[ARG_LATENCY_MS].isnull)
		log_record_float(&builder, FIELD_LATENCY_MS, DatumGetFloat8(args[ARG_LATENCY_MS].value));
	if (!args[ARG_INPUT_TOKENS].isnull)
		log_record_int(&builder, FIELD_INPUT_TOKENS, DatumGetInt64(args[ARG_INPUT_TOKENS].value));
	if (!args[ARG_OUTPUT_TOKENS].isnull)
		log_record_int(&builder, FIELD_OUTPUT_TOKENS, DatumGetInt64(args[ARG_OUTPUT_TOKENS].value));
	add_text(&builder, FIELD_TRACE_ID, &args[ARG_TRACE_ID]);
	add_text(&builder, FIELD_SPAN_ID, &args[ARG_SPAN_ID]);
	log_record_text(&builder, FIELD_SUBJECT, subject, strlen(subject));
	if (!args[ARG_INPUT].isnull)
		log_record_json(&builder, FIELD_INPUT, args[ARG_INPUT].value);
	if (!args[ARG_OUTPUT].isnull)
		log_record_json(&builder, FIELD_OUTPUT, args[ARG_OUTPUT].value);
	add_text(&builder, FIELD_CONVERSATION_ID, &args[ARG_CONVERSATION_ID]);
	if (!args[ARG_ENTITIES].isnull)
		log_record_texts(&builder, FIELD_ENTITIES, args[ARG_ENTITIES].value);
	if (!args[ARG_FINISH_REASONS].isnull)
		log_record_texts(&builder, FIELD_FINISH_REASONS, args[ARG_FINISH_REASONS].value);
	if (!args[ARG_ATTRIBUTES].isnull)
		log_record_json(&builder, FIELD_ATTRIBUTES, args[ARG_ATTRIBUTES].value);
	log_record_end(&builder);

	record.data = (uint8 *) builder.data.data;
	record.len = builder.data.len;
	position = audit_put(&inference_log_format, &record);
	pfree(builder.data.data);
	return position;
}

STEWARD_FUNCTION(steward_log_inference);

/* log_inference(model, version, input, output, ...): the request_id */
Datum
steward_log_inference(PG_FUNCTION_ARGS)
{
	NullableDatum args[ARGUMENT_COUNT];
	AuditPosition position;

	steward_require_preload();
	Assert(PG_NARGS() == ARGUMENT_COUNT);
	memcpy(args, fcinfo->args, sizeof(args));
	position = put_inference(args);
	if (inference_durability == INFERENCE_SYNC)
	{
		audit_wait_durable(position);
		audit_require_log(&inference_log_format);
	}
	return args[ARG_REQUEST_ID].value;
}

STEWARD_FUNCTION(steward_inference_insert_row);

/* Trigger INSTEAD OF INSERT of the view inference_insert: logs a row. */
Datum
steward_inference_insert_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	Datum		values[ARGUMENT_COUNT];
	bool		nulls[ARGUMENT_COUNT];
	NullableDatum args[ARGUMENT_COUNT];
	bool		given;

	steward_require_preload();
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		desc->natts != ARGUMENT_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("inference_insert_row() is the trigger of view \"steward.inference_insert\"")));

	heap_deform_tuple(trigger->tg_trigtuple, desc, values, nulls);
	for (int i = 0; i < ARGUMENT_COUNT; i++)
	{
		args[i].value = values[i];
		args[i].isnull = nulls[i];
	}
	given = !nulls[ARG_REQUEST_ID];
	batch_position = put_inference(args);
	if (given)
		return PointerGetDatum(trigger->tg_trigtuple);

	/* RETURNING tells the request_id that was made */
	values[ARG_REQUEST_ID] = args[ARG_REQUEST_ID].value;
	nulls[ARG_REQUEST_ID] = false;
	return PointerGetDatum(heap_form_tuple(desc, values, nulls));
}

STEWARD_FUNCTION(steward_inference_insert_end);

/* Trigger AFTER INSERT of the view, once a statement: waits for the last row. */
Datum
steward_inference_insert_end(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("inference_insert_end() is the trigger of view \"steward.inference_insert\"")));
	if (inference_durability == INFERENCE_SYNC && batch_position != 0)
	{
		audit_wait_durable(batch_position);
		audit_require_log(&inference_log_format);
	}
	batch_position = 0;
	return PointerGetDatum(NULL);
}
