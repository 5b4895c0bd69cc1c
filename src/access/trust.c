/*-------------------------------------------------------------------------
 *
 * trust.c
 *	  Trusted views and functions, and the label provider "steward".
 *
 * Trust is a security label on the object itself, so PostgreSQL carries it:
 * it follows a rename, goes with a drop, survives dump, restore and upgrade.
 * Through a trusted view or function its owner is the subject.  A function
 * that a superuser trusts may also stand in policies.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access_internal.h"
#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/mask.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_seclabel.h"
#include "commands/seclabel.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#define PROVIDER "steward"

/* Labels of trusted objects. */
#define LABEL_TRUSTED				"trusted"
#define LABEL_TRUSTED_IN_POLICIES	"trusted, in policies"

typedef struct TrustEntry
{
	Oid			objid;			/* hash key; OIDs of pg_class and pg_proc may
								 * collide */
	bool		is_view;
	bool		is_function;
	bool		in_policies;
} TrustEntry;

/* All trusted objects of the database; NULL: to be read. */
static HTAB *trusted = NULL;
static bool trusted_valid = false;

static void
note_trust(Oid classid, Oid objid, const char *label)
{
	TrustEntry *entry;
	bool		found;

	if (strcmp(label, LABEL_TRUSTED) != 0 && strcmp(label, LABEL_TRUSTED_IN_POLICIES) != 0)
		return;
	entry = hash_search(trusted, &objid, HASH_ENTER, &found);
	if (!found)
		entry->is_view = entry->is_function = entry->in_policies = false;
	if (classid == RelationRelationId)
		entry->is_view = true;
	else if (classid == ProcedureRelationId)
	{
		entry->is_function = true;
		entry->in_policies = strcmp(label, LABEL_TRUSTED_IN_POLICIES) == 0;
	}
}

/* Reads the labels of all trusted objects. */
static void
read_trusted(void)
{
	HASHCTL		ctl = {0};
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tup;

	if (trusted != NULL)
		hash_destroy(trusted);
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(TrustEntry);
	trusted = hash_create("pg_steward trusted objects", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	trusted_valid = true;

	rel = table_open(SecLabelRelationId, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		FormData_pg_seclabel *form = (FormData_pg_seclabel *) GETSTRUCT(tup);
		TupleDesc	desc = RelationGetDescr(rel);
		bool		isnull;

		if (form->objsubid != 0 ||
			strcmp(TextDatumGetCString(heap_getattr(tup, Anum_pg_seclabel_provider, desc, &isnull)), PROVIDER) != 0)
			continue;
		note_trust(form->classoid, form->objoid,
				   TextDatumGetCString(heap_getattr(tup, Anum_pg_seclabel_label, desc, &isnull)));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static TrustEntry *
find_trusted(Oid objid)
{
	if (!OidIsValid(objid) || objid < FirstNormalObjectId ||
		!IsTransactionState() || !steward_is_created())
		return NULL;
	if (!trusted_valid)
		read_trusted();
	return hash_get_num_entries(trusted) == 0 ? NULL :
		hash_search(trusted, &objid, HASH_FIND, NULL);
}

/* Is the view trusted?  Then its owner acts through it. */
bool
trust_view(Oid viewid, Oid *owner)
{
	TrustEntry *entry = find_trusted(viewid);
	HeapTuple	tup;

	if (entry == NULL || !entry->is_view)
		return false;
	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(viewid));
	if (!HeapTupleIsValid(tup))
		return false;
	*owner = ((Form_pg_class) GETSTRUCT(tup))->relowner;
	ReleaseSysCache(tup);
	return true;
}

/* Is the function trusted?  Then its owner acts through it. */
bool
trust_function(Oid funcid, Oid *owner)
{
	TrustEntry *entry = find_trusted(funcid);
	HeapTuple	tup;

	if (entry == NULL || !entry->is_function)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tup))
		return false;
	*owner = ((Form_pg_proc) GETSTRUCT(tup))->proowner;
	ReleaseSysCache(tup);
	return true;
}

/* Is any object trusted? */
bool
trust_any(void)
{
	if (!trusted_valid)
		read_trusted();
	return hash_get_num_entries(trusted) > 0;
}

/*
 * May the function stand in policies?  Only while a superuser owns it: it is
 * handed every row, hidden ones too, and its owner can replace it.
 */
bool
trust_in_expressions(Oid funcid)
{
	TrustEntry *entry = find_trusted(funcid);
	Oid			owner;

	return entry != NULL && entry->in_policies &&
		trust_function(funcid, &owner) && superuser_arg(owner);
}

/* ------------------------------------------------------------------------
 * Trusted functions: the owner acts while they run
 * ------------------------------------------------------------------------
 */

/* Must calls of the function be watched (and not be inlined)? */
bool
access_watches_function(Oid funcid)
{
	TrustEntry *entry = find_trusted(funcid);

	return entry != NULL && entry->is_function;
}

/*
 * A call of a function begins, or ends, well or not.  *acts keeps what was
 * decided at the beginning until the end.
 */
void
access_function_event(FmgrHookEventType event, Oid funcid, bool *acts)
{
	Oid			owner;

	switch (event)
	{
		case FHET_START:
			*acts = trust_function(funcid, &owner);
			if (*acts)
				subject_push(owner);
			break;
		case FHET_END:
		case FHET_ABORT:
			if (*acts)
				subject_pop();
			*acts = false;
			break;
	}
}

/* ------------------------------------------------------------------------
 * Label provider
 * ------------------------------------------------------------------------
 */

/*
 * Checks a label that somebody sets with SECURITY LABEL FOR steward.  Labels
 * on roles tell the extension's own roles from others' and take a superuser;
 * labels on views and functions mean trust and take an administrator.
 */
static void
check_label(const ObjectAddress *object, const char *label)
{
	Oid			subject = access_subject();
	bool		trusts = label == NULL || strcmp(label, LABEL_TRUSTED) == 0;

	switch (object->classId)
	{
		case AuthIdRelationId:
			if (!superuser_arg(subject))
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("must be superuser to set a label of provider \"%s\" on a role", PROVIDER)));
			if (label != NULL && strcmp(label, STEWARD_ROLE_LABEL) != 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("label \"%s\" of provider \"%s\" is not valid on a role",
								label, PROVIDER),
						 errhint("CREATE EXTENSION labels the roles of pg_steward; no other role takes a label.")));
			return;
		case RelationRelationId:
			if (object->objectSubId > 0)
			{
				mask_check_label(object, label);
				return;
			}
			if (object->objectSubId == 0 && get_rel_relkind(object->objectId) == RELKIND_VIEW && trusts)
				break;
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("label \"%s\" of provider \"%s\" is not valid on \"%s\"",
							label ? label : "", PROVIDER, get_rel_name(object->objectId)),
					 errhint("A view takes the label \"%s\"; see steward.trust().", LABEL_TRUSTED)));
			break;
		case ProcedureRelationId:
			if (trusts)
				break;
			if (strcmp(label, LABEL_TRUSTED_IN_POLICIES) == 0)
			{
				if (!superuser_arg(subject))
					ereport(ERROR,
							(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							 errmsg("must be superuser to trust a function in policies")));
				break;
			}
			/* FALLTHROUGH */
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("label \"%s\" of provider \"%s\" is not valid on this object",
							label ? label : "", PROVIDER),
					 errhint("Labels of this provider are set by steward.trust().")));
	}

	second_person_check_label(object, label == NULL, label != NULL);
	if (label != NULL && object->objectId < FirstNormalObjectId)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("objects of the system cannot be trusted"),
				 errhint("Write a function or view of your own over it.")));
	if (label != NULL && object->classId == ProcedureRelationId &&
		get_func_prokind(object->objectId) == PROKIND_AGGREGATE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate function \"%s\" cannot be trusted", get_func_name(object->objectId)),
				 errdetail("PostgreSQL calls its parts, which have owners of their own.")));
	if (!steward_is_admin(subject))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not trust an object", GetUserNameFromId(subject, false)),
				 errhint("It takes the rights of role \"%s\".", steward_role_name(STEWARD_ADMIN))));
	if (steward_is_created())
	{
		trusted_valid = false;
		governance_changed(steward_table(TABLE_PROTECTED_RELATION));
		history_touch(HISTORY_TRUSTED_OBJECT);
	}
}

STEWARD_FUNCTION(steward_set_trust);

/*
 * set_trust(classid, objid, label): sets or, with NULL, removes the label.
 * The SQL functions trust() and distrust() have found the object.
 */
Datum
steward_set_trust(PG_FUNCTION_ARGS)
{
	ObjectAddress address;
	char	   *label = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("class and object must not be null")));
	ObjectAddressSet(address, PG_GETARG_OID(0), PG_GETARG_OID(1));
	if ((address.classId != RelationRelationId && address.classId != ProcedureRelationId) ||
		!SearchSysCacheExists1(address.classId == RelationRelationId ? RELOID : PROCOID,
							   ObjectIdGetDatum(address.objectId)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("object %u of catalog %u is no view or function",
						address.objectId, address.classId)));
	check_label(&address, label);
	SetSecurityLabel(&address, PROVIDER, label);
	PG_RETURN_VOID();
}

/* Labels and dropped objects are heard of through our own marker table. */
static void
forget_trusted(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || !steward_is_known() ||
		relid == steward_known_table(TABLE_PROTECTED_RELATION))
		trusted_valid = false;
}

/* Registers the provider.  Called at server start. */
void
trust_init(void)
{
	register_label_provider(PROVIDER, check_label);
	steward_watch_relations(forget_trusted);
}
