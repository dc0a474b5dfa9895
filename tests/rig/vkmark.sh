#!/bin/sh
# Makes a small tree with vkmark from Debian. It runs in another tree, FROM; libraries that are there aren't taken twice. Usage: vkmark.sh DIR FROM (root; needs mmdebstrap and
# Debian's archive).
set -eu
dir=$1 from=$2
. "${0%/*}/mirror.sh"
# Nothing is set up: files are all that is needed.
mmdebstrap --quiet --mode=root --variant=extract --include=vkmark \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/*' --dpkgopt='path-include=/usr/share/vkmark/*' --dpkgopt='path-exclude=/usr/lib/*/gconv/*' \
  trixie "$dir" "deb $mirror trixie main"
rm -rf "$dir/var" "$dir/dev"
for library in "$dir"/usr/lib/x86_64-linux-gnu/*.so*; do
  [ ! -e "$from${library#"$dir"}" ] || rm "$library"
done
