#!/usr/bin/env bash
# Installs the programs of .ci/packages-conformance.txt that are missing, and starts none of the services that come with
# them: no web server, and no cluster of PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/../.."
list=.ci/packages-conformance.txt
xargs -a "$list" dpkg-query -W -f='${db:Status-Status}\n' 2> /dev/null | sort | uniq -c | grep -q "^ *$(wc -l < "$list") installed$" && exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
undo=()
trap 'for step in ${undo[@]+"${undo[@]}"}; do "${as_root[@]}" sh -c "$step"; done' EXIT

policy=/usr/sbin/policy-rc.d  # what invoke-rc.d asks before it starts anything
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy > /dev/null
  undo+=("rm -f $policy")
  "${as_root[@]}" chmod 755 $policy
fi
if ! dpkg-query -W -f='${db:Status-Status}' postgresql-15 2> /dev/null | grep -qx installed; then
  .ci/install <(echo postgresql-common)
  cluster=/etc/postgresql-common/createcluster.conf
  "${as_root[@]}" cp -p $cluster $cluster.before-conformance
  undo+=("mv $cluster.before-conformance $cluster")
  echo 'create_main_cluster = false' | "${as_root[@]}" tee -a $cluster > /dev/null
fi
.ci/install "$list"
