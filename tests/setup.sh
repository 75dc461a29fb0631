#!/bin/sh
# Installs the named Debian packages where this user may, else prints the one command to type.
# Quiet when all goes well; run it again as often as you like.
set -eu

if ! command -v apt-get >/dev/null; then
    echo "natscope's lab needs: $*" >&2
    echo "Install them with this system's package manager, then run make again." >&2
    exit 1
fi
missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "Missing:$missing. Type this, then run make again:" >&2
    echo "    sudo apt-get install -y$missing" >&2
    exit 1
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # shellcheck disable=SC2086 # one word a package
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1
}
# the package lists of a fresh machine are old or absent
install || { apt-get update >"$log" 2>&1 && install; } || {
    cat "$log" >&2
    echo "Could not install:$missing. Type this, then run make again:" >&2
    echo "    apt-get update && apt-get install -y$missing" >&2
    exit 1
}
