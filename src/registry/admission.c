/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  Whether inferences of a model's version may be logged.
 *
 * Asked once an inference, so what was found is kept, for the life of the
 * session: a version never changes nor goes once it is registered.  Anything
 * that reaches the table as a whole (a drop of the extension, TRUNCATE)
 * forgets it.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "audit/audit.h"
#include "mb/pg_wchar.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define MAX_NAME_CHARACTERS 200
#define MAX_NAME_LENGTH		(MAX_NAME_CHARACTERS * MAX_MULTIBYTE_CHAR_LEN + 1)
#define MAX_KNOWN_VERSIONS	10000

typedef struct KnownVersion
{
	char		key[2 * MAX_NAME_LENGTH];	/* model, a line feed, version: names
											 * hold no control characters */
} KnownVersion;

static HTAB *known = NULL;
static bool known_valid = false;

static void
forget(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known() ||
		relid == steward_known_table(TABLE_MODEL_VERSION))
		known_valid = false;
}

/*
 * Does the table hold a row of this key, by the newest committed state or that
 * of our own transaction?  *ours: it is of our own, and may yet be gone.
 */
static bool
is_registered(StewardTable table, const char **names, int n, bool *ours)
{
	Relation	rel = table_open(steward_table(table), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	for (int i = 0; i < n; i++)
	{
		ScanKeyInit(&keys[i], i + 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(names[i]));
		keys[i].sk_collation = TupleDescAttr(RelationGetDescr(rel), i)->attcollation;
	}
	scan = systable_beginscan(rel, steward_index(table), true, snapshot, n, keys);
	tuple = systable_getnext(scan);
	*ours = HeapTupleIsValid(tuple) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/* Raises or warns that the version is not registered; says what is missing. */
static void
complain(int level, const char *model, const char *version)
{
	bool		ours;

	if (model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null"),
				 errhint("Name a registered model.")));
	if (!is_registered(TABLE_MODEL, &model, 1, &ours))
		ereport(level,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%.*s\" is not registered",
						pg_mbcharcliplen(model, strlen(model), MAX_NAME_CHARACTERS), model),
				 errhint("Register it with steward.register_model().")));
	else if (version == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("version of model \"%s\" must not be null", model),
				 errhint("Name a registered version of the model.")));
	else
		ereport(level,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version \"%.*s\" of model \"%s\" is not registered",
						pg_mbcharcliplen(version, strlen(version), MAX_NAME_CHARACTERS), version, model),
				 errhint("Register it with steward.register_version().")));
}

/* See registry.h. */
void
registry_admit_inference(const char *model, const char *version, int mode)
{
	const char *names[] = {model, version};
	char		key[sizeof(KnownVersion)];
	bool		found;
	bool		ours;

	if (model != NULL && version != NULL &&
		strlen(model) < MAX_NAME_LENGTH && strlen(version) < MAX_NAME_LENGTH)
	{
		if (known == NULL || !known_valid || hash_get_num_entries(known) > MAX_KNOWN_VERSIONS)
		{
			HASHCTL		ctl = {.keysize = sizeof(KnownVersion), .entrysize = sizeof(KnownVersion)};

			if (known != NULL)
				hash_destroy(known);
			known = hash_create("registered versions", 64, &ctl, HASH_ELEM | HASH_STRINGS);
			known_valid = true;
		}
		snprintf(key, sizeof(key), "%s\n%s", model, version);
		(void) hash_search(known, key, HASH_FIND, &found);
		if (found)
			return;
		if (is_registered(TABLE_MODEL_VERSION, names, lengthof(names), &ours))
		{
			if (known_valid && !ours)
				(void) hash_search(known, key, HASH_ENTER, NULL);
			return;
		}
	}
	complain(mode == INFERENCE_REGISTRY_WARN ? WARNING : ERROR, model, version);
}

/* Called once, while libraries are preloaded. */
void
registry_init(void)
{
	static const AuditQuestions answers = {.admit_inference = registry_admit_inference};

	steward_watch_relations(forget);
	audit_ask(&answers);
}
