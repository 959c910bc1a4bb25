# Dot-sourced by every suite: imports the built module once, and brings what the suites share.
$ErrorActionPreference = 'Stop'
$manifest = Join-Path $PSScriptRoot '../../output/VmCrypt/VmCrypt.psd1'
if (-not (Get-Module VmCrypt)) {
    if (-not (Test-Path $manifest)) { throw 'There is no built module: run ./build.sh first.' }
    Import-Module $manifest
}

# Slots that are tried often must be cheap.
$cheap = @{ Iterations = 1000 }

function ConvertTo-Secret([string] $Text) {
    ConvertTo-SecureString $Text -AsPlainText -Force
}

$first = ConvertTo-Secret 'first'
$second = ConvertTo-Secret 'second'

# Makes an encrypted disk in $TestDrive, or wherever -Path says, and returns its path.
function New-TestImage([string] $Name = 'disk.qcow2', [hashtable] $With = @{}) {
    $path = Join-Path $TestDrive $Name
    $null = New-EncryptedImage -Path $path -Size 4MB -Passphrase $first -Force @cheap @With
    $path
}

# What qemu-img needs to open a disk that is encrypted with 'first'.
function Get-QemuSource([string] $Path, [string] $Passphrase = 'first') {
    $secret = Join-Path $TestDrive 'qemu.secret'
    Set-Content -LiteralPath $secret $Passphrase -NoNewline
    $info = qemu-img info --output=json -f qcow2 $Path 2>$null | ConvertFrom-Json
    $driver = $info ? 'driver=qcow2,encrypt.key-secret=key' : 'driver=luks,key-secret=key'
    '--object', "secret,id=key,file=$secret", '--image-opts', "$driver,file.filename=$Path"
}

function Get-FileBytes([string] $Path) {
    [System.IO.File]::ReadAllBytes($Path)
}
