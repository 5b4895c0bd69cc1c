/*-------------------------------------------------------------------------
 *
 * guard_roles.c
 *	  Statements about pg_steward's own roles.
 *
 * steward_carrier is nobody's role: PostgreSQL applies the policies that it
 * carries to its members, beside ours.  The other roles give rights over
 * governance; before PostgreSQL 16 CREATEROLE alone would be enough to take
 * them.  Roles are cluster-wide, so these rules hold in every database; they
 * know our roles by their label, not by their name alone.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/guard.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "commands/seclabel.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* Which of our roles has the name?  -1: none, or somebody's role so named. */
static int
own_role(const char *name)
{
	if (name == NULL || strncmp(name, "steward_", 8) != 0)
		return -1;
	for (int i = 0; i < STEWARD_ROLE_COUNT; i++)
	{
		ObjectAddress address;
		Oid			oid;

		if (strcmp(name, steward_role_name((StewardRole) i)) != 0)
			continue;
		oid = steward_role((StewardRole) i);
		if (!OidIsValid(oid))
			return -1;
		ObjectAddressSet(address, AuthIdRelationId, oid);
		return GetSecurityLabel(&address, "steward") != NULL ? i : -1;
	}
	return -1;
}

/* The name that a role is called by; NULL for PUBLIC. */
static const char *
spec_name(RoleSpec *spec)
{
	switch (spec->roletype)
	{
		case ROLESPEC_CSTRING:
			return spec->rolename;
		case ROLESPEC_PUBLIC:
			return NULL;
		default:
			return GetUserNameFromId(get_rolespec_oid(spec, false), true);
	}
}

/* Is steward_carrier among the roles? */
bool
guard_names_carrier(List *rolespecs)
{
	ListCell   *lc;

	foreach(lc, rolespecs)
	{
		const char *name = spec_name(lfirst_node(RoleSpec, lc));

		if (name != NULL && strcmp(name, steward_role_name(STEWARD_CARRIER)) == 0)
			return true;
	}
	return false;
}

/* Somebody becomes a member of the role. */
static void
check_membership(const char *name)
{
	int			role = own_role(name);

	if (role < 0)
		return;
	if (role == STEWARD_CARRIER)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" must not have members", name),
				 errdetail("It carries the row policies of pg_steward; its members would see rows by them."),
				 errhint("Say whom a policy concerns in create_row_policy(roles => ...).")));
	if (!superuser() && !is_admin_of_role(GetUserId(), steward_role((StewardRole) role)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser or have admin option on role \"%s\" to grant it", name)));
}

/* An option of CREATE or ALTER ROLE that would make the carrier somebody. */
static bool
option_gives_power(DefElem *option)
{
	static const char *const powers[] = {"superuser", "createrole", "createdb",
	"canlogin", "isreplication", "bypassrls"};

	if (strcmp(option->defname, "rolemembers") == 0)
		return true;
	if (strcmp(option->defname, "password") == 0)
		return option->arg != NULL;
	for (int i = 0; i < lengthof(powers); i++)
		if (strcmp(option->defname, powers[i]) == 0)
			return option->arg == NULL || boolVal(option->arg);
	return false;
}

/*
 * ALTER ROLE of one of ours: of the carrier only what gives it no power (as
 * pg_dumpall writes it), of the others by superusers.
 */
static void
check_alter(AlterRoleStmt *stmt)
{
	const char *name = spec_name(stmt->role);
	int			role = own_role(name);
	ListCell   *lc;

	if (role < 0)
		return;
	foreach(lc, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "rolemembers") == 0)
		{
			if (stmt->action > 0)
				check_membership(name);
		}
		else if (role == STEWARD_CARRIER && option_gives_power(option))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("role \"%s\" must not log in or have attributes", name),
					 errdetail("It carries the row policies of pg_steward and is nobody's role.")));
		else if (!superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be superuser to alter role \"%s\"", name)));
	}
}

/* Refuses statements that would turn pg_steward's roles against it. */
void
guard_role_statement(Node *stmt)
{
	ListCell   *lc;
	ListCell   *lc2;

	switch (nodeTag(stmt))
	{
		case T_GrantRoleStmt:
			if (((GrantRoleStmt *) stmt)->is_grant)
				foreach(lc, ((GrantRoleStmt *) stmt)->granted_roles)
					check_membership(lfirst_node(AccessPriv, lc)->priv_name);
			break;
		case T_CreateRoleStmt:
			foreach(lc, ((CreateRoleStmt *) stmt)->options)
			{
				DefElem    *option = lfirst_node(DefElem, lc);

				if (strcmp(option->defname, "addroleto") == 0)
					foreach(lc2, (List *) option->arg)
						check_membership(spec_name(lfirst_node(RoleSpec, lc2)));
			}
			break;
		case T_AlterRoleStmt:
			check_alter((AlterRoleStmt *) stmt);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_ROLE &&
				own_role(((RenameStmt *) stmt)->subname) >= 0)
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("role \"%s\" must not be renamed", ((RenameStmt *) stmt)->subname),
						 errdetail("pg_steward knows it by its name.")));
			break;
		case T_DropRoleStmt:
			if (steward_is_created())
				foreach(lc, ((DropRoleStmt *) stmt)->roles)
			{
				const char *name = spec_name(lfirst_node(RoleSpec, lc));

				if (own_role(name) >= 0)
					ereport(ERROR,
							(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
							 errmsg("role \"%s\" belongs to extension \"pg_steward\"", name),
							 errhint("Drop the extension first, in every database of the cluster.")));
			}
			break;
		default:
			break;
	}
}
