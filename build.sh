#!/usr/bin/env bash
# ./build.sh [Build | Demo | Test | Test-Ceph | Bench | Package]: the build itself is the C# project in build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec dotnet run --project build --verbosity quiet -- "${@:-Build}"
