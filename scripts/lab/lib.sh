# A lab of network namespaces, for scripts that source this. Everything has a name with the lab's number
# in it, and lab_down removes it all, whatever has happened.
#
#   victim 10.77.0.10 ─┐                        ┌─ internet 10.77.0.1: DNS and C2 server
#   second 10.77.0.11 ─┼─ bridge "lan" in ns sw ┤
#   bystander  .0.20  ─┘   guard on all ports   └─ span (a copy of everything) -> capture
#
# The same with IPv6 under fd77::/64. Scripts may add hosts to LAB_HOSTS before lab_up: resolver .53, dhcp .67,
# proxy .80, dc .88.

LAB=${LAB:-$$}
LAB_DIR=
LAB_PIDS=()
LAB_HOSTS=(victim second bystander internet)
LAB_PINS=/sys/fs/bpf/ringward-lab-$LAB
V4_OF() {
    case $1 in
        victim) echo 10.77.0.10 ;; second) echo 10.77.0.11 ;; bystander) echo 10.77.0.20 ;; internet) echo 10.77.0.1 ;;
        resolver) echo 10.77.0.53 ;; dhcp) echo 10.77.0.67 ;; proxy) echo 10.77.0.80 ;; dc) echo 10.77.0.88 ;;
    esac
}
V6_OF() { echo "fd77::$(V4_OF "$1" | cut -d. -f4)"; }
ns() { echo "rw$LAB-$1"; }
in_ns() { local n=$1; shift; ip netns exec "$(ns "$n")" "$@"; }

# Starts a program in a namespace, in the background, and remembers it by its id.
lab_start() { # NS LOG COMMAND...
    local n=$1 log=$2; shift 2
    ip netns exec "$(ns "$n")" "$@" >"$log" 2>&1 </dev/null &
    LAB_PIDS+=($!)
}

# 0: the lab stands; 2: this machine lets nobody make network namespaces; 1: anything else.
lab_up() {
    LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ringward-lab-$LAB.XXXXXX") || return 1
    ip netns add "$(ns sw)" || return 2
    lab_wire
}

lab_wire() {
    in_ns sw sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || return 1
    # Ageing 0 makes the bridge flood like a hub: one more port is a SPAN port.
    in_ns sw ip link add lan type bridge ageing_time 0 || return 1
    in_ns sw ip link set lan up || return 1
    local host
    for host in "${LAB_HOSTS[@]}"; do
        ip netns add "$(ns "$host")" || return 1
        in_ns "$host" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
        in_ns sw ip link add "$host" type veth peer name eth0 netns "$(ns "$host")" || return 1
        in_ns sw ip link set "$host" master lan up || return 1
        in_ns "$host" ip link set lo up || return 1
        in_ns "$host" ip link set eth0 up || return 1
        in_ns "$host" ip addr add "$(V4_OF "$host")/24" dev eth0 || return 1
        in_ns "$host" ip addr add "$(V6_OF "$host")/64" dev eth0 nodad || return 1
    done
    in_ns sw ip link add span-in type veth peer name span || return 1
    in_ns sw ip link set span-in master lan up || return 1
    in_ns sw ip link set span up || return 1
}

# A process by its id: asked to end, waited for, killed if it does not.
lab_end() {
    local pid=$1 i
    kill "$pid" 2>/dev/null || return 0
    for i in $(seq 50); do kill -0 "$pid" 2>/dev/null || { wait "$pid" 2>/dev/null; return 0; }; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return 0
}

lab_down() {
    local pid host
    for ((i = ${#LAB_PIDS[@]} - 1; i >= 0; i--)); do lab_end "${LAB_PIDS[$i]}"; done
    LAB_PIDS=()
    for host in "${LAB_HOSTS[@]}" sw; do ip netns del "$(ns "$host")" 2>/dev/null; done
    if [ -d "$LAB_PINS" ]; then rm -f "$LAB_PINS"/*; rmdir "$LAB_PINS" 2>/dev/null; fi
    [ -z "$LAB_DIR" ] || rm -rf "$LAB_DIR"
    return 0
}

# Waits until COMMAND succeeds, at most SECONDS.
wait_for() { # SECONDS COMMAND...
    local until=$(($(date +%s) + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until" ] || return 1
        sleep 0.02
    done
}
