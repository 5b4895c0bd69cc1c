/*-------------------------------------------------------------------------
 *
 * guard_check.c
 *	  Looks at expressions, types and objects of a table: could they show a
 *	  row to somebody who may not see it?
 *
 * An expression that PostgreSQL evaluates for every row, or for rows of
 * others, must call no function that its author could have written, and must
 * hand columns to leakproof functions only: an error that quotes its argument
 * shows a value, too.  The functions here return a sentence for the detail of
 * an error, or NULL where nothing is wrong.
 *
 * Objects are read as the running command has written them (SnapshotSelf).
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/guard.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_range.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ------------------------------------------------------------------------
 * Functions, expressions, types
 * ------------------------------------------------------------------------
 */

/* Does a function of core run SQL that it is given? */
static bool
function_runs_sql(Oid funcid)
{
	switch (funcid)
	{
		case F_CURSOR_TO_XML:
		case F_CURSOR_TO_XMLSCHEMA:
		case F_DATABASE_TO_XML:
		case F_DATABASE_TO_XMLSCHEMA:
		case F_DATABASE_TO_XML_AND_XMLSCHEMA:
		case F_QUERY_TO_XML:
		case F_QUERY_TO_XMLSCHEMA:
		case F_QUERY_TO_XML_AND_XMLSCHEMA:
		case F_SCHEMA_TO_XML:
		case F_SCHEMA_TO_XMLSCHEMA:
		case F_SCHEMA_TO_XML_AND_XMLSCHEMA:
		case F_TABLE_TO_XML:
		case F_TABLE_TO_XMLSCHEMA:
		case F_TABLE_TO_XML_AND_XMLSCHEMA:
		case F_TS_REWRITE_TSQUERY_TEXT:
		case F_TS_STAT_TEXT:
		case F_TS_STAT_TEXT_TEXT:
			return true;
	}
	return false;
}

/*
 * Can only superusers have written the function?  So those of core that run
 * no SQL given to them, those of pg_steward, those trusted in policies, and
 * a superuser's that came with an extension.
 */
static bool
function_is_trusted(Oid funcid)
{
	HeapTuple	tup;
	Oid			owner;

	if (funcid < FirstNormalObjectId)
		return !function_runs_sql(funcid);
	if (get_func_namespace(funcid) == steward_namespace() || trust_in_expressions(funcid))
		return true;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tup))
		return false;
	owner = ((Form_pg_proc) GETSTRUCT(tup))->proowner;
	ReleaseSysCache(tup);
	return superuser_arg(owner) &&
		OidIsValid(getExtensionOfObject(ProcedureRelationId, funcid));
}

static bool
note_untrusted(Oid funcid, void *context)
{
	if (function_is_trusted(funcid))
		return false;
	*(Oid *) context = funcid;
	return true;
}

/* Finds a function that somebody could have written to leak, or a bad type. */
static bool
find_untrusted(Node *node, Oid *funcid)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, note_untrusted, funcid))
		return true;
	if (IsA(node, CoerceToDomain) &&
		guard_check_type(((CoerceToDomain *) node)->resulttype) != NULL)
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, find_untrusted, funcid, 0);
	return expression_tree_walker(node, find_untrusted, funcid);
}

/* Says which function of an expression is not trusted, if one is. */
static char *
check_functions(const char *what, Node *expr)
{
	Oid			funcid = InvalidOid;

	if (!find_untrusted(expr, &funcid))
		return NULL;
	if (!OidIsValid(funcid))
		return psprintf("%s uses a domain whose constraints call functions of users.", what);
	return psprintf("%s calls function %s, which would see the values of every row.",
					what, format_procedure_qualified(funcid));
}

/* The same, and columns must go to leakproof functions only. */
static char *
check_expression(const char *what, Node *expr)
{
	char	   *problem = check_functions(what, expr);

	if (problem == NULL && contain_leaked_vars(expr))
		problem = psprintf("%s hands columns to a function that is not leakproof: its errors could show values.", what);
	return problem;
}

/* The constraints of a domain must not call users' functions. */
static char *
check_domain(Oid typid)
{
	Relation	rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *problem = NULL;

	ScanKeyInit(&key[0], Anum_pg_constraint_conrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(InvalidOid));
	ScanKeyInit(&key[1], Anum_pg_constraint_contypid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(typid));
	scan = systable_beginscan(rel, ConstraintRelidTypidNameIndexId, true, SnapshotSelf, 2, key);
	while (problem == NULL && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		bin = heap_getattr(tup, Anum_pg_constraint_conbin, RelationGetDescr(rel), &isnull);

		if (!isnull)
			problem = check_functions(psprintf("Constraint \"%s\" of domain %s",
											   NameStr(((Form_pg_constraint) GETSTRUCT(tup))->conname),
											   format_type_be(typid)),
									  stringToNode(TextDatumGetCString(bin)));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return problem;
}

/* The default of a domain must not call users' functions. */
char *
guard_check_domain_default(HeapTuple type)
{
	Relation	rel = table_open(TypeRelationId, AccessShareLock);
	bool		isnull;
	Datum		bin = heap_getattr(type, Anum_pg_type_typdefaultbin, RelationGetDescr(rel), &isnull);

	table_close(rel, AccessShareLock);
	if (isnull)
		return NULL;
	return check_functions(psprintf("The default of domain \"%s\"",
									NameStr(((Form_pg_type) GETSTRUCT(type))->typname)),
						   stringToNode(TextDatumGetCString(bin)));
}

/* The functions of a range type must not be users'. */
static char *
check_range(Oid rangeid)
{
	HeapTuple	tup = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(rangeid));
	Form_pg_range form;
	char	   *problem = NULL;

	if (!HeapTupleIsValid(tup))
		return NULL;
	form = (Form_pg_range) GETSTRUCT(tup);
	if ((OidIsValid(form->rngcanonical) && !function_is_trusted(form->rngcanonical)) ||
		(OidIsValid(form->rngsubdiff) && !function_is_trusted(form->rngsubdiff)))
		problem = psprintf("Range type %s calls a function of a user.", format_type_be(rangeid));
	else
		problem = guard_check_type(form->rngsubtype);
	ReleaseSysCache(tup);
	return problem;
}

/* The columns of a composite type must be of types without users' code. */
static char *
check_composite(Oid relid)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *problem = NULL;

	ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, NULL, 1, &key);
	while (problem == NULL && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tup);

		if (att->attnum > 0 && !att->attisdropped)
			problem = guard_check_type(att->atttypid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return problem;
}

/* Does a type bring code of users into the table? */
char *
guard_check_type(Oid typid)
{
	HeapTuple	tup;
	Form_pg_type form;
	char	   *problem = NULL;

	check_stack_depth();
	if (typid < FirstNormalObjectId)
		return NULL;
	tup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	if (!HeapTupleIsValid(tup))
		return NULL;
	form = (Form_pg_type) GETSTRUCT(tup);
	switch (form->typtype)
	{
		case TYPTYPE_DOMAIN:
			problem = check_domain(typid);
			if (problem == NULL)
				problem = guard_check_domain_default(tup);
			if (problem == NULL)
				problem = guard_check_type(form->typbasetype);
			break;
		case TYPTYPE_COMPOSITE:
			problem = check_composite(form->typrelid);
			break;
		case TYPTYPE_RANGE:
			problem = check_range(typid);
			break;
		case TYPTYPE_MULTIRANGE:
			problem = check_range(get_multirange_range(typid));
			break;
		default:
			/* Base types take a superuser to create; their arrays follow. */
			if (OidIsValid(form->typelem))
				problem = guard_check_type(form->typelem);
			break;
	}
	ReleaseSysCache(tup);
	return problem;
}

/* ------------------------------------------------------------------------
 * Objects of a table
 * ------------------------------------------------------------------------
 */

static Node *
stored_expression(HeapTuple tup, AttrNumber attno, Oid catalog)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	bool		isnull;
	Datum		d = heap_getattr(tup, attno, RelationGetDescr(rel), &isnull);

	table_close(rel, AccessShareLock);
	return isnull ? NULL : stringToNode(TextDatumGetCString(d));
}

/*
 * A CHECK constraint.  Where rows exist already, validating it tests rows
 * that may be hidden, and tells whether one of them fails.
 */
char *
guard_check_constraint(HeapTuple constraint, bool rows_exist)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(constraint);

	if (form->contype != CONSTRAINT_CHECK)
		return NULL;
	if (rows_exist && form->convalidated)
		return psprintf("Validating constraint \"%s\" tests rows that may be hidden; NOT VALID leaves them alone.",
						NameStr(form->conname));
	return check_expression(psprintf("Constraint \"%s\"", NameStr(form->conname)),
							stored_expression(constraint, Anum_pg_constraint_conbin, ConstraintRelationId));
}

/* Is the operator class users' work (those of core and extensions are not)? */
static bool
opclass_is_untrusted(Oid opclass)
{
	return opclass >= FirstNormalObjectId &&
		!OidIsValid(getExtensionOfObject(OperatorClassRelationId, opclass));
}

/*
 * An index.  A partial one tells by its size how many hidden rows satisfy its
 * predicate, a unique one on an expression whether two rows agree in it.
 */
char *
guard_check_index(Oid indexid)
{
	HeapTuple	tup = guard_fetch_new(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, indexid);
	Form_pg_index form;
	Relation	rel;
	Node	   *exprs;
	Datum		d;
	bool		isnull;
	oidvector  *opclasses;
	HeapTuple	class;
	char	   *name;

	if (!HeapTupleIsValid(tup))
		return NULL;
	form = (Form_pg_index) GETSTRUCT(tup);
	class = guard_fetch_new(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, indexid);
	name = HeapTupleIsValid(class) ? NameStr(((Form_pg_class) GETSTRUCT(class))->relname) : "?";

	if (!heap_attisnull(tup, Anum_pg_index_indpred, NULL))
		return psprintf("Index \"%s\" is partial: its size would tell how many hidden rows satisfy the predicate.", name);

	rel = table_open(IndexRelationId, AccessShareLock);
	d = heap_getattr(tup, Anum_pg_index_indclass, RelationGetDescr(rel), &isnull);
	table_close(rel, AccessShareLock);
	opclasses = (oidvector *) DatumGetPointer(d);
	for (int i = 0; i < opclasses->dim1; i++)
		if (opclass_is_untrusted(opclasses->values[i]))
			return psprintf("Index \"%s\" uses an operator class that belongs to no extension.", name);

	exprs = stored_expression(tup, Anum_pg_index_indexprs, IndexRelationId);
	if (exprs == NULL)
		return NULL;
	if (form->indisunique || form->indisexclusion)
		return psprintf("Index \"%s\" makes an expression unique: failing, it would tell about hidden rows.", name);
	return check_expression(psprintf("Index \"%s\"", name), exprs);
}

/* Is the column computed from others? */
static bool
column_is_generated(Oid relid, AttrNumber attnum, char **name)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;
	bool		result = false;

	ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber,
				F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, SnapshotSelf, 2, key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tup);

		*name = pstrdup(NameStr(att->attname));
		result = att->attgenerated != '\0';
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* The stored default of a column, as text of a node tree; NULL: none. */
static char *
default_of_column(Oid relid, AttrNumber attnum)
{
	Relation	rel = table_open(AttrDefaultRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *result = NULL;

	ScanKeyInit(&key[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber,
				F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttrDefaultIndexId, true, SnapshotSelf, 2, key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		d = heap_getattr(tup, Anum_pg_attrdef_adbin, RelationGetDescr(rel), &isnull);

		if (!isnull)
			result = TextDatumGetCString(d);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * A column's default or generating expression.  A default sees no row, but
 * runs with the rights of whoever inserts.
 */
char *
guard_check_default(Oid relid, AttrNumber attnum)
{
	char	   *bin = default_of_column(relid, attnum);
	char	   *name = "?";
	Oid			funcid = InvalidOid;

	if (bin == NULL)
		return NULL;
	if (column_is_generated(relid, attnum, &name))
		return psprintf("Column \"%s\" would be computed from columns of every row.", name);
	if (!find_untrusted(stringToNode(bin), &funcid))
		return NULL;
	if (!OidIsValid(funcid))
		return psprintf("The default of column \"%s\" uses a domain whose constraints call functions of users.", name);
	return psprintf("The default of column \"%s\" calls function %s, which would run with the rights of whoever inserts a row.",
					name, format_procedure_qualified(funcid));
}

/* Extended statistics; their expressions are evaluated by ANALYZE. */
char *
guard_check_statistics(HeapTuple statistics)
{
	Node	   *exprs = stored_expression(statistics, Anum_pg_statistic_ext_stxexprs, StatisticExtRelationId);

	return exprs == NULL ? NULL :
		check_expression(psprintf("Statistics object \"%s\"",
								  NameStr(((Form_pg_statistic_ext) GETSTRUCT(statistics))->stxname)), exprs);
}

/* The row of a column as the running command has written it; a copy, or NULL. */
static HeapTuple
new_column(Oid relid, AttrNumber attnum)
{
	Relation	rel = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;

	ScanKeyInit(&key[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber,
				F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(rel, AttributeRelidNumIndexId, true, SnapshotSelf, 2, key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		tup = heap_copytuple(tup);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return tup;
}

/* A column that is added: its type must bring no code of users. */
char *
guard_check_new_column(Oid relid, AttrNumber attnum)
{
	HeapTuple	tup = new_column(relid, attnum);

	return HeapTupleIsValid(tup) ?
		guard_check_type(((Form_pg_attribute) GETSTRUCT(tup))->atttypid) : NULL;
}

/*
 * A column that is altered.  A new type must bring no code of users, neither
 * its own nor a cast's, and no test of the values that are there.
 */
char *
guard_check_altered_column(Oid relid, AttrNumber attnum)
{
	HeapTuple	new = new_column(relid, attnum);
	HeapTuple	old = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	char	   *problem = NULL;

	if (HeapTupleIsValid(new) && HeapTupleIsValid(old))
	{
		Form_pg_attribute newatt = (Form_pg_attribute) GETSTRUCT(new);
		Form_pg_attribute oldatt = (Form_pg_attribute) GETSTRUCT(old);
		Oid			cast = InvalidOid;

		if (newatt->atttypid != oldatt->atttypid)
		{
			if (get_typtype(newatt->atttypid) == TYPTYPE_DOMAIN)
				problem = psprintf("Column \"%s\" would be tested against the constraints of domain %s in every row.",
								   NameStr(newatt->attname), format_type_be(newatt->atttypid));
			else
				problem = guard_check_type(newatt->atttypid);
			if (problem == NULL &&
				find_coercion_pathway(newatt->atttypid, oldatt->atttypid, COERCION_ASSIGNMENT, &cast) == COERCION_PATH_FUNC &&
				!function_is_trusted(cast))
				problem = psprintf("The cast of column \"%s\" calls function %s, which would see the values of every row.",
								   NameStr(newatt->attname), format_procedure_qualified(cast));
		}
	}
	if (HeapTupleIsValid(old))
		ReleaseSysCache(old);
	return problem;
}

/* ------------------------------------------------------------------------
 * A relation that comes under governance: all of the above
 * ------------------------------------------------------------------------
 */

/* Is the index the partition's part of an index of a governed table? */
bool
guard_index_is_clone(Oid indexid)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	Oid			parent = InvalidOid;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(indexid));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, SnapshotSelf, 1, &key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
		parent = ((Form_pg_inherits) GETSTRUCT(tup))->inhparent;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return OidIsValid(parent) && guard_governs(IndexGetRelation(parent, true));
}

/* Is the trigger the partition's part of a trigger of a governed table? */
bool
guard_trigger_is_clone(HeapTuple trigger)
{
	Oid			parent = ((Form_pg_trigger) GETSTRUCT(trigger))->tgparentid;
	HeapTuple	tup;

	if (!OidIsValid(parent))
		return false;
	tup = guard_fetch_new(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, parent);
	return HeapTupleIsValid(tup) && guard_governs(((Form_pg_trigger) GETSTRUCT(tup))->tgrelid);
}

/* Has a governed parent a CHECK constraint of this name? */
static bool
constraint_is_inherited(Oid relid, const char *name)
{
	ListCell   *lc;

	foreach(lc, guard_parents(relid))
	{
		Oid			parent = lfirst_oid(lc);

		if (OidIsValid(get_relation_constraint_oid(parent, name, true)) && guard_governs(parent))
			return true;
	}
	return false;
}

/* Has a governed parent the same default for the column of this name? */
static bool
default_is_inherited(Oid relid, AttrNumber attnum)
{
	char	   *name = get_attname(relid, attnum, true);
	char	   *mine = NULL;
	char	   *bin = default_of_column(relid, attnum);
	ListCell   *lc;

	if (name == NULL || bin == NULL)
		return false;
	foreach(lc, guard_parents(relid))
	{
		Oid			parent = lfirst_oid(lc);
		AttrNumber	parent_attnum = get_attnum(parent, name);
		char	   *parent_bin;

		if (parent_attnum == InvalidAttrNumber || !guard_governs(parent) ||
			(parent_bin = default_of_column(parent, parent_attnum)) == NULL)
			continue;
		if (mine == NULL)
			mine = TextDatumGetCString(DirectFunctionCall2(pg_get_expr, CStringGetTextDatum(bin), ObjectIdGetDatum(relid)));
		if (strcmp(mine, TextDatumGetCString(DirectFunctionCall2(pg_get_expr, CStringGetTextDatum(parent_bin),
																 ObjectIdGetDatum(parent)))) == 0)
			return true;
	}
	return false;
}

/* The partition key of a table that is partitioned itself sees every new row. */
static char *
check_partition_key(Oid relid)
{
	HeapTuple	tup = SearchSysCache1(PARTRELID, ObjectIdGetDatum(relid));
	char	   *problem = NULL;
	bool		isnull;
	Datum		d;

	if (!HeapTupleIsValid(tup))
		return NULL;
	d = SysCacheGetAttr(PARTRELID, tup, Anum_pg_partitioned_table_partexprs, &isnull);
	if (!isnull)
		problem = check_functions(psprintf("The partition key of table \"%s\"", get_rel_name(relid)),
								  stringToNode(TextDatumGetCString(d)));
	ReleaseSysCache(tup);
	return problem;
}

/* What check_catalog() is told to do with each row of a relation in a catalog. */
typedef char *(*CatalogCheck) (Oid relid, HeapTuple tup);

static char *
check_catalog(Oid relid, Oid catalog, Oid index, AttrNumber attno, CatalogCheck check)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *problem = NULL;

	ScanKeyInit(&key, attno, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, true, NULL, 1, &key);
	while (problem == NULL && HeapTupleIsValid(tup = systable_getnext(scan)))
		problem = check(relid, tup);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return problem;
}

static char *
check_trigger_row(Oid relid, HeapTuple tup)
{
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tup);

	if (form->tgisinternal || guard_trigger_is_clone(tup))
		return NULL;
	return psprintf("Trigger \"%s\" of table \"%s\" would see rows that others write.",
					NameStr(form->tgname), get_rel_name(relid));
}

static char *
check_rule_row(Oid relid, HeapTuple tup)
{
	return psprintf("Rule \"%s\" of table \"%s\" would see rows that others write.",
					NameStr(((Form_pg_rewrite) GETSTRUCT(tup))->rulename), get_rel_name(relid));
}

static char *
check_policy_row(Oid relid, HeapTuple tup)
{
	return psprintf("Row policy \"%s\" of table \"%s\" would be asked about every row.",
					NameStr(((Form_pg_policy) GETSTRUCT(tup))->polname), get_rel_name(relid));
}

static char *
check_constraint_row(Oid relid, HeapTuple tup)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tup);

	if (form->coninhcount > 0 && constraint_is_inherited(relid, NameStr(form->conname)))
		return NULL;
	return guard_check_constraint(tup, false);
}

static char *
check_index_row(Oid relid, HeapTuple tup)
{
	Oid			indexid = ((Form_pg_index) GETSTRUCT(tup))->indexrelid;

	return guard_index_is_clone(indexid) ? NULL : guard_check_index(indexid);
}

static char *
check_default_row(Oid relid, HeapTuple tup)
{
	AttrNumber	attnum = ((Form_pg_attrdef) GETSTRUCT(tup))->adnum;

	return default_is_inherited(relid, attnum) ? NULL : guard_check_default(relid, attnum);
}

static char *
check_statistics_row(Oid relid, HeapTuple tup)
{
	return guard_check_statistics(tup);
}

static char *
check_column_row(Oid relid, HeapTuple tup)
{
	Form_pg_attribute form = (Form_pg_attribute) GETSTRUCT(tup);

	if (form->attnum < 0 || form->attisdropped || form->attinhcount > 0)
		return NULL;
	return guard_check_type(form->atttypid);
}

/* Is the table, or all tables of its schema, published? */
static char *
check_published(Oid relid)
{
	if (GetRelationPublications(relid) != NIL ||
		GetSchemaPublications(get_rel_namespace(relid)) != NIL)
		return psprintf("Table \"%s\" is published: subscribers would receive every row.", get_rel_name(relid));
	return NULL;
}

/*
 * A relation that gets a governed parent: what of it, and not of the parent,
 * would show rows?  Returns the first problem.
 */
char *
guard_check_relation(Oid relid)
{
	static const struct
	{
		Oid			catalog;
		Oid			index;
		AttrNumber	attno;
		CatalogCheck check;
	}			catalogs[] = {
		{TriggerRelationId, TriggerRelidNameIndexId, Anum_pg_trigger_tgrelid, check_trigger_row},
		{RewriteRelationId, RewriteRelRulenameIndexId, Anum_pg_rewrite_ev_class, check_rule_row},
		{PolicyRelationId, PolicyPolrelidPolnameIndexId, Anum_pg_policy_polrelid, check_policy_row},
		{ConstraintRelationId, ConstraintRelidTypidNameIndexId, Anum_pg_constraint_conrelid, check_constraint_row},
		{IndexRelationId, IndexIndrelidIndexId, Anum_pg_index_indrelid, check_index_row},
		{AttrDefaultRelationId, AttrDefaultIndexId, Anum_pg_attrdef_adrelid, check_default_row},
		{StatisticExtRelationId, StatisticExtRelidIndexId, Anum_pg_statistic_ext_stxrelid, check_statistics_row},
		{AttributeRelationId, AttributeRelidNumIndexId, Anum_pg_attribute_attrelid, check_column_row},
	};

	char	   *problem;

	if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
		return psprintf("Foreign table \"%s\" keeps its rows where they are not governed.", get_rel_name(relid));
	problem = check_partition_key(relid);
	if (problem != NULL)
		return problem;
	for (int i = 0; i < lengthof(catalogs); i++)
	{
		problem = check_catalog(relid, catalogs[i].catalog, catalogs[i].index,
								catalogs[i].attno, catalogs[i].check);
		if (problem != NULL)
			return problem;
	}
	return check_published(relid);
}
