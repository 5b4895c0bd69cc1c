/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Finds the extension's own schema, tables and functions.
 *
 * OIDs are looked up once a backend and forgotten when a schema changes or
 * relations are invalidated wholesale, so that CREATE EXTENSION and DROP
 * EXTENSION are noticed without a look-up a statement.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#include "common/common.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define MAX_WATCHERS	16

typedef struct OwnTable
{
	const char *table;
	const char *index;			/* the one by which C code searches */
	Oid			table_oid;
	Oid			index_oid;
} OwnTable;

static OwnTable own_tables[STEWARD_TABLE_COUNT] = {
	[TABLE_PROTECTED_RELATION] = {"protected_relation", "protected_relation_pkey"},
	[TABLE_ROW_POLICY] = {"row_policy", "row_policy_pkey"},
	[TABLE_ROW_POLICY_ROLE] = {"row_policy_role", "row_policy_role_pkey"},
	[TABLE_ROW_POLICY_AUTHOR] = {"row_policy_author", "row_policy_author_pkey"},
	[TABLE_PURPOSE] = {"purpose", "purpose_pkey"},
	[TABLE_PURPOSE_GRANT] = {"purpose_grant", "purpose_grant_pkey"},
	[TABLE_ROLE_ATTRIBUTE] = {"role_attribute", "role_attribute_pkey"},
	[TABLE_DDL_ALLOWANCE] = {"ddl_allowance", "ddl_allowance_relation_idx"},
	[TABLE_MODEL] = {"model", "model_pkey"},
	[TABLE_MODEL_VERSION] = {"model_version", "model_version_pkey"},
	[TABLE_COLUMN_MASK] = {"column_mask", "column_mask_pkey"},
	[TABLE_COLUMN_MASK_ROLE] = {"column_mask_role", "column_mask_role_pkey"},
	[TABLE_COLUMN_MASK_AUTHOR] = {"column_mask_author", "column_mask_author_pkey"},
	[TABLE_TAG_MASK] = {"tag_mask", "tag_mask_pkey"},
	[TABLE_TAG_MASK_ROLE] = {"tag_mask_role", "tag_mask_role_pkey"},
	[TABLE_ISSUER] = {"issuer", "issuer_pkey"},
	[TABLE_TOKEN_REQUIREMENT] = {"token_requirement", "token_requirement_pkey"},
	[TABLE_BREAK_GLASS_GRANT] = {"break_glass_grant", "break_glass_grant_pkey"},
	[TABLE_ACCESS_HISTORY_EVENT] = {"access_history_event", "access_history_event_pkey"},
	[TABLE_ACCESS_HISTORY_RELATION] = {"access_history_relation", "access_history_relation_relation_key"},
	[TABLE_MASK_KEY] = {"mask_key", "mask_key_pkey"},
	[TABLE_ENTITY_KEY] = {"entity_key", "entity_key_pkey"},
	[TABLE_LEDGER_TILE] = {"ledger_tile", "ledger_tile_pkey"},
	[TABLE_MODEL_GRANT] = {"model_grant", "model_grant_pkey"},
	[TABLE_MODEL_QUARANTINE] = {"model_quarantine", "model_quarantine_model_version_key"},
	[TABLE_MODEL_RESTRICTION] = {"model_restriction", "model_restriction_pkey"},
	[TABLE_RUN] = {"run", "run_pkey"},
};

static Oid	own_namespace = InvalidOid;
static bool looked_up = false;

/* Functions that were asked for, see steward_function(). */
#define MAX_FUNCTIONS	24
#define MAX_ARGUMENTS	4

typedef struct OwnFunction
{
	NameData	name;
	int			nargs;
	Oid			argtypes[MAX_ARGUMENTS];
	Oid			oid;
} OwnFunction;

static OwnFunction own_functions[MAX_FUNCTIONS];
static int	nfunctions = 0;

static void
forget(Datum arg, int cacheid, uint32 hashvalue)
{
	looked_up = false;
	nfunctions = 0;
}

static void
forget_functions(Datum arg, int cacheid, uint32 hashvalue)
{
	nfunctions = 0;
}

static void
forget_relations(Datum arg, Oid relid)
{
	if (!OidIsValid(relid))
		looked_up = false;
	else if (looked_up && OidIsValid(own_namespace))
	{
		for (int i = 0; i < STEWARD_TABLE_COUNT; i++)
			if (own_tables[i].table_oid == relid || own_tables[i].index_oid == relid)
				looked_up = false;
	}
}

/*
 * Looks everything up once.  The extension counts as created when its last
 * table is there: within CREATE EXTENSION nothing is governed yet.
 */
static void
look_up(void)
{
	bool		complete = true;
	Oid			nsp;

	nsp = get_namespace_oid(STEWARD_SCHEMA, true);
	for (int i = 0; i < STEWARD_TABLE_COUNT; i++)
	{
		OwnTable   *t = &own_tables[i];

		t->table_oid = OidIsValid(nsp) ? get_relname_relid(t->table, nsp) : InvalidOid;
		t->index_oid = OidIsValid(nsp) ? get_relname_relid(t->index, nsp) : InvalidOid;
		if (i < TABLE_COLUMN_MASK &&
			(!OidIsValid(t->table_oid) || !OidIsValid(t->index_oid)))
			complete = false;
	}
	own_namespace = complete ? nsp : InvalidOid;

	/*
	 * While the script runs, look again every time: its own commands send the
	 * invalidations only at their end.
	 */
	looked_up = complete || !OidIsValid(nsp);
}

/* Is the extension created in this database (and its script finished)? */
bool
steward_is_created(void)
{
	if (unlikely(!looked_up))
	{
		if (!IsTransactionState() || !OidIsValid(MyDatabaseId))
			return false;
		look_up();
	}
	return OidIsValid(own_namespace);
}

/* OID of the schema, InvalidOid where the extension is not created. */
Oid
steward_namespace(void)
{
	return steward_is_created() ? own_namespace : InvalidOid;
}

/* OID of one of the extension's tables; raises where it is not created. */
Oid
steward_table(StewardTable table)
{
	if (!steward_is_created())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"pg_steward\" is not created in database \"%s\"",
						get_database_name(MyDatabaseId)),
				 errhint("A superuser creates it with CREATE EXTENSION pg_steward.")));
	return own_tables[table].table_oid;
}

/* OID of the index by which C code searches the table. */
Oid
steward_index(StewardTable table)
{
	(void) steward_table(table);
	return own_tables[table].index_oid;
}

/*
 * Has the SQL of the extension the table?  The library also runs with the SQL
 * of earlier versions.
 */
bool
steward_has_table(StewardTable table)
{
	return steward_is_created() && OidIsValid(own_tables[table].table_oid) &&
		OidIsValid(own_tables[table].index_oid);
}

/*
 * For invalidation callbacks, which must not look anything up: is what was
 * looked up last still good, and which OID had the table then?
 */
bool
steward_is_known(void)
{
	return looked_up;
}

Oid
steward_known_table(StewardTable table)
{
	return own_tables[table].table_oid;
}

/* OID of the function steward.name(argtypes), which must exist. */
Oid
steward_function(const char *name, int nargs, const Oid *argtypes)
{
	OwnFunction *function;
	Oid			oid;

	for (int i = 0; i < nfunctions; i++)
	{
		function = &own_functions[i];
		if (function->nargs == nargs && strcmp(NameStr(function->name), name) == 0 &&
			(nargs == 0 || memcmp(function->argtypes, argtypes, sizeof(Oid) * nargs) == 0))
			return function->oid;
	}

	oid = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						  CStringGetDatum(name),
						  PointerGetDatum(buildoidvector(argtypes, nargs)),
						  ObjectIdGetDatum(steward_namespace()));
	if (!OidIsValid(oid))
		elog(ERROR, "function steward.%s with %d arguments not found", name, nargs);

	/* What the look-up brought news of has been forgotten by now. */
	if (nfunctions < MAX_FUNCTIONS && nargs <= MAX_ARGUMENTS)
	{
		function = &own_functions[nfunctions++];
		namestrcpy(&function->name, name);
		function->nargs = nargs;
		if (nargs > 0)
			memcpy(function->argtypes, argtypes, sizeof(Oid) * nargs);
		function->oid = oid;
	}
	return oid;
}

/*
 * Whoever watches relations, in the order in which they came.  Core has room
 * for ten such callbacks in all, so all of ours are one of them.
 */
static RelcacheCallbackFunction watchers[MAX_WATCHERS];
static int	nwatchers = 0;

static void
tell_watchers(Datum arg, Oid relid)
{
	for (int i = 0; i < nwatchers; i++)
		watchers[i] (arg, relid);
}

/*
 * Has the function called when a relation is invalidated (InvalidOid: all of
 * them are), as CacheRegisterRelcacheCallback() does.  While libraries are
 * preloaded.
 */
void
steward_watch_relations(RelcacheCallbackFunction callback)
{
	if (nwatchers == MAX_WATCHERS)
		elog(FATAL, "too many functions watch relations");
	watchers[nwatchers++] = callback;
}

/* Registers the invalidations.  Called once, while libraries are preloaded. */
void
catalog_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_functions, (Datum) 0);
	CacheRegisterRelcacheCallback(tell_watchers, (Datum) 0);
	steward_watch_relations(forget_relations);
}
