/*-------------------------------------------------------------------------
 *
 * stage.c
 *	  Stages of versions, approvals, deployments.
 *
 * Whoever changes a stage holds a lock on the model's row, so that two
 * promotions come one after the other, each with the gates asked under what
 * the other has committed.  Events of a model are numbered: under REPEATABLE
 * READ, where the other one's are not seen, the number is taken, and the
 * statement fails with serialization_failure.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/access.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "registry/registry_internal.h"
#include "utils/builtins.h"
#include "utils/json.h"

#define DEFAULT_ENVIRONMENT "production"

static const char *const stage_names[] = {"draft", "candidate", "approved", "production", "retired"};

enum
{
	STAGE_DRAFT,
	STAGE_CANDIDATE,
	STAGE_APPROVED,
	STAGE_PRODUCTION,
	STAGE_RETIRED
};

/* The stage of a version as it stands. */
static int
current_stage(const char *model, const char *version)
{
	registry_execute("SELECT s.stage FROM ONLY steward.model_stage_event s WHERE s.model OPERATOR(pg_catalog.=) $1 "
					 "AND s.version OPERATOR(pg_catalog.=) $2 ORDER BY s.number DESC LIMIT 1",
					 2, (const char *[]) {model, version});
	if (SPI_processed == 0)
		return STAGE_DRAFT;
	return stage_number(registry_value(0, 1));
}

/* An event has the number that another session's event took. */
static void
require_put(uint64 rows)
{
	if (rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to a concurrent change of the model")));
}

/* Writes that the stage of a version changes. */
static void
put_stage(const char *model, const char *version, int stage, const char *gates, bool overridden, const char *reason)
{
	require_put(registry_write("INSERT INTO steward.model_stage_event (model, number, version, stage, changed_by, session_role, gates, overridden, reason) "
				   "SELECT $1, coalesce(pg_catalog.max(e.number), 0) OPERATOR(pg_catalog.+) 1, $2, $3, $4, $5, "
				   "$6::pg_catalog.jsonb, $7::pg_catalog.bool, $8 "
				   "FROM ONLY steward.model_stage_event e WHERE e.model OPERATOR(pg_catalog.=) $1 ON CONFLICT DO NOTHING",
				   8, (const char *[]) {model, version, stage_names[stage], registry_subject(),
	GetUserNameFromId(GetSessionUserId(), false), gates, overridden ? "true" : "false", reason}));
}

/* Writes which version an environment has from now on; NULL: none. */
static void
put_deployment(const char *model, const char *version, const char *environment, const char *endpoint)
{
	require_put(registry_write("INSERT INTO steward.deployment_event (model, environment, number, version, endpoint, deployed_by, session_role) "
				   "SELECT $1, $2, coalesce(pg_catalog.max(e.number), 0) OPERATOR(pg_catalog.+) 1, $3, $4, $5, $6 "
				   "FROM ONLY steward.deployment_event e WHERE e.model OPERATOR(pg_catalog.=) $1 "
				   "AND e.environment OPERATOR(pg_catalog.=) $2 ON CONFLICT DO NOTHING",
				   6, (const char *[]) {model, environment, version, endpoint, registry_subject(),
	GetUserNameFromId(GetSessionUserId(), false)}));
}

/* The environments that have the version. */
static uint64
environments_of(const char *model, const char *version)
{
	return registry_execute("SELECT e.environment FROM (SELECT DISTINCT ON (d.environment) d.environment, d.version "
							"FROM ONLY steward.deployment_event d WHERE d.model OPERATOR(pg_catalog.=) $1 "
							"ORDER BY d.environment, d.number DESC) e WHERE e.version OPERATOR(pg_catalog.=) $2",
							2, (const char *[]) {model, version});
}

/* Puts a version into an environment, in place of the one that is there. */
static void
swap(const char *model, const char *version, const char *environment, const char *endpoint)
{
	char	   *previous;

	registry_execute("SELECT d.version FROM ONLY steward.deployment_event d WHERE d.model OPERATOR(pg_catalog.=) $1 "
					 "AND d.environment OPERATOR(pg_catalog.=) $2 ORDER BY d.number DESC LIMIT 1",
					 2, (const char *[]) {model, environment});
	previous = registry_value(0, 1);
	put_deployment(model, version, environment, endpoint);
	if (previous != NULL && strcmp(previous, version) != 0 && environments_of(model, previous) == 0 &&
		current_stage(model, previous) == STAGE_PRODUCTION)
		put_stage(model, previous, STAGE_APPROVED, "[]", false,
				  psprintf("version %s took its place in environment %s", version, environment));
}

/* ------------------------------------------------------------------------
 * Promotion
 * ------------------------------------------------------------------------
 */

/* What the gates said, as the text of a JSON array. */
static char *
gates_json(List *results)
{
	StringInfoData json;
	ListCell   *lc;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	foreach(lc, results)
	{
		GateResult *result = lfirst(lc);

		appendStringInfoString(&json, lc == list_head(results) ? "{\"gate\":" : ",{\"gate\":");
		escape_json(&json, result->name);
		appendStringInfo(&json, ",\"required\":%s,\"passed\":%s",
						 result->required ? "true" : "false", result->passed ? "true" : "false");
		if (result->measured != NULL)
		{
			appendStringInfoString(&json, ",\"measured\":");
			escape_json(&json, result->measured);
		}
		if (result->threshold != NULL)
		{
			appendStringInfoString(&json, ",\"threshold\":");
			escape_json(&json, result->threshold);
		}
		if (result->reason != NULL)
		{
			appendStringInfoString(&json, ",\"reason\":");
			escape_json(&json, result->reason);
		}
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

/* Raises where required gates did not pass; says which, and what they found. */
static void
refuse_failed(const char *model, const char *version, const char *stage, List *results)
{
	StringInfoData detail;
	int			failed = 0;
	ListCell   *lc;

	initStringInfo(&detail);
	foreach(lc, results)
	{
		GateResult *result = lfirst(lc);

		if (result->passed || !result->required)
			continue;
		appendStringInfo(&detail, "%sGate \"%s\" did not pass", failed++ > 0 ? "\n" : "", result->name);
		if (result->reason != NULL)
			appendStringInfo(&detail, ": %s", result->reason);
		if (result->measured != NULL || result->threshold != NULL)
			appendStringInfo(&detail, ": measured %s, threshold %s",
							 result->measured != NULL ? result->measured : "nothing",
							 result->threshold != NULL ? result->threshold : "not told");
		appendStringInfoChar(&detail, '.');
	}
	if (failed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("version \"%s\" of model \"%s\" does not reach stage \"%s\": %d gate did not pass",
							   "version \"%s\" of model \"%s\" does not reach stage \"%s\": %d gates did not pass",
							   failed, version, model, stage, failed),
				 errdetail_internal("%s", detail.data),
				 errhint("steward.check_gates('%s', '%s', '%s') asks them again.", model, version, stage)));
}

/* Do required gates fail? */
static bool
any_failed(List *results)
{
	ListCell   *lc;

	foreach(lc, results)
	{
		GateResult *result = lfirst(lc);

		if (result->required && !result->passed)
			return true;
	}
	return false;
}

/* Who is in front of the session must not have registered the version. */
static void
refuse_registrant(const char *model, const char *version, const char *what)
{
	registry_execute("SELECT steward.same_person(steward.registrant($1, $2), "
					 "(SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(p)) FROM steward.current_person() p)), "
					 "(steward.registrant($1, $2) OPERATOR(pg_catalog.->>) 'token_subject') IS NULL AND EXISTS "
					 "(SELECT FROM ONLY steward.model_version v WHERE v.model OPERATOR(pg_catalog.=) $1 AND v.version OPERATOR(pg_catalog.=) $2 "
					 "AND v.registered_by OPERATOR(pg_catalog.=) session_user)",
					 2, (const char *[]) {model, version});
	if (strcmp(registry_value(0, 1), "t") == 0 || strcmp(registry_value(0, 2), "t") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s of version \"%s\" of model \"%s\" takes another person than the one who registered it", what, version, model),
				 errdetail("Persons are known by the subject of their token or by the role of their session; SET ROLE makes nobody another person.")));
}

/* Gives a version a stage; with a reason, also past gates that do not pass. */
static void
promote(const char *model, const char *version, const char *stage, const char *reason)
{
	int			to = stage_number(stage);
	int			from;
	bool		overridden = false;

	registry_require_version(model, version);
	registry_lock_model(model);
	from = current_stage(model, version);
	if (from >= to)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version \"%s\" of model \"%s\" cannot go from stage \"%s\" to \"%s\"",
						version, model, stage_names[from], stage),
				 from == STAGE_RETIRED ?
				 errhint("A retired version stays retired: register another one.") :
				 errhint("Stages follow one another: draft, candidate, approved, production, retired.")));
	if (to != STAGE_RETIRED)
		require_not_quarantined(model, version);

	/* Whoever goes several stages at once meets the gates of each. */
	for (int i = to == STAGE_RETIRED ? to : from + 1; i <= to; i++)
	{
		List	   *results = gates_ask(model, version, stage_names[i]);

		if (reason == NULL)
			refuse_failed(model, version, stage_names[i], results);
		else if (any_failed(results))
			overridden = true;
		put_stage(model, version, i, gates_json(results), reason != NULL && any_failed(results), reason);
	}
	if (reason != NULL && !overridden)
		ereport(NOTICE,
				(errmsg("every gate passed: there was nothing to override")));
	if (to == STAGE_PRODUCTION)
		swap(model, version, DEFAULT_ENVIRONMENT, NULL);
	else if (to == STAGE_RETIRED)
	{
		uint64		n = environments_of(model, version);
		char	  **environments = palloc(sizeof(char *) * Max(n, 1));

		for (uint64 i = 0; i < n; i++)
			environments[i] = registry_value(i, 1);
		for (uint64 i = 0; i < n; i++)
			put_deployment(model, NULL, environments[i], NULL);
	}
}

STEWARD_FUNCTION(steward_promote);
STEWARD_FUNCTION(steward_override_gate);
STEWARD_FUNCTION(steward_approve);
STEWARD_FUNCTION(steward_deploy);

/* promote(model, version, stage) */
Datum
steward_promote(PG_FUNCTION_ARGS)
{
	registry_require(STEWARD_ENGINEER, STEWARD_OFFICER, STEWARD_OFFICER);
	registry_begin("promote()");
	promote(registry_argument(fcinfo, 0), registry_argument(fcinfo, 1), registry_argument(fcinfo, 2), NULL);
	registry_end();
	PG_RETURN_VOID();
}

/* override_gate(model, version, stage, reason) */
Datum
steward_override_gate(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *version = registry_argument(fcinfo, 1);
	char	   *stage = registry_argument(fcinfo, 2);
	char	   *reason = registry_argument(fcinfo, 3);

	registry_require(STEWARD_OFFICER, STEWARD_OFFICER, STEWARD_OFFICER);
	registry_begin("override_gate()");
	registry_require_own_statement("override_gate");
	registry_check_reason("reason", reason, true);
	registry_require_version(model, version);
	refuse_registrant(model, version, "an override");
	promote(model, version, stage, reason);
	registry_end();
	PG_RETURN_VOID();
}

/* approve(model, version, stage, reason) */
Datum
steward_approve(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *version = registry_argument(fcinfo, 1);
	char	   *stage = registry_argument(fcinfo, 2);
	char	   *reason = registry_argument(fcinfo, 3);

	registry_require(STEWARD_OFFICER, STEWARD_OFFICER, STEWARD_OFFICER);
	registry_begin("approve()");
	registry_require_own_statement("approve");
	registry_check_reason("reason", reason, false);
	if (stage_number(stage) == STAGE_DRAFT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a draft takes no approval"),
				 errhint("Stages are candidate, approved, production and retired.")));
	registry_require_version(model, version);
	refuse_registrant(model, version, "the approval");
	registry_write("INSERT INTO steward.model_approval (model, version, stage, reason, approved_by, login_role, session_role, token_subject, token_issuer) "
				   "SELECT $1, $2, $3, $4, p.subject, p.login_role, p.session_role, p.token_subject, p.token_issuer FROM steward.current_person() p",
				   4, (const char *[]) {model, version, stage, reason});
	registry_end();
	PG_RETURN_VOID();
}

/* deploy(model, version, environment, endpoint) */
Datum
steward_deploy(PG_FUNCTION_ARGS)
{
	char	   *model = registry_argument(fcinfo, 0);
	char	   *version = registry_argument(fcinfo, 1);
	char	   *environment = registry_argument(fcinfo, 2);
	char	   *endpoint = registry_argument(fcinfo, 3);
	int			stage;

	registry_require(STEWARD_ENGINEER, STEWARD_OFFICER, STEWARD_OFFICER);
	registry_begin("deploy()");
	registry_require_version(model, version);
	registry_execute("SELECT steward.check_name('environment', $1), steward.check_text('endpoint', $2, 2000, false)",
					 2, (const char *[]) {environment, endpoint});
	registry_lock_model(model);
	stage = current_stage(model, version);
	if (stage != STAGE_PRODUCTION)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version \"%s\" of model \"%s\" is not deployed: its stage is \"%s\"", version, model, stage_names[stage]),
				 errhint("Give it stage production with steward.promote().")));
	require_not_quarantined(model, version);
	swap(model, version, environment, endpoint);
	registry_end();
	PG_RETURN_VOID();
}
