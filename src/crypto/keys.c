/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  The key directory: the master key, and secrets that stand in files.
 *
 * The master key is made at first need, by whichever backend comes first: it
 * is written to a file of its own, flushed, and given its name by link(),
 * which fails where another backend was faster.  So a master key is whole or
 * not there, and never replaced.  A standby makes none; it has a copy of the
 * primary's.
 *
 * A backend reads the key once and wipes it when it ends.  It stands in no
 * table, setting, message or dump.
 *
 * Copyright (c) 2026, the pg_steward authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "crypto/crypto.h"
#include "crypto/crypto_internal.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#define MASTER_KEY_FILE		"master.key"
#define MASTER_KEY_HEADER	"pg_steward master key 1\n"
#define MASTER_KEY_SIZE		(sizeof(MASTER_KEY_HEADER) - 1 + 2 * CRYPTO_KEY_LENGTH + 1)
#define MAX_SECRET_FILE		4096	/* bytes */

static char *key_directory_guc = NULL;

static uint8 master_key[CRYPTO_KEY_LENGTH];
static bool master_key_known = false;

/* The key directory; a relative path starts at the data directory. */
const char *
crypto_key_directory(void)
{
	static char path[MAXPGPATH];

	if (is_absolute_path(key_directory_guc))
		strlcpy(path, key_directory_guc, sizeof(path));
	else
		snprintf(path, sizeof(path), "%s/%s", DataDir, key_directory_guc);
	canonicalize_path(path);
	return path;
}

static bool
check_key_directory(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0')
	{
		GUC_check_errdetail("The key directory must have a name.");
		return false;
	}
	return true;
}

/* Wipes the key when the backend ends. */
static void
forget_master_key(int code, Datum arg)
{
	crypto_wipe(master_key, sizeof(master_key));
	master_key_known = false;
}

/* Refuses a file or directory that others than the server's user may open. */
static void
check_private(const char *path, const struct stat *st, bool directory)
{
	if (directory ? !S_ISDIR(st->st_mode) : !S_ISREG(st->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 directory ?
				 errmsg("key directory \"%s\" is not a directory", path) :
				 errmsg("key file \"%s\" is not an ordinary file", path)));
	if (st->st_uid != geteuid())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" does not belong to the user that runs the server", path),
				 errhint("Change its owner with chown.")));
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" is open to others than the user that runs the server", path),
				 errhint("Set its permissions to %s.", directory ? "0700" : "0600")));
}

/* Checks the key directory, and makes it where it is missing and may be made. */
void
key_directory_check(bool make)
{
	const char *path = crypto_key_directory();
	struct stat st;

	if (make && mkdir(path, S_IRWXU) == 0)
		fsync_fname_ext(path, true, false, ERROR);
	else if (make && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not make key directory \"%s\": %m", path),
				 errhint("Make the directory that is above it, or set steward.key_directory to another.")));
	if (stat(path, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not find key directory \"%s\": %m", path)));
	check_private(path, &st, true);
}

/*
 * Reads a whole private file of at most max bytes into buf; false where it
 * does not exist.  Symbolic links are not followed.
 */
bool
key_file_read(const char *path, uint8 *buf, Size max, Size *len)
{
	struct stat st;
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | PG_BINARY);
	ssize_t		n;

	if (fd < 0)
	{
		if (errno == ENOENT)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open key file \"%s\": %m", path)));
	}
	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat key file \"%s\": %m", path)));
	check_private(path, &st, false);
	if (st.st_size > max)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("key file \"%s\" is longer than %zu bytes", path, max)));
	n = read(fd, buf, max);
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read key file \"%s\": %m", path)));
	*len = n;
	CloseTransientFile(fd);
	return true;
}

static int
hex_digit(uint8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Takes the key out of the text of its file; false where that is damaged. */
static bool
parse_master_key(const uint8 *text, Size len)
{
	const uint8 *p = text +sizeof(MASTER_KEY_HEADER) - 1;

	if (len != MASTER_KEY_SIZE || text[len - 1] != '\n' ||
		memcmp(text, MASTER_KEY_HEADER, sizeof(MASTER_KEY_HEADER) - 1) != 0)
		return false;
	for (int i = 0; i < CRYPTO_KEY_LENGTH; i++)
	{
		int			high = hex_digit(p[2 * i]);
		int			low = hex_digit(p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		master_key[i] = high << 4 | low;
	}
	return true;
}

/* Reads the master key; false where there is none. */
static bool
read_master_key(const char *path)
{
	uint8 text[ MASTER_KEY_SIZE + 1];
	Size		len;
	bool		good;

	if (!key_file_read(path, text, sizeof(text), &len))
		return false;
	good = parse_master_key(text, len);
	crypto_wipe(text, sizeof(text));
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key file \"%s\" is damaged", path),
				 errhint("Restore it from a copy; what was wrapped under it cannot be read without.")));
	return true;
}

/* Writes a file of len bytes and flushes it. */
static bool
write_private_file(const char *path, const void *data, Size len)
{
	int			fd = open(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
	bool		good;

	good = fd >= 0 && write(fd, data, len) == len && pg_fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		good = false;
	return good;
}

/*
 * Makes a key file, unless there is one already.  It is whole or not there;
 * false: it could not be made, and errno says why.
 */
bool
key_file_make(const char *path, const void *data, Size len)
{
	char		temporary[MAXPGPATH + 64];
	bool		good;
	int			saved;

	snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, MyProcPid);

	/* one that a backend of this number left behind when it crashed */
	(void) unlink(temporary);
	good = write_private_file(temporary, data, len) &&
		(link(temporary, path) == 0 || errno == EEXIST);
	saved = errno;
	(void) unlink(temporary);
	errno = saved;
	return good;
}

/* Makes the master key, unless another backend does so first. */
static void
make_master_key(const char *path)
{
	static const char digits[] = "0123456789abcdef";
	uint8		key[CRYPTO_KEY_LENGTH];
	char text[	MASTER_KEY_SIZE + 1];
	char	   *p = text +sizeof(MASTER_KEY_HEADER) - 1;
	bool		good;

	crypto_random(key, sizeof(key));
	memcpy(text, MASTER_KEY_HEADER, sizeof(MASTER_KEY_HEADER) - 1);
	for (int i = 0; i < CRYPTO_KEY_LENGTH; i++)
	{
		*p++ = digits[key[i] >> 4];
		*p++ = digits[key[i] & 15];
	}
	*p = '\n';
	crypto_wipe(key, sizeof(key));
	good = key_file_make(path, text, MASTER_KEY_SIZE);
	crypto_wipe(text, sizeof(text));
	if (!good)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not make key file \"%s\": %m", path)));
	fsync_fname_ext(crypto_key_directory(), true, false, ERROR);
	ereport(LOG,
			(errmsg("pg_steward made its master key in \"%s\"", path),
			 errhint("Keep a copy of it apart from backups of the data: what is wrapped under it cannot be read without.")));
}

/* The master key, 32 bytes; made where there is none yet. */
const uint8 *
crypto_master_key(void)
{
	char		path[MAXPGPATH + 32];

	if (master_key_known)
		return master_key;

	steward_require_preload();
	snprintf(path, sizeof(path), "%s/%s", crypto_key_directory(), MASTER_KEY_FILE);
	key_directory_check(!RecoveryInProgress());
	if (!read_master_key(path))
	{
		if (RecoveryInProgress())
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("this standby has no master key"),
					 errhint("Copy the key directory of the primary to \"%s\".", crypto_key_directory())));
		make_master_key(path);
		if (!read_master_key(path))
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("key file \"%s\" has disappeared", path)));
	}
	on_proc_exit(forget_master_key, (Datum) 0);
	master_key_known = true;
	return master_key;
}

/*
 * Puts a file that is no secret into the key directory, in place of one of that
 * name: after a crash there is the old one or the new one.
 */
void
crypto_keep_file(const char *name, const void *data, Size len)
{
	char		path[MAXPGPATH + 256];
	char		temporary[MAXPGPATH + 300];

	key_directory_check(true);
	snprintf(path, sizeof(path), "%s/%s", crypto_key_directory(), name);
	snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, MyProcPid);
	(void) unlink(temporary);
	if (!write_private_file(temporary, data, len))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temporary)));
	(void) durable_rename(temporary, path, ERROR);
}

/* Reads such a file, of at most max bytes; NULL where there is none. */
uint8 *
crypto_kept_file(const char *name, Size max, Size *len)
{
	char		path[MAXPGPATH + 256];
	uint8	   *data = palloc(max + 1);
	struct stat st;

	/* without a directory, nothing was ever kept */
	if (stat(crypto_key_directory(), &st) != 0 && errno == ENOENT)
		return NULL;
	key_directory_check(false);
	snprintf(path, sizeof(path), "%s/%s", crypto_key_directory(), name);
	if (!key_file_read(path, data, max, len))
		return NULL;
	data[*len] = '\0';
	return data;
}

/*
 * The path of a secret's file.  Its URI is "file:" and either a name or an
 * absolute path; the file lies in the key directory itself.
 */
static void
secret_path(const char *uri, char *path, Size size)
{
	const char *name = uri;
	const char *directory = crypto_key_directory();
	Size		len = strlen(directory);

	if (strncmp(name, "file:", 5) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("secret URI is not of scheme \"file\""),
				 errhint("Put the secret into a file of the key directory and write file:NAME.")));
	name += 5;
	if (strncmp(name, "//", 2) == 0)
		name += 2;
	if (strncmp(name, directory, len) == 0 && name[len] == '/')
		name += len + 1;
	if (name[0] == '\0' || name[0] == '.' || strlen(name) >= 200 || strpbrk(name, "/\\%?#") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("secret URI does not name a file of the key directory"),
				 errhint("Put the secret into a file of \"%s\" and write file:NAME.", directory)));
	if (strncmp(name, MASTER_KEY_FILE, strlen(MASTER_KEY_FILE)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("secret URI names the master key")));
	if (strncmp(name, SIGNING_KEY_PREFIX, strlen(SIGNING_KEY_PREFIX)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("secret URI names a signing key")));
	snprintf(path, size, "%s/%s", directory, name);
}

/* Raises where the URI could not name a secret; the file may come later. */
void
crypto_check_secret_uri(const char *uri)
{
	char		path[MAXPGPATH + 256];

	secret_path(uri, path, sizeof(path));
}

/*
 * Reads a secret from its file.  One line feed at the end is the editor's,
 * not the secret's.  Wipe it after use.
 */
uint8 *
crypto_read_secret(const char *uri, Size *len)
{
	char		path[MAXPGPATH + 256];
	uint8	   *secret = palloc(MAX_SECRET_FILE + 1);

	secret_path(uri, path, sizeof(path));
	key_directory_check(false);
	if (!key_file_read(path, secret, MAX_SECRET_FILE, len))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("secret file \"%s\" does not exist", path)));
	if (*len > 0 && secret[*len - 1] == '\n')
		(*len)--;
	return secret;
}

STEWARD_FUNCTION(steward_key_directory_is_apart);

/* key_directory_is_apart(): does it lie outside of the data directory? */
Datum
steward_key_directory_is_apart(PG_FUNCTION_ARGS)
{
	steward_require_preload();
	PG_RETURN_BOOL(!path_is_prefix_of_path(DataDir, crypto_key_directory()));
}

/* Defines the settings.  Called once, while libraries are preloaded. */
void
crypto_init(void)
{
	DefineCustomStringVariable("steward.key_directory",
							   "The directory of pg_steward's keys.",
							   "A relative path starts at the data directory. In production, "
							   "choose one outside of it, so that base backups hold no key.",
							   &key_directory_guc,
							   "pg_steward_keys",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY,
							   check_key_directory, NULL, NULL);
}
