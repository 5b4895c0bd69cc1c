/*-------------------------------------------------------------------------
 *
 * setting_change.c
 *	  Puts changes of our own settings by superusers into the change log.
 *
 * SET, ALTER SYSTEM, ALTER ROLE and ALTER DATABASE are seen; set_config(),
 * connection options and edited files are not.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "audit/audit_internal.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* What a statement does to a setting, and for whom; NULL: nothing. */
static VariableSetStmt *
setting_of(Node *stmt, const char **whose)
{
	switch (nodeTag(stmt))
	{
		case T_VariableSetStmt:
			*whose = ((VariableSetStmt *) stmt)->is_local ? "transaction" : "session";
			return (VariableSetStmt *) stmt;
		case T_AlterSystemStmt:
			*whose = "server";
			return ((AlterSystemStmt *) stmt)->setstmt;
		case T_AlterRoleSetStmt:
			*whose = "role";
			return ((AlterRoleSetStmt *) stmt)->setstmt;
		case T_AlterDatabaseSetStmt:
			*whose = "database";
			return ((AlterDatabaseSetStmt *) stmt)->setstmt;
		default:
			return NULL;
	}
}

/* Is it one of ours that ordinary users cannot set? */
static bool
is_of_interest(const char *name)
{
	struct config_generic *setting;

	if (name == NULL || pg_strncasecmp(name, "steward.", 8) != 0)
		return false;
	setting = steward_find_guc(name);
	return setting != NULL && setting->context != PGC_USERSET &&
		(setting->flags & GUC_NO_SHOW_ALL) == 0;
}

/* Called after a utility statement that succeeded. */
void
audit_note_setting(PlannedStmt *pstmt)
{
	const char *whose = NULL;
	VariableSetStmt *set = setting_of(pstmt->utilityStmt, &whose);
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum		values[3];
	char		nulls[3] = {' ', ' ', ' '};
	char	   *value;
	bool		pushed = false;

	if (set == NULL || !is_of_interest(set->name) || !steward_is_created() ||
		RecoveryInProgress() || XactReadOnly || audit_state() != AUDIT_ACTIVE ||
		!OidIsValid(audit_table("change_outbox")))
		return;
	value = set->kind == VAR_SET_VALUE ? ExtractSetVariableArgs(set) : NULL;
	values[0] = CStringGetTextDatum(set->name);
	values[1] = CStringGetTextDatum(whose);
	if (value == NULL)
		nulls[2] = 'n';
	else
		values[2] = CStringGetTextDatum(value);
	if (!ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		pushed = true;
	}
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT steward.record_change('setting', $1, CASE WHEN $3 IS NULL THEN 'reset' ELSE 'set' END, NULL, "
							  "pg_catalog.jsonb_build_object('for', $2, 'value', $3))",
							  lengthof(types), types, values, nulls, false, 0) < 0)
		elog(ERROR, "pg_steward: the change of a setting could not be noted");
	SPI_finish();
	if (pushed)
		PopActiveSnapshot();
}
