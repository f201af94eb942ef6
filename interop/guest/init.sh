#!/bin/bash
# First process of the guest. Its root is the host's root, read-only; $GUEST_CONTROL (on the kernel's command line) is
# the directory through which guest.ts hands over the command and gets back its status.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

power_off() {
  sync
  echo o >/proc/sysrq-trigger
  sleep 60
}

fail() {
  echo "guest: $*" >/dev/console
  power_off
}

mount -t proc proc /proc
mount -t sysfs sys /sys
modules=/usr/lib/uml/modules/$(uname -r)

# Everything the guest writes goes to memory, above the host's files.
insmod "$modules/kernel/fs/overlayfs/overlay.ko" || fail "no overlay module under $modules"
mount -t tmpfs -o size=75% tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work,xino=off overlay /mnt/root ||
  fail "no overlay on the root"
for tree in proc sys dev; do mount --no-mtab --move "/$tree" "/mnt/root/$tree"; done
cd /mnt/root || fail "no root"
mkdir -p .host
pivot_root . .host || fail "pivot_root"
cd / || fail "no root"

mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/lvm /run/cryptsetup
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
ln -sfn /proc/self/fd /dev/fd
ln -sfn /proc/self/mounts /etc/mtab

# Before the host's root goes out of sight: what is shared read-write, and the kernel's modules.
share() {
  mkdir -p "$1"
  mount -t hostfs -o "$1" none "$1" || fail "share $1"
}
share "$GUEST_CONTROL"
mapfile -d '' -t shares <"$GUEST_CONTROL/shares"
for directory in "${shares[@]}"; do share "$directory"; done
mkdir -p "/lib/modules/$(uname -r)"
mount --bind "$modules" "/lib/modules/$(uname -r)"
[ -e "$modules/modules.dep" ] || depmod
umount -l /.host

modprobe -q loop
hostname guest
ip link set lo up 2>/dev/null
for terminal in ttyS0 ttyS1; do stty -F "/dev/$terminal" raw -echo; done

# There is no udevd: libdevmapper and LVM make the nodes under /dev themselves.
export HOME=/root LC_ALL=C.UTF-8 DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1 CHATELAINE_GUEST=1
mapfile -d '' -t environment <"$GUEST_CONTROL/environment"
mapfile -d '' -t command <"$GUEST_CONTROL/command"
cd "$(cat "$GUEST_CONTROL/directory")" || cd /
setsid env "${environment[@]}" "${command[@]}" <"$GUEST_CONTROL/stdin" >/dev/ttyS0 2>/dev/ttyS1
status=$?
# Setting the terminals again waits until they have handed over all that was written.
stty -F /dev/ttyS0 raw
stty -F /dev/ttyS1 raw
echo "$status" >"$GUEST_CONTROL/status"
power_off
