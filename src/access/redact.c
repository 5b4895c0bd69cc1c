/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  Keeps tokens that stand in the text of statements, and secrets that are
 *	  given to create_issuer(), out of the server log and of pg_stat_activity.
 *
 * A token is told by its looks: base64url of something that begins with "{",
 * and two more parts behind dots.  A secret is a long bytea in hexadecimal
 * while a statement runs that names create_issuer.  In the log every message is looked at just
 * before it is written; in pg_stat_activity the text of a statement is
 * replaced once it has been parsed, and again when authenticate() runs.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/access_internal.h"
#include "access/xact.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/memutils.h"

#define TOKEN_REPLACEMENT	"<token redacted>"
#define SECRET_REPLACEMENT	"<secret redacted>"

/* {"alg":"none"}, the shortest header, has 19 characters as base64url. */
#define MIN_HEADER		16
#define MIN_PAYLOAD		3

/* Digits of the shortest secret: 32 bytes. */
#define MIN_SECRET		64

static bool
is_base64url(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '_';
}

/* Length of what begins at p and looks like a token; 0 where nothing does. */
static Size
token_length(const char *p)
{
	const char *start = p;
	Size		part;

	/* "{" and a quote, a space or a line end after it */
	if (p[0] != 'e' || (p[1] != 'y' && p[1] != 'w'))
		return 0;
	for (part = 0; is_base64url(*p); p++)
		part++;
	if (part < MIN_HEADER || *p++ != '.')
		return 0;
	for (part = 0; is_base64url(*p); p++)
		part++;
	if (part < MIN_PAYLOAD || *p++ != '.')
		return 0;
	while (is_base64url(*p))
		p++;

	/* parts that do not belong there belong to it, too */
	while (*p == '.' && is_base64url(p[1]))
	{
		for (p++; is_base64url(*p); p++)
			;
	}
	return p - start;
}

/* Length of what begins at p and looks like a secret; 0 where nothing does. */
static Size
secret_length(const char *p)
{
	const char *start = p;
	Size		digits = 0;

	if (p[0] != '\\' || p[1] != 'x')
		return 0;
	for (p += 2; isxdigit((unsigned char) *p); p++)
		digits++;
	return digits < MIN_SECRET ? 0 : p - start;
}

/* Does the running statement name create_issuer()? */
static bool
secrets_are_given(void)
{
	static const char name[] = "create_issuer";

	for (const char *p = debug_query_string; p != NULL && (p = strpbrk(p, "cC")) != NULL; p++)
	{
		if (pg_strncasecmp(p, name, sizeof(name) - 1) == 0)
			return true;
	}
	return false;
}

/*
 * A copy of the text without the tokens, and without the secrets where there
 * may be some, that begin within the first limit bytes; NULL where there are
 * none.
 */
static char *
redacted(const char *text, Size limit, bool secrets)
{
	StringInfoData buf;
	const char *rest = text;
	bool		found = false;

	if (text == NULL)
		return NULL;
	for (const char *p = text; (p = strpbrk(p, secrets ? "e\\" : "e")) != NULL && p - text <limit;)
	{
		bool		is_secret = *p == '\\';
		Size		len;

		if (is_secret)
			len = secret_length(p);
		else
			len = p > text &&is_base64url(p[-1]) ? 0 : token_length(p);

		if (len == 0)
		{
			p++;
			continue;
		}
		if (!found)
			initStringInfo(&buf);
		found = true;
		appendBinaryStringInfo(&buf, rest, (int) (p - rest));
		appendStringInfoString(&buf, is_secret ? SECRET_REPLACEMENT : TOKEN_REPLACEMENT);
		rest = p = p + len;
	}
	if (!found)
		return NULL;
	appendStringInfoString(&buf, rest);
	return buf.data;
}

/* The text without tokens and secrets; NULL where there are none. */
char *
redact_text(const char *text)
{
	return redacted(text, SIZE_MAX, secrets_are_given());
}

/* Has pg_stat_activity show this text of the statement that is running. */
static void
report_activity(const char *text)
{
	uint64		query_id;

	if (MyBEEntry == NULL || !pgstat_track_activities)
		return;
	/* Reporting a text forgets the query's identifier. */
	query_id = pgstat_get_my_query_id();
	pgstat_report_activity(STATE_RUNNING, text);
	pgstat_report_query_id(query_id, true);
}

/* Replaces tokens in what pg_stat_activity shows of this session. */
void
redact_activity(void)
{
	const char *statement = debug_query_string;
	bool		secrets;
	char	   *text;

	/*
	 * Most statements have neither the dot of a token nor the backslash of a
	 * secret.
	 */
	if (statement == NULL)
		return;
	secrets = strchr(statement, '\\') != NULL;
	if (!secrets && strchr(statement, '.') == NULL)
		return;
	text = redacted(statement, pgstat_track_activity_query_size, secrets && secrets_are_given());

	if (text == NULL)
		return;
	report_activity(text);
	pfree(text);
}

/*
 * A statement has been parsed, or is about to run: it is shown without tokens
 * from here on.  Statements within functions run under the text of the one
 * outside.
 */
void
access_redact_statement(void)
{
	static const char *last_text = NULL;
	static TimestampTz last_start = 0;

	if (debug_query_string == last_text && GetCurrentStatementStartTimestamp() == last_start)
		return;
	last_text = debug_query_string;
	last_start = GetCurrentStatementStartTimestamp();
	redact_activity();
}

/*
 * Replaces tokens in a message that is about to be logged, and in the
 * statement that is logged with it.
 *
 * What the client is told of the message is changed with it: there is one
 * text for both.
 */
void
access_redact_log(ErrorData *edata)
{
	char	  **texts[] = {&edata->message, &edata->detail, &edata->detail_log,
	&edata->hint, &edata->context, &edata->internalquery};
	char	   *statement;
	bool		secrets = secrets_are_given();

	for (int i = 0; i < lengthof(texts); i++)
	{
		char	   *text = redacted(*texts[i], SIZE_MAX, secrets);

		if (text !=NULL)
			*texts[i] = text;
	}

	statement = edata->hide_stmt ? NULL : redacted(debug_query_string, SIZE_MAX, secrets);
	if (statement == NULL)
		return;
	if (MessageContext == NULL)
		edata->hide_stmt = true;
	else
		debug_query_string = MemoryContextStrdup(MessageContext, statement);
	if (edata->elevel < FATAL)
		report_activity(statement);
	pfree(statement);
}
