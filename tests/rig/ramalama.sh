#!/bin/sh
# Makes a small tree with Python and what RamaLama imports, from Debian; RamaLama itself is a package of the Python index. Programs of it run in the rig's root, FROM; libraries
# that are there aren't taken twice. Usage: ramalama.sh DIR FROM (root; needs mmdebstrap and Debian's archive).
set -eu
dir=$1 from=$2
. "${0%/*}/mirror.sh"
# Nothing is set up: files are all that is needed.
mmdebstrap --quiet --mode=root --variant=extract \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/*' --dpkgopt='path-exclude=/usr/lib/*/gconv/*' \
  --include=python3.13,python3-yaml,python3-jinja2,python3-argcomplete trixie "$dir" "deb $mirror trixie main"
rm -rf "$dir/var" "$dir/dev"
for library in "$dir"/usr/lib/x86_64-linux-gnu/*.so*; do
  [ ! -e "$from${library#"$dir"}" ] || rm "$library"
done
