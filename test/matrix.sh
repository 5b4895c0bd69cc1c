# The tests on other versions of PostgreSQL.  Part of ./dev.
#
# What does not depend on the version is cut short there (STEWARD_SHORT): random
# statements and policy sets, rounds of crashes, tampering with exports.
#
# A version that is not the machine's own is tested in a chroot of the Debian
# that brings it, made by debootstrap and kept in .dev/chroot/NN.  In it runs
# this very ./dev.
#
# Copyright (c) 2026, the pg_steward authors

# The Debian that packages a version of PostgreSQL.
debian_of()
{
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) die "no Debian release packages PostgreSQL $1; there are 15, 17 and 18" ;;
	esac
}

# Where the machine takes Debian from.
debian_mirror()
{
	local uri

	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2> /dev/null |
		grep -E '/debian/?$' | head -1)
	echo "${uri:-http://deb.debian.org/debian}"
}

# Does the machine itself have this version?
is_native()
{
	[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = "$(debian_of "$1")" ]
}

chroot_of() { echo "$TOP/.dev/chroot/$1"; }

# Makes the chroot of a version, unless it is there.
chroot_make()
{
	local dir release script=/usr/share/debootstrap/scripts

	dir=$(chroot_of "$1")
	release=$(debian_of "$1")
	[ ! -e "$dir/made" ] || return 0
	need debootstrap debian-archive-keyring
	say "making a chroot of Debian $release for PostgreSQL $1"
	mkdir -p "$TOP/.dev/chroot"
	as_root rm -rf "$dir"
	# a release younger than this debootstrap has no script of its own
	script=$script/$release
	[ -e "$script" ] || script=${script%/*}/sid
	if ! as_root debootstrap --variant=minbase --include=ca-certificates \
		"$release" "$dir" "$(debian_mirror)" "$script" > "$TOP/.dev/chroot/$1.log" 2>&1
	then
		tail -20 "$TOP/.dev/chroot/$1.log" >&2
		die "debootstrap failed; all it said is in .dev/chroot/$1.log"
	fi
	# Signatures are checked; that a mirror lags behind the clock matters to
	# nobody here, and a testing release expires within a week.
	echo 'Acquire::Check-Valid-Until "false";' |
		as_root tee "$dir/etc/apt/apt.conf.d/90pg_steward" > /dev/null
	as_root touch "$dir/made"
}

# Copies this tree into the chroot of a version.
chroot_copy_tree()
{
	local dir

	dir=$(chroot_of "$1")
	as_root mkdir -p "$dir/pg_steward"
	# all but what was made there before
	as_root find "$dir/pg_steward" -mindepth 1 -maxdepth 1 ! -name .dev -exec rm -rf {} +
	list_sources | tar -cf - -T - | as_root tar -C "$dir/pg_steward" --no-same-owner -xpf -
}

# Runs ./dev in the chroot of a version: chroot_dev VERSION [NAME=VALUE...] ARGUMENT...
# Its mounts and processes end with it, in name spaces of their own.
chroot_dev()
{
	local version=$1 dir settings=()

	shift
	dir=$(chroot_of "$version")
	while [[ "${1:-}" == *=* ]]; do
		settings+=("$1")
		shift
	done
	for f in /etc/resolv.conf /etc/hosts; do
		as_root cp -L "$f" "$dir$f"
	done
	# shellcheck disable=SC2016
	as_root unshare --mount --pid --fork --kill-child sh -c '
		dir=$1
		shift
		mount -t proc proc "$dir/proc" &&
		mkdir -p "$dir/dev/shm" "$dir/dev/pts" &&
		mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm" &&
		mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$dir/dev/pts" &&
		exec chroot "$dir" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
			${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"' \
		sh "$dir" "PG_MAJOR=$version" "${settings[@]}" /pg_steward/dev "$@"
}

# Brings a built server of this machine into the chroot of a younger one, to
# upgrade from, with the libraries that the younger Debian lacks.
chroot_bring_old_server()
{
	local old=$1 dir place lib missing more=1

	dir=$(chroot_of "$2")
	place=/pg_steward/.dev/old/$old
	as_root rm -rf "$dir$place"
	as_root mkdir -p "$dir$place/missing"
	as_root cp -a "$ROOT" "$dir$place/"
	while [ -n "$more" ]; do
		more=
		# shellcheck disable=SC2016
		missing=$(as_root chroot "$dir" sh -c 'LD_LIBRARY_PATH=$1/missing ldd $1/root/usr/lib/postgresql/$2/bin/* \
			$1/root/usr/lib/postgresql/$2/lib/pg_steward.so $1/missing/*' sh "$place" "$old" 2> /dev/null |
			sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' | sort -u)
		for lib in $missing; do
			lib=$(ldconfig -p | sed -n "s/^[[:space:]]*$lib (.*x86-64.*=> //p; s/^[[:space:]]*$lib (.*AArch64.*=> //p" | head -1)
			[ -n "$lib" ] || die "PostgreSQL $old needs $missing"
			as_root cp -L "$lib" "$dir$place/missing/"
			more=yes
		done
	done
}

# The tests on each of the versions, and the upgrade from 15 to 17.
cmd_matrix()
{
	local version log status total_passed=0 total_failed=0 summary=()

	[ $# -gt 0 ] || set -- 15 17 18
	for version in "$@"; do
		debian_of "$version" > /dev/null
	done
	for version in "$@"; do
		echo "== PostgreSQL $version"
		mkdir -p "$TOP/.dev"
		log=$TOP/.dev/matrix-$version.log
		if is_native "$version"; then
			PG_MAJOR=$version
			private_place
			if [ "$(tail -n +2 "$PLACE/passed" 2> /dev/null)" = "$(sources_sum)" ]; then
				say "./dev test has just passed on these sources"
				head -n 1 "$PLACE/passed" | tee "$log"
			else
				"$TOP/dev" test 2>&1 | tee "$log" || true
			fi
		else
			chroot_make "$version"
			chroot_copy_tree "$version"
			if [ "$version" = 17 ] && is_native 15; then
				PG_MAJOR=15
				build
				# what 17 brings itself must be there, lest older libraries stand before it
				chroot_dev 17 packages
				chroot_bring_old_server 15 17
				chroot_dev 17 OLD_SERVER=/pg_steward/.dev/old/15 STEWARD_SHORT=1 test 2>&1 | tee "$log" || true
			else
				chroot_dev "$version" STEWARD_SHORT=1 test 2>&1 | tee "$log" || true
			fi
		fi
		if status=$(tail -1 "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$'); then
			summary+=("PostgreSQL $version: $status")
			total_passed=$((total_passed + ${status%% *}))
			status=${status% failed}
			total_failed=$((total_failed + ${status##* }))
		else
			summary+=("PostgreSQL $version: the tests did not run to their end")
			total_failed=$((total_failed + 1))
		fi
	done
	echo
	printf '%s\n' "${summary[@]}"
	echo "$total_passed passed, $total_failed failed"
	[ $total_failed = 0 ]
}
