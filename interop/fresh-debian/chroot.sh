#!/bin/bash
# Around one command, a Debian 12 that has Node.js 20, npm and nothing else, and a user there who is not root.
#
# chroot.sh ROOT NODE_MODULES CHECKOUT COMMAND…
#   ROOT          the system's folder; made by debootstrap if it is not there
#   NODE_MODULES  where npm's packages `node` (of 20) and `npm` are
#   CHECKOUT      copied into the user's home the first time; COMMAND runs in the copy
# What it mounts and starts is in namespaces of its own and gone with it.
set -euo pipefail
if [ "$1" != --inside ]; then exec unshare --mount --pid --fork --kill-child -- "$0" --inside "$@"; fi
root=$2 modules=$3 checkout=$4
shift 4

if [ ! -d "$root" ]; then
  debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$root" >&2
  chroot "$root" useradd --create-home --shell /bin/bash ann
  cp -a "$checkout" "$root/home/ann/checkout"
  chroot "$root" chown -R ann:ann /home/ann/checkout
  mkdir "$root/opt/node"
  ln -s /opt/node/node/bin/node "$root/usr/local/bin/node"
  for command in npm npx; do ln -s "/opt/node/npm/bin/$command-cli.js" "$root/usr/local/bin/$command"; done
fi
# The network, and whom it trusts, are this machine's.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
mount --bind "$modules" "$root/opt/node"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

env -i HOME=/home/ann USER=ann LC_ALL=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin \
  NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt ${npm_config_registry:+npm_config_registry="$npm_config_registry"} \
  /usr/sbin/chroot --userspec=ann:ann "$root" /usr/bin/env -C /home/ann/checkout "$@"
