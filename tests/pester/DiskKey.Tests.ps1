# The key store of a host: each suite has a configuration folder of its own.
BeforeAll {
    . $PSScriptRoot/Setup.ps1
    $vmcrypt = Join-Path $PSScriptRoot '../../output/bin/vmcrypt'
    $configBefore = $env:VMCRYPT_CONFIG
    $quick = @{ Kdf = 'Argon2id'; Iterations = 4; Memory = 64KB; Parallel = 1 }
    $master = ConvertTo-Secret 'master'

    function Use-NewStore([hashtable] $With = @{ KeyFile = "$TestDrive/$([guid]::NewGuid()).key" }) {
        $env:VMCRYPT_CONFIG = "$TestDrive/$([guid]::NewGuid())"
        New-DiskKeyStore @With
    }
}

AfterAll { $env:VMCRYPT_CONFIG = $configBefore }

Describe 'New-DiskKeyStore' {
    It 'makes a file for its owner alone, and a key file likewise' {
        $store = Use-NewStore
        $store.Entries | Should -Be 0
        $store.IsUnattended | Should -BeTrue
        (Get-Item $store.Location, $store.Protectors[0].Detail).UnixMode | Should -Be '-rw-------', '-rw-------'
    }

    It 'does so once, and nothing under -WhatIf' {
        $null = Use-NewStore
        { New-DiskKeyStore -KeyFile "$TestDrive/other.key" -ErrorAction Stop } | Should -Throw -ErrorId 'KeyStoreExists,*.NewDiskKeyStoreCommand'
        $env:VMCRYPT_CONFIG = "$TestDrive/none"
        New-DiskKeyStore -KeyFile "$TestDrive/none.key" -WhatIf
        "$TestDrive/none" | Should -Not -Exist
        { Get-DiskKey -ErrorAction Stop } | Should -Throw -ErrorId 'KeyStoreMissing,*.GetDiskKeyCommand'
    }
}

Describe 'Register-DiskKey' {
    BeforeEach {
        $null = Use-NewStore
        $path = New-TestImage
    }

    It 'stores what opens the disk, under all of its names' {
        $uuid = [guid]::NewGuid()
        $key = Register-DiskKey $path -Passphrase $first -Vm web01 -VmUuid $uuid -StoragePool $uuid -StorageDomain $uuid -ImageUuid $uuid
        $key.LuksUuid | Should -Be (Get-EncryptedImage $path).Luks.Uuid
        $found = Get-DiskKey -Vm $uuid
        $found.Vm, $found.Slot, $found.UseCount, $found.StorageDomain | Should -Be 'web01', 0, 0, $uuid
        $found.LastUsed | Should -BeNullOrEmpty
    }

    It 'stores nothing that does not open it' {
        { Register-DiskKey $path -Passphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase,*.RegisterDiskKeyCommand'
        Get-DiskKey | Should -BeNullOrEmpty
    }

    It 'replaces what is stored with -Force only' {
        $null = Register-DiskKey $path -Passphrase $first
        { Register-DiskKey $path -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'DiskKeyExists,*.RegisterDiskKeyCommand'
        $null = Register-DiskKey $path -Passphrase $first -Vm web02 -Force
        (Get-DiskKey).Vm | Should -Be 'web02'
    }

    It 'takes disks from the pipeline while a VM uses them' {
        $export = Unlock-Image $path -Passphrase $first
        try {
            [pscustomobject]@{ Path = $path; VmName = 'web01' } | Register-DiskKey -Passphrase $first | Select-Object -ExpandProperty Vm | Should -Be 'web01'
        } finally { $export | Lock-Image }
    }
}

Describe 'Unlock-Image by the store' {
    BeforeEach {
        $null = Use-NewStore
        $path = New-TestImage
        $other = New-TestImage 'other.raw' @{ Format = 'Raw' }
        $null = Register-DiskKey $path, $other -Passphrase $first -Vm web01
    }

    It 'opens every disk of a VM, and counts it' {
        $exports = @(Unlock-Image -Vm web01)
        try { $exports | Should -HaveCount 2 } finally { $exports | Lock-Image }
        (Get-DiskKey -Vm web01).UseCount | Should -Be 1, 1
        $log = Get-Content "$env:VMCRYPT_CONFIG/audit.log" | ConvertFrom-Json
        @($log | Where-Object action -eq 'DiskKey.Use').vm | Should -Be 'web01', 'web01'
        (Test-AuditLog).IsUnbroken | Should -BeTrue
    }

    It 'opens one disk by its path' {
        Unlock-Image $path -StoredKey | Lock-Image
        Resize-Image $path 8MB -StoredKey -PassThru | Select-Object -ExpandProperty VirtualSize | Should -Be 8MB
    }

    It 'finds a disk that was moved' {
        $moved = Join-Path $TestDrive "moved-$([guid]::NewGuid()).qcow2"
        Move-Item $path $moved
        Test-KeySlot $moved -StoredKey | Should -BeTrue
    }

    It 'opens a detached header' {
        $header = New-TestImage 'detached.raw' @{ Format = 'Raw'; DetachedHeader = "$TestDrive/detached.hdr" }
        $null = Register-DiskKey $header -DetachedHeader "$TestDrive/detached.hdr" -Passphrase $first -Vm detached
        Unlock-Image -Vm detached | Lock-Image
    }

    It 'does not mix with another secret, and takes one for the disks of a VM' {
        { Unlock-Image $path -StoredKey -Passphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'SecretAmbiguous,*.UnlockImageCommand'
        { Unlock-Image -Vm web01 -Passphrase $second -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase,*.UnlockImageCommand'
        { Unlock-Image -Vm web02 -ErrorAction Stop } | Should -Throw -ErrorId 'DiskKeyMissing,*.UnlockImageCommand'
    }

    It 'says so when the passphrase was changed without the store' {
        $null = Set-KeySlot $path -StoredKey -NewPassphrase $second @cheap -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'Update-DiskKey'
        { Unlock-Image $path -StoredKey -ErrorAction Stop } | Should -Throw -ErrorId 'WrongPassphrase,*.UnlockImageCommand'
        Test-DiskKey $path | Select-Object -ExpandProperty State | Should -Be 'Stale'
    }

    It 'does so from vmcrypt without a terminal' {
        $copy = "$TestDrive/$([guid]::NewGuid()).raw"
        & $vmcrypt Unlock-Image -Vm web01 -ReadOnly -WhatIf
        & $vmcrypt Unlock-Image $path -StoredKey -OutFile $copy -Json | ConvertFrom-Json | Select-Object -ExpandProperty virtualSize | Should -Be 4MB
    }
}

Describe 'A store with a master passphrase' {
    BeforeEach {
        $null = Use-NewStore (@{ MasterPassphrase = $master } + $quick)
        $path = New-TestImage
        $null = Register-DiskKey $path -Passphrase $first -Vm web01 -StorePassphrase $master
    }

    It 'opens with it alone' {
        Unlock-Image -Vm web01 -StorePassphrase $master | Lock-Image
        { Unlock-Image -Vm web01 -StorePassphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'KeyStoreLocked,*.UnlockImageCommand'
    }

    It 'lists what it has without it' {
        (Get-DiskKey).Path | Should -Be $path
        (Get-DiskKeyStore).IsUnattended | Should -BeFalse
    }

    It 'gets other protectors, and keeps the last' {
        $added = Add-DiskKeyProtector -KeyFile "$TestDrive/added-$([guid]::NewGuid()).key" -StorePassphrase $master
        Unlock-Image -Vm web01 | Lock-Image
        $old = (Get-DiskKeyStore).Protectors | Where-Object Kind -eq Passphrase
        $old | Remove-DiskKeyProtector -Force
        { Unlock-Image -Vm web01 -StorePassphrase $master -ErrorAction Stop } | Should -Throw -ErrorId 'KeyStoreLocked,*.UnlockImageCommand'
        { $added | Remove-DiskKeyProtector -Force -ErrorAction Stop } | Should -Throw -ErrorId 'KeyProtectorMissing,*.RemoveDiskKeyProtectorCommand'
    }
}

Describe 'Test-DiskKey and Test-DiskKeyStore' {
    BeforeEach {
        $null = Use-NewStore
        $good = New-TestImage 'good.qcow2'
        $gone = New-TestImage 'gone.qcow2'
        $null = Register-DiskKey $good, $gone -Passphrase $first
        Remove-Item $gone
    }

    It 'tries every key by really unlocking, without counting it' {
        $answers = Test-DiskKey | Sort-Object Path
        $answers.State | Should -Be 'ImageMissing', 'Good'
        (Get-DiskKey).UseCount | Should -Be 0, 0
    }

    It 'ends vmcrypt with 1 where one is not good' {
        & $vmcrypt Test-DiskKey $good | Out-Null
        $LASTEXITCODE | Should -Be 0
        & $vmcrypt Test-DiskKey | Out-Null
        $LASTEXITCODE | Should -Be 1
    }

    It 'finds a store that was changed without its key' {
        (Test-DiskKeyStore).IsWhole | Should -BeTrue
        $file = (Get-DiskKeyStore).Location
        $bytes = Get-FileBytes $file
        $bytes[-1] = $bytes[-1] -bxor 1
        [System.IO.File]::WriteAllBytes($file, $bytes)
        $answer = Test-DiskKeyStore
        $answer.IsWhole | Should -BeFalse
        $answer.Reason | Should -Match 'somebody who does not have its key'
    }
}

Describe 'Unregister-DiskKey' {
    It 'forgets what is named, and nothing where nothing is' {
        $null = Use-NewStore
        $path = New-TestImage
        $null = Register-DiskKey $path -Passphrase $first -Vm web01
        { Unregister-DiskKey -Force -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.UnregisterDiskKeyCommand'
        Get-DiskKey -Vm 'web*' | Unregister-DiskKey -Force
        Get-DiskKey | Should -BeNullOrEmpty
        { Unlock-Image $path -StoredKey -ErrorAction Stop } | Should -Throw -ErrorId 'DiskKeyMissing,*.UnlockImageCommand'
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
    }
}

Describe 'Update-DiskKey' {
    BeforeEach {
        $null = Use-NewStore
        $path = New-TestImage
        $null = Register-DiskKey $path -Passphrase $first -Vm web01
    }

    It 'gives the disk a secret that nobody knows' {
        $null = Update-DiskKey -Vm web01 @cheap
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
        Unlock-Image -Vm web01 | Lock-Image
        Test-DiskKey | Select-Object -ExpandProperty State | Should -Be 'Good'
    }

    It 'gives it the one that it is told' {
        $null = Get-DiskKey | Update-DiskKey -NewPassphrase $second @cheap
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
    }

    It 'changes nothing of a disk in use, or under -WhatIf' {
        $null = Register-DiskKey $path -Passphrase $first -Force
        Update-DiskKey $path @cheap -WhatIf
        $export = Unlock-Image $path -StoredKey
        try {
            { Update-DiskKey $path @cheap -ErrorAction Stop } | Should -Throw -ErrorId 'ImageInUse,*.UpdateDiskKeyCommand'
        } finally { $export | Lock-Image }
        (Get-DiskKey).IsRotating | Should -BeFalse
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
        Test-DiskKey -Repair | Select-Object -ExpandProperty State | Should -Be 'Good'
    }
}

Describe 'Backup-DiskKeyStore and Restore-DiskKeyStore' {
    It 'carry the keys to another host' {
        $null = Use-NewStore
        $path = New-TestImage
        $null = Register-DiskKey $path -Passphrase $first -Vm web01
        $backup = "$TestDrive/backup.vks"
        (Backup-DiskKeyStore $backup -BackupPassphrase $second @quick).Keys | Should -Be 1
        { Backup-DiskKeyStore $backup -BackupPassphrase $second @quick -ErrorAction Stop } | Should -Throw -ErrorId 'FileExists,*.BackupDiskKeyStoreCommand'

        $null = Use-NewStore
        { Restore-DiskKeyStore $backup -BackupPassphrase $first -ErrorAction Stop } | Should -Throw -ErrorId 'KeyStoreLocked,*.RestoreDiskKeyStoreCommand'
        (Restore-DiskKeyStore $backup -BackupPassphrase $second).Restored | Should -Be 1
        (Restore-DiskKeyStore $backup -BackupPassphrase $second).Kept | Should -Be 1
        Unlock-Image -Vm web01 | Lock-Image
    }
}
