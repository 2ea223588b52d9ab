# lib.sh - what tools/run, tools/test and tools/bench share: packages, builds, the private network. Sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=${CRADLE_BUILD_DIR:-$root/build}

build_packages=(gcc libc6-dev meson ninja-build pkg-config libdpdk-dev libmbedtls-dev libxml2-dev
	libconfig-dev libjansson-dev libsystemd-dev libsqlite3-dev libpcre2-dev libssl-dev libmicrohttpd-dev
	libp11-kit-dev libsodium-dev libedit-dev libpq-dev libcurl4-openssl-dev libseccomp-dev
	libcap-ng-dev)
client_packages=(libcoap3-dev libgnutls28-dev)
run_packages=("${client_packages[@]}" iproute2 ethtool procps python3 openssl libjs-codemirror)
test_packages=(libcriterion-dev dpdk-dev tshark python3-pytest python3-pytest-xdist python3-cryptography valgrind libasan8 libubsan1
	gnutls-bin iputils-ping systemd-container gnuplot-nox prometheus python3-prometheus-client python3-yaml
	groff-base chromium softhsm2 opensc postgresql nginx-light
	bird2 exabgp frr)
fuzz_packages=(clang llvm)
nic_packages=(qemu-system-x86 busybox-static cpio kmod dpdk pciutils)
package_packages=(debhelper dpkg-dev lintian fakeroot)

# npm is there already where Node.js does not come from Debian, whose npm would not go beside it.
command -v npm >/dev/null || test_packages+=(nodejs npm)

say() {
	printf '== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "needs root: it makes a network namespace and installs packages; try: sudo $0 $*"
}

# install_packages NAME...: installs what is missing from Debian's packages; quiet when nothing is.
install_packages() {
	local missing=() name
	for name in "$@"; do
		dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] && return
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	local log
	log=$(mktemp)
	# RUNLEVEL=1: what is a server is installed, not started.
	if ! { apt-get -o DPkg::Lock::Timeout=300 update -qq &&
		RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}"; } \
		>"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "could not install ${missing[*]}: the end of apt-get's output is above"
	fi
	rm -f "$log"
}

# build DIR [MESON-OPTION...]: configures once, builds what changed, of `$targets` if set; output only when it fails.
build() {
	local dir=$1 log
	shift
	log=$(mktemp)
	if [ ! -f "$dir/build.ninja" ]; then
		meson setup "$dir" "$root" "$@" >"$log" 2>&1 ||
			{ cat "$log" >&2; rm -f "$log"; die "meson setup failed; remove $dir and try again"; }
	fi
	# shellcheck disable=SC2086 # a list of words; empty: everything
	ninja -C "$dir" ${targets:-} >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; die "the build failed"; }
	rm -f "$log"
}

# network_up NAMESPACE: a namespace with a veth pair: cradle0 for the appliance (no kernel address: Cradle answers ARP and
# ND itself) and dev0 for devices. Transmit offloads are off: a veth peer would send partial UDP checksums.
network_up() {
	local ns=$1
	ip netns add "$ns" || die "cannot make a network namespace: is CAP_SYS_ADMIN missing (a container)?"
	ip -n "$ns" link set lo up
	ip -n "$ns" link add cradle0 type veth peer name dev0
	ip netns exec "$ns" sysctl -qw net.ipv6.conf.cradle0.disable_ipv6=1 net.ipv6.conf.dev0.accept_dad=0
	ip netns exec "$ns" ethtool -K dev0 tx off >/dev/null
	ip netns exec "$ns" ethtool -K cradle0 tx off >/dev/null
	ip -n "$ns" link set cradle0 up
	ip -n "$ns" link set dev0 up
	ip -n "$ns" addr add 198.18.0.2/24 dev dev0
	ip -n "$ns" addr add 2001:2::2/64 dev dev0 nodad
}

network_down() {
	ip netns pids "$1" 2>/dev/null | xargs -r kill 2>/dev/null
	ip netns del "$1" 2>/dev/null
}

# fleet_up NAME MEMBERS: the same with a router between: namespace NAME has the devices (dev0), NAME-router the routes, and
# NAME-1 ... NAME-MEMBERS an appliance each, on cradle0, at 198.18.N.1/24. All of them answer at $fleet_address, to which the
# router has equal routes (ECMP), one a flow: by addresses and ports. fleet_routes says to whom.
fleet_address=198.18.100.1
fleet_up() {
	local name=$1 members=$2 router=$1-router n
	ip netns add "$name" && ip netns add "$router" ||
		die "cannot make a network namespace: is CAP_SYS_ADMIN missing (a container)?"
	ip -n "$name" link set lo up
	ip -n "$router" link set lo up
	# Layer 4: devices behind one address (NAT) do not all come to one member.
	ip netns exec "$router" sysctl -qw net.ipv4.ip_forward=1 net.ipv4.fib_multipath_hash_policy=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	ip -n "$name" link add dev0 type veth peer name devices netns "$router"
	ip netns exec "$name" ethtool -K dev0 tx off >/dev/null
	ip netns exec "$router" ethtool -K devices tx off >/dev/null
	ip -n "$name" addr add 198.18.0.2/24 dev dev0
	ip -n "$router" addr add 198.18.0.254/24 dev devices
	ip -n "$name" link set dev0 up
	ip -n "$router" link set devices up
	ip -n "$name" route add 198.18.0.0/16 via 198.18.0.254
	for n in $(seq "$members"); do
		ip netns add "$name-$n"
		ip -n "$name-$n" link set lo up
		ip -n "$name-$n" link add cradle0 type veth peer name "member$n" netns "$router"
		ip netns exec "$name-$n" sysctl -qw net.ipv6.conf.cradle0.disable_ipv6=1
		ip netns exec "$name-$n" ethtool -K cradle0 tx off >/dev/null
		ip netns exec "$router" ethtool -K "member$n" tx off >/dev/null
		ip -n "$router" addr add "198.18.$n.254/24" dev "member$n"
		ip -n "$name-$n" link set cradle0 up
		ip -n "$router" link set "member$n" up
	done
}

# fleet_routes NAME N...: the members that the router sends devices to; none: nobody.
fleet_routes() {
	local name=$1 hops=() n
	shift
	for n in "$@"; do
		hops+=(nexthop via "198.18.$n.1" dev "member$n")
	done
	if [ $# -eq 0 ]; then
		ip -n "$name-router" route replace blackhole "$fleet_address"
	else
		ip -n "$name-router" route replace "$fleet_address" "${hops[@]}"
	fi
}

# fleet_management NAME MEMBERS: a network beside it, mgmt0 of each member at 198.19.N.1, for what is no device: the router
# has 198.19.N.254.
fleet_management() {
	local name=$1 n
	for n in $(seq "$2"); do
		ip -n "$name-$n" link add mgmt0 type veth peer name "mgmt$n" netns "$name-router"
		ip netns exec "$name-$n" ethtool -K mgmt0 tx off >/dev/null
		ip netns exec "$name-router" ethtool -K "mgmt$n" tx off >/dev/null
		ip -n "$name-$n" addr add "198.19.$n.1/24" dev mgmt0
		ip -n "$name-router" addr add "198.19.$n.254/24" dev "mgmt$n"
		ip -n "$name-$n" link set mgmt0 up
		ip -n "$name-router" link set "mgmt$n" up
		ip -n "$name-$n" route add 198.19.0.0/16 via "198.19.$n.254"
	done
}

# fleet_down NAME MEMBERS
fleet_down() {
	local name=$1 n
	for n in $(seq "$2"); do
		network_down "$name-$n"
	done
	network_down "$name-router"
	network_down "$name"
}
