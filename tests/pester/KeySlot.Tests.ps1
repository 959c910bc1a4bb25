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
        { Set-KeySlot $path -Slot 1 -Passphrase $first -NewPassphrase $second @cheap -ErrorAction Stop } |
            Should -Throw -ErrorId 'WrongPassphrase,*.SetKeySlotCommand'
    }

    It 'changes nothing under -WhatIf' {
        $before = (Get-FileHash $path).Hash
        Set-KeySlot $path -Passphrase $first -NewPassphrase $second -WhatIf
        (Get-FileHash $path).Hash | Should -Be $before
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
        { Remove-KeySlot $path 1 -Passphrase $first -Confirm:$false -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidParameter,*.RemoveKeySlotCommand'
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
