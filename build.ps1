#!/usr/bin/env pwsh
# ./build.ps1 [Build | Demo | Test | Test-Ceph | Bench | Package]: the build itself is the C# project in build/.
param(
    [ValidateSet('Build', 'Demo', 'Test', 'Test-Ceph', 'Bench', 'Package')]
    [string] $Task = 'Build'
)
dotnet run --project (Join-Path $PSScriptRoot build) --verbosity quiet -- $Task
exit $LASTEXITCODE
