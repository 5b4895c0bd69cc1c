# The C sources in PostgreSQL's own form, by its pgindent.  Part of ./dev.
#
# Copyright (c) 2026, the pg_steward authors

# Indents the C sources in place; with --check, prints what would change.
cmd_format()
{
	local check= dir file tool status=0

	[ "${1:-}" != --check ] || check=yes
	# the release whose pgindent and pg_bsd_indent fit together
	PG_MAJOR=15
	is_native 15 || die "format needs Debian bookworm, for its pg-bsd-indent and PostgreSQL 15's pgindent"
	need $(base_packages) pg-bsd-indent bzip2 xz-utils debian-archive-keyring
	private_place
	core_place
	core_fetch
	copy_tree
	dir=$PLACE/format
	tool=$CORE/src/src/tools/pgindent
	as_user rm -rf "$dir"
	as_user cp -r "$TREE/src" "$dir"
	# PostgreSQL's names of types, and ours
	(cd "$dir" && grep -rhoE '^\} [A-Za-z_]+;|^typedef [^;(]*[ *]([A-Za-z_]+);|^typedef .*\(\*([A-Za-z_]+)\)' --include='*.[ch]' . |
		sed -E 's/.*\(\*([A-Za-z_]+)\).*/\1/; s/;$//; s/.*[ *]//' | cat "$tool/typedefs.list" - | LC_ALL=C sort -u) |
		as_user tee "$dir/typedefs.list" > /dev/null
	as_user sh -c 'cd "$1" && find . -name "*.[ch]" | xargs perl "$2/pgindent" --typedefs=typedefs.list --indent=/usr/bin/pg_bsd_indent' \
		sh "$dir" "$tool" >&2
	while read -r file; do
		cmp -s "$dir/$file" "src/$file" && continue
		if [ -n "$check" ]; then
			diff -u "src/$file" "$dir/$file" || true
			status=1
		else
			say "formatted src/$file"
			cat "$dir/$file" > "src/$file"
		fi
	done < <(cd src && find . -name '*.[ch]' | sed 's/^\.\///' | sort)
	return $status
}
