# PostgreSQL's own tests with pg_steward loaded.  Part of ./dev.
#
# A server with assertions is built from the sources of the machine's Debian
# and kept in core/NN of the private place.  Its regression suite runs twice:
# plain, and with pg_steward preloaded and created.  Where a difference is
# right, a patch in test/core_patches/NN says so, and why; it is applied to the
# expected output, so that a difference that goes away is noticed, too.  Then
# our own tests run on that server.
#
# Copyright (c) 2026, the pg_steward authors

# Sets CORE, the folder of the server with assertions and its sources.
core_place()
{
	CORE=$PRIVATE/core/$PG_MAJOR
	mkdir -p "$CORE"
	[ "$(id -u)" != 0 ] || chown "$RUNNER" "$CORE"
}

# Debian's archive, without a change to the machine's own settings of apt.
core_apt()
{
	local command=$1

	shift
	"$command" -o Dir::Etc::SourceList="$CORE/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$CORE/apt/lists" -o Dir::Cache="$CORE/apt/cache" \
		-o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false "$@"
}

# Fetches the newest source of the server that the archive still has.
core_fetch()
{
	local release version tar=

	[ ! -e "$CORE/src/configure" ] || return 0
	release=$(debian_of "$PG_MAJOR")
	as_user mkdir -p "$CORE/apt/lists/partial" "$CORE/apt/cache/archives/partial" "$CORE/src" "$CORE/download"
	{
		echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $release main"
		# a testing release has no archive of security updates
		[ "$release" = forky ] ||
			echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
				"http://deb.debian.org/debian-security $release-security main"
	} | as_user tee "$CORE/apt/sources.list" > /dev/null
	core_apt apt-get -qq update || true
	for version in $(core_apt apt-cache showsrc "postgresql-$PG_MAJOR" | sed -n 's/^Version: //p' | sort -Vru); do
		say "fetching the source of postgresql-$PG_MAJOR $version"
		if (cd "$CORE/download" && core_apt apt-get -qq source --download-only "postgresql-$PG_MAJOR=$version") \
			> "$CORE/fetch.log" 2>&1
		then
			tar=$(ls "$CORE/download/postgresql-${PG_MAJOR}_${version%-*}.orig.tar."*[2z])
			break
		fi
		say "  it cannot be had: $(grep -m 1 '^E:' "$CORE/fetch.log")"
	done
	[ -n "$tar" ] || die "Debian $release has no source of PostgreSQL $PG_MAJOR to fetch"
	as_user tar -C "$CORE/src" --strip-components=1 -xf - --use-compress-program="$(core_decompressor "$tar")" < "$tar"
}

# The program that unpacks a tar file, from its name.
core_decompressor()
{
	case $1 in
		*.bz2) echo bzip2 ;;
		*.xz) echo xz ;;
		*) echo gzip ;;
	esac
}

# Builds and installs the server, with what its tests need.
core_build()
{
	local options="--enable-cassert --enable-debug --enable-tap-tests --with-libxml --with-openssl --without-readline --without-zlib"

	[ "$PG_MAJOR" = 15 ] || options+=" --without-icu"
	[ "$(cat "$CORE/built" 2> /dev/null)" != "$options" ] || return 0
	say "building PostgreSQL $PG_MAJOR with assertions; this is done once"
	if ! as_user sh -ec '
		cd "$1/src"
		[ ! -e config.status ] || make -s distclean
		rm -rf "$1/install"
		./configure -q --prefix="$1/install" $2 CFLAGS="-O1 -g"
		make -s -j"$(nproc)" -C src install
		make -s -C src/test/regress install
		make -s -C src/test/isolation install
		make -s -C contrib/spi install' sh "$CORE" "$options" > "$CORE/build.log" 2>&1
	then
		tail -20 "$CORE/build.log" >&2
		die "PostgreSQL could not be built; all that was said is in $CORE/build.log"
	fi
	echo "$options" | as_user tee "$CORE/built" > /dev/null
}

# Runs the regression suite: core_suite NAME INPUT ARGUMENT...; adds to the counts.
core_suite()
{
	local name=$1 input=$2 out=$CORE/$1 passed failed

	shift 2
	as_user rm -rf "$out"
	as_user mkdir -p "$out"
	echo "== PostgreSQL's regression suite, $name"
	as_user sh -c 'cd "$1" && shift && exec "$@"' sh "$out" \
		"$CORE/src/src/test/regress/pg_regress" --temp-instance="$out/instance" --no-locale --encoding=UTF8 \
		--inputdir="$input" --outputdir="$out" --bindir="$CORE/install/bin" --dlpath="$CORE/src/src/test/regress" \
		--schedule="$input/parallel_schedule" --max-concurrent-tests=20 "$@" > "$out/output" 2>&1 || true
	# "test name ... ok 12 ms" until 15, TAP since 16
	passed=$(grep -cE '^ok |\.\.\. +ok( |$)' "$out/output" || true)
	failed=$(grep -cE '^not ok |\.\.\. (failed|FAILED)' "$out/output" || true)
	grep -E '^not ok |\.\.\. (failed|FAILED)' "$out/output" || true
	if [ "$((passed + failed))" = 0 ]; then
		tail -20 "$out/output"
		failed=1
	fi
	[ ! -s "$out/regression.diffs" ] || head -"${DIFF_LINES:-300}" "$out/regression.diffs"
	if grep -rhE 'was terminated by signal|PANIC:|TRAP:' "$out"/log/ "$out"/instance/ 2> /dev/null; then
		failed=$((failed + 1))
	fi
	echo "$passed passed, $failed failed"
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
}

# A copy of the suite's inputs with our patches applied to what it expects.
core_patched_input()
{
	local patch

	as_user rm -rf "$CORE/input"
	as_user mkdir -p "$CORE/input"
	as_user sh -c 'cd "$1/src/src/test/regress" && cp -r sql expected data *_schedule "$1/input/"' sh "$CORE"
	for patch in "$TREE/test/core_patches/$PG_MAJOR"/*.patch; do
		[ -e "$patch" ] || continue
		as_user patch -s -p0 -d "$CORE/input" -i "$patch" || die "${patch##*/} does not apply"
	done
}

# Our own tests on the server with assertions.
core_own_tests()
{
	local log=$CORE/own.log status

	echo "== our own tests, on a server with assertions"
	in_tree env PG_CONFIG="$CORE/install/bin/pg_config" OUT="$CORE/own" CORE=1 STEWARD_SHORT=1 \
		test/run 2>&1 | tee "$log" || true
	if status=$(tail -1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$'); then
		total_passed=$((total_passed + ${status%% *}))
		status=${status% failed}
		total_failed=$((total_failed + ${status##* }))
	else
		total_failed=$((total_failed + 1))
	fi
}

cmd_core()
{
	local total_passed=0 total_failed=0

	PG_MAJOR=${1:-$PG_MAJOR}
	if ! is_native "$PG_MAJOR"; then
		chroot_make "$PG_MAJOR"
		chroot_copy_tree "$PG_MAJOR"
		chroot_dev "$PG_MAJOR" core
		return
	fi
	need $(base_packages) bison flex bzip2 xz-utils patch pkg-config libxml2-dev debian-archive-keyring
	private_place
	core_place
	core_fetch
	core_build
	core_install_extension
	core_suite plain "$CORE/src/src/test/regress"
	core_patched_input
	core_suite pg_steward "$CORE/input" --temp-config="$TREE/test/core.conf" --load-extension=pg_steward
	core_own_tests
	echo
	echo "$total_passed passed, $total_failed failed"
	[ $total_failed = 0 ]
}

# Builds pg_steward for the server with assertions, in a tree of its own.
core_install_extension()
{
	TREE=$CORE/tree
	copy_tree
	as_user make -s -C "$TREE" -j"$(nproc)" with_llvm=no PG_CONFIG="$CORE/install/bin/pg_config" >&2
	as_user make -s -C "$TREE" with_llvm=no PG_CONFIG="$CORE/install/bin/pg_config" install > "$CORE/install.log" 2>&1 ||
		{ cat "$CORE/install.log" >&2; exit 1; }
	# pgTAP is SQL alone, so that Debian's fits
	as_user sh -c 'cp /usr/share/postgresql/"$1"/extension/pgtap* "$("$2/install/bin/pg_config" --sharedir)/extension/"' \
		sh "$PG_MAJOR" "$CORE"
}
