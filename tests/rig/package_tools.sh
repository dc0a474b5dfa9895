#!/bin/sh
# Makes a Debian 13 tree with tools that read packages and images which others make: rpm, skopeo and buildah, beside vulkaninfo and the Vulkan loader. Usage: package_tools.sh DIR (root;
# needs mmdebstrap and Debian's archive).
set -eu
dir=$1
# The machine's own mirror, wherever that is.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt: the packages come from there" >&2; exit 1; }
mmdebstrap --quiet --mode=root --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=libvulkan1,vulkan-tools,rpm,skopeo,buildah,netavark,crun \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*' \
  trixie "$dir" "deb $mirror trixie main"
