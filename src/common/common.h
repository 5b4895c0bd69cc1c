/*-------------------------------------------------------------------------
 *
 * common.h
 *	  Public face of the room "common": what every other room stands on.
 *
 * Settings, the extension's own catalog, the roles, and the macro through
 * which SQL functions are exported.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef STEWARD_COMMON_H
#define STEWARD_COMMON_H

#include "postgres.h"

#include "fmgr.h"
#include "common/compat.h"
#include "utils/inval.h"

#define STEWARD_VERSION "0.4"
#define STEWARD_SCHEMA "steward"
#define STEWARD_ROLE_LABEL "role of pg_steward"

/* Exports a function to SQL; everything else is hidden (-fvisibility). */
#define STEWARD_FUNCTION(name) \
	PG_FUNCTION_INFO_V1(name); \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS)

/* The roles, in the order of steward_role_name(). */
typedef enum StewardRole
{
	STEWARD_ADMIN,				/* policies, settings */
	STEWARD_OFFICER,			/* risk, approvals, incidents */
	STEWARD_ENGINEER,			/* models, runs, evaluations */
	STEWARD_SERVICE,			/* logs inferences */
	STEWARD_AUDITOR,			/* reads everything, verifies */
	STEWARD_READER,				/* BI views */
	STEWARD_CARRIER				/* carries row policies; nobody's role */
} StewardRole;

#define STEWARD_ROLE_COUNT (STEWARD_CARRIER + 1)

/* The tables of the extension that C code reads. */
typedef enum StewardTable
{
	TABLE_PROTECTED_RELATION,
	TABLE_ROW_POLICY,
	TABLE_ROW_POLICY_ROLE,
	TABLE_ROW_POLICY_AUTHOR,
	TABLE_PURPOSE,
	TABLE_PURPOSE_GRANT,
	TABLE_ROLE_ATTRIBUTE,
	TABLE_DDL_ALLOWANCE,
	TABLE_MODEL,
	TABLE_MODEL_VERSION,
	TABLE_COLUMN_MASK,			/* from here on: not in version 0.1 */
	TABLE_COLUMN_MASK_ROLE,
	TABLE_COLUMN_MASK_AUTHOR,
	TABLE_TAG_MASK,
	TABLE_TAG_MASK_ROLE,
	TABLE_ISSUER,
	TABLE_TOKEN_REQUIREMENT,
	TABLE_BREAK_GLASS_GRANT,
	TABLE_ACCESS_HISTORY_EVENT,
	TABLE_ACCESS_HISTORY_RELATION,
	TABLE_MASK_KEY,
	TABLE_ENTITY_KEY,
	TABLE_LEDGER_TILE,
	TABLE_MODEL_GRANT,
	TABLE_MODEL_QUARANTINE,
	TABLE_MODEL_RESTRICTION,
	TABLE_RUN					/* the last one; see STEWARD_TABLE_COUNT */
} StewardTable;

#define STEWARD_TABLE_COUNT (TABLE_RUN + 1)

/* catalog.c */
extern void catalog_init(void);
extern void steward_watch_relations(RelcacheCallbackFunction callback);
extern bool steward_is_created(void);
extern Oid	steward_namespace(void);
extern Oid	steward_table(StewardTable table);
extern Oid	steward_index(StewardTable table);
extern bool steward_has_table(StewardTable table);
extern bool steward_is_known(void);
extern Oid	steward_known_table(StewardTable table);
extern Oid	steward_function(const char *name, int nargs, const Oid *argtypes);

/* roles.c */
extern const char *steward_role_name(StewardRole role);
extern Oid	steward_role(StewardRole role);
extern bool steward_bypasses(Oid roleid);
extern bool steward_is_admin(Oid roleid);
extern bool steward_subject_has(StewardRole role);
extern Oid	steward_outer_user(void);
extern Oid	steward_session_user(void);
extern void steward_act_as(Oid roleid);
extern bool steward_is_acting_as(void);
extern void steward_stand_in_for(Oid roleid);

/* settings.c */
typedef enum OnNoPolicy
{
	ON_NO_POLICY_ERROR,
	ON_NO_POLICY_EMPTY
} OnNoPolicy;

extern int	steward_on_no_policy;
extern bool steward_adopt_roles;

extern void settings_init(void);
extern void steward_require_preload(void);

#endif							/* STEWARD_COMMON_H */
