# A small internet inside private namespaces: one namespace `inet` with the servers, and one router
# and one client behind it for every `router` line. Runs as the first process of a pid namespace, so
# that everything ends with it; mounts, links and rules are private and end with it too.
#
# From the environment: NATSCOPE (the binary), OUT (where results go), SELF (the test's own binary).
set -eu
mount -t tmpfs tmpfs /run
mkdir /run/netns
ip link set lo up

# in NAMESPACE COMMAND…
in_ns() {
    ns=$1
    shift
    nsenter "--net=/run/netns/$ns" -- "$@"
}

# namespace NAME
namespace() {
    ip netns add "$1"
    in_ns "$1" ip link set lo up
}

namespace inet
for address in 203.0.113.10 203.0.113.20 203.0.113.30; do
    in_ns inet ip address add "$address/32" dev lo
done
in_ns inet sysctl -qw net.ipv4.ip_forward=1
# a reply to a host that is not there says so, as often as it is asked
in_ns inet sysctl -qw net.ipv4.icmp_ratelimit=0

# router NAME N [LAN]: the router NAME, 198.51.N.2 outside, and its client `NAME-in` in LAN.0/24
router() {
    net=${3:-192.168.$2}
    namespace "$1"
    namespace "$1-in"
    ip link add wan netns "$1" type veth peer name "up$2" netns inet
    ip link add lan netns "$1" type veth peer name eth0 netns "$1-in"
    in_ns inet ip address add "198.51.$2.1/24" dev "up$2"
    in_ns inet ip link set "up$2" up
    in_ns "$1" ip address add "198.51.$2.2/24" dev wan
    in_ns "$1" ip address add "$net.1/24" dev lan
    in_ns "$1" ip link set wan up
    in_ns "$1" ip link set lan up
    in_ns "$1" ip route add default via "198.51.$2.1"
    in_ns "$1" sysctl -qw net.ipv4.ip_forward=1
    in_ns "$1-in" ip address add "$net.2/24" dev eth0
    in_ns "$1-in" ip link set eth0 up
    in_ns "$1-in" ip route add default via "$net.1"
    # without translation the outside must know the way in
    [ -z "${3:-}" ] || in_ns inet ip route add "$net.0/24" via "198.51.$2.2"
}

# rules ROUTER: iptables lines from stdin
rules() {
    while read -r line; do
        # shellcheck disable=SC2086 # a line is words
        [ -z "$line" ] || in_ns "$1" iptables -w $line
    done
}

# The natscope server on two addresses and a plain one on a third; waits until all five sockets are open.
serve() {
    mkfifo /run/serving
    in_ns inet "$NATSCOPE" serve --listen 203.0.113.10 --alternate 203.0.113.20 \
        --listen 203.0.113.30 2>/run/serving &
    exec 3</run/serving
    opened=0
    while [ "$opened" -lt 5 ]; do
        read -r line <&3 || { echo "the server ended" >&2; exit 1; }
        case $line in *"answering on"*) opened=$((opened + 1)) ;; *) echo "$line" >&2 ;; esac
    done
}

# faulty FAULT: a server with this fault; waits until it is there
faulty() {
    mkfifo /run/serving
    FAULT=$1 READY=/run/serving in_ns inet "$SELF" --ignored --exact faulty_servers::faulty_server_process \
        --nocapture >&2 &
    exec 3</run/serving
    read -r line <&3 || { echo "the faulty server ended" >&2; exit 1; }
}

# probe NAMESPACE NAME SERVER…: the report goes to NAME.json, the exit code to NAME.code
probe() {
    ns=$1
    name=$2
    shift 2
    for server in "$@"; do
        set -- "$@" --server "stun:$server"
        shift
    done
    code=0
    in_ns "$ns" "$NATSCOPE" probe --format json "$@" >"$OUT/$name.json" || code=$?
    echo "$code" >"$OUT/$name.code"
}
