# pg_steward: PGXS build.  `make && make install` against the server that
# PG_CONFIG names; `make installcheck` then tests it there, on servers of its
# own.  ./dev does the same with a private copy of the machine's PostgreSQL.

PG_CONFIG ?= pg_config

EXTENSION = pg_steward

# The SQL of the base version is frozen once that version is released; what
# comes after it stands in deltas, src/<room>/<file>--<from>--<to>.sql.  A fresh
# install is the base and all deltas, one after the other.
BASE = 0.1
DELTAS = 0.1--0.2 0.2--0.3 0.3--0.4

# Lowest first: build order, order of the SQL, and permitted direction of
# includes (test/check_rooms holds the sources to it).
ROOMS = common crypto ledger audit access registry lineage risk report

MODULE_big = pg_steward
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c) $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c))))

# A room's SQL: <room>.sql first, then its other files by name.
room_files = $(filter-out $(wildcard src/$(1)/*--*.sql),$(sort $(wildcard src/$(1)/*.sql)))
room_sql = $(wildcard src/$(1)/$(1).sql) $(filter-out src/$(1)/$(1).sql,$(call room_files,$(1)))
BASE_SOURCES = src/prologue.sql $(foreach r,$(ROOMS),$(call room_sql,$(r)))
delta_sources = $(foreach r,$(ROOMS),$(sort $(wildcard src/$(r)/*--$(1).sql)))
DATA_built = sql/pg_steward--$(BASE).sql $(DELTAS:%=sql/pg_steward--%.sql)

# The stand-alone verifier of exports: of the C library and libcrypto alone.
VERIFIER = verifier/pg_steward_verify

# COPT adds flags (COPT=-Werror).  PostgreSQL's headers are the system's: what
# a compiler thinks of them is no concern of ours.
PG_CPPFLAGS = -I$(srcdir)/src -isystem $(shell $(PG_CONFIG) --includedir-server) -MMD -MP
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare -fvisibility=hidden
# A server built by gcc hands clang some flags that only gcc knows.
ifneq ($(findstring clang,$(shell $(CC) --version 2> /dev/null)),)
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument
endif

SHLIB_LINK = -lcrypto
EXTRA_CLEAN = $(OBJS:.o=.d) $(DATA_built) $(VERIFIER) tmp_check
NO_INSTALLCHECK = 1

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

-include $(OBJS:.o=.d)

# Writes a script of the extension from its sources.
define write_script
	@mkdir -p $(@D)
	@printf '%s\n' '\echo Use "$(2)" to load this file. \quit' > $@.tmp
	@cat $(1) >> $@.tmp
	@mv $@.tmp $@
endef

sql/pg_steward--$(BASE).sql: $(BASE_SOURCES) Makefile
	$(call write_script,$(BASE_SOURCES),CREATE EXTENSION pg_steward)

define delta_rule
sql/pg_steward--$(1).sql: $(call delta_sources,$(1)) Makefile
	$$(call write_script,$(call delta_sources,$(1)),ALTER EXTENSION pg_steward UPDATE)
endef
$(foreach d,$(DELTAS),$(eval $(call delta_rule,$(d))))

all: $(VERIFIER)
$(VERIFIER): $(wildcard verifier/*.c) verifier/verifier.h
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Wno-sign-compare $(COPT) -o $@ $(filter %.c,$^) -lcrypto

install: install-verifier
uninstall: uninstall-verifier
.PHONY: install-verifier uninstall-verifier
install-verifier: $(VERIFIER)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(VERIFIER) '$(DESTDIR)$(bindir)/'
uninstall-verifier:
	rm -f '$(DESTDIR)$(bindir)/pg_steward_verify'

.PHONY: installcheck
installcheck:
	PG_CONFIG='$(PG_CONFIG)' bash test/run
