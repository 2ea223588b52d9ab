# lib.sh - what tools/run, tools/test and tools/bench share: packages, builds, the private network. Sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_dir=${CRADLE_BUILD_DIR:-$root/build}

build_packages=(gcc libc6-dev meson ninja-build pkg-config libdpdk-dev libmbedtls-dev libxml2-dev
	libconfig-dev libjansson-dev libsystemd-dev libsqlite3-dev libpcre2-dev libssl-dev libmicrohttpd-dev
	libp11-kit-dev libsodium-dev libedit-dev libpq-dev libcurl4-openssl-dev libseccomp-dev
	libcap-ng-dev)
client_packages=(libcoap3-dev libgnutls28-dev)
run_packages=("${client_packages[@]}" iproute2 ethtool procps python3 openssl libjs-codemirror)
test_packages=(libcriterion-dev dpdk-dev tshark python3-pytest python3-cryptography valgrind libasan8 libubsan1
	gnutls-bin iputils-ping systemd-container gnuplot-nox prometheus python3-prometheus-client python3-yaml
	groff-base chromium softhsm2 opensc postgresql nginx-light)
fuzz_packages=(clang llvm)
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
