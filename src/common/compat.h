/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The one place that knows PostgreSQL's versions.
 *
 * Supported: 15 to 18.  Everything else in the extension is written against
 * the names defined here or against names that all of them share.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_COMPAT_H
#define STEWARD_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "pg_steward supports PostgreSQL 15 to 18"
#endif

/* Before 16, PGDLLEXPORT does not lift -fvisibility=hidden. */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "catalog/pg_class.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#endif
#include "parser/parse_relation.h"
#include "replication/syncrep.h"
#include "replication/walsender_private.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#if PG_VERSION_NUM < 160000
#include "utils/queryjumble.h"
#endif
#include "utils/wait_event.h"

/* Stands before a declaration from 18 on; pg_attribute_noreturn() is gone. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

#if PG_VERSION_NUM >= 180000
#define STEWARD_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "pg_steward", .version = STEWARD_VERSION)
#else
#define STEWARD_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* build_attrmap_by_name() learned to miss columns in 16. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_ATTRMAP_ARGS , false
#else
#define STEWARD_ATTRMAP_ARGS
#endif

/* Tree walkers are macros that cast since 16; before, their callers cast. */
#if PG_VERSION_NUM < 160000
#define expression_tree_walker(n, w, c) \
	(expression_tree_walker)(n, (bool (*) ()) (w), c)
#define expression_tree_mutator(n, m, c) \
	(expression_tree_mutator)(n, (Node *(*) ()) (m), c)
#define query_tree_walker(q, w, c, f) \
	(query_tree_walker)(q, (bool (*) ()) (w), c, f)
#define query_tree_mutator(q, m, c, f) \
	(query_tree_mutator)(q, (Node *(*) ()) (m), c, f)
#define raw_expression_tree_walker(n, w, c) \
	(raw_expression_tree_walker)(n, (bool (*) ()) (w), c)
#define range_table_entry_walker(r, w, c, f) \
	(range_table_entry_walker)(r, (bool (*) ()) (w), c, f)
#endif

/* Permissions moved from range-table entries to lists of their own in 16. */
static inline AclMode
steward_required_perms(Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	return rte->perminfoindex == 0 ? 0 :
		getRTEPermissionInfo(query->rteperminfos, rte)->requiredPerms;
#else
	return rte->requiredPerms;
#endif
}

/* The columns that the entry reads, offset by FirstLowInvalidHeapAttributeNumber. */
static inline Bitmapset *
steward_selected_columns(Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	return rte->perminfoindex == 0 ? NULL :
		getRTEPermissionInfo(query->rteperminfos, rte)->selectedCols;
#else
	return rte->selectedCols;
#endif
}

/* The columns that the entry reads or writes, offset likewise. */
static inline Bitmapset *
steward_used_columns(Query *query, RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *perms;

	if (rte->perminfoindex == 0)
		return NULL;
	perms = getRTEPermissionInfo(query->rteperminfos, rte);
#else
	RangeTblEntry *perms = rte;
#endif
	return bms_union(perms->selectedCols, bms_union(perms->insertedCols, perms->updatedCols));
}

/*
 * Is a permission missing that the plan asks for, on the relation or (where it
 * is InvalidOid) on any?
 */
static inline bool
steward_lacks_permission(PlannedStmt *plan, Oid relid)
{
	ListCell   *lc;

#if PG_VERSION_NUM >= 160000
	foreach(lc, plan->permInfos)
	{
		RTEPermissionInfo *perms = lfirst_node(RTEPermissionInfo, lc);
		RangeTblEntry *rte = makeNode(RangeTblEntry);

		rte->rtekind = RTE_RELATION;
		rte->relid = perms->relid;
		rte->perminfoindex = 1;
		if ((!OidIsValid(relid) || perms->relid == relid) &&
			!ExecCheckPermissions(list_make1(rte), list_make1(perms), false))
			return true;
	}
#else
	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && rte->requiredPerms != 0 &&
			(!OidIsValid(relid) || rte->relid == relid) &&
			!ExecCheckRTPerms(list_make1(rte), false))
			return true;
	}
#endif
	return false;
}

/* Raises unless the query may read what it reads; checkAsUser is set. */
static inline void
steward_check_query_permissions(Query *query)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecCheckPermissions(query->rtable, query->rteperminfos, true);
#else
	(void) ExecCheckRTPerms(query->rtable, true);
#endif
}

/* Calls back with every relation whose permissions the plan asks for. */
static inline void
steward_foreach_permission(PlannedStmt *plan, void (*callback) (PlannedStmt *, Oid))
{
	ListCell   *lc;

#if PG_VERSION_NUM >= 160000
	foreach(lc, plan->permInfos)
		callback(plan, lfirst_node(RTEPermissionInfo, lc)->relid);
#else
	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && rte->requiredPerms != 0)
			callback(plan, rte->relid);
	}
#endif
}

/* The view of which a sub-select is the expansion; InvalidOid: of none. */
static inline Oid
steward_view_of_subquery(RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 160000
	return rte->relid;
#else
	/* The view's rule keeps its entry for OLD, which users cannot write. */
	if (rte->subquery != NULL && rte->subquery->rtable != NIL)
	{
		RangeTblEntry *old = linitial_node(RangeTblEntry, rte->subquery->rtable);

		if (old->rtekind == RTE_RELATION && old->relkind == RELKIND_VIEW)
			return old->relid;
	}
	return InvalidOid;
#endif
}

static inline LockAcquireResult
steward_lock_acquire(const LOCKTAG *tag, LOCKMODE mode, LOCALLOCK **locallock)
{
#if PG_VERSION_NUM >= 180000
	return LockAcquireExtended(tag, mode, false, false, true, locallock, false);
#else
	return LockAcquireExtended(tag, mode, false, false, true, locallock);
#endif
}

/* A relation that is read with nobody's permissions still has an entry. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_NO_PERMS(query, rte) \
	((void) addRTEPermissionInfo(&(query)->rteperminfos, rte))
#else
#define STEWARD_NO_PERMS(query, rte) ((void) 0)
#endif

/* A relation goes into a sub-select: so do its permissions. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_MOVE_PERMS(query, rte, inner, inner_rte) \
	do { \
		if ((rte)->perminfoindex != 0) \
		{ \
			(inner)->rteperminfos = \
				list_make1(copyObject(getRTEPermissionInfo((query)->rteperminfos, rte))); \
			(inner_rte)->perminfoindex = 1; \
			(rte)->perminfoindex = 0; \
		} \
	} while (0)
#else
#define STEWARD_MOVE_PERMS(query, rte, inner, inner_rte) \
	((rte)->requiredPerms = 0, (rte)->checkAsUser = InvalidOid)
#endif

/*
 * RETURNING OLD and NEW came with 18: an expression that stands in place of a
 * column reads the same row as the column did, and is NULL where that row
 * does not exist.
 */
#if PG_VERSION_NUM >= 180000
typedef struct StewardReturning
{
	int			varno;
	int			sublevels_up;
	VarReturningType type;
} StewardReturning;

static inline bool
steward_set_returning(Node *node, StewardReturning *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno == context->varno && var->varlevelsup == context->sublevels_up)
			var->varreturningtype = context->type;
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		context->sublevels_up++;
		result = query_tree_walker((Query *) node, steward_set_returning, context, 0);
		context->sublevels_up--;
		return result;
	}
	return expression_tree_walker(node, steward_set_returning, context);
}

static inline Expr *
steward_returning(Expr *expr, const Var *var)
{
	StewardReturning context = {var->varno, 0, var->varreturningtype};
	ReturningExpr *returning;

	if (var->varreturningtype == VAR_RETURNING_DEFAULT)
		return expr;
	(void) steward_set_returning((Node *) expr, &context);
	if (IsA(expr, Var))
		return expr;
	returning = makeNode(ReturningExpr);
	returning->retlevelsup = 0;
	returning->retold = var->varreturningtype == VAR_RETURNING_OLD;
	returning->retexpr = expr;
	return (Expr *) returning;
}
#else
#define steward_returning(expr, var) (expr)
#endif

/* MERGE may act on rows of the target that match none of the source, since 17. */
#if PG_VERSION_NUM >= 170000
#define STEWARD_ACTION_SEES_TARGET(action) ((action)->matchKind != MERGE_WHEN_NOT_MATCHED_BY_TARGET)
#else
#define STEWARD_ACTION_SEES_TARGET(action) ((action)->matched)
#endif

/* MERGE keeps its join condition apart since 17. */
#if PG_VERSION_NUM >= 170000
#define STEWARD_MERGE_CONDITION(query) ((query)->mergeJoinCondition)
#else
#define STEWARD_MERGE_CONDITION(query) ((query)->jointree->quals)
#endif
#if PG_VERSION_NUM >= 170000
#define STEWARD_MERGE_JOIN_CONDITION(query, expr) \
	do { \
		Node	   *merge_condition = (query)->mergeJoinCondition; \
		(query)->mergeJoinCondition = (expr); \
	} while (0)
#else
#define STEWARD_MERGE_JOIN_CONDITION(query, expr) ((void) 0)
#endif

/* ExecutorCheckPerms_hook was given the permissions in 16. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_CHECK_PERMS_PARAMS \
	List *rangeTable, List *permInfos, bool ereport_on_violation
#define STEWARD_CHECK_PERMS_ARGS rangeTable, permInfos, ereport_on_violation
#else
#define STEWARD_CHECK_PERMS_PARAMS List *rangeTable, bool ereport_on_violation
#define STEWARD_CHECK_PERMS_ARGS rangeTable, ereport_on_violation
#endif

/* Is the current user owner of the relation? */
static inline bool
steward_owns_relation(Oid relid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, GetUserId());
#else
	return pg_class_ownercheck(relid, GetUserId());
#endif
}

/* Finds a setting by name; NULL where there is none. */
static inline struct config_generic *
steward_find_guc(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return find_option(name, false, true, ERROR);
#else
	struct config_generic **settings = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (pg_strcasecmp(settings[i]->name, name) == 0)
			return settings[i];
	return NULL;
#endif
}

/* Permissions of a statement that is parsed here, with one relation. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_NSITEM_PERMS(nsitem) ((nsitem)->p_perminfo)
#define STEWARD_REQUIRE_PERMS(pstate) \
	ExecCheckPermissions((pstate)->p_rtable, (pstate)->p_rteperminfos, true)
#define STEWARD_COPY_PERMS(query, pstate) \
	((query)->rteperminfos = copyObject((pstate)->p_rteperminfos))
#define STEWARD_QUERY_PERMS(query) linitial_node(RTEPermissionInfo, (query)->rteperminfos)
#else
#define STEWARD_NSITEM_PERMS(nsitem) ((nsitem)->p_rte)
#define STEWARD_REQUIRE_PERMS(pstate) ExecCheckRTPerms((pstate)->p_rtable, true)
#define STEWARD_COPY_PERMS(query, pstate) ((void) 0)
#define STEWARD_QUERY_PERMS(query) linitial_node(RangeTblEntry, (query)->rtable)
#endif

/* Subtransaction that gave the relation the storage that it has now. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_NEW_STORAGE_SUBID(rel) ((rel)->rd_newRelfilelocatorSubid)
#else
#define STEWARD_NEW_STORAGE_SUBID(rel) ((rel)->rd_newRelfilenodeSubid)
#endif

/* Runs a query to its end, forward; execute_once went in 18. */
#if PG_VERSION_NUM >= 180000
#define STEWARD_EXECUTOR_RUN_PARAMS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define STEWARD_EXECUTOR_RUN_ARGS queryDesc, direction, count
#define STEWARD_EXECUTOR_RUN(desc) ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define STEWARD_EXECUTOR_RUN_PARAMS \
	QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define STEWARD_EXECUTOR_RUN_ARGS queryDesc, direction, count, execute_once
#define STEWARD_EXECUTOR_RUN(desc) ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

/* COPY FROM learned ON_ERROR in 17, REJECT_LIMIT and LOG_VERBOSITY silent in 18. */
#if PG_VERSION_NUM >= 170000
#define STEWARD_COPY_SOFT_ERROR(cstate) \
	((cstate)->opts.on_error != COPY_ON_ERROR_STOP && (cstate)->escontext->error_occurred)
#define STEWARD_COPY_SOFT_ERROR_RESET(cstate) ((cstate)->escontext->error_occurred = false)
#define STEWARD_COPY_ERRORS(cstate) \
	((cstate)->opts.on_error != COPY_ON_ERROR_STOP ? (int64) (cstate)->num_errors : 0)
#define STEWARD_PROGRESS_COPY_SKIPPED PROGRESS_COPY_TUPLES_SKIPPED
#else
#define STEWARD_COPY_SOFT_ERROR(cstate) false
#define STEWARD_COPY_SOFT_ERROR_RESET(cstate) ((void) 0)
#define STEWARD_COPY_ERRORS(cstate) INT64CONST(0)
#define STEWARD_PROGRESS_COPY_SKIPPED 0
#endif
#if PG_VERSION_NUM >= 180000
#define STEWARD_COPY_REJECT_LIMIT(cstate) ((int64) (cstate)->opts.reject_limit)
#define STEWARD_COPY_SILENT(cstate) ((cstate)->opts.log_verbosity < COPY_LOG_VERBOSITY_DEFAULT)
#else
#define STEWARD_COPY_REJECT_LIMIT(cstate) INT64CONST(0)
#define STEWARD_COPY_SILENT(cstate) false
#endif

/* Actions of the JSON parser return a verdict since 16. */
#include "common/jsonapi.h"
#if PG_VERSION_NUM >= 160000
#define STEWARD_JSON_ACTION static JsonParseErrorType
#define STEWARD_JSON_DONE return JSON_SUCCESS
#else
#define STEWARD_JSON_ACTION static void
#define STEWARD_JSON_DONE return
#endif

/* A lexer of len bytes of JSON in the server's encoding, with escapes undone. */
static inline JsonLexContext *
steward_json_lexer(char *json, int len, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, len, encoding, true);
#else
	return makeJsonLexContextCstringLen(json, len, encoding, true);
#endif
}

/* What a check hook hands on is freed by guc_free() since 16, by free() before. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_GUC_MALLOC(size) guc_malloc(LOG, size)
#else
#define STEWARD_GUC_MALLOC(size) malloc(size)
#endif

/* May a session of the first role SET ROLE to the second? */
#if PG_VERSION_NUM >= 160000
#define STEWARD_CAN_SET_ROLE(session, role) member_can_set_role(session, role)
#else
#define STEWARD_CAN_SET_ROLE(session, role) is_member_of_role(session, role)
#endif

/* The index of a primary key that is checked at once. */
#if PG_VERSION_NUM >= 180000
#define STEWARD_PRIMARY_KEY(rel) RelationGetPrimaryKeyIndex(rel, false)
#else
#define STEWARD_PRIMARY_KEY(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* Enters a new row into the indexes of its table. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_INSERT_INDEX_TUPLES(info, slot, estate) \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL, false)
#else
#define STEWARD_INSERT_INDEX_TUPLES(info, slot, estate) \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL)
#endif

/* The last leaf page of a btree, locked for reading; access/nbtree.h. */
#if PG_VERSION_NUM >= 170000
#define STEWARD_BTREE_RIGHT_END(index) _bt_get_endpoint(index, 0, true)
#else
#define STEWARD_BTREE_RIGHT_END(index) _bt_get_endpoint(index, 0, true, NULL)
#endif

/* Extensions name what they wait for since 17. */
static inline uint32
steward_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* How the session's synchronous_commit waits for standbys; -1: it does not. */
static inline int
steward_sync_rep_mode(void)
{
	switch (synchronous_commit)
	{
		case SYNCHRONOUS_COMMIT_REMOTE_WRITE:
			return SYNC_REP_WAIT_WRITE;
		case SYNCHRONOUS_COMMIT_REMOTE_FLUSH:
			return SYNC_REP_WAIT_FLUSH;
		case SYNCHRONOUS_COMMIT_REMOTE_APPLY:
			return SYNC_REP_WAIT_APPLY;
		default:
			return SYNC_REP_NO_WAIT;
	}
}

/* Owners of databases and of extensions: one function each before 16. */
static inline bool
steward_owns_database(Oid dboid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, dboid, GetUserId());
#else
	return pg_database_ownercheck(dboid, GetUserId());
#endif
}

static inline bool
steward_owns_extension(Oid extension)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(ExtensionRelationId, extension, GetUserId());
#else
	return pg_extension_ownercheck(extension, GetUserId());
#endif
}

/* Puts a new version of a row in place of another. */
#if PG_VERSION_NUM >= 160000
#define STEWARD_HEAP_UPDATE(rel, tid, tuple) \
	do { \
		TU_UpdateIndexes update_indexes; \
		simple_heap_update(rel, tid, tuple, &update_indexes); \
	} while (0)
#else
#define STEWARD_HEAP_UPDATE(rel, tid, tuple) simple_heap_update(rel, tid, tuple)
#endif

#endif							/* STEWARD_COMPAT_H */
