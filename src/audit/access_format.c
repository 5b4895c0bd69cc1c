/*-------------------------------------------------------------------------
 *
 * access_format.c
 *	  The fields of the log access_event.
 *
 * What tells of a person, of a query or of the persons whom data is about
 * stands in groups, which can be erased while every proof still holds.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit_internal.h"

/* In the order of AccessField. */
static const LogField fields[] = {
	{"kind", LOG_TEXT, 0},
	{"statement_id", LOG_TEXT, 0},
	{"access_no", LOG_INT, 0},
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
	{"transaction_id", LOG_INT, 0},
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
	{"parameters", LOG_TEXTS, 2},

	{"reason", LOG_TEXT, 3},

	{"entities", LOG_INTS, 4},
	{"entity_scope", LOG_TEXT, 4},
};

StaticAssertDecl(lengthof(fields) == ACCESS_FIELD_COUNT, "a field of AccessField is missing");
StaticAssertDecl(lengthof(fields) <= LEDGER_MAX_FIELDS, "too many fields");

static const char *const indexes[] = {
	"btree (statement_id, access_no) WHERE kind = 'outcome'",
	"btree (statement_id, access_no) WHERE kind = 'intent'",
	"gin (entities) WHERE entities IS NOT NULL",
	"btree (relation_oid, seq) WHERE entity_scope = 'scan'",
	NULL
};

const LogFormat access_event_format = {
	.name = "access_event",
	.code = 1,
	.version = 1,
	.ngroups = 4,
	.nfields = lengthof(fields),
	.fields = fields,
	.indexes = indexes,
};

/* Registers the log.  Called once, while libraries are preloaded. */
void
access_format_init(void)
{
	ledger_register(&access_event_format);
}
