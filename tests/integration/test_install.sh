#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs into a folder and builds against it as a stranger would: with pkg-config, shared and
# static, in strict C and in C++.  test_install.sh SOURCE_ROOT BUILD_ROOT
set -eu

source_root=$1
build_root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR=$work/root meson install -C "$build_root" --no-rebuild --quiet
pc=$(find "$work/root" -name blockdb.pc)
[ -n "$pc" ] || { echo "blockdb.pc was not installed"; exit 1; }
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$work/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
library_dir=$(dirname "$(find "$work/root" -name libblockdb.so)")

cflags=$(pkg-config --cflags blockdb)
libs=$(pkg-config --libs blockdb)
private_libs=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs-only-l blockdb |
    sed 's/-lblockdb//')

# shellcheck disable=SC2086 # flags are several words
for example in embedded_hello embedded_batch; do
    echo "$example, shared"
    cc -std=c11 -Wall -Wextra -Werror -pedantic "$source_root/examples/$example.c" \
        $cflags $libs -o "$work/$example"
    LD_LIBRARY_PATH=$library_dir "$work/$example" "$work/$example-db"
    echo "$example, static"
    cc "$source_root/examples/$example.c" $cflags "$library_dir/libblockdb.a" $private_libs \
        -o "$work/$example-static"
    "$work/$example-static" "$work/$example-static-db"
done

echo "verify_proof, shared and static"
verify_cflags=$(pkg-config --cflags blockdb-verify)
verify_libs=$(pkg-config --libs blockdb-verify)
proof=$source_root/tests/fuzz/corpus/evidence/newest.tlog-proof
vkey=log.example/sample+2589da60+AYhLiFf06qFhPGFQTbNNS+rzRlF6DjHePN3U2bQgHZ0L
# shellcheck disable=SC2086
cc -std=c11 -Wall -Wextra -Werror -pedantic "$source_root/examples/verify_proof.c" \
    $verify_cflags $verify_libs -o "$work/verify_proof"
LD_LIBRARY_PATH=$library_dir "$work/verify_proof" "$proof" "$vkey" alpha
# shellcheck disable=SC2086
cc "$source_root/examples/verify_proof.c" $verify_cflags "$library_dir/libblockdb-verify.a" \
    -o "$work/verify_proof-static"
"$work/verify_proof-static" "$proof" "$vkey" alpha

echo "client_queue, shared and static"
client_cflags=$(pkg-config --cflags blockdb-client)
client_libs=$(pkg-config --libs blockdb-client)
# shellcheck disable=SC2086
cc -std=c11 -Wall -Wextra -Werror -pedantic "$source_root/examples/client_queue.c" \
    $client_cflags $client_libs -o "$work/client_queue"
# Nobody listens on port 1: the program runs, and says so.
LD_LIBRARY_PATH=$library_dir "$work/client_queue" http://127.0.0.1:1 2>&1 | grep 'no connection'
# shellcheck disable=SC2086
cc "$source_root/examples/client_queue.c" $client_cflags "$library_dir/libblockdb-client.a" \
    "$library_dir/libblockdb.a" "$library_dir/libblockdb-verify.a" $private_libs \
    -o "$work/client_queue-static"
"$work/client_queue-static" http://127.0.0.1:1 2>&1 | grep 'no connection'

echo "both libraries in one program, static"
echo '#include <blockdb/blockdb.h>
#include <blockdb/verify.h>
int main(void) { struct blockdb_tree t; blockdb_tree_init(&t);
return blockdb_version()[0] == 0 || blockdb_status_name((int)t.size)[0] == 0; }' >"$work/both.c"
# shellcheck disable=SC2086
cc "$work/both.c" $cflags "$library_dir/libblockdb.a" "$library_dir/libblockdb-verify.a" \
    $private_libs -o "$work/both"
"$work/both"

echo "the program in README.md"
sed -n '/^```c$/,/^```$/{/^```/d;p}' "$source_root/README.md" >"$work/readme.c"
# shellcheck disable=SC2086
cc -std=c11 -Wall -Wextra -Werror "$work/readme.c" $cflags $libs -o "$work/readme"
(cd "$work" && LD_LIBRARY_PATH=$library_dir ./readme)

echo "C++"
echo '#include <blockdb/blockdb.h>
#include <blockdb/verify.h>
int main() { return blockdb_version()[0] == 0; }' >"$work/plus.cpp"
# shellcheck disable=SC2086
c++ -std=c++11 -Wall -Wextra -Werror -pedantic "$work/plus.cpp" $cflags $libs -o "$work/plus"
LD_LIBRARY_PATH=$library_dir "$work/plus"
