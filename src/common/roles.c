/*-------------------------------------------------------------------------
 *
 * roles.c
 *	  The extension's roles: made at CREATE EXTENSION, asked for ever after.
 *
 * Roles are cluster-wide and outlive the extension.  A role that CREATE
 * EXTENSION made carries a security label of provider "steward", which only
 * a superuser can set; it tells our roles from somebody's role of the same
 * name, also after pg_dumpall and pg_upgrade.
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
#include "catalog/indexing.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/comment.h"
#include "commands/seclabel.h"
#include "commands/user.h"
#include "common/common.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

static const struct
{
	const char *name;
	const char *duty;
}			roles[STEWARD_ROLE_COUNT] = {
	[STEWARD_ADMIN] = {"steward_admin", "pg_steward: writes policies and settings"},
	[STEWARD_OFFICER] = {"steward_officer", "pg_steward: risks, approvals, incidents"},
	[STEWARD_ENGINEER] = {"steward_engineer", "pg_steward: models, runs, evaluations"},
	[STEWARD_SERVICE] = {"steward_service", "pg_steward: logs inferences"},
	[STEWARD_AUDITOR] = {"steward_auditor", "pg_steward: reads everything, verifies the logs"},
	[STEWARD_READER] = {"steward_reader", "pg_steward: reads the BI views"},
	[STEWARD_CARRIER] = {"steward_carrier", "pg_steward: carries row policies; never grant it"},
};

/* Name of one of the extension's roles. */
const char *
steward_role_name(StewardRole role)
{
	return roles[role].name;
}

/* OID of one of the extension's roles, InvalidOid where it was dropped. */
Oid
steward_role(StewardRole role)
{
	return get_role_oid(roles[role].name, true);
}

/* Is the role beyond governance: a superuser, or one with BYPASSRLS? */
bool
steward_bypasses(Oid roleid)
{
	return has_bypassrls_privilege(roleid);
}

/* Has the role the rights of steward_admin? */
bool
steward_is_admin(Oid roleid)
{
	Oid			admin = steward_role(STEWARD_ADMIN);

	return superuser_arg(roleid) ||
		(OidIsValid(admin) && has_privs_of_role(roleid, admin));
}

/* The role as which a test of policies acts; InvalidOid while none runs. */
static Oid	acting_as = InvalidOid;

/* The role for which an approved change is carried out; InvalidOid: none is. */
static Oid	standing_in_for = InvalidOid;

/* The role outside of any SECURITY DEFINER function. */
Oid
steward_outer_user(void)
{
	if (unlikely(OidIsValid(acting_as)))
		return acting_as;
	return unlikely(OidIsValid(standing_in_for)) ? standing_in_for : GetOuterUserId();
}

/* The role that opened the session. */
Oid
steward_session_user(void)
{
	return unlikely(OidIsValid(acting_as)) ? acting_as : GetSessionUserId();
}

/*
 * From here on a test acts as the role, as if it had opened the session;
 * InvalidOid ends it, also after an error.
 */
void
steward_act_as(Oid roleid)
{
	acting_as = roleid;
}

/* From here on the role acts, though not in its own session; InvalidOid ends it. */
void
steward_stand_in_for(Oid roleid)
{
	standing_in_for = roleid;
}

/* Does a test act as some role? */
bool
steward_is_acting_as(void)
{
	return OidIsValid(acting_as);
}

/*
 * Has the acting person the rights of one of our roles?  The person is the
 * role outside of any SECURITY DEFINER function: a definer function of an
 * administrator lends nobody his office.
 */
bool
steward_subject_has(StewardRole role)
{
	Oid			subject = steward_outer_user();
	Oid			oid = steward_role(role);

	return superuser_arg(subject) ||
		(OidIsValid(oid) && has_privs_of_role(subject, oid));
}

STEWARD_FUNCTION(steward_require_role);

/*
 * require_role(VARIADIC roles text[]): raises insufficient_privilege unless
 * the subject has the rights of one of the roles named.
 */
Datum
steward_require_role(PG_FUNCTION_ARGS)
{
	ArrayType  *names = PG_GETARG_ARRAYTYPE_P(0);
	Oid			subject = steward_outer_user();
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	if (superuser_arg(subject))
		PG_RETURN_VOID();

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		Oid			role;

		if (nulls[i])
			continue;
		role = get_role_oid(TextDatumGetCString(elems[i]), true);
		if (OidIsValid(role) && has_privs_of_role(subject, role))
			PG_RETURN_VOID();
	}
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" may not do this",
					GetUserNameFromId(subject, false)),
			 n > 0 && !nulls[0] ?
			 errhint("It takes the rights of role \"%s\".", TextDatumGetCString(elems[0])) : 0));
	PG_RETURN_VOID();
}

/* Has the role any member? */
static bool
role_has_members(Oid roleid)
{
	Relation	rel = table_open(AuthMemRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	bool		found;

	ScanKeyInit(&key, Anum_pg_auth_members_roleid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(roleid));
	scan = systable_beginscan(rel, AuthMemRoleMemIndexId, true, NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Is the role as bare as CREATE ROLE makes one? */
static bool
role_is_bare(Oid roleid)
{
	HeapTuple	tup = SearchSysCache1(AUTHOID, ObjectIdGetDatum(roleid));
	Form_pg_authid form;
	bool		bare;

	if (!HeapTupleIsValid(tup))
		elog(ERROR, "cache lookup failed for role %u", roleid);
	form = (Form_pg_authid) GETSTRUCT(tup);
	bare = !form->rolcanlogin && !form->rolsuper && !form->rolcreaterole &&
		!form->rolcreatedb && !form->rolreplication && !form->rolbypassrls;
	ReleaseSysCache(tup);
	return bare && !role_has_members(roleid);
}

/* Makes one role, or takes over the one that is there. */
static void
prepare_role(StewardRole role)
{
	const char *name = roles[role].name;
	Oid			oid = steward_role(role);
	ObjectAddress address;
	char	   *label;

	if (!OidIsValid(oid))
	{
		CreateRoleStmt *stmt = makeNode(CreateRoleStmt);

		stmt->stmt_type = ROLESTMT_ROLE;
		stmt->role = pstrdup(name);
		oid = CreateRole(NULL, stmt);
		CommandCounterIncrement();
	}
	else
	{
		ObjectAddressSet(address, AuthIdRelationId, oid);
		label = GetSecurityLabel(&address, "steward");
		if ((label == NULL || strcmp(label, STEWARD_ROLE_LABEL) != 0) &&
			!role_is_bare(oid))
		{
			if (!steward_adopt_roles)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_OBJECT),
						 errmsg("role \"%s\" exists already and can log in, has attributes or has members", name),
						 errdetail("pg_steward needs this role for itself: %s.", strstr(roles[role].duty, ": ") + 2),
						 errhint("Rename or drop the role, or set steward.adopt_roles = on to let pg_steward take it over as it is.")));
			ereport(WARNING,
					(errmsg("pg_steward takes over role \"%s\" with its members and attributes", name)));
		}
	}
	ObjectAddressSet(address, AuthIdRelationId, oid);
	SetSecurityLabel(&address, "steward", STEWARD_ROLE_LABEL);
	CreateSharedComments(oid, AuthIdRelationId, roles[role].duty);
	CommandCounterIncrement();
}

STEWARD_FUNCTION(steward_prepare_roles);

/* prepare_roles(): makes the roles of pg_steward.  Run by the install script. */
Datum
steward_prepare_roles(PG_FUNCTION_ARGS)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to create pg_steward's roles")));
	for (int i = 0; i < STEWARD_ROLE_COUNT; i++)
		prepare_role((StewardRole) i);
	PG_RETURN_VOID();
}
