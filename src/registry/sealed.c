/*-------------------------------------------------------------------------
 *
 * sealed.c
 *	  Tables that pg_steward alone writes: stages, approvals, gates,
 *	  deployments, grants.
 *
 * An ALWAYS trigger of each refuses every row that comes on another road,
 * from superusers and logical replication too.  What would take the trigger
 * away (ALTER TABLE, DROP TRIGGER, a rule) is refused as a statement, whoever
 * gives it, and statements that write such a table are refused before they
 * run.  Who changes the system catalogs by hand is out of reach; that he did
 * goes into the change log.
 *
 * "writing" is no setting, so nobody can claim it.  It is on while one
 * statement of this room runs, which reaches no code of users.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "ledger/ledger.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "registry/registry_internal.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define MAX_ARGS	16

static const char *const sealed_tables[] = {
	"deployment_event", "model_approval", "model_gate", "model_gate_author", "model_grant",
	"model_quarantine", "model_restriction", "model_stage_event", "run_input", "run_output",
	"version_registrant", NULL
};

/* A statement of this room writes a sealed table. */
static bool writing = false;

/* Where results go, while statements run. */
static MemoryContext result_context = NULL;

/* ------------------------------------------------------------------------
 * Other roads
 * ------------------------------------------------------------------------
 */

static bool
is_sealed(Oid relid)
{
	char	   *name;

	if (!steward_is_created() || get_rel_namespace(relid) != steward_namespace())
		return false;
	name = get_rel_name(relid);
	for (int i = 0; name != NULL && sealed_tables[i] != NULL; i++)
		if (strcmp(name, sealed_tables[i]) == 0)
			return true;
	return false;
}

pg_noreturn static void
refuse(const char *action, Oid relid, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("%s of \"%s.%s\" is refused: pg_steward alone writes it", action,
					get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid)),
			 hint == NULL ? 0 : errhint("%s", hint)));
}

STEWARD_FUNCTION(steward_refuse_other_roads);

/* refuse_other_roads(): trigger of sealed tables. */
Datum
steward_refuse_other_roads(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("refuse_other_roads() is a trigger")));
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || (!writing && !ledger_restoring()))
		refuse(TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? "INSERT" :
			   TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? "UPDATE" :
			   TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "DELETE" : "TRUNCATE",
			   RelationGetRelid(trigger->tg_relation),
			   trigger->tg_trigger->tgnargs > 0 ? trigger->tg_trigger->tgargs[0] : NULL);
	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
}

/* Refuses a statement about a table, where it is sealed. */
static void
refuse_if_sealed(RangeVar *table, const char *action)
{
	Oid			relid;

	if (table == NULL)
		return;
	relid = RangeVarGetRelid(table, NoLock, true);
	if (OidIsValid(relid) && is_sealed(relid))
		refuse(action, relid, NULL);
}

/* Refuses DROP TRIGGER and DROP RULE: names of a table and of what stands on it. */
static void
refuse_drop(DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_TRIGGER && stmt->removeType != OBJECT_RULE)
		return;
	foreach(lc, stmt->objects)
	{
		List	   *name = list_copy(castNode(List, lfirst(lc)));

		if (list_length(name) > 1)
			refuse_if_sealed(makeRangeVarFromNameList(list_truncate(name, list_length(name) - 1)),
							 "DROP of what guards the rows");
	}
}

/* RESET of the purpose would not ask its check. */
static void
refuse_reset(VariableSetStmt *stmt)
{
	if (registry_run_current() != NULL && stmt->name != NULL &&
		(stmt->kind == VAR_RESET || stmt->kind == VAR_SET_DEFAULT) &&
		pg_strcasecmp(stmt->name, "steward.purpose") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the purpose cannot change within a run"),
				 errhint("End the run with steward.end_run(), or leave it with RESET steward.run.")));
}

/* See registry.h: what would open a sealed table is refused to everybody. */
void
registry_before_utility(PlannedStmt *pstmt)
{
	Node	   *stmt = pstmt->utilityStmt;

	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
		case T_CreateTrigStmt:
		case T_RuleStmt:
		case T_RenameStmt:
		case T_AlterObjectSchemaStmt:
		case T_DropStmt:
		case T_CopyStmt:
			break;
		case T_VariableSetStmt:
			refuse_reset((VariableSetStmt *) stmt);
			return;
		default:
			return;
	}
	if (!steward_is_created() || creating_extension || IsBinaryUpgrade || ledger_restoring())
		return;
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			refuse_if_sealed(((AlterTableStmt *) stmt)->relation, "ALTER TABLE");
			break;
		case T_CreateTrigStmt:
			refuse_if_sealed(((CreateTrigStmt *) stmt)->relation, "CREATE TRIGGER");
			break;
		case T_RuleStmt:
			refuse_if_sealed(((RuleStmt *) stmt)->relation, "CREATE RULE");
			break;
		case T_RenameStmt:
			refuse_if_sealed(((RenameStmt *) stmt)->relation, "RENAME");
			break;
		case T_AlterObjectSchemaStmt:
			refuse_if_sealed(((AlterObjectSchemaStmt *) stmt)->relation, "SET SCHEMA");
			break;
		case T_DropStmt:
			refuse_drop((DropStmt *) stmt);
			break;
		default:
			if (((CopyStmt *) stmt)->is_from)
				refuse_if_sealed(((CopyStmt *) stmt)->relation, "COPY");
			break;
	}
}

/* Does the plan write anything that would have to be looked at? */
static bool
is_to_be_watched(const QueryDesc *desc, int eflags)
{
	return desc->plannedstmt->resultRelations != NIL && (eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0 &&
		!creating_extension && !IsBinaryUpgrade && steward_is_created();
}

/* See registry.h: what a plan writes. */
void
registry_executor_start(QueryDesc *desc, int eflags)
{
	PlannedStmt *plan = desc->plannedstmt;
	ListCell   *lc;

	if (writing || !is_to_be_watched(desc, eflags))
		return;
	foreach(lc, plan->resultRelations)
	{
		Oid			relid = rt_fetch(lfirst_int(lc), plan->rtable)->relid;

		if (is_sealed(relid) && !ledger_restoring())
			refuse(desc->operation == CMD_INSERT ? "INSERT" :
				   desc->operation == CMD_UPDATE ? "UPDATE" :
				   desc->operation == CMD_DELETE ? "DELETE" : "a change", relid,
				   "The functions of pg_steward change it.");
	}
}

/*
 * Notes that somebody writes a system catalog by hand.  Whoever was given that
 * right need not have one to write the change log.
 */
static void
note_catalog_change(Oid relid, CmdType operation)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[2];
	Oid			user;
	int			context;

	if (RecoveryInProgress() || XactReadOnly)
		return;
	values[0] = CStringGetTextDatum(get_rel_name(relid));
	values[1] = CStringGetTextDatum(operation == CMD_INSERT ? "insert" :
									operation == CMD_UPDATE ? "update" :
									operation == CMD_DELETE ? "delete" : "change");
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT steward.record_change('system catalog', $1, $2)",
							  2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "the change of a system catalog could not be noted");
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

/* See registry.h: what a plan writes, now that it is known to be permitted. */
void
registry_executor_started(QueryDesc *desc, int eflags)
{
	PlannedStmt *plan = desc->plannedstmt;
	ListCell   *lc;

	if (!is_to_be_watched(desc, eflags))
		return;
	foreach(lc, plan->resultRelations)
	{
		Oid			relid = rt_fetch(lfirst_int(lc), plan->rtable)->relid;

		if (IsCatalogRelationOid(relid))
			note_catalog_change(relid, desc->operation);
	}
}

STEWARD_FUNCTION(steward_is_restoring);

/* is_restoring(): may this session fill our tables as a dump says? */
Datum
steward_is_restoring(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ledger_restoring());
}

/* ------------------------------------------------------------------------
 * Our own road
 * ------------------------------------------------------------------------
 */

/*
 * Begins what a function of this room does.  Not within stored SQL: a gate
 * moves nothing.
 */
void
registry_begin(const char *what)
{
	if (steward_is_acting_as())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be called by a gate or a test", what)));
	result_context = CurrentMemoryContext;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
registry_end(void)
{
	SPI_finish();
}

static uint64
execute(const char *sql, int n, const char *const *args)
{
	Oid			types[MAX_ARGS];
	Datum		values[MAX_ARGS];
	char		nulls[MAX_ARGS] = {0};
	int			result;

	Assert(n <= MAX_ARGS);
	for (int i = 0; i < n; i++)
	{
		types[i] = TEXTOID;
		nulls[i] = args[i] == NULL ? 'n' : ' ';
		values[i] = args[i] == NULL ? (Datum) 0 : CStringGetTextDatum(args[i]);
	}
	result = SPI_execute_with_args(sql, n, types, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "the registry could not run a statement: %s", SPI_result_code_string(result));
	return SPI_processed;
}

/* Runs a statement; returns the number of rows. */
uint64
registry_execute(const char *sql, int n, const char *const *args)
{
	return execute(sql, n, args);
}

/* The same, for one that writes a sealed table. */
uint64
registry_write(const char *sql, int n, const char *const *args)
{
	uint64		rows;
	bool		outer = writing;

	PreventCommandIfReadOnly("a change of the registry");
	PG_TRY();
	{
		writing = true;
		rows = execute(sql, n, args);
	}
	PG_FINALLY();
	{
		writing = outer;
	}
	PG_END_TRY();
	return rows;
}

/* A value of the last result as text, or NULL. */
char *
registry_value(uint64 row, int column)
{
	char	   *value;

	if (SPI_tuptable == NULL || row >= SPI_processed)
		return NULL;
	value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
	return value == NULL ? NULL : MemoryContextStrdup(result_context, value);
}

/* ------------------------------------------------------------------------
 * Checks that the functions share
 * ------------------------------------------------------------------------
 */

/* Raises unless the acting person has one of the roles. */
void
registry_require(StewardRole role, StewardRole other, StewardRole third)
{
	steward_require_preload();
	if (!steward_subject_has(role) && !steward_subject_has(other) && !steward_subject_has(third))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not do this", GetUserNameFromId(steward_outer_user(), false)),
				 errhint("It takes the rights of role \"%s\".", steward_role_name(role))));
}

/*
 * Raises unless the client's own statement calls the function: nobody's view
 * or trigger approves in the name of the person who happens to run it.
 */
void
registry_require_own_statement(const char *function)
{
	registry_execute("SELECT steward.require_own_statement($1)", 1, &function);
}

/*
 * Who acts, by name: the subject of the token, else the role outside of any
 * SECURITY DEFINER function, for superusers too.
 */
const char *
registry_subject(void)
{
	if (access_token_issuer() != NULL)
		return access_subject_name();
	return GetUserNameFromId(steward_outer_user(), false);
}

/* A text argument, or NULL. */
char *
registry_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

void
registry_check_reason(const char *what, const char *reason, bool required)
{
	const char *args[] = {what, reason, required ? "true" : "false"};

	registry_execute("SELECT steward.check_text($1, $2, " CppAsString2(MAX_REASON_CHARACTERS) ", $3::pg_catalog.bool)",
					 lengthof(args), args);
}

void
registry_require_version(const char *model, const char *version)
{
	const char *args[] = {model, version};

	registry_execute("SELECT steward.require_version($1, $2)", lengthof(args), args);
}

/* Who changes a model's stages, deployments or approvals does so alone. */
void
registry_lock_model(const char *model)
{
	registry_execute("SELECT FROM steward.model WHERE name OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE", 1, &model);
}

STEWARD_FUNCTION(steward_note_registrant);

/* note_registrant(): trigger of model_version. */
Datum
steward_note_registrant(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const char *args[6];

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("note_registrant() is a trigger of rows that are inserted")));
	if (ledger_restoring())
		return PointerGetDatum(NULL);
	registry_begin("register_version()");
	args[0] = SPI_getvalue(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation), 1);
	args[1] = SPI_getvalue(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation), 2);
	args[2] = GetUserNameFromId(GetAuthenticatedUserId(), false);
	args[3] = GetUserNameFromId(GetSessionUserId(), false);
	args[5] = access_token_issuer();
	args[4] = args[5] == NULL ? NULL : access_subject_name();
	registry_write("INSERT INTO steward.version_registrant (model, version, login_role, session_role, token_subject, token_issuer) "
				   "VALUES ($1, $2, $3, $4, $5, $6)", lengthof(args), args);
	registry_end();
	return PointerGetDatum(NULL);
}
