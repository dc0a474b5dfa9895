#!/bin/sh
# Runs podman in a tree of package_tools.sh, on a machine of its own making: its /dev/dri is MACHINE/dri, its CDI specs are those in MACHINE/cdi. Images and containers lie in MACHINE/USER, where they
# stay. Usage: podman.sh MACHINE USER ARGUMENT...: USER is root, or user, the one of the tree, in group 105 as well.
set -eu
machine=$1 user=$2
# The kernel makes namespaces of users for nobody in a chroot. What leads out of it is the namespace of mounts, which is this program's own.
if [ -z "${PIVOTED-}" ]; then
  mount --rbind / /mnt
  export PIVOTED=1
  exec nsenter --mount=/proc/self/ns/mnt sh -ec 'cd /proc/self/fd/3; pivot_root . .; umount -l .; exec chroot . sh "$0" "$@" 3<&-' "$0" "$@" 3</mnt
fi
shift 2
mount --make-rshared /
mount -t tmpfs tmpfs /run
# One hierarchy of groups of processes, whatever the machine has mounted.
mount -t tmpfs tmpfs /sys/fs
mkdir /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# /dev without the machine's GPUs.
mkdir -p /run/dev/dri /run/dev/pts /run/dev/shm /run/cdi
chmod 1777 /run/dev/shm
for name in null zero full random urandom tty fuse; do
  [ ! -e "/dev/$name" ] || cp -a "/dev/$name" /run/dev
done
ln -s /proc/self/fd /run/dev/fd
ln -s pts/ptmx /run/dev/ptmx
mount --rbind /dev/pts /run/dev/pts
mount --bind "$machine/dri" /run/dev/dri
mount --rbind /run/dev /dev
mount --bind "$machine/cdi" /run/cdi
# Where a build takes files from, of which none are needed.
mkdir /run/empty
cd /run/empty
set -- podman --storage-driver vfs --root "$machine/$user/storage" --runroot "$machine/$user/run" --runtime crun --cgroup-manager cgroupfs --events-backend none "$@"
mkdir -p "$machine/$user"
if [ "$user" = root ]; then
  status=0
  "$@" || status=$?
  # The group of containers (Podman::run) stays, and their watcher lives in it a little longer than podman.
  group=/sys/fs/cgroup/${machine##*/} tries=50
  while [ -d "$group" ] && [ $tries -gt 0 ]; do
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || sleep 0.1
    tries=$((tries - 1))
  done
  exit $status
fi
id=$(id -u "$user")
chown "$user:" "$machine/$user"
mkdir -p "/run/user/$id"
chown "$user:" "/run/user/$id"
export HOME="/home/$user" XDG_RUNTIME_DIR="/run/user/$id"
exec setpriv --reuid "$user" --regid "$user" --groups 105 "$@"
