/*-------------------------------------------------------------------------
 *
 * record_text.c
 *	  The text of a statement without its constants and comments.
 *
 * Constants are data, and may be data about persons: each becomes $n, where
 * n goes on from the statement's own parameters.  The text is taken apart by
 * core's scanner, so that whatever the parser takes for a constant is one: the
 * body of a DO block or of a function too.  Texts are kept, for a statement
 * that is run again has the same.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/record.h"
#include "common/hashfn.h"
#include "common/keywords.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "parser/scanner.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Bytes of a text or of a parameter in the log; what is longer is cut off. */
#define MAX_TEXT		6000
#define MAX_PARAMETER	1000
#define MAX_PARAMETERS	4000

/* Texts that are kept; longer ones are not. */
#define CACHE_SIZE		256		/* a power of two */
#define MAX_CACHED_TEXT	16384

typedef struct CachedText
{
	uint32		hash;
	int			len;
	char	   *raw;			/* as it was sent */
	RecordBytes *text;
} CachedText;

static CachedText *cache = NULL;

/* Where the last text was found. */
static CachedText *last_found = NULL;

/* The part of the text that is the statement. */
static const char *
statement_part(const char *sql, int location, int *len)
{
	if (location > 0)
		sql += location;
	if (*len <= 0)
		*len = strlen(sql);
	while (*len > 0 && scanner_isspace(sql[0]))
	{
		sql++;
		(*len)--;
	}
	while (*len > 0 && scanner_isspace(sql[*len - 1]))
		(*len)--;
	return sql;
}

/* The field query_text, cut to its greatest length, without tokens. */
static RecordBytes *
make_field(char *text)
{
	char	   *without = redact_text(text);
	int			len;

	if (without != NULL)
		text = without;

	len = strlen(text);
	if (len > MAX_TEXT)
	{
		len = pg_mbcliplen(text, len, MAX_TEXT - 3);
		text = psprintf("%.*s...", len, text);

		len += 3;
	}
	return record_bytes_of_text(ACCESS_QUERY_TEXT, text, len);
}

typedef struct Token
{
	int			start;
	int			len;
	bool		is_constant;
} Token;

/* Is the token a constant, by what it begins with? */
static bool
is_constant(const char *token)
{
	switch (token[0])
	{
		case '\'':
			return true;
		case '.':
			return isdigit((unsigned char) token[1]);
		case '$':				/* a parameter, else a string */
			return !isdigit((unsigned char) token[1]);
		case 'b':
		case 'B':
		case 'e':
		case 'E':
		case 'x':
		case 'X':
			return token[1] == '\'';
		case 'u':
		case 'U':
			return token[1] == '&' && token[2] == '\'';
		default:
			return isdigit((unsigned char) token[0]);
	}
}

/* Where the tokens of the text are; the greatest number of a parameter. */
static List *
scan(char *text, int *last_param)
{
	core_yy_extra_type extra;
	core_yyscan_t scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
	core_YYSTYPE value;
	YYLTYPE		location = 0;
	List	   *tokens = NIL;

	extra.escape_string_warning = false;
	*last_param = 0;
	while (core_yylex(&value, &location, scanner) != 0)
	{
		Token	   *token = palloc(sizeof(Token));

		/* The scanner leaves a zero behind the token. */
		token->start = location;
		token->len = strlen(extra.scanbuf + location);
		token->is_constant = is_constant(extra.scanbuf + location);
		if (extra.scanbuf[location] == '$' && !token->is_constant)
			*last_param = Max(*last_param, value.ival);
		tokens = lappend(tokens, token);
	}
	scanner_finish(scanner);
	return tokens;
}

/* The text with $n for constants and one space for what stands between. */
static char *
normalize(const char *sql, int len)
{
	StringInfoData out;
	char	   *copy = pnstrdup(sql, len);
	List	   *tokens;
	int			param;
	int			end = 0;
	ListCell   *lc;

	tokens = scan(copy, &param);
	initStringInfo(&out);
	foreach(lc, tokens)
	{
		Token	   *token = lfirst(lc);

		if (token->start > end && out.len > 0)
			appendStringInfoChar(&out, ' ');
		if (token->is_constant)
			appendStringInfo(&out, "$%d", ++param);
		else
			appendBinaryStringInfo(&out, sql + token->start, token->len);
		end = token->start + token->len;
	}
	return out.data;
}

/* The same as a field; NULL where the text cannot be taken apart. */
static RecordBytes *
make_text(const char *text, int len)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(old, "pg_steward statement text",
												  ALLOCSET_DEFAULT_SIZES);
	RecordBytes *volatile field = NULL;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		field = make_field(normalize(text, len));
	}
	PG_CATCH();
	{
		/* Only what the scanner has to say of the text is passed over. */
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
			ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return field;
}

/* The field query_text of a statement; to be released.  NULL: none. */
RecordBytes *
record_text(const char *text, int location, int len)
{
	uint32		hash;
	CachedText *entry;
	RecordBytes *field;

	if (text == NULL)
		return NULL;
	text = statement_part(text, location, &len);

	if (last_found != NULL && last_found->len == len && memcmp(last_found->raw, text, len) == 0)
		return record_bytes_keep(last_found->text);
	hash = hash_bytes((const unsigned char *) text, len);
	if (cache == NULL)
		cache = MemoryContextAllocZero(TopMemoryContext, CACHE_SIZE * sizeof(CachedText));
	entry = &cache[hash & (CACHE_SIZE - 1)];
	if (entry->raw != NULL && entry->hash == hash && entry->len == len &&
		memcmp(entry->raw, text, len) == 0)
	{
		last_found = entry;
		return record_bytes_keep(entry->text);
	}

	field = make_text(text, len);
	if (field != NULL && len <= MAX_CACHED_TEXT)
	{
		char	   *raw = MemoryContextAlloc(TopMemoryContext, len + 1);

		memcpy(raw, text, len);
		if (entry->raw != NULL)
		{
			pfree(entry->raw);
			record_bytes_release(&entry->text);
		}
		entry->hash = hash;
		entry->len = len;
		entry->raw = raw;
		entry->text = record_bytes_keep(field);
	}
	return field;
}

/* The same with constants, for steward.log_parameters. */
RecordBytes *
record_raw_text(const char *text, int location, int len)
{
	if (text == NULL)
		return NULL;
	text = statement_part(text, location, &len);

	return make_field(pnstrdup(text, len));
}

/* The field parameters: the values as text; NULL: none. */
RecordBytes *
record_parameters(ParamListInfo params)
{
	List	   *values = NIL;
	Size		bytes = 0;

	if (params == NULL || params->numParams == 0)
		return NULL;
	for (int i = 0; i < params->numParams; i++)
	{
		ParamExternData workspace;
		ParamExternData *param = params->paramFetch != NULL ?
		params->paramFetch(params, i + 1, true, &workspace) : &params->params[i];
		char	   *value;
		Oid			output;
		bool		is_varlena;

		if (param->isnull || !OidIsValid(param->ptype))
		{
			values = lappend(values, NULL);
			continue;
		}
		getTypeOutputInfo(param->ptype, &output, &is_varlena);
		value = OidOutputFunctionCall(output, param->value);
		if (redact_text(value) != NULL)
			value = redact_text(value);
		if (strlen(value) > MAX_PARAMETER)
			value = psprintf("%.*s...", pg_mbcliplen(value, strlen(value), MAX_PARAMETER), value);
		bytes += strlen(value);
		if (bytes > MAX_PARAMETERS)
		{
			values = lappend(values, "...");
			break;
		}
		values = lappend(values, value);
	}
	return record_bytes_of_texts(ACCESS_PARAMETERS, values);
}
