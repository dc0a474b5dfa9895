#!/bin/sh
# Makes small trees with the C libraries of other guests, a Vulkan loader, and an emulator of their processors, from Debian. Usage: guests.sh DIR (needs mmdebstrap
# and Debian's archive).
set -eu
dir=$1
. "${0%/*}/mirror.sh"
mkdir "$dir"
# Only unpacked: nothing of them is run by the package manager, so other processors are no hindrance.
tree() {
  mmdebstrap --quiet --mode=root --variant=extract --architectures="$1" --include="$2" \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/*' --dpkgopt='path-exclude=/usr/lib/*/gconv/*' \
    trixie "$dir/$1" "deb $mirror trixie main"
  rm -rf "$dir/$1/var" "$dir/$1/dev"
}
tree amd64 musl,qemu-user
tree arm64 libc6,musl,libvulkan1,vulkan-tools
for program in "$dir"/amd64/usr/bin/qemu-*; do
  [ "${program##*/}" = qemu-aarch64 ] || rm "$program"
done
# What programs call these folders comes with a package that sets up a whole system.
ln -s usr/lib "$dir/amd64/lib"
ln -s usr/lib "$dir/arm64/lib"
