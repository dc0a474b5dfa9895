#!/bin/sh
# Makes a small tree with vulkaninfo and the Vulkan loader of another tree, whose libraries lie in one folder, /usr/FOLDER, such as lib64. There is neither a shell nor a package manager in it. Usage:
# small_tree.sh FROM DIR FOLDER (root).
set -eu
from=$1 dir=$2 folder=$3
mkdir -p "$dir/usr/bin" "$dir/usr/sbin" "$dir/usr/lib" "$dir/usr/lib64" "$dir/usr/$folder" "$dir/etc" "$dir/root" "$dir/tmp"
for name in bin sbin lib lib64; do
  ln -s "usr/$name" "$dir/$name"
done
# Fedora's package of the Vulkan loader has this folder, too.
mkdir -p "$dir/usr/share/vulkan/icd.d"
cp -L "$from/usr/bin/vulkaninfo" "$dir/usr/bin"
# Lines like `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f...)`, and the last one, which names the program's loader.
for file in /usr/bin/vulkaninfo /usr/lib/x86_64-linux-gnu/libvulkan.so.1; do
  chroot "$from" /lib64/ld-linux-x86-64.so.2 --list "$file" | sed -n 's/^.* => \(\/[^ ]*\) (0x.*$/\1/p'
done | sort -u | while read -r library; do
  cp -L "$from$library" "$dir/usr/$folder"
done
# Found by name only: the Vulkan loader, and what programs for an older C library name.
for library in libvulkan.so.1 libpthread.so.0 libdl.so.2 librt.so.1; do
  cp -L "$from/usr/lib/x86_64-linux-gnu/$library" "$dir/usr/$folder"
done
# In Debian 11 a link that leads from the tree's own root.
cp "$from$(chroot "$from" realpath /lib64/ld-linux-x86-64.so.2)" "$dir/usr/lib64/ld-linux-x86-64.so.2"
echo "/usr/$folder" >"$dir/etc/ld.so.conf"
"$from/usr/sbin/ldconfig" -r "$dir"
