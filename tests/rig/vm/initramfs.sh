#!/bin/sh
# Makes of a tree of kernel.sh what a machine boots: DIR/vmlinuz and DIR/initramfs.gz, with the modules that the rig's guest needs before it has
# its root; the rest goes. Usage: initramfs.sh DIR INIT (in the rig's root, which has the programs).
set -eu
cd "$1"
version=$(cat version)
# Programs that load modules look here.
ln -s usr/lib lib
depmod -b "$PWD" "$version"
mkdir -p ramfs/bin ramfs/mod ramfs/proc ramfs/sys ramfs/dev ramfs/ro ramfs/rw ramfs/newroot
cp "$2" ramfs/init
chmod 755 ramfs/init
cp usr/bin/busybox ramfs/bin/
ln -s busybox ramfs/bin/sh
modprobe -d "$PWD" -S "$version" -D -a virtio_pci 9pnet_virtio 9p overlay virtio-gpu >order
# In the order of loading; a module that several need is there once.
i=100
for module in $(sed -n 's/^insmod \([^ ]*\).*/\1/p' order); do
  name=$(basename "${module%.ko*}")
  set -- ramfs/mod/???-"$name".ko
  [ ! -e "$1" ] || continue
  case $module in *.xz) xz -dc "$module" ;; *.zst) zstd -dcq "$module" ;; *) cat "$module" ;; esac >"ramfs/mod/$i-$name.ko"
  i=$((i + 1))
done
(cd ramfs && find . | cpio -o -H newc --quiet | gzip -1) >initramfs.gz
for image in boot/vmlinuz-"$version" usr/lib/modules/"$version"/vmlinuz; do
  [ ! -e "$image" ] || mv "$image" vmlinuz
done
[ -e vmlinuz ] || { echo "the packages have no kernel" >&2; exit 1; }
rm -rf ramfs order lib usr boot etc tmp
