# SecretManagement as a source of secrets, and the key store as one of its vaults. Where the real module is not installed, a stand-in
# gives secrets, and the vault's functions are called as SecretManagement calls them.
BeforeDiscovery {
    $hasModule = [bool](Get-Module -ListAvailable Microsoft.PowerShell.SecretManagement)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $configBefore = $env:VMCRYPT_CONFIG
    $env:VMCRYPT_CONFIG = "$TestDrive/config"
    $null = New-DiskKeyStore -KeyFile "$TestDrive/store.key"
    $path = New-TestImage
    $vault = Join-Path (Get-Module VmCrypt).ModuleBase 'VmCrypt.Vault'
}

AfterAll { $env:VMCRYPT_CONFIG = $configBefore }

Describe 'A secret of SecretManagement' {
    BeforeAll {
        $real = Get-Module Microsoft.PowerShell.SecretManagement
        $real | Remove-Module
        $standIn = New-Module -Name Microsoft.PowerShell.SecretManagement {
            function Get-Secret {
                [CmdletBinding()] param($Name, $Vault)
                switch ("$Vault/$Name") {
                    '/web' { ConvertTo-SecureString first -AsPlainText -Force }
                    'mine/web' { [pscredential]::new('nobody', (ConvertTo-SecureString first -AsPlainText -Force)) }
                    'mine/raw' { , [System.Text.Encoding]::UTF8.GetBytes('first') }
                    'mine/table' { @{ a = 1 } }
                    default { Write-Error "The secret $Name was not found." }
                }
            }
        } | Import-Module -PassThru
    }

    AfterAll { $standIn | Remove-Module }

    It 'opens a disk, whatever its type' {
        Test-KeySlot $path -SecretName web | Should -BeTrue
        Test-KeySlot $path -SecretName web -Vault mine | Should -BeTrue
        Test-KeySlot $path -SecretName raw -Vault mine | Should -BeTrue
        { Test-KeySlot $path -SecretName table -Vault mine -ErrorAction Stop } | Should -Throw -ErrorId 'SecretSourceInvalid,*.TestKeySlotCommand'
    }

    It 'is missed where no vault has it, and does not mix with others' {
        { Test-KeySlot $path -SecretName none -ErrorAction Stop } | Should -Throw -ErrorId 'VaultSecretMissing,*.TestKeySlotCommand'
        { Test-KeySlot $path -SecretName web -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'SecretAmbiguous,*.TestKeySlotCommand'
    }

    It 'is stored for a disk' {
        (Register-DiskKey $path -SecretName web -Vm web01).Vm | Should -Be 'web01'
        Get-DiskKey | Unregister-DiskKey -Force
    }
}

Describe 'The vault, called as SecretManagement does' {
    BeforeAll { $extension = Import-Module $vault -PassThru }
    AfterAll { $extension | Remove-Module }

    It 'keeps, gives and forgets what opens a disk' {
        $call = { param($command, $parameters) & "VmCrypt.Vault.Extension\$command" @parameters -VaultName VmCrypt -AdditionalParameters @{} }
        & $extension $call Set-Secret @{ Name = $path; Secret = $first } | Should -BeTrue
        { & $extension $call Set-Secret @{ Name = $path; Secret = $second } } | Should -Throw '*does not open*'
        & $extension $call Get-Secret @{ Name = $path } | ConvertFrom-SecureString -AsPlainText | Should -BeExactly 'first'
        & $extension $call Get-Secret @{ Name = '/none' } | Should -BeNullOrEmpty
        (Get-DiskKey).UseCount | Should -Be 1
        & $extension $call Test-SecretVault @{} | Should -BeTrue
        & $extension $call Remove-Secret @{ Name = $path } | Should -BeTrue
        Get-DiskKey | Should -BeNullOrEmpty
    }

    It 'gives the key of the header that is there now' {
        $call = { param($command, $parameters) & "VmCrypt.Vault.Extension\$command" @parameters -VaultName VmCrypt -AdditionalParameters @{} }
        $image = New-TestImage twice.qcow2
        $null = Register-DiskKey $image -Passphrase $first
        Remove-Item $image
        $null = New-EncryptedImage $image -Size 4MB -Passphrase $second -Iterations 1000
        $null = Register-DiskKey $image -Passphrase $second
        @(Get-DiskKey $image).Count | Should -Be 2
        & $extension $call Get-Secret @{ Name = $image } | ConvertFrom-SecureString -AsPlainText | Should -BeExactly 'second'
        Remove-Item $image
        { & $extension $call Get-Secret @{ Name = $image } } | Should -Throw
        Unregister-DiskKey $image -Force
    }
}

Describe 'The vault in the real SecretManagement' -Skip:(-not $hasModule) {
    It 'is registered, lists, gives and forgets' {
        $script = {
            param($manifest, $vault, $path)
            $ErrorActionPreference = 'Stop'
            Import-Module $manifest
            Import-Module Microsoft.PowerShell.SecretManagement
            $null = Register-DiskKey $path -Passphrase (ConvertTo-SecureString first -AsPlainText -Force) -Vm web01
            Register-SecretVault -Name Disks -ModuleName $vault
            Test-SecretVault Disks
            Get-SecretInfo -Vault Disks -Name * | ForEach-Object { "$($_.Name) $($_.Type) $($_.Metadata.Vm)" }
            Get-Secret $path -Vault Disks -AsPlainText
            Test-KeySlot $path -SecretName $path -Vault Disks
            Remove-Secret $path -Vault Disks
            @(Get-DiskKey).Count
        }
        $homeBefore = $env:HOME
        $env:HOME = "$TestDrive/home"
        try {
            $null = New-Item -ItemType Directory $env:HOME -Force
            $out = pwsh -NoProfile -NonInteractive -Command $script -args $manifest, $vault, $path
        } finally { $env:HOME = $homeBefore }
        $out | Should -Be 'True', "$path SecureString web01", 'first', 'True', 0
    }
}
