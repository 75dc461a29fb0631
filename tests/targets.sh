#!/bin/sh
# Clippy, warnings denied, over what must also build for other systems: library, program and tests
# for Windows, library and program for macOS. `make check-targets` runs it from the project's root.
#
# No toolchain of these systems is installed. Their standard library is built from its source, which
# Debian packages as rust-src; the version must be that of rustc to the letter. Zig, from PyPI, is the
# C compiler for every target. All is kept under target/check-targets; remove that to begin anew.
#
# Where something cannot be had, the last line is `SKIPPED: reason`, and that is no failure.
set -eu

home=$(pwd)/target/check-targets
suites="trixie-backports sid"
zig=0.17.1
zigbuild=0.24.1

skip() {
    echo "SKIPPED: $*"
    exit 0
}

# quietly NAME COMMAND: runs it, its words in a log that is shown when it fails
quietly() {
    log=$home/$1.log
    shift
    "$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
}

# apt with its own lists, state and cache, and the proxies and trust of this machine
apt() {
    tool=$1
    shift
    "apt-$tool" -o Dir::State="$home/apt" -o Dir::State::status="$home/apt/status" \
        -o Dir::Cache="$home/apt/cache" -o Dir::Etc::sourcelist="$home/apt/sources.list" \
        -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# Unpacks the standard library's source of this release to $home/source.
get_source() {
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    command -v apt-get >/dev/null && [ -r $keys ] ||
        skip "the standard library's source of rustc $release is fetched from Debian, and this is another system;" \
            "\`rustup component add rust-src\` serves as well"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/$' | head -n 1)
    [ -n "$mirror" ] || skip "apt knows no mirror of Debian to fetch the standard library's source from"
    rm -rf "$home/apt" "$home/source.new"
    mkdir -p "$home/apt/lists/partial" "$home/apt/cache/archives/partial" "$home/source.new"
    : >"$home/apt/status"
    for suite in $suites; do
        echo "deb [signed-by=$keys] $mirror $suite main"
    done >"$home/apt/sources.list"
    # one suite that is not there does not spoil the other
    quietly apt-update apt get update || echo "not every suite of Debian could be read: $suites"
    version=$(apt cache madison rust-src | awk -F ' *[|] *' -v release="$release" \
        '{ split($2, part, /[+~-]/) } part[1] == release { print $2; exit }')
    [ -n "$version" ] ||
        skip "no source of rustc $release's standard library in Debian ($suites);" \
            "\`rustup component add rust-src\` serves as well"
    (cd "$home/source.new" && quietly apt-download apt get download "rust-src=$version") ||
        skip "rust-src $version could not be fetched from $mirror"
    for package in "$home"/source.new/*.deb; do
        dpkg-deb -x "$package" "$home/source.new"
        rm "$package"
    done
    [ -e "$home/source.new/usr/src/rustc-$release/library/Cargo.lock" ] ||
        skip "rust-src $version is not laid out as expected"
    rm -rf "$home/source" "$home/apt"
    mv "$home/source.new" "$home/source"
}

# $home/sysroot: this toolchain, as hard links where the file system allows, with that source.
get_sysroot() {
    rm -rf "$home/sysroot"
    mkdir -p "$home/sysroot"
    for part in bin lib libexec; do
        [ -e "$sysroot/$part" ] || continue
        cp -al "$sysroot/$part" "$home/sysroot/" 2>/dev/null || {
            rm -rf "${home:?}/sysroot/$part"
            cp -a "$sysroot/$part" "$home/sysroot/"
        }
    done
    mkdir -p "$home/sysroot/lib/rustlib/src/rust"
    [ -e "$home/sysroot/$library" ] ||
        ln -s "$home/source/usr/src/rustc-$release/library" "$home/sysroot/$library"
}

release=$(rustc -vV | sed -n 's/^release: //p')
sysroot=$(rustc --print sysroot)
library=lib/rustlib/src/rust/library
mkdir -p "$home"
# what is there belongs to one toolchain
[ "$(cat "$home/made-for" 2>/dev/null)" = "$release $sysroot" ] || rm -rf "$home/source" "$home/sysroot"
echo "$release $sysroot" >"$home/made-for"

case $sysroot in
    /usr | /usr/local) skip "rustc's sysroot is $sysroot, not a folder of its own that could be copied" ;;
esac
[ -x "$sysroot/bin/clippy-driver" ] || skip "this toolchain has no clippy (\`rustup component add clippy\`)"
[ -e "$sysroot/$library" ] || [ -e "$home/source" ] || get_source
[ -e "$home/sysroot/$library" ] || get_sysroot

tools=$home/tools-$zig-$zigbuild
if [ ! -e "$tools/bin/cargo-zigbuild" ]; then
    python3 -m venv "$tools" >"$home/venv.log" 2>&1 ||
        skip "Python cannot make a virtual environment (Debian: apt-get install python3-venv)"
    quietly pip "$tools/bin/pip" install --quiet --disable-pip-version-check \
        "ziglang==$zig" "cargo-zigbuild==$zigbuild" ||
        skip "Zig could not be fetched from PyPI"
fi

export PATH="$home/sysroot/bin:$tools/bin:$PATH"
export RUSTC="$home/sysroot/bin/rustc" CARGO="$home/sysroot/bin/cargo"
export CARGO_TARGET_DIR="$home/build" CARGO_ZIGBUILD_CACHE_DIR="$home/zig"
export ZIG_GLOBAL_CACHE_DIR="$home/zig" ZIG_LOCAL_CACHE_DIR="$home/zig"
# the standard library is built by its own toolchain only
export RUSTC_BOOTSTRAP=1

clippy() {
    target=$1
    shift
    echo "clippy for $target ($*)"
    cargo-zigbuild clippy --locked -Zbuild-std --target "$target" "$@" -- -D warnings
}
clippy x86_64-pc-windows-gnu --all-targets
clippy aarch64-apple-darwin --lib --bins
