/*-------------------------------------------------------------------------
 *
 * admission.c
 *	  Whether the subject may use a model's version: log its inferences, read
 *	  its artefacts.
 *
 * Asked once an inference, so what was found is kept, for the life of the
 * session: a version never changes nor goes once it is registered.  Anything
 * that reaches the table as a whole (a drop of the extension, TRUNCATE), and
 * every change of grants and quarantines, forgets it.
 *
 * A quarantine stops everybody.  Grants concern everybody but superusers and
 * roles with BYPASSRLS, who are beyond governance elsewhere, too.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "audit/audit.h"
#include "mb/pg_wchar.h"
#include "registry/registry_internal.h"
#include "utils/acl.h"
#include "utils/array.h"
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

/* Columns of model_quarantine and model_grant, in the order of registry_grant. */
#define Anum_quarantine_version		2
#define Anum_grant_to_role			2
#define Anum_grant_purposes			3
#define Anum_grant_operations		4

typedef struct KnownVersion
{
	char		key[2 * MAX_NAME_LENGTH];	/* model, a line feed, version: names
											 * hold no control characters */
	bool		granted;		/* the model is restricted to whom it was
								 * granted */
} KnownVersion;

static HTAB *known = NULL;
static bool known_valid = false;

static void
forget(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known() ||
		relid == steward_known_table(TABLE_MODEL_VERSION) ||
		relid == steward_known_table(TABLE_MODEL_GRANT) ||
		relid == steward_known_table(TABLE_MODEL_RESTRICTION) ||
		relid == steward_known_table(TABLE_MODEL_QUARANTINE))
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

/* ------------------------------------------------------------------------
 * Quarantine and grants
 * ------------------------------------------------------------------------
 */

/* A scan of what one of our tables says of a model, by the newest state. */
typedef struct ModelScan
{
	Relation	rel;
	Snapshot	snapshot;
	SysScanDesc scan;
} ModelScan;

static void
scan_begin(ModelScan *scan, StewardTable table, const char *model)
{
	ScanKeyData key;

	scan->rel = table_open(steward_table(table), AccessShareLock);
	scan->snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(model));
	key.sk_collation = TupleDescAttr(RelationGetDescr(scan->rel), 0)->attcollation;
	scan->scan = systable_beginscan(scan->rel, steward_index(table), true, scan->snapshot, 1, &key);
}

static void
scan_end(ModelScan *scan)
{
	systable_endscan(scan->scan);
	UnregisterSnapshot(scan->snapshot);
	table_close(scan->rel, AccessShareLock);
}

static Datum
column(ModelScan *scan, HeapTuple tuple, AttrNumber attno, bool *isnull)
{
	return heap_getattr(tuple, attno, RelationGetDescr(scan->rel), isnull);
}

/* Is the version, or all of the model, stopped? */
static bool
is_quarantined(const char *model, const char *version)
{
	ModelScan	scan;
	HeapTuple	tuple;
	bool		found = false;

	if (!steward_has_table(TABLE_MODEL_QUARANTINE))
		return false;
	scan_begin(&scan, TABLE_MODEL_QUARANTINE, model);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
	{
		bool		isnull;
		Datum		stopped = column(&scan, tuple, Anum_quarantine_version, &isnull);

		found = isnull || (version != NULL && strcmp(TextDatumGetCString(stopped), version) == 0);
	}
	scan_end(&scan);
	return found;
}

/* May only those use the model to whom it was granted? */
static bool
is_restricted(const char *model)
{
	ModelScan	scan;
	bool		found;

	if (!steward_has_table(TABLE_MODEL_RESTRICTION))
		return false;
	scan_begin(&scan, TABLE_MODEL_RESTRICTION, model);
	found = HeapTupleIsValid(systable_getnext(scan.scan));
	scan_end(&scan);
	return found;
}

/* Does a list hold a text? */
static bool
list_holds(Datum list, const char *item)
{
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(list), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i] && strcmp(TextDatumGetCString(elems[i]), item) == 0)
			return true;
	return false;
}

/*
 * Is the operation granted to the subject for its purpose?  *purposes: it is
 * granted, but for other purposes.
 */
static bool
is_granted(const char *model, const char *operation, const char *purpose, bool *purposes)
{
	Oid			subject = access_subject();
	ModelScan	scan;
	HeapTuple	tuple;
	bool		granted = false;

	*purposes = false;
	scan_begin(&scan, TABLE_MODEL_GRANT, model);
	while (!granted && HeapTupleIsValid(tuple = systable_getnext(scan.scan)))
	{
		bool		isnull;
		Oid			role = DatumGetObjectId(column(&scan, tuple, Anum_grant_to_role, &isnull));
		Datum		list;

		if (OidIsValid(role) && !has_privs_of_role(subject, role))
			continue;
		if (!list_holds(column(&scan, tuple, Anum_grant_operations, &isnull), operation))
			continue;
		list = column(&scan, tuple, Anum_grant_purposes, &isnull);
		granted = isnull || (purpose != NULL && list_holds(list, purpose));
		if (!granted)
			*purposes = true;
	}
	scan_end(&scan);
	return granted;
}

/*
 * Raises unless the subject may use the model, which is restricted.  claimed is
 * the purpose that an inference is said to serve, or NULL.
 */
static void
require_grant(const char *model, const char *operation, const char *claimed)
{
	const char *purpose;
	bool		other_purposes;

	if (steward_bypasses(access_subject()))
		return;
	purpose = access_purpose();
	if (claimed != NULL && (purpose == NULL || strcmp(claimed, purpose) != 0))
		purpose = NULL;
	if (is_granted(model, operation, purpose, &other_purposes))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 strcmp(operation, "read") == 0 ?
			 errmsg("role \"%s\" may not read model \"%s\"", GetUserNameFromId(access_subject(), false), model) :
			 errmsg("role \"%s\" may not infer with model \"%s\"", GetUserNameFromId(access_subject(), false), model),
			 other_purposes ?
			 errhint("It may for other purposes: SET steward.purpose.") :
			 errhint("An officer grants it with steward.grant_model().")));
}

pg_noreturn static void
refuse_quarantined(const char *model, const char *version)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("version \"%s\" of model \"%s\" is quarantined", version, model),
			 errhint("An officer ends that with steward.release().")));
}

/* See registry.h. */
void
registry_admit_inference(const char *model, const char *version, const char *purpose, int mode)
{
	const char *names[] = {model, version};
	char		key[sizeof(((KnownVersion *) 0)->key)];
	KnownVersion *entry;
	bool		granted;
	bool		ours = true;
	bool		registered;

	if (model == NULL || version == NULL ||
		strlen(model) >= MAX_NAME_LENGTH || strlen(version) >= MAX_NAME_LENGTH)
	{
		if (mode != INFERENCE_REGISTRY_OFF)
			complain(mode == INFERENCE_REGISTRY_WARN ? WARNING : ERROR, model, version);
		return;
	}
	AcceptInvalidationMessages();
	if (known == NULL || !known_valid || hash_get_num_entries(known) > MAX_KNOWN_VERSIONS)
	{
		HASHCTL		ctl = {.keysize = sizeof(key),.entrysize = sizeof(KnownVersion)};

		if (known != NULL)
			hash_destroy(known);
		known = hash_create("registered versions", 64, &ctl, HASH_ELEM | HASH_STRINGS);
		known_valid = true;
	}
	snprintf(key, sizeof(key), "%s\n%s", model, version);
	entry = hash_search(known, key, HASH_FIND, NULL);
	if (entry != NULL)
		granted = entry->granted;
	else
	{
		registered = is_registered(TABLE_MODEL_VERSION, names, lengthof(names), &ours);
		if (!registered && mode != INFERENCE_REGISTRY_OFF)
			complain(mode == INFERENCE_REGISTRY_WARN ? WARNING : ERROR, model, version);
		if (is_quarantined(model, version))
			refuse_quarantined(model, version);
		granted = is_restricted(model);

		/* A rollback of what changed grants here invalidates them, too. */
		if (registered && known_valid && !ours)
		{
			entry = hash_search(known, key, HASH_ENTER, NULL);
			entry->granted = granted;
		}
	}
	if (granted)
		require_grant(model, "infer", purpose);
}

STEWARD_FUNCTION(steward_admit_use);

/* admit_use(model, version, operation): raises unless the subject may. */
Datum
steward_admit_use(PG_FUNCTION_ARGS)
{
	char	   *model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *version = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *operation = text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (is_quarantined(model, version))
		refuse_quarantined(model, version);
	if (is_restricted(model))
		require_grant(model, operation, NULL);
	else if (!steward_subject_has(STEWARD_ENGINEER) && !steward_subject_has(STEWARD_SERVICE) &&
			 !steward_subject_has(STEWARD_OFFICER) && !steward_subject_has(STEWARD_AUDITOR))
		registry_require(STEWARD_ENGINEER, STEWARD_SERVICE, STEWARD_ADMIN);
	PG_RETURN_VOID();
}

/* Called once, while libraries are preloaded. */
void
registry_init(void)
{
	static const AuditQuestions answers = {.admit_inference = registry_admit_inference};

	steward_watch_relations(forget);
	run_init();
	audit_ask(&answers);
}
