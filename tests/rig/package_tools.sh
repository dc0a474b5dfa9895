#!/bin/sh
# Makes a Debian 13 tree with tools that read packages, images and device specs which others make: rpm, podman with crun, the schema of CDI specs, beside vulkaninfo and the Vulkan loader. User 1000
# there has numbers for containers of its own. Usage: package_tools.sh DIR (root; needs mmdebstrap and Debian's archive).
set -eu
dir=$1
. "${0%/*}/mirror.sh"
mmdebstrap --quiet --mode=root --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=libvulkan1,vulkan-tools,rpm,podman,crun,uidmap,python3-jsonschema \
  --customize-hook='chroot "$1" useradd --create-home user' \
  --customize-hook='chroot "$1" sh -ec "
    # Of this package, which is for programs in Go, the schema is all that is needed.
    cd /tmp
    apt-get download -qq golang-tags.cncf-container-device-interface-dev
    dpkg-deb -x *.deb cdi
    mv cdi/usr/share/gocode/src/tags.cncf.io/container-device-interface/schema /usr/share/cdi-schema
    rm -r cdi *.deb
  "' \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*' \
  trixie "$dir" "deb $mirror trixie main"
