# What SecretManagement asks of a vault. A secret's name is the path of the disk that it opens.
if (-not (Get-Module VmCrypt)) { Import-Module (Join-Path $PSScriptRoot '../../VmCrypt.psd1') }

# The master passphrase of the key store, once Unlock-SecretVault has brought it.
$script:master = $null

function Get-Secret {
    param([string] $Name, [string] $VaultName, [hashtable] $AdditionalParameters)
    # The comma keeps PowerShell from taking bytes apart.
    , [VmCrypt.Commands.KeyStore.SecretVault]::Get($Name, $script:master)
}

function Set-Secret {
    param([string] $Name, [object] $Secret, [string] $VaultName, [hashtable] $AdditionalParameters)
    [VmCrypt.Commands.KeyStore.SecretVault]::Set($Name, $Secret, $script:master)
    $true
}

function Remove-Secret {
    param([string] $Name, [string] $VaultName, [hashtable] $AdditionalParameters)
    [VmCrypt.Commands.KeyStore.SecretVault]::Remove($Name, $script:master)
    $true
}

function Get-SecretInfo {
    param([string] $Filter, [string] $VaultName, [hashtable] $AdditionalParameters)
    foreach ($key in Get-DiskKey | Where-Object Path -like $Filter) {
        $facts = [System.Collections.Generic.Dictionary[string, object]]::new()
        $facts['Created'] = $key.Created.UtcDateTime
        $facts['UseCount'] = [int] $key.UseCount
        if ($key.Vm) { $facts['Vm'] = $key.Vm }
        [Microsoft.PowerShell.SecretManagement.SecretInformation]::new(
            $key.Path, [Microsoft.PowerShell.SecretManagement.SecretType]::SecureString, $VaultName,
            [System.Collections.ObjectModel.ReadOnlyDictionary[string, object]]::new($facts))
    }
}

function Test-SecretVault {
    param([string] $VaultName, [hashtable] $AdditionalParameters)
    $given = $script:master ? @{ StorePassphrase = $script:master } : @{}
    (Test-DiskKeyStore @given).IsWhole
}

function Unlock-SecretVault {
    param([SecureString] $Password, [string] $VaultName, [hashtable] $AdditionalParameters)
    $script:master = $Password
}
