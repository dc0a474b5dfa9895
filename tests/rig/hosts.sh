#!/bin/sh
# Makes a tree with another release's Venus host: virglrenderer and lavapipe as a Debian release has them. Usage: hosts.sh DIR RELEASE (root; needs
# mmdebstrap and Debian's archive).
set -eu
dir=$1 release=$2
. "${0%/*}/mirror.sh"
# vulkaninfo and the libraries of llama.cpp are for programs on the host's own driver.
mmdebstrap --quiet --mode=root --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=mesa-vulkan-drivers,libvulkan1,vulkan-tools,virgl-server,libvirglrenderer1,libegl1,libgl1,libgbm1,libgl1-mesa-dri,libgomp1 \
  --customize-hook='cd "$1/usr/share/vulkan/icd.d" && { [ -e lvp_icd.json ] || ln -s lvp_icd.*.json lvp_icd.json; }' \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*' \
  "$release" "$dir" "deb $mirror $release main"
