#!/bin/sh
# Makes the rig's root: a Debian 13 tree with a real Venus host (virglrenderer 1.3, lavapipe) and its peer (Mesa's venus
# driver), QEMU and a stock kernel for the virtual machine. Usage: root.sh DIR (root; needs mmdebstrap and Debian's archive).
set -eu
dir=$1
# The machine's own mirror, wherever that is.
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -n 1)
[ -n "$mirror" ] || { echo "no Debian mirror in /etc/apt: the rig's packages come from there" >&2; exit 1; }

pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
cat >"$pins" <<'P'
Package: *
Pin: release n=trixie-backports
Pin-Priority: 100

Package: *
Pin: release n=forky
Pin-Priority: 50

Package: src:mesa src:qemu src:seabios src:ipxe src:edk2
Pin: release n=trixie-backports
Pin-Priority: 600

Package: virgl-server libvirglrenderer1
Pin: release n=forky
Pin-Priority: 600
P

# Kernel packages are unpacked, not installed: there is nothing to boot here but the rig's own machine.
mmdebstrap --quiet --mode=root --variant=minbase \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp $pins \"\$1/etc/apt/preferences.d/rig\" && chmod 644 \"\$1/etc/apt/preferences.d/rig\"" \
  --include=mesa-vulkan-drivers,libvulkan1,vulkan-tools,virgl-server,libvirglrenderer1,libegl1,libgl1,libgbm1,libgl1-mesa-dri,libgomp1,qemu-system-x86,qemu-system-modules-opengl,busybox-static,cpio,kmod,xz-utils,zstd \
  --customize-hook='chroot "$1" sh -ec "
    cd /tmp
    kernel=\$(apt-cache depends linux-image-amd64 | sed -n \"s/^ *Depends: \\(linux-image-[0-9].*\\)/\\1/p\")
    parts=\$(apt-cache depends \$kernel | sed -n \"s/^ *Depends: \\(linux-\\(modules\\|binary\\|image\\|base\\)-[0-9].*\\)/\\1/p\")
    apt-get download -qq \$kernel \$parts
    mkdir -p /vm/kernel
    for deb in linux-*.deb; do dpkg-deb -x \$deb /vm/kernel; rm \$deb; done
    echo \${kernel#linux-image-} >/vm/version
  "' \
  --customize-hook='rm -rf "$1"/var/cache/apt/archives/*.deb' \
  trixie "$dir" \
  "deb $mirror trixie main" "deb $mirror trixie-backports main" "deb $mirror forky main"
