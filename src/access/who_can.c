/*-------------------------------------------------------------------------
 *
 * who_can.c
 *	  Who sees what of a relation: who_can_access().
 *
 * Asks, for each role and each of its purposes, what explain_access() asks
 * for one.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/explain.h"
#include "access/genam.h"
#include "access/history.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#define Anum_purpose_grant_to_role		2

/* A role that is asked about. */
typedef struct Candidate
{
	Oid			roleid;
	char	   *name;
} Candidate;

/* The roles to whom purposes are granted by name, or were at the moment. */
static List *
grantees_of_purposes(TimestampTz at)
{
	List	   *roles = NIL;
	FactScan   *scan;
	HeapTuple	tup;

	scan = facts_begin(past_at(at), TABLE_PURPOSE_GRANT, 0, NULL);
	while (HeapTupleIsValid(tup = facts_next(scan)))
	{
		bool		isnull;

		roles = list_append_unique_oid(roles, DatumGetObjectId(heap_getattr(tup, Anum_purpose_grant_to_role,
																			facts_desc(scan), &isnull)));
	}
	facts_end(scan);
	return roles;
}

/* The roles to whom privileges on the relation as a whole are granted by name. */
static List *
grantees_of_relation(Relation rel)
{
	List	   *roles = list_make1_oid(rel->rd_rel->relowner);
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(RelationGetRelid(rel)));
	bool		isnull;
	Datum		d;

	if (!HeapTupleIsValid(tup))
		return roles;
	d = SysCacheGetAttr(RELOID, tup, Anum_pg_class_relacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclPCopy(d);

		for (int i = 0; i < ACL_NUM(acl); i++)
			roles = list_append_unique_oid(roles, ACL_DAT(acl)[i].ai_grantee);
	}
	ReleaseSysCache(tup);
	return roles;
}

static int
compare_candidates(const ListCell *a, const ListCell *b)
{
	return strcmp(((Candidate *) lfirst(a))->name, ((Candidate *) lfirst(b))->name);
}

/*
 * The roles that may be somebody: they can log in, or purposes or privileges
 * on the relation are granted to them by name.
 */
static List *
candidates(Relation rel, TimestampTz at)
{
	List	   *named = list_concat_unique_oid(grantees_of_purposes(at), grantees_of_relation(rel));
	Relation	authid = table_open(AuthIdRelationId, AccessShareLock);
	List	   *result = NIL;
	SysScanDesc scan;
	HeapTuple	tup;

	scan = systable_beginscan(authid, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_authid role = (Form_pg_authid) GETSTRUCT(tup);

		if (role->rolcanlogin || list_member_oid(named, role->oid))
		{
			Candidate  *candidate = palloc(sizeof(Candidate));

			candidate->roleid = role->oid;
			candidate->name = pstrdup(NameStr(role->rolname));
			result = lappend(result, candidate);
		}
	}
	systable_endscan(scan);
	table_close(authid, AccessShareLock);
	list_sort(result, compare_candidates);
	return result;
}

/* Has the role the privilege for the command, on the relation or a column? */
static bool
has_privilege(Oid relid, Oid roleid, int command)
{
	AclMode		mode = command == COMMAND_SELECT ? ACL_SELECT :
	command == COMMAND_INSERT ? ACL_INSERT :
	command == COMMAND_UPDATE ? ACL_UPDATE : ACL_DELETE;

	return pg_class_aclcheck(relid, roleid, mode) == ACLCHECK_OK ||
		(command != COMMAND_DELETE &&
		 pg_attribute_aclcheck_all(relid, roleid, mode, ACLMASK_ANY) == ACLCHECK_OK);
}

static void
emit(const Explanation *explanation, const char *role, const char *rows, const Bitmapset *masked)
{
	Datum		values[5];
	bool		nulls[5] = {0};

	values[0] = CStringGetTextDatum(role);
	nulls[1] = explanation->asked == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(explanation->asked);
	values[2] = CStringGetTextDatum(command_name(explanation->command));
	values[3] = CStringGetTextDatum(rows);
	values[4] = explain_text_array(explain_column_names(explanation->rel, masked));
	tuplestore_putvalues(explanation->out->setResult, explanation->out->setDesc, values, nulls);
}

/* One row, unless nothing is seen. */
static void
answer_command(const Explanation *explanation, const char *role)
{
	Oid			relid = RelationGetRelid(explanation->rel);
	const char *rows = "all";
	Bitmapset  *masked = NULL;

	if (explain_governance(explanation)->sets != NIL && !steward_bypasses(explanation->situation.subject))
	{
		char	   *problem = explain_unreadable(explanation);
		Decision	decision;

		if (problem != NULL)
		{
			emit(explanation, role, psprintf("cannot be told: %s", problem), explain_masked_columns(explanation));
			return;
		}
		decision = explain_rows(explanation);
		if (!decision.admitted || is_bool_const(decision.predicate, false))
			return;
		if (!is_bool_const(decision.predicate, true))
			rows = expression_in_sql(decision.predicate, relid);
		masked = explain_masked_columns(explanation);
	}
	emit(explanation, role, rows, masked);
}

/* One row where the role may break the glass. */
static void
answer_glass(const Explanation *explanation, const char *role)
{
	char	   *rows;

	if (explain_governance(explanation)->sets == NIL)
		return;
	rows = explain_rows_by_glass(explanation);
	if (rows != NULL)
		emit(explanation, role, psprintf("by break-glass: %s", rows), NULL);
}

/*
 * One of these answers; a policy, mask or attribute that cannot be read fails
 * the statements of the role, and is told in its row, not to the one who asks
 * about all.
 */
static void
try_answer(void (*answer) (const Explanation *, const char *), const Explanation *explanation, const char *role)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		answer(explanation, role);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
			ReThrowError(error);
		emit(explanation, role, psprintf("none, statements fail: %s", error->message), NULL);
	}
	PG_END_TRY();
}

/* All rows about one role. */
static void
answer_for(Explanation *explanation, const Candidate *candidate)
{
	Oid			relid = RelationGetRelid(explanation->rel);
	List	   *purposes = list_make1(NULL);
	ListCell   *lc;

	/* Purposes make no difference to those above policies. */
	if (!steward_bypasses(candidate->roleid) && explain_governance(explanation)->sets != NIL)
		purposes = list_concat(purposes, purposes_granted(candidate->roleid, explanation->situation.at));
	explanation->situation.subject = explanation->situation.session = candidate->roleid;
	foreach(lc, purposes)
	{
		explanation->asked = lfirst(lc) == NULL ? NULL : strVal(lfirst(lc));
		explanation->situation.purpose = explanation->asked;
		for (int command = COMMAND_SELECT; command <= COMMAND_DELETE; command <<= 1)
		{
			explanation->command = command;
			if (has_privilege(relid, candidate->roleid, command))
				try_answer(answer_command, explanation, candidate->name);
		}
	}
	explanation->asked = explanation->situation.purpose = NULL;
	explanation->command = COMMAND_SELECT;
	if (has_privilege(relid, candidate->roleid, COMMAND_SELECT))
		try_answer(answer_glass, explanation, candidate->name);
}

STEWARD_FUNCTION(steward_who_can_access);

/* who_can_access(relation, at) */
Datum
steward_who_can_access(PG_FUNCTION_ARGS)
{
	Explanation explanation;
	Past	   *past;
	MemoryContext context;
	MemoryContext old;
	Oid			relid;
	ListCell   *lc;

	steward_require_preload();
	for (int i = 0; i < 2; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("parameter \"%s\" must not be empty", i == 0 ? "relation" : "at")));
	if (!steward_subject_has(STEWARD_ADMIN) && !steward_subject_has(STEWARD_OFFICER) &&
		!steward_subject_has(STEWARD_AUDITOR))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not ask about the access of others",
						GetUserNameFromId(access_subject(), false)),
				 errhint("It takes the rights of role \"steward_admin\", \"steward_officer\" or \"steward_auditor\".")));

	memset(&explanation, 0, sizeof(explanation));
	explanation.situation.at = PG_GETARG_TIMESTAMPTZ(1);

	relid = PG_GETARG_OID(0);
	LockRelationOid(relid, AccessShareLock);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	explanation.rel = relation_open(relid, NoLock);
	explanation.relname = explain_relation_name(explanation.rel);
	if (explanation.rel->rd_rel->relkind != RELKIND_RELATION &&
		explanation.rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE &&
		explanation.rel->rd_rel->relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a table", explanation.relname),
				 errhint("Views are governed by what governs the tables that they read: ask about these.")));

	InitMaterializedSRF(fcinfo, 0);
	explanation.out = (ReturnSetInfo *) fcinfo->resultinfo;
	context = AllocSetContextCreate(CurrentMemoryContext, "who_can_access", ALLOCSET_DEFAULT_SIZES);
	past = past_open(explanation.situation.at);
	PG_TRY();
	{
		explain_look_back(&explanation, past);
		foreach(lc, candidates(explanation.rel, explanation.situation.at))
		{
			CHECK_FOR_INTERRUPTS();
			old = MemoryContextSwitchTo(context);
			answer_for(&explanation, lfirst(lc));
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
	}
	PG_FINALLY();
	{
		past_close(past);
	}
	PG_END_TRY();
	MemoryContextDelete(context);
	relation_close(explanation.rel, NoLock);
	PG_RETURN_NULL();
}
