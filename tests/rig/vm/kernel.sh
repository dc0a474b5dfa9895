#!/bin/sh
# Unpacks a stock kernel with its modules, and a busybox for its first program, from Debian. Usage: kernel.sh DIR ARCHITECTURE PACKAGE SUITE (needs
# mmdebstrap and Debian's archive). initramfs.sh goes on from there.
set -eu
dir=$1
arch=$2
# The hook has these from the environment.
export package="$3" suite="$4"
. "${0%/*}/mirror.sh"
# Nothing is installed: there is nothing to boot here but the rig's own machine. Newer kernels are several packages.
mmdebstrap --quiet --mode=root --variant=extract --architectures="$arch" \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Sandbox::User "root"' \
  --extract-hook='
    set -eu
    export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
    kernel=$(apt-cache depends "$package/$suite" | sed -n "s/^ *Depends: \(linux-image-[0-9].*\)/\1/p")
    [ -n "$kernel" ] || { echo "$suite has no $package" >&2; exit 1; }
    parts=$(apt-cache depends "$kernel" | sed -n "s/^ *Depends: \(linux-\(modules\|binary\|base\)-[0-9].*\)/\1/p")
    mkdir "$1/debs"
    cd "$1/debs"
    apt-get download -qq "$kernel" $parts busybox-static/trixie
    for deb in *.deb; do dpkg-deb -x "$deb" "$1"; done
    rm -r "$1/debs"
    echo "${kernel#linux-image-}" >"$1/version"
  ' \
  trixie "$dir" "deb $mirror trixie main" "deb $mirror trixie-backports main"
rm -r "$dir/var" "$dir/dev"
