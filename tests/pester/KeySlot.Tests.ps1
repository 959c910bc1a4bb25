BeforeDiscovery {
    $hasQemu = [bool](Get-Command qemu-img -ErrorAction Ignore)
}

BeforeAll {
    . $PSScriptRoot/Setup.ps1
}

Describe 'Get-KeySlot' {
    It 'lists the slots in use, all of them, or some' {
        $path = New-TestImage
        $slot = Get-KeySlot $path
        $slot.Slot | Should -Be 0
        $slot.Kdf | Should -BeExactly 'pbkdf2'
        $slot.Iterations | Should -Be 1000
        (Get-KeySlot $path -All).Count | Should -Be 8
        (Get-KeySlot $path -Slot 3, 5).Slot | Should -Be 3, 5
    }

    It 'refuses what has no slots' {
        Set-Content $TestDrive/plain.img ('x' * 4096)
        { Get-KeySlot $TestDrive/plain.img -ErrorAction Stop } | Should -Throw -ErrorId 'NotEncrypted,*.GetKeySlotCommand'
    }
}

Describe 'Add-KeySlot' {
    BeforeEach { $path = New-TestImage }

    It 'adds a passphrase that opens, and leaves the old one' {
        $slot = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        $slot.Slot | Should -Be 1
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
        Test-KeySlot $path -Passphrase $second -Slot 1 | Should -BeTrue
    }

    It 'adds one that QEMU takes' -Skip:(-not $hasQemu) {
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        qemu-img check @(Get-QemuSource $path 'second')
        $LASTEXITCODE | Should -Be 0
    }

    It 'says that the new passphrase opens a slot already' {
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $first @cheap -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'opens key slot 0'
    }

    It 'fills the slot that it is told, if that is free' {
        (Add-KeySlot $path -Passphrase $first -NewPassphrase $second -Slot 7 @cheap).Slot | Should -Be 7
        { Add-KeySlot $path -Passphrase $first -NewPassphrase $second -Slot 7 @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId '*,*.AddKeySlotCommand'
    }

    It 'changes nothing under -WhatIf or with a wrong passphrase' {
        $before = (Get-FileHash $path).Hash
        Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap -WhatIf
        { Add-KeySlot $path -Passphrase $second -NewPassphrase $second @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.AddKeySlotCommand'
        (Get-FileHash $path).Hash | Should -Be $before
    }

    It 'refuses an image that is in use' {
        $export = Unlock-Image $path -Passphrase $first
        try {
            { Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap -ErrorAction Stop } |
                Should -Throw -ErrorId 'ImageInUse,*.AddKeySlotCommand'
        } finally { $export | Lock-Image }
    }
}

Describe 'Set-KeySlot' {
    BeforeEach { $path = New-TestImage }

    It 'replaces the passphrase' {
        $null = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
        Test-KeySlot $path -Passphrase $second | Should -BeTrue
        Get-KeySlot $path | Should -HaveCount 1
    }

    It 'does so for many images at once' {
        $other = New-TestImage other.qcow2
        $path, $other | Set-KeySlot -Passphrase $first -NewPassphrase $second @cheap | Should -HaveCount 2
        Test-KeySlot $path, $other -Passphrase $second | Should -Be $true, $true
    }

    It 'replaces by a key file' {
        [System.IO.File]::WriteAllBytes("$TestDrive/new.key", [byte[]](1..64))
        $null = Set-KeySlot $path -Passphrase $first -NewKeyFile $TestDrive/new.key @cheap
        Test-KeySlot $path -KeyFile $TestDrive/new.key | Should -BeTrue
    }

    It 'replaces the slot that it is told only with that slot''s passphrase' {
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        { Set-KeySlot $path -Slot 1 -Passphrase $first -NewPassphrase (ConvertTo-Secret 'third') @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.SetKeySlotCommand'
    }

    It 'ends what an interrupted change began, and says so' {
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
        $slot = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'opened key slot 1 .* already'
        $slot.Slot | Should -Be 1
        (Get-KeySlot $path).Slot | Should -Be 1
        (Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap -WarningAction SilentlyContinue).Slot | Should -Be 1
    }

    It 'keeps the passphrase and renews its cost' {
        $slot = Set-KeySlot $path -Passphrase $first -KeepPassphrase -Iterations 2000
        $slot.Iterations | Should -Be 2000
        Get-KeySlot $path | Should -HaveCount 1
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
    }

    It 'changes nothing under -WhatIf' {
        $before = (Get-FileHash $path).Hash
        Set-KeySlot $path -Passphrase $first -NewPassphrase $second -WhatIf
        (Get-FileHash $path).Hash | Should -Be $before
    }
}

Describe 'Key slots of LUKS2' {
    BeforeEach { $path = New-TestImage disk.luks @{ Format = 'Raw'; LuksVersion = 'Luks2'; KeyslotsSize = 2MB; WarningAction = 'Ignore' } }

    It 'have what LUKS1 lacks' {
        $slot = Add-KeySlot $path -Passphrase $first -NewPassphrase $second -Kdf Argon2id -Iterations 4 -Memory 64KB -Parallel 2 -Slot 5 -Priority Prefer
        $slot.Slot | Should -Be 5
        $slot.Kdf | Should -BeExactly 'argon2id'
        $slot.MemoryKiB | Should -Be 64
        $slot.Parallelism | Should -Be 2
        $slot.Priority | Should -Be 'Prefer'
        (Set-KeySlot $path -Slot 5 -Priority Ignore).Priority | Should -Be 'Ignore'
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
        Test-KeySlot $path -Passphrase $second -Slot 5 | Should -BeTrue
        $slot = Set-KeySlot $path -Slot 5 -Passphrase $second -KeepPassphrase @cheap
        $slot.Kdf, $slot.Priority | Should -Be 'pbkdf2', 'Ignore'
    }

    It 'may hold a key of their own' {
        $slot = Add-KeySlot $path -Unbound -NewPassphrase $second -KeySize 256 @cheap
        $slot.IsBound | Should -BeFalse
        Test-KeySlot $path -Slot $slot.Slot -Passphrase $second | Should -BeTrue
        Test-KeySlot $path -Slot $slot.Slot -Passphrase $first | Should -BeFalse
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
        { Add-KeySlot $path -Unbound -Passphrase $first -NewPassphrase $second @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.AddKeySlotCommand'
    }

    It 'keep their tokens, which give the old passphrase: a warning says so' {
        $null = Add-KeyToken $path -KeyDescription vm:disk -KeySlot 0
        $slot = Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'Token 0 names key slot 0'
        $slot.Tokens | Should -Be 0
    }

    It 'give their own key back' {
        [System.IO.File]::WriteAllBytes("$TestDrive/own.key", [byte[]](1..100))
        $slot = Add-KeySlot $path -Unbound -UnboundKeyFile $TestDrive/own.key -NewPassphrase $second @cheap
        $null = Export-VolumeKey $path $TestDrive/read.key -Slot $slot.Slot -Passphrase $second -Force -WarningVariable said -WarningAction SilentlyContinue
        $said | Should -Match 'does not open the disk'
        Get-FileBytes $TestDrive/read.key | Should -Be ([byte[]](1..100))
    }

    It 'are shown with all that LUKS2 says of them' {
        $null = Set-KeySlot $path -Slot 0 -Priority Prefer
        $null = Add-KeySlot $path -Unbound -NewPassphrase $second @cheap
        $shown = Get-EncryptedImage $path | Format-List | Out-String -Width 200
        $shown | Should -Match '0: pbkdf2 sha256, 1000 iterations, preferred'
        $shown | Should -Match '1: pbkdf2 sha256, 1000 iterations, a key of its own'
        (Get-KeySlot $path | Format-Table | Out-String -Width 200) | Should -Match 'Prefer'
    }

    It 'keep their number when the passphrase changes, and a repeated change says so' {
        (Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap).Slot | Should -Be 0
        (Set-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap -WarningVariable said -WarningAction SilentlyContinue).Slot | Should -Be 0
        $said | Should -Match 'already'
    }

    It 'are refused in LUKS1 before anything is written: <Name>' -ForEach @(
        @{ Name = 'a priority'; With = @{ Priority = 'Prefer' }; Id = 'LuksVersionUnsupported' }
        @{ Name = 'Argon2'; With = @{ Kdf = 'Argon2i' }; Id = 'KdfCostInvalid' }
        @{ Name = 'a key of its own'; With = @{ Unbound = $true }; Id = 'LuksVersionUnsupported' }
    ) {
        $luks1 = New-TestImage luks1.qcow2
        $before = (Get-FileHash $luks1).Hash
        $opening = $With.ContainsKey('Unbound') ? @{} : @{ Passphrase = $first }
        { Add-KeySlot $luks1 @opening -NewPassphrase $second @With -ErrorAction Stop } |
            Should -Throw -ErrorId "$Id,*.AddKeySlotCommand"
        (Get-FileHash $luks1).Hash | Should -Be $before
    }
}

Describe 'A volume key' {
    BeforeEach {
        [System.IO.File]::WriteAllBytes("$TestDrive/volume.key", [byte[]](1..64))
        $path = New-TestImage keyed.qcow2 @{ VolumeKeyFile = "$TestDrive/volume.key" }
    }

    It 'opens an image, and makes and changes its slots' {
        Test-KeySlot $path -VolumeKeyFile $TestDrive/volume.key | Should -BeTrue
        (Add-KeySlot $path -VolumeKeyFile $TestDrive/volume.key -NewPassphrase $second @cheap).Slot | Should -Be 1
        (Set-KeySlot $path -VolumeKeyFile $TestDrive/volume.key -Slot 0 -NewPassphrase (ConvertTo-Secret 'third') @cheap).Slot | Should -Be 2
        Test-KeySlot $path -Passphrase $first | Should -BeFalse
        Test-KeySlot $path -Passphrase (ConvertTo-Secret 'third') | Should -BeTrue
    }

    It 'proves that a slot is not needed, and names none' {
        { Remove-KeySlot $path -VolumeKeyFile $TestDrive/volume.key -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.RemoveKeySlotCommand'
        Remove-KeySlot $path 0 -VolumeKeyFile $TestDrive/volume.key -Force
        Get-KeySlot $path | Should -BeNullOrEmpty
        (Add-KeySlot $path -VolumeKeyFile $TestDrive/volume.key -NewPassphrase $second @cheap).Slot | Should -Be 0
    }

    It 'must be the image''s own, and the only secret' {
        [System.IO.File]::WriteAllBytes("$TestDrive/other.key", [byte[]](2..65))
        Test-KeySlot $path -VolumeKeyFile $TestDrive/other.key | Should -BeFalse
        { Set-KeySlot $path -VolumeKeyFile $TestDrive/volume.key -NewPassphrase $second @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'KeySlotInvalid,*.SetKeySlotCommand'
        { Test-KeySlot $path -VolumeKeyFile $TestDrive/volume.key -Passphrase $first -ErrorAction Stop } |
            Should -Throw -ErrorId 'SecretAmbiguous,*.TestKeySlotCommand'
    }
}

Describe 'Remove-KeySlot' {
    BeforeEach {
        $path = New-TestImage
        $null = Add-KeySlot $path -Passphrase $first -NewPassphrase $second @cheap
    }

    It 'removes by number' {
        Remove-KeySlot $path 1 -Confirm:$false
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
    }

    It 'removes what the passphrase opens' {
        Remove-KeySlot $path -Passphrase $first -Confirm:$false
        (Get-KeySlot $path).Slot | Should -Be 1
    }

    It 'removes what Get-KeySlot finds' {
        Get-KeySlot $path -Slot 0 | Remove-KeySlot -Confirm:$false
        (Get-KeySlot $path).Slot | Should -Be 1
    }

    It 'removes the last one with -Force only, which asks no question' {
        Remove-KeySlot $path 1 -Confirm:$false
        { Remove-KeySlot $path 0 -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'LastKeySlot,*.RemoveKeySlotCommand'
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
        Remove-KeySlot $path 0 -Force
        Get-KeySlot $path | Should -BeNullOrEmpty
    }

    It 'does nothing under -WhatIf, even with -Force' {
        $before = (Get-FileHash $path).Hash
        Remove-KeySlot $path 1 -WhatIf -Force
        & { $WhatIfPreference = $true; Remove-KeySlot $path 1 -Force }
        (Get-FileHash $path).Hash | Should -Be $before
    }

    It 'wants to know which' {
        { Remove-KeySlot $path -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidParameter,*.RemoveKeySlotCommand'
    }

    It 'takes a secret besides the number as the proof that another way in is left' {
        { Remove-KeySlot $path 1 -Passphrase $second -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.RemoveKeySlotCommand'
        (Get-KeySlot $path).Slot | Should -Be 0, 1
        Remove-KeySlot $path 1 -Passphrase $first -Confirm:$false
        (Get-KeySlot $path).Slot | Should -Be 0
    }
}

Describe 'Test-KeySlot' {
    It 'answers yes and no, and fails only where there is no answer' {
        $path = New-TestImage
        Test-KeySlot $path -Passphrase $first | Should -BeTrue
        Test-KeySlot $path -Passphrase $second | Should -BeFalse
        { Test-KeySlot $path -Passphrase $first -Slot 1 -ErrorAction Stop } |
            Should -Throw -ErrorId 'KeySlotInactive,*.TestKeySlotCommand'
        { Test-KeySlot "$TestDrive/nothing.img" -Passphrase $first -ErrorAction Stop } |
            Should -Throw -ErrorId 'FileNotFound,*.TestKeySlotCommand'
    }
}
