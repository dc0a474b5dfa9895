#!/bin/sh
# Makes a tree with the C library, the Vulkan loader and vulkaninfo of a Debian release, and no driver. Usage: loader.sh DIR RELEASE (root; needs mmdebstrap and Debian's archive).
set -eu
dir=$1 release=$2
. "${0%/*}/mirror.sh"
# Older releases have /lib and /usr/lib apart, unless that is asked for.
mmdebstrap --quiet --mode=root --variant=minbase \
  --setup-hook='for name in bin sbin lib lib64; do mkdir -p "$1/usr/$name"; ln -s "usr/$name" "$1/$name"; done' \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=libvulkan1,vulkan-tools \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*' \
  "$release" "$dir" "deb $mirror $release main"
