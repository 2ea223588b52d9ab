# run_cluster.sh - tools/run --cluster: three members, their database and a router, each in a network namespace of its own.
# Sourced by tools/run, which has built everything; uses its $work, $namespace, $once and $build_dir.

members=3
cradlectl=$build_dir/tools/cradlectl

# Each program's number stands in $work/NAME.pid: what you start or kill by $work/fleet meanwhile is ended, too.
stop_program() { # NAME [SIGNAL]
	local pid
	pid=$(cat "$work/$1.pid" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	# It is nobody's child any more, and may stay as a zombie where the first process collects none.
	while grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2>/dev/null; do
		sleep 0.05
	done
	rm -f "$work/$1.pid"
}

cleanup_cluster() {
	local n
	trap - EXIT
	trap '' INT TERM # it takes some seconds, and is not to be left half done
	say "stopping the members, their database and networks"
	if [ -n "${watcher:-}" ]; then
		kill "$watcher" 2>/dev/null
		wait "$watcher" 2>/dev/null
	fi
	for n in $(seq "$members"); do
		stop_program "$n"
	done
	stop_program database INT # PostgreSQL: end now, and write down what there is
	fleet_down "$namespace" "$members"
	rm -rf "$work"
}

ctl() { # MEMBER WORD...
	local n=$1
	shift
	"$cradlectl" -s "$work/$n/cradle.sock" "$@"
}

make_database() {
	local bin
	bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
	[ -x "$bin/postgres" ] || die "PostgreSQL's programs are not in /usr/lib/postgresql: apt-get install postgresql"
	install -d -m 755 -o postgres -g postgres "$work/database"
	as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"
	(cd "$work/database" && $as_postgres "$bin/initdb" -D data --no-sync -A trust -E UTF8 --locale=C) >"$work/initdb.log" 2>&1 ||
		{ cat "$work/initdb.log" >&2; die "the database was not made: the reason is above"; }
	# A socket in its folder, which every namespace sees; no port, and nothing that must survive a loss of power.
	cat >"$work/start-database" <<-end
		cd "$work/database" && exec $as_postgres "$bin/postgres" -D data -c listen_addresses= \
			-c unix_socket_directories="$work/database" -c fsync=off
	end
	printf '%s\n' "$bin/pg_isready -q -h $work/database" >"$work/ready-database"
}

make_member() { # N
	local folder=$work/$1
	mkdir "$folder"
	cp -r "$root/conf/." "$folder"
	sed -i -e "s|/run/cradle/cradle.sock|$folder/cradle.sock|" -e 's|^idle_yield = false|idle_yield = true|' \
		-e "s|/var/lib/cradle/cradle.db|$folder/cradle.db|" -e "s|^file_prefix = .*|file_prefix = \"$namespace-$1\";|" \
		-e "s|addresses = \[.*\]|addresses = [ \"198.18.$1.1/24\", \"$fleet_address/32\" ]|" "$folder/cradle.conf"
	cat >>"$folder/cradle.conf" <<-end

	cluster = { name = "demo"; member = $1; secret = "$work/secret";
	  database = "postgresql://postgres@/demo?host=$work/database"; };
	end
	# A host name of its own, by which members are told apart in lists: all are on this host.
	echo "exec unshare --uts sh -c 'hostname member-$1 && exec ip netns exec $namespace-$1" \
		"$build_dir/control/cradled -c $folder/cradle.conf'" >"$work/start-$1"
	echo "$cradlectl -s $folder/cradle.sock status" >"$work/ready-$1"
}

# What you may do meanwhile, in another terminal.
make_fleet_script() {
	cat >"$work/fleet" <<-end
	#!/usr/bin/env bash
	# usage: fleet start | stop | kill   1 | 2 | 3 | database
	cd "$work" || exit 1
	pid=\$(cat "\$2.pid" 2>/dev/null)
	runs() { # a zombie does not
		grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/\$pid/status" 2>/dev/null
	}
	[ \$# -eq 2 ] || { sed -n 's/^# usage/usage/p' "\$0" >&2; exit 2; }
	[ -f "start-\$2" ] || { echo "fleet: there is no \$2: 1, 2, 3 or database" >&2; exit 2; }
	case \$1 in
	start)
		! runs || { echo "fleet: \$2 runs already"; exit 0; }
		bash "start-\$2" >>"\$2.log" 2>&1 </dev/null &
		echo \$! >"\$2.pid"
		for _ in \$(seq 300); do
			bash "ready-\$2" >/dev/null 2>&1 && exit 0
			kill -0 \$! 2>/dev/null || break
			sleep 0.1
		done
		tail -n 20 "\$2.log" >&2
		echo "fleet: \$2 did not start: its last lines are above" >&2
		exit 1 ;;
	stop | kill)
		runs || { echo "fleet: \$2 does not run" >&2; exit 1; }
		signal=TERM
		[ "\$2" != database ] || signal=INT
		[ "\$1" != kill ] || signal=KILL
		kill "-\$signal" "\$pid"
		while runs; do
			sleep 0.05
		done ;;
	*) sed -n 's/^# usage/usage/p' "\$0" >&2; exit 2 ;;
	esac
	end
	chmod +x "$work/fleet"
}

# A routing daemon's part: a member that does not answer, or drains, is sent no devices.
watch_members() {
	local before=none now n
	while :; do
		now=
		for n in $(seq "$members"); do
			if ctl "$n" health >/dev/null 2>&1; then
				now+=" $n"
			fi
		done
		if [ "$now" != "$before" ]; then
			# shellcheck disable=SC2086 # a list of numbers
			fleet_routes "$namespace" $now
			case $now in
			'') say "router: devices go to nobody" ;;
			' '*' '*) say "router: devices go to members$now" ;;
			*) say "router: devices go to member$now" ;;
			esac
			echo "$now" >"$work/routes"
			before=$now
		fi
		sleep 0.3
	done
}

routes_are() { # MEMBERS
	for _ in $(seq 100); do
		[ "$(cat "$work/routes" 2>/dev/null)" = "$1" ] && return
		sleep 0.1
	done
	die "the router did not get to send devices to member$1 alone"
}

bootstrap_one() {
	ip netns exec "$namespace" "${client[@]}" |
		python3 "$root/tests/functional/show_dialogue.py" \
			/0/2/0=coaps://uri.example:5684 /0/2/1=0 /0/2/2=0 /0/2/3=mgmt-0001 "/0/2/5=correct horse battery" \
			/0/2/10=2 /1/0/0=2 /1/0/1=60 /1/0/6=0 /1/0/7=U
}

# Prints the member that had demo-0001 last: its counter moved.
who_served() { # BEFORE: "N COUNT" lines
	local n count
	for n in $(seq "$members"); do
		count=$(finished "$n") || continue
		grep -qx "$n $count" <<<"$1" || echo "$n"
	done
}

finished() { # MEMBER
	ctl "$1" --json stats --all 2>/dev/null | grep -o '"bs_finished": *[0-9]*' | grep -o '[0-9]*$'
}

counts() {
	local n
	for n in $(seq "$members"); do
		echo "$n $(finished "$n")"
	done
}

run_cluster() {
	local n before server result
	client=("$build_dir/tests/functional/lwm2m_client_openssl" -i demo-0001 -k demo-key-0001-demo "$fleet_address" 5684 ep=demo-0001)
	chmod 711 "$work"
	say "making a router in namespace $namespace-router; members in $namespace-1 to $namespace-$members; devices in $namespace"
	fleet_up "$namespace" "$members"
	say "making a PostgreSQL of its own in $work/database"
	make_database
	make_fleet_script
	"$work/fleet" start database || die "the database did not start"
	(cd "$work/database" && $as_postgres psql -qX -h "$work/database" -c 'CREATE DATABASE demo' postgres) ||
		die "no database could be made: the reason is above"
	(umask 077 && openssl rand -hex 32 >"$work/secret")
	for n in $(seq "$members"); do
		say "starting member $n: 198.18.$n.1, and $fleet_address as all of them"
		make_member "$n"
		"$work/fleet" start "$n" || die "member $n did not start"
	done
	watch_members &
	watcher=$!

	say "member 1: cluster init"
	ctl 1 cluster init || die "the cluster was not made: the reason is above"
	for n in $(seq 2 "$members"); do
		say "member $n: cluster join"
		ctl "$n" cluster join || die "member $n did not join: the reason is above"
	done
	say "member 1: device import conf/devices.csv"
	ctl 1 device import "$work/1/devices.csv" || die "the import failed: the reason is above"
	for _ in $(seq 100); do
		ctl "$members" device show demo-0001 >/dev/null 2>&1 && break
		sleep 0.05
	done
	say "member $members: device list"
	ctl "$members" device list
	routes_are "$(printf ' %s' $(seq "$members"))"

	say "device demo-0001 bootstraps over coaps://$fleet_address:5684, wherever the router sends it"
	before=$(counts)
	bootstrap_one || die "the device did not bootstrap"
	server=$(who_served "$before")
	say "it was member $server; now that one is killed (kill -9), and the device asks again"
	"$work/fleet" kill "$server"
	# shellcheck disable=SC2046 # a list of numbers
	routes_are "$(printf ' %s' $(seq "$members" | grep -vx "$server"))"
	before=$(counts)
	bootstrap_one
	result=$?
	n=$(who_served "$before")
	say "it was member $n"
	# The database hears of it within a second.
	for _ in $(seq 50); do
		[ "$(ctl "$n" report list --json | grep -o '"device": *"demo-0001"' | wc -l)" -ge 2 ] && break
		sleep 0.1
	done
	say "member $n: report list (of all members)"
	ctl "$n" report list
	say "member $server starts again, and catches up"
	"$work/fleet" start "$server" || die "member $server did not start"
	for _ in $(seq 100); do
		ctl "$server" cluster status --json | grep -q '"state": *"following"' && break
		sleep 0.1
	done
	say "member $server: cluster status"
	ctl "$server" cluster status
	[ "$once" -eq 1 ] && exit "$result"

	{
		echo endpoint,key,groups,value.managementId,secret.password
		for n in $(seq -f %04g 1000); do
			echo "swarm-$n,swarm-key-$n,root.demo,mgmt,words"
		done
	} >"$work/swarm.csv"
	cat <<-end
	== serving until you press Ctrl-C; what to try in another terminal:
	   export PATH=$build_dir/tools:$work:\$PATH CRADLE_SOCKET=$work/1/cradle.sock
	   cradlectl cluster status          # as member 1 sees it; -s $work/2/cradle.sock: as member 2
	   cradlectl device add dev-1 --key some-key-of-its --groups root.demo
	   cradlectl -s $work/3/cradle.sock device show dev-1
	   cradlectl drain                   # member 1 is out of the routes; back: cradlectl undrain
	   fleet kill 2                      # kill -9; back: fleet start 2
	   fleet kill database               # devices bootstrap on, edits are refused; back: fleet start database
	   # one device:
	   ip netns exec $namespace ${client[*]}
	   # 1,000 devices, again and again; kill a member meanwhile:
	   cradlectl device import $work/swarm.csv
	   ip netns exec $namespace $build_dir/tools/storm/cradlestorm --port net_af_packet0,iface=dev0 --gateway 198.18.0.254 \\
	     --server $fleet_address --source 198.18.0.10+50 --csv $work/swarm.csv --psk --rate 100 --duration 30 \\
	     --give-up 3 --retries 9 --progress
	   # logs: $work/1.log ... $work/database.log
	end
	wait "$watcher"
}
