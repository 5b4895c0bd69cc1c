/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Settings that belong to no single room.
 *
 * A room that owns a setting defines it itself (steward.purpose: access).
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/common.h"
#include "miscadmin.h"
#include "utils/builtins.h"

int			steward_on_no_policy = ON_NO_POLICY_ERROR;
bool		steward_adopt_roles = false;

static bool preloaded = false;

static const struct config_enum_entry on_no_policy_options[] = {
	{"error", ON_NO_POLICY_ERROR, false},
	{"empty", ON_NO_POLICY_EMPTY, false},
	{NULL, 0, false}
};

/* Defines the common settings.  Called once, while libraries are preloaded. */
void
settings_init(void)
{
	preloaded = true;

	DefineCustomBoolVariable("steward.adopt_roles",
							 "Lets CREATE EXTENSION take over roles that bear the names of pg_steward's roles.",
							 "A role of such a name that can log in, has attributes or has members "
							 "would otherwise stop CREATE EXTENSION.",
							 &steward_adopt_roles,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomEnumVariable("steward.on_no_policy",
							 "What a statement meets on a governed table where no allowing policy applies.",
							 "\"error\" fails the statement, \"empty\" shows no rows.",
							 &steward_on_no_policy,
							 ON_NO_POLICY_ERROR, on_no_policy_options,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
}

/* Raises an error unless the library was loaded at server start. */
void
steward_require_preload(void)
{
	if (!preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_steward must be loaded via \"shared_preload_libraries\""),
				 errhint("Add pg_steward to \"shared_preload_libraries\" in postgresql.conf and restart the server.")));
}

STEWARD_FUNCTION(steward_require_preload_sql);

/* require_preload(): the first statement of the install script. */
Datum
steward_require_preload_sql(PG_FUNCTION_ARGS)
{
	steward_require_preload();
	PG_RETURN_VOID();
}

STEWARD_FUNCTION(steward_library_version);

/* library_version(): the version of the loaded library. */
Datum
steward_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(STEWARD_VERSION));
}

STEWARD_FUNCTION(steward_library_enforces);

/* library_enforces(): was the library loaded at server start? */
Datum
steward_library_enforces(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(preloaded);
}
