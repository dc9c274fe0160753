#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh BUILD TAEL EXAMPLE.c HEADER.c FOLLOW.c: installs libtael into a folder of its own, builds
# programs with it as a user does, and runs them against a server.
set -eu
build=$1 tael=$2 example=$3 header=$4 follow=$5
folder=$(mktemp -d "${TMPDIR:-/tmp}/tael-library.XXXXXX")
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
    rm -rf "$folder"
}
trap finish EXIT
DESTDIR=$folder/root meson install -C "$build" --no-rebuild --quiet --tags devel,runtime
PKG_CONFIG_PATH=$(dirname "$(find "$folder/root" -name tael.pc)")
PKG_CONFIG_SYSROOT_DIR=$folder/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name libtael.so)")
export LD_LIBRARY_PATH
flags=$(pkg-config --cflags tael)
libraries=$(pkg-config --libs tael)
static=$(pkg-config --static --libs tael)
case $libraries in
*sodium*)
    echo "a program that links the shared library need not name what that needs"
    exit 1
    ;;
esac
strict='-Wall -Wextra -Wpedantic -Werror'

# shellcheck disable=SC2086 # One word a flag.
{
    cc -std=c11 $strict $flags -o "$folder/dynamic" "$example" $libraries
    cc -std=c11 $strict $flags -o "$folder/static" "$example" -Wl,-Bstatic $static -Wl,-Bdynamic
    cc -std=c11 $strict $flags -o "$folder/follow" "$follow" $libraries
    cc -std=c11 $strict $flags -o "$folder/header" "$header" -Wl,-Bstatic $static -Wl,-Bdynamic
}
"$folder/header" | grep -q '"nowhere" is no port.* 7 8$'
if command -v c++ >/dev/null; then
    # shellcheck disable=SC2086
    c++ -x c++ -std=c++11 -Wall -Wextra -Werror $flags -o "$folder/plus" "$header" $libraries
    "$folder/plus" >/dev/null
fi

# What can be seen of both libraries is what the header declares.
sed -n 's/^TAEL_PUBLIC .*[ *]\(tael_[a-z_]*\)(.*/\1/p' "$folder/root"/usr/*/include/tael.h |
    sort >"$folder/declared"
for file in libtael.so libtael.a; do
    case $file in
    *.so) nm -D --defined-only "$LD_LIBRARY_PATH/$file" ;;
    *.a) nm -g --defined-only "$LD_LIBRARY_PATH/$file" ;;
    esac | awk 'NF == 3 { print $3 }' | sort | diff "$folder/declared" -
done

"$tael" serve --data "$folder/data" --compat-port "unix:$folder/compat" --port 0 \
    >"$folder/ready" 2>"$folder/trace" &
server=$!
tries=0
until grep -q ^ready "$folder/ready"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then
        cat "$folder/trace"
        exit 1
    fi
    sleep 0.1
done
address=$(sed -n 's/.* port=\([^ ]*\).*/\1/p' "$folder/ready")
for program in dynamic static; do
    "$folder/$program" "$address" | grep -q '^first-entity, at position '
done
# Two entities were opened: the two first changes.
"$folder/follow" "$address" 0 2 >"$folder/changes"
[ "$(grep -c '^row [0-9]*, position [0-9]*: kind 7, record 0x0201$' "$folder/changes")" = 2 ]
# From the second one on there is one.
row=$(sed -n '2s/^row \([0-9]*\),.*/\1/p' "$folder/changes")
"$folder/follow" "$address" "$row" 1 | diff - "$folder/changes" | grep -c '^>' | grep -q '^1$'
