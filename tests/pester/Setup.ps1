# Dot-sourced by every suite: imports the built module once.
$ErrorActionPreference = 'Stop'
if (-not (Get-Module VmCrypt)) {
    $manifest = Join-Path $PSScriptRoot '../../output/VmCrypt/VmCrypt.psd1'
    if (-not (Test-Path $manifest)) { throw 'There is no built module: run ./build.sh first.' }
    Import-Module $manifest
}
